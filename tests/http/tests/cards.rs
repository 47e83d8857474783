//! 憑證IC卡停復用 (B1–B3, #8): suspended and resumed at once, wrong codes, whose card it is, status
//! without harvesting, import.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http_tests::{TestApp, application, at_once, pki, question, text};
use jiff::Timestamp;
use pki::Purpose;
use serde_json::{Value, json};
use test_pki::client::{Answer, Visitor};
use test_pki::demo::{CARD_EMAIL, CARD_NUMBERS, COMPANY, SYSTEM_COMPANY, USER_CODE};
use test_pki::pki_set::Company;

const NUMBER: &str = CARD_NUMBERS[0];

fn change(visitor: &Visitor, act: &str, number: &str, code: &str) -> Answer {
    let body = json!({ "act": act, "cardNumber": number, "userCode": code });
    visitor.post("/api/cards/changes", &body).unwrap()
}

fn status(visitor: &Visitor, by: &str, value: &str) -> Vec<Value> {
    let body = json!({ "by": by, "value": value });
    let reply = visitor.post("/api/cards/status", &body).unwrap().expect(200).unwrap();
    reply["cards"].as_array().unwrap().clone()
}

fn sign_in(app: &TestApp) -> Answer {
    let document = json!({"as": "company", "ubn": COMPANY.1});
    app.visitor().sign_in(&app.card("company"), document).unwrap()
}

fn outcome(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.code())
}

/// Another hour begins for whoever asks.
fn forget_requests(app: &TestApp) {
    app.database("revocation").execute("DELETE FROM card_requests", []).unwrap();
}

fn operator(app: &TestApp, arguments: &[&str]) -> (bool, String) {
    let trust = app.path("trust-store.json");
    let origin = ["--origin", "https://chayan.example"];
    let all = [&["change-card", "--trust", &trust], &origin[..], arguments].concat();
    app.chayan(&all)
}

/// A line of a file of cards: number, name, 統一編號, code, certificates.
type Line<'a> = (&'a str, &'a str, &'a str, &'a str, Vec<Vec<u8>>);

