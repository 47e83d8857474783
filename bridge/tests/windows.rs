//! The bridge's windows: who is asked for what, in which order, how often, and what a
//! wrong PIN costs.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod desk;

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use desk::{Answered, Bridge, JSON, ORIGIN, PIN, Popup, SITE};
use serde_json::{Value, json};
use test_pki::bridge::CANCELLED;

#[test]
fn a_page_cannot_spend_the_last_try() {
    // An unattended demo says yes to no warning: however often a page asks, two tries are
    // spent at most.
    let bridge = Bridge::with_answer("tries", "999999");
    assert_eq!(bridge.sign(), (422, json!({"code": "pin-wrong", "triesLeft": 2})));
    assert_eq!(bridge.sign(), (422, json!({"code": "pin-wrong", "triesLeft": 1})));
    let rest: Vec<_> = (0..98).map(|_| bridge.sign().1["code"].clone()).collect();
    assert!(rest[..5].iter().all(|code| code == "pin-cancelled"), "{rest:?}");
    assert!(rest[5..].iter().all(|code| code == "too-many-requests"), "{rest:?}");
    assert_eq!(bridge.card().tries_left, 1);
    // A PIN of a length that no card takes is refused before the card.
    let short = Bridge::with_answer("short", "123");
    assert_eq!(short.sign(), (422, json!({"code": "pin-length", "triesLeft": 3})));
    assert_eq!(short.card().tries_left, 3);
}

