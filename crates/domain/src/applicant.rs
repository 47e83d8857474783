//! Whose case it is: a company by its 統一編號, or an organisation by its OID.

use std::fmt;
use std::str::FromStr;

use const_oid::ObjectIdentifier;
use serde::{Deserialize, Serialize};

use crate::Ubn;
use crate::field::{FieldProblem, fold_width};

/// An organisation OID, as certificates of GCA and XCA carry it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Organisation(ObjectIdentifier);

impl FromStr for Organisation {
    type Err = const_oid::Error;

    fn from_str(text: &str) -> Result<Self, const_oid::Error> {
        ObjectIdentifier::new(text).map(Self)
    }
}

impl From<ObjectIdentifier> for Organisation {
    fn from(oid: ObjectIdentifier) -> Self {
        Self(oid)
    }
}

impl TryFrom<String> for Organisation {
    type Error = const_oid::Error;

    fn try_from(text: String) -> Result<Self, const_oid::Error> {
        text.parse()
    }
}

impl From<Organisation> for String {
    fn from(organisation: Organisation) -> Self {
        organisation.to_string()
    }
}

impl fmt::Display for Organisation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Debug for Organisation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Whoever applies. As text: eight digits, or `OID:` and the organisation OID.
///
/// ```
/// let company: domain::Applicant = "12345675".parse().unwrap();
/// let agency: domain::Applicant = "OID:2.16.886.101.99999.1".parse().unwrap();
/// assert_eq!(company.to_string(), "12345675");
/// assert_eq!(agency.to_string(), "OID:2.16.886.101.99999.1");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Applicant {
    /// A company or firm, by its 統一編號.
    Company(Ubn),
    /// An agency, a foundation, a school ..., by its organisation OID.
    Organisation(Organisation),
}

/// The text names no applicant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither a 統一編號 nor an organisation OID")]
pub struct NoApplicant;

impl Applicant {
    /// 統一編號 of a company.
    pub fn ubn(self) -> Option<Ubn> {
        match self {
            Self::Company(ubn) => Some(ubn),
            Self::Organisation(_) => None,
        }
    }
}

impl From<Ubn> for Applicant {
    fn from(ubn: Ubn) -> Self {
        Self::Company(ubn)
    }
}

impl From<Organisation> for Applicant {
    fn from(organisation: Organisation) -> Self {
        Self::Organisation(organisation)
    }
}

impl FromStr for Applicant {
    type Err = NoApplicant;

    fn from_str(text: &str) -> Result<Self, NoApplicant> {
        match text.strip_prefix("OID:") {
            Some(oid) => oid.parse().map(Self::Organisation).map_err(|_| NoApplicant),
            None => text.parse().map(Self::Company).map_err(|_| NoApplicant),
        }
    }
}

impl Applicant {
    /// What somebody typed: a 統一編號, or `OID:` and an organisation OID.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn typed(text: &str) -> Result<Self, FieldProblem> {
        let text = fold_width(text).to_ascii_uppercase();
        match text.parse::<Ubn>() {
            Ok(ubn) => Ok(Self::Company(ubn)),
            Err(FieldProblem::UbnFormat) => text.parse().map_err(|_| FieldProblem::ApplicantFormat),
            Err(problem) => Err(problem),
        }
    }
}

impl TryFrom<String> for Applicant {
    type Error = NoApplicant;

    fn try_from(text: String) -> Result<Self, NoApplicant> {
        text.parse()
    }
}

impl From<Applicant> for String {
    fn from(applicant: Applicant) -> Self {
        applicant.to_string()
    }
}

impl fmt::Display for Applicant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Company(ubn) => ubn.fmt(formatter),
            Self::Organisation(organisation) => write!(formatter, "OID:{organisation}"),
        }
    }
}

impl fmt::Debug for Applicant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn applicants_come_back_from_their_text() {
        for text in ["12345675", "OID:2.16.886.101.99999.1"] {
            assert_eq!(text.parse::<Applicant>().unwrap().to_string(), text);
        }
        for text in ["", "OID:", "OID:x", "OID:12345675", "12345678", "2.16.886.101"] {
            assert_eq!(text.parse::<Applicant>(), Err(NoApplicant), "{text}");
        }
        let typed = |text| Applicant::typed(text).map(|applicant| applicant.to_string());
        assert_eq!(typed(" １２３４５６７５ ").as_deref(), Ok("12345675"));
        assert_eq!(typed("oid:2.16.886.101.99999.1").as_deref(), Ok("OID:2.16.886.101.99999.1"));
        for (text, problem) in [
            ("", FieldProblem::Required),
            ("12345678", FieldProblem::UbnChecksum),
            ("123", FieldProblem::ApplicantFormat),
            ("OID:x", FieldProblem::ApplicantFormat),
        ] {
            assert_eq!(typed(text), Err(problem), "{text}");
        }
        assert!("04595257".parse::<Applicant>().unwrap().ubn().is_some());
    }
}
