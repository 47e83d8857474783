//! For integrators: the second endpoint, the check of a token, statistics and list of calls,
//! test mode, the state of the service (A18).

use http_tests::{TestApp, question, text, wrong};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use test_pki::client::{Answer, Visitor};
use test_pki::token::{Caller, Question};

fn post(visitor: &Visitor, token: &str) -> Answer {
    visitor.post("/integration/v2/verifications", &json!({ "token": token })).unwrap()
}

fn set(app: &TestApp, what: &str) {
    app.database("default").execute(&format!("UPDATE accounts SET {what}"), []).unwrap();
}

#[test]
fn match_no_match_and_error_are_never_mixed() {
    let app = TestApp::start();
    let (visitor, _, caller) = app.approved();
    let [known, other] = [&app.demo.id_cards[0], &app.demo.id_cards[1]];
    let now = Timestamp::now();
    let ask = |question| post(&visitor, &caller.token(question, now).unwrap());
    let answer = ask(question(known));
    assert_eq!((answer.status, &answer.body), (200, &json!({ "result": "match" })));
    assert!(answer.header("x-request-id").is_some() && answer.header("ratelimit").is_some());
    for nth in 1..=3 {
        let answer = ask(wrong(other));
        let body = json!({
            "result": "no-match", "reason": "differs", "wrongAnswersToday": nth, "locked": nth == 3,
        });
        assert_eq!((answer.status, &answer.body), (200, &body));
    }
    let locked = ask(question(other));
    assert_eq!((locked.status, locked.code()), (423, "id-locked"));
    let until: Timestamp = text(&locked.body["lockedUntil"]).parse().unwrap();
    assert!(until > now && until <= now + SignedDuration::from_hours(24));
    // The very same rules and records as on the first endpoint.
    let same = visitor.verify(&caller.token(question(other), now).unwrap()).unwrap();
    assert_eq!(test_pki::story::answer_code(&same), "5");
    let token = caller.token(question(known), now).unwrap();
    assert_eq!(test_pki::story::answer_code(&visitor.verify(&token).unwrap()), "1");
    assert_eq!(post(&visitor, &token).body["result"], "match");
    assert_eq!(app.count("calls", "SELECT count(*) FROM calls"), 7);
}

#[test]
fn every_error_is_a_problem_with_a_code() {
    let app = TestApp::start();
    let (visitor, _, caller) = app.approved();
    let known = &app.demo.id_cards[0];
    let now = Timestamp::now();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut claims = caller.claims(question(known), now);
        change(&mut claims);
        let answer = post(&visitor, &caller.sign(&claims).unwrap());
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json"),
            "{}",
            answer.text
        );
        assert!(answer.body["title"].is_string() && answer.body.get("result").is_none());
        (answer.status, answer.code().to_owned())
    };
    let problem = |status, code: &str| (status, code.to_owned());
    assert_eq!(with(&|c| c["apId"] = "XXXXX".into()), problem(403, "account-mismatch"));
    assert_eq!(with(&|c| c["conditionMap"] = "{}".into()), problem(422, "condition-not-allowed"));
    assert_eq!(with(&|c| c["iss"] = "nobody".into()), problem(401, "no-credentials"));
    assert_eq!(with(&|c| c["jobId"] = "V2C202".into()), problem(401, "claim-not-accepted"));
    let late = now.as_second() - 200;
    assert_eq!(
        with(&|c| (c["iat"], c["exp"]) = ((late - 100).into(), late.into())),
        problem(401, "token-expired")
    );
    assert_eq!(with(&|c| c["jti"] = 1.into()), problem(401, "token-malformed"));
    set(&app, "host_address = '203.0.113.9'");
    assert_eq!(with(&|_| ()), problem(403, "address-not-registered"));
    set(&app, "host_address = '127.0.0.1', status = 'suspended'");
    assert_eq!(with(&|_| ()), problem(403, "caller-suspended"));
    for body in [json!({}), json!({ "token": 1 }), json!({ "token": "x", "more": 1 }), json!(["x"])]
    {
        let answer = visitor.post("/integration/v2/verifications", &body).unwrap();
        assert_eq!((answer.status, answer.code()), (400, "malformed-request"));
    }
    assert_eq!(visitor.get("/integration/v2/verifications").unwrap().status, 405);
}

