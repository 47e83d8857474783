//! The register of citizens' certificates: CSV in, keyed digests kept, in one transaction.

use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, bail, ensure};
use domain::{DigestKey, NationalId};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::civil::Date;
use sha2::{Digest, Sha256};
use store::native::Native;
use store::{Citizens, Transaction};

/// What is imported.
pub(crate) struct Source<'a> {
    pub(crate) file: &'a Path,
    pub(crate) as_of: Date,
    /// The digest that came with the file, in hexadecimal.
    pub(crate) sha256: Option<&'a str>,
}

/// Lines between two signs of progress.
const STEP: usize = 10_000;

/// Puts a file in the place of the register, and returns the number of its certificates. A line
/// that cannot be read ends it, by its number and never by its content; the register is then as
/// it was.
pub(crate) fn import(
    database: &Native,
    source: &Source<'_>,
    key: &DigestKey,
) -> anyhow::Result<usize> {
    let now = jiff::Timestamp::now();
    let today = domain::RocDay::of(now).0;
    ensure!(source.as_of <= today, "{} is yet to come", source.as_of);
    let text = std::fs::read(source.file)
        .with_context(|| format!("cannot read {}", source.file.display()))?;
    let sha256: [u8; 32] = Sha256::digest(&text).into();
    if let Some(expected) = source.sha256 {
        let found = hex::encode(sha256);
        ensure!(expected.eq_ignore_ascii_case(&found), "the file's SHA-256 is {found}");
    }
    let bar = ProgressBar::new(u64::try_from(text.len())?);
    bar.set_style(ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes}, {eta}")?);
    let transaction = Transaction::begin(database)?;
    let citizens = Citizens(&transaction);
    if let Some(known) = citizens.imported_as_of()? {
        ensure!(known <= source.as_of, "a file of {known} was imported already: this one is older");
    }
    ensure!(!citizens.is_imported(&sha256)?, "this very file was imported already");
    citizens.clear()?;
    let mut reader = csv::Reader::from_reader(&text[..]);
    let head: Vec<_> = reader.headers()?.iter().map(str::to_owned).collect();
    ensure!(
        head == ["subjectSerial", "nationalId", "opened"],
        "line 1: the columns are subjectSerial, nationalId, opened"
    );
    let mut count = 0;
    let mut record = csv::StringRecord::new();
    loop {
        let line = count + 2;
        let more = reader.read_record(&mut record);
        if !more.map_err(|_| anyhow::anyhow!("line {line} cannot be read"))? {
            break;
        }
        let (serial, person, opened) =
            parse(&record, key).with_context(|| format!("line {line}"))?;
        citizens.put(serial, person, opened)?;
        count += 1;
        if count % STEP == 0 {
            bar.set_position(record.position().map_or(0, csv::Position::byte));
        }
    }
    ensure!(count > 0, "no certificates in this file");
    citizens.keep_import(&sha256, source.as_of, i64::try_from(count)?, now)?;
    transaction.commit()?;
    bar.finish();
    Ok(count)
}

fn parse<'a>(
    record: &'a csv::StringRecord,
    key: &DigestKey,
) -> anyhow::Result<(&'a str, domain::PersonDigest, bool)> {
    let serial = &record[0];
    let digits = serial.len() == 16 && serial.bytes().all(|byte| byte.is_ascii_digit());
    ensure!(digits, "subjectSerial has 16 digits");
    let person = NationalId::parse(&record[1]).context("nationalId is none")?;
    let opened = match &record[2] {
        "yes" => true,
        "no" => false,
        _ => bail!("opened must be yes or no"),
    };
    Ok((serial, key.person_of(&person), opened))
}

/// Writes fictional certificates, the same for the same seed: one in ten not opened.
pub(crate) fn generate(count: u64, seed: u64, out: impl Write) -> anyhow::Result<()> {
    ensure!(count <= 10_000_000, "there are no more than ten million");
    let mut out = BufWriter::new(out);
    writeln!(out, "subjectSerial,nationalId,opened")?;
    for index in 0..count {
        // A prime that shares no factor with ten million: every number comes once.
        let place = (index * 3_141_593 + seed) % 10_000_000;
        let letter = b'A' + u8::try_from(seed % 26)?;
        let person = NationalId::with_check_digit(letter, 1, u32::try_from(place)?);
        let opened = if place.is_multiple_of(10) { "no" } else { "yes" };
        writeln!(out, "{:016},{person},{opened}", 9_000_000_000 + index)?;
    }
    Ok(out.flush()?)
}
