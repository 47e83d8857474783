//! Accounts behind the counter (A17): 暫停 at once by one officer, 註銷 and the way back by two.

use http_tests::{TestApp, question, text};
use jiff::Timestamp;
use serde_json::{Value, json};
use test_pki::client::{Answer, Visitor, form};
use test_pki::demo::{COMPANY, HOST_ADDRESS};
use test_pki::story::answer_code;

fn named(app: &TestApp, role: &str) -> Visitor {
    app.names("0000000187654321", role);
    let mut visitor = app.visitor();
    visitor.sign_in_as_officer(&app.card("citizen")).unwrap();
    visitor
}

fn act(officer: &Visitor, act: &str, reason: &str) -> Answer {
    let path = format!("/api/review/accounts/{}/{act}", COMPANY.1);
    officer.post(&path, &json!({ "text": reason })).unwrap()
}

fn decide(officer: &Visitor, proposal: &Value, endorsed: bool) -> Answer {
    let path = format!("/api/review/proposals/{proposal}/decision");
    officer.post(&path, &json!({ "endorsed": endorsed })).unwrap()
}

fn letters(app: &TestApp, kind: &str) -> i64 {
    app.count("default", &format!("SELECT count(*) FROM letters WHERE kind = '{kind}'"))
}

#[test]
fn an_officer_sets_how_many_calls_an_account_may_make() {
    let app = TestApp::start();
    let (company, _, caller) = app.approved();
    let officer = app.officer();
    let path = format!("/api/review/accounts/{}/limits", COMPANY.1);
    let set = |visitor: &Visitor, per_minute: i64, burst: i64, reason: &str| {
        let limits = json!({ "callsPerMinute": per_minute, "burst": burst, "text": reason });
        visitor.post(&path, &limits).unwrap()
    };
    let ask = || {
        let token = caller.token(question(&app.demo.id_cards[0]), Timestamp::now()).unwrap();
        app.visitor().verify(&token).unwrap()
    };
    let policy = || ask().header("ratelimit-policy").unwrap().to_owned();
    assert_eq!(policy(), "\"calls\";q=600;w=60");
    let view = set(&officer, 60, 3, "使用量低於申請").expect(200).unwrap();
    let limits = (&view["calls"]["callsPerMinute"], &view["calls"]["burst"]);
    assert_eq!(limits, (&json!(60), &json!(3)));
    // From the next call on; the company sees it, and is told by letter.
    assert_eq!(policy(), "\"calls\";q=60;w=60");
    let answers: Vec<u16> = (0..5).map(|_| ask().status).collect();
    assert!(answers.contains(&429), "{answers:?}");
    let usage = company.get("/api/usage").unwrap().expect(200).unwrap();
    assert_eq!((&usage["callsPerMinute"], &usage["burst"]), (&json!(60), &json!(3)));
    assert_eq!(letters(&app, "limits-set"), 1);
    let said: String = app
        .database("default")
        .query_row("SELECT body FROM letters WHERE kind = 'limits-set'", [], |row| row.get(0))
        .unwrap();
    assert!(said.contains("每分鐘60次，瞬間上限3次") && said.contains("使用量低於申請"), "{said}");
    let logged = "SELECT entry ->> '$.details.burst' FROM audit_log WHERE act = 'limits-set'";
    assert_eq!(app.count("default", logged), 3);
    // What is wrong is said field by field, and nothing is changed.
    for (per_minute, burst, wrong) in
        [(0, 3, vec!["/callsPerMinute"]), (600_001, -1, vec!["/callsPerMinute", "/burst"])]
    {
        let answer = set(&officer, per_minute, burst, "x");
        assert_eq!((answer.status, answer.code()), (422, "invalid-fields"));
        let errors = answer.body["errors"].as_array().unwrap();
        let fields: Vec<_> = errors.iter().map(|error| text(&error["pointer"])).collect();
        assert_eq!(fields, wrong);
        assert!(text(&errors[0]["message"]).contains("整數"));
    }
    assert_eq!(set(&officer, 60, 3, " ").code(), "invalid-fields");
    // An account that has ended has no limits to set.
    app.database("default").execute("UPDATE accounts SET status = 'stopped'", []).unwrap();
    assert_eq!(set(&officer, 600, 120, "恢復").code(), "account-state");
    assert_eq!(letters(&app, "limits-set"), 1);
    // Nor does somebody set those of their own company.
    app.names("0000000187654321", "officer");
    app.database("default")
        .execute("UPDATE officers SET own_company = ?1 WHERE role = 'officer'", [COMPANY.1])
        .unwrap();
    assert_eq!(set(&officer, 600, 120, "恢復").code(), "own-case");
}

