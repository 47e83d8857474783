//! The identity confirmation service (自然人憑證用戶身分確認服務): the annex as a form, and when
//! an approved service is open (manual 003).

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::contact::{Email, Landline, Phone};
use crate::field::{FieldError, FieldProblem, line, paragraph};
use crate::{Applicant, CaseKind, SerialNumber, Service, TAIPEI, TermsReference};

/// Longest name, address or unit, in characters.
const MAX_LINE: usize = 100;
/// Longest name or title of a person, in characters.
const MAX_PERSON: usize = 50;
/// Longest description or reason, in characters.
const MAX_TEXT: usize = 1000;

/// The text that is agreed to: points 1 to 7 of 申請要點, as amended in the year 104.
pub fn confirmation_terms() -> TermsReference {
    let sha256 = include_str!("../../../static/legal/confirmation/104.sha256");
    TermsReference { version: "104".to_owned(), sha256: sha256.trim().to_owned() }
}

/// The form as typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ConfirmationDraft {
    /// 申請項目: `confirmation-start` or `confirmation-stop`.
    pub kind: String,
    /// 統一編號, or `OID:` and the organisation OID: of the card.
    pub applicant: String,
    /// 機關(構)名稱.
    pub organisation_name: String,
    /// 機關(構)地址.
    pub organisation_address: String,
    /// 應用系統中文名稱.
    pub system_name: String,
    /// 伺服器憑證序號.
    pub server_serial: String,
    /// The server certificate's file, Base64; for 啟用.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub certificate_file: String,
    /// 聯絡人: 姓名.
    pub contact_name: String,
    /// 聯絡人: 職稱.
    pub contact_title: String,
    /// 聯絡人: 單位.
    pub contact_unit: String,
    /// 聯絡人: E-mail.
    pub contact_email: String,
    /// 聯絡人: 電話.
    pub contact_phone: String,
    /// 聯絡人: 傳真.
    pub contact_fax: String,
    /// 代理人: 姓名.
    pub deputy_name: String,
    /// 代理人: 職稱.
    pub deputy_title: String,
    /// 代理人: 單位.
    pub deputy_unit: String,
    /// 代理人: E-mail.
    pub deputy_email: String,
    /// 代理人: 電話.
    pub deputy_phone: String,
    /// 代理人: 傳真.
    pub deputy_fax: String,
    /// 預定開放日期 or 預定停用日期, `YYYY-MM-DD`.
    pub day: String,
    /// 應用系統概述, or 停用原因.
    pub text: String,
    /// 申請要點 with the security duties of its point 5; `None` while the box is not ticked.
    pub agreed: Option<TermsReference>,
    /// S/N of the case whose question this answers (補件).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answers: Option<String>,
}

/// 聯絡人 or 代理人.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// 姓名.
    pub name: String,
    /// 職稱.
    pub title: String,
    /// 單位.
    pub unit: String,
    /// E-mail.
    pub email: Email,
    /// 電話.
    pub phone: Phone,
    /// 傳真.
    pub fax: Landline,
}

/// A complete form. What the card signs is the draft in its final form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfirmationForm {
    /// 啟用 or 停用.
    pub kind: CaseKind,
    /// Whose it is.
    pub applicant: Applicant,
    /// The draft with every field as it is kept.
    pub draft: ConfirmationDraft,
    /// 聯絡人.
    pub contact: Person,
    /// 代理人.
    pub deputy: Person,
    /// 預定開放日期 or 預定停用日期.
    pub day: Date,
}

/// The first day for which may be applied today: one month ahead (points 3 and 4).
pub fn earliest_day(today: Date) -> Date {
    // Neither spans nor a parser of every notation: in the browser they would be half of the module.
    let first = today.last_of_month().tomorrow().unwrap_or(Date::MAX);
    let day = today.day().min(first.days_in_month());
    Date::new(first.year(), first.month(), day).unwrap_or(Date::MAX)
}

