//! Exactness of the verification call (A18, A19): tokens that come again, many at once, kills,
//! limits, test data.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base64::Engine;
use domain::NationalId;
use http_tests::{TestApp, at_once, question, wrong};
use jiff::Timestamp;
use serde_json::{Value, json};
use test_pki::client::{Answer, Visitor};
use test_pki::story::answer_code;
use test_pki::token::{Caller, Question};

/// A question about a fictional person, who is in no register.
fn about(person_id: &str) -> Question<'_> {
    Question { person_id, apply_code: "1", apply_yyymmdd: "0940105", issue_site_id: "63000" }
}

fn person(number: u32) -> String {
    NationalId::with_check_digit(b'B', 2, number)
}

fn set(app: &TestApp, what: &str) {
    app.database("default").execute(&format!("UPDATE accounts SET {what}"), []).unwrap();
}

const UNLIMITED: &str = "calls_per_minute = 60000000, burst = 1000000";

#[test]
fn a_token_that_comes_again_gets_its_answer_again_and_counts_once() {
    let mut app = TestApp::start();
    let (mut visitor, _, caller) = app.approved();
    let card = app.demo.id_cards[0].clone();
    let now = Timestamp::now();
    let right = caller.token(question(&card), now).unwrap();
    let ask =
        |visitor: &Visitor, token: &str| answer_code(&visitor.verify(token).unwrap()).to_owned();
    assert_eq!(ask(&visitor, &right), "1");
    let first = caller.token(wrong(&card), now).unwrap();
    let answers = at_once(16, |_| ask(&visitor, &first));
    assert!(answers.iter().all(|code| code == "2"), "{answers:?}");
    // Also when the answer was lost with the process, and when the record of calls is gone.
    app.restart();
    visitor.base = app.visitor().base;
    assert_eq!(ask(&visitor, &first), "2");
    app.database("calls").execute("DELETE FROM calls", []).unwrap();
    assert_eq!(ask(&visitor, &first), "2");
    assert_eq!(app.count("attempts", "SELECT wrong FROM wrong_answers"), 1);
    for expected in ["3", "4", "5"] {
        assert_eq!(ask(&visitor, &caller.token(wrong(&card), now).unwrap()), expected);
    }
    // An answer that was given is given again; a new question is not compared.
    assert_eq!(ask(&visitor, &first), "2");
    assert_eq!(ask(&visitor, &caller.token(question(&card), now).unwrap()), "5");
    assert_eq!(app.count("attempts", "SELECT wrong FROM wrong_answers"), 3);
}

#[test]
fn the_same_number_on_another_token_is_refused_before_anything_is_compared() {
    let app = TestApp::start();
    let (visitor, _, caller) = app.approved();
    let card = &app.demo.id_cards[0];
    let mut claims = caller.claims(question(card), Timestamp::now());
    let token = caller.sign(&claims).unwrap();
    assert_eq!(answer_code(&visitor.verify(&token).unwrap()), "1");
    claims["conditionMap"] = caller.claims(wrong(card), Timestamp::now())["conditionMap"].clone();
    let other = visitor.verify(&caller.sign(&claims).unwrap()).unwrap();
    assert_eq!(
        (other.status, &other.body["message"]),
        (401, &json!("jti was used by another token"))
    );
    assert_eq!(app.count("attempts", "SELECT count(*) FROM wrong_answers"), 0);
    assert_eq!(answer_code(&visitor.verify(&token).unwrap()), "1");
    let reused = "SELECT count FROM refusals WHERE reason = 'jti'";
    assert_eq!(app.count("calls", reused), 1);
}

