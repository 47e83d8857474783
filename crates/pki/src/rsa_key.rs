//! RSA public keys whose size and exponent are acceptable.

use der::asn1::UintRef;
use der::{Decode, Encode, Sequence};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use crate::{PkiError, oid};

/// RFC 8017, appendix A.1.1.
#[derive(Sequence)]
struct Pkcs1PublicKey<'a> {
    modulus: UintRef<'a>,
    public_exponent: UintRef<'a>,
}

/// An RSA key of 2048 to 4096 bits with an odd exponent from 65537 to 2^32.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RsaPublicKey {
    /// RFC 8017 `RSAPublicKey`, DER.
    pkcs1: Vec<u8>,
}

impl RsaPublicKey {
    /// Takes the key out of a certificate's subjectPublicKeyInfo.
    ///
    /// # Errors
    /// [`PkiError::Algorithm`] for another kind of key, [`PkiError::WeakKey`],
    /// [`PkiError::Malformed`].
    pub fn from_spki(spki: &SubjectPublicKeyInfoOwned) -> Result<Self, PkiError> {
        if spki.algorithm.oid != oid::RSA_ENCRYPTION {
            return Err(PkiError::Algorithm(spki.algorithm.oid.to_string()));
        }
        let bytes = spki.subject_public_key.as_bytes();
        Self::from_pkcs1(bytes.ok_or(PkiError::Malformed { what: "public key" })?)
    }

    /// Reads an RFC 8017 `RSAPublicKey`.
    ///
    /// # Errors
    /// As [`RsaPublicKey::from_spki`].
    pub fn from_pkcs1(der: &[u8]) -> Result<Self, PkiError> {
        let malformed = |_| PkiError::Malformed { what: "public key" };
        let key = Pkcs1PublicKey::from_der(der).map_err(malformed)?;
        let modulus = key.modulus.as_bytes();
        let leading = modulus.first().map_or(8, |byte| byte.leading_zeros()) as usize;
        let bits = modulus.len() * 8 - leading;
        let exponent = key.public_exponent.as_bytes();
        let exponent = exponent.iter().try_fold(0_u64, |value, byte| {
            (value < 1 << 32).then_some(value << 8 | u64::from(*byte))
        });
        let odd = modulus.last().is_some_and(|byte| byte & 1 == 1);
        let sane =
            exponent.is_some_and(|value| value % 2 == 1 && (65_537..1 << 32).contains(&value));
        if !(2048..=4096).contains(&bits) || !odd || !sane {
            return Err(PkiError::WeakKey { bits });
        }
        Ok(Self { pkcs1: key.to_der().map_err(malformed)? })
    }

    /// The key as RFC 8017 `RSAPublicKey`, DER.
    pub fn pkcs1(&self) -> &[u8] {
        &self.pkcs1
    }

    /// Verifies an RSASSA-PKCS1-v1_5 signature with SHA-256 (RFC 8017, section 8.2.2).
    ///
    /// # Errors
    /// [`PkiError::BadSignature`].
    pub fn verify_sha256(&self, message: &[u8], signature: &[u8]) -> Result<(), PkiError> {
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.pkcs1)
            .verify(message, signature)
            .map_err(|_| PkiError::BadSignature)
    }
}
