//! Addresses and numbers on the form (manual 000, figure 4).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::field::{FieldProblem, fold_width};

/// Which addresses may be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressPolicy {
    /// Addresses that can come from the internet.
    Public,
    /// Also addresses of this very machine, so that everything can be tried on one
    /// computer. Only with the test trust store.
    PublicOrLoopback,
}

/// 連線主機網路位址: the one address that a company's system calls from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(into = "String")]
pub struct HostAddress(IpAddr);

impl HostAddress {
    /// Reads an address and checks that it may be registered.
    ///
    /// # Errors
    /// [`FieldProblem::Required`], [`FieldProblem::AddressFormat`],
    /// [`FieldProblem::AddressNotPublic`].
    pub fn parse(text: &str, policy: AddressPolicy) -> Result<Self, FieldProblem> {
        let text = fold_width(text);
        if text.is_empty() {
            return Err(FieldProblem::Required);
        }
        let address: IpAddr = text.parse().map_err(|_| FieldProblem::AddressFormat)?;
        let address = address.to_canonical();
        let allowed = is_public(address)
            || address.is_loopback() && policy == AddressPolicy::PublicOrLoopback;
        if allowed { Ok(Self(address)) } else { Err(FieldProblem::AddressNotPublic) }
    }

    /// The address.
    pub fn ip(self) -> IpAddr {
        self.0
    }

    /// An address that was checked when it was registered.
    pub fn registered(address: IpAddr) -> Self {
        Self(address.to_canonical())
    }
}

impl From<HostAddress> for String {
    fn from(address: HostAddress) -> Self {
        address.to_string()
    }
}

impl fmt::Display for HostAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Whether an address can be the source of a connection over the internet (the IANA
/// special-purpose registries, RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    !(first == 0
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || first == 100 && (64..128).contains(&second)
        || first == 192 && second == 0 && third == 0
        || first == 192 && second == 88 && third == 99
        || first == 198 && (18..20).contains(&second)
        || first >= 224)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    // Global unicast is 2000::/3, without Teredo, documentation and 6to4.
    first & 0xe000 == 0x2000
        && !(first == 0x2001 && (second < 0x0200 || second == 0x0db8))
        && first != 0x2002
        && !(first == 0x3fff && second < 0x1000)
}

/// 市話: `(02)12345678`, with an extension `(02)12345678#123`. Typed as `02-12345678` it is kept
/// with its brackets; without any sign nobody knows where the area code ends (`03`, `037`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Landline(String);

impl FromStr for Landline {
    type Err = FieldProblem;

    fn from_str(text: &str) -> Result<Self, FieldProblem> {
        let text = fold_width(text);
        let text = match text.split_once(['-', ' ']) {
            // `09` begins a mobile number.
            Some((area, number)) if area.starts_with('0') && !area.starts_with("09") => {
                format!("({area}){number}")
            }
            _ => text,
        };
        let text = text.replace(['-', ' '], "");
        let problem = FieldProblem::LandlineFormat;
        let (area, rest) =
            text.strip_prefix('(').and_then(|rest| rest.split_once(')')).ok_or(problem)?;
        let (number, extension) = match rest.split_once('#') {
            Some((number, extension)) => (number, Some(extension)),
            None => (rest, None),
        };
        let digits = |text: &str, length: std::ops::RangeInclusive<usize>| {
            length.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        let valid = area.starts_with('0')
            && digits(area, 2..=4)
            && digits(number, 5..=8)
            && (9..=10).contains(&(area.len() + number.len()))
            && extension.is_none_or(|extension| digits(extension, 1..=6));
        if valid { Ok(Self(text)) } else { Err(problem) }
    }
}

impl Landline {
    /// The number as it is printed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// 手機: `09` and eight digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mobile(String);

impl FromStr for Mobile {
    type Err = FieldProblem;

    fn from_str(text: &str) -> Result<Self, FieldProblem> {
        let text = fold_width(text).replace(['-', ' '], "");
        let valid = text.len() == 10
            && text.starts_with("09")
            && text.bytes().all(|byte| byte.is_ascii_digit());
        if valid { Ok(Self(text)) } else { Err(FieldProblem::MobileFormat) }
    }
}

impl Mobile {
    /// The number as it is printed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// 連絡電話: a landline or a mobile number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phone(String);

impl Phone {
    /// The number as it is printed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Phone {
    type Err = FieldProblem;

