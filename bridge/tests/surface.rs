//! The bridge as pages and others see it: exact origin, exact host, a PIN that is asked
//! in its own window, demo cards that lock.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use chayan_bridge::cards::demo::{CardFile, DemoCards, write};
use chayan_bridge::{DemoAnswer, Options, PinPrompt, Pinentry};
use pki::{Purpose, SigningInput};
use serde_json::{Value, json};
use test_pki::demo::write_card;
use test_pki::pki_set::{Company, TestPki};

const ORIGIN: &str = "http://127.0.0.1:3000";
const PIN: &str = "123456";

struct Bridge {
    port: u16,
    dir: PathBuf,
    pki: TestPki,
    _runtime: tokio::runtime::Runtime,
}

impl Bridge {
    fn start(name: &str, prompt: impl FnOnce(&Path) -> Box<dyn PinPrompt>) -> Self {
        let dir =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let pki = TestPki::generate(jiff::Timestamp::now()).unwrap();
        let company = pki.company(Company::card("測試甲股份有限公司", "12345675")).unwrap();
        write_card(&dir, "company", "MT00000000000001", PIN, true, &company).unwrap();
        let citizen = pki.citizen("陳測試", "0000000187654321", "5678").unwrap();
        write_card(&dir, "citizen", "TP00000000000001", PIN, false, &citizen).unwrap();
        let prompt = prompt(&dir);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let backend = Box::new(DemoCards::new(dir.join("cards")));
        let allowed_origins = vec![ORIGIN.to_owned()];
        runtime.spawn(chayan_bridge::serve(listener, Options { allowed_origins, backend, prompt }));
        Self { port, dir, pki, _runtime: runtime }
    }

    fn with_answer(name: &str, pin: &'static str) -> Self {
        Self::start(name, |_| Box::new(DemoAnswer(pin.into())))
    }

    /// A raw request; status and body.
    fn send(&self, request: &str) -> (u16, Value, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
        (status, serde_json::from_str(body).unwrap_or(Value::Null), answer.clone())
    }

    fn with_headers(
        &self,
        method: &str,
        path: &str,
        headers: &[&str],
        body: &str,
    ) -> (u16, Value, String) {
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n",
            body.len()
        );
        for header in headers {
            request += &format!("{header}\r\n");
        }
        self.send(&format!("{request}\r\n{body}"))
    }

    fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let host = format!("host: 127.0.0.1:{}", self.port);
        let headers =
            [host.as_str(), "origin: http://127.0.0.1:3000", "content-type: application/json"];
        let (status, body, _) = self.with_headers("POST", path, &headers, &body.to_string());
        (status, body)
    }

    fn sign(&self) -> (u16, Value) {
        self.post(
            "/v1/sign",
            &json!({"card": "demo:company", "purpose": "apply", "challenge": "c", "document": {"a": "甲"}}),
        )
    }

    fn card(&self) -> CardFile {
        DemoCards::new(self.dir.join("cards")).read("company").unwrap()
    }
}

#[test]
fn only_the_allowed_origin_and_the_own_name_are_answered() {
    let bridge = Bridge::with_answer("origin", PIN);
    let port = bridge.port;
    let good_host = format!("host: 127.0.0.1:{port}");
    let json_type = "content-type: application/json";
    for origin in [
        "null",
        "https://127.0.0.1:3000",
        "http://127.0.0.1:3001",
        "http://127.0.0.1",
        "http://localhost:3000",
        "http://127.0.0.1:3000.evil.tw",
        "http://127.0.0.1:3000/",
        "HTTP://127.0.0.1:3000",
        "chrome-extension://abc",
    ] {
        let header = format!("origin: {origin}");
        let (status, body, answer) =
            bridge.with_headers("POST", "/v1/cards", &[&good_host, &header, json_type], "{}");
        assert_eq!((status, &body["code"]), (403, &json!("origin-refused")), "{origin}");
        assert!(!answer.to_lowercase().contains("access-control"), "{origin}");
    }
    let allowed = "origin: http://127.0.0.1:3000";
    let twice = [good_host.as_str(), allowed, allowed, json_type];
    assert_eq!(bridge.with_headers("POST", "/v1/cards", &twice, "{}").0, 403);
    assert_eq!(bridge.with_headers("POST", "/v1/cards", &[&good_host, json_type], "{}").0, 403);
    for host in [
        "evil.example",
        "127.0.0.1",
        "0.0.0.0:1",
        &format!("[::1]:{port}"),
        &format!("127.0.0.1.nip.io:{port}"),
    ] {
        let header = format!("host: {host}");
        assert_eq!(
            bridge.with_headers("POST", "/v1/cards", &[&header, allowed, json_type], "{}").0,
            403,
            "{host}"
        );
        assert_eq!(bridge.with_headers("GET", "/v1/status", &[&header], "").0, 403, "{host}");
    }
    let (status, cards, _) =
        bridge.with_headers("POST", "/v1/cards", &[&good_host, allowed, json_type], "{}");
    assert_eq!((status, cards["cards"].as_array().unwrap().len()), (200, 1));
    assert_eq!(cards["cards"][0]["kind"], "company");
    assert_eq!(cards["cards"][0]["holder"], "測試甲股份有限公司");
}

