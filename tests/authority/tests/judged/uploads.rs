//! Certificates of calling systems, whole: path, holder, key, time, revocation (A7).

use jiff::{SignedDuration, Timestamp};
use pki::revocation::ListsInMemory;
use pki::{IssuerRole, PkiError, SubjectType, UploadError, UploadedCertificate};
use pki::{TRUST_POLICY, read_certificate_file};
use test_ca::issue::{List, Listed, encryption};
use test_ca::pem;
use test_ca::pki_set::{Company, Issued};
use x509_cert::ext::pkix::CrlReason;

use crate::{lists, now, parsed, pki, trust};

fn system(days: (i64, i64)) -> Issued {
    let company = Company { days, ..Company::system("測試甲股份有限公司", "12345675") };
    pki().company(company).unwrap()
}

fn judged(issued: &Issued, at: Timestamp) -> Result<UploadedCertificate, UploadError> {
    trust().verify_uploaded(parsed(&issued.certificate), &lists(), at)
}

#[test]
fn a_system_certificate_is_accepted_with_all_that_it_was_based_on() {
    let issued = system((-1, 182));
    let found = judged(&issued, now()).unwrap();
    assert_eq!(found.certificate().der(), issued.certificate);
    assert_eq!(found.credential().ubn.as_deref(), Some("12345675"));
    assert_eq!(found.credential().subject_type, Some(SubjectType::Company));
    assert_eq!(found.judgement().role, IssuerRole::Moeaca);
    assert_eq!(found.judgement().policy, TRUST_POLICY);
    assert_eq!(found.judgement().at, now());
    assert_eq!(found.judgement().standings.len(), 2);
    let message = b"to be signed";
    let signature = issued.key.sign(message).unwrap();
    assert_eq!(found.key().verify_sha256(message, &signature), Ok(()));
    assert_eq!(found.key().verify_sha256(b"another", &signature), Err(PkiError::BadSignature));
}

#[test]
fn every_other_certificate_is_refused_by_its_own_word() {
    let refusal = |issued: &Issued| judged(issued, now()).unwrap_err();
    let card = pki().company(Company::card("測試甲股份有限公司", "12345675")).unwrap();
    assert_eq!(refusal(&card), UploadError::CardCertificate);
    let citizen = pki().citizen("測試王小明", "0000000123456789", "1234").unwrap();
    assert_eq!(refusal(&citizen), UploadError::Pki(PkiError::UnknownIssuer));
    let company = Company::system("測試甲股份有限公司", "12345675");
    let encrypts = pki().company_with(company, encryption(), 0).unwrap();
    assert_eq!(refusal(&encrypts), UploadError::Pki(PkiError::KeyUsage));
    let over = system((-10, -1));
    assert!(matches!(refusal(&over), UploadError::Pki(PkiError::Expired { .. })));
}

#[test]
fn a_month_must_remain() {
    let issued = system((-1, 30));
    let second = SignedDuration::from_secs(1);
    assert!(judged(&issued, now()).is_ok());
    let not_after = parsed(&issued.certificate).not_after();
    assert!(judged(&issued, now() - second).is_ok());
    let late = judged(&issued, now() + second).unwrap_err();
    assert_eq!(late, UploadError::ShortLived { not_after });
}

#[test]
fn one_that_is_on_hold_or_revoked_is_told_apart() {
    let issued = system((-1, 182));
    let since = now() - SignedDuration::from_hours(2);
    let refusal = |reason| {
        let list = List {
            number: 9,
            this_update: now() - SignedDuration::from_hours(1),
            next_update: now() + SignedDuration::from_hours(1),
            partition: None,
            entries: vec![Listed {
                serial: parsed(&issued.certificate).serial_bytes().to_vec(),
                reason,
                at: since,
            }],
        };
        let list = pki().company_list(&list).unwrap();
        let mut known: ListsInMemory<'_> = lists();
        known.add(&list, &parsed(&issued.issuer)).unwrap();
        trust().verify_uploaded(parsed(&issued.certificate), &known, now()).unwrap_err()
    };
    let pki = UploadError::Pki;
    assert_eq!(refusal(Some(CrlReason::CertificateHold)), pki(PkiError::OnHold { since }));
    let revoked = |reason| pki(PkiError::Revoked { at: since, reason });
    assert_eq!(refusal(Some(CrlReason::KeyCompromise)), revoked(Some(1)));
    assert_eq!(refusal(None), revoked(None));
}

#[test]
fn a_file_may_be_der_pem_or_base64_in_any_dress() {
    let issued = system((-1, 182));
    let certificate = parsed(&issued.certificate);
    let text = pem("CERTIFICATE", &issued.certificate);
    let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    for file in [
        issued.certificate.clone(),
        text.clone().into_bytes(),
        text.replace('\n', "\r\n").into_bytes(),
        format!("\u{feff}{text}").into_bytes(),
        format!("subject=somebody\n{text}\n").into_bytes(),
        body.clone().into_bytes(),
        format!("\u{feff}{body}\r\n").into_bytes(),
    ] {
        assert_eq!(read_certificate_file(&file), Ok(certificate.clone()));
    }
    let several = read_certificate_file(format!("{text}{text}").as_bytes());
    assert_eq!(several, Err(UploadError::SeveralCertificates));
    let key = pem("PRIVATE KEY", &issued.key.pkcs8().unwrap());
    let both = read_certificate_file(format!("{text}{key}").as_bytes());
    assert_eq!(both, Err(UploadError::PrivateKey));
    assert_eq!(read_certificate_file(&issued.key.pkcs8().unwrap()), Err(UploadError::PrivateKey));
    // The largest file that is looked at, and one byte more.
    let padded = |size: usize| {
        let mut file = text.clone().into_bytes();
        file.resize(size, b'\n');
        read_certificate_file(&file)
    };
    assert_eq!(padded(64 << 10), Ok(certificate));
    let (size, limit) = ((64 << 10) + 1, 64 << 10);
    assert_eq!(padded(size), Err(UploadError::Pki(PkiError::TooLarge { size, limit })));
}
