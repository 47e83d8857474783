//! What the verifier makes of certificates, signatures, lists and answers that test CAs
//! made (#3): whole judgements, where the corpora look at one rule each.

// A test that meets what it did not expect ends there.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod algorithms;
mod certificates;
mod credentials;
mod lists;
mod records;
mod responses;
mod signatures;
mod tokens;
mod trust_store;
mod uploads;

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use pki::revocation::ListsInMemory;
use pki::{Certificate, SignedDataDraft, TrustStore};
use test_ca::pki_set::{Company, Issued, TestPki};

/// The CAs of this run.
pub fn pki() -> &'static TestPki {
    static PKI: OnceLock<TestPki> = OnceLock::new();
    PKI.get_or_init(|| TestPki::generate(now()).unwrap())
}

/// One instant for the whole run: answers of responders are made by the real clock.
pub fn now() -> Timestamp {
    static NOW: OnceLock<Timestamp> = OnceLock::new();
    *NOW.get_or_init(|| Timestamp::from_second(Timestamp::now().as_second()).unwrap())
}

/// The trust store of the CAs.
pub fn trust() -> TrustStore {
    TrustStore::from_file(&pki().trust_store()).unwrap()
}

/// A company's card.
pub fn card() -> &'static Issued {
    static CARD: OnceLock<Issued> = OnceLock::new();
    CARD.get_or_init(|| pki().company(Company::card("測試甲股份有限公司", "12345675")).unwrap())
}

/// The parsed certificate.
pub fn parsed(der: &[u8]) -> Certificate {
    Certificate::from_der(der).unwrap()
}

/// A message over this content, signed with this key.
pub fn signed(by: &Issued, content: &[u8], card_number: Option<&str>) -> Vec<u8> {
    let chain = vec![parsed(&by.issuer)];
    let draft =
        SignedDataDraft::new(content.to_vec(), parsed(&by.certificate), chain, card_number, now());
    let draft = draft.unwrap();
    let signature = by.key.sign(&draft.to_be_signed().unwrap()).unwrap();
    draft.finish(&signature).unwrap()
}

/// Lists of every CA that name nobody; they live as long as the program.
pub fn lists() -> ListsInMemory<'static> {
    static FILES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    let files = FILES.get_or_init(|| pki().empty_lists().unwrap());
    let mut lists = ListsInMemory::default();
    for (file, authority) in files.iter().zip(pki().authorities()) {
        lists.add(file, &parsed(&authority.certificate)).unwrap();
    }
    lists
}

/// A new folder.
pub fn scratch(name: &str) -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("{}-{number}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