/// The checks that did not pass, and those that were not reached.
fn failed(visitor: &Visitor, token: &str) -> (Vec<String>, usize) {
    let answer = visitor.post("/integration/token-checks", &json!({ "token": token })).unwrap();
    let body = answer.expect(200).unwrap();
    assert!(body["serverTime"].is_string());
    let checks = body["checks"].as_array().unwrap();
    assert_eq!(checks.len(), 10);
    let failed: Vec<String> = checks
        .iter()
        .filter(|check| check["passed"] == false)
        .map(|check| text(&check["check"]))
        .collect();
    let open = checks.iter().filter(|check| check["passed"].is_null()).count();
    assert_eq!(body["passed"], failed.is_empty() && open == 0);
    (failed, open)
}

#[test]
fn a_token_is_told_what_is_wrong_with_it_and_nothing_of_others() {
    let app = TestApp::start();
    let (visitor, _, caller) = app.approved();
    let known = &app.demo.id_cards[0];
    let now = Timestamp::now();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut claims = caller.claims(wrong(known), now);
        change(&mut claims);
        failed(&visitor, &caller.sign(&claims).unwrap())
    };
    let one = |check: &str, open| (vec![check.to_owned()], open);
    assert_eq!(with(&|_| ()), (vec![], 0));
    assert_eq!(failed(&visitor, "x"), one("form", 9));
    assert_eq!(with(&|c| c["iat"] = "soon".into()), one("claims", 8));
    assert_eq!(with(&|c| c["nbf"] = (now.as_second() as f64 + 0.5).into()), one("claims", 8));
    assert_eq!(with(&|c| c["sub"] = "x".into()).0, ["fixed-claims"]);
    let ahead = now.as_second() + 300;
    assert_eq!(with(&|c| (c["iat"], c["exp"]) = (ahead.into(), (ahead + 60).into())).0, ["times"]);
    assert_eq!(with(&|c| c["apId"] = "XXXXX".into()).0, ["account"]);
    assert_eq!(with(&|c| c["conditionMap"] = "{}".into()).0, ["conditions"]);
    // An unknown isskey and another's key look alike.
    let unknown = with(&|c| c["iss"] = "A".repeat(32).into());
    let stranger = Caller { private_key: another_key(), ..caller.clone() };
    let other = failed(&visitor, &stranger.token(question(known), now).unwrap());
    assert_eq!((&unknown, &other), (&one("credentials", 5), &one("credentials", 5)));
    set(&app, "host_address = '203.0.113.9', sandbox = 1");
    assert_eq!(with(&|_| ()).0, ["address"]);
    set(&app, "status = 'suspended'");
    assert_eq!(with(&|_| ()).0, ["address", "status"]);
    set(&app, "status = 'stopped'");
    assert_eq!(with(&|_| ()), one("credentials", 5));
    // Nothing was compared, counted or kept.
    for (label, table) in [("attempts", "wrong_answers"), ("calls", "calls"), ("calls", "refusals")]
    {
        assert_eq!(app.count(label, &format!("SELECT count(*) FROM {table}")), 0);
    }
}

fn another_key() -> Vec<u8> {
    let key = openssl::rsa::Rsa::generate(2048).unwrap();
    openssl::pkey::PKey::from_rsa(key).unwrap().private_key_to_pkcs8().unwrap()
}

