//! What is typed for a registration and its handlers, and what it means. The same code checks it
//! in the browser.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::contact::{Email, Phone};
use crate::field::{FieldError, FieldProblem, fold_width, line};
use crate::{Code, Coded, NationalId, SerialNumber};

/// Longest name of a person, in characters.
const MAX_PERSON: usize = 50;

/// 機關代號: three to twelve letters and digits, as the office gave it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OrganisationCode(String);

impl OrganisationCode {
    /// The code.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for OrganisationCode {
    type Err = FieldProblem;

    fn from_str(text: &str) -> Result<Self, FieldProblem> {
        let text = fold_width(text).replace(['-', ' '], "").to_ascii_uppercase();
        if text.is_empty() {
            return Err(FieldProblem::Required);
        }
        let fits = (3..=12).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        if fits { Ok(Self(text)) } else { Err(FieldProblem::OrganisationCode) }
    }
}

impl fmt::Display for OrganisationCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A function of this service that a handler may be given (功能選單項目).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HandlerPermission {
    /// 首次註冊紀錄查詢.
    Registrations,
    /// 授權指派.
    Delegate,
    /// 更換憑證.
    Replace,
    /// 憑證查詢.
    Certificates,
    /// API申請.
    Apply,
    /// 進度查詢.
    Progress,
    /// 取消.
    Cancel,
}

impl HandlerPermission {
    /// Every permission, in the order of the menu.
    pub const ALL: [Self; 7] = [
        Self::Registrations,
        Self::Delegate,
        Self::Replace,
        Self::Certificates,
        Self::Apply,
        Self::Progress,
        Self::Cancel,
    ];

    /// The name on the wire and in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Registrations => "registrations",
            Self::Delegate => "delegate",
            Self::Replace => "replace",
            Self::Certificates => "certificates",
            Self::Apply => "apply",
            Self::Progress => "progress",
            Self::Cancel => "cancel",
        }
    }

    /// The words of the menu.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Registrations => "首次註冊紀錄查詢",
            Self::Delegate => "授權指派",
            Self::Replace => "更換憑證",
            Self::Certificates => "憑證查詢",
            Self::Apply => "API申請",
            Self::Progress => "進度查詢",
            Self::Cancel => "取消",
        }
    }

    /// The permission of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|permission| permission.name() == name)
    }
}

/// Everything that is wrong with what was typed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} fields cannot be accepted", .0.len())]
pub struct FieldsRefused(pub Vec<FieldError>);

impl Coded for FieldsRefused {
    fn code(&self) -> Code {
        Code::InvalidFields
    }

    fn fields(&self) -> &[FieldError] {
        &self.0
    }
}

impl FieldsRefused {
    /// One field.
    pub fn at(member: &str, problem: FieldProblem) -> Self {
        Self(vec![FieldError::at(member, problem)])
    }
}

/// Collects what is wrong, field by field.
#[derive(Default)]
struct Fields(Vec<FieldError>);

impl Fields {
    fn take<T>(&mut self, member: &str, parsed: Result<T, FieldProblem>) -> Option<T> {
        parsed.map_err(|problem| self.0.push(FieldError::at(member, problem))).ok()
    }

    fn done<T>(self, whole: Option<T>) -> Result<T, FieldsRefused> {
        match whole {
            Some(whole) if self.0.is_empty() => Ok(whole),
            _ => Err(FieldsRefused(self.0)),
        }
    }
}

/// Contact data of the manager as typed (figures 3-9, 3-26).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContactDraft {
    /// 姓名.
    pub contact_name: String,
    /// 電子信箱.
    pub email: String,
    /// 連絡電話.
    pub phone: String,
}

/// The same, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagerContact {
    /// 姓名.
    pub name: String,
    /// 電子信箱.
    pub email: Email,
    /// 連絡電話.
    pub phone: Phone,
}

impl ContactDraft {
    /// Checks every field.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the form.
    pub fn parse(&self) -> Result<ManagerContact, FieldsRefused> {
        let mut fields = Fields::default();
        let name = fields.take("contactName", line(&self.contact_name, MAX_PERSON));
        let email = fields.take("email", self.email.parse());
        let phone = fields.take("phone", self.phone.parse());
        let whole = match (name, email, phone) {
            (Some(name), Some(email), Some(phone)) => Some(ManagerContact { name, email, phone }),
            _ => None,
        };
        fields.done(whole)
    }
}

