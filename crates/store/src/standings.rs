//! Everything that says whether a certificate is in force, as one source: the lists, and the
//! register of our own CAs' cards, which is newer than any list.

use domain::{CardNumber, CardState};
use jiff::Timestamp;
use pki::revocation::{CrlFinding, OwnStanding, RevocationSource, RevocationUnavailable};
use pki::{Certificate, PkiError, TrustStore};

use crate::{CardRow, Cases, CertificateInUse, Database, Revocation, StoreError};

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
            Err(
                PkiError::Revoked { .. } | PkiError::OnHold { .. } | PkiError::Suspended { .. },
            ) => true,
            Err(_) => return Ok(None),
        };
        Ok((revoked != self.revoked).then_some(revoked))
    }
}

impl<L: Database, C: Database> Standings<L, C> {
    /// Whether the newest lists have yet to show what a card of our own is: those after its last
    /// change will. A card that no list names has nothing to be taken out of one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn is_pending(&self, card: &CardRow) -> Result<bool, StoreError> {
        let published = self.cards.last_list_of(&card.number)?;
        if published.is_some_and(|at| at >= card.since) {
            return Ok(false);
        }
        let reason = (card.state != CardState::Valid).then(|| card.reason.unwrap_or(0));
        for (issuer, serial) in self.cards.listed_names_of(&card.number)? {
            let found = self.lists.findings(issuer, &serial)?;
            let newest = found.iter().map(|finding| finding.list.this_update).max();
            // One that was published and not yet taken here may name it.
            if newest < published {
                return Ok(true);
            }
            let newest = found.iter().filter(|finding| Some(finding.list.this_update) == newest);
            let entry = newest.filter_map(|finding| finding.entry.as_ref()).next();
            if entry.map(|entry| entry.reason.unwrap_or(0)) != reason {
                return Ok(true);
            }
        }
        Ok(false)
    }

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
