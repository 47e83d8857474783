//! Abnormal use: seen in the record of calls, explained, suspended by points, closed by an
//! officer (A17, A18).

use domain::NationalId;
use http_tests::{TestApp, text};
use jiff::Timestamp;
use serde_json::{Value, json};
use test_pki::client::Visitor;
use test_pki::story::answer_code;
use test_pki::token::{Caller, Question};

fn token(caller: &Caller, number: u32) -> String {
    let id = NationalId::with_check_digit(b'C', 1, number);
    let question = Question {
        person_id: &id,
        apply_code: "1",
        apply_yyymmdd: "0940105",
        issue_site_id: "63000",
    };
    caller.token(question, Timestamp::now()).unwrap()
}

fn guess(visitor: &Visitor, caller: &Caller, number: u32) -> String {
    answer_code(&visitor.verify(&token(caller, number)).unwrap()).to_owned()
}

fn judge(app: &TestApp) -> String {
    let (done, said) = app.chayan(&["judge-calls", "--origin", "https://chayan.example"]);
    assert!(done, "{said}");
    said.trim().to_owned()
}

/// The account as approved before this second: what came in the second of a decision belongs to
/// what was decided.
fn a_second_later() {
    std::thread::sleep(std::time::Duration::from_millis(1100));
}

fn findings(officer: &Visitor) -> Vec<Value> {
    let body = officer.get("/api/review/findings").unwrap().expect(200).unwrap();
    body["findings"].as_array().unwrap().clone()
}

#[test]
fn who_guesses_at_many_people_is_suspended_and_officers_are_told_why() {
    let app = TestApp::start();
    let (visitor, _, caller) = app.approved();
    a_second_later();
    let officer = app.officer();
    for number in 0..19 {
        guess(&visitor, &caller, number);
    }
    assert_eq!(judge(&app), "0 accounts stand out, 0 suspended");
    // Half of the answers wrong, about two dozen people: told, and no more.
    for number in 19..25 {
        guess(&visitor, &caller, number);
    }
    app.database("calls").execute("UPDATE calls SET outcome = '1' WHERE number > 20", []).unwrap();
    assert_eq!(judge(&app), "1 accounts stand out, 1 suspended");
    let found = findings(&officer);
    assert_eq!(
        (found.len(), &found[0]["score"], &found[0]["suspended"]),
        (1, &json!(65), &json!(true))
    );
    let signs = found[0]["signs"].as_array().unwrap();
    assert_eq!(signs[0]["message"], "比對25次，其中20次不符（80%）");
    assert_eq!(signs[1]["message"], "對20個不同身分證字號查驗不符");
    // From the next call on.
    assert_eq!(guess(&visitor, &caller, 99), "8");
    let account = visitor.get("/api/cases").unwrap().expect(200).unwrap()["account"].clone();
    assert_eq!(account["status"], "suspended");
    assert!(text(&account["statusReason"]).contains("對20個不同身分證字號查驗不符"));
    let letters = "SELECT count(*) FROM letters WHERE kind = 'suspended' AND state = 'queued'";
    assert_eq!(app.count("default", letters), 1);
    let ubn = text(&found[0]["ubn"]);
    let page = officer.get(&format!("/api/review/accounts/{ubn}")).unwrap().expect(200).unwrap();
    assert_eq!((&page["calls"]["count"], &page["calls"]["wrong"]), (&json!(26), &json!(20)));
    // Nobody is judged twice for the same.
    assert_eq!(judge(&app), "0 accounts stand out, 0 suspended");

    // A supervisor lets the account go on; the officer says what it was.
    app.names("0000000187654321", "supervisor");
    let mut supervisor = app.visitor();
    supervisor.sign_in_as_officer(&app.card("citizen")).unwrap();
    let reason = json!({ "text": "已說明並改善" });
    supervisor
        .post(&format!("/api/review/accounts/{ubn}/resumption"), &reason)
        .unwrap()
        .expect(200)
        .unwrap();
    let closing = format!("/api/review/findings/{}/closing", found[0]["id"]);
    assert_eq!(officer.post(&closing, &json!({ "text": "" })).unwrap().status, 422);
    let note = json!({ "text": "系統測試誤用正式環境" });
    officer.post(&closing, &note).unwrap().expect(200).unwrap();
    assert_eq!(officer.post(&closing, &note).unwrap().status, 404);
    assert!(findings(&officer).is_empty());
    // What was judged is over.
    assert_eq!(judge(&app), "0 accounts stand out, 0 suspended");
    assert_eq!(guess(&visitor, &caller, 200), "2");
    let acts = "SELECT count(*) FROM audit_log WHERE act IN ('conduct-found', 'conduct-closed')";
    assert_eq!(app.count("default", acts), 2);
}

#[test]
fn the_points_are_a_policy_and_test_mode_hides_nothing() {
    let app = TestApp::start();
    let (visitor, _, caller) = app.approved();
    a_second_later();
    for number in 0..22 {
        guess(&visitor, &caller, number);
    }
    let set = |what: &str| app.database("default").execute(what, []).unwrap();
    // Half of them right: 30 points for the mismatches, 0 for the people. Switching to test mode
    // afterwards takes nothing back.
    app.database("calls").execute("UPDATE calls SET outcome = '1' WHERE number > 11", []).unwrap();
    set("UPDATE accounts SET sandbox = 1");
    assert_eq!(judge(&app), "1 accounts stand out, 0 suspended");
    set("UPDATE accounts SET sandbox = 0");
    assert_eq!(guess(&visitor, &caller, 300), "2");
    set("UPDATE findings SET score = 1");
    let proposed = "INSERT INTO proposals (act, policy, value, valid_from, reason, proposed_by, proposed_at,
        decided_by, decided_at, endorsed) VALUES ('set-policy', 'conduct-score', 30, '2020-01-01', 'x', 1, 1, 2, 2, 1)";
    set(
        "INSERT INTO officers (id, subject_serial, name, role, added_at) VALUES (2, 's', 'x', 'supervisor', 1)",
    );
    set(proposed);
    set("INSERT INTO policies SELECT policy, valid_from, value, id FROM proposals");
    assert_eq!(judge(&app), "1 accounts stand out, 1 suspended");
    assert_eq!(guess(&visitor, &caller, 301), "8");
}

