//! Whom the two cards of a registration speak for: the organisation, and a person.

use pki::{CardRank, Credential, IssuerRole, SubjectType};

use crate::field::{FieldProblem, fold_width};
use crate::sign_in::{SignInError, company_number};
use crate::{Applicant, Code, Coded, Organisation, Ubn};

/// The number of an organisation as the register and people write it: a 統一編號, or an OID.
///
/// # Errors
/// What is wrong with it.
pub fn organisation_number(text: &str) -> Result<Applicant, FieldProblem> {
    let text = fold_width(text);
    if text.contains('.') {
        let oid = text.parse::<Organisation>().map_err(|_| FieldProblem::UbnFormat)?;
        return Ok(oid.into());
    }
    text.parse::<Ubn>().map(Applicant::from)
}

/// The same, for people: without the mark before an OID.
pub fn shown_number(applicant: Applicant) -> String {
    match applicant {
        Applicant::Company(ubn) => ubn.to_string(),
        Applicant::Organisation(oid) => oid.to_string(),
    }
}

/// Why a card is not the one that a step needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CardRefused {
    /// Not a card of GCA, XCA, MOEACA or HCA.
    #[error("an organisation's card is needed")]
    NoOrganisation,
    /// 附卡 of a company.
    #[error("a secondary card")]
    Secondary,
    /// The card names its organisation by nothing.
    #[error("the card names no organisation")]
    Unnamed,
    /// Not a citizen's card.
    #[error("a citizen's card is needed")]
    NoCitizen,
    /// The card of the first step, once more.
    #[error("one card for both")]
    OneForBoth,
}

impl Coded for CardRefused {
    fn code(&self) -> Code {
        match self {
            Self::NoOrganisation => Code::OrganisationCardNeeded,
            Self::Secondary => Code::SecondaryCard,
            Self::Unnamed => Code::OrganisationUnnamed,
            Self::NoCitizen => Code::CitizenCardNeeded,
            Self::OneForBoth => Code::OneCardForBoth,
        }
    }
}

/// The organisation that a card speaks for: an agency's by GCA, an association's by XCA, a
/// medical institution's by HCA, each by its OID; a company's primary card by its 統一編號.
///
/// # Errors
/// [`CardRefused`].
pub fn organisation_of(credential: &Credential) -> Result<Applicant, CardRefused> {
    match credential.issuer {
        IssuerRole::Moeaca => match company_number(credential) {
            Ok(ubn) => Ok(ubn.into()),
            Err(SignInError::SecondaryCard) => Err(CardRefused::Secondary),
            Err(_) => Err(CardRefused::NoOrganisation),
        },
        IssuerRole::Gca | IssuerRole::Xca | IssuerRole::Hca => {
            let personal =
                matches!(credential.subject_type, Some(SubjectType::Server | SubjectType::Citizen));
            if personal || credential.rank == Some(CardRank::Mobile) {
                return Err(CardRefused::NoOrganisation);
            }
            let oid = credential.organisation.ok_or(CardRefused::Unnamed)?;
            Ok(Organisation::from(oid).into())
        }
        IssuerRole::Moica => Err(CardRefused::NoOrganisation),
    }
}

/// Somebody by a citizen card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Citizen {
    /// The name in the certificate.
    pub name: String,
    /// The CA's number of the person, which stays when the card is renewed.
    pub subject_serial: String,
    /// The last four characters of the national ID.
    pub tail: String,
}

/// The person that a card speaks for.
///
/// # Errors
/// [`CardRefused::NoCitizen`].
pub fn citizen_of(credential: &Credential) -> Result<Citizen, CardRefused> {
    let citizen = credential.issuer == IssuerRole::Moica
        && credential.subject_type == Some(SubjectType::Citizen);
    match (citizen, &credential.subject_serial, &credential.national_id_tail) {
        (true, Some(subject_serial), Some(tail)) => Ok(Citizen {
            name: credential.name.clone(),
            subject_serial: subject_serial.clone(),
            tail: tail.clone(),
        }),
        _ => Err(CardRefused::NoCitizen),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(issuer: IssuerRole) -> Credential {
        Credential {
            issuer,
            subject_type: None,
            name: "測試機關".into(),
            ubn: None,
            subject_serial: None,
            national_id_tail: None,
            organisation: "2.16.886.101.99999.1".parse().ok(),
            rank: None,
        }
    }

    #[test]
    fn organisations_are_known_by_oid_and_companies_by_number() {
        for issuer in [IssuerRole::Gca, IssuerRole::Xca, IssuerRole::Hca] {
            let key = organisation_of(&credential(issuer)).unwrap();
            assert_eq!(shown_number(key), "2.16.886.101.99999.1");
            assert_eq!(organisation_number("２.16.886.101.99999.1"), Ok(key));
            let unnamed = Credential { organisation: None, ..credential(issuer) };
            assert_eq!(organisation_of(&unnamed), Err(CardRefused::Unnamed));
            let server =
                Credential { subject_type: Some(SubjectType::Server), ..credential(issuer) };
            assert_eq!(organisation_of(&server), Err(CardRefused::NoOrganisation));
        }
        let company = Credential {
            subject_type: Some(SubjectType::Company),
            ubn: Some("12345675".into()),
            rank: Some(CardRank::Primary),
            organisation: None,
            ..credential(IssuerRole::Moeaca)
        };
        assert_eq!(organisation_of(&company).unwrap().to_string(), "12345675");
        let secondary = Credential { rank: Some(CardRank::Secondary), ..company };
        assert_eq!(organisation_of(&secondary), Err(CardRefused::Secondary));
        // A citizen's card speaks for no organisation, whatever it carries.
        assert_eq!(
            organisation_of(&credential(IssuerRole::Moica)),
            Err(CardRefused::NoOrganisation)
        );
        assert_eq!(citizen_of(&credential(IssuerRole::Moica)), Err(CardRefused::NoCitizen));
        assert_eq!(citizen_of(&credential(IssuerRole::Gca)), Err(CardRefused::NoCitizen));
    }
}
