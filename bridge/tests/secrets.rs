//! Where a PIN has been: nowhere that outlives the signature (#4).
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod desk;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use card_rig::{PivCard, ReaderService};
use desk::{Answered, Bridge, Hipki, JSON, ORIGIN, Popup};
use serde_json::{Value, json};
use test_pki::bridge::{RunningBridge, memory, scripted_pinentry};
use test_pki::demo::write_card;
use test_pki::pki_set::{Company, TestPki};

const CANARY: &[u8] = b"73914682";

fn holds(bytes: &[u8]) -> bool {
    bytes.windows(CANARY.len()).any(|window| window == CANARY)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The bridge and everything below it.
fn family(process: u32) -> Vec<u32> {
    let file = format!("/proc/{process}/task/{process}/children");
    let children = std::fs::read_to_string(file).unwrap_or_default();
    let below = children.split_whitespace().filter_map(|id| id.parse().ok()).flat_map(family);
    std::iter::once(process).chain(below).collect()
}

#[test]
fn a_pin_is_nowhere_but_in_the_hands_that_need_it() {
    let dir =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("secrets-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    let pki = TestPki::generate(jiff::Timestamp::now()).unwrap();
    let company = pki.company(Company::card("測試甲股份有限公司", "12345675")).unwrap();
    let card = PivCard::new(&company, std::str::from_utf8(CANARY).unwrap()).unwrap();
    let service = ReaderService::start(&dir).unwrap();
    let _inserted = service.insert(0, card.card()).unwrap();
    let pinentry = scripted_pinentry(&dir, &["D 73914682", "OK"], &["OK"]).unwrap();
    let (name, value) = service.environment();
    let program = Path::new(env!("CARGO_BIN_EXE_chayan-bridge"));
    let arguments = ["--allow-origin", ORIGIN, "--pinentry", pinentry.to_str().unwrap()];
    let bridge =
        RunningBridge::start(program, &dir, 0, &arguments, &[(name, value.as_str())]).unwrap();
    let post = |path: &str, body: &Value| -> Value {
        let url = format!("http://127.0.0.1:{}{path}", bridge.port);
        let request = ureq::post(url).header("origin", ORIGIN);
        request.send_json(body).unwrap().body_mut().read_json().unwrap()
    };
    let end = Instant::now() + Duration::from_secs(5);
    let id = loop {
        let found = post("/v1/cards", &json!({}));
        if let Some(id) = found["cards"][0]["id"].as_str() {
            break id.to_owned();
        }
        assert!(Instant::now() < end, "{found}");
    };
    let request = json!({"card": id, "purpose": "apply", "challenge": "c", "document": {"a": 1}});
    let hold = dir.join("hold");
    std::fs::write(&hold, "").unwrap();
    std::thread::scope(|scope| {
        let signing = scope.spawn(|| post("/v1/sign", &request));
        let log = dir.join("pinentry.log");
        let end = Instant::now() + Duration::from_secs(5);
        while !std::fs::read_to_string(&log).unwrap_or_default().contains("GETPIN") {
            assert!(Instant::now() < end);
            std::thread::sleep(Duration::from_millis(20));
        }
        // While the window is open: no argument and no environment has it, and the worker
        // leaves no core dump.
        let all = family(bridge.id());
        assert!(all.len() >= 3, "bridge, worker, window");
        for process in &all {
            for file in ["cmdline", "environ"] {
                let bytes = std::fs::read(format!("/proc/{process}/{file}")).unwrap_or_default();
                assert!(!holds(&bytes), "{process} {file}");
            }
        }
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", all[1])).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        let numbers: Vec<_> = core.split_whitespace().filter(|word| *word == "0").collect();
        assert_eq!(numbers.len(), 2, "{core}");
        std::fs::remove_file(&hold).unwrap();
        let signed = signing.join().unwrap();
        assert!(signed["signedData"].is_string(), "{signed}");
        assert!(!holds(signed.to_string().as_bytes()));
    });
    assert_eq!(card.state().signatures, 1);
    let end = Instant::now() + Duration::from_secs(5);
    while family(bridge.id()) != [bridge.id()] {
        assert!(Instant::now() < end, "worker and window are gone");
        std::thread::sleep(Duration::from_millis(20));
    }
    let memory = memory(bridge.id()).unwrap();
    // What it does know is found this way.
    let known = ORIGIN.as_bytes();
    assert!(memory.windows(known.len()).any(|window| window == known));
    assert!(!holds(&memory), "the server has seen the PIN");
    let log = |file: &PathBuf| file.extension().is_some_and(|kind| kind == "log");
    assert!(files(&dir).iter().filter(|file| log(file)).count() >= 3, "bridge, window, pcscd");
    for file in files(&dir) {
        if file != pinentry {
            assert!(!holds(&std::fs::read(&file).unwrap_or_default()), "{}", file.display());
        }
    }
}

/// A PIN that is typed into the bridge's own page goes through the server, by a connection
/// that browsers keep open. Nothing of it is left there.
#[test]
fn a_pin_that_was_typed_into_the_popup_is_erased() {
    let canary = std::str::from_utf8(CANARY).unwrap();
    let bridge = Bridge::start("popup-pin", &Answered::Program("no-such-pinentry"));
    let company = bridge.pki.company(Company::card("測試甲股份有限公司", "12345675")).unwrap();
    write_card(&bridge.dir, "company", "MT00000000000001", canary, true, &company).unwrap();
    let popup = Popup(&bridge, "00112233445566778899aabbccddeeff");
    let mut stream = TcpStream::connect(("127.0.0.1", bridge.running.port)).unwrap();
    let (status, signed) = std::thread::scope(|scope| {
        let signed = scope.spawn(|| popup.sign());
        popup.question();
        let body = json!({"window": popup.1, "answer": {"pin": canary}}).to_string();
        write!(
            stream,
            "POST /v1/window/answer HTTP/1.1\r\n{}\r\norigin: http://127.0.0.1:{}\r\n{JSON}\r\ncontent-length: {}\r\n\r\n{body}",
            bridge.host(),
            bridge.running.port,
            body.len()
        )
        .unwrap();
        signed.join().unwrap()
    });
    assert_eq!(status, 200, "{signed}");
    // The page leaves the connection open; the bridge does not.
    let mut answer = String::new();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let server = bridge.running.id();
    let end = Instant::now() + Duration::from_secs(5);
    while family(server) != [server] {
        assert!(Instant::now() < end, "the worker is gone");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(!holds(&memory(server).unwrap()), "the server still has the PIN");
}

/// A page of the HiPKI component sends the PIN itself, and the server reads it. Nothing of it
/// is left there either, right or wrong.
#[test]
fn a_pin_that_a_page_of_the_component_sent_is_erased() {
    let canary = std::str::from_utf8(CANARY).unwrap();
    let hipki = Hipki::start("hipki-pin", "999999");
    let bridge = &hipki.bridge;
    let company = bridge.pki.company(Company::card("測試甲股份有限公司", "12345675")).unwrap();
    let card = |pin| write_card(&bridge.dir, "company", "MT00000000000001", pin, true, &company);
    let package = json!({
        "func": "MakeSignature", "tbs": "text", "hashAlgorithm": "SHA256",
        "signatureType": "PKCS7", "pin": canary,
    });
    let body = format!("tbsPackage={package}");
    for (pin, code) in [(canary, 0), ("123456", 0x7610_0006_u32)] {
        card(pin).unwrap();
        let answer = hipki.post("/sign", &body);
        assert_eq!(answer["ret_code"], code, "{answer}");
        assert!(!holds(answer.to_string().as_bytes()));
    }
    let server = bridge.running.id();
    let end = Instant::now() + Duration::from_secs(5);
    while family(server) != [server] {
        assert!(Instant::now() < end, "the worker is gone");
        std::thread::sleep(Duration::from_millis(20));
    }
    let memory = memory(server).unwrap();
    let known = ORIGIN.as_bytes();
    assert!(memory.windows(known.len()).any(|window| window == known));
    assert!(!holds(&memory), "the server still has the PIN");
    for file in files(&bridge.dir) {
        assert!(!holds(&std::fs::read(&file).unwrap_or_default()), "{}", file.display());
    }
}
