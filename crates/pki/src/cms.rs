//! CMS SignedData (RFC 5652): judged on the server, drafted in the bridge.

use cms::cert::{CertificateChoices, IssuerAndSerialNumber};
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{
    EncapsulatedContentInfo, SignedAttributes, SignedData, SignerIdentifier, SignerInfo,
    SignerInfos,
};
use der::asn1::{
    Any, ObjectIdentifier, OctetString, OctetStringRef, SetOfVec, UtcTime, Utf8StringRef,
};
use der::{Decode, Encode};
use jiff::Timestamp;
use ring::digest;
use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use x509_cert::attr::Attribute;
use x509_cert::ext::pkix::SubjectKeyIdentifier;
use x509_cert::spki::AlgorithmIdentifierOwned;

use crate::{Certificate, Credential, PkiError, RsaPublicKey, TrustStore, credential, oid};

/// Largest message: an application is a few kilobytes.
const MAX_SIZE: usize = 128 << 10;
/// Certificates that a message may carry.
const MAX_CERTIFICATES: usize = 8;

/// A signature that was judged: content, signer and path are what they claim.
///
/// Only [`TrustStore::verify`] makes one.
#[derive(Clone, Debug)]
pub struct VerifiedSignature {
    content: Vec<u8>,
    certificate: Certificate,
    credential: Credential,
    card_number: Option<String>,
}

impl VerifiedSignature {
    /// The signed bytes.
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// The signer's certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Who signed.
    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    /// Number of the card, when the signed attributes name it.
    pub fn card_number(&self) -> Option<&str> {
        self.card_number.as_deref()
    }
}

impl TrustStore {
    /// Judges a SignedData message with attached content at the instant `now`: exactly
    /// one signer, signed attributes that fit, signature, certificate path, validity,
    /// key usage, policy, and the subject's attributes.
    ///
    /// # Errors
    /// [`PkiError`], one variant for each cause.
    pub fn verify(&self, message: &[u8], now: Timestamp) -> Result<VerifiedSignature, PkiError> {
        let signed_data = parse(message)?;
        let content = attached_content(&signed_data)?;
        let [signer] = signed_data.signer_infos.0.as_slice() else {
            return Err(PkiError::SignerCount(signed_data.signer_infos.0.len()));
        };
        let certificate = signer_certificate(&signed_data, signer)?;
        let card_number = check_signer(&content, signer, &certificate)?;
        let issuer = self.judge_path(&certificate, now)?;
        certificate.check_may_sign()?;
        let credential = Credential::read(&certificate, issuer.role)?;
        Ok(VerifiedSignature { content, certificate, credential, card_number })
    }
}

fn parse(message: &[u8]) -> Result<SignedData, PkiError> {
    if message.len() > MAX_SIZE {
        return Err(PkiError::TooLarge { size: message.len(), limit: MAX_SIZE });
    }
    let malformed = |_| PkiError::Malformed { what: "CMS message" };
    let outer = ContentInfo::from_der(message).map_err(malformed)?;
    if outer.content_type != oid::ID_SIGNED_DATA {
        return Err(PkiError::NotSignedData);
    }
    let signed_data: SignedData = outer.content.decode_as().map_err(malformed)?;
    // The parser sorts SETs; only a message that was DER to begin with comes out the same.
    let again = ContentInfo {
        content_type: oid::ID_SIGNED_DATA,
        content: Any::encode_from(&signed_data).map_err(malformed)?,
    };
    if again.to_der().map_err(malformed)? != message {
        return Err(PkiError::Malformed { what: "CMS message" });
    }
    Ok(signed_data)
}

fn attached_content(signed_data: &SignedData) -> Result<Vec<u8>, PkiError> {
    let encapsulated = &signed_data.encap_content_info;
    match &encapsulated.econtent {
        Some(content) if encapsulated.econtent_type == oid::ID_DATA => {
            let octets: OctetStringRef<'_> =
                content.decode_as().map_err(|_| PkiError::NotSignedData)?;
            Ok(octets.as_bytes().to_vec())
        }
        _ => Err(PkiError::NotSignedData),
    }
}

fn signer_certificate(
    signed_data: &SignedData,
    signer: &SignerInfo,
) -> Result<Certificate, PkiError> {
    let certificates =
        signed_data.certificates.as_ref().ok_or(PkiError::SignerCertificateMissing)?;
    if certificates.0.len() > MAX_CERTIFICATES {
        return Err(PkiError::TooLarge { size: certificates.0.len(), limit: MAX_CERTIFICATES });
    }
    let is_signers = |certificate: &x509_cert::Certificate| {
        let tbs = &certificate.tbs_certificate;
        match &signer.sid {
            SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
                issuer,
                serial_number,
            }) => tbs.issuer == *issuer && tbs.serial_number == *serial_number,
            SignerIdentifier::SubjectKeyIdentifier(identifier) => matches!(
                tbs.get::<SubjectKeyIdentifier>(),
                Ok(Some((_, found))) if found == *identifier
            ),
        }
    };
    let mut found = certificates.0.iter().filter_map(|choice| match choice {
        CertificateChoices::Certificate(certificate) if is_signers(certificate) => {
            Some(certificate)
        }
        _ => None,
    });
    let (Some(certificate), None) = (found.next(), found.next()) else {
        return Err(PkiError::SignerCertificateMissing);
    };
    let der = certificate.to_der().map_err(|_| PkiError::Malformed { what: "certificate" })?;
    Certificate::from_der(&der)
}