/// A day as date fields and interfaces write it, `YYYY-MM-DD`.
pub fn plain_day(text: &str) -> Option<Date> {
    let number =
        |range| text.get(range).filter(|part: &&str| part.bytes().all(|b| b.is_ascii_digit()));
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let dashes = text.len() == 10 && text.get(4..5)? == "-" && text.get(7..8)? == "-";
    let day = Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()?;
    dashes.then_some(day)
}

/// A serial number as typed or pasted, in the notation of the ministry's pages: upper-case
/// hexadecimal digits, at least 32.
///
/// # Errors
/// [`FieldProblem`].
pub fn server_serial(text: &str) -> Result<String, FieldProblem> {
    text.parse::<SerialNumber>().map(|serial| serial.to_string())
}

/// One field by itself, as [`ConfirmationDraft::parse`] judges it.
///
/// # Errors
/// What is wrong; [`FieldProblem::NotOffered`] for a member that is no such field.
pub fn check_confirmation_field(
    member: &str,
    text: &str,
    today: Date,
) -> Result<String, FieldProblem> {
    if text.trim().is_empty() {
        return Err(match CONFIRMATION_FIELDS.contains(&member) {
            true => FieldProblem::Required,
            false => FieldProblem::NotOffered,
        });
    }
    match member {
        "applicant" => {
            text.parse::<Applicant>().map(String::from).map_err(|_| FieldProblem::NotOffered)
        }
        "organisationName"
        | "organisationAddress"
        | "systemName"
        | "contactUnit"
        | "deputyUnit" => line(text, MAX_LINE),
        "contactName" | "contactTitle" | "deputyName" | "deputyTitle" => line(text, MAX_PERSON),
        "contactEmail" | "deputyEmail" => {
            text.parse::<Email>().map(|email| email.as_str().to_owned())
        }
        "contactPhone" | "deputyPhone" => {
            text.parse::<Phone>().map(|number| number.as_str().to_owned())
        }
        "contactFax" | "deputyFax" => {
            text.parse::<Landline>().map(|number| number.as_str().to_owned())
        }
        "serverSerial" => server_serial(text),
        "day" => day(text, today).map(|_| text.trim().to_owned()),
        "text" => paragraph(text, MAX_TEXT),
        _ => Err(FieldProblem::NotOffered),
    }
}

fn day(text: &str, today: Date) -> Result<Date, FieldProblem> {
    let text = text.trim();
    if text.is_empty() {
        return Err(FieldProblem::Required);
    }
    let day = plain_day(text).ok_or(FieldProblem::DayFormat)?;
    if day < earliest_day(today) { Err(FieldProblem::DayTooSoon) } else { Ok(day) }
}

/// The typed fields in the order of the annex.
pub const CONFIRMATION_FIELDS: [&str; 18] = [
    "organisationName",
    "organisationAddress",
    "systemName",
    "serverSerial",
    "contactName",
    "contactTitle",
    "contactUnit",
    "contactEmail",
    "contactPhone",
    "contactFax",
    "deputyName",
    "deputyTitle",
    "deputyUnit",
    "deputyEmail",
    "deputyPhone",
    "deputyFax",
    "day",
    "text",
];

impl ConfirmationDraft {
    fn member(&mut self, name: &str) -> Option<&mut String> {
        Some(match name {
            "organisationName" => &mut self.organisation_name,
            "organisationAddress" => &mut self.organisation_address,
            "systemName" => &mut self.system_name,
            "serverSerial" => &mut self.server_serial,
            "contactName" => &mut self.contact_name,
            "contactTitle" => &mut self.contact_title,
            "contactUnit" => &mut self.contact_unit,
            "contactEmail" => &mut self.contact_email,
            "contactPhone" => &mut self.contact_phone,
            "contactFax" => &mut self.contact_fax,
            "deputyName" => &mut self.deputy_name,
            "deputyTitle" => &mut self.deputy_title,
            "deputyUnit" => &mut self.deputy_unit,
            "deputyEmail" => &mut self.deputy_email,
            "deputyPhone" => &mut self.deputy_phone,
            "deputyFax" => &mut self.deputy_fax,
            "day" => &mut self.day,
            "text" => &mut self.text,
            _ => return None,
        })
    }

