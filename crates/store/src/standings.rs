//! Everything that says whether a certificate is in force, as one source: the lists, and the
//! register of our own CAs' cards, which is newer than any list.

use domain::CardNumber;
use jiff::Timestamp;
use pki::revocation::{CrlFinding, OwnStanding, RevocationSource, RevocationUnavailable};
use pki::{Certificate, PkiError, TrustStore};

use crate::{Cases, CertificateInUse, Database, Revocation, StoreError};

/// The lists and the cards.
pub struct Standings<L, C> {
    /// Lists of every CA.
    pub lists: Revocation<L>,
    /// Cards of our own.
    pub cards: Cases<C>,
}

impl<L: Database, C: Database> RevocationSource for Standings<L, C> {
    fn lists(
        &self,
        issuer: &Certificate,
        serial: &[u8],
    ) -> Result<Vec<CrlFinding>, RevocationUnavailable> {
        self.lists.lists(issuer, serial)
    }

    fn own(
        &self,
        issuer: &Certificate,
        serial: &[u8],
    ) -> Result<Option<OwnStanding>, RevocationUnavailable> {
        self.cards.own_standing(issuer.fingerprint(), serial)
    }
}

impl CertificateInUse {
    /// Judges a certificate that tokens are signed with: whether it is revoked or on hold now,
    /// where that is not what was known. One that cannot be judged, for want of a list, stays as
    /// it is.
    ///
    /// # Errors
    /// [`StoreError::Inconsistent`] when it cannot be read.
    pub fn judge(
        &self,
        trust: &TrustStore,
        source: &impl RevocationSource,
        now: Timestamp,
    ) -> Result<Option<bool>, StoreError> {
        let certificate = Certificate::from_der(&self.der).map_err(|_| {
            StoreError::Inconsistent { what: "certificate", found: "unreadable".into() }
        })?;
        let revoked = match trust.check_in_force(certificate, source, now) {
            Ok(()) => false,
            Err(PkiError::Revoked { .. } | PkiError::OnHold { .. }) => true,
            Err(_) => return Ok(None),
        };
        Ok((revoked != self.revoked).then_some(revoked))
    }
}

impl<L: Database, C: Database> Standings<L, C> {
    /// Judges the systems' certificates that are on a card: their calls are refused from now on,
    /// or accepted again. In the transaction of what the card was changed by.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn judge_systems_on(
        &self,
        card: &CardNumber,
        trust: &TrustStore,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for found in self.cards.certificates_in_use_on(card, now)? {
            if let Some(revoked) = found.judge(trust, self, now)? {
                self.cards.set_revoked(&found.sha256, revoked, now)?;
            }
        }
        Ok(())
    }
}
