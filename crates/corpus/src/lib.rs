//! Judges the cases of a corpus file by the functions that the components call, with the
//! file's own anchors, time and expected claims as the profile.
//!
//! Four formats are told apart by their members: attacks on CMS signatures, attacks on
//! tokens, x509-limbo, and the PKITS manifest (whose certificates lie in a folder).
//! Cases that attack the service's memory (`…-state`, `state/…`) are driven here with a
//! memory of their own that keeps the same rules; `docs/trust.md` says which.

mod cms;
mod jwt;
mod limbo;
mod pkits;

use std::path::Path;
use std::time::Instant;

use serde::{Deserialize, Serialize};

/// Why a file cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// Not JSON of one of the four formats.
    #[error("not a corpus that is known: {0}")]
    Format(String),
    /// A file that the corpus names cannot be read.
    #[error("cannot read {0}: {1}")]
    File(String, std::io::Error),
    /// The profile's certificates cannot be used.
    #[error("the profile cannot be used: {0}")]
    Profile(String),
}

impl From<serde_json::Error> for CorpusError {
    fn from(error: serde_json::Error) -> Self {
        Self::Format(error.to_string())
    }
}

/// What became of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Taken.
    Accept,
    /// Refused.
    Reject,
}

/// One case, judged.
#[derive(Clone, Debug, Serialize)]
pub struct Judged {
    /// The case's name in the corpus.
    pub id: String,
    /// What became of it.
    pub verdict: Verdict,
    /// Why it was refused, or what was accepted.
    pub reason: String,
    /// Time that the judgement took, parsing included.
    pub micros: u128,
    /// What the corpus expects, in its own words.
    #[serde(skip)]
    pub expected: String,
}

/// A judgement: what was accepted, or why not.
type Outcome = Result<String, String>;

fn timed(id: &str, expected: &str, judge: impl FnOnce() -> Outcome) -> Judged {
    let begun = Instant::now();
    let outcome = judge();
    let micros = begun.elapsed().as_micros();
    let (verdict, reason) = match outcome {
        Ok(reason) => (Verdict::Accept, reason),
        Err(reason) => (Verdict::Reject, reason),
    };
    Judged { id: id.to_owned(), verdict, reason, micros, expected: expected.to_owned() }
}

/// Judges every case of a corpus. `certificates` is the folder with `certs` and `crls` of
/// PKITS.
///
/// # Errors
/// [`CorpusError`]; a case that is refused is none.
pub fn judge(text: &str, certificates: Option<&Path>) -> Result<Vec<Judged>, CorpusError> {
    let value: serde_json::Value = serde_json::from_str(text)?;
    let has = |member: &str| value.get(member).is_some();
    if has("company_ca") {
        cms::judge(&cms::Corpus::deserialize(&value)?)
    } else if has("expected_claims") {
        jwt::judge(&jwt::Corpus::deserialize(&value)?)
    } else if has("testcases") {
        Ok(limbo::judge(&limbo::Corpus::deserialize(&value)?, jiff::Timestamp::now()))
    } else if value.is_array() {
        let folder = certificates.ok_or_else(|| {
            CorpusError::Format("the PKITS manifest needs the folder of its certificates".into())
        })?;
        pkits::judge(&Vec::deserialize(&value)?, folder)
    } else {
        Err(CorpusError::Format("no member tells the format".into()))
    }
}

/// Judges the signed messages of PKITS: the manifest, and the folder with `certs`, `crls`
/// and `smime`.
///
/// # Errors
/// [`CorpusError`]; a case that is refused is none.
pub fn judge_pkits_messages(text: &str, folder: &Path) -> Result<Vec<Judged>, CorpusError> {
    pkits::judge_messages(&serde_json::from_str::<Vec<pkits::Case>>(text)?, folder)
}
