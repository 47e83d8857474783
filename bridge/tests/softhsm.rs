//! PKCS#11 on a real module: SoftHSM2, laid out like the national card (objects by CKA_ID
//! SIGN and KEYX, the CA's certificate beside them).
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use std::path::Path;
use std::process::Command;

use chayan_bridge::cards::pkcs11::Pkcs11Cards;
use chayan_bridge::cards::{CardBackend, CardError};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::object::{Attribute, CertificateType, KeyType, ObjectClass};
use cryptoki::session::UserType;
use pki::SignedDataDraft;
use test_pki::pki_set::{Company, Issued, TestPki};

const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
const PIN: &str = "123456";

#[test]
fn the_signing_key_is_found_by_usage_and_id_and_signs() {
    let dir =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("softhsm-{}", std::process::id()));
    let pki = TestPki::generate(jiff::Timestamp::now()).unwrap();
    let company = Company::card("測試甲股份有限公司", "12345675");
    let signing = pki.company(company).unwrap();
    let encrypting = pki.company_with(company, test_pki::issue::encryption(), 0).unwrap();
    lay_out(&dir, &signing, &encrypting);

    let cards = Pkcs11Cards::new(MODULE);
    let found = cards.look().unwrap().cards;
    let [card] = &found[..] else { panic!("{} cards", found.len()) };
    assert_eq!(card.certificate.der(), signing.certificate, "chosen by key usage, not position");
    assert_eq!(card.chain.len(), 2);
    assert_eq!(card.describe().holder, "測試甲股份有限公司");

    let wrong = cards.sign(card, Some(&"999999".into()), b"x").unwrap_err();
    assert!(matches!(wrong, CardError::WrongPin { .. }), "{wrong}");
    let draft = SignedDataDraft::new(
        b"content".to_vec(),
        card.certificate.clone(),
        card.chain.clone(),
        Some(&card.number),
        jiff::Timestamp::now(),
    )
    .unwrap();
    let signature = cards.sign(card, Some(&PIN.into()), &draft.to_be_signed().unwrap()).unwrap();
    let message = draft.finish(&signature).unwrap();
    let proof = pki.verify(&message).unwrap();
    assert_eq!(proof.content(), b"content");
    let mut other = card.clone();
    other.id = "other:00".into();
    assert_eq!(cards.sign(&other, Some(&PIN.into()), b"x").unwrap_err(), CardError::Removed);
}

/// A token with two key pairs and three certificates, the encryption pair first.
fn lay_out(dir: &Path, signing: &Issued, encrypting: &Issued) {
    let _ = std::fs::remove_dir_all(dir);
    std::fs::create_dir_all(dir.join("tokens")).unwrap();
    let config = dir.join("softhsm2.conf");
    std::fs::write(&config, format!("directories.tokendir = {}\n", dir.join("tokens").display()))
        .unwrap();
    #[allow(unsafe_code, reason = "one thread, before the module is loaded")]
    // SAFETY: this test program has no other test and no other thread yet.
    unsafe {
        std::env::set_var("SOFTHSM2_CONF", &config);
    }
    let done = Command::new("softhsm2-util")
        .args([
            "--init-token",
            "--free",
            "--label",
            "HiCOS PKI Smart Card",
            "--so-pin",
            "12345678",
            "--pin",
            PIN,
        ])
        .output()
        .expect("softhsm2-util (scripts/install test)");
    assert!(done.status.success());
    for (id, issued) in [("KEYX", encrypting), ("SIGN", signing)] {
        let key = dir.join(format!("{id}.pem"));
        let pem = test_pki::demo::pem("PRIVATE KEY", &issued.key.pkcs8().unwrap());
        std::fs::write(&key, pem).unwrap();
        let done = Command::new("softhsm2-util")
            .args(["--import"])
            .arg(&key)
            .args([
                "--token",
                "HiCOS PKI Smart Card",
                "--label",
                "k1",
                "--id",
                &hex::encode(id),
                "--pin",
                PIN,
            ])
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    let module = Pkcs11::new(MODULE).unwrap();
    module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
    let slot = module.get_slots_with_initialized_token().unwrap()[0];
    let session = module.open_rw_session(slot).unwrap();
    session.login(UserType::User, Some(&PIN.into())).unwrap();
    for (id, label, der) in [
        ("CACert", "CA Cert", &signing.issuer),
        ("KEYX", "cert2", &encrypting.certificate),
        ("SIGN", "cert1", &signing.certificate),
    ] {
        session
            .create_object(&[
                Attribute::Class(ObjectClass::CERTIFICATE),
                Attribute::CertificateType(CertificateType::X_509),
                Attribute::Token(true),
                Attribute::Private(false),
                Attribute::Id(id.as_bytes().to_vec()),
                Attribute::Label(label.as_bytes().to_vec()),
                Attribute::Subject(Vec::new()),
                Attribute::Value(der.clone()),
            ])
            .unwrap();
    }
    let keys = session
        .find_objects(&[
            Attribute::Class(ObjectClass::PRIVATE_KEY),
            Attribute::KeyType(KeyType::RSA),
        ])
        .unwrap();
    assert_eq!(keys.len(), 2);
    drop(session);
    module.finalize().unwrap();
}
