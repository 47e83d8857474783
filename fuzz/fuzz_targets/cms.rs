//! Signed messages.
#![no_main]

libfuzzer_sys::fuzz_target!(|message: &[u8]| {
    let _ = pki::parse_message(message);
});
