//! The verification call (A18, A19).

use http_tests::{TestApp, at_once, question, wrong};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use test_pki::story::answer_code;

#[test]
fn answers_have_five_members_whatever_happens() {
    let app = TestApp::start();
    let (visitor, _, caller) = app.approved();
    let card = &app.demo.id_cards[0];
    let now = Timestamp::now();
    let good = visitor.verify(&caller.token(question(card), now).unwrap()).unwrap();
    assert_eq!(
        good.body,
        json!({
            "httpCode": "200", "httpMessage": "OK", "rdCode": "RS7009", "rdMessage": "查詢作業完成",
            "responseData": {"checkIdCardApply": "1"},
        })
    );
    let slash = visitor
        .get_with(
            "/integration/rwv2c2/",
            &[("authorization", &format!("Bearer {}", caller.token(question(card), now).unwrap()))],
        )
        .unwrap();
    assert_eq!(answer_code(&slash), "1");
    for (path, headers, status) in [
        ("/integration/rwv2c2", vec![], 401),
        ("/integration/rwv2c2", vec![("authorization", "Bearer x")], 401),
        ("/integration/rwv2c2/more", vec![], 404),
    ] {
        let answer = visitor.get_with(path, &headers).unwrap();
        assert_eq!(answer.status, status);
        for member in ["httpCode", "httpMessage", "rdCode", "rdMessage", "message"] {
            assert!(answer.body[member].is_string(), "{member}: {}", answer.text);
        }
        assert!(answer.body["responseData"].is_object());
        assert_eq!(answer.header("x-request-id").map(str::len), Some(32));
    }
    assert_eq!(visitor.post("/integration/rwv2c2", &json!({})).unwrap().status, 405);
}

#[test]
fn claims_are_judged() {
    let app = TestApp::start();
    let (visitor, _, caller) = app.approved();
    let card = &app.demo.id_cards[0];
    let now = Timestamp::now();
    let with = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut claims = caller.claims(question(card), now);
        change(&mut claims);
        let answer = visitor.verify(&caller.sign(&claims).unwrap()).unwrap();
        (answer.status, answer.body["rdCode"].as_str().unwrap_or_default().to_owned())
    };
    let seconds = now.as_second();
    assert_eq!(with(&|_| ()), (200, "RS7009".into()));
    assert_eq!(with(&|claims| claims["apId"] = "XXXXX".into()), (200, "RS3811".into()));
    assert_eq!(with(&|claims| claims["orgId"] = "04595257".into()), (200, "RS3811".into()));
    assert_eq!(with(&|claims| claims["conditionMap"] = "{}".into()), (200, "RS3822".into()));
    assert_eq!(with(&|claims| claims["iss"] = "nobody".into()), (401, String::new()));
    assert_eq!(with(&|claims| claims["jobId"] = "V2C202".into()), (401, String::new()));
    assert_eq!(with(&|claims| claims["exp"] = (seconds - 120).into()), (401, String::new()));
    assert_eq!(with(&|claims| claims["iat"] = (seconds + 120).into()), (401, String::new()));
    assert_eq!(with(&|claims| claims["exp"] = (seconds + 3600).into()), (401, String::new()));
    assert_eq!(with(&|claims| claims["exp"] = "soon".into()), (401, String::new()));
    // Whoever asks badly costs nobody a try.
    assert_eq!(app.count("attempts", "SELECT count(*) FROM wrong_answers"), 0);
}