#[test]
fn calls_in_test_mode_are_nobodys_business() {
    let app = TestApp::start();
    let (visitor, _, caller) = app.approved();
    a_second_later();
    let set = |what: &str| app.database("default").execute(what, []).unwrap();
    set("UPDATE accounts SET sandbox = 1");
    let cases = domain::sandbox_cases();
    for case in cases.iter().cycle().take(4 * cases.len()) {
        let question = Question {
            person_id: &case.person_id,
            apply_code: "1",
            apply_yyymmdd: "0940105",
            issue_site_id: "63000",
        };
        visitor.verify(&caller.token(question, Timestamp::now()).unwrap()).unwrap();
    }
    assert_eq!(judge(&app), "0 accounts stand out, 0 suspended");
    set("UPDATE accounts SET sandbox = 0");
    assert_eq!(judge(&app), "0 accounts stand out, 0 suspended");
}

#[test]
fn requests_from_elsewhere_are_judged_once() {
    let app = TestApp::start();
    let (visitor, _, caller) = app.approved();
    a_second_later();
    let set = |what: &str| app.database("default").execute(what, []).unwrap();
    let from_elsewhere = |numbers: std::ops::Range<u32>| {
        set("UPDATE accounts SET host_address = '203.0.113.9'");
        for number in numbers {
            assert_eq!(visitor.verify(&token(&caller, number)).unwrap().status, 403);
        }
        set("UPDATE accounts SET host_address = '127.0.0.1'");
    };
    // Foreign addresses, and something beside them: half of 22 answers wrong.
    let half_wrong = || {
        let last = app.count("calls", "SELECT coalesce(max(number), 0) FROM calls");
        for number in 0..22 {
            guess(&visitor, &caller, 1000 + u32::try_from(last).unwrap() + number);
        }
        let right = "UPDATE calls SET outcome = '1' WHERE number > ?1";
        app.database("calls").execute(right, [last + 11]).unwrap();
    };
    from_elsewhere(0..60);
    half_wrong();
    assert_eq!(judge(&app), "1 accounts stand out, 0 suspended");
    let officer = app.officer();
    let signs = |officer: &Visitor| -> Vec<String> {
        let found = findings(officer);
        let signs = found[0]["signs"].as_array().unwrap();
        signs.iter().map(|sign| text(&sign["message"])).collect()
    };
    assert!(signs(&officer)[1].starts_with("當日60次"), "{:?}", signs(&officer));
    let closing = format!("/api/review/findings/{}/closing", findings(&officer)[0]["id"]);
    officer.post(&closing, &json!({ "text": "已查明" })).unwrap().expect(200).unwrap();
    a_second_later();
    a_second_later();
    // What was judged is over: it adds nothing to what came since.
    assert_eq!(judge(&app), "0 accounts stand out, 0 suspended");
    half_wrong();
    assert_eq!(judge(&app), "1 accounts stand out, 0 suspended");
    assert_eq!(signs(&officer).len(), 1, "{:?}", signs(&officer));
    from_elsewhere(60..66);
    assert_eq!(judge(&app), "1 accounts stand out, 0 suspended");
    assert!(signs(&officer)[1].starts_with("當日6次"), "{:?}", signs(&officer));
}

#[test]
fn a_token_used_from_elsewhere_stands_out() {
    let app = TestApp::start();
    let (visitor, _, caller) = app.approved();
    a_second_later();
    let set = |what: &str| app.database("default").execute(what, []).unwrap();
    set("UPDATE accounts SET host_address = '203.0.113.9'");
    for number in 0..60 {
        assert_eq!(visitor.verify(&token(&caller, number)).unwrap().status, 403);
    }
    assert_eq!(judge(&app), "0 accounts stand out, 0 suspended");
    // With something else beside it.
    set("UPDATE accounts SET host_address = '127.0.0.1'");
    let users = |n: u32| {
        Caller { ..caller.clone() }
            .claims(
                Question {
                    person_id: "A123456789",
                    apply_code: "9",
                    apply_yyymmdd: "0940105",
                    issue_site_id: "63000",
                },
                Timestamp::now(),
            )
            .as_object()
            .map(|claims| {
                let mut claims = claims.clone();
                claims.insert("userId".into(), format!("u{n}").into());
                Value::Object(claims)
            })
            .unwrap()
    };
    for n in 0..20 {
        visitor.verify(&caller.sign(&users(n)).unwrap()).unwrap();
    }
    assert_eq!(judge(&app), "1 accounts stand out, 0 suspended");
    let found = findings(&app.officer());
    let names: Vec<_> =
        found[0]["signs"].as_array().unwrap().iter().map(|s| text(&s["sign"])).collect();
    assert_eq!(names, ["user-churn", "foreign-address"]);
}
