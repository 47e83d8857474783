//! Revocation: what lists and responders say of the certificates of a path, and what
//! follows from it (RFC 5280, section 6.3; RFC 6960).

mod crl;
mod made_list;
mod ocsp;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crl::HOLD;
pub use crl::{Crl, CrlEntry, CrlError, CrlHead, CrlScope, Entries};
pub use made_list::{ListDraft, ListDraftError, ListFault, check_follows, signed_number};
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

/// What the register of our own CAs' cards says of a certificate. It is what lists are made
/// from, so it is always newer than any of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnStanding {
    /// 有效, since then: whatever said before that it was on hold is out of date.
    Valid {
        /// Since when.
        since: Timestamp,
    },
    /// 停用.
    Held {
        /// Since when.
        since: Timestamp,
    },
    /// 廢止.
    Revoked {
        /// Since when.
        at: Timestamp,
        /// reasonCode.
        reason: Option<u8>,
    },
}

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

    /// What our own register says, when the certificate is on a card of a CA of ours. Without a
    /// default, so that no source that wraps another forgets it.
    ///
    /// # Errors
    /// [`RevocationUnavailable`].
    fn own(
        &self,
        issuer: &Certificate,
        serial: &[u8],
    ) -> Result<Option<OwnStanding>, RevocationUnavailable>;
}

/// A source that overlooks holds: for the one act that a card on hold may do, which is to prove
/// that it is there.
pub struct DespiteHold<S>(pub S);

impl<S: RevocationSource> RevocationSource for DespiteHold<S> {
    fn lists(
        &self,
        issuer: &Certificate,
        serial: &[u8],
    ) -> Result<Vec<CrlFinding>, RevocationUnavailable> {
        let mut found = self.0.lists(issuer, serial)?;
        for finding in &mut found {
            finding.entry = finding.entry.take().filter(|entry| entry.reason != Some(HOLD));
        }
        Ok(found)
    }

    fn own(
        &self,
        issuer: &Certificate,
        serial: &[u8],
    ) -> Result<Option<OwnStanding>, RevocationUnavailable> {
        let own = self.0.own(issuer, serial)?;
        Ok(own.filter(|own| !matches!(own, OwnStanding::Held { .. })))
    }
}

/// A source, and what a responder said about one certificate.
pub struct WithResponse<'a, S> {
    source: &'a S,
    issuer: Fingerprint,
    serial: Vec<u8>,
    response: Option<OcspFinding>,
}

impl<'a, S> WithResponse<'a, S> {
    /// What `source` says, and the `response` about `certificate` of `issuer`.
    pub fn new(
        source: &'a S,
        certificate: &Certificate,
        issuer: &Certificate,
        response: Option<OcspFinding>,
    ) -> Self {
        let serial = certificate.serial_bytes().to_vec();
        Self { source, issuer: issuer.fingerprint(), serial, response }
    }
}

