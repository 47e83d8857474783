//! Import of identity cards: CSV in, keyed digests kept. All or nothing.

use std::path::Path;

use anyhow::{Context, bail};
use domain::{DigestKey, IdCard};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use store::native::Native;
use store::{IdCardRow, Register, Transaction};

/// A line of the file.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Line {
    person_id: String,
    apply_code: String,
    apply_yyymmdd: String,
    issue_site_id: String,
    /// `valid`, `stopped` or `lost`.
    state: String,
}

/// Lines between two steps of the progress bar.
const STEP: u64 = 10_000;

/// Imports a file in one transaction and returns the number of cards. A line that
/// cannot be read stops the import; its number is told, never its content.
pub(crate) fn id_cards(database: &Native, file: &Path, key: &DigestKey) -> anyhow::Result<u64> {
    let size =
        std::fs::metadata(file).with_context(|| format!("cannot read {}", file.display()))?.len();
    let mut reader = csv::Reader::from_path(file)?;
    let bar = ProgressBar::new(size)
        .with_style(ProgressStyle::with_template("{bar:40} {percent:>3} % {elapsed} {msg}")?);
    let transaction = Transaction::begin(database)?;
    let register = Register(&transaction);
    let mut imported = 0;
    let mut record = csv::StringRecord::new();
    let headers = reader.headers()?.clone();
    while reader.read_record(&mut record).map_err(|_| unreadable(imported))? {
        let line: Line = record.deserialize(Some(&headers)).map_err(|_| unreadable(imported))?;
        let Line { person_id, apply_code, apply_yyymmdd, issue_site_id, state } = line;
        let card = IdCard::new(&person_id, &apply_code, &apply_yyymmdd, &issue_site_id)
            .map_err(|error| anyhow::anyhow!("line {}: {error}", imported + 2))?;
        let state = match state.as_str() {
            "valid" => 0,
            "stopped" => 6,
            "lost" => 7,
            _ => bail!("line {}: state must be valid, stopped or lost", imported + 2),
        };
        register.put(&IdCardRow { person: key.person(&card), card: key.card(&card), state })?;
        imported += 1;
        if imported % STEP == 0 {
            bar.set_position(record.position().map_or(0, csv::Position::byte));
            bar.set_message(format!("{imported} cards"));
        }
    }
    transaction.commit()?;
    bar.finish_with_message(format!("{imported} cards"));
    Ok(imported)
}

fn unreadable(imported: u64) -> anyhow::Error {
    anyhow::anyhow!("line {} cannot be read", imported + 2)
}
