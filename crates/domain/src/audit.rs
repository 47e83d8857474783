//! What the audit log says: who did what.

use crate::Applicant;

/// Who did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A company or an organisation, by its card.
    Applicant(Applicant),
    /// Somebody on the list of officers, by the id there.
    Officer(i64),
    /// A registered organisation by its card and its manager's, by the number of the registration.
    Organisation(i64),
    /// A handler by the own card, by the id there.
    Handler(i64),
    /// A citizen, whom the log does not name.
    Citizen,
    /// Whoever has the command line on the machine itself.
    Operator,
}

impl std::fmt::Display for Actor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Applicant(who) => write!(formatter, "applicant:{who}"),
            Self::Officer(id) => write!(formatter, "officer:{id}"),
            Self::Organisation(id) => write!(formatter, "organisation:{id}"),
            Self::Handler(id) => write!(formatter, "handler:{id}"),
            Self::Citizen => formatter.write_str("citizen"),
            Self::Operator => formatter.write_str("operator"),
        }
    }
}

impl Actor {
    /// Reads what [`Display`](std::fmt::Display) writes.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            None => match text {
                "operator" => Some(Self::Operator),
                "citizen" => Some(Self::Citizen),
                _ => None,
            },
            Some(("applicant", who)) => who.parse().ok().map(Self::Applicant),
            Some(("officer", id)) => id.parse().ok().map(Self::Officer),
            Some(("organisation", id)) => id.parse().ok().map(Self::Organisation),
            Some(("handler", id)) => id.parse().ok().map(Self::Handler),
            Some(_) => None,
        }
    }
}