    /// Checks every field; `today` is the day in Taipei.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the form.
    pub fn parse(&self, today: Date) -> Result<ConfirmationForm, Vec<FieldError>> {
        let mut draft = self.clone();
        let mut errors = Vec::new();
        let kind =
            CaseKind::from_name(&self.kind).filter(|kind| kind.service() == Service::Confirmation);
        if kind.is_none() {
            errors.push(FieldError::at("kind", FieldProblem::NotOffered));
        }
        let applicant = self.applicant.parse::<Applicant>().ok();
        if applicant.is_none() {
            errors.push(FieldError::at("applicant", FieldProblem::NotOffered));
        }
        for name in CONFIRMATION_FIELDS {
            let Some(member) = draft.member(name) else { continue };
            match check_confirmation_field(name, member, today) {
                Ok(text) => *member = text,
                Err(problem) => errors.push(FieldError::at(name, problem)),
            }
        }
        match kind {
            Some(CaseKind::ConfirmationStart) if self.certificate_file.is_empty() => {
                errors.push(FieldError::at("certificateFile", FieldProblem::Required));
            }
            Some(CaseKind::ConfirmationStop) => draft.certificate_file.clear(),
            _ => {}
        }
        if self.agreed.as_ref() != Some(&confirmation_terms()) {
            errors.push(FieldError::at("agreed", FieldProblem::NotAgreed));
        }
        let contact = person(
            [&draft.contact_name, &draft.contact_title, &draft.contact_unit],
            [&draft.contact_email, &draft.contact_phone, &draft.contact_fax],
        );
        let deputy = person(
            [&draft.deputy_name, &draft.deputy_title, &draft.deputy_unit],
            [&draft.deputy_email, &draft.deputy_phone, &draft.deputy_fax],
        );
        let parsed_day = plain_day(&draft.day);
        match (kind, applicant, contact, deputy, parsed_day) {
            (Some(kind), Some(applicant), Some(contact), Some(deputy), Some(day))
                if errors.is_empty() =>
            {
                Ok(ConfirmationForm { kind, applicant, draft, contact, deputy, day })
            }
            _ => Err(errors),
        }
    }
}

fn person([name, title, unit]: [&String; 3], [email, phone, fax]: [&String; 3]) -> Option<Person> {
    Some(Person {
        name: name.clone(),
        title: title.clone(),
        unit: unit.clone(),
        email: email.parse().ok()?,
        phone: phone.parse().ok()?,
        fax: fax.parse().ok()?,
    })
}

/// The five grounds of point 6, and the refusal of measures of point 7 that leads there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopGround {
    /// Point 6 (1).
    DocumentsUntrue,
    /// Point 6 (2).
    OrganisationChanged,
    /// Point 6 (3).
    SystemTransferred,
    /// Point 6 (4).
    DutiesViolated,
    /// Point 6 (5): after a demand to improve by a day.
    Overload,
    /// Point 7: after a demand of measures by a day.
    MeasuresRefused,
}

impl StopGround {
    /// Every ground, in the order of the points.
    pub const ALL: [Self; 6] = [
        Self::DocumentsUntrue,
        Self::OrganisationChanged,
        Self::SystemTransferred,
        Self::DutiesViolated,
        Self::Overload,
        Self::MeasuresRefused,
    ];

