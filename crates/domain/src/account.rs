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