#[test]
fn without_an_origin_one_learns_that_a_bridge_is_running_and_no_more() {
    let bridge = Bridge::with_answer("status", PIN);
    let host = format!("host: localhost:{}", bridge.port);
    let (status, body, _) = bridge.with_headers("GET", "/v1/status", &[&host], "");
    assert_eq!(status, 200);
    let mut members: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
    members.sort();
    assert_eq!(members, ["product", "protocol", "version"]);
}

#[test]
fn pages_cannot_ask_without_a_preflight() {
    let bridge = Bridge::with_answer("simple", PIN);
    let host = format!("host: 127.0.0.1:{}", bridge.port);
    let origin = "origin: http://127.0.0.1:3000";
    for kind in
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
    {
        let header = format!("content-type: {kind}");
        let (status, body, _) =
            bridge.with_headers("POST", "/v1/cards", &[&host, origin, &header], "{}");
        assert_eq!((status, &body["code"]), (400, &json!("malformed-request")), "{kind}");
    }
    let (status, _, answer) = bridge.with_headers("OPTIONS", "/v1/sign", &[&host, origin], "");
    assert_eq!(status, 204);
    assert!(answer.contains("access-control-allow-origin: http://127.0.0.1:3000"));
    assert!(answer.contains("access-control-allow-private-network: true"));
}

#[test]
fn what_is_signed_names_origin_purpose_and_challenge() {
    let bridge = Bridge::with_answer("sign", PIN);
    let (status, body) = bridge.sign();
    assert_eq!(status, 200, "{body}");
    use base64::Engine;
    let message =
        base64::prelude::BASE64_STANDARD.decode(body["signedData"].as_str().unwrap()).unwrap();
    let proof = bridge.pki.verify(&message).unwrap();
    let input = SigningInput::from_canonical(proof.content()).unwrap();
    assert_eq!(
        (input.origin.as_str(), input.purpose, input.challenge.as_str()),
        (ORIGIN, Purpose::Apply, "c")
    );
    assert_eq!(input.document, json!({"a": "甲"}));
    assert_eq!(proof.card_number(), Some("MT00000000000001"));
    assert_eq!(proof.credential().ubn.as_deref(), Some("12345675"));
}

#[test]
fn foreign_members_and_commands_are_refused_and_touch_no_card() {
    let bridge = Bridge::with_answer("closed", "999999");
    for body in [
        json!({"card": "demo:company", "purpose": "apply", "challenge": "c", "document": {}, "pin": "1"}),
        json!({"card": "demo:company", "purpose": "raw", "challenge": "c", "document": {}}),
        json!({"card": "demo:company", "purpose": "apply", "challenge": "", "document": {}}),
        json!({"card": "demo:company", "purpose": "apply", "challenge": "c".repeat(129), "document": {}}),
        json!({"card": "demo:company", "purpose": "apply", "challenge": "c", "document": "a".repeat(200_000)}),
        json!([]),
    ] {
        assert_eq!(bridge.post("/v1/sign", &body).1["code"], "malformed-request");
    }
    for path in ["/", "/v1/decrypt", "/v1/sign/../cards", "/v2/sign"] {
        assert_eq!(bridge.post(path, &json!({})).1["code"], "malformed-request", "{path}");
    }
    for card in ["demo:../../etc/passwd", "demo:citizen", "x", ""] {
        let body = json!({"card": card, "purpose": "apply", "challenge": "c", "document": {}});
        assert_eq!(bridge.post("/v1/sign", &body), (404, json!({"code": "no-card"})), "{card}");
    }
    assert_eq!(bridge.card().tries_left, 3, "no try was spent");
}

#[test]
fn a_card_locks_after_three_wrong_pins() {
    let bridge = Bridge::with_answer("lock", "999999");
    assert_eq!(bridge.sign(), (422, json!({"code": "pin-wrong", "triesLeft": 2})));
    assert_eq!(bridge.sign(), (422, json!({"code": "pin-wrong", "triesLeft": 1})));
    assert_eq!(bridge.sign(), (422, json!({"code": "pin-locked", "triesLeft": 0})));
    assert_eq!(bridge.sign(), (422, json!({"code": "pin-locked", "triesLeft": 0})));
    assert_eq!(bridge.card().tries_left, 0);
    // A PIN of a length that no card takes is refused before the card.
    let short = Bridge::with_answer("short", "123");
    assert_eq!(short.sign().1["code"], "pin-wrong");
    assert_eq!(short.card().tries_left, 3);
}