#[test]
fn requests_at_once_spend_no_more_tries_than_one_after_another() {
    let bridge = Bridge::with_answer("race", "999999");
    // Two of each site, so that none is turned away.
    assert_eq!(bridge.confirm(SITE, &bridge.begin(SITE).0).0, 200);
    let codes = std::thread::scope(|scope| {
        let asked: Vec<_> = [ORIGIN, SITE, ORIGIN, SITE]
            .map(|origin| scope.spawn(|| bridge.sign_from(origin).1["code"].clone()))
            .into();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(codes.iter().all(|code| code != "busy"), "{codes:?}");
    assert_eq!(codes.iter().filter(|code| *code == "pin-wrong").count(), 2, "{codes:?}");
    assert_eq!(bridge.card().tries_left, 1);
}

#[test]
fn the_last_try_is_the_persons_own_after_a_warning() {
    let bridge = Bridge::start("last", &Answered::Scripted(&["D 999999", "OK"], &["OK"]));
    assert_eq!(bridge.sign().1["triesLeft"], 2);
    assert_eq!(bridge.sign().1["triesLeft"], 1);
    assert!(!bridge.pinentry_log().contains("CONFIRM"));
    assert_eq!(bridge.sign(), (422, json!({"code": "pin-locked", "triesLeft": 0})));
    let log = bridge.pinentry_log();
    assert!(log.contains("只剩最後1次") && log.contains("CONFIRM"), "{log}");
    assert_eq!(bridge.sign(), (422, json!({"code": "pin-locked", "triesLeft": 0})));
    assert_eq!(bridge.card().tries_left, 0);
    assert_eq!(bridge.pinentry_log().matches("GETPIN").count(), 3, "a locked card asks nobody");
}

#[test]
fn the_window_says_who_asks_for_what_with_which_card() {
    let bridge = Bridge::start("window", &Answered::Scripted(&["D 123456", "OK"], &[]));
    let (status, body) = bridge.sign();
    assert_eq!(status, 200, "{body}");
    let log = bridge.pinentry_log();
    for shown in [
        ORIGIN,
        "簽署並送出申請案件",
        "測試甲股份有限公司（工商憑證）",
        "MT00000000000001",
        "示範讀卡機 company",
        "PIN碼剩餘次數：3",
    ] {
        assert!(log.contains(shown), "{shown} is not in {log}");
    }
    assert!(!log.contains(PIN));
}

#[test]
fn a_cancelled_window_costs_nothing() {
    let bridge = Bridge::start("cancel", &Answered::Scripted(&[CANCELLED], &[]));
    assert_eq!(bridge.sign(), (422, json!({"code": "pin-cancelled"})));
    assert_eq!(bridge.card().tries_left, 3);
    let nowhere = Bridge::start("nowhere", &Answered::Program("no-such-pinentry"));
    assert_eq!(nowhere.sign(), (500, json!({"code": "pin-prompt-unavailable"})));
}

#[test]
fn windows_come_one_after_another_and_a_page_that_leaves_closes_its_own() {
    // A window that stays open until it is closed.
    let bridge = Bridge::start("queue", &Answered::Scripted(&["# waiting"], &["OK"]));
    assert_eq!(bridge.confirm(SITE, &bridge.begin(SITE).0).0, 200);
    let waiting = |origin: &str| {
        let body =
            json!({"card": "0:company", "purpose": "apply", "challenge": "c", "document": {}});
        let body = body.to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", bridge.running.port)).unwrap();
        write!(
            stream,
            "POST /v1/sign HTTP/1.1\r\n{}\r\norigin: {origin}\r\n{JSON}\r\ncontent-length: {}\r\n\r\n{body}",
            bridge.host(),
            body.len()
        )
        .unwrap();
        stream
    };
    let shown = |count: usize| {
        let end = Instant::now() + Duration::from_secs(5);
        while bridge.pinentry_log().matches("GETPIN").count() != count {
            assert!(Instant::now() < end, "{count} windows: {}", bridge.pinentry_log());
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let children = || {
        let id = bridge.running.id();
        let file = format!("/proc/{id}/task/{id}/children");
        std::fs::read_to_string(file).unwrap().split_whitespace().count()
    };
    let first = waiting(ORIGIN);
    shown(1);
    let mut rest = vec![waiting(ORIGIN)];
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(bridge.sign(), (409, json!({"code": "busy"})), "one site takes two places");
    rest.extend([waiting(SITE), waiting(SITE)]);
    std::thread::sleep(Duration::from_millis(200));
    shown(1);
    drop(first);
    shown(2);
    drop(rest);
    let end = Instant::now() + Duration::from_secs(5);
    while children() > 0 {
        assert!(Instant::now() < end, "a window stayed open");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(bridge.card().tries_left, 3);
}

#[test]
fn where_no_window_can_be_opened_the_bridges_own_page_asks() {
    let bridge = Bridge::start("page", &Answered::Program("no-such-pinentry"));
    let popup = Popup(&bridge, "0123456789abcdef0123456789abcdef");
    let stranger = Popup(&bridge, "fedcba9876543210fedcba9876543210");
    std::thread::scope(|scope| {
        let signed = scope.spawn(|| popup.sign());
        let question = popup.question();
        assert_eq!(question["pin"], true);
        let text = question["text"].as_str().unwrap();
        for shown in
            [ORIGIN, "簽署並送出申請案件", "測試甲股份有限公司（工商憑證）", "MT00000000000001"]
        {
            assert!(text.contains(shown), "{shown} is not in {text}");
        }
        // Neither the page nor another popup sees or answers it.
        let asked = json!({"window": popup.1});
        assert_eq!(bridge.post("/v1/window", &asked).0, 400);
        let answer = json!({"window": popup.1, "answer": "no"});
        assert_eq!(bridge.post("/v1/window/answer", &answer).0, 400);
        let other = stranger.send("/v1/window", &[], &json!({"window": stranger.1}));
        assert_eq!(other, (200, Value::Null));
        assert_eq!(stranger.answer(&json!("no")), 200);
        // What is no answer is none.
        assert_eq!(popup.answer(&json!({"pin": "1".repeat(65)})), 400);
        assert_eq!(popup.answer(&json!({"pin": "12\n3456"})), 400);
        assert_eq!(popup.answer(&json!({"pin": PIN})), 200);
        let (status, body) = signed.join().unwrap();
        assert_eq!(status, 200, "{body}");
    });
    assert_eq!(popup.answered(&[json!("no")]), (422, json!({"code": "pin-cancelled"})));
    // A yes is no PIN.
    assert_eq!(popup.answered(&[json!("yes")]).1["code"], "pin-cancelled");
    let wrong = json!({"pin": "999999"});
    assert_eq!(popup.answered(std::slice::from_ref(&wrong)).1["triesLeft"], 2);
    assert_eq!(popup.answered(std::slice::from_ref(&wrong)).1["triesLeft"], 1);
    // Before the last try the person is asked for it.
    assert_eq!(popup.answered(&[json!("no")]).1["code"], "pin-cancelled");
    assert_eq!(popup.answered(&[json!("yes"), json!({"pin": PIN})]).0, 200);
    // A popup that is closed before anything was typed costs nothing, however often.
    let untyped = Bridge::start("untyped", &Answered::Program("no-such-pinentry"));
    let popup = Popup(&untyped, "0123456789abcdef0123456789abcdef");
    for _ in 0..3 {
        let body =
            json!({"card": "0:company", "purpose": "apply", "challenge": "c", "document": {}});
        let body = body.to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", untyped.running.port)).unwrap();
        write!(
            stream,
            "POST /v1/sign HTTP/1.1\r\n{}\r\norigin: http://127.0.0.1:{}\r\nx-page-origin: {ORIGIN}\r\nx-page-window: {}\r\n{JSON}\r\ncontent-length: {}\r\n\r\n{body}",
            untyped.host(),
            untyped.running.port,
            popup.1,
            body.len()
        )
        .unwrap();
        popup.question();
        drop(stream);
        let end = Instant::now() + Duration::from_secs(5);
        while !popup.send("/v1/window", &[], &json!({"window": popup.1})).1.is_null() {
            assert!(Instant::now() < end, "the question stays");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    assert_eq!(popup.answered(&[json!({"pin": PIN})]).0, 200, "no confirmation is asked for");
    let popup = Popup(&bridge, "0123456789abcdef0123456789abcdef");
    // Only there: a page that asks itself is told that no window can be opened.
    assert_eq!(bridge.sign(), (500, json!({"code": "pin-prompt-unavailable"})));
    // Who was not paired asks for nothing.
    let foreign =
        [&format!("x-page-origin: {SITE}")[..], "x-page-window: 0123456789abcdef0123456789abcdef"];
    let body = json!({"card": "0:company", "purpose": "apply", "challenge": "c", "document": {}});
    assert_eq!(popup.send("/v1/sign", &foreign, &body).1["code"], "not-paired");
}