#[test]
fn of_64_tokens_with_one_number_at_once_one_is_compared() {
    let app = TestApp::start();
    let (visitor, _, caller) = app.approved();
    for round in 1..=5 {
        let now = Timestamp::now();
        let tokens: Vec<String> = (0..64)
            .map(|number| {
                let mut claims = caller.claims(about(&person(round * 100 + number)), now);
                claims["jti"] = format!("the-same-{round}").into();
                caller.sign(&claims).unwrap()
            })
            .collect();
        let answers = at_once(64, |index| visitor.verify(&tokens[index]).unwrap());
        let compared: Vec<_> = (0..64).filter(|index| answers[*index].status == 200).collect();
        assert_eq!(compared.len(), 1);
        assert_eq!(answer_code(&answers[compared[0]]), "2");
        assert_eq!(answers.iter().filter(|answer| answer.status == 401).count(), 63);
        // Nobody else lost a try, and it is in the record and paid.
        let round = i64::from(round);
        assert_eq!(app.count("attempts", "SELECT sum(wrong) FROM wrong_answers"), round);
        assert_eq!(app.count("calls", "SELECT count(*) FROM calls WHERE outcome = '2'"), round);
        assert_eq!(app.count("calls", "SELECT count(*) FROM calls"), round);
        assert_eq!(app.count("calls", "SELECT sum(count) FROM refusals"), round * 63);
        assert_eq!(answer_code(&visitor.verify(&tokens[compared[0]]).unwrap()), "2");
    }
}

/// What a process leaves that dies after it has kept a call, before the outcome is there.
#[test]
fn a_call_whose_process_died_goes_on_with_its_own_token_and_no_other() {
    let app = TestApp::start();
    let (visitor, _, caller) = app.approved();
    let card = &app.demo.id_cards[0];
    let now = Timestamp::now();
    let ask = |token: &str| answer_code(&visitor.verify(token).unwrap()).to_owned();
    let [first, second, third, fourth] = [(); 4].map(|()| caller.token(wrong(card), now).unwrap());
    let right = caller.token(question(card), now).unwrap();
    assert_eq!((ask(&right), ask(&first)), ("1".into(), "2".into()));
    let (calls, attempts) = (app.database("calls"), app.database("attempts"));
    let open = |number: i64| {
        calls.execute("UPDATE calls SET outcome = NULL WHERE number = ?1", [number]).unwrap();
    };
    // It died before the answer was counted.
    open(2);
    attempts.execute("DELETE FROM wrong_answers", []).unwrap();
    let payload = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(first.split('.').nth(1).unwrap());
    let mut claims: Value = serde_json::from_slice(&payload.unwrap()).unwrap();
    claims["conditionMap"] = caller.claims(question(card), now)["conditionMap"].clone();
    let other = visitor.verify(&caller.sign(&claims).unwrap()).unwrap();
    assert_eq!(other.status, 401, "the same jti with other content: {}", other.text);
    assert_eq!(app.count("attempts", "SELECT count(*) FROM wrong_answers"), 0);
    // Nobody was answered: it counts for nothing but the limit.
    assert_eq!(app.chayan(&["tend-calls"]).1, "1 calls added up, 0 jti forgotten\n");
    let due = app.count("calls", "SELECT max(due) FROM calls");
    assert_eq!(ask(&first), "2");
    assert_eq!(app.count("calls", "SELECT max(due) FROM calls"), due, "it is not paid again");
    assert_eq!(app.chayan(&["tend-calls"]).1, "1 calls added up, 0 jti forgotten\n");
    // It died after that.
    open(2);
    let answers = at_once(16, |_| ask(&first));
    assert!(answers.iter().all(|code| code == "2"), "{answers:?}");
    assert_eq!(app.count("attempts", "SELECT wrong FROM wrong_answers"), 1);
    assert_eq!((ask(&second), ask(&third), ask(&fourth)), ("3".into(), "4".into(), "5".into()));
    // Locked meanwhile: who was counted keeps the place, a right one is not revealed.
    for number in 1..=5 {
        open(number);
    }
    let codes = [&right, &fourth, &third, &second, &first].map(|token| ask(token));
    assert_eq!(codes, ["5", "5", "4", "3", "2"]);
    assert_eq!(app.count("calls", "SELECT count(*) FROM calls"), 5);
}

