//! The trust store's file: what it may hold, and what a certificate that is added to it
//! must be.

use pki::{
    Environment, Fingerprint, IssuerRole, OwnAuthority, TrustStore, TrustStoreError,
    TrustStoreFile, TrustedCertificateFile,
};
use test_ca::issue::{Authority, Part, Profile, certifying};

use crate::{now, parsed, pki, trust};

fn file() -> TrustStoreFile {
    pki().trust_store()
}

fn refusal(change: impl FnOnce(&mut TrustStoreFile)) -> TrustStoreError {
    let mut file = file();
    change(&mut file);
    TrustStore::from_json(&serde_json::to_string(&file).unwrap()).unwrap_err()
}

/// A root that says what this says.
pub fn root(name: &str) -> Authority {
    let day = jiff::SignedDuration::from_hours(24);
    let profile = Profile {
        subject: &[Part::Utf8(pki::oid::ORGANISATION_NAME, name)],
        attributes: &[],
        usage: certifying(),
        ca: true,
        level: 3,
        not_before: now() - day,
        not_after: now() + day,
        crl: None,
        ocsp: None,
        purposes: &[],
        no_check: false,
    };
    Authority::root(&profile, aws_lc_rs::rsa::KeySize::Rsa2048).unwrap()
}

#[test]
fn a_store_says_what_stands_in_its_file() {
    let mut written = file();
    written.anchors[0].lists = vec!["http://crl.test.invalid/CRL.crl".to_owned()];
    written.issuers[1].lists = vec!["http://crl.test.invalid/1.crl".to_owned()];
    let store = TrustStore::from_json(&serde_json::to_string(&written).unwrap()).unwrap();
    assert_eq!(store.environment(), Environment::Test);
    let addresses: Vec<_> = store.list_addresses().collect();
    assert_eq!(addresses, ["http://crl.test.invalid/CRL.crl", "http://crl.test.invalid/1.crl"]);
    let roles: Vec<_> = store.issuers().iter().map(|issuer| issuer.role).collect();
    use IssuerRole::{Gca, Hca, Moeaca, Moica, Xca};
    assert_eq!(roles, [Moeaca, Moeaca, Moica, Moica, Gca, Xca, Hca]);
    // Issuing CAs first, then their anchor once.
    let mut authorities: Vec<_> = pki().authorities().map(|one| parsed(&one.certificate)).collect();
    authorities.rotate_left(1);
    assert!(store.authorities().eq(authorities.iter()));
}

#[test]
fn a_store_with_a_mistake_is_not_used_at_all() {
    use TrustStoreError as E;
    let named = |file: &TrustStoreFile| file.issuers[0].name.clone();
    let name = named(&file());
    assert!(matches!(TrustStore::from_json("{}"), Err(E::Format(_))));
    assert_eq!(refusal(|file| file.anchors.clear()), E::Empty);
    assert_eq!(refusal(|file| file.issuers.clear()), E::Empty);
    assert_eq!(refusal(|file| file.issuers[0].role = None), E::Role { name: name.clone() });
    let anchor = file().anchors[0].name.clone();
    assert_eq!(
        refusal(|file| file.anchors[0].role = Some(IssuerRole::Gca)),
        E::Role { name: anchor }
    );
    let digest = E::Digest { name: name.clone() };
    assert_eq!(refusal(|file| file.issuers[0].sha256 = file.issuers[1].sha256.clone()), digest);
    let missing = E::Missing { name: name.clone() };
    assert_eq!(refusal(|file| file.issuers[0].sha256 = None), missing);
    assert_eq!(refusal(|file| file.issuers[0].certificate = None), missing);
    let key_id = E::KeyId { name: name.clone() };
    assert_eq!(refusal(|file| file.issuers[0].key_id = Some("00".repeat(20))), key_id);
    let invalid = E::Certificate { name };
    assert_eq!(refusal(|file| file.issuers[0].certificate = Some("!".to_owned())), invalid);
    let noise = |file: &mut TrustStoreFile| {
        file.issuers[0].certificate = Some("MAA=".to_owned());
        file.issuers[0].sha256 = Some(Fingerprint::of(&[0x30, 0]).to_string());
    };
    assert_eq!(refusal(noise), invalid);
    // Right, when the identifier that was published is the certificate's.
    let mut right = file();
    let certificate = parsed(&pki().authorities().nth(1).unwrap().certificate);
    right.issuers[0].key_id = certificate.subject_key_id_hex();
    assert!(TrustStore::from_file(&right).is_ok());
}

#[test]
fn test_and_production_never_meet() {
    let mixed = |found| matches!(found, TrustStoreError::Mixed { .. });
    // Every certificate of the test CAs says 測試.
    assert!(mixed(refusal(|file| file.environment = Environment::Production)));
    // A root that does not say so has no place in a test store...
    let real = root("某根憑證管理中心");
    let entry = TrustedCertificateFile::new("real", None, &real.certificate);
    assert!(mixed(refusal(|file| file.anchors.push(entry))));
    // ... and may stand in a production store.
    let issuer = TrustedCertificateFile::new("real", Some(IssuerRole::Gca), &real.certificate);
    let file = TrustStoreFile {
        environment: Environment::Production,
        anchors: vec![TrustedCertificateFile::new("real", None, &real.certificate)],
        issuers: vec![issuer],
    };
    assert_eq!(TrustStore::from_file(&file).unwrap().environment(), Environment::Production);
}

