//! A bridge of the test's own, started anew from the real program, and requests as pages
//! make them.
#![allow(dead_code, reason = "each test program uses its part")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chayan_bridge::cards::demo::{CardFile, DemoCards};
use pki::Fingerprint;
use protocol::pairing_code;
use serde_json::{Value, json};
use test_pki::bridge::{RunningBridge, scripted_pinentry};
use test_pki::demo::write_card;
use test_pki::pki_set::{Company, TestPki};

pub const ORIGIN: &str = "http://127.0.0.1:3000";
pub const SITE: &str = "https://site.example";
pub const PIN: &str = "123456";

pub struct Bridge {
    pub running: RunningBridge,
    pub dir: PathBuf,
    pub pki: TestPki,
}

/// How a test's windows are answered.
pub enum Answered<'a> {
    /// With `--demo-answer`.
    Always(&'a str),
    /// By a pinentry: GETPIN, CONFIRM.
    Scripted(&'a [&'a str], &'a [&'a str]),
    /// By this program.
    Program(&'a str),
}

impl Bridge {
    pub fn start(name: &str, answered: &Answered<'_>) -> Self {
        Self::start_with(name, answered, &[])
    }

    pub fn start_with(name: &str, answered: &Answered<'_>, more: &[&str]) -> Self {
        let dir =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let pki = TestPki::generate(jiff::Timestamp::now()).unwrap();
        let company = pki.company(Company::card("測試甲股份有限公司", "12345675")).unwrap();
        write_card(&dir, "company", "MT00000000000001", PIN, true, &company).unwrap();
        let citizen = pki.citizen("陳測試", "0000000187654321", "5678").unwrap();
        write_card(&dir, "citizen", "TP00000000000001", PIN, false, &citizen).unwrap();
        let cards = dir.join("cards").display().to_string();
        let mut arguments = vec!["--allow-origin", ORIGIN, "--demo-cards", &cards];
        let program;
        match answered {
            Answered::Always(pin) => arguments.extend(["--demo-answer", pin]),
            Answered::Scripted(pin, confirm) => {
                program = scripted_pinentry(&dir, pin, confirm).unwrap().display().to_string();
                arguments.extend(["--pinentry", &program]);
            }
            Answered::Program(path) => arguments.extend(["--pinentry", path]),
        }
        // The one that was built with this test, or another one: scripts/package tries the
        // Windows program under Wine.
        let program = std::env::var_os("CHAYAN_BRIDGE");
        let program = program.unwrap_or_else(|| env!("CARGO_BIN_EXE_chayan-bridge").into());
        let program = Path::new(&program);
        arguments.extend(more);
        let running = RunningBridge::start(program, &dir, 0, &arguments, &[]).unwrap();
        Self { running, dir, pki }
    }

    pub fn with_answer(name: &str, pin: &str) -> Self {
        Self::start(name, &Answered::Always(pin))
    }

