//! Wrong answers of a day (requirement A19).
//!
//! Every call goes through one writing statement here, right ones too: it takes its turn
//! behind every wrong answer that asked before. A right answer that only read the count
//! could overtake queued wrong ones and reveal a comparison after the third.

use domain::{PersonDigest, TaipeiDay, TokenDigest};

use crate::{Attempts, Database, Row, StoreError, Value};

/// Durable before the answer leaves. No row: three were given before, none of them to this
/// token. One that was counted keeps its place, whatever became of its answer.
pub(crate) const COUNT: &str =
    "INSERT INTO wrong_answers (person, day, wrong, first) VALUES (?1, ?2, 1, ?3)
    ON CONFLICT (person, day) DO UPDATE SET
        wrong = wrong + ((?3 IN (first, second, third)) IS NOT TRUE),
        second = coalesce(second, nullif(?3, first)),
        third = CASE WHEN second IS NULL THEN NULL
            ELSE coalesce(third, nullif(nullif(?3, first), second)) END
        WHERE wrong < 3 OR ?3 IN (first, second, third)
    RETURNING CASE ?3 WHEN first THEN 1 WHEN second THEN 2 WHEN third THEN 3 END";
/// Takes the writers' turn. Without a row nothing is changed and nothing has to be synced.
/// RETURNING would make a temporary table, each time.
pub(crate) const SO_FAR: &str =
    "UPDATE wrong_answers SET wrong = wrong WHERE person = ?1 AND day = ?2";
const WRONG: &str = "SELECT wrong FROM wrong_answers WHERE person = ?1 AND day = ?2";
const FORGET: &str = "DELETE FROM wrong_answers WHERE day < ?1";

#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[COUNT, SO_FAR, WRONG, FORGET];

impl<D: Database> Attempts<D> {
    /// Counts the wrong answer to a token; returns which one of the day it is, or `None` when
    /// three had been given before. A token that was counted before is not counted again.
    ///
    /// # Errors
    /// [`StoreError`]: nothing may be revealed then.
    pub fn count_wrong(
        &self,
        person: PersonDigest,
        day: TaipeiDay,
        token: TokenDigest,
    ) -> Result<Option<u8>, StoreError> {
        let [person, day] = key(person, day);
        let rows = self.0.execute(COUNT, &[person, day, token.0[..].into()])?;
        rows.first().map(wrong).transpose()
    }

    /// Wrong answers so far, or `None` when locked.
    ///
    /// # Errors
    /// [`StoreError`]: nothing may be revealed then.
    pub fn wrong_so_far(
        &self,
        person: PersonDigest,
        day: TaipeiDay,
    ) -> Result<Option<u8>, StoreError> {
        let key = key(person, day);
        self.0.execute(SO_FAR, &key)?;
        if self.0.changes() == 0 {
            return Ok(Some(0));
        }
        // Counts only grow: one that came since is seen too.
        let rows = self.0.execute(WRONG, &key)?;
        let count = rows.first().map(wrong).transpose()?.unwrap_or(0);
        Ok((count < domain::MAX_WRONG_ANSWERS).then_some(count))
    }

    /// Forgets the days before this one. Leave a day or two: answers may still be under
    /// way for the last one, and a clock that jumped ahead may step back.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forget_before(&self, day: TaipeiDay) -> Result<(), StoreError> {
        self.0.execute(FORGET, &[day.number().into()]).map(drop)
    }
}

fn key(person: PersonDigest, day: TaipeiDay) -> [Value; 2] {
    [person.0[..].into(), day.number().into()]
}

fn wrong(row: &Row) -> Result<u8, StoreError> {
    let wrong = row.integer(0)?;
    u8::try_from(wrong)
        .map_err(|_| StoreError::Inconsistent { what: "count", found: wrong.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::memory;
    use crate::schema::Label;

    #[test]
    fn the_fourth_wrong_answer_of_a_day_is_not_counted() {
        let attempts = Attempts(memory(Label::Attempts));
        let day = TaipeiDay::of("2023-11-17T14:00:00+08:00".parse().unwrap());
        let next = TaipeiDay::of("2023-11-18T00:00:00+08:00".parse().unwrap());
        let person = PersonDigest([1; 16]);
        let token = |number| TokenDigest([number; 16]);
        for n in 1..=3 {
            assert_eq!(attempts.wrong_so_far(person, day), Ok(Some(n - 1)));
            assert_eq!(attempts.count_wrong(person, day, token(n)), Ok(Some(n)));
            for again in 1..=n {
                assert_eq!(attempts.count_wrong(person, day, token(again)), Ok(Some(again)));
            }
        }
        assert_eq!(attempts.count_wrong(person, day, token(4)), Ok(None));
        assert_eq!(attempts.count_wrong(person, day, token(3)), Ok(Some(3)));
        assert_eq!(attempts.wrong_so_far(person, day), Ok(None));
        assert_eq!(attempts.wrong_so_far(PersonDigest([2; 16]), day), Ok(Some(0)));
        assert_eq!(attempts.count_wrong(person, next, token(1)), Ok(Some(1)));
        attempts.forget_before(next).unwrap();
        assert_eq!(attempts.wrong_so_far(person, day), Ok(Some(0)));
        assert_eq!(attempts.wrong_so_far(person, next), Ok(Some(1)));
    }
}
