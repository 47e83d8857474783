//! Trust stores.
#![no_main]

use pki::TrustStore;

libfuzzer_sys::fuzz_target!(|store: &[u8]| {
    let Ok(store) = std::str::from_utf8(store) else { return };
    let _ = TrustStore::from_json(store);
});
