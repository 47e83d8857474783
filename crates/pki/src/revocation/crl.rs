//! Certificate revocation lists (RFC 5280, section 5): complete ones and partitions.
//!
//! A list is read entry by entry, so that one with 412,000 entries needs no more memory
//! than its bytes.

use std::ops::Range;

use der::asn1::{BitStringRef, ObjectIdentifier};
use der::oid::AssociatedOid;
use der::{Decode, Encode, Header, Reader, SliceReader, Tag};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use x509_cert::crl::RevokedCert;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, CrlNumber, CrlReason, IssuingDistributionPoint, KeyUsages,
};
use x509_cert::name::Name;
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_cert::time::Time;

use crate::certificate::timestamp;
use crate::{Certificate, Fingerprint, name, oid, shape, signature};

/// Largest list; the largest of GPKI has about 20 MB.
const MAX_SIZE: usize = 64 << 20;

/// Why a list says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CrlError {
    /// Not a complete version 2 list in DER; a truncated one, for instance.
    #[error("not a CRL: {0}")]
    Malformed(&'static str),
    /// Larger than any list that is looked at.
    #[error("{0} bytes are too many for a CRL")]
    TooLarge(usize),
    /// Delta, indirect or limited to some reasons or kinds of certificates that this
    /// service does not use: it could hide a revocation.
    #[error("a kind of CRL that is not used: {0}")]
    Unsupported(&'static str),
    /// A critical extension, of the list or of an entry, that is not understood
    /// (sections 5.2 and 5.3).
    #[error("critical extension {0} is not understood")]
    UnknownCritical(ObjectIdentifier),
    /// Not the issuing CA's: another name, key identifier, or signature, or the CA may
    /// not sign lists.
    #[error("the CRL was not signed by the issuing CA")]
    Issuer,
    /// thisUpdate lies in the future or nextUpdate has passed.
    #[error("the CRL is not current: {this_update} to {next_update}")]
    NotCurrent {
        /// thisUpdate.
        this_update: Timestamp,
        /// nextUpdate.
        next_update: Timestamp,
    },
}

/// Which certificates a list covers (section 5.2.5).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CrlScope {
    /// DER of the names of the distribution point, in hexadecimal; none for a list of
    /// all of the CA's certificates. A list with one covers the certificates that name it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub distribution_points: Vec<String>,
    /// onlyContainsUserCerts.
    #[serde(default)]
    pub only_user_certificates: bool,
    /// onlyContainsCACerts.
    #[serde(default)]
    pub only_ca_certificates: bool,
}

impl CrlScope {
    /// Whether a certificate of this list's issuer is covered.
    pub(crate) fn covers(&self, certificate: &Certificate) -> bool {
        let extensions = certificate.extensions();
        let kind = if extensions.is_ca() {
            !self.only_user_certificates
        } else {
            !self.only_ca_certificates
        };
        kind && (self.distribution_points.is_empty()
            || extensions.distribution_points.as_ref().is_some_and(|points| {
                points
                    .value
                    .0
                    .iter()
                    // A point with an issuer of its own is for indirect lists.
                    .filter(|point| point.crl_issuer.is_none())
                    .filter_map(|point| point.distribution_point.as_ref())
                    .flat_map(|point| point_names(point, &certificate.x509().issuer))
                    .any(|name| self.distribution_points.contains(&name))
            }))
    }
}

/// Names of a distribution point, each as DER in hexadecimal; a relative one is completed
/// by the issuer's name (section 4.2.1.13).
fn point_names(point: &DistributionPointName, issuer: &Name) -> Vec<String> {
    let encoded = |name: &GeneralName| hex::encode(name.to_der().unwrap_or_default());
    match point {
        DistributionPointName::FullName(names) => names.iter().map(encoded).collect(),
        DistributionPointName::NameRelativeToCRLIssuer(relative) => {
            let mut name = issuer.clone();
            name.0.push(relative.clone());
            vec![encoded(&GeneralName::DirectoryName(name))]
        }
    }
}

