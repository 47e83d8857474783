//! Credential registration and its handlers: stories over HTTP with real cards (D1 to D5, #8).

use http_tests::{TestApp, application, at_once, text};
use pki::IssuerRole;
use serde_json::{Value, json};
use test_pki::client::{Answer, CardSigner, Visitor};
use test_pki::demo::{
    AGENCY, ASSOCIATION, CODES, COMPANY, HANDLER, HOSPITAL, MANAGER, Person, write_card,
};
use test_pki::issue::{List, Listed};

const AGENCY_CODE: &str = CODES[0];
const COMPANY_CODE: &str = CODES[1];
const ASSOCIATION_CODE: &str = CODES[2];
const HOSPITAL_CODE: &str = CODES[3];

/// The terms as an installation has them.
fn terms(visitor: &Visitor) -> Value {
    visitor.get("/api/delegate/terms").unwrap().expect(200).unwrap()["terms"].clone()
}

fn first(visitor: &Visitor, kind: &str, code: &str) -> Value {
    let mut document = json!({ "visit": kind, "code": code });
    if kind == "register" || kind.starts_with("replace") {
        document["agreed"] = terms(visitor);
    }
    document
}

/// Shows the organisation's card.
fn organisation(visitor: &Visitor, card: &CardSigner, kind: &str, code: &str) -> Answer {
    visitor.shows_card(card, first(visitor, kind, code), None).unwrap()
}

/// Shows the second card.
fn citizen(visitor: &Visitor, card: &CardSigner, kind: &str, id: &str) -> Answer {
    let view = visitor.get("/api/delegate/visit").unwrap().expect(200).unwrap();
    let mut document = json!({ "visit": kind });
    if let Some(signature) = view["organisationSignature"].as_str() {
        document["organisationSignature"] = signature.into();
    }
    visitor.shows_card(card, document, Some(id)).unwrap()
}

/// A visit with both cards confirmed.
fn both(
    app: &TestApp,
    kind: &str,
    (card, code): (&str, &str),
    (second, id): (&str, &str),
) -> Visitor {
    let mut visitor = app.visitor();
    visitor.begin_visit(kind).unwrap();
    organisation(&visitor, &app.card(card), kind, code).expect(200).unwrap();
    citizen(&visitor, &app.card(second), kind, id).expect(200).unwrap();
    visitor
}

fn contact() -> Value {
    json!({ "contactName": "林管理", "email": "manager@example.com.tw", "phone": "(02)12345678#12" })
}

fn finish(visitor: &Visitor) -> Answer {
    visitor.post("/api/delegate/registrations", &contact()).unwrap()
}

/// Registers an organisation with the demo manager.
fn registers(app: &TestApp, card: &str, code: &str) -> Value {
    let visitor = both(app, "register", (card, code), ("manager", MANAGER.national_id));
    finish(&visitor).expect(201).unwrap()
}

/// A visit for 授權指派 by the manager.
fn counter(app: &TestApp, card: &str, code: &str) -> Visitor {
    both(app, "delegate", (card, code), ("manager", MANAGER.national_id))
}

fn serial(app: &TestApp, card: &str) -> String {
    app.certificate_of(card).serial_number()
}

fn entry(app: &TestApp, permissions: &[&str]) -> Value {
    json!({
        "serialNumber": serial(app, "handler"), "name": HANDLER.name,
        "nationalId": HANDLER.national_id, "email": "handler@example.com.tw",
        "permissions": permissions,
    })
}

/// Names the demo handler.
fn names(app: &TestApp, card: &str, code: &str, permissions: &[&str]) -> Value {
    let visitor = counter(app, card, code);
    visitor
        .post("/api/delegate/handlers", &entry(app, permissions))
        .and_then(|answer| answer.expect(201))
        .unwrap()
}

/// A card of this person in a reader.
fn new_card(app: &TestApp, card: &str, person: Person) -> CardSigner {
    let issued = http_tests::pki().citizen(person.name, person.subject_serial, person.tail());
    write_card(&app.dir, card, "TP00000000009999", "123456", true, &issued.unwrap()).unwrap();
    app.card(card)
}

