//! A company's account, and what may be applied for in its state (requirement A3).

use jiff::Timestamp;

use crate::{CaseId, CaseKind, Edition, HostAddress, Ubn};

/// 啟用狀態 of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountStatus {
    /// 啟用.
    Active,
    /// 暫停: after abnormal use (rule 9).
    Suspended,
    /// 停用: at the company's own wish (rule 8).
    Stopped,
    /// 註銷 (rules 9 and 10).
    Revoked,
}

impl AccountStatus {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::Active, Self::Suspended, Self::Stopped, Self::Revoked];

    /// The name in the store and on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Stopped => "stopped",
            Self::Revoked => "revoked",
        }
    }

    /// The status of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// Whether the account no longer exists for callers.
    pub fn is_closed(self) -> bool {
        matches!(self, Self::Stopped | Self::Revoked)
    }

    /// The ministry's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "啟用",
            Self::Suspended => "暫停",
            Self::Stopped => "停用",
            Self::Revoked => "註銷",
        }
    }
}

/// 啟用狀態 as it is shown: what is on file, and that an account without a valid certificate cannot
/// be called with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountState {
    /// 啟用.
    Active,
    /// 啟用, but the last certificate is over: by time alone.
    CertificateExpired,
    /// 暫停.
    Suspended,
    /// 停用.
    Stopped,
    /// 註銷.
    Revoked,
}

impl AccountState {
    /// Every state, in the order of the published table.
    pub const ALL: [Self; 5] =
        [Self::Active, Self::CertificateExpired, Self::Suspended, Self::Stopped, Self::Revoked];

    /// The state of an account whose last certificate ends then; `None` when it has none yet.
    pub fn of(status: AccountStatus, certificate_ends: Option<Timestamp>, now: Timestamp) -> Self {
        match status {
            AccountStatus::Active if certificate_ends.is_some_and(|end| end < now) => {
                Self::CertificateExpired
            }
            AccountStatus::Active => Self::Active,
            AccountStatus::Suspended => Self::Suspended,
            AccountStatus::Stopped => Self::Stopped,
            AccountStatus::Revoked => Self::Revoked,
        }
    }

    /// What is on file.
    pub fn status(self) -> AccountStatus {
        match self {
            Self::Active | Self::CertificateExpired => AccountStatus::Active,
            Self::Suspended => AccountStatus::Suspended,
            Self::Stopped => AccountStatus::Stopped,
            Self::Revoked => AccountStatus::Revoked,
        }
    }

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::CertificateExpired => "certificate-expired",
            other => other.status().name(),
        }
    }

    /// What pages call it.
    pub fn word(self) -> &'static str {
        match self {
            Self::CertificateExpired => "憑證過期",
            other => other.status().word(),
        }
    }

    /// What becomes of verification calls.
    pub fn calls(self) -> &'static str {
        match self {
            Self::Active => "受理",
            Self::Suspended => "回應代碼8",
            Self::CertificateExpired | Self::Stopped | Self::Revoked => "不受理",
        }
    }

    /// What may be applied for when no case is under way: 申請事項 in words.
    pub fn offers(self, edition: Edition) -> Vec<&'static str> {
        edition.kinds(Some(self.status())).iter().map(|kind| kind.word()).collect()
    }

    /// What leads back to calls.
    pub fn way_back(self) -> &'static str {
        match self {
            Self::Active => "",
            Self::CertificateExpired => "上傳新憑證後，即時恢復",
            Self::Suspended | Self::Revoked => "改善做法經核可後，重新辦理API申請",
            Self::Stopped => "重新辦理API申請",
        }
    }
}

/// An account as the progress page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// 統一編號.
    pub ubn: Ubn,
    /// 公司名稱.
    pub company_name: String,
    /// 主機連線IP位址.
    pub host_address: HostAddress,
    /// 啟用狀態.
    pub status: AccountStatus,
    /// When it was approved.
    pub approved_at: Timestamp,
}

/// What the rules need to know about a company before it may apply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The account, if one was ever approved.
    pub account: Option<AccountStatus>,
    /// Whether a case is 受理中.
    pub open_case: bool,
    /// The case that waits for the company's answer, and its kind.
    pub asked: Option<(CaseId, CaseKind)>,
    /// Whether an improvement plan was accepted after suspension or revocation.
    pub plan_accepted: bool,
    /// The former 統一編號 whose account goes on under this one (統編變更): its API停用 is approved
    /// and names this company.
    pub takes_over: Option<Ubn>,
}

impl Standing {
    /// 申請事項 that may be applied for: nothing while a case is under way (figure 19).
    pub fn offered(self, edition: Edition) -> &'static [CaseKind] {
        match self.account {
            _ if self.open_case => &[],
            Some(AccountStatus::Suspended | AccountStatus::Revoked) if self.plan_accepted => {
                &[CaseKind::ApiApplication]
            }
            account => edition.kinds(account),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_offered_while_a_case_is_under_way() {
        for account in [None].into_iter().chain(AccountStatus::ALL.map(Some)) {
            for edition in Edition::ALL {
                let standing = Standing { account, ..Standing::default() };
                assert!(Standing { open_case: true, ..standing }.offered(edition).is_empty());
                assert_eq!(standing.offered(edition), edition.kinds(account));
            }
        }
    }

    #[test]
    fn a_certificate_that_is_over_is_a_state_of_its_own() {
        let now: Timestamp = "2026-11-28T08:00:00+08:00".parse().unwrap();
        let second = jiff::SignedDuration::from_secs(1);
        let of = |status, end| AccountState::of(status, end, now);
        assert_eq!(of(AccountStatus::Active, None), AccountState::Active, "not uploaded yet");
        assert_eq!(of(AccountStatus::Active, Some(now)), AccountState::Active);
        let over = of(AccountStatus::Active, Some(now - second));
        assert_eq!((over.word(), over.name()), ("憑證過期", "certificate-expired"));
        assert_eq!(over.offers(Edition::Of112), AccountState::Active.offers(Edition::Of112));
        for status in [AccountStatus::Suspended, AccountStatus::Stopped, AccountStatus::Revoked] {
            assert_eq!(of(status, Some(now - second)).status(), status);
        }
    }

    /// docs/review.md has what the code says, word for word.
    #[test]
    fn the_published_table_is_the_one_that_holds() {
        let docs = include_str!("../../../docs/review.md");
        for state in AccountState::ALL {
            let row = format!(
                "| {} | {} | {} | {} |",
                state.word(),
                state.calls(),
                state.offers(Edition::Of112).join("、"),
                state.way_back()
            );
            assert!(docs.contains(&row), "{row}");
        }
    }

    /// Rule 11: first an improvement plan that is accepted, then an application.
    #[test]
    fn whoever_lost_the_right_applies_after_a_plan_was_accepted() {
        for account in [AccountStatus::Suspended, AccountStatus::Revoked] {
            let standing = Standing { account: Some(account), ..Standing::default() };
            assert_eq!(standing.offered(Edition::Of112), [CaseKind::ImprovementPlan]);
            let accepted = Standing { plan_accepted: true, ..standing };
            assert_eq!(accepted.offered(Edition::Of112), [CaseKind::ApiApplication]);
        }
    }
}