macro_rules! acts {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $word:literal;)*) => {
        /// Something that was done.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Act {
            $($(#[$doc])* $variant,)*
        }

        impl Act {
            /// Every act.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name in the log.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// In plain words.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

acts! {
    /// Signed in with a card.
    SignedIn = "signed-in", "登入";
    /// An application.
    Submitted = "submitted", "提出申請";
    /// A certificate, effective at once.
    Uploaded = "uploaded", "上傳憑證";
    /// 取消申請.
    Cancelled = "cancelled", "取消申請";
    /// What was asked for, sent.
    Answered = "answered", "補件";
    /// A list of cases was looked at.
    ListRead = "list-read", "查看案件清單";
    /// The list of all cases was taken out.
    Exported = "exported", "匯出案件清單";
    /// A case was looked at.
    CaseRead = "case-read", "查看案件";
    /// Taken on.
    Claimed = "claimed", "領案";
    /// Given back.
    Released = "released", "退回待辦";
    /// Given to somebody.
    Assigned = "assigned", "指派";
    /// A note for officers.
    Noted = "noted", "內部註記";
    /// A supervisor is to look at it.
    SecondLook = "second-look", "請主管覆核";
    /// The applicant is asked for more.
    Asked = "asked", "通知補件";
    /// The review takes longer.
    Extended = "extended", "延長審核";
    /// 核准.
    Approved = "approved", "核准";
    /// 駁回.
    Rejected = "rejected", "駁回";
    /// A decision is no longer one.
    SetAside = "set-aside", "撤銷原處分";
    /// A company's account was looked at.
    AccountRead = "account-read", "查看帳號";
    /// 暫停.
    Suspended = "suspended", "暫停查驗權限";
    /// No longer 暫停.
    Resumed = "resumed", "恢復查驗權限";
    /// Somebody proposes what needs two.
    Proposed = "proposed", "提請覆核";
    /// The second person agrees.
    Endorsed = "endorsed", "覆核同意";
    /// The second person does not.
    Declined = "declined", "覆核不同意";
    /// 註銷.
    Revoked = "revoked", "註銷查驗權限";
    /// A policy has another value from a day on.
    PolicySet = "policy-set", "變更審核期限";
    /// Another isskey, beside the former one for a while.
    KeyRenewed = "key-renewed", "更換isskey";
    /// Another isskey; the former one ends at once.
    KeyBlocked = "key-blocked", "isskey外洩，即時停用並更換";
    /// Test mode, or codes 9 and A, of an account's calls.
    CallsSet = "calls-set", "變更介接設定";
    /// How many calls an account may make.
    LimitsSet = "limits-set", "變更呼叫次數上限";
    /// A system's certificate is on hold or revoked.
    CertificateRevoked = "certificate-revoked", "憑證已停用或廢止";
    /// It is no longer.
    CertificateReleased = "certificate-released", "憑證恢復使用";
    /// Calls that stand out.
    ConductFound = "conduct-found", "發現異常使用情形";
    /// What it was.
    ConductClosed = "conduct-closed", "異常使用結案";
    /// An account that was not used for a year was warned.
    IdleWarned = "idle-warned", "警告逾一年未使用";
    /// Its warning is over: officers are to look at it.
    IdleSubmitted = "idle-submitted", "逾一年未使用，提請審核人員辦理";
    /// It was used, or closed, or officers let it go on.
    IdleCleared = "idle-cleared", "逾一年未使用之警告解除";
    /// The accounts that were warned were looked at.
    IdleRead = "idle-read", "查看逾一年未使用帳號";
    /// A company is told how its 統一編號 is changed.
    UbnChangeNoticed = "ubn-change-noticed", "通知辦理統編變更";
    /// The account of another 統一編號 goes on as this one: the former has ended.
    HandedOver = "handed-over", "統編變更完成，原帳號停用";
    /// An outage of the verification call was announced.
    OutageAnnounced = "outage-announced", "公告停機";
    /// A letter was written, with its digest.
    LetterWritten = "letter-written", "寫信";
    /// A letter is to be sent once more.
    Resent = "resent", "重寄信件";
    /// On the list of officers.
    OfficerAdded = "officer-added", "登錄審核人員";
    /// Off the list of officers.
    OfficerRemoved = "officer-removed", "移除審核人員";
    /// A day of the office calendar.
    DaySet = "day-set", "設定辦公日";
    /// A snapshot of the company register.
    CompaniesImported = "companies-imported", "匯入商工登記資料";
    /// The accounts that do not fit the register were looked at.
    SweepRead = "sweep-read", "清查比對帳號";
    /// The identity confirmation service of an applicant was stopped (003, point 6).
    ConfirmationStopped = "confirmation-stopped", "停止用戶身分確認服務";
    /// Something is demanded by a day (003, points 6 (5) and 7).
    Demanded = "demanded", "要求改善或配合";
    /// What was demanded was answered.
    DemandAnswered = "demand-answered", "回覆要求事項";
    /// A demand was met, or was not.
    DemandClosed = "demand-closed", "要求事項結案";
    /// The list of supervised institutions.
    InstitutionSet = "institution-set", "變更受監督機構名單";
    /// A citizen looked at who asked about the own ID.
    OwnRecordRead = "own-record-read", "查看本人紀錄";
    /// A register of citizens' certificates.
    CitizensImported = "citizens-imported", "匯入自然人憑證用戶資料";
    /// A year of the office calendar.
    CalendarImported = "calendar-imported", "匯入辦公日曆";
    /// Cards of our own CAs.
    CardsImported = "cards-imported", "匯入憑證IC卡";
    /// 暫停使用.
    CardSuspended = "card-suspended", "憑證IC卡暫停使用";
    /// 恢復使用.
    CardResumed = "card-resumed", "憑證IC卡恢復使用";
    /// 廢止, by the CA.
    CardRevoked = "card-revoked", "憑證IC卡廢止";
    /// Three wrong 用戶代碼.
    CardLocked = "card-locked", "用戶代碼鎖定";
    /// By the card itself, or by the operator.
    CardUnlocked = "card-unlocked", "解除用戶代碼鎖定";
    /// Lists of a CA of our own.
    ListsPublished = "lists-published", "公布憑證廢止清冊";
    /// The register of organisations.
    OrganisationsImported = "organisations-imported", "匯入機關資料";
    /// 首次註冊.
    Registered = "registered", "首次註冊";
    /// A registered card was replaced; the former one is named.
    CardReplaced = "card-replaced", "更換憑證";
    /// The second card of an application that takes two.
    Countersigned = "countersigned", "第二張憑證確認";
    /// A handler has permissions.
    HandlerAdded = "handler-added", "新增授權經辦人";
    /// A handler's entry is another.
    HandlerChanged = "handler-changed", "修改授權經辦人";
    /// A handler has none any more.
    HandlerRemoved = "handler-removed", "刪除授權經辦人";
    /// An invitation was proved with the own card.
    InvitationAccepted = "invitation-accepted", "接受指派";
    /// A handler's renewed card.
    HandlerRenewed = "handler-renewed", "更新經辦人憑證";
}

impl Act {
    /// The act of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|act| act.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actors_and_acts_come_back() {
        let company = "12345675".parse().unwrap();
        let agency = "OID:2.16.886.101.99999.1".parse().unwrap();
        for actor in [
            Actor::Applicant(company),
            Actor::Applicant(agency),
            Actor::Officer(7),
            Actor::Organisation(3),
            Actor::Handler(9),
            Actor::Citizen,
            Actor::Operator,
        ] {
            assert_eq!(Actor::parse(&actor.to_string()), Some(actor));
        }
        assert_eq!(Actor::parse("officer:x"), None);
        for act in Act::ALL {
            assert_eq!(Act::from_name(act.name()), Some(*act));
        }
    }
}
