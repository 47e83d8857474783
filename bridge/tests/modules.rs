//! A vendor's module that says no, hangs, crashes and talks nonsense: it costs one request.
//! The module is a stub (`tests/module`): the vendor's cannot be had here.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use test_pki::bridge::{RunningBridge, scripted_pinentry};
use test_pki::pki_set::{Company, TestPki};

const ORIGIN: &str = "http://127.0.0.1:3000";

/// The stub, where cargo put it beside this program.
fn module() -> PathBuf {
    let folder = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    folder.join("libstub_module.so")
}

struct Desk {
    bridge: RunningBridge,
    log: PathBuf,
}

impl Desk {
    fn new(name: &str, script: &str) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("module-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let pki = TestPki::generate(jiff::Timestamp::now()).unwrap();
        let company = pki.company(Company::card("測試甲股份有限公司", "12345675")).unwrap();
        let certificate = dir.join("certificate.der");
        std::fs::write(&certificate, company.certificate).unwrap();
        let pinentry = scripted_pinentry(&dir, &["D 123456", "OK"], &["OK"]).unwrap();
        let log = dir.join("calls.log");
        let text = |path: &Path| path.display().to_string();
        let environment = [
            ("CHAYAN_STUB", script.to_owned()),
            ("CHAYAN_STUB_LOG", text(&log)),
            ("CHAYAN_STUB_CERTIFICATE", text(&certificate)),
            // No reader service but a module: what the module says is not hidden.
            ("PCSCLITE_CSOCK_NAME", text(&dir.join("nowhere"))),
        ];
        let environment: Vec<_> =
            environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (module, pinentry) = (text(&module()), text(&pinentry));
        let arguments = [
            "--allow-origin",
            ORIGIN,
            "--pkcs11",
            &module,
            "--pinentry",
            &pinentry,
            "--card-seconds",
            "2",
        ];
        let program = Path::new(env!("CARGO_BIN_EXE_chayan-bridge"));
        let bridge = RunningBridge::start(program, &dir, 0, &arguments, &environment).unwrap();
        Self { bridge, log }
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let agent: ureq::Agent =
            ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let url = format!("http://127.0.0.1:{}{path}", self.bridge.port);
        let mut answer = agent.post(url).header("origin", ORIGIN).send_json(body).unwrap();
        answer.body_mut().read_json().unwrap()
    }

    fn cards(&self) -> Value {
        self.post("/v1/cards", &json!({}))
    }

    /// Signs with the only card.
    fn sign(&self) -> Value {
        let cards = self.cards();
        let card = cards["cards"][0]["id"].as_str().unwrap_or_else(|| panic!("{cards}"));
        self.post(
            "/v1/sign",
            &json!({"card": card, "purpose": "sign-in", "challenge": "c", "document": {}}),
        )
    }

    fn calls(&self, function: &str) -> usize {
        let log = std::fs::read_to_string(&self.log).unwrap();
        log.lines().filter(|line| *line == function).count()
    }
}

#[test]
fn every_code_has_its_word_and_a_pin_is_tried_once() {
    let wrong = |left: u8| json!({"code": "pin-wrong", "triesLeft": left});
    let said = |code: &str| json!({"code": code});
    for (script, expected) in [
        ("login=0xA0", said("pin-wrong")),
        ("login=0xA2", said("pin-length")),
        ("login=0xA4", json!({"code": "pin-locked", "triesLeft": 0})),
        ("login=0x80000001", wrong(1)),
        ("login=0x80000002", wrong(2)),
        ("login=0xFFFFFFFF80000001", wrong(1)),
        ("login=0x80000055", said("failed")),
        ("login=0x50", said("pin-cancelled")),
        ("login=0x06", said("failed")),
        ("sign=0x32", said("card-removed")),
        ("sign=0xE0", said("card-removed")),
        ("login=0x30", said("failed")),
        ("login=crash", said("module-failed")),
        ("sign=crash", said("module-failed")),
    ] {
        let desk = Desk::new("codes", script);
        assert_eq!(desk.sign(), expected, "{script}");
        assert_eq!(desk.calls("login"), 1, "{script}");
        // The bridge is there as before.
        assert_eq!(desk.cards()["cards"].as_array().unwrap().len(), 1, "{script}");
    }
}

#[test]
fn the_last_try_and_a_locked_card_are_seen_by_the_tokens_flags() {
    let desk = Desk::new("final", "final-try");
    assert!(desk.sign()["signedData"].is_string());
    let log = std::fs::read_to_string(desk.log.with_file_name("pinentry.log")).unwrap();
    assert!(log.contains("只剩最後1次") && log.contains("CONFIRM"));
    let locked = Desk::new("locked", "locked");
    assert_eq!(locked.sign(), json!({"code": "pin-locked", "triesLeft": 0}));
    assert_eq!(locked.calls("login"), 0);
}

#[test]
fn a_pin_pad_is_asked_and_no_window() {
    let desk = Desk::new("pad", "pin-pad");
    assert!(desk.sign()["signedData"].is_string());
    let log = std::fs::read_to_string(desk.log.with_file_name("pinentry.log")).unwrap();
    assert!(log.contains("請在讀卡機的按鍵輸入PIN碼") && !log.contains("GETPIN"), "{log}");
    let cancelled = Desk::new("pad-cancelled", "pin-pad,login=0x50");
    assert_eq!(cancelled.sign(), json!({"code": "pin-cancelled"}));
}

#[test]
fn a_module_that_hangs_costs_its_time_and_no_more() {
    let slow = |desk: &Desk, act: &dyn Fn(&Desk) -> Value| {
        let begun = Instant::now();
        let answer = act(desk);
        let took = begun.elapsed();
        assert!(took > Duration::from_secs(2) && took < Duration::from_secs(5), "{took:?}");
        answer
    };
    let desk = Desk::new("hang", "slots=hang");
    let found = slow(&desk, &Desk::cards);
    assert!(found.to_string().contains("timed-out"), "{found}");
    let desk = Desk::new("hang-sign", "sign=hang");
    assert_eq!(slow(&desk, &Desk::sign), json!({"code": "timed-out"}));
    // Nothing is left behind.
    std::thread::sleep(Duration::from_millis(700));
    let id = desk.bridge.id();
    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
    assert_eq!(children, "");
}

#[test]
fn a_module_that_crashes_or_talks_nonsense_is_contained() {
    for script in ["initialize=crash", "slots=crash", "token=crash", "find=crash"] {
        let desk = Desk::new("crash", script);
        let found = desk.cards();
        assert!(found.to_string().contains("module-failed"), "{script}: {found}");
        let agent = ureq::get(format!("http://127.0.0.1:{}/v1/status", desk.bridge.port));
        assert!(agent.call().is_ok(), "{script}");
    }
    // One that does not even start is no card's fault.
    let desk = Desk::new("unusable", "initialize=0x30");
    let found = desk.cards();
    assert!(found.to_string().contains("module-failed"), "{found}");
    let desk = Desk::new("noise", "slots=noise,find=noise");
    assert_eq!(desk.cards()["cards"].as_array().unwrap().len(), 1);
    let desk = Desk::new("unknown", "uninitialised");
    let found = desk.cards();
    assert_eq!(found["readers"][0]["state"], "unknown", "{found}");
    assert_eq!(found["cards"], json!([]));
}
