//! Who a certificate speaks for: subject and subject directory attributes, typed.

use der::asn1::{Any, ObjectIdentifier, PrintableStringRef, SetOfVec, Utf8StringRef};
use der::{Decode, Sequence, Tag, Tagged};

use crate::{Certificate, IssuerRole, PkiError, oid};

/// X.501 Attribute, as in subjectDirectoryAttributes (RFC 5280, section 4.2.1.8).
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
struct Attribute {
    kind: ObjectIdentifier,
    values: SetOfVec<Any>,
}

/// The kind of subject (2.16.886.1.100.3.*).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectType {
    /// 公司.
    Company,
    /// 行號.
    BusinessFirm,
    /// 分公司.
    Branch,
    /// Citizen.
    Citizen,
    /// Server application.
    Server,
    /// Another arc of the same tree.
    Other(ObjectIdentifier),
}

impl From<ObjectIdentifier> for SubjectType {
    fn from(value: ObjectIdentifier) -> Self {
        match value {
            oid::COMPANY => Self::Company,
            oid::BUSINESS_FIRM => Self::BusinessFirm,
            oid::BRANCH => Self::Branch,
            oid::CITIZEN => Self::Citizen,
            oid::SERVER => Self::Server,
            other => Self::Other(other),
        }
    }
}

/// Rank of the card that holds the key. A certificate with a rank lives on an IC card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardRank {
    /// 正卡.
    Primary,
    /// 附卡.
    Secondary,
    /// A key in a phone (行動自然人憑證).
    Mobile,
}

/// What a trusted certificate says about its subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Role of the CA that issued it: decides what the rest may be used for.
    pub issuer: IssuerRole,
    /// Kind of subject, when stated.
    pub subject_type: Option<SubjectType>,
    /// Name: the organisation for companies, the common name for people.
    pub name: String,
    /// 統一編號, eight digits, from the directory attributes (and equal in the subject,
    /// when it stands there too).
    pub ubn: Option<String>,
    /// Serial number of the subject: for citizens the CA's stable 16-digit number.
    pub subject_serial: Option<String>,
    /// Last four characters of the national ID (citizens).
    pub national_id_tail: Option<String>,
    /// Organisation OID (agencies, associations).
    pub organisation: Option<ObjectIdentifier>,
    /// Card rank, when the key lives on a card.
    pub rank: Option<CardRank>,
}

impl Credential {
    /// Reads the subject of a certificate whose path was judged.
    pub(crate) fn read(certificate: &Certificate, issuer: IssuerRole) -> Result<Self, PkiError> {
        let attributes = directory_attributes(certificate)?;
        let text = |kind| attribute_text(&attributes, kind);
        let subject_serial = subject_text(certificate, oid::SERIAL_NUMBER)?;
        let ubn = text(oid::UBN)?;
        if let (IssuerRole::Moeaca, Some(serial)) = (issuer, &subject_serial)
            && ubn.as_ref() != Some(serial)
        {
            return Err(PkiError::Subject("統一編號"));
        }
        let common_name = subject_text(certificate, oid::COMMON_NAME)?;
        let organisation_name = subject_text(certificate, oid::ORGANISATION_NAME)?;
        let name = match issuer {
            IssuerRole::Moica => common_name,
            _ => organisation_name.or(common_name),
        };
        Ok(Self {
            issuer,
            subject_type: attribute_oid(&attributes, oid::SUBJECT_TYPE)?.map(SubjectType::from),
            name: name.filter(|name| is_shown_as_is(name)).ok_or(PkiError::Subject("name"))?,
            ubn,
            subject_serial,
            national_id_tail: text(oid::NATIONAL_ID_TAIL)?,
            organisation: attribute_oid(&attributes, oid::ORGANISATION)?,
            rank: card_rank(&attributes)?,
        })
    }
}

/// Whether a name looks as it is: no controls, and none of the characters that are
/// invisible or turn the direction of what follows.
fn is_shown_as_is(name: &str) -> bool {
    !name.chars().any(|character| {
        character.is_control()
            || matches!(
                character,
                '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
                    | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}'
                    | '\u{e0000}'..='\u{e0fff}' | '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
                    | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            )
    })
}

/// What a certificate says of its holder before anybody judged it: for showing to the
/// person at the reader, and for nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnverifiedHolder {
    /// Organisation, or common name.
    pub name: String,
    /// Kind of subject, when stated.
    pub subject_type: Option<SubjectType>,
    /// 統一編號, when stated.
    pub ubn: Option<String>,
    /// Organisation OID (agencies, associations), when stated.
    pub organisation: Option<ObjectIdentifier>,
    /// Card rank, when the key lives on a card.
    pub rank: Option<CardRank>,
}

impl Certificate {
    /// Reads the holder without judging anything.
    ///
    /// # Errors
    /// [`PkiError::Malformed`] or [`PkiError::Subject`].
    pub fn unverified_holder(&self) -> Result<UnverifiedHolder, PkiError> {
        let attributes = directory_attributes(self)?;
        let organisation = subject_text(self, oid::ORGANISATION_NAME)?;
        let name = subject_text(self, oid::COMMON_NAME)?.or(organisation);
        Ok(UnverifiedHolder {
            name: name.ok_or(PkiError::Subject("name"))?,
            subject_type: attribute_oid(&attributes, oid::SUBJECT_TYPE)?.map(SubjectType::from),
            ubn: attribute_text(&attributes, oid::UBN)?,
            organisation: attribute_oid(&attributes, oid::ORGANISATION)?,
            rank: card_rank(&attributes)?,
        })
    }
}