fn letters(app: &TestApp, kind: &str) -> Vec<String> {
    let database = app.database("default");
    let mut statement = database
        .prepare("SELECT recipient || ': ' || body FROM letters WHERE kind = ?1 ORDER BY id")
        .unwrap();
    let rows = statement.query_map([kind], |row| row.get(0)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

#[test]
fn every_kind_of_organisation_registers_with_two_cards() {
    let app = TestApp::start();
    for (card, code, number) in [
        ("agency", AGENCY_CODE, AGENCY),
        ("company", COMPANY_CODE, COMPANY.1),
        ("association", ASSOCIATION_CODE, ASSOCIATION),
        ("hospital", HOSPITAL_CODE, HOSPITAL),
    ] {
        let mut visitor = app.visitor();
        visitor.begin_visit("register").unwrap();
        let view = organisation(&visitor, &app.card(card), "register", code).expect(200).unwrap();
        assert_eq!(view["organisation"]["number"], number);
        let view = citizen(&visitor, &app.card("manager"), "register", MANAGER.national_id);
        let view = view.expect(200).unwrap();
        assert_eq!(view["citizen"]["nationalId"], "******6789");
        let done = finish(&visitor).expect(201).unwrap();
        assert_eq!((&done["code"], &done["itemWord"]), (&json!(code), &json!("首次註冊")));
        // The visit has done what it was for.
        assert_eq!(finish(&visitor).code(), "visit-over");
    }
    // One manager, one registration: again is too late, in words.
    let mut visitor = app.visitor();
    visitor.begin_visit("register").unwrap();
    let again = organisation(&visitor, &app.card("agency"), "register", AGENCY_CODE);
    assert_eq!((again.status, again.code()), (409, "already-registered"));
    assert_eq!(app.count("default", "SELECT count(*) FROM registrations"), 4);
    // Both signatures are kept, and both can be judged again.
    let kept = "SELECT count(*) FROM registration_receipts WHERE length(organisation_signed) > 1000
        AND length(citizen_signed) > 1000 AND citizen_judgement ->> '$.role' = 'moica'";
    assert_eq!(app.count("default", kept), 4);
    assert_eq!(letters(&app, "registered").len(), 4);
    let entry = "SELECT count(*) FROM audit_log WHERE act = 'registered'
        AND entry ->> '$.details.organisationSerial' IS NOT NULL";
    assert_eq!(app.count("default", entry), 4);
}

#[test]
fn cards_that_do_not_belong_are_named_and_a_visit_holds_for_one_thing() {
    let app = TestApp::start();
    let mut visitor = app.visitor();
    let manager = app.card("manager");
    let agency = app.card("agency");
    visitor.begin_visit("register").unwrap();
    // Nothing before the first card.
    assert_eq!(finish(&visitor).code(), "visit-step");
    let early = visitor.post(
        "/api/delegate/visit/citizen",
        &json!({"signedData": "AAAA", "nationalId": "A123456789"}),
    );
    assert_eq!(early.unwrap().code(), "visit-step");
    // Swapped.
    let swapped = organisation(&visitor, &manager, "register", AGENCY_CODE);
    assert_eq!((swapped.status, swapped.code()), (403, "organisation-card-needed"));
    let secondary =
        organisation(&visitor, &app.card("company-secondary"), "register", COMPANY_CODE);
    assert_eq!(secondary.code(), "secondary-card");
    // Neither another visit's kind, nor other terms, nor a code that is none.
    let other = visitor.shows_card(&agency, first(&visitor, "replace-both", AGENCY_CODE), None);
    assert_eq!(other.unwrap().code(), "signed-content-differs");
    let mut old = first(&visitor, "register", AGENCY_CODE);
    old["agreed"]["sha256"] = "00".repeat(32).into();
    assert_eq!(visitor.shows_card(&agency, old, None).unwrap().code(), "terms-not-agreed");
    let bad = organisation(&visitor, &agency, "register", "?");
    assert_eq!(bad.body["errors"][0]["pointer"], "/code");
    organisation(&visitor, &agency, "register", " ａ0001").expect(200).unwrap();
    // One card for both roles, another organisation's card, a wrong ID.
    let both = citizen(&visitor, &agency, "register", MANAGER.national_id);
    assert_eq!((both.status, both.code()), (403, "one-card-for-both"));
    let company = citizen(&visitor, &app.card("company"), "register", MANAGER.national_id);
    assert_eq!(company.code(), "citizen-card-needed");
    for (id, problem) in [
        ("", "required"),
        ("A123456788", "national-id-format"),
        (HANDLER.national_id, "national-id-mismatch"),
    ] {
        let wrong = citizen(&visitor, &manager, "register", id);
        assert_eq!(wrong.body["errors"][0]["pointer"], "/nationalId", "{}", wrong.text);
        assert_eq!(wrong.body["errors"][0]["code"], problem);
    }
    // A second card that names no first one, or another.
    for signature in [Value::Null, json!("00".repeat(32))] {
        let mut document = json!({ "visit": "register" });
        if !signature.is_null() {
            document["organisationSignature"] = signature;
        }
        let loose = visitor.shows_card(&manager, document, Some(MANAGER.national_id)).unwrap();
        assert_eq!(loose.code(), "signed-content-differs");
    }
    citizen(&visitor, &manager, "register", MANAGER.national_id).expect(200).unwrap();
    let empty = json!({ "contactName": "", "email": "x", "phone": "1" });
    let empty = visitor.post("/api/delegate/registrations", &empty).unwrap();
    assert_eq!(empty.body["errors"].as_array().unwrap().len(), 3);
    // For registering, and for nothing else.
    assert_eq!(visitor.get("/api/delegate/handlers").unwrap().code(), "visit-step");
    finish(&visitor).expect(201).unwrap();
    let unknown = app.visitor();
    assert_eq!(finish(&unknown).code(), "visit-over");
    assert_eq!(app.count("default", "SELECT count(*) FROM registrations"), 1);
}

#[test]
fn a_challenge_belongs_to_its_visit_and_is_used_once() {
    let app = TestApp::start();
    let agency = app.card("agency");
    let (mut one, mut other) = (app.visitor(), app.visitor());
    one.begin_visit("register").unwrap();
    other.begin_visit("register").unwrap();
    let document = first(&one, "register", AGENCY_CODE);
    let ask = |visitor: &Visitor| {
        let reply = visitor.post("/api/delegate/visit/challenges", &json!({})).unwrap();
        let reply = reply.expect(201).unwrap();
        assert_eq!(reply["purpose"], "confirm-organisation");
        text(&reply["challenge"])
    };
    let sign = |challenge: &str, purpose| {
        use test_pki::client::Signer;
        let signed = agency.sign(&one.origin, purpose, challenge, document.clone()).unwrap();
        json!({ "signedData": signed })
    };
    let path = "/api/delegate/visit/organisation";
    let purpose = pki::Purpose::ConfirmOrganisation;
    let foreign = sign(&ask(&other), purpose);
    assert_eq!(one.post(path, &foreign).unwrap().code(), "challenge-unknown");
    let challenge = ask(&one);
    let sign_in = sign(&challenge, pki::Purpose::SignIn);
    assert_eq!(one.post(path, &sign_in).unwrap().code(), "signed-for-other");
    let good = sign(&challenge, purpose);
    // Of many at once, one is the first card.
    let codes = at_once(8, |_| one.post(path, &good).unwrap());
    let taken = codes.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(taken, 1);
    assert!(codes.iter().all(|answer| [200, 409].contains(&answer.status)));
    // The next challenge is for the other card; the shared ones are for none of this.
    let next = one.post("/api/delegate/visit/challenges", &json!({})).unwrap();
    assert_eq!(next.expect(201).unwrap()["purpose"], "confirm-manager");
    let shared = one.post("/api/challenges", &json!({ "purpose": "confirm-manager" })).unwrap();
    assert_eq!(shared.status, 400);
}

#[test]
fn what_does_not_fit_the_register_goes_to_officers_and_then_through() {
    let app = TestApp::start();
    let association = app.card("association");
    let mut visitor = app.visitor();
    visitor.begin_visit("register").unwrap();
    let refused = organisation(&visitor, &association, "register", AGENCY_CODE);
    assert_eq!((refused.status, refused.code()), (409, "registration-mismatch"));
    assert!(
        refused.text.contains("貴機關申請憑證註冊，因申請資料比對不符，需進行審核，請填聯絡資料")
    );
    // It goes no further, and name and phone are 必填.
    let stop = visitor.post("/api/delegate/visit/challenges", &json!({})).unwrap();
    assert_eq!(stop.code(), "visit-step");
    let empty = json!({ "contactName": "", "phone": "" });
    let empty = visitor.post("/api/delegate/visit/review", &empty).unwrap();
    assert_eq!(empty.body["errors"].as_array().unwrap().len(), 2);
    let asker =
        json!({ "contactName": "王申請", "phone": "0912345678", "email": "asker@example.com.tw" });
    let asked = visitor.post("/api/delegate/visit/review", &asker).unwrap().expect(201).unwrap();
    assert!(asked["nextWorkingDay"].is_string());
    assert_eq!(asked["office"], "承保第一科");
    assert_eq!(asked["offices"]["offices"][1]["extension"], "5353");
    assert_eq!(visitor.post("/api/delegate/visit/review", &asker).unwrap().code(), "visit-over");
    // Until officers decide, the same message.
    let mut again = app.visitor();
    again.begin_visit("register").unwrap();
    let waiting = organisation(&again, &association, "register", AGENCY_CODE);
    assert_eq!(waiting.code(), "registration-under-review");
    assert!(waiting.text.contains("次一營業日"));

    let officer = app.officer();
    let list = officer.get("/api/delegate/reviews").unwrap().expect(200).unwrap();
    let review = &list["reviews"][0];
    assert_eq!(review["registerNumber"], AGENCY);
    assert_eq!((&review["number"], &review["phone"]), (&json!(ASSOCIATION), &json!("0912345678")));
    let path = format!("/api/delegate/reviews/{}", review["id"]);
    let decide = |cleared: bool, note: &str| {
        officer.post(&path, &json!({ "cleared": cleared, "note": note })).unwrap()
    };
    // No refusal without a reason; company and stranger decide nothing.
    assert_eq!(decide(false, "").body["errors"][0]["pointer"], "/note");
    assert_eq!(again.post(&path, &json!({ "cleared": true })).unwrap().status, 401);
    let (company, _) = app.company();
    assert_eq!(company.get("/api/delegate/reviews").unwrap().status, 403);
    assert_eq!(decide(true, "").status, 204);
    assert_eq!(decide(false, "太遲").status, 409);
    let told = letters(&app, "registration-cleared");
    assert!(told[0].starts_with("asker@example.com.tw: 測試協會 您好："), "{told:?}");
    // And through.
    let mut last = app.visitor();
    last.begin_visit("register").unwrap();
    organisation(&last, &association, "register", AGENCY_CODE).expect(200).unwrap();
    citizen(&last, &app.card("manager"), "register", MANAGER.national_id).expect(200).unwrap();
    finish(&last).expect(201).unwrap();

    // A refusal is told with its reason, and may be asked again.
    let company = app.card("company");
    let mut visitor = app.visitor();
    visitor.begin_visit("register").unwrap();
    let unknown = organisation(&visitor, &company, "register", "Z9999");
    assert_eq!(unknown.code(), "registration-mismatch");
    visitor.post("/api/delegate/visit/review", &asker).unwrap().expect(201).unwrap();
    let list = officer.get("/api/delegate/reviews").unwrap().expect(200).unwrap();
    let path = format!("/api/delegate/reviews/{}", list["reviews"][0]["id"]);
    let barred = officer.post(&path, &json!({ "cleared": false, "note": "機關代號有誤" })).unwrap();
    assert_eq!(barred.status, 204);
    assert!(letters(&app, "registration-barred")[0].contains("說明：機關代號有誤"));
    visitor.begin_visit("register").unwrap();
    let anew = organisation(&visitor, &company, "register", "Z9999");
    assert_eq!(anew.code(), "registration-mismatch");
}

#[test]
fn handlers_are_named_changed_and_removed_with_both_cards() {
    let app = TestApp::start();
    registers(&app, "agency", AGENCY_CODE);
    let visitor = counter(&app, "agency", AGENCY_CODE);
    let list =
        || visitor.get("/api/delegate/handlers").unwrap().expect(200).unwrap()["handlers"].clone();
    assert_eq!(list(), json!([]));
    let add = |entry: &Value| visitor.post("/api/delegate/handlers", entry).unwrap();
    // What is wrong is said field by field.
    let wrong =
        add(&json!({ "name": "", "serialNumber": "xyz", "nationalId": "B2", "permissions": [] }));
    let errors: Vec<_> = wrong.body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| text(&error["pointer"]))
        .collect();
    assert_eq!(errors, ["/serialNumber", "/name", "/nationalId", "/permissions"]);
    // 讀取憑證, and any notation of the same serial number.
    let read = json!({ "certificate": encoded(&app, "handler") });
    let read = visitor.post("/api/delegate/card-readings", &read).unwrap().expect(200).unwrap();
    assert_eq!(read["name"], HANDLER.name);
    assert_eq!(text(&read["serialNumber"]), serial(&app, "handler"));
    let agency = json!({ "certificate": encoded(&app, "agency") });
    let agency = visitor.post("/api/delegate/card-readings", &agency).unwrap();
    assert_eq!(agency.code(), "citizen-card-needed");
    let plain = serial(&app, "handler");
    let colons: Vec<_> = plain
        .as_bytes()
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).unwrap().to_lowercase())
        .collect();
    let mut pasted = entry(&app, &["progress", "apply"]);
    pasted["serialNumber"] = format!(" 00:{} ", colons.join(":")).into();
    let added = add(&pasted).expect(201).unwrap();
    assert_eq!(text(&added["handler"]["serialNumber"]), plain);
    let words: Vec<_> = added["handler"]["permissions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| text(&one["word"]))
        .collect();
    assert_eq!(words, ["API申請", "進度查詢"]);
    assert_eq!(add(&pasted).code(), "handler-exists");
    assert!(letters(&app, "handler-added")[0].contains("權限：API申請、進度查詢"));
    assert_eq!(letters(&app, "handlers-changed").len(), 1);
    // A change names what was seen; who saw something older is told so.
    let id = &added["handler"]["id"];
    let path = format!("/api/delegate/handlers/{id}");
    let mut changed = entry(&app, &["cancel"]);
    changed["nationalId"] = "".into();
    let change = |revision: i64| {
        visitor.post(&path, &json!({ "revision": revision, "handler": changed })).unwrap()
    };
    assert_eq!(change(1).expect(200).unwrap()["revision"], 2);
    assert_eq!(change(1).code(), "handler-changed");
    assert_eq!(list()[0]["permissions"][0]["word"], "取消");
    // Another organisation's counter does not reach it.
    registers(&app, "company", COMPANY_CODE);
    let other = counter(&app, "company", COMPANY_CODE);
    let foreign = other.post(&format!("{path}/removal"), &json!({ "revision": 2 })).unwrap();
    assert_eq!(foreign.code(), "handler-not-found");
    let remove = |revision: i64| {
        visitor.post(&format!("{path}/removal"), &json!({ "revision": revision })).unwrap()
    };
    assert_eq!(remove(1).code(), "handler-changed");
    assert_eq!(remove(2).status, 204);
    assert_eq!(remove(2).code(), "handler-not-found");
    assert_eq!(list(), json!([]));
    assert_eq!(letters(&app, "handler-removed").len(), 1);
    // As many as anybody likes.
    let adding = |number: usize| {
        let id = domain::NationalId::with_check_digit(b'C', 1, u32::try_from(number).unwrap());
        json!({ "serialNumber": format!("{:x}", 4096 + number), "name": "經辦", "nationalId": id,
            "permissions": ["progress"] })
    };
    for number in 0..30 {
        assert_eq!(add(&adding(number)).status, 201);
    }
    assert_eq!(list().as_array().unwrap().len(), 30);
    // No national ID in the database, nor in the log.
    for label in ["default"] {
        let bytes = std::fs::read(app.dir.join(format!("data/{label}.db"))).unwrap();
        let wal = std::fs::read(app.dir.join(format!("data/{label}.db-wal"))).unwrap_or_default();
        for id in [MANAGER.national_id, HANDLER.national_id] {
            let holds = |bytes: &[u8]| bytes.windows(id.len()).any(|part| part == id.as_bytes());
            assert!(!holds(&bytes) && !holds(&wal), "{id}");
        }
    }
}

