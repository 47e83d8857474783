//! How the lists stand that a CA of our own publishes each night.

use jiff::{SignedDuration, Timestamp};

use crate::listed_after;

/// What became of an attempt to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListAttempt {
    /// Begun; nothing has been heard of it since.
    Begun,
    /// It failed; why, for operators.
    Failed(String),
    /// Every list is where it belongs.
    Published,
}

/// What is wrong with the lists of a night.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListTrouble {
    /// The attempt failed and said so.
    Failed,
    /// The attempt ended without a word: killed, or the power was cut.
    Unfinished,
    /// A night went by, and nobody published.
    Overdue,
}

/// An attempt that has said nothing for so long is not at work any more.
const SIGNING_TIME: SignedDuration = SignedDuration::from_mins(15);
/// How long after midnight the lists should be out.
const PUBLISHING_TIME: SignedDuration = SignedDuration::from_hours(2);

impl ListAttempt {
    /// What is wrong, where the last attempt was at `attempted_at` and the complete list that
    /// is in force was made at `published`.
    pub fn trouble(
        &self,
        attempted_at: Timestamp,
        published: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<ListTrouble> {
        let overdue = published.is_none_or(|at| now > listed_after(at) + PUBLISHING_TIME);
        match self {
            Self::Failed(_) => Some(ListTrouble::Failed),
            Self::Begun if now > attempted_at + SIGNING_TIME => Some(ListTrouble::Unfinished),
            // One that is at work may be the first.
            Self::Begun if published.is_none() => None,
            Self::Begun | Self::Published => overdue.then_some(ListTrouble::Overdue),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_night_that_went_wrong_is_told_however_it_ended() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        // Five past midnight in Taipei.
        let night = at("2026-11-27T16:05:00Z");
        let minutes = SignedDuration::from_mins;
        let failed = ListAttempt::Failed("no key".into());
        let (begun, published) = (ListAttempt::Begun, ListAttempt::Published);
        for (attempt, list, later, trouble) in [
            (&published, Some(night), 60, None),
            (&published, Some(night), 26 * 60 - 6, None),
            (&published, Some(night), 26 * 60, Some(ListTrouble::Overdue)),
            (&published, None, 1, Some(ListTrouble::Overdue)),
            (&failed, Some(night), 1, Some(ListTrouble::Failed)),
            (&failed, None, 1, Some(ListTrouble::Failed)),
            (&begun, None, 15, None),
            (&begun, None, 16, Some(ListTrouble::Unfinished)),
            (&begun, Some(night), 16, Some(ListTrouble::Unfinished)),
            // Begun again and again, and never finished.
            (&begun, Some(night - 24 * minutes(60)), 1, None),
            (&begun, Some(night - 48 * minutes(60)), 1, Some(ListTrouble::Overdue)),
        ] {
            let found = attempt.trouble(night, list, night + minutes(later));
            assert_eq!(found, trouble, "{attempt:?} {list:?} {later}");
        }
    }
}