#[test]
fn a_suspension_counts_from_the_next_call_and_can_be_explained() {
    let app = TestApp::start();
    let (company, card, caller) = app.approved();
    let (officer, supervisor) = (app.officer(), named(&app, "supervisor"));
    let person = &app.demo.id_cards[0];
    let ask = || {
        let token = caller.token(question(person), Timestamp::now()).unwrap();
        answer_code(&app.visitor().verify(&token).unwrap()).to_owned()
    };
    assert_eq!(ask(), "1");
    let empty = act(&officer, "suspension", " ");
    assert_eq!((empty.status, empty.code()), (422, "invalid-fields"));
    let view = act(&officer, "suspension", "短時間內大量查驗錯誤").expect(200).unwrap();
    assert_eq!(
        (&view["statusWord"], &view["statusReason"]),
        (&json!("暫停"), &json!("短時間內大量查驗錯誤"))
    );
    assert_eq!(ask(), "8");
    assert_eq!(act(&officer, "suspension", "再一次").code(), "account-state");
    assert_eq!(letters(&app, "suspended"), 1);
    // The company reads why, and may explain: nothing else is offered.
    let progress = company.get("/api/cases").unwrap().expect(200).unwrap();
    assert_eq!(progress["account"]["statusReason"], "短時間內大量查驗錯誤");
    let standing = company.get("/api/standing").unwrap().expect(200).unwrap();
    assert_eq!(standing["offered"][0]["kind"], "improvement-plan");
    assert_eq!(standing["offered"].as_array().unwrap().len(), 1);
    let again = form("api-application", COMPANY.0, COMPANY.1, HOST_ADDRESS);
    assert_eq!(company.apply(&card, again).unwrap().code(), "case-kind-not-offered");
    // A supervisor ends it; an officer cannot.
    assert_eq!(act(&officer, "resumption", "說明合理").code(), "not-allowed");
    act(&supervisor, "resumption", "說明合理").expect(200).unwrap();
    assert_eq!(ask(), "1");
    assert_eq!(letters(&app, "resumed"), 1);
    assert_eq!(act(&supervisor, "resumption", "再一次").code(), "account-state");
    // Who, why and when can be told later.
    let path = format!("/api/review/accounts/{}", COMPANY.1);
    let log = supervisor.get(&path).unwrap().expect(200).unwrap()["log"].clone();
    let words: Vec<_> = log.as_array().unwrap().iter().map(|entry| text(&entry["word"])).collect();
    assert!(words.windows(2).any(|pair| pair == ["恢復查驗權限", "暫停查驗權限"]), "{words:?}");
}