    /// A raw request; status, body, and everything.
    pub fn send(&self, request: &str) -> (u16, Value, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.running.port)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
        (status, serde_json::from_str(body).unwrap_or(Value::Null), answer.clone())
    }

    pub fn with_headers(
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

    pub fn host(&self) -> String {
        format!("host: 127.0.0.1:{}", self.running.port)
    }

    pub fn post_from(&self, origin: &str, path: &str, body: &Value) -> (u16, Value) {
        let origin = format!("origin: {origin}");
        let headers = [&self.host(), origin.as_str(), "content-type: application/json"];
        let (status, body, _) = self.with_headers("POST", path, &headers, &body.to_string());
        (status, body)
    }

    pub fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.post_from(ORIGIN, path, body)
    }

    pub fn sign(&self) -> (u16, Value) {
        self.sign_from(ORIGIN)
    }

    pub fn sign_from(&self, origin: &str) -> (u16, Value) {
        let body = json!({"card": "0:company", "purpose": "apply", "challenge": "c", "document": {"a": "甲"}});
        self.post_from(origin, "/v1/sign", &body)
    }

    pub fn card(&self) -> CardFile {
        DemoCards::new(self.dir.join("cards")).read("company").unwrap()
    }

    pub fn pinentry_log(&self) -> String {
        std::fs::read_to_string(self.dir.join("pinentry.log")).unwrap_or_default()
    }

    /// Begins a pairing as a page does; its name, the key and the code.
    pub fn begin(&self, origin: &str) -> (String, Vec<u8>, String) {
        let (status, offer) = self.post_from(origin, "/v1/pair/begin", &json!({}));
        assert_eq!(status, 200, "{offer}");
        let text = |value: &Value, member: &str| value[member].as_str().unwrap().to_owned();
        let (pairing, key) = (text(&offer, "pairing"), text(&offer, "key"));
        let nonce = "ab".repeat(32);
        let reveal = json!({"pairing": pairing, "nonce": nonce});
        let (status, revealed) = self.post_from(origin, "/v1/pair/reveal", &reveal);
        assert_eq!(status, 200, "{revealed}");
        let own = text(&revealed, "nonce");
        assert_eq!(Fingerprint::of(own.as_bytes()).to_string(), text(&offer, "commitment"));
        let code = pairing_code(origin, &key, &nonce, &own);
        (pairing, BASE64_STANDARD.decode(key).unwrap(), code)
    }

    pub fn confirm(&self, origin: &str, pairing: &str) -> (u16, Value) {
        self.post_from(origin, "/v1/pair/confirm", &json!({"pairing": pairing}))
    }
}

pub const JSON: &str = "content-type: application/json";

/// A popup of the bridge's own: its name, and what it sends.
pub struct Popup<'a>(pub &'a Bridge, pub &'a str);

impl Popup<'_> {
    pub fn send(&self, path: &str, more: &[&str], body: &Value) -> (u16, Value) {
        let own = format!("origin: http://127.0.0.1:{}", self.0.running.port);
        let host = self.0.host();
        let headers = [&[host.as_str(), own.as_str(), JSON][..], more].concat();
        let (status, body, _) = self.0.with_headers("POST", path, &headers, &body.to_string());
        (status, body)
    }

    pub fn sign(&self) -> (u16, Value) {
        let page = format!("x-page-origin: {ORIGIN}");
        let window = format!("x-page-window: {}", self.1);
        let body =
            json!({"card": "0:company", "purpose": "apply", "challenge": "c", "document": {}});
        self.send("/v1/sign", &[page.as_str(), window.as_str()], &body)
    }

    /// The question, when it is there.
    pub fn question(&self) -> Value {
        let end = Instant::now() + Duration::from_secs(5);
        loop {
            let (status, question) = self.send("/v1/window", &[], &json!({"window": self.1}));
            assert_eq!(status, 200);
            if !question.is_null() {
                return question;
            }
            assert!(Instant::now() < end, "no question");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn answer(&self, answer: &Value) -> u16 {
        self.send("/v1/window/answer", &[], &json!({"window": self.1, "answer": answer})).0
    }

    /// Signs while the questions are answered.
    pub fn answered(&self, answers: &[Value]) -> (u16, Value) {
        std::thread::scope(|scope| {
            let signed = scope.spawn(|| self.sign());
            for answer in answers {
                self.question();
                assert_eq!(self.answer(answer), 200);
            }
            signed.join().unwrap()
        })
    }
}

/// A bridge that serves the HiPKI component's pages as well, and one of them that may ask.
pub struct Hipki {
    pub bridge: Bridge,
    port: u16,
}

impl Hipki {
    pub fn start(name: &str, pin: &str) -> Self {
        let free = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let more = ["--hipki", "--hipki-port", &port.to_string()];
        Self { bridge: Bridge::start_with(name, &Answered::Always(pin), &more), port }
    }

    /// Asks as the component's own popup does for the page that sent it a package.
    pub fn post(&self, path: &str, body: &str) -> Value {
        let own = format!("127.0.0.1:{}", self.port);
        let mut stream = TcpStream::connect(&own).unwrap();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nhost: {own}\r\norigin: http://{own}\r\nx-page-origin: {ORIGIN}\r\ncontent-type: application/x-www-form-urlencoded\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        // Too much is answered before it was read to the end.
        let _ = stream.read_to_string(&mut answer);
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
        serde_json::from_str(body).unwrap_or(Value::Null)
    }
}