/// Checks digest, signed attributes and signature (RFC 5652, sections 5.4 to 5.6);
/// returns the card number when it is among the attributes.
fn check_signer(
    content: &[u8],
    signer: &SignerInfo,
    certificate: &Certificate,
) -> Result<Option<String>, PkiError> {
    let attributes = signer.signed_attrs.as_ref().ok_or(PkiError::SignedAttribute("all"))?;
    let content_type: ObjectIdentifier = required(attributes, oid::CONTENT_TYPE, "contentType")?
        .decode_as()
        .map_err(|_| PkiError::SignedAttribute("contentType"))?;
    if content_type != oid::ID_DATA {
        return Err(PkiError::SignedAttribute("contentType"));
    }
    let stated: OctetString = required(attributes, oid::MESSAGE_DIGEST, "messageDigest")?
        .decode_as()
        .map_err(|_| PkiError::SignedAttribute("messageDigest"))?;
    let digest_algorithm = digest_algorithm(&signer.digest_alg)?;
    if digest::digest(digest_algorithm, content).as_ref() != stated.as_bytes() {
        return Err(PkiError::DigestMismatch);
    }
    let card_number =
        optional(attributes, oid::CARD_NUMBER, "cardNumber")?.map(credential::text).transpose()?;
    // RFC 5652, section 5.4: signed is the attributes' DER as an explicit SET OF.
    let signed = attributes.to_der().map_err(|_| PkiError::SignedAttribute("all"))?;
    verify_raw(
        certificate,
        &signer.digest_alg,
        &signer.signature_algorithm,
        &signed,
        signer.signature.as_bytes(),
    )?;
    Ok(card_number)
}

fn optional<'a>(
    attributes: &'a SignedAttributes,
    kind: ObjectIdentifier,
    name: &'static str,
) -> Result<Option<&'a Any>, PkiError> {
    let mut found = attributes.iter().filter(|attribute| attribute.oid == kind);
    match (found.next(), found.next()) {
        (None, _) => Ok(None),
        (Some(attribute), None) if attribute.values.len() == 1 => Ok(attribute.values.get(0)),
        _ => Err(PkiError::SignedAttribute(name)),
    }
}

fn required<'a>(
    attributes: &'a SignedAttributes,
    kind: ObjectIdentifier,
    name: &'static str,
) -> Result<&'a Any, PkiError> {
    optional(attributes, kind, name)?.ok_or(PkiError::SignedAttribute(name))
}

fn digest_algorithm(
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

/// Parameters of digests and of RSA signatures are absent or NULL (RFC 5754, RFC 3370).
fn check_null_parameters(algorithm: &AlgorithmIdentifierOwned) -> Result<(), PkiError> {
    match &algorithm.parameters {
        None => Ok(()),
        Some(parameters) if parameters.is_null() => Ok(()),
        Some(_) => Err(PkiError::Algorithm(algorithm.oid.to_string())),
    }
}

fn verify_raw(
    certificate: &Certificate,
    digest: &AlgorithmIdentifierOwned,
    algorithm: &AlgorithmIdentifierOwned,
    message: &[u8],
    signature: &[u8],
) -> Result<(), PkiError> {
    check_null_parameters(algorithm)?;
    let spki = &certificate.x509().subject_public_key_info;
    let unaccepted = || PkiError::Algorithm(algorithm.oid.to_string());
    if spki.algorithm.oid == oid::RSA_ENCRYPTION {
        let key = RsaPublicKey::from_spki(spki)?;
        let verifier: &'static dyn VerificationAlgorithm = match (algorithm.oid, digest.oid) {
            (oid::RSA_ENCRYPTION | oid::RSA_SHA_256, oid::SHA_256) => {
                &signature::RSA_PKCS1_2048_8192_SHA256
            }
            (oid::RSA_ENCRYPTION | oid::RSA_SHA_384, oid::SHA_384) => {
                &signature::RSA_PKCS1_2048_8192_SHA384
            }
            (oid::RSA_ENCRYPTION | oid::RSA_SHA_512, oid::SHA_512) => {
                &signature::RSA_PKCS1_2048_8192_SHA512
            }
            _ => return Err(unaccepted()),
        };
        return UnparsedPublicKey::new(verifier, key.pkcs1())
            .verify(message, signature)
            .map_err(|_| PkiError::BadSignature);
    }
    let curve = spki
        .algorithm
        .parameters
        .as_ref()
        .and_then(|parameters| parameters.decode_as::<ObjectIdentifier>().ok());
    let verifier: &'static dyn VerificationAlgorithm =
        match (spki.algorithm.oid, curve, algorithm.oid, digest.oid) {
            (oid::EC_PUBLIC_KEY, Some(oid::P_256), oid::ECDSA_SHA_256, oid::SHA_256) => {
                &signature::ECDSA_P256_SHA256_ASN1
            }
            (oid::EC_PUBLIC_KEY, Some(oid::P_384), oid::ECDSA_SHA_384, oid::SHA_384) => {
                &signature::ECDSA_P384_SHA384_ASN1
            }
            _ => return Err(unaccepted()),
        };
    let point = spki.subject_public_key.as_bytes();
    UnparsedPublicKey::new(verifier, point.ok_or(PkiError::Malformed { what: "public key" })?)
        .verify(message, signature)
        .map_err(|_| PkiError::BadSignature)
}

