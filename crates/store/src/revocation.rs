//! Revocation lists, kept entry by entry.
//!
//! A new list is written beside the one that counts, in pieces, so that nobody waits for
//! it; then one transaction makes it count. There is no moment without a list, and a list
//! whose writing was interrupted never counts.

use jiff::Timestamp;
use pki::revocation::{Crl, CrlEntry, CrlError, CrlFinding, CrlHead, RevocationUnavailable};
use pki::{Certificate, Fingerprint, TrustStore};

use crate::database::one;
use crate::{Cases, Database, Revocation, Row, Standings, StoreError, Transaction, Value};

/// Entries that one statement writes.
const CHUNK: usize = 5_000;
/// Seconds after which a list that does not count is taken for a leftover.
const LEFTOVER: i64 = 3_600;

const CURRENT: &str = "SELECT number, this_update, next_update, scope, sha256 FROM crls
    WHERE issuer = ?1 AND scope = ?2 AND state = 'current'";
const BEGIN_LIST: &str = "INSERT INTO crls
    (issuer, scope, number, this_update, next_update, sha256, taken_at, state)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'writing') RETURNING id";
/// Entries come as a JSON array of `[serial in hexadecimal, reason or null, instant]`. Of
/// two about one certificate a hold gives way.
const PUT_ENTRIES: &str = "INSERT INTO crl_entries (crl, serial, reason, revoked_at)
    SELECT ?1, unhex(value ->> 0), value ->> 1, value ->> 2 FROM json_each(?2) WHERE true
    ON CONFLICT (crl, serial) DO UPDATE
    SET reason = excluded.reason, revoked_at = excluded.revoked_at WHERE reason = 6";
const RETIRE: &str =
    "UPDATE crls SET state = 'retired' WHERE issuer = ?1 AND scope = ?2 AND state = 'current'";
const MAKE_CURRENT: &str =
    "UPDATE crls SET state = 'current' WHERE id = ?1 AND state = 'writing' RETURNING id";
const LEFTOVERS: &str = "SELECT id FROM crls WHERE state = 'retired'
    OR (state = 'writing' AND taken_at < ?1) LIMIT 10";
/// Whoever deletes a list first sees to it that it can never count any more.
const GIVE_UP: &str =
    "UPDATE crls SET state = 'retired' WHERE id = ?1 AND state <> 'current' RETURNING id";
const DELETE_ENTRIES: &str = "DELETE FROM crl_entries WHERE crl = ?1 AND serial IN
    (SELECT serial FROM crl_entries WHERE crl = ?1 LIMIT 20000)";
const HAS_ENTRIES: &str = "SELECT 1 FROM crl_entries WHERE crl = ?1 LIMIT 1";
const DELETE_LIST: &str = "DELETE FROM crls WHERE id = ?1 AND state = 'retired'";
/// What an issuer's lists say of one serial number: one statement, so one moment.
pub(crate) const FIND: &str = "SELECT number, this_update, next_update, scope, sha256,
    (SELECT json_array(reason, revoked_at) FROM crl_entries WHERE crl = crls.id AND serial = ?2)
    FROM crls WHERE issuer = ?1 AND state = 'current'";
const HEADS: &str = "SELECT number, this_update, next_update, scope, sha256, issuer FROM crls
    WHERE state = 'current' ORDER BY issuer, scope";
const ATTEMPT: &str = "INSERT INTO crl_fetches (url, attempted_at, failure)
    VALUES (?1, ?2, 'not-finished')
    ON CONFLICT (url) DO UPDATE SET attempted_at = excluded.attempted_at,
    failure = excluded.failure";
const FETCH: &str =
    "SELECT etag, last_modified, succeeded_at, failure, attempted_at FROM crl_fetches
    WHERE url = ?1";
