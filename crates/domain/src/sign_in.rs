//! Who may sign in with which card.

use pki::{CardRank, Credential, IssuerRole, SubjectType};
use serde::Deserialize;

use crate::organisation::{Citizen, citizen_of};
use crate::{Code, Coded, Organisation, Ubn};

/// The document of a sign-in.
#[derive(Deserialize)]
#[serde(tag = "as", rename_all = "kebab-case", deny_unknown_fields)]
enum SignInDocument {
    /// A company; the number was typed and must be the card's.
    Company { ubn: String },
    /// An agency or another organisation; the card says which.
    Organisation {},
    /// A citizen, for the own records.
    Citizen {},
    /// An officer.
    Officer {},
    /// A handler of a registered organisation.
    Handler {},
}

/// Who signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignedIn {
    /// A company by its primary card.
    Company {
        /// 統一編號 of form and certificate.
        ubn: Ubn,
        /// The name in the certificate.
        name: String,
    },
    /// An agency (GCA) or another organisation (XCA) by its card.
    Organisation {
        /// The organisation OID of the certificate.
        organisation: Organisation,
        /// The name in the certificate.
        name: String,
    },
    /// A citizen by the own card.
    Citizen {
        /// The CA's stable number of the person.
        subject: String,
        /// Last four characters of the national ID.
        tail: String,
    },
    /// Somebody with a citizen card, or an agency's; whether an officer, the list tells.
    Officer {
        /// What the list knows the card by: the CA's stable number of the person, or `OID:`
        /// and the organisation OID of the agency.
        subject: String,
    },
    /// Somebody with a citizen card; whether a handler, the registrations tell.
    Handler(Citizen),
}

/// Why a sign-in was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignInError {
    /// The signed document is not a sign-in.
    #[error("not a sign-in")]
    Document,
    /// The card is of another kind than needed.
    #[error("the card is not of the kind that is needed")]
    WrongCard,
    /// A handler signs in with the own citizen card.
    #[error("a citizen's card is needed")]
    NoCitizen,
    /// 附卡.
    #[error("the card is a secondary card")]
    SecondaryCard,
    /// The number typed is not the card's.
    #[error("the 統一編號 is not the card's")]
    UbnMismatch,
}

impl Coded for SignInError {
    fn code(&self) -> Code {
        match self {
            Self::Document => Code::MalformedRequest,
            Self::WrongCard => Code::WrongCard,
            Self::NoCitizen => Code::CitizenCardNeeded,
            Self::SecondaryCard => Code::SecondaryCard,
            Self::UbnMismatch => Code::UbnMismatch,
        }
    }
}

/// Decides a sign-in from the signed document and the judged certificate (A2).
///
/// # Errors
/// [`SignInError`].
pub fn sign_in(
    document: &serde_json::Value,
    credential: &Credential,
) -> Result<SignedIn, SignInError> {
    let document = SignInDocument::deserialize(document).map_err(|_| SignInError::Document)?;
    match document {
        SignInDocument::Company { ubn: typed } => {
            let ubn = company_number(credential)?;
            if typed.parse() != Ok(ubn) {
                return Err(SignInError::UbnMismatch);
            }
            Ok(SignedIn::Company { ubn, name: credential.name.clone() })
        }
        SignInDocument::Organisation {} => {
            let organisation = organisation_number(credential)?;
            Ok(SignedIn::Organisation { organisation, name: credential.name.clone() })
        }
        SignInDocument::Citizen {} => {
            match (&credential.subject_serial, &credential.national_id_tail) {
                (Some(subject), Some(tail))
                    if credential.issuer == IssuerRole::Moica
                        && credential.subject_type == Some(SubjectType::Citizen) =>
                {
                    Ok(SignedIn::Citizen { subject: subject.clone(), tail: tail.clone() })
                }
                _ => Err(SignInError::WrongCard),
            }
        }
        SignInDocument::Officer {} => {
            let subject = officer_subject(credential).ok_or(SignInError::WrongCard)?;
            Ok(SignedIn::Officer { subject })
        }
        SignInDocument::Handler {} => {
            let citizen = citizen_of(credential).map_err(|_| SignInError::NoCitizen)?;
            Ok(SignedIn::Handler(citizen))
        }
    }
}

/// What the list of officers knows this card by: a citizen's by its stable number, an
/// agency's (GCA) by its organisation OID. A server's certificate is nobody's card.
fn officer_subject(credential: &Credential) -> Option<String> {
    match (credential.issuer, credential.subject_type) {
        (IssuerRole::Moica, Some(SubjectType::Citizen)) => credential.subject_serial.clone(),
        (IssuerRole::Gca, kind) if kind != Some(SubjectType::Server) => {
            credential.organisation.map(|organisation| format!("OID:{organisation}"))
        }
        _ => None,
    }
}

