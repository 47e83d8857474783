//! Data of a national identity card as a verification call carries it
//! (`conditionMap`), and as the register keeps it: keyed digests, nothing readable.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;

use crate::Members;
use crate::field::{FieldProblem, fold_width};

/// 國民身分證統一編號: an upper-case letter, 1 or 2, eight digits. The checksum is not
/// demanded: a number with a wrong one is simply not in the register.
#[derive(Clone, PartialEq, Eq)]
pub struct NationalId(String);

/// What the letters A to Z count in the check digit's sum.
const LETTER_VALUES: [u8; 26] = [
    10, 11, 12, 13, 14, 15, 16, 17, 34, 18, 19, 20, 21, 22, 35, 23, 24, 25, 26, 27, 28, 29, 32, 30,
    31, 33,
];

impl NationalId {
    /// Reads what somebody typed into a form, where a slip is told at once: the check digit
    /// must fit.
    ///
    /// # Errors
    /// [`FieldProblem::Required`], [`FieldProblem::NationalIdFormat`].
    pub fn typed(text: &str) -> Result<Self, FieldProblem> {
        let text = fold_width(text);
        if text.is_empty() {
            return Err(FieldProblem::Required);
        }
        let id = Self::parse(&text).ok_or(FieldProblem::NationalIdFormat)?;
        let bytes = id.0.as_bytes();
        let serial = id.0[2..9].parse().map_err(|_| FieldProblem::NationalIdFormat)?;
        if Self::with_check_digit(bytes[0], bytes[1] - b'0', serial) == id.0 {
            Ok(id)
        } else {
            Err(FieldProblem::NationalIdFormat)
        }
    }

    /// The last four characters, as citizen certificates carry them.
    pub fn tail(&self) -> &str {
        &self.0[6..]
    }

    /// Reads a number: a letter, 1 or 2, eight digits.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.trim().as_bytes();
        let valid = bytes.len() == 10
            && bytes[0].is_ascii_alphabetic()
            && matches!(bytes[1], b'1' | b'2')
            && bytes[2..].iter().all(u8::is_ascii_digit);
        valid.then(|| Self(text.trim().to_ascii_uppercase()))
    }

    /// A number of its own making: letter, 1 or 2, seven digits, and the check digit that makes
    /// it valid. For test data.
    pub fn with_check_digit(letter: u8, second: u8, serial: u32) -> String {
        let place = usize::from(letter.to_ascii_uppercase().wrapping_sub(b'A')) % 26;
        let value = u32::from(LETTER_VALUES[place]);
        let body = u32::from(second % 10) * 10_000_000 + serial % 10_000_000;
        let digits = (0..8).map(|power| body / 10_u32.pow(power) % 10);
        let weighted: u32 = digits.zip(1..).map(|(digit, weight)| digit * weight).sum();
        let check = (10 - (value / 10 + value % 10 * 9 + weighted) % 10) % 10;
        format!("{}{body:08}{check}", char::from(letter.to_ascii_uppercase()))
    }
}

/// 領補換代碼.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplyCode {
    /// 初發.
    First,
    /// 補發.
    Replacement,
    /// 換發.
    Renewal,
}

impl ApplyCode {
    fn parse(text: &str) -> Option<Self> {
        match text.trim() {
            "1" => Some(Self::First),
            "2" => Some(Self::Replacement),
            "3" => Some(Self::Renewal),
            _ => None,
        }
    }

    #[cfg(feature = "server")]
    fn digit(self) -> char {
        match self {
            Self::First => '1',
            Self::Replacement => '2',
            Self::Renewal => '3',
        }
    }
}

/// 發證地點, as printed on the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IssueSite(&'static str);

/// The 27 codes of the interface document.
const SITES: [(&str, &str); 27] = [
    ("09007", "連江"),
    ("09020", "金門"),
    ("10001", "北縣"),
    ("10002", "宜縣"),
    ("10003", "桃縣"),
    ("10004", "竹縣"),
    ("10005", "苗縣"),
    ("10006", "中縣"),
    ("10007", "彰縣"),
    ("10008", "投縣"),
    ("10009", "雲縣"),
    ("10010", "嘉縣"),
    ("10011", "南縣"),
    ("10012", "高縣"),
    ("10013", "屏縣"),
    ("10014", "東縣"),
    ("10015", "花縣"),
    ("10016", "澎縣"),
    ("10017", "基市"),
    ("10018", "竹市"),
    ("10020", "嘉市"),
    ("63000", "北市"),
    ("64000", "高市"),
    ("65000", "新北市"),
    ("66000", "中市"),
    ("67000", "南市"),
    ("68000", "桃市"),
];

/// Two older codes, and what they stand for on cards issued before 099-12-25.
const OLD_SITES: [(&str, &str); 2] = [("10019", "66000"), ("10021", "67000")];
const MERGER: u32 = 991_225;

