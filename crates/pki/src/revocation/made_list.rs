//! Making lists for our own CAs (RFC 5280, section 5): the bytes to sign, the list, and what is
//! looked at before it may be published. The signature itself is somebody else's.

use std::time::Duration;

use der::asn1::{
    BitString, GeneralizedTime, Ia5String, ObjectIdentifier, OctetString, Uint, UtcTime,
};
use der::oid::AssociatedOid;
use der::{Any, Decode, Encode};
use jiff::Timestamp;
use x509_cert::certificate::Version;
use x509_cert::crl::{CertificateList, RevokedCert, TbsCertList};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::crl::BaseCrlNumber;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, CrlNumber, CrlReason, IssuingDistributionPoint,
};
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_cert::time::Time;

use super::crl::{Crl, CrlEntry, CrlError};
use crate::{Certificate, oid, signature};

/// What a list is to say.
#[derive(Clone, Debug)]
pub struct ListDraft {
    /// cRLNumber.
    pub number: u64,
    /// thisUpdate.
    pub this_update: Timestamp,
    /// nextUpdate.
    pub next_update: Timestamp,
    /// Address of the partition; none for the complete list.
    pub partition: Option<String>,
    /// cRLNumber of the complete list that a delta adds to.
    pub base: Option<u64>,
    /// Serial numbers as encoded, and what is said of each; in any order.
    pub entries: Vec<(Vec<u8>, CrlEntry)>,
}

/// Why a list cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListDraftError {
    /// The CA's certificate names no key (subjectKeyIdentifier).
    #[error("the CA's certificate has no subject key identifier")]
    NoKeyIdentifier,
    /// Something does not fit into a list.
    #[error("not to be said in a list: {0}")]
    Encoding(String),
}

impl From<der::Error> for ListDraftError {
    fn from(error: der::Error) -> Self {
        Self::Encoding(error.to_string())
    }
}

