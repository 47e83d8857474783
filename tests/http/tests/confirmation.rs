//! The identity confirmation service over HTTP (C1 to C4): the annex, its review, a year of
//! starts, stops and ends, the call with OpenSSL as the system, and who sees what was asked.

use std::process::Command;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use domain::{ConfirmationRequest, Pair};
use http_tests::{ORIGIN, TestApp, at_once, pki, text};
use jiff::{SignedDuration, Timestamp, ToSpan};
use pki::{Certificate, Purpose};
use serde_json::{Value, json};
use test_pki::client::{Answer, CardSigner, Visitor};
use test_pki::demo::{AGENCY, COMPANY};
use test_pki::pki_set::Issued;

const MEDIA_TYPE: &str = "application/pkcs7-mime";
/// The demo's citizen: her card, and a number that ends as the card says.
const CITIZEN: &str = "0000000187654321";
const NUMBER: &str = "A123455678";

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
    pki().server("測試機關", AGENCY.parse().unwrap(), days).unwrap()
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

fn import(app: &TestApp) {
    let file = app.path("citizens.csv");
    let lines = format!(
        "subjectSerial,nationalId,opened\n{CITIZEN},{NUMBER},yes\n0000000100000002,B123456780,no\n"
    );
    std::fs::write(&file, lines).unwrap();
    let key = app.path("register.key");
    let (done, said) = app.chayan(&["import-citizens", &file, "--key-file", &key]);
    assert!(done && said.contains("2 certificates imported"), "{said}");
}

#[test]
fn the_annex_is_taken_reviewed_and_opens_on_its_day() {
    let mut app = TestApp::start();
    import(&app);
    let server = server(200);
    let (visitor, card) = agency(&app);
    // Too soon, incomplete, another's: refused with the fields that are wrong.
    let tomorrow = today().checked_add(1.day()).unwrap();
    let soon =
        applies(&visitor, &card, annex("confirmation-start", &agency_id(), &server, tomorrow));
    let soon = soon.expect(422).unwrap();
    assert_eq!(soon["errors"][0]["pointer"], "/day");
    assert_eq!(soon["errors"][0]["code"], "day-too-soon");
    let mut form = annex("confirmation-start", &agency_id(), &server, in_a_month());
    form["deputyFax"] = json!("");
    form["serverSerial"] = json!("");
    let missing = applies(&visitor, &card, form).expect(422).unwrap();
    assert_eq!(missing["errors"].as_array().unwrap().len(), 2);
    let mut form = annex("confirmation-start", &agency_id(), &server, in_a_month());
    form["serverSerial"] = json!(format!("{:0>32}", "ABC"));
    let differs = applies(&visitor, &card, form).expect(422).unwrap();
    assert_eq!(differs["errors"][0]["code"], "serial-differs");
    let form = annex("confirmation-start", COMPANY.1, &server, in_a_month());
    assert_eq!(applies(&visitor, &card, form).code(), "applicant-mismatch");
    let foreign = pki().server("他機關", "2.16.886.101.88888".parse().unwrap(), 200).unwrap();
    let form = annex("confirmation-start", &agency_id(), &foreign, in_a_month());
    assert_eq!(applies(&visitor, &card, form).code(), "foreign-server-certificate");
    assert_eq!(app.count("default", "SELECT count(*) FROM cases"), 0);
    // The API service is not for organisations, nor its form for this one.
    assert_eq!(visitor.get("/api/standing").unwrap().code(), "not-allowed");

    let form = annex("confirmation-start", &agency_id(), &server, in_a_month());
    let receipt = applies(&visitor, &card, form.clone()).expect(201).unwrap();
    assert_eq!(receipt["organisation"], AGENCY);
    assert_eq!(receipt["ubn"], Value::Null);
    let id = text(&receipt["serialNumber"]);
    assert_eq!(applies(&visitor, &card, form).code(), "open-case-exists");
    let status = visitor.get("/api/confirmation/status").unwrap().expect(200).unwrap();
    assert_eq!(status["cases"][0]["systemName"], "線上申辦系統");
    assert_eq!(status["openCase"], true);
    // The workbench has it like every case, with the annex as facts.
    let officer = app.officer();
    let list = officer.get("/api/review/cases?queue=new").unwrap().expect(200).unwrap();
    assert_eq!(list["cases"][0]["serialNumber"], json!(id));
    let case = officer.get(&format!("/api/review/cases/{id}")).unwrap().expect(200).unwrap();
    let facts = case["facts"].as_array().unwrap();
    assert!(facts.iter().any(|fact| fact["name"] == "伺服器憑證序號"));
    app.decides(&id, "approve");
    let letters = app.count("default", "SELECT count(*) FROM letters WHERE applicant LIKE 'OID:%'");
    assert_eq!(letters, 2);
    // Nothing has to run for it to open, nor to end with the certificate.
    let pair = [(CITIZEN, NUMBER)];
    let early = asks(&app, &server, &request(Timestamp::now(), "nonce-0123456789-0", &pair));
    assert_eq!(early.code(), "confirmation-not-open");
    let open = day_open(0);
    app.restart_with(&["--now", &open.to_string()]);
    let answered = asks(&app, &server, &request(open, "nonce-0123456789-1", &pair));
    assert_eq!(answered.expect(200).unwrap()["answers"], json!([0]));
    let over = Timestamp::now() + SignedDuration::from_hours(24 * 201);
    app.restart_with(&["--now", &over.to_string()]);
    let ended = asks(&app, &server, &request(over, "nonce-0123456789-2", &pair));
    assert_eq!(ended.code(), "certificate-expired");
    let (visitor, _) = agency(&app);
    let status = visitor.get("/api/confirmation/status").unwrap().expect(200).unwrap();
    assert_eq!(status["services"][0]["state"], "certificate-ended");
    // The evidence is the case's, as of every kind.
    let (done, exported) = app.chayan(&["export-case", &id]);
    assert!(done, "{exported}");
    std::fs::write(app.path("case.json"), exported).unwrap();
    let trust = app.path("trust-store.json");
    let (done, said) = app.chayan(&["verify", "case", &app.path("case.json"), "--trust", &trust]);
    assert!(done && said.contains("測試機關"), "{said}");
}