/// So that nothing tells right data from wrong ones, not even the time that the answer takes.
#[test]
fn after_the_third_neither_the_register_nor_the_counters_are_asked() {
    let app = TestApp::start();
    let (visitor, _, caller) = app.approved();
    set(&app, UNLIMITED);
    let card = &app.demo.id_cards[0];
    let ask = |question| {
        let token = caller.token(question, Timestamp::now()).unwrap();
        let begun = std::time::Instant::now();
        let answer = visitor.verify(&token).unwrap();
        (begun.elapsed(), answer.status, answer.body["responseData"]["checkIdCardApply"].clone())
    };
    for code in ["2", "3", "4"] {
        assert_eq!(ask(wrong(card)).2, code);
    }
    let rename = |label: &str, sql: &str| app.database(label).execute_batch(sql).unwrap();
    rename("register", "ALTER TABLE id_cards RENAME TO elsewhere");
    rename("attempts", "ALTER TABLE wrong_answers RENAME TO elsewhere");
    assert_eq!(ask(question(&app.demo.id_cards[1])).1, 503, "others need them");
    let mut took = [Vec::new(), Vec::new()];
    for _ in 0..300 {
        for (took, question) in took.iter_mut().zip([question(card), wrong(card)]) {
            let (time, status, code) = ask(question);
            assert_eq!((status, code), (200, json!("5")));
            took.push(time);
        }
    }
    let medians = took.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2].as_micros()
    });
    println!("locked, right and wrong data: {medians:?} us");
}

#[test]
fn of_64_wrong_calls_at_once_exactly_three_are_compared_in_each_of_200_rounds() {
    let app = TestApp::start();
    let (visitor, _, caller) = app.approved();
    set(&app, UNLIMITED);
    for round in 0..200 {
        let id = person(round);
        let now = Timestamp::now();
        let answers = at_once(64, |_| {
            let token = caller.token(about(&id), now).unwrap();
            answer_code(&visitor.verify(&token).unwrap()).to_owned()
        });
        let count = |code: &str| answers.iter().filter(|answer| *answer == code).count();
        assert_eq!((count("2"), count("3"), count("4"), count("5")), (1, 1, 1, 61), "{round}");
    }
    assert_eq!(app.count("attempts", "SELECT count(*) FROM wrong_answers WHERE wrong = 3"), 200);
    assert_eq!(app.count("calls", "SELECT count(*) FROM calls"), 200 * 64);
}

/// Wrong calls until the host dies: what each token was answered. A token without an answer
/// is asked again by whoever comes next.
fn calls_until_killed(
    visitor: &Visitor,
    caller: &Caller,
    persons: &mut std::ops::RangeFrom<u32>,
    open: &mut Option<(u32, String)>,
    answers: &mut Vec<(u32, String, char)>,
) {
    let mut number = open.as_ref().map_or_else(|| persons.next().unwrap(), |(number, _)| *number);
    loop {
        let (about_whom, token) = open.take().unwrap_or_else(|| {
            (number, caller.token(about(&person(number)), Timestamp::now()).unwrap())
        });
        match visitor.verify(&token) {
            Ok(answer) if answer.status == 200 => {
                let code = answer_code(&answer).chars().next().unwrap();
                answers.push((about_whom, token, code));
                if code == '5' {
                    number = persons.next().unwrap();
                }
            }
            // Nobody knows whether it was counted: the same token is sent again.
            _ => {
                *open = Some((about_whom, token));
                return;
            }
        }
    }
}

