//! Applications (A3 to A10): accepted once, exactly as signed.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http_tests::{ORIGIN, TestApp, application, at_once, text};
use pki::{Purpose, SigningInput};
use serde_json::{Value, json};
use test_pki::client::{Signer, form};
use test_pki::demo::{COMPANY, HOST_ADDRESS, SYSTEM_COMPANY};
use test_pki::pki_set::Company;

#[test]
fn an_application_is_accepted_and_can_be_seen_again() {
    let app = TestApp::start();
    let (visitor, card) = app.company();
    let receipt = visitor.apply(&card, application()).unwrap().expect(201).unwrap();
    assert_eq!(receipt["stateWord"], "受理中");
    assert_eq!(receipt["kindWord"], "API申請");
    assert_eq!(receipt["companyName"], COMPANY.0);
    let roc = text(&receipt["submittedAtRoc"]);
    assert_eq!((roc.len(), &roc[3..4]), (18, "/"), "{roc}");
    let id = text(&receipt["serialNumber"]);
    let again = visitor.get(&format!("/api/cases/{id}")).unwrap().expect(200).unwrap();
    assert_eq!(again, receipt);

    // Whoever holds it may check it: what is printed there, and nobody's data.
    let check = |id: &str| app.visitor().get(&format!("/api/receipts/{id}")).unwrap();
    let checked = check(&id).expect(200).unwrap();
    let members: Vec<_> = checked.as_object().unwrap().keys().map(String::as_str).collect();
    let printed = ["companyName", "kindWord", "serialNumber", "submittedAtRoc", "ubn"];
    assert_eq!(members, printed);
    for member in printed {
        assert_eq!(checked[member], receipt[member]);
    }
    for unknown in ["00000000-0000-4000-8000-000000000000", "1", "..%2fcases"] {
        assert_eq!(check(unknown).code(), "case-not-found", "{unknown}");
    }
}

#[test]
fn the_signed_message_is_kept_byte_for_byte() {
    let app = TestApp::start();
    let (visitor, card) = app.company();
    let body = visitor.signed(&card, Purpose::Apply, application()).unwrap();
    visitor.post("/api/applications", &body).unwrap().expect(201).unwrap();
    let kept: Vec<u8> = app
        .database("default")
        .query_row("SELECT signed_data FROM applications", [], |row| row.get(0))
        .unwrap();
    assert_eq!(BASE64_STANDARD.encode(kept), text(&body["signedData"]));
}

#[test]
fn of_64_parallel_applications_one_is_accepted() {
    let app = TestApp::start();
    let (visitor, card) = app.company();
    let bodies: Vec<Value> =
        (0..64).map(|_| visitor.signed(&card, Purpose::Apply, application()).unwrap()).collect();
    let answers = at_once(64, |index| visitor.post("/api/applications", &bodies[index]).unwrap());
    let accepted = answers.iter().filter(|answer| answer.status == 201).count();
    let refused = answers.iter().filter(|answer| {
        answer.code() == "open-case-exists" && answer.body["legacyCode"] == "WARNING-02"
    });
    assert_eq!((accepted, refused.count()), (1, 63));
    assert_eq!(app.count("default", "SELECT count(*) FROM cases"), 1);
    assert_eq!(app.count("default", "SELECT count(*) FROM audit_log WHERE act = 'submitted'"), 1);
}

#[test]
fn a_message_that_is_sent_64_times_opens_one_case() {
    let app = TestApp::start();
    let (visitor, card) = app.company();
    let body = visitor.signed(&card, Purpose::Apply, application()).unwrap();
    let answers = at_once(64, |_| visitor.post("/api/applications", &body).unwrap());
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    // Whoever did not get the answer gets it now: the same receipt.
    let receipt = &answers[0].body;
    for answer in &answers {
        assert!([200, 201].contains(&answer.status), "{}", answer.text);
        assert_eq!(answer.body, *receipt);
    }
    // Even after the case has gone, the signature opens no other.
    let path = format!("/api/cases/{}/cancel", text(&receipt["serialNumber"]));
    visitor.post(&path, &json!({})).unwrap().expect(200).unwrap();
    let again = visitor.post("/api/applications", &body).unwrap().expect(200).unwrap();
    assert_eq!(again["serialNumber"], receipt["serialNumber"]);
    assert_eq!(again["stateWord"], "已取消");
    assert_eq!(app.count("default", "SELECT count(*) FROM cases"), 1);
    // The challenge is spent for any other message. (One with the same fields would be the
    // same message, if the card signed it in the same second.)
    let mut other = application();
    other["email"] = "other@example.test".into();
    let challenge = "SELECT challenge FROM applications";
    let challenge: String =
        app.database("default").query_row(challenge, [], |row| row.get(0)).unwrap();
    let input = SigningInput::new(ORIGIN, Purpose::Apply, &challenge, other);
    let signed = card.sign_content(input.canonical().unwrap()).unwrap();
    let body = json!({ "signedData": BASE64_STANDARD.encode(signed) });
    assert_eq!(visitor.post("/api/applications", &body).unwrap().code(), "challenge-used");
}

