//! Letters to applicants: what they are told, in Chinese and in English. No personal data
//! beyond the company's name and the number of the case.

use jiff::civil::Date;

use crate::field::line;
use crate::{
    CaseId, CaseKind, Edition, FormCheck, FormError, Ground, HandoverStep, RateLimit, RocDay,
    Service, Ubn,
};

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
    /// Not used for a year: what happens if it stays so.
    Unused {
        /// The day of the last use.
        since: Date,
        /// The last day on which a call still counts by itself.
        until: Date,
    },
    /// How a company whose 統一編號 has changed keeps its access.
    UbnChange,
    /// 統編變更: where it stands after a decision, or that it is done.
    Handover {
        /// How far it has come.
        step: HandoverStep,
        /// The 統一編號 before.
        former: Ubn,
        /// And now.
        successor: Ubn,
    },
    /// How many calls the account may make from now on.
    LimitsSet(RateLimit),
    /// The confirmation service was stopped (003, point 6).
    ServiceStopped,
    /// Something is demanded of a confirmation service (003, points 6 (5) and 7).
    Demanded {
        /// The last day for it.
        until: Date,
    },
    /// That is done, or was not.
    DemandClosed {
        /// Whether it was done.
        met: bool,
    },
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

/// The confirmation service's name (003).
const CONFIRMATION_SERVICE: &str = "自然人憑證用戶身分確認服務";
/// Longest subject of a letter, in characters.
const MAX_SUBJECT: usize = 150;
/// Longest body of a letter, in characters.
const MAX_BODY: usize = 4000;

