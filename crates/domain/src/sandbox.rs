//! The test data of accounts in test mode: one fictional number for each answer, published, so
//! that a client can be tried with every code. Nothing is looked up and nothing is counted.

use crate::{Answer, CallOutcome, ConditionError, IdCard, NationalId};

/// What a number of the test data is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SandboxAnswer {
    /// As a call.
    Outcome(CallOutcome),
    /// 429, as when too many calls were made.
    RateLimited,
    /// 503, as when the service is down.
    Unavailable,
}

/// A number of the test data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxCase {
    /// 國民身分證統一編號.
    pub person_id: String,
    /// What it is answered with.
    pub answer: SandboxAnswer,
}

/// The other conditions of a question of the test data may be any that are allowed.
pub const SANDBOX_CONDITIONS: [(&str, &str); 3] =
    [("applyCode", "1"), ("applyYyymmdd", "0940105"), ("issueSiteId", "63000")];

/// The published test data: numbers whose seven digits in the middle count from 9000001.
pub fn sandbox_cases() -> Vec<SandboxCase> {
    use SandboxAnswer::{Outcome, RateLimited, Unavailable};
    let answers = [
        Answer::Matches,
        Answer::Differs(1),
        Answer::Differs(2),
        Answer::Differs(3),
        Answer::Locked,
        Answer::NumberStopped,
        Answer::ReportedLost,
        Answer::Suspended,
        Answer::MatchesUnchanged,
        Answer::MatchesChanged,
    ];
    let answers = answers.map(|answer| Outcome(CallOutcome::Answered(answer)));
    let refused = ConditionError::of("issueSiteId");
    let others = [
        Outcome(CallOutcome::AccountMismatch),
        Outcome(CallOutcome::Condition(refused)),
        RateLimited,
        Unavailable,
    ];
    let numbers = 9_000_001..;
    let cases = numbers.zip(answers.into_iter().chain(others));
    cases
        .map(|(number, answer)| SandboxCase {
            person_id: NationalId::with_check_digit(b'A', 1, number),
            answer,
        })
        .collect()
}

/// The answer in test mode: other numbers are refused, so that nobody sends real ones.
pub fn sandbox(card: &IdCard) -> SandboxAnswer {
    let known = sandbox_cases().into_iter().find(|case| card.is_of(&case.person_id));
    let refused = CallOutcome::Condition(ConditionError::of("personId"));
    known.map_or(SandboxAnswer::Outcome(refused), |case| case.answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_known_by_its_own_answer_and_no_other_number_is() {
        let cases = sandbox_cases();
        assert_eq!(cases.len(), 14);
        let card = |person: &str| IdCard::new(person, "1", "0940105", "63000").unwrap();
        for case in &cases {
            assert_eq!(sandbox(&card(&case.person_id)), case.answer);
        }
        let other = sandbox(&card("A123456789"));
        let refused = ConditionError::of("personId");
        assert_eq!(other, SandboxAnswer::Outcome(CallOutcome::Condition(refused)));
    }
}
