//! PKCS #7: CMS SignedData with its content, one signer and the signer's certificate.

use std::time::SystemTime;

use ::cms::cert::{CertificateChoices, IssuerAndSerialNumber};
use ::cms::content_info::{CmsVersion, ContentInfo};
use ::cms::signed_data::{
    EncapsulatedContentInfo, SignedData, SignerIdentifier, SignerInfo, SignerInfos,
};
use der::asn1::{
    Any, ObjectIdentifier, OctetString, OctetStringRef, PrintableStringRef, SetOfVec, UtcTime,
    Utf8StringRef,
};
use der::{Encode, Tag};
use x509_cert::Certificate;
use x509_cert::attr::{Attribute, Attributes};
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::card::EmulatedCard;
use super::sign::Hash;

const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const SIGNING_TIME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.5");
const RANDOM_NONCE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.25.3");
const CARD_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.886.1.100.2.204");

/// What else is signed.
pub(super) struct Options<'a> {
    /// Card number.
    pub(super) card_number: Option<&'a str>,
    /// Nonce.
    pub(super) nonce: Option<&'a str>,
    /// Whether the time is.
    pub(super) signing_time: bool,
    /// Whether card number and nonce are UTF8String.
    pub(super) utf8: bool,
}

fn attribute(oid: ObjectIdentifier, value: Any) -> anyhow::Result<Attribute> {
    Ok(Attribute { oid, values: SetOfVec::try_from(vec![value])? })
}

fn attributes(digest: &OctetString, options: &Options<'_>) -> anyhow::Result<Attributes> {
    let mut attributes = vec![
        attribute(CONTENT_TYPE, Any::encode_from(&DATA)?)?,
        attribute(MESSAGE_DIGEST, Any::encode_from(digest)?)?,
    ];
    if options.signing_time {
        let time = UtcTime::from_system_time(SystemTime::now())?;
        attributes.push(attribute(SIGNING_TIME, Any::encode_from(&time)?)?);
    }
    if let Some(nonce) = options.nonce {
        let value = if options.utf8 {
            Any::encode_from(&Utf8StringRef::new(nonce)?)?
        } else {
            Any::encode_from(&OctetStringRef::new(nonce.as_bytes())?)?
        };
        attributes.push(attribute(RANDOM_NONCE, value)?);
    }
    if let Some(number) = options.card_number {
        let value = if options.utf8 {
            Any::encode_from(&Utf8StringRef::new(number)?)?
        } else {
            Any::encode_from(&PrintableStringRef::new(number)?)?
        };
        attributes.push(attribute(CARD_NUMBER, value)?);
    }
    Ok(SetOfVec::try_from(attributes)?)
}

/// Signs the content.
pub(super) fn signed_data(
    card: &EmulatedCard,
    certificate: Certificate,
    hash: Hash,
    content: &[u8],
    options: &Options<'_>,
) -> anyhow::Result<Vec<u8>> {
    let signed_attributes = attributes(&hash.digest(content)?, options)?;
    let signature = card.sign(&hash.digest_info(&signed_attributes.to_der()?)?)?;
    let digest_alg = AlgorithmIdentifierOwned { oid: hash.oid, parameters: None };
    let signer = SignerInfo {
        version: CmsVersion::V1,
        sid: SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
            issuer: certificate.tbs_certificate.issuer.clone(),
            serial_number: certificate.tbs_certificate.serial_number.clone(),
        }),
        digest_alg: digest_alg.clone(),
        signed_attrs: Some(signed_attributes),
        signature_algorithm: AlgorithmIdentifierOwned {
            oid: RSA_ENCRYPTION,
            parameters: Some(Any::null()),
        },
        signature: OctetString::new(signature)?,
        unsigned_attrs: None,
    };
    let signed = SignedData {
        version: CmsVersion::V1,
        digest_algorithms: SetOfVec::try_from(vec![digest_alg])?,
        encap_content_info: EncapsulatedContentInfo {
            econtent_type: DATA,
            econtent: Some(Any::new(Tag::OctetString, content)?),
        },
        certificates: Some(vec![CertificateChoices::Certificate(certificate)].try_into()?),
        crls: None,
        signer_infos: SignerInfos::try_from(vec![signer])?,
    };
    let info = ContentInfo { content_type: SIGNED_DATA, content: Any::encode_from(&signed)? };
    Ok(info.to_der()?)
}
