//! What officers are asked about registrations: cases in their workbench.

use jiff::{SignedDuration, Timestamp};

use super::*;

fn asker() -> Value {
    json!({ "contactName": "王申請", "phone": "0912345678", "email": "asker@example.com.tw" })
}

/// Asks officers; S/N of the case.
fn asks(visitor: &Visitor, asker: &Value) -> String {
    let asked = visitor.post("/api/delegate/visit/review", asker).unwrap();
    text(&asked.expect(201).unwrap()["serialNumber"])
}

/// A registration with a card and a code that is not its own.
fn mismatched(app: &TestApp, card: &str, code: &str) -> Visitor {
    let mut visitor = app.visitor();
    visitor.begin_visit("register").unwrap();
    let refused = organisation(&visitor, &app.card(card), "register", code);
    assert_eq!((refused.status, refused.code()), (409, "registration-mismatch"));
    visitor
}

fn detail(officer: &Visitor, id: &str) -> Value {
    officer.get(&format!("/api/review/cases/{id}")).unwrap().expect(200).unwrap()
}

/// What the case says of something.
fn fact(case: &Value, name: &str) -> String {
    let all = case["facts"].as_array().unwrap();
    let found = all.iter().find(|fact| fact["name"] == name);
    text(&found.unwrap_or_else(|| panic!("{name}: {all:?}"))["text"])
}

#[test]
fn what_does_not_fit_the_register_is_a_case_and_then_goes_through() {
    let app = TestApp::start();
    let mut visitor = app.visitor();
    visitor.begin_visit("register").unwrap();
    let association = app.card("association");
    let refused = organisation(&visitor, &association, "register", AGENCY_CODE);
    assert_eq!((refused.status, refused.code()), (409, "registration-mismatch"));
    let words = "貴機關申請憑證註冊，因申請資料比對不符，需進行審核，請填聯絡資料";
    assert!(refused.text.contains(words));
    // It goes no further, and name and phone are 必填.
    let stop = visitor.post("/api/delegate/visit/challenges", &json!({})).unwrap();
    assert_eq!(stop.code(), "visit-step");
    let empty = json!({ "contactName": "", "phone": "" });
    let empty = visitor.post("/api/delegate/visit/review", &empty).unwrap();
    assert_eq!(empty.body["errors"].as_array().unwrap().len(), 2);
    // Of a card that is asked about twice at once, one case.
    let twice = mismatched(&app, "association", "Z9999");
    let asked = visitor.post("/api/delegate/visit/review", &asker()).unwrap();
    let asked = asked.expect(201).unwrap();
    assert!(asked["nextWorkingDay"].is_string());
    assert_eq!(asked["office"], "承保第一科");
    assert_eq!(asked["offices"]["offices"][1]["extension"], "5353");
    assert_eq!(visitor.post("/api/delegate/visit/review", &asker()).unwrap().code(), "visit-over");
    let second = twice.post("/api/delegate/visit/review", &asker()).unwrap();
    assert_eq!(second.code(), "registration-under-review");
    // Until officers decide, the same message.
    let mut again = app.visitor();
    again.begin_visit("register").unwrap();
    let waiting = organisation(&again, &association, "register", AGENCY_CODE);
    assert_eq!(waiting.code(), "registration-under-review");
    assert!(waiting.text.contains("次一營業日"));

    let id = text(&asked["serialNumber"]);
    approves_in_the_workbench(&app, &id);
    let told = letters(&app, "approved");
    assert!(told[0].starts_with("asker@example.com.tw: 測試協會 您好："), "{told:?}");
    // And through.
    let mut last = app.visitor();
    last.begin_visit("register").unwrap();
    organisation(&last, &association, "register", AGENCY_CODE).expect(200).unwrap();
    citizen(&last, &app.card("manager"), "register", MANAGER.national_id).expect(200).unwrap();
    finish(&last).expect(201).unwrap();
    // Their word was for once; the organisation itself is told that it is registered.
    let mut late = app.visitor();
    late.begin_visit("register").unwrap();
    let late = organisation(&late, &association, "register", AGENCY_CODE);
    assert_eq!(late.code(), "already-registered");
}