/// Who asks for a review, as typed (figure 3-6); both are 必填.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AskerDraft {
    /// 姓名.
    pub contact_name: String,
    /// 電話.
    pub phone: String,
    /// 電子信箱, for the answer; need not be given.
    #[serde(default)]
    pub email: String,
}

/// The same, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewAsker {
    /// 姓名.
    pub name: String,
    /// 電話.
    pub phone: Phone,
    /// 電子信箱.
    pub email: Option<Email>,
}

impl AskerDraft {
    /// Checks every field.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the form.
    pub fn parse(&self) -> Result<ReviewAsker, FieldsRefused> {
        let mut fields = Fields::default();
        let name = fields.take("contactName", line(&self.contact_name, MAX_PERSON));
        let phone = fields.take("phone", self.phone.parse());
        let email = fields.take("email", optional_email(&self.email));
        let whole = match (name, phone, email) {
            (Some(name), Some(phone), Some(email)) => Some(ReviewAsker { name, phone, email }),
            _ => None,
        };
        fields.done(whole)
    }
}

/// Working days in which officers look at a registration: until 次一營業日 (figure 3-7).
pub const REGISTRATION_REVIEW_DAYS: u16 = 1;

fn optional_email(text: &str) -> Result<Option<Email>, FieldProblem> {
    if fold_width(text).is_empty() { Ok(None) } else { text.parse().map(Some) }
}

/// A handler as typed (figures 3-15, 3-18).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HandlerDraft {
    /// 憑證序號(SN), in any notation; empty for one who is invited.
    #[serde(default)]
    pub serial_number: String,
    /// 授權經辦人姓名.
    pub name: String,
    /// 身分證統一編號; empty when an entry is changed and the ID is to stay.
    #[serde(default)]
    pub national_id: String,
    /// 電子信箱; need not be given.
    #[serde(default)]
    pub email: String,
    /// 功能選單項目, by their names.
    #[serde(default)]
    pub permissions: Vec<String>,
}

/// What a draft is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandlerForm {
    /// Added by card or serial number.
    Added,
    /// Invited: the own card brings the serial number.
    Invited,
    /// Changed: what was known may stay.
    Changed,
}

/// The same, checked.
#[derive(Clone, PartialEq, Eq)]
pub struct HandlerData {
    /// 憑證序號.
    pub serial_number: Option<SerialNumber>,
    /// 姓名.
    pub name: String,
    /// 身分證統一編號, where it was typed.
    pub national_id: Option<NationalId>,
    /// 電子信箱.
    pub email: Option<Email>,
    /// At least one, each once, in the order of the menu.
    pub permissions: Vec<HandlerPermission>,
}

impl HandlerDraft {
    /// Checks every field.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the form.
    pub fn parse(&self, form: HandlerForm) -> Result<HandlerData, FieldsRefused> {
        let mut fields = Fields::default();
        let serial_number = match form {
            HandlerForm::Invited => Some(None),
            // An invitation that waits has none yet.
            HandlerForm::Changed if fold_width(&self.serial_number).is_empty() => Some(None),
            _ => fields.take("serialNumber", self.serial_number.parse().map(Some)),
        };
        let name = fields.take("name", line(&self.name, MAX_PERSON));
        let national_id = match form {
            HandlerForm::Changed if fold_width(&self.national_id).is_empty() => Some(None),
            _ => fields.take("nationalId", NationalId::typed(&self.national_id).map(Some)),
        };
        let email = fields.take("email", optional_email(&self.email));
        let permissions = fields.take("permissions", permissions(&self.permissions));
        let whole = match (serial_number, name, national_id, email, permissions) {
            (
                Some(serial_number),
                Some(name),
                Some(national_id),
                Some(email),
                Some(permissions),
            ) => Some(HandlerData { serial_number, name, national_id, email, permissions }),
            _ => None,
        };
        fields.done(whole)
    }
}

fn permissions(names: &[String]) -> Result<Vec<HandlerPermission>, FieldProblem> {
    let mut found = names
        .iter()
        .map(|name| HandlerPermission::from_name(name).ok_or(FieldProblem::NotOffered))
        .collect::<Result<Vec<_>, _>>()?;
    found.sort_unstable();
    found.dedup();
    if found.is_empty() { Err(FieldProblem::PermissionMissing) } else { Ok(found) }
}

