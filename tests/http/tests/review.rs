//! The officers' side over HTTP (A15, A16): queues, questions, clocks, letters, the log.

use http_tests::{TestApp, application, at_once, text};
use jiff::civil::{Date, Weekday};
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde_json::{Value, json};
use test_pki::client::{CardSigner, Visitor, form};
use test_pki::demo::{COMPANY, SYSTEM_COMPANY};

/// Somebody else on the list, with a card of their own.
fn named(app: &TestApp, role: &str) -> Visitor {
    app.names("0000000187654321", role);
    let mut visitor = app.visitor();
    visitor.sign_in_as_officer(&app.card("citizen")).unwrap();
    visitor
}

fn act(officer: &Visitor, id: &str, act: &str, said: Value) -> test_pki::client::Answer {
    officer.post(&format!("/api/review/cases/{id}/{act}"), &said).unwrap()
}

fn queue(officer: &Visitor, name: &str) -> Vec<String> {
    let list = officer.get(&format!("/api/review/cases?queue={name}")).unwrap();
    let list = list.expect(200).unwrap();
    list["cases"].as_array().unwrap().iter().map(|case| text(&case["serialNumber"])).collect()
}

/// The company answers what it was asked: the application once more, as it should be.
fn answers(
    visitor: &Visitor,
    card: &CardSigner,
    id: &str,
    changed: &[(&str, &str)],
) -> test_pki::client::Answer {
    let mut document = application();
    document["answers"] = id.into();
    for (member, value) in changed {
        document[*member] = (*value).into();
    }
    visitor.apply(card, document).unwrap()
}

#[test]
fn a_case_goes_from_queue_to_officer_to_applicant_and_back() {
    let app = TestApp::start();
    let (company, card, id) = app.applies();
    let (officer, other) = (app.officer(), named(&app, "officer"));
    assert_eq!(queue(&officer, "new"), [id.as_str()]);
    // Claimed by one, it is no one else's: of two at once, one wins and the other is told.
    let both = [&officer, &other];
    let claims = at_once(2, |index| act(both[index], &id, "claim", json!({})));
    let mut told: Vec<_> = claims.iter().map(|answer| (answer.status, answer.code())).collect();
    told.sort_unstable();
    assert_eq!(told[0], (200, ""));
    assert_eq!(told[1].0, 409);
    let claimed = "SELECT count(*) FROM audit_log WHERE act = 'claimed'";
    assert_eq!(app.count("default", claimed), 1);
    let won = usize::from(claims[0].status != 200);
    let (mine, theirs) = (both[won], both[1 - won]);
    assert!(queue(mine, "new").is_empty());
    assert_eq!(queue(mine, "mine"), [id.as_str()]);
    assert!(queue(theirs, "mine").is_empty());
    assert_eq!(theirs.decide(&id, "approve", "審核通過").unwrap().code(), "case-claimed");
    // The applicant is asked: by grounds that name a field, and in words.
    let ask = json!({ "grounds": ["address-unclear"], "text": "請說明位址由何人提供。" });
    let none = act(mine, &id, "question", json!({ "text": "請說明" }));
    assert_eq!(none.body["errors"][0]["pointer"], "/grounds");
    let asked = act(mine, &id, "question", ask.clone()).expect(200).unwrap();
    assert_eq!(asked["due"], Value::Null, "the clock stands still");
    assert_eq!(act(mine, &id, "question", ask).code(), "case-waiting");
    assert_eq!(queue(mine, "waiting"), [id.as_str()]);
    let standing = company.get("/api/standing").unwrap().expect(200).unwrap();
    assert_eq!(standing["asked"]["grounds"][0]["field"], "hostAddress");
    assert_eq!(standing["asked"]["text"], "請說明位址由何人提供。");
    let progress = company.get("/api/cases").unwrap().expect(200).unwrap();
    assert_eq!(progress["cases"][0]["question"]["text"], "請說明位址由何人提供。");
    assert_eq!(progress["cases"][0]["expectedBy"], Value::Null);
    // Another application is still one too many; an answer of another kind is none.
    assert_eq!(company.apply(&card, application()).unwrap().code(), "open-case-exists");
    let mut wrong = application();
    wrong["answers"] = standing["asked"]["serialNumber"].clone();
    wrong["kind"] = "api-stop".into();
    assert_eq!(company.apply(&card, wrong).unwrap().code(), "nothing-asked");
    // The answer is the next version of the same case; it comes back to the same officer.
    let receipt =
        answers(&company, &card, &id, &[("hostAddress", "127.0.0.9")]).expect(201).unwrap();
    assert_eq!(receipt["serialNumber"], id.as_str());
    assert_eq!(answers(&company, &card, &id, &[]).code(), "nothing-asked");
    assert!(queue(mine, "waiting").is_empty());
    assert_eq!(queue(mine, "mine"), [id.as_str()]);
    let case = mine.get(&format!("/api/review/cases/{id}")).unwrap().expect(200).unwrap();
    assert_eq!((&case["answered"], &case["version"]), (&json!(true), &json!(2)));
    let change = json!({ "name": "連線主機網路位址", "before": "127.0.0.1", "after": "127.0.0.9" });
    assert_eq!(case["changes"], json!([change]));
    assert_ne!(case["due"], Value::Null);
    // A page that was opened before the answer came decides nothing.
    let before = asked["revision"].clone();
    let stale = json!({ "decision": "approve", "text": "審核通過", "seen": before });
    let told = act(mine, &id, "decision", stale);
    assert_eq!((told.status, told.code()), (409, "case-changed"));
    assert_ne!(case["revision"], before);
    // Approved is what was answered.
    let decided = mine.decide(&id, "approve", "審核通過").unwrap().expect(200).unwrap();
    let words: Vec<_> =
        decided["log"].as_array().unwrap().iter().map(|entry| text(&entry["word"])).collect();
    assert_eq!(words, ["提出申請", "領案", "通知補件", "補件", "查看案件", "核准"]);
    let address = "SELECT count(*) FROM accounts WHERE host_address = '127.0.0.9'";
    assert_eq!(app.count("default", address), 1);
    // Whoever the case was about was written to each time, in both languages.
    let letters = decided["letters"].as_array().unwrap();
    let kinds: Vec<_> = letters.iter().map(|letter| text(&letter["kind"])).collect();
    assert_eq!(kinds, ["received", "asked", "approved"]);
    assert!(letters.iter().all(|letter| letter["state"] == "queued"));
    let body = text(&letters[1]["body"]);
    for part in
        [COMPANY.0, "連線主機網路位址無法確認", "請說明位址由何人提供。", "cannot be confirmed"]
    {
        assert!(body.contains(part), "{part}: {body}");
    }
    // Every version of what was signed is kept.
    assert_eq!(app.count("default", "SELECT count(*) FROM applications"), 2);
}

