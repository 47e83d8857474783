//! Identity cards: CSV in, keyed digests kept. What changed on a day is one transaction; the
//! whole register is sorted in memory and filled beside the one that answers.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError, mpsc};

use anyhow::{Context, bail, ensure};
use domain::{CardDigest, DigestKey, IdCard, NationalId, PersonDigest};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::civil::Date;
use sha2::{Digest, Sha256};
use store::native::Native;
use store::{CardFile, IdCardRow, Register, Transaction, WholeRegister};

/// What is imported.
pub(crate) struct Source<'a> {
    pub(crate) file: &'a Path,
    pub(crate) as_of: Date,
    pub(crate) whole: bool,
    /// The digest that came with the file, in hexadecimal.
    pub(crate) sha256: Option<&'a str>,
}

/// Which column is which.
struct Columns {
    person_id: usize,
    apply_code: usize,
    apply_yyymmdd: usize,
    issue_site_id: usize,
    /// `valid`, `stopped` or `lost`.
    state: usize,
    /// `yes`, when the holder had another number before; the column may be left out.
    number_changed: Option<usize>,
}

impl Columns {
    fn of(head: &csv::StringRecord) -> anyhow::Result<Self> {
        let known =
            ["personId", "applyCode", "applyYyymmdd", "issueSiteId", "state", "numberChanged"];
        if let Some(name) = head.iter().find(|name| !known.contains(name)) {
            bail!("line 1: nobody knows a column {name:?}");
        }
        let place = |name: &str| head.iter().position(|found| found == name);
        let needed = |name| place(name).with_context(|| format!("line 1: no column {name}"));
        Ok(Self {
            person_id: needed("personId")?,
            apply_code: needed("applyCode")?,
            apply_yyymmdd: needed("applyYyymmdd")?,
            issue_site_id: needed("issueSiteId")?,
            state: needed("state")?,
            number_changed: place("numberChanged"),
        })
    }
}

/// Bytes that are read at a time.
const BLOCK: usize = 4 << 20;

/// A card as it is kept while it is sorted.
#[derive(Clone, Copy)]
struct Sorted {
    person: [u8; 16],
    card: [u8; 16],
    state: u8,
    changed: bool,
}

impl Sorted {
    fn row(self) -> IdCardRow {
        IdCardRow {
            person: PersonDigest(self.person),
            card: CardDigest(self.card),
            state: i64::from(self.state),
            changed: self.changed,
        }
    }
}

/// Imports a file and returns the number of cards. A line that cannot be read ends it, by its
/// number and never by its content; the register is then as it was.
pub(crate) fn import(
    database: &Native,
    source: &Source<'_>,
    key: &DigestKey,
) -> anyhow::Result<usize> {
    let now = jiff::Timestamp::now();
    let today = domain::RocDay::of(now).0;
    ensure!(source.as_of <= today, "{} is yet to come", source.as_of);
    let register = Register(database);
    if let Some(known) = register.imported_as_of()? {
        ensure!(known <= source.as_of, "a file of {known} was imported already: this one is older");
    }
    let (parts, sha256) = digest(source.file, key)?;
    let file = CardFile { sha256, as_of: source.as_of, whole: source.whole };
    if let Some(expected) = source.sha256 {
        let found = hex::encode(sha256);
        ensure!(expected.eq_ignore_ascii_case(&found), "the file's SHA-256 is {found}");
    }
    ensure!(!register.is_imported(&sha256)?, "this very file was imported already");
    let cards: usize = parts.iter().map(Vec::len).sum();
    ensure!(cards > 0, "no cards in this file");
    let count = i64::try_from(cards)?;
    if source.whole {
        fill(database, file, parts, count, now)?;
    } else {
        let mut all = parts.concat();
        all.sort_unstable_by_key(|card| card.person);
        let twice = all.windows(2).any(|pair| pair[0].person == pair[1].person);
        ensure!(!twice, "a person comes twice in the file");
        let transaction = Transaction::begin(database)?;
        for card in all {
            Register(&transaction).put(&card.row())?;
        }
        Register(&transaction).keep_import(&file, count, now)?;
        transaction.commit()?;
    }
    Ok(cards)
}

