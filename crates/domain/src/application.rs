//! The application form (manual 000, figure 4): what was typed, and what it means.

use serde::{Deserialize, Serialize};

use crate::contact::{AddressPolicy, Email, HostAddress, Landline, Mobile};
use crate::field::{FieldError, FieldProblem, characters, line, paragraph};
use crate::{Agreement, CaseKind, Edition, Service, Ubn};

/// Longest company name, in characters.
const MAX_NAME: usize = 100;
/// Longest name of a contact person, in characters.
const MAX_CONTACT: usize = 50;
/// 字數限制350字.
const MAX_REASON: usize = 350;

/// The form as typed. Every member is a string, so that nothing is lost before it was checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApplicationDraft {
    /// 申請事項: the name of a [`CaseKind`].
    pub kind: String,
    /// 公司名稱.
    pub company_name: String,
    /// 營利事業統一編號.
    pub ubn: String,
    /// 連線主機網路位址.
    pub host_address: String,
    /// 聯絡人.
    pub contact_name: String,
    /// 市話; this or `mobile`.
    #[serde(default)]
    pub landline: String,
    /// 手機; this or `landline`.
    #[serde(default)]
    pub mobile: String,
    /// 電子信箱.
    pub email: String,
    /// 使用目的/原因.
    pub reason: String,
    /// What was agreed to; `None` while the box is not ticked.
    #[serde(default)]
    pub agreed: Option<Agreement>,
    /// S/N of the case whose question this answers (補件).
    #[serde(default)]
    pub answers: Option<String>,
    /// 統編變更: with API停用 the 統一編號 that goes on, with API申請 the one before.
    #[serde(default)]
    pub other_ubn: String,
}

/// A complete application whose every field was checked. Its JSON is what the card signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Application {
    /// 申請事項: never a certificate upload, which has a form of its own.
    pub kind: CaseKind,
    /// 公司名稱.
    pub company_name: String,
    /// 營利事業統一編號.
    pub ubn: Ubn,
    /// 連線主機網路位址.
    pub host_address: HostAddress,
    /// 聯絡人.
    pub contact_name: String,
    /// 市話.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub landline: Option<Landline>,
    /// 手機.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mobile: Option<Mobile>,
    /// 電子信箱.
    pub email: Email,
    /// 使用目的/原因.
    pub reason: String,
    /// The texts agreed to, in their current version.
    pub agreed: Agreement,
    /// S/N of the case whose question this answers (補件).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answers: Option<String>,
    /// 統編變更: with API停用 the 統一編號 that goes on, with API申請 the one before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_ubn: Option<Ubn>,
}

impl ApplicationDraft {
    /// Checks every field.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the form.
    pub fn parse(
        &self,
        edition: Edition,
        addresses: AddressPolicy,
    ) -> Result<Application, Vec<FieldError>> {
        let mut errors = Vec::new();
        macro_rules! field {
            ($member:literal, $parsed:expr) => {
                match $parsed {
                    Ok(value) => Some(value),
                    Err(problem) => {
                        errors.push(FieldError::at($member, problem));
                        None
                    }
                }
            };
        }
        let kind = field!("kind", application_kind(&self.kind));
        let company_name = field!("companyName", line(&self.company_name, MAX_NAME));
        let ubn = field!("ubn", self.ubn.parse::<Ubn>());
        let host_address = field!("hostAddress", HostAddress::parse(&self.host_address, addresses));
        let contact_name = field!("contactName", line(&self.contact_name, MAX_CONTACT));
        let landline = field!("landline", optional::<Landline>(&self.landline));
        let mobile = field!("mobile", optional::<Mobile>(&self.mobile));
        if let (Some(None), Some(None)) = (&landline, &mobile) {
            errors.push(FieldError::at("landline", FieldProblem::PhoneMissing));
        }
        let email = field!("email", self.email.parse::<Email>());
        let reason = field!("reason", paragraph(&self.reason, MAX_REASON));
        let other_ubn = field!("otherUbn", other_ubn(&self.other_ubn, kind, ubn));
        let agreed = field!("agreed", agreement(edition, self.agreed.as_ref()));
        match (
            kind,
            company_name,
            ubn,
            host_address,
            contact_name,
            landline,
            mobile,
            email,
            reason,
            other_ubn,
            agreed,
        ) {
            (
                Some(kind),
                Some(company_name),
                Some(ubn),
                Some(host_address),
                Some(contact_name),
                Some(landline),
                Some(mobile),
                Some(email),
                Some(reason),
                Some(other_ubn),
                Some(agreed),
            ) if errors.is_empty() => Ok(Application {
                kind,
                company_name,
                ubn,
                host_address,
                contact_name,
                landline,
                mobile,
                email,
                reason,
                agreed,
                answers: self.answers.clone(),
                other_ubn,
            }),
            _ => Err(errors),
        }
    }
}