#[test]
fn cases_are_released_given_to_others_and_looked_at_twice() {
    let app = TestApp::start();
    let (_, _, id) = app.applies();
    let (officer, supervisor) = (app.officer(), named(&app, "supervisor"));
    act(&officer, &id, "claim", json!({})).expect(200).unwrap();
    let wanted = act(&officer, &id, "second-look", json!({ "text": "法規依據有疑義" }));
    assert_eq!(wanted.expect(200).unwrap()["secondLook"], "法規依據有疑義");
    assert_eq!(queue(&supervisor, "second-look"), [id.as_str()]);
    act(&officer, &id, "note", json!({ "text": "已電話聯繫" })).expect(200).unwrap();
    // The officer falls ill: a supervisor takes the case over, an officer cannot.
    let case = supervisor.get(&format!("/api/review/cases/{id}")).unwrap().expect(200).unwrap();
    assert_eq!(case["may"], json!(["assign", "note"]));
    assert_eq!(case["notes"][0]["text"], "已電話聯繫");
    let people = case["officers"].as_array().unwrap();
    let me = people.iter().find(|person| person["name"] == "陳測試").unwrap();
    let to_me = json!({ "officer": me["id"] });
    assert_eq!(act(&officer, &id, "assign", to_me.clone()).code(), "not-allowed");
    act(&supervisor, &id, "assign", to_me).expect(200).unwrap();
    assert_eq!(act(&officer, &id, "release", json!({})).code(), "case-claimed");
    act(&supervisor, &id, "release", json!({})).expect(200).unwrap();
    assert_eq!(queue(&officer, "new"), [id.as_str()]);
    // A note is for officers: the applicant's letters and pages have nothing of it.
    assert_eq!(app.count("default", "SELECT count(*) FROM letters WHERE body LIKE '%電話%'"), 0);
}