/// A file of cards.
fn file(app: &TestApp, lines: &[Line<'_>]) -> String {
    let path = app.path("cards.csv");
    let mut writer = csv::Writer::from_path(&path).unwrap();
    let head = ["卡號", "公司名稱", "統一編號", "電子郵件地址", "用戶代碼", "憑證"];
    writer.write_record(head).unwrap();
    for (number, name, ubn, code, certificates) in lines {
        let certificates: Vec<_> =
            certificates.iter().map(|der| BASE64_STANDARD.encode(der)).collect();
        let certificates = certificates.join(" ");
        writer.write_record([number, name, ubn, CARD_EMAIL, code, &certificates]).unwrap();
    }
    writer.flush().unwrap();
    path
}

fn import(app: &TestApp, file: &str) -> (bool, String) {
    app.chayan(&["import-cards", file, "--trust", &app.path("trust-store.json")])
}

#[test]
fn a_card_is_suspended_at_once_and_resumed_at_once() {
    let app = TestApp::start();
    let (signed_in, card) = app.company();
    let visitor = app.visitor();
    let reply = change(&visitor, "suspend", " mt0000-0000-0000-01", USER_CODE);
    let reply = reply.expect(200).unwrap();
    assert_eq!((&reply["actWord"], &reply["stateWord"]), (&"暫停使用".into(), &"停用".into()));
    assert_eq!(reply["cardNumber"], NUMBER);
    assert!(text(&reply["listedAfterRoc"]).ends_with(" 24:00"), "{reply}");
    // Wherever the card signs, also in a session that had begun before.
    assert_eq!(outcome(&sign_in(&app)), (403, "card-on-hold"));
    let applied = signed_in.apply(&card, application()).unwrap();
    assert_eq!(outcome(&applied), (403, "card-on-hold"));
    assert_eq!(app.count("default", "SELECT count(*) FROM cases"), 0);
    let found = status(&visitor, "cardNumber", NUMBER);
    assert_eq!(
        (found[0]["stateWord"].as_str(), found[0]["state"].as_str()),
        (Some("停用"), Some("held"))
    );
    assert_eq!(
        outcome(&change(&visitor, "suspend", NUMBER, USER_CODE)),
        (409, "card-held-already")
    );
    let reply = change(&visitor, "resume", NUMBER, USER_CODE).expect(200).unwrap();
    assert_eq!((&reply["actWord"], &reply["stateWord"]), (&"恢復使用".into(), &"有效".into()));
    // No list ever named it: nothing is to be taken out of one.
    assert!(reply.get("listedAfterRoc").is_none(), "{reply}");
    let found = status(&visitor, "cardNumber", NUMBER);
    assert!(found[0].get("listedAfterRoc").is_none(), "{found:?}");
    assert_eq!(sign_in(&app).status, 201);
    assert_eq!(outcome(&change(&visitor, "resume", NUMBER, USER_CODE)), (409, "card-not-held"));
    // The CA revokes it: nobody brings it back.
    let (done, said) = operator(&app, &[NUMBER, "--act", "revoke", "--reason", "key-compromise"]);
    assert!(done && said.contains("廢止"), "{said}");
    assert_eq!(outcome(&change(&visitor, "resume", NUMBER, USER_CODE)), (409, "card-revoked"));
    assert_eq!(outcome(&sign_in(&app)), (403, "certificate-revoked"));
    assert!(!operator(&app, &[NUMBER, "--act", "resume"]).0);
    assert_eq!(status(&visitor, "cardNumber", NUMBER)[0]["stateWord"], "廢止");
    // Each change is in the log and told to the holder; a refusal is neither.
    let acts = "SELECT count(*) FROM audit_log WHERE act IN ('card-suspended', 'card-resumed', 'card-revoked')";
    assert_eq!(app.count("default", acts), 3);
    let letters = "SELECT count(*) FROM letters WHERE recipient = 'card@example.com.tw'";
    assert_eq!(app.count("default", letters), 3);
    // The other card of the company is another card.
    assert_eq!(status(&visitor, "cardNumber", CARD_NUMBERS[2])[0]["stateWord"], "有效");
}

#[test]
fn three_wrong_codes_lock_and_an_unknown_card_answers_the_same() {
    let app = TestApp::start();
    let visitor = app.visitor();
    let mut times = Vec::new();
    for number in [NUMBER, "MT00000099999999"] {
        let begun = std::time::Instant::now();
        let answers: Vec<_> =
            (0..5).map(|_| change(&visitor, "suspend", number, "wrong-1")).collect();
        times.push(begun.elapsed());
        let codes: Vec<_> = answers.iter().map(outcome).collect();
        let wrong = (403, "card-code-wrong");
        let locked = (403, "card-code-locked");
        assert_eq!(codes, [wrong, wrong, wrong, locked, locked], "{number}");
        assert!(answers.iter().all(|answer| !answer.text.contains(number)));
    }
    println!("five codes for a card that is known and one that is not: {times:?}");
    // The right code is not compared any more.
    assert_eq!(outcome(&change(&visitor, "suspend", NUMBER, USER_CODE)), (403, "card-code-locked"));
    assert_eq!(sign_in(&app).status, 201);
    // Another card than this one unlocks nothing, nor does a signature for something else.
    let unlock = |card: &str, purpose: Purpose| {
        let body = visitor.signed(&app.card(card), purpose, json!({ "cardNumber": NUMBER }));
        visitor.post("/api/cards/unlock", &body.unwrap()).unwrap()
    };
    assert_eq!(outcome(&unlock("company-secondary", Purpose::UnlockCard)), (403, "not-this-card"));
    assert_eq!(outcome(&unlock("citizen", Purpose::UnlockCard)), (403, "not-this-card"));
    assert_eq!(outcome(&unlock("company", Purpose::SignIn)), (403, "signed-for-other"));
    // The card itself does, also while it is on hold.
    let (held, said) = operator(&app, &[NUMBER, "--act", "suspend"]);
    assert!(held, "{said}");
    let unlocked = unlock("company", Purpose::UnlockCard);
    assert_eq!(unlocked.status, 200, "{}", unlocked.text);
    assert_eq!(outcome(&sign_in(&app)), (403, "card-on-hold"));
    forget_requests(&app);
    assert_eq!(change(&visitor, "resume", NUMBER, USER_CODE).status, 200);
    // A right code forgets wrong ones; the operator unlocks too.
    for _ in 0..2 {
        assert_eq!(change(&visitor, "suspend", NUMBER, "wrong-1").code(), "card-code-wrong");
    }
    assert_eq!(change(&visitor, "suspend", NUMBER, USER_CODE).status, 200);
    for _ in 0..3 {
        assert_eq!(change(&visitor, "resume", NUMBER, "wrong-1").code(), "card-code-wrong");
    }
    let (done, said) = app.chayan(&["unlock-card", NUMBER]);
    assert!(done && said.contains("unlocked"), "{said}");
    assert_eq!(change(&visitor, "resume", NUMBER, USER_CODE).status, 200);
    // Revoked, it proves nothing any more.
    assert!(operator(&app, &[NUMBER, "--act", "revoke", "--reason", "superseded"]).0);
    let refused = unlock("company", Purpose::UnlockCard);
    assert_eq!(outcome(&refused), (403, "certificate-revoked"));
    let log = "SELECT count(*) FROM audit_log WHERE act IN ('card-locked', 'card-unlocked')";
    assert_eq!(app.count("default", log), 4);
}

#[test]
fn of_many_wrong_codes_at_once_three_are_answered() {
    let app = TestApp::start();
    let answers = at_once(18, |_| change(&app.visitor(), "suspend", NUMBER, "wrong-1"));
    let count = |code: &str| answers.iter().filter(|answer| answer.code() == code).count();
    assert_eq!((count("card-code-wrong"), count("card-code-locked")), (3, 15));
    forget_requests(&app);
    // The right one among them is never answered after three wrong ones.
    let answers = at_once(18, |_| change(&app.visitor(), "suspend", NUMBER, USER_CODE));
    assert!(answers.iter().all(|answer| answer.code() == "card-code-locked"));
    assert_eq!(app.count("default", "SELECT wrong FROM wrong_codes"), 3);
}

#[test]
fn of_two_who_change_a_card_at_once_the_second_is_told() {
    let app = TestApp::start();
    for _ in 0..3 {
        let answers = at_once(4, |_| change(&app.visitor(), "suspend", NUMBER, USER_CODE));
        let done = answers.iter().filter(|answer| answer.status == 200).count();
        let told = answers.iter().filter(|answer| answer.code() == "card-held-already").count();
        assert_eq!((done, told), (1, 3));
        forget_requests(&app);
        change(&app.visitor(), "resume", NUMBER, USER_CODE).expect(200).unwrap();
    }
    // Resumed and revoked at once: whatever came first, it is revoked, and once.
    change(&app.visitor(), "suspend", NUMBER, USER_CODE).expect(200).unwrap();
    let resumed_or_not = at_once(2, |hand| {
        if hand == 0 {
            let resumed = change(&app.visitor(), "resume", NUMBER, USER_CODE);
            assert!([200, 409].contains(&resumed.status), "{}", resumed.text);
        } else {
            let arguments = [NUMBER, "--act", "revoke", "--reason", "key-compromise"];
            let (done, said) = operator(&app, &arguments);
            assert!(done, "{said}");
        }
    });
    assert_eq!(resumed_or_not.len(), 2);
    assert_eq!(status(&app.visitor(), "cardNumber", NUMBER)[0]["stateWord"], "廢止");
    let revoked = "SELECT count(*) FROM audit_log WHERE act = 'card-revoked'";
    assert_eq!(app.count("default", revoked), 1);
}

#[test]
fn other_cas_cards_are_sent_there_and_their_codes_never_asked() {
    let app = TestApp::start();
    let visitor = app.visitor();
    let whose = |number: &str| {
        let answer = visitor.post("/api/cards/issuer", &json!({ "cardNumber": number })).unwrap();
        answer.expect(200).unwrap()
    };
    let ours = json!({ "own": true, "cardNumber": NUMBER });
    assert_eq!(whose(NUMBER), ours);
    assert_eq!(whose(" mt00 0000-0000 0001"), ours);
    // Known or not makes no difference.
    assert_eq!(whose("MT00000099999999")["own"], true);
    let citizens = whose("TP00000000000001");
    assert_eq!(
        (&citizens["own"], &citizens["site"]),
        (&false.into(), &"https://moica.nat.gov.tw/".into())
    );
    let nobodys = json!({ "own": false, "cardNumber": "XX00000000000001" });
    assert_eq!(whose("XX00000000000001"), nobodys);
    let refused = change(&visitor, "suspend", "TP00000000000001", USER_CODE);
    assert_eq!(outcome(&refused), (409, "card-of-another-ca"));
    assert_eq!(app.count("default", "SELECT count(*) FROM wrong_codes"), 0);
    for (number, code, pointer) in [("MT1", USER_CODE, "/cardNumber"), (NUMBER, "1", "/userCode")] {
        let answer = change(&visitor, "suspend", number, code);
        assert_eq!(outcome(&answer), (422, "invalid-fields"));
        assert_eq!(answer.body["errors"][0]["pointer"], pointer);
    }
    assert_eq!(change(&visitor, "revoke", NUMBER, USER_CODE).code(), "malformed-request");
}

#[test]
fn status_is_told_by_each_condition_and_nothing_else_is() {
    let app = TestApp::start();
    let visitor = app.visitor();
    let serial = app.certificate_of("company").serial_number();
    let colons: Vec<_> =
        serial.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap()).collect();
    let other_ways = [colons.join(":"), serial.to_lowercase(), format!(" 00{serial}")];
    for written in other_ways.iter().chain([&serial]) {
        let found = status(&visitor, "serialNumber", written);
        assert_eq!(found.len(), 1, "{written}");
        assert_eq!(found[0]["serialNumber"], serial);
        assert_eq!(found[0]["cardNumber"], "MT**********0001");
    }
    for (by, value, count) in [
        ("companyName", COMPANY.0, 2),
        ("ubn", COMPANY.1, 2),
        ("ubn", SYSTEM_COMPANY.1, 1),
        ("email", "CARD@example.com.tw", 3),
        ("companyName", "測試甲", 0),
        ("cardNumber", "MT00000000000009", 0),
        ("serialNumber", "01", 0),
    ] {
        let found = status(&visitor, by, value);
        assert_eq!(found.len(), count, "{by} {value}");
        for card in &found {
            let text = card.to_string();
            for other in [COMPANY.0, COMPANY.1, CARD_EMAIL, NUMBER, CARD_NUMBERS[1]] {
                assert!(!text.contains(other), "{by}: {text}");
            }
        }
    }
    assert_eq!(status(&visitor, "cardNumber", NUMBER)[0]["cardNumber"], NUMBER);
    let wrong = visitor.post("/api/cards/status", &json!({ "by": "email", "value": "x" })).unwrap();
    assert_eq!(outcome(&wrong), (422, "invalid-fields"));
    // Whoever goes on asking is told to wait.
    let limited = (0..40).find_map(|_| {
        let body = json!({ "by": "ubn", "value": COMPANY.1 });
        let answer = visitor.post("/api/cards/status", &body).unwrap();
        (answer.status != 200).then_some(answer)
    });
    assert_eq!(outcome(&limited.unwrap()), (429, "too-many-requests"));
    // Which keeps nobody from suspending.
    assert_eq!(change(&visitor, "suspend", NUMBER, USER_CODE).status, 200);
    let most = "SELECT max(count) FROM card_requests WHERE kind = 'status'";
    assert_eq!(app.count("revocation", most), 30);
}

