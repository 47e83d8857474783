//! Revocation: what lists and responders say of the certificates of a path, and what
//! follows from it (RFC 5280, section 6.3; RFC 6960).

mod crl;
mod ocsp;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use crl::{Crl, CrlEntry, CrlError, CrlHead, CrlScope, Entries};
pub use ocsp::{OcspError, OcspFinding, OcspRequest, OcspStatus, read_response};

use crate::{Certificate, Fingerprint, PkiError, name};

/// How long a list that could not be renewed still counts after its nextUpdate.
///
/// GPKI renews its lists at midnight; half a working day remains to repair a fetch that
/// fails. After that nothing is accepted (docs/trust.md).
pub const CRL_GRACE: SignedDuration = SignedDuration::from_hours(12);

/// A list of a certificate's issuer, and what it says of the certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrlFinding {
    /// The list.
    pub list: CrlHead,
    /// Its entry for the certificate.
    pub entry: Option<CrlEntry>,
}

/// Why lists could not be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the revocation lists cannot be read: {0}")]
pub struct RevocationUnavailable(pub String);

/// Where findings come from: the store in the service, a file in `chayan verify`.
pub trait RevocationSource {
    /// Everything that is known about a serial number of this issuer, from lists whose
    /// signature by the issuer was verified.
    ///
    /// # Errors
    /// [`RevocationUnavailable`].
    fn lists(
        &self,
        issuer: &Certificate,
        serial: &[u8],
    ) -> Result<Vec<CrlFinding>, RevocationUnavailable>;

    /// A responder's answer about a serial number of this issuer, when one was asked for.
    fn response(&self, _issuer: &Certificate, _serial: &[u8]) -> Option<OcspFinding> {
        None
    }
}

/// Lists in memory.
#[derive(Default)]
pub struct ListsInMemory<'a> {
    lists: Vec<(Fingerprint, Crl<'a>)>,
}

impl<'a> ListsInMemory<'a> {
    /// Takes a list that one of the issuers signed, and keeps the rules of the store: a
    /// list with a lower number never replaces one with a higher.
    ///
    /// # Errors
    /// [`CrlError`].
    pub fn add(&mut self, der: &'a [u8], issuer: &Certificate) -> Result<(), CrlError> {
        let crl = Crl::from_der(der)?;
        crl.check_signed_by(issuer)?;
        let issuer = issuer.fingerprint();
        let same = |(other, kept): &(Fingerprint, Crl<'_>)| {
            *other == issuer && kept.head().scope == crl.head().scope
        };
        match self.lists.iter().position(same) {
            Some(place) if crl.head().may_replace(self.lists[place].1.head()) => {
                self.lists[place] = (issuer, crl);
            }
            Some(_) => (),
            None => self.lists.push((issuer, crl)),
        }
        Ok(())
    }
}

impl RevocationSource for ListsInMemory<'_> {
    fn lists(
        &self,
        issuer: &Certificate,
        serial: &[u8],
    ) -> Result<Vec<CrlFinding>, RevocationUnavailable> {
        let issuer = issuer.fingerprint();
        self.lists
            .iter()
            .filter(|(other, _)| *other == issuer)
            .map(|(_, crl)| {
                let entry =
                    crl.find(serial).map_err(|error| RevocationUnavailable(error.to_string()))?;
                Ok(CrlFinding { list: crl.head().clone(), entry })
            })
            .collect()
    }
}

impl CrlHead {
    /// Whether this list may take the place of `kept`, of the same issuer and scope: its
    /// number is higher and its date not earlier. Nobody can bring back a past in which a
    /// card was not on hold.
    pub fn may_replace(&self, kept: &Self) -> bool {
        self.number > kept.number && self.this_update >= kept.this_update
    }

    /// Whether the list may still be relied on at `now`.
    fn is_usable(&self, now: Timestamp) -> bool {
        // A date beyond all time never passes.
        let end = self.next_update.checked_add(CRL_GRACE).unwrap_or(Timestamp::MAX);
        self.this_update <= now && now <= end
    }
}