#[test]
fn a_company_sees_its_own_calls_and_nobody_elses() {
    let app = TestApp::start();
    let (visitor, _, caller) = app.approved();
    let [known, other] = [&app.demo.id_cards[0], &app.demo.id_cards[1]];
    let now = Timestamp::now();
    let ask =
        |question: Question<'_>| visitor.verify(&caller.token(question, now).unwrap()).unwrap();
    for _ in 0..60 {
        ask(question(known));
    }
    let last = ask(wrong(other));
    let usage = || visitor.get("/api/usage").unwrap().expect(200).unwrap();
    let counts = |usage: &Value| -> Vec<(String, i64)> {
        let days = usage["days"].as_array().unwrap().iter();
        days.map(|day| (text(&day["code"]), day["count"].as_i64().unwrap())).collect()
    };
    let expected = [("1".to_owned(), 60), ("2".to_owned(), 1)];
    assert_eq!(counts(&usage()), expected);
    // The same when they were added up, and when more came after it.
    let tend = || app.chayan(&["tend-calls"]);
    assert_eq!(tend(), (true, "61 calls added up, 0 jti forgotten\n".into()));
    assert_eq!(counts(&usage()), expected);
    ask(question(known));
    assert_eq!(counts(&usage()), [("1".to_owned(), 61), ("2".to_owned(), 1)]);
    assert_eq!(tend(), (true, "1 calls added up, 0 jti forgotten\n".into()));
    assert_eq!(counts(&usage()), [("1".to_owned(), 61), ("2".to_owned(), 1)]);
    // The list, page by page, without a national ID.
    let page = |before: &str| {
        visitor.get(&format!("/api/usage/calls{before}")).unwrap().expect(200).unwrap()
    };
    let first = page("");
    let calls = first["calls"].as_array().unwrap();
    assert_eq!((calls.len(), &calls[0]["code"], &calls[1]["code"]), (50, &json!("1"), &json!("2")));
    assert_eq!(calls[1]["requestId"], last.header("x-request-id").unwrap());
    // Finer times might tell what was done for an answer.
    assert!(calls.iter().all(|call| call["milliseconds"].as_u64() > Some(0)), "{calls:?}");
    assert_eq!(calls[0]["person"], calls[2]["person"]);
    assert_ne!(calls[0]["person"], calls[1]["person"]);
    let rest = page(&format!("?before={}", first["before"]));
    assert_eq!((rest["calls"].as_array().unwrap().len(), &rest["before"]), (12, &Value::Null));
    let csv = visitor.get("/api/usage/calls.csv").unwrap();
    assert_eq!(csv.text.lines().count(), 63);
    let took = |line: &str| line.rsplit(',').next().unwrap().parse::<u64>();
    assert!(csv.text.lines().skip(1).all(|line| took(line).is_ok_and(|took| took > 0)));
    for card in &app.demo.id_cards {
        assert!(
            !csv.text.contains(&card.person_id) && !first.to_string().contains(&card.person_id)
        );
    }
    assert_eq!(app.visitor().get("/api/usage").unwrap().code(), "not-signed-in");
    assert_eq!(app.officer().get("/api/usage/calls").unwrap().code(), "not-allowed");
    let mut stranger = app.visitor();
    let card = app.card("company-2");
    stranger.sign_in_as_company(&card, test_pki::demo::SYSTEM_COMPANY.1).unwrap();
    assert_eq!(stranger.get("/api/usage").unwrap().code(), "account-state");
}