fn encoded(app: &TestApp, card: &str) -> String {
    use base64::Engine;
    base64::prelude::BASE64_STANDARD.encode(app.certificate_of(card).der())
}

#[test]
fn a_handler_signs_in_with_the_own_card_and_does_what_the_permissions_say() {
    let app = TestApp::start();
    let (_, _, case) = app.applies();
    registers(&app, "company", COMPANY_CODE);
    let mut handler = app.visitor();
    let card = app.card("handler");
    assert_eq!(handler.sign_in_as_handler(&card).unwrap().code(), "handler-unknown");
    let company = handler.sign_in_as_handler(&app.card("company")).unwrap();
    assert_eq!(company.code(), "citizen-card-needed");
    names(&app, "company", COMPANY_CODE, &["progress"]);
    handler.sign_in_as_handler(&card).unwrap().expect(201).unwrap();
    let me = handler.get("/api/delegate/me").unwrap().expect(200).unwrap();
    assert_eq!(me["organisations"][0]["ubn"], COMPANY.1);
    assert_eq!(me["chosen"], me["organisations"][0]["handler"]);
    let progress = handler.get("/api/cases").unwrap().expect(200).unwrap();
    assert_eq!(text(&progress["cases"][0]["serialNumber"]), case);
    // The isskey is for who holds the company's card, also after approval.
    app.decides(&case, "approve");
    let progress = handler.get("/api/cases").unwrap().expect(200).unwrap();
    assert!(progress["account"]["issKey"].is_null(), "{progress}");

    // Every permission opens its own function and no other, at once and without a new sign-in.
    let calls: [(&str, &str, &[&str]); 9] = [
        ("get", "/api/delegate/me/registrations", &["registrations"]),
        ("get", "/api/delegate/me/handlers", &["delegate"]),
        ("get", "/api/delegate/me/certificates", &["certificates"]),
        ("get", "/api/standing", &["apply"]),
        ("post", "/api/possession-challenges", &["apply"]),
        ("get", "/api/cases", &["progress"]),
        ("post", "/api/cases/CASE/cancel", &["cancel"]),
        ("get", "/api/guide", &[]),
        ("post", "/api/iss-keys", &[]),
    ];
    let counter = counter(&app, "company", COMPANY_CODE);
    let id = me["chosen"].clone();
    let mut asked = 0;
    for (revision, permission) in (1..).zip(domain::HandlerPermission::ALL) {
        let body = json!({ "revision": revision, "handler": entry(&app, &[permission.name()]) });
        counter.post(&format!("/api/delegate/handlers/{id}"), &body).unwrap().expect(200).unwrap();
        for (method, path, wanted) in calls {
            let path = path.replace("CASE", &case);
            let answer = match method {
                "get" => handler.get(&path).unwrap(),
                _ => handler.post(&path, &json!({})).unwrap(),
            };
            let may = wanted.contains(&permission.name());
            let refused = answer.code() == "not-allowed";
            assert_eq!(refused, !may, "{} {path}: {}", permission.name(), answer.text);
            asked += 1;
        }
        // The second card of a visit: 授權指派 and 更換憑證, where the manager's would do.
        for (kind, wanted) in [("delegate", "delegate"), ("replace-organisation", "replace")] {
            let mut visitor = app.visitor();
            visitor.begin_visit(kind).unwrap();
            let first_card = if kind == "delegate" {
                app.card("company")
            } else {
                app.new_company("company-renewed", COMPANY.0, COMPANY.1)
            };
            organisation(&visitor, &first_card, kind, COMPANY_CODE).expect(200).unwrap();
            let second = citizen(&visitor, &card, kind, HANDLER.national_id);
            assert_eq!(
                second.status == 200,
                permission.name() == wanted,
                "{kind}: {}",
                second.text
            );
            assert!(second.status == 200 || second.code() == "not-the-manager");
            asked += 1;
        }
    }
    assert_eq!(asked, 77);
    // Nothing at all once the entry is removed, or names another card.
    let removal = json!({ "revision": 8 });
    counter.post(&format!("/api/delegate/handlers/{id}/removal"), &removal).unwrap();
    for path in ["/api/cases", "/api/standing", "/api/delegate/me/handlers"] {
        assert_eq!(handler.get(path).unwrap().code(), "not-allowed", "{path}");
    }
}