    /// The code in the store and on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::DocumentsUntrue => "documents-untrue",
            Self::OrganisationChanged => "organisation-changed",
            Self::SystemTransferred => "system-transferred",
            Self::DutiesViolated => "duties-violated",
            Self::Overload => "overload",
            Self::MeasuresRefused => "measures-refused",
        }
    }

    /// The ground of this code.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ground| ground.name() == name)
    }

    /// What the applicant reads.
    pub fn word(self) -> &'static str {
        match self {
            Self::DocumentsUntrue => "申請文件內容經查證記載不實（第六點第一款）",
            Self::OrganisationChanged => "申請機關(構)裁撤、合併或整編（第六點第二款）",
            Self::SystemTransferred => "應用系統移撥或業務移轉，權責變更（第六點第三款）",
            Self::DutiesViolated => "違反第五點規定（第六點第四款）",
            Self::Overload => "嚴重耗損系統效能，限期改善未有效辦理（第六點第五款）",
            Self::MeasuresRefused => "未採行要求之配合措施（第七點）",
        }
    }

    /// The demand that has to have gone unmet before, where there is one.
    pub fn demand(self) -> Option<DemandKind> {
        match self {
            Self::Overload => Some(DemandKind::Improvement),
            Self::MeasuresRefused => Some(DemandKind::Measures),
            _ => None,
        }
    }
}

/// What the ministry demands of an applicant, by a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DemandKind {
    /// 限期改善 (point 6 (5)).
    Improvement,
    /// 配合措施 after an inspection (point 7).
    Measures,
}

impl DemandKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Improvement, Self::Measures];

    /// The code in the store and on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Improvement => "improvement",
            Self::Measures => "measures",
        }
    }

    /// The kind of this code.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// What the applicant reads.
    pub fn word(self) -> &'static str {
        match self {
            Self::Improvement => "限期改善",
            Self::Measures => "要求採行配合措施",
        }
    }

    /// Whether a demand may be found unmet today: after its day; that of measures (point 7) also
    /// once the applicant has answered that they will not be taken, which an officer reads.
    pub fn may_be_unmet(self, answered: bool, due_on: Date, today: Date) -> bool {
        today > due_on || (self == Self::Measures && answered)
    }
}

/// What decides whether an approved service is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceTimes {
    /// 預定開放日期.
    pub opens_on: Date,
    /// 預定停用日期 that was approved.
    pub closes_on: Option<Date>,
    /// Of the server certificate.
    pub not_before: Timestamp,
    /// Of the server certificate: 伺服器憑證有效期限.
    pub not_after: Timestamp,
    /// When officers stopped it (point 6).
    pub stopped_at: Option<Timestamp>,
}

/// Where an approved service stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceState {
    /// Approved, not yet begun.
    Waiting,
    /// 啟用.
    Open,
    /// 停用, at the applicant's wish.
    Closed,
    /// The server certificate has ended.
    CertificateEnded,
    /// Stopped by the ministry.
    Stopped,
}

impl ServiceState {
    /// What pages show.
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "尚未開放",
            Self::Open => "啟用",
            Self::Closed => "停用",
            Self::CertificateEnded => "伺服器憑證已到期",
            Self::Stopped => "已停止服務",
        }
    }
}

