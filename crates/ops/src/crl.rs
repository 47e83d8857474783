//! `chayan crl`: signs and publishes the lists of a CA that is our own, after Taipei midnight.
//! Every list of a night is made and looked at before any is published; then all are, in one
//! transaction. Whatever goes wrong, the last ones stay. The lists in `--folder` count as last
//! ones as well: they remember what a database that was restored from a backup does not.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use domain::{Act, Actor, ListAttempt, TaipeiDay, listed_after};
use jiff::{SignedDuration, Timestamp};
use pki::revocation::{Crl, CrlEntry, CrlError, ListDraft, check_follows, signed_number};
use pki::{Certificate, Fingerprint, OwnAuthority, TrustStore};
use serde_json::json;
use store::native::Native;
use store::{Cases, Deed, PublishedList, Revocation, Transaction};

use crate::signer::Signer;

/// How long a certificate that has expired stays in the lists: until one after its end was
/// published (RFC 5280, section 3.3), nights that fail counted in.
const KEPT_EXPIRED: SignedDuration = SignedDuration::from_hours(7 * 24);
/// reasonCode removeFromCRL.
const REMOVED: u8 = 8;

/// How lists are published.
#[derive(clap::Args)]
pub(crate) struct CrlOptions {
    /// The trust store that calls the CA own.
    #[arg(long)]
    pub(crate) trust: PathBuf,
    #[command(flatten)]
    key: crate::signer::KeyOptions,
    /// Hours after the next midnight until which the lists may be relied on, should that night
    /// fail.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u8).range(1..=72))]
    grace_hours: u8,
    /// Publish though it was done today.
    #[arg(long)]
    again: bool,
    /// Publish a delta to the last complete list, too.
    #[arg(long)]
    delta: bool,
    /// Also write the lists to this folder, for a web server of its own. What lies there counts:
    /// numbers go on after it, and nothing is gone without a resumption.
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// The databases.
pub(crate) struct Databases<'a> {
    pub(crate) cases: &'a Native,
    pub(crate) lists: &'a Native,
}

/// Publishes; what happened, a line each.
pub(crate) fn run(
    databases: &Databases<'_>,
    trust: &TrustStore,
    options: &CrlOptions,
) -> anyhow::Result<Vec<String>> {
    let now = Timestamp::from_second(Timestamp::now().as_second())?;
    let own: Vec<_> = trust.own_issuers().collect();
    ensure!(!own.is_empty(), "the trust store calls no CA own (docs/cards.md)");
    let cases = Cases(databases.cases);
    let mut whose = None;
    let published = options.key.open().and_then(|signer| {
        let public = signer.public_key()?;
        let fits = |issuer: &Certificate| issuer.rsa_key().is_ok_and(|key| key.pkcs1() == public);
        let Some(found) = own.iter().find(|(issuer, _)| fits(issuer)) else {
            bail!("the key is not that of a CA that the trust store calls own");
        };
        let (issuer, own) = *found;
        let authority = Authority { issuer, own, fingerprint: issuer.fingerprint() };
        whose = Some(authority.fingerprint);
        // Whatever kills it from here on says nothing more: this stays.
        cases.note_publishing(authority.fingerprint, &ListAttempt::Begun, now)?;
        let lines = authority.publish(databases, &signer, options, now)?;
        authority.hand_out(databases, trust, options, now)?;
        cases.note_publishing(authority.fingerprint, &ListAttempt::Published, now)?;
        Ok(lines)
    });
    if let Err(error) = &published {
        let issuers: Vec<_> = own.iter().map(|(issuer, _)| issuer.fingerprint()).collect();
        let noted = note_failure(&cases, &issuers, whose, error, now);
        noted.with_context(|| format!("{error:#}; nor could that be noted"))?;
    }
    published
}

