//! Issuing certificates by profile.

use std::time::Duration;

use anyhow::Context;
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use der::asn1::{
    Any, BitString, Ia5StringRef, Null, ObjectIdentifier, OctetString, PrintableStringRef,
    SetOfVec, Uint, Utf8StringRef,
};
use der::oid::AssociatedOid;
use der::{Decode, Encode, Sequence};
use jiff::Timestamp;
use pki::oid;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::certificate::{Certificate, TbsCertificate, Version};
use x509_cert::crl::{CertificateList, RevokedCert, TbsCertList};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::certpolicy::PolicyInformation;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{
    AccessDescription, AuthorityInfoAccessSyntax, AuthorityKeyIdentifier, BasicConstraints,
    CertificatePolicies, CrlDistributionPoints, CrlNumber, CrlReason, ExtendedKeyUsage,
    IssuingDistributionPoint, KeyUsage, KeyUsages, SubjectKeyIdentifier,
    crl::dp::DistributionPoint,
};
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::time::{Time, Validity};

/// An RSA key.
pub struct Key {
    pair: KeyPair,
}

impl Key {
    /// A new key.
    ///
    /// # Errors
    /// When the library fails.
    pub fn generate(size: KeySize) -> anyhow::Result<Self> {
        Ok(Self { pair: KeyPair::generate(size).context("key generation failed")? })
    }

    /// PKCS #8, DER.
    ///
    /// # Errors
    /// When the library fails.
    pub fn pkcs8(&self) -> anyhow::Result<Vec<u8>> {
        let der = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&self.pair)?;
        Ok(der.as_ref().to_vec())
    }

    fn spki(&self) -> anyhow::Result<SubjectPublicKeyInfoOwned> {
        Ok(SubjectPublicKeyInfoOwned {
            algorithm: algorithm(oid::RSA_ENCRYPTION),
            subject_public_key: BitString::from_bytes(self.pair.public_key().as_ref())?,
        })
    }

    /// RSASSA-PKCS1-v1_5 with SHA-256.
    ///
    /// # Errors
    /// When the library fails.
    pub fn sign(&self, message: &[u8]) -> anyhow::Result<Vec<u8>> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .context("signing failed")?;
        Ok(signature)
    }
}

/// A CA: its name, key and certificate.
pub struct Authority {
    /// The certificate, DER.
    pub certificate: Vec<u8>,
    name: Name,
    key: Key,
}

/// A part of a distinguished name.
#[derive(Clone, Copy)]
pub enum Part<'a> {
    /// A UTF8String.
    Utf8(ObjectIdentifier, &'a str),
    /// A PrintableString.
    Printable(ObjectIdentifier, &'a str),
}

/// A subject directory attribute.
#[derive(Clone, Copy)]
pub enum Attribute<'a> {
    /// A UTF8String.
    Utf8(ObjectIdentifier, &'a str),
    /// A PrintableString.
    Printable(ObjectIdentifier, &'a str),
    /// An OBJECT IDENTIFIER.
    Oid(ObjectIdentifier, ObjectIdentifier),
}

/// What a certificate shall say.
pub struct Profile<'a> {
    /// Subject, from the outside in.
    pub subject: &'a [Part<'a>],
    /// Subject directory attributes.
    pub attributes: &'a [Attribute<'a>],
    /// Key usage.
    pub usage: KeyUsage,
    /// Whether it is a CA's.
    pub ca: bool,
    /// Assurance level in the policy; 0 marks tests.
    pub level: u32,
    /// First instant of validity.
    pub not_before: Timestamp,
    /// Last instant of validity.
    pub not_after: Timestamp,
    /// CRL partition, where there is one.
    pub crl: Option<&'a str>,
    /// OCSP responder, where there is one.
    pub ocsp: Option<&'a str>,
    /// What the key is for (extended key usage); empty for no word about it.
    pub purposes: &'a [ObjectIdentifier],
    /// Whether id-pkix-ocsp-nocheck stands in it.
    pub no_check: bool,
}

#[derive(Sequence)]
struct DirectoryAttribute {
    kind: ObjectIdentifier,
    values: SetOfVec<Any>,
}

const COUNTRY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.6");

fn algorithm(oid: ObjectIdentifier) -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned { oid, parameters: Some(Any::null()) }
}

fn utf8(text: &str) -> anyhow::Result<Any> {
    Ok(Any::encode_from(&Utf8StringRef::new(text)?)?)
}

fn printable(text: &str) -> anyhow::Result<Any> {
    Ok(Any::encode_from(&PrintableStringRef::new(text)?)?)
}