#[test]
fn cards_come_and_go() {
    let bridge = Bridge::with_answer("hotplug", PIN);
    let cards = DemoCards::new(bridge.dir.join("cards"));
    let kinds = || {
        let found = bridge.post("/v1/cards", &json!({})).1;
        let mut kinds: Vec<_> = found["cards"]
            .as_array()
            .unwrap()
            .iter()
            .map(|card| card["kind"].as_str().unwrap().to_owned())
            .collect();
        kinds.sort();
        kinds
    };
    assert_eq!(kinds(), ["company"]);
    cards.set_inserted("citizen", true).unwrap();
    assert_eq!(kinds(), ["citizen", "company"]);
    cards.set_inserted("company", false).unwrap();
    assert_eq!(kinds(), ["citizen"]);
    assert_eq!(bridge.sign(), (404, json!({"code": "no-card"})));
    // A card file that is not one is an error, not a crash.
    std::fs::write(bridge.dir.join("cards/broken.json"), "{").unwrap();
    assert_eq!(bridge.post("/v1/cards", &json!({})).1["code"], "failed");
}

/// A pinentry of this test's own: records what it was told and answers as scripted.
fn scripted(dir: &Path, answer: &[&str]) -> Pinentry {
    let answer: String = answer.iter().map(|line| format!(" '{line}'")).collect();
    use std::os::unix::fs::PermissionsExt;
    let program = dir.join("pinentry");
    let log = dir.join("pinentry.log");
    let script = format!(
        "#!/bin/sh\necho 'OK ready'\nwhile read -r line; do\n  echo \"$line\" >> {}\n  case \"$line\" in\n    GETPIN*) printf '%s\\n'{answer} ;;\n    BYE*) echo OK; exit 0 ;;\n    *) echo OK ;;\n  esac\ndone\n",
        log.display()
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    Pinentry { program: program.display().to_string() }
}

#[test]
fn the_window_says_who_asks_for_what_with_which_card() {
    let bridge = Bridge::start("window", |dir| Box::new(scripted(dir, &["D 123456", "OK"])));
    let (status, body) = bridge.sign();
    assert_eq!(status, 200, "{body}");
    let log = std::fs::read_to_string(bridge.dir.join("pinentry.log")).unwrap();
    for shown in
        [ORIGIN, "簽署並送出申請案件", "測試甲股份有限公司", "MT00000000000001", "剩餘次數：3"]
    {
        assert!(log.contains(shown), "{shown} is not in {log}");
    }
    assert!(!log.contains(PIN));
}

#[test]
fn a_cancelled_window_costs_nothing() {
    let bridge =
        Bridge::start("cancel", |dir| Box::new(scripted(dir, &["ERR 83886179 cancelled"])));
    assert_eq!(bridge.sign(), (422, json!({"code": "pin-cancelled"})));
    assert_eq!(bridge.card().tries_left, 3);
    let nowhere = Bridge::start("nowhere", |dir| {
        Box::new(Pinentry { program: dir.join("not-there").display().to_string() })
    });
    assert_eq!(nowhere.sign(), (500, json!({"code": "pin-prompt-unavailable"})));
}

#[test]
fn a_demo_answer_is_refused_beside_other_cards() {
    let program = Path::new(env!("CARGO_BIN_EXE_chayan-bridge"));
    let module = "/usr/lib/softhsm/libsofthsm2.so";
    let output = std::process::Command::new(program)
        .args([
            "serve",
            "--allow-origin",
            ORIGIN,
            "--port",
            "0",
            "--pkcs11",
            module,
            "--demo-answer",
            PIN,
        ])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("demo cards alone"), "{said}");
    // A relative path to a module could be planted.
    let output = std::process::Command::new(program)
        .args(["serve", "--allow-origin", ORIGIN, "--port", "0", "--pkcs11", "libsofthsm2.so"])
        .output()
        .unwrap();
    assert!(!output.status.success());
}

#[test]
fn the_command_inserts_and_removes_cards() {
    let bridge = Bridge::with_answer("command", PIN);
    let cards = bridge.dir.join("cards");
    let run = |arguments: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_chayan-bridge"))
            .args(["card", "--demo-cards"])
            .arg(&cards)
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    run(&["insert", "citizen"]);
    run(&["remove", "company"]);
    let listed = run(&["list"]);
    assert!(listed.contains("citizen\tTP00000000000001\tinserted"), "{listed}");
    assert!(listed.contains("company\tMT00000000000001\tremoved"), "{listed}");
    let mut locked = bridge.card();
    locked.tries_left = 0;
    write(&cards.join("company.json"), &locked).unwrap();
    assert!(run(&["list"]).contains("0 tries left"));
}
