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
use der::{Decode, Encode, Header, Reader, SliceReader};
use jiff::Timestamp;
use ring::digest;
use x509_cert::attr::Attribute;
use x509_cert::ext::pkix::SubjectKeyIdentifier;
use x509_cert::spki::AlgorithmIdentifierOwned;

use crate::revocation::RevocationSource;
use crate::{
    Certificate, Credential, Judgement, PkiError, TrustStore, TrustedPath, credential, oid, shape,
    signature,
};

/// Largest message: an application is a few kilobytes.
const MAX_SIZE: usize = 128 << 10;
/// The tag of `certificates [0] IMPLICIT`.
const CERTIFICATES: u8 = 0xa0;
/// Certificates that a message may carry.
const MAX_CERTIFICATES: usize = 8;

/// Signed attributes that a message may carry.
const MAX_ATTRIBUTES: usize = 16;

/// A signature that fits its content, by a certificate with a trusted path. Whether a
/// certificate of the path is revoked is not judged yet: [`UnconfirmedSignature::confirm`].
#[derive(Clone, Debug)]
pub struct UnconfirmedSignature {
    content: Vec<u8>,
    credential: Credential,
    card_number: Option<String>,
    nonce: Option<Vec<u8>>,
    path: TrustedPath,
}

impl UnconfirmedSignature {
    /// What was signed. For looking whether it is worth asking a responder, and for nothing else
    /// until the signature is confirmed.
    pub fn unconfirmed_content(&self) -> &[u8] {
        &self.content
    }

    /// The path, for asking responders about it.
    pub fn path(&self) -> &TrustedPath {
        &self.path
    }

    pub(crate) fn into_parts(self) -> (Vec<u8>, Credential, TrustedPath) {
        (self.content, self.credential, self.path)
    }

    /// Judges every certificate of the path by what is known of revocations.
    ///
    /// # Errors
    /// [`PkiError::OnHold`], [`PkiError::Revoked`], [`PkiError::RevocationUnknown`].
    pub fn confirm(self, source: &impl RevocationSource) -> Result<VerifiedSignature, PkiError> {
        let Self { content, credential, card_number, nonce, path } = self;
        let judgement = path.confirm(source)?;
        let certificate = path.certificate;
        Ok(VerifiedSignature { content, certificate, credential, card_number, nonce, judgement })
    }
}

/// A signature that was judged: content, signer, path and revocation are what they claim.
///
/// Only [`UnconfirmedSignature::confirm`] makes one.
#[derive(Clone, Debug)]
pub struct VerifiedSignature {
    content: Vec<u8>,
    certificate: Certificate,
    credential: Credential,
    card_number: Option<String>,
    nonce: Option<Vec<u8>>,
    judgement: Judgement,
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

    /// The nonce, when the signed attributes carry one. Our own flows put the challenge
    /// into the content; some reader components put it here.
    pub fn nonce(&self) -> Option<&[u8]> {
        self.nonce.as_deref()
    }

    /// What the acceptance was based on.
    pub fn judgement(&self) -> &Judgement {
        &self.judgement
    }
}

impl TrustStore {
    /// Judges a SignedData message with attached content at the instant `now`: exactly
    /// one signer, signed attributes that fit, signature, certificate path, validity,
    /// key usage, policy, and the subject's attributes.
    ///
    /// # Errors
    /// [`PkiError`], one variant for each cause.
    pub fn verify(&self, message: &[u8], now: Timestamp) -> Result<UnconfirmedSignature, PkiError> {
        let signed_data = parse(message)?;
        let content = attached_content(&signed_data)?.ok_or(PkiError::NotSignedData)?;
        self.verify_signed(&signed_data, content, Some(oid::EMAIL_PROTECTION), now)
    }

    /// The same for a message that a server signs: its certificate is for servers and clients,
    /// not for messages (GCA writes extended key usages).
    ///
    /// # Errors
    /// [`PkiError`].
    pub fn verify_server_message(
        &self,
        message: &[u8],
        now: Timestamp,
    ) -> Result<UnconfirmedSignature, PkiError> {
        let signed_data = parse(message)?;
        let content = attached_content(&signed_data)?.ok_or(PkiError::NotSignedData)?;
        self.verify_signed(&signed_data, content, None, now)
    }