#[test]
fn the_calls_of_a_system_on_the_card_are_refused_and_accepted_again() {
    let app = TestApp::start();
    let (_, _, caller) = app.approved();
    let system = test_pki::demo::der_of(&app.demo.company_certificate_file).unwrap();
    let card = app.certificate_of("company").der().to_vec();
    let lines = [(NUMBER, COMPANY.0, COMPANY.1, USER_CODE, vec![card, system])];
    let (done, said) = import(&app, &file(&app, &lines));
    assert!(done, "{said}");
    let visitor = app.visitor();
    let call = || {
        let token = caller.token(question(&app.demo.id_cards[0]), Timestamp::now()).unwrap();
        visitor.verify(&token).unwrap().status
    };
    assert_eq!(call(), 200);
    change(&visitor, "suspend", NUMBER, USER_CODE).expect(200).unwrap();
    assert_eq!(call(), 401);
    change(&visitor, "resume", NUMBER, USER_CODE).expect(200).unwrap();
    assert_eq!(call(), 200);
    assert!(operator(&app, &[NUMBER, "--act", "suspend"]).0);
    assert_eq!(call(), 401);
}

#[test]
fn an_officer_whose_card_is_suspended_signs_in_no_more() {
    let app = TestApp::start();
    // Here the citizens' CA is our own as well.
    let mut trust: Value =
        serde_json::from_slice(&std::fs::read(app.path("trust-store.json")).unwrap()).unwrap();
    for (index, issuer) in trust["issuers"].as_array_mut().unwrap().iter_mut().enumerate() {
        if issuer["role"] == "moica" {
            let complete = format!("MOICA-{index}/complete.crl");
            issuer["own"] = json!({ "cards": ["TP"], "complete": complete });
        }
    }
    std::fs::write(app.path("trust-store.json"), trust.to_string()).unwrap();
    let certificate = app.certificate_of("officer").der().to_vec();
    let number = "TP00000000000001";
    let lines = [(number, "李審核", "00000000", USER_CODE, vec![certificate])];
    let (done, said) = import(&app, &file(&app, &lines));
    assert!(done, "{said}");
    app.officer();
    assert!(operator(&app, &[number, "--act", "suspend"]).0);
    let refused = app.visitor().sign_in(&app.card("officer"), json!({"as": "officer"})).unwrap();
    assert_eq!(outcome(&refused), (403, "card-on-hold"));
}

