//! The office calendar.

use domain::{Act, Actor, OfficeCalendar};
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::json;

use crate::audit::Deed;
use crate::{Cases, Database, StoreError};

const DAYS: &str = "SELECT day, working, by_hand FROM calendar_days";
const PUT: &str = "INSERT INTO calendar_days (day, working, note, by_hand) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (day) DO UPDATE
        SET working = excluded.working, note = excluded.note, by_hand = excluded.by_hand
        WHERE excluded.by_hand OR NOT calendar_days.by_hand";

#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[DAYS, PUT];

impl<D: Database> Cases<D> {
    /// The calendar as it was imported.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn calendar(&self) -> Result<OfficeCalendar, StoreError> {
        let rows = self.0.execute(DAYS, &[])?;
        let mut calendar = OfficeCalendar::default();
        for row in &rows {
            let day = row.parsed(0, "day", |text| text.parse().ok())?;
            calendar.set(day, row.integer(1)? == 1);
            if row.integer(2)? == 0 {
                calendar.know(day);
            }
        }
        Ok(calendar)
    }

    /// A day that somebody says something of, with the log. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_day(
        &self,
        day: Date,
        working: bool,
        note: &str,
        by: Actor,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.put_calendar_day(day, working, note, true)?;
        let details = json!({ "day": day.to_string(), "working": working, "note": note });
        self.log(&Deed::new(by, Act::DaySet, now).with(details))
    }

    /// Says of one day whether the offices work. What was said by hand, a calendar that is
    /// imported later does not change.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_calendar_day(
        &self,
        day: Date,
        working: bool,
        note: &str,
        by_hand: bool,
    ) -> Result<(), StoreError> {
        let flag = |value: bool| i64::from(value).into();
        let parameters = [day.to_string().into(), flag(working), note.into(), flag(by_hand)];
        self.0.execute(PUT, &parameters).map(drop)
    }
}