    /// The same for a message over `content`, which the message need not carry itself; if
    /// it does, byte for byte.
    ///
    /// # Errors
    /// [`PkiError`]; [`PkiError::DigestMismatch`] for any other content.
    pub fn verify_content(
        &self,
        message: &[u8],
        content: &[u8],
        now: Timestamp,
    ) -> Result<UnconfirmedSignature, PkiError> {
        let signed_data = parse(message)?;
        match attached_content(&signed_data)? {
            Some(attached) if attached != content => Err(PkiError::DigestMismatch),
            _ => {
                self.verify_signed(&signed_data, content.to_vec(), Some(oid::EMAIL_PROTECTION), now)
            }
        }
    }

    fn verify_signed(
        &self,
        signed_data: &SignedData,
        content: Vec<u8>,
        purpose: Option<ObjectIdentifier>,
        now: Timestamp,
    ) -> Result<UnconfirmedSignature, PkiError> {
        let (certificate, attributes) = check_signature(signed_data, &content)?;
        let path = self.judge_path(certificate, purpose, now)?;
        path.certificate.check_may_sign()?;
        let credential = Credential::read(&path.certificate, path.role)?;
        let SignedClaims { card_number, nonce } = attributes;
        Ok(UnconfirmedSignature { content, credential, card_number, nonce, path })
    }
}

/// Checks a signature over `content` by the certificate in the message, whoever issued
/// it: says who would have signed if the certificate were trusted. For corpora whose paths
/// are judged apart.
///
/// # Errors
/// [`PkiError`], but for those of paths.
pub fn unverified_signer(message: &[u8], content: &[u8]) -> Result<Certificate, PkiError> {
    let signed_data = parse(message)?;
    match attached_content(&signed_data)? {
        Some(attached) if attached != content => Err(PkiError::DigestMismatch),
        _ => Ok(check_signature(&signed_data, content)?.0),
    }
}

/// The one signer's certificate and attributes; the signature fits the content.
fn check_signature(
    signed_data: &SignedData,
    content: &[u8],
) -> Result<(Certificate, SignedClaims), PkiError> {
    let [signer] = signed_data.signer_infos.0.as_slice() else {
        return Err(PkiError::SignerCount(signed_data.signer_infos.0.len()));
    };
    check_versions(signed_data, signer)?;
    let certificate = signer_certificate(signed_data, signer)?;
    let attributes = SignedClaims::check(content, signer, &certificate)?;
    Ok((certificate, attributes))
}

/// RFC 5652, sections 5.1 and 5.3: a signer named by issuer and serial number has version
/// 1, one named by key identifier version 3; the digest is announced.
fn check_versions(signed_data: &SignedData, signer: &SignerInfo) -> Result<(), PkiError> {
    let expected = match signer.sid {
        SignerIdentifier::IssuerAndSerialNumber(_) => CmsVersion::V1,
        SignerIdentifier::SubjectKeyIdentifier(_) => CmsVersion::V3,
    };
    let announced =
        signed_data.digest_algorithms.iter().any(|digest| digest.oid == signer.digest_alg.oid);
    if signer.version != expected || !announced {
        return Err(PkiError::Malformed { what: "signer" });
    }
    Ok(())
}

/// Whether a message can be read at all; for tests of the parser.
///
/// # Errors
/// [`PkiError::Malformed`], [`PkiError::TooLarge`], [`PkiError::NotSignedData`].
pub fn parse_message(message: &[u8]) -> Result<(), PkiError> {
    parse(message).map(drop)
}

fn parse(message: &[u8]) -> Result<SignedData, PkiError> {
    if message.len() > MAX_SIZE {
        return Err(PkiError::TooLarge { size: message.len(), limit: MAX_SIZE });
    }
    let malformed = |_| PkiError::Malformed { what: "CMS message" };
    if !shape::is_bounded(message) {
        return Err(PkiError::Malformed { what: "CMS message" });
    }
    let outer = ContentInfo::from_der(message).map_err(malformed)?;
    if outer.content_type != oid::ID_SIGNED_DATA {
        return Err(PkiError::NotSignedData);
    }
    let signed_data: SignedData = outer.content.decode_as().map_err(malformed)?;
    // The parser sorts SETs; only a message that was DER to begin with comes out the same.
    // The bag of certificates may be in any order, as known reader components write it.
    let again = ContentInfo {
        content_type: oid::ID_SIGNED_DATA,
        content: Any::encode_from(&signed_data).map_err(malformed)?,
    };
    let again = again.to_der().map_err(malformed)?;
    if parts(&again).map_err(malformed)? != parts(message).map_err(malformed)? {
        return Err(PkiError::Malformed { what: "CMS message" });
    }
    Ok(signed_data)
}

