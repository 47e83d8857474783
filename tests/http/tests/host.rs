//! The host: grants, limits, TLS, configuration, and what the components import.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use http_tests::{Host, TestApp, project, scratch};
use test_pki::client::Visitor;

fn probe_with(arguments: &[&str]) -> (Host, Visitor) {
    let path = |path: PathBuf| path.display().to_string();
    let mut all = vec![
        "--from".to_owned(),
        path(project().join("tests/probe/spin.toml")),
        "--state-dir".to_owned(),
        path(scratch("probe")),
        "--variable".to_owned(),
        "needed=x".to_owned(),
        "--request-timeout".to_owned(),
        "2".to_owned(),
    ];
    all.extend(arguments.iter().map(|text| (*text).to_owned()));
    let host = Host::start(&all.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    let visitor = Visitor::new(format!("http://{}", host.address));
    (host, visitor)
}

fn probe() -> (Host, Visitor) {
    probe_with(&[])
}

#[test]
fn a_component_gets_what_the_manifest_grants_and_nothing_else() {
    let (_host, visitor) = probe();
    let get = |path: &str| visitor.get(path).unwrap().text;
    for granted in [
        "/granted/store/default",
        "/granted/database/default",
        "/granted/variable/given",
        "/granted/read/files/hello.txt",
    ] {
        assert_eq!(get(granted), "ok", "{granted}");
    }
    assert!(get("/granted/call/callee.spin.internal/x/served").starts_with("ok 200"));
    for refused in [
        "/granted/store/other",
        "/granted/database/other",
        "/granted/attach/x",
        "/granted/variable/needed",
        "/granted/read/etc/passwd",
        "/granted/read/files/../Cargo.toml",
        "/granted/write/files/hello.txt",
        "/granted/call/127.0.0.1:9",
        "/granted/call/bare.spin.internal/",
        "/bare/store/default",
        "/bare/database/default",
        "/bare/variable/given",
        "/bare/read/files/hello.txt",
        "/bare/call/callee.spin.internal/",
        "/bare/call/127.0.0.1:9",
    ] {
        assert!(get(refused).starts_with("refused"), "{refused}: {}", get(refused));
    }
    // The private component has no public route.
    assert_eq!(visitor.get("/callee/served").unwrap().status, 404);
}

#[test]
fn a_component_that_fails_does_not_take_the_host_down() {
    let (_host, visitor) = probe();
    for (path, status, code) in [
        ("/bare/trap", 500, "component-failed"),
        ("/bare/memory", 500, "component-failed"),
        ("/bare/loop", 504, "deadline-exceeded"),
    ] {
        let begun = Instant::now();
        let answer = visitor.get(path).unwrap();
        assert_eq!((answer.status, answer.code()), (status, code), "{path}: {}", answer.text);
        assert!(begun.elapsed() < Duration::from_secs(8), "{path}");
        assert_eq!(visitor.get("/bare/variable/given").unwrap().status, 200);
    }
}

#[test]
fn bodies_and_headers_have_limits() {
    let (host, visitor) =
        probe_with(&["--max-body", "1000", "--header-timeout", "1", "--body-timeout", "1"]);
    assert_eq!(visitor.post_raw("/bare/body", "text/plain", &[b'x'; 1000]).unwrap().text, "1000");
    let large = visitor.post_raw("/bare/body", "text/plain", &[b'x'; 1001]).unwrap();
    assert_eq!((large.status, large.code()), (413, "body-too-large"));
    // A body without an end.
    let mut stream = std::net::TcpStream::connect(host.address).unwrap();
    stream
        .write_all(b"POST /bare/body HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
        .unwrap();
    for _ in 0..20 {
        let _ = stream.write_all(format!("64\r\n{}\r\n", "x".repeat(100)).as_bytes());
    }
    // It is cut off, with or without a last word; the host goes on.
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let begun = Instant::now();
    let mut end = Vec::new();
    let _ = stream.read_to_end(&mut end);
    assert!(begun.elapsed() < Duration::from_secs(8));
    assert_eq!(visitor.post_raw("/bare/body", "text/plain", b"x").unwrap().text, "1");
    // Slow bodies hold nobody up: they take no turn before they are there.
    let slow: Vec<_> = (0..80)
        .map(|_| {
            let mut stream = std::net::TcpStream::connect(host.address).unwrap();
            let head = "POST /bare/body HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nx";
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    let begun = Instant::now();
    assert_eq!(visitor.get("/bare/variable/given").unwrap().status, 200);
    assert!(begun.elapsed() < Duration::from_millis(900));
    for mut stream in slow {
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
    // Slow headers are cut off.
    let mut slow = std::net::TcpStream::connect(host.address).unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    let begun = Instant::now();
    let mut end = Vec::new();
    let _ = slow.read_to_end(&mut end);
    assert!(begun.elapsed() < Duration::from_secs(8));
    for bad in ["GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n"] {
        let mut stream = std::net::TcpStream::connect(host.address).unwrap();
        stream.write_all(bad.as_bytes()).unwrap();
        let mut answer = [0; 64];
        let read = stream.read(&mut answer).unwrap();
        assert!(String::from_utf8_lossy(&answer[..read]).starts_with("HTTP/1.1 400"));
    }
}

/// Status and x-request-id of an answer, which must have just one.
fn numbered(host: &Host, request: &str) -> (u16, String) {
    let mut stream = std::net::TcpStream::connect(host.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let (mut answer, mut part) = (Vec::new(), [0; 4096]);
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = stream.read(&mut part).unwrap();
        assert!(read > 0, "{request}: {}", String::from_utf8_lossy(&answer));
        answer.extend(&part[..read]);
    }
    let answer = String::from_utf8_lossy(&answer).to_lowercase();
    let numbers: Vec<_> =
        answer.lines().filter_map(|line| line.strip_prefix("x-request-id: ")).collect();
    assert_eq!(numbers.len(), 1, "{answer}");
    (answer[9..12].parse().unwrap(), numbers[0].to_owned())
}

#[test]
fn every_answer_has_the_requests_number_the_hosts_own_too() {
    let limits = ["--max-body", "1000", "--body-timeout", "1", "--max-in-flight", "1"];
    let (host, visitor) = probe_with(&limits);
    let is_number = |id: &str| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut seen = std::collections::BTreeSet::new();
    let forged = "00112233445566778899aabbccddeeff";
    for (request, status) in [
        ("GET /bare/variable/given HTTP/1.1\r\nhost: a\r\n", 200),
        ("GET /nowhere HTTP/1.1\r\nhost: a\r\n", 404),
        ("GET /nowhere HTTP/1.1\r\n", 400),
        ("POST /bare/body HTTP/1.1\r\nhost: a\r\ncontent-length: 1001\r\n", 413),
        ("POST /bare/body HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n", 408),
        ("GET /bare/trap HTTP/1.1\r\nhost: a\r\n", 500),
    ] {
        // Whatever a client sends stands for nothing.
        let (found, id) = numbered(&host, &format!("{request}x-request-id: {forged}\r\n\r\n"));
        assert_eq!(found, status, "{request}");
        assert!(is_number(&id) && id != forged, "{request}: {id}");
        assert!(seen.insert(id), "{request}");
    }
    // Past its time, and, since one has the only turn, busy.
    let slow = "GET /bare/loop HTTP/1.1\r\nhost: a\r\n\r\n";
    let answers = http_tests::at_once(3, |_| numbered(&host, slow));
    assert!(answers.iter().all(|(_, id)| is_number(id)), "{answers:?}");
    assert!(answers.iter().any(|(status, _)| *status == 503), "{answers:?}");
    // The component is told the same number.
    let headers = visitor.get_with("/bare/headers", &[("x-request-id", forged)]).unwrap();
    let told = format!("x-request-id: {}", headers.header("x-request-id").unwrap());
    assert_eq!(headers.text.matches("x-request-id").count(), 1, "{}", headers.text);
    assert!(headers.text.contains(&told), "{}", headers.text);
}

/// Status and body of an answer.
fn raw(address: std::net::SocketAddr, request: &str) -> (u16, serde_json::Value) {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, "null"));
    let status = head.get(9..12).and_then(|status| status.parse().ok());
    (status.unwrap_or_default(), serde_json::from_str(body).unwrap_or_default())
}

#[test]
fn the_hosts_own_answers_have_the_five_members_where_clients_know_them() {
    let mut app = TestApp::start();
    let (mut visitor, _, caller) = app.approved();
    let now = jiff::Timestamp::now();
    let tokens =
        [(); 3].map(|()| caller.token(http_tests::wrong(&app.demo.id_cards[0]), now).unwrap());
    app.restart_with(&["--request-timeout", "2", "--max-in-flight", "1", "--max-body", "1000"]);
    visitor.base = app.visitor().base;
    let address = app.process().address;
    let known = |status: u16, body: &serde_json::Value, code: &str| {
        assert_eq!(body["httpCode"], status.to_string(), "{body}");
        for member in ["httpMessage", "rdCode", "rdMessage", "message"] {
            assert!(body[member].is_string(), "{member}: {body}");
        }
        assert_eq!((&body["responseData"], &body["code"]), (&serde_json::json!({}), &code.into()));
    };
    let path = "GET /integration/rwv2c2 HTTP/1.1\r\nconnection: close\r\n";
    for (request, status, code) in [
        (format!("{path}\r\n"), 400, "bad-request"),
        (format!("{path}host: a\r\nhost: b\r\n\r\n"), 400, "bad-request"),
        (format!("{path}host: a\r\ncontent-length: 1001\r\n\r\n"), 413, "body-too-large"),
        (format!("{path}host: a\r\n{}\r\n", "x: y\r\n".repeat(63)), 431, "too-many-headers"),
    ] {
        let (found, body) = raw(address, &request);
        assert_eq!(found, status, "{request}: {body}");
        known(status, &body, code);
    }
    // Elsewhere there are problems alone.
    let (found, body) =
        raw(address, "GET /nowhere HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    assert_eq!((found, body.get("httpCode")), (404, None));
    // The component waits inside the host until its time is over: that is a time-out. Whoever waits
    // for its turn meanwhile is told to come again.
    let blocker = app.database("attempts");
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let answers = http_tests::at_once(3, |index| visitor.verify(&tokens[index]).unwrap());
    blocker.execute_batch("COMMIT").unwrap();
    for answer in &answers {
        match answer.status {
            504 => known(504, &answer.body, "deadline-exceeded"),
            503 => {
                known(503, &answer.body, "busy");
                assert!(answer.header("retry-after").is_some());
            }
            other => panic!("{other}: {}", answer.text),
        }
    }
    assert!(answers.iter().any(|answer| answer.status == 504));
}

#[test]
fn a_locked_database_is_told_as_later_by_both_endpoints() {
    let app = TestApp::start();
    let (visitor, _, caller) = app.approved();
    let now = jiff::Timestamp::now();
    let token = || caller.token(http_tests::wrong(&app.demo.id_cards[0]), now).unwrap();
    let tokens = [token(), token()];
    let blocker = app.database("attempts");
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    // One after the other: each waits its own five seconds for the lock.
    let body = serde_json::json!({ "token": &tokens[1] });
    let answers = [
        visitor.verify(&tokens[0]).unwrap(),
        visitor.post("/integration/v2/verifications", &body).unwrap(),
    ];
    blocker.execute_batch("COMMIT").unwrap();
    for answer in &answers {
        assert_eq!(
            (answer.status, answer.header("retry-after")),
            (503, Some("5")),
            "{}",
            answer.text
        );
    }
    assert_eq!(answers[1].code(), "unavailable");
    assert_eq!(answers[0].body["httpCode"], "503");
}

#[test]
fn a_trusted_proxys_number_of_a_request_is_kept() {
    let (host, _) = probe_with(&["--trusted-proxy", "127.0.0.1"]);
    let number = "00112233445566778899aabbccddeeff";
    let ask = |given: &str| {
        numbered(
            &host,
            &format!(
                "GET /nowhere HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 192.0.2.1\r\nx-request-id: {given}\r\n\r\n"
            ),
        )
    };
    assert_eq!(ask(number), (404, number.to_owned()));
    for bad in ["x", "", "../../etc/passwd", "00112233-4455-6677-8899-aabbccddeeff"] {
        let (_, id) = ask(bad);
        assert!(id.len() == 32 && id != bad, "{id}");
    }
}

#[test]
fn instances_are_reused_one_request_at_a_time() {
    let (_host, visitor) = probe_with(&["--max-instance-reuse-count", "3"]);
    let served: Vec<_> = (0..4).map(|_| visitor.get("/bare/served").unwrap().text).collect();
    assert_eq!(served, ["1", "2", "3", "1"]);
}

#[test]
fn the_clock_can_start_elsewhere() {
    let (_host, visitor) = probe_with(&["--now", "2030-01-01T00:00:00Z"]);
    let seconds: i64 = visitor.get("/bare/clock").unwrap().text.parse().unwrap();
    assert!((1_893_456_000..1_893_456_060).contains(&seconds), "{seconds}");
}

#[test]
fn headers_of_the_host_cannot_be_forged() {
    let (_host, visitor) = probe();
    let forged = [("spin-client-addr", "203.0.113.7:1"), ("spin-full-url", "http://evil/")];
    let headers = visitor.get_with("/bare/headers", &forged).unwrap().text;
    assert!(!headers.contains("203.0.113.7") && !headers.contains("evil"), "{headers}");
    assert_eq!(headers.matches("spin-client-addr: 127.0.0.1:").count(), 1);
}

#[test]
fn what_is_missing_or_mixed_stops_the_start() {
    let refused = |arguments: &[&str]| Host::start(arguments).err().map(|error| error.to_string());
    let manifest = project().join("tests/probe/spin.toml").display().to_string();
    let state = scratch("refused").display().to_string();
    let said = refused(&["--from", &manifest, "--state-dir", &state]).unwrap();
    assert!(said.contains("\"needed\""), "{said}");

    // The application: no trust store, a broken one, production beside test.
    let app = TestApp::start();
    let config = app.dir.join("runtime-config.toml");
    let whole = std::fs::read_to_string(&config).unwrap();
    let start_with = |change: &dyn Fn(&mut toml::Table)| {
        let mut table: toml::Table = whole.parse().unwrap();
        change(table["variables_provider"][0]["values"].as_table_mut().unwrap());
        std::fs::write(&config, table.to_string()).unwrap();
        let arguments = TestApp::host_arguments(&app.dir);
        refused(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let said = start_with(&|values| drop(values.remove("trust_store"))).unwrap();
    assert!(said.contains("trust_store"), "{said}");
    let said =
        start_with(&|values| drop(values.insert("trust_store".into(), "{}".into()))).unwrap();
    assert!(said.contains("not ready") && said.contains("trust store"), "{said}");
    let renamed = |from: &str, to: &str| {
        start_with(&|values| {
            let store = values["trust_store"].as_str().unwrap().replace(from, to);
            values.insert("trust_store".into(), store.into());
        })
    };
    // Test certificates do not pass for production.
    let said = renamed("\"environment\":\"test\"", "\"environment\":\"production\"").unwrap();
    assert!(said.contains("does not belong into a store for Production"), "{said}");
    assert!(start_with(&|_| ()).is_none(), "the unchanged configuration starts");
    // Nor does a database that was not migrated.
    std::fs::remove_file(app.dir.join("data/register.db")).unwrap();
    let said = start_with(&|_| ()).unwrap();
    assert!(said.contains("chayan migrate"), "{said}");
}

#[test]
fn integrators_can_call_by_https() {
    let dir = scratch("tls");
    let key = test_pki::issue::Key::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let server = http_tests::pki()
        .company(test_pki::pki_set::Company::system("測試伺服器", "12345675"))
        .unwrap();
    drop(key);
    let (certificate, key) = (dir.join("tls.cer"), dir.join("tls.key"));
    std::fs::write(&certificate, test_pki::demo::pem("CERTIFICATE", &server.certificate)).unwrap();
    std::fs::write(&key, test_pki::demo::pem("PRIVATE KEY", &server.key.pkcs8().unwrap())).unwrap();
    let (host, _) = probe_with(&[
        "--tls-cert",
        &certificate.display().to_string(),
        "--tls-key",
        &key.display().to_string(),
    ]);
    let output = std::process::Command::new("curl")
        .args(["-sk", "--max-time", "10", &format!("https://{}/bare/headers", host.address)])
        .output()
        .unwrap();
    let headers = String::from_utf8_lossy(&output.stdout);
    assert!(headers.contains("spin-full-url: https://"), "{headers}");
}

#[test]
fn components_import_what_their_grants_allow() {
    let manifest: toml::Table =
        std::fs::read_to_string(project().join("spin.toml")).unwrap().parse().unwrap();
    let components = manifest["component"].as_table().unwrap();
    assert_eq!(components.len(), 12);
    for (name, component) in components {
        let bytes = std::fs::read(project().join(component["source"].as_str().unwrap())).unwrap();
        wasmparser::Validator::new_with_features(wasmparser::WasmFeatures::all())
            .validate_all(&bytes)
            .unwrap();
        let (imports, exports) = interface(&bytes);
        assert!(exports.iter().any(|export| export == "wasi:http/handler@0.3.0"), "{exports:?}");
        let granted = |key: &str| {
            component.get(key).is_some_and(|value| match value {
                toml::Value::Array(list) => !list.is_empty(),
                toml::Value::Table(table) => !table.is_empty(),
                _ => false,
            })
        };
        for import in imports {
            let allowed = match import.split('@').next().unwrap() {
                "spin:sqlite/sqlite" => granted("sqlite_databases"),
                "spin:key-value/key-value" => granted("key_value_stores"),
                "spin:variables/variables" => granted("variables"),
                // Sending requests; components only receive them.
                "wasi:http/client" | "wasi:http/handler" | "wasi:http/outgoing-handler" => {
                    granted("allowed_outbound_hosts")
                }
                base => BASE.contains(&base),
            };
            assert!(allowed, "{name} imports {import}, which spin.toml does not grant");
        }
    }
}

/// What the standard library and the HTTP types of the SDK import in every component.
const BASE: [&str; 22] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/system-clock",
    "wasi:clocks/types",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:http/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure-seed",
    "wasi:random/random",
];

/// Names of the interfaces that a component imports and exports.
fn interface(bytes: &[u8]) -> (Vec<String>, Vec<String>) {
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut depth = 0_usize;
    for payload in wasmparser::Parser::new(0).parse_all(bytes) {
        match payload.unwrap() {
            wasmparser::Payload::ModuleSection { .. }
            | wasmparser::Payload::ComponentSection { .. } => depth += 1,
            wasmparser::Payload::End(_) => depth = depth.saturating_sub(1),
            wasmparser::Payload::ComponentImportSection(section) if depth == 0 => {
                imports
                    .extend(section.into_iter().map(|import| import.unwrap().name.name.to_owned()));
            }
            wasmparser::Payload::ComponentExportSection(section) if depth == 0 => {
                exports
                    .extend(section.into_iter().map(|export| export.unwrap().name.name.to_owned()));
            }
            _ => (),
        }
    }
    (imports, exports)
}