#[test]
fn over_200_kills_nobody_gets_a_fourth_comparison() {
    let mut app = TestApp::start();
    let (_, _, caller) = app.approved();
    set(&app, UNLIMITED);
    let mut persons = [1_000_000_u32.., 2_000_000_u32..];
    let mut open = [None, None];
    let mut answers = [Vec::new(), Vec::new()];
    for kill in 0..200_u64 {
        let visitor = app.visitor();
        std::thread::scope(|scope| {
            for ((persons, open), answers) in persons.iter_mut().zip(&mut open).zip(&mut answers) {
                let (visitor, caller) = (&visitor, &caller);
                scope.spawn(move || calls_until_killed(visitor, caller, persons, open, answers));
            }
            std::thread::sleep(Duration::from_millis(5 + kill * 37 % 90));
            app.kill();
        });
        app.restart();
    }
    let mut compared = BTreeMap::<u32, BTreeMap<String, BTreeSet<char>>>::new();
    let answered = answers.iter().map(Vec::len).sum::<usize>();
    for (number, token, code) in answers.into_iter().flatten().filter(|(_, _, code)| *code != '5') {
        compared.entry(number).or_default().entry(token).or_default().insert(code);
    }
    assert!(answered > 1000, "only {answered} calls were answered between the kills");
    for (number, tokens) in &compared {
        assert!(tokens.len() <= 3, "{number}: {} comparisons", tokens.len());
        let codes: Vec<_> = tokens.values().flatten().collect();
        assert_eq!(codes.len(), tokens.len(), "one answer for each token");
        assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), codes.len(), "each count once");
    }
    // Nobody lost a try by a call that is not in the record, and each call is there and paid once.
    let record = app.database("calls");
    let kept = "SELECT count(*), count(DISTINCT token), sum(outcome IS NULL) FROM calls";
    let (kept, tokens, left): (i64, i64, i64) =
        record.query_row(kept, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    assert_eq!(kept, tokens);
    let open = i64::try_from(open.iter().flatten().count()).unwrap();
    let whole = i64::try_from(answered).unwrap()..=i64::try_from(answered).unwrap() + open;
    assert!(left <= open && whole.contains(&kept), "{kept} of {whole:?}, {left} open");
    let database = app.database("attempts");
    database.execute("ATTACH ?1 AS record", [app.path("data/calls.db")]).unwrap();
    let unseen = "SELECT count(*) FROM (SELECT person, first AS token FROM wrong_answers
            UNION ALL SELECT person, second FROM wrong_answers
            UNION ALL SELECT person, third FROM wrong_answers) AS counted
        WHERE token IS NOT NULL AND NOT EXISTS (SELECT 1 FROM record.calls
            WHERE calls.token = counted.token AND calls.person = counted.person)";
    assert_eq!(database.query_row(unseen, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
    let whole: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(whole, "ok");
    println!("{answered} answers, {} persons, 200 kills", compared.len());
}

#[test]
fn an_account_makes_no_more_calls_than_it_may_and_is_warned_before() {
    let app = TestApp::start();
    let (visitor, _, caller) = app.approved();
    set(&app, "calls_per_minute = 60, burst = 10");
    let card = &app.demo.id_cards[0];
    let ask = || visitor.verify(&caller.token(question(card), Timestamp::now()).unwrap()).unwrap();
    let answers: Vec<Answer> = (0..10).map(|_| ask()).collect();
    assert!(answers.iter().all(|answer| answer_code(answer) == "1"));
    let first = &answers[0];
    assert_eq!(first.header("ratelimit-policy"), Some("\"calls\";q=60;w=60"));
    assert_eq!(first.header("ratelimit"), Some("\"calls\";r=9;t=1"));
    assert_eq!(first.header("x-ratelimit-warning"), None);
    assert!(answers[9].header("x-ratelimit-warning").is_some());
    let refused = ask();
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")));
    assert!(refused.body["responseData"].is_object(), "{}", refused.text);
    // A token that was answered is answered again, and costs nothing.
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(answer_code(&ask()), "1");
    assert_eq!(app.count("calls", "SELECT count(*) FROM calls"), 11);
    assert_eq!(app.count("calls", "SELECT count FROM refusals WHERE reason = 'rate'"), 1);
}

#[test]
fn volleys_get_no_more_than_the_limit_allows() {
    let app = TestApp::start();
    let (visitor, _, caller) = app.approved();
    let card = &app.demo.id_cards[0];
    for (number, (per_minute, burst, at_a_time)) in
        [(600, 120, 64), (60, 10, 48)].into_iter().enumerate()
    {
        set(&app, &format!("calls_per_minute = {per_minute}, burst = {burst}"));
        app.database("calls").execute_batch("DELETE FROM calls; DELETE FROM refusals").unwrap();
        let begun = std::time::Instant::now();
        let (mut answered, mut refused) = (0, 0);
        while begun.elapsed() < Duration::from_secs(6) {
            let now = Timestamp::now();
            let answers = at_once(at_a_time, |_| {
                visitor.verify(&caller.token(question(card), now).unwrap()).unwrap()
            });
            for answer in answers {
                match answer.status {
                    200 => answered += 1,
                    429 => refused += 1,
                    status => panic!("{status}: {}", answer.text),
                }
            }
        }
        let allowed =
            burst + i64::try_from(begun.elapsed().as_millis()).unwrap() * per_minute / 60_000;
        println!(
            "{per_minute} a minute, {burst} at once: {answered} of {allowed}, {refused} refused"
        );
        assert!(answered <= allowed + 1, "{answered} answered, {allowed} allowed");
        assert!(answered >= burst, "{number}: {answered}");
        // Refused calls cost nothing.
        assert_eq!(app.count("calls", "SELECT count(*) FROM calls"), answered);
        let counted = app.count("calls", "SELECT sum(count) FROM refusals WHERE reason = 'rate'");
        assert_eq!(counted, refused);
    }
}

#[test]
fn test_data_are_answered_as_published_and_touch_nothing() {
    let app = TestApp::start();
    let (visitor, _, caller) = app.approved();
    set(&app, "sandbox = 1");
    let ask =
        |id: &str| visitor.verify(&caller.token(about(id), Timestamp::now()).unwrap()).unwrap();
    let mut codes = BTreeSet::new();
    for case in domain::sandbox_cases() {
        use domain::SandboxAnswer::{Outcome, RateLimited, Unavailable};
        let answer = ask(&case.person_id);
        match case.answer {
            Outcome(domain::CallOutcome::Answered(code)) => {
                assert_eq!(answer_code(&answer), code.code().to_string());
                codes.insert(code.code());
            }
            Outcome(domain::CallOutcome::AccountMismatch) => {
                assert_eq!(answer.body["rdCode"], "RS3811");
            }
            Outcome(domain::CallOutcome::Condition(_)) => {
                assert_eq!(answer.body["rdCode"], "RS3822");
            }
            RateLimited => {
                assert_eq!((answer.status, answer.header("retry-after")), (429, Some("1")))
            }
            Unavailable => assert_eq!(answer.status, 503),
        }
    }
    assert_eq!(codes.into_iter().collect::<String>(), "123456789A");
    // A real question has no place there.
    let real = visitor
        .verify(&caller.token(question(&app.demo.id_cards[0]), Timestamp::now()).unwrap())
        .unwrap();
    assert_eq!(real.body["rdCode"], "RS3822");
    assert_eq!(app.count("attempts", "SELECT count(*) FROM wrong_answers"), 0);
}

#[test]
fn codes_9_and_a_are_for_those_who_asked_for_them() {
    let app = TestApp::start();
    let (visitor, _, caller) = app.approved();
    let card = &app.demo.id_cards[0];
    let ask = || {
        let token = caller.token(question(card), Timestamp::now()).unwrap();
        answer_code(&visitor.verify(&token).unwrap()).to_owned()
    };
    assert_eq!(ask(), "1");
    set(&app, "change_codes = 1");
    assert_eq!(ask(), "9");
    app.database("register").execute("UPDATE id_cards SET changed = 1", []).unwrap();
    assert_eq!(ask(), "A");
    set(&app, "change_codes = 0");
    assert_eq!(ask(), "1");
}

#[test]
fn the_record_of_calls_is_whole_and_names_nobody() {
    let app = TestApp::start();
    let (visitor, _, caller) = app.approved();
    let card = &app.demo.id_cards[0];
    let now = Timestamp::now();
    let answer = visitor.verify(&caller.token(question(card), now).unwrap()).unwrap();
    let request = answer.header("x-request-id").unwrap().to_owned();
    let mut claims = caller.claims(question(card), now);
    claims["conditionMap"] = Value::from("{}");
    visitor.verify(&caller.sign(&claims).unwrap()).unwrap();
    visitor.verify("no.token.at-all").unwrap();
    let database = app.database("calls");
    let mut statement = database
        .prepare("SELECT number, outcome, lower(hex(request)), person IS NULL, user_id, took > 0 FROM calls")
        .unwrap();
    type Row = (i64, String, String, bool, String, bool);
    let read = |row: &rusqlite::Row<'_>| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
    };
    let rows: Vec<Row> = statement.query_map([], read).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0], (1, "1".into(), request, false, "demo_001".into(), true));
    assert_eq!((rows[1].1.as_str(), rows[1].3), ("RS3822 conditionMap", true));
    assert_eq!(app.count("calls", "SELECT count FROM refusals WHERE account = ''"), 1);
}