/// The encoded fields of SignedData, the certificates among them sorted.
fn parts(message: &[u8]) -> der::Result<Vec<Vec<&[u8]>>> {
    let mut reader = SliceReader::new(message)?;
    Header::decode(&mut reader)?;
    ObjectIdentifier::decode(&mut reader)?;
    // [0] EXPLICIT and the SEQUENCE in it.
    Header::decode(&mut reader)?;
    Header::decode(&mut reader)?;
    let mut parts = Vec::new();
    while !reader.is_finished() {
        let field = reader.tlv_bytes()?;
        parts.push(if field.first() == Some(&CERTIFICATES) {
            let mut inner = SliceReader::new(field)?;
            Header::decode(&mut inner)?;
            let mut bag = Vec::new();
            while !inner.is_finished() {
                bag.push(inner.tlv_bytes()?);
            }
            bag.sort_unstable();
            bag
        } else {
            vec![field]
        });
    }
    Ok(parts)
}

/// The content, when the message carries it.
fn attached_content(signed_data: &SignedData) -> Result<Option<Vec<u8>>, PkiError> {
    let encapsulated = &signed_data.encap_content_info;
    if encapsulated.econtent_type != oid::ID_DATA {
        return Err(PkiError::NotSignedData);
    }
    encapsulated
        .econtent
        .as_ref()
        .map(|content| {
            let octets: OctetStringRef<'_> =
                content.decode_as().map_err(|_| PkiError::NotSignedData)?;
            Ok(octets.as_bytes().to_vec())
        })
        .transpose()
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

/// What the signed attributes say beside the digest.
struct SignedClaims {
    card_number: Option<String>,
    nonce: Option<Vec<u8>>,
}

impl SignedClaims {
    /// Checks digest, signed attributes and signature (RFC 5652, sections 5.4 to 5.6).
    fn check(
        content: &[u8],
        signer: &SignerInfo,
        certificate: &Certificate,
    ) -> Result<Self, PkiError> {
        let attributes = signer.signed_attrs.as_ref().ok_or(PkiError::SignedAttribute("all"))?;
        if attributes.len() > MAX_ATTRIBUTES {
            return Err(PkiError::TooLarge { size: attributes.len(), limit: MAX_ATTRIBUTES });
        }
        let content_type: ObjectIdentifier =
            required(attributes, oid::CONTENT_TYPE, "contentType")?
                .decode_as()
                .map_err(|_| PkiError::SignedAttribute("contentType"))?;
        if content_type != oid::ID_DATA {
            return Err(PkiError::SignedAttribute("contentType"));
        }
        let stated: OctetString = required(attributes, oid::MESSAGE_DIGEST, "messageDigest")?
            .decode_as()
            .map_err(|_| PkiError::SignedAttribute("messageDigest"))?;
        let algorithm = signature::digest_algorithm(&signer.digest_alg)?;
        if digest::digest(algorithm, content).as_ref() != stated.as_bytes() {
            return Err(PkiError::DigestMismatch);
        }
        let card_number = optional(attributes, oid::CARD_NUMBER, "cardNumber")?
            .map(credential::text)
            .transpose()?;
        let nonce = optional(attributes, oid::NONCE, "nonce")?
            .map(|value| value.decode_as::<OctetString>().map(OctetString::into_bytes))
            .transpose()
            .map_err(|_| PkiError::SignedAttribute("nonce"))?;
        // RFC 5652, section 5.4: signed is the attributes' DER as an explicit SET OF.
        let signed = attributes.to_der().map_err(|_| PkiError::SignedAttribute("all"))?;
        signature::verify_with_digest(
            &certificate.x509().subject_public_key_info,
            &signer.signature_algorithm,
            signer.digest_alg.oid,
            &signed,
            signer.signature.as_bytes(),
        )?;
        Ok(Self { card_number, nonce })
    }
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

    /// The same with a nonce among the signed attributes, as readers of the HiPKI family
    /// write it.
    ///
    /// # Errors
    /// [`PkiError::Malformed`].
    pub fn with_nonce(mut self, nonce: &[u8]) -> Result<Self, PkiError> {
        let nonce = attribute(oid::NONCE, &octets(nonce)?)?;
        self.attributes.insert(nonce).map_err(unencodable)?;
        Ok(self)
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
