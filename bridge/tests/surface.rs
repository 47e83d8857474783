//! The bridge as pages and others see it: exact origin, exact host, pairing, a closed set
//! of commands. The program is the real one, started anew for each test.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod desk;

use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chayan_bridge::cards::demo::{DemoCards, write};
use desk::{Answered, Bridge, JSON, ORIGIN, PIN, SITE};
use pki::{Purpose, SigningInput};
use protocol::hello_text;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde_json::{Value, json};
use test_pki::bridge::{CANCELLED, RunningBridge};

#[test]
fn only_sites_and_the_own_name_are_answered() {
    let bridge = Bridge::with_answer("origin", PIN);
    let port = bridge.running.port;
    let host = bridge.host();
    for origin in [
        "null",
        "https://127.0.0.1:3000/",
        "http://site.example",
        "http://127.0.0.1:80",
        "HTTP://127.0.0.1:3000",
        "https://Site.example",
        "https://site.example.",
        "https://site.example:443",
        "https://pаypal.example",
        "chrome-extension://abc",
        "file://",
        // Its own pages ask for the person, not for themselves.
        &format!("http://127.0.0.1:{port}"),
    ] {
        let header = format!("origin: {origin}");
        let (status, body, answer) =
            bridge.with_headers("POST", "/v1/cards", &[&host, &header, JSON], "{}");
        assert_eq!((status, &body["code"]), (403, &json!("origin-refused")), "{origin}");
        assert!(!answer.to_lowercase().contains("access-control"), "{origin}");
    }
    let allowed = "origin: http://127.0.0.1:3000";
    let twice = [host.as_str(), allowed, allowed, JSON];
    assert_eq!(bridge.with_headers("POST", "/v1/cards", &twice, "{}").0, 403);
    assert_eq!(bridge.with_headers("POST", "/v1/cards", &[&host, JSON], "{}").0, 403);
    for host in [
        "evil.example",
        "127.0.0.1",
        "0.0.0.0:1",
        "",
        &format!("[::1]:{port}"),
        &format!("127.0.0.1.nip.io:{port}"),
        &format!("localhost.:{port}"),
    ] {
        let header = format!("host: {host}");
        let (status, ..) =
            bridge.with_headers("POST", "/v1/cards", &[&header, allowed, JSON], "{}");
        assert_eq!(status, 403, "{host}");
        assert_eq!(bridge.with_headers("GET", "/v1/status", &[&header], "").0, 403, "{host}");
    }
    let absolute = format!("http://evil.example:{port}/v1/status");
    assert_eq!(bridge.with_headers("GET", &absolute, &[&host], "").0, 403);
    let (status, cards, _) =
        bridge.with_headers("POST", "/v1/cards", &[&host, allowed, JSON], "{}");
    assert_eq!((status, cards["cards"].as_array().unwrap().len()), (200, 1));
    assert_eq!(cards["cards"][0]["kind"], "company");
    assert_eq!(cards["cards"][0]["holder"], "測試甲股份有限公司");
    let states: Vec<_> = cards["readers"].as_array().unwrap().iter().map(|r| &r["state"]).collect();
    assert_eq!(states, ["empty", "card"]);
}

#[test]
fn it_listens_on_the_loopback_addresses_alone() {
    let bridge = Bridge::with_answer("loopback", PIN);
    let port = format!("{:04X}", bridge.running.port);
    let listening = |table: &str| -> Vec<String> {
        let text = std::fs::read_to_string(table).unwrap_or_default();
        text.lines()
            .skip(1)
            .filter_map(|line| {
                let mut parts = line.split_whitespace().skip(1);
                let (local, _, state) = (parts.next()?, parts.next()?, parts.next()?);
                let (address, found) = local.rsplit_once(':')?;
                (state == "0A" && found == port).then(|| address.to_owned())
            })
            .collect()
    };
    assert_eq!(listening("/proc/net/tcp"), ["0100007F"]);
    let six = listening("/proc/net/tcp6");
    assert!(six.iter().all(|address| address == "00000000000000000000000001000000"), "{six:?}");
    // A port that is taken is said, and nothing is asked in another's place.
    let program = Path::new(env!("CARGO_BIN_EXE_chayan-bridge"));
    let again = RunningBridge::start(program, &bridge.dir, bridge.running.port, &[], &[]);
    assert!(again.err().unwrap().to_string().contains("is not free"));
}