/// The organisation OID of a card of GCA or XCA. A server's certificate is nobody's card, and a
/// secondary card does not speak for the organisation.
pub(crate) fn organisation_number(credential: &Credential) -> Result<Organisation, SignInError> {
    let issued = matches!(credential.issuer, IssuerRole::Gca | IssuerRole::Xca);
    if !issued || credential.subject_type == Some(SubjectType::Server) {
        return Err(SignInError::WrongCard);
    }
    match credential.rank {
        Some(CardRank::Primary) | None => (),
        Some(CardRank::Secondary) => return Err(SignInError::SecondaryCard),
        Some(CardRank::Mobile) => return Err(SignInError::WrongCard),
    }
    credential.organisation.map(Organisation::from).ok_or(SignInError::WrongCard)
}

/// The 統一編號 of a company's primary card. Anything else does not speak for a company.
pub(crate) fn company_number(credential: &Credential) -> Result<Ubn, SignInError> {
    let company = matches!(
        credential.subject_type,
        Some(SubjectType::Company | SubjectType::BusinessFirm | SubjectType::Branch)
    );
    if credential.issuer != IssuerRole::Moeaca || !company {
        return Err(SignInError::WrongCard);
    }
    match credential.rank {
        Some(CardRank::Primary) => (),
        Some(CardRank::Secondary) => return Err(SignInError::SecondaryCard),
        Some(CardRank::Mobile) | None => return Err(SignInError::WrongCard),
    }
    let ubn = credential.ubn.as_deref().ok_or(SignInError::WrongCard)?;
    ubn.parse().map_err(|_| SignInError::WrongCard)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn company() -> Credential {
        Credential {
            issuer: IssuerRole::Moeaca,
            subject_type: Some(SubjectType::Company),
            name: "測試甲股份有限公司".into(),
            ubn: Some("12345675".into()),
            subject_serial: None,
            national_id_tail: None,
            organisation: None,
            rank: Some(CardRank::Primary),
        }
    }

    fn citizen() -> Credential {
        Credential {
            issuer: IssuerRole::Moica,
            subject_type: Some(SubjectType::Citizen),
            ubn: None,
            subject_serial: Some("0000000112345678".into()),
            national_id_tail: Some("6789".into()),
            rank: None,
            ..company()
        }
    }

    fn as_company(ubn: &str) -> serde_json::Value {
        serde_json::json!({"as": "company", "ubn": ubn})
    }

    #[test]
    fn the_number_typed_must_be_the_cards() {
        assert!(sign_in(&as_company("１２３４５６７５"), &company()).is_ok());
        assert_eq!(sign_in(&as_company("04595257"), &company()), Err(SignInError::UbnMismatch));
        assert_eq!(sign_in(&as_company(""), &company()), Err(SignInError::UbnMismatch));
    }

    #[test]
    fn only_a_companys_primary_card_speaks_for_it() {
        let refused =
            |credential: Credential| sign_in(&as_company("12345675"), &credential).unwrap_err();
        assert_eq!(refused(citizen()), SignInError::WrongCard);
        // A citizen CA that writes a 統一編號 does not make a company.
        assert_eq!(
            refused(Credential { issuer: IssuerRole::Moica, ..company() }),
            SignInError::WrongCard
        );
        assert_eq!(
            refused(Credential { rank: Some(CardRank::Secondary), ..company() }),
            SignInError::SecondaryCard
        );
        assert_eq!(refused(Credential { rank: None, ..company() }), SignInError::WrongCard);
        assert_eq!(
            refused(Credential { subject_type: Some(SubjectType::Server), ..company() }),
            SignInError::WrongCard
        );
    }

    #[test]
    fn handlers_come_with_the_own_card() {
        let handler = serde_json::json!({"as": "handler"});
        let signed_in = sign_in(&handler, &citizen()).unwrap();
        assert!(matches!(signed_in, SignedIn::Handler(citizen) if citizen.tail == "6789"));
        assert_eq!(sign_in(&handler, &company()), Err(SignInError::NoCitizen));
    }

    #[test]
    fn officers_come_with_citizen_or_agency_cards() {
        let officer = serde_json::json!({"as": "officer"});
        let subject = |credential: &Credential| sign_in(&officer, credential);
        let known = |subject: &str| Ok(SignedIn::Officer { subject: subject.into() });
        assert_eq!(subject(&citizen()), known("0000000112345678"));
        assert_eq!(subject(&company()), Err(SignInError::WrongCard));
        let organisation = "2.16.886.101.99999.1".parse().unwrap();
        let agency = Credential {
            issuer: IssuerRole::Gca,
            subject_type: None,
            ubn: None,
            organisation: Some(organisation),
            rank: None,
            ..company()
        };
        assert_eq!(subject(&agency), known("OID:2.16.886.101.99999.1"));
        // An association's card is no agency's, a server's certificate no card, and what
        // another CA writes makes nobody an agency.
        for other in [
            Credential { issuer: IssuerRole::Xca, ..agency.clone() },
            Credential { issuer: IssuerRole::Moica, ..agency.clone() },
            Credential { subject_type: Some(SubjectType::Server), ..agency.clone() },
            Credential { organisation: None, ..agency.clone() },
        ] {
            assert_eq!(subject(&other), Err(SignInError::WrongCard));
        }
        let unknown = serde_json::json!({"as": "supervisor"});
        assert_eq!(sign_in(&unknown, &citizen()), Err(SignInError::Document));
    }
}
