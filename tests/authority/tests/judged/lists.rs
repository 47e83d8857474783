//! Revocation lists: what is read, what is refused, when one counts.

use der::asn1::{Null, OctetString, Uint};
use der::{Decode, Encode};
use jiff::{SignedDuration, Timestamp};
use pki::oid::{CERTIFICATE_ISSUER, DELTA_CRL, FRESHEST_CRL};
use pki::revocation::{Crl, CrlEntry, CrlError, ListsInMemory, RevocationSource};
use pki::{Certificate, ObjectIdentifier};
use test_ca::issue::{List, Listed};
use x509_cert::crl::CertificateList;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, CrlReason};

use crate::trust_store::root;
use crate::{card, now, parsed, pki};

fn hours(count: i64) -> Timestamp {
    now() + SignedDuration::from_hours(count)
}

fn list(number: u64, entries: Vec<Listed>) -> Vec<u8> {
    let list =
        List { number, this_update: hours(-1), next_update: hours(1), partition: None, entries };
    pki().company_list(&list).unwrap()
}

fn listed(serial: &[u8], reason: Option<CrlReason>, at: Timestamp) -> Listed {
    Listed { serial: serial.to_vec(), reason, at }
}

fn read(der: &[u8]) -> Result<(), CrlError> {
    Crl::from_der(der).map(drop)
}

/// A list with a change, whose signature is nobody's any more.
fn changed(change: impl FnOnce(&mut CertificateList)) -> Vec<u8> {
    let mut found =
        CertificateList::from_der(&list(1, vec![listed(&[7], None, hours(-2))])).unwrap();
    change(&mut found);
    found.to_der().unwrap()
}

fn extension(extn_id: ObjectIdentifier, critical: bool, der: Vec<u8>) -> Extension {
    Extension { extn_id, critical, extn_value: OctetString::new(der).unwrap() }
}

fn with(extn_id: ObjectIdentifier, critical: bool, der: Vec<u8>) -> Result<(), CrlError> {
    read(&changed(|list| {
        let extensions = list.tbs_cert_list.crl_extensions.as_mut().unwrap();
        extensions.retain(|found| found.extn_id != extn_id);
        extensions.push(extension(extn_id, critical, der));
    }))
}

const NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.20");
const UNKNOWN: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.3.4");

#[test]
fn a_list_says_who_made_it_when_and_about_whom() {
    let at = hours(-3);
    let der = list(300, vec![listed(&[7], Some(CrlReason::KeyCompromise), at)]);
    let crl = Crl::from_der(&der).unwrap();
    assert_eq!(crl.head().number, format!("{:0>40}", "012c"));
    assert_eq!(crl.head().this_update, hours(-1));
    assert_eq!(crl.head().next_update, hours(1));
    let issuer = x509_cert::Certificate::from_der(&card().issuer).unwrap();
    assert_eq!(crl.issuer_der(), issuer.tbs_certificate.subject.to_der().unwrap());
    let entry = CrlEntry { reason: Some(1), revoked_at: at };
    assert_eq!(crl.find(&[7]), Ok(Some(entry.clone())));
    assert_eq!(crl.find(&[8]), Ok(None));
    assert_eq!(crl.entries().collect::<Result<Vec<_>, _>>(), Ok(vec![(vec![7], entry)]));
    // Signed by the CA, and by no other of the same name.
    assert_eq!(crl.check_signed_by(&parsed(&card().issuer)), Ok(()));
    let older = parsed(&pki().authorities().nth(1).unwrap().certificate);
    assert_eq!(crl.check_signed_by(&older), Err(CrlError::Issuer));
}

#[test]
fn a_list_counts_from_its_first_second_to_its_last() {
    let der = list(1, vec![]);
    let crl = Crl::from_der(&der).unwrap();
    let second = SignedDuration::from_secs(1);
    assert_eq!(crl.check_current(hours(-1)), Ok(()));
    assert_eq!(crl.check_current(hours(1)), Ok(()));
    let over = CrlError::NotCurrent { this_update: hours(-1), next_update: hours(1) };
    assert_eq!(crl.check_current(hours(-1) - second), Err(over.clone()));
    assert_eq!(crl.check_current(hours(1) + second), Err(over));
}

#[test]
fn a_hold_may_become_a_revocation_and_never_the_other_way_round() {
    let hold = || listed(&[7], Some(CrlReason::CertificateHold), hours(-9));
    let gone = || listed(&[7], Some(CrlReason::KeyCompromise), hours(-5));
    for entries in [vec![hold(), gone()], vec![gone(), hold()]] {
        let der = list(1, entries);
        let found = Crl::from_der(&der).unwrap().find(&[7]).unwrap().unwrap();
        assert_eq!(found.reason, Some(1));
    }
}