/// What a list says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CrlHead {
    /// cRLNumber, big-endian without leading zeros, in hexadecimal of 40 digits, so that
    /// texts compare as numbers do.
    pub number: String,
    /// thisUpdate.
    pub this_update: Timestamp,
    /// nextUpdate.
    pub next_update: Timestamp,
    /// What it covers.
    pub scope: CrlScope,
    /// SHA-256 of the list's DER.
    pub sha256: String,
}

/// A certificate that a list names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CrlEntry {
    /// reasonCode, 0 to 10 (section 5.3.1); none when the list does not say.
    pub reason: Option<u8>,
    /// revocationDate.
    pub revoked_at: Timestamp,
}

impl CrlEntry {
    /// Whether the certificate may be resumed.
    pub fn is_hold(&self) -> bool {
        self.reason == Some(HOLD)
    }
}

/// certificateHold.
pub(crate) const HOLD: u8 = CrlReason::CertificateHold as u8;

/// A list: well-formed and of a kind that is used, not yet believed.
#[derive(Clone, Debug)]
pub struct Crl<'a> {
    signed: &'a [u8],
    algorithm: AlgorithmIdentifierOwned,
    signature: &'a [u8],
    issuer: Name,
    issuer_key_id: Option<Vec<u8>>,
    head: CrlHead,
    entries: &'a [u8],
}

impl<'a> Crl<'a> {
    /// Reads a list, every entry of it.
    ///
    /// # Errors
    /// [`CrlError`], all but [`CrlError::Issuer`] and [`CrlError::NotCurrent`].
    pub fn from_der(der: &'a [u8]) -> Result<Self, CrlError> {
        if der.len() > MAX_SIZE {
            return Err(CrlError::TooLarge(der.len()));
        }
        let malformed = |_| CrlError::Malformed("structure");
        let mut reader = SliceReader::new(der).map_err(malformed)?;
        let outer = Header::decode(&mut reader).map_err(malformed)?;
        if outer.tag != Tag::Sequence || outer.length != reader.remaining_len() {
            return Err(CrlError::Malformed("structure"));
        }
        let signed = reader.tlv_bytes().map_err(malformed)?;
        let algorithm = AlgorithmIdentifierOwned::decode(&mut reader).map_err(malformed)?;
        let bits = BitStringRef::decode(&mut reader).map_err(malformed)?;
        let signature = bits.as_bytes().ok_or(CrlError::Malformed("signature"))?;
        reader.finish(()).map_err(malformed)?;
        let fields = Fields::read(signed)?;
        if fields.algorithm != algorithm {
            return Err(CrlError::Malformed("signature algorithm"));
        }
        let marks = Marks::read(&fields.extensions, &fields.issuer)?;
        let crl = Self {
            signed,
            algorithm,
            signature,
            issuer: fields.issuer,
            issuer_key_id: marks.issuer_key_id,
            head: CrlHead {
                number: marks.number,
                this_update: timestamp(fields.this_update),
                next_update: timestamp(fields.next_update),
                scope: marks.scope,
                sha256: Fingerprint::of(der).to_string(),
            },
            entries: &signed[fields.entries],
        };
        for entry in crl.entries() {
            entry?;
        }
        Ok(crl)
    }

    /// What the list says of itself.
    pub fn head(&self) -> &CrlHead {
        &self.head
    }

    /// The issuer's name, DER.
    pub fn issuer_der(&self) -> Vec<u8> {
        name::der(&self.issuer)
    }

