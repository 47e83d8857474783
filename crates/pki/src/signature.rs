//! Signature algorithms: RSASSA-PKCS1-v1_5 with keys of 2048 to 4096 bits, ECDSA on P-256
//! and P-384, SHA-256 or stronger. The primitives are ring's.

use der::asn1::ObjectIdentifier;
use ring::digest;
use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use crate::{PkiError, RsaPublicKey, oid};

/// The digest that an algorithm identifier names.
pub(crate) fn digest_algorithm(
    algorithm: &AlgorithmIdentifierOwned,
) -> Result<&'static digest::Algorithm, PkiError> {
    check_null_parameters(algorithm)?;
    match algorithm.oid {
        oid::SHA_256 => Ok(&digest::SHA256),
        oid::SHA_384 => Ok(&digest::SHA384),
        oid::SHA_512 => Ok(&digest::SHA512),
        other => Err(PkiError::Algorithm(other.to_string())),
    }
}

/// The digest that a signature algorithm implies, when it names one.
fn implied_digest(algorithm: ObjectIdentifier) -> Option<ObjectIdentifier> {
    match algorithm {
        oid::RSA_SHA_256 | oid::ECDSA_SHA_256 => Some(oid::SHA_256),
        oid::RSA_SHA_384 | oid::ECDSA_SHA_384 => Some(oid::SHA_384),
        oid::RSA_SHA_512 => Some(oid::SHA_512),
        _ => None,
    }
}

/// Verifies what a certificate's or CRL's outer algorithm says (RFC 5280, section
/// 4.1.1.2): the algorithm names its digest.
pub(crate) fn verify(
    key: &SubjectPublicKeyInfoOwned,
    algorithm: &AlgorithmIdentifierOwned,
    message: &[u8],
    signature: &[u8],
) -> Result<(), PkiError> {
    let digest = implied_digest(algorithm.oid)
        .ok_or_else(|| PkiError::Algorithm(algorithm.oid.to_string()))?;
    verify_with_digest(key, algorithm, digest, message, signature)
}

/// Verifies where the digest is named beside the algorithm, as in CMS: they must agree,
/// or the algorithm is plain `rsaEncryption` (RFC 3370, section 3.2).
pub(crate) fn verify_with_digest(
    key: &SubjectPublicKeyInfoOwned,
    algorithm: &AlgorithmIdentifierOwned,
    digest: ObjectIdentifier,
    message: &[u8],
    signature: &[u8],
) -> Result<(), PkiError> {
    check_null_parameters(algorithm)?;
    let unaccepted = || PkiError::Algorithm(algorithm.oid.to_string());
    let rsa = key.algorithm.oid == oid::RSA_ENCRYPTION;
    let agrees = match implied_digest(algorithm.oid) {
        Some(implied) => implied == digest,
        None => algorithm.oid == oid::RSA_ENCRYPTION && rsa,
    };
    let rsa_signature = matches!(
        algorithm.oid,
        oid::RSA_ENCRYPTION | oid::RSA_SHA_256 | oid::RSA_SHA_384 | oid::RSA_SHA_512
    );
    if !agrees || rsa_signature != rsa {
        return Err(unaccepted());
    }
    if rsa {
        let verifier: &dyn VerificationAlgorithm = match digest {
            oid::SHA_256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            oid::SHA_384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            oid::SHA_512 => &signature::RSA_PKCS1_2048_8192_SHA512,
            _ => return Err(unaccepted()),
        };
        let key = RsaPublicKey::from_spki(key)?;
        return run(verifier, key.pkcs1(), message, signature);
    }
    if key.algorithm.oid != oid::EC_PUBLIC_KEY || algorithm.parameters.is_some() {
        return Err(unaccepted());
    }
    let curve: Option<ObjectIdentifier> =
        key.algorithm.parameters.as_ref().and_then(|curve| curve.decode_as().ok());
    let verifier: &dyn VerificationAlgorithm = match (curve, digest) {
        (Some(oid::P_256), oid::SHA_256) => &signature::ECDSA_P256_SHA256_ASN1,
        (Some(oid::P_256), oid::SHA_384) => &signature::ECDSA_P256_SHA384_ASN1,
        (Some(oid::P_384), oid::SHA_256) => &signature::ECDSA_P384_SHA256_ASN1,
        (Some(oid::P_384), oid::SHA_384) => &signature::ECDSA_P384_SHA384_ASN1,
        _ => return Err(unaccepted()),
    };
    let point = key.subject_public_key.as_bytes();
    let point = point.ok_or(PkiError::Malformed { what: "public key" })?;
    run(verifier, point, message, signature)
}

fn run(
    verifier: &'static dyn VerificationAlgorithm,
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), PkiError> {
    UnparsedPublicKey::new(verifier, key)
        .verify(message, signature)
        .map_err(|_| PkiError::BadSignature)
}

/// Parameters of digests and of RSA signatures are absent or NULL (RFC 5754, RFC 3370).
fn check_null_parameters(algorithm: &AlgorithmIdentifierOwned) -> Result<(), PkiError> {
    match &algorithm.parameters {
        None => Ok(()),
        Some(parameters) if parameters.is_null() => Ok(()),
        Some(_) => Err(PkiError::Algorithm(algorithm.oid.to_string())),
    }
}