impl IssueSite {
    fn parse(text: &str, date: u32) -> Option<Self> {
        let code = text.trim();
        let code = match OLD_SITES.iter().find(|(old, _)| *old == code) {
            Some((_, new)) if date < MERGER => *new,
            _ => code,
        };
        SITES.iter().find(|(site, _)| *site == code).map(|(site, _)| Self(site))
    }
}

/// The members of `conditionMap`.
const MEMBERS: [&str; 4] = ["personId", "applyCode", "applyYyymmdd", "issueSiteId"];
/// Stands for all of them, where none can be named.
const WHOLE: &str = "conditionMap";

/// A condition that is not allowed (rdCode RS3822). It costs no try.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{member} is not allowed")]
pub struct ConditionError {
    /// The member of conditionMap, also one that has no place there, or `conditionMap` itself.
    pub member: Cow<'static, str>,
}

impl ConditionError {
    /// About a member of `conditionMap`, or about all of it.
    pub const fn of(member: &'static str) -> Self {
        Self { member: Cow::Borrowed(member) }
    }

    /// The error about this member, where there is such a member.
    pub fn about(member: &str) -> Option<Self> {
        MEMBERS.into_iter().chain([WHOLE]).find(|known| *known == member).map(Self::of)
    }

    /// The member as it is kept and counted: a name of the client's own making is only told.
    pub fn kept(&self) -> &str {
        let known = MEMBERS.contains(&self.member.as_ref());
        if known { &self.member } else { WHOLE }
    }

    /// What is wrong with a `conditionMap` that is not four texts.
    fn with(text: &str) -> Self {
        let is_object = text.trim_start().starts_with('{');
        let members = is_object.then(|| serde_json::from_str::<Members>(text).ok()).flatten();
        let members = members.unwrap_or_default();
        let out_of_place = |name: &&str| !MEMBERS.contains(name) || members.repeats(name);
        if let Some(name) = members.names().find(out_of_place) {
            return Self { member: told(name).map_or(Cow::Borrowed(WHOLE), Cow::Owned) };
        }
        let is_text = |name: &&str| matches!(members.get(name), Some(Value::String(_)));
        let wrong = MEMBERS.into_iter().find(|name| !is_text(name));
        let any = members.names().next().is_some();
        Self::of(wrong.filter(|_| any).unwrap_or(WHOLE))
    }
}

/// A client's name of a member, where it can be repeated in a message.
fn told(name: &str) -> Option<String> {
    let plain = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.');
    let short = (1..=32).contains(&name.chars().count());
    (short && name.chars().all(plain)).then(|| name.to_owned())
}

/// The four conditions of a call.
#[derive(Clone, PartialEq, Eq)]
pub struct IdCard {
    person: NationalId,
    code: ApplyCode,
    /// Seven digits: ROC year, month, day.
    date: String,
    site: IssueSite,
}

/// `conditionMap`, which is JSON text inside a JSON string.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ConditionMap {
    person_id: String,
    apply_code: String,
    apply_yyymmdd: String,
    issue_site_id: String,
}

impl IdCard {
    /// Reads `conditionMap`.
    ///
    /// # Errors
    /// [`ConditionError`] names the first member that is not allowed.
    pub fn from_condition_map(text: &str) -> Result<Self, ConditionError> {
        // A list of the four values, which serde would take as well, is none.
        let map = text.trim_start().starts_with('{').then(|| serde_json::from_str(text).ok());
        let map: ConditionMap = map.flatten().ok_or_else(|| ConditionError::with(text))?;
        Self::new(&map.person_id, &map.apply_code, &map.apply_yyymmdd, &map.issue_site_id)
    }

    /// A card's data from its four members.
    ///
    /// # Errors
    /// [`ConditionError`].
    pub fn new(person: &str, code: &str, date: &str, site: &str) -> Result<Self, ConditionError> {
        let person = NationalId::parse(person).ok_or(ConditionError::of("personId"))?;
        let code = ApplyCode::parse(code).ok_or(ConditionError::of("applyCode"))?;
        let date = roc_day(date).ok_or(ConditionError::of("applyYyymmdd"))?;
        let site = IssueSite::parse(site, date).ok_or(ConditionError::of("issueSiteId"))?;
        Ok(Self { person, code, date: format!("{date:07}"), site })
    }

    /// Whether it is a card of this number.
    pub fn is_of(&self, person_id: &str) -> bool {
        self.person.0 == person_id
    }
}

