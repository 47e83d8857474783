//! Certificates of calling systems (憑證上傳, manual 000, figures 9 to 12): a company's
//! certificate that is not on an IC card, as a file.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use der::{Decode, Reader, SliceReader, Tag};
use jiff::{SignedDuration, Timestamp};

use crate::revocation::RevocationSource;
use crate::{
    Certificate, Credential, IssuerRole, Judgement, KnownWeakness, PkiError, RsaPublicKey,
    TrustStore,
};

/// How long a certificate must still be valid when it is registered. System certificates
/// live for half a year; one that ends within a month would stop calls soon.
const MIN_REMAINING: SignedDuration = SignedDuration::from_hours(24 * 30);
/// Largest file.
const MAX_SIZE: usize = 64 << 10;

/// Why a file was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UploadError {
    /// The file holds a private key. It must not be used any more.
    #[error("the file holds a private key")]
    PrivateKey,
    /// The file is a PKCS #12 container, which holds a private key.
    #[error("the file is a PFX")]
    Pfx,
    /// Nothing that could be a certificate.
    #[error("the file is not a certificate")]
    NotACertificate,
    /// More than one certificate.
    #[error("the file holds more than one certificate")]
    SeveralCertificates,
    /// The certificate belongs to an IC card.
    #[error("the certificate is an IC card's")]
    CardCertificate,
    /// The key can be computed from public data.
    #[error("the key is known to be weak: {0:?}")]
    KnownWeakKey(KnownWeakness),
    /// The certificate ends too soon to be worth registering.
    #[error("the certificate ends at {not_after}")]
    ShortLived {
        /// Last instant of validity.
        not_after: Timestamp,
    },
    /// The certificate cannot be trusted.
    #[error(transparent)]
    Pki(#[from] PkiError),
}

/// A system's certificate that was judged at upload.
#[derive(Clone, Debug)]
pub struct UploadedCertificate {
    certificate: Certificate,
    credential: Credential,
    key: RsaPublicKey,
    judgement: Judgement,
}

impl UploadedCertificate {
    /// The certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Whom it speaks for.
    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    /// What the acceptance was based on.
    pub fn judgement(&self) -> &Judgement {
        &self.judgement
    }

    /// The key that verifies the system's tokens.
    pub fn key(&self) -> &RsaPublicKey {
        &self.key
    }
}

impl TrustStore {
    /// Judges an uploaded certificate at `now`: a trusted path, RSA, for signing, with a
    /// 統一編號, not on a card.
    ///
    /// # Errors
    /// [`UploadError`].
    pub fn verify_uploaded(
        &self,
        certificate: Certificate,
        source: &impl RevocationSource,
        now: Timestamp,
    ) -> Result<UploadedCertificate, UploadError> {
        self.verify_server(certificate, &[IssuerRole::Moeaca, IssuerRole::Xca], source, now)
    }

    /// The same for certificates of CAs in these roles: a server application's certificate
    /// (伺服器應用軟體憑證), not on a card.
    ///
    /// # Errors
    /// [`UploadError`].
    pub fn verify_server(
        &self,
        certificate: Certificate,
        roles: &[IssuerRole],
        source: &impl RevocationSource,
        now: Timestamp,
    ) -> Result<UploadedCertificate, UploadError> {
        let path = self.judge_path(certificate, None, now)?;
        path.certificate.check_may_sign()?;
        if !roles.contains(&path.role) {
            return Err(PkiError::UnknownIssuer.into());
        }
        let credential = Credential::read(&path.certificate, path.role)?;
        if credential.rank.is_some() {
            return Err(UploadError::CardCertificate);
        }
        let key = RsaPublicKey::from_spki(&path.certificate.x509().subject_public_key_info)?;
        if let Some(weakness) = key.known_weakness() {
            return Err(UploadError::KnownWeakKey(weakness));
        }
        let not_after = path.certificate.not_after();
        if not_after.duration_since(now) < MIN_REMAINING {
            return Err(UploadError::ShortLived { not_after });
        }
        let judgement = path.confirm(source)?;
        Ok(UploadedCertificate { certificate: path.certificate, credential, key, judgement })
    }
}

impl TrustStore {
    /// Whether a certificate that was accepted once still has a trusted path, and no list that
    /// counts names it.
    ///
    /// # Errors
    /// [`PkiError::Revoked`] and [`PkiError::OnHold`], among others.
    pub fn check_in_force(
        &self,
        certificate: Certificate,
        source: &impl RevocationSource,
        now: Timestamp,
    ) -> Result<(), PkiError> {
        self.judge_path(certificate, None, now)?.confirm(source).map(drop)
    }
}

