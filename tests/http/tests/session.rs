//! Sign-in (A2): the right card, the right number, one use of each challenge.

use http_tests::{TestApp, at_once};
use pki::Purpose;
use serde_json::json;
use test_pki::client::Signer;
use test_pki::demo::{COMPANY, SYSTEM_COMPANY};

#[test]
fn company_and_officer_sign_in_and_out() {
    let app = TestApp::start();
    let (company, _) = app.company();
    let session = company.get("/api/session").unwrap().expect(200).unwrap();
    assert_eq!(session["who"], json!({"as": "company", "ubn": COMPANY.1, "name": COMPANY.0}));
    let officer = app.officer().get("/api/session").unwrap().expect(200).unwrap();
    assert_eq!(officer["who"]["as"], "officer");
    let nobody = app.visitor().get("/api/session").unwrap();
    assert_eq!((nobody.status, nobody.code()), (401, "not-signed-in"));
}

#[test]
fn the_cookie_is_the_strictest_there_is() {
    let app = TestApp::start();
    let mut visitor = app.visitor();
    let document = json!({"as": "company", "ubn": COMPANY.1});
    let answer = visitor.sign_in(&app.card("company"), document).unwrap();
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-chayan="));
    for attribute in ["Path=/", "Secure", "HttpOnly", "SameSite=Strict"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[test]
fn the_wrong_card_is_named_as_such() {
    let app = TestApp::start();
    let code = |card: &str, document: serde_json::Value| {
        let answer = app.visitor().sign_in(&app.card(card), document).unwrap();
        (answer.status, answer.code().to_owned())
    };
    let company = |ubn: &str| json!({"as": "company", "ubn": ubn});
    let refused = |name: &str| (403, name.to_owned());
    assert_eq!(code("citizen", company(COMPANY.1)), refused("wrong-card"));
    assert_eq!(code("company-secondary", company(COMPANY.1)), refused("secondary-card"));
    assert_eq!(code("company", company(SYSTEM_COMPANY.1)), refused("ubn-mismatch"));
    assert_eq!(code("company", json!({"as": "officer"})), refused("wrong-card"));
    assert_eq!(code("citizen", json!({"as": "officer"})), refused("officer-unknown"));
    assert_eq!(code("company", json!({"as": "king"})), (400, "malformed-request".to_owned()));
    // The second generation's card of 2013, without a number in the subject, is as good.
    assert_eq!(code("company-2", company(SYSTEM_COMPANY.1)), (201, String::new()));
}

#[test]
fn of_64_replays_of_one_sign_in_one_wins() {
    let app = TestApp::start();
    let visitor = app.visitor();
    let document = json!({"as": "company", "ubn": COMPANY.1});
    let body = visitor.signed(&app.card("company"), Purpose::SignIn, document).unwrap();
    let answers = at_once(64, |_| app.visitor().post("/api/session", &body).unwrap());
    let won = answers.iter().filter(|answer| answer.status == 201).count();
    let used = answers.iter().filter(|answer| answer.code() == "challenge-used").count();
    assert_eq!((won, used), (1, 63));
}

#[test]
fn a_challenge_of_another_service_or_purpose_or_time_is_refused() {
    let mut app = TestApp::start();
    let card = app.card("company");
    let document = || json!({"as": "company", "ubn": COMPANY.1});
    let code = |app: &TestApp, body: &serde_json::Value| {
        let answer = app.visitor().post("/api/session", body).unwrap();
        (answer.status, answer.code().to_owned())
    };
    let visitor = app.visitor();
    let challenge = visitor.challenge(Purpose::SignIn).unwrap();
    let signed = |origin: &str, purpose, challenge: &str| json!({"signedData": card.sign(origin, purpose, challenge, document()).unwrap()});
    let elsewhere = signed("http://127.0.0.1:3001", Purpose::SignIn, &challenge);
    assert_eq!(code(&app, &elsewhere), (403, "signed-for-other".into()));
    let other_purpose = signed(&visitor.origin, Purpose::Apply, &challenge);
    assert_eq!(code(&app, &other_purpose), (403, "signed-for-other".into()));
    let invented = signed(&visitor.origin, Purpose::SignIn, &"A".repeat(43));
    assert_eq!(code(&app, &invented), (409, "challenge-unknown".into()));
    let good = signed(&visitor.origin, Purpose::SignIn, &challenge);
    // Five minutes later the same message is worth nothing.
    let later = (jiff::Timestamp::now() + jiff::SignedDuration::from_secs(301)).to_string();
    app.restart_with(&["--now", &later]);
    assert_eq!(code(&app, &good), (409, "challenge-expired".into()));
}

#[test]
fn a_session_ends_by_itself_and_by_signing_out() {
    let mut app = TestApp::start();
    let (mut company, _) = app.company();
    let later = (jiff::Timestamp::now() + jiff::SignedDuration::from_mins(61)).to_string();
    app.restart_with(&["--now", &later]);
    company.base = app.visitor().base;
    assert_eq!(company.get("/api/session").unwrap().status, 401);
    let (company, _) = app.company();
    let answer = company.delete("/api/session").unwrap();
    assert_eq!(answer.status, 204);
    assert!(answer.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(company.get("/api/session").unwrap().status, 401, "the token itself is worthless");
}

#[test]
fn pages_of_other_sites_are_refused() {
    let app = TestApp::start();
    let (mut company, _) = app.company();
    company.origin = "https://evil.example".into();
    let answer = company.post("/api/challenges", &json!({"purpose": "apply"})).unwrap();
    assert_eq!((answer.status, answer.code()), (403, "cross-site-request"));
    company.origin = http_tests::ORIGIN.into();
    let plain =
        company.post_raw("/api/challenges", "text/plain", b"{\"purpose\":\"apply\"}").unwrap();
    assert_eq!((plain.status, plain.code()), (415, "unsupported-media-type"));
}
