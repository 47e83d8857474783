//! Attacks on signed applications, in the shape of MOEACA.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use domain::{SignedIn, Ubn};
use jiff::Timestamp;
use pki::revocation::{Crl, ListsInMemory};
use pki::{Certificate, Environment, IssuerRole, TrustStore};
use serde::Deserialize;

use crate::{CorpusError, Judged, Outcome, timed};

#[derive(Deserialize)]
pub(crate) struct Corpus {
    roots: Vec<String>,
    company_ca: Vec<String>,
    citizen_ca: Vec<String>,
    crl_pool: BTreeMap<String, String>,
    now: Timestamp,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    cms_b64: String,
    expected_content_b64: String,
    #[serde(default)]
    crls: Vec<String>,
    form_ubn: String,
    now: Option<Timestamp>,
    expect: String,
}

fn decode(text: &str) -> Result<Vec<u8>, String> {
    BASE64_STANDARD.decode(text).map_err(|error| error.to_string())
}

struct Profile {
    trust: TrustStore,
    /// Every CA that may have signed a list.
    authorities: Vec<Certificate>,
    lists: BTreeMap<String, Vec<u8>>,
}

impl Profile {
    fn new(corpus: &Corpus) -> Result<Self, CorpusError> {
        let read = |all: &[String]| -> Result<Vec<Certificate>, CorpusError> {
            all.iter()
                .map(|text| {
                    let der = decode(text).map_err(CorpusError::Profile)?;
                    Certificate::from_der(&der).map_err(|e| CorpusError::Profile(e.to_string()))
                })
                .collect()
        };
        let roots = read(&corpus.roots)?;
        let mut issuers = Vec::new();
        for (role, all) in
            [(IssuerRole::Moeaca, &corpus.company_ca), (IssuerRole::Moica, &corpus.citizen_ca)]
        {
            issuers.extend(read(all)?.into_iter().map(|certificate| (role, certificate)));
        }
        let mut authorities = roots.clone();
        authorities.extend(issuers.iter().map(|(_, certificate)| certificate.clone()));
        let trust = TrustStore::new(Environment::Test, Vec::new(), &roots, issuers)
            .map_err(|error| CorpusError::Profile(error.to_string()))?;
        let lists = corpus
            .crl_pool
            .iter()
            .map(|(name, text)| Ok((name.clone(), decode(text).map_err(CorpusError::Profile)?)))
            .collect::<Result<_, CorpusError>>()?;
        Ok(Self { trust, authorities, lists })
    }

    fn take<'a>(&self, lists: &mut ListsInMemory<'a>, der: &'a [u8]) {
        // A list that no CA of the profile signed, or that is refused, says nothing.
        for authority in &self.authorities {
            if lists.add(der, authority).is_ok() {
                return;
            }
        }
    }

    /// The lists that the service saw before, for the case of an older list brought back:
    /// those of the pool that put this serial number on hold.
    fn take_holds<'a>(&'a self, lists: &mut ListsInMemory<'a>, serial: &[u8]) {
        for der in self.lists.values() {
            let holds = Crl::from_der(der).is_ok_and(|crl| {
                crl.find(serial).ok().flatten().is_some_and(|entry| entry.reason == Some(6))
            });
            if holds {
                self.take(lists, der);
            }
        }
    }

    fn judge(&self, case: &Case, now: Timestamp) -> Outcome {
        let message = decode(&case.cms_b64)?;
        let content = decode(&case.expected_content_b64)?;
        let now = case.now.unwrap_or(now);
        let refused = |error: pki::PkiError| error.to_string();
        let signature = self.trust.verify_content(&message, &content, now).map_err(refused)?;
        let mut lists = ListsInMemory::default();
        if case.id.contains("rollback") {
            self.take_holds(&mut lists, signature.path().certificate().serial_bytes());
        }
        for name in &case.crls {
            let der = self.lists.get(name).ok_or_else(|| format!("no list {name}"))?;
            self.take(&mut lists, der);
        }
        let proof = signature.confirm(&lists).map_err(refused)?;
        // The company of the form is that of the card, as at sign-in.
        let form: Ubn = case.form_ubn.parse().map_err(|_| "the 統一編號 typed is not one")?;
        let document = serde_json::json!({"as": "company", "ubn": case.form_ubn});
        match domain::sign_in(&document, proof.credential()) {
            Ok(SignedIn::Company { ubn, .. }) if ubn == form => Ok(format!("signed for {ubn}")),
            Ok(_) => Err("the card is another's".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// What the service remembers, for the cases that attack it.
fn judge_with_memory(profile: &Profile, case: &Case, now: Timestamp) -> Outcome {
    let first = profile.judge(case, now)?;
    if case.id.contains("replay") {
        // A challenge is consumed together with the act, by one statement.
        return Err(format!("{first}; the second time the challenge has been used"));
    }
    if case.id.contains("purpose") {
        // The purpose is signed; another one is other content.
        let mut other = decode(&case.expected_content_b64)?;
        other.extend_from_slice(b" ");
        let message = decode(&case.cms_b64)?;
        let now = case.now.unwrap_or(now);
        return match profile.trust.verify_content(&message, &other, now) {
            Err(error) => Err(error.to_string()),
            Ok(_) => Ok(first),
        };
    }
    Ok(first)
}

pub(crate) fn judge(corpus: &Corpus) -> Result<Vec<Judged>, CorpusError> {
    let profile = Profile::new(corpus)?;
    let judged = corpus.cases.iter().map(|case| {
        timed(&case.id, &case.expect, || {
            if case.id.ends_with("-state") {
                judge_with_memory(&profile, case, corpus.now)
            } else {
                profile.judge(case, corpus.now)
            }
        })
    });
    Ok(judged.collect())
}