/// Why a list that was made is not published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListFault {
    /// Our own judge does not take it.
    #[error("our own judge does not take it: {0}")]
    Refused(#[from] CrlError),
    /// It does not say what it was to say.
    #[error("it does not say what it was to say: {0}")]
    Differs(&'static str),
    /// Its number or date does not rise.
    #[error("its number or date does not rise beyond the last list's")]
    NotNewer,
    /// A certificate that was revoked is only on hold.
    #[error("certificate {serial} was revoked in the last list and is only on hold in it")]
    Weakened {
        /// In hexadecimal.
        serial: String,
    },
    /// A certificate is gone though it was neither resumed nor has it expired.
    #[error("certificate {serial} is gone from it, and was neither resumed nor has it expired")]
    Vanished {
        /// In hexadecimal.
        serial: String,
    },
}

impl ListDraft {
    /// The bytes that the CA signs (TBSCertList), RSA with SHA-256.
    ///
    /// # Errors
    /// [`ListDraftError`].
    pub fn to_be_signed(&self, issuer: &Certificate) -> Result<Vec<u8>, ListDraftError> {
        let mut entries = self.entries.clone();
        entries.sort_by(|(one, _), (other, _)| by_number(one, other));
        let revoked = entries.iter().map(revoked).collect::<Result<Vec<_>, _>>()?;
        let list = TbsCertList {
            version: Version::V2,
            signature: algorithm(),
            issuer: issuer.x509().subject.clone(),
            this_update: time(self.this_update)?,
            next_update: Some(time(self.next_update)?),
            revoked_certificates: (!revoked.is_empty()).then_some(revoked),
            crl_extensions: Some(self.extensions(issuer)?),
        };
        Ok(list.to_der()?)
    }

    fn extensions(&self, issuer: &Certificate) -> Result<Vec<Extension>, ListDraftError> {
        let key = issuer.extensions().subject_key_id().ok_or(ListDraftError::NoKeyIdentifier)?;
        let key = AuthorityKeyIdentifier {
            key_identifier: Some(OctetString::new(key)?),
            authority_cert_issuer: None,
            authority_cert_serial_number: None,
        };
        let number = CrlNumber(Uint::new(&self.number.to_be_bytes())?);
        let mut extensions = vec![
            extension(AuthorityKeyIdentifier::OID, false, &key)?,
            extension(CrlNumber::OID, false, &number)?,
        ];
        if let Some(base) = self.base {
            let base = BaseCrlNumber(Uint::new(&base.to_be_bytes())?);
            extensions.push(extension(oid::DELTA_CRL, true, &base)?);
        }
        if let Some(address) = &self.partition {
            let name = GeneralName::UniformResourceIdentifier(Ia5String::new(address)?);
            let point = IssuingDistributionPoint {
                distribution_point: Some(DistributionPointName::FullName(vec![name])),
                only_contains_user_certs: false,
                only_contains_ca_certs: false,
                only_some_reasons: None,
                indirect_crl: false,
                only_contains_attribute_certs: false,
            };
            extensions.push(extension(oid::ISSUING_DISTRIBUTION_POINT, true, &point)?);
        }
        Ok(extensions)
    }

    /// The list, from the bytes that were signed and their signature.
    ///
    /// # Errors
    /// [`ListDraftError`].
    pub fn assemble(signed: &[u8], signature: &[u8]) -> Result<Vec<u8>, ListDraftError> {
        let list = CertificateList {
            tbs_cert_list: TbsCertList::from_der(signed)?,
            signature_algorithm: algorithm(),
            signature: BitString::from_bytes(signature)?,
        };
        Ok(list.to_der()?)
    }

    /// Looks whether a list is what it was to be: read by our own judge, signed by the CA, the
    /// number, the dates and the scope as drafted, every entry and no other, in order, with
    /// reasons that such a list may give.
    ///
    /// # Errors
    /// [`ListFault`].
    pub fn check(&self, list: &[u8], issuer: &Certificate) -> Result<(), ListFault> {
        let read = CertificateList::from_der(list).map_err(|_| CrlError::Malformed("structure"))?;
        let signed = &read.tbs_cert_list;
        if self.base.is_none() {
            // A delta is no list that our own judge may rely on.
            let crl = Crl::from_der(list)?;
            crl.check_signed_by(issuer)?;
            if crl.head().scope.distribution_points.len() != usize::from(self.partition.is_some()) {
                return Err(ListFault::Differs("issuingDistributionPoint"));
            }
        } else {
            check_signature(&read, issuer)?;
        }
        // Everything that is signed is as drafted, to the byte: nothing came in, nothing is lost.
        let drafted = self.to_be_signed(issuer).map_err(|_| ListFault::Differs("draft"))?;
        if signed.to_der().map_err(|_| CrlError::Malformed("structure"))? != drafted {
            return Err(ListFault::Differs("content"));
        }
        let entries = signed.revoked_certificates.as_deref().unwrap_or_default();
        let rises = |pair: &[RevokedCert]| {
            let [one, other] = pair else { return true };
            by_number(one.serial_number.as_bytes(), other.serial_number.as_bytes()).is_lt()
        };
        if !entries.windows(2).all(rises) {
            return Err(ListFault::Differs("a certificate is named twice"));
        }
        let removed =
            |(_, entry): &(_, CrlEntry)| entry.reason == Some(CrlReason::RemoveFromCRL as u8);
        if self.base.is_none() && self.entries.iter().any(removed) {
            return Err(ListFault::Differs("removeFromCRL belongs into deltas"));
        }
        Ok(())
    }
}

/// cRLNumber of a list that this CA signed: of a delta, too.
///
/// # Errors
/// [`CrlError`]; [`CrlError::Issuer`] when the CA did not sign it.
pub fn signed_number(list: &[u8], issuer: &Certificate) -> Result<u64, CrlError> {
    let malformed = |_| CrlError::Malformed("structure");
    let read = CertificateList::from_der(list).map_err(malformed)?;
    check_signature(&read, issuer)?;
    let mut extensions = read.tbs_cert_list.crl_extensions.iter().flatten();
    let number = extensions
        .find(|extension| extension.extn_id == CrlNumber::OID)
        .and_then(|extension| CrlNumber::from_der(extension.extn_value.as_bytes()).ok())
        .and_then(|number| {
            let bytes = number.0.as_bytes();
            let padding = 8_usize.checked_sub(bytes.len())?;
            let mut all = [0; 8];
            all[padding..].copy_from_slice(bytes);
            Some(u64::from_be_bytes(all))
        });
    number.ok_or(CrlError::Malformed("cRLNumber"))
}

fn check_signature(list: &CertificateList, issuer: &Certificate) -> Result<(), CrlError> {
    let signed = list.tbs_cert_list.to_der().map_err(|_| CrlError::Malformed("structure"))?;
    let key = &issuer.x509().subject_public_key_info;
    signature::verify(key, &list.signature_algorithm, &signed, list.signature.raw_bytes())
        .map_err(|_| CrlError::Issuer)
}

/// Compares a list with the one before it, of the same scope or a smaller one: it is newer, no
/// revocation has become a hold, and nothing is gone from it but what `gone(serial, entry)`
/// explains: a hold that was resumed, or a certificate that has expired.
///
/// # Errors
/// [`ListFault`].
pub fn check_follows(
    list: &[u8],
    last: &[u8],
    gone: impl Fn(&[u8], &CrlEntry) -> bool,
) -> Result<(), ListFault> {
    let (list, last) = (Crl::from_der(list)?, Crl::from_der(last)?);
    if !list.head().may_replace(last.head()) {
        return Err(ListFault::NotNewer);
    }
    let named = list.entries().collect::<Result<std::collections::HashMap<_, _>, _>>()?;
    for entry in last.entries() {
        let (serial, before) = entry?;
        match named.get(&serial) {
            Some(now) if now.is_hold() && !before.is_hold() => {
                return Err(ListFault::Weakened { serial: hex::encode(serial) });
            }
            None if !gone(&serial, &before) => {
                return Err(ListFault::Vanished { serial: hex::encode(serial) });
            }
            _ => (),
        }
    }
    Ok(())
}

/// Serial numbers, which are positive, in the order of numbers.
fn by_number(one: &[u8], other: &[u8]) -> std::cmp::Ordering {
    let strip = |bytes: &[u8]| bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let (one, other) = (&one[strip(one)..], &other[strip(other)..]);
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

fn revoked((serial, entry): &(Vec<u8>, CrlEntry)) -> Result<RevokedCert, ListDraftError> {
    let reason = match entry.reason {
        // Section 5.3.1: absent rather than unspecified.
        None | Some(0) => None,
        Some(code) => {
            let code = CrlReason::from_der(&[0x0a, 1, code])?;
            Some(vec![extension(CrlReason::OID, false, &code)?])
        }
    };
    Ok(RevokedCert {
        serial_number: SerialNumber::new(serial)?,
        revocation_date: time(entry.revoked_at)?,
        crl_entry_extensions: reason,
    })
}

fn extension(
    extn_id: ObjectIdentifier,
    critical: bool,
    value: &impl Encode,
) -> Result<Extension, ListDraftError> {
    Ok(Extension { extn_id, critical, extn_value: OctetString::new(value.to_der()?)? })
}

fn algorithm() -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned { oid: oid::RSA_SHA_256, parameters: Some(Any::null()) }
}

/// Section 4.1.2.5: UTCTime through 2049.
fn time(at: Timestamp) -> Result<Time, ListDraftError> {
    let seconds = u64::try_from(at.as_second())
        .map_err(|_| ListDraftError::Encoding("an instant before 1970".into()))?;
    let since = Duration::from_secs(seconds);
    Ok(match UtcTime::from_unix_duration(since) {
        Ok(time) => Time::UtcTime(time),
        Err(_) => Time::GeneralTime(GeneralizedTime::from_unix_duration(since)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made::{Made, at};
    use crate::revocation::HOLD;

    fn draft(number: u64, serials: &[u8]) -> ListDraft {
        let entry =
            |serial: &u8| (vec![*serial], CrlEntry { reason: Some(HOLD), revoked_at: at(-5) });
        ListDraft {
            number,
            this_update: at(i64::try_from(number).unwrap()),
            next_update: at(1000),
            partition: None,
            base: None,
            entries: serials.iter().map(entry).collect(),
        }
    }

    /// Nobody's signature: reading a list does not ask for it.
    fn unsigned(draft: &ListDraft) -> Vec<u8> {
        let issuer = Made::authority("CA", "CA").make();
        ListDraft::assemble(&draft.to_be_signed(&issuer).unwrap(), &[0; 256]).unwrap()
    }

    #[test]
    fn entries_come_in_the_order_of_numbers_and_say_why() {
        let mut draft = draft(300, &[9, 3]);
        draft.entries.push((vec![1, 0], CrlEntry { reason: None, revoked_at: at(-9) }));
        draft.entries.push((vec![0, 0x80], CrlEntry { reason: Some(1), revoked_at: at(-9) }));
        draft.partition = Some("http://crl.test.invalid/1.crl".into());
        let list = unsigned(&draft);
        let crl = Crl::from_der(&list).unwrap();
        assert_eq!(crl.head().number, format!("{:0>40x}", 300));
        assert_eq!(crl.head().scope.distribution_points.len(), 1);
        let entries: Vec<_> = crl.entries().map(Result::unwrap).collect();
        let serials: Vec<_> = entries.iter().map(|(serial, _)| serial.clone()).collect();
        assert_eq!(serials, [vec![3], vec![9], vec![0, 0x80], vec![1, 0]]);
        let reasons: Vec<_> = entries.iter().map(|(_, entry)| entry.reason).collect();
        assert_eq!(reasons, [Some(HOLD), Some(HOLD), Some(1), None]);
    }

    #[test]
    fn a_list_without_the_cas_signature_is_not_published() {
        let issuer = Made::authority("CA", "CA").make();
        let list = unsigned(&draft(1, &[3]));
        let refused = draft(1, &[3]).check(&list, &issuer);
        assert_eq!(refused, Err(ListFault::Refused(CrlError::Issuer)));
    }

    #[test]
    fn what_is_gone_has_to_be_explained() {
        let last = unsigned(&draft(2, &[3, 9]));
        let follows = |number, serials: &[u8], gone: &[u8]| {
            check_follows(&unsigned(&draft(number, serials)), &last, |serial, _| gone == serial)
        };
        assert_eq!(follows(3, &[3, 9, 11], &[]), Ok(()));
        assert_eq!(follows(3, &[9], &[3]), Ok(()));
        assert_eq!(follows(3, &[9], &[9]), Err(ListFault::Vanished { serial: "03".into() }));
        assert_eq!(follows(2, &[3, 9], &[]), Err(ListFault::NotNewer));
        assert_eq!(follows(1, &[3, 9], &[]), Err(ListFault::NotNewer));
        // A revocation is for good.
        let mut revoked = draft(2, &[3]);
        revoked.entries[0].1.reason = Some(1);
        let weaker = check_follows(&unsigned(&draft(3, &[3])), &unsigned(&revoked), |_, _| true);
        assert_eq!(weaker, Err(ListFault::Weakened { serial: "03".into() }));
    }

    #[test]
    fn a_delta_is_for_others_only() {
        let delta = ListDraft { base: Some(1), ..draft(2, &[3]) };
        let refused = Crl::from_der(&unsigned(&delta)).unwrap_err();
        assert_eq!(refused, CrlError::Unsupported("delta"));
    }
}