impl ServiceTimes {
    /// The state at an instant: computed, so that nothing has to run for a service to begin or
    /// to end.
    pub fn state(&self, now: Timestamp) -> ServiceState {
        let today = TAIPEI.to_datetime(now).date();
        if self.stopped_at.is_some_and(|at| at <= now) {
            ServiceState::Stopped
        } else if self.closes_on.is_some_and(|day| day <= today) {
            ServiceState::Closed
        } else if self.not_after < now {
            ServiceState::CertificateEnded
        } else if today < self.opens_on || now < self.not_before {
            ServiceState::Waiting
        } else {
            ServiceState::Open
        }
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    const TODAY: Date = jiff::civil::date(2026, 1, 31);

    fn draft() -> ConfirmationDraft {
        ConfirmationDraft {
            kind: "confirmation-start".into(),
            applicant: "OID:2.16.886.101.99999.1".into(),
            organisation_name: "測試機關".into(),
            organisation_address: "臺北市中正區測試路1號".into(),
            system_name: "線上申辦系統".into(),
            server_serial: "0a:bc 12".into(),
            certificate_file: "AAAA".into(),
            contact_name: "王測試".into(),
            contact_title: "技士".into(),
            contact_unit: "資訊室".into(),
            contact_email: "a@example.gov.tw".into(),
            contact_phone: "(02)12345678".into(),
            contact_fax: "(02)12345679".into(),
            deputy_name: "李測試".into(),
            deputy_title: "科員".into(),
            deputy_unit: "資訊室".into(),
            deputy_email: "b@example.gov.tw".into(),
            deputy_phone: "0912345678".into(),
            deputy_fax: "(02)12345679".into(),
            day: "2026-02-28".into(),
            text: "民眾以自然人憑證登入申辦".into(),
            agreed: Some(confirmation_terms()),
            answers: None,
        }
    }

    #[test]
    fn the_published_text_does_not_change() {
        let text = include_str!("../../../static/legal/confirmation/104.html");
        assert_eq!(confirmation_terms().sha256, hex::encode(Sha256::digest(text)));
        // Seven points; three, two, two and five below them.
        assert_eq!(text.matches("<li>").count(), 7 + 3 + 2 + 2 + 5);
    }

    #[test]
    fn what_is_signed_parses_to_itself_and_every_field_is_needed() {
        let form = draft().parse(TODAY).unwrap();
        assert_eq!(form.draft.server_serial, format!("{:0>32}", "ABC12"));
        assert_eq!(form.draft.parse(TODAY).unwrap(), form);
        let errors = ConfirmationDraft::default().parse(TODAY).unwrap_err();
        // Beside the typed fields: kind, applicant, agreed; the file is of one kind alone.
        assert_eq!(errors.len(), CONFIRMATION_FIELDS.len() + 3);
        let start = ConfirmationDraft { kind: "confirmation-start".into(), ..Default::default() };
        let missing = FieldError::at("certificateFile", FieldProblem::Required);
        assert!(start.parse(TODAY).unwrap_err().contains(&missing));
        let other = ConfirmationDraft { kind: "api-application".into(), ..draft() };
        assert!(other.parse(TODAY).is_err());
    }

    #[test]
    fn a_month_ahead_to_the_day() {
        let on = |day: &str| ConfirmationDraft { day: day.into(), ..draft() }.parse(TODAY);
        assert!(on("2026-02-28").is_ok());
        let soon = [FieldError::at("day", FieldProblem::DayTooSoon)];
        assert_eq!(on("2026-02-27").unwrap_err(), soon);
        assert_eq!(on("30/2/2026").unwrap_err(), [FieldError::at("day", FieldProblem::DayFormat)]);
    }

    #[test]
    fn a_service_begins_and_ends_by_itself() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let times = ServiceTimes {
            opens_on: jiff::civil::date(2026, 3, 1),
            closes_on: Some(jiff::civil::date(2026, 6, 1)),
            not_before: at("2026-01-01T00:00:00Z"),
            not_after: at("2026-05-01T00:00:00Z"),
            stopped_at: None,
        };
        let state = |text| times.state(at(text));
        assert_eq!(state("2026-02-28T23:59:59+08:00"), ServiceState::Waiting);
        assert_eq!(state("2026-03-01T00:00:00+08:00"), ServiceState::Open);
        assert_eq!(state("2026-05-01T00:00:00Z"), ServiceState::Open);
        assert_eq!(state("2026-05-01T00:00:01Z"), ServiceState::CertificateEnded);
        assert_eq!(state("2026-06-01T00:00:00+08:00"), ServiceState::Closed);
        let stopped = ServiceTimes { stopped_at: Some(at("2026-04-01T00:00:00Z")), ..times };
        assert_eq!(stopped.state(at("2026-03-31T23:59:59Z")), ServiceState::Open);
        assert_eq!(stopped.state(at("2026-04-01T00:00:00Z")), ServiceState::Stopped);
    }

    #[test]
    fn codes_come_back() {
        for ground in StopGround::ALL {
            assert_eq!(StopGround::from_name(ground.name()), Some(ground));
            assert_eq!(serde_json::to_value(ground).unwrap(), ground.name());
        }
        for kind in DemandKind::ALL {
            assert_eq!(DemandKind::from_name(kind.name()), Some(kind));
        }
    }
}
