//! Revocation lists.
#![no_main]

use pki::revocation::Crl;

libfuzzer_sys::fuzz_target!(|list: &[u8]| {
    let Ok(crl) = Crl::from_der(list) else { return };
    // A list that was read whole can be read again.
    for entry in crl.entries() {
        let (serial, _) = entry.expect("an entry that was read before");
        assert!(crl.find(&serial).expect("a list that was read before").is_some());
    }
    let _ = crl.check_current(crl.head().this_update);
});
