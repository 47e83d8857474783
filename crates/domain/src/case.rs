//! A case (案件) and its life: every arrow is a method, every refusal a typed error.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Applicant;

/// S/N: the serial number of a case, a version 4 UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CaseId(Uuid);

impl CaseId {
    /// An id from random bytes.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
    }

    /// Reads the hyphenated form.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 36).then(|| Uuid::try_parse(text).ok()).flatten().map(Self)
    }
}

impl fmt::Display for CaseId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(formatter)
    }
}

/// 申請事項.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaseKind {
    /// API申請.
    ApiApplication,
    /// 憑證上傳: takes effect at once.
    CertificateUpload,
    /// 登錄資料修改.
    DataChange,
    /// 更改連線主機網路位址 (the manual of 108).
    AddressChange,
    /// API停用.
    ApiStop,
    /// 改善做法: after suspension or revocation (rule 11).
    ImprovementPlan,
    /// 啟用 of the identity confirmation service (003, annex).
    ConfirmationStart,
    /// 停用 of the identity confirmation service (003, annex).
    ConfirmationStop,
    /// 機關代號 and card do not fit the register (004, figures 3-6, 3-7).
    RegistrationMismatch,
    /// Another person is to be 授權管理者.
    ManagerChange,
}

impl CaseKind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::ApiApplication,
        Self::CertificateUpload,
        Self::DataChange,
        Self::AddressChange,
        Self::ApiStop,
        Self::ImprovementPlan,
        Self::ConfirmationStart,
        Self::ConfirmationStop,
        Self::RegistrationMismatch,
        Self::ManagerChange,
    ];

    /// The name in the store and on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::ApiApplication => "api-application",
            Self::CertificateUpload => "certificate-upload",
            Self::DataChange => "data-change",
            Self::AddressChange => "address-change",
            Self::ApiStop => "api-stop",
            Self::ImprovementPlan => "improvement-plan",
            Self::ConfirmationStart => "confirmation-start",
            Self::ConfirmationStop => "confirmation-stop",
            Self::RegistrationMismatch => "registration-mismatch",
            Self::ManagerChange => "manager-change",
        }
    }

    /// The service that it belongs to.
    pub fn service(self) -> Service {
        match self {
            Self::ApiApplication
            | Self::CertificateUpload
            | Self::DataChange
            | Self::AddressChange
            | Self::ApiStop
            | Self::ImprovementPlan => Service::Api,
            Self::ConfirmationStart | Self::ConfirmationStop => Service::Confirmation,
            Self::RegistrationMismatch | Self::ManagerChange => Service::Registration,
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The ministry's word on receipts and in the list of cases (112: figures 7, 12, 26): an
    /// upload is called otherwise there.
    pub fn case_word(self) -> &'static str {
        match self {
            Self::CertificateUpload => "上傳憑證",
            other => other.word(),
        }
    }

    /// The ministry's word, as the list of 申請事項 shows it.
    pub fn word(self) -> &'static str {
        match self {
            Self::ApiApplication => "API申請",
            Self::CertificateUpload => "憑證上傳",
            Self::DataChange => "登錄資料修改",
            Self::AddressChange => "更改連線主機網路位址",
            Self::ApiStop => "API停用",
            Self::ImprovementPlan => "提出改善做法",
            Self::ConfirmationStart => "用戶身分確認服務啟用",
            Self::ConfirmationStop => "用戶身分確認服務停用",
            Self::RegistrationMismatch => "憑證註冊資料審核",
            Self::ManagerChange => "更換授權管理者審核",
        }
    }
}

/// The service that a case belongs to: an applicant has one case under way in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Service {
    /// 國民身分證領補換資料查驗作業API介接服務.
    Api,
    /// 自然人憑證用戶身分確認服務.
    Confirmation,
    /// 憑證註冊與指派.
    Registration,
}

impl Service {
    /// The name in the store and on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Confirmation => "confirmation",
            Self::Registration => "registration",
        }
    }
}

/// 案件狀態.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaseState {
    /// 受理中.
    Accepted,
    /// 核准.
    Approved,
    /// 駁回.
    Rejected,
    /// 已取消.
    Cancelled,
    /// 上傳成功.
    Uploaded,
}

impl CaseState {
    /// Every state.
    pub const ALL: [Self; 5] =
        [Self::Accepted, Self::Approved, Self::Rejected, Self::Cancelled, Self::Uploaded];

