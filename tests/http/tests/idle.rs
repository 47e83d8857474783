//! 逾一年未使用 (A17, rule 10): warned, then revoked by two; a call in between ends it.

use http_tests::{TestApp, question, text};
use jiff::Timestamp;
use serde_json::{Value, json};
use test_pki::client::{Answer, Visitor};
use test_pki::demo::COMPANY;
use test_pki::story::answer_code;
use test_pki::token::Caller;

fn tend(app: &TestApp, confirmed: bool) -> String {
    let confirm: &[&str] = if confirmed { &["--confirm"] } else { &[] };
    let (done, said) =
        app.chayan(&[&["warn-unused", "--origin", "https://chayan.example"], confirm].concat());
    assert!(done, "{said}");
    said.trim().to_owned()
}

/// So many days go by: everything that the account has done lies further back.
fn days_go_by(app: &TestApp, days: i64) {
    let seconds = days * 24 * 3600;
    app.database("default")
        .execute_batch(&format!(
            "UPDATE accounts SET approved_at = approved_at - {seconds}, status_since = status_since - {seconds};
            UPDATE idle_warnings SET unused_since = unused_since - {seconds}, warned_at = warned_at - {seconds},
                until = date(until, '-{days} days'), submitted_at = submitted_at - {seconds},
                closed_at = closed_at - {seconds};"
        ))
        .unwrap();
    let calls = format!("UPDATE calls SET at = at - {seconds} * 1000000");
    app.database("calls").execute(&calls, []).unwrap();
}

fn calls(app: &TestApp, caller: &Caller) -> String {
    let token = caller.token(question(&app.demo.id_cards[0]), Timestamp::now()).unwrap();
    answer_code(&app.visitor().verify(&token).unwrap()).to_owned()
}

fn warned(app: &TestApp) -> (i64, i64) {
    let letters = "SELECT count(*) FROM letters WHERE kind = 'unused'";
    (app.count("default", letters), app.count("default", "SELECT count(*) FROM audit_log"))
}

fn list(officer: &Visitor) -> Vec<Value> {
    let body = officer.get("/api/review/idle").unwrap().expect(200).unwrap();
    body["accounts"].as_array().unwrap().clone()
}

fn propose(officer: &Visitor, id: &Value) -> Answer {
    let path = format!("/api/review/idle/{id}/proposal");
    officer.post(&path, &json!({ "text": "逾一年未連線使用" })).unwrap()
}

fn decide(officer: &Visitor, endorsed: bool) -> Answer {
    let open = officer.get("/api/review/proposals").unwrap().expect(200).unwrap();
    let path = format!("/api/review/proposals/{}/decision", open["proposals"][0]["id"]);
    officer.post(&path, &json!({ "endorsed": endorsed })).unwrap()
}

#[test]
fn an_account_without_a_call_for_a_year_is_warned_and_a_call_ends_it() {
    let app = TestApp::start();
    let (company, _, caller) = app.approved();
    let officer = app.officer();
    assert_eq!(calls(&app, &caller), "1");
    assert_eq!(tend(&app, true), "0 done");
    // A leap year and a day are certainly more than a year.
    days_go_by(&app, 367);
    let before = warned(&app);
    let look = tend(&app, false);
    assert!(look.starts_with(&format!("warn    {}", COMPANY.1)), "{look}");
    assert!(look.ends_with("1 to be done; nothing was changed (--confirm)"), "{look}");
    assert_eq!(warned(&app), before, "a look changes nothing");
    assert!(tend(&app, true).ends_with("1 done"));
    let after = warned(&app);
    // The letter and the warning are in the log.
    assert_eq!(after, (1, before.1 + 2));
    assert_eq!(tend(&app, true), "0 done");
    assert_eq!(warned(&app), after, "nothing is written twice");
    let body: String = app
        .database("default")
        .query_row("SELECT body FROM letters WHERE kind = 'unused'", [], |row| row.get(0))
        .unwrap();
    let progress = || company.get("/api/cases").unwrap().expect(200).unwrap()["account"].clone();
    let usage = || company.get("/api/usage").unwrap().expect(200).unwrap();
    let until = text(&progress()["idle"]["until"]);
    assert!(body.contains(&format!("請於{until}前")), "{body}");
    assert_eq!(usage()["idle"], progress()["idle"]);
    // Not before the warning is over.
    let found = list(&officer);
    assert_eq!((&found[0]["over"], &found[0]["mayPropose"]), (&json!(false), &json!(false)));
    assert_eq!(propose(&officer, &found[0]["id"]).code(), "warning-not-over");
    assert_eq!(propose(&officer, &json!(4711)).status, 404);
    // A call: the company sees it at once, the rest follows with the next run.
    assert_eq!(calls(&app, &caller), "1");
    assert_eq!(usage()["idle"], Value::Null);
    assert_eq!(list(&officer)[0]["used"], true);
    assert!(tend(&app, true).starts_with(&format!("end     {}: used on", COMPANY.1)));
    assert_eq!(progress()["idle"], Value::Null);
    assert!(list(&officer).is_empty());
    assert_eq!(tend(&app, true), "0 done");
    let acts = "SELECT group_concat(act) FROM (SELECT act FROM audit_log WHERE act LIKE 'idle-%' AND act <> 'idle-read' ORDER BY place)";
    let acts: String = app.database("default").query_row(acts, [], |row| row.get(0)).unwrap();
    assert_eq!(acts, "idle-warned,idle-cleared");
}

