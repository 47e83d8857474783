//! A parsed certificate that keeps its bytes.

use std::fmt;

use der::{Decode, Encode, Header, Reader, SliceReader};
use jiff::Timestamp;
use ring::digest;
use x509_cert::ext::pkix::KeyUsages;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};

use crate::extensions::Extensions;
use crate::{PkiError, RsaPublicKey, shape, signature};

/// SHA-256 of a certificate's DER.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// The fingerprint of these bytes.
    pub fn of(der: &[u8]) -> Self {
        let digest = digest::digest(&digest::SHA256, der);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.as_ref());
        Self(bytes)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// An X.509 certificate: well-formed, not yet trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    parsed: x509_cert::Certificate,
    extensions: Extensions,
}

impl Certificate {
    /// Reads DER; anything after the certificate, or any non-canonical encoding, is refused.
    ///
    /// # Errors
    /// [`PkiError::Malformed`].
    pub fn from_der(der: &[u8]) -> Result<Self, PkiError> {
        let malformed = |_| PkiError::Malformed { what: "certificate" };
        if !shape::is_bounded(der) {
            return Err(PkiError::Malformed { what: "certificate" });
        }
        let parsed = x509_cert::Certificate::from_der(der).map_err(malformed)?;
        if parsed.to_der().map_err(malformed)? != der {
            return Err(PkiError::Malformed { what: "certificate" });
        }
        let found = &parsed.tbs_certificate.extensions;
        // RFC 5280, section 4.1: absent rather than empty.
        if found.as_ref().is_some_and(Vec::is_empty) {
            return Err(PkiError::Malformed { what: "extensions" });
        }
        let extensions = Extensions::read(found.as_deref().unwrap_or_default())?;
        Ok(Self { der: der.to_vec(), parsed, extensions })
    }

    /// The certificate's bytes.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The parsed structure.
    pub(crate) fn x509(&self) -> &x509_cert::TbsCertificate {
        &self.parsed.tbs_certificate
    }

    /// What the extensions say.
    pub(crate) fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// Whether keyUsage allows this; `None` without the extension.
    pub(crate) fn has_usage(&self, usage: KeyUsages) -> Option<bool> {
        self.extensions.key_usage.as_ref().map(|found| found.value.0.contains(usage))
    }

    /// The bytes of TBSCertificate.
    fn signed_bytes(&self) -> Result<&[u8], PkiError> {
        let read = || -> der::Result<&[u8]> {
            let mut reader = SliceReader::new(&self.der)?;
            Header::decode(&mut reader)?;
            reader.tlv_bytes()
        };
        read().map_err(|_| PkiError::Malformed { what: "certificate" })
    }

    /// Whether `issuer`'s key signed this certificate (RFC 5280, section 6.1.3, step a 1).
    ///
    /// # Errors
    /// [`PkiError::BadSignature`], [`PkiError::Algorithm`], [`PkiError::WeakKey`],
    /// [`PkiError::Malformed`].
    pub fn check_signed_by(&self, issuer: &Self) -> Result<(), PkiError> {
        // Section 4.1.1.2: named twice, and the same.
        if self.parsed.signature_algorithm != self.x509().signature {
            return Err(PkiError::Malformed { what: "signature algorithm" });
        }
        let signature = self.parsed.signature.as_bytes();
        signature::verify(
            &issuer.x509().subject_public_key_info,
            &self.parsed.signature_algorithm,
            self.signed_bytes()?,
            signature.ok_or(PkiError::BadSignature)?,
        )
    }

    /// SHA-256 of the bytes.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.der)
    }

    /// The serial number in upper-case hexadecimal, at least 32 digits, as the
    /// ministry's pages show it (manual 000, figure 28).
    pub fn serial_number(&self) -> String {
        let bytes = self.x509().serial_number.as_bytes();
        let digits = hex::encode_upper(bytes.strip_prefix(&[0]).unwrap_or(bytes));
        format!("{digits:0>32}")
    }

    /// The subject key identifier in lower-case hexadecimal (RFC 5280, section 4.2.1.2).
    pub fn subject_key_id_hex(&self) -> Option<String> {
        self.extensions.subject_key_id().map(hex::encode)
    }

    /// The serial number's bytes, as encoded.
    pub fn serial_bytes(&self) -> &[u8] {
        self.x509().serial_number.as_bytes()
    }

    /// Addresses (URI) of the lists that the certificate names, in its order.
    pub fn list_addresses(&self) -> Vec<String> {
        let points = self.extensions.distribution_points.iter().flat_map(|points| &points.value.0);
        let names = points.filter_map(|point| match point.distribution_point.as_ref()? {
            DistributionPointName::FullName(names) => Some(names),
            DistributionPointName::NameRelativeToCRLIssuer(_) => None,
        });
        let address = |name: &GeneralName| match name {
            GeneralName::UniformResourceIdentifier(address) => Some(address.as_str().to_owned()),
            _ => None,
        };
        names.flatten().filter_map(address).collect()
    }

    /// The subject's RSA key.
    ///
    /// # Errors
    /// As [`RsaPublicKey::from_spki`].
    pub fn rsa_key(&self) -> Result<RsaPublicKey, PkiError> {
        RsaPublicKey::from_spki(&self.x509().subject_public_key_info)
    }

    /// The subject, as people read names (RFC 4514).
    pub fn subject(&self) -> String {
        self.x509().subject.to_string()
    }

    /// The issuer, as people read names (RFC 4514).
    pub fn issuer(&self) -> String {
        self.x509().issuer.to_string()
    }

    /// First instant of validity.
    pub fn not_before(&self) -> Timestamp {
        timestamp(self.x509().validity.not_before)
    }

    /// Last instant of validity.
    pub fn not_after(&self) -> Timestamp {
        timestamp(self.x509().validity.not_after)
    }

    /// Whether `now` lies within the validity.
    ///
    /// # Errors
    /// [`PkiError::NotYetValid`] or [`PkiError::Expired`].
    pub fn check_validity(&self, now: Timestamp) -> Result<(), PkiError> {
        // Certificates know whole seconds: the last one is over when the next begins.
        let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
        if now < self.not_before() {
            return Err(PkiError::NotYetValid { not_before: self.not_before(), at: now });
        }
        if now > self.not_after() {
            return Err(PkiError::Expired { not_after: self.not_after(), at: now });
        }
        Ok(())
    }

    /// Whether the certificate may make digital signatures: keyUsage present with
    /// digitalSignature, and no CA (RFC 5280, sections 4.2.1.3 and 4.2.1.9).
    ///
    /// # Errors
    /// [`PkiError::KeyUsage`].
    pub fn check_may_sign(&self) -> Result<(), PkiError> {
        let signs = self.has_usage(KeyUsages::DigitalSignature) == Some(true);
        if signs && !self.extensions.is_ca() { Ok(()) } else { Err(PkiError::KeyUsage) }
    }
}

pub(crate) fn timestamp(time: x509_cert::time::Time) -> Timestamp {
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}
