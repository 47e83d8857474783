//! Progress, withdrawal and review (A11 to A13, A15).

use http_tests::{TestApp, application, at_once, text};
use serde_json::json;

#[test]
fn progress_shows_newest_first_with_the_ministrys_words() {
    let app = TestApp::start();
    let (visitor, card, id) = app.applies();
    app.decides(&id, "reject");
    visitor.apply(&card, application()).unwrap().expect(201).unwrap();
    let progress = visitor.get("/api/cases").unwrap().expect(200).unwrap();
    assert_eq!(progress["count"], 2);
    assert_eq!(progress["account"], json!(null));
    let words: Vec<_> =
        progress["cases"].as_array().unwrap().iter().map(|case| text(&case["stateWord"])).collect();
    assert_eq!(words, ["受理中", "駁回"]);
    assert_eq!(progress["cases"][1]["result"], "審核結果文字");
    assert!(progress["cases"][1]["decidedAtRoc"].is_string());
}

#[test]
fn a_case_can_be_cancelled_for_24_hours_and_no_longer() {
    let mut app = TestApp::start();
    let (mut visitor, card, id) = app.applies();
    let cancel = |visitor: &test_pki::client::Visitor, id: &str| {
        let answer = visitor.post(&format!("/api/cases/{id}/cancel"), &json!({})).unwrap();
        (answer.status, answer.code().to_owned())
    };
    assert_eq!(cancel(&visitor, &id), (200, String::new()));
    assert_eq!(cancel(&visitor, &id), (409, "case-not-open".into()));
    let receipt = visitor.apply(&card, application()).unwrap().expect(201).unwrap();
    let id = text(&receipt["serialNumber"]);
    let submitted: jiff::Timestamp = text(&receipt["submittedAt"]).parse().unwrap();
    let at = |seconds: i64| (submitted + jiff::SignedDuration::from_secs(seconds)).to_string();
    app.restart_with(&["--now", &at(24 * 3600 + 1)]);
    visitor.base = app.visitor().base;
    visitor.sign_in_as_company(&card, test_pki::demo::COMPANY.1).unwrap();
    assert_eq!(cancel(&visitor, &id), (409, "cancellation-too-late".into()));
    let progress = visitor.get("/api/cases").unwrap().expect(200).unwrap();
    assert_eq!(progress["cases"][0]["cancellableUntil"], json!(null));
    // Seconds before the end it still works.
    app.restart_with(&["--now", &at(24 * 3600 - 30)]);
    visitor.base = app.visitor().base;
    visitor.sign_in_as_company(&card, test_pki::demo::COMPANY.1).unwrap();
    assert_eq!(cancel(&visitor, &id), (200, String::new()));
}

#[test]
fn another_companys_cases_are_not_there() {
    let app = TestApp::start();
    let (_, _, id) = app.applies();
    let mut other = app.visitor();
    let card = app.card("company-2");
    other.sign_in_as_company(&card, test_pki::demo::SYSTEM_COMPANY.1).unwrap();
    assert_eq!(other.get(&format!("/api/cases/{id}")).unwrap().code(), "case-not-found");
    let cancel = other.post(&format!("/api/cases/{id}/cancel"), &json!({})).unwrap();
    assert_eq!((cancel.status, cancel.code()), (404, "case-not-found"));
    assert_eq!(other.get("/api/cases").unwrap().body["count"], 0);
    assert_eq!(other.get("/api/cases/not-a-number").unwrap().code(), "case-not-found");
}

#[test]
fn of_two_officers_at_once_one_decides() {
    let app = TestApp::start();
    let (_, _, id) = app.applies();
    let officers = [app.officer(), app.officer()];
    let answers = at_once(2, |index| {
        officers[index].decide(&id, ["approve", "reject"][index], "結果").unwrap()
    });
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    assert!(answers.iter().any(|answer| answer.code() == "case-not-open"));
    let decided = "SELECT count(*) FROM audit_log WHERE act IN ('approved', 'rejected')";
    assert_eq!(app.count("default", decided), 1);
    assert_eq!(app.count("default", "SELECT count(*) FROM letters WHERE kind <> 'received'"), 1);
}

#[test]
fn review_is_for_officers_on_the_list() {
    let app = TestApp::start();
    let (company, _, id) = app.applies();
    assert_eq!(app.visitor().get("/api/review/cases").unwrap().status, 401);
    assert_eq!(company.get("/api/review/cases").unwrap().code(), "not-allowed");
    let officer = app.officer();
    let waiting = officer.get("/api/review/cases").unwrap().expect(200).unwrap();
    assert_eq!(waiting["cases"][0]["serialNumber"], id.as_str());
    assert_eq!(waiting["cases"][0]["signerName"], test_pki::demo::COMPANY.0);
    let path = format!("/api/review/cases/{id}/decision");
    let empty = officer.post(&path, &json!({"decision": "approve", "result": " "})).unwrap();
    assert_eq!(empty.body["errors"][0]["pointer"], "/result");
    let unknown = officer.post(&path, &json!({"decision": "maybe", "result": "x"})).unwrap();
    assert_eq!(unknown.code(), "malformed-request");
    // Taken off the list, the session is worth nothing any more.
    app.database("default").execute("UPDATE officers SET removed_at = 1", []).unwrap();
    assert_eq!(officer.get("/api/review/cases").unwrap().code(), "not-allowed");
}
