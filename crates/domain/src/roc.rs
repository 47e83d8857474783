//! Time as people in Taiwan write it: Asia/Taipei, years of the Republic (民國).

use std::fmt;

use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;
use jiff::{Timestamp, ToSpan};

/// Asia/Taipei: eight hours ahead of UTC, without daylight saving since 1980.
pub const TAIPEI: Offset = Offset::constant(8);

/// Seconds from midnight UTC to midnight in Taipei.
const TAIPEI_SECONDS: i64 = 8 * 3600;
const DAY: i64 = 24 * 3600;

/// A calendar day in Taipei, as days since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaipeiDay(i64);

impl TaipeiDay {
    /// The day of this instant.
    pub fn of(at: Timestamp) -> Self {
        Self((at.as_second() + TAIPEI_SECONDS).div_euclid(DAY))
    }

    /// Days since 1970-01-01.
    pub fn number(self) -> i64 {
        self.0
    }

    /// Its first instant.
    pub fn begins_at(self) -> Timestamp {
        Timestamp::from_second(self.0 * DAY - TAIPEI_SECONDS).unwrap_or_default()
    }

    /// The first instant of the next day.
    pub fn ends_at(self) -> Timestamp {
        Self(self.0 + 1).begins_at()
    }
}

/// An instant as the receipt shows it: `112/11/17 14:35:04`.
///
/// ```
/// let at = "2023-11-17T14:35:04+08:00".parse().unwrap();
/// assert_eq!(domain::RocDateTime(at).to_string(), "112/11/17 14:35:04");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RocDateTime(pub Timestamp);

impl fmt::Display for RocDateTime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local: DateTime = TAIPEI.to_datetime(self.0);
        write!(
            formatter,
            "{:03}/{:02}/{:02} {:02}:{:02}:{:02}",
            local.year() - 1911,
            local.month(),
            local.day(),
            local.hour(),
            local.minute(),
            local.second()
        )
    }
}

/// A day as people read it: `112/11/17`.
///
/// ```
/// assert_eq!(domain::RocDay(jiff::civil::date(2023, 11, 17)).to_string(), "112/11/17");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RocDay(pub Date);

impl RocDay {
    /// The day of this instant in Taipei.
    pub fn of(at: Timestamp) -> Self {
        Self(TAIPEI.to_datetime(at).date())
    }

    /// So many days later.
    #[must_use]
    pub fn plus(self, days: i64) -> Self {
        Self(self.0.saturating_add(days.days()))
    }

    /// The instant at which the day is over in Taipei.
    pub fn end(self) -> Timestamp {
        let next = self.plus(1).0.to_datetime(jiff::civil::Time::midnight());
        TAIPEI.to_timestamp(next).unwrap_or(Timestamp::MAX)
    }
}

impl fmt::Display for RocDay {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(day) = self;
        write!(formatter, "{:03}/{:02}/{:02}", day.year() - 1911, day.month(), day.day())
    }
}

/// A day as the progress page shows it: `1121107`.
///
/// ```
/// let at = "2023-11-07T00:00:00+08:00".parse().unwrap();
/// assert_eq!(domain::RocDate(at).to_string(), "1121107");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RocDate(pub Timestamp);

impl fmt::Display for RocDate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = TAIPEI.to_datetime(self.0);
        write!(formatter, "{:03}{:02}{:02}", local.year() - 1911, local.month(), local.day())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_turns_at_taipei_midnight() {
        let before: Timestamp = "2023-12-31T15:59:59Z".parse().unwrap();
        let after: Timestamp = "2023-12-31T16:00:00Z".parse().unwrap();
        assert_eq!(TaipeiDay::of(before).number() + 1, TaipeiDay::of(after).number());
        assert_eq!(RocDateTime(before).to_string(), "112/12/31 23:59:59");
        assert_eq!(RocDateTime(after).to_string(), "113/01/01 00:00:00");
        assert_eq!(TaipeiDay::of(before).ends_at(), after);
        assert_eq!(TaipeiDay::of(after).begins_at(), after);
    }

    #[test]
    fn a_day_ends_when_the_next_begins_in_taipei() {
        let at = "2028-02-28T15:00:00Z".parse().unwrap();
        assert_eq!(RocDay::of(at).to_string(), "117/02/28");
        let end: Timestamp = "2028-02-29T00:00:00+08:00".parse().unwrap();
        assert_eq!(RocDay::of(at).end(), end);
        assert_eq!(RocDay::of(at).plus(2).to_string(), "117/03/01");
    }

    #[test]
    fn leap_days_exist() {
        let leap: Timestamp = "2024-02-29T12:00:00+08:00".parse().unwrap();
        assert_eq!(RocDate(leap).to_string(), "1130229");
    }
}