    /// Every entry: the serial number's bytes as encoded, and what is said.
    pub fn entries(&self) -> Entries<'a> {
        Entries { rest: self.entries }
    }

    /// The entry of a serial number.
    ///
    /// # Errors
    /// [`CrlError::Malformed`].
    pub fn find(&self, serial: &[u8]) -> Result<Option<CrlEntry>, CrlError> {
        let mut found = None;
        for entry in self.entries() {
            let (number, entry) = entry?;
            // The same certificate twice: the later word counts, except that nothing
            // turns a revocation into less.
            if number == serial
                && found.as_ref().is_none_or(|found: &CrlEntry| found.reason == Some(HOLD))
            {
                found = Some(entry);
            }
        }
        Ok(found)
    }

    /// Whether this CA issued the list with its own key, and may.
    ///
    /// # Errors
    /// [`CrlError::Issuer`].
    pub fn check_signed_by(&self, issuer: &Certificate) -> Result<(), CrlError> {
        let tbs = issuer.x509();
        let key = match (&self.issuer_key_id, issuer.extensions().subject_key_id()) {
            (Some(named), Some(key)) => named == key,
            _ => true,
        };
        let may_sign = issuer.has_usage(KeyUsages::CRLSign) != Some(false);
        if !key || !may_sign || !name::same(&self.issuer, &tbs.subject) {
            return Err(CrlError::Issuer);
        }
        signature::verify(
            &tbs.subject_public_key_info,
            &self.algorithm,
            self.signed,
            self.signature,
        )
        .map_err(|_| CrlError::Issuer)
    }

    /// Whether the list is current at `now`: one that is not never replaces another.
    ///
    /// # Errors
    /// [`CrlError::NotCurrent`].
    pub fn check_current(&self, now: Timestamp) -> Result<(), CrlError> {
        let CrlHead { this_update, next_update, .. } = self.head;
        if now < this_update || now > next_update {
            return Err(CrlError::NotCurrent { this_update, next_update });
        }
        Ok(())
    }
}

/// The entries of a list, one after another.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    rest: &'a [u8],
}

impl Iterator for Entries<'_> {
    type Item = Result<(Vec<u8>, CrlEntry), CrlError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let entry = self.read();
        if entry.is_err() {
            self.rest = &[];
        }
        Some(entry)
    }
}

impl Entries<'_> {
    fn read(&mut self) -> Result<(Vec<u8>, CrlEntry), CrlError> {
        let malformed = |_| CrlError::Malformed("entry");
        let mut reader = SliceReader::new(self.rest).map_err(malformed)?;
        let entry = RevokedCert::decode(&mut reader).map_err(malformed)?;
        let read = usize::try_from(reader.position()).map_err(malformed)?;
        self.rest = self.rest.get(read..).unwrap_or_default();
        let mut reason = None;
        for extension in entry.crl_entry_extensions.iter().flatten() {
            match extension.extn_id {
                CrlReason::OID => {
                    let code = CrlReason::from_der(extension.extn_value.as_bytes());
                    if reason.replace(code.map_err(malformed)? as u8).is_some() {
                        return Err(CrlError::Malformed("entry"));
                    }
                }
                oid::CERTIFICATE_ISSUER => return Err(CrlError::Unsupported("indirect")),
                other if extension.critical => return Err(CrlError::UnknownCritical(other)),
                _ => (),
            }
        }
        let revoked_at = timestamp(entry.revocation_date);
        Ok((entry.serial_number.as_bytes().to_vec(), CrlEntry { reason, revoked_at }))
    }
}

/// The fields of TBSCertList (section 5.1.2).
struct Fields {
    algorithm: AlgorithmIdentifierOwned,
    issuer: Name,
    this_update: Time,
    next_update: Time,
    /// Where the entries lie in the bytes.
    entries: Range<usize>,
    extensions: Vec<Extension>,
}