#[test]
fn who_stays_unused_is_revoked_by_two_and_nobody_who_called_meanwhile() {
    let app = TestApp::start();
    let (company, _, caller) = app.approved();
    let officer = app.officer();
    app.names("0000000187654321", "supervisor");
    let mut supervisor = app.visitor();
    supervisor.sign_in_as_officer(&app.card("citizen")).unwrap();
    let over = || {
        days_go_by(&app, 367);
        assert!(tend(&app, true).starts_with("warn"));
        days_go_by(&app, 31);
        assert!(tend(&app, true).starts_with("submit"), "the warning is over");
        assert_eq!(tend(&app, true), "0 done");
        list(&officer)[0].clone()
    };
    let found = over();
    assert_eq!((&found["over"], &found["mayPropose"]), (&json!(true), &json!(true)));
    let health = officer.get("/api/review/health").unwrap().expect(200).unwrap();
    assert!(health.to_string().contains("有1個帳號逾一年未使用且警告期滿"), "{health}");
    propose(&officer, &found["id"]).expect(200).unwrap();
    assert_eq!(propose(&officer, &found["id"]).code(), "account-state", "once is enough");
    // The first of the two is never the second; and a call stands in the way of it.
    assert_eq!(decide(&officer, true).code(), "not-allowed");
    assert_eq!(calls(&app, &caller), "1");
    assert_eq!(decide(&supervisor, true).code(), "account-used");
    assert!(tend(&app, true).starts_with("end"));
    assert_eq!(decide(&supervisor, true).code(), "account-used", "though the warning is over");
    decide(&supervisor, false).expect(200).unwrap();
    // Proposed again, and declined: the year begins anew.
    let found = over();
    propose(&officer, &found["id"]).expect(200).unwrap();
    decide(&supervisor, false).expect(200).unwrap();
    assert_eq!(tend(&app, true), "0 done");
    assert!(list(&officer).is_empty());
    // And agreed to.
    let found = over();
    propose(&officer, &found["id"]).expect(200).unwrap();
    decide(&supervisor, true).expect(200).unwrap();
    let account = company.get("/api/cases").unwrap().expect(200).unwrap()["account"].clone();
    assert_eq!((&account["statusWord"], &account["idle"]), (&json!("註銷"), &Value::Null));
    assert_eq!(account["statusReason"], "逾一年未連線使用");
    assert_eq!(app.count("default", "SELECT count(*) FROM letters WHERE kind = 'revoked'"), 1);
    assert_eq!(tend(&app, true), "0 done");
    let outcomes =
        "SELECT group_concat(outcome) FROM (SELECT outcome FROM idle_warnings ORDER BY id)";
    let outcomes: String =
        app.database("default").query_row(outcomes, [], |row| row.get(0)).unwrap();
    assert_eq!(outcomes, "used,kept,revoked");
}

#[test]
fn a_warning_ends_with_the_account_and_two_schedulers_warn_once() {
    let app = TestApp::start();
    let (_, _, caller) = app.approved();
    days_go_by(&app, 367);
    let said = http_tests::at_once(4, |_| {
        app.chayan(&["warn-unused", "--origin", "https://chayan.example", "--confirm"]).0
    });
    assert!(said.contains(&true));
    assert_eq!(warned(&app).0, 1, "one letter");
    let path = format!("/api/review/accounts/{}/suspension", COMPANY.1);
    app.officer().post(&path, &json!({ "text": "異常" })).unwrap().expect(200).unwrap();
    assert!(list(&app.officer()).is_empty());
    assert!(tend(&app, true).contains("no longer in use"));
    assert_eq!(tend(&app, true), "0 done");
    assert_eq!(calls(&app, &caller), "8");
}
