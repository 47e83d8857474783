//! The identity confirmation service over HTTP (C1 to C4): the annex, its review, a year of
//! starts, stops and ends, the call with OpenSSL as the system, and who sees what was asked.

mod annex;
mod call;
mod own;
mod services;

use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use domain::{ConfirmationRequest, Pair};
use http_tests::{ORIGIN, TestApp, at_once, pki, project, text};
use jiff::{SignedDuration, Timestamp, ToSpan};
use pki::{Certificate, IssuerRole, Purpose};
use serde_json::{Value, json};
use test_pki::client::{Answer, CardSigner, Visitor};
use test_pki::demo::{AGENCY, ASSOCIATION, COMPANY, HANDLER, MANAGER};
use test_pki::issue::{List, Listed};
use test_pki::pki_set::{Company, Issued};
use test_pki::token::Question;
use x509_cert::ext::pkix::CrlReason;

const MEDIA_TYPE: &str = "application/pkcs7-mime";
/// The demo's citizen: her card, and a number that ends as the card says.
const CITIZEN: &str = "0000000187654321";
const NUMBER: &str = "D123455678";

fn pem(label: &str, der: &[u8]) -> String {
    let base64 = BASE64_STANDARD.encode(der);
    let lines: Vec<_> = base64.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn agency(app: &TestApp) -> (Visitor, CardSigner) {
    let card = app.card("agency");
    let mut visitor = app.visitor();
    visitor.sign_in(&card, json!({ "as": "organisation" })).unwrap().expect(201).unwrap();
    (visitor, card)
}

fn server(days: i64) -> Issued {
    pki().server(IssuerRole::Gca, "測試機關", AGENCY.parse().unwrap(), days).unwrap()
}

fn serial(issued: &Issued) -> String {
    Certificate::from_der(&issued.certificate).unwrap().serial_number()
}

/// A complete annex for a day.
fn annex(kind: &str, applicant: &str, server: &Issued, day: jiff::civil::Date) -> Value {
    let mut form = json!({
        "kind": kind,
        "applicant": applicant,
        "organisationName": "測試機關",
        "organisationAddress": "臺北市中正區測試路1號",
        "systemName": "線上申辦系統",
        "serverSerial": serial(server),
        "contactName": "王測試",
        "contactTitle": "技士",
        "contactUnit": "資訊室",
        "contactEmail": "a@example.gov.tw",
        "contactPhone": "(02)12345678",
        "contactFax": "(02)12345679",
        "deputyName": "李測試",
        "deputyTitle": "科員",
        "deputyUnit": "資訊室",
        "deputyEmail": "b@example.gov.tw",
        "deputyPhone": "0912345678",
        "deputyFax": "(02)12345679",
        "day": day.to_string(),
        "text": "民眾以自然人憑證登入，申辦本機關業務。",
        "agreed": domain::confirmation_terms(),
    });
    if kind == "confirmation-start" {
        form["certificateFile"] = json!(BASE64_STANDARD.encode(&server.certificate));
    }
    form
}

fn today() -> jiff::civil::Date {
    domain::TAIPEI.to_datetime(Timestamp::now()).date()
}

fn in_a_month() -> jiff::civil::Date {
    domain::earliest_day(today())
}

fn applies(visitor: &Visitor, card: &CardSigner, form: Value) -> Answer {
    let body = visitor.signed(card, Purpose::Apply, form).unwrap();
    visitor.post("/api/confirmation/applications", &body).unwrap()
}

fn agency_id() -> String {
    format!("OID:{AGENCY}")
}

/// The agency's service is approved, to open in a month.
fn approved(app: &TestApp, server: &Issued) -> (Visitor, CardSigner) {
    let (visitor, card) = agency(app);
    let form = annex("confirmation-start", &agency_id(), server, in_a_month());
    let receipt = applies(&visitor, &card, form).expect(201).unwrap();
    app.decides(&text(&receipt["serialNumber"]), "approve");
    (visitor, card)
}

/// Midday of the day so many days after the first on which the service is open.
fn day_open(days: i64) -> Timestamp {
    let noon = in_a_month().checked_add(days.days()).unwrap().at(12, 0, 0, 0);
    domain::TAIPEI.to_timestamp(noon).unwrap()
}

/// What a system signs.
fn request(at: Timestamp, nonce: &str, pairs: &[(&str, &str)]) -> Vec<u8> {
    let pairs = pairs
        .iter()
        .map(|(serial, id)| Pair {
            subject_serial: (*serial).to_owned(),
            national_id: (*id).to_owned(),
        })
        .collect();
    let request = ConfirmationRequest::new(ORIGIN, at, nonce, "線上申辦身分確認", pairs);
    serde_json::to_vec(&request).unwrap()
}

/// `openssl cms -sign`: the example client of docs/confirmation.md.
fn sign(app: &TestApp, server: &Issued, content: &[u8]) -> Vec<u8> {
    let nonce = Certificate::from_der(&server.certificate).unwrap().serial_number();
    let path = |name: &str| app.path(&format!("{name}-{nonce}"));
    std::fs::write(path("server.key"), pem("PRIVATE KEY", &server.key.pkcs8().unwrap())).unwrap();
    std::fs::write(path("server.cer"), pem("CERTIFICATE", &server.certificate)).unwrap();
    std::fs::write(path("request.json"), content).unwrap();
    let made = Command::new("openssl")
        .args(["cms", "-sign", "-binary", "-nodetach", "-md", "sha256", "-outform", "DER"])
        .args(["-signer", &path("server.cer"), "-inkey", &path("server.key")])
        .args(["-in", &path("request.json"), "-out", &path("request.p7m")])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    std::fs::read(path("request.p7m")).unwrap()
}

fn asks(app: &TestApp, server: &Issued, content: &[u8]) -> Answer {
    let message = sign(app, server, content);
    app.visitor().post_raw("/integration/confirmations", MEDIA_TYPE, &message).unwrap()
}

const HEAD: &str = "subjectSerial,nationalId,opened\n";

/// The operator imports these lines.
fn imports(app: &TestApp, lines: &str) -> (bool, String) {
    let file = app.path("citizens.csv");
    std::fs::write(&file, [HEAD, lines].concat()).unwrap();
    app.chayan(&["import-citizens", &file, "--key-file", &app.path("register.key")])
}

fn import(app: &TestApp) {
    let lines = format!("{CITIZEN},{NUMBER},yes\n0000000100000002,B123456780,no\n");
    let (done, said) = imports(app, &lines);
    assert!(done && said.contains("2 certificates imported"), "{said}");
}

/// No file of the databases has one of these national IDs, nor has what the host said.
fn nowhere(app: &TestApp, numbers: &[&str]) {
    let mut texts = vec![("the host's output".to_owned(), app.process().log().into_bytes())];
    for file in std::fs::read_dir(app.dir.join("data")).unwrap() {
        let path = file.unwrap().path();
        texts.push((path.display().to_string(), std::fs::read(path).unwrap()));
    }
    assert!(texts.len() > 7, "the databases are elsewhere");
    for (name, bytes) in &texts {
        for number in numbers {
            let found = bytes.windows(number.len()).any(|part| part == number.as_bytes());
            assert!(!found, "{number} in {name}");
        }
    }
}
