//! Revocation (#3, A2, A7): a card on hold, a revoked one, lists that are old, missing,
//! broken or rolled back, and responders.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use http_tests::{TestApp, application, at_once, pki, project};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use test_pki::client::Answer;
use test_pki::demo::{COMPANY, der_of, pem, write_card};
use test_pki::issue::{List, Listed};
use test_pki::pki_set::Company;
use x509_cert::ext::pkix::CrlReason;

fn hours(count: i64) -> SignedDuration {
    SignedDuration::from_hours(count)
}

/// A complete list of the companies' CA that names these certificates.
fn list(number: u64, entries: Vec<Listed>) -> List<'static> {
    let now = Timestamp::now();
    List {
        number,
        this_update: now - hours(1),
        next_update: now + hours(24),
        partition: None,
        entries,
    }
}

fn listed(app: &TestApp, card: &str, reason: Option<CrlReason>) -> Listed {
    let serial = app.certificate_of(card).serial_bytes().to_vec();
    Listed { serial, reason, at: Timestamp::now() - hours(2) }
}

fn sign_in(app: &TestApp) -> Answer {
    let document = json!({"as": "company", "ubn": COMPANY.1});
    app.visitor().sign_in(&app.card("company"), document).unwrap()
}

fn outcome(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.code())
}

#[test]
fn a_card_on_hold_is_told_so_and_works_again_once_it_is_released() {
    let app = TestApp::start();
    let held = listed(&app, "company", Some(CrlReason::CertificateHold));
    let said = app.publishes(&list(2, vec![held]));
    assert!(said.contains("taken, 1 entries"), "{said}");
    let answer = sign_in(&app);
    assert_eq!(outcome(&answer), (403, "certificate-on-hold"));
    let words = answer.body["detail"].as_str().unwrap();
    assert!(words.contains("復用") && words.contains("保留"), "{words}");
    // The next list no longer names it.
    assert!(app.publishes(&list(3, vec![])).contains("taken"));
    assert_eq!(sign_in(&app).status, 201);
}

#[test]
fn a_revoked_card_is_refused_wherever_it_signs() {
    let app = TestApp::start();
    let (visitor, card) = app.company();
    // Between sign-in and application.
    let revoked = listed(&app, "company", Some(CrlReason::KeyCompromise));
    app.publishes(&list(2, vec![revoked]));
    let answer = visitor.apply(&card, application()).unwrap();
    assert_eq!(outcome(&answer), (403, "certificate-revoked"));
    assert_eq!(app.count("default", "SELECT count(*) FROM cases"), 0);
    assert_eq!(outcome(&sign_in(&app)), (403, "certificate-revoked"));
    // Without a reason it may be either, and is refused all the same.
    app.publishes(&list(3, vec![listed(&app, "company", None)]));
    assert_eq!(outcome(&sign_in(&app)), (403, "certificate-revoked"));
}

#[test]
fn an_older_or_foreign_or_broken_list_changes_nothing() {
    let app = TestApp::start();
    let held = listed(&app, "company", Some(CrlReason::CertificateHold));
    let current = list(5, vec![held]);
    app.publishes(&current);
    assert!(app.publishes(&list(4, vec![])).contains("not taken: a newer list counts"));
    let earlier = List { this_update: Timestamp::now() - hours(3), ..list(6, vec![]) };
    assert!(app.publishes(&earlier).contains("not taken"));
    let expired = List {
        this_update: Timestamp::now() - hours(48),
        next_update: Timestamp::now() - hours(24),
        ..list(7, vec![])
    };
    assert!(app.publishes(&expired).contains("not current"));
    let whole = pki().company_list(&list(8, vec![])).unwrap();
    assert!(app.imports(&whole[..whole.len() - 1]).contains("not a CRL"));
    let mut forged = whole.clone();
    *forged.last_mut().unwrap() ^= 1;
    assert!(app.imports(&forged).contains("not signed by the issuing CA"));
    assert!(app.imports(b"<html>").contains("neither DER nor PEM"));
    assert_eq!(outcome(&sign_in(&app)), (403, "certificate-on-hold"));
    // The very same list again is no news.
    let again = pki().company_list(&list(9, vec![])).unwrap();
    assert!(app.imports(&again).contains("taken, 0 entries"));
    assert!(app.imports(&again).contains("counts already"));
    assert_eq!(sign_in(&app).status, 201);
    assert_eq!(app.count("revocation", "SELECT count(*) FROM crls WHERE state <> 'current'"), 0);
    assert_eq!(app.count("revocation", "SELECT count(*) FROM crl_entries"), 0);
}

