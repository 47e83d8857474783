//! Revocation lists from files: for installations without a way out, and for the first
//! start.

use std::path::Path;

use anyhow::Context;
use jiff::Timestamp;
use pki::TrustStore;
use store::native::Native;
use store::{Cases, Revocation, Standings, Taken, Transaction};

/// The DER in a file that is DER or PEM.
pub(crate) fn der_of(file: &Path) -> anyhow::Result<Vec<u8>> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    match bytes.first() {
        Some(0x30) => Ok(bytes),
        _ => Ok(pem::parse(&bytes).context("neither DER nor PEM")?.into_contents()),
    }
}

/// Takes a list, DER or PEM, and says what became of it.
pub(crate) fn import(
    database: &Native,
    file: &Path,
    trust: &TrustStore,
    now: Timestamp,
) -> anyhow::Result<String> {
    let bytes = der_of(file)?;
    Ok(match store::take_list(database, &bytes, trust, now)? {
        Taken::New { entries } => format!("taken, {entries} entries"),
        Taken::Same => "the same list counts already".to_owned(),
        Taken::Older => "not taken: a newer list counts".to_owned(),
    })
}

/// Judges again every certificate that tokens are signed with; what changed, a line each. One
/// that cannot be judged, for want of a list, stays as it is.
pub(crate) fn check(
    cases: &Native,
    lists: &Native,
    trust: &TrustStore,
    now: Timestamp,
) -> anyhow::Result<Vec<String>> {
    let mut changes = Vec::new();
    let standings = Standings { lists: Revocation(lists), cards: Cases(cases) };
    for found in Cases(cases).certificates_in_use(now)? {
        let Some(revoked) = found.judge(trust, &standings, now)? else { continue };
        let transaction = Transaction::begin(cases)?;
        let ubn = Cases(&transaction).set_revoked(&found.sha256, revoked, now)?;
        transaction.commit()?;
        let word = if revoked { "refused from now on" } else { "accepted again" };
        changes.push(format!("certificate of {ubn}: {word}"));
    }
    Ok(changes)
}