impl TrustStore {
    /// Reads whom a card's certificate speaks for, as far as the certificate alone tells: a
    /// trusted path, for signing, in force. Nobody has shown the key.
    ///
    /// # Errors
    /// [`PkiError`].
    pub fn read_card(
        &self,
        certificate: Certificate,
        source: &impl RevocationSource,
        now: Timestamp,
    ) -> Result<Credential, PkiError> {
        let path = self.judge_path(certificate, None, now)?;
        path.certificate.check_may_sign()?;
        path.confirm(source)?;
        Credential::read(&path.certificate, path.role)
    }
}

/// Finds the certificate in a file: PEM, DER, or bare Base64, with or without a byte
/// order mark, any line ends.
///
/// # Errors
/// [`UploadError`]: a private key or PFX is named as such before anything else.
pub fn read_certificate_file(file: &[u8]) -> Result<Certificate, UploadError> {
    if file.len() > MAX_SIZE {
        return Err(PkiError::TooLarge { size: file.len(), limit: MAX_SIZE }.into());
    }
    if file.first() == Some(&0x30) {
        return read_der(file);
    }
    let text = std::str::from_utf8(file).map_err(|_| UploadError::NotACertificate)?;
    let text = text.trim_start_matches('\u{feff}');
    if text.contains("PRIVATE KEY") {
        return Err(UploadError::PrivateKey);
    }
    let mut blocks = text.split("-----BEGIN CERTIFICATE-----").skip(1);
    let body = match (blocks.next(), blocks.next()) {
        (None, _) => text,
        (Some(block), None) => {
            block.split_once("-----END CERTIFICATE-----").ok_or(UploadError::NotACertificate)?.0
        }
        (Some(_), Some(_)) => return Err(UploadError::SeveralCertificates),
    };
    let base64: String =
        body.chars().filter(|character| !character.is_ascii_whitespace()).collect();
    let der = BASE64_STANDARD.decode(base64).map_err(|_| UploadError::NotACertificate)?;
    read_der(&der)
}

fn read_der(der: &[u8]) -> Result<Certificate, UploadError> {
    match kind(der) {
        Some(Kind::PrivateKey) => Err(UploadError::PrivateKey),
        Some(Kind::Pfx) => Err(UploadError::Pfx),
        None => Certificate::from_der(der).map_err(|_| UploadError::NotACertificate),
    }
}

enum Kind {
    PrivateKey,
    Pfx,
}

/// Private keys and PFX begin with a version number; certificates do not
/// (RFC 5958, RFC 8017 appendix A.1.2, RFC 5915, RFC 7292).
fn kind(der: &[u8]) -> Option<Kind> {
    let mut reader = SliceReader::new(der).ok()?;
    let header = der::Header::decode(&mut reader).ok()?;
    if header.tag != Tag::Sequence || reader.peek_byte() != Some(u8::from(Tag::Integer)) {
        return None;
    }
    match u8::decode(&mut reader) {
        Ok(3) => Some(Kind::Pfx),
        Ok(0 | 1) => Some(Kind::PrivateKey),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_keys_are_named_as_such() {
        let pkcs8 = [0x30, 0x06, 0x02, 0x01, 0x00, 0x30, 0x01, 0x00];
        let pfx = [0x30, 0x06, 0x02, 0x01, 0x03, 0x30, 0x01, 0x00];
        let pem = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert_eq!(read_certificate_file(&pkcs8), Err(UploadError::PrivateKey));
        assert_eq!(read_certificate_file(&pfx), Err(UploadError::Pfx));
        assert_eq!(read_certificate_file(pem.as_bytes()), Err(UploadError::PrivateKey));
        let base64 = BASE64_STANDARD.encode(pkcs8);
        assert_eq!(read_certificate_file(base64.as_bytes()), Err(UploadError::PrivateKey));
    }

    #[test]
    fn other_files_are_not_certificates() {
        for file in [&b""[..], b"hello", b"\xff\xfe", &[0x30, 0x80], b"-----BEGIN CERTIFICATE-----"]
        {
            assert_eq!(read_certificate_file(file), Err(UploadError::NotACertificate));
        }
        assert!(read_certificate_file(&vec![b'A'; MAX_SIZE + 1]).is_err());
    }
}