#[test]
fn a_handler_prepares_and_the_companys_card_signs() {
    let app = TestApp::start();
    registers(&app, "company", COMPANY_CODE);
    names(&app, "company", COMPANY_CODE, &["apply", "cancel"]);
    let mut handler = app.visitor();
    let own = app.card("handler");
    handler.sign_in_as_handler(&own).unwrap().expect(201).unwrap();
    // The own card does not sign for the company.
    let signed = handler.apply(&own, application()).unwrap();
    assert_eq!((signed.status, signed.code()), (403, "wrong-card"));
    let receipt = handler.apply(&app.card("company"), application()).unwrap().expect(201).unwrap();
    let path = format!("/api/cases/{}/cancel", text(&receipt["serialNumber"]));
    handler.post(&path, &json!({})).unwrap().expect(200).unwrap();
}

#[test]
fn whoever_works_for_several_chooses_and_nobody_gives_more_than_the_own() {
    let app = TestApp::start();
    registers(&app, "company", COMPANY_CODE);
    registers(&app, "agency", AGENCY_CODE);
    names(&app, "company", COMPANY_CODE, &["delegate", "progress"]);
    names(&app, "agency", AGENCY_CODE, &["registrations"]);
    let mut handler = app.visitor();
    let card = app.card("handler");
    handler.sign_in_as_handler(&card).unwrap().expect(201).unwrap();
    assert_eq!(handler.get("/api/cases").unwrap().code(), "organisation-not-chosen");
    let me = handler.get("/api/delegate/me").unwrap().expect(200).unwrap();
    assert_eq!(me["organisations"].as_array().unwrap().len(), 2);
    let id = |code: &str| {
        let all = me["organisations"].as_array().unwrap();
        all.iter().find(|work| work["code"] == code).unwrap()["handler"].clone()
    };
    let strange = handler.post("/api/delegate/me", &json!({ "handler": 4711 })).unwrap();
    assert_eq!(strange.code(), "handler-not-found");
    handler.chooses(id(COMPANY_CODE).as_i64().unwrap()).unwrap().expect(201).unwrap();
    assert_eq!(handler.get("/api/cases").unwrap().status, 200);
    // A handler at the counter: neither more than the own, nor the own entry.
    let at = both(&app, "delegate", ("company", COMPANY_CODE), ("handler", HANDLER.national_id));
    let other = |permissions: &[&str]| {
        json!({ "serialNumber": "1234", "name": "王經辦",
            "nationalId": domain::NationalId::with_check_digit(b'D', 1, 1), "permissions": permissions })
    };
    let more = at.post("/api/delegate/handlers", &other(&["apply"])).unwrap();
    assert_eq!(more.code(), "beyond-own-permissions");
    at.post("/api/delegate/handlers", &other(&["progress"])).unwrap().expect(201).unwrap();
    let own = json!({ "revision": 1, "handler": entry(&app, &["progress"]) });
    let own = at.post(&format!("/api/delegate/handlers/{}", id(COMPANY_CODE)), &own).unwrap();
    assert_eq!(own.code(), "beyond-own-permissions");
}

