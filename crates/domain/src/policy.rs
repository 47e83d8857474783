//! Policies: numbers of the rules that may change from a day on (rule 5 says 10 working days in
//! principle; the manual of 108 said 5).

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::Edition;

/// A number that may change from a day on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// 審核時間, in working days.
    ReviewDays,
    /// 補件時間, in working days.
    AnswerDays,
    /// Points of abnormal use at which an account is suspended (rule 9).
    ConductScore,
    /// Days from the warning of an account that was not used for a year to its revocation being put
    /// before officers (rule 10).
    IdleDays,
}

impl Policy {
    /// Every policy.
    pub const ALL: [Self; 4] =
        [Self::ReviewDays, Self::AnswerDays, Self::ConductScore, Self::IdleDays];

    /// The name in the store and on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReviewDays => "review-days",
            Self::AnswerDays => "answer-days",
            Self::ConductScore => "conduct-score",
            Self::IdleDays => "idle-days",
        }
    }

    /// What the page calls it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::ReviewDays => "審核時間（工作日）",
            Self::AnswerDays => "補件時間（工作日）",
            Self::ConductScore => "異常使用自動暫停（分）",
            Self::IdleDays => "逾一年未使用警告期間（日）",
        }
    }

    /// The policy of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.name() == name)
    }

    /// What holds where nobody has said otherwise.
    pub fn of_edition(self, edition: Edition) -> u16 {
        match self {
            Self::ReviewDays => edition.review_days(),
            Self::AnswerDays => Edition::ANSWER_DAYS,
            Self::ConductScore => 60,
            Self::IdleDays => 30,
        }
    }
}

/// A value of a policy, from a day on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyValue {
    /// Which.
    pub policy: Policy,
    /// In working days, days or points, 1 to 60.
    pub value: u16,
    /// The first day on which it holds.
    pub valid_from: Date,
}

/// Why a value cannot be proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Not between 1 and 60.
    #[error("not between 1 and 60")]
    Value,
    /// What has begun is not changed afterwards.
    #[error("not a day to come")]
    Past,
}

impl crate::Coded for PolicyError {
    fn code(&self) -> crate::Code {
        crate::Code::PolicyValue
    }
}

impl PolicyValue {
    /// Whether this may be proposed today: a value within bounds, from a day to come.
    ///
    /// # Errors
    /// [`PolicyError`].
    pub fn check(self, today: Date) -> Result<Self, PolicyError> {
        self.errors(today).first().map_or(Ok(self), |error| Err(*error))
    }

    /// Everything that is in the way of it.
    pub fn errors(self, today: Date) -> Vec<PolicyError> {
        let value = (!(1..=60).contains(&self.value)).then_some(PolicyError::Value);
        let day = (self.valid_from <= today).then_some(PolicyError::Past);
        value.into_iter().chain(day).collect()
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_policy_changes_from_a_day_to_come() {
        let value =
            |value, valid_from| PolicyValue { policy: Policy::ReviewDays, value, valid_from };
        let today = date(2026, 11, 21);
        assert!(value(15, date(2026, 11, 22)).check(today).is_ok());
        assert_eq!(value(15, today).check(today), Err(PolicyError::Past));
        for wrong in [0, 61] {
            assert_eq!(value(wrong, date(2027, 1, 1)).check(today), Err(PolicyError::Value));
        }
        for policy in Policy::ALL {
            assert_eq!(Policy::from_name(policy.name()), Some(policy));
        }
        assert_eq!(Policy::ReviewDays.of_edition(Edition::Of108), 5);
        assert_eq!(Policy::ReviewDays.of_edition(Edition::Of112), 10);
    }
}
