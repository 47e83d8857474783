//! How often anybody may ask about cards: a guard against harvesting, and against trying codes
//! of one card after another.

use jiff::Timestamp;

use crate::{Database, Revocation, StoreError};

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardRequest {
    /// 憑證查詢.
    Status,
    /// 停復用, with a code or without.
    Code,
}

impl CardRequest {
    fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Code => "code",
        }
    }

    /// How many of an address are answered in an hour. None holds for all of them together: strangers
    /// would use it up, and stop everybody's suspensions.
    pub const fn limit(self) -> i64 {
        match self {
            Self::Status => 30,
            Self::Code => 20,
        }
    }
}

/// Without a row there were as many as are allowed.
const ADMIT: &str = "INSERT INTO card_requests (kind, source, hour, count) VALUES (?1, ?2, ?3, 1)
    ON CONFLICT (kind, source, hour) DO UPDATE SET count = count + 1 WHERE count < ?4
    RETURNING count";
const FORGET: &str = "DELETE FROM card_requests WHERE (kind, source, hour) IN
    (SELECT kind, source, hour FROM card_requests WHERE hour < ?1 LIMIT 64)";

#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[ADMIT, FORGET];

impl<D: Database> Revocation<D> {
    /// Counts a request of this source; whether it may be answered.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn admit_card_request(
        &self,
        request: CardRequest,
        source: [u8; 16],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let hour = now.as_second().div_euclid(3600);
        self.0.execute(FORGET, &[hour.into()])?;
        let parameters =
            [request.name().into(), source[..].into(), hour.into(), request.limit().into()];
        Ok(!self.0.execute(ADMIT, &parameters)?.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Label;

    #[test]
    fn an_hour_has_so_many_requests_and_no_more() {
        let lists = Revocation(crate::native::memory(Label::Revocation));
        let at = |second| Timestamp::from_second(second).unwrap();
        let admit = |source: u8, now| {
            lists.admit_card_request(CardRequest::Status, [source; 16], now).unwrap()
        };
        assert!((0..30).all(|_| admit(1, at(3600))));
        assert!(!admit(1, at(7199)) && admit(2, at(7199)));
        assert!(admit(1, at(7200)));
        // However many strangers ask, all that they may: whoever else comes is answered.
        for stranger in 0..5000_u32 {
            let mut source = [9; 16];
            source[..4].copy_from_slice(&stranger.to_be_bytes());
            assert!(lists.admit_card_request(CardRequest::Code, source, at(7200)).unwrap());
        }
        assert!(lists.admit_card_request(CardRequest::Code, [1; 16], at(7200)).unwrap());
    }
}
