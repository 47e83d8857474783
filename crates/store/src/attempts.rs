//! Wrong answers of a day (requirement A19).
//!
//! Every comparison goes through one writing statement here, right ones too: it takes its turn
//! behind every wrong answer that asked before. A right answer that only read the count
//! could overtake queued wrong ones and reveal a comparison after the third.
//!
//! Once the third is given, calls are not compared: the record of calls knows it
//! ([`crate::Calls::reserve`]). What was on its way then comes to one statement here that
//! changes one row and waits for its commit, whether its data were right or wrong.

use domain::{PersonDigest, TaipeiDay, TokenDigest};

use crate::{Attempts, Database, Row, StoreError, Value};

/// Durable before the answer leaves. NULL: three were given before, none of them to this
/// token. One that was counted keeps its place, whatever became of its answer.
pub(crate) const COUNT: &str =
    "INSERT INTO wrong_answers (person, day, wrong, first) VALUES (?1, ?2, 1, ?3)
    ON CONFLICT (person, day) DO UPDATE SET
        wrong = min(3, wrong + ((?3 IN (first, second, third)) IS NOT TRUE)),
        second = coalesce(second, nullif(?3, first)),
        third = CASE WHEN second IS NULL THEN NULL
            ELSE coalesce(third, nullif(nullif(?3, first), second)) END
    RETURNING CASE ?3 WHEN first THEN 1 WHEN second THEN 2 WHEN third THEN 3 END";
/// Takes the writers' turn. Unless the person is locked nothing is changed and nothing has to be
/// synced.
pub(crate) const LOCKED: &str =
    "UPDATE wrong_answers SET wrong = wrong WHERE person = ?1 AND day = ?2 AND wrong = 3";
const STANDING: &str = "SELECT wrong,
        CASE ?3 WHEN first THEN 1 WHEN second THEN 2 WHEN third THEN 3 END
    FROM wrong_answers WHERE person = ?1 AND day = ?2";
const FORGET: &str = "DELETE FROM wrong_answers WHERE day < ?1";

#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[COUNT, LOCKED, STANDING, FORGET];

/// What is known of a person's day before anything is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DayStanding {
    /// Nothing is known of this token, and there are tries left.
    Open,
    /// The answer to this token was wrong, and counted as this one of the day.
    Counted(u8),
    /// Three wrong answers were given, none of them to this token.
    Locked,
}

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
        rows.first().map_or(Ok(None), |row| place(row, 0))
    }

    /// Whether three wrong answers were given, among all that asked before.
    ///
    /// # Errors
    /// [`StoreError`]: nothing may be revealed then.
    pub fn is_locked(&self, person: PersonDigest, day: TaipeiDay) -> Result<bool, StoreError> {
        self.0.execute(LOCKED, &key(person, day))?;
        Ok(self.0.changes() > 0)
    }

    /// What is known of a person's day, and of a token that may have been counted before.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn standing(
        &self,
        person: PersonDigest,
        day: TaipeiDay,
        token: TokenDigest,
    ) -> Result<DayStanding, StoreError> {
        let [person, day] = key(person, day);
        let rows = self.0.execute(STANDING, &[person, day, token.0[..].into()])?;
        let Some(row) = rows.first() else { return Ok(DayStanding::Open) };
        Ok(match place(row, 1)? {
            Some(place) => DayStanding::Counted(place),
            None if row.integer(0)? >= i64::from(domain::MAX_WRONG_ANSWERS) => DayStanding::Locked,
            None => DayStanding::Open,
        })
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

fn place(row: &Row, index: usize) -> Result<Option<u8>, StoreError> {
    let Some(place) = row.optional_integer(index)? else { return Ok(None) };
    let inconsistent = |_| StoreError::Inconsistent { what: "count", found: place.to_string() };
    u8::try_from(place).map_err(inconsistent).map(Some)
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
            assert_eq!(attempts.is_locked(person, day), Ok(false));
            assert_eq!(attempts.standing(person, day, token(n)), Ok(DayStanding::Open));
            assert_eq!(attempts.count_wrong(person, day, token(n)), Ok(Some(n)));
            for again in 1..=n {
                assert_eq!(attempts.count_wrong(person, day, token(again)), Ok(Some(again)));
                let counted = DayStanding::Counted(again);
                assert_eq!(attempts.standing(person, day, token(again)), Ok(counted));
            }
        }
        assert_eq!(attempts.count_wrong(person, day, token(4)), Ok(None));
        // As many rows changed as by asking whether a right answer may be revealed.
        assert_eq!(attempts.0.changes(), 1);
        assert_eq!(attempts.is_locked(person, day), Ok(true));
        assert_eq!(attempts.0.changes(), 1);
        assert_eq!(attempts.standing(person, day, token(4)), Ok(DayStanding::Locked));
        assert_eq!(attempts.count_wrong(person, day, token(3)), Ok(Some(3)));
        assert_eq!(attempts.is_locked(PersonDigest([2; 16]), day), Ok(false));
        assert_eq!(attempts.count_wrong(person, next, token(1)), Ok(Some(1)));
        attempts.forget_before(next).unwrap();
        assert_eq!(attempts.standing(person, day, token(1)), Ok(DayStanding::Open));
        assert_eq!(attempts.is_locked(person, day), Ok(false));
        assert_eq!(attempts.standing(person, next, token(1)), Ok(DayStanding::Counted(1)));
    }
}