/// Officers' word waits thirty days; after them they are asked again.
#[test]
fn an_approval_waits_thirty_days() {
    let mut app = TestApp::start();
    let id = asks(&mismatched(&app, "association", AGENCY_CODE), &asker());
    app.decides(&id, "approve");
    let approved = Timestamp::now();
    let shown_after = |app: &mut TestApp, hours: i64| {
        let then = approved + SignedDuration::from_hours(hours);
        app.restart_with(&["--now", &then.to_string()]);
        let mut visitor = app.visitor();
        visitor.begin_visit("register").unwrap();
        organisation(&visitor, &app.card("association"), "register", AGENCY_CODE)
    };
    shown_after(&mut app, 30 * 24 - 1).expect(200).unwrap();
    assert_eq!(shown_after(&mut app, 30 * 24 + 1).code(), "registration-mismatch");
}

/// Queue, search, claim, note, second look, decision: as with every other case.
fn approves_in_the_workbench(app: &TestApp, id: &str) {
    let officer = app.officer();
    let list = officer.get("/api/review/cases?queue=new").unwrap().expect(200).unwrap();
    assert_eq!((&list["count"], &list["cases"][0]["serialNumber"]), (&json!(1), &json!(id)));
    for find in [AGENCY_CODE, ASSOCIATION, id] {
        let number = if find == ASSOCIATION { format!("OID:{find}") } else { find.to_owned() };
        let found = officer.get(&format!("/api/review/cases?find={number}")).unwrap();
        assert_eq!(found.expect(200).unwrap()["count"], 1, "{find}");
    }
    let case = detail(&officer, id);
    assert_eq!(case["kindWord"], "憑證註冊資料審核");
    assert_eq!(case["reason"], "機關代號與機關憑證資料比對不符");
    assert_eq!(case["daysLeft"], 1, "次一營業日");
    assert_eq!(fact(&case, "機關代號"), AGENCY_CODE);
    assert_eq!(fact(&case, "憑證上的OID或統一編號"), ASSOCIATION);
    assert_eq!(fact(&case, "此代號的機關資料"), format!("測試機關，{AGENCY}"));
    assert_eq!(fact(&case, "聯絡電話"), "0912345678");
    let may: Vec<_> = case["may"].as_array().unwrap().iter().map(text).collect();
    assert!(may.contains(&"approve".into()) && !may.contains(&"question".into()), "{may:?}");
    let act = |name: &str, said: Value| {
        officer.post(&format!("/api/review/cases/{id}/{name}"), &said).unwrap()
    };
    assert_eq!(act("claim", json!({})).status, 200);
    assert_eq!(act("note", json!({ "text": "已電話確認" })).status, 200);
    // There is no form to be completed: the phone number is there for that.
    let question = act("question", json!({ "grounds": ["other"], "text": "請說明" }));
    assert_eq!(question.code(), "case-kind-not-offered");
    assert_eq!(act("second-look", json!({ "text": "請確認" })).status, 200);
    let queue = officer.get("/api/review/cases?queue=second-look").unwrap().expect(200).unwrap();
    assert_eq!(queue["count"], 1);
    let preview = act("letter-preview", json!({ "about": "approve" })).expect(200).unwrap();
    assert!(text(&preview["body"]).contains("/delegate/"), "{preview}");
    // No refusal without a ground.
    let reject = json!({ "decision": "reject", "result": "不同意", "grounds": [] });
    assert_eq!(act("decision", reject).body["errors"][0]["pointer"], "/grounds");
    let approve = json!({ "decision": "approve", "result": "同意" });
    assert_eq!(act("decision", approve.clone()).status, 200);
    assert_eq!(act("decision", approve).code(), "case-not-open");
}

