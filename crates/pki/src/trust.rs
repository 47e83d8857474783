//! The trust store: which roots and issuing CAs are believed, and in which role.
//!
//! It is a JSON file (format in `docs/trust.md`), either for production or for tests,
//! never both: every certificate of a test store says 測試 in its subject, none of a
//! production store does, and known production roots are refused in a test store.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use der::asn1::ObjectIdentifier;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Certificate, Fingerprint, PathRequest, PkiError, TrustedPath, check_path, oid};

/// SHA-256 of production certificates as published (GRCA second and third generation,
/// MOICA third generation). They have no place in a test store.
const PRODUCTION: [&str; 3] = [
    "70b922bfda0e3f4a342e4ee22d579ae598d071cc5ec9c30f123680340388aea5",
    "57df6f20e04c588e85f35be8832f5d4e78958336ae3b18fb7c9bae0dfead4044",
    "ed793fd0d50a2a398049d598982cf01e75f873b532066caec238f800a06ca9da",
];

/// The word that marks a certificate as made for tests.
const TEST_MARK: &str = "測試";

/// What a trust store is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Environment {
    /// Real certificates.
    Production,
    /// Certificates made by the test PKI; every page says 測試.
    Test,
}

/// The role of an issuing CA: what its certificates can prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IssuerRole {
    /// 工商憑證管理中心: companies, branches, business firms.
    Moeaca,
    /// 內政部憑證管理中心: citizens.
    Moica,
    /// 政府憑證管理中心: agencies.
    Gca,
    /// 組織及團體憑證管理中心: schools, foundations, associations.
    Xca,
    /// Health professions.
    Hca,
}

/// The file's outer form.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustStoreFile {
    /// What the store is for.
    pub environment: Environment,
    /// Roots.
    pub anchors: Vec<TrustedCertificateFile>,
    /// Issuing CAs, each with its role.
    pub issuers: Vec<TrustedCertificateFile>,
}

/// One certificate of the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedCertificateFile {
    /// For people.
    pub name: String,
    /// Role; issuing CAs only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<IssuerRole>,
    /// SHA-256 of the DER, lower-case hexadecimal; without it the entry counts for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Subject key identifier, lower-case hexadecimal, where it was published.
    #[serde(default, rename = "keyId", skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// The DER in Base64; without it the entry waits for `chayan add-certificate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// Where the CA publishes its revocation lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<String>,
    /// What the service does for it, when it is our own; issuing CAs only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<OwnAuthority>,
}

/// What the service does for a CA that is its own (docs/cards.md): its cards are suspended and
/// resumed here, and `chayan crl` signs its lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnAuthority {
    /// How numbers of its cards begin: a hint for the page, no proof of anything.
    pub cards: Vec<String>,
    /// Where its complete list is published, below `/crl/`: a folder of the CA's own and a name,
    /// for example `MOEACA-G3/complete.crl`. Partitions lie beside it.
    pub complete: String,
}

impl OwnAuthority {
    /// The folder of its lists.
    pub fn folder(&self) -> &str {
        self.complete.split_once('/').map_or("", |(folder, _)| folder)
    }

    /// The name below `/crl/` of the partition at this address: its last segment, in our folder.
    pub fn partition(&self, address: &str) -> Option<String> {
        let name = address.rsplit('/').next().filter(|name| is_plain(name))?;
        Some(format!("{}/{name}", self.folder()))
    }

    fn is_valid(&self) -> bool {
        let Some((folder, name)) = self.complete.split_once('/') else { return false };
        let prefix = |text: &String| {
            (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_uppercase())
        };
        is_plain(folder) && is_plain(name) && self.cards.iter().all(prefix)
    }
}

/// Letters, digits, and signs that mean nothing in a path.
fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !name.is_empty() && !name.starts_with('.') && name.len() <= 64 && name.bytes().all(plain)
}

