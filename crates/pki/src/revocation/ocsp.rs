//! The Online Certificate Status Protocol (RFC 6960): a question about one certificate,
//! and the judgement of the answer.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use der::asn1::{Null, OctetString};
use der::{Decode, Encode};
use jiff::{SignedDuration, Timestamp};
use ring::digest;
use x509_cert::ext::pkix::KeyUsages;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_ocsp::{
    BasicOcspResponse, CertId, CertStatus, OcspGeneralizedTime, OcspResponse, OcspResponseStatus,
    Request, ResponderId, SingleResponse, TbsRequest,
};

use crate::{Certificate, PathRequest, PkiError, check_path, name, oid, shape, signature};

/// Largest response.
const MAX_SIZE: usize = 64 << 10;
/// How old an answer without nextUpdate may be.
const MAX_AGE: SignedDuration = SignedDuration::from_hours(1);
/// How old an answer may be whatever its nextUpdate says: a replayed one is no fresher.
const MAX_STATED_AGE: SignedDuration = SignedDuration::from_hours(24);
/// How far the responder's clock may be ahead.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// Why a response says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OcspError {
    /// Not a basic response in DER.
    #[error("not an OCSP response")]
    Malformed,
    /// The responder refused: tryLater, unauthorized and the like.
    #[error("the responder refused with status {0}")]
    Refused(u8),
    /// Signed neither by the issuing CA nor by a responder that it authorised for this
    /// (section 4.2.2.2).
    #[error("the response was not signed by an authorised responder")]
    Responder,
    /// It speaks of another certificate.
    #[error("the response is about another certificate")]
    OtherCertificate,
    /// Too old, or from the future.
    #[error("the response is not fresh: {this_update}")]
    NotFresh {
        /// thisUpdate.
        this_update: Timestamp,
    },
}

/// What a responder says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OcspStatus {
    /// Not revoked.
    Good,
    /// Revoked, or on hold.
    Revoked {
        /// revocationTime.
        at: Timestamp,
        /// revocationReason.
        reason: Option<u8>,
    },
    /// The responder does not know the certificate.
    Unknown,
}

/// A response that was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OcspFinding {
    /// What it says.
    pub status: OcspStatus,
    /// thisUpdate.
    pub this_update: Timestamp,
    /// The response, DER, in Base64: evidence.
    pub response: String,
}

/// A question about one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OcspRequest {
    id: CertId,
}

impl OcspRequest {
    /// Asks about a certificate of this issuer. CertID names the issuer by SHA-1, as every
    /// responder understands; nothing rests on that digest's strength.
    ///
    /// # Errors
    /// [`PkiError::Malformed`].
    pub fn new(certificate: &Certificate, issuer: &Certificate) -> Result<Self, PkiError> {
        Self::about(&certificate.x509().serial_number, issuer)
    }

    fn about(serial: &SerialNumber, issuer: &Certificate) -> Result<Self, PkiError> {
        let malformed = |_| PkiError::Malformed { what: "OCSP request" };
        let hash = |bytes: &[u8]| {
            let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bytes);
            OctetString::new(digest.as_ref()).map_err(malformed)
        };
        let key = issuer.x509().subject_public_key_info.subject_public_key.raw_bytes();
        Ok(Self {
            id: CertId {
                hash_algorithm: AlgorithmIdentifierOwned {
                    oid: oid::SHA_1,
                    parameters: Some(Null.into()),
                },
                issuer_name_hash: hash(&name::der(&issuer.x509().subject))?,
                issuer_key_hash: hash(key)?,
                serial_number: serial.clone(),
            },
        })
    }

    /// The request, DER (section 4.1).
    ///
    /// # Errors
    /// [`PkiError::Malformed`].
    pub fn to_der(&self) -> Result<Vec<u8>, PkiError> {
        let request = Request { req_cert: self.id.clone(), single_request_extensions: None };
        let request = x509_ocsp::OcspRequest {
            tbs_request: TbsRequest {
                version: x509_ocsp::Version::V1,
                requestor_name: None,
                request_list: vec![request],
                request_extensions: None,
            },
            optional_signature: None,
        };
        request.to_der().map_err(|_| PkiError::Malformed { what: "OCSP request" })
    }
}

impl Certificate {
    /// Addresses of responders that the certificate names (RFC 5280, section 4.2.2.1).
    pub fn ocsp_responders(&self) -> Vec<&str> {
        let access = self.extensions().information_access.as_ref();
        access
            .iter()
            .flat_map(|access| &access.value.0)
            .filter(|description| description.access_method == oid::OCSP)
            .filter_map(|description| match &description.access_location {
                GeneralName::UniformResourceIdentifier(uri) => Some(uri.as_str()),
                _ => None,
            })
            .collect()
    }
}

