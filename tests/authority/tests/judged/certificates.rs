//! What a parsed certificate says of itself.

use jiff::SignedDuration;
use pki::{Certificate, Fingerprint, PkiError};

use crate::{card, parsed};

#[test]
fn a_certificate_keeps_its_bytes_and_names_itself_by_them() {
    let certificate = parsed(&card().certificate);
    assert_eq!(certificate.der(), card().certificate);
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &card().certificate);
    let digest = hex::encode(digest);
    assert_eq!(certificate.fingerprint().to_string(), digest);
    assert_eq!(format!("{:?}", Fingerprint::of(certificate.der())), digest);
    let serial = hex::encode_upper(certificate.serial_bytes());
    assert_eq!(certificate.serial_number(), format!("{serial:0>32}"));
    let issuer = parsed(&card().issuer);
    let key = issuer.rsa_key().unwrap();
    let id = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, key.pkcs1());
    assert_eq!(issuer.subject_key_id_hex(), Some(hex::encode(id)));
    let longer = [&card().certificate[..], &[0]].concat();
    assert_eq!(Certificate::from_der(&longer), Err(PkiError::Malformed { what: "certificate" }));
}

#[test]
fn validity_is_whole_seconds_with_both_ends() {
    let certificate = parsed(&card().certificate);
    let (from, to) = (certificate.not_before(), certificate.not_after());
    let ms = SignedDuration::from_millis;
    assert_eq!(certificate.check_validity(from), Ok(()));
    assert_eq!(certificate.check_validity(to + ms(999)), Ok(()));
    assert!(matches!(
        certificate.check_validity(from - ms(1000)),
        Err(PkiError::NotYetValid { not_before, .. }) if not_before == from
    ));
    assert!(matches!(
        certificate.check_validity(to + ms(1000)),
        Err(PkiError::Expired { not_after, .. }) if not_after == to
    ));
}
