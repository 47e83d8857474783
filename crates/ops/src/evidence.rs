//! Everything about a case in one file: what was signed and what it was judged by, what was done
//! to it, and the proof that the log says so; and its judgement years later.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use domain::letter::Letter;
use domain::{Act, CaseId};
use pki::{Evidence, Judgement, Purpose, SigningInput, TrustStore};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::native::Native;
use store::{Cases, EvidenceRow, LetterRow, LogRow};

use crate::audit::{Tree, is_included, last_checkpoint, open_checkpoint, read_checkpoint};

/// The file's format.
const FORMAT: &str = "chayan-case/3";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ExportedCase {
    format: String,
    case_id: String,
    /// The application, and each answer to a question; of a registration, what each card signed.
    messages: Vec<Message>,
    /// The letters about it, as they were written.
    letters: Vec<ExportedLetter>,
    /// What was done to the case: decisions too.
    log: Vec<Entry>,
    /// The signed checkpoint that the entries' proofs lead to (C2SP tlog-checkpoint).
    checkpoint: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Message {
    version: i64,
    received_at: jiff::Timestamp,
    /// The CMS message exactly as received, Base64.
    signed_data: String,
    judgement: Judgement,
    /// Of the certificate that was uploaded with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    certificate_judgement: Option<Judgement>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ExportedLetter {
    /// Its number, as the log names it.
    id: i64,
    kind: String,
    subject: String,
    body: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    place: i64,
    /// The entry's text, as it was hashed.
    entry: String,
    /// Inclusion proof (RFC 6962, section 2.1.1), hexadecimal; empty for entries after the
    /// checkpoint.
    proof: Vec<String>,
}

/// The file's text; with the last checkpoint of a folder, also the proofs that lead to it.
pub(crate) fn export(
    cases: &Cases<Native>,
    id: &str,
    checkpoints: Option<&Path>,
) -> anyhow::Result<String> {
    let case = CaseId::parse(id).context("a serial number has 36 characters")?;
    let messages = cases.evidence(case)?;
    ensure!(!messages.is_empty(), "there is no such case");
    let message = |row: EvidenceRow| Message {
        version: row.version,
        received_at: row.received_at,
        signed_data: BASE64_STANDARD.encode(row.signed_data),
        judgement: row.judgement,
        certificate_judgement: row.certificate_judgement,
    };
    let letter = |row: LetterRow| ExportedLetter {
        id: row.id,
        kind: row.kind,
        subject: row.letter.subject,
        body: row.letter.body,
    };
    let letters = cases.letters_of_case(case)?.into_iter().map(letter).collect();
    let tree = Tree::read(cases)?;
    let checkpoint = checkpoints.map(last_checkpoint).transpose()?;
    let size = match &checkpoint {
        None => 0,
        Some(text) => read_checkpoint(text)?.1.size(),
    };
    let mut log = Vec::new();
    for row in cases.log_of_case(case)? {
        let LogRow { place, entry, .. } = row;
        let at = u64::try_from(place)?;
        let proof = if at < size { tree.proof(at, size)? } else { Vec::new() };
        log.push(Entry { place, entry, proof });
    }
    let exported = ExportedCase {
        format: FORMAT.into(),
        case_id: id.into(),
        messages: messages.into_iter().map(message).collect(),
        letters,
        log,
        checkpoint: checkpoint.map(String::from_utf8).transpose()?,
    };
    Ok(serde_json::to_string_pretty(&exported)?)
}

/// What a file is judged by.
pub(crate) struct Means {
    /// The trust store; without it the path in the file is taken.
    pub(crate) trust: Option<TrustStore>,
    /// Revocation lists that were kept.
    pub(crate) lists: Vec<PathBuf>,
    /// The public key of the log's checkpoints.
    pub(crate) log_key: Option<String>,
}

/// Judges a file again; what was found, line by line.
pub(crate) fn verify(file: &Path, means: Means) -> anyhow::Result<Vec<String>> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let exported: ExportedCase = serde_json::from_str(&text).context("not an exported case")?;
    if exported.format != FORMAT {
        bail!("the format {:?} is not known", exported.format);
    }
    let mut lines = vec![format!("case        {}", exported.case_id)];
    let lists = means
        .lists
        .iter()
        .map(|path| crate::revocation::der_of(path))
        .collect::<anyhow::Result<Vec<_>>>()?;
    for message in &exported.messages {
        judge(message, means.trust.as_ref(), &lists, &mut lines)?;
    }
    verify_log(&exported, means.log_key.as_deref(), &mut lines)?;
    Ok(lines)
}

