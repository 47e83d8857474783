//! 憑證上傳 (A7): what is taken, what is refused and in which words.

use http_tests::{TestApp, pki, text};
use serde_json::json;
use test_pki::demo::{COMPANY, SYSTEM_COMPANY, der_of, pem};
use test_pki::pki_set::Company;

#[test]
fn the_isskey_comes_with_the_first_upload_and_stays() {
    let app = TestApp::start();
    let (visitor, card, caller) = app.approved();
    assert_eq!(caller.iss_key.len(), 32);
    assert_eq!(caller.ap_id.len(), 5);
    let second = pki().company(Company::system(COMPANY.0, COMPANY.1)).unwrap();
    let file = pem("CERTIFICATE", &second.certificate);
    let receipt = visitor.upload(&card, COMPANY.1, file.as_bytes()).unwrap().expect(201).unwrap();
    assert_eq!(text(&receipt["issKey"]), caller.iss_key);
    assert_eq!(receipt["stateWord"], "上傳成功");
    let progress = visitor.get("/api/cases").unwrap().expect(200).unwrap();
    assert_eq!(progress["account"]["issKey"], receipt["issKey"]);
    assert_eq!(text(&progress["account"]["certificateSerialNumber"]).len(), 32);
    assert_eq!(text(&progress["account"]["notAfter"]).len(), 7);
    // At rest the isskey is sealed.
    let bytes = std::fs::read(app.dir.join("data/default.db")).unwrap();
    let wal = std::fs::read(app.dir.join("data/default.db-wal")).unwrap_or_default();
    for file in [bytes, wal] {
        assert!(!file.windows(32).any(|window| window == caller.iss_key.as_bytes()));
    }
}

#[test]
fn files_that_are_not_the_certificate_are_told_apart() {
    let app = TestApp::start();
    let (visitor, card, id) = app.applies();
    let system = || Company::system(COMPANY.0, COMPANY.1);
    let file = std::fs::read(&app.demo.company_certificate_file).unwrap();
    let upload = |file: &[u8]| {
        let answer = visitor.upload(&card, COMPANY.1, file).unwrap();
        (answer.status, answer.code().to_owned())
    };
    assert_eq!(upload(&file), (409, "open-case-exists".into()));
    app.decides(&id, "approve");
    let key = std::fs::read(&app.demo.company_key_file).unwrap();
    assert_eq!(upload(&key), (422, "private-key-uploaded".into()));
    assert_eq!(
        upload(&der_of(&app.demo.company_key_file).unwrap()),
        (422, "private-key-uploaded".into())
    );
    let pfx = [0x30, 0x06, 0x02, 0x01, 0x03, 0x30, 0x01, 0x00];
    assert_eq!(upload(&pfx), (422, "pfx-uploaded".into()));
    assert_eq!(upload(b"hello"), (422, "not-a-certificate".into()));
    assert_eq!(
        upload(&[file.clone(), file.clone()].concat()),
        (422, "several-certificates".into())
    );
    let card_certificate = pki().company(Company::card(COMPANY.0, COMPANY.1)).unwrap().certificate;
    assert_eq!(upload(&card_certificate), (422, "card-certificate".into()));
    let foreign =
        pki().company(Company::system(SYSTEM_COMPANY.0, SYSTEM_COMPANY.1)).unwrap().certificate;
    assert_eq!(upload(&foreign), (422, "upload-foreign-ubn".into()));
    let expired = pki().company(Company { days: (-9, -1), ..system() }).unwrap().certificate;
    assert_eq!(upload(&expired), (422, "upload-not-valid".into()));
    let ends_soon = pki().company(Company { days: (-9, 29), ..system() }).unwrap().certificate;
    assert_eq!(upload(&ends_soon), (422, "upload-short-lived".into()));
    let strangers = test_pki::pki_set::TestPki::generate(jiff::Timestamp::now()).unwrap();
    let stranger = strangers.company(system()).unwrap().certificate;
    assert_eq!(upload(&stranger), (422, "upload-not-trusted".into()));
    assert_eq!(app.count("default", "SELECT count(*) FROM certificates"), 0);
    // DER, PEM with CRLF and a byte order mark, and bare Base64 are all taken.
    let der = der_of(&app.demo.company_certificate_file).unwrap();
    let crlf =
        format!("\u{feff}{}", String::from_utf8(file.clone()).unwrap().replace('\n', "\r\n"));
    let bare: String =
        String::from_utf8(file).unwrap().lines().filter(|line| !line.starts_with('-')).collect();
    for file in [der.as_slice(), crlf.as_bytes(), bare.as_bytes()] {
        assert_eq!(upload(file), (201, String::new()));
    }
}

#[test]
fn an_uploads_words_are_checked_too() {
    let app = TestApp::start();
    let (visitor, card, id) = app.applies();
    app.decides(&id, "approve");
    let document = json!({
        "kind": "certificate-upload", "ubn": COMPANY.1, "reason": "", "certificateFile": "", "agreed": null,
    });
    let body = visitor.signed(&card, pki::Purpose::UploadCertificate, document).unwrap();
    let answer = visitor.post("/api/certificates", &body).unwrap();
    assert_eq!(answer.code(), "invalid-fields");
    assert_eq!(answer.body["errors"].as_array().unwrap().len(), 2);
}

/// The one line of the answer, run by a shell with OpenSSL.
fn sign_by_shell(command: &str, key: &std::path::Path) -> String {
    let command = command.replace("system.key", &format!("'{}'", key.display()));
    let output = std::process::Command::new("sh").arg("-c").arg(command).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn possession_of_the_key_is_proved_by_one_line_and_recorded() {
    let app = TestApp::start();
    let (visitor, card, id) = app.applies();
    app.decides(&id, "approve");
    let file = std::fs::read(&app.demo.company_certificate_file).unwrap();
    let ask = || {
        let body = visitor.post("/api/possession-challenges", &json!({})).unwrap();
        body.expect(201).unwrap()
    };
    let asked = ask();
    let challenge = text(&asked["challenge"]);
    let signature = sign_by_shell(&text(&asked["command"]), &app.demo.company_key_file);
    let other = sign_by_shell(&text(&asked["command"]), &app.demo.system.key_file);
    let upload = |challenge: &str, signature: &str| {
        let proof = Some((challenge, signature));
        let answer = visitor.upload_with(&card, COMPANY.1, &file, proof).unwrap();
        (answer.status, answer.code().to_owned())
    };
    let refused = |status, code: &str| (status, code.to_owned());
    assert_eq!(upload(&challenge, &other), refused(422, "possession-invalid"));
    assert_eq!(upload(&challenge, "no Base64!"), refused(422, "possession-invalid"));
    // A signature over a challenge that was never issued.
    let command = text(&asked["command"]).replace(&challenge, &"A".repeat(43));
    let unknown = sign_by_shell(&command, &app.demo.company_key_file);
    assert_eq!(upload(&"A".repeat(43), &unknown), refused(409, "challenge-unknown"));
    assert_eq!(upload(&challenge, &signature), (201, String::new()));
    let kept = "SELECT possession ->> 'challenge' FROM certificates WHERE replaced_at IS NULL";
    let kept: String = app.database("default").query_row(kept, [], |row| row.get(0)).unwrap();
    assert_eq!(kept, challenge);
    assert_eq!(upload(&challenge, &signature), refused(409, "challenge-used"));
    let nobody = app.visitor().post("/api/possession-challenges", &json!({})).unwrap();
    assert_eq!(nobody.code(), "not-signed-in");
}