#[test]
fn an_issuing_ca_needs_an_anchor_that_signed_it() {
    // The same name as the real anchor, another key.
    let anchor = root("測試根");
    let refused = refusal(|file| {
        file.anchors = vec![TrustedCertificateFile::new("other", None, &anchor.certificate)];
    });
    assert!(matches!(refused, TrustStoreError::Unanchored { .. }));
    assert_eq!(trust().issuers().len(), 7);
}

#[test]
fn a_certificate_is_added_to_the_entry_that_waits_for_it() {
    let der = pki().authorities().nth(1).unwrap().certificate.clone();
    let digest = Fingerprint::of(&der).to_string();
    let key_id = parsed(&der).subject_key_id_hex().unwrap();
    let waiting = |sha256: Option<&str>, key_id: Option<&str>| {
        let mut file = file();
        file.issuers[0].sha256 = sha256.map(str::to_owned);
        file.issuers[0].key_id = key_id.map(str::to_owned);
        file.issuers[0].certificate = None;
        file
    };
    let name = file().issuers[0].name.clone();
    let add = |mut file: TrustStoreFile, confirmed: Option<&str>| {
        let added = file.add(&der, confirmed);
        if added.is_ok() {
            assert!(TrustStore::from_file(&file).is_ok());
            assert_eq!(file.issuers[0].sha256.as_deref(), Some(digest.as_str()));
        }
        added
    };
    let other = "0".repeat(64);
    use TrustStoreError as E;
    // By the digest that was published.
    assert_eq!(add(waiting(Some(&digest), None), None), Ok(name.clone()));
    assert_eq!(add(waiting(Some(&digest), Some(&key_id)), None), Ok(name.clone()));
    assert_eq!(add(waiting(Some(&digest), None), Some(&digest.to_uppercase())), Ok(name.clone()));
    let refused = E::Digest { name: name.clone() };
    assert_eq!(add(waiting(Some(&digest), None), Some(&other)), Err(refused.clone()));
    assert_eq!(add(waiting(Some(&digest), Some("00")), None), Err(E::KeyId { name: name.clone() }));
    assert_eq!(add(waiting(Some(&other), Some(&key_id)), None), Err(E::Unknown));
    // By its key identifier, when somebody confirms the digest.
    assert_eq!(add(waiting(None, Some(&key_id)), Some(&digest)), Ok(name.clone()));
    assert_eq!(add(waiting(None, Some(&key_id)), None), Err(E::Unconfirmed { name: name.clone() }));
    assert_eq!(add(waiting(None, Some(&key_id)), Some(&other)), Err(refused));
    // By nothing at all: nobody waits for it.
    assert_eq!(add(waiting(None, None), Some(&digest)), Err(E::Unknown));
    assert_eq!(add(waiting(None, Some("00")), Some(&digest)), Err(E::Unknown));
    let noise = file().add(b"noise", None);
    assert_eq!(noise, Err(E::Certificate { name: "the file".to_owned() }));
}

/// The demo's own CAs, and what may be said of one.
#[test]
fn what_a_store_says_of_our_own_cas_makes_sense() {
    let store = TrustStore::from_file(&file()).unwrap();
    let own: Vec<_> = store.own_issuers().map(|(_, own)| own.complete.clone()).collect();
    assert_eq!(own, ["MOEACA-G2/complete.crl", "MOEACA-G3/complete.crl"]);
    let (_, own) = store.own_issuers().next().unwrap();
    let beside = own.partition("http://crl.test.invalid/MOEACA/CRL_0040.crl");
    assert_eq!(beside.as_deref(), Some("MOEACA-G2/CRL_0040.crl"));
    assert_eq!(own.partition("http://crl.test.invalid/MOEACA/?x=1"), None);
    let said = |change: &dyn Fn(&mut OwnAuthority)| {
        let mut own = own.clone();
        change(&mut own);
        refusal(|file| file.issuers[0].own = Some(own))
    };
    let wrong: [&dyn Fn(&mut OwnAuthority); 6] = [
        &|own| own.complete = "complete.crl".into(),
        &|own| own.complete = "../complete.crl".into(),
        &|own| own.complete = "a/b/c.crl".into(),
        &|own| own.cards = vec![String::new()],
        &|own| own.cards = vec!["mt".into()],
        // Two CAs have no folder in common.
        &|own| own.complete = "MOEACA-G3/other.crl".into(),
    ];
    for change in wrong {
        assert!(matches!(said(change), TrustStoreError::Own { .. }));
    }
    let anchor = refusal(|file| file.anchors[0].own = file.issuers[0].own.clone());
    assert!(matches!(anchor, TrustStoreError::Own { .. }));
}