#[test]
fn a_partition_covers_the_certificates_that_name_it() {
    let app = TestApp::start();
    let held = || listed(&app, "company", Some(CrlReason::CertificateHold));
    let elsewhere = "http://crl.test.invalid/MOEACA/CRL_0041.crl";
    let other = List { partition: Some(elsewhere), ..list(2, vec![held()]) };
    assert!(app.publishes(&other).contains("taken"));
    assert_eq!(sign_in(&app).status, 201);
    let address = pki().partition(1, 40);
    let own = List { partition: Some(&address), ..list(2, vec![held()]) };
    assert!(app.publishes(&own).contains("taken"));
    assert_eq!(outcome(&sign_in(&app)), (403, "certificate-on-hold"));
    // The complete list is newer: it decides.
    let complete = List { this_update: Timestamp::now(), ..list(3, vec![]) };
    app.publishes(&complete);
    assert_eq!(sign_in(&app).status, 201);
}

#[test]
fn after_the_grace_nothing_is_accepted() {
    let mut app = TestApp::start();
    app.publishes(&list(2, vec![]));
    let at = |ahead: SignedDuration| (Timestamp::now() + ahead).to_string();
    app.restart_with(&["--now", &at(hours(35))]);
    assert_eq!(sign_in(&app).status, 201);
    app.restart_with(&["--now", &at(hours(37))]);
    let answer = sign_in(&app);
    assert_eq!(outcome(&answer), (503, "revocation-unknown"));
    assert!(answer.body["detail"].as_str().unwrap().contains("稍後"));
}

#[test]
fn a_system_certificate_on_hold_or_revoked_is_not_taken() {
    let app = TestApp::start();
    let (visitor, card, id) = app.applies();
    app.decides(&id, "approve");
    let file = std::fs::read(&app.demo.company_certificate_file).unwrap();
    let der = der_of(&app.demo.company_certificate_file).unwrap();
    let serial = pki::Certificate::from_der(&der).unwrap().serial_bytes().to_vec();
    let upload = |number, reason| {
        let entry = Listed { serial: serial.clone(), reason, at: Timestamp::now() };
        app.publishes(&list(number, vec![entry]));
        let answer = visitor.upload(&card, COMPANY.1, &file).unwrap();
        (answer.status, answer.code().to_owned())
    };
    assert_eq!(upload(2, Some(CrlReason::CertificateHold)), (422, "upload-on-hold".into()));
    assert_eq!(upload(3, Some(CrlReason::Superseded)), (422, "upload-revoked".into()));
    app.publishes(&list(4, vec![]));
    assert_eq!(visitor.upload(&card, COMPANY.1, &file).unwrap().status, 201);
}

#[test]
fn what_an_acceptance_was_based_on_is_kept() {
    let app = TestApp::start();
    app.publishes(&list(7, vec![]));
    let (_, _, id) = app.applies();
    let sql = format!("SELECT judgement FROM applications WHERE case_id = '{id}'");
    let kept: String = app.database("default").query_row(&sql, [], |row| row.get(0)).unwrap();
    let kept: Value = serde_json::from_str(&kept).unwrap();
    assert_eq!(kept["policy"], "chayan-trust/1");
    assert_eq!(kept["path"].as_array().unwrap().len(), 3);
    let standings = kept["standings"].as_array().unwrap();
    assert_eq!(standings.len(), 2);
    assert_eq!(standings[1]["by"], "crl");
    assert!(standings[1]["list"]["number"].as_str().unwrap().ends_with("07"));

    // Years later, from one file.
    let path = |name: &str| app.dir.join(name).display().to_string();
    let data = path("data");
    let chayan = |arguments: &[&str]| {
        let program = project().join("target/release/chayan");
        let output = Command::new(program).arg("--data").arg(&data).args(arguments).output();
        let output = output.unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    };
    let (done, exported) = chayan(&["export-case", &id]);
    assert!(done, "{exported}");
    let file = path("case.json");
    std::fs::write(&file, &exported).unwrap();
    let (stands, said) = chayan(&["verify", "case", &file]);
    assert!(stands && said.contains("verifies") && said.contains("as recorded"), "{said}");
    let (trust, first, second) = (path("trust-store.json"), path("list.crl"), path("lists/0.crl"));
    let all = ["verify", "case", &file, "--trust", &trust, "--crl", &first, "--crl", &second];
    let (stands, said) = chayan(&all);
    assert!(stands && said.matches("proved again").count() == 2, "{said}");
    // Whatever was changed is found.
    let mut changed: Value = serde_json::from_str(&exported).unwrap();
    let mut other = |change: &dyn Fn(&mut Value)| {
        let before = changed.clone();
        change(&mut changed);
        std::fs::write(&file, changed.to_string()).unwrap();
        changed = before;
        chayan(&all).0
    };
    assert!(other(&|_| ()));
    assert!(!other(&|case| case["messages"][0]["judgement"]["at"] = json!("2001-01-01T00:00:00Z")));
    assert!(!other(&|case| case["messages"][0]["judgement"]["path"][0] =
        case["messages"][0]["judgement"]["path"][1].clone()));
    assert!(!other(&|case| case["messages"][0]["judgement"]["standings"] = json!([])));
    assert!(!other(&|case| {
        let text = case["messages"][0]["signedData"].as_str().unwrap().replacen('A', "B", 1);
        case["messages"][0]["signedData"] = json!(text);
    }));
}