#[test]
fn forty_headers_do_not_forge_the_source_address() {
    let app = TestApp::start();
    let (visitor, _, caller) = app.approved();
    set(&app, "host_address = '203.0.113.9', calls_per_minute = 60000000");
    let names = [
        "x-forwarded-for",
        "X-Forwarded-For",
        "x-real-ip",
        "forwarded",
        "spin-client-addr",
        "Spin-Client-Addr",
        "SPIN-CLIENT-ADDR",
        "x-client-ip",
        "true-client-ip",
        "cf-connecting-ip",
        "fastly-client-ip",
        "x-cluster-client-ip",
        "x-originating-ip",
        "x-remote-ip",
        "x-remote-addr",
        "x-host",
        "via",
        "x-forwarded",
        "forwarded-for",
        "x-forwarded-host",
        "spin-full-url",
        "x-envoy-external-address",
        "x-appengine-user-ip",
        "x-azure-clientip",
        "client-ip",
    ];
    let values = ["203.0.113.9", "203.0.113.9:443"];
    let mut variants: Vec<Vec<(&str, &str)>> = Vec::new();
    for name in names {
        variants.extend(values.iter().map(|value| vec![(name, *value)]));
    }
    variants.push(vec![("forwarded", "for=203.0.113.9;proto=https;by=203.0.113.9")]);
    variants
        .push(vec![("spin-client-addr", "203.0.113.9:1"), ("spin-client-addr", "203.0.113.9:2")]);
    variants
        .push(vec![("x-forwarded-for", "203.0.113.9, 203.0.113.9"), ("x-real-ip", "203.0.113.9")]);
    variants.push(vec![("spin-client-addr", "[::ffff:203.0.113.9]:1")]);
    variants.push(vec![("connection", "spin-client-addr"), ("spin-client-addr", "203.0.113.9:1")]);
    assert!(variants.len() >= 40);
    for headers in &variants {
        let token = caller.token(question(&app.demo.id_cards[0]), Timestamp::now()).unwrap();
        let authorization = format!("Bearer {token}");
        let mut all = vec![("authorization", authorization.as_str())];
        all.extend(headers);
        let answer = visitor.get_with("/integration/rwv2c2", &all).unwrap();
        assert_eq!(answer.status, 403, "{headers:?}: {}", answer.text);
    }
    assert_eq!(app.count("calls", "SELECT count(*) FROM calls"), 0);
    let counted = app.count("calls", "SELECT count FROM refusals WHERE reason = 'address'");
    assert_eq!(usize::try_from(counted).unwrap(), variants.len());
}