#[test]
fn wrong_fields_are_named_with_what_to_do() {
    let app = TestApp::start();
    let (visitor, card) = app.company();
    let mut bad = application();
    bad["hostAddress"] = "10.0.0.1".into();
    bad["email"] = "nobody".into();
    let answer = visitor.apply(&card, bad).unwrap();
    assert_eq!((answer.status, answer.code()), (422, "invalid-fields"));
    let errors = answer.body["errors"].as_array().unwrap();
    let pointers: Vec<_> = errors.iter().map(|error| text(&error["pointer"])).collect();
    assert_eq!(pointers, ["/hostAddress", "/email"]);
    assert!(errors.iter().all(|error| !text(&error["message"]).is_empty()));
    assert_eq!(app.count("default", "SELECT count(*) FROM cases"), 0);
    // Nothing was lost: the challenge of the refused attempt aside, the company may go on.
    visitor.apply(&card, application()).unwrap().expect(201).unwrap();
}

#[test]
fn what_is_not_in_its_final_form_is_not_accepted() {
    let app = TestApp::start();
    let (visitor, card) = app.company();
    let mut spelt = application();
    spelt["mobile"] = "０９１２３４５６７８".into();
    assert_eq!(visitor.apply(&card, spelt).unwrap().code(), "signed-content-differs");
    let mut more = application();
    more["officer"] = "me".into();
    assert_eq!(visitor.apply(&card, more).unwrap().code(), "malformed-request");
}

#[test]
fn another_companys_number_card_or_session_is_refused() {
    let app = TestApp::start();
    let (visitor, card) = app.company();
    let foreign = form("api-application", SYSTEM_COMPANY.0, SYSTEM_COMPANY.1, HOST_ADDRESS);
    let answer = visitor.apply(&card, foreign.clone()).unwrap();
    assert_eq!((answer.status, answer.code()), (403, "ubn-mismatch"));
    // The session of one company, the card of another.
    let other = app.card("company-2");
    assert_eq!(visitor.apply(&other, foreign).unwrap().code(), "ubn-mismatch");
    assert_eq!(visitor.apply(&app.card("citizen"), application()).unwrap().code(), "wrong-card");
    // Without a session, and with an officer's.
    let body = visitor.signed(&card, Purpose::Apply, application()).unwrap();
    assert_eq!(app.visitor().post("/api/applications", &body).unwrap().status, 401);
    assert_eq!(app.officer().post("/api/applications", &body).unwrap().status, 403);
}

#[test]
fn foreign_and_broken_signatures_are_refused() {
    let app = TestApp::start();
    let (visitor, card) = app.company();
    let send = |signed: &[u8]| {
        let body = json!({"signedData": BASE64_STANDARD.encode(signed)});
        let answer = visitor.post("/api/applications", &body).unwrap();
        (answer.status, answer.code().to_owned())
    };
    let challenge = visitor.challenge(Purpose::Apply).unwrap();
    let good = card.sign(ORIGIN, Purpose::Apply, &challenge, application()).unwrap();
    let good = BASE64_STANDARD.decode(good).unwrap();
    assert_eq!(send(b"hello"), (400, "signature-malformed".into()));
    assert_eq!(send(&good[..good.len() - 1]), (400, "signature-malformed".into()));
    let mut forged = good.clone();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(send(&forged), (403, "signature-invalid".into()));
    let at = good.windows(6).position(|bytes| bytes == "測試".as_bytes()).unwrap();
    let mut changed = good.clone();
    changed[at + 2] ^= 1;
    let (status, code) = send(&changed);
    assert!(status == 403 || status == 400, "{code}");
    // A certificate of the same shape by a CA that nobody trusts.
    let strangers = test_pki::pki_set::TestPki::generate(jiff::Timestamp::now()).unwrap();
    let issued = strangers.company(Company::card(COMPANY.0, COMPANY.1)).unwrap();
    test_pki::demo::write_card(&app.dir, "stranger", "MT0000000000000X", "123456", true, &issued)
        .unwrap();
    let stranger = test_pki::client::CardSigner::new(app.dir.join("cards"), "stranger");
    let signed = stranger.sign(ORIGIN, Purpose::Apply, &challenge, application()).unwrap();
    assert_eq!(send(&BASE64_STANDARD.decode(signed).unwrap()), (403, "signer-not-trusted".into()));
    // The real one still counts.
    assert_eq!(send(&good), (201, String::new()));
}