const FETCHED: &str = "INSERT INTO crl_fetches
    (url, etag, last_modified, attempted_at, succeeded_at, failure)
    VALUES (?1, ?2, ?3, ?4, ?4, NULL)
    ON CONFLICT (url) DO UPDATE SET etag = excluded.etag,
    last_modified = excluded.last_modified, attempted_at = excluded.attempted_at,
    succeeded_at = excluded.succeeded_at, failure = NULL";
const FETCH_FAILED: &str = "INSERT INTO crl_fetches (url, attempted_at, failure)
    VALUES (?1, ?2, ?3)
    ON CONFLICT (url) DO UPDATE SET attempted_at = excluded.attempted_at,
    failure = excluded.failure";

#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[
    CURRENT,
    BEGIN_LIST,
    PUT_ENTRIES,
    RETIRE,
    MAKE_CURRENT,
    LEFTOVERS,
    GIVE_UP,
    DELETE_ENTRIES,
    HAS_ENTRIES,
    DELETE_LIST,
    FIND,
    HEADS,
    ATTEMPT,
    FETCH,
    FETCHED,
    FETCH_FAILED,
];

/// What became of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It counts from now on.
    New {
        /// Its entries.
        entries: usize,
    },
    /// The same list counts already.
    Same,
    /// A list with a higher number counts; this one was not taken.
    Older,
}

/// Why a list was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TakeError {
    /// The list itself.
    #[error(transparent)]
    Crl(#[from] CrlError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes a list of any CA or anchor of the trust store.
///
/// # Errors
/// [`TakeError`]; [`CrlError::Issuer`] when none of them signed it.
pub fn take_list(
    database: &impl Database,
    der: &[u8],
    trust: &TrustStore,
    now: Timestamp,
) -> Result<Taken, TakeError> {
    let crl = Crl::from_der(der)?;
    let issuer = trust
        .authorities()
        .find(|authority| crl.check_signed_by(authority).is_ok())
        .ok_or(CrlError::Issuer)?;
    Revocation(database).take(&crl, issuer, now)
}

/// What an address gave last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchState {
    /// ETag.
    pub etag: Option<String>,
    /// Last-Modified.
    pub last_modified: Option<String>,
    /// When it last gave a list.
    pub succeeded_at: Option<Timestamp>,
    /// Why the last attempt failed.
    pub failure: Option<String>,
    /// When it was last asked.
    pub attempted_at: Option<Timestamp>,
}

/// Certificates that are judged at a time.
const CHECKED_AT_ONCE: usize = 200;

/// A system's certificate whose standing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandingChange {
    /// Whose.
    pub ubn: domain::Ubn,
    /// Whether it is refused from now on; it is accepted again otherwise.
    pub revoked: bool,
}

/// Judges again some of the certificates that tokens are signed with, those after this digest;
/// what changed, and the digest after which to go on. One that cannot be judged, for want of a
/// list, stays as it is.
///
/// # Errors
/// [`StoreError`].
pub fn check_certificates(
    cases: &impl Database,
    lists: &impl Database,
    trust: &TrustStore,
    after: &[u8],
    now: Timestamp,
) -> Result<(Vec<StandingChange>, Option<Vec<u8>>), StoreError> {
    let mut changes = Vec::new();
    let standings = Standings { lists: Revocation(lists), cards: Cases(cases) };
    let found = Cases(cases).certificates_in_use(after, CHECKED_AT_ONCE, now)?;
    for one in &found {
        if let Some(revoked) = one.judge(trust, &standings, now)? {
            let transaction = Transaction::begin(cases)?;
            let ubn = Cases(&transaction).set_revoked(&one.sha256, revoked, now)?;
            transaction.commit()?;
            changes.push(StandingChange { ubn, revoked });
        }
    }
    let last = found.last().filter(|_| found.len() == CHECKED_AT_ONCE);
    Ok((changes, last.map(|one| one.sha256.clone())))
}

