//! Whom a certificate speaks for.

use aws_lc_rs::rsa::KeySize;
use jiff::SignedDuration;
use pki::oid::{
    BRANCH, BUSINESS_FIRM, CARD_RANK, CITIZEN, COMMON_NAME, COMPANY, NATIONAL_ID_TAIL,
    ORGANISATION, ORGANISATION_NAME, SERIAL_NUMBER, SERVER, SUBJECT_TYPE, UBN,
};
use pki::{CardRank, Credential, IssuerRole, ObjectIdentifier, PkiError, SubjectType};
use test_ca::issue::{Attribute, Authority, Key, Part, Profile, signing};
use test_ca::pki_set::Issued;

use crate::{card, now, parsed, pki, signed, trust};

/// A certificate for signing by this CA.
pub fn certify(
    authority: &Authority,
    subject: &[Part<'_>],
    attributes: &[Attribute<'_>],
    key: &Key,
) -> Vec<u8> {
    let profile = Profile {
        subject,
        attributes,
        usage: signing(),
        ca: false,
        level: 0,
        not_before: now() - SignedDuration::from_hours(1),
        not_after: now() + SignedDuration::from_hours(1),
        crl: None,
        ocsp: None,
        purposes: &[],
        no_check: false,
    };
    authority.issue(&profile, key).unwrap()
}

/// A key with a certificate of the newer company CA.
fn issued(subject: &[Part<'_>], attributes: &[Attribute<'_>]) -> Issued {
    let key = Key::generate(KeySize::Rsa2048).unwrap();
    let authority = pki().company_authority();
    let certificate = certify(authority, subject, attributes, &key);
    Issued { key, certificate, issuer: authority.certificate.clone() }
}

fn read(issued: &Issued) -> Result<Credential, PkiError> {
    let message = signed(issued, b"content", None);
    let confirmed = trust().verify(&message, now())?.confirm(&crate::lists())?;
    Ok(confirmed.credential().clone())
}

#[test]
fn a_company_and_a_citizen_are_read_whole() {
    let company = read(card()).unwrap();
    let expected = Credential {
        issuer: IssuerRole::Moeaca,
        subject_type: Some(SubjectType::Company),
        name: "測試甲股份有限公司".to_owned(),
        ubn: Some("12345675".to_owned()),
        subject_serial: Some("12345675".to_owned()),
        national_id_tail: None,
        organisation: None,
        rank: Some(CardRank::Primary),
    };
    assert_eq!(company, expected);
    let citizen = pki().citizen("測試王小明", "0000000123456789", "1234").unwrap();
    let expected = Credential {
        issuer: IssuerRole::Moica,
        subject_type: Some(SubjectType::Citizen),
        name: "測試王小明".to_owned(),
        ubn: None,
        subject_serial: Some("0000000123456789".to_owned()),
        national_id_tail: Some("1234".to_owned()),
        organisation: None,
        rank: None,
    };
    assert_eq!(read(&citizen).unwrap(), expected);
}

#[test]
fn kinds_of_subjects_are_told_apart() {
    let unknown = ObjectIdentifier::new_unwrap("2.16.886.1.100.3.9");
    for (oid, kind) in [
        (COMPANY, SubjectType::Company),
        (BUSINESS_FIRM, SubjectType::BusinessFirm),
        (BRANCH, SubjectType::Branch),
        (CITIZEN, SubjectType::Citizen),
        (SERVER, SubjectType::Server),
        (unknown, SubjectType::Other(unknown)),
    ] {
        assert_eq!(SubjectType::from(oid), kind);
    }
    let organisation = ObjectIdentifier::new_unwrap("2.16.886.101.20003");
    let branch = issued(
        &[Part::Utf8(ORGANISATION_NAME, "測試分公司"), Part::Printable(COMMON_NAME, "branch")],
        &[
            Attribute::Oid(SUBJECT_TYPE, BRANCH),
            Attribute::Oid(ORGANISATION, organisation),
            Attribute::Printable(UBN, "04595257"),
            Attribute::Utf8(CARD_RANK, "secondary"),
        ],
    );
    let found = read(&branch).unwrap();
    assert_eq!(found.subject_type, Some(SubjectType::Branch));
    assert_eq!(found.organisation, Some(organisation));
    assert_eq!(found.ubn.as_deref(), Some("04595257"));
    assert_eq!(found.rank, Some(CardRank::Secondary));
    assert_eq!(found.name, "測試分公司");
    let holder = parsed(&branch.certificate).unverified_holder().unwrap();
    assert_eq!(holder.name, "branch");
    assert_eq!(holder.subject_type, Some(SubjectType::Branch));
    assert_eq!(holder.ubn.as_deref(), Some("04595257"));
}

#[test]
fn contradictions_are_refused() {
    let name = Part::Utf8(ORGANISATION_NAME, "測試甲股份有限公司");
    let refusal = |subject: &[Part<'_>], attributes: &[Attribute<'_>]| {
        read(&issued(subject, attributes)).unwrap_err()
    };
    let subject = PkiError::Subject;
    let ubn = Attribute::Utf8(UBN, "12345675");
    let other = [name, Part::Printable(SERIAL_NUMBER, "04595257")];
    assert_eq!(refusal(&other, &[ubn]), subject("統一編號"));
    assert_eq!(refusal(&other, &[]), subject("統一編號"));
    assert_eq!(refusal(&[name, name], &[ubn]), subject("name"));
    assert_eq!(refusal(&[], &[ubn]), subject("name"));
    assert_eq!(refusal(&[name], &[ubn, ubn]), subject("directory attribute"));
    let mail = ObjectIdentifier::new_unwrap("2.16.886.1.100.2.101");
    let not_text = Attribute::Oid(UBN, mail);
    assert_eq!(refusal(&[name], &[not_text]), PkiError::Malformed { what: "string" });
    let not_an_oid = Attribute::Utf8(SUBJECT_TYPE, "company");
    assert_eq!(refusal(&[name], &[not_an_oid]), subject("directory attribute"));
    let tail = Attribute::Utf8(NATIONAL_ID_TAIL, "1234");
    let found = read(&issued(&[name], &[ubn, tail])).unwrap();
    assert_eq!(found.national_id_tail.as_deref(), Some("1234"));
}

#[test]
fn a_person_is_called_by_the_common_name_whatever_the_organisation() {
    let name = |issuer: &test_ca::issue::Authority| {
        let key = Key::generate(KeySize::Rsa2048).unwrap();
        let subject =
            [Part::Utf8(ORGANISATION_NAME, "測試機關"), Part::Utf8(COMMON_NAME, "測試王小明")];
        let certificate = certify(issuer, &subject, &[], &key);
        let issued = Issued { key, certificate, issuer: issuer.certificate.clone() };
        read(&issued).unwrap().name
    };
    // The newer generation of MOICA.
    assert_eq!(name(pki().authorities().nth(4).unwrap()), "測試王小明");
    assert_eq!(name(pki().company_authority()), "測試機關");
}