    /// The name in the store and on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
            Self::Uploaded => "uploaded",
        }
    }

    /// The state of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// The ministry's word (figures 22 to 28).
    pub fn word(self) -> &'static str {
        match self {
            Self::Accepted => "受理中",
            Self::Approved => "核准",
            Self::Rejected => "駁回",
            Self::Cancelled => "已取消",
            Self::Uploaded => "上傳成功",
        }
    }
}

/// An officer's decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// 核准.
    Approve,
    /// 駁回.
    Reject,
}

/// The part of a case that its rules are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// S/N.
    pub id: CaseId,
    /// Whose case it is.
    pub applicant: Applicant,
    /// 申請事項.
    pub kind: CaseKind,
    /// 案件狀態.
    pub state: CaseState,
    /// 申請日期.
    pub submitted_at: Timestamp,
}

/// An applicant may withdraw for so long (figure 22).
const CANCELLATION: SignedDuration = SignedDuration::from_hours(24);

/// Why a case cannot be cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CancelError {
    /// It is no longer 受理中.
    #[error("the case is {}", was.name())]
    NotOpen {
        /// What it is.
        was: CaseState,
    },
    /// More than 24 hours have passed.
    #[error("the case could be cancelled until {until}")]
    TooLate {
        /// The last instant at which it could be.
        until: Timestamp,
    },
}

/// Why an officer cannot do this to a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReviewError {
    /// It is no longer 受理中.
    #[error("the case is {}", was.name())]
    NotOpen {
        /// What it is.
        was: CaseState,
    },
    /// Another officer has it.
    #[error("another officer has the case")]
    Claimed,
    /// The applicant has not answered yet.
    #[error("the applicant was asked already")]
    Waiting,
    /// Whoever asks about a registration signs no form that could be completed; the phone number
    /// is on the case.
    #[error("there is no form to be completed")]
    NothingToComplete,
    /// Only a refusal can be set aside; an approval is ended by suspension or revocation.
    #[error("only a refusal can be set aside")]
    NotRejected,
    /// An improvement plan is accepted by two officers.
    #[error("two officers are needed")]
    TwoNeeded,
    /// Something was done to the case since the officer saw it.
    #[error("the case has changed since it was seen")]
    Changed,
}

/// What stands in the way of an officer's acts, and what does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnderReview {
    /// 案件狀態.
    pub state: CaseState,
    /// 申請事項.
    pub kind: CaseKind,
    /// The officer who has the case.
    pub assigned_to: Option<i64>,
    /// Whether the applicant is waited for.
    pub waiting: bool,
}

impl UnderReview {
    /// Whether this officer may act on the case: open, and nobody else's.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub fn check(self, officer: i64) -> Result<(), ReviewError> {
        if self.state != CaseState::Accepted {
            return Err(ReviewError::NotOpen { was: self.state });
        }
        if self.assigned_to.is_some_and(|other| other != officer) {
            return Err(ReviewError::Claimed);
        }
        Ok(())
    }

    /// Whether this officer may ask the applicant for more.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub fn check_question(self, officer: i64) -> Result<(), ReviewError> {
        self.check(officer)?;
        match (self.kind.service(), self.waiting) {
            (Service::Registration, _) => Err(ReviewError::NothingToComplete),
            (_, true) => Err(ReviewError::Waiting),
            (_, false) => Ok(()),
        }
    }

    /// Whether this officer may decide so.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub fn check_decision(self, officer: i64, decision: Decision) -> Result<(), ReviewError> {
        self.check(officer)?;
        match (self.kind, decision) {
            (CaseKind::ImprovementPlan, Decision::Approve) => Err(ReviewError::TwoNeeded),
            _ => Ok(()),
        }
    }
}

impl Case {
    /// Until when the applicant may cancel; `None` when no longer at all.
    pub fn cancellable_until(&self) -> Option<Timestamp> {
        (self.state == CaseState::Accepted).then(|| self.submitted_at + CANCELLATION)
    }

    /// 取消申請: within 24 hours of 申請日期, to the second, and only while 受理中.
    ///
    /// # Errors
    /// [`CancelError`].
    pub fn cancel(mut self, now: Timestamp) -> Result<Self, CancelError> {
        let until = self.cancellable_until().ok_or(CancelError::NotOpen { was: self.state })?;
        if now.as_second() > until.as_second() {
            return Err(CancelError::TooLate { until });
        }
        self.state = CaseState::Cancelled;
        Ok(self)
    }