#[test]
fn a_list_of_another_kind_is_refused() {
    let null = || Null.to_der().unwrap();
    let number = |size: usize| Uint::new(&vec![0x7f; size]).unwrap().to_der().unwrap();
    assert_eq!(with(NUMBER, false, number(20)), Ok(()));
    assert!(with(NUMBER, false, number(21)).is_err());
    assert!(with(NUMBER, true, number(20)).is_err());
    assert_eq!(with(DELTA_CRL, true, number(1)), Err(CrlError::Unsupported("delta")));
    assert_eq!(with(FRESHEST_CRL, false, null()), Err(CrlError::Unsupported("has deltas")));
    assert_eq!(with(UNKNOWN, false, null()), Ok(()));
    assert_eq!(with(UNKNOWN, true, null()), Err(CrlError::UnknownCritical(UNKNOWN)));
    let entry = |extn_id, critical| {
        read(&changed(|list| {
            let entries = list.tbs_cert_list.revoked_certificates.as_mut().unwrap();
            entries[0].crl_entry_extensions = Some(vec![extension(extn_id, critical, null())]);
        }))
    };
    assert_eq!(entry(UNKNOWN, false), Ok(()));
    assert_eq!(entry(UNKNOWN, true), Err(CrlError::UnknownCritical(UNKNOWN)));
    assert_eq!(entry(CERTIFICATE_ISSUER, true), Err(CrlError::Unsupported("indirect")));
    assert_eq!(entry(CERTIFICATE_ISSUER, false), Err(CrlError::Unsupported("indirect")));
}

#[test]
fn the_key_identifier_of_a_list_is_the_cas() {
    let der = changed(|list| {
        let key = AuthorityKeyIdentifier {
            key_identifier: Some(OctetString::new(*b"another key").unwrap()),
            authority_cert_issuer: None,
            authority_cert_serial_number: None,
        };
        let extensions = list.tbs_cert_list.crl_extensions.as_mut().unwrap();
        for found in extensions {
            if found.extn_id == ObjectIdentifier::new_unwrap("2.5.29.35") {
                found.extn_value = OctetString::new(key.to_der().unwrap()).unwrap();
            }
        }
    });
    let crl = Crl::from_der(&der).unwrap();
    assert_eq!(crl.check_signed_by(&parsed(&card().issuer)), Err(CrlError::Issuer));
    let garbage = with(ObjectIdentifier::new_unwrap("2.5.29.35"), false, vec![5, 0]);
    assert!(garbage.is_err(), "an identifier that cannot be read");
}

#[test]
fn what_is_not_a_list_or_too_long_is_refused() {
    assert!(matches!(read(b""), Err(CrlError::Malformed(_))));
    assert!(matches!(read(&card().certificate), Err(CrlError::Malformed(_))));
    let good = list(1, vec![]);
    assert!(matches!(read(&good[..good.len() - 1]), Err(CrlError::Malformed(_))));
    assert!(matches!(read(&[&good[..], &[0]].concat()), Err(CrlError::Malformed(_))));
    let mut other = good.clone();
    other[0] = 0x31;
    assert!(matches!(read(&other), Err(CrlError::Malformed(_))));
    let size = (64 << 20) + 1;
    assert_eq!(read(&vec![0x30; size]), Err(CrlError::TooLarge(size)));
    assert!(matches!(read(&vec![0x30; size - 1]), Err(CrlError::Malformed(_))));
}

#[test]
fn lists_of_different_cas_stand_side_by_side() {
    let other = root("測試其他");
    let of_other = other
        .list(&List {
            number: 1,
            this_update: hours(-1),
            next_update: hours(1),
            partition: None,
            entries: vec![listed(&[7], None, hours(-2))],
        })
        .unwrap();
    let of_company = list(5, vec![]);
    let (company, other): (Certificate, _) = (parsed(&card().issuer), parsed(&other.certificate));
    let mut known = ListsInMemory::default();
    known.add(&of_company, &company).unwrap();
    known.add(&of_other, &other).unwrap();
    let found = |issuer| known.lists(issuer, &[7]).unwrap();
    assert_eq!((found(&company).len(), found(&other).len()), (1, 1));
    assert_eq!(found(&company)[0].entry, None);
    assert!(found(&other)[0].entry.is_some());
}