#[test]
fn two_officers_revoke_and_two_let_the_company_come_back() {
    let app = TestApp::start();
    let (company, card, caller) = app.approved();
    let first_ap_id = caller.ap_id.clone();
    let supervisor = named(&app, "supervisor");
    let officer = app.officer();
    // Proposed by one: nothing has happened yet, and the same one cannot agree.
    let view = act(&supervisor, "revocation", "情節重大").expect(200).unwrap();
    let proposal = view["proposals"][0]["id"].clone();
    assert_eq!(view["statusWord"], "啟用");
    assert_eq!(view["proposals"][0]["mayDecide"], false);
    assert_eq!(decide(&supervisor, &proposal, true).code(), "own-proposal");
    assert_eq!(decide(&officer, &proposal, true).code(), "not-allowed");
    assert_eq!(act(&officer, "revocation", "情節重大").code(), "account-state", "once is enough");
    // Not by SQL either.
    let refused = |sql: &str| app.database("default").execute(sql, []).unwrap_err().to_string();
    let sql = "UPDATE accounts SET status = 'revoked', status_since = 1";
    assert!(refused(sql).contains("two officers revoke"));
    let sql = "UPDATE proposals SET decided_by = proposed_by, decided_at = 1, endorsed = 1";
    assert!(refused(sql).contains("CHECK"));
    let sql = "UPDATE accounts SET plan_accepted_at = 1";
    assert!(refused(sql).contains("two officers accept"));
    // Another supervisor agrees; it counts at once.
    app.names("0000000112345678", "supervisor");
    decide(&officer, &proposal, true).expect(200).unwrap();
    assert_eq!(decide(&officer, &proposal, true).code(), "proposal-not-open");
    let token = caller.token(question(&app.demo.id_cards[0]), Timestamp::now()).unwrap();
    assert_eq!(app.visitor().verify(&token).unwrap().status, 401, "closed");
    assert_eq!(letters(&app, "revoked"), 1);

    // An improvement plan: refused once, accepted by two, then an application anew.
    let plan = || form("improvement-plan", COMPANY.0, COMPANY.1, HOST_ADDRESS);
    let receipt = company.apply(&card, plan()).unwrap().expect(201).unwrap();
    let id = text(&receipt["serialNumber"]);
    assert_eq!(officer.decide(&id, "approve", "可行").unwrap().code(), "two-officers-needed");
    let unfit = officer.decide(&id, "reject", "請補充").unwrap();
    assert_eq!(unfit.body["errors"][0]["pointer"], "/grounds", "a ground of applications");
    let refusal =
        json!({ "decision": "reject", "grounds": ["plan-insufficient"], "text": "請補充" });
    let path = format!("/api/review/cases/{id}/decision");
    officer.post(&path, &refusal).unwrap().expect(200).unwrap();
    let receipt = company.apply(&card, plan()).unwrap().expect(201).unwrap();
    let id = text(&receipt["serialNumber"]);
    let path = format!("/api/review/cases/{id}/plan");
    let proposed = officer.post(&path, &json!({ "text": "已補強存取控管" })).unwrap();
    let proposed = proposed.expect(200).unwrap()["proposed"].clone();
    assert_eq!(officer.decide(&id, "reject", "反悔").unwrap().code(), "two-officers-needed");
    let list = supervisor.get("/api/review/proposals").unwrap().expect(200).unwrap();
    assert_eq!(list["proposals"][0]["serialNumber"], id.as_str());
    decide(&supervisor, &proposed, true).expect(200).unwrap();
    let progress = company.get("/api/cases").unwrap().expect(200).unwrap();
    assert_eq!(progress["cases"][0]["stateWord"], "核准");
    let again = form("api-application", COMPANY.0, COMPANY.1, HOST_ADDRESS);
    let receipt = company.apply(&card, again).unwrap().expect(201).unwrap();
    app.decides(&text(&receipt["serialNumber"]), "approve");
    let account = company.get("/api/cases").unwrap().expect(200).unwrap()["account"].clone();
    assert_eq!(account["statusWord"], "啟用");
    assert_ne!(account["apId"], first_ap_id.as_str(), "never used twice");
}

#[test]
fn a_proposal_that_is_declined_changes_nothing() {
    let app = TestApp::start();
    app.approved();
    let supervisor = named(&app, "supervisor");
    let view = act(&app.officer(), "revocation", "疑似冒用").expect(200).unwrap();
    let proposal = view["proposals"][0]["id"].clone();
    let view = decide(&supervisor, &proposal, false).expect(200).unwrap();
    assert_eq!((&view["statusWord"], &view["proposals"]), (&json!("啟用"), &json!([])));
    assert_eq!(letters(&app, "revoked"), 0);
    // Nobody does anything to a company of their own.
    let own = "UPDATE officers SET own_company = '12345675'";
    app.database("default").execute(own, []).unwrap();
    assert_eq!(act(&supervisor, "suspension", "試").code(), "own-case");
}