    /// An officer decides.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub fn decide(mut self, decision: Decision) -> Result<Self, ReviewError> {
        if self.state != CaseState::Accepted {
            return Err(ReviewError::NotOpen { was: self.state });
        }
        self.state = match decision {
            Decision::Approve => CaseState::Approved,
            Decision::Reject => CaseState::Rejected,
        };
        Ok(self)
    }
}

impl Case {
    /// A refusal is set aside: the case is 受理中 again.
    ///
    /// # Errors
    /// [`ReviewError::NotRejected`].
    pub fn set_aside(mut self) -> Result<Self, ReviewError> {
        if self.state != CaseState::Rejected {
            return Err(ReviewError::NotRejected);
        }
        self.state = CaseState::Accepted;
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(state: CaseState) -> Case {
        Case {
            id: CaseId::from_random([7; 16]),
            applicant: "12345675".parse().unwrap(),
            kind: CaseKind::ApiApplication,
            state,
            submitted_at: "2023-11-17T14:35:04+08:00".parse().unwrap(),
        }
    }

    #[test]
    fn cancelling_ends_exactly_24_hours_after_the_application() {
        let case = case(CaseState::Accepted);
        let last: Timestamp = "2023-11-18T14:35:04+08:00".parse().unwrap();
        assert_eq!(case.clone().cancel(last).unwrap().state, CaseState::Cancelled);
        let late = last + SignedDuration::from_secs(1);
        assert_eq!(case.cancel(late), Err(CancelError::TooLate { until: last }));
    }

    #[test]
    fn only_an_open_case_changes() {
        for state in CaseState::ALL.into_iter().filter(|state| *state != CaseState::Accepted) {
            let now = case(state).submitted_at;
            assert_eq!(case(state).cancel(now), Err(CancelError::NotOpen { was: state }));
            assert_eq!(
                case(state).decide(Decision::Approve),
                Err(ReviewError::NotOpen { was: state })
            );
        }
        assert_eq!(
            case(CaseState::Accepted).decide(Decision::Reject).unwrap().state,
            CaseState::Rejected
        );
    }

    #[test]
    fn a_case_is_one_officers_at_a_time() {
        let mine = UnderReview {
            state: CaseState::Accepted,
            kind: CaseKind::ApiApplication,
            assigned_to: Some(1),
            waiting: false,
        };
        assert_eq!(mine.check_decision(1, Decision::Approve), Ok(()));
        assert_eq!(mine.check_decision(2, Decision::Reject), Err(ReviewError::Claimed));
        assert_eq!(UnderReview { assigned_to: None, ..mine }.check_question(2), Ok(()));
        let waiting = UnderReview { waiting: true, ..mine };
        assert_eq!(waiting.check_question(1), Err(ReviewError::Waiting));
        assert_eq!(waiting.check_decision(1, Decision::Reject), Ok(()));
        let plan = UnderReview { kind: CaseKind::ImprovementPlan, ..mine };
        assert_eq!(plan.check_decision(1, Decision::Approve), Err(ReviewError::TwoNeeded));
        let registration = UnderReview { kind: CaseKind::RegistrationMismatch, ..mine };
        assert_eq!(registration.check_question(1), Err(ReviewError::NothingToComplete));
        assert_eq!(registration.check_decision(1, Decision::Approve), Ok(()));
        for state in CaseState::ALL {
            let set_aside = case(state).set_aside();
            match state {
                CaseState::Rejected => assert_eq!(set_aside.unwrap().state, CaseState::Accepted),
                _ => assert_eq!(set_aside, Err(ReviewError::NotRejected)),
            }
        }
    }

    #[test]
    fn names_and_serial_numbers_come_back() {
        for kind in CaseKind::ALL {
            assert_eq!(CaseKind::from_name(kind.name()), Some(kind));
        }
        let id = CaseId::from_random([1; 16]);
        assert_eq!(id.to_string().as_bytes()[14], b'4', "version 4");
        assert_eq!(CaseId::parse(&id.to_string()), Some(id));
        assert_eq!(CaseId::parse("x"), None);
    }
}
