//! Certificates for unit tests: every field as wanted, the signature is nobody's. Tests of
//! signatures are in `tests/`.

use der::asn1::{Any, BitString, Ia5StringRef, OctetString, SetOfVec, Utf8StringRef};
use der::oid::AssociatedOid;
use der::{Encode, Sequence};
use jiff::Timestamp;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::certificate::{Certificate as Parsed, TbsCertificate, Version};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, CrlDistributionPoints, KeyUsage, KeyUsages,
    SubjectKeyIdentifier, crl::dp::DistributionPoint,
};
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{AlgorithmIdentifierOwned, ObjectIdentifier, SubjectPublicKeyInfoOwned};
use x509_cert::time::{Time, Validity};

use crate::{Certificate, oid};

/// The middle of every made certificate's validity.
pub(crate) const NOW: i64 = 1_700_000_000;

/// The instant [`NOW`], and seconds from it.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(NOW + seconds).unwrap()
}

/// A certificate to be.
pub(crate) struct Made {
    subject: Name,
    issuer: Name,
    serial: Vec<u8>,
    validity: (i64, i64),
    extensions: Vec<Extension>,
}

/// `C=TW` would add nothing: one organisation is a name.
pub(crate) fn name(text: &str) -> Name {
    let value = Any::encode_from(&Utf8StringRef::new(text).unwrap()).unwrap();
    let pair = AttributeTypeAndValue { oid: oid::ORGANISATION_NAME, value };
    RdnSequence(vec![RelativeDistinguishedName(SetOfVec::try_from(vec![pair]).unwrap())])
}

fn octets(bytes: &[u8]) -> OctetString {
    OctetString::new(bytes).unwrap()
}

impl Made {
    /// An end entity of this issuer, with the key identifiers that its name suggests.
    pub(crate) fn new(subject: &str, issuer: &str) -> Self {
        let key = AuthorityKeyIdentifier {
            key_identifier: Some(octets(issuer.as_bytes())),
            authority_cert_issuer: None,
            authority_cert_serial_number: None,
        };
        Self {
            subject: name(subject),
            issuer: name(issuer),
            serial: vec![7],
            validity: (-1000, 1000),
            extensions: Vec::new(),
        }
        .with(&key, false)
        .with(&SubjectKeyIdentifier(octets(subject.as_bytes())), false)
    }

    /// A CA of this issuer.
    pub(crate) fn authority(subject: &str, issuer: &str) -> Self {
        Self::new(subject, issuer)
            .with(&BasicConstraints { ca: true, path_len_constraint: None }, true)
            .usage(KeyUsages::KeyCertSign | KeyUsages::CRLSign)
    }

    /// The same with another extension.
    pub(crate) fn with(self, value: &(impl Encode + AssociatedOid), critical: bool) -> Self {
        let kind = oid_of(value);
        self.with_raw(kind, value.to_der().unwrap(), critical)
    }

    /// The same with an extension of any kind.
    pub(crate) fn with_raw(
        mut self,
        extn_id: ObjectIdentifier,
        der: Vec<u8>,
        critical: bool,
    ) -> Self {
        self.extensions.retain(|extension| extension.extn_id != extn_id);
        self.extensions.push(Extension { extn_id, critical, extn_value: octets(&der) });
        self
    }

    /// The same without this extension.
    pub(crate) fn without(mut self, kind: ObjectIdentifier) -> Self {
        self.extensions.retain(|extension| extension.extn_id != kind);
        self
    }

    /// The same with this key usage.
    pub(crate) fn usage(self, usage: impl Into<der::flagset::FlagSet<KeyUsages>>) -> Self {
        self.with(&KeyUsage(usage.into()), true)
    }

    /// The same with this serial number.
    pub(crate) fn serial(mut self, serial: &[u8]) -> Self {
        self.serial = serial.to_vec();
        self
    }

    /// The same with this validity, in seconds from [`NOW`].
    pub(crate) fn valid(mut self, from: i64, to: i64) -> Self {
        self.validity = (from, to);
        self
    }

    /// The same with another subject.
    pub(crate) fn subject(mut self, subject: Name) -> Self {
        self.subject = subject;
        self
    }

    /// The same with a distribution point.
    pub(crate) fn distribution_point(self, url: &str) -> Self {
        let point = DistributionPoint {
            distribution_point: Some(DistributionPointName::FullName(vec![uri(url)])),
            reasons: None,
            crl_issuer: None,
        };
        self.with(&CrlDistributionPoints(vec![point]), false)
    }

    /// The same with a subject directory attribute of text.
    pub(crate) fn attributes(self, attributes: &[(ObjectIdentifier, &str)]) -> Self {
        let attributes: Vec<_> = attributes
            .iter()
            .map(|(kind, text)| DirectoryAttribute {
                kind: *kind,
                values: SetOfVec::try_from(vec![
                    Any::encode_from(&Utf8StringRef::new(text).unwrap()).unwrap(),
                ])
                .unwrap(),
            })
            .collect();
        self.with_raw(oid::SUBJECT_DIRECTORY_ATTRIBUTES, attributes.to_der().unwrap(), false)
    }

    /// The certificate.
    pub(crate) fn make(self) -> Certificate {
        let time = |seconds: i64| {
            let seconds = u64::try_from(NOW + seconds).unwrap();
            let since = std::time::Duration::from_secs(seconds);
            Time::UtcTime(der::asn1::UtcTime::from_unix_duration(since).unwrap())
        };
        let algorithm =
            AlgorithmIdentifierOwned { oid: oid::RSA_SHA_256, parameters: Some(Any::null()) };
        let key = AlgorithmIdentifierOwned { oid: oid::RSA_ENCRYPTION, ..algorithm.clone() };
        let (from, to) = self.validity;
        // A key of its own for each subject, so that paths do not seem to go in circles.
        let own = self.subject.to_der().unwrap();
        let parsed = Parsed {
            tbs_certificate: TbsCertificate {
                version: Version::V3,
                serial_number: SerialNumber::new(&self.serial).unwrap(),
                signature: algorithm.clone(),
                issuer: self.issuer,
                validity: Validity { not_before: time(from), not_after: time(to) },
                subject: self.subject,
                subject_public_key_info: SubjectPublicKeyInfoOwned {
                    algorithm: key,
                    subject_public_key: BitString::from_bytes(&own).unwrap(),
                },
                issuer_unique_id: None,
                subject_unique_id: None,
                extensions: Some(self.extensions),
            },
            signature_algorithm: algorithm,
            signature: BitString::from_bytes(&[0]).unwrap(),
        };
        Certificate::from_der(&parsed.to_der().unwrap()).unwrap()
    }
}

#[derive(Sequence)]
struct DirectoryAttribute {
    kind: ObjectIdentifier,
    values: SetOfVec<Any>,
}

fn oid_of<T: AssociatedOid>(_: &T) -> ObjectIdentifier {
    T::OID
}

/// A URI as a general name.
pub(crate) fn uri(url: &str) -> GeneralName {
    GeneralName::UniformResourceIdentifier(Ia5StringRef::new(url).unwrap().into())
}
