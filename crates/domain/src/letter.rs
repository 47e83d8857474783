//! Letters to applicants: what they are told, in Chinese and in English. No personal data
//! beyond the company's name and the number of the case.

use jiff::civil::Date;

use crate::field::{line, paragraph};
use crate::{CaseId, CaseKind, Code, Coded, Edition, FieldError, Ground, RocDay};

/// What a letter is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// 受理.
    Received {
        /// The day by which a decision is expected.
        expected: Option<Date>,
    },
    /// 核准.
    Approved,
    /// 駁回.
    Rejected,
    /// 補件.
    Asked {
        /// The last day for the answer.
        until: Option<Date>,
    },
    /// 延長.
    Extended {
        /// The day by which a decision is expected now.
        expected: Option<Date>,
    },
    /// A decision was set aside: the case is under review again.
    SetAside,
    /// 暫停.
    Suspended,
    /// No longer 暫停.
    Resumed,
    /// 註銷.
    Revoked,
    /// Another isskey, beside the former one until this day.
    KeyRenewed {
        /// The last day of the former one.
        until: Date,
    },
    /// Another isskey, since the former one leaked.
    KeyBlocked,
}

/// Whom and what a letter speaks of.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// 公司名稱.
    pub company_name: &'a str,
    /// S/N and kind of the case, when it is about one.
    pub case: Option<(CaseId, CaseKind)>,
    /// The grounds, in the order chosen.
    pub grounds: &'a [Ground],
    /// What the officer adds.
    pub text: &'a str,
    /// The service's address.
    pub origin: &'a str,
}

/// A letter, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Letter {
    /// One line.
    pub subject: String,
    /// Plain text.
    pub body: String,
}

/// Longest subject of a letter, in characters.
const MAX_SUBJECT: usize = 150;
/// Longest body of a letter, in characters.
const MAX_BODY: usize = 4000;

/// Why an edited letter cannot go.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the letter cannot be sent as it is")]
pub struct LetterError(Vec<FieldError>);

impl Coded for LetterError {
    fn code(&self) -> Code {
        Code::InvalidFields
    }

    fn fields(&self) -> &[FieldError] {
        &self.0
    }
}

impl Letter {
    /// The letter as an officer left it: a line and a text, neither empty nor endless.
    ///
    /// # Errors
    /// [`LetterError`].
    pub fn edited(&self) -> Result<Self, LetterError> {
        let subject = line(&self.subject, MAX_SUBJECT);
        let body = paragraph(&self.body, MAX_BODY);
        match (subject, body) {
            (Ok(subject), Ok(body)) => Ok(Self { subject, body }),
            (subject, body) => {
                let fields = [("subject", subject.err()), ("body", body.err())];
                let wrong = fields.into_iter().filter_map(|(member, problem)| {
                    problem.map(|problem| FieldError::at(member, problem))
                });
                Err(LetterError(wrong.collect()))
            }
        }
    }
}

