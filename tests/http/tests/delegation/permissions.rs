//! What a handler may, and what not.

use domain::{HandlerPermission, VisitKind};
use pki::Purpose;

use super::*;
use crate::matrix::{ask, described};

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

    // Every permission opens its own functions and no others, at once and without a new sign-in.
    let counter = counter(&app, "company", COMPANY_CODE);
    let id = me["chosen"].clone();
    for (revision, permission) in (1..).zip(domain::HandlerPermission::ALL) {
        let body = json!({ "revision": revision, "handler": entry(&app, &[permission.name()]) });
        counter.post(&format!("/api/delegate/handlers/{id}"), &body).unwrap().expect(200).unwrap();
        every_operation(&handler, permission);
        every_challenge(&handler, permission);
        every_visit(&app, permission);
    }
    // Nothing at all once the entry is removed, or names another card.
    let removal = json!({ "revision": 8 });
    counter.post(&format!("/api/delegate/handlers/{id}/removal"), &removal).unwrap();
    for path in ["/api/cases", "/api/standing", "/api/delegate/me/handlers"] {
        assert_eq!(handler.get(path).unwrap().code(), "not-allowed", "{path}");
    }
}

/// Every operation of docs/openapi.json, asked by a handler with this permission alone: what
/// the file does not name for it is refused, so an operation without a row is none.
fn every_operation(handler: &Visitor, permission: HandlerPermission) {
    let mut opened = 0;
    for (method, path, operation) in described() {
        // Signing out would end the session; visits are for whoever shows the cards.
        let who = text(&operation["x-permission"]);
        if method == "delete" || who == "public" {
            continue;
        }
        let own = match who.strip_prefix("handler-") {
            Some(own) => Some(own),
            None => operation["x-handler-permission"].as_str(),
        };
        let own = own.is_some_and(|own| own.split(' ').any(|own| own == permission.name()));
        let may = who == "handler" || own;
        let answer = ask(handler, &method, &path);
        let refused = answer.code() == "not-allowed";
        let name = permission.name();
        assert_eq!(refused, !may, "{name}: {method} {path}: {}", answer.text);
        assert!(!refused || answer.status == 403, "{name}: {method} {path}");
        opened += usize::from(own);
    }
    // 更換憑證 opens a visit, and nothing beside it.
    assert_eq!(opened > 0, permission != HandlerPermission::Replace, "{}", permission.name());
}

/// Whoever may ask for a challenge, not everybody gets each: one to apply or to upload is for
/// a handler with API申請 alone, and those of a visit are asked for in it.
fn every_challenge(handler: &Visitor, permission: HandlerPermission) {
    let name = permission.name();
    let asked = |purpose: Purpose| {
        let answer = handler.post("/api/challenges", &json!({ "purpose": purpose })).unwrap();
        (answer.status, answer.code().to_owned())
    };
    for purpose in [Purpose::Apply, Purpose::UploadCertificate] {
        let may = permission == HandlerPermission::Apply;
        let expected = if may { (201, "") } else { (403, "not-allowed") };
        let (status, code) = asked(purpose);
        assert_eq!((status, code.as_str()), expected, "{name}: {purpose:?}");
    }
    for purpose in [Purpose::SignIn, Purpose::UnlockCard] {
        assert_eq!(asked(purpose).0, 201, "{name}: {purpose:?}");
    }
    let of_a_visit = [Purpose::ConfirmOrganisation, Purpose::ConfirmManager, Purpose::RenewHandler];
    for purpose in of_a_visit {
        assert_eq!(asked(purpose).0, 400, "{name}: {purpose:?}");
    }
}

/// Which permission lets a handler's card be the second one of a visit, if any does.
const SECOND_CARDS: [(VisitKind, Option<HandlerPermission>); 4] = [
    (VisitKind::Delegate, Some(HandlerPermission::Delegate)),
    (VisitKind::ReplaceOrganisation, Some(HandlerPermission::Replace)),
    (VisitKind::ReplaceManager, None),
    (VisitKind::ReplaceBoth, None),
];

