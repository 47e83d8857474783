//! Working days (工作日) by the office calendar (政府行政機關辦公日曆表): how long a review
//! takes (rule 5).

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, Weekday};
use jiff::{Timestamp, ToSpan};

use crate::TAIPEI;

/// Saturdays and Sundays, but for the days that the calendar names: holidays, days worked
/// instead, days on which the offices of Taipei are closed for a typhoon.
#[derive(Clone, Debug, Default)]
pub struct OfficeCalendar {
    days: BTreeMap<Date, bool>,
    /// Years whose holidays are known.
    years: BTreeSet<i16>,
}

impl OfficeCalendar {
    /// Says of a day whether the offices work.
    pub fn set(&mut self, day: Date, working: bool) {
        self.days.insert(day, working);
    }

    /// Says that the calendar of this day's year is complete.
    pub fn know(&mut self, day: Date) {
        self.years.insert(day.year());
    }

    /// Whether the offices work on this day.
    pub fn works_on(&self, day: Date) -> bool {
        let weekend = matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
        self.days.get(&day).copied().unwrap_or(!weekend)
    }

    /// The working day that is the nth after the day of this instant, which does not count
    /// itself (行政程序法 §48). None at the end of all time.
    pub fn nth_working_day_after(&self, at: Timestamp, count: u16) -> Option<Date> {
        let mut day = TAIPEI.to_datetime(at).date();
        for _ in 0..count {
            day = day.checked_add(1.day()).ok()?;
            while !self.works_on(day) {
                day = day.checked_add(1.day()).ok()?;
            }
        }
        Some(day)
    }

    /// Whether the calendar knows the holidays of every year from one day to another.
    pub fn covers(&self, from: Date, to: Date) -> bool {
        (from.year()..=to.year()).all(|year| self.years.contains(&year))
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn weekends_holidays_and_days_worked_instead_are_counted_as_the_calendar_says() {
        let friday: Timestamp = "2026-02-06T16:30:00+08:00".parse().unwrap();
        let plain = OfficeCalendar::default();
        assert_eq!(plain.nth_working_day_after(friday, 0), Some(date(2026, 2, 6)));
        assert_eq!(plain.nth_working_day_after(friday, 1), Some(date(2026, 2, 9)));
        assert_eq!(plain.nth_working_day_after(friday, 10), Some(date(2026, 2, 20)));
        // A week of holidays, and a Saturday that is worked.
        let mut calendar = OfficeCalendar::default();
        for day in 16..=20 {
            calendar.set(date(2026, 2, day), false);
        }
        calendar.set(date(2026, 2, 7), true);
        assert!(
            !calendar.covers(date(2026, 2, 1), date(2026, 2, 28)),
            "single days are no calendar"
        );
        calendar.know(date(2026, 1, 1));
        assert_eq!(calendar.nth_working_day_after(friday, 1), Some(date(2026, 2, 7)));
        assert_eq!(calendar.nth_working_day_after(friday, 10), Some(date(2026, 2, 26)));
        assert!(calendar.covers(date(2026, 1, 1), date(2026, 12, 31)));
        assert!(!calendar.covers(date(2026, 12, 31), date(2027, 1, 1)));
    }

    #[test]
    fn the_day_of_an_instant_is_that_of_taipei() {
        let late: Timestamp = "2026-02-09T16:30:00Z".parse().unwrap();
        assert_eq!(
            OfficeCalendar::default().nth_working_day_after(late, 1),
            Some(date(2026, 2, 11))
        );
    }
}
