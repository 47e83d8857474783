//! Credential registration and its handlers: stories over HTTP with real cards (D1 to D5, #8).

mod handlers;
mod permissions;
mod registration;
mod replacements;
mod reviews;
mod standing;

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