#[test]
fn a_refusal_is_told_set_aside_or_asked_again_and_an_own_organisation_is_for_others() {
    let app = TestApp::start();
    let first = asks(&mismatched(&app, "company", "Z9999"), &asker());
    // The company sees its case and withdraws it: as if nobody had asked.
    let (company, _) = app.company();
    let cases = company.get("/api/cases").unwrap().expect(200).unwrap();
    assert_eq!(cases["cases"][0]["kindWord"], "憑證註冊資料審核");
    let cancel = format!("/api/cases/{first}/cancel");
    assert_eq!(company.post(&cancel, &json!({})).unwrap().status, 200);
    // Nobody decides on the own company, whatever the service.
    let id = asks(&mismatched(&app, "company", "Z9999"), &asker());
    let officer = app.officer();
    let decide = |decision: &str| {
        let said =
            json!({ "decision": decision, "result": "機關代號有誤", "grounds": ["code-unproven"] });
        officer.post(&format!("/api/review/cases/{id}/decision"), &said).unwrap()
    };
    let own = |company: Option<&str>| {
        app.database("default").execute("UPDATE officers SET own_company = ?1", [company]).unwrap();
    };
    own(Some(COMPANY.1));
    assert_eq!(decide("reject").status, 403);
    own(None);
    assert_eq!(decide("reject").status, 200);
    let told = letters(&app, "rejected");
    assert!(told[0].contains("無法確認機關代號與機關憑證屬於同一機關"), "{told:?}");
    assert!(told[0].contains("說明：機關代號有誤"), "{told:?}");
    // May be asked again: then the refusal cannot be set aside, since a case is under way.
    let again = asks(
        &mismatched(&app, "company", "Z9999"),
        &json!({ "contactName": "王申請", "phone": "0912345678" }),
    );
    let supervises = "UPDATE officers SET role = 'supervisor'";
    app.database("default").execute(supervises, []).unwrap();
    let path = format!("/api/review/cases/{id}/set-aside");
    let aside = officer.post(&path, &json!({ "text": "誤判" })).unwrap();
    assert_eq!(aside.code(), "open-case-exists");
    let case = detail(&officer, &again);
    assert!(fact(&case, "通知方式").contains("電話"));
    assert_eq!(fact(&case, "此代號的機關資料"), "查無此代號");
    // Who left no address gets no letter, and the act stands.
    let before = app.count("default", "SELECT count(*) FROM letters");
    let said = json!({ "decision": "reject", "result": "不符", "grounds": ["other"] });
    officer
        .post(&format!("/api/review/cases/{again}/decision"), &said)
        .unwrap()
        .expect(200)
        .unwrap();
    assert_eq!(app.count("default", "SELECT count(*) FROM letters"), before);
    assert_eq!(officer.post(&path, &json!({ "text": "誤判" })).unwrap().status, 200);
    let waiting = mismatch_again(&app);
    assert_eq!(waiting, "registration-under-review");
}

fn mismatch_again(app: &TestApp) -> String {
    let mut visitor = app.visitor();
    visitor.begin_visit("register").unwrap();
    organisation(&visitor, &app.card("company"), "register", "Z9999").code().to_owned()
}

