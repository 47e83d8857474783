//! Real readers as far as software goes: pcscd with virtual readers, our PIV card in them,
//! OpenSC's module as a second opinion, and cards that mean harm.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use card_rig::{Card, PivCard, ReaderService};
use chayan_bridge::cards::CardSource;
use pki::SigningInput;
use serde_json::{Value, json};
use test_pki::bridge::{RunningBridge, scripted_pinentry};
use test_pki::pki_set::{Company, TestPki};

const ORIGIN: &str = "http://127.0.0.1:3000";
const PIN: &str = "739146";
const OPENSC: &str = "/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so";

struct Desk {
    dir: PathBuf,
    pki: TestPki,
    card: PivCard,
    service: ReaderService,
}

impl Desk {
    fn new(name: &str) -> Self {
        let dir =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let pki = TestPki::generate(jiff::Timestamp::now()).unwrap();
        let company = pki.company(Company::card("測試甲股份有限公司", "12345675")).unwrap();
        let card = PivCard::new(&company, PIN).unwrap();
        let service = ReaderService::start(&dir).unwrap();
        Self { dir, pki, card, service }
    }

    /// What a worker says last to this job.
    fn worker(&self, job: &Value) -> Value {
        let (name, value) = self.service.environment();
        // As the bridge does: a card has its time and no more.
        let mut child = Command::new("timeout")
            .args(["20", env!("CARGO_BIN_EXE_chayan-bridge"), "worker"])
            .env(name, value)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        writeln!(input, "{job}").unwrap();
        let output = child.wait_with_output().unwrap();
        drop(input);
        let said = String::from_utf8(output.stdout).unwrap();
        let last = said.lines().rev().find(|line| !line.is_empty()).unwrap_or("null");
        serde_json::from_str(last).unwrap()
    }

    fn look(&self, source: &CardSource) -> Value {
        self.worker(&json!({"look": {"source": source}}))
    }

