//! What an acceptance was based on, so that it can be judged again years later.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::revocation::{
    self, Crl, ListsInMemory, OcspStatus, RevocationSource, Standing, WithResponse,
};
use crate::{
    Certificate, Credential, Environment, Fingerprint, IssuerRole, PkiError, TrustStore,
    TrustStoreError, read_certificate_file,
};

/// Version of the rules in `docs/trust.md`, kept with every judgement.
pub const TRUST_POLICY: &str = "chayan-trust/1";

/// A path from an anchor to a certificate, valid at an instant; revocation aside.
#[derive(Clone, Debug)]
pub struct TrustedPath {
    pub(crate) role: IssuerRole,
    pub(crate) certificate: Certificate,
    pub(crate) issuer: Certificate,
    pub(crate) anchor: Certificate,
    pub(crate) at: Timestamp,
}

impl TrustedPath {
    /// The certificate that was judged.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The CA that issued it.
    pub fn issuer(&self) -> &Certificate {
        &self.issuer
    }

    /// Judges both certificates below the anchor: a CA that is revoked takes every
    /// certificate with it.
    pub(crate) fn confirm(&self, source: &impl RevocationSource) -> Result<Judgement, PkiError> {
        let Self { certificate, issuer, anchor, at, role } = self;
        let standings = revocation::judge_path(&[anchor, issuer, certificate], source, *at)?;
        let encode = |certificate: &Certificate| BASE64_STANDARD.encode(certificate.der());
        Ok(Judgement {
            policy: TRUST_POLICY.to_owned(),
            at: *at,
            role: *role,
            path: [certificate, issuer, anchor].map(encode).to_vec(),
            standings,
            transport: None,
        })
    }
}

/// How a signature came from the card, as the page that sent it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// The reader bridge: it showed the origin, and asked for the PIN itself.
    Bridge,
    /// The HiPKI component: the page asserted the origin, and had the PIN typed into it.
    Hipki,
}

/// The record of an acceptance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Judgement {
    /// The rules that were applied ([`TRUST_POLICY`]).
    pub policy: String,
    /// The instant of judgement.
    pub at: Timestamp,
    /// Role of the issuing CA.
    pub role: IssuerRole,
    /// Certificate, issuing CA and anchor, DER, in Base64.
    pub path: Vec<String>,
    /// What the standing of issuing CA and certificate was based on.
    pub standings: Vec<Standing>,
    /// How the signature came from the card, where the page said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<Transport>,
}

/// What a recorded standing is worth when it is looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Proved again: from the list that was given, or from the response in the record.
    Proved,
    /// Recorded, but the list was not given.
    Recorded,
}

/// A record that was judged again.
#[derive(Clone, Debug)]
pub struct JudgedAgain {
    /// The signed bytes.
    pub content: Vec<u8>,
    /// Who signed.
    pub credential: Credential,
    /// For each recorded standing, what it is worth.
    pub evidence: Vec<Evidence>,
}

/// Why a record does not stand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The signature itself, judged at the recorded instant.
    #[error(transparent)]
    Signature(#[from] PkiError),
    /// Another path than the recorded one.
    #[error("the record names another path than the signature's")]
    OtherPath,
    /// Judged by rules that this program does not know.
    #[error("the record was made by other rules than chayan-trust/1")]
    Policy,
    /// A standing is missing, or about another certificate.
    #[error("the record does not say what the standing of each certificate was based on")]
    Incomplete,
    /// A list or response does not say what was recorded.
    #[error("the evidence of a standing does not hold")]
    Evidence,
}

impl Judgement {
    /// Whether the certificate that was accepted is in force at `now` as well. A responder's
    /// answer in the record counts while it is fresh; our own register and a newer list that
    /// names the certificate come before it, as when it was accepted.
    ///
    /// # Errors
    /// [`PkiError`].
    pub fn check_in_force(
        &self,
        trust: &TrustStore,
        source: &impl RevocationSource,
        now: Timestamp,
    ) -> Result<(), PkiError> {
        let certificate = self.path.first().and_then(|text| BASE64_STANDARD.decode(text).ok());
        let certificate = certificate.ok_or(PkiError::Malformed { what: "recorded path" })?;
        let path = trust.judge_path(Certificate::from_der(&certificate)?, None, now)?;
        let response = match self.standings.last() {
            Some(Standing::Responder { response, .. }) => BASE64_STANDARD.decode(response).ok(),
            _ => None,
        };
        let read = |der: Vec<u8>| {
            revocation::read_response(&der, &path.certificate, &path.issuer, now).ok()
        };
        let response = response.and_then(read);
        let source = WithResponse::new(source, &path.certificate, &path.issuer, response);
        path.confirm(&source).map(drop)
    }

