//! Handlers: named, changed, removed, invited, renewed.

use super::*;

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
fn a_card_that_the_manager_changed_is_seen_anew_and_renewed_by_its_own_number() {
    let app = TestApp::start();
    registers(&app, "agency", AGENCY_CODE);
    let added = names(&app, "agency", AGENCY_CODE, &["registrations"]);
    let card = app.card("handler");
    app.visitor().sign_in_as_handler(&card).unwrap().expect(201).unwrap();
    // The CA has given the person another number, and the manager types the new card.
    let again = Person { subject_serial: "0000000100008888", ..HANDLER };
    let second = new_card(&app, "handler-2", again);
    let mut changed = entry(&app, &["registrations"]);
    changed["serialNumber"] = serial(&app, "handler-2").into();
    changed["nationalId"] = "".into();
    let path = format!("/api/delegate/handlers/{}", added["handler"]["id"]);
    let change = json!({ "revision": 1, "handler": changed });
    let visitor = counter(&app, "agency", AGENCY_CODE);
    visitor.post(&path, &change).unwrap().expect(200).unwrap();
    let known = "SELECT count(*) FROM handlers WHERE subject_serial IS NOT NULL";
    assert_eq!(app.count("default", known), 0);
    assert_eq!(app.visitor().sign_in_as_handler(&card).unwrap().code(), "handler-unknown");
    app.visitor().sign_in_as_handler(&second).unwrap().expect(201).unwrap();
    // What is renewed is the card that was seen last: neither the former number of the person,
    let kind = "renew-handler";
    let renews = |card: &str, person: Person| {
        let mut visitor = app.visitor();
        visitor.begin_visit(kind).unwrap();
        citizen(&visitor, &new_card(&app, card, person), kind, HANDLER.national_id)
    };
    assert_eq!(renews("former", HANDLER).code(), "handler-unknown");
    // nor a change of anything else than card and person, forgets the present one.
    changed["email"] = "other@example.com.tw".into();
    let change = json!({ "revision": 2, "handler": changed });
    visitor.post(&path, &change).unwrap().expect(200).unwrap();
    assert_eq!(app.count("default", known), 1);
    renews("handler-3", again).expect(200).unwrap();
    app.visitor().sign_in_as_handler(&app.card("handler-3")).unwrap().expect(201).unwrap();
}