#[test]
fn each_pair_answers_for_itself_and_a_request_counts_once() {
    let mut app = TestApp::start();
    import(&app);
    let server = server(200);
    approved(&app, &server);
    let open = day_open(0);
    app.restart_with(&["--now", &open.to_string()]);
    let pairs = [
        (CITIZEN, NUMBER),
        (CITIZEN, "A123456789"),
        ("0000000100000002", "B123456780"),
        ("0000000100000002", NUMBER),
        ("", ""),
        ("00000001-0000002", "B12345678"),
        ("9".repeat(400).leak(), "身分證"),
    ];
    let content = request(open, "nonce-0123456789-1", &pairs);
    let answered = asks(&app, &server, &content).expect(200).unwrap();
    assert_eq!(answered["answers"], json!([0, 1, 2, 1, 1, 1, 1]));
    // The same content again, signed anew: the same answer, and nothing more in the record.
    assert_eq!(asks(&app, &server, &content).expect(200).unwrap(), answered);
    let other = request(open, "nonce-0123456789-1", &pairs[..1]);
    assert_eq!(asks(&app, &server, &other).code(), "confirmation-replayed");
    assert_eq!(app.count("confirmations", "SELECT count(*) FROM requests"), 1);
    assert_eq!(app.count("confirmations", "SELECT count(*) FROM confirmed"), 4);
    // A thousand pairs, and not one more.
    let many = vec![pairs[0]; 1000];
    let answered = asks(&app, &server, &request(open, "nonce-0123456789-2", &many));
    assert_eq!(answered.expect(200).unwrap()["answers"], json!(vec![0; 1000]));
    let many = vec![pairs[0]; 1001];
    let answered = asks(&app, &server, &request(open, "nonce-0123456789-3", &many));
    assert_eq!(answered.code(), "confirmation-malformed");
    // Another time, another site, another certificate, another type, a message that was changed.
    let late = request(open - SignedDuration::from_mins(30), "nonce-0123456789-4", &pairs);
    assert_eq!(asks(&app, &server, &late).code(), "confirmation-time");
    let text = String::from_utf8(request(open, "nonce-0123456789-5", &pairs)).unwrap();
    let elsewhere = text.replace(ORIGIN, "https://other.example");
    assert_eq!(asks(&app, &server, elsewhere.as_bytes()).code(), "signed-for-other");
    let renewed = self::server(200);
    assert_eq!(asks(&app, &renewed, text.as_bytes()).code(), "confirmation-unknown");
    let message = sign(&app, &server, text.as_bytes());
    let visitor = app.visitor();
    let post = |kind: &str, body: &[u8]| {
        visitor.post_raw("/integration/confirmations", kind, body).unwrap()
    };
    assert_eq!(post("application/json", &message).code(), "unsupported-media-type");
    let place = message.windows(8).position(|part| part == b"pairs\":[").unwrap();
    let mut changed = message.clone();
    changed[place] = b'q';
    assert_eq!(post(MEDIA_TYPE, &changed).code(), "signature-invalid");
    assert_eq!(post(MEDIA_TYPE, b"{}").code(), "signature-malformed");
    // Many at once with one nonce: one is counted, all get its answer.
    let answers = at_once(8, |_| post(MEDIA_TYPE, &message).expect(200).unwrap().to_string());
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(app.count("confirmations", "SELECT count(*) FROM requests"), 3);
    // Twenty at once, then no more.
    let codes: Vec<_> = (0..25)
        .map(|number| {
            let content = request(open, &format!("nonce-0123456789-many-{number}"), &pairs[..1]);
            asks(&app, &server, &content).status
        })
        .collect();
    assert!(codes.contains(&200) && codes.contains(&429), "{codes:?}");
    // No national ID is kept anywhere.
    for database in ["default", "confirmations", "citizens", "calls", "sessions"] {
        for ending in ["db", "db-wal"] {
            let Ok(bytes) = std::fs::read(app.dir.join(format!("data/{database}.{ending}"))) else {
                continue;
            };
            let found = bytes.windows(10).any(|part| part == NUMBER.as_bytes());
            assert!(!found, "{database}.{ending}");
        }
    }
}