#[test]
fn certificates_that_must_not_sign_are_refused() {
    let app = TestApp::start();
    let (visitor, _) = app.company();
    let pki = http_tests::pki();
    let company = Company::card(COMPANY.0, COMPANY.1);
    let apply = |name: &str, issued: test_pki::pki_set::Issued| {
        test_pki::demo::write_card(&app.dir, name, "MT0000000000000Y", "123456", true, &issued)
            .unwrap();
        let card = test_pki::client::CardSigner::new(app.dir.join("cards"), name);
        visitor.apply(&card, application()).unwrap().code().to_owned()
    };
    let expired = pki.company(Company { days: (-100, -1), ..company }).unwrap();
    assert_eq!(apply("expired", expired), "certificate-expired");
    let early = pki.company(Company { days: (1, 100), ..company }).unwrap();
    assert_eq!(apply("early", early), "certificate-not-yet-valid");
    let encrypting = pki.company_with(company, test_pki::issue::encryption(), 0).unwrap();
    assert_eq!(apply("encrypting", encrypting), "certificate-not-for-signing");
    let low = pki.company_with(company, test_pki::issue::signing(), 2).unwrap();
    assert_eq!(apply("low", low), "certificate-not-for-signing");
    let system = pki.company(Company::system(COMPANY.0, COMPANY.1)).unwrap();
    assert_eq!(apply("system", system), "wrong-card");
}

#[test]
fn only_what_the_account_allows_is_offered() {
    let app = TestApp::start();
    let words = |visitor: &test_pki::client::Visitor| -> Vec<String> {
        let standing = visitor.get("/api/standing").unwrap().expect(200).unwrap();
        standing["offered"].as_array().unwrap().iter().map(|offer| text(&offer["word"])).collect()
    };
    let (visitor, card) = app.company();
    assert_eq!(words(&visitor), ["API申請"]);
    let stop = form("api-stop", COMPANY.0, COMPANY.1, HOST_ADDRESS);
    assert_eq!(visitor.apply(&card, stop.clone()).unwrap().code(), "case-kind-not-offered");
    let (_, _, id) = app.applies();
    assert!(words(&visitor).is_empty());
    app.decides(&id, "approve");
    assert_eq!(words(&visitor), ["憑證上傳", "登錄資料修改", "API停用"]);
    assert_eq!(visitor.apply(&card, application()).unwrap().code(), "case-kind-not-offered");
    // A change of data takes effect when it is approved; a stop leads back to the start.
    let change = form("data-change", COMPANY.0, COMPANY.1, "127.0.0.9");
    let receipt = visitor.apply(&card, change).unwrap().expect(201).unwrap();
    app.decides(&text(&receipt["serialNumber"]), "approve");
    let progress = visitor.get("/api/cases").unwrap().expect(200).unwrap();
    assert_eq!(progress["account"]["hostAddress"], "127.0.0.9");
    let first_ap_id = text(&progress["account"]["apId"]);
    let receipt = visitor.apply(&card, stop).unwrap().expect(201).unwrap();
    app.decides(&text(&receipt["serialNumber"]), "approve");
    assert_eq!(words(&visitor), ["API申請"]);
    let receipt = visitor.apply(&card, application()).unwrap().expect(201).unwrap();
    app.decides(&text(&receipt["serialNumber"]), "approve");
    let progress = visitor.get("/api/cases").unwrap().expect(200).unwrap();
    assert_eq!(progress["account"]["statusWord"], "啟用");
    assert_ne!(text(&progress["account"]["apId"]), first_ap_id, "an apId is never used twice");
}
