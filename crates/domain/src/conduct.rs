//! Abnormal use (異常使用, rule 9): what an account's calls of an hour look like, sign by sign,
//! so that anybody can see why. The points decide what happens; officers decide what it was.

use serde::{Deserialize, Serialize};

/// The calls of an account in the hour that is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Conduct {
    /// Calls that were answered.
    pub calls: u32,
    /// Of them compared with the register.
    pub compared: u32,
    /// Of those the wrong ones (codes 2 to 4).
    pub wrong: u32,
    /// Different persons that a wrong answer was about: each loses a try.
    pub wrong_persons: u32,
    /// Different `userId`.
    pub users: u32,
    /// Calls between midnight and six in Taipei.
    pub at_night: u32,
    /// Requests of the day from another address than the registered one.
    pub foreign: u32,
}

/// Something that stands out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConductSign {
    /// Stable name.
    pub sign: String,
    /// What it counts.
    pub points: u16,
    /// What was seen, in words.
    pub message: String,
}

/// So many points, and officers are told.
pub const CONDUCT_NOTICE: u16 = 30;

impl Conduct {
    /// What stands out; nothing for a handful of calls.
    pub fn signs(&self) -> Vec<ConductSign> {
        let percent = |part: u32, whole: u32| u64::from(part) * 100 / u64::from(whole.max(1));
        let mut signs = Vec::new();
        let mut say = |sign: &str, points: u16, message: String| {
            signs.push(ConductSign { sign: sign.to_owned(), points, message });
        };
        let wrong = percent(self.wrong, self.compared);
        if self.compared >= 20 && wrong >= 50 {
            let points = if wrong >= 80 { 40 } else { 30 };
            let message = format!("比對{}次，其中{}次不符（{wrong}%）", self.compared, self.wrong);
            say("mismatches", points, message);
        }
        if self.wrong_persons >= 20 {
            let points = if self.wrong_persons >= 100 { 40 } else { 25 };
            let message = format!("對{}個不同身分證字號查驗不符", self.wrong_persons);
            say("enumeration", points, message);
        }
        if self.users >= 20 && self.users * 2 >= self.calls {
            let message = format!("{}次呼叫使用{}個不同userId", self.calls, self.users);
            say("user-churn", 15, message);
        }
        if self.calls >= 50 && percent(self.at_night, self.calls) >= 80 {
            let message = format!("{}次呼叫中{}次在0時至6時", self.calls, self.at_night);
            say("night", 10, message);
        }
        if self.foreign >= 5 {
            let points = if self.foreign >= 50 { 25 } else { 15 };
            say("foreign-address", points, format!("當日{}次來自非登錄之IP位址", self.foreign));
        }
        signs
    }
}

/// The points of signs together.
pub fn conduct_score(signs: &[ConductSign]) -> u16 {
    signs.iter().map(|sign| sign.points).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(conduct: Conduct) -> u16 {
        conduct_score(&conduct.signs())
    }

    #[test]
    fn ordinary_use_stands_out_in_nothing() {
        assert_eq!(score(Conduct::default()), 0);
        let busy = Conduct {
            calls: 5000,
            compared: 4900,
            wrong: 400,
            wrong_persons: 19,
            users: 40,
            at_night: 900,
            foreign: 1,
        };
        assert_eq!(score(busy), 0);
        // A few mistakes at the first trial are no pattern.
        let trial = Conduct { calls: 12, compared: 12, wrong: 12, wrong_persons: 4, ..busy };
        assert_eq!(score(trial), 15, "only the users stand out");
    }

    #[test]
    fn guessing_at_many_people_is_more_than_a_notice() {
        let guessing = Conduct {
            calls: 300,
            compared: 300,
            wrong: 290,
            wrong_persons: 120,
            ..Conduct::default()
        };
        assert_eq!(score(guessing), 80);
        let signs = guessing.signs();
        assert_eq!(signs[0].message, "比對300次，其中290次不符（96%）");
        assert_eq!(signs[1].sign, "enumeration");
        let stolen =
            Conduct { calls: 60, compared: 60, at_night: 60, foreign: 60, ..Conduct::default() };
        assert_eq!(score(stolen), 35);
    }
}