impl Fields {
    fn read(signed: &[u8]) -> Result<Self, CrlError> {
        let malformed = |_| CrlError::Malformed("list");
        let mut reader = SliceReader::new(signed).map_err(malformed)?;
        Header::decode(&mut reader)
            .and_then(|header| header.tag.assert_eq(Tag::Sequence))
            .map_err(malformed)?;
        if u8::decode(&mut reader).map_err(malformed)? != 1 {
            return Err(CrlError::Malformed("version"));
        }
        let algorithm = AlgorithmIdentifierOwned::decode(&mut reader).map_err(malformed)?;
        let issuer = reader.tlv_bytes().map_err(malformed)?;
        if !shape::is_bounded(issuer) {
            return Err(CrlError::Malformed("issuer"));
        }
        let issuer = Name::from_der(issuer).map_err(malformed)?;
        let this_update = Time::decode(&mut reader).map_err(malformed)?;
        // Section 5.1.2.5: nextUpdate must be there.
        let next_update =
            Time::decode(&mut reader).map_err(|_| CrlError::Malformed("nextUpdate"))?;
        let mut entries = 0..0;
        if reader.peek_byte() == Some(Tag::Sequence.into()) {
            let length = Header::decode(&mut reader).map_err(malformed)?.length;
            let start = usize::try_from(reader.position()).map_err(malformed)?;
            let bytes = reader.read_slice(length).map_err(malformed)?;
            // Section 5.1.2.6: absent rather than empty.
            if bytes.is_empty() {
                return Err(CrlError::Malformed("no entries"));
            }
            entries = start..start + bytes.len();
        }
        let extensions = reader
            .context_specific::<Vec<Extension>>(der::TagNumber::N0, der::TagMode::Explicit)
            .map_err(malformed)?
            .ok_or(CrlError::Malformed("extensions"))?;
        reader.finish(()).map_err(malformed)?;
        Ok(Self { algorithm, issuer, this_update, next_update, entries, extensions })
    }
}

/// What a list's extensions say (section 5.2).
struct Marks {
    number: String,
    issuer_key_id: Option<Vec<u8>>,
    scope: CrlScope,
}

impl Marks {
    fn read(extensions: &[Extension], issuer: &Name) -> Result<Self, CrlError> {
        let malformed = |_| CrlError::Malformed("extension");
        let mut seen = Vec::new();
        let mut number = None;
        let mut issuer_key_id = None;
        let mut scope = CrlScope::default();
        for extension in extensions {
            let value = extension.extn_value.as_bytes();
            if seen.contains(&extension.extn_id) {
                return Err(CrlError::Malformed("repeated extension"));
            }
            seen.push(extension.extn_id);
            match extension.extn_id {
                CrlNumber::OID => {
                    // Section 5.2.3: at most 20 octets, never critical.
                    let bytes = CrlNumber::from_der(value).map_err(malformed)?;
                    let bytes = bytes.0.as_bytes();
                    if extension.critical || bytes.len() > 20 {
                        return Err(CrlError::Malformed("cRLNumber"));
                    }
                    number = Some(format!("{:0>40}", hex::encode(bytes)));
                }
                AuthorityKeyIdentifier::OID => {
                    let key = AuthorityKeyIdentifier::from_der(value).map_err(malformed)?;
                    issuer_key_id = key.key_identifier.map(|id| id.as_bytes().to_vec());
                }
                // The crate's own constant for it is another extension's.
                oid::ISSUING_DISTRIBUTION_POINT => scope = read_scope(value, issuer)?,
                oid::DELTA_CRL => return Err(CrlError::Unsupported("delta")),
                // A list with deltas is not the last word.
                oid::FRESHEST_CRL => return Err(CrlError::Unsupported("has deltas")),
                other if extension.critical => return Err(CrlError::UnknownCritical(other)),
                _ => (),
            }
        }
        let number = number.ok_or(CrlError::Malformed("cRLNumber"))?;
        Ok(Self { number, issuer_key_id, scope })
    }
}

fn read_scope(value: &[u8], issuer: &Name) -> Result<CrlScope, CrlError> {
    let point = IssuingDistributionPoint::from_der(value)
        .map_err(|_| CrlError::Malformed("issuingDistributionPoint"))?;
    for (found, what) in [
        (point.indirect_crl, "indirect"),
        (point.only_some_reasons.is_some(), "some reasons"),
        (point.only_contains_attribute_certs, "attribute certificates"),
        (point.only_contains_user_certs && point.only_contains_ca_certs, "contradictory scope"),
    ] {
        if found {
            return Err(CrlError::Unsupported(what));
        }
    }
    let names = point.distribution_point.as_ref().map(|point| point_names(point, issuer));
    if names.as_ref().is_some_and(Vec::is_empty) {
        return Err(CrlError::Malformed("issuingDistributionPoint"));
    }
    let distribution_points = names.unwrap_or_default();
    Ok(CrlScope {
        distribution_points,
        only_user_certificates: point.only_contains_user_certs,
        only_ca_certificates: point.only_contains_ca_certs,
    })
}