/// Fills the new register with sorted cards, and puts it in the old one's place.
fn fill(
    database: &Native,
    file: CardFile,
    parts: Vec<Vec<Sorted>>,
    count: i64,
    now: jiff::Timestamp,
) -> anyhow::Result<()> {
    let bar = bar(u64::try_from(count)?, "{human_pos} of {human_len} cards, {eta}")?;
    let whole = WholeRegister::begin(database, file)?;
    let last = whole.last()?.map(|last| last.0);
    let mut parts: Vec<_> = parts
        .into_iter()
        .map(|part| {
            // What an interrupted import has left is there already.
            let begun = last.map_or(0, |last| part.partition_point(|card| card.person <= last));
            part.into_iter().skip(begun).peekable()
        })
        .collect();
    let mut previous = None;
    let merged = std::iter::from_fn(|| {
        let next = parts.iter_mut().filter_map(|part| Some((part.peek()?.person, part)));
        let (_, part) = next.min_by_key(|(person, _)| *person)?;
        part.next()
    });
    let mut twice = false;
    let merged = merged.take_while(|card| {
        twice = previous.replace(card.person) == Some(card.person);
        !twice
    });
    whole.append(merged.map(Sorted::row), |cards| {
        bar.set_position(u64::try_from(cards).unwrap_or_default());
    })?;
    ensure!(!twice, "a person comes twice in the file");
    whole.exchange(count, now)?;
    bar.finish();
    Ok(())
}

fn bar(length: u64, template: &str) -> anyhow::Result<ProgressBar> {
    let bar = ProgressBar::new(length);
    bar.set_style(ProgressStyle::with_template(&format!("{{bar:40}} {template}"))?);
    Ok(bar)
}

/// Lines, and the number of the first.
struct Block {
    text: Vec<u8>,
    line: usize,
}

/// Reads a file by all processors: the cards, sorted in parts, and the file's SHA-256.
fn digest(file: &Path, key: &DigestKey) -> anyhow::Result<(Vec<Vec<Sorted>>, [u8; 32])> {
    let mut reader = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    let bar = bar(reader.metadata()?.len(), "{bytes} of {total_bytes}")?;
    let threads = std::thread::available_parallelism()?.get();
    let (send, receive) = mpsc::sync_channel::<Block>(2 * threads);
    let receive = Mutex::new(receive);
    let mut head = Vec::new();
    let mut sha256 = Sha256::new();
    // The head line says which column is which.
    let mut rest = read_block(&mut reader, &mut sha256)?;
    let end = rest.iter().position(|byte| *byte == b'\n').context("no head line")? + 1;
    head.extend(rest.drain(..end));
    let columns = Columns::of(csv::Reader::from_reader(&head[..]).headers()?)?;
    std::thread::scope(|scope| {
        let workers: Vec<_> =
            (0..threads).map(|_| scope.spawn(|| digest_blocks(&receive, &columns, key))).collect();
        let mut line = 2;
        loop {
            let next = read_block(&mut reader, &mut sha256)?;
            bar.inc(u64::try_from(next.len())?);
            // A block ends with a line; what is behind it belongs to the next.
            let end = if next.is_empty() {
                rest.len()
            } else {
                rest.extend_from_slice(&next);
                rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1)
            };
            let text: Vec<u8> = rest.drain(..end).collect();
            let lines = text.iter().filter(|byte| **byte == b'\n').count();
            if !text.is_empty() && send.send(Block { text, line }).is_err() {
                break;
            }
            line += lines;
            if next.is_empty() {
                break;
            }
        }
        drop(send);
        let parts = workers
            .into_iter()
            .map(|worker| worker.join().map_err(|_| anyhow::anyhow!("a thread ended"))?)
            .collect::<anyhow::Result<Vec<_>>>()?;
        bar.finish_and_clear();
        Ok((parts, sha256.finalize().into()))
    })
}

fn read_block(reader: &mut File, sha256: &mut Sha256) -> anyhow::Result<Vec<u8>> {
    let mut block = Vec::with_capacity(BLOCK);
    reader.take(BLOCK as u64).read_to_end(&mut block)?;
    sha256.update(&block);
    Ok(block)
}