#[test]
fn what_an_uploads_acceptance_was_based_on_is_exported_each_time() {
    let app = TestApp::start();
    app.publishes(&list(7, vec![]));
    let (visitor, card, id) = app.applies();
    app.decides(&id, "approve");
    let file = std::fs::read(&app.demo.company_certificate_file).unwrap();
    let upload = || {
        let receipt = visitor.upload(&card, COMPANY.1, &file).unwrap().expect(201).unwrap();
        http_tests::text(&receipt["serialNumber"])
    };
    // The same certificate twice: each case keeps its own.
    let cases = [upload(), upload()];
    let (list, trust) = (app.path("list.crl"), app.path("trust-store.json"));
    for id in &cases {
        let (done, exported) = app.chayan(&["export-case", id]);
        assert!(done, "{exported}");
        let path = app.path("upload.json");
        let verify = |case: &Value| {
            std::fs::write(&path, case.to_string()).unwrap();
            app.chayan(&["verify", "case", &path, "--trust", &trust, "--crl", &list])
        };
        let mut case: Value = serde_json::from_str(&exported).unwrap();
        let (stands, said) = verify(&case);
        assert!(stands && said.contains("uploaded certificate: proved again"), "{said}");
        // Whatever was changed or left out is found.
        let message = &case["messages"][0];
        let own = message["certificateJudgement"].clone();
        for wrong in [Value::Null, message["judgement"].clone()] {
            case["messages"][0]["certificateJudgement"] = wrong;
            assert!(!verify(&case).0);
        }
        case["messages"][0]["certificateJudgement"] = own;
        case["messages"][0]["certificateJudgement"]["at"] = json!("2001-01-01T00:00:00Z");
        assert!(!verify(&case).0);
    }
}

/// A server of lists that says what it was told to.
struct ListServer {
    port: u16,
    answer: Arc<Mutex<Vec<u8>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl ListServer {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let answer = Arc::new(Mutex::new(Vec::new()));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (say, heard) = (answer.clone(), asked.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { continue };
                Self::serve(stream, &say, &heard);
            }
        });
        Self { port, answer, asked }
    }

    fn serve(mut stream: TcpStream, say: &Mutex<Vec<u8>>, heard: &Mutex<Vec<String>>) {
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let mut request = String::new();
        while let Some(Ok(line)) = lines.next() {
            if line.is_empty() {
                break;
            }
            request += &line.to_ascii_lowercase();
            request.push('\n');
        }
        heard.lock().unwrap().push(request);
        let _ = stream.write_all(&say.lock().unwrap());
    }

    fn says(&self, status: &str, headers: &str, body: &[u8]) {
        let head = format!(
            "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
            body.len()
        );
        *self.answer.lock().unwrap() = [head.as_bytes(), body].concat();
    }
}

