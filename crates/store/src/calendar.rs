//! The office calendar.

use domain::OfficeCalendar;
use jiff::civil::Date;

use crate::{Cases, Database, StoreError};

const DAYS: &str = "SELECT day, working FROM calendar_days";
const PUT: &str = "INSERT INTO calendar_days (day, working, note) VALUES (?1, ?2, ?3)
    ON CONFLICT (day) DO UPDATE SET working = excluded.working, note = excluded.note";

#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[DAYS, PUT];

impl<D: Database> Cases<D> {
    /// The calendar as it was imported.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn calendar(&self) -> Result<OfficeCalendar, StoreError> {
        let rows = self.0.execute(DAYS, &[])?;
        let day = |row: &crate::Row| -> Result<(Date, bool), StoreError> {
            Ok((row.parsed(0, "day", |text| text.parse().ok())?, row.integer(1)? == 1))
        };
        rows.iter().map(day).collect()
    }

    /// Says of one day whether the offices work.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_calendar_day(&self, day: Date, working: bool, note: &str) -> Result<(), StoreError> {
        let parameters = [day.to_string().into(), i64::from(working).into(), note.into()];
        self.0.execute(PUT, &parameters).map(drop)
    }
}