impl Subject {
    /// The name in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Received { .. } => "received",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Asked { .. } => "asked",
            Self::Extended { .. } => "extended",
            Self::SetAside => "set-aside",
            Self::Suspended => "suspended",
            Self::Resumed => "resumed",
            Self::Revoked => "revoked",
            Self::KeyRenewed { .. } => "key-renewed",
            Self::KeyBlocked => "key-blocked",
        }
    }

    /// What a list of letters shows.
    const fn title(self) -> &'static str {
        match self {
            Self::Received { .. } => "受理通知",
            Self::Approved => "核准通知",
            Self::Rejected => "駁回通知",
            Self::Asked { .. } => "補件通知",
            Self::Extended { .. } => "延長審核通知",
            Self::SetAside => "重新審核通知",
            Self::Suspended => "暫停查驗權限通知",
            Self::Resumed => "恢復查驗權限通知",
            Self::Revoked => "註銷查驗權限通知",
            Self::KeyRenewed { .. } => "isskey更換通知",
            Self::KeyBlocked => "isskey停用通知",
        }
    }

    /// What happened, and what to do next; in Chinese and in English.
    fn words(self) -> (String, String) {
        let day = |day: Option<Date>| day.map_or_else(String::new, |day| RocDay(day).to_string());
        let iso = |day: Option<Date>| day.map_or_else(String::new, |day| day.to_string());
        match self {
            Self::Received { expected } => (
                format!("申請已受理，預計於{}前完成審核；審核期間不需要再次申請，結果將另以電子郵件通知。", day(expected)),
                format!("Your application was received. A decision is expected by {}.", iso(expected)),
            ),
            Self::Approved => (
                "申請已核准。請至「API介接服務進度查詢」查看結果及後續步驟。".into(),
                "Your application was approved. See the progress page for the next steps.".into(),
            ),
            Self::Rejected => (
                "申請已駁回，理由如下。請依說明修正後重新申請。".into(),
                "Your application was rejected for the following reasons. You may apply again.".into(),
            ),
            Self::Asked { until } => (
                format!("申請資料尚待補充，請於{}前至「API介接服務申請」插入工商憑證補件。審核時間自通知起停止計算，補件後繼續。", day(until)),
                format!("More information is needed. Please sign in on the application page and answer by {}.", iso(until)),
            ),
            Self::Extended { expected } => (
                format!("因審核需要延長時間，預計改於{}前完成。", day(expected)),
                format!("The review takes longer. A decision is now expected by {}.", iso(expected)),
            ),
            Self::SetAside => (
                "原審核結果已撤銷，案件重新審核，您不需要再次申請。".into(),
                "The former decision was set aside; the case is under review again.".into(),
            ),
            Self::Suspended => (
                "查驗權限已暫停，即時生效。請至「API介接服務申請」提出說明及改善做法，經核可後得重新申請。".into(),
                "Your access was suspended with immediate effect. Please explain on the application page.".into(),
            ),
            Self::Resumed => (
                "查驗權限已恢復，即時生效。".into(),
                "Your access was restored with immediate effect.".into(),
            ),
            Self::Revoked => (
                "查驗權限已註銷，即時生效。欲再度取得權限，請先提出改善做法，經核可後重新申請。".into(),
                "Your access was revoked with immediate effect.".into(),
            ),
            Self::KeyRenewed { until } => (
                format!("isskey已更換，請至「API介接服務進度查詢」查看新的isskey並更新系統；原isskey可續用至{}。", RocDay(until)),
                format!("Your isskey was renewed. The former one is accepted until {until}."),
            ),
            Self::KeyBlocked => (
                "原isskey因外洩已即時停用，請至「API介接服務進度查詢」查看新的isskey並更新系統。若非貴公司或戶政司所通報，請立即聯繫。".into(),
                "Your former isskey leaked and was blocked at once. See the progress page for the new one.".into(),
            ),
        }
    }

    /// The letter, by its template; officers may change it before it goes.
    pub fn letter(self, facts: &Facts<'_>) -> Letter {
        let service = Edition::SERVICE;
        let (chinese, english) = self.words();
        let title = self.title();
        let (mut about, mut subject) = (String::new(), format!("{service}：{title}"));
        if let Some((id, kind)) = facts.case {
            about = format!("申請事項：{}\n案件編號(S/N)：{id}\n", kind.case_word());
            subject = format!("{service}：{title}（{}）", kind.case_word());
        }
        let mut reasons = String::new();
        let mut in_english = String::new();
        for ground in facts.grounds {
            reasons += &format!("- {}\n", ground.word());
            in_english += &format!("- {}\n", ground.english());
        }
        if !facts.text.is_empty() {
            reasons += &format!("說明：{}\n", facts.text);
            in_english += &format!("Explanation: {}\n", facts.text);
        }
        if !reasons.is_empty() {
            reasons.insert(0, '\n');
        }
        if !in_english.is_empty() {
            in_english.insert(0, '\n');
        }
        let body = format!(
            "{} 您好：\n\n{chinese}\n{reasons}\n{about}查詢：{}/query/\n\n\
             本信由系統寄出，請勿直接回覆。\n\n----\n\n{english}\n{in_english}\n{}/query/\n",
            facts.company_name, facts.origin, facts.origin
        );
        Letter { subject, body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_says_what_happened_why_and_where_to_look() {
        let id = CaseId::from_random([7; 16]);
        let facts = Facts {
            company_name: "測試甲股份有限公司",
            case: Some((id, CaseKind::ApiApplication)),
            grounds: &[Ground::LegalBasisMissing],
            text: "請敘明條號。",
            origin: "https://a.example",
        };
        let until = Some(jiff::civil::date(2026, 11, 27));
        let letter = Subject::Asked { until }.letter(&facts);
        assert!(letter.subject.ends_with("：補件通知（API申請）"));
        for part in [
            "測試甲股份有限公司 您好：",
            "請於115/11/27前",
            "- 未敘明法規依據",
            "說明：請敘明條號。",
            &id.to_string(),
            "https://a.example/query/",
            "answer by 2026-11-27.",
            "- The competent authority",
        ] {
            assert!(letter.body.contains(part), "{part}: {}", letter.body);
        }
    }
}
