//! Revocation lists from files: for installations without a way out, and for the first
//! start.

use std::path::Path;

use anyhow::Context;
use jiff::Timestamp;
use pki::TrustStore;
use store::Taken;
use store::native::Native;

/// Takes a list, DER or PEM, and says what became of it.
pub(crate) fn import(
    database: &Native,
    file: &Path,
    trust: &TrustStore,
    now: Timestamp,
) -> anyhow::Result<String> {
    let bytes = std::fs::read(file)?;
    let bytes = match bytes.first() {
        Some(0x30) => bytes,
        _ => pem::parse(&bytes).context("neither DER nor PEM")?.into_contents(),
    };
    Ok(match store::take_list(database, &bytes, trust, now)? {
        Taken::New { entries } => format!("taken, {entries} entries"),
        Taken::Same => "the same list counts already".to_owned(),
        Taken::Older => "not taken: a newer list counts".to_owned(),
    })
}