/// What a certificate's standing was based on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "by")]
pub enum Standing {
    /// A list that does not name it.
    #[serde(rename = "crl")]
    List {
        /// SHA-256 of the issuer's certificate.
        issuer: String,
        /// The list.
        list: CrlHead,
    },
    /// A responder said good.
    #[serde(rename = "ocsp")]
    Responder {
        /// SHA-256 of the issuer's certificate.
        issuer: String,
        /// The response, DER, in Base64.
        response: String,
        /// thisUpdate.
        this_update: Timestamp,
    },
}

/// Judges every certificate of a path below its anchor, which comes first.
///
/// # Errors
/// [`PkiError::OnHold`], [`PkiError::Revoked`], [`PkiError::RevocationUnknown`].
pub fn judge_path(
    path: &[&Certificate],
    source: &impl RevocationSource,
    now: Timestamp,
) -> Result<Vec<Standing>, PkiError> {
    let mut standings = Vec::new();
    for (depth, pair) in path.windows(2).enumerate() {
        let [issuer, certificate] = pair else { continue };
        // A CA that renewed its key inside this path may sign lists with either.
        let same_name =
            |other: &&&Certificate| name::same(&other.x509().subject, &certificate.x509().issuer);
        let signers: Vec<_> = path[..=depth].iter().rev().filter(same_name).copied().collect();
        standings.push(judge(certificate, issuer, &signers, source, now)?);
    }
    Ok(standings)
}

/// Judges one certificate of a path at `now`. A responder's fresh answer comes first;
/// else the newest list that covers the certificate decides.
///
/// # Errors
/// [`PkiError::OnHold`], [`PkiError::Revoked`], or [`PkiError::RevocationUnknown`] when
/// nothing usable covers it: then nothing is accepted.
fn judge(
    certificate: &Certificate,
    issuer: &Certificate,
    signers: &[&Certificate],
    source: &impl RevocationSource,
    now: Timestamp,
) -> Result<Standing, PkiError> {
    let serial = certificate.x509().serial_number.as_bytes();
    if let Some(found) = source.response(issuer, serial) {
        return judge_response(found, issuer);
    }
    let mut findings = Vec::new();
    for signer in signers {
        let found = source.lists(signer, serial);
        findings.extend(found.map_err(|_| PkiError::RevocationUnknown { newest: None })?);
    }
    let covering: Vec<_> =
        findings.into_iter().filter(|found| found.list.scope.covers(certificate)).collect();
    let newest = covering.iter().map(|found| found.list.next_update).max();
    let mut usable: Vec<_> =
        covering.into_iter().filter(|found| found.list.is_usable(now)).collect();
    let last = usable.iter().map(|found| found.list.this_update).max();
    usable.retain(|found| Some(found.list.this_update) == last);
    // Of lists of the same moment the one that names the certificate counts.
    usable.sort_by_key(|found| found.entry.is_none());
    let Some(found) = usable.into_iter().next() else {
        return Err(PkiError::RevocationUnknown { newest });
    };
    match found.entry {
        None => Ok(Standing::List { issuer: issuer.fingerprint().to_string(), list: found.list }),
        Some(entry) if entry.reason == Some(crl::HOLD) => {
            Err(PkiError::OnHold { since: entry.revoked_at })
        }
        Some(entry) => Err(PkiError::Revoked { at: entry.revoked_at, reason: entry.reason }),
    }
}

fn judge_response(found: OcspFinding, issuer: &Certificate) -> Result<Standing, PkiError> {
    match found.status {
        OcspStatus::Good => Ok(Standing::Responder {
            issuer: issuer.fingerprint().to_string(),
            response: found.response,
            this_update: found.this_update,
        }),
        OcspStatus::Revoked { at, reason: Some(crl::HOLD) } => Err(PkiError::OnHold { since: at }),
        OcspStatus::Revoked { at, reason } => Err(PkiError::Revoked { at, reason }),
        OcspStatus::Unknown => Err(PkiError::RevocationUnknown { newest: None }),
    }
}
