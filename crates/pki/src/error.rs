//! Why a signature or certificate was refused. One variant for each cause; the
//! evidence is in the fields.

use jiff::Timestamp;

use crate::PathError;

/// A refusal. Nothing in it is secret, but names and numbers from certificates may
/// occur: log the variant's name, not its text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PkiError {
    /// The bytes are not the DER that was expected (RFC 5652, RFC 5280).
    #[error("{what} is not valid DER")]
    Malformed {
        /// The structure that was being read.
        what: &'static str,
    },
    /// The message is larger than any that this service accepts.
    #[error("{size} bytes are more than {limit}")]
    TooLarge {
        /// Size in bytes.
        size: usize,
        /// Largest size in bytes.
        limit: usize,
    },
    /// The CMS message is not SignedData over attached id-data (RFC 5652, section 5).
    #[error("not SignedData with attached content")]
    NotSignedData,
    /// There must be exactly one signer.
    #[error("{0} signers instead of one")]
    SignerCount(usize),
    /// Signed attributes are missing, repeated, or do not fit (RFC 5652, section 11).
    #[error("signed attribute {0} is missing, repeated or malformed")]
    SignedAttribute(&'static str),
    /// messageDigest is not the digest of the content.
    #[error("the content is not what was signed")]
    DigestMismatch,
    /// The signer's certificate is not in the message.
    #[error("the signer's certificate is not in the message")]
    SignerCertificateMissing,
    /// A digest, key or signature algorithm that is not accepted.
    #[error("algorithm {0} is not accepted")]
    Algorithm(String),
    /// The key is too short, too long, or has an unsuitable exponent.
    #[error("the key of {bits} bits is not accepted")]
    WeakKey {
        /// Bits of the modulus.
        bits: usize,
    },
    /// The signature was not made by the certificate's key.
    #[error("the signature does not verify")]
    BadSignature,
    /// No path leads from the certificate to an anchor (RFC 5280, section 6).
    #[error("the certificate's issuer is not trusted")]
    UnknownIssuer,
    /// The path was found, but breaks a rule.
    #[error("the certificate path is not valid: {0}")]
    Path(#[from] PathError),
    /// Before notBefore.
    #[error("not valid before {not_before}, judged at {at}")]
    NotYetValid {
        /// First instant of validity.
        not_before: Timestamp,
        /// Instant of judgement.
        at: Timestamp,
    },
    /// After notAfter.
    #[error("expired at {not_after}, judged at {at}")]
    Expired {
        /// Last instant of validity.
        not_after: Timestamp,
        /// Instant of judgement.
        at: Timestamp,
    },
    /// keyUsage does not allow digital signatures, or the certificate is a CA's.
    #[error("the certificate is not for signing")]
    KeyUsage,
    /// The certificate is suspended (停用, certificateHold): it may be resumed.
    #[error("the certificate is on hold since {since}")]
    OnHold {
        /// revocationDate of the entry.
        since: Timestamp,
    },
    /// The register of our own CAs' cards has it suspended (停用): it is resumed here, at once.
    #[error("the card is suspended here since {since}")]
    Suspended {
        /// Since when.
        since: Timestamp,
    },
    /// The certificate is revoked, or listed without a reason, which may be either.
    #[error("the certificate is revoked since {at}")]
    Revoked {
        /// revocationDate of the entry.
        at: Timestamp,
        /// reasonCode (RFC 5280, section 5.3.1).
        reason: Option<u8>,
    },
    /// Nothing current says whether a certificate of the path is revoked.
    #[error("it cannot be told whether the certificate is revoked")]
    RevocationUnknown {
        /// nextUpdate of the newest list that covers it.
        newest: Option<Timestamp>,
    },
    /// Subject or subject directory attributes are missing or contradict each other.
    #[error("the certificate's {0} is missing or contradictory")]
    Subject(&'static str),
}