#[test]
fn institutions_apply_when_they_are_on_the_list() {
    let app = TestApp::start();
    let (visitor, card) = app.company();
    let company = test_pki::pki_set::Company::system(COMPANY.0, COMPANY.1);
    let server = pki().company(company).unwrap();
    let form = || annex("confirmation-start", COMPANY.1, &server, in_a_month());
    assert_eq!(applies(&visitor, &card, form()).code(), "not-supervised");
    // Administrators keep the list, on a page or on the machine itself.
    app.names("0000000187654321", "administrator");
    let mut administrator = app.visitor();
    administrator.sign_in_as_officer(&app.card("citizen")).unwrap();
    let listed = json!({ "applicant": COMPANY.1, "name": COMPANY.0 });
    let list =
        administrator.post("/api/review/institutions", &listed).unwrap().expect(200).unwrap();
    assert_eq!(list["institutions"][0]["applicant"], COMPANY.1);
    assert_eq!(
        app.officer().post("/api/review/institutions", &listed).unwrap().code(),
        "not-allowed"
    );
    let receipt = applies(&visitor, &card, form()).expect(201).unwrap();
    assert_eq!(receipt["ubn"], COMPANY.1);
    // A case of this service stands in the way of none of the API service.
    let api = visitor.apply(&card, http_tests::application()).unwrap().expect(201).unwrap();
    assert_ne!(api["serialNumber"], receipt["serialNumber"]);
    let id = text(&receipt["serialNumber"]);
    visitor.post(&format!("/api/cases/{id}/cancel"), &json!({})).unwrap().expect(200).unwrap();
    let (done, said) = app.chayan(&["remove-institution", COMPANY.1]);
    assert!(done, "{said}");
    assert_eq!(applies(&visitor, &card, form()).code(), "not-supervised");
    // GCA's certificates are for agencies.
    let (done, _) = app.chayan(&["add-institution", COMPANY.1, "--name", COMPANY.0]);
    assert!(done);
    let form = annex("confirmation-start", COMPANY.1, &self::server(200), in_a_month());
    assert_eq!(applies(&visitor, &card, form).code(), "upload-not-trusted");
}