#[test]
fn another_manager_needs_the_officers_word_and_the_case_proves_itself() {
    let app = TestApp::start();
    registers(&app, "agency", AGENCY_CODE);
    let attempt = |second: &str, id: &str| {
        let mut visitor = app.visitor();
        visitor.begin_visit("replace-manager").unwrap();
        let kind = "replace-manager";
        organisation(&visitor, &app.card("agency"), kind, AGENCY_CODE).expect(200).unwrap();
        let answer = citizen(&visitor, &app.card(second), kind, id);
        (visitor, answer)
    };
    let (visitor, other) = attempt("handler", HANDLER.national_id);
    assert_eq!((other.status, other.code()), (409, "other-manager"));
    assert_eq!(finish(&visitor).code(), "visit-step");
    let id = asks(&visitor, &json!({ "contactName": "張經辦", "phone": "0912345678" }));
    assert_eq!(attempt("handler", HANDLER.national_id).1.code(), "registration-under-review");
    let case = detail(&app.officer(), &id);
    assert_eq!(case["kindWord"], "更換授權管理者審核");
    assert_eq!(fact(&case, "新的授權管理者"), HANDLER.name);
    assert_eq!(fact(&case, "現在的授權管理者"), "林管理");
    app.decides(&id, "approve");
    // For this person, and for nobody else.
    let citizen_id = domain::NationalId::typed("F100015678").map(|_| "F100015678").unwrap();
    assert_eq!(attempt("citizen", citizen_id).1.code(), "other-manager");
    let (visitor, answer) = attempt("handler", HANDLER.national_id);
    answer.expect(200).unwrap();
    finish(&visitor).expect(201).unwrap();
    assert_eq!(app.count("default", "SELECT count(*) FROM registrations"), 1);
    let late = attempt("manager", MANAGER.national_id).1;
    assert_eq!(late.code(), "other-manager");
    // What both cards signed, in one file that can be judged again.
    let file = app.path("case.json");
    let (made, exported) = app.chayan(&["export-case", &id]);
    assert!(made, "{exported}");
    std::fs::write(&file, &exported).unwrap();
    let (stands, said) = app.chayan(&["verify", "case", &file]);
    assert!(stands, "{said}");
    for words in [
        "for",
        "測試機關",
        HANDLER.name,
        "confirm-organisation",
        "confirm-manager",
        "countersigned",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!exported.contains(HANDLER.national_id));
}

/// A visit of this kind by these cards, as far as they let it go.
fn attempts(
    app: &TestApp,
    kind: &str,
    card: &str,
    (second, id): (&str, &str),
) -> (Visitor, Answer) {
    let mut visitor = app.visitor();
    visitor.begin_visit(kind).unwrap();
    let first = organisation(&visitor, &app.card(card), kind, AGENCY_CODE);
    if first.status != 200 {
        return (visitor, first);
    }
    let answer = citizen(&visitor, &app.card(second), kind, id);
    (visitor, answer)
}

#[test]
fn the_officers_word_is_for_one_change() {
    let app = TestApp::start();
    registers(&app, "agency", AGENCY_CODE);
    let becomes = |kind: &str, card: &str, second: (&str, &str), refusal: Option<&str>| {
        if let Some(refusal) = refusal {
            let (visitor, answer) = attempts(&app, kind, card, second);
            assert_eq!((answer.status, answer.code()), (409, refusal), "{kind} {card} {second:?}");
            app.decides(&asks(&visitor, &asker()), "approve");
        }
        let (visitor, answer) = attempts(&app, kind, card, second);
        answer.expect(200).unwrap();
        finish(&visitor).expect(201).unwrap();
    };
    // From one manager to another and back, each time by officers; and then once more.
    let (former, new) = (("manager", MANAGER.national_id), ("handler", HANDLER.national_id));
    becomes("replace-manager", "agency", new, Some("other-manager"));
    becomes("replace-manager", "agency", former, Some("other-manager"));
    let third = attempts(&app, "replace-manager", "agency", new).1;
    assert_eq!((third.status, third.code()), (409, "other-manager"));
    // The same of an organisation's number; its former one is in the register.
    let kind = "replace-organisation";
    becomes(kind, "association", former, Some("registration-mismatch"));
    becomes(kind, "agency", former, None);
    let third = attempts(&app, kind, "association", former).1;
    assert_eq!((third.status, third.code()), (409, "registration-mismatch"));
    let spent = "SELECT count(*) FROM registration_forms WHERE spent_at IS NOT NULL";
    assert_eq!(app.count("default", spent), 3);
}
