//! 憑證上傳 (A7): what is taken, what is refused and in which words.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http_tests::{TestApp, pki, question, text};
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde_json::json;
use test_pki::client::Visitor;
use test_pki::demo::{COMPANY, SYSTEM_COMPANY, der_of, pem};
use test_pki::pki_set::Company;
use test_pki::story::answer_code;

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

/// What an upload of this file by the demo company signs.
fn document(file: &[u8]) -> serde_json::Value {
    json!({
        "kind": "certificate-upload", "ubn": COMPANY.1, "reason": "換發憑證",
        "certificateFile": BASE64_STANDARD.encode(file),
        "agreed": domain::Edition::Of112.agreement(),
    })
}

#[test]
fn two_certificates_count_until_the_day_that_was_chosen() {
    let mut app = TestApp::start();
    let (mut visitor, card, old) = app.approved();
    let id_card = app.demo.id_cards[0].clone();
    let calls = |visitor: &Visitor, caller: &test_pki::token::Caller, now: Timestamp| {
        let token = caller.token(question(&id_card), now).unwrap();
        let answer = visitor.verify(&token).unwrap();
        if answer.status == 200 {
            answer_code(&answer).to_owned()
        } else {
            answer.status.to_string()
        }
    };
    let renewed = |visitor: &Visitor, until: Option<&str>| {
        let next = pki().company(Company::system(COMPANY.0, COMPANY.1)).unwrap();
        let mut document = document(&next.certificate);
        if let Some(until) = until {
            document["formerUntil"] = until.into();
        }
        let answer = visitor.upload_document(&card, document).unwrap();
        let private_key = next.key.pkcs8().unwrap();
        let caller = test_pki::token::Caller { private_key, ..old.clone() };
        (answer, caller, next.certificate)
    };
    let now = Timestamp::now();
    let today = domain::TAIPEI.to_datetime(now).date();
    for wrong in [today.yesterday().unwrap(), today.checked_add(91.days()).unwrap()] {
        let (answer, ..) = renewed(&visitor, Some(&wrong.to_string()));
        assert_eq!((answer.status, answer.code()), (422, "invalid-fields"), "{wrong}");
        assert_eq!(answer.body["errors"][0]["pointer"], "/formerUntil");
    }
    let tomorrow = today.tomorrow().unwrap();
    let (answer, new, new_file) = renewed(&visitor, Some(&tomorrow.to_string()));
    answer.expect(201).unwrap();
    assert_eq!((calls(&visitor, &old, now), calls(&visitor, &new, now)), ("1".into(), "1".into()));
    let progress = visitor.get("/api/cases").unwrap().expect(200).unwrap();
    let end = domain::TAIPEI.to_timestamp(tomorrow.tomorrow().unwrap().into()).unwrap();
    let shown = domain::RocDay(tomorrow).to_string();
    assert_eq!(text(&progress["account"]["formerUntil"]), shown);
    // The last second of that day, and the next.
    for (at, counts) in [(end - SignedDuration::from_secs(30), "1"), (end, "401")] {
        app.restart_with(&["--now", &at.to_string()]);
        visitor.base = app.visitor().base;
        assert_eq!(calls(&visitor, &old, at), counts, "{at}");
        assert_eq!(calls(&visitor, &new, at), "1");
    }
    // The same file again, and a third one with a day: what was promised to the first stays.
    app.restart_with(&[]);
    visitor.base = app.visitor().base;
    let again = |file: &[u8], until: &str| {
        let mut document = document(file);
        document["formerUntil"] = until.into();
        visitor.upload_document(&card, document).unwrap().expect(201).unwrap();
    };
    again(&new_file, &tomorrow.to_string());
    let now = Timestamp::now();
    assert_eq!((calls(&visitor, &old, now), calls(&visitor, &new, now)), ("1".into(), "1".into()));
    let (answer, corrected, _) = renewed(&visitor, Some(&today.to_string()));
    answer.expect(201).unwrap();
    let codes = [&old, &new, &corrected].map(|caller| calls(&visitor, caller, now));
    assert_eq!(codes, ["1", "1", "1"]);
    // Without a day every former one ends at once.
    let (answer, third, _) = renewed(&visitor, None);
    answer.expect(201).unwrap();
    let now = Timestamp::now();
    let codes = [&old, &new, &corrected, &third].map(|caller| calls(&visitor, caller, now));
    assert_eq!(codes, ["401", "401", "401", "1"]);
    let progress = visitor.get("/api/cases").unwrap().expect(200).unwrap();
    assert_eq!(progress["account"]["formerUntil"], json!(null));
}

#[test]
fn a_file_can_be_looked_at_before_it_is_sent() {
    let app = TestApp::start();
    let (visitor, _, id) = app.applies();
    app.decides(&id, "approve");
    let preview = |file: &[u8]| {
        let body = json!({ "certificateFile": BASE64_STANDARD.encode(file) });
        visitor.post("/api/certificate-previews", &body).unwrap()
    };
    let file = std::fs::read(&app.demo.company_certificate_file).unwrap();
    let seen = preview(&file).expect(200).unwrap();
    assert!(text(&seen["subject"]).contains(COMPANY.0), "{seen}");
    assert!(text(&seen["issuer"]).contains("測試"), "{seen}");
    assert_eq!(text(&seen["serialNumber"]).len(), 32);
    assert_eq!((text(&seen["notBefore"]).len(), text(&seen["notAfter"]).len()), (7, 7));
    assert_eq!(seen["problem"], json!(null));
    let foreign = pki().company(Company::system(SYSTEM_COMPANY.0, SYSTEM_COMPANY.1)).unwrap();
    let seen = preview(&foreign.certificate).expect(200).unwrap();
    assert!(text(&seen["subject"]).contains(SYSTEM_COMPANY.0));
    assert_eq!(seen["problem"]["code"], "upload-foreign-ubn");
    assert!(!text(&seen["problem"]["detail"]).is_empty());
    assert_eq!(preview(b"hello").code(), "not-a-certificate");
    let key = std::fs::read(&app.demo.company_key_file).unwrap();
    assert_eq!(preview(&key).code(), "private-key-uploaded");
    assert_eq!(app.count("default", "SELECT count(*) FROM certificates"), 0);
    let body = json!({ "certificateFile": "" });
    let nobody = app.visitor().post("/api/certificate-previews", &body).unwrap();
    assert_eq!(nobody.code(), "not-signed-in");
}

#[test]
fn the_end_of_a_certificate_is_told_in_time() {
    let app = TestApp::start();
    let (visitor, card, _) = app.approved();
    let warning = || {
        let progress = visitor.get("/api/cases").unwrap().expect(200).unwrap();
        progress["account"]["expiryWarning"].clone()
    };
    for (days, told) in [(62, json!(null)), (45, json!(60))] {
        let system = Company { days: (-1, days), ..Company::system(COMPANY.0, COMPANY.1) };
        let file = pki().company(system).unwrap().certificate;
        visitor.upload(&card, COMPANY.1, &file).unwrap().expect(201).unwrap();
        assert_eq!(warning(), told, "{days}");
    }
    // Nearer to its end no certificate can be uploaded: time goes by.
    for (days, told) in [(20, 30), (2, 3), (-1, 0)] {
        let ends = Timestamp::now() + SignedDuration::from_hours(24 * days);
        let sql =
            "UPDATE certificates SET not_before = 0, not_after = ?1 WHERE replaced_at IS NULL";
        app.database("default").execute(sql, [ends.as_second()]).unwrap();
        assert_eq!(warning(), told, "{days}");
    }
}