impl Letter {
    /// The letter as an officer left it: a line and a text, neither empty nor endless.
    ///
    /// # Errors
    /// [`FormError`].
    pub fn edited(&self) -> Result<Self, FormError> {
        let mut form = FormCheck::default();
        let subject = form.take("subject", line(&self.subject, MAX_SUBJECT));
        let body = form.text("body", &self.body, MAX_BODY);
        form.finish(subject.zip(body).map(|(subject, body)| Self { subject, body }))
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
            Self::Unused { .. } => "unused",
            Self::UbnChange => "ubn-change",
            Self::Handover { .. } => "handover",
            Self::LimitsSet(_) => "limits-set",
            Self::ServiceStopped => "service-stopped",
            Self::Demanded { .. } => "demanded",
            Self::DemandClosed { .. } => "demand-closed",
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
            Self::Unused { .. } => "逾一年未使用通知",
            Self::UbnChange => "統一編號變更辦理通知",
            Self::Handover { step: HandoverStep::Done, .. } => "統一編號變更完成通知",
            Self::Handover { .. } => "核准通知（統一編號變更）",
            Self::LimitsSet(_) => "呼叫次數上限變更通知",
            Self::ServiceStopped => "停止服務通知",
            Self::Demanded { .. } => "限期改善或配合通知",
            Self::DemandClosed { .. } => "限期改善或配合結案通知",
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
            Self::Unused { since, until } => (
                format!("自{}以後已逾一年沒有查驗紀錄。請於{}前以系統完成至少一次查驗（測試模式亦可）；不再使用者，請至「API介接服務申請」辦理API停用。逾期仍未使用者，將由審核人員依申請注意事項第十點辦理註銷。", RocDay(since), RocDay(until)),
                format!("No call has been made since {since}. Make at least one by {until}, or apply for stopping on the application page; after that officers may revoke your access."),
            ),
            Self::UbnChange => (
                "營利事業統一編號變更者，請以原統一編號的工商憑證至「API介接服務申請」辦理API停用，並填寫變更後統一編號；核准後，以新統一編號的工商憑證重新申請。原帳號於新帳號可查驗前仍可使用。".into(),
                "If your company's number has changed: apply for stopping with the former card and name the new number; then apply with the new card. The former account works until the new one does.".into(),
            ),
            Self::Handover { step, former, successor } => {
                let (approved, in_english) = match step {
                    HandoverStep::Done => ("", ""),
                    _ => ("申請已核准。", "Your application was approved. "),
                };
                (
                    format!("{approved}{}", step.words(former, successor)),
                    format!("{in_english}{}", step.english(former, successor)),
                )
            }
            Self::LimitsSet(RateLimit { per_minute, burst }) => (
                format!("查驗呼叫次數上限已變更，即時生效：每分鐘{per_minute}次，瞬間上限{burst}次；超過時回應HTTP 429。"),
                format!("Your account may now make {per_minute} calls a minute, {burst} of them at once; calls beyond that are answered by HTTP 429."),
            ),
            Self::ServiceStopped => (
                "用戶身分確認服務已停止，即時生效，理由如下。".into(),
                "The identity confirmation service was stopped with immediate effect for the following reason.".into(),
            ),
            Self::Demanded { until } => (
                format!("請於{}前依下列說明辦理，並至「用戶身分確認服務」回覆；屆期未辦理者，內政部得依申請要點第六點停止服務。", RocDay(until)),
                format!("Please do what follows by {until} and answer on the page of the service; otherwise it may be stopped."),
            ),
            Self::DemandClosed { met: true } => (
                "要求事項已確認辦理完成，本案結案。".into(),
                "What was demanded was done; the matter is closed.".into(),
            ),
            Self::DemandClosed { met: false } => (
                "要求事項經認定未有效辦理，內政部得依申請要點第六點停止服務；如經決定停止，將另行通知。".into(),
                "What was demanded was not done; the service may be stopped, of which you would be told.".into(),
            ),
        }
    }

    /// The same where it is about a registration: whoever asked shows the cards again.
    fn registration_words(self) -> Option<(String, String)> {
        let (chinese, english) = match self {
            Self::Received { .. } => (
                "憑證註冊的申請資料已送請審核，請於次一營業日再重新辦理；審核不通過者，將主動與您聯絡。",
                "Officers will look at the data of your registration. Please register again on the next working day.",
            ),
            Self::Approved => (
                "申請資料已審核通過，請重新辦理註冊或更換憑證。",
                "The data was reviewed and accepted. Please show the cards again.",
            ),
            Self::Rejected => (
                "申請資料審核不通過，理由如下。",
                "The data was reviewed and not accepted, for the following reasons.",
            ),
            _ => return None,
        };
        Some((chinese.to_owned(), english.to_owned()))
    }

    /// The letter, by its template; officers may change it before it goes.
    pub fn letter(self, facts: &Facts<'_>) -> Letter {
        let of = facts.case.map_or(Service::Api, |(_, kind)| kind.service());
        let (service, page) = match of {
            Service::Confirmation => (CONFIRMATION_SERVICE, "confirmation"),
            Service::Registration => (Edition::SERVICE, "delegate"),
            Service::Api => (Edition::SERVICE, "query"),
        };
        let of_registration = || self.registration_words().filter(|_| of == Service::Registration);
        let (mut chinese, english) = of_registration().unwrap_or_else(|| self.words());
        if of == Service::Confirmation {
            // The pages of the API service have other names.
            for name in ["API介接服務進度查詢", "API介接服務申請"] {
                chinese = chinese.replace(name, "用戶身分確認服務");
            }
            chinese = chinese.replace("插入工商憑證補件", "插入憑證卡補件");
        }
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
            "{} 您好：\n\n{chinese}\n{reasons}\n{about}查詢：{}/{page}/\n\n\
             本信由系統寄出，請勿直接回覆。\n\n----\n\n{english}\n{in_english}\n{}/{page}/\n",
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
        let about = |kind| Facts { case: Some((id, kind)), ..facts };
        let rejected = Subject::Rejected.letter(&about(CaseKind::RegistrationMismatch)).body;
        for part in ["審核不通過", "說明：請敘明條號。", "https://a.example/delegate/"]
        {
            assert!(rejected.contains(part), "{part}: {rejected}");
        }
        let approved = Subject::Approved.letter(&about(CaseKind::ManagerChange)).body;
        assert!(approved.contains("請重新辦理註冊或更換憑證"), "{approved}");
    }
}