/// A day of the ROC calendar, seven digits zero-padded, as a number.
fn roc_day(text: &str) -> Option<u32> {
    let text = text.trim();
    if text.len() != 7 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u32 = text.parse().ok()?;
    let year = i16::try_from(number / 10_000 + 1911).ok()?;
    let month = i8::try_from(number / 100 % 100).ok()?;
    let day = i8::try_from(number % 100).ok()?;
    (year > 1911 && jiff::civil::Date::new(year, month, day).is_ok()).then_some(number)
}

#[cfg(feature = "server")]
pub use digests::{CardDigest, DigestKey, PersonDigest};

#[cfg(feature = "server")]
mod digests {
    use hmac::{Hmac, KeyInit, Mac};
    use sha2::Sha256;

    use super::{IdCard, NationalId};

    /// The key of the register's digests: 32 secret bytes, as the state of HMAC-SHA-256 that
    /// follows from them. Without it nobody can tell whether a national ID is in the register.
    /// Erased from memory when dropped.
    #[derive(Clone)]
    pub struct DigestKey(Hmac<Sha256>);

    /// Stands for a national ID.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct PersonDigest(pub [u8; 16]);

    /// Stands for all four members of a card's data.
    #[derive(Clone, Copy, Debug)]
    pub struct CardDigest(pub [u8; 16]);

    impl CardDigest {
        /// Compares in constant time.
        pub fn matches(&self, other: &Self) -> bool {
            subtle::ConstantTimeEq::ct_eq(&self.0[..], &other.0[..]).into()
        }
    }

    impl DigestKey {
        /// Reads 64 hexadecimal digits.
        pub fn from_hex(text: &str) -> Option<Self> {
            let mut key = zeroize::Zeroizing::new([0; 32]);
            hex::decode_to_slice(text, key.as_mut()).ok()?;
            Hmac::new_from_slice(key.as_ref()).ok().map(Self)
        }

        /// The first half of an HMAC-SHA-256 over a label and parts, each ended by a zero byte.
        fn digest(&self, label: &str, parts: &[&str]) -> [u8; 16] {
            let mut mac = self.0.clone();
            for part in std::iter::once(&label).chain(parts) {
                mac.update(part.as_bytes());
                mac.update(&[0]);
            }
            let whole = mac.finalize().into_bytes();
            let mut half = [0; 16];
            half.copy_from_slice(&whole[..16]);
            half
        }

        /// The digest of the card's holder.
        pub fn person(&self, card: &IdCard) -> PersonDigest {
            PersonDigest(self.digest("person", &[&card.person.0]))
        }

        /// Stands for whoever registers or handles by a citizen card: another digest than the
        /// register's, even with the same key.
        pub fn citizen(&self, id: &NationalId) -> PersonDigest {
            PersonDigest(self.digest("citizen", &[&id.0]))
        }

        /// The digest of a number's holder: the same as of the holder of a card.
        pub fn person_of(&self, number: &NationalId) -> PersonDigest {
            PersonDigest(self.digest("person", &[&number.0]))
        }

        /// The digest of the card's data.
        pub fn card(&self, card: &IdCard) -> CardDigest {
            let code = card.code.digit().to_string();
            CardDigest(self.digest("card", &[&card.person.0, &code, &card.date, card.site.0]))
        }

        /// Stands for a person in the list of one account: the same for the same person, and
        /// another in the list of another account.
        pub fn pseudonym(&self, account: &str, person: PersonDigest) -> String {
            let digest = self.digest("pseudonym", &[account, &hex::encode(person.0)]);
            hex::encode_upper(&digest[..5])
        }

        /// Stands for a source address while its requests are counted; of IPv6 for the whole /64,
        /// which one household has.
        pub fn source(&self, address: std::net::IpAddr) -> [u8; 16] {
            let text = match address.to_canonical() {
                std::net::IpAddr::V4(address) => address.to_string(),
                std::net::IpAddr::V6(address) => hex::encode(&address.octets()[..8]),
            };
            self.digest("source", &[&text])
        }

