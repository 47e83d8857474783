//! First registration, its cards, and what may be asked by card.

use super::*;

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