#[test]
fn a_monitor_reads_counters_of_all_calls_and_nobody_else_does() {
    let app = TestApp::start();
    let (visitor, _, caller) = app.approved();
    let [known, other] = [&app.demo.id_cards[0], &app.demo.id_cards[1]];
    let ask = |question: Question<'_>| {
        visitor.verify(&caller.token(question, Timestamp::now()).unwrap()).unwrap();
    };
    let key = app.variable("monitor_key");
    let read = |key: &str| {
        let header = format!("Bearer {key}");
        visitor.get_with("/operate/metrics", &[("authorization", header.as_str())]).unwrap()
    };
    let lines = || -> Vec<String> {
        let answer = read(&key);
        assert_eq!(answer.status, 200, "{}", answer.text);
        let kind = answer.header("content-type").unwrap();
        assert!(kind.starts_with("application/openmetrics-text; version=1.0.0"), "{kind}");
        assert!(answer.text.ends_with("# EOF\n"));
        answer.text.lines().map(str::to_owned).collect()
    };
    let has = |lines: &[String], line: &str| lines.iter().any(|found| found == line);
    // A good form even before the first call.
    assert!(has(&lines(), "chayan_call_duration_seconds_count 0"));
    for _ in 0..5 {
        ask(question(known));
    }
    ask(wrong(other));
    visitor.verify("nonsense").unwrap();
    visitor.verify("nonsense").unwrap();
    // The same before calls were added up, after it, and when more came since.
    for round in 0..3 {
        let lines = lines();
        let matches = if round == 2 { 6 } else { 5 };
        for line in [
            &format!("chayan_calls_total{{outcome=\"1\"}} {matches}"),
            "chayan_calls_total{outcome=\"2\"} 1",
            "chayan_refused_requests_total{reason=\"token\"} 2",
            &format!("chayan_call_duration_seconds_count {}", matches + 1),
            &format!("chayan_call_duration_seconds_bucket{{le=\"+Inf\"}} {}", matches + 1),
        ] {
            assert!(has(&lines, line), "{line}: {lines:#?}");
        }
        // Buckets hold all that is faster; none comes twice.
        let buckets: Vec<u64> = lines
            .iter()
            .filter(|line| line.starts_with("chayan_call_duration_seconds_bucket"))
            .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
            .collect();
        assert_eq!(buckets.len(), domain::CALL_DURATIONS.len());
        assert!(buckets.is_sorted(), "{buckets:?}");
        match round {
            0 => assert!(app.chayan(&["tend-calls"]).0),
            1 => ask(question(known)),
            _ => {}
        }
    }
    // Nothing of any account or person.
    let whole = lines().join("\n");
    for secret in [&caller.ap_id, &caller.org_id, &known.person_id] {
        assert!(!whole.contains(secret), "{whole}");
    }
    for key in ["", "x", &app.variable("refresh_key")] {
        assert_eq!(read(key).code(), "not-allowed");
    }
    assert_eq!(visitor.post("/operate/metrics", &json!({})).unwrap().status, 405);
}

#[test]
fn without_a_monitors_key_there_are_no_counters() {
    let mut app = TestApp::start();
    app.set_variable("monitor_key", "");
    app.restart();
    let header = [("authorization", "Bearer ")];
    assert_eq!(app.visitor().get_with("/operate/metrics", &header).unwrap().status, 404);
}

#[test]
fn a_token_that_is_over_is_forgotten_and_refused_by_its_time() {
    let mut app = TestApp::start();
    let (mut visitor, _, caller) = app.approved();
    let known = app.demo.id_cards[0].clone();
    let earlier = Timestamp::now() - SignedDuration::from_mins(30);
    app.restart_with(&["--now", &earlier.to_string()]);
    visitor.base = app.visitor().base;
    let token = caller.token(question(&known), earlier).unwrap();
    assert_eq!(visitor.verify(&token).unwrap().status, 200);
    assert_eq!(app.chayan(&["tend-calls"]), (true, "1 calls added up, 1 jti forgotten\n".into()));
    assert_eq!(app.count("calls", "SELECT count(*) FROM calls WHERE jti IS NULL"), 1);
    app.restart_with(&[]);
    visitor.base = app.visitor().base;
    assert_eq!(visitor.verify(&token).unwrap().body["message"], "token expired");
}