/// An installation whose trust store names a list at this address, and whose manifest
/// lets the one component that may call out reach this computer.
fn with_lists_at(url: &str, port: u16, ocsp: &str) -> TestApp {
    let mut app = TestApp::start();
    let folder = project().canonicalize().unwrap();
    let manifest = std::fs::read_to_string(folder.join("spin.toml")).unwrap();
    let manifest = manifest
        .replace("\"target/", &format!("\"{}/target/", folder.display()))
        .replace("source = \"dist\"", &format!("source = \"{}/dist\"", folder.display()))
        .replace(
            "\"http://grca.nat.gov.tw\"",
            &format!("\"http://grca.nat.gov.tw\", \"http://127.0.0.1:{port}\""),
        );
    let path = app.dir.join("spin.toml");
    std::fs::write(&path, manifest).unwrap();

    let config = app.dir.join("runtime-config.toml");
    let mut table: toml::Table = std::fs::read_to_string(&config).unwrap().parse().unwrap();
    let values = table["variables_provider"][0]["values"].as_table_mut().unwrap();
    let mut trust: Value = serde_json::from_str(values["trust_store"].as_str().unwrap()).unwrap();
    if !url.is_empty() {
        trust["issuers"][1]["lists"] = json!([url]);
    }
    values.insert("trust_store".into(), trust.to_string().into());
    values.insert("ocsp".into(), ocsp.into());
    std::fs::write(&config, table.to_string()).unwrap();
    app.restart_from(&path);
    app
}

fn refresh_key(app: &TestApp) -> String {
    app.variable("refresh_key")
}