#[test]
fn cards_are_replaced_one_or_both_and_of_two_one_wins() {
    let app = TestApp::start();
    registers(&app, "agency", AGENCY_CODE);
    names(&app, "agency", AGENCY_CODE, &["registrations"]);
    let before = (serial(&app, "agency"), serial(&app, "manager"));
    let manager = ("manager", MANAGER.national_id);
    // The registered card itself is nothing new.
    let mut same = app.visitor();
    same.begin_visit("replace-organisation").unwrap();
    let unchanged = organisation(&same, &app.card("agency"), "replace-organisation", AGENCY_CODE);
    assert_eq!(unchanged.code(), "certificate-unchanged");
    // A new agency card: it cannot delegate before it was registered.
    let renewed =
        http_tests::pki().organisation(IssuerRole::Gca, "測試機關", AGENCY.parse().unwrap());
    write_card(&app.dir, "agency-2", "GP00000000000002", "123456", true, &renewed.unwrap())
        .unwrap();
    let mut early = app.visitor();
    early.begin_visit("delegate").unwrap();
    let refused = organisation(&early, &app.card("agency-2"), "delegate", AGENCY_CODE);
    assert_eq!(refused.code(), "organisation-certificate-changed");
    let working = counter(&app, "agency", AGENCY_CODE);
    let kind = "replace-organisation";
    let visits: Vec<_> =
        (0..2).map(|_| both(&app, kind, ("agency-2", AGENCY_CODE), manager)).collect();
    let outcomes = at_once(2, |index| finish(&visits[index]));
    let mut statuses: Vec<_> = outcomes.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
    assert!(outcomes.iter().any(|answer| answer.code() == "registration-changed"));
    // Whoever was at work with the former card begins again.
    assert_eq!(working.get("/api/delegate/handlers").unwrap().code(), "registration-changed");
    let replaced = "SELECT count(*) FROM audit_log WHERE act = 'card-replaced'
        AND entry ->> '$.details.formerOrganisationSerial' = ";
    assert_eq!(app.count("default", &format!("{replaced}'{}'", before.0)), 1);

    // The manager's renewed card, the same person: at once, while a handler works on.
    let mut handler = app.visitor();
    handler.sign_in_as_handler(&app.card("handler")).unwrap().expect(201).unwrap();
    new_card(&app, "manager-2", MANAGER);
    let mut renewing = app.visitor();
    renewing.begin_visit("delegate").unwrap();
    organisation(&renewing, &app.card("agency-2"), "delegate", AGENCY_CODE).expect(200).unwrap();
    let told = citizen(&renewing, &app.card("manager-2"), "delegate", MANAGER.national_id);
    assert_eq!(told.code(), "manager-certificate-changed");
    let renewed = ("manager-2", MANAGER.national_id);
    let visitor = both(&app, "replace-manager", ("agency-2", AGENCY_CODE), renewed);
    finish(&visitor).expect(201).unwrap();
    assert_eq!(handler.get("/api/delegate/me/registrations").unwrap().status, 200);
    let former = "SELECT count(*) FROM registration_receipts WHERE item = 'replace-manager'
        AND former_manager = ";
    assert_eq!(app.count("default", &format!("{former}'{}'", before.1)), 1);
    // Both at once.
    new_card(&app, "manager-3", MANAGER);
    let third =
        http_tests::pki().organisation(IssuerRole::Gca, "測試機關", AGENCY.parse().unwrap());
    write_card(&app.dir, "agency-3", "GP00000000000003", "123456", true, &third.unwrap()).unwrap();
    let third = ("manager-3", MANAGER.national_id);
    finish(&both(&app, "replace-both", ("agency-3", AGENCY_CODE), third)).expect(201).unwrap();
    let words =
        "SELECT group_concat(item, ' ') FROM (SELECT item FROM registration_receipts ORDER BY id)";
    let words: String = app.database("default").query_row(words, [], |row| row.get(0)).unwrap();
    assert_eq!(words, "register replace-organisation replace-manager replace-both");
    counter_with(&app, "agency-3", "manager-3");
    assert!(letters(&app, "card-replaced").len() >= 3);
    // 查詢憑證註冊收件紀錄: by the code alone, and no person in it.
    let receipts =
        app.visitor().post("/api/delegate/receipts", &json!({ "code": "a0001" })).unwrap();
    let receipts = receipts.expect(200).unwrap();
    assert_eq!(receipts["receipts"].as_array().unwrap().len(), 4);
    assert_eq!(receipts["receipts"][3]["itemWord"], "首次註冊");
    assert!(!receipts.to_string().contains(MANAGER.name));
}