/// Checks one field of the form by itself, as [`ApplicationDraft::parse`] does; its text as it
/// will be signed. A telephone number may be empty here: one of the two is needed.
///
/// # Errors
/// What is wrong; [`FieldProblem::NotOffered`] for a member that is no such field.
pub fn check_field(
    member: &str,
    text: &str,
    addresses: AddressPolicy,
) -> Result<String, FieldProblem> {
    match member {
        "companyName" => line(text, MAX_NAME),
        "ubn" => text.parse().map(|ubn: Ubn| ubn.as_str().to_owned()),
        "hostAddress" => HostAddress::parse(text, addresses).map(String::from),
        "contactName" => line(text, MAX_CONTACT),
        "landline" => optional::<Landline>(text)
            .map(|number| number.map_or_else(String::new, |number| number.as_str().to_owned())),
        "mobile" => optional::<Mobile>(text)
            .map(|number| number.map_or_else(String::new, |number| number.as_str().to_owned())),
        "email" => text.parse().map(|email: Email| email.as_str().to_owned()),
        "reason" => paragraph(text, MAX_REASON),
        "otherUbn" => optional::<Ubn>(text)
            .map(|ubn| ubn.map_or_else(String::new, |ubn| ubn.as_str().to_owned())),
        _ => Err(FieldProblem::NotOffered),
    }
}

/// Characters that may still be typed under 使用目的/原因, counted as people count; below
/// zero when there are too many.
pub fn reason_left(text: &str) -> isize {
    let used = isize::try_from(characters(text.trim())).unwrap_or(isize::MAX);
    isize::try_from(MAX_REASON).unwrap_or_default().saturating_sub(used)
}

fn application_kind(text: &str) -> Result<CaseKind, FieldProblem> {
    CaseKind::from_name(text)
        .filter(|kind| kind.service() == Service::Api && *kind != CaseKind::CertificateUpload)
        .ok_or(FieldProblem::NotOffered)
}

/// Another 統一編號 than the company's own, where one belongs.
fn other_ubn(
    text: &str,
    kind: Option<CaseKind>,
    own: Option<Ubn>,
) -> Result<Option<Ubn>, FieldProblem> {
    let other = optional::<Ubn>(text)?;
    match kind {
        _ if other.is_none() => Ok(None),
        Some(CaseKind::ApiStop | CaseKind::ApiApplication) if other == own => {
            Err(FieldProblem::OtherUbn)
        }
        Some(CaseKind::ApiStop | CaseKind::ApiApplication) => Ok(other),
        _ => Err(FieldProblem::NotOffered),
    }
}

fn optional<T: std::str::FromStr<Err = FieldProblem>>(
    text: &str,
) -> Result<Option<T>, FieldProblem> {
    if text.trim().is_empty() { Ok(None) } else { text.parse().map(Some) }
}

/// The agreement must name the texts of this edition: an older page has to be read again.
pub(crate) fn agreement(
    edition: Edition,
    agreed: Option<&Agreement>,
) -> Result<Agreement, FieldProblem> {
    match agreed {
        Some(agreed) if *agreed == edition.agreement() => Ok(agreed.clone()),
        _ => Err(FieldProblem::NotAgreed),
    }
}