fn card_rank(attributes: &[Attribute]) -> Result<Option<CardRank>, PkiError> {
    Ok(match attribute_text(attributes, oid::CARD_RANK)?.as_deref() {
        None => None,
        Some("primary") => Some(CardRank::Primary),
        Some("secondary") => Some(CardRank::Secondary),
        Some("mobile") => Some(CardRank::Mobile),
        Some(_) => return Err(PkiError::Subject("card rank")),
    })
}

fn directory_attributes(certificate: &Certificate) -> Result<Vec<Attribute>, PkiError> {
    match &certificate.extensions().directory_attributes {
        None => Ok(Vec::new()),
        Some(der) => Vec::<Attribute>::from_der(der)
            .map_err(|_| PkiError::Malformed { what: "subject directory attributes" }),
    }
}

/// The one value of the one attribute of this kind.
fn single(attributes: &[Attribute], kind: ObjectIdentifier) -> Result<Option<&Any>, PkiError> {
    let mut found = attributes.iter().filter(|attribute| attribute.kind == kind);
    let (first, None) = (found.next(), found.next()) else {
        return Err(PkiError::Subject("directory attribute"));
    };
    match first {
        None => Ok(None),
        Some(attribute) if attribute.values.len() == 1 => Ok(attribute.values.get(0)),
        Some(_) => Err(PkiError::Subject("directory attribute")),
    }
}

fn attribute_text(
    attributes: &[Attribute],
    kind: ObjectIdentifier,
) -> Result<Option<String>, PkiError> {
    single(attributes, kind)?.map(text).transpose()
}

fn attribute_oid(
    attributes: &[Attribute],
    kind: ObjectIdentifier,
) -> Result<Option<ObjectIdentifier>, PkiError> {
    single(attributes, kind)?
        .map(|value| value.decode_as().map_err(|_| PkiError::Subject("directory attribute")))
        .transpose()
}

/// A UTF8String or PrintableString.
pub(crate) fn text(value: &Any) -> Result<String, PkiError> {
    let malformed = |_| PkiError::Malformed { what: "string" };
    match value.tag() {
        Tag::Utf8String => {
            Ok(value.decode_as::<Utf8StringRef<'_>>().map_err(malformed)?.as_str().to_owned())
        }
        Tag::PrintableString => {
            Ok(value.decode_as::<PrintableStringRef<'_>>().map_err(malformed)?.as_str().to_owned())
        }
        _ => Err(PkiError::Malformed { what: "string" }),
    }
}

/// The one value of this kind in the subject's distinguished name.
fn subject_text(
    certificate: &Certificate,
    kind: ObjectIdentifier,
) -> Result<Option<String>, PkiError> {
    let mut found = certificate
        .x509()
        .subject
        .0
        .iter()
        .flat_map(|name| name.0.iter())
        .filter(|attribute| attribute.oid == kind);
    match (found.next(), found.next()) {
        (None, _) => Ok(None),
        (Some(attribute), None) => text(&attribute.value).map(Some),
        _ => Err(PkiError::Subject("name")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made::{Made, name};

    fn company(attributes: &[(ObjectIdentifier, &str)]) -> Certificate {
        Made::new("測試甲股份有限公司", "CA").attributes(attributes).make()
    }

    fn read(certificate: &Certificate) -> Result<Credential, PkiError> {
        Credential::read(certificate, IssuerRole::Moeaca)
    }

    #[test]
    fn a_company_is_read_from_its_directory_attributes() {
        let card = company(&[(oid::UBN, "12345675"), (oid::CARD_RANK, "primary")]);
        let credential = read(&card).unwrap();
        assert_eq!(credential.name, "測試甲股份有限公司");
        assert_eq!(credential.ubn.as_deref(), Some("12345675"));
        assert_eq!(credential.rank, Some(CardRank::Primary));
        let rank = |text| read(&company(&[(oid::CARD_RANK, text)])).map(|found| found.rank);
        assert_eq!(rank("secondary"), Ok(Some(CardRank::Secondary)));
        assert_eq!(rank("mobile"), Ok(Some(CardRank::Mobile)));
        assert_eq!(rank("Primary"), Err(PkiError::Subject("card rank")));
        assert_eq!(read(&company(&[])).unwrap().rank, None);
        let twice = company(&[(oid::UBN, "12345675"), (oid::UBN, "12345675")]);
        assert_eq!(read(&twice), Err(PkiError::Subject("directory attribute")));
        let holder = card.unverified_holder().unwrap();
        assert_eq!(
            (holder.name.as_str(), holder.ubn.as_deref()),
            ("測試甲股份有限公司", Some("12345675"))
        );
    }

    #[test]
    fn names_that_do_not_look_as_they_are_are_refused() {
        let named = |text: &str| read(&Made::new("x", "CA").subject(name(text)).make()).is_ok();
        assert!(named("測試𠮷野家 Ltd. (ＡＢ)"));
        for hidden in
            ['\u{202e}', '\u{200b}', '\u{feff}', '\u{2066}', '\u{ad}', '\u{7}', '\u{3164}']
        {
            assert!(!named(&format!("甲{hidden}乙")), "{hidden:?}");
        }
    }
}