impl TrustedCertificateFile {
    /// An entry for this certificate.
    pub fn new(name: impl Into<String>, role: Option<IssuerRole>, der: &[u8]) -> Self {
        Self {
            name: name.into(),
            role,
            sha256: Some(Fingerprint::of(der).to_string()),
            key_id: None,
            certificate: Some(BASE64_STANDARD.encode(der)),
            lists: Vec::new(),
            own: None,
        }
    }
}

impl TrustStoreFile {
    /// Puts a certificate into the entry that waits for it: the one with its digest, or
    /// with its key identifier when `confirmed` is the digest that the CA publishes.
    /// Returns the entry's name.
    ///
    /// # Errors
    /// [`TrustStoreError`].
    pub fn add(&mut self, der: &[u8], confirmed: Option<&str>) -> Result<String, TrustStoreError> {
        let name = "the file".to_owned();
        let certificate = Certificate::from_der(der)
            .map_err(|_| TrustStoreError::Certificate { name: name.clone() })?;
        let digest = Fingerprint::of(der).to_string();
        let found = certificate.subject_key_id_hex();
        let entry = self
            .anchors
            .iter_mut()
            .chain(&mut self.issuers)
            .find(|entry| match &entry.sha256 {
                Some(sha256) => *sha256 == digest,
                None => entry.key_id.is_some() && entry.key_id == found,
            })
            .ok_or(TrustStoreError::Unknown)?;
        let name = entry.name.clone();
        if confirmed.is_some_and(|sha256| !sha256.eq_ignore_ascii_case(&digest)) {
            return Err(TrustStoreError::Digest { name });
        }
        if entry.sha256.is_none() && confirmed.is_none() {
            return Err(TrustStoreError::Unconfirmed { name });
        }
        if entry.key_id.is_some() && entry.key_id != found {
            return Err(TrustStoreError::KeyId { name });
        }
        entry.sha256 = Some(digest);
        entry.certificate = Some(BASE64_STANDARD.encode(der));
        Ok(name)
    }
}

/// Why a trust store was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustStoreError {
    /// Not the JSON that was expected.
    #[error("the trust store is not valid: {0}")]
    Format(String),
    /// An entry cannot be read.
    #[error("the certificate of {name:?} is not valid")]
    Certificate {
        /// The entry's name.
        name: String,
    },
    /// The bytes are not those that the digest names.
    #[error("the digest of {name:?} does not fit its certificate")]
    Digest {
        /// The entry's name.
        name: String,
    },
    /// The certificate has not been added yet.
    #[error("{name:?} has no certificate yet (run `chayan add-certificate`)")]
    Missing {
        /// The entry's name.
        name: String,
    },
    /// The certificate's key is not the one that was published.
    #[error("the key identifier of {name:?} does not fit its certificate")]
    KeyId {
        /// The entry's name.
        name: String,
    },
    /// No entry waits for this certificate.
    #[error("no entry names this certificate by digest or key identifier")]
    Unknown,
    /// Nothing but the operator's word tells that this is the right certificate.
    #[error("{name:?} has no published digest: give the one that the CA publishes, by --sha256")]
    Unconfirmed {
        /// The entry's name.
        name: String,
    },
    /// A production certificate in a test store, or the other way round.
    #[error("{name:?} does not belong into a store for {environment:?}")]
    Mixed {
        /// The entry's name.
        name: String,
        /// What the store is for.
        environment: Environment,
    },
    /// An issuing CA without a role, or an anchor with one.
    #[error("{name:?}: an issuing CA needs a role, an anchor has none")]
    Role {
        /// The entry's name.
        name: String,
    },
    /// An issuing CA that none of the anchors signed.
    #[error("no anchor signed the issuing CA {sha256}")]
    Unanchored {
        /// SHA-256 of its certificate.
        sha256: String,
    },
    /// What is said of our own CA makes no sense, or two have one folder.
    #[error(
        "{name:?}: \"own\" needs card prefixes of capital letters and FOLDER/NAME for its list, a folder for each CA"
    )]
    Own {
        /// The entry's name.
        name: String,
    },
    /// No anchor or no issuing CA.
    #[error("the trust store is empty")]
    Empty,
}