#[test]
fn a_refusal_names_its_grounds_and_can_be_set_aside() {
    let app = TestApp::start();
    let (company, card, id) = app.applies();
    let (officer, supervisor) = (app.officer(), named(&app, "supervisor"));
    let path = format!("/api/review/cases/{id}/decision");
    let none = officer.post(&path, &json!({ "decision": "reject", "text": "不符" })).unwrap();
    assert_eq!((none.status, &none.body["errors"][0]["pointer"]), (422, &json!("/grounds")));
    // The letter is seen, changed, and kept as it went.
    let said = json!({ "about": "reject", "grounds": ["business-unfit", "other"], "text": "請洽承辦人。" });
    let letter = act(&officer, &id, "letter-preview", said).expect(200).unwrap();
    assert!(text(&letter["body"]).contains("查驗目的與所營事業項目不符"));
    assert_eq!(app.count("default", "SELECT count(*) FROM letters"), 1, "a look sends nothing");
    let edited =
        json!({ "subject": "審核結果", "body": format!("{}\n另附說明。", text(&letter["body"])) });
    let refusal = json!({ "decision": "reject", "grounds": ["business-unfit", "other"],
        "text": "請洽承辦人。", "letter": edited });
    let mut hostile = refusal.clone();
    hostile["letter"]["subject"] = "a\r\nBcc: everybody@example.test".into();
    let answer = officer.post(&path, &hostile).unwrap();
    assert_eq!((answer.status, answer.code()), (422, "invalid-fields"));
    officer.post(&path, &refusal).unwrap().expect(200).unwrap();
    let progress = company.get("/api/cases").unwrap().expect(200).unwrap();
    let case = &progress["cases"][0];
    assert_eq!((&case["stateWord"], &case["result"]), (&json!("駁回"), &json!("請洽承辦人。")));
    assert_eq!(case["grounds"][0]["word"], "查驗目的與所營事業項目不符");
    assert_eq!(case["grounds"][1]["english"], "Other, as explained.");
    assert_eq!(
        app.count("default", "SELECT count(*) FROM letters WHERE body LIKE '%另附說明。'"),
        1
    );
    // Only a supervisor sets it aside, with a reason; the case is as open as before.
    let aside = json!({ "text": "補提資料後重新審核" });
    assert_eq!(act(&officer, &id, "set-aside", aside.clone()).code(), "not-allowed");
    let again = act(&supervisor, &id, "set-aside", aside.clone()).expect(200).unwrap();
    assert_eq!((&again["stateWord"], &again["result"]), (&json!("受理中"), &Value::Null));
    assert_eq!(act(&supervisor, &id, "set-aside", aside.clone()).code(), "case-not-rejected");
    officer.decide(&id, "reject", "仍不符").unwrap().expect(200).unwrap();
    // When the company has applied anew meanwhile, it is too late.
    company.apply(&card, application()).unwrap().expect(201).unwrap();
    assert_eq!(act(&supervisor, &id, "set-aside", aside).code(), "open-case-exists");
}

fn next_monday() -> Date {
    let today = domain::TAIPEI.to_datetime(Timestamp::now()).date();
    today.nth_weekday(1, Weekday::Monday).unwrap()
}