/// The text under 使用目的/原因 of another form.
#[cfg(feature = "server")]
pub(crate) fn reason(text: &str) -> Result<String, FieldProblem> {
    paragraph(text, MAX_REASON)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> ApplicationDraft {
        ApplicationDraft {
            kind: "api-application".into(),
            company_name: "測試甲股份有限公司".into(),
            ubn: "１２３４５６７５".into(),
            host_address: "127.0.0.2".into(),
            contact_name: "王測試".into(),
            landline: "(02)12345678#12".into(),
            mobile: String::new(),
            email: "clerk@example.com.tw".into(),
            reason: "依洗錢防制法第十條辦理客戶身分查驗".into(),
            agreed: Some(Edition::Of112.agreement()),
            answers: None,
            other_ubn: String::new(),
        }
    }

    /// 統編變更: the other number belongs to two kinds, and is never the company's own.
    #[test]
    fn the_other_number_is_another_one() {
        let policy = AddressPolicy::PublicOrLoopback;
        let judged = |kind: &str, other: &str| {
            let draft = ApplicationDraft { kind: kind.into(), other_ubn: other.into(), ..draft() };
            draft.parse(Edition::Of112, policy).map(|application| application.other_ubn)
        };
        let wrong = |problem| Err(vec![FieldError::at("otherUbn", problem)]);
        for kind in ["api-stop", "api-application"] {
            assert_eq!(judged(kind, ""), Ok(None));
            assert_eq!(judged(kind, "０４５９５２５７"), Ok("04595257".parse().ok()));
            assert_eq!(judged(kind, "12345675"), wrong(FieldProblem::OtherUbn));
            assert_eq!(judged(kind, "1"), wrong(FieldProblem::UbnFormat));
        }
        assert_eq!(judged("data-change", "04595257"), wrong(FieldProblem::NotOffered));
    }

    #[test]
    fn a_complete_form_is_accepted_and_normalised() {
        let application = draft().parse(Edition::Of112, AddressPolicy::PublicOrLoopback).unwrap();
        assert_eq!(application.ubn.as_str(), "12345675");
        // What is signed parses to itself.
        let json = serde_json::to_value(&application).unwrap();
        let again: ApplicationDraft = serde_json::from_value(json.clone()).unwrap();
        let again = again.parse(Edition::Of112, AddressPolicy::PublicOrLoopback).unwrap();
        assert_eq!(serde_json::to_value(again).unwrap(), json);
    }

    #[test]
    fn a_field_by_itself_is_judged_as_in_the_form() {
        let policy = AddressPolicy::PublicOrLoopback;
        let whole = serde_json::to_value(draft().parse(Edition::Of112, policy).unwrap()).unwrap();
        let typed = serde_json::to_value(draft()).unwrap();
        for member in
            ["companyName", "ubn", "hostAddress", "contactName", "landline", "email", "reason"]
        {
            let alone = check_field(member, typed[member].as_str().unwrap(), policy);
            assert_eq!(alone.as_deref(), Ok(whole[member].as_str().unwrap()), "{member}");
            let empty = ApplicationDraft::default().parse(Edition::Of112, policy).unwrap_err();
            let pointer = format!("/{member}");
            let of_form =
                empty.iter().find(|error| error.pointer == pointer).map(|error| error.code);
            match check_field(member, "", policy) {
                Ok(_) => assert_eq!(of_form, Some(FieldProblem::PhoneMissing)),
                Err(problem) => assert_eq!(Some(problem), of_form, "{member}"),
            }
        }
        assert_eq!(
            check_field("mobile", "０９１２３４５６７８", policy).as_deref(),
            Ok("0912345678")
        );
        assert_eq!(check_field("kind", "x", policy), Err(FieldProblem::NotOffered));
        assert_eq!(reason_left(""), 350);
        assert_eq!(reason_left(" 一\u{301}二 "), 348);
        assert_eq!(reason_left(&"字".repeat(351)), -1);
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let errors =
            ApplicationDraft::default().parse(Edition::Of112, AddressPolicy::Public).unwrap_err();
        let pointers: Vec<&str> = errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(
            pointers,
            [
                "/kind",
                "/companyName",
                "/ubn",
                "/hostAddress",
                "/contactName",
                "/landline",
                "/email",
                "/reason",
                "/agreed"
            ]
        );
    }

    #[test]
    fn the_reason_has_350_characters_at_most() {
        let mut draft = draft();
        draft.reason = "依".repeat(350);
        assert!(draft.parse(Edition::Of112, AddressPolicy::PublicOrLoopback).is_ok());
        draft.reason.push('法');
        let errors = draft.parse(Edition::Of112, AddressPolicy::PublicOrLoopback).unwrap_err();
        assert_eq!(errors, [FieldError::at("reason", FieldProblem::TooLong)]);
    }

    #[test]
    fn an_agreement_to_another_version_does_not_count() {
        let mut draft = draft();
        draft.agreed.as_mut().unwrap().rules.sha256.replace_range(..1, "z");
        let errors = draft.parse(Edition::Of112, AddressPolicy::PublicOrLoopback).unwrap_err();
        assert_eq!(errors, [FieldError::at("agreed", FieldProblem::NotAgreed)]);
    }
}