#[test]
fn an_isskey_is_renewed_beside_the_former_one_and_a_leaked_one_ends_at_once() {
    let mut app = TestApp::start();
    let (company, card, caller) = app.approved();
    let answers = |app: &TestApp, iss_key: &str, now: Timestamp| {
        let caller = test_pki::token::Caller { iss_key: iss_key.to_owned(), ..caller.clone() };
        let token = caller.token(question(&app.demo.id_cards[0]), now).unwrap();
        app.visitor().verify(&token).unwrap().status
    };
    let now = Timestamp::now();
    let renew = |company: &Visitor, leaked: bool| {
        company.post("/api/iss-keys", &json!({ "leaked": leaked })).unwrap()
    };
    let first = caller.iss_key.clone();
    let renewal = renew(&company, false).expect(201).unwrap();
    let second = text(&renewal["issKey"]);
    assert!(second.len() == 32 && second != first);
    let progress = company.get("/api/cases").unwrap().expect(200).unwrap();
    assert_eq!(progress["account"]["formerIssKeyUntil"], renewal["formerUntil"]);
    assert_eq!(progress["account"]["issKey"], second.as_str());
    assert_eq!((answers(&app, &first, now), answers(&app, &second, now)), (200, 200));
    // Leaked: nothing of it is taken any more, from the next call on.
    let renewal = renew(&company, true).expect(201).unwrap();
    let third = text(&renewal["issKey"]);
    assert_eq!(renewal["formerUntil"], Value::Null);
    let found = [&first, &second, &third].map(|key| answers(&app, key, now));
    assert_eq!(found, [401, 401, 200]);
    // An officer who learns of it does the same, and does not see the new one.
    let view = act(&app.officer(), "key-leak", "於公開程式庫發現").expect(200).unwrap();
    assert_eq!(answers(&app, &third, now), 401);
    let progress = company.get("/api/cases").unwrap().expect(200).unwrap();
    let fourth = text(&progress["account"]["issKey"]);
    assert!(!view.to_string().contains(&fourth));
    assert_eq!(answers(&app, &fourth, now), 200);
    assert_eq!((letters(&app, "key-renewed"), letters(&app, "key-blocked")), (1, 2));
    // The former one ends with its last day.
    renew(&company, false).expect(201).unwrap();
    let last = domain::RocDay::of(now).plus(domain::ISS_KEY_OVERLAP_DAYS).end();
    for (seconds, expected) in [(-60, 200), (60, 401)] {
        let then = last + jiff::SignedDuration::from_secs(seconds);
        app.restart_with(&["--now", &then.to_string()]);
        assert_eq!(answers(&app, &fourth, then), expected, "{seconds}");
    }
    // Nothing of it without an account.
    let mut nobody = app.visitor();
    let other = app.card("company-2");
    nobody.sign_in_as_company(&other, test_pki::demo::SYSTEM_COMPANY.1).unwrap();
    assert_eq!(renew(&nobody, false).code(), "account-state");
    drop(card);
}

/// Policies are dated: what held on the day of the application counts for the case.
#[test]
fn a_policy_changes_from_a_day_on_and_takes_two() {
    let mut app = TestApp::start();
    let (company, card, id) = app.applies();
    let supervisor = named(&app, "supervisor");
    let officer = app.officer();
    let today = domain::RocDay::of(Timestamp::now());
    let change = |from: domain::RocDay, value: i64| json!({ "policy": "review-days", "value": value, "validFrom": from.0.to_string(), "text": "人力調整" });
    let post =
        |visitor: &Visitor, body: &Value| visitor.post("/api/review/policies", body).unwrap();
    let good = change(today.plus(10), 20);
    assert_eq!(post(&officer, &good).code(), "not-allowed");
    let wrong = |body: &Value| post(&supervisor, body).body["errors"][0]["pointer"].clone();
    assert_eq!(wrong(&change(today, 20)), "/validFrom");
    assert_eq!(wrong(&change(today.plus(10), 61)), "/value");
    post(&supervisor, &good).expect(201).unwrap();
    assert_eq!(post(&supervisor, &good).code(), "account-state", "one at a time");
    let list = supervisor.get("/api/review/proposals").unwrap().expect(200).unwrap();
    let proposal = list["proposals"][0]["id"].clone();
    assert_eq!(list["proposals"][0]["mayDecide"], false);
    assert_eq!(decide(&supervisor, &proposal, true).code(), "own-proposal");
    let sql = "INSERT INTO policies VALUES ('review-days', '2026-01-01', 60, 1)";
    let refused = app.database("default").execute(sql, []).unwrap_err().to_string();
    assert!(refused.contains("two officers set a policy"), "{refused}");
    app.names("0000000112345678", "supervisor");
    decide(&officer, &proposal, true).expect(200).unwrap();
    let policies = officer.get("/api/review/policies").unwrap().expect(200).unwrap();
    assert_eq!(policies["policies"][0]["values"][0]["value"], 20);
    // The case of before keeps its days; one of after that day has twenty.
    let sql = format!("SELECT review_days FROM cases WHERE id = '{id}'");
    assert_eq!(app.count("default", &sql), 10);
    officer.decide(&id, "reject", "請補充").unwrap().expect(200).unwrap();
    let _ = company;
    let later = today.plus(9).end() + jiff::SignedDuration::from_hours(9);
    let apply_at = |app: &mut TestApp, now: Timestamp| {
        app.restart_with(&["--now", &now.to_string()]);
        let (company, _) = app.company();
        let again = form("api-application", COMPANY.0, COMPANY.1, HOST_ADDRESS);
        let receipt = company.apply(&card, again).unwrap().expect(201).unwrap();
        text(&receipt["serialNumber"])
    };
    let id = apply_at(&mut app, later);
    let sql = format!("SELECT review_days FROM cases WHERE id = '{id}'");
    assert_eq!(app.count("default", &sql), 20);
}