#[test]
fn a_year_of_starts_stops_and_grounds() {
    let mut app = TestApp::start();
    import(&app);
    let (first, second) = (server(500), server(500));
    let (visitor, card) = approved(&app, &first);
    let form = annex("confirmation-start", &agency_id(), &second, in_a_month());
    let receipt = applies(&visitor, &card, form).expect(201).unwrap();
    app.decides(&text(&receipt["serialNumber"]), "approve");
    let pair = [(CITIZEN, NUMBER)];
    let codes = |app: &TestApp, at: Timestamp, nonce: &str| -> [String; 2] {
        [&first, &second].map(|server| {
            let answer = asks(app, server, &request(at, nonce, &pair));
            if answer.status == 200 { "open".to_owned() } else { answer.code().to_owned() }
        })
    };
    let open = day_open(0);
    app.restart_with(&["--now", &open.to_string()]);
    assert_eq!(codes(&app, open, "nonce-0123456789-1"), ["open", "open"]);

    // 停用 of the first, a month ahead; it ends on its day by itself.
    let (visitor, card) = agency(&app);
    let at = open;
    let day = domain::earliest_day(domain::TAIPEI.to_datetime(at).date());
    let form = annex("confirmation-stop", &agency_id(), &first, day);
    let receipt = applies(&visitor, &card, form).expect(201).unwrap();
    app.decides(&text(&receipt["serialNumber"]), "approve");
    let begins = domain::TAIPEI.to_timestamp(day.at(0, 0, 0, 0)).unwrap();
    let before = begins - SignedDuration::from_secs(60);
    app.restart_with(&["--now", &before.to_string()]);
    assert_eq!(codes(&app, before, "nonce-0123456789-2"), ["open", "open"]);
    app.restart_with(&["--now", &begins.to_string()]);
    let stopped = codes(&app, begins, "nonce-0123456789-3");
    assert_eq!(stopped, ["confirmation-not-open", "open"]);
    let (visitor, card) = agency(&app);
    let again = domain::earliest_day(day);
    let form = annex("confirmation-stop", &agency_id(), &first, again);
    assert_eq!(applies(&visitor, &card, form).code(), "confirmation-unknown");

    // Ground 5 needs a demand that was not met.
    app.names("0000000187654321", "supervisor");
    let mut supervisor = app.visitor();
    supervisor.sign_in_as_officer(&app.card("citizen")).unwrap();
    let officer = app.officer();
    let services = officer.get("/api/review/services").unwrap().expect(200).unwrap();
    let number = services["services"].as_array().unwrap().iter();
    let second_serial = serial(&second);
    let number =
        number.clone().find(|row| row["serverSerial"] == json!(second_serial)).unwrap()["number"]
            .clone();
    let act = |who: &Visitor, act: &str, body: Value| {
        who.post(&format!("/api/review/services/{number}/{act}"), &body).unwrap()
    };
    let stop = json!({ "ground": "overload", "text": "嚴重耗損效能" });
    assert_eq!(act(&officer, "stop", stop.clone()).code(), "demand-first");
    let due = day.checked_add(10.days()).unwrap();
    let demand = json!({ "kind": "improvement", "text": "請改善", "dueOn": due.to_string() });
    act(&officer, "demand", demand).expect(200).unwrap();
    let status = visitor.get("/api/confirmation/status").unwrap().expect(200).unwrap();
    let demanded = &status["services"][0]["demands"][0];
    assert_eq!(demanded["kindWord"], "限期改善");
    let demand_number = demanded["number"].clone();
    let unmet = json!({ "demand": demand_number });
    assert_eq!(act(&officer, "unmet", unmet.clone()).code(), "demand-first");
    let late =
        domain::TAIPEI.to_timestamp(due.at(23, 59, 0, 0)).unwrap() + SignedDuration::from_mins(30);
    app.restart_with(&["--now", &late.to_string()]);
    let officer = app.officer();
    let mut supervisor = app.visitor();
    supervisor.sign_in_as_officer(&app.card("citizen")).unwrap();
    act(&officer, "unmet", unmet).expect(200).unwrap();
    act(&officer, "stop", stop).expect(200).unwrap();
    // One officer alone stops nothing.
    assert_eq!(codes(&app, late, "nonce-0123456789-4"), ["confirmation-not-open", "open"]);
    assert_eq!(act(&officer, "endorse", json!({})).code(), "not-allowed");
    act(&supervisor, "endorse", json!({})).expect(200).unwrap();
    let stopped = codes(&app, late, "nonce-0123456789-5");
    assert_eq!(stopped, ["confirmation-not-open", "confirmation-not-open"]);
    let (visitor, card) = agency(&app);
    let status = visitor.get("/api/confirmation/status").unwrap().expect(200).unwrap();
    assert_eq!(status["services"][0]["state"], "stopped");
    assert!(text(&status["services"][0]["stopGround"]).contains("第六點第五款"));
    // The letter says so; and whoever was stopped may apply anew.
    let letters = "SELECT count(*) FROM letters WHERE kind IN ('demanded', 'service-stopped')";
    assert_eq!(app.count("default", letters), 2);
    let anew = domain::earliest_day(domain::TAIPEI.to_datetime(late).date());
    let form = annex("confirmation-start", &agency_id(), &second, anew);
    let receipt = applies(&visitor, &card, form).expect(201).unwrap();
    app.decides(&text(&receipt["serialNumber"]), "approve");
    let open = domain::TAIPEI.to_timestamp(anew.at(0, 0, 0, 0)).unwrap();
    app.restart_with(&["--now", &open.to_string()]);
    let codes = codes(&app, open, "nonce-0123456789-6");
    assert_eq!(codes, ["confirmation-not-open", "open"]);
}

