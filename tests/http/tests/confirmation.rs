//! The identity confirmation service over HTTP (C1 to C4): the annex, its review, a year of
//! starts, stops and ends, the call with OpenSSL as the system, and who sees what was asked.

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
use test_pki::demo::{AGENCY, ASSOCIATION, COMPANY};
use test_pki::issue::{List, Listed};
use test_pki::pki_set::Issued;
use test_pki::token::Question;
use x509_cert::ext::pkix::CrlReason;

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
    let other = "2.16.886.101.88888".parse().unwrap();
    let foreign = pki().server(IssuerRole::Gca, "他機關", other, 200).unwrap();
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
    // No national ID is kept anywhere, nor said.
    nowhere(&app, &[NUMBER, "A123456789", "B123456780", "B12345678", "身分證"]);
}

/// What a system other than ours may send: pairs that are none answer for themselves.
#[test]
fn whatever_stands_in_the_place_of_a_pair_is_answered_1() {
    let mut app = TestApp::start();
    import(&app);
    let server = server(200);
    approved(&app, &server);
    let open = day_open(0);
    app.restart_with(&["--now", &open.to_string()]);
    let good = json!({ "subjectSerial": CITIZEN, "nationalId": NUMBER });
    let strange = [
        json!(null),
        json!(NUMBER),
        json!([CITIZEN, NUMBER]),
        json!({ "subjectSerial": CITIZEN }),
        json!({ "subjectSerial": 187_654_321, "nationalId": NUMBER }),
        json!({ "subjectSerial": CITIZEN, "nationalId": NUMBER, "name": "陳測試" }),
        json!({ "subjectSerial": format!(" {CITIZEN}"), "nationalId": NUMBER }),
        json!({ "subjectSerial": CITIZEN, "nationalId": "A123455679" }),
    ];
    let mut content: Value =
        serde_json::from_slice(&request(open, "nonce-0123456789-1", &[])).unwrap();
    let mixed = strange.iter().flat_map(|pair| [good.clone(), pair.clone()]);
    content["pairs"] = mixed.collect();
    let answered = asks(&app, &server, &serde_json::to_vec(&content).unwrap());
    let expected: Vec<_> = strange.iter().flat_map(|_| [0, 1]).collect();
    assert_eq!(answered.expect(200).unwrap()["answers"], json!(expected));
    // The register does not answer: 999 for each pair that it would have been asked about.
    let citizens = app.database("citizens");
    citizens.execute_batch("ALTER TABLE citizens RENAME TO elsewhere").unwrap();
    content["nonce"] = json!("nonce-0123456789-2");
    content["pairs"] = json!([good, strange[0], good]);
    let faulty = serde_json::to_vec(&content).unwrap();
    let answered = asks(&app, &server, &faulty).expect(200).unwrap();
    assert_eq!(answered["answers"], json!([999, 1, 999]));
    citizens.execute_batch("ALTER TABLE elsewhere RENAME TO citizens").unwrap();
    // The same request keeps its answer; another nonce gets another.
    assert_eq!(asks(&app, &server, &faulty).expect(200).unwrap(), answered);
    content["nonce"] = json!("nonce-0123456789-3");
    let answered = asks(&app, &server, &serde_json::to_vec(&content).unwrap());
    assert_eq!(answered.expect(200).unwrap()["answers"], json!([0, 1, 0]));
}

#[test]
fn a_server_certificate_on_a_list_is_refused_from_the_next_call_on() {
    let mut app = TestApp::start();
    import(&app);
    let server = server(200);
    approved(&app, &server);
    let open = day_open(0);
    app.restart_with(&["--now", &open.to_string()]);
    let now = Timestamp::now();
    let publishes = |number: u64, reason: Option<CrlReason>| {
        let serial = Certificate::from_der(&server.certificate).unwrap().serial_bytes().to_vec();
        let entry = |reason| Listed { serial: serial.clone(), reason: Some(reason), at: now };
        let list = List {
            number,
            this_update: now,
            next_update: now + SignedDuration::from_hours(24 * 90),
            partition: None,
            entries: reason.map(entry).into_iter().collect(),
        };
        let said = app.imports(&pki().agency_list(&list).unwrap());
        assert!(said.contains("taken,"), "{said}");
    };
    let mut calls = 0;
    let mut outcome = || {
        calls += 1;
        let nonce = format!("nonce-0123456789-{calls}");
        let answer = asks(&app, &server, &request(open, &nonce, &[(CITIZEN, NUMBER)]));
        if answer.status == 200 { "answered".to_owned() } else { answer.code().to_owned() }
    };
    assert_eq!(outcome(), "answered");
    publishes(2, Some(CrlReason::CertificateHold));
    assert_eq!(outcome(), "certificate-on-hold");
    publishes(3, None);
    assert_eq!(outcome(), "answered");
    publishes(4, Some(CrlReason::KeyCompromise));
    assert_eq!(outcome(), "certificate-revoked");
    assert_eq!(app.count("confirmations", "SELECT count(*) FROM requests"), 2);
}

