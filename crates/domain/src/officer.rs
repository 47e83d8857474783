//! Who may do what behind the counter (requirements A15, A17): every permission is a
//! question to this one table.

use crate::field::{FieldProblem, fold_width};
use crate::{Applicant, Code, Coded};

/// What a person on the list of officers is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Decides cases.
    Officer,
    /// Decides cases, and sees to it that they are decided.
    Supervisor,
    /// Reads everything, changes nothing.
    Auditor,
    /// Keeps the list of officers and the policies; sees no case.
    Administrator,
}

/// Something that not everybody on the list may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// See cases and who applied.
    ReadCases,
    /// Claim a case, ask, extend, 核准, 駁回; propose what needs two.
    Decide,
    /// Give cases to others, set a refusal aside, end a suspension.
    Supervise,
    /// 暫停: at once, by one.
    Suspend,
    /// Say how many calls an account may make.
    SetLimits,
    /// The second of two.
    Endorse,
    /// See the audit log.
    ReadLog,
    /// Keep the list of officers.
    KeepOfficers,
    /// Keep the office calendar.
    KeepCalendar,
    /// Keep the list of supervised institutions.
    KeepInstitutions,
    /// Propose policies.
    KeepPolicies,
}

impl Permission {
    /// Every permission.
    pub const ALL: [Self; 11] = [
        Self::ReadCases,
        Self::Decide,
        Self::Supervise,
        Self::Suspend,
        Self::SetLimits,
        Self::Endorse,
        Self::ReadLog,
        Self::KeepOfficers,
        Self::KeepCalendar,
        Self::KeepInstitutions,
        Self::KeepPolicies,
    ];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReadCases => "read-cases",
            Self::Decide => "decide",
            Self::Supervise => "supervise",
            Self::Suspend => "suspend",
            Self::SetLimits => "set-limits",
            Self::Endorse => "endorse",
            Self::ReadLog => "read-log",
            Self::KeepOfficers => "keep-officers",
            Self::KeepCalendar => "keep-calendar",
            Self::KeepInstitutions => "keep-institutions",
            Self::KeepPolicies => "keep-policies",
        }
    }
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] =
        [Self::Officer, Self::Supervisor, Self::Auditor, Self::Administrator];

    /// The name in the store, on the wire and at the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Officer => "officer",
            Self::Supervisor => "supervisor",
            Self::Auditor => "auditor",
            Self::Administrator => "administrator",
        }
    }

    /// The role of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// The ministry's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Officer => "審核人員",
            Self::Supervisor => "主管",
            Self::Auditor => "稽核人員",
            Self::Administrator => "系統管理人員",
        }
    }

    /// Whether this role may.
    pub fn may(self, permission: Permission) -> bool {
        use Role::{Administrator, Auditor, Officer, Supervisor};
        match permission {
            Permission::ReadCases => matches!(self, Officer | Supervisor | Auditor),
            Permission::Decide | Permission::Suspend | Permission::SetLimits => {
                matches!(self, Officer | Supervisor)
            }
            Permission::Supervise | Permission::Endorse => matches!(self, Supervisor),
            Permission::KeepPolicies => matches!(self, Supervisor | Administrator),
            Permission::ReadLog => matches!(self, Supervisor | Auditor),
            Permission::KeepOfficers | Permission::KeepCalendar | Permission::KeepInstitutions => {
                matches!(self, Administrator)
            }
        }
    }
}

/// A person on the list of officers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Officer {
    /// The id under which acts are recorded.
    pub id: i64,
    /// For the page's head.
    pub name: String,
    /// What the person may do.
    pub role: Role,
    /// The company or organisation that the person has to do with, whose cases are for others.
    pub own_company: Option<Applicant>,
}

/// Why an officer may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPermitted {
    /// The role does not allow it.
    #[error("the role does not allow it")]
    Role,
    /// Nobody decides a case of their own company.
    #[error("a case of the officer's own company")]
    OwnCompany,
}

