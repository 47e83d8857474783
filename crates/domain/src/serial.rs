//! Serial numbers of certificates, in any notation.

use std::fmt;
use std::str::FromStr;

use crate::field::{FieldProblem, fold_width};

/// Largest serial number, in bytes.
const MAX_SERIAL: usize = 20;

/// A certificate's serial number as people write it: with colons, hyphens or blanks, small or
/// capital, with leading zeros or without (RFC 5280, section 4.1.2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SerialNumber(Vec<u8>);

impl SerialNumber {
    /// From the bytes as encoded: leading zeros mean nothing.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        Self(bytes[zeros..].to_vec())
    }

    /// The number, without leading zeros.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl FromStr for SerialNumber {
    type Err = FieldProblem;

    fn from_str(text: &str) -> Result<Self, FieldProblem> {
        let mut text = fold_width(text).to_ascii_lowercase();
        text.retain(|character| !character.is_whitespace() && !matches!(character, ':' | '-'));
        let digits = text.strip_prefix("0x").unwrap_or(&text);
        if digits.is_empty() {
            return Err(FieldProblem::Required);
        }
        let even = format!("{}{digits}", if digits.len() % 2 == 1 { "0" } else { "" });
        let bytes = hex::decode(even).map_err(|_| FieldProblem::SerialFormat)?;
        let serial = Self::from_bytes(&bytes);
        let sensible = (1..=MAX_SERIAL).contains(&serial.0.len());
        if sensible { Ok(serial) } else { Err(FieldProblem::SerialFormat) }
    }
}

impl fmt::Display for SerialNumber {
    /// As the ministry's pages show serial numbers: capitals, 32 digits at least.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:0>32}", hex::encode_upper(&self.0))
    }
}