impl<S: RevocationSource> RevocationSource for WithResponse<'_, S> {
    fn lists(
        &self,
        issuer: &Certificate,
        serial: &[u8],
    ) -> Result<Vec<CrlFinding>, RevocationUnavailable> {
        self.source.lists(issuer, serial)
    }

    fn response(&self, issuer: &Certificate, serial: &[u8]) -> Option<OcspFinding> {
        // The issuing CA's own standing comes from its anchor's list.
        let asked = serial == self.serial && issuer.fingerprint() == self.issuer;
        self.response.clone().filter(|_| asked)
    }

    fn own(
        &self,
        issuer: &Certificate,
        serial: &[u8],
    ) -> Result<Option<OwnStanding>, RevocationUnavailable> {
        self.source.own(issuer, serial)
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

    fn own(
        &self,
        _issuer: &Certificate,
        _serial: &[u8],
    ) -> Result<Option<OwnStanding>, RevocationUnavailable> {
        Ok(None)
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
    /// Our own register: resumed since the list that still names it.
    #[serde(rename = "own")]
    Own {
        /// SHA-256 of the issuer's certificate.
        issuer: String,
        /// Since when it is valid again.
        since: Timestamp,
    },
}

/// Judges every certificate of a path below its anchor, which comes first.
///
/// # Errors
/// [`PkiError::OnHold`], [`PkiError::Suspended`], [`PkiError::Revoked`],
/// [`PkiError::RevocationUnknown`].
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

/// Judges one certificate of a path at `now`. A responder's fresh answer comes first,
/// unless a list that is newer still names the certificate; else the newest list that
/// covers the certificate decides.
///
/// # Errors
/// [`PkiError::OnHold`], [`PkiError::Suspended`], [`PkiError::Revoked`], or
/// [`PkiError::RevocationUnknown`] when nothing usable covers it: then nothing is accepted.
fn judge(
    certificate: &Certificate,
    issuer: &Certificate,
    signers: &[&Certificate],
    source: &impl RevocationSource,
    now: Timestamp,
) -> Result<Standing, PkiError> {
    let serial = certificate.x509().serial_number.as_bytes();
    let own = source.own(issuer, serial);
    let resumed = match own.map_err(|_| PkiError::RevocationUnknown { newest: None })? {
        Some(OwnStanding::Held { since }) => return Err(PkiError::Suspended { since }),
        Some(OwnStanding::Revoked { at, reason }) => return Err(PkiError::Revoked { at, reason }),
        Some(OwnStanding::Valid { since }) => Some(since),
        None => None,
    };
    // A hold that was said before the card was resumed.
    let is_over = |said: Timestamp| resumed.filter(|since| said <= *since);
    let own = |since| Ok(Standing::Own { issuer: issuer.fingerprint().to_string(), since });
    let mut findings = Vec::new();
    for signer in signers {
        let found = source.lists(signer, serial);
        findings.extend(found.map_err(|_| PkiError::RevocationUnknown { newest: None })?);
    }
    let covering: Vec<_> =
        findings.into_iter().filter(|found| found.list.scope.covers(certificate)).collect();
    let newest = covering.iter().map(|found| found.list.next_update).max();
    // The newest list decides even when it has expired: an older one of another scope must
    // not bring back what was before it.
    let mut begun: Vec<_> =
        covering.into_iter().filter(|found| found.list.this_update <= now).collect();
    let last = begun.iter().map(|found| found.list.this_update).max();
    begun.retain(|found| Some(found.list.this_update) == last);
    // Of lists of the same moment the one that names the certificate counts.
    begun.sort_by_key(|found| found.entry.is_none());
    let list = begun.into_iter().next();
    if let Some(response) = source.response(issuer, serial) {
        let listed_since = list.as_ref().is_some_and(|found| {
            found.entry.is_some() && found.list.this_update > response.this_update
        });
        if !listed_since {
            let said = response.this_update;
            return match (judge_response(response, issuer), is_over(said)) {
                (Err(PkiError::OnHold { .. }), Some(since)) => own(since),
                (judged, _) => judged,
            };
        }
    }
    let Some(found) = list.filter(|found| found.list.is_usable(now)) else {
        return Err(PkiError::RevocationUnknown { newest });
    };
    match found.entry {
        None => Ok(Standing::List { issuer: issuer.fingerprint().to_string(), list: found.list }),
        Some(entry) if entry.reason == Some(HOLD) => {
            let hold = Err(PkiError::OnHold { since: entry.revoked_at });
            is_over(found.list.this_update).map_or(hold, own)
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
        OcspStatus::Revoked { at, reason: Some(HOLD) } => Err(PkiError::OnHold { since: at }),
        OcspStatus::Revoked { at, reason } => Err(PkiError::Revoked { at, reason }),
        OcspStatus::Unknown => Err(PkiError::RevocationUnknown { newest: None }),
    }
}

#[cfg(test)]
mod tests {
    use der::Encode;

    use super::*;
    use crate::made::{Made, at, uri};

    #[derive(Clone)]
    struct Known(Vec<CrlFinding>, Option<OcspFinding>, Option<OwnStanding>);

    impl RevocationSource for Known {
        fn lists(
            &self,
            issuer: &Certificate,
            serial: &[u8],
        ) -> Result<Vec<CrlFinding>, RevocationUnavailable> {
            assert_eq!(
                (issuer.subject_key_id_hex().unwrap(), serial),
                (hex::encode("CA"), &[7][..])
            );
            Ok(self.0.clone())
        }

        fn response(&self, _issuer: &Certificate, _serial: &[u8]) -> Option<OcspFinding> {
            self.1.clone()
        }

        fn own(
            &self,
            _issuer: &Certificate,
            _serial: &[u8],
        ) -> Result<Option<OwnStanding>, RevocationUnavailable> {
            Ok(self.2)
        }
    }

    const HOUR: i64 = 3600;

    fn head(this_update: i64, next_update: i64) -> CrlHead {
        CrlHead {
            number: format!("{:0>40}", 1),
            this_update: at(this_update),
            next_update: at(next_update),
            scope: CrlScope::default(),
            sha256: String::new(),
        }
    }

    fn entry(reason: Option<u8>) -> Option<CrlEntry> {
        Some(CrlEntry { reason, revoked_at: at(-500) })
    }

    fn outcome(findings: Vec<CrlFinding>) -> Result<Standing, PkiError> {
        let issuer = Made::authority("CA", "CA").make();
        let url = "http://crl.test.invalid/1.crl";
        let leaf = Made::new("leaf", "CA").distribution_point(url).make();
        let path = [&issuer, &leaf];
        judge_path(&path, &Known(findings, None, None), at(0)).map(|mut all| all.remove(0))
    }

    fn good(list: CrlHead) -> CrlFinding {
        CrlFinding { list, entry: None }
    }

    #[test]
    fn entries_are_told_apart() {
        assert!(matches!(outcome(vec![good(head(-10, 10))]), Ok(Standing::List { .. })));
        let listed =
            |reason| outcome(vec![CrlFinding { list: head(-10, 10), entry: entry(reason) }]);
        assert_eq!(listed(Some(6)), Err(PkiError::OnHold { since: at(-500) }));
        for reason in [None, Some(0), Some(1), Some(4), Some(8)] {
            assert_eq!(listed(reason), Err(PkiError::Revoked { at: at(-500), reason }));
        }
    }

    #[test]
    fn a_list_counts_while_it_is_usable() {
        let unknown = |newest| Err(PkiError::RevocationUnknown { newest });
        assert_eq!(outcome(vec![]), unknown(None));
        // From its first second to the end of the grace.
        assert!(outcome(vec![good(head(0, 10))]).is_ok());
        assert_eq!(outcome(vec![good(head(1, 10))]), unknown(Some(at(10))));
        let grace = 12 * HOUR;
        assert!(outcome(vec![good(head(-2 * grace, -grace))]).is_ok());
        let late = -grace - 1;
        assert_eq!(outcome(vec![good(head(2 * late, late))]), unknown(Some(at(late))));
    }

    #[test]
    fn the_newest_list_decides_and_of_two_the_one_that_names_it() {
        let held = |list| CrlFinding { list, entry: entry(Some(6)) };
        assert!(outcome(vec![held(head(-20, 10)), good(head(-10, 10))]).is_ok());
        assert!(outcome(vec![good(head(-20, 10)), held(head(-10, 10))]).is_err());
        assert!(outcome(vec![good(head(-10, 10)), held(head(-10, 10))]).is_err());
        assert!(outcome(vec![held(head(-10, 10)), good(head(-10, 10))]).is_err());
    }

    #[test]
    fn a_list_that_expired_is_not_forgotten_for_an_older_one() {
        let long = head(-100 * HOUR, 100 * HOUR);
        let short = head(-50 * HOUR, -40 * HOUR);
        let held = CrlFinding { list: short.clone(), entry: entry(Some(6)) };
        for found in [good(short), held] {
            let judged = outcome(vec![good(long.clone()), found]);
            assert!(matches!(judged, Err(PkiError::RevocationUnknown { .. })), "{judged:?}");
        }
    }

    #[test]
    fn a_list_speaks_of_what_it_covers() {
        let point = |url: &str| hex::encode(uri(url).to_der().unwrap());
        let scoped = |scope| outcome(vec![good(CrlHead { scope, ..head(-10, 10) })]).is_ok();
        let partition =
            |url: &str| CrlScope { distribution_points: vec![point(url)], ..CrlScope::default() };
        assert!(scoped(partition("http://crl.test.invalid/1.crl")));
        assert!(!scoped(partition("http://crl.test.invalid/2.crl")));
        assert!(scoped(CrlScope { only_user_certificates: true, ..CrlScope::default() }));
        assert!(!scoped(CrlScope { only_ca_certificates: true, ..CrlScope::default() }));
    }

    #[test]
    fn a_response_comes_before_every_list() {
        let issuer = Made::authority("CA", "CA").make();
        let leaf = Made::new("leaf", "CA").make();
        let path = [&issuer, &leaf];
        let said = |status| {
            let response =
                OcspFinding { status, this_update: at(0), response: "evidence".to_owned() };
            let held = CrlFinding { list: head(-10, 10), entry: entry(Some(6)) };
            judge_path(&path, &Known(vec![held], Some(response), None), at(0))
        };
        // But a list that is newer than the answer and names the certificate wins.
        let older =
            OcspFinding { status: OcspStatus::Good, this_update: at(-11), response: String::new() };
        let held = CrlFinding { list: head(-10, 10), entry: entry(Some(6)) };
        let known = Known(vec![held], Some(older), None);
        assert_eq!(judge_path(&path, &known, at(0)), Err(PkiError::OnHold { since: at(-500) }));
        assert!(matches!(said(OcspStatus::Good).unwrap()[0], Standing::Responder { .. }));
        let revoked = |reason| OcspStatus::Revoked { at: at(-9), reason };
        assert_eq!(said(revoked(Some(6))), Err(PkiError::OnHold { since: at(-9) }));
        let reason = Some(1);
        assert_eq!(said(revoked(reason)), Err(PkiError::Revoked { at: at(-9), reason }));
        assert_eq!(said(OcspStatus::Unknown), Err(PkiError::RevocationUnknown { newest: None }));
    }

    #[test]
    fn our_own_register_comes_before_everything() {
        let issuer = Made::authority("CA", "CA").make();
        let leaf = Made::new("leaf", "CA").make();
        let path = [&issuer, &leaf];
        let judged = |list: Vec<CrlFinding>, own| judge_path(&path, &Known(list, None, own), at(0));
        let clean = || vec![good(head(-10, 10))];
        let held = |reason| vec![CrlFinding { list: head(-10, 10), entry: entry(reason) }];
        let hold = Some(OwnStanding::Held { since: at(-1) });
        assert_eq!(judged(clean(), hold), Err(PkiError::Suspended { since: at(-1) }));
        let revoked = OwnStanding::Revoked { at: at(-1), reason: Some(1) };
        let refused = PkiError::Revoked { at: at(-1), reason: Some(1) };
        assert_eq!(judged(clean(), Some(revoked)), Err(refused));
        // Resumed after, or with, the list that still says hold; and before one that says so.
        let valid = |since| Some(OwnStanding::Valid { since: at(since) });
        for since in [-10, -1] {
            let standing = judged(held(Some(6)), valid(since)).unwrap().remove(0);
            assert!(matches!(standing, Standing::Own { .. }), "{standing:?}");
        }
        assert_eq!(judged(held(Some(6)), valid(-11)), Err(PkiError::OnHold { since: at(-500) }));
        // A revocation is never over, and where no list counts nothing does.
        assert!(matches!(judged(held(Some(1)), valid(-1)), Err(PkiError::Revoked { .. })));
        assert!(matches!(judged(held(None), valid(-1)), Err(PkiError::Revoked { .. })));
        let unknown = judged(vec![], valid(-1));
        assert!(matches!(unknown, Err(PkiError::RevocationUnknown { .. })), "{unknown:?}");
        let said = |this_update| OcspFinding {
            status: OcspStatus::Revoked { at: at(-9), reason: Some(6) },
            this_update: at(this_update),
            response: String::new(),
        };
        let known = |this_update| Known(vec![], Some(said(this_update)), valid(-3));
        assert!(judge_path(&path, &known(-3), at(0)).is_ok());
        assert!(judge_path(&path, &known(-2), at(0)).is_err());
        // Whoever only has to be there may be on hold, but not revoked.
        let despite = |list, own| judge_path(&path, &DespiteHold(Known(list, None, own)), at(0));
        assert!(despite(held(Some(6)), hold).is_ok());
        assert!(despite(held(Some(1)), hold).is_err());
        assert!(despite(clean(), Some(revoked)).is_err());
    }

    #[test]
    fn only_a_newer_list_replaces_another() {
        let list = |number: u32, this_update| CrlHead {
            number: format!("{number:0>40x}"),
            ..head(this_update, 100)
        };
        assert!(list(2, 1).may_replace(&list(1, 0)));
        assert!(list(2, 0).may_replace(&list(1, 0)));
        assert!(list(0x100, 0).may_replace(&list(0xff, 0)));
        assert!(!list(1, 5).may_replace(&list(1, 0)));
        assert!(!list(1, 5).may_replace(&list(2, 0)));
        assert!(!list(2, -1).may_replace(&list(1, 0)));
    }
}