#[test]
fn measures_of_point_seven_lead_to_point_six_when_refused() {
    let app = TestApp::start();
    let server = server(200);
    let (visitor, _) = approved(&app, &server);
    let officer = app.officer();
    let act = |act: &str, body: Value| {
        officer.post(&format!("/api/review/services/1/{act}"), &body).unwrap()
    };
    let due = today().checked_add(10.days()).unwrap().to_string();
    let demand = json!({ "kind": "measures", "text": "請提供連線設備清單", "dueOn": due });
    act("demand", demand.clone()).expect(200).unwrap();
    assert_eq!(act("demand", demand).code(), "account-state");
    visitor
        .post("/api/confirmation/demands/1/answer", &json!({ "text": "本機關不配合" }))
        .unwrap()
        .expect(204)
        .unwrap();
    // Another's demand is not found.
    let (company, _) = app.company();
    let answer =
        company.post("/api/confirmation/demands/1/answer", &json!({ "text": "x" })).unwrap();
    assert_eq!(answer.status, 404);
    act("unmet", json!({ "demand": 1 })).expect(200).unwrap();
    let stop = json!({ "ground": "measures-refused", "text": "未採行配合措施" });
    act("stop", stop).expect(200).unwrap();
    let log = app.count("default", "SELECT count(*) FROM audit_log WHERE act IN ('demanded', 'demand-answered', 'demand-closed')");
    assert_eq!(log, 3);
}

#[test]
fn citizens_see_who_asked_about_them_and_nobody_else_does() {
    let mut app = TestApp::start();
    import(&app);
    let server = server(200);
    approved(&app, &server);
    let open = day_open(0);
    app.restart_with(&["--now", &open.to_string()]);
    asks(&app, &server, &request(open, "nonce-0123456789-1", &[(CITIZEN, NUMBER)]))
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
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0]["who"], "測試機關 線上申辦系統");
    assert_eq!(entries[0]["purpose"], "線上申辦身分確認");
    assert_eq!(entries[0]["answer"], "相符");
    // Another form costs no try; three wrong ones lock until tomorrow, however many come at once.
    assert_eq!(look(&visitor, "A12").code(), "invalid-fields");
    let codes = at_once(8, |_| look(&visitor, "A223455678").code().to_owned());
    assert_eq!(codes.iter().filter(|code| *code == "national-id-mismatch").count(), 3);
    assert_eq!(look(&visitor, NUMBER).code(), "national-id-locked");
    let tomorrow = open + SignedDuration::from_hours(24);
    app.restart_with(&["--now", &tomorrow.to_string()]);
    look(&citizen(&app), NUMBER).expect(200).unwrap();
    let looks =
        app.count("default", "SELECT count(*) FROM audit_log WHERE act = 'own-record-read'");
    assert_eq!(looks, 5);
    let named = "SELECT count(*) FROM audit_log WHERE entry LIKE '%A123455678%' OR entry LIKE '%0000000187654321%'";
    assert_eq!(app.count("default", named), 0);
}
