//! 逾一年未使用 (rules 8 and 10): an account without a call for more than a year is warned, and put
//! before officers when it stays unused. A call in between ends the matter.

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};

use crate::RocDay;

/// A warning that was given and is not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleWarning {
    /// The last use before it.
    pub unused_since: Timestamp,
    /// The last day on which a call still counts by itself.
    pub until: Date,
    /// Whether it was put before officers.
    pub is_due: bool,
}

impl IdleWarning {
    /// Whether its last day is over.
    pub fn is_over(self, now: Timestamp) -> bool {
        RocDay::of(now).0 > self.until
    }
}

/// What is to be done about an account now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdleStep {
    /// Nothing.
    Nothing,
    /// To warn it.
    Warn,
    /// To put it before officers: the warning is over, and there was no call.
    Submit,
    /// The warning is no longer one: there was a call.
    Clear,
}

/// The last day on which the last use is not more than a year ago. A year from 29 February ends on
/// 28 February.
pub fn used_within_a_year_until(last_use: Timestamp) -> Date {
    let RocDay(day) = RocDay::of(last_use);
    day.saturating_add(1.year())
}

/// What is to be done about an account in use. `last_use` is the latest of its approval, its last
/// call, and what officers decided about it.
pub fn idle_step(last_use: Timestamp, warning: Option<IdleWarning>, now: Timestamp) -> IdleStep {
    match warning {
        Some(warning) if last_use > warning.unused_since => IdleStep::Clear,
        Some(warning) if warning.is_over(now) && !warning.is_due => IdleStep::Submit,
        Some(_) => IdleStep::Nothing,
        None if RocDay::of(now).0 > used_within_a_year_until(last_use) => IdleStep::Warn,
        None => IdleStep::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn more_than_a_year_is_a_day_more_in_taipei() {
        for (last_use, last_day) in [
            ("2025-11-28T23:59:59+08:00", "2026-11-28"),
            ("2025-11-29T00:00:00+08:00", "2026-11-29"),
            ("2024-02-29T12:00:00+08:00", "2025-02-28"),
            ("2023-02-28T12:00:00+08:00", "2024-02-28"),
            ("2025-12-31T23:59:59+08:00", "2026-12-31"),
        ] {
            let last_use = at(last_use);
            let day = used_within_a_year_until(last_use);
            assert_eq!(day.to_string(), last_day);
            let end = RocDay(day).end();
            assert_eq!(
                idle_step(last_use, None, end - jiff::SignedDuration::from_secs(1)),
                IdleStep::Nothing
            );
            assert_eq!(idle_step(last_use, None, end), IdleStep::Warn);
        }
    }

    #[test]
    fn a_warning_is_over_with_its_last_day_and_a_call_ends_it() {
        let unused_since = at("2025-01-01T08:00:00+08:00");
        let until = jiff::civil::date(2026, 2, 1);
        let warning = IdleWarning { unused_since, until, is_due: false };
        let step = |last_use, warning, now: &str| idle_step(last_use, Some(warning), at(now));
        assert_eq!(step(unused_since, warning, "2026-02-01T23:59:59+08:00"), IdleStep::Nothing);
        assert_eq!(step(unused_since, warning, "2026-02-02T00:00:00+08:00"), IdleStep::Submit);
        let due = IdleWarning { is_due: true, ..warning };
        assert_eq!(step(unused_since, due, "2026-03-01T00:00:00+08:00"), IdleStep::Nothing);
        let call = at("2026-02-10T00:00:00+08:00");
        assert_eq!(step(call, due, "2026-03-01T00:00:00+08:00"), IdleStep::Clear);
        assert_eq!(step(call, warning, "2026-01-31T00:00:00+08:00"), IdleStep::Clear);
    }
}
