//! What an acceptance was based on, so that it can be judged again years later.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::revocation::{self, RevocationSource, Standing};
use crate::{Certificate, IssuerRole, PkiError};

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
        })
    }
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
}