    /// The only card of a source, once it is there.
    fn only_card(&self, source: &CardSource) -> Value {
        let end = Instant::now() + Duration::from_secs(5);
        loop {
            let found = self.look(source);
            match found["found"]["cards"].as_array().map(Vec::as_slice) {
                Some([card]) => return card.clone(),
                _ if Instant::now() > end => panic!("{found}"),
                _ => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    fn sign(&self, source: &CardSource, card: &Value, pin: &str) -> Value {
        let program = scripted_pinentry(&self.dir, &[&format!("D {pin}"), "OK"], &["OK"]).unwrap();
        self.worker(&json!({"sign": {
            "source": source,
            "windows": {"pinentry": program},
            "origin": ORIGIN,
            "request": {"card": card["id"], "purpose": "apply", "challenge": "c", "document": {"a": 1}},
            "caution": false,
            "page": false,
        }}))
    }

    fn check(&self, answer: &Value) {
        let signed = answer["signed"]["signedData"].as_str().unwrap_or_else(|| panic!("{answer}"));
        let proof = self.pki.verify(&BASE64_STANDARD.decode(signed).unwrap()).unwrap();
        let input = SigningInput::from_canonical(proof.content()).unwrap();
        assert_eq!((input.origin.as_str(), input.document), (ORIGIN, json!({"a": 1})));
    }

    fn bridge(&self, arguments: &[&str]) -> RunningBridge {
        let program = Path::new(env!("CARGO_BIN_EXE_chayan-bridge"));
        let (name, value) = self.service.environment();
        let arguments = [&["--allow-origin", ORIGIN], arguments].concat();
        RunningBridge::start(program, &self.dir, 0, &arguments, &[(name, &value)]).unwrap()
    }
}

fn post(bridge: &RunningBridge, path: &str, body: &Value) -> Value {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let url = format!("http://127.0.0.1:{}{path}", bridge.port);
    agent
        .post(url)
        .header("origin", ORIGIN)
        .send_json(body)
        .unwrap()
        .body_mut()
        .read_json()
        .unwrap()
}

#[test]
fn a_piv_card_signs_by_our_apdus_and_by_opensc() {
    let desk = Desk::new("piv");
    let _inserted = desk.service.insert(0, desk.card.card()).unwrap();
    let card = desk.only_card(&CardSource::Piv);
    assert_eq!(card["kind"], "company");
    assert_eq!(card["holder"], "測試甲股份有限公司");
    assert_eq!(card["reader"], "Virtual PCD 00 00");
    desk.check(&desk.sign(&CardSource::Piv, &card, PIN));
    // OpenSC reads the same certificate and has the same key sign.
    let opensc = CardSource::Module(OPENSC.into());
    let same = desk.only_card(&opensc);
    assert_eq!(same["certificate"], card["certificate"]);
    desk.check(&desk.sign(&opensc, &same, PIN));
    assert_eq!(desk.card.state().signatures, 2);
    assert_eq!(desk.card.state().tries_left, 3);
}

#[test]
fn wrong_pins_are_counted_by_the_card_and_never_repeated() {
    let desk = Desk::new("tries");
    let _inserted = desk.service.insert(0, desk.card.card()).unwrap();
    let card = desk.only_card(&CardSource::Piv);
    let failure = |answer: Value| answer["failed"].clone();
    let wrong = |left: u8| json!({"code": "pin-wrong", "triesLeft": left});
    for pin in ["12345", "123456789", "12345a", "１２３４５６"] {
        let code = failure(desk.sign(&CardSource::Piv, &card, pin))["code"].clone();
        assert_eq!(code, "pin-length", "{pin}");
    }
    assert_eq!(desk.card.state().tries_left, 3, "the card was not asked");
    assert_eq!(failure(desk.sign(&CardSource::Piv, &card, "000000")), wrong(2));
    desk.check(&desk.sign(&CardSource::Piv, &card, PIN));
    assert_eq!(failure(desk.sign(&CardSource::Piv, &card, "000000")), wrong(2));
    assert_eq!(failure(desk.sign(&CardSource::Piv, &card, "000000")), wrong(1));
    let locked = json!({"code": "pin-locked", "triesLeft": 0});
    assert_eq!(failure(desk.sign(&CardSource::Piv, &card, "000000")), locked);
    assert_eq!(failure(desk.sign(&CardSource::Piv, &card, PIN)), locked);
}

#[test]
fn readers_and_cards_come_and_go_within_a_second() {
    let desk = Desk::new("hotplug");
    let bridge = desk.bridge(&[]);
    let cards = || {
        let found = post(&bridge, "/v1/cards", &json!({}));
        found["cards"].as_array().unwrap_or_else(|| panic!("{found}")).len()
    };
    let changed = |seen: &str| {
        post(&bridge, "/v1/changes", &json!({"seen": seen}))["seen"].as_str().unwrap().to_owned()
    };
    assert_eq!(cards(), 0);
    let mut seen = changed("");
    let mut inserted = None;
    let mut told = Vec::new();
    for round in 0..7 {
        let begun = Instant::now();
        inserted = match inserted.take() {
            None => Some(desk.service.insert(0, desk.card.card()).unwrap()),
            Some(card) => {
                drop(card);
                None
            }
        };
        let expected = usize::from(inserted.is_some());
        // The reader first tells that a card is there, then what it is.
        while cards() != expected {
            seen = changed(&seen);
            let found = || post(&bridge, "/v1/cards", &json!({}));
            assert!(begun.elapsed() < Duration::from_secs(10), "round {round}: {}", found());
        }
        told.push(begun.elapsed());
        // Nobody is faster than that; the virtual reader does not like it.
        std::thread::sleep(Duration::from_millis(800));
        seen = changed("");
    }
    // The median, for a busy machine may hold any single round up.
    told.sort();
    assert!(told[told.len() / 2] < Duration::from_secs(1), "{told:?}");
    drop(inserted);
    // Two readers, two cards.
    let second = desk.pki.company(Company::card("測試乙資訊有限公司", "04595257")).unwrap();
    let second = PivCard::new(&second, PIN).unwrap();
    let _first = desk.service.insert(0, desk.card.card()).unwrap();
    let _second = desk.service.insert(1, second.card()).unwrap();
    let end = Instant::now() + Duration::from_secs(5);
    while cards() != 2 {
        assert!(Instant::now() < end);
        std::thread::sleep(Duration::from_millis(50));
    }
    let found = post(&bridge, "/v1/cards", &json!({}));
    let names: Vec<_> = found["cards"].as_array().unwrap().iter().map(|c| &c["reader"]).collect();
    assert_eq!(names.len(), 2);
    assert_ne!(names[0], names[1]);
}

/// A good card that is pulled out before it answers its n-th command.
fn pulled_out(card: &PivCard, commands: usize) -> Box<dyn Card> {
    let mut inner = card.card();
    let count = Arc::new(AtomicUsize::new(0));
    Box::new(move |command: &[u8]| {
        (count.fetch_add(1, Ordering::Relaxed) < commands).then(|| inner.answer(command))?
    })
}

#[test]
fn a_card_may_be_pulled_out_at_any_step() {
    let desk = Desk::new("unplug");
    let card = {
        let _inserted = desk.service.insert(0, desk.card.card()).unwrap();
        desk.only_card(&CardSource::Piv)
    };
    let mut outcomes = Vec::new();
    for commands in 0..40 {
        let _inserted = desk.service.insert(0, pulled_out(&desk.card, commands)).unwrap();
        std::thread::sleep(Duration::from_millis(150));
        let answer = desk.sign(&CardSource::Piv, &card, PIN);
        if answer["signed"].is_object() {
            desk.check(&answer);
            break;
        }
        outcomes.push(
            answer["failed"]["code"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned(),
        );
    }
    assert!(outcomes.len() > 10 && outcomes.len() < 40, "{outcomes:?}");
    let known = ["no-card", "card-removed", "card-mute", "failed"];
    assert!(outcomes.iter().all(|code| known.contains(&code.as_str())), "{outcomes:?}");
    assert_eq!(desk.card.state().tries_left, 3);
}

/// A card of the national PKI by what it says of itself, which nothing here can read.
struct CertificateCard;

impl Card for CertificateCard {
    fn answer(&mut self, _: &[u8]) -> Option<Vec<u8>> {
        Some(vec![0x6e, 0x00])
    }

    fn answer_to_reset(&self) -> Vec<u8> {
        [&[0x3b, 0xb8, 0x13, 0x00, 0x81, 0x31, 0xfa, 0x52][..], b"CHTMOICA", &[0xa5]].concat()
    }
}

#[test]
fn a_certificate_card_without_its_driver_is_told_from_other_cards() {
    let desk = Desk::new("driver");
    let state = |expected: &str| {
        let end = Instant::now() + Duration::from_secs(5);
        loop {
            let found = desk.look(&CardSource::Piv);
            if found["found"]["readers"][0]["state"] == expected {
                break;
            }
            assert!(Instant::now() < end, "{expected}: {found}");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    {
        let _inserted = desk.service.insert(0, Box::new(CertificateCard)).unwrap();
        state("needs-driver");
    }
    let other: Box<dyn Card> = Box::new(|_: &[u8]| Some(vec![0x6e, 0x00]));
    let _inserted = desk.service.insert(0, other).unwrap();
    state("unknown");
}

#[test]
fn another_card_in_the_same_reader_does_not_sign() {
    let desk = Desk::new("swap");
    let card = {
        let _inserted = desk.service.insert(0, desk.card.card()).unwrap();
        desk.only_card(&CardSource::Piv)
    };
    let other = desk.pki.company(Company::card("測試乙資訊有限公司", "04595257")).unwrap();
    let other = PivCard::new(&other, PIN).unwrap();
    let _inserted = desk.service.insert(0, other.card()).unwrap();
    desk.only_card(&CardSource::Piv);
    let answer = desk.sign(&CardSource::Piv, &card, PIN);
    assert_eq!(answer["failed"]["code"], "no-card");
    assert_eq!(other.state().signatures, 0);
}

/// A card that selects well and answers everything else with this.
fn hostile(answer: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> Box<dyn Card> {
    Box::new(move |command: &[u8]| {
        Some(if command.get(1) == Some(&0xa4) { vec![0x90, 0x00] } else { answer(command) })
    })
}

#[test]
fn a_card_is_hostile_input() {
    let desk = Desk::new("hostile");
    let ok = |mut data: Vec<u8>| {
        data.extend([0x90, 0x00]);
        data
    };
    let certificate = |der: Vec<u8>| {
        let [high, low] = u16::try_from(der.len()).unwrap().to_be_bytes();
        let inner = [&[0x70, 0x82, high, low][..], &der].concat();
        let [high, low] = u16::try_from(inner.len()).unwrap().to_be_bytes();
        [&[0x53, 0x82, high, low][..], &inner].concat()
    };
    let nested = (0..100).fold(Vec::new(), |inner: Vec<u8>, _| {
        [&[0x30, 0x82, 0, u8::try_from(inner.len() % 200).unwrap()][..], &inner].concat()
    });
    let answers: Vec<Box<dyn Card>> = vec![
        // Parts without end; the right length again and again; one byte; noise.
        hostile(|_| [&[0x00; 256][..], &[0x61, 0x00]].concat()),
        hostile(|_| vec![0x61, 0x00]),
        hostile(|command| vec![0x6c, command.last().copied().unwrap_or(0).wrapping_add(1)]),
        hostile(|_| vec![0x90]),
        hostile(move |_| ok(vec![0xff; 256])),
        // Lengths that lie, tags that are none, values that are no certificate.
        hostile(move |_| ok(vec![0x53, 0x84, 0xff, 0xff, 0xff, 0xff])),
        hostile(move |_| ok(vec![0x53, 0x89, 0xff, 0xff, 0xff, 0xff])),
        hostile(move |_| ok(vec![0x53, 0x80])),
        hostile(move |_| ok(vec![0x1f, 0xff, 0xff, 0xff, 0xff, 0x01])),
        hostile({
            let content = certificate(nested);
            move |_| ok(content.clone())
        }),
        hostile({
            let content = certificate(vec![0x30; 200]);
            move |_| ok(content.clone())
        }),
        // A certificate of 60 KB, in parts.
        hostile({
            let content = certificate(vec![0x41; 60_000]);
            let sent = AtomicUsize::new(0);
            move |_| {
                let start = sent.fetch_add(256, Ordering::Relaxed) % content.len();
                let part = &content[start..content.len().min(start + 256)];
                [part, &[0x61, 0x00]].concat()
            }
        }),
        // Longer than any answer may be.
        hostile(|_| vec![0x90; 4000]),
        // No answer to a SELECT either.
        Box::new(|_: &[u8]| Some(vec![0x6a, 0x82])),
    ];
    for (number, card) in answers.into_iter().enumerate() {
        let _inserted = desk.service.insert(0, card).unwrap();
        std::thread::sleep(Duration::from_millis(150));
        let begun = Instant::now();
        let found = desk.look(&CardSource::Piv);
        assert!(begun.elapsed() < Duration::from_secs(10), "card {number}");
        assert_eq!(found["found"]["cards"], json!([]), "card {number}: {found}");
        let readers = found["found"]["readers"].as_array().unwrap();
        assert_eq!(readers.len(), 2, "card {number}");
    }
    // A good card in the other reader is found beside a bad one.
    let _bad = desk.service.insert(0, hostile(|_| vec![0x61, 0x00])).unwrap();
    let _good = desk.service.insert(1, desk.card.card()).unwrap();
    assert_eq!(desk.only_card(&CardSource::Piv)["reader"], "Virtual PCD 00 01");
}

#[test]
fn a_card_that_never_answers_costs_its_time_and_no_more() {
    let desk = Desk::new("silent");
    let bridge = desk.bridge(&["--card-seconds", "2"]);
    let silent = |_: &[u8]| -> Option<Vec<u8>> {
        std::thread::sleep(Duration::from_secs(8));
        None
    };
    let _inserted = desk.service.insert(0, Box::new(silent)).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let begun = Instant::now();
    let found = post(&bridge, "/v1/cards", &json!({}));
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(found.to_string().contains("timed-out"), "{found}");
}

#[test]
fn without_a_reader_service_the_page_is_told_so() {
    let desk = Desk::new("service");
    let program = Path::new(env!("CARGO_BIN_EXE_chayan-bridge"));
    let nowhere = desk.dir.join("nowhere").display().to_string();
    let environment = [("PCSCLITE_CSOCK_NAME", nowhere.as_str())];
    let arguments = ["--allow-origin", ORIGIN];
    let bridge = RunningBridge::start(program, &desk.dir, 0, &arguments, &environment).unwrap();
    let found = post(&bridge, "/v1/cards", &json!({}));
    let said = found["troubles"].to_string() + &found["code"].to_string();
    assert!(said.contains("no-reader-service"), "{found}");
}