/// 憑證過期 follows from time alone, and is shown to everybody with since when and what it allows.
#[test]
fn an_account_whose_certificate_is_over_says_so_everywhere() {
    let mut app = TestApp::start();
    let (company, card, _) = app.approved();
    let officer = app.officer();
    let path = format!("/api/review/accounts/{}", COMPANY.1);
    let seen = |officer: &Visitor| officer.get(&path).unwrap().expect(200).unwrap();
    let before = seen(&officer);
    assert_eq!((&before["statusWord"], &before["statusBy"]), (&json!("啟用"), &json!("李審核")));
    let ends = "SELECT not_after FROM certificates";
    let ends = Timestamp::from_second(app.count("default", ends)).unwrap();
    let second = jiff::SignedDuration::from_secs(1);
    app.restart_with(&["--now", &(ends - second * 30).to_string()]);
    assert_eq!(seen(&app.officer())["status"], "active");
    app.restart_with(&["--now", &(ends + second * 2).to_string()]);
    let officer = app.officer();
    let after = seen(&officer);
    assert_eq!(
        (&after["status"], &after["statusWord"]),
        (&json!("certificate-expired"), &json!("憑證過期"))
    );
    assert_eq!(after["statusSince"], domain::RocDateTime(ends).to_string());
    assert_eq!(
        (&after["statusBy"], &after["callsWord"]),
        (&json!("憑證效期屆滿"), &json!("不受理"))
    );
    let (company_then, _) = app.company();
    let account = company_then.get("/api/cases").unwrap().expect(200).unwrap()["account"].clone();
    assert_eq!(
        (&account["status"], &account["expiryWarning"]),
        (&json!("certificate-expired"), &json!(0))
    );
    assert_eq!(account["wayBack"], "上傳新憑證後，即時恢復");
    assert_eq!(account["offers"], json!(["憑證上傳", "登錄資料修改", "API停用"]));
    let usage = company_then.get("/api/usage").unwrap().expect(200).unwrap();
    assert_eq!(usage["statusWord"], "憑證過期");
    let numbers = officer.get("/api/review/numbers").unwrap().expect(200).unwrap();
    let counts: Vec<_> = numbers["accounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|state| state["count"].clone())
        .collect();
    assert_eq!(counts, [0, 1, 0, 0, 0]);
    assert_eq!(numbers["usage"][0]["statusWord"], "憑證過期");
    // The table that everybody can read.
    let states = app.visitor().get("/api/account-states").unwrap().expect(200).unwrap();
    assert_eq!(states["states"][1]["word"], "憑證過期");
    assert_eq!(states["states"][2]["calls"], "回應代碼8");
    // It is an account in use: what may be done to one may be done to it.
    let view = act(&officer, "suspension", "查明").expect(200).unwrap();
    assert_eq!(view["statusWord"], "暫停");
    drop((company, card));
}