#[test]
fn a_site_learns_that_a_bridge_is_running_and_no_more_before_it_is_allowed() {
    let bridge = Bridge::with_answer("status", PIN);
    let host = format!("host: localhost:{}", bridge.running.port);
    for headers in [&[host.as_str()][..], &[&host, "origin: https://site.example"]] {
        let (status, body, _) = bridge.with_headers("GET", "/v1/status", headers, "");
        assert_eq!(status, 200);
        let mut members: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
        members.sort();
        assert_eq!(members, ["product", "protocol", "version"]);
    }
    // With a card and without, right and wrong: the same words.
    let refused = (403, json!({"code": "not-paired"}));
    for path in ["/v1/cards", "/v1/sign", "/v1/hello", "/v1/changes", "/v1/nothing"] {
        assert_eq!(bridge.post_from(SITE, path, &json!({})), refused, "{path}");
    }
}

#[test]
fn a_site_is_paired_by_a_code_that_both_sides_show() {
    let bridge = Bridge::start("pair", &Answered::Scripted(&["D 123456", "OK"], &["OK"]));
    let (pairing, key, code) = bridge.begin(SITE);
    // Nothing is allowed before the person said so, and a nonce is taken once.
    assert_eq!(bridge.post_from(SITE, "/v1/cards", &json!({})).0, 403);
    let second = json!({"pairing": pairing, "nonce": "cd".repeat(32)});
    assert_eq!(bridge.post_from(SITE, "/v1/pair/reveal", &second).1["code"], "pairing-refused");
    assert_eq!(bridge.confirm("https://other.example", &pairing).1["code"], "pairing-refused");
    assert_eq!(bridge.confirm(SITE, &pairing), (200, json!({})));
    let log = bridge.pinentry_log();
    assert!(log.contains(SITE) && log.contains(&format!("{} {}", &code[..3], &code[3..])), "{log}");
    assert_eq!(bridge.confirm(SITE, &pairing).1["code"], "pairing-refused", "used up");

    let nonce = "0f".repeat(32);
    let (status, hello) = bridge.post_from(SITE, "/v1/hello", &json!({"nonce": nonce}));
    assert_eq!(status, 200);
    let signature = BASE64_STANDARD.decode(hello["signature"].as_str().unwrap()).unwrap();
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key);
    assert!(key.verify(hello_text(SITE, &nonce).as_bytes(), &signature).is_ok());
    assert!(key.verify(hello_text(ORIGIN, &nonce).as_bytes(), &signature).is_err());
    assert_eq!(bridge.post_from(SITE, "/v1/hello", &json!({"nonce": "short"})).0, 400);
    assert_eq!(bridge.post_from(SITE, "/v1/cards", &json!({})).0, 200);

    // Listed, kept for this person alone, revoked at once.
    let state = bridge.dir.join("bridge-state");
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_chayan-bridge"))
            .args(["sites", "--state"])
            .arg(&state)
            .args(arguments)
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    assert!(run(&[]).1.starts_with(SITE));
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(state.join("sites.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(run(&["--revoke", SITE]).0);
    assert!(!run(&["--revoke", SITE]).0);
    assert_eq!(bridge.post_from(SITE, "/v1/cards", &json!({})).1["code"], "not-paired");
}

#[test]
fn a_refused_pairing_allows_nothing_and_cannot_be_asked_for_ever() {
    let bridge = Bridge::start("refuse", &Answered::Scripted(&[], &[CANCELLED]));
    for _ in 0..5 {
        let (pairing, ..) = bridge.begin(SITE);
        assert_eq!(bridge.confirm(SITE, &pairing), (403, json!({"code": "pairing-refused"})));
    }
    let (pairing, ..) = bridge.begin(SITE);
    assert_eq!(bridge.confirm(SITE, &pairing), (429, json!({"code": "too-many-requests"})));
    assert_eq!(bridge.post_from(SITE, "/v1/cards", &json!({})).1["code"], "not-paired");
    assert_eq!(bridge.pinentry_log().matches("CONFIRM").count(), 5);
    // Another site still may.
    let (pairing, ..) = bridge.begin("https://other.example");
    assert_eq!(bridge.confirm("https://other.example", &pairing).0, 403);
}

#[test]
fn pages_cannot_ask_without_a_preflight() {
    let bridge = Bridge::with_answer("simple", PIN);
    let host = bridge.host();
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
    assert!(!answer.contains("x-page-origin"), "a page cannot speak for another");
}

#[test]
fn the_popup_asks_for_the_page_that_its_browser_names() {
    let bridge = Bridge::with_answer("popup", PIN);
    let port = bridge.running.port;
    let (status, _, page) = bridge.with_headers("GET", "/v1/popup", &[&bridge.host()], "");
    assert_eq!(status, 200);
    assert!(page.contains("frame-ancestors 'none'") && page.contains("x-frame-options: DENY"));
    let from_popup = |own: &str, page: &str| {
        let (own, page) = (format!("origin: {own}"), format!("x-page-origin: {page}"));
        let headers = [&bridge.host(), own.as_str(), page.as_str(), JSON];
        let (status, body, answer) = bridge.with_headers("POST", "/v1/cards", &headers, "{}");
        assert!(!answer.contains("access-control-allow-origin"));
        (status, body["code"].clone())
    };
    let own = format!("http://127.0.0.1:{port}");
    assert_eq!(from_popup(&own, ORIGIN), (200, Value::Null));
    assert_eq!(from_popup(&own, SITE), (403, json!("not-paired")));
    for (own, page) in [
        (own.as_str(), "null"),
        (&own, "https://Site.example"),
        (&own, &own),
        (SITE, ORIGIN),
        (ORIGIN, ORIGIN),
        // The other name of this computer is not where the page came from.
        (&format!("http://localhost:{port}"), ORIGIN),
    ] {
        assert_eq!(from_popup(own, page), (403, json!("origin-refused")), "{own} {page}");
    }
}

#[test]
fn what_is_signed_names_origin_purpose_and_challenge() {
    let bridge = Bridge::with_answer("sign", PIN);
    let (status, body) = bridge.sign();
    assert_eq!(status, 200, "{body}");
    let message = BASE64_STANDARD.decode(body["signedData"].as_str().unwrap()).unwrap();
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
    let with = |member: &str, value: Value| {
        let mut body =
            json!({"card": "0:company", "purpose": "apply", "challenge": "c", "document": {}});
        body[member] = value;
        body
    };
    let mut deep = json!(1);
    for _ in 0..200 {
        deep = json!([deep]);
    }
    for body in [
        with("pin", json!("123456")),
        with("hash", json!("00")),
        with("module", json!("/tmp/evil.so")),
        with("purpose", json!("raw")),
        with("challenge", json!("")),
        with("challenge", json!("c".repeat(129))),
        with("document", json!("a".repeat(200_000))),
        with("document", deep),
        with("card", json!(1)),
        json!([]),
        json!("x".repeat(300_000)),
    ] {
        let (status, answer) = bridge.post("/v1/sign", &body);
        assert_eq!((status, &answer["code"]), (400, &json!("malformed-request")));
    }
    for path in ["/", "/v1/decrypt", "/v1/sign/../cards", "/v2/sign", "/v1/popup"] {
        assert_eq!(bridge.post(path, &json!({})).1["code"], "malformed-request", "{path}");
    }
    for card in [
        "0:../../etc/passwd",
        "0:citizen",
        "1:company",
        "99999999999999999999:company",
        "company",
        "0:$(touch evil)",
        "x",
        "",
    ] {
        let body = json!({"card": card, "purpose": "apply", "challenge": "c", "document": {}});
        assert_eq!(bridge.post("/v1/sign", &body), (404, json!({"code": "no-card"})), "{card}");
    }
    assert_eq!(bridge.card().tries_left, 3, "no try was spent");
    assert_eq!(bridge.send("GET /v1/status HTTP/1.1\r\nhost x\r\n\r\n").0, 400);
}

#[test]
fn a_key_is_for_good_and_codes_cannot_be_searched() {
    let bridge = Bridge::start("keys", &Answered::Scripted(&["D 123456", "OK"], &["OK"]));
    let paired = || {
        let (pairing, key, _) = bridge.begin(SITE);
        assert_eq!(bridge.confirm(SITE, &pairing).0, 200);
        key
    };
    // Another browser of the same person learns the same key: the first one's stays good.
    assert_eq!(paired(), paired());
    // A pairing that begins anew ends the one before; codes are made twenty times at most.
    let (old, ..) = bridge.begin(SITE);
    bridge.begin(SITE);
    assert_eq!(bridge.confirm(SITE, &old).1["code"], "pairing-refused");
    let refused = (0..30).any(|_| {
        let (_, offer) = bridge.post_from(SITE, "/v1/pair/begin", &json!({}));
        let reveal = json!({"pairing": offer["pairing"], "nonce": "ab".repeat(32)});
        bridge.post_from(SITE, "/v1/pair/reveal", &reveal).0 == 429
    });
    assert!(refused);
}

#[test]
fn cards_come_and_go_and_pages_are_told() {
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
    let changes = |seen: &str| {
        let (status, body) = bridge.post("/v1/changes", &json!({"seen": seen}));
        assert_eq!(status, 200);
        body["seen"].as_str().unwrap().to_owned()
    };
    assert_eq!(kinds(), ["company"]);
    let first = changes("");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let second = changes(&first);
            (second, Instant::now())
        });
        std::thread::sleep(Duration::from_millis(300));
        let inserted = Instant::now();
        cards.set_inserted("citizen", true).unwrap();
        let (second, told) = waiting.join().unwrap();
        assert_ne!(second, first);
        assert!(told > inserted && told - inserted < Duration::from_secs(1));
    });
    assert_eq!(kinds(), ["citizen", "company"]);
    cards.set_inserted("company", false).unwrap();
    assert_eq!(kinds(), ["citizen"]);
    assert_eq!(bridge.sign(), (404, json!({"code": "no-card"})));
    // A card file that is not one is an error, not a crash.
    std::fs::write(bridge.dir.join("cards/broken.json"), "{").unwrap();
    assert_eq!(bridge.post("/v1/cards", &json!({})).1["code"], "failed");
}