impl<D: Database> Revocation<D> {
    /// Takes a list if its issuer signed it, it is current at `now`, and it is newer than
    /// the one that counts.
    ///
    /// # Errors
    /// [`TakeError`]; the list that counts goes on counting.
    pub fn take(
        &self,
        crl: &Crl<'_>,
        issuer: &Certificate,
        now: Timestamp,
    ) -> Result<Taken, TakeError> {
        crl.check_signed_by(issuer)?;
        crl.check_current(now)?;
        let head = crl.head();
        let key = ListKey::new(issuer, head)?;
        match self.current(&key)? {
            Some(kept) if kept.sha256 == head.sha256 => return Ok(Taken::Same),
            Some(kept) if !head.may_replace(&kept) => return Ok(Taken::Older),
            _ => (),
        }
        let (id, entries) = self.write(crl, &key, now)?;
        let transaction = Transaction::begin(&self.0)?;
        let lists = Revocation(&transaction);
        // Another refresh may have been faster.
        if lists.current(&key)?.is_some_and(|kept| !head.may_replace(&kept)) {
            drop(transaction);
            self.delete(id)?;
            return Ok(Taken::Older);
        }
        lists.0.execute(RETIRE, &key.parameters())?;
        one(lists.0.execute(MAKE_CURRENT, &[id.into()])?)?;
        transaction.commit()?;
        self.clear_leftovers(now)?;
        Ok(Taken::New { entries })
    }

    fn current(&self, key: &ListKey) -> Result<Option<CrlHead>, StoreError> {
        self.0.execute(CURRENT, &key.parameters())?.first().map(head).transpose()
    }

    fn write(
        &self,
        crl: &Crl<'_>,
        key: &ListKey,
        now: Timestamp,
    ) -> Result<(i64, usize), TakeError> {
        let head = crl.head();
        let [issuer, scope] = key.parameters();
        let row = one(self.0.execute(
            BEGIN_LIST,
            &[
                issuer,
                scope,
                head.number.as_str().into(),
                head.this_update.into(),
                head.next_update.into(),
                head.sha256.as_str().into(),
                now.into(),
            ],
        )?)?;
        let id = row.integer(0)?;
        let mut entries = crl.entries();
        let mut count = 0;
        loop {
            let chunk: Vec<_> = entries.by_ref().take(CHUNK).collect::<Result<_, _>>()?;
            if chunk.is_empty() {
                return Ok((id, count));
            }
            count += chunk.len();
            let rows: Vec<_> = chunk
                .iter()
                .map(|(serial, entry)| {
                    (hex::encode(serial), entry.reason, entry.revoked_at.as_second())
                })
                .collect();
            let json = serde_json::to_string(&rows)
                .map_err(|error| StoreError::Driver(error.to_string()))?;
            self.0.execute(PUT_ENTRIES, &[id.into(), json.into()])?;
        }
    }

    fn delete(&self, id: i64) -> Result<(), StoreError> {
        if self.0.execute(GIVE_UP, &[id.into()])?.is_empty() {
            return Ok(());
        }
        while !self.0.execute(HAS_ENTRIES, &[id.into()])?.is_empty() {
            self.0.execute(DELETE_ENTRIES, &[id.into()])?;
        }
        self.0.execute(DELETE_LIST, &[id.into()]).map(drop)
    }

    fn clear_leftovers(&self, now: Timestamp) -> Result<(), StoreError> {
        let before = now.as_second() - LEFTOVER;
        for row in self.0.execute(LEFTOVERS, &[before.into()])? {
            self.delete(row.integer(0)?)?;
        }
        Ok(())
    }