/// Every kind of visit of a registered organisation, with the handler's card as the second one.
fn every_visit(app: &TestApp, permission: HandlerPermission) {
    for kind in VisitKind::ALL.into_iter().filter(|kind| *kind != VisitKind::Register) {
        let row = SECOND_CARDS.iter().find(|(known, _)| *known == kind);
        let two = kind.organisation_purpose().is_some() && kind.citizen_purpose().is_some();
        assert_eq!(row.is_some(), two, "{} has no row", kind.name());
        let Some((_, wanted)) = row else { continue };
        let mut visitor = app.visitor();
        visitor.begin_visit(kind.name()).unwrap();
        let first_card = match kind {
            VisitKind::ReplaceOrganisation | VisitKind::ReplaceBoth => {
                app.new_company("company-renewed", COMPANY.0, COMPANY.1)
            }
            _ => app.card("company"),
        };
        organisation(&visitor, &first_card, kind.name(), COMPANY_CODE).expect(200).unwrap();
        let second = citizen(&visitor, &app.card("handler"), kind.name(), HANDLER.national_id);
        let refusal = if wanted.is_some() { "not-the-manager" } else { "other-manager" };
        let name = permission.name();
        match *wanted == Some(permission) {
            true => assert_eq!(second.status, 200, "{name}: {}: {}", kind.name(), second.text),
            false => assert_eq!(second.code(), refusal, "{name}: {}", kind.name()),
        }
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
    // Whoever may withdraw sees what can be withdrawn, and nothing else.
    let seen = || handler.get("/api/cases").unwrap().expect(200).unwrap();
    let case = text(&receipt["serialNumber"]);
    assert_eq!(text(&seen()["cases"][0]["serialNumber"]), case);
    let receipt = handler.get(&format!("/api/cases/{case}")).unwrap();
    assert_eq!(receipt.code(), "not-allowed");
    let path = format!("/api/cases/{case}/cancel");
    handler.post(&path, &json!({})).unwrap().expect(200).unwrap();
    assert_eq!(seen()["cases"], json!([]));
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
fn the_card_is_that_of_the_person_whose_id_was_typed_also_under_a_live_session() {
    let app = TestApp::start();
    registers(&app, "company", COMPANY_CODE);
    registers(&app, "agency", AGENCY_CODE);
    names(&app, "company", COMPANY_CODE, &["progress"]);
    // The agency typed the right serial number, and the ID of somebody else.
    let counter = counter(&app, "agency", AGENCY_CODE);
    let typed = |id: &str| {
        let mut typed = entry(&app, &["delegate", "certificates"]);
        typed["nationalId"] = id.into();
        typed
    };
    let other = domain::NationalId::with_check_digit(b'D', 1, 1).to_string();
    assert_ne!(other[6..], HANDLER.national_id[6..]);
    let added = counter.post("/api/delegate/handlers", &typed(&other)).unwrap();
    let id = added.expect(201).unwrap()["handler"]["id"].as_i64().unwrap();
    let becomes = |revision: i64, person: &str| {
        let body = json!({ "revision": revision, "handler": typed(person) });
        counter.post(&format!("/api/delegate/handlers/{id}"), &body).unwrap().expect(200).unwrap()
    };
    let mut handler = app.visitor();
    let signed_in = handler.sign_in_as_handler(&app.card("handler")).unwrap();
    signed_in.expect(201).unwrap();
    let works_for = |handler: &Visitor| {
        let me = handler.get("/api/delegate/me").unwrap().expect(200).unwrap();
        let all = me["organisations"].as_array().unwrap();
        all.iter().map(|work| text(&work["code"])).collect::<Vec<_>>()
    };
    assert_eq!(works_for(&handler), [COMPANY_CODE]);
    assert_eq!(handler.chooses(id).unwrap().code(), "handler-not-found");
    // Once the ID is the card's, it is one's own entry, without a new sign-in,
    becomes(1, HANDLER.national_id);
    assert_eq!(works_for(&handler), [AGENCY_CODE, COMPANY_CODE]);
    handler.chooses(id).unwrap().expect(201).unwrap();
    let reads = ["/api/delegate/me/handlers", "/api/delegate/me/certificates"];
    for path in reads {
        assert_eq!(handler.get(path).unwrap().status, 200, "{path}");
    }
    // and a visit with both cards goes as far.
    let visit = both(&app, "delegate", ("agency", AGENCY_CODE), ("handler", HANDLER.national_id));
    assert_eq!(visit.get("/api/delegate/handlers").unwrap().status, 200);
    // An ID that is changed under them closes both.
    becomes(2, &other);
    assert_eq!(works_for(&handler), [COMPANY_CODE]);
    for path in reads {
        let answer = handler.get(path).unwrap();
        assert_eq!((answer.status, answer.code()), (403, "not-allowed"), "{path}");
    }
    assert_eq!(handler.chooses(id).unwrap().code(), "handler-not-found");
    assert_eq!(visit.get("/api/delegate/handlers").unwrap().code(), "not-allowed");
}