/// An issuing CA and its role.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// What it may certify.
    pub role: IssuerRole,
    /// Its certificate.
    pub certificate: Certificate,
    /// The anchor whose key signed it: verified when the store is read.
    pub anchor: Certificate,
    /// What the service does for it, when it is our own.
    pub own: Option<OwnAuthority>,
}

/// A checked trust store.
#[derive(Clone, Debug)]
pub struct TrustStore {
    environment: Environment,
    /// Policies of which one must hold for a path; empty for any.
    policies: Vec<ObjectIdentifier>,
    issuers: Vec<Issuer>,
    lists: Vec<String>,
}

impl TrustStore {
    /// Reads and checks a store.
    ///
    /// # Errors
    /// [`TrustStoreError`]; the store is used whole or not at all.
    pub fn from_json(text: &str) -> Result<Self, TrustStoreError> {
        let file: TrustStoreFile = serde_json::from_str(text)
            .map_err(|error| TrustStoreError::Format(error.to_string()))?;
        Self::from_file(&file)
    }

    /// Checks a parsed store.
    ///
    /// # Errors
    /// [`TrustStoreError`].
    pub fn from_file(file: &TrustStoreFile) -> Result<Self, TrustStoreError> {
        let environment = file.environment;
        check_own(file)?;
        let anchors = file
            .anchors
            .iter()
            .map(|entry| match entry.role {
                None => certificate(entry, environment),
                Some(_) => Err(TrustStoreError::Role { name: entry.name.clone() }),
            })
            .collect::<Result<Vec<_>, _>>()?;
        let issuers = file
            .issuers
            .iter()
            .map(|entry| {
                let role =
                    entry.role.ok_or_else(|| TrustStoreError::Role { name: entry.name.clone() })?;
                Ok((role, certificate(entry, environment)?))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let levels: &[u32] = match environment {
            Environment::Production => &[3, 4],
            Environment::Test => &[0, 3, 4],
        };
        let policies = levels.iter().filter_map(|level| oid::ASSURANCE.push_arc(*level).ok());
        let mut store = Self::new(environment, policies.collect(), &anchors, issuers)?;
        for (issuer, entry) in store.issuers.iter_mut().zip(&file.issuers) {
            issuer.own.clone_from(&entry.own);
        }
        let entries = file.anchors.iter().chain(&file.issuers);
        store.lists = entries.flat_map(|entry| entry.lists.clone()).collect();
        Ok(store)
    }

    /// A store of certificates that were chosen elsewhere, with the policies of which one
    /// must hold for a path; none asked for: any.
    ///
    /// # Errors
    /// [`TrustStoreError::Empty`], [`TrustStoreError::Unanchored`].
    pub fn new(
        environment: Environment,
        policies: Vec<ObjectIdentifier>,
        anchors: &[Certificate],
        issuers: Vec<(IssuerRole, Certificate)>,
    ) -> Result<Self, TrustStoreError> {
        if anchors.is_empty() || issuers.is_empty() {
            return Err(TrustStoreError::Empty);
        }
        let issuers = issuers
            .into_iter()
            .map(|(role, certificate)| {
                let signed = |anchor: &&Certificate| {
                    anchor.may_have_issued(&certificate)
                        && certificate.check_signed_by(anchor).is_ok()
                };
                let anchor = anchors.iter().find(signed).cloned().ok_or_else(|| {
                    TrustStoreError::Unanchored { sha256: certificate.fingerprint().to_string() }
                })?;
                Ok(Issuer { role, certificate, anchor, own: None })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { environment, policies, issuers, lists: Vec::new() })
    }

    /// What the store is for.
    pub fn environment(&self) -> Environment {
        self.environment
    }

    /// Where revocation lists are fetched from.
    pub fn list_addresses(&self) -> impl Iterator<Item = &str> {
        self.lists.iter().map(String::as_str)
    }

    /// The issuing CAs.
    pub fn issuers(&self) -> &[Issuer] {
        &self.issuers
    }

    /// The issuing CAs that are our own.
    pub fn own_issuers(&self) -> impl Iterator<Item = (&Certificate, &OwnAuthority)> {
        self.issuers.iter().filter_map(|issuer| Some((&issuer.certificate, issuer.own.as_ref()?)))
    }

    /// Every certificate that may sign lists: issuing CAs and their anchors, each once.
    pub fn authorities(&self) -> impl Iterator<Item = &Certificate> {
        let anchors = self.issuers.iter().enumerate().filter_map(|(index, issuer)| {
            let first = self.issuers.iter().position(|other| other.anchor == issuer.anchor);
            (first == Some(index)).then_some(&issuer.anchor)
        });
        self.issuers.iter().map(|issuer| &issuer.certificate).chain(anchors)
    }

    /// Finds the issuing CA whose key signed `certificate`, and judges the path from its
    /// anchor at `now`. Generations of a CA share a name: each that may be the issuer by
    /// name and key identifier is tried. An extended key usage, where there is one, must
    /// allow `purpose`.
    pub(crate) fn judge_path(
        &self,
        certificate: Certificate,
        purpose: Option<ObjectIdentifier>,
        now: Timestamp,
    ) -> Result<TrustedPath, PkiError> {
        certificate.check_validity(now)?;
        let issuer = self
            .issuers
            .iter()
            .filter(|issuer| issuer.certificate.may_have_issued(&certificate))
            .find(|issuer| certificate.check_signed_by(&issuer.certificate).is_ok())
            .ok_or(PkiError::UnknownIssuer)?;
        let request = PathRequest {
            policies: &self.policies,
            explicit_policy: !self.policies.is_empty(),
            purpose,
            ..PathRequest::at(now)
        };
        check_path(&[&issuer.anchor, &issuer.certificate, &certificate], &request)?;
        Ok(TrustedPath {
            role: issuer.role,
            certificate,
            issuer: issuer.certificate.clone(),
            anchor: issuer.anchor.clone(),
            at: now,
        })
    }
}

/// Whether what is said of our own CAs makes sense.
fn check_own(file: &TrustStoreFile) -> Result<(), TrustStoreError> {
    let mut folders = Vec::new();
    for entry in &file.issuers {
        let Some(own) = &entry.own else { continue };
        if !own.is_valid() || folders.contains(&own.folder()) {
            return Err(TrustStoreError::Own { name: entry.name.clone() });
        }
        folders.push(own.folder());
    }
    match file.anchors.iter().find(|entry| entry.own.is_some()) {
        Some(entry) => Err(TrustStoreError::Own { name: entry.name.clone() }),
        None => Ok(()),
    }
}

fn certificate(
    entry: &TrustedCertificateFile,
    environment: Environment,
) -> Result<Certificate, TrustStoreError> {
    let name = || entry.name.clone();
    let invalid = || TrustStoreError::Certificate { name: name() };
    let (Some(text), Some(sha256)) = (&entry.certificate, &entry.sha256) else {
        return Err(TrustStoreError::Missing { name: name() });
    };
    let der = BASE64_STANDARD.decode(text).map_err(|_| invalid())?;
    let digest = Fingerprint::of(&der).to_string();
    if digest != *sha256 {
        return Err(TrustStoreError::Digest { name: name() });
    }
    let certificate = Certificate::from_der(&der).map_err(|_| invalid())?;
    if entry.key_id.is_some() && entry.key_id != certificate.subject_key_id_hex() {
        return Err(TrustStoreError::KeyId { name: name() });
    }
    let marked = certificate.x509().subject.to_string().contains(TEST_MARK);
    let fits = match environment {
        Environment::Test => marked && !PRODUCTION.contains(&digest.as_str()),
        Environment::Production => !marked,
    };
    if fits { Ok(certificate) } else { Err(TrustStoreError::Mixed { name: name(), environment }) }
}