fn counter_with(app: &TestApp, card: &str, manager: &str) -> Visitor {
    both(app, "delegate", (card, AGENCY_CODE), (manager, MANAGER.national_id))
}

#[test]
fn another_manager_needs_the_officers_word() {
    let app = TestApp::start();
    registers(&app, "agency", AGENCY_CODE);
    let attempt = |second: &str, id: &str| {
        let mut visitor = app.visitor();
        visitor.begin_visit("replace-manager").unwrap();
        organisation(&visitor, &app.card("agency"), "replace-manager", AGENCY_CODE)
            .expect(200)
            .unwrap();
        let answer = citizen(&visitor, &app.card(second), "replace-manager", id);
        (visitor, answer)
    };
    let (visitor, other) = attempt("handler", HANDLER.national_id);
    assert_eq!((other.status, other.code()), (409, "other-manager"));
    assert_eq!(finish(&visitor).code(), "visit-step");
    let asker = json!({ "contactName": "張經辦", "phone": "0912345678" });
    visitor.post("/api/delegate/visit/review", &asker).unwrap().expect(201).unwrap();
    assert_eq!(attempt("handler", HANDLER.national_id).1.code(), "registration-under-review");
    let officer = app.officer();
    let list = officer.get("/api/delegate/reviews").unwrap().expect(200).unwrap();
    assert_eq!(list["reviews"][0]["managerName"], HANDLER.name);
    let path = format!("/api/delegate/reviews/{}", list["reviews"][0]["id"]);
    assert_eq!(officer.post(&path, &json!({ "cleared": true })).unwrap().status, 204);
    // For this person, and for nobody else.
    let citizen_id = domain::NationalId::typed("F100015678").map(|_| "F100015678").unwrap();
    assert_eq!(attempt("citizen", citizen_id).1.code(), "other-manager");
    let (visitor, answer) = attempt("handler", HANDLER.national_id);
    answer.expect(200).unwrap();
    finish(&visitor).expect(201).unwrap();
    assert_eq!(app.count("default", "SELECT count(*) FROM registrations"), 1);
    let late = attempt("manager", MANAGER.national_id).1;
    assert_eq!(late.code(), "other-manager");
}

