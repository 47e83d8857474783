//! Who asked about the own national ID (#8, point 5).

use super::*;

#[test]
fn citizens_see_who_asked_about_them_and_nobody_else_does() {
    let mut app = TestApp::start();
    import(&app);
    let server = server(200);
    approved(&app, &server);
    // A company checks her ID card, once with a date that is not hers, and another person's.
    let (company, _, caller) = app.approved();
    for person_id in [NUMBER, "B123456780"] {
        let question = Question {
            person_id,
            apply_code: "1",
            apply_yyymmdd: "0940105",
            issue_site_id: "63000",
        };
        company
            .verify(&caller.token(question, Timestamp::now()).unwrap())
            .unwrap()
            .expect(200)
            .unwrap();
    }
    let open = day_open(0);
    app.restart_with(&["--now", &open.to_string()]);
    // However often a request asks about her, it is one entry.
    asks(&app, &server, &request(open, "nonce-0123456789-1", &[(CITIZEN, NUMBER); 50]))
        .expect(200)
        .unwrap();
    let citizen = |app: &TestApp| {
        let mut visitor = app.visitor();
        let card = app.card("citizen");
        visitor.sign_in(&card, json!({ "as": "citizen" })).unwrap().expect(201).unwrap();
        visitor
    };
    let visitor = citizen(&app);
    let look = |visitor: &Visitor, number: &str| {
        visitor.post("/api/my/records", &json!({ "nationalId": number })).unwrap()
    };
    assert_eq!(look(&app.visitor(), NUMBER).code(), "not-signed-in");
    assert_eq!(look(&app.company().0, NUMBER).code(), "not-allowed");
    let shown = look(&visitor, NUMBER).expect(200).unwrap();
    let entries = shown["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0]["who"], "測試機關 線上申辦系統");
    assert_eq!(entries[0]["purpose"], "線上申辦身分確認");
    assert_eq!(entries[0]["answer"], "相符");
    // The company and what it applied for, with its legal basis; nobody who works there.
    let reason = http_tests::application()["reason"].clone();
    assert_eq!(entries[1]["service"], "verification");
    assert_eq!((&entries[1]["who"], &entries[1]["purpose"]), (&json!(COMPANY.0), &reason));
    assert!(!text(&entries[1]["answer"]).is_empty());
    for entry in entries {
        let members: Vec<_> = entry.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["answer", "at", "purpose", "service", "serviceWord", "who"]);
    }
    nowhere(&app, &[NUMBER, "B123456780"]);
    // Another form costs no try; three wrong ones lock until tomorrow, however many come at once.
    for slip in ["A12", "D123455679"] {
        assert_eq!(look(&visitor, slip).code(), "invalid-fields");
    }
    let answers = at_once(8, |_| look(&visitor, "B223455678"));
    let wrong = answers.iter().filter(|answer| answer.code() == "national-id-mismatch");
    let mut left: Vec<_> = wrong.map(|answer| answer.body["triesLeft"].as_u64()).collect();
    left.sort();
    assert_eq!(left, [Some(0), Some(1), Some(2)]);
    assert_eq!(look(&visitor, NUMBER).code(), "national-id-locked");
    let tomorrow = open + SignedDuration::from_hours(24);
    app.restart_with(&["--now", &tomorrow.to_string()]);
    look(&citizen(&app), NUMBER).expect(200).unwrap();
    let looks = "SELECT count(*) FROM audit_log WHERE act = 'own-record-read'";
    assert_eq!(app.count("default", looks), 5);
    // More than fits at once is there page by page, two of each instant: nothing twice, nothing
    // lost between two pages.
    let many = "INSERT INTO requests WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n
            WHERE i < 400) SELECT service, i, at + i / 2, 'nonce-of-many-' || i, sha256, purpose, answers, due
            FROM requests, n WHERE number = 1;
        INSERT INTO confirmed SELECT DISTINCT person, requests.at, 1, requests.number, 0, answer
            FROM confirmed, requests WHERE requests.number > 1";
    app.database("confirmations").execute_batch(many).unwrap();
    let her = citizen(&app);
    let (mut before, mut seen) = (Value::Null, Vec::new());
    for shown in [199, 200, 2] {
        let page = json!({ "nationalId": NUMBER, "before": before });
        let page = her.post("/api/my/records", &page).unwrap().expect(200).unwrap();
        assert_eq!(page["entries"].as_array().unwrap().len(), shown);
        seen.extend(page["entries"].as_array().unwrap().clone());
        before = page["earlier"].clone();
    }
    assert_eq!((before, &seen[400]["service"]), (Value::Null, &json!("verification")));
    // Of a card that the register has not, or not opened, nobody can be wrong: told so, uncounted.
    let mut unknown = app.visitor();
    unknown.sign_in(&app.card("manager"), json!({ "as": "citizen" })).unwrap().expect(201).unwrap();
    for number in [MANAGER.national_id, NUMBER, MANAGER.national_id, MANAGER.national_id] {
        assert_eq!(look(&unknown, number).code(), "citizen-unknown");
    }
    let mut closed = app.visitor();
    closed.sign_in(&app.card("handler"), json!({ "as": "citizen" })).unwrap().expect(201).unwrap();
    let (done, said) =
        imports(&app, &format!("{},{},no\n", HANDLER.subject_serial, HANDLER.national_id));
    assert!(done, "{said}");
    assert_eq!(look(&closed, HANDLER.national_id).code(), "citizen-unknown");
    // A wrong number of a card that the register has counts, opened or not.
    assert_eq!(look(&closed, NUMBER).code(), "national-id-mismatch");
    let wrong = "SELECT group_concat(subject_serial || ':' || count) FROM wrong_ids";
    let wrong: String =
        app.database("confirmations").query_row(wrong, [], |row| row.get(0)).unwrap();
    assert_eq!(wrong, format!("{}:1,{CITIZEN}:3", HANDLER.subject_serial));
    let named = "SELECT count(*) FROM audit_log WHERE entry LIKE '%D123455678%' OR entry LIKE '%0000000187654321%'";
    assert_eq!(app.count("default", named), 0);
}