/// Judges one field of these forms; the text as it will be kept.
///
/// # Errors
/// What is wrong with it.
pub fn check_registration_field(member: &str, text: &str) -> Result<String, FieldProblem> {
    match member {
        "code" => text.parse().map(|code: OrganisationCode| code.to_string()),
        "serialNumber" => text.parse().map(|serial: SerialNumber| serial.to_string()),
        "nationalId" => NationalId::typed(text).map(|_| fold_width(text).to_ascii_uppercase()),
        "contactName" | "name" => line(text, MAX_PERSON),
        "phone" => text.parse().map(|phone: Phone| phone.as_str().to_owned()),
        "email" => text.parse().map(|email: Email| email.as_str().to_owned()),
        "optionalEmail" => optional_email(text)
            .map(|email| email.map(|email| email.as_str().to_owned()).unwrap_or_default()),
        _ => Err(FieldProblem::NotOffered),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_are_read_in_any_notation() {
        let whole = "0A1B2C3D4E5F60718293A4B5C6D7E8F9";
        for text in [
            whole.to_owned(),
            whole.to_lowercase(),
            "a1b2c3d4e5f60718293a4b5c6d7e8f9".into(),
            "0x0A1B2C3D4E5F60718293A4B5C6D7E8F9".into(),
            "00:0a:1b:2c:3d:4e:5f:60:71:82:93:a4:b5:c6:d7:e8:f9".into(),
            " 0A1B 2C3D 4E5F 6071\n8293 A4B5 C6D7 E8F9 ".into(),
            "０Ａ１Ｂ２Ｃ３Ｄ-４Ｅ５Ｆ６０７１-８２９３Ａ４Ｂ５-Ｃ６Ｄ７Ｅ８Ｆ９".into(),
        ] {
            assert_eq!(text.parse::<SerialNumber>().unwrap().to_string(), whole, "{text}");
        }
        for (text, problem) in [
            ("", FieldProblem::Required),
            ("00:00", FieldProblem::SerialFormat),
            ("0G", FieldProblem::SerialFormat),
            (&"F".repeat(41)[..], FieldProblem::SerialFormat),
        ] {
            assert_eq!(text.parse::<SerialNumber>().err(), Some(problem), "{text}");
        }
    }

    #[test]
    fn codes_are_letters_and_digits() {
        let code = |text: &str| text.parse::<OrganisationCode>().map(|code| code.to_string());
        assert_eq!(code(" ａ12-34 ").as_deref(), Ok("A1234"));
        assert_eq!(code(""), Err(FieldProblem::Required));
        for wrong in ["A1", "A_123", "A123456789012", "機關"] {
            assert_eq!(code(wrong), Err(FieldProblem::OrganisationCode), "{wrong}");
        }
    }

    #[test]
    fn a_handler_needs_a_permission_and_says_what_else_is_wrong() {
        let wrong = HandlerDraft::default().parse(HandlerForm::Added).err().unwrap();
        let pointers: Vec<_> = wrong.0.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(pointers, ["/serialNumber", "/name", "/nationalId", "/permissions"]);
        let draft = HandlerDraft {
            serial_number: "0a:1b".into(),
            name: "張經辦".into(),
            national_id: "b223456782".into(),
            email: String::new(),
            permissions: ["progress", "apply", "progress"].map(str::to_owned).into(),
        };
        let data = draft.parse(HandlerForm::Added).unwrap();
        assert_eq!(data.permissions, [HandlerPermission::Apply, HandlerPermission::Progress]);
        let invited = HandlerDraft { serial_number: String::new(), ..draft.clone() };
        assert_eq!(invited.parse(HandlerForm::Invited).unwrap().serial_number, None);
        let unknown = HandlerDraft { permissions: vec!["everything".into()], ..draft };
        assert!(unknown.parse(HandlerForm::Added).is_err());
        for permission in HandlerPermission::ALL {
            assert_eq!(HandlerPermission::from_name(permission.name()), Some(permission));
            assert_eq!(serde_json::json!(permission), permission.name());
        }
    }

    #[test]
    fn contact_data_is_complete_or_says_what_is_missing() {
        let contact = ContactDraft {
            contact_name: "林管理".into(),
            email: "a@example.com".into(),
            phone: "(02)12345678#1".into(),
        };
        assert!(contact.parse().is_ok());
        assert_eq!(ContactDraft::default().parse().unwrap_err().0.len(), 3);
        assert_eq!(AskerDraft::default().parse().unwrap_err().0.len(), 2);
    }
}
