//! Cards that are suspended or revoked in the middle of a visit.

use jiff::{SignedDuration, Timestamp};
use test_pki::demo::{CARD_NUMBERS, USER_CODE};
use x509_cert::ext::pkix::CrlReason;

use super::*;

/// What a visit could have changed.
fn kept(app: &TestApp) -> (i64, i64, i64) {
    let count = |sql| app.count("default", sql);
    (
        count("SELECT count(*) FROM handlers"),
        count("SELECT sum(revision) FROM registrations"),
        count("SELECT count(*) FROM registration_receipts"),
    )
}

/// Every act of these visits is refused so, and none does anything.
fn nothing_goes(app: &TestApp, [counter, replacing]: [&Visitor; 2], code: &str) {
    let before = kept(app);
    let mut invited = entry(app, &["progress"]);
    invited["serialNumber"] = "".into();
    let answers = [
        counter.get("/api/delegate/visit").unwrap(),
        counter.get("/api/delegate/handlers").unwrap(),
        counter.post("/api/delegate/handlers", &entry(app, &["progress"])).unwrap(),
        counter.post("/api/delegate/invitations", &invited).unwrap(),
        finish(replacing),
    ];
    for answer in answers {
        assert_eq!((answer.status, answer.code()), (403, code), "{}", answer.text);
    }
    assert_eq!(kept(app), before);
}

#[test]
fn a_visit_stops_when_one_of_its_cards_does() {
    let app = TestApp::start();
    registers(&app, "company", COMPANY_CODE);
    new_card(&app, "manager-2", MANAGER);
    let company = ("company", COMPANY_CODE);
    let working = counter(&app, "company", COMPANY_CODE);
    let replacing = both(&app, "replace-manager", company, ("manager-2", MANAGER.national_id));
    let mut half = app.visitor();
    half.begin_visit("delegate").unwrap();
    organisation(&half, &app.card("company"), "delegate", COMPANY_CODE).expect(200).unwrap();

    // 暫停使用: at once, also for what was confirmed before.
    let change = |act: &str| {
        let body = json!({ "act": act, "cardNumber": CARD_NUMBERS[0], "userCode": USER_CODE });
        app.visitor().post("/api/cards/changes", &body).unwrap().expect(200).unwrap()
    };
    change("suspend");
    nothing_goes(&app, [&working, &replacing], "card-on-hold");
    let next = half.post("/api/delegate/visit/challenges", &json!({})).unwrap();
    assert_eq!((next.status, next.code()), (403, "card-on-hold"));
    // 恢復使用: the visit is not over by it.
    change("resume");
    assert_eq!(working.get("/api/delegate/handlers").unwrap().status, 200);

    // A list names the cards of the citizen.
    let now = Timestamp::now();
    let listed = |card: &str| Listed {
        serial: app.certificate_of(card).serial_bytes().to_vec(),
        reason: Some(CrlReason::KeyCompromise),
        at: now - SignedDuration::from_hours(2),
    };
    let list = List {
        number: 2,
        this_update: now - SignedDuration::from_hours(1),
        next_update: now + SignedDuration::from_hours(24),
        partition: None,
        entries: vec![listed("manager"), listed("manager-2")],
    };
    let said = app.imports(&http_tests::pki().citizen_list(&list).unwrap());
    assert!(said.contains("taken, 2 entries"), "{said}");
    nothing_goes(&app, [&working, &replacing], "certificate-revoked");
}