/// Says so on the pages, as far as that can be kept.
fn note_failure(
    cases: &Cases<&Native>,
    own: &[Fingerprint],
    whose: Option<Fingerprint>,
    error: &anyhow::Error,
    now: Timestamp,
) -> anyhow::Result<()> {
    let words: String = format!("{error:#}").chars().take(300).collect();
    let failed = ListAttempt::Failed(words);
    for issuer in own {
        // Without the key nobody knows which CA's night it was: each that publishes here.
        let failed_here = match whose {
            Some(known) => known == *issuer,
            None => cases.last_list_number(*issuer)? > 0,
        };
        if failed_here {
            cases.note_publishing(*issuer, &failed, now)?;
        }
    }
    Ok(())
}

/// A list of the CA as it lies in the folder.
struct FolderList {
    number: u64,
    der: Vec<u8>,
}

/// A CA of our own.
struct Authority<'a> {
    issuer: &'a Certificate,
    own: &'a OwnAuthority,
    fingerprint: Fingerprint,
}

impl Authority<'_> {
    /// Signs every list and puts all of them in the place of the last ones; what happened.
    fn publish(
        &self,
        databases: &Databases<'_>,
        signer: &Signer,
        options: &CrlOptions,
        now: Timestamp,
    ) -> anyhow::Result<Vec<String>> {
        let cases = Cases(databases.cases);
        let last = cases.published_lists(self.fingerprint)?;
        let in_folder = self.lists_in_folder(options)?;
        let known = u64::try_from(cases.last_list_number(self.fingerprint)?)?;
        let ahead = in_folder.iter().map(|list| list.number).max().filter(|most| *most > known);
        let complete = last.iter().find(|list| list.partition.is_none() && !list.delta);
        if let Some(list) = complete.filter(|_| !options.again) {
            ensure!(list.this_update <= now, "the clock is behind the last list");
            if ahead.is_none() && TaipeiDay::of(list.this_update) == TaipeiDay::of(now) {
                return Ok(vec![format!("number {}: published today already", list.number)]);
            }
        }
        let number = self.next_number(databases, ahead.unwrap_or(known))?;
        let drafts = self.drafts(&cases, &last, number, options, now)?;
        let mut made = Vec::new();
        for (name, draft) in &drafts {
            let signed = draft.to_be_signed(self.issuer)?;
            let der = ListDraft::assemble(&signed, &signer.sign(&signed)?)?;
            draft.check(&der, self.issuer).with_context(|| format!("{name} is not published"))?;
            if let Some(last) = last.iter().find(|list| list.name == *name && !list.delta) {
                self.compare(&cases, &der, &last.der, now)
                    .with_context(|| format!("{name} is not published"))?;
            }
            made.push(PublishedList {
                name: name.clone(),
                partition: draft.partition.clone(),
                delta: draft.base.is_some(),
                number: i64::try_from(number)?,
                this_update: now,
                next_update: draft.next_update,
                der,
            });
        }
        let unknown = |list: &&FolderList| last.iter().all(|other| other.der != list.der);
        for list in in_folder.iter().filter(unknown) {
            self.compare_with_folder(&cases, &made, list, now)?;
        }
        let transaction = Transaction::begin(databases.cases)?;
        let cases = Cases(&transaction);
        for list in &made {
            cases.publish(self.fingerprint, list)?;
        }
        let digest = |list: &PublishedList| json!({ "name": list.name, "sha256": Fingerprint::of(&list.der).to_string() });
        let lists: Vec<_> = made.iter().map(digest).collect();
        let deed = Deed::new(Actor::Operator, Act::ListsPublished, now);
        cases.log(&deed.with(json!({ "number": number, "lists": lists })))?;
        transaction.commit()?;
        let restored = ahead.map(|ahead| {
            format!(
                "the folder has number {ahead}, the database {known}, as after a restored backup: \
                 numbers go on after the folder's"
            )
        });
        let made = drafts.iter().map(|(name, draft)| {
            format!("{name}: number {number}, {} entries", draft.entries.len())
        });
        Ok(restored.into_iter().chain(made).collect())
    }

    /// What lies in the folder and is signed by the CA, deltas among it; nothing else counts there.
    fn lists_in_folder(&self, options: &CrlOptions) -> anyhow::Result<Vec<FolderList>> {
        let Some(folder) = &options.folder else { return Ok(Vec::new()) };
        let folder = folder.join(self.own.folder());
        let cannot_read = || format!("cannot read {}", folder.display());
        let files = match std::fs::read_dir(&folder) {
            // The first night.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            files => files.with_context(cannot_read)?,
        };
        let mut lists = Vec::new();
        for file in files {
            let path = file.with_context(cannot_read)?.path();
            let is_half = path.extension().is_some_and(|extension| extension == "new");
            if is_half || !path.is_file() {
                continue;
            }
            let der = std::fs::read(&path).with_context(cannot_read)?;
            match signed_number(&der, self.issuer) {
                Ok(number) => lists.push(FolderList { number, der }),
                Err(CrlError::Malformed("cRLNumber")) => {
                    bail!("{} has a number beyond all sense", path.display())
                }
                Err(_) => (),
            }
        }
        Ok(lists)
    }

    /// One more than any list of the CA has had, published here or known from elsewhere.
    fn next_number(&self, databases: &Databases<'_>, mut last: u64) -> anyhow::Result<u64> {
        for (issuer, head) in Revocation(databases.lists).heads()? {
            if issuer == self.fingerprint {
                let number = u64::from_str_radix(head.number.trim_start_matches('0'), 16);
                last = last.max(number.context("a list with a number beyond all sense counts")?);
            }
        }
        Ok(last + 1)
    }

    /// Every list of this number, with its name.
    fn drafts(
        &self,
        cases: &Cases<&Native>,
        last: &[PublishedList],
        number: u64,
        options: &CrlOptions,
        now: Timestamp,
    ) -> anyhow::Result<Vec<(String, ListDraft)>> {
        let next_update =
            listed_after(now) + SignedDuration::from_hours(i64::from(options.grace_hours));
        let listed = cases.certificates_to_list(self.fingerprint, now - KEPT_EXPIRED)?;
        let draft = |partition: Option<&str>| ListDraft {
            number,
            this_update: now,
            next_update,
            partition: partition.map(str::to_owned),
            base: None,
            entries: listed
                .iter()
                .filter(|one| partition.is_none() || one.partition.as_deref() == partition)
                .map(|one| {
                    let entry = CrlEntry { reason: Some(one.reason), revoked_at: one.since };
                    (one.serial.clone(), entry)
                })
                .collect(),
        };
        let complete = draft(None);
        let mut drafts = Vec::new();
        if options.delta
            && let Some(base) = last.iter().find(|list| list.name == self.own.complete)
        {
            drafts.push((self.delta_name(), delta(&complete, base)?));
        }
        drafts.push((self.own.complete.clone(), complete));
        let mut addresses = cases.partitions_of(self.fingerprint)?;
        addresses.extend(last.iter().filter_map(|list| list.partition.clone()));
        addresses.sort();
        addresses.dedup();
        for address in &addresses {
            let name = self.own.partition(address);
            let name = name.with_context(|| format!("{address} names no file"))?;
            ensure!(drafts.iter().all(|(other, _)| *other != name), "two lists are called {name}");
            drafts.push((name, draft(Some(address))));
        }
        Ok(drafts)
    }

    fn delta_name(&self) -> String {
        format!("{}-delta.crl", self.own.complete.trim_end_matches(".crl"))
    }

    /// Compares with a list of the folder: the one of its scope, or the complete one, which names
    /// what any partition does.
    fn compare_with_folder(
        &self,
        cases: &Cases<&Native>,
        made: &[PublishedList],
        last: &FolderList,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        let scope = match Crl::from_der(&last.der) {
            Ok(crl) => crl.head().scope.clone(),
            // Its number counts; what it says, the complete list of that number does.
            Err(CrlError::Unsupported("delta")) => return Ok(()),
            Err(error) => return Err(error).context("a list of the CA in the folder"),
        };
        let has_scope = |list: &&PublishedList| {
            !list.delta && Crl::from_der(&list.der).is_ok_and(|crl| crl.head().scope == scope)
        };
        let complete = || made.iter().find(|list| list.name == self.own.complete);
        let list = made.iter().find(has_scope).or_else(complete).context("no complete list")?;
        self.compare(cases, &list.der, &last.der, now).with_context(|| {
            format!(
                "{} is not published, for number {} in the folder comes before it \
                 (docs/cards.md, \"Restoring a backup\")",
                list.name, last.number
            )
        })
    }

    /// Refuses what nobody could explain: an entry that is gone without a resumption.
    fn compare(
        &self,
        cases: &Cases<&Native>,
        der: &[u8],
        last: &[u8],
        now: Timestamp,
    ) -> anyhow::Result<()> {
        let published = Crl::from_der(last)?.head().this_update;
        let failed = std::cell::RefCell::new(None);
        let gone = |serial: &[u8], entry: &CrlEntry| {
            let expired = now - KEPT_EXPIRED;
            // Only a hold is ever resumed.
            let resumed = if entry.is_hold() { published } else { Timestamp::MAX };
            let known = cases.may_be_gone(self.fingerprint, serial, expired, resumed);
            known.unwrap_or_else(|error| {
                failed.replace(Some(error));
                false
            })
        };
        let compared = check_follows(der, last, gone);
        if let Some(error) = failed.into_inner() {
            return Err(error.into());
        }
        Ok(compared?)
    }

    /// The service judges by the new lists like by anybody's, and the folder has them.
    fn hand_out(
        &self,
        databases: &Databases<'_>,
        trust: &TrustStore,
        options: &CrlOptions,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        let lists = Cases(databases.cases).published_lists(self.fingerprint)?;
        for list in &lists {
            if let Some(folder) = &options.folder {
                self.write(&folder.join(&list.name), list)?;
            }
            if !list.delta {
                store::take_list(databases.lists, &list.der, trust, now)?;
            }
        }
        if let Some(folder) = &options.folder
            && lists.iter().all(|list| !list.delta)
        {
            let obsolete = folder.join(self.delta_name());
            match std::fs::remove_file(&obsolete) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(error)
                        .with_context(|| format!("cannot remove {}", obsolete.display()));
                }
                _ => (),
            }
        }
        Ok(())
    }

    /// Writes a list into the folder, unless a newer one of the CA lies in its place.
    fn write(&self, path: &Path, list: &PublishedList) -> anyhow::Result<()> {
        let kept = std::fs::read(path).ok().and_then(|der| signed_number(&der, self.issuer).ok());
        let number = u64::try_from(list.number)?;
        if let Some(kept) = kept.filter(|kept| *kept > number) {
            bail!("{} has number {kept} and stays: {number} is older", path.display());
        }
        write(path, &list.der)
    }
}

/// What has changed since the last complete list: what is new in the list, and what has gone.
fn delta(complete: &ListDraft, base: &PublishedList) -> anyhow::Result<ListDraft> {
    let crl = Crl::from_der(&base.der)?;
    let before = crl.entries().collect::<Result<Vec<_>, _>>()?;
    let new = complete.entries.iter().filter(|entry| !before.contains(entry)).cloned();
    let gone = before
        .iter()
        .filter(|(serial, _)| complete.entries.iter().all(|(other, _)| other != serial))
        .map(|(serial, entry)| {
            (serial.clone(), CrlEntry { reason: Some(REMOVED), revoked_at: entry.revoked_at })
        });
    let entries = new.chain(gone).collect();
    Ok(ListDraft { base: Some(u64::try_from(base.number)?), entries, ..complete.clone() })
}

/// Writes a file beside its place and moves it there: nobody ever reads half of it.
fn write(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let folder = path.parent().context("no folder")?;
    std::fs::create_dir_all(folder)?;
    let beside = path.with_extension("crl.new");
    let written = || -> std::io::Result<()> {
        let mut file = std::fs::File::create(&beside)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)?;
        std::fs::File::open(folder)?.sync_all()
    };
    written().with_context(|| format!("cannot write {}", path.display()))
}