/// Judges a response about `certificate` at `now`: status, signature by the issuer or by a
/// responder that it authorised, the right certificate, freshness. A nonce is not asked
/// for, since responders answer from a store; freshness is judged by time.
///
/// # Errors
/// [`OcspError`].
pub fn read_response(
    der: &[u8],
    certificate: &Certificate,
    issuer: &Certificate,
    now: Timestamp,
) -> Result<OcspFinding, OcspError> {
    if der.len() > MAX_SIZE {
        return Err(OcspError::Malformed);
    }
    let response = OcspResponse::from_der(der).map_err(|_| OcspError::Malformed)?;
    if response.response_status != OcspResponseStatus::Successful {
        return Err(OcspError::Refused(response.response_status as u8));
    }
    let bytes = response.response_bytes.ok_or(OcspError::Malformed)?;
    if bytes.response_type != oid::OCSP_BASIC {
        return Err(OcspError::Malformed);
    }
    if !shape::is_bounded(bytes.response.as_bytes()) {
        return Err(OcspError::Malformed);
    }
    let basic =
        BasicOcspResponse::from_der(bytes.response.as_bytes()).map_err(|_| OcspError::Malformed)?;
    check_signature(&basic, issuer, now)?;
    let asked = OcspRequest::new(certificate, issuer).map_err(|_| OcspError::Malformed)?.id;
    let about = |single: &&SingleResponse| {
        let id = &single.cert_id;
        id.hash_algorithm.oid == asked.hash_algorithm.oid
            && id.issuer_name_hash == asked.issuer_name_hash
            && id.issuer_key_hash == asked.issuer_key_hash
            && id.serial_number == asked.serial_number
    };
    let single = basic.tbs_response_data.responses.iter().find(about);
    let single = single.ok_or(OcspError::OtherCertificate)?;
    let this_update = instant(&single.this_update);
    let age = |limit| this_update.checked_add(limit).unwrap_or(Timestamp::MAX);
    let end = match &single.next_update {
        Some(next_update) => instant(next_update).min(age(MAX_STATED_AGE)),
        None => age(MAX_AGE),
    };
    let ahead = now.checked_add(SKEW).unwrap_or(Timestamp::MAX);
    if this_update > ahead || now > end {
        return Err(OcspError::NotFresh { this_update });
    }
    let of_all = basic.tbs_response_data.response_extensions.iter().flatten();
    let unknown_critical =
        single.single_extensions.iter().flatten().chain(of_all).any(|extension| extension.critical);
    if unknown_critical {
        return Err(OcspError::Malformed);
    }
    let status = match &single.cert_status {
        CertStatus::Good(_) => OcspStatus::Good,
        CertStatus::Revoked(info) => OcspStatus::Revoked {
            at: instant(&info.revocation_time),
            reason: info.revocation_reason.map(|reason| reason as u8),
        },
        CertStatus::Unknown(_) => OcspStatus::Unknown,
    };
    Ok(OcspFinding { status, this_update, response: BASE64_STANDARD.encode(der) })
}

fn instant(time: &OcspGeneralizedTime) -> Timestamp {
    let seconds = i64::try_from(time.0.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}

/// Section 4.2.2.2: the CA itself, or a certificate that this CA issued for the purpose.
fn check_signature(
    basic: &BasicOcspResponse,
    issuer: &Certificate,
    now: Timestamp,
) -> Result<(), OcspError> {
    let signed = basic.tbs_response_data.to_der().map_err(|_| OcspError::Malformed)?;
    let signed_by = |certificate: &Certificate| {
        let signature = basic.signature.as_bytes().unwrap_or_default();
        let key = &certificate.x509().subject_public_key_info;
        is_named(certificate, &basic.tbs_response_data.responder_id)
            && signature::verify(key, &basic.signature_algorithm, &signed, signature).is_ok()
    };
    if signed_by(issuer) {
        return Ok(());
    }
    let delegates = basic.certs.iter().flatten().take(4);
    for delegate in delegates {
        let der = delegate.to_der().map_err(|_| OcspError::Malformed)?;
        let Ok(delegate) = Certificate::from_der(&der) else { continue };
        if is_authorised(&delegate, issuer, now) && signed_by(&delegate) {
            return Ok(());
        }
    }
    Err(OcspError::Responder)
}

fn is_named(certificate: &Certificate, responder: &ResponderId) -> bool {
    let tbs = certificate.x509();
    match responder {
        ResponderId::ByName(responder) => name::same(responder, &tbs.subject),
        ResponderId::ByKey(key) => {
            let bits = tbs.subject_public_key_info.subject_public_key.raw_bytes();
            digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bits).as_ref() == key.as_bytes()
        }
    }
}

fn is_authorised(delegate: &Certificate, issuer: &Certificate, now: Timestamp) -> bool {
    let usage = delegate.extensions().extended_key_usage.as_ref();
    // Section 4.2.2.2.1: without the mark its own standing would have to be asked for.
    usage.is_some_and(|usage| usage.value.0.contains(&oid::OCSP_SIGNING))
        && delegate.extensions().ocsp_no_check
        && delegate.has_usage(KeyUsages::DigitalSignature) != Some(false)
        && issuer.may_have_issued(delegate)
        && delegate.check_signed_by(issuer).is_ok()
        && check_path(&[issuer, delegate], &PathRequest::at(now)).is_ok()
}
