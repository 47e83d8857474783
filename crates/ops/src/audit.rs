//! The audit log from outside: signed checkpoints (C2SP tlog-checkpoint over the Merkle tree of
//! RFC 6962), and whether the log still is what they say.
//!
//! A checkpoint is kept where whoever could change the database cannot: only then does it show
//! that entries are gone, were changed, or that an old database was put back.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use domain::{Act, CaseId};
use rand_core::OsRng;
use signed_note::{Note, StandardSigner, StandardVerifier, VerifierList};
use store::native::Native;
use store::{Cases, LogRow};
use tlog_tiles::{
    Checkpoint, Error, Hash, HashReader, check_record, prove_record, stored_hashes_for_record_hash,
    tree_hash,
};

/// Makes a key for checkpoints: the secret one into a file that only its owner reads. Returns
/// the public one, for whoever verifies.
pub(crate) fn new_key(name: &str, file: &Path) -> anyhow::Result<String> {
    ensure!(signed_note::is_key_name_valid(name), "a name has no spaces and no plus sign");
    let (secret, public) = signed_note::generate_key(&mut OsRng, name);
    let mut options = std::fs::OpenOptions::new();
    let mut out = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .with_context(|| format!("cannot write {}", file.display()))?;
    writeln!(out, "{secret}")?;
    Ok(public)
}

/// The tree over the log: its stored hashes, and the entries as they stand.
pub(crate) struct Tree {
    hashes: Vec<Hash>,
    size: u64,
}

impl HashReader for Tree {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        indexes
            .iter()
            .map(|index| {
                let found = usize::try_from(*index).ok().and_then(|index| self.hashes.get(index));
                found.copied().ok_or(Error::IndexesNotInTree)
            })
            .collect()
    }
}

impl Tree {
    /// Reads the whole log and checks each entry by itself and by the one before it.
    ///
    /// # Errors
    /// The first place that is not as it was written.
    pub(crate) fn read(cases: &Cases<Native>) -> anyhow::Result<Self> {
        let mut tree = Self { hashes: Vec::new(), size: 0 };
        let mut previous = None;
        loop {
            let from = i64::try_from(tree.size)?;
            let rows = cases.log_from(from)?;
            if rows.is_empty() {
                return Ok(tree);
            }
            for row in &rows {
                tree.append(row, previous.as_ref())?;
                previous = Some(row.leaf);
            }
        }
    }

    fn append(&mut self, row: &LogRow, previous: Option<&[u8; 32]>) -> anyhow::Result<()> {
        let place = self.size;
        ensure!(
            u64::try_from(row.place) == Ok(place),
            "entry {place} is missing: {} follows in its place",
            row.place
        );
        ensure!(store::leaf_hash(&row.entry) == row.leaf, "entry {place} was changed");
        ensure!(
            row.previous() == previous.map(hex::encode),
            "entry {place} does not follow the one before it"
        );
        let more = stored_hashes_for_record_hash(place, Hash(row.leaf), self)
            .map_err(|error| anyhow::anyhow!("{error:?}"))?;
        self.hashes.extend(more);
        self.size += 1;
        Ok(())
    }

    /// The root of the tree as it was with so many entries.
    fn root(&self, size: u64) -> anyhow::Result<Hash> {
        tree_hash(size, self).map_err(|error| anyhow::anyhow!("{error:?}"))
    }

    /// The proof that an entry is in the tree of this size: hashes, in hexadecimal.
    pub(crate) fn proof(&self, place: u64, size: u64) -> anyhow::Result<Vec<String>> {
        let proof = prove_record(size, place, self);
        let proof = proof.map_err(|error| anyhow::anyhow!("{error:?}"))?;
        Ok(proof.iter().map(|hash| hex::encode(hash.0)).collect())
    }
}

/// Whether an entry is in the tree that a checkpoint speaks of.
pub(crate) fn is_included(
    checkpoint: &Checkpoint,
    place: u64,
    entry: &str,
    proof: &[String],
) -> anyhow::Result<bool> {
    let mut hashes = Vec::new();
    for hash in proof {
        let bytes: [u8; 32] =
            hex::decode(hash)?.try_into().map_err(|_| anyhow::anyhow!("a hash has 32 bytes"))?;
        hashes.push(Hash(bytes));
    }
    let leaf = Hash(store::leaf_hash(entry));
    Ok(check_record(&hashes, checkpoint.size(), *checkpoint.hash(), place, leaf).is_ok())
}

/// Reads a checkpoint, whoever signed it.
pub(crate) fn read_checkpoint(text: &[u8]) -> anyhow::Result<(Note, Checkpoint)> {
    let note = Note::from_bytes(text).map_err(|_| anyhow::anyhow!("not a checkpoint"))?;
    let checkpoint =
        Checkpoint::from_bytes(note.text()).map_err(|_| anyhow::anyhow!("not a checkpoint"))?;
    Ok((note, checkpoint))
}

/// Reads a checkpoint and its signature.
pub(crate) fn open_checkpoint(text: &[u8], public_key: &str) -> anyhow::Result<Checkpoint> {
    let verifier = StandardVerifier::new(public_key.trim())
        .map_err(|error| anyhow::anyhow!("the public key: {error}"))?;
    let (note, checkpoint) = read_checkpoint(text)?;
    note.verify(&VerifierList::new(vec![Box::new(verifier)]))
        .map_err(|_| anyhow::anyhow!("not signed by this key"))?;
    Ok(checkpoint)
}