impl Coded for NotPermitted {
    fn code(&self) -> Code {
        match self {
            Self::Role => Code::NotAllowed,
            Self::OwnCompany => Code::OwnCase,
        }
    }
}

impl Officer {
    /// Whether this officer may.
    ///
    /// # Errors
    /// [`NotPermitted::Role`].
    pub fn check(&self, permission: Permission) -> Result<(), NotPermitted> {
        if self.role.may(permission) { Ok(()) } else { Err(NotPermitted::Role) }
    }

    /// Whether this officer may do this to a company or an organisation.
    ///
    /// # Errors
    /// [`NotPermitted`].
    pub fn check_on(
        &self,
        applicant: impl Into<Applicant>,
        permission: Permission,
    ) -> Result<(), NotPermitted> {
        self.check(permission)?;
        if self.own_company == Some(applicant.into()) {
            Err(NotPermitted::OwnCompany)
        } else {
            Ok(())
        }
    }
}

/// What a card of an officer is known by: the serial number in the subject of a citizen certificate,
/// sixteen digits; or `OID:` and the organisation OID of an agency's.
///
/// # Errors
/// [`FieldProblem`].
pub fn officer_subject(text: &str) -> Result<String, FieldProblem> {
    let text = fold_width(text).trim().to_owned();
    let known = match text.strip_prefix("OID:") {
        Some(oid) => pki::ObjectIdentifier::new(oid).is_ok(),
        None => text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_digit()),
    };
    match text.as_str() {
        "" => Err(FieldProblem::Required),
        _ if known => Ok(text),
        _ => Err(FieldProblem::CardSubject),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_known_by_sixteen_digits_or_an_oid() {
        for good in ["0000000112345678", "OID:2.16.886.101.20003", " ０000000112345678 "] {
            assert!(officer_subject(good).is_ok(), "{good}");
        }
        for wrong in [
            "112345678",
            "00000001123456789",
            "000000011234567A",
            "2.16.886.101",
            "OID:",
            "OID:9.1",
            "OID:2.16.x",
            "oid:2.16.886",
        ] {
            assert_eq!(officer_subject(wrong), Err(FieldProblem::CardSubject), "{wrong}");
        }
        assert_eq!(officer_subject(" "), Err(FieldProblem::Required));
    }

    #[test]
    fn the_table_of_permissions() {
        use Permission::{
            Decide, Endorse, KeepCalendar, KeepInstitutions, KeepOfficers, KeepPolicies, ReadCases,
            ReadLog, SetLimits, Supervise, Suspend,
        };
        let allowed = |role: Role| -> Vec<Permission> {
            Permission::ALL.into_iter().filter(|permission| role.may(*permission)).collect()
        };
        assert_eq!(allowed(Role::Officer), [ReadCases, Decide, Suspend, SetLimits]);
        let supervisor =
            [ReadCases, Decide, Supervise, Suspend, SetLimits, Endorse, ReadLog, KeepPolicies];
        assert_eq!(allowed(Role::Supervisor), supervisor);
        assert_eq!(allowed(Role::Auditor), [ReadCases, ReadLog]);
        assert_eq!(
            allowed(Role::Administrator),
            [KeepOfficers, KeepCalendar, KeepInstitutions, KeepPolicies]
        );
        for role in Role::ALL {
            assert_eq!(Role::from_name(role.name()), Some(role));
        }
    }

    #[test]
    fn nobody_decides_a_case_of_their_own_company() {
        let (own, other): (Applicant, Applicant) =
            ("12345675".parse().unwrap(), "04595257".parse().unwrap());
        let officer =
            Officer { id: 1, name: "李".into(), role: Role::Officer, own_company: Some(own) };
        assert_eq!(officer.check_on(own, Permission::Decide), Err(NotPermitted::OwnCompany));
        assert_eq!(officer.check_on(other, Permission::Decide), Ok(()));
        let auditor = Officer { role: Role::Auditor, own_company: None, ..officer };
        assert_eq!(auditor.check_on(other, Permission::Decide), Err(NotPermitted::Role));
    }
}
