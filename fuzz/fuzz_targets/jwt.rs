//! Tokens.
#![no_main]

use pki::jwt::Unverified;

libfuzzer_sys::fuzz_target!(|token: &[u8]| {
    let Ok(token) = std::str::from_utf8(token) else { return };
    let _ = Unverified::<serde_json::Map<String, serde_json::Value>>::parse(token);
});