#[test]
fn what_is_wrong_with_the_conditions_is_named_each_time_and_costs_no_try() {
    let app = TestApp::start();
    let (visitor, _, caller) = app.approved();
    let good = json!({
        "personId": "A123456789", "applyCode": "1", "applyYyymmdd": "0940105",
        "issueSiteId": "63000",
    });
    let changed = |member: &str, value: serde_json::Value| {
        let mut map = good.clone();
        map[member] = value;
        map.to_string()
    };
    let mut missing = good.clone();
    missing.as_object_mut().unwrap().remove("applyCode");
    let twice = good.to_string().replacen('{', r#"{"applyCode":"1","#, 1);
    for (map, member) in [
        (changed("applyCode", 3.into()), "applyCode"),
        (missing.to_string(), "applyCode"),
        (changed("issueSiteId", 10001.into()), "issueSiteId"),
        (changed("issueSiteId", json!(null)), "issueSiteId"),
        (changed("personId", "A12345678".into()), "personId"),
        (changed("birthDate", "0700101".into()), "birthDate"),
        (twice, "applyCode"),
        ("{}".into(), "conditionMap"),
    ] {
        let mut claims = caller.claims(question(&app.demo.id_cards[0]), Timestamp::now());
        claims["conditionMap"] = map.clone().into();
        let token = caller.sign(&claims).unwrap();
        // When it comes again too, on either endpoint.
        for _ in 0..2 {
            let answer = visitor.verify(&token).unwrap();
            assert_eq!((answer.status, &answer.body["rdCode"]), (200, &json!("RS3822")), "{map}");
            let message = format!("查詢條件值,不符規定 ({member})");
            assert_eq!(answer.body["rdMessage"], message, "{map}");
        }
        let answer = visitor
            .post("/integration/v2/verifications", &json!({ "token": format!(" {token}\n") }))
            .unwrap();
        assert_eq!((answer.status, &answer.body["errors"][0]["field"]), (422, &json!(member)));
    }
    assert_eq!(app.count("attempts", "SELECT count(*) FROM wrong_answers"), 0);
    // A name of the client's own making is told, and not kept.
    let kept = "SELECT count(*) FROM calls WHERE outcome LIKE '%birthDate%'";
    assert_eq!(app.count("calls", kept), 0);
}

#[test]
fn only_the_registered_address_is_answered() {
    let mut app = TestApp::start();
    let (mut visitor, _, caller) = app.approved();
    let card = &app.demo.id_cards[0].clone();
    app.restart_with(&["--trusted-proxy", "127.0.0.1"]);
    visitor.base = app.visitor().base;
    let from = |headers: &[(&str, &str)]| {
        let authorization =
            format!("Bearer {}", caller.token(question(card), Timestamp::now()).unwrap());
        let mut all = vec![("authorization", authorization.as_str())];
        all.extend_from_slice(headers);
        visitor.get_with("/integration/rwv2c2", &all).unwrap().status
    };
    assert_eq!(from(&[("x-forwarded-for", "203.0.113.9")]), 403);
    // The client's own claims stand left of the proxy's.
    assert_eq!(from(&[("x-forwarded-for", "127.0.0.1, 203.0.113.9")]), 403);
    assert_eq!(
        from(&[("x-forwarded-for", "203.0.113.9"), ("spin-client-addr", "127.0.0.1:1")]),
        403
    );
    // A proxy that names no client does not stand for one.
    assert_eq!(from(&[]), 400);
    assert_eq!(from(&[("forwarded", "for=127.0.0.1")]), 400);
    // Without a trusted proxy nobody's word counts.
    app.restart_with(&[]);
    visitor.base = app.visitor().base;
    let authorization =
        format!("Bearer {}", caller.token(question(card), Timestamp::now()).unwrap());
    for header in ["x-forwarded-for", "x-real-ip", "forwarded", "spin-client-addr"] {
        let headers = [("authorization", authorization.as_str()), (header, "203.0.113.9")];
        let answer = visitor.get_with("/integration/rwv2c2", &headers).unwrap();
        assert_eq!(answer.status, 200, "{header}");
    }
}

#[test]
fn of_64_wrong_calls_at_once_exactly_three_are_compared() {
    let app = TestApp::start();
    let (visitor, _, caller) = app.approved();
    let card = &app.demo.id_cards[1];
    let now = Timestamp::now();
    let tokens: Vec<String> = (0..64).map(|_| caller.token(wrong(card), now).unwrap()).collect();
    let answers = at_once(64, |index| visitor.verify(&tokens[index]).unwrap());
    let count = |code: &str| answers.iter().filter(|answer| answer_code(answer) == code).count();
    assert_eq!((count("2"), count("3"), count("4"), count("5")), (1, 1, 1, 61));
    assert_eq!(app.count("attempts", "SELECT wrong FROM wrong_answers"), 3);
    // The lock is everybody's, and ends at midnight in Taipei.
    assert_eq!(
        answer_code(&visitor.verify(&caller.token(question(card), now).unwrap()).unwrap()),
        "5"
    );
}

#[test]
fn a_right_answer_waits_behind_wrong_ones_that_asked_before() {
    let app = TestApp::start();
    let (visitor, _, caller) = app.approved();
    let card = &app.demo.id_cards[1];
    let now = Timestamp::now();
    // Another process holds the counters' write lock, so that wrong answers pile up.
    let blocker = app.database("attempts");
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let wrong_tokens: Vec<_> = (0..8).map(|_| caller.token(wrong(card), now).unwrap()).collect();
    let right = caller.token(question(card), now).unwrap();
    std::thread::scope(|scope| {
        let waiting: Vec<_> = wrong_tokens
            .iter()
            .map(|token| scope.spawn(|| visitor.verify(token).unwrap()))
            .collect();
        std::thread::sleep(std::time::Duration::from_millis(300));
        let last = scope.spawn(|| visitor.verify(&right).unwrap());
        std::thread::sleep(std::time::Duration::from_millis(300));
        assert!(!last.is_finished(), "nothing is revealed while others wait");
        blocker.execute_batch("COMMIT").unwrap();
        assert_eq!(answer_code(&last.join().unwrap()), "5");
        let codes: Vec<_> = waiting
            .into_iter()
            .map(|thread| answer_code(&thread.join().unwrap()).to_owned())
            .collect();
        assert_eq!(codes.iter().filter(|code| *code != "5").count(), 3, "{codes:?}");
    });
}

#[test]
fn the_count_begins_anew_at_midnight_in_taipei() {
    let mut app = TestApp::start();
    let (mut visitor, _, caller) = app.approved();
    let card = app.demo.id_cards[1].clone();
    let midnight = domain::TaipeiDay::of(Timestamp::now()).ends_at();
    let before = midnight - SignedDuration::from_secs(20);
    app.restart_with(&["--now", &before.to_string()]);
    visitor.base = app.visitor().base;
    let ask = |visitor: &test_pki::client::Visitor, token: &str| {
        answer_code(&visitor.verify(token).unwrap()).to_owned()
    };
    let tokens = [(); 4].map(|()| caller.token(wrong(&card), before).unwrap());
    assert_eq!(tokens.each_ref().map(|token| ask(&visitor, token)), ["2", "3", "4", "5"]);
    let after = midnight + SignedDuration::from_secs(1);
    app.restart_with(&["--now", &after.to_string()]);
    visitor.base = app.visitor().base;
    // Tokens of yesterday have yesterday's answers, also those whose calls the power took, and one
    // whose process died before it had its outcome; none counts today.
    let database = app.database("calls");
    database.execute("DELETE FROM calls WHERE number IN (1, 3)", []).unwrap();
    database.execute("UPDATE calls SET outcome = NULL WHERE number = 2", []).unwrap();
    assert_eq!(tokens.each_ref().map(|token| ask(&visitor, token)), ["2", "3", "4", "5"]);
    assert_eq!(app.count("attempts", "SELECT count(*) FROM wrong_answers"), 1);
    let path = "/integration/v2/verifications";
    let locked = visitor.post(path, &json!({ "token": tokens[3] })).unwrap();
    let until: Timestamp = http_tests::text(&locked.body["lockedUntil"]).parse().unwrap();
    assert_eq!((locked.status, domain::TaipeiDay::of(until)), (423, domain::TaipeiDay::of(after)));
    assert_eq!(until, midnight, "it is over");
    assert_eq!(ask(&visitor, &caller.token(wrong(&card), after).unwrap()), "2");
}

#[test]
fn a_stopped_account_gets_no_answer_and_a_new_address_counts_at_once() {
    let app = TestApp::start();
    let (visitor, card, caller) = app.approved();
    let known = &app.demo.id_cards[0];
    let ask = || visitor.verify(&caller.token(question(known), Timestamp::now()).unwrap()).unwrap();
    let answered = caller.token(question(known), Timestamp::now()).unwrap();
    assert_eq!(answer_code(&visitor.verify(&answered).unwrap()), "1");
    let (name, ubn) = test_pki::demo::COMPANY;
    let change = test_pki::client::form("data-change", name, ubn, "127.0.0.77");
    let receipt = visitor.apply(&card, change).unwrap().expect(201).unwrap();
    assert_eq!(answer_code(&ask()), "1", "until it is approved the old address counts");
    app.decides(&http_tests::text(&receipt["serialNumber"]), "approve");
    assert_eq!(ask().status, 403);
    app.database("default")
        .execute("UPDATE accounts SET host_address = '127.0.0.1', status = 'suspended'", [])
        .unwrap();
    assert_eq!(answer_code(&ask()), "8");
    // A token that was answered before has its answer: nothing new is told.
    assert_eq!(answer_code(&visitor.verify(&answered).unwrap()), "1");
    app.database("default").execute("UPDATE accounts SET status = 'stopped'", []).unwrap();
    assert_eq!(ask().status, 401);
    assert_eq!(visitor.verify(&answered).unwrap().status, 401);
}

#[test]
fn no_national_id_can_be_read_at_rest() {
    let app = TestApp::start();
    let (visitor, _, caller) = app.approved();
    for card in &app.demo.id_cards {
        visitor.verify(&caller.token(wrong(card), Timestamp::now()).unwrap()).unwrap();
    }
    for entry in std::fs::read_dir(app.dir.join("data")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        for card in &app.demo.id_cards {
            let id = card.person_id.as_bytes();
            assert!(!bytes.windows(id.len()).any(|window| window == id), "{}", path.display());
        }
    }
}