fn digest_blocks(
    blocks: &Mutex<mpsc::Receiver<Block>>,
    columns: &Columns,
    key: &DigestKey,
) -> anyhow::Result<Vec<Sorted>> {
    let (mut sorted, mut outcome) = (Vec::new(), Ok(()));
    loop {
        let next = blocks.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(block) = next else { break };
        // After a line that cannot be read the rest is let pass, so that nobody waits.
        if outcome.is_ok() {
            outcome = digest_block(&block, columns, key, &mut sorted);
        }
    }
    outcome?;
    sorted.sort_unstable_by_key(|card: &Sorted| card.person);
    Ok(sorted)
}

fn digest_block(
    block: &Block,
    columns: &Columns,
    key: &DigestKey,
    sorted: &mut Vec<Sorted>,
) -> anyhow::Result<()> {
    let Block { text, line } = block;
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(&text[..]);
    let mut record = csv::StringRecord::new();
    let mut read = 0;
    let unreadable = |read: usize| anyhow::anyhow!("line {} cannot be read", line + read);
    while reader.read_record(&mut record).map_err(|_| unreadable(read))? {
        let card = digested(&record, columns, key);
        sorted.push(card.with_context(|| format!("line {}", line + read))?);
        read += 1;
    }
    Ok(())
}

fn digested(
    line: &csv::StringRecord,
    columns: &Columns,
    key: &DigestKey,
) -> anyhow::Result<Sorted> {
    // Every line has as many columns as the first of its block, and that one is looked at here.
    let column = |place: usize| line.get(place).context("a column is missing");
    let card = IdCard::new(
        column(columns.person_id)?,
        column(columns.apply_code)?,
        column(columns.apply_yyymmdd)?,
        column(columns.issue_site_id)?,
    )?;
    let state = match column(columns.state)? {
        "valid" => 0,
        "stopped" => 6,
        "lost" => 7,
        _ => bail!("state must be valid, stopped or lost"),
    };
    let changed = match columns.number_changed.map(column).transpose()? {
        Some("yes") => true,
        Some("no" | "") | None => false,
        _ => bail!("numberChanged must be yes, no or empty"),
    };
    Ok(Sorted { person: key.person(&card).0, card: key.card(&card).0, state, changed })
}

/// Numbers of the form A1xxxxxxx or A2xxxxxxx, with their check digits.
const NUMBERS: u64 = 26 * 2 * 10_000_000;

/// Writes fictional cards, the same for the same seed: numbers with valid check digits, none
/// twice, in no order; one in a thousand reported lost, one stopped, two in a hundred of somebody
/// who had another number before.
pub(crate) fn generate(count: u64, seed: u64, out: impl Write) -> anyhow::Result<()> {
    ensure!(count <= NUMBERS, "there are no more than {NUMBERS} numbers");
    const SITES: [&str; 4] = ["63000", "65000", "10003", "09007"];
    let mut out = BufWriter::new(out);
    writeln!(out, "personId,applyCode,applyYyymmdd,issueSiteId,state,numberChanged")?;
    for index in 0..count {
        // A prime that shares no factor with the number of numbers: every one comes once.
        let place = (u128::from(index) * 314_159_311 + u128::from(seed)) % u128::from(NUMBERS);
        let place = u64::try_from(place)?;
        let (serial, letter) = (u32::try_from(place % 10_000_000)?, place / 10_000_000);
        let second = u8::try_from(letter % 2 + 1)?;
        let letter = b'A' + u8::try_from(letter / 2)?;
        let person = NationalId::with_check_digit(letter, second, serial);
        let mixed = place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        let (code, year) = (mixed % 3 + 1, 94 + mixed / 3 % 21);
        let (month, day) = (mixed / 64 % 12 + 1, mixed / 1024 % 28 + 1);
        let site = SITES[usize::try_from(mixed / 32_768 % 4)?];
        let state = match mixed / 131_072 % 1000 {
            0 => "lost",
            1 => "stopped",
            _ => "valid",
        };
        let changed = if mixed / 7 % 50 == 0 { "yes" } else { "" };
        writeln!(out, "{person},{code},{year:03}{month:02}{day:02},{site},{state},{changed}")?;
    }
    Ok(out.flush()?)
}