#[test]
fn the_clock_counts_working_days_and_nothing_is_decided_by_it() {
    // From the next Monday on, in the morning.
    let monday = next_monday();
    let roc = |days: i64| domain::RocDay(monday.checked_add(days.days()).unwrap()).to_string();
    let app_clock = |app: &mut TestApp, days: i64| {
        let nine = monday.checked_add(days.days()).unwrap().at(9, 0, 0, 0);
        let now = domain::TAIPEI.to_timestamp(nine).unwrap();
        app.restart_with(&["--now", &now.to_string()]);
    };
    let mut app = TestApp::start();
    app_clock(&mut app, 0);
    app.names("0000000187654321", "administrator");
    let (company, card, id) = app.applies();
    let officer = app.officer();
    let of = |officer: &Visitor, member: &str| {
        let path = format!("/api/review/cases/{id}");
        officer.get(&path).unwrap().expect(200).unwrap()[member].clone()
    };
    assert_eq!(of(&officer, "due"), roc(14));
    assert_eq!(of(&officer, "daysLeft"), 10);
    // A typhoon day, said by an administrator, moves what is open; both sides see it.
    let mut administrator = app.visitor();
    administrator.sign_in_as_officer(&app.card("citizen")).unwrap();
    let day = json!({ "day": monday.checked_add(9.days()).unwrap().to_string(), "working": false, "note": "颱風" });
    assert_eq!(officer.post("/api/review/calendar-days", &day).unwrap().code(), "not-allowed");
    assert_eq!(administrator.post("/api/review/calendar-days", &day).unwrap().status, 204);
    assert_eq!(of(&officer, "due"), roc(15));
    let progress = company.get("/api/cases").unwrap().expect(200).unwrap();
    assert_eq!(progress["cases"][0]["expectedBy"], roc(15));
    // An extension has a reason, a limit and a letter.
    let long = act(&officer, &id, "extension", json!({ "days": 31, "text": "會商" }));
    assert_eq!(long.body["errors"][0]["code"], "extension-days");
    let longer = json!({ "days": 5, "text": "會商主管機關" });
    assert_eq!(act(&officer, &id, "extension", longer).expect(200).unwrap()["due"], roc(22));
    let letter = "SELECT body FROM letters WHERE kind = 'extended'";
    let letter: String = app.database("default").query_row(letter, [], |row| row.get(0)).unwrap();
    assert!(letter.contains(&roc(22)), "{letter}");
    // Asked on the second day, answered on the fourth: two days more.
    app_clock(&mut app, 1);
    let officer = app.officer();
    let question = json!({ "grounds": ["contact-unclear"], "text": "電話無人接聽" });
    act(&officer, &id, "question", question).expect(200).unwrap();
    app_clock(&mut app, 3);
    let (company, _) = app.company();
    answers(&company, &card, &id, &[("mobile", "0987654321")]).expect(201).unwrap();
    let officer = app.officer();
    assert_eq!(of(&officer, "due"), roc(24));
    // Due soon, then overdue; and still the officers' to decide.
    app_clock(&mut app, 21);
    let officer = app.officer();
    assert_eq!(queue(&officer, "due-soon"), [id.as_str()]);
    app_clock(&mut app, 25);
    let officer = app.officer();
    assert_eq!(queue(&officer, "overdue"), [id.as_str()]);
    assert_eq!(of(&officer, "stateWord"), "受理中");
    officer.decide(&id, "approve", "審核通過").unwrap().expect(200).unwrap();
}

#[test]
fn an_answer_that_does_not_come_is_shown_and_nothing_more() {
    let mut app = TestApp::start();
    let (_, _, id) = app.applies();
    let question = json!({ "grounds": ["legal-basis-missing"], "text": "請敘明條號" });
    act(&app.officer(), &id, "question", question).expect(200).unwrap();
    let later = Timestamp::now() + SignedDuration::from_hours(20 * 24);
    app.restart_with(&["--now", &later.to_string()]);
    let officer = app.officer();
    assert_eq!(queue(&officer, "waiting"), [id.as_str()]);
    let case = officer.get(&format!("/api/review/cases/{id}")).unwrap().expect(200).unwrap();
    assert_eq!(case["questions"][0]["late"], true);
    assert_eq!(case["stateWord"], "受理中");
    // The officer decides; the question is no longer open.
    officer.decide(&id, "reject", "逾期未補件").unwrap().expect(200).unwrap();
    assert_eq!(app.count("default", "SELECT count(*) FROM questions WHERE closed_at IS NULL"), 0);
}

#[test]
fn cases_are_found_by_number_name_and_address_and_facts_stand_beside_them() {
    let app = TestApp::start();
    let (_, _, id) = app.applies();
    let mut other = app.visitor();
    let card = app.card("company-2");
    other.sign_in_as_company(&card, SYSTEM_COMPANY.1).unwrap();
    let same = form("api-application", SYSTEM_COMPANY.0, SYSTEM_COMPANY.1, "127.0.0.1");
    other.apply(&card, same).unwrap().expect(201).unwrap();
    let officer = app.officer();
    let find = |text: &str| {
        let text: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let list = officer.get(&format!("/api/review/cases?find={text}")).unwrap();
        list.expect(200).unwrap()["count"].as_u64().unwrap()
    };
    let found: Vec<_> = [COMPANY.1, COMPANY.0, &id, "127.0.0.1", "甲", "%", "nobody' OR '1'='1"]
        .into_iter()
        .map(find)
        .collect();
    assert_eq!(found[..4], [1, 1, 1, 2]);
    assert_eq!(found[5..], [0, 0]);
    let case = officer.get(&format!("/api/review/cases/{id}")).unwrap().expect(200).unwrap();
    let facts = case["facts"].as_array().unwrap();
    let fact = facts.iter().find(|fact| fact["name"] == "與其他公司相同").unwrap();
    assert!(text(&fact["text"]).contains(SYSTEM_COMPANY.0), "{fact}");
    assert!(facts.iter().all(|fact| !text(&fact["source"]).is_empty()));
    // Whoever looked is in the log, with what; nothing of whom they saw.
    let read = "SELECT count(*) FROM audit_log WHERE act = 'case-read' AND company = '12345675'";
    assert_eq!(app.count("default", read), 1);
    let personal =
        "SELECT count(*) FROM audit_log WHERE entry LIKE '%王測試%' OR entry LIKE '%0912%'";
    assert_eq!(app.count("default", personal), 0);
}

