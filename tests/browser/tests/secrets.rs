//! Where a PIN goes: to the bridge and the card (#4, C4).

use std::collections::HashMap;
use std::path::Path;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use browser_tests::Desk;
use serde_json::Value;
use test_pki::bridge::{memory, scripted_pinentry};
use test_pki::demo::{COMPANY, write_card};

const CANARY: &str = "73914682";

/// Whether these bytes hold the PIN, as it is or within Base64.
fn holds(bytes: &[u8]) -> bool {
    let encoded = (0..3).map(|before| {
        let text =
            BASE64_STANDARD_NO_PAD.encode([&vec![0; before][..], CANARY.as_bytes()].concat());
        // Digits that other bytes have a part in are left out.
        let from = (before * 8).div_ceil(6);
        text[from..(before + CANARY.len()) * 8 / 6].to_owned()
    });
    std::iter::once(CANARY.to_owned())
        .chain(encoded)
        .any(|form| bytes.windows(form.len()).any(|part| part == form.as_bytes()))
}

#[test]
fn a_hidden_pin_is_found() {
    for before in ["", "a", "ab", "abc"] {
        let hidden = BASE64_STANDARD.encode(format!("{before}{CANARY}z"));
        assert!(holds(hidden.as_bytes()), "{hidden}");
    }
    assert!(holds(format!("x{CANARY}").as_bytes()) && !holds(b"73914683"));
}

/// A desk with a card of this PIN, and a browser that writes its traffic down.
async fn desk(name: &str) -> Desk {
    let desk = Desk::start_recorded(name).await.unwrap();
    let company = desk.company_card().unwrap();
    write_card(&desk.dir, "company", "MT00000000000001", CANARY, true, &company).unwrap();
    desk
}

async fn sign_in(desk: &Desk) {
    desk.at_sign_in().await.unwrap();
    desk.fill("#sign-in-ubn", COMPANY.1).await.unwrap();
    desk.click("#sign-in-form button[type=submit]").await.unwrap();
}

/// What went through each of the browser's connections, both ways, and to which host.
fn traffic(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let log: Value =
        serde_json::from_slice(&std::fs::read(dir.join("traffic.json")).unwrap()).unwrap();
    let mut connections: HashMap<u64, Vec<u8>> = HashMap::new();
    for event in log["events"].as_array().unwrap() {
        if let Some(bytes) = event["params"]["bytes"].as_str() {
            let bytes = BASE64_STANDARD.decode(bytes).unwrap();
            connections.entry(event["source"]["id"].as_u64().unwrap()).or_default().extend(bytes);
        }
    }
    let host = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let line = text.lines().find_map(|line| line.strip_prefix("Host: "));
        line.unwrap_or_default().to_owned()
    };
    connections.into_values().map(|bytes| (host(&bytes), bytes)).collect()
}

/// No file of the service, the bridge or the browser holds the PIN, but the card's and the
/// script's that types it.
fn search_files(dir: &Path) {
    let mut looked = 0;
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() && name != "cards" {
                folders.push(path);
            } else if path.is_file() && !["pinentry", "traffic.json"].contains(&name.as_str()) {
                assert!(!holds(&std::fs::read(&path).unwrap()), "{}", path.display());
                looked += 1;
            }
        }
    }
    assert!(looked > 20, "{looked} files");
}

/// The service's database, log and memory hold the session that was signed in, but no PIN;
/// nor does the bridge's memory.
fn search_service(desk: &Desk) {
    assert_ne!(desk.stored("SELECT count(*) FROM challenges").unwrap(), "0");
    let mut databases = 0;
    for entry in std::fs::read_dir(desk.dir.join("data")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|kind| kind == "db") {
            let database = rusqlite::Connection::open(&path).unwrap();
            // Whatever stands in the write-ahead log as well.
            database.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).unwrap();
            assert!(!holds(&std::fs::read(&path).unwrap()), "{}", path.display());
            databases += 1;
        }
    }
    assert!(databases > 0);
    let log = desk.service_log().unwrap();
    assert!(log.contains("is served at") && !holds(log.as_bytes()), "{log}");
    let (service, bridge) = desk.processes().unwrap();
    let origin = desk.demo.origin.as_bytes();
    for (process, name) in [(service, "service"), (bridge, "bridge")] {
        let memory = memory(process).unwrap();
        assert!(memory.windows(origin.len()).any(|part| part == origin), "{name}");
        assert!(!holds(&memory), "the memory of the {name}");
    }
}

/// Typed in the bridge's window, the PIN is afterwards in no file, and was in no byte that
/// the browser sent or received.
#[tokio::test(flavor = "multi_thread")]
async fn no_pin_comes_to_page_or_service() {
    let mut desk = desk("canary").await;
    let pinentry = scripted_pinentry(&desk.dir, &[&format!("D {CANARY}"), "OK"], &["OK"]);
    let pinentry = pinentry.unwrap().display().to_string();
    let cards = desk.dir.join("cards").display().to_string();
    desk.bridge_with(&["--demo-cards", &cards, "--pinentry", &pinentry]).unwrap();
    sign_in(&desk).await;
    desk.text("#kind").await.unwrap();
    desk.client.clone().close().await.unwrap();
    search_files(&desk.dir);
    search_service(&desk);
    let traffic = traffic(&desk.dir);
    let through = |host: &str, text: &str| {
        let mut bytes = traffic.iter().filter(|(to, _)| to == host).map(|(_, bytes)| bytes);
        bytes.any(|bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes()))
    };
    let bridge = format!("127.0.0.1:{}", desk.bridge_port());
    let service = desk.demo.origin.strip_prefix("http://").unwrap();
    assert!(through(&bridge, "POST /v1/sign ") && through(service, "signedData"));
    for (host, bytes) in &traffic {
        assert!(!holds(bytes), "to or from {host}");
    }
}

/// Typed in the bridge's popup, it goes to the bridge by its one request, and nowhere else.
#[tokio::test(flavor = "multi_thread")]
async fn a_pin_that_is_typed_into_the_popup_comes_to_the_bridge_alone() {
    let mut desk = desk("canary-popup").await;
    let cards = desk.dir.join("cards").display().to_string();
    let origin = desk.demo.origin.clone();
    let nowhere = ["--pinentry", "no-such-pinentry", "--allow-origin", &origin];
    desk.bridge_with(&[&["--demo-cards", &cards][..], &nowhere].concat()).unwrap();
    sign_in(&desk).await;
    desk.click("#no-window button[data-value=popup]").await.unwrap();
    let page = desk.client.window().await.unwrap();
    desk.to_popup().await.unwrap();
    desk.fill("#pin", CANARY).await.unwrap();
    // The popup takes no key or click that was meant for what stood there before.
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    desk.click("#yes").await.unwrap();
    desk.client.switch_to_window(page).await.unwrap();
    desk.text("#kind").await.unwrap();
    desk.client.clone().close().await.unwrap();
    search_files(&desk.dir);
    search_service(&desk);
    let bridge = format!("127.0.0.1:{}", desk.bridge_port());
    let traffic = traffic(&desk.dir);
    let found: Vec<_> = traffic.iter().filter(|(_, bytes)| holds(bytes)).collect();
    assert!(!found.is_empty(), "the recording shows it");
    for (host, bytes) in found {
        assert_eq!(*host, bridge);
        let text = String::from_utf8_lossy(bytes);
        assert_eq!(text.matches(CANARY).count(), 1);
        assert!(text.contains("POST /v1/window/answer "));
    }
}
