//! The ministry's two manuals, and the legal texts of each that an applicant agrees to:
//! version and digest are signed (requirements A1, A14, A20).

use serde::{Deserialize, Serialize};

use crate::{AccountStatus, CaseKind};

/// Which of the ministry's manuals an installation follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Edition {
    /// The manual of 108: one page, three kinds of cases.
    #[serde(rename = "108")]
    Of108,
    /// The manual of 112.
    #[default]
    #[serde(rename = "112")]
    Of112,
}

/// A text that is agreed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Document {
    /// 申請注意事項 (figure 1 of both manuals).
    Notice,
    /// 服務管理規範 (112: figure 5, 108: figure 3).
    Rules,
}

/// Version and digest of a text. Once published, a version never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TermsReference {
    /// The ROC year of its manual, for example `112`.
    pub version: String,
    /// SHA-256 of the text, lower-case hexadecimal.
    pub sha256: String,
}

/// The texts that were read and agreed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Agreement {
    /// 申請注意事項.
    pub notice: TermsReference,
    /// 服務管理規範.
    pub rules: TermsReference,
}

impl Edition {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Of108, Self::Of112];

    /// The ROC year of the manual.
    pub fn name(self) -> &'static str {
        match self {
            Self::Of108 => "108",
            Self::Of112 => "112",
        }
    }

    /// The edition of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|edition| edition.name() == name)
    }

    /// The text of this manual.
    pub fn terms(self, document: Document) -> TermsReference {
        let sha256 = match (self, document) {
            (Self::Of108, Document::Notice) => {
                include_str!("../../../static/legal/notice/108.sha256")
            }
            (Self::Of108, Document::Rules) => {
                include_str!("../../../static/legal/rules/108.sha256")
            }
            (Self::Of112, Document::Notice) => {
                include_str!("../../../static/legal/notice/112.sha256")
            }
            (Self::Of112, Document::Rules) => {
                include_str!("../../../static/legal/rules/112.sha256")
            }
        };
        TermsReference { version: self.name().to_owned(), sha256: sha256.trim().to_owned() }
    }

    /// What an applicant agrees to.
    pub fn agreement(self) -> Agreement {
        Agreement { notice: self.terms(Document::Notice), rules: self.terms(Document::Rules) }
    }

    /// 申請事項 for a company without a case under way. Newcomers and stopped accounts:
    /// only API申請 (112: figure 3). Approved accounts: 112 figure 8, 108 figures 5 and 6;
    /// a system's certificate has to be uploaded under both. Suspended and revoked accounts
    /// first say what they will do better (rule 11).
    pub fn kinds(self, account: Option<AccountStatus>) -> &'static [CaseKind] {
        match (self, account) {
            (_, None | Some(AccountStatus::Stopped)) => &[CaseKind::ApiApplication],
            (Self::Of108, Some(AccountStatus::Active)) => {
                &[CaseKind::AddressChange, CaseKind::ApiStop, CaseKind::CertificateUpload]
            }
            (Self::Of112, Some(AccountStatus::Active)) => {
                &[CaseKind::CertificateUpload, CaseKind::DataChange, CaseKind::ApiStop]
            }
            (_, Some(AccountStatus::Suspended | AccountStatus::Revoked)) => {
                &[CaseKind::ImprovementPlan]
            }
        }
    }

    /// 補件時間, in working days (rule 5).
    pub const ANSWER_DAYS: u16 = 5;

    /// The service's name.
    pub const SERVICE: &'static str = "國民身分證領補換資料查驗作業API介接服務";

    /// 審核時間, in working days (rule 5).
    pub fn review_days(self) -> u16 {
        match self {
            Self::Of108 => 5,
            Self::Of112 => 10,
        }
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn published_texts_do_not_change() {
        for (edition, document, text, points) in [
            (
                Edition::Of108,
                Document::Notice,
                include_str!("../../../static/legal/notice/108.html"),
                14,
            ),
            (
                Edition::Of108,
                Document::Rules,
                include_str!("../../../static/legal/rules/108.html"),
                9,
            ),
            (
                Edition::Of112,
                Document::Notice,
                include_str!("../../../static/legal/notice/112.html"),
                14,
            ),
            (
                Edition::Of112,
                Document::Rules,
                include_str!("../../../static/legal/rules/112.html"),
                9,
            ),
        ] {
            assert_eq!(edition.terms(document).sha256, hex::encode(Sha256::digest(text)));
            // Eleven points and three grounds; five points and four acts.
            assert_eq!(text.matches("<li>").count(), points);
        }
    }

    #[test]
    fn what_is_offered_follows_from_edition_and_account_alone() {
        use CaseKind::{
            AddressChange, ApiApplication, ApiStop, CertificateUpload, DataChange, ImprovementPlan,
        };
        for edition in Edition::ALL {
            assert_eq!(Edition::from_name(edition.name()), Some(edition));
            for account in [None, Some(AccountStatus::Stopped)] {
                assert_eq!(edition.kinds(account), [ApiApplication]);
            }
            for account in [AccountStatus::Suspended, AccountStatus::Revoked] {
                assert_eq!(edition.kinds(Some(account)), [ImprovementPlan]);
            }
        }
        let active = Some(AccountStatus::Active);
        assert_eq!(Edition::Of112.kinds(active), [CertificateUpload, DataChange, ApiStop]);
        assert_eq!(Edition::Of108.kinds(active), [AddressChange, ApiStop, CertificateUpload]);
    }
}