        /// The digest under which a secret is looked up.
        pub(crate) fn lookup(&self, secret: &str) -> [u8; 16] {
            self.digest("isskey", &[secret])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [&str; 4] = ["A123456789", "1", "0940105", "63000"];

    fn member(index: usize, value: &str) -> Result<IdCard, ConditionError> {
        let mut members = GOOD;
        members[index] = value;
        let [person, code, date, site] = members;
        IdCard::new(person, code, date, site)
    }

    #[test]
    fn each_member_is_judged_by_itself() {
        assert!(member(0, "a223456789").is_ok());
        for (index, value, name) in [
            (0, "A823456789", "personId"),
            (0, "A12345678", "personId"),
            (1, "0", "applyCode"),
            (1, "4", "applyCode"),
            (2, "940105", "applyYyymmdd"),
            (2, "0940230", "applyYyymmdd"),
            (2, "0000101", "applyYyymmdd"),
            (3, "10022", "issueSiteId"),
        ] {
            assert_eq!(member(index, value).err(), Some(ConditionError::of(name)), "{value}");
        }
    }

    #[test]
    fn check_digits_are_those_of_the_rule() {
        // The sample number of every textbook.
        assert_eq!(NationalId::with_check_digit(b'A', 1, 2_345_678), "A123456789");
        assert_eq!(NationalId::with_check_digit(b'a', 1, 0), "a100000001".to_uppercase());
        assert!(NationalId::parse(&NationalId::with_check_digit(b'Z', 2, 9_999_999)).is_some());
    }

    #[test]
    fn what_is_typed_must_have_its_check_digit() {
        assert_eq!(NationalId::typed(" ａ123456789 ").map(|id| id.0).as_deref(), Ok("A123456789"));
        for (wrong, problem) in [
            ("", FieldProblem::Required),
            ("A123456788", FieldProblem::NationalIdFormat),
            ("A12345678", FieldProblem::NationalIdFormat),
            ("1234567890", FieldProblem::NationalIdFormat),
        ] {
            assert_eq!(NationalId::typed(wrong).err(), Some(problem), "{wrong}");
        }
        assert_eq!(NationalId::typed("B223456782").unwrap().tail(), "6782");
    }

    #[test]
    fn old_sites_count_before_the_merger_only() {
        let card = |date, site| IdCard::new("A123456789", "1", date, site);
        assert_eq!(card("0991224", "10019").ok().map(|card| card.site), Some(IssueSite("66000")));
        assert!(card("0991225", "10019").is_err());
    }

    #[test]
    fn condition_maps_are_json_however_padded() {
        let text = " {\n\t\"issueSiteId\" : \"63000\", \"personId\":\"A123456789\",\n \"applyCode\":\"1\",\"applyYyymmdd\":\"0940105\" } ";
        assert!(IdCard::from_condition_map(text).is_ok());
        let list = r#"["A123456789","1","0940105","63000"]"#;
        for bad in ["", "{}", "[]", "{", "null", list] {
            let error = IdCard::from_condition_map(bad).err();
            assert_eq!(error, Some(ConditionError::of("conditionMap")));
        }
    }

    #[test]
    fn what_is_wrong_with_a_condition_map_is_named() {
        let wrong = |change: &dyn Fn(&str) -> String| {
            let good = r#"{"personId":"A123456789","applyCode":"1","applyYyymmdd":"0940105","issueSiteId":"63000"}"#;
            assert!(IdCard::from_condition_map(good).is_ok());
            let text = change(good);
            let error = IdCard::from_condition_map(&text).err().unwrap();
            let kept = error.kept();
            assert!(kept == error.member || kept == "conditionMap", "{text}: {kept}");
            assert!(ConditionError::about(kept).is_some(), "{text}: {kept}");
            error.member.into_owned()
        };
        let instead = |from: &'static str, to: &'static str| {
            wrong(&move |good| {
                assert!(good.contains(from));
                good.replace(from, to)
            })
        };
        assert_eq!(instead(r#""1""#, "3"), "applyCode");
        assert_eq!(instead(r#""applyCode":"1","#, ""), "applyCode");
        assert_eq!(instead(r#""63000""#, "10001"), "issueSiteId");
        assert_eq!(instead(r#""63000""#, "null"), "issueSiteId");
        assert_eq!(instead(r#""0940105""#, r#"["0940105"]"#), "applyYyymmdd");
        assert_eq!(instead(r#"{"personId""#, r#"{"birthDate":"x","personId""#), "birthDate");
        assert_eq!(instead("personId", "personID"), "personID");
        assert_eq!(instead("personId", "身分證字號"), "身分證字號");
        // The same value twice is twice.
        assert_eq!(instead("{", r#"{"applyCode":"1","#), "applyCode");
        assert_eq!(wrong(&|_| r#"{"personId":"A123456789"}"#.into()), "applyCode");
        // What cannot be repeated in a message is not.
        for name in ["", "a b", "<b>", "\\u0007", &"x".repeat(33)] {
            let named = wrong(&|good| good.replacen('{', &format!("{{\"{name}\":\"\","), 1));
            assert_eq!(named, "conditionMap", "{name}");
        }
    }

    #[cfg(feature = "server")]
    #[test]
    fn digests_depend_on_the_key_and_on_every_member() {
        let key = DigestKey::from_hex(&"11".repeat(32)).unwrap();
        let other = DigestKey::from_hex(&"22".repeat(32)).unwrap();
        let card = member(0, GOOD[0]).unwrap();
        let same_person = member(2, "0940106").unwrap();
        assert_eq!(key.person(&card), key.person(&same_person));
        assert!(!key.card(&card).matches(&key.card(&same_person)));
        assert_ne!(key.person(&card), other.person(&card));
    }
}
