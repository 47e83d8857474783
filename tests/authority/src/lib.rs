//! CAs shaped like Taiwan's GPKI, what they issue, and tokens of calling systems. Every
//! key is generated when it is needed and every certificate says 測試; nothing here is
//! committed, and a production trust store refuses all of it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

pub mod issue;
pub mod pki_set;
pub mod token;

/// PEM with lines of 64 characters (RFC 7468).
pub fn pem(label: &str, der: &[u8]) -> String {
    let base64 = BASE64_STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in base64.as_bytes().chunks(64) {
        text += &String::from_utf8_lossy(line);
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}