fn judge(
    message: &Message,
    trust: Option<&TrustStore>,
    lists: &[Vec<u8>],
    lines: &mut Vec<String>,
) -> anyhow::Result<()> {
    let judgement = &message.judgement;
    let recorded;
    let judged_by = match trust {
        Some(trust) => trust,
        None => {
            recorded = judgement.recorded_trust()?;
            &recorded
        }
    };
    let bytes = BASE64_STANDARD.decode(&message.signed_data).context("signedData")?;
    let again = judgement.judge_again(&bytes, judged_by, lists)?;
    let input = SigningInput::from_canonical(&again.content).context("the signed content")?;
    lines.extend([
        format!("message {}   judged at {} by {}", message.version, judgement.at, judgement.policy),
        format!(
            "signer      {} {}",
            again.credential.name,
            again.credential.ubn.unwrap_or_default()
        ),
        format!("purpose     {} for {}", input.purpose.name(), input.origin),
        "signature   verifies, with its path, at that instant".to_owned(),
    ]);
    let anchor = judgement.path.last().context("no anchor")?;
    let anchor = pki::Fingerprint::of(&BASE64_STANDARD.decode(anchor)?);
    lines.push(if trust.is_some() {
        format!("anchor      {anchor}, in the trust store")
    } else {
        format!("anchor      {anchor}: compare it with the one published, or give --trust")
    });
    revocation(&again.evidence, ["issuing CA", "certificate"], lines);
    if input.purpose != Purpose::UploadCertificate {
        return Ok(());
    }
    let judgement = message.certificate_judgement.as_ref();
    let judgement = judgement.context("the judgement of the uploaded certificate is missing")?;
    let file = input.document["certificateFile"].as_str().unwrap_or_default();
    let file = BASE64_STANDARD.decode(file).context("certificateFile")?;
    let recorded = judgement.recorded_trust()?;
    let evidence = judgement.uploaded_again(&file, trust.unwrap_or(&recorded), lists)?;
    lines.push(format!("uploaded    certificate judged at {}: its path stands", judgement.at));
    revocation(&evidence, ["its issuing CA", "uploaded certificate"], lines);
    Ok(())
}

fn revocation(evidence: &[Evidence], whose: [&str; 2], lines: &mut Vec<String>) {
    for (evidence, whose) in evidence.iter().zip(whose) {
        lines.push(match evidence {
            Evidence::Proved => format!("revocation  {whose}: proved again"),
            Evidence::Recorded => {
                format!("revocation  {whose}: as recorded; give the list with --crl to prove it")
            }
        });
    }
}

/// Whether the log speaks of these messages and no others, and is in the checkpoint.
fn verify_log(
    exported: &ExportedCase,
    log_key: Option<&str>,
    lines: &mut Vec<String>,
) -> anyhow::Result<()> {
    let checkpoint = match (log_key, &exported.checkpoint) {
        (Some(key), Some(text)) => Some(open_checkpoint(text.as_bytes(), key)?),
        (Some(_), None) => bail!("the file has no checkpoint: export the case with --checkpoints"),
        (None, _) => None,
    };
    let mut digests = Vec::new();
    let mut letters = Vec::new();
    let mut proved = 0;
    for found in &exported.log {
        let row = LogRow {
            place: found.place,
            entry: found.entry.clone(),
            leaf: store::leaf_hash(&found.entry),
        };
        let deed = row.deed().map_err(|_| anyhow::anyhow!("entry {} is none", found.place))?;
        ensure!(
            deed.case.map(|id| id.to_string()).as_deref() == Some(exported.case_id.as_str()),
            "entry {} is about another case",
            found.place
        );
        if matches!(deed.act, Act::Submitted | Act::Answered | Act::Countersigned | Act::Uploaded) {
            let digest = deed.details["signedDataSha256"].as_str().unwrap_or_default();
            digests.push(digest.to_owned());
        }
        if deed.act == Act::LetterWritten {
            letters.push(deed.details.clone());
        }
        let state = match &checkpoint {
            Some(checkpoint) if !found.proof.is_empty() || checkpoint.size() == 1 => {
                let place = u64::try_from(found.place)?;
                ensure!(
                    is_included(checkpoint, place, &found.entry, &found.proof)?,
                    "entry {} is not in the log that was signed",
                    found.place
                );
                proved += 1;
                "proved"
            }
            _ => "as recorded",
        };
        lines.push(format!(
            "log         {} {} by {}: {state}",
            deed.at,
            deed.act.name(),
            deed.actor
        ));
    }
    let kept: Vec<String> = exported
        .messages
        .iter()
        .map(|message| {
            let bytes = BASE64_STANDARD.decode(&message.signed_data)?;
            Ok(hex::encode(Sha256::digest(bytes)))
        })
        .collect::<anyhow::Result<_>>()?;
    ensure!(kept == digests, "the log speaks of other messages");
    verify_letters(exported, &letters, lines)?;
    if checkpoint.is_some() {
        let all = exported.log.len();
        ensure!(
            proved == all,
            "{proved} of {all} entries are proved: make a checkpoint, and export the case again"
        );
    }
    lines.push(match (&checkpoint, &exported.checkpoint) {
        (Some(checkpoint), _) => format!(
            "checkpoint  of {} entries by {}: {proved} of {} entries proved",
            checkpoint.size(),
            checkpoint.origin(),
            exported.log.len()
        ),
        (None, Some(_)) => "checkpoint  not looked at: give --log-key to prove the entries".into(),
        (None, None) => "checkpoint  none in the file: the entries are as recorded".into(),
    });
    Ok(())
}

/// Whether the letters are those of which the log has the digests, and no others.
fn verify_letters(
    exported: &ExportedCase,
    told: &[serde_json::Value],
    lines: &mut Vec<String>,
) -> anyhow::Result<()> {
    ensure!(
        exported.letters.len() == told.len(),
        "the log speaks of {} letters, the file has {}",
        told.len(),
        exported.letters.len()
    );
    for (letter, told) in exported.letters.iter().zip(told) {
        let ExportedLetter { id, kind, subject, body } = letter;
        let text = Letter { subject: subject.clone(), body: body.clone() };
        let same = told["letter"] == *id
            && told["kind"] == kind.as_str()
            && told["sha256"] == store::letter_digest(&text);
        ensure!(same, "letter {id} is not the one that the log speaks of");
        lines.push(format!("letter      {id} {kind}: as the log has it: {subject}"));
    }
    Ok(())
}
