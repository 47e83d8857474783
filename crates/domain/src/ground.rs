//! Grounds (理由): why an application is refused, or what the applicant is asked for. Each is
//! tied to a field of the form and to the rule that it comes from (notice of 112, rules 2 to 4
//! and 11).

use serde::{Deserialize, Serialize};

use crate::CaseKind;

macro_rules! grounds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $field:literal, $word:literal, $english:literal;)*) => {
        /// A ground of a decision or a question.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Ground {
            $($(#[$doc])* $variant,)*
        }

        impl Ground {
            /// Every ground, in the order of the list.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The code in the store and on the wire.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The form's member that it is about; empty when it is about the whole.
            pub const fn field(self) -> &'static str {
                match self { $(Self::$variant => $field,)* }
            }

            /// What the applicant reads.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// The same in English.
            pub const fn english(self) -> &'static str {
                match self { $(Self::$variant => $english,)* }
            }
        }
    };
}

grounds! {
    /// Rule 4.
    PurposeMissing = "purpose-missing", "reason", "未敘明須查驗之目的",
        "The purpose of verification is not stated.";
    /// Rule 4.
    LegalBasisMissing = "legal-basis-missing", "reason", "未敘明法規依據（何主管機關及其何項規定）",
        "The competent authority and its provision are not stated.";
    /// Rule 4.
    LegalBasisUnfit = "legal-basis-unfit", "reason", "敘明之法規非查驗之依據",
        "The provision that is stated is no basis for verification.";
    /// Rule 4.
    BusinessUnfit = "business-unfit", "reason", "查驗目的與所營事業項目不符",
        "The purpose does not fit the registered business.";
    /// Rule 10.
    NameDiffers = "name-differs", "companyName", "公司名稱與登記資料不符",
        "The name is not the registered one.";
    /// Rule 10.
    NotRegistered = "not-registered", "ubn", "非現行登記之公司行號",
        "The company is not on the current register.";
    /// Rule 3.
    AddressTaken = "address-taken", "hostAddress", "連線主機網路位址重複申請",
        "The host address was applied for already.";
    /// Rule 3.
    AddressUnclear = "address-unclear", "hostAddress", "連線主機網路位址無法確認",
        "The host address cannot be confirmed.";
    /// The contact cannot be reached.
    ContactUnclear = "contact-unclear", "contactName", "聯絡資料不完整或無法聯繫",
        "The contact cannot be reached.";
    /// Rule 2.
    PublicAgency = "public-agency", "companyName", "公務機關請另向內政部申請機關連結作業",
        "Public agencies apply for the agencies' link instead.";
    /// Rule 11.
    PlanInsufficient = "plan-insufficient", "reason", "改善做法不足",
        "The improvement plan is not sufficient.";
    /// Rule 8.
    StopUnclear = "stop-unclear", "reason", "停用原因不明確",
        "The reason for stopping is not clear.";
    /// Rule 8.
    ChangeUnproven = "change-unproven", "otherUbn", "無法確認統一編號變更前後之關係",
        "That one number follows the other cannot be confirmed.";
    /// 004, figure 3-6.
    CodeUnproven = "code-unproven", "", "無法確認機關代號與機關憑證屬於同一機關",
        "That code and card belong to the same organisation cannot be confirmed.";
    /// Another manager.
    ManagerUnproven = "manager-unproven", "", "無法確認機關同意由此人擔任授權管理者",
        "That the organisation wants this person as its manager cannot be confirmed.";
    /// 003, point 2.
    NotServed = "not-served", "organisationName", "非政府機關(構)或受監督之金融服務業（第二點）",
        "Neither an agency nor a supervised institution (point 2).";
    /// 003, point 2.
    SystemUnfit = "system-unfit", "text", "應用系統之使用對象非一般民眾，或非以自然人憑證驗證身分（第二點）",
        "The system does not serve the public, or does not use citizen certificates (point 2).";
    /// 003, annex.
    OverviewUnclear = "overview-unclear", "text", "應用系統概述未敘明系統功能、使用對象或驗證方式",
        "The overview does not state functions, users or the way of verification.";
    /// 003, annex.
    OrganisationDiffers = "organisation-differs", "organisationName", "機關(構)名稱或地址與登記資料不符",
        "Name or address of the organisation are not the registered ones.";
    /// 003, point 3 (1).
    ServerCertificateUnfit = "server-certificate-unfit", "serverSerial", "伺服器憑證不符第三點第一款規定",
        "The server certificate is not one of point 3 (1).";
    /// 003, points 3 (2) and 4 (1).
    DayUnfit = "day-unfit", "day", "預定日期不符第三點、第四點規定",
        "The day is not one of points 3 and 4.";
    /// 003, annex.
    DeputyUnclear = "deputy-unclear", "deputyName", "代理人資料不完整或無法聯繫",
        "The deputy cannot be reached.";
    /// 003, annex.
    SealMissing = "seal-missing", "", "未收到用印之申請表",
        "The form with the seal was not received.";
    /// 003, annex.
    ServiceStopUnclear = "service-stop-unclear", "text", "停用原因不明確",
        "The reason for stopping is not clear.";
    /// Said in the text.
    Other = "other", "", "其他（如說明）", "Other, as explained.";
}