/// `C=TW` and the given parts.
fn name(parts: &[Part<'_>]) -> anyhow::Result<Name> {
    let mut relative = Vec::new();
    for part in std::iter::once(&Part::Printable(COUNTRY, "TW")).chain(parts) {
        let (oid, value) = match part {
            Part::Utf8(oid, text) => (*oid, utf8(text)?),
            Part::Printable(oid, text) => (*oid, printable(text)?),
        };
        let pair = AttributeTypeAndValue { oid, value };
        relative.push(RelativeDistinguishedName(SetOfVec::try_from(vec![pair])?));
    }
    Ok(RdnSequence(relative))
}

fn time(at: Timestamp) -> anyhow::Result<Time> {
    let seconds = Duration::from_secs(u64::try_from(at.as_second())?);
    // RFC 5280, section 4.1.2.5: UTCTime through 2049.
    Ok(match der::asn1::UtcTime::from_unix_duration(seconds) {
        Ok(time) => Time::UtcTime(time),
        Err(_) => Time::GeneralTime(der::asn1::GeneralizedTime::from_unix_duration(seconds)?),
    })
}

fn extension(
    value: &(impl Encode + der::oid::AssociatedOid),
    critical: bool,
) -> anyhow::Result<Extension> {
    raw_extension(oid_of(value), critical, value.to_der()?)
}

fn oid_of<T: der::oid::AssociatedOid>(_: &T) -> ObjectIdentifier {
    T::OID
}

fn raw_extension(
    extn_id: ObjectIdentifier,
    critical: bool,
    der: Vec<u8>,
) -> anyhow::Result<Extension> {
    Ok(Extension { extn_id, critical, extn_value: OctetString::new(der)? })
}

fn key_identifier(spki: &SubjectPublicKeyInfoOwned) -> anyhow::Result<OctetString> {
    let digest = aws_lc_rs::digest::digest(
        &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY,
        spki.subject_public_key.raw_bytes(),
    );
    Ok(OctetString::new(digest.as_ref())?)
}

fn extensions(
    profile: &Profile<'_>,
    subject_key: &SubjectPublicKeyInfoOwned,
    issuer_key: &SubjectPublicKeyInfoOwned,
) -> anyhow::Result<Vec<Extension>> {
    let mut extensions = vec![
        extension(
            &AuthorityKeyIdentifier {
                key_identifier: Some(key_identifier(issuer_key)?),
                authority_cert_issuer: None,
                authority_cert_serial_number: None,
            },
            false,
        )?,
        extension(&SubjectKeyIdentifier(key_identifier(subject_key)?), false)?,
        extension(&profile.usage, true)?,
    ];
    let policy = PolicyInformation {
        policy_identifier: oid::ASSURANCE.push_arc(profile.level)?,
        policy_qualifiers: None,
    };
    extensions.push(extension(&CertificatePolicies(vec![policy]), false)?);
    if profile.ca {
        extensions
            .push(extension(&BasicConstraints { ca: true, path_len_constraint: None }, true)?);
    }
    if !profile.attributes.is_empty() {
        let attributes = profile
            .attributes
            .iter()
            .map(|attribute| {
                let (kind, value) = match attribute {
                    Attribute::Utf8(kind, text) => (*kind, utf8(text)?),
                    Attribute::Printable(kind, text) => (*kind, printable(text)?),
                    Attribute::Oid(kind, oid) => (*kind, Any::encode_from(oid)?),
                };
                Ok(DirectoryAttribute { kind, values: SetOfVec::try_from(vec![value])? })
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        extensions.push(raw_extension(
            oid::SUBJECT_DIRECTORY_ATTRIBUTES,
            false,
            attributes.to_der()?,
        )?);
    }
    if let Some(url) = profile.crl {
        let point = GeneralName::UniformResourceIdentifier(Ia5StringRef::new(url)?.into());
        let point = DistributionPoint {
            distribution_point: Some(DistributionPointName::FullName(vec![point])),
            reasons: None,
            crl_issuer: None,
        };
        extensions.push(extension(&CrlDistributionPoints(vec![point]), false)?);
    }
    if !profile.purposes.is_empty() {
        extensions.push(extension(&ExtendedKeyUsage(profile.purposes.to_vec()), false)?);
    }
    if profile.no_check {
        extensions.push(raw_extension(oid::OCSP_NO_CHECK, false, Null.to_der()?)?);
    }
    if let Some(url) = profile.ocsp {
        let responder = AccessDescription {
            access_method: oid::OCSP,
            access_location: GeneralName::UniformResourceIdentifier(Ia5StringRef::new(url)?.into()),
        };
        extensions.push(extension(&AuthorityInfoAccessSyntax(vec![responder]), false)?);
    }
    Ok(extensions)
}

fn assemble(
    profile: &Profile<'_>,
    key: &Key,
    issuer: &Name,
    issuer_key: &Key,
) -> anyhow::Result<Vec<u8>> {
    let mut serial = [0; 16];
    getrandom::fill(&mut serial)?;
    serial[0] = serial[0] & 0x7f | 0x40;
    let spki = key.spki()?;
    let extensions = extensions(profile, &spki, &issuer_key.spki()?)?;
    let tbs = TbsCertificate {
        version: Version::V3,
        serial_number: SerialNumber::new(&serial)?,
        signature: algorithm(oid::RSA_SHA_256),
        issuer: issuer.clone(),
        validity: Validity {
            not_before: time(profile.not_before)?,
            not_after: time(profile.not_after)?,
        },
        subject: name(profile.subject)?,
        subject_public_key_info: spki,
        issuer_unique_id: None,
        subject_unique_id: None,
        extensions: Some(extensions),
    };
    let signature = issuer_key.sign(&tbs.to_der()?)?;
    let certificate = Certificate {
        tbs_certificate: tbs,
        signature_algorithm: algorithm(oid::RSA_SHA_256),
        signature: BitString::from_bytes(&signature)?,
    };
    Ok(certificate.to_der()?)
}

/// An entry of a list.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Serial number, as encoded.
    pub serial: Vec<u8>,
    /// reasonCode.
    pub reason: Option<CrlReason>,
    /// revocationDate.
    pub at: Timestamp,
}

/// What a list shall say.
#[derive(Clone, Debug)]
pub struct List<'a> {
    /// cRLNumber.
    pub number: u64,
    /// thisUpdate.
    pub this_update: Timestamp,
    /// nextUpdate.
    pub next_update: Timestamp,
    /// Address of the partition; none for a complete list.
    pub partition: Option<&'a str>,
    /// Entries.
    pub entries: Vec<Listed>,
}

impl Authority {
    /// A revocation list.
    ///
    /// # Errors
    /// When the library fails.
    pub fn list(&self, list: &List<'_>) -> anyhow::Result<Vec<u8>> {
        let mut extensions = vec![
            extension(
                &AuthorityKeyIdentifier {
                    key_identifier: Some(key_identifier(&self.key.spki()?)?),
                    authority_cert_issuer: None,
                    authority_cert_serial_number: None,
                },
                false,
            )?,
            extension(&CrlNumber(Uint::new(&list.number.to_be_bytes())?), false)?,
        ];
        if let Some(url) = list.partition {
            let point = GeneralName::UniformResourceIdentifier(Ia5StringRef::new(url)?.into());
            let point = IssuingDistributionPoint {
                distribution_point: Some(DistributionPointName::FullName(vec![point])),
                only_contains_user_certs: false,
                only_contains_ca_certs: false,
                only_some_reasons: None,
                indirect_crl: false,
                only_contains_attribute_certs: false,
            };
            let oid = oid::ISSUING_DISTRIBUTION_POINT;
            extensions.push(raw_extension(oid, true, point.to_der()?)?);
        }
        let entries = list
            .entries
            .iter()
            .map(|entry| {
                let reason = entry.reason.map(|reason| {
                    anyhow::Ok(vec![raw_extension(CrlReason::OID, false, reason.to_der()?)?])
                });
                Ok(RevokedCert {
                    serial_number: SerialNumber::new(&entry.serial)?,
                    revocation_date: time(entry.at)?,
                    crl_entry_extensions: reason.transpose()?,
                })
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        let tbs_cert_list = TbsCertList {
            version: Version::V2,
            signature: algorithm(oid::RSA_SHA_256),
            issuer: self.name.clone(),
            this_update: time(list.this_update)?,
            next_update: Some(time(list.next_update)?),
            revoked_certificates: (!entries.is_empty()).then_some(entries),
            crl_extensions: Some(extensions),
        };
        let signature = self.key.sign(&tbs_cert_list.to_der()?)?;
        let list = CertificateList {
            tbs_cert_list,
            signature_algorithm: algorithm(oid::RSA_SHA_256),
            signature: BitString::from_bytes(&signature)?,
        };
        Ok(list.to_der()?)
    }

    /// A self-signed root.
    ///
    /// # Errors
    /// When the library fails.
    pub fn root(profile: &Profile<'_>, size: KeySize) -> anyhow::Result<Self> {
        let key = Key::generate(size)?;
        let name = name(profile.subject)?;
        let certificate = assemble(profile, &key, &name, &key)?;
        Ok(Self { certificate, name, key })
    }

    /// The CA's own key, PKCS #8: for a responder that answers in its name.
    ///
    /// # Errors
    /// When the library fails.
    pub fn pkcs8(&self) -> anyhow::Result<Vec<u8>> {
        self.key.pkcs8()
    }

    /// A CA below this one.
    ///
    /// # Errors
    /// When the library fails.
    pub fn authority(&self, profile: &Profile<'_>) -> anyhow::Result<Self> {
        let key = Key::generate(KeySize::Rsa2048)?;
        let certificate = assemble(profile, &key, &self.name, &self.key)?;
        Ok(Self { certificate, name: name(profile.subject)?, key })
    }

    /// A certificate for this key.
    ///
    /// # Errors
    /// When the library fails.
    pub fn issue(&self, profile: &Profile<'_>, key: &Key) -> anyhow::Result<Vec<u8>> {
        let certificate = assemble(profile, key, &self.name, &self.key)?;
        debug_assert!(Certificate::from_der(&certificate).is_ok());
        Ok(certificate)
    }
}

/// Key usage of a signing certificate: digitalSignature alone.
pub fn signing() -> KeyUsage {
    KeyUsage(KeyUsages::DigitalSignature.into())
}

/// Key usage of an encryption certificate.
pub fn encryption() -> KeyUsage {
    KeyUsage(KeyUsages::KeyEncipherment | KeyUsages::DataEncipherment)
}

/// Key usage of a CA.
pub fn certifying() -> KeyUsage {
    KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign)
}