#[test]
fn an_invitation_is_proved_and_a_renewed_card_bound_by_the_handler() {
    let app = TestApp::start();
    registers(&app, "agency", AGENCY_CODE);
    let visitor = counter(&app, "agency", AGENCY_CODE);
    let invited = json!({ "name": HANDLER.name, "nationalId": HANDLER.national_id,
        "email": "handler@example.com.tw", "permissions": ["registrations"] });
    let invited = visitor.post("/api/delegate/invitations", &invited).unwrap().expect(201).unwrap();
    let address = text(&invited["address"]);
    let token = address.split_once("#accept=").unwrap().1;
    assert!(letters(&app, "handler-invited")[0].contains(&address));
    let card = app.card("handler");
    let mut handler = app.visitor();
    assert_eq!(handler.sign_in_as_handler(&card).unwrap().code(), "handler-unknown");
    let kind = "accept-invitation";
    let begin = |visitor: &mut Visitor, token: &str| {
        visitor.begin_visit_with(json!({ "kind": kind, "invitation": token })).unwrap()
    };
    assert_eq!(begin(&mut handler, "wrong").code(), "invitation-over");
    let begun = begin(&mut handler, token).expect(201).unwrap();
    assert_eq!(begun["invitation"]["permissions"], json!(["首次註冊紀錄查詢"]));
    let other = citizen(&handler, &app.card("manager"), kind, MANAGER.national_id);
    assert_eq!(other.code(), "invitation-for-other");
    citizen(&handler, &card, kind, HANDLER.national_id).expect(200).unwrap();
    assert_eq!(begin(&mut handler, token).code(), "invitation-over");
    handler.visit = None;
    handler.sign_in_as_handler(&card).unwrap().expect(201).unwrap();
    assert_eq!(handler.get("/api/delegate/me/registrations").unwrap().status, 200);
    assert!(letters(&app, "invitation-accepted")[0].starts_with("manager@example.com.tw"));

    // The renewed card: another serial number, the same person.
    let kind = "renew-handler";
    let mut renewing = app.visitor();
    renewing.begin_visit(kind).unwrap();
    let same = citizen(&renewing, &card, kind, HANDLER.national_id);
    assert_eq!(same.code(), "certificate-unchanged");
    let renewed = new_card(&app, "handler-2", HANDLER);
    assert_eq!(renewing.sign_in_as_handler(&renewed).unwrap().code(), "handler-unknown");
    // Neither another person with the ID's last four, nor another number of the CA.
    let twin = Person { subject_serial: "0000000100009999", ..HANDLER };
    let twin = citizen(&renewing, &new_card(&app, "twin", twin), kind, HANDLER.national_id);
    assert_eq!(twin.code(), "handler-unknown");
    citizen(&renewing, &renewed, kind, HANDLER.national_id).expect(200).unwrap();
    assert!(letters(&app, "handler-renewed")[0].starts_with("manager@example.com.tw"));
    renewing.visit = None;
    renewing.sign_in_as_handler(&renewed).unwrap().expect(201).unwrap();
    // The former card is nobody's any more, nor is its session.
    assert_eq!(handler.get("/api/delegate/me/registrations").unwrap().code(), "not-allowed");
    assert_eq!(app.visitor().sign_in_as_handler(&card).unwrap().code(), "handler-unknown");
    let former = "SELECT count(*) FROM audit_log WHERE act = 'handler-renewed'
        AND entry ->> '$.details.formerSerial' = ";
    assert_eq!(app.count("default", &format!("{former}'{}'", serial(&app, "handler"))), 1);
}

