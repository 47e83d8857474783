//! Puts corpora to the verifier and compares: with what each corpus expects, with the
//! exceptions that are written down (`exceptions.json`, each with its reason), and with
//! OpenSSL.
//!
//! The corpora are others' data and stay outside the repository: they are read from the
//! folder that `CHAYAN_CORPORA` names, or from `../shared/corpora` beside the project.

pub mod openssl;
pub mod powers;
pub mod vectors;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use corpus::{Judged, Verdict};

/// A line of the table in `docs/trust.md`.
#[derive(Clone, Debug)]
pub struct Row {
    /// The corpus.
    pub corpus: &'static str,
    /// Cases that were judged.
    pub cases: usize,
    /// Cases with the expected verdict.
    pub expected: usize,
    /// Refused, though the corpus accepts them.
    pub stricter: usize,
    /// Accepted, though the corpus refuses them.
    pub laxer: usize,
    /// Differences that nobody wrote down, and exceptions that are none any more.
    pub unlisted: Vec<String>,
    /// The longest judgement, in microseconds.
    pub slowest: u128,
}

/// The folder of the corpora; `None` where there is none.
pub fn folder() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora");
    let folder = std::env::var_os("CHAYAN_CORPORA").map_or(beside, PathBuf::from);
    folder.join("cms-attacks.json").exists().then_some(folder)
}

/// The unpacked archive of third-party vectors.
///
/// # Errors
/// When it cannot be unpacked.
pub fn unpacked(folder: &Path) -> anyhow::Result<PathBuf> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/corpora");
    let done = target.join(".unpacked");
    let archive = folder.join("vectors.tar.xz");
    let stamp = format!("{:?}", std::fs::metadata(&archive)?.modified()?);
    if std::fs::read_to_string(&done).is_ok_and(|found| found == stamp) {
        return Ok(target);
    }
    std::fs::create_dir_all(&target)?;
    let status = std::process::Command::new("tar")
        .arg("xJf")
        .arg(&archive)
        .arg("-C")
        .arg(&target)
        .status()
        .context("tar")?;
    anyhow::ensure!(status.success(), "tar could not unpack {}", archive.display());
    std::fs::write(done, stamp)?;
    Ok(target)
}

/// Exceptions of a corpus: case, or beginning of its name with `*`, and the reason.
///
/// # Errors
/// When the file is not valid.
pub fn exceptions(corpus: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let all: BTreeMap<String, BTreeMap<String, String>> =
        serde_json::from_str(include_str!("../exceptions.json"))?;
    Ok(all.get(corpus).cloned().unwrap_or_default())
}

fn is_listed<'a>(exceptions: &'a BTreeMap<String, String>, id: &str) -> Option<&'a str> {
    exceptions
        .keys()
        .find(|pattern| match pattern.strip_suffix('*') {
            Some(start) => id.starts_with(start),
            None => *pattern == id,
        })
        .map(String::as_str)
}

/// What a corpus expects of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// It must be taken.
    Accept,
    /// It must be refused.
    Reject,
    /// The corpus leaves it to the verifier; what was decided is listed.
    Decided,
    /// A flipped bit: refused, or the same signer and content.
    NothingElse,
}

/// Compares judgements with expectations and exceptions.
///
/// # Errors
/// When the exceptions cannot be read.
pub fn compare(corpus: &'static str, judged: &[(Judged, Expected)]) -> anyhow::Result<Row> {
    let listed = exceptions(corpus)?;
    let mut row = Row {
        corpus,
        cases: judged.len(),
        expected: 0,
        stricter: 0,
        laxer: 0,
        unlisted: Vec::new(),
        slowest: judged.iter().map(|(judged, _)| judged.micros).max().unwrap_or(0),
    };
    let control = judged
        .iter()
        .find(|(judged, expected)| {
            *expected == Expected::Accept && judged.verdict == Verdict::Accept
        })
        .map(|(judged, _)| judged.reason.clone());
    let mut used = Vec::new();
    for (judged, expected) in judged {
        let verdict = judged.verdict;
        let as_expected = match expected {
            Expected::Accept => verdict == Verdict::Accept,
            Expected::Reject => verdict == Verdict::Reject,
            Expected::NothingElse => {
                verdict == Verdict::Reject || Some(&judged.reason) == control.as_ref()
            }
            // The reason in the list begins with the verdict that was decided.
            Expected::Decided => is_listed(&listed, &judged.id).is_some_and(|pattern| {
                used.push(pattern.to_owned());
                let decided = if verdict == Verdict::Accept { "accept:" } else { "reject:" };
                listed[pattern].starts_with(decided)
            }),
        };
        if as_expected {
            row.expected += 1;
            continue;
        }
        match verdict {
            Verdict::Accept => row.laxer += 1,
            Verdict::Reject => row.stricter += 1,
        }
        match is_listed(&listed, &judged.id) {
            Some(pattern) if *expected != Expected::Decided => used.push(pattern.to_owned()),
            _ => row.unlisted.push(format!(
                "{corpus} {}: {verdict:?} ({}), expected {expected:?}",
                judged.id, judged.reason
            )),
        }
    }
    let stale = listed.keys().filter(|pattern| !used.contains(pattern));
    row.unlisted.extend(stale.map(|pattern| format!("{corpus} {pattern}: no exception any more")));
    Ok(row)
}

/// What a corpus says in its own words.
fn expected(word: &str) -> Expected {
    match word {
        "accept" | "SUCCESS" => Expected::Accept,
        "policy" => Expected::Decided,
        "noaccept-other" => Expected::NothingElse,
        _ => Expected::Reject,
    }
}

/// Judges a file that `chayan corpus` understands.
///
/// # Errors
/// When it cannot be read.
pub fn judge(path: &Path, certificates: Option<&Path>) -> anyhow::Result<Vec<(Judged, Expected)>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Ok(with_expectations(corpus::judge(&text, certificates)?))
}

/// Judges the signed messages of PKITS.
///
/// # Errors
/// When something cannot be read.
pub fn judge_messages(path: &Path, folder: &Path) -> anyhow::Result<Vec<(Judged, Expected)>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Ok(with_expectations(corpus::judge_pkits_messages(&text, folder)?))
}

fn with_expectations(judged: Vec<Judged>) -> Vec<(Judged, Expected)> {
    judged
        .into_iter()
        .map(|judged| {
            let expected = expected(&judged.expected);
            (judged, expected)
        })
        .collect()
}

/// The table for `docs/trust.md`.
pub fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| corpus | cases | as expected | stricter, listed | laxer, listed |\n|---|---|---|---|---|\n",
    );
    for row in rows {
        let Row { corpus, cases, expected, stricter, laxer, .. } = row;
        text += &format!("| {corpus} | {cases} | {expected} | {stricter} | {laxer} |\n");
    }
    text
}