#[test]
fn a_change_is_shown_before_and_after_and_the_old_address_ends_with_its_approval() {
    let app = TestApp::start();
    let (company, card, caller) = app.approved();
    let person = &app.demo.id_cards[0];
    let ask = || {
        let token = caller.token(http_tests::question(person), Timestamp::now()).unwrap();
        app.visitor().verify(&token).unwrap().status
    };
    assert_eq!(ask(), 200);
    let mut change = form("data-change", COMPANY.0, COMPANY.1, "127.0.0.77");
    change["mobile"] = "0987654321".into();
    let receipt = company.apply(&card, change).unwrap().expect(201).unwrap();
    let id = text(&receipt["serialNumber"]);
    let officer = app.officer();
    let case = officer.get(&format!("/api/review/cases/{id}")).unwrap().expect(200).unwrap();
    let changes = json!([
        { "name": "連線主機網路位址", "before": "127.0.0.1", "after": "127.0.0.77" },
        { "name": "手機", "before": "0912345678", "after": "0987654321" },
    ]);
    assert_eq!(case["changes"], changes);
    assert_eq!(ask(), 200, "nothing is changed before it is decided");
    officer.decide(&id, "approve", "審核通過").unwrap().expect(200).unwrap();
    assert_eq!(ask(), 403, "the former address is refused from now on");
}

/// Everything that is wrong with what an officer sends is said at once, and a ground of another kind of
/// case is none.
#[test]
fn an_officers_form_is_judged_as_a_whole() {
    let app = TestApp::start();
    let (company, card, id) = app.applies();
    let officer = app.officer();
    let pointers = |name: &str, said: Value| -> Vec<String> {
        let answer = act(&officer, &id, name, said);
        assert_eq!(answer.code(), "invalid-fields", "{}", answer.text);
        let errors = answer.body["errors"].as_array().unwrap().clone();
        errors.iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect()
    };
    let letter = json!({ "subject": "", "body": " " });
    let nothing = json!({ "decision": "reject", "text": "", "letter": letter });
    assert_eq!(pointers("decision", nothing), ["/grounds", "/result", "/subject", "/body"]);
    assert_eq!(pointers("question", json!({})), ["/grounds", "/result"]);
    assert_eq!(pointers("extension", json!({ "days": 0 })), ["/days", "/result"]);
    let unfit = json!({ "grounds": ["plan-insufficient"], "text": "不足" });
    assert_eq!(pointers("question", unfit), ["/grounds"]);
    // The page offers what fits.
    let grounds = officer.get("/api/review/grounds").unwrap().expect(200).unwrap();
    for ground in grounds["grounds"].as_array().unwrap() {
        let fits = ground["kinds"].as_array().unwrap().contains(&json!("improvement-plan"));
        let known = ["not-registered", "contact-unclear", "plan-insufficient", "other"];
        assert_eq!(fits, known.contains(&ground["name"].as_str().unwrap()), "{ground}");
    }
    drop((company, card));
    // Administrators' forms too.
    app.names("0000000112345678", "administrator");
    let post = |path: &str, said: Value| officer.post(path, &said).unwrap().body["errors"].clone();
    let wrong = post(
        "/api/review/officers",
        json!({ "subjectSerial": "123", "name": " ", "role": "king", "ownCompany": "12345678" }),
    );
    let codes: Vec<_> =
        wrong.as_array().unwrap().iter().map(|error| error["code"].clone()).collect();
    assert_eq!(codes, ["card-subject", "required", "not-offered", "ubn-checksum"]);
    let wrong =
        post("/api/review/calendar-days", json!({ "day": "", "working": true, "note": "" }));
    assert_eq!(wrong.as_array().unwrap().len(), 2);
    let wrong = post(
        "/api/review/policies",
        json!({ "policy": "idle-days", "value": 61, "validFrom": "2020-01-01", "text": "" }),
    );
    assert_eq!(wrong.as_array().unwrap().len(), 3);
}