#[test]
fn cards_are_imported_all_or_none_and_codes_only_hashed() {
    let app = TestApp::start();
    let company = |name, ubn| pki().company(Company::card(name, ubn)).unwrap().certificate;
    let (name, ubn) = ("測試丙股份有限公司", "10458575");
    let mine = company(name, ubn);
    let number = "MT00000000000100";
    let good = (number, name, ubn, "secret-77", vec![mine.clone()]);
    let citizen = app.certificate_of("citizen").der().to_vec();
    let cheap =
        "$argon2id$v=19$m=8,t=1,p=1$bm9ib2R5J3MgY2FyZA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for (bad, words) in [
        (("MT1", name, ubn, "secret-77", vec![mine.clone()]), "line 3: 卡號"),
        ((number, name, ubn, "secret-77", vec![mine.clone()]), "the same 卡號"),
        (("MT00000000000101", name, "10458572", "secret-77", vec![mine.clone()]), "統一編號"),
        (("MT00000000000101", name, ubn, "short", vec![mine.clone()]), "用戶代碼"),
        (("MT00000000000101", name, ubn, cheap, vec![mine.clone()]), "用戶代碼"),
        (("MT00000000000101", name, ubn, "secret-77", vec![]), "憑證: none"),
        (("MT00000000000101", name, ubn, "secret-77", vec![citizen]), "calls own"),
        (
            ("MT00000000000101", COMPANY.0, COMPANY.1, "secret-77", vec![mine.clone()]),
            "another company",
        ),
        (("MT00000000000101", name, ubn, "secret-77", vec![mine.clone()]), "on another card"),
    ] {
        let (done, said) = import(&app, &file(&app, &[good.clone(), bad]));
        assert!(!done && said.contains(words), "{words}: {said}");
        assert!(!said.contains("secret-77"), "{said}");
    }
    assert_eq!(app.count("default", "SELECT count(*) FROM cards"), 3);
    let (done, said) = import(&app, &file(&app, std::slice::from_ref(&good)));
    assert!(done && said.contains("1 cards imported"), "{said}");
    let visitor = app.visitor();
    change(&visitor, "suspend", number, "secret-77").expect(200).unwrap();
    for _ in 0..3 {
        change(&visitor, "resume", number, "wrong-1");
    }
    // Imported anew it stays on hold, and locked while the code is the same.
    let hash = |app: &TestApp| -> String {
        let sql = "SELECT code_hash FROM cards WHERE number = 'MT00000000000100'";
        app.database("default").query_row(sql, [], |row| row.get(0)).unwrap()
    };
    let before = hash(&app);
    assert!(import(&app, &file(&app, std::slice::from_ref(&good))).0);
    assert_eq!(hash(&app), before);
    assert_eq!(change(&visitor, "resume", number, "secret-77").code(), "card-code-locked");
    // With another code, here as a hash made elsewhere, it is the new one that counts.
    let code = "another-8".parse().unwrap();
    let made = domain::CodeHash::new(&code, &[9; 16]).unwrap();
    let renewed = (number, name, ubn, made.as_str(), vec![mine]);
    assert!(import(&app, &file(&app, &[renewed])).0);
    assert_eq!(change(&visitor, "resume", number, "another-8").status, 200);
    // Nothing of it lies anywhere in the clear: neither in the database nor in the log.
    drop(app.chayan(&["migrate"]));
    for name in ["default.db", "default.db-wal"] {
        let Ok(bytes) = std::fs::read(app.dir.join("data").join(name)) else { continue };
        let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(!has("secret-77") && !has("another-8") && !has(USER_CODE), "{name}");
    }
    let log = "SELECT count(*) FROM audit_log WHERE entry LIKE '%MT0000%' OR entry LIKE '%@%'";
    assert_eq!(app.count("default", log), 0);
}

#[test]
fn the_day_of_the_list_turns_at_24_00() {
    let mut app = TestApp::start();
    let today = domain::TAIPEI.to_datetime(Timestamp::now()).date();
    let midnight = domain::listed_after(Timestamp::now());
    let second = jiff::SignedDuration::from_secs(1);
    for (at, number, days) in [(midnight - 30 * second, NUMBER, 0), (midnight, CARD_NUMBERS[2], 1)]
    {
        app.restart_with(&["--now", &at.to_string()]);
        let reply = change(&app.visitor(), "suspend", number, USER_CODE).expect(200).unwrap();
        let day = domain::RocDay(today).plus(days).to_string();
        assert_eq!(reply["listedAfterRoc"], format!("{day} 24:00"));
    }
}