#[test]
fn queries_by_card_answer_to_its_holder() {
    let app = TestApp::start();
    let mut visitor = app.visitor();
    visitor.begin_visit("find-organisation").unwrap();
    let found = organisation(&visitor, &app.card("hospital"), "find-organisation", HOSPITAL_CODE);
    let found = found.expect(200).unwrap();
    assert_eq!(
        (&found["organisation"]["name"], &found["organisation"]["number"]),
        (&json!("測試醫院"), &json!(HOSPITAL))
    );
    assert_eq!(visitor.get("/api/delegate/visit").unwrap().code(), "visit-over");
    visitor.begin_visit("find-serial").unwrap();
    let wrong = citizen(&visitor, &app.card("manager"), "find-serial", HANDLER.national_id);
    assert_eq!(wrong.body["errors"][0]["code"], "national-id-mismatch");
    let found = citizen(&visitor, &app.card("manager"), "find-serial", MANAGER.national_id);
    let found = found.expect(200).unwrap();
    assert_eq!(text(&found["citizen"]["serialNumber"]), serial(&app, "manager"));
    let none = app.visitor().post("/api/delegate/receipts", &json!({ "code": "Q0000" })).unwrap();
    assert_eq!(none.expect(200).unwrap()["receipts"], json!([]));
}

#[test]
fn a_visit_is_over_after_half_an_hour_and_a_revoked_card_opens_nothing() {
    let app = TestApp::start();
    registers(&app, "company", COMPANY_CODE);
    let visitor = counter(&app, "company", COMPANY_CODE);
    app.database("default")
        .execute("UPDATE visits SET begun_at = begun_at - 1801, expires_at = expires_at - 1801", [])
        .unwrap();
    assert_eq!(visitor.get("/api/delegate/handlers").unwrap().code(), "visit-over");
    let now = jiff::Timestamp::now();
    let entries = vec![Listed {
        serial: app.certificate_of("company").serial_bytes().to_vec(),
        reason: None,
        at: now,
    }];
    let list = List {
        number: 2,
        this_update: now,
        next_update: now + jiff::SignedDuration::from_hours(24),
        partition: None,
        entries,
    };
    app.publishes(&list);
    let mut visitor = app.visitor();
    visitor.begin_visit("delegate").unwrap();
    let revoked = organisation(&visitor, &app.card("company"), "delegate", COMPANY_CODE);
    assert_eq!(revoked.code(), "certificate-revoked");
}

#[test]
fn the_register_of_organisations_is_imported_whole_or_not_at_all() {
    let app = TestApp::start();
    let import = |content: &str, day: &str| {
        std::fs::write(app.path("organisations.csv"), content).unwrap();
        app.chayan(&["import-organisations", "--as-of", day, &app.path("organisations.csv")])
    };
    let head = "機關代號,機關名稱,OID或統一編號,縣市\n";
    let today = domain::RocDay::of(jiff::Timestamp::now()).0.to_string();
    for (broken, why) in [
        ("B0001,測試學校,2.16.886.111.1,臺北市\nB0002,無號,x.y,臺北市\n", "line 3"),
        ("B0001,甲,12345675,臺北市\nB0001,乙,04595257,臺北市\n", "line 3"),
        ("B!,甲,12345675,臺北市\n", "line 2: 機關代號"),
        ("", "no organisations"),
    ] {
        let (taken, said) = import(&format!("{head}{broken}"), &today);
        assert!(!taken && said.contains(why), "{said}");
    }
    assert_eq!(app.count("default", "SELECT count(*) FROM organisations"), 4);
    assert!(!import(&format!("{head}B0001,甲,12345675,臺北市\n"), "2000-01-01").0);
    let (taken, said) =
        import(&format!("{head}B0001,測試學校,2.16.886.101.99999.1,臺東縣\n"), &today);
    assert!(taken && said.contains("1 organisations"), "{said}");
    // What is judged by it changes at once.
    let mut visitor = app.visitor();
    visitor.begin_visit("register").unwrap();
    organisation(&visitor, &app.card("agency"), "register", "B0001").expect(200).unwrap();
}
