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

/// Requests of an hour.
#[derive(Clone, Copy, Debug)]
pub struct CardRequestLimits {
    /// From one address.
    pub source: i64,
    /// In all.
    pub all: i64,
}

impl CardRequest {
    fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Code => "code",
        }
    }

    /// How many are answered.
    pub const fn limits(self) -> CardRequestLimits {
        match self {
            Self::Status => CardRequestLimits { source: 30, all: 3000 },
            Self::Code => CardRequestLimits { source: 20, all: 3000 },
        }
    }
}

/// All sources together.
const ALL: [u8; 16] = [0; 16];
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
        let limits = request.limits();
        self.0.execute(FORGET, &[hour.into()])?;
        for (source, limit) in [(source, limits.source), (ALL, limits.all)] {
            let parameters = [request.name().into(), source[..].into(), hour.into(), limit.into()];
            if self.0.execute(ADMIT, &parameters)?.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
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
        // Whoever has many addresses is one among all.
        let codes: Vec<_> = (0..3001_u32)
            .map(|number| {
                let mut source = [9; 16];
                source[..4].copy_from_slice(&number.to_be_bytes());
                lists.admit_card_request(CardRequest::Code, source, at(7200)).unwrap()
            })
            .collect();
        assert_eq!(codes.iter().filter(|admitted| **admitted).count(), 3000);
    }
}