    fn from_str(text: &str) -> Result<Self, FieldProblem> {
        if fold_width(text).is_empty() {
            return Err(FieldProblem::Required);
        }
        let landline = text.parse::<Landline>().map(|number| number.as_str().to_owned());
        let number = landline
            .or_else(|_| text.parse::<Mobile>().map(|number| number.as_str().to_owned()))
            .map_err(|_| FieldProblem::PhoneFormat)?;
        Ok(Self(number))
    }
}

/// 電子信箱.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Email(String);

impl FromStr for Email {
    type Err = FieldProblem;

    fn from_str(text: &str) -> Result<Self, FieldProblem> {
        let text = fold_width(text);
        if text.is_empty() {
            return Err(FieldProblem::Required);
        }
        let options = email_address::Options::default()
            .with_required_tld()
            .without_domain_literal()
            .without_display_text();
        let valid = text.len() <= 254
            && !text.contains(|character: char| character.is_control() || character == '"')
            && email_address::EmailAddress::parse_with_options(&text, options).is_ok();
        if valid { Ok(Self(text)) } else { Err(FieldProblem::EmailFormat) }
    }
}

impl Email {
    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_may_be_registered() {
        let parse = |text| HostAddress::parse(text, AddressPolicy::Public).map(|a| a.to_string());
        for public in ["8.8.8.8", "１.１.１.１", "2404:6800::1", "::ffff:8.8.4.4"] {
            assert!(parse(public).is_ok(), "{public}");
        }
        for private in [
            "10.0.0.1",
            "127.0.0.1",
            "169.254.0.1",
            "192.0.2.1",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "::1",
            "fe80::1",
            "fc00::1",
            "2001:db8::1",
            "::ffff:10.0.0.1",
        ] {
            assert_eq!(parse(private), Err(FieldProblem::AddressNotPublic), "{private}");
        }
        for nonsense in ["127.1", "0x7f.1", "1.2.3.04", "1.2.3", "example.com", "1.2.3.4/8"] {
            assert_eq!(parse(nonsense), Err(FieldProblem::AddressFormat), "{nonsense}");
        }
        assert!(HostAddress::parse("127.0.0.2", AddressPolicy::PublicOrLoopback).is_ok());
        assert!(HostAddress::parse("10.0.0.1", AddressPolicy::PublicOrLoopback).is_err());
    }

    #[test]
    fn landlines_with_and_without_extension() {
        for valid in [
            "(02)12345678",
            "(02)1234-5678#12",
            "（０２）12345678＃123",
            "(037)123456",
            "(0836)12345",
        ] {
            assert!(valid.parse::<Landline>().is_ok(), "{valid}");
        }
        for invalid in
            ["0212345678", "(2)12345678", "(02)1234567a", "(02)12345678#", "(02)123456789"]
        {
            assert!(invalid.parse::<Landline>().is_err(), "{invalid}");
        }
    }

    #[test]
    fn mobiles_and_mail() {
        assert_eq!("０９１２-345-678".parse::<Mobile>().unwrap().as_str(), "0912345678");
        for invalid in ["091234567", "0812345678", "09123456789"] {
            assert!(invalid.parse::<Mobile>().is_err(), "{invalid}");
        }
        assert_eq!("(02)1234-5678#9".parse::<Phone>().unwrap().as_str(), "(02)12345678#9");
        assert_eq!("０２-1234-5678".parse::<Phone>().unwrap().as_str(), "(02)12345678");
        assert_eq!("037 123456#12".parse::<Phone>().unwrap().as_str(), "(037)123456#12");
        assert_eq!("0912-345-678".parse::<Phone>().unwrap().as_str(), "0912345678");
        assert_eq!("0912 345678".parse::<Landline>(), Err(FieldProblem::LandlineFormat));
        assert_eq!("12".parse::<Phone>(), Err(FieldProblem::PhoneFormat));
        assert_eq!("　".parse::<Phone>(), Err(FieldProblem::Required));
        assert!("a.b+c@example.com.tw".parse::<Email>().is_ok());
        for invalid in ["a", "a@b", "a@b\r\nBcc: c@d.tw", "A <a@example.com>", "a@[127.0.0.1]"] {
            assert!(invalid.parse::<Email>().is_err(), "{invalid}");
        }
    }
}