#[test]
fn the_self_test_is_for_the_person_and_the_diagnostics_name_nobody() {
    let nowhere = Bridge::start("self-test-nowhere", &Answered::Program("no-such-pinentry"));
    let own = format!("origin: http://127.0.0.1:{}", nowhere.running.port);
    let headers = [nowhere.host(), own, JSON.to_owned()];
    let headers: Vec<_> = headers.iter().map(String::as_str).collect();
    let (_, report, _) = nowhere.with_headers("POST", "/v1/self-test", &headers, "{}");
    assert_eq!(report["windows"], false);
    let (status, _, answer) = nowhere.with_headers("GET", "/", &headers[..1], "");
    assert!(status == 302 && answer.contains("location: /v1/self-test"), "{answer}");
    let bridge = Bridge::with_answer("self-test", PIN);
    let (status, _, page) = bridge.with_headers("GET", "/v1/self-test", &[&bridge.host()], "");
    assert!(status == 200 && page.contains("自我檢測"));
    let own = format!("http://127.0.0.1:{}", bridge.running.port);
    let (status, report) = bridge.post_from(&own, "/v1/self-test", &json!({}));
    assert_eq!((status, report["cards"][0]["holder"].as_str()), (200, Some("測試甲股份有限公司")));
    let (status, diagnostics) = bridge.post_from(&own, "/v1/diagnostics", &json!({}));
    assert_eq!(status, 200);
    assert_eq!(diagnostics["cards"][0]["kind"], "company");
    for secret in ["測試甲", "12345675", "MT0000", PIN, "MII"] {
        assert!(!diagnostics.to_string().contains(secret), "{secret}: {diagnostics}");
    }
    // No page learns it, allowed or not.
    for origin in [ORIGIN, SITE] {
        assert_ne!(bridge.post_from(origin, "/v1/self-test", &json!({})).0, 200);
        assert_ne!(bridge.post_from(origin, "/v1/diagnostics", &json!({})).0, 200);
    }
}