#[test]
fn the_register_is_replaced_whole_or_not_at_all() {
    let mut app = TestApp::start();
    import(&app);
    let server = server(200);
    approved(&app, &server);
    let open = day_open(0);
    app.restart_with(&["--now", &open.to_string()]);
    let rows = |app: &TestApp| app.count("citizens", "SELECT count(*) FROM citizens");
    let unchanged = |app: &TestApp, number: usize| {
        assert_eq!(rows(app), 2);
        let nonce = format!("nonce-0123456789-{number}");
        let content =
            request(open, &nonce, &[(CITIZEN, NUMBER), ("0000000100000002", "B123456780")]);
        let answered = asks(app, &server, &content).expect(200).unwrap();
        assert_eq!(answered["answers"], json!([0, 2]));
    };
    // Broken half-way: the line is named, not what stands in it, and nothing changes.
    let good = format!("{CITIZEN},{NUMBER},no\n");
    for (number, (wrong, why)) in [
        ("0000000100000003,B12345678,yes\n", "line 3: nationalId is none"),
        ("100000003,B123456780,yes\n", "line 3: subjectSerial has 16 digits"),
        ("0000000100000003,B123456780,maybe\n", "line 3: opened must be yes or no"),
        ("0000000100000003,B123456780\n", "line 3 cannot be read"),
    ]
    .into_iter()
    .enumerate()
    {
        let (done, said) = imports(&app, &[&good, wrong].concat());
        let named = why.split(": ").all(|part| said.contains(part));
        assert!(!done && named, "{why}: {said}");
        assert!(!said.contains(NUMBER) && !said.contains("B12345678"), "{said}");
        unchanged(&app, number);
    }
    // Killed half-way: the same.
    let many = app.path("many.csv");
    let generate = ["generate-citizens", "--count", "300000"];
    let chayan = || Command::new(project().join("target/release/chayan"));
    let out = std::fs::File::create(&many).unwrap();
    assert!(chayan().args(generate).stdout(out).status().unwrap().success());
    let start = || {
        let key = app.path("register.key");
        chayan()
            .args(["--data", &app.path("data"), "import-citizens", &many, "--key-file", &key])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let mut first = start();
    let log = app.dir.join("data/citizens.db-wal");
    let written = || log.metadata().map_or(0, |file| file.len());
    while written() < 1_000_000 {
        assert!(first.try_wait().unwrap().is_none(), "it ended before it was killed");
        std::thread::sleep(Duration::from_millis(2));
    }
    first.kill().unwrap();
    first.wait().unwrap();
    unchanged(&app, 10);
    // Again: all of it, once; the same file a second time changes nothing.
    assert!(start().wait().unwrap().success());
    assert_eq!(rows(&app), 300_000);
    assert!(!start().wait().unwrap().success());
    assert_eq!(rows(&app), 300_000);
    let line = std::fs::read_to_string(&many).unwrap();
    let line: Vec<_> = line.lines().nth(2).unwrap().split(',').collect();
    let content = request(open, "nonce-0123456789-20", &[(line[0], line[1]), (CITIZEN, NUMBER)]);
    let answered = asks(&app, &server, &content).expect(200).unwrap();
    assert_eq!(answered["answers"], json!([0, 1]));
}

#[test]
fn an_association_on_the_list_applies_with_its_card_of_xca() {
    let mut app = TestApp::start();
    import(&app);
    let applicant = format!("OID:{ASSOCIATION}");
    let (done, said) = app.chayan(&["add-institution", &applicant, "--name", "測試協會"]);
    assert!(done, "{said}");
    let card = app.card("association");
    let mut visitor = app.visitor();
    visitor.sign_in(&card, json!({ "as": "organisation" })).unwrap().expect(201).unwrap();
    let server =
        pki().server(IssuerRole::Xca, "測試協會", ASSOCIATION.parse().unwrap(), 200).unwrap();
    // GCA's certificates are for agencies, also when they name the association.
    let of_gca =
        pki().server(IssuerRole::Gca, "測試協會", ASSOCIATION.parse().unwrap(), 200).unwrap();
    let form = annex("confirmation-start", &applicant, &of_gca, in_a_month());
    assert_eq!(applies(&visitor, &card, form).code(), "upload-not-trusted");
    let form = annex("confirmation-start", &applicant, &server, in_a_month());
    let receipt = applies(&visitor, &card, form).expect(201).unwrap();
    assert_eq!(receipt["organisation"], ASSOCIATION);
    app.decides(&text(&receipt["serialNumber"]), "approve");
    let open = day_open(0);
    app.restart_with(&["--now", &open.to_string()]);
    let content = request(open, "nonce-0123456789-1", &[(CITIZEN, NUMBER)]);
    assert_eq!(asks(&app, &server, &content).expect(200).unwrap()["answers"], json!([0]));
    // Off the list: what was approved goes on, nothing new is taken.
    let (done, _) = app.chayan(&["remove-institution", &applicant]);
    assert!(done);
    let content = request(open, "nonce-0123456789-2", &[(CITIZEN, NUMBER)]);
    asks(&app, &server, &content).expect(200).unwrap();
}

#[test]
fn an_answer_belongs_to_the_application_that_was_in_time() {
    let mut app = TestApp::start();
    let server = server(200);
    let (visitor, card) = agency(&app);
    let day = in_a_month();
    let form = annex("confirmation-start", &agency_id(), &server, day);
    let receipt = applies(&visitor, &card, form.clone()).expect(201).unwrap();
    let id = text(&receipt["serialNumber"]);
    let officer = app.officer();
    let ask = |ground: &str| {
        let question = json!({ "grounds": [ground], "text": "請敘明使用對象。" });
        officer.post(&format!("/api/review/cases/{id}/question"), &question).unwrap()
    };
    // The grounds of this service, and of no other.
    assert_eq!(ask("legal-basis-missing").expect(422).unwrap()["errors"][0]["code"], "not-offered");
    ask("overview-unclear").expect(200).unwrap();
    app.restart_with(&["--now", &(Timestamp::now() + SignedDuration::from_hours(72)).to_string()]);
    let (visitor, card) = agency(&app);
    let status = visitor.get("/api/confirmation/status").unwrap().expect(200).unwrap();
    assert_eq!(status["asked"]["grounds"][0]["field"], "text");
    assert_eq!(status["asked"]["earliestDay"], json!(day.to_string()));
    assert_ne!(status["earliestDay"], status["asked"]["earliestDay"]);
    let mut answer = form;
    answer["answers"] = json!(id);
    answer["text"] = json!("一般民眾以自然人憑證登入，申辦本機關業務。");
    applies(&visitor, &card, answer.clone()).expect(201).unwrap();
    // Once is enough.
    assert_eq!(applies(&visitor, &card, answer).code(), "nothing-asked");
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
    let wrong = json!({ "applicant": "OID:x", "name": "" });
    let wrong =
        administrator.post("/api/review/institutions", &wrong).unwrap().expect(422).unwrap();
    assert_eq!(wrong["errors"][0]["code"], "applicant-format");
    assert_eq!(wrong["errors"][1]["pointer"], "/result");
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

/// Grounds of point 6 that need no demand before, by their number.
const AT_ONCE: [(&str, &str); 4] = [
    ("documents-untrue", "第六點第一款"),
    ("organisation-changed", "第六點第二款"),
    ("system-transferred", "第六點第三款"),
    ("duties-violated", "第六點第四款"),
];

/// An agency's systems in a simulated year, and the officers who look after them.
struct Year {
    app: TestApp,
    servers: Vec<Issued>,
    now: Timestamp,
    asked: usize,
}

impl Year {
    /// Applies for this server certificate and has it approved.
    fn starts(&self, kind: &str, server: &Issued, day: jiff::civil::Date) {
        let (visitor, card) = agency(&self.app);
        let receipt = applies(&visitor, &card, annex(kind, &agency_id(), server, day));
        let receipt = receipt.expect(201).unwrap();
        self.app.decides(&text(&receipt["serialNumber"]), "approve");
    }

    fn goes_to(&mut self, now: Timestamp) {
        self.now = now;
        self.app.restart_with(&["--now", &now.to_string()]);
    }

    fn first_day(&self) -> jiff::civil::Date {
        domain::earliest_day(domain::TAIPEI.to_datetime(self.now).date())
    }

    /// Which of the systems are answered now; the others by these codes alone.
    fn open(&mut self) -> Vec<usize> {
        self.asked += 1;
        let content =
            request(self.now, &format!("nonce-0123456789-{}", self.asked), &[(CITIZEN, NUMBER)]);
        let answers = self.servers.iter().map(|server| asks(&self.app, server, &content));
        let open = answers.enumerate().filter(|(_, answer)| {
            let code = answer.code();
            assert!(["", "confirmation-not-open", "certificate-expired"].contains(&code), "{code}");
            code.is_empty()
        });
        open.map(|(place, _)| place).collect()
    }

    /// The number of a system's newest service.
    fn number(&self, place: usize) -> Value {
        let services = self.app.officer().get("/api/review/services").unwrap().expect(200).unwrap();
        let serial = json!(serial(&self.servers[place]));
        let mut rows = services["services"].as_array().unwrap().iter();
        rows.find(|row| row["serverSerial"] == serial).unwrap()["number"].clone()
    }

    fn act(&self, who: &Visitor, place: usize, act: &str, body: Value) -> Answer {
        let number = self.number(place);
        who.post(&format!("/api/review/services/{number}/{act}"), &body).unwrap()
    }

    fn supervisor(&self) -> Visitor {
        let mut supervisor = self.app.visitor();
        supervisor.sign_in_as_officer(&self.app.card("citizen")).unwrap();
        supervisor
    }
}

#[test]
fn a_year_of_starts_stops_ends_and_all_grounds() {
    // 停用 at the agency's wish, overload, the end of a certificate, then the grounds without demand.
    let servers: Vec<_> = [500, 500, 120, 500, 500, 500, 500].into_iter().map(server).collect();
    let app = TestApp::start();
    import(&app);
    app.names("0000000187654321", "supervisor");
    let mut year = Year { app, servers, now: Timestamp::now(), asked: 0 };
    for server in &year.servers {
        year.starts("confirmation-start", server, in_a_month());
    }
    year.goes_to(day_open(0));
    assert_eq!(year.open(), [0, 1, 2, 3, 4, 5, 6]);

    // One officer alone stops nothing; what a supervisor declines goes on.
    let (officer, supervisor) = (year.app.officer(), year.supervisor());
    for (place, (ground, point)) in (3..).zip(AT_ONCE) {
        let stop = json!({ "ground": ground, "text": "經查證屬實" });
        year.act(&officer, place, "stop", stop.clone()).expect(200).unwrap();
        year.act(&supervisor, place, "decline", json!({})).expect(200).unwrap();
        year.act(&officer, place, "stop", stop).expect(200).unwrap();
        assert_eq!(year.act(&officer, place, "endorse", json!({})).code(), "not-allowed");
        assert_eq!(year.open(), [&[0, 1, 2][..], &(place..7).collect::<Vec<_>>()].concat());
        year.act(&supervisor, place, "endorse", json!({})).expect(200).unwrap();
        assert_eq!(year.open(), [&[0, 1, 2][..], &(place + 1..7).collect::<Vec<_>>()].concat());
        let (visitor, _) = agency(&year.app);
        let status = visitor.get("/api/confirmation/status").unwrap().expect(200).unwrap();
        let mut services = status["services"].as_array().unwrap().iter();
        let stopped = services.find(|service| service["number"] == year.number(place)).unwrap();
        assert!(text(&stopped["stopGround"]).contains(point), "{stopped}");
    }

    // 停用 of the first, a month ahead: it ends at the beginning of its day by itself.
    let day = year.first_day();
    year.starts("confirmation-stop", &year.servers[0], day);
    let begins = domain::TAIPEI.to_timestamp(day.at(0, 0, 0, 0)).unwrap();
    year.goes_to(begins - SignedDuration::from_secs(60));
    assert_eq!(year.open(), [0, 1, 2]);
    year.goes_to(begins);
    assert_eq!(year.open(), [1, 2]);
    let (visitor, card) = agency(&year.app);
    let again = annex("confirmation-stop", &agency_id(), &year.servers[0], year.first_day());
    assert_eq!(applies(&visitor, &card, again).code(), "confirmation-unknown");

    // The third ends with its certificate, without anybody's doing.
    let end = Certificate::from_der(&year.servers[2].certificate).unwrap().not_after();
    year.goes_to(end - SignedDuration::from_secs(60));
    assert_eq!(year.open(), [1, 2]);
    year.goes_to(end + SignedDuration::from_secs(1));
    assert_eq!(year.open(), [1]);

    // Ground 5 needs a demand that was not met; it waits in the queues like a case.
    let officer = year.app.officer();
    let stop = json!({ "ground": "overload", "text": "嚴重耗損效能" });
    assert_eq!(year.act(&officer, 1, "stop", stop.clone()).code(), "demand-first");
    let due = domain::TAIPEI.to_datetime(end).date().checked_add(20.days()).unwrap();
    let wrong = json!({ "kind": "improvement", "text": "", "dueOn": "2026-01-01" });
    let wrong = year.act(&officer, 1, "demand", wrong).expect(422).unwrap();
    let wrong = wrong["errors"].as_array().unwrap().iter();
    let wrong: Vec<_> =
        wrong.map(|error| (text(&error["pointer"]), text(&error["code"]))).collect();
    let expected = [("/dueOn", "day-to-come"), ("/result", "required")];
    assert_eq!(wrong, expected.map(|(field, code)| (field.to_owned(), code.to_owned())));
    let demand = json!({ "kind": "improvement", "text": "請改善", "dueOn": due.to_string() });
    year.act(&officer, 1, "demand", demand).expect(200).unwrap();
    assert_eq!(queues_of_demand(&officer), ["mine", "waiting"]);
    let (visitor, _) = agency(&year.app);
    let status = visitor.get("/api/confirmation/status").unwrap().expect(200).unwrap();
    let services = status["services"].as_array().unwrap();
    let demanded = services.iter().find_map(|service| service["demands"].get(0)).unwrap();
    assert_eq!(demanded["kindWord"], "限期改善");
    let unmet = json!({ "demand": demanded["number"] });
    assert_eq!(year.act(&officer, 1, "unmet", unmet.clone()).code(), "demand-first");
    let noon = domain::TAIPEI.to_timestamp(due.at(12, 0, 0, 0)).unwrap();
    year.goes_to(noon);
    assert_eq!(queues_of_demand(&year.app.officer()), ["mine", "waiting", "due-soon"]);
    year.goes_to(noon + SignedDuration::from_hours(24));
    let (officer, supervisor) = (year.app.officer(), year.supervisor());
    assert_eq!(queues_of_demand(&officer), ["mine", "overdue"]);
    year.act(&officer, 1, "unmet", unmet).expect(200).unwrap();
    assert_eq!(queues_of_demand(&officer), [""; 0]);
    year.act(&officer, 1, "stop", stop).expect(200).unwrap();
    assert_eq!(queues_of_demand(&supervisor), ["second-look"]);
    assert_eq!(year.open(), [1]);
    year.act(&supervisor, 1, "endorse", json!({})).expect(200).unwrap();
    assert_eq!(year.open(), [0; 0]);
    // Letters say so; and whoever was stopped may apply anew.
    let letters = |kind: &str| {
        let sql = format!("SELECT count(*) FROM letters WHERE kind = '{kind}'");
        year.app.count("default", &sql)
    };
    let written = ["service-stopped", "demanded", "demand-closed"].map(letters);
    assert_eq!(written, [5, 1, 1]);
    let anew = year.first_day();
    year.starts("confirmation-start", &year.servers[1], anew);
    year.goes_to(domain::TAIPEI.to_timestamp(anew.at(0, 0, 0, 0)).unwrap());
    assert_eq!(year.open(), [1]);
}

/// The queues in which an officer sees what is demanded of the services, or a stop.
fn queues_of_demand(officer: &Visitor) -> Vec<String> {
    let names = ["new", "mine", "waiting", "due-soon", "overdue", "second-look"];
    let shown = |name: &&str| {
        let list = officer.get(&format!("/api/review/cases?queue={name}")).unwrap();
        let list = list.expect(200).unwrap();
        let rows = list["services"].as_array().unwrap().len();
        let mut queues = list["queues"].as_array().unwrap().iter();
        let count = queues.find(|queue| queue["name"] == *name).unwrap()["count"].clone();
        assert_eq!((&count, &list["count"]), (&json!(rows), &json!(rows)));
        rows > 0
    };
    names.iter().filter(|name| shown(name)).map(|name| (*name).to_owned()).collect()
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
    // Answered: it waits for the officer, not for the applicant any more.
    assert_eq!(queues_of_demand(&officer), ["mine"]);
    // A search finds it beside the case, by whose it is and by the system's name.
    for (text, found) in [("線上申辦", 1), ("測試機關", 1), ("沒有這個名稱", 0)] {
        let found_by = format!("/api/review/cases?find={text}");
        let list = officer.get(&found_by).unwrap().expect(200).unwrap();
        let rows = ["cases", "services"].map(|of| list[of].as_array().unwrap().len());
        assert_eq!((rows, &list["count"]), ([found; 2], &json!(2 * found)), "{text}");
    }
    act("unmet", json!({ "demand": 1, "text": "未提供清單" })).expect(200).unwrap();
    let letter = app.database("default");
    let letter: String = letter
        .query_row("SELECT body FROM letters WHERE kind = 'demand-closed'", [], |row| row.get(0))
        .unwrap();
    assert!(letter.contains("未有效辦理") && letter.contains("未提供清單"), "{letter}");
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