fn refresh(app: &TestApp, key: &str) -> (u16, String, Value) {
    let mut stream = app.connect();
    let request = format!(
        "POST /operate/refresh HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {key}\r\n\
         content-length: 0\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    let body: Value = serde_json::from_str(body).unwrap_or(Value::Null);
    let outcome = body["lists"][0]["outcome"].as_str().unwrap_or_default().to_owned();
    (status, outcome, body)
}

#[test]
fn lists_are_fetched_when_they_changed_and_a_failure_keeps_the_old_one() {
    let server = ListServer::start();
    let url = format!("http://127.0.0.1:{}/complete.crl", server.port);
    let app = with_lists_at(&url, server.port, "off");
    let key = refresh_key(&app);
    assert_eq!(refresh(&app, "").0, 403);
    assert_eq!(refresh(&app, &"0".repeat(64)).0, 403);
    assert!(server.asked.lock().unwrap().is_empty());

    let held = listed(&app, "company", Some(CrlReason::CertificateHold));
    let first = pki().company_list(&list(2, vec![held])).unwrap();
    server.says("200 OK", "etag: \"one\"\r\n", &first);
    let (status, outcome_, body) = refresh(&app, &key);
    assert_eq!((status, outcome_.as_str()), (200, "taken"), "{body}");
    assert_eq!(body["lists"][0]["entries"], 1);
    assert_eq!(outcome(&sign_in(&app)), (403, "certificate-on-hold"));

    server.says("304 Not Modified", "", b"");
    assert_eq!(refresh(&app, &key).1, "not-modified");
    assert!(server.asked.lock().unwrap()[1].contains("if-none-match: \"one\""));

    let next = pki().company_list(&list(3, vec![])).unwrap();
    for (status, body, expected) in [
        ("500 Oops", &next[..], "refused-by-the-server"),
        ("200 OK", &next[..next.len() / 2], "not-a-list"),
        ("200 OK", b"<html>maintenance</html>", "not-a-list"),
        ("200 OK", &pki().empty_lists().unwrap()[2], "older"),
    ] {
        server.says(status, "", body);
        assert_eq!(refresh(&app, &key).1, expected);
        assert_eq!(outcome(&sign_in(&app)), (403, "certificate-on-hold"));
    }
    // A download that is cut short.
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", next.len());
    *server.answer.lock().unwrap() = [head.as_bytes(), &next[..100]].concat();
    assert_eq!(refresh(&app, &key).1, "cut-short-or-too-large");
    let failure = "SELECT failure FROM crl_fetches";
    let failure: String =
        app.database("revocation").query_row(failure, [], |row| row.get(0)).unwrap();
    assert_eq!(failure, "cut-short-or-too-large");

    server.says("200 OK", "", &next);
    // Two schedulers at once: one takes it.
    let outcomes = at_once(4, |_| refresh(&app, &key).1);
    let taken = outcomes.iter().filter(|outcome| *outcome == "taken").count();
    assert_eq!(taken, 1, "{outcomes:?}");
    assert!(outcomes.iter().all(|outcome| ["taken", "same", "older"].contains(&outcome.as_str())));
    assert_eq!(sign_in(&app).status, 201);
}

/// As many entries as the largest list of GPKI has.
const LARGEST: u32 = 412_000;

#[test]
fn the_largest_list_is_fetched_and_its_last_entry_found() {
    let server = ListServer::start();
    let url = format!("http://127.0.0.1:{}/complete.crl", server.port);
    let app = with_lists_at(&url, server.port, "off");
    let mut entries: Vec<Listed> = (0..LARGEST)
        .map(|number| Listed {
            serial: [&[0x10_u8; 12][..], &number.to_be_bytes()].concat(),
            reason: Some(CrlReason::Superseded),
            at: Timestamp::now() - hours(100),
        })
        .collect();
    entries.push(listed(&app, "company", Some(CrlReason::CertificateHold)));
    let large = pki().company_list(&list(2, entries)).unwrap();
    assert!(large.len() > 15 << 20);
    server.says("200 OK", "", &large);
    let (status, outcome_, body) = refresh(&app, &refresh_key(&app));
    assert_eq!((status, outcome_.as_str()), (200, "taken"), "{body}");
    assert_eq!(body["lists"][0]["entries"], LARGEST + 1);
    assert_eq!(outcome(&sign_in(&app)), (403, "certificate-on-hold"));
}

#[test]
fn no_component_but_one_can_call_out_and_its_private_route_is_private() {
    let app = TestApp::start();
    for path in ["/ocsp", "/certificate-checks"] {
        let answer = app.visitor().post(path, &json!({})).unwrap();
        assert!(answer.status == 404 || answer.status == 405, "{path}: {}", answer.status);
    }
    let manifest: toml::Table =
        std::fs::read_to_string(project().join("spin.toml")).unwrap().parse().unwrap();
    for (name, component) in manifest["component"].as_table().unwrap() {
        let hosts = component["allowed_outbound_hosts"].as_array().unwrap();
        let outside = hosts.iter().any(|host| !host.as_str().unwrap().ends_with(".spin.internal"));
        assert_eq!(outside, name == "refresh", "{name}");
    }
}

/// OpenSSL's responder, in the name of the companies' CA.
struct Responder(Child);

impl Drop for Responder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Responder {
    /// Answers from an index in OpenSSL's format.
    fn start(app: &TestApp, port: u16, index: &str) -> Self {
        let file = |name: &str, content: &str| {
            let path = app.dir.join(name);
            std::fs::write(&path, content).unwrap();
            path
        };
        let authority = pki().company_authority();
        let ca = file("ca.pem", &pem("CERTIFICATE", &authority.certificate));
        let key = file("ca.key", &pem("PRIVATE KEY", &authority.pkcs8().unwrap()));
        let mut child = Command::new("openssl")
            .args(["ocsp", "-port", &port.to_string(), "-index"])
            .arg(file("index.txt", index))
            .args(["-CA"])
            .arg(&ca)
            .arg("-rsigner")
            .arg(&ca)
            .arg("-rkey")
            .arg(&key)
            .args(["-nmin", "5"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It serves one connection after another: a try would keep it busy.
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        while !said.next().expect("openssl ocsp ended").unwrap().contains("waiting for") {}
        std::thread::spawn(move || said.count());
        Self(child)
    }
}

#[test]
fn a_responder_is_asked_first_and_without_it_the_list_decides() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let app = with_lists_at("", port, "when-named");
    let url = format!("http://127.0.0.1:{port}/");
    let company = Company { ocsp: Some(url.as_str()), ..Company::card(COMPANY.0, COMPANY.1) };
    let issued = pki().company(company).unwrap();
    write_card(&app.dir, "company", "MT00000000000001", "123456", true, &issued).unwrap();
    let serial = hex_serial(&app);

    // Nobody answers: the list decides.
    assert_eq!(sign_in(&app).status, 201);
    // Good, though the list still says hold: freshly resumed.
    let held = listed(&app, "company", Some(CrlReason::CertificateHold));
    app.publishes(&list(2, vec![held]));
    assert_eq!(outcome(&sign_in(&app)), (403, "certificate-on-hold"));
    {
        let index = format!("V\t300101000000Z\t\t{serial}\tunknown\t/C=TW/O=x\n");
        let _responder = Responder::start(&app, port, &index);
        assert_eq!(sign_in(&app).status, 201);
    }
    app.publishes(&list(3, vec![]));
    assert_eq!(sign_in(&app).status, 201);
    a_message_that_was_spent_has_nobody_asked(&app, port);
    // On hold and revoked, though the list does not know it yet.
    for (reason, code) in
        [("certificateHold", "certificate-on-hold"), ("keyCompromise", "certificate-revoked")]
    {
        let index =
            format!("R\t300101000000Z\t260101000000Z,{reason}\t{serial}\tunknown\t/C=TW/O=x\n");
        let _responder = Responder::start(&app, port, &index);
        assert_eq!(outcome(&sign_in(&app)), (403, code));
    }
}

/// The same signed message again and again: the responder hears of the first alone.
fn a_message_that_was_spent_has_nobody_asked(app: &TestApp, port: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let heard = move || std::iter::from_fn(|| listener.accept().ok()).count();
    let visitor = app.visitor();
    let document = json!({"as": "company", "ubn": COMPANY.1});
    let signed = visitor.signed(&app.card("company"), pki::Purpose::SignIn, document).unwrap();
    let send = || visitor.post("/api/session", &signed).unwrap();
    // It hangs up on us; the list decides.
    assert_eq!(send().status, 201);
    assert_eq!(heard(), 1);
    for _ in 0..3 {
        assert_eq!(outcome(&send()), (409, "challenge-used"));
    }
    assert_eq!(heard(), 0);
}

fn hex_serial(app: &TestApp) -> String {
    let certificate = app.certificate_of("company");
    certificate.serial_bytes().iter().map(|byte| format!("{byte:02X}")).collect()
}

#[test]
fn a_list_that_was_fetched_counts_for_the_next_call() {
    let server = ListServer::start();
    let url = format!("http://127.0.0.1:{}/complete.crl", server.port);
    let app = with_lists_at(&url, server.port, "off");
    let (visitor, _, caller) = app.approved();
    let known = &app.demo.id_cards[0];
    let status = || {
        let token = caller.token(http_tests::question(known), Timestamp::now()).unwrap();
        visitor.verify(&token).unwrap().status
    };
    assert_eq!(status(), 200);
    let der = der_of(&app.demo.company_certificate_file).unwrap();
    let serial = pki::Certificate::from_der(&der).unwrap().serial_bytes().to_vec();
    let at = Timestamp::now() - hours(2);
    let held = Listed { serial, reason: Some(CrlReason::CertificateHold), at };
    server.says("200 OK", "", &pki().company_list(&list(20, vec![held])).unwrap());
    let (_, fetched, body) = refresh(&app, &refresh_key(&app));
    let certificates = json!({ "refused": 1, "acceptedAgain": 0, "complete": true });
    assert_eq!((fetched.as_str(), &body["certificates"]), ("taken", &certificates));
    assert_eq!(status(), 401);
    // A refresh that was cut off after it had taken a list: the next one sees to it.
    let database = app.database("default");
    database.execute("UPDATE certificates SET revoked_at = NULL", []).unwrap();
    assert_eq!(status(), 200);
    let (_, fetched, body) = refresh(&app, &refresh_key(&app));
    assert_eq!((fetched.as_str(), &body["certificates"]), ("same", &certificates));
    assert_eq!(status(), 401);
    let later = List { this_update: Timestamp::now(), ..list(21, vec![]) };
    server.says("200 OK", "", &pki().company_list(&later).unwrap());
    let (_, _, body) = refresh(&app, &refresh_key(&app));
    assert_eq!(body["certificates"]["acceptedAgain"], 1, "{body}");
    assert_eq!(status(), 200);
    let acts = "SELECT count(*) FROM audit_log WHERE act LIKE 'certificate-re%'";
    assert_eq!(app.count("default", acts), 3);
}

#[test]
fn a_systems_certificate_on_hold_is_refused_from_the_next_call_on() {
    let app = TestApp::start();
    let (visitor, _, caller) = app.approved();
    let known = &app.demo.id_cards[0];
    let ask = || {
        let token = caller.token(http_tests::question(known), Timestamp::now()).unwrap();
        visitor.verify(&token).unwrap()
    };
    assert_eq!(ask().status, 200);
    let der = der_of(&app.demo.company_certificate_file).unwrap();
    let serial = pki::Certificate::from_der(&der).unwrap().serial_bytes().to_vec();
    let at = Timestamp::now() - hours(2);
    let held = Listed { serial, reason: Some(CrlReason::CertificateHold), at };
    let said = app.publishes(&list(20, vec![held]));
    assert!(said.contains("refused from now on"), "{said}");
    let refused = ask();
    assert_eq!((refused.status, &refused.body["message"]), (401, &json!("certificate not valid")));
    let later = List { this_update: Timestamp::now(), ..list(21, vec![]) };
    assert!(app.publishes(&later).contains("accepted again"));
    assert_eq!(ask().status, 200);
    let acts = "SELECT count(*) FROM audit_log WHERE act LIKE 'certificate-re%'";
    assert_eq!(app.count("default", acts), 2);
}