#[test]
fn a_link_starts_the_bridge_and_tells_it_nothing() {
    let start = |link: &str| {
        let program = env!("CARGO_BIN_EXE_chayan-bridge");
        Command::new(program).args(["start", link]).output().unwrap()
    };
    for link in ["chayan://start?x", "chayan://evil", "chayan://start --pkcs11 /tmp/x.so", "x"] {
        let output = start(link);
        assert!(!output.status.success());
        assert!(String::from_utf8_lossy(&output.stderr).contains("not a link"), "{link}");
    }
    let option = start("--pkcs11=/tmp/x.so");
    assert!(!option.status.success());
}

#[test]
fn slow_and_many_connections_do_not_stop_it() {
    let bridge = Bridge::with_answer("many", PIN);
    let port = bridge.running.port;
    let idle: Vec<_> = (0..60).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    for mut stream in &idle {
        stream.write_all(b"G").unwrap();
    }
    let answers = || bridge.with_headers("GET", "/v1/status", &[&bridge.host()], "").0 == 200;
    assert!(answers());
    drop(idle);
    // Ten thousand that say nothing, a hundred at a time, and an answer beside each lot.
    for _ in 0..100 {
        let many: Vec<_> = (0..100).map(|_| TcpStream::connect(("127.0.0.1", port))).collect();
        assert!(many.iter().all(Result::is_ok) && answers());
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", bridge.running.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u32 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 15 << 10, "{peak} KiB");
}

#[test]
fn a_demo_answer_is_refused_beside_other_cards() {
    let program = Path::new(env!("CARGO_BIN_EXE_chayan-bridge"));
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let refusal = |arguments: &[&str]| {
        RunningBridge::start(program, dir, 0, arguments, &[]).err().unwrap().to_string()
    };
    let module = "/usr/lib/softhsm/libsofthsm2.so";
    let said = refusal(&["--pkcs11", module, "--demo-answer", PIN]);
    assert!(said.contains("demo cards alone"), "{said}");
    assert!(refusal(&["--demo-answer", PIN]).contains("demo cards alone"));
    // What was mistyped is said at once.
    for origin in ["foo", "https://Foo.example", "https://foo.example/", "ftp://foo.example"] {
        let said = refusal(&["--allow-origin", origin]);
        assert!(said.contains("no origin as browsers spell it"), "{said}");
    }
    assert!(refusal(&["--demo-cards", "/nonexistent"]).contains("no such folder"));
    assert!(refusal(&["--pinentry", "/nonexistent"]).contains("no such program"));
    // A path that is relative, or a file that others may write to, could be planted.
    assert!(refusal(&["--pkcs11", "libsofthsm2.so"]).contains("not an absolute path"));
    let planted = dir.join("planted.so");
    std::fs::copy(module, &planted).unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&planted, std::fs::Permissions::from_mode(0o666)).unwrap();
    let said = refusal(&["--pkcs11", planted.to_str().unwrap()]);
    assert!(said.contains("others may write to it"), "{said}");
}