    /// Judges a signature again, at the recorded instant and by this trust store. A list
    /// in `lists` whose digest is the recorded one is checked; a response is in the record.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn judge_again(
        &self,
        message: &[u8],
        trust: &TrustStore,
        lists: &[Vec<u8>],
    ) -> Result<JudgedAgain, RecordError> {
        let signature = trust.verify(message, self.at)?;
        let (content, credential, path) = signature.into_parts();
        Ok(JudgedAgain { content, credential, evidence: self.path_again(&path, lists)? })
    }

    /// The same of a certificate file that was uploaded.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn uploaded_again(
        &self,
        file: &[u8],
        trust: &TrustStore,
        lists: &[Vec<u8>],
    ) -> Result<Vec<Evidence>, RecordError> {
        let certificate = read_certificate_file(file).map_err(|_| RecordError::OtherPath)?;
        self.path_again(&trust.judge_path(certificate, None, self.at)?, lists)
    }

    fn path_again(
        &self,
        path: &TrustedPath,
        lists: &[Vec<u8>],
    ) -> Result<Vec<Evidence>, RecordError> {
        let pairs = [(&path.issuer, &path.anchor), (&path.certificate, &path.issuer)];
        let recorded = [&path.certificate, &path.issuer, &path.anchor]
            .map(|certificate| BASE64_STANDARD.encode(certificate.der()));
        if self.path != recorded || self.role != path.role {
            return Err(RecordError::OtherPath);
        }
        if self.policy != TRUST_POLICY {
            return Err(RecordError::Policy);
        }
        if self.standings.len() != pairs.len() {
            return Err(RecordError::Incomplete);
        }
        self.standings
            .iter()
            .zip(pairs)
            .map(|(standing, (certificate, issuer))| {
                self.evidence(standing, certificate, issuer, lists)
            })
            .collect()
    }

    fn evidence(
        &self,
        standing: &Standing,
        certificate: &Certificate,
        issuer: &Certificate,
        lists: &[Vec<u8>],
    ) -> Result<Evidence, RecordError> {
        let named = match standing {
            Standing::List { issuer, .. }
            | Standing::Responder { issuer, .. }
            | Standing::Own { issuer, .. } => issuer,
        };
        if *named != issuer.fingerprint().to_string() {
            return Err(RecordError::Incomplete);
        }
        match standing {
            Standing::Responder { response, this_update, .. } => {
                let der = BASE64_STANDARD.decode(response).map_err(|_| RecordError::Evidence)?;
                let found = revocation::read_response(&der, certificate, issuer, self.at);
                match found {
                    Ok(found)
                        if found.status == OcspStatus::Good
                            && found.this_update == *this_update =>
                    {
                        Ok(Evidence::Proved)
                    }
                    _ => Err(RecordError::Evidence),
                }
            }
            // What the register said then is in the audit log.
            Standing::Own { .. } => Ok(Evidence::Recorded),
            Standing::List { list, .. } => {
                let digest = |der: &&Vec<u8>| Fingerprint::of(der).to_string() == list.sha256;
                let Some(der) = lists.iter().find(digest) else { return Ok(Evidence::Recorded) };
                let found = Crl::from_der(der).map_err(|_| RecordError::Evidence)?;
                if found.head() != list {
                    return Err(RecordError::Evidence);
                }
                let mut known = ListsInMemory::default();
                known.add(der, issuer).map_err(|_| RecordError::Evidence)?;
                revocation::judge_path(&[issuer, certificate], &known, self.at)
                    .map_err(|_| RecordError::Evidence)?;
                Ok(Evidence::Proved)
            }
        }
    }

    /// A trust store of the recorded path alone: shows that a record is in itself right,
    /// not that its anchor deserves trust.
    ///
    /// # Errors
    /// [`TrustStoreError`].
    pub fn recorded_trust(&self) -> Result<TrustStore, TrustStoreError> {
        let read = |index: usize| {
            let text = self.path.get(index).ok_or(TrustStoreError::Empty)?;
            let der = BASE64_STANDARD.decode(text).ok();
            der.and_then(|der| Certificate::from_der(&der).ok())
                .ok_or_else(|| TrustStoreError::Certificate { name: "recorded path".into() })
        };
        let issuers = vec![(self.role, read(1)?)];
        TrustStore::new(Environment::Production, Vec::new(), &[read(2)?], issuers)
    }
}