#[test]
fn a_company_switches_test_mode_and_the_log_says_so() {
    let app = TestApp::start();
    let (visitor, _, caller) = app.approved();
    let case = &domain::sandbox_cases()[6];
    let data = visitor.get("/api/test-data").unwrap().expect(200).unwrap();
    assert_eq!(
        data["cases"][6],
        json!({ "personId": case.person_id, "code": "7", "word": "已登錄掛失" })
    );
    let ask = || {
        let question = Question {
            person_id: &case.person_id,
            apply_code: "1",
            apply_yyymmdd: "0940105",
            issue_site_id: "63000",
        };
        let answer = visitor.verify(&caller.token(question, Timestamp::now()).unwrap()).unwrap();
        test_pki::story::answer_code(&answer).to_owned()
    };
    let set = |sandbox: bool| {
        let body = json!({ "sandbox": sandbox, "changeCodes": false });
        visitor.post("/api/usage/settings", &body).unwrap().status
    };
    assert_eq!(set(true), 204);
    assert_eq!(ask(), "7");
    assert_eq!(set(false), 204);
    assert_eq!(ask(), "2");
    let acts = "SELECT count(*) FROM audit_log WHERE act = 'calls-set'";
    assert_eq!(app.count("default", acts), 2);
    assert_eq!(visitor.post("/api/usage/settings", &json!({})).unwrap().status, 400);
    let nobody =
        app.visitor().post("/api/usage/settings", &json!({ "sandbox": true, "changeCodes": true }));
    assert_eq!(nobody.unwrap().code(), "not-signed-in");
}

#[test]
fn calls_in_test_mode_are_told_apart_everywhere() {
    let app = TestApp::start();
    let (visitor, _, caller) = app.approved();
    let ask = |person: &str| {
        let question = Question {
            person_id: person,
            apply_code: "1",
            apply_yyymmdd: "0940105",
            issue_site_id: "63000",
        };
        visitor.verify(&caller.token(question, Timestamp::now()).unwrap()).unwrap()
    };
    set(&app, "sandbox = 1");
    let cases = domain::sandbox_cases();
    for case in &cases {
        ask(&case.person_id);
    }
    set(&app, "sandbox = 0");
    let card = &app.demo.id_cards[0];
    visitor.verify(&caller.token(question(card), Timestamp::now()).unwrap()).unwrap();
    let key = format!("Bearer {}", app.variable("monitor_key"));
    let read = || visitor.get_with("/operate/metrics", &[("authorization", &key)]).unwrap().text;
    // The same before calls were added up and after it.
    for _ in 0..2 {
        let told = read();
        for line in [
            "chayan_calls_total{outcome=\"1\"} 1",
            "chayan_test_calls_total{outcome=\"1\"} 1",
            "chayan_test_calls_total{outcome=\"4\"} 1",
            "chayan_call_duration_seconds_count 1",
        ] {
            assert!(told.lines().any(|found| found == line), "{line}: {told}");
        }
        for absent in ["chayan_calls_total{outcome=\"4\"}", "chayan_refused_requests_total{"] {
            assert!(!told.lines().any(|found| found.starts_with(absent)), "{absent}: {told}");
        }
        let usage = visitor.get("/api/usage").unwrap().expect(200).unwrap();
        let days = usage["days"].as_array().unwrap();
        let real: Vec<_> = days.iter().filter(|day| day["sandbox"] == false).collect();
        assert_eq!(
            (real.len(), &real[0]["code"], &real[0]["word"]),
            (1, &json!("1"), &json!("相符"))
        );
        assert!(days.iter().any(|day| day["word"] == "已登錄掛失（測試模式）"), "{usage}");
        let refused = usage["refusals"].as_array().unwrap();
        assert!(!refused.is_empty() && refused.iter().all(|one| one["sandbox"] == true), "{usage}");
        assert!(app.chayan(&["tend-calls"]).0);
    }
    let calls = visitor.get("/api/usage/calls").unwrap().expect(200).unwrap();
    assert_eq!(
        (&calls["calls"][0]["sandbox"], &calls["calls"][1]["sandbox"]),
        (&json!(false), &json!(true))
    );
    // Officers see what was real.
    let ubn = test_pki::demo::COMPANY.1;
    let officer = app.officer();
    let page = officer.get(&format!("/api/review/accounts/{ubn}")).unwrap().expect(200).unwrap();
    assert_eq!((&page["calls"]["count"], &page["calls"]["wrong"]), (&json!(1), &json!(0)));
}