/// The checkpoints of a folder, by size.
fn checkpoints(folder: &Path) -> anyhow::Result<BTreeMap<u64, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let files =
        std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for file in files {
        let path = file?.path();
        let size = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
        if let Some(size) = size.filter(|_| path.extension().is_some_and(|end| end == "note")) {
            found.insert(size, std::fs::read(&path)?);
        }
    }
    Ok(found)
}

/// The last checkpoint of a folder.
pub(crate) fn last_checkpoint(folder: &Path) -> anyhow::Result<Vec<u8>> {
    let (_, last) = checkpoints(folder)?.pop_last().context("there is no checkpoint")?;
    Ok(last)
}

/// Signs what the log is now, once it was found to continue the last checkpoint. Returns its
/// size and where the checkpoint lies.
pub(crate) fn checkpoint(
    cases: &Cases<Native>,
    key_file: &Path,
    folder: &Path,
) -> anyhow::Result<String> {
    let secret = std::fs::read_to_string(key_file)
        .with_context(|| format!("cannot read {}", key_file.display()))?;
    let signer = StandardSigner::new(secret.trim())
        .map_err(|error| anyhow::anyhow!("{}: {error}", key_file.display()))?;
    std::fs::create_dir_all(folder)?;
    let tree = Tree::read(cases)?;
    for (size, text) in checkpoints(folder)? {
        read_checkpoint(&text)
            .and_then(|(_, checkpoint)| compare(&tree, &checkpoint))
            .with_context(|| format!("the checkpoint of {size} entries"))?;
    }
    let origin = signed_note::Signer::name(&signer).to_owned();
    let checkpoint = Checkpoint::new(&origin, tree.size, tree.root(tree.size)?, "")
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    let mut note =
        Note::new(&checkpoint.to_bytes(), &[]).map_err(|error| anyhow::anyhow!("{error}"))?;
    note.add_sigs(&[&signer]).map_err(|error| anyhow::anyhow!("{error}"))?;
    let path = folder.join(format!("{}.note", tree.size));
    let new = path.with_extension("new");
    std::fs::write(&new, note.to_bytes())?;
    std::fs::rename(&new, &path)?;
    Ok(format!("{} entries: {}", tree.size, path.display()))
}

/// Whether the log still has what a checkpoint speaks of.
fn compare(tree: &Tree, checkpoint: &Checkpoint) -> anyhow::Result<()> {
    let size = checkpoint.size();
    if size > tree.size {
        bail!(
            "the log has {} entries only: it was cut off, or an old database was put back",
            tree.size
        );
    }
    ensure!(
        tree.root(size)? == *checkpoint.hash(),
        "the first {size} entries are not those that were signed"
    );
    Ok(())
}

/// Whether letters and the results of cases are what the log says that they were.
fn compare_records(cases: &Cases<Native>) -> anyhow::Result<usize> {
    let mut results = BTreeMap::new();
    let (mut from, mut told) = (0, 0);
    loop {
        let rows = cases.log_from(from)?;
        let Some(last) = rows.last() else { break };
        from = last.place + 1;
        for row in &rows {
            let deed = row.deed()?;
            match (deed.act, deed.case) {
                (Act::LetterWritten, _) => {
                    let id = deed.details["letter"].as_i64().context("a letter without number")?;
                    let letter =
                        cases.letter(id)?.with_context(|| format!("letter {id} is gone"))?;
                    let digest = store::letter_digest(&letter.letter);
                    ensure!(deed.details["sha256"] == digest, "letter {id} was changed");
                    told += 1;
                }
                (Act::Approved | Act::Rejected, Some(case)) => {
                    results.insert(case.to_string(), Some(deed.details["result"].clone()));
                }
                (Act::SetAside, Some(case)) => {
                    results.insert(case.to_string(), None);
                }
                _ => {}
            }
        }
    }
    for (id, result) in &results {
        let case = CaseId::parse(id).context("a case without number")?;
        let kept = cases.case(case)?.result;
        let told_so = result.as_ref().and_then(|text| text.as_str()).map(str::to_owned);
        ensure!(kept == told_so, "the result of case {id} was changed");
        told += 1;
    }
    Ok(told)
}

/// Verifies the log by itself, and by every checkpoint that was kept.
pub(crate) fn verify(
    cases: &Cases<Native>,
    public_key: &str,
    folder: &Path,
) -> anyhow::Result<Vec<String>> {
    let tree = Tree::read(cases)?;
    let mut lines = vec![format!("log         {} entries, each as it was written", tree.size)];
    let kept = checkpoints(folder)?;
    ensure!(!kept.is_empty(), "there is no checkpoint in {}", folder.display());
    for (size, text) in &kept {
        open_checkpoint(text, public_key)
            .and_then(|checkpoint| compare(&tree, &checkpoint))
            .with_context(|| format!("the checkpoint of {size} entries"))?;
    }
    let last = kept.keys().last().copied().unwrap_or_default();
    lines.push(format!("checkpoints {}, the last one of {last} entries", kept.len()));
    let told = compare_records(cases)?;
    lines.push(format!("records     {told} letters and results, as the log has them"));
    lines.push(format!("since then  {} entries that no checkpoint covers yet", tree.size - last));
    Ok(lines)
}
