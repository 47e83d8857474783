//! 統一編號.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::field::{FieldProblem, fold_width};

/// A company's 統一編號: eight ASCII digits with a valid checksum.
///
/// The checksum follows the Ministry of Finance: each digit times its weight, digits of
/// the products added up. Numbers issued since April 2023 need a sum divisible by 5,
/// older ones by 10, which 5 includes. Where the seventh digit is 7, its product 28
/// counts as 1 or as 0.
///
/// ```
/// let ubn: domain::Ubn = "12345675".parse().unwrap();
/// assert_eq!(ubn.as_str(), "12345675");
/// assert!("12345678".parse::<domain::Ubn>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Ubn([u8; 8]);

const WEIGHTS: [u32; 8] = [1, 2, 1, 2, 1, 2, 4, 1];

impl Ubn {
    /// The eight digits.
    pub fn as_str(&self) -> &str {
        // Only ASCII digits get in.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for Ubn {
    type Err = FieldProblem;

    fn from_str(text: &str) -> Result<Self, FieldProblem> {
        let text = fold_width(text);
        if text.is_empty() {
            return Err(FieldProblem::Required);
        }
        let digits: [u8; 8] = text.as_bytes().try_into().map_err(|_| FieldProblem::UbnFormat)?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return Err(FieldProblem::UbnFormat);
        }
        let sum: u32 = digits
            .iter()
            .zip(WEIGHTS)
            .map(|(digit, weight)| {
                let product = u32::from(digit - b'0') * weight;
                product / 10 + product % 10
            })
            .sum();
        // A seventh digit 7 gives 2 + 8 = 10, which counts as 1 or 0: the sum minus 9 or 10.
        let valid = sum.is_multiple_of(5) || digits[6] == b'7' && (sum + 1).is_multiple_of(5);
        if valid { Ok(Self(digits)) } else { Err(FieldProblem::UbnChecksum) }
    }
}

impl TryFrom<String> for Ubn {
    type Error = FieldProblem;

    fn try_from(text: String) -> Result<Self, FieldProblem> {
        text.parse()
    }
}

impl From<Ubn> for String {
    fn from(ubn: Ubn) -> Self {
        ubn.as_str().to_owned()
    }
}

impl fmt::Display for Ubn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for Ubn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_of_the_old_and_the_new_rule() {
        // 04595257 and 10458575 satisfy the rule by ten; 10458570 only the rule by five.
        for valid in ["04595257", "10458575", "10458570", "00000000", "12345675"] {
            assert!(valid.parse::<Ubn>().is_ok(), "{valid}");
        }
        for invalid in ["04595258", "10458572", "10458576"] {
            assert_eq!(invalid.parse::<Ubn>(), Err(FieldProblem::UbnChecksum), "{invalid}");
        }
    }

    #[test]
    fn a_seventh_digit_of_seven_counts_as_one_or_nothing() {
        // Weighted digits before the seventh: 1+2·… ; both readings are tried.
        let counted = (0..10)
            .filter(|last| format!("1000007{last}").parse::<Ubn>().is_ok())
            .collect::<Vec<_>>();
        // 1 + 10 + d divisible by 5 -> 4, 9; with the product as 1 (sum - 9): d = 3, 8.
        assert_eq!(counted, [3, 4, 8, 9]);
    }

    #[test]
    fn full_width_digits_are_folded() {
        assert_eq!("１２３４５６７５".parse::<Ubn>().unwrap().as_str(), "12345675");
        assert_eq!("1234567".parse::<Ubn>(), Err(FieldProblem::UbnFormat));
        assert_eq!("1234567a".parse::<Ubn>(), Err(FieldProblem::UbnFormat));
        assert_eq!(" ".parse::<Ubn>(), Err(FieldProblem::Required));
    }
}
