//! What can be wrong with a form field.

use serde::Serialize;

/// One thing wrong with one field. The words are in `static/text/zh-TW.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum FieldProblem {
    /// Nothing was filled in.
    #[error("required")]
    Required,
    /// More characters than allowed.
    #[error("too long")]
    TooLong,
    /// A control character or one that reverses the direction of writing.
    #[error("forbidden character")]
    ForbiddenCharacter,
    /// Not eight digits.
    #[error("not eight digits")]
    UbnFormat,
    /// The checksum of the 統一編號 is wrong.
    #[error("wrong checksum")]
    UbnChecksum,
    /// Not an IPv4 or IPv6 address.
    #[error("not an address")]
    AddressFormat,
    /// An address that cannot come from the internet.
    #[error("not a public address")]
    AddressNotPublic,
    /// Not `(02)12345678` or `(02)12345678#123`.
    #[error("not a landline number")]
    LandlineFormat,
    /// Not `09` and eight digits.
    #[error("not a mobile number")]
    MobileFormat,
    /// Neither landline nor mobile given.
    #[error("neither landline nor mobile")]
    PhoneMissing,
    /// Not an e-mail address.
    #[error("not an e-mail address")]
    EmailFormat,
    /// The notice and the rules were not agreed to in their current version.
    #[error("not agreed to the current terms")]
    NotAgreed,
    /// Not one of the values offered.
    #[error("not one of the values offered")]
    NotOffered,
    /// Not a day from today on, or one too far away.
    #[error("not a day on which a certificate may end")]
    SwitchDate,
    /// The company's own number where another one is asked for.
    #[error("the company's own number")]
    OtherUbn,
    /// No API停用 that is approved names this company as the one that goes on.
    #[error("no account that this company may take over")]
    NothingToTakeOver,
    /// Neither the subject serial of a citizen certificate nor `OID:` and an OID.
    #[error("not what a card is known by")]
    CardSubject,
    /// Neither a 統一編號 nor `OID:` and an OID.
    #[error("not what an applicant is known by")]
    ApplicantFormat,
    /// Not between 1 and 30.
    #[error("not between 1 and 30")]
    ExtensionDays,
    /// Not between 1 and 60.
    #[error("not between 1 and 60")]
    PolicyNumber,
    /// Not a day to come.
    #[error("not a day to come")]
    DayToCome,
    /// No day at all.
    #[error("not a day")]
    Day,
    /// Not a number of calls that an account may make.
    #[error("not a number of calls")]
    CallLimit,
    /// Not the 16 characters of a card number.
    #[error("not a card number")]
    CardNumberFormat,
    /// Not 6 to 10 characters.
    #[error("not a user code")]
    UserCodeFormat,
    /// Not a serial number in hexadecimal.
    #[error("not a serial number")]
    SerialFormat,
    /// Not a 機關代號.
    #[error("not an organisation's code")]
    OrganisationCode,
    /// Not a letter, 1 or 2, and eight digits with a valid check digit.
    #[error("not a national ID")]
    NationalIdFormat,
    /// The last four are not those of the card.
    #[error("not the card's national ID")]
    NationalIdMismatch,
    /// Neither a landline nor a mobile number.
    #[error("not a phone number")]
    PhoneFormat,
    /// No permission is ticked.
    #[error("no permission")]
    PermissionMissing,
    /// Not the serial number of the certificate that was chosen.
    #[error("not the certificate's serial number")]
    SerialDiffers,
    /// Not a day.
    #[error("not a day")]
    DayFormat,
    /// Less than a month ahead.
    #[error("less than a month ahead")]
    DayTooSoon,
    /// After the server certificate has ended.
    #[error("after the certificate's end")]
    DayAfterCertificate,
}

impl FieldProblem {
    /// Every problem, for the check that each has its words.
    pub const ALL: [Self; 35] = [
        Self::Required,
        Self::TooLong,
        Self::ForbiddenCharacter,
        Self::UbnFormat,
        Self::UbnChecksum,
        Self::AddressFormat,
        Self::AddressNotPublic,
        Self::LandlineFormat,
        Self::MobileFormat,
        Self::PhoneMissing,
        Self::EmailFormat,
        Self::NotAgreed,
        Self::NotOffered,
        Self::SwitchDate,
        Self::OtherUbn,
        Self::NothingToTakeOver,
        Self::CardSubject,
        Self::ApplicantFormat,
        Self::ExtensionDays,
        Self::PolicyNumber,
        Self::DayToCome,
        Self::Day,
        Self::CallLimit,
        Self::CardNumberFormat,
        Self::UserCodeFormat,
        Self::SerialFormat,
        Self::OrganisationCode,
        Self::NationalIdFormat,
        Self::NationalIdMismatch,
        Self::PhoneFormat,
        Self::PermissionMissing,
        Self::SerialDiffers,
        Self::DayFormat,
        Self::DayTooSoon,
        Self::DayAfterCertificate,
    ];
}

