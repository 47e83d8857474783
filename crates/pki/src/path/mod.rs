//! From a certificate to an anchor: path validation by `rustls-webpki`, and what it
//! leaves out (policies, keyUsage, the role of the issuing CA, expiry of anchors).

use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use webpki::{EndEntityCert, KeyPurposeIdIter};

use crate::{Certificate, Environment, Issuer, PkiError, TrustStore};

/// Signature algorithms accepted in certificates.
const ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    webpki::ring::RSA_PKCS1_2048_8192_SHA256,
    webpki::ring::RSA_PKCS1_2048_8192_SHA384,
    webpki::ring::RSA_PKCS1_2048_8192_SHA512,
    webpki::ring::ECDSA_P256_SHA256,
    webpki::ring::ECDSA_P384_SHA384,
];

/// GPKI's signing certificates carry no extended key usage, its server certificates
/// do; what a certificate is for is told by keyUsage, policy and issuer.
struct AnyUsage;

impl webpki::ExtendedKeyUsageValidator for AnyUsage {
    fn validate(&self, _usages: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        Ok(())
    }
}

impl TrustStore {
    /// Finds the path from `certificate` over exactly one configured issuing CA to an
    /// anchor, everything valid at `now`; returns that issuing CA.
    ///
    /// Generations of a CA share a name; the one whose key made the signature is found
    /// by trying each, never by name.
    pub(crate) fn judge_path(
        &self,
        certificate: &Certificate,
        now: Timestamp,
    ) -> Result<&Issuer, PkiError> {
        let tests_allowed = self.environment() == Environment::Test;
        certificate.check_validity(now)?;
        let der = CertificateDer::from(certificate.der());
        let end_entity =
            EndEntityCert::try_from(&der).map_err(|error| PkiError::Path(error.to_string()))?;
        let anchors = self.anchors_at(now)?;
        let intermediates: Vec<_> = self
            .issuers()
            .iter()
            .map(|issuer| CertificateDer::from(issuer.certificate.der()))
            .collect();
        let seconds = u64::try_from(now.as_second()).unwrap_or(0);
        let path = end_entity
            .verify_for_usage(
                ALGORITHMS,
                &anchors,
                &intermediates,
                UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds)),
                AnyUsage,
                None,
                None,
            )
            .map_err(|error| match error {
                webpki::Error::UnknownIssuer | webpki::Error::InvalidSignatureForPublicKey => {
                    PkiError::UnknownIssuer
                }
                other => PkiError::Path(other.to_string()),
            })?;
        let mut between = path.intermediate_certificates();
        let (Some(direct), None) = (between.next(), between.next()) else {
            return Err(PkiError::UnknownIssuer);
        };
        let issuer = self
            .issuers()
            .iter()
            .find(|issuer| issuer.certificate.der() == direct.der().as_ref())
            .ok_or(PkiError::UnknownIssuer)?;
        certificate.check_policy(tests_allowed)?;
        issuer.certificate.check_policy(tests_allowed)?;
        Ok(issuer)
    }
}