#[test]
fn a_large_backlog_is_tended_while_calls_go_on() {
    let app = TestApp::start();
    let (visitor, _, caller) = app.approved();
    set(&app, "calls_per_minute = 600000, burst = 100000");
    let at = (Timestamp::now() - SignedDuration::from_hours(1)).as_microsecond();
    let count = 200_000;
    let put = format!(
        "WITH RECURSIVE numbers (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})
        INSERT INTO calls (account, number, at, outcome, request, jti, token, user_id, took, due, sandbox)
        SELECT '{}', n, {at}, '1', zeroblob(16), randomblob(16), randomblob(16), 'u', 7, 0, 0 FROM numbers",
        caller.ap_id
    );
    app.database("calls").execute_batch(&put).unwrap();
    let (mut slowest, mut made) = (std::time::Duration::ZERO, 0);
    std::thread::scope(|scope| {
        let tending = [(); 2].map(|()| scope.spawn(|| app.chayan(&["tend-calls"])));
        while tending.iter().any(|one| !one.is_finished()) {
            let token = caller.token(question(&app.demo.id_cards[0]), Timestamp::now()).unwrap();
            let begun = std::time::Instant::now();
            assert_eq!(test_pki::story::answer_code(&visitor.verify(&token).unwrap()), "1");
            slowest = slowest.max(begun.elapsed());
            made += 1;
        }
        for one in tending {
            let (done, said) = one.join().unwrap();
            assert!(done, "{said}");
        }
    });
    assert!(made > 20 && slowest < std::time::Duration::from_secs(2), "{made}: {slowest:?}");
    // Two at once count nothing twice.
    assert!(app.chayan(&["tend-calls"]).0);
    assert_eq!(app.count("calls", "SELECT sum(calls) FROM tallies"), count + made);
    assert_eq!(app.count("calls", "SELECT sum(calls) FROM totals"), count + made);
    println!("{made} calls, the slowest took {slowest:?}");
}

#[test]
fn the_service_is_ready_when_the_call_has_all_that_it_needs() {
    let app = TestApp::start();
    let ready = || app.visitor().get("/api/status").unwrap().expect(200).unwrap()["ready"].clone();
    assert_eq!(ready(), true);
    for label in ["register", "attempts", "calls"] {
        let database = app.database(label);
        database.execute_batch("ALTER TABLE schema_steps RENAME TO elsewhere").unwrap();
        assert_eq!(ready(), false, "{label}");
        database.execute_batch("ALTER TABLE elsewhere RENAME TO schema_steps").unwrap();
        assert_eq!(ready(), true, "{label}");
    }
}

#[test]
fn an_outage_is_announced_before_it_begins() {
    let app = TestApp::start();
    let status = || app.visitor().get("/api/status").unwrap().expect(200).unwrap();
    let before = status();
    assert_eq!((&before["ready"], &before["outages"]), (&json!(true), &json!([])));
    let at = |minutes| (Timestamp::now() + SignedDuration::from_mins(minutes)).to_string();
    let announce = |from: &str, until: &str, note: &str| {
        app.chayan(&["announce-outage", "--from", from, "--until", until, "--note", note]).0
    };
    assert!(!announce(&at(60), &at(30), "顛倒"));
    assert!(announce(&at(60), &at(120), "資料庫維護"));
    assert!(announce(&at(-10), &at(10), "<b>進行中</b>"));
    assert!(announce(&at(-20), &at(-10), "已結束"));
    let outages = status()["outages"].clone();
    assert_eq!(outages.as_array().unwrap().len(), 2);
    assert_eq!((&outages[0]["underWay"], &outages[1]["underWay"]), (&json!(true), &json!(false)));
    assert_eq!(outages[1]["note"], "資料庫維護");
}
