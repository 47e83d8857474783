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

/// The clock of a review: working days from the application, with those on which the
/// applicant was waited for left out.
#[derive(Clone, Debug)]
pub struct ReviewClock {
    /// 申請日期, which does not count itself.
    pub submitted_at: Timestamp,
    /// Working days, with those of an extension.
    pub days: u16,
    /// From a question to its answer, the day of the answer included; open while it is
    /// waited for.
    pub pauses: Vec<(Timestamp, Option<Timestamp>)>,
}

impl ReviewClock {
    /// The day by which a decision is due; none while the clock stands still.
    pub fn due(&self, calendar: &OfficeCalendar) -> Option<Date> {
        if self.pauses.iter().any(|(_, end)| end.is_none()) {
            return None;
        }
        let date = |at: Timestamp| TAIPEI.to_datetime(at).date();
        let stood_still = |day: Date| {
            self.pauses
                .iter()
                .any(|(from, to)| date(*from) < day && to.is_some_and(|to| day <= date(to)))
        };
        let mut day = date(self.submitted_at);
        let mut left = self.days;
        while left > 0 {
            day = day.checked_add(1.day()).ok()?;
            if calendar.works_on(day) && !stood_still(day) {
                left -= 1;
            }
        }
        Some(day)
    }
}

/// How many working days are left until the end of a day; below zero when it has passed.
pub fn working_days_left(calendar: &OfficeCalendar, due: Date, now: Timestamp) -> i32 {
    let today = TAIPEI.to_datetime(now).date();
    let (mut day, end, sign) = if due >= today { (today, due, 1) } else { (due, today, -1) };
    let mut count = 0;
    while day < end {
        let Ok(next) = day.checked_add(1.day()) else { break };
        day = next;
        count += i32::from(calendar.works_on(day));
    }
    sign * count
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

    #[test]
    fn the_clock_of_a_review_stands_still_while_the_applicant_is_asked() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let mut calendar = OfficeCalendar::default();
        // Monday; ten working days end on Monday fortnight.
        let mut clock =
            ReviewClock { submitted_at: at("2026-11-02T23:59:59+08:00"), days: 10, pauses: vec![] };
        assert_eq!(clock.due(&calendar), Some(date(2026, 11, 16)));
        // Asked on Wednesday, answered on Friday: Thursday and Friday do not count.
        clock.pauses.push((at("2026-11-04T09:00:00+08:00"), None));
        assert_eq!(clock.due(&calendar), None);
        clock.pauses[0].1 = Some(at("2026-11-06T23:59:59+08:00"));
        assert_eq!(clock.due(&calendar), Some(date(2026, 11, 18)));
        // Asked and answered on one day: it counts.
        clock.pauses[0].1 = Some(at("2026-11-04T10:00:00+08:00"));
        assert_eq!(clock.due(&calendar), Some(date(2026, 11, 16)));
        // A typhoon day moves it; an extension too.
        calendar.set(date(2026, 11, 10), false);
        assert_eq!(clock.due(&calendar), Some(date(2026, 11, 17)));
        clock.days += 5;
        assert_eq!(clock.due(&calendar), Some(date(2026, 11, 24)));
        // Across a leap day and the end of a year of the Republic.
        clock =
            ReviewClock { submitted_at: at("2028-02-28T12:00:00+08:00"), days: 2, pauses: vec![] };
        assert_eq!(clock.due(&calendar), Some(date(2028, 3, 1)));
        clock.submitted_at = at("2026-12-31T23:59:59+08:00");
        assert_eq!(clock.due(&calendar), Some(date(2027, 1, 4)));
        clock.submitted_at = at("2027-01-01T00:00:00+08:00");
        assert_eq!(clock.due(&calendar), Some(date(2027, 1, 5)));
    }

    #[test]
    fn days_left_are_working_days() {
        let calendar = OfficeCalendar::default();
        let now = "2026-11-20T23:59:59+08:00".parse().unwrap();
        assert_eq!(working_days_left(&calendar, date(2026, 11, 20), now), 0);
        assert_eq!(working_days_left(&calendar, date(2026, 11, 23), now), 1);
        assert_eq!(working_days_left(&calendar, date(2026, 11, 19), now), -1);
        assert_eq!(working_days_left(&calendar, date(2026, 11, 13), now), -5);
    }
}