/// A problem and the field that has it, as a JSON Pointer (RFC 6901) into the draft.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// For example `/hostAddress`.
    pub pointer: String,
    /// What is wrong.
    pub code: FieldProblem,
}

impl FieldError {
    /// An error at this member of the draft.
    pub fn at(member: &str, code: FieldProblem) -> Self {
        Self { pointer: format!("/{member}"), code }
    }
}

/// Unicode's normal forms (UAX #15) and characters as people count them (UAX #29), by libraries.
#[cfg(not(all(target_arch = "wasm32", target_os = "unknown")))]
mod unicode {
    use unicode_normalization::UnicodeNormalization;
    use unicode_segmentation::UnicodeSegmentation;

    pub fn nfc(text: &str) -> String {
        text.nfc().collect()
    }

    pub fn nfkc(text: &str) -> String {
        text.nfkc().collect()
    }

    pub fn characters(text: &str) -> usize {
        text.graphemes(true).count()
    }
}

/// The same by the browser: it has the tables already, which would be a third of the module.
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
mod unicode {
    use js_sys::{Array, Intl, JsString, Object};

    pub fn nfc(text: &str) -> String {
        JsString::from(text).normalize("NFC").into()
    }

    pub fn nfkc(text: &str) -> String {
        JsString::from(text).normalize("NFKC").into()
    }

    pub fn characters(text: &str) -> usize {
        let segmenter = Intl::Segmenter::new(&Array::new(), &Object::new());
        Array::from(&segmenter.segment(text)).length() as usize
    }
}

/// Full-width letters, digits and signs become ordinary ones (NFKC); blanks at both ends go.
pub fn fold_width(text: &str) -> String {
    unicode::nfkc(text).trim().to_owned()
}

/// A line of free text: composed, trimmed, without control or direction characters.
pub(crate) fn line(text: &str, max: usize) -> Result<String, FieldProblem> {
    free_text(text, max, |_| false)
}

/// Free text that may have line breaks.
pub(crate) fn paragraph(text: &str, max: usize) -> Result<String, FieldProblem> {
    free_text(&text.replace("\r\n", "\n"), max, |character| character == '\n')
}

/// Characters as people count them: a letter with its marks is one.
pub(crate) fn characters(text: &str) -> usize {
    unicode::characters(text)
}

fn free_text(
    text: &str,
    max: usize,
    allowed: impl Fn(char) -> bool,
) -> Result<String, FieldProblem> {
    let text = unicode::nfc(text).trim().to_owned();
    if text.is_empty() {
        return Err(FieldProblem::Required);
    }
    if text.chars().any(|character| is_forbidden(character) && !allowed(character)) {
        return Err(FieldProblem::ForbiddenCharacter);
    }
    if characters(&text) > max {
        return Err(FieldProblem::TooLong);
    }
    Ok(text)
}

/// Control characters, line and paragraph separators, and bidirectional controls
/// (UAX #9), which could make a text look like another.
fn is_forbidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{061c}'
            | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_counted_as_people_count() {
        assert!(line("é", 1).is_ok());
        assert!(line("e\u{301}", 1).is_ok());
        assert!(line("👩‍👩‍👧", 1).is_ok());
        assert_eq!(line("ab", 1), Err(FieldProblem::TooLong));
    }

    #[test]
    fn deceptive_characters_are_refused_and_rare_ones_kept() {
        assert_eq!(line("甲\u{202e}乙", 9), Err(FieldProblem::ForbiddenCharacter));
        assert_eq!(line("甲\n乙", 9), Err(FieldProblem::ForbiddenCharacter));
        assert_eq!(paragraph("甲\r\n乙", 9).unwrap(), "甲\n乙");
        assert_eq!(line("\u{2a6d6}\u{e000}", 9).unwrap(), "\u{2a6d6}\u{e000}");
    }
}