/// A ground as an applicant's page shows it, at its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct GroundWords {
    /// The form's member; empty when it is about the whole.
    pub field: &'static str,
    /// In Chinese.
    pub word: &'static str,
    /// In English.
    pub english: &'static str,
}

impl Ground {
    /// As an applicant's page shows it.
    pub const fn words(self) -> GroundWords {
        GroundWords { field: self.field(), word: self.word(), english: self.english() }
    }

    /// The ground of this code.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|ground| ground.name() == name)
    }

    /// Whether it can be a ground of such a case.
    pub fn fits(self, kind: CaseKind) -> bool {
        use CaseKind::{
            AddressChange, ApiApplication, ApiStop, ConfirmationStart, ConfirmationStop,
            DataChange, ImprovementPlan, ManagerChange, RegistrationMismatch,
        };
        match self {
            Self::PurposeMissing
            | Self::LegalBasisMissing
            | Self::LegalBasisUnfit
            | Self::BusinessUnfit
            | Self::NameDiffers => matches!(kind, ApiApplication | DataChange),
            Self::NotRegistered => {
                matches!(kind, ApiApplication | DataChange | AddressChange | ImprovementPlan)
            }
            Self::AddressTaken | Self::AddressUnclear => {
                matches!(kind, ApiApplication | DataChange | AddressChange)
            }
            Self::PublicAgency => matches!(kind, ApiApplication),
            Self::PlanInsufficient => matches!(kind, ImprovementPlan),
            Self::StopUnclear => matches!(kind, ApiStop),
            Self::ChangeUnproven => matches!(kind, ApiStop | ApiApplication),
            Self::CodeUnproven => matches!(kind, RegistrationMismatch),
            Self::ManagerUnproven => matches!(kind, ManagerChange),
            Self::NotServed
            | Self::SystemUnfit
            | Self::OverviewUnclear
            | Self::ServerCertificateUnfit => matches!(kind, ConfirmationStart),
            Self::ServiceStopUnclear => matches!(kind, ConfirmationStop),
            Self::OrganisationDiffers
            | Self::DayUnfit
            | Self::DeputyUnclear
            | Self::SealMissing => matches!(kind, ConfirmationStart | ConfirmationStop),
            Self::ContactUnclear | Self::Other => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Service;

    #[test]
    fn every_kind_has_grounds_of_its_own() {
        let of = |kind| Ground::ALL.iter().filter(move |ground| ground.fits(kind));
        for kind in CaseKind::ALL {
            assert!(of(kind).any(|ground| *ground == Ground::Other), "{}", kind.name());
        }
        assert!(of(CaseKind::ImprovementPlan).any(|ground| *ground == Ground::PlanInsufficient));
        assert!(!of(CaseKind::ApiStop).any(|ground| *ground == Ground::LegalBasisMissing));
        assert!(!of(CaseKind::ApiApplication).any(|ground| *ground == Ground::PlanInsufficient));
        for kind in [CaseKind::ConfirmationStart, CaseKind::ConfirmationStop] {
            assert!(of(kind).any(|ground| *ground == Ground::DayUnfit));
            assert!(!of(kind).any(|ground| *ground == Ground::LegalBasisMissing));
        }
    }

    #[test]
    fn codes_are_those_of_the_wire() {
        for ground in Ground::ALL {
            assert_eq!(serde_json::to_value(ground).unwrap(), ground.name());
            assert_eq!(Ground::from_name(ground.name()), Some(*ground));
        }
    }

    #[test]
    fn a_ground_is_about_a_field_of_every_form_that_it_fits() {
        let application = serde_json::to_value(crate::ApplicationDraft::default()).unwrap();
        let annex = serde_json::to_value(crate::ConfirmationDraft::default()).unwrap();
        for (ground, kind) in Ground::ALL.iter().flat_map(|ground| {
            CaseKind::ALL
                .into_iter()
                .filter(|kind| ground.fits(*kind))
                .map(move |kind| (ground, kind))
        }) {
            let form = match kind.service() {
                Service::Confirmation => &annex,
                _ => &application,
            };
            let field = ground.field();
            assert!(field.is_empty() || form.get(field).is_some(), "{field} of {}", kind.name());
        }
    }
}