/// A SignedData message that lacks only the card's signature (RSA with SHA-256).
pub struct SignedDataDraft {
    content: Vec<u8>,
    certificate: Certificate,
    /// Further certificates of the chain, as a hint to the reader.
    chain: Vec<Certificate>,
    attributes: SignedAttributes,
}

impl SignedDataDraft {
    /// Prepares a message over `content`. The card number becomes a signed attribute;
    /// `signing_time` is the signer's own claim.
    ///
    /// # Errors
    /// [`PkiError::Malformed`] when something cannot be encoded.
    pub fn new(
        content: Vec<u8>,
        certificate: Certificate,
        chain: Vec<Certificate>,
        card_number: Option<&str>,
        signing_time: Timestamp,
    ) -> Result<Self, PkiError> {
        let digest = digest::digest(&digest::SHA256, &content);
        let mut attributes = vec![
            attribute(oid::CONTENT_TYPE, &oid::ID_DATA)?,
            attribute(oid::MESSAGE_DIGEST, &octets(digest.as_ref())?)?,
            attribute(oid::SIGNING_TIME, &utc_time(signing_time)?)?,
        ];
        if let Some(number) = card_number {
            let number = Utf8StringRef::new(number).map_err(unencodable)?;
            attributes.push(attribute(oid::CARD_NUMBER, &number)?);
        }
        let attributes = SetOfVec::try_from(attributes).map_err(unencodable)?;
        Ok(Self { content, certificate, chain, attributes })
    }

    /// The bytes that the card signs: RSASSA-PKCS1-v1_5 with SHA-256 over the signed
    /// attributes' DER.
    ///
    /// # Errors
    /// [`PkiError::Malformed`].
    pub fn to_be_signed(&self) -> Result<Vec<u8>, PkiError> {
        self.attributes.to_der().map_err(unencodable)
    }

    /// The finished message, DER.
    ///
    /// # Errors
    /// [`PkiError::Malformed`].
    pub fn finish(self, signature: &[u8]) -> Result<Vec<u8>, PkiError> {
        let digest = null_parameters(oid::SHA_256);
        let tbs = self.certificate.x509();
        let signer = SignerInfo {
            version: CmsVersion::V1,
            sid: SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
                issuer: tbs.issuer.clone(),
                serial_number: tbs.serial_number.clone(),
            }),
            digest_alg: digest.clone(),
            signed_attrs: Some(self.attributes),
            signature_algorithm: null_parameters(oid::RSA_SHA_256),
            signature: octets(signature)?,
            unsigned_attrs: None,
        };
        let mut certificates = Vec::new();
        for certificate in std::iter::once(&self.certificate).chain(&self.chain) {
            let parsed =
                x509_cert::Certificate::from_der(certificate.der()).map_err(unencodable)?;
            certificates.push(CertificateChoices::Certificate(parsed));
        }
        let signed_data = SignedData {
            version: CmsVersion::V1,
            digest_algorithms: SetOfVec::try_from(vec![digest]).map_err(unencodable)?,
            encap_content_info: EncapsulatedContentInfo {
                econtent_type: oid::ID_DATA,
                econtent: Some(Any::encode_from(&octets(&self.content)?).map_err(unencodable)?),
            },
            certificates: Some(certificates.try_into().map_err(unencodable)?),
            crls: None,
            signer_infos: SignerInfos::try_from(vec![signer]).map_err(unencodable)?,
        };
        let content = Any::encode_from(&signed_data).map_err(unencodable)?;
        ContentInfo { content_type: oid::ID_SIGNED_DATA, content }.to_der().map_err(unencodable)
    }
}

fn unencodable(_: der::Error) -> PkiError {
    PkiError::Malformed { what: "message to be signed" }
}

fn octets(bytes: &[u8]) -> Result<OctetString, PkiError> {
    OctetString::new(bytes).map_err(unencodable)
}

fn null_parameters(oid: ObjectIdentifier) -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned { oid, parameters: Some(Any::null()) }
}

fn attribute(
    oid: ObjectIdentifier,
    value: &(impl der::EncodeValue + der::Tagged),
) -> Result<Attribute, PkiError> {
    let value = Any::encode_from(value).map_err(unencodable)?;
    Ok(Attribute { oid, values: SetOfVec::try_from(vec![value]).map_err(unencodable)? })
}

fn utc_time(at: Timestamp) -> Result<UtcTime, PkiError> {
    let seconds = u64::try_from(at.as_second()).unwrap_or(0);
    UtcTime::from_unix_duration(std::time::Duration::from_secs(seconds)).map_err(unencodable)
}