    /// The lists that count, each with the fingerprint of its issuer.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn heads(&self) -> Result<Vec<(Fingerprint, CrlHead)>, StoreError> {
        self.0
            .execute(HEADS, &[])?
            .iter()
            .map(|row| {
                let issuer = row.blob(5)?.try_into().map_err(|_| inconsistent("issuer"))?;
                Ok((Fingerprint(issuer), head(row)?))
            })
            .collect()
    }

    /// What an address gave last.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn fetch_state(&self, url: &str) -> Result<FetchState, StoreError> {
        let rows = self.0.execute(FETCH, &[url.into()])?;
        let Some(row) = rows.first() else { return Ok(FetchState::default()) };
        Ok(FetchState {
            etag: row.optional_text(0)?,
            last_modified: row.optional_text(1)?,
            succeeded_at: row.optional_instant(2)?,
            failure: row.optional_text(3)?,
            attempted_at: row.optional_instant(4)?,
        })
    }

    /// Notes that an address is about to be asked: whatever ends the attempt, it comes last
    /// the next time.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn note_attempt(&self, url: &str, now: Timestamp) -> Result<(), StoreError> {
        self.0.execute(ATTEMPT, &[url.into(), now.into()]).map(drop)
    }

    /// Notes that an address gave a list, or said that it has no newer one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn note_fetched(
        &self,
        url: &str,
        etag: Option<String>,
        last_modified: Option<String>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let parameters = [url.into(), etag.into(), last_modified.into(), now.into()];
        self.0.execute(FETCHED, &parameters).map(drop)
    }

    /// Notes that an address gave nothing usable.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn note_failure(&self, url: &str, failure: &str, now: Timestamp) -> Result<(), StoreError> {
        self.0.execute(FETCH_FAILED, &[url.into(), now.into(), failure.into()]).map(drop)
    }
}

impl<D: Database> Revocation<D> {
    /// What the lists say of a serial number of this issuer. No source by itself:
    /// [`crate::Standings`] knows the cards as well.
    ///
    /// # Errors
    /// [`RevocationUnavailable`].
    pub fn lists(
        &self,
        issuer: &Certificate,
        serial: &[u8],
    ) -> Result<Vec<CrlFinding>, RevocationUnavailable> {
        let found = self.findings(issuer.fingerprint(), serial);
        found.map_err(|error| RevocationUnavailable(error.to_string()))
    }

    /// What the lists of this issuer say of a serial number, as encoded.
    pub(crate) fn findings(
        &self,
        issuer: Fingerprint,
        serial: &[u8],
    ) -> Result<Vec<CrlFinding>, StoreError> {
        let rows = self.0.execute(FIND, &[issuer.0[..].into(), serial.into()])?;
        rows.iter().map(|row| Ok(CrlFinding { list: head(row)?, entry: entry(row)? })).collect()
    }
}

/// What a list replaces: the one of the same issuer and scope.
struct ListKey {
    issuer: Fingerprint,
    scope: String,
}

impl ListKey {
    fn new(issuer: &Certificate, head: &CrlHead) -> Result<Self, StoreError> {
        let scope = serde_json::to_string(&head.scope)
            .map_err(|error| StoreError::Driver(error.to_string()))?;
        Ok(Self { issuer: issuer.fingerprint(), scope })
    }

    fn parameters(&self) -> [Value; 2] {
        [self.issuer.0[..].into(), self.scope.as_str().into()]
    }
}

fn inconsistent(what: &'static str) -> StoreError {
    StoreError::Inconsistent { what, found: "unreadable".into() }
}

fn head(row: &Row) -> Result<CrlHead, StoreError> {
    Ok(CrlHead {
        number: row.text(0)?.to_owned(),
        this_update: row.instant(1)?,
        next_update: row.instant(2)?,
        scope: serde_json::from_str(row.text(3)?).map_err(|_| inconsistent("scope"))?,
        sha256: row.text(4)?.to_owned(),
    })
}

fn entry(row: &Row) -> Result<Option<CrlEntry>, StoreError> {
    let Some(text) = row.optional_text(5)? else { return Ok(None) };
    let (reason, revoked_at): (Option<u8>, i64) =
        serde_json::from_str(&text).map_err(|_| inconsistent("entry"))?;
    let revoked_at = Timestamp::from_second(revoked_at).map_err(|_| inconsistent("entry"))?;
    Ok(Some(CrlEntry { reason, revoked_at }))
}