#[test]
fn the_command_inserts_and_removes_cards() {
    let bridge = Bridge::with_answer("command", PIN);
    let cards = bridge.dir.join("cards");
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_chayan-bridge"))
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
    // A card's file holds a key: who may read it stays the same.
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(cards.join("citizen.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let said = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_chayan-bridge")).args(arguments).output();
        String::from_utf8(output.unwrap().stderr).unwrap()
    };
    let folder = cards.display().to_string();
    let unknown = said(&["card", "--demo-cards", &folder, "insert", "nobody"]);
    assert!(unknown.contains("citizen, company"), "{unknown}");
    let nowhere = said(&["card", "--demo-cards", "/nonexistent", "list"]);
    assert!(nowhere.contains("--demo-cards"), "{nowhere}");
    let state = bridge.dir.join("empty").display().to_string();
    let nobody = said(&["sites", "--state", &state]);
    assert!(nobody.contains("no site was allowed") && nobody.contains(&state), "{nobody}");
}

/// Another person's program on the same computer; needs root to become one.
#[test]
fn a_program_of_another_person_is_told_so_and_nothing_else() {
    let uid = std::fs::read_to_string("/proc/self/status").unwrap();
    if !uid.lines().any(|line| line.starts_with("Uid:\t0\t")) {
        eprintln!("!! SKIPPED: only root can become another person");
        return;
    }
    let bridge = Bridge::with_answer("other-person", PIN);
    let ask = |person: &[&str]| {
        let url = format!("http://127.0.0.1:{}/v1/status", bridge.running.port);
        let output = Command::new("setpriv").args(person).args(["curl", "--silent", &url]).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    assert!(ask(&["--reuid", "0"]).contains("version"));
    let other = ask(&["--reuid", "65534", "--clear-groups"]);
    assert_eq!(other, r#"{"code":"other-person"}"#);
}
