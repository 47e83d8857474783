//! Verification of signatures made under Taiwan's government PKI.
//!
//! Nothing here reads a clock, a file, a socket or a random source: anchors, the
//! instant of judgement and the bytes to judge come in as arguments. What was proved
//! comes out as types that cannot be made elsewhere ([`VerifiedSignature`],
//! [`UploadedCertificate`], [`jwt::Verified`]).
//!
//! What is judged, and why, is written in `docs/trust.md`.

mod certificate;
mod cms;
mod credential;
mod error;
mod extensions;
mod judgement;
pub mod jwt;
#[cfg(test)]
mod made;
mod name;
pub mod oid;
mod path;
pub mod public_operation;
pub mod revocation;
mod rsa_key;
mod shape;
mod signature;
mod signing_input;
mod trust;
mod uploaded;

pub use certificate::{Certificate, Fingerprint};
pub use cms::{
    SignedDataDraft, UnconfirmedSignature, VerifiedSignature, parse_message, unverified_signer,
};
pub use credential::{CardRank, Credential, SubjectType, UnverifiedHolder};
pub use der::asn1::ObjectIdentifier;
pub use error::PkiError;
pub use judgement::{
    Evidence, JudgedAgain, Judgement, RecordError, TRUST_POLICY, Transport, TrustedPath,
};
pub use path::{PathError, PathRequest, check_path, find_path};
pub use rsa_key::{Arithmetic, KnownWeakness, PreparedKey, RsaPublicKey};
pub use signing_input::{Purpose, SIGNING_INPUT_FORMAT, SigningInput};
pub use trust::{
    Environment, Issuer, IssuerRole, OwnAuthority, TrustStore, TrustStoreError, TrustStoreFile,
    TrustedCertificateFile,
};
pub use uploaded::{UploadError, UploadedCertificate, read_certificate_file};
