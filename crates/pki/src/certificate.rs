//! A parsed certificate that keeps its bytes.

use std::fmt;

use der::{Decode, Encode};
use jiff::Timestamp;
use ring::digest;
use x509_cert::ext::pkix::{BasicConstraints, CertificatePolicies, KeyUsage};

use crate::{PkiError, oid};

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
}

impl Certificate {
    /// Reads DER; anything after the certificate, or any non-canonical encoding, is refused.
    ///
    /// # Errors
    /// [`PkiError::Malformed`].
    pub fn from_der(der: &[u8]) -> Result<Self, PkiError> {
        let malformed = |_| PkiError::Malformed { what: "certificate" };
        let parsed = x509_cert::Certificate::from_der(der).map_err(malformed)?;
        if parsed.to_der().map_err(malformed)? != der {
            return Err(PkiError::Malformed { what: "certificate" });
        }
        Ok(Self { der: der.to_vec(), parsed })
    }

    /// The certificate's bytes.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The parsed structure.
    pub(crate) fn x509(&self) -> &x509_cert::TbsCertificate {
        &self.parsed.tbs_certificate
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
        let usage = self.extension::<KeyUsage>("key usage")?;
        let constraints = self.extension::<BasicConstraints>("basic constraints")?;
        let signs = usage.is_some_and(|usage| usage.digital_signature());
        if !signs || constraints.is_some_and(|constraints| constraints.ca) {
            return Err(PkiError::KeyUsage);
        }
        Ok(())
    }

    /// Whether the certificate asserts an accepted assurance level: 2.16.886.101.0.3.N
    /// with N 3 or 4, or N = 0 where tests are allowed; a CA may also assert any policy.
    ///
    /// # Errors
    /// [`PkiError::Policy`].
    pub(crate) fn check_policy(&self, tests_allowed: bool) -> Result<(), PkiError> {
        let ca = self
            .extension::<BasicConstraints>("basic constraints")?
            .is_some_and(|constraints| constraints.ca);
        let policies = self.extension::<CertificatePolicies>("policies")?;
        let accepted = policies.is_some_and(|policies| {
            policies.0.iter().any(|policy| {
                let identifier = policy.policy_identifier;
                ca && identifier == oid::ANY_POLICY
                    || match (identifier.parent(), identifier.arcs().last()) {
                        (Some(oid::ASSURANCE), Some(0)) => tests_allowed,
                        (Some(oid::ASSURANCE), Some(level)) => (3..=4).contains(&level),
                        _ => false,
                    }
            })
        });
        if accepted { Ok(()) } else { Err(PkiError::Policy) }
    }

    fn extension<'a, T: Decode<'a> + der::oid::AssociatedOid>(
        &'a self,
        what: &'static str,
    ) -> Result<Option<T>, PkiError> {
        self.x509()
            .get::<T>()
            .map(|found| found.map(|(_critical, value)| value))
            .map_err(|_| PkiError::Malformed { what })
    }
}

fn timestamp(time: x509_cert::time::Time) -> Timestamp {
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}
