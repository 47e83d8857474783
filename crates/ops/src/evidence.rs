//! A case's signature and what it was judged by, in one file; and its judgement years
//! later.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use pki::{Evidence, Judgement, SigningInput, TrustStore};
use serde::{Deserialize, Serialize};
use store::Cases;
use store::native::Native;

/// The file's format.
const FORMAT: &str = "chayan-case/1";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ExportedCase {
    format: String,
    case_id: String,
    /// The CMS message exactly as received, Base64.
    signed_data: String,
    judgement: Judgement,
}

/// The file's text.
pub(crate) fn export(cases: &Cases<Native>, id: &str) -> anyhow::Result<String> {
    let (signed_data, judgement) = cases.evidence(id)?.context("there is no such case")?;
    let exported = ExportedCase {
        format: FORMAT.into(),
        case_id: id.into(),
        signed_data: BASE64_STANDARD.encode(signed_data),
        judgement,
    };
    Ok(serde_json::to_string_pretty(&exported)?)
}

/// Judges a file again; what was found, line by line.
pub(crate) fn verify(
    file: &Path,
    trust: Option<TrustStore>,
    lists: &[PathBuf],
) -> anyhow::Result<Vec<String>> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let exported: ExportedCase = serde_json::from_str(&text).context("not an exported case")?;
    if exported.format != FORMAT {
        bail!("the format {:?} is not known", exported.format);
    }
    let ExportedCase { judgement, case_id, .. } = &exported;
    let lists = lists
        .iter()
        .map(|path| crate::revocation::der_of(path))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let given = trust.is_some();
    let trust = match trust {
        Some(trust) => trust,
        None => judgement.recorded_trust()?,
    };
    let message = BASE64_STANDARD.decode(&exported.signed_data).context("signedData")?;
    let again = judgement.judge_again(&message, &trust, &lists)?;
    let input = SigningInput::from_canonical(&again.content).context("the signed content")?;
    let mut lines = vec![
        format!("case        {case_id}"),
        format!("judged at   {} by {}", judgement.at, judgement.policy),
        format!(
            "signer      {} {}",
            again.credential.name,
            again.credential.ubn.unwrap_or_default()
        ),
        format!("purpose     {} for {}", input.purpose.name(), input.origin),
        "signature   verifies, with its path, at that instant".to_owned(),
    ];
    let anchor = judgement.path.last().context("no anchor")?;
    let anchor = pki::Fingerprint::of(&BASE64_STANDARD.decode(anchor)?);
    lines.push(if given {
        format!("anchor      {anchor}, in the trust store")
    } else {
        format!("anchor      {anchor}: compare it with the one published, or give --trust")
    });
    for (evidence, whose) in again.evidence.iter().zip(["issuing CA", "certificate"]) {
        lines.push(match evidence {
            Evidence::Proved => format!("revocation  {whose}: proved again"),
            Evidence::Recorded => {
                format!("revocation  {whose}: as recorded; give the list with --crl to prove it")
            }
        });
    }
    Ok(lines)
}
