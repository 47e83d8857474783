//! Power cuts and kills: what was acknowledged is there.

use std::collections::HashSet;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use http_tests::{TestApp, text, wrong};
use jiff::Timestamp;
use serde_json::json;
use test_pki::client::{CardSigner, form};
use test_pki::demo::HOST_ADDRESS;
use test_pki::story::answer_code;

/// Valid numbers of fictional companies.
const UBNS: [&str; 8] = [
    "10000003", "10000008", "10000013", "10000018", "10000023", "10000028", "10000033", "10000038",
];

/// Acknowledged applications until the end of the test.
const WANTED: usize = 1000;

fn companies(app: &TestApp) -> Vec<(String, CardSigner)> {
    let valid = (10_000_000..10_001_000)
        .map(|number: u32| number.to_string())
        .filter(|text| text.parse::<domain::Ubn>().is_ok())
        .take(UBNS.len());
    valid
        .enumerate()
        .map(|(index, ubn)| {
            let card =
                app.new_company(&format!("company-{index}-k"), &format!("測試{index}公司"), &ubn);
            (ubn, card)
        })
        .collect()
}

#[test]
fn sigkill_in_the_middle_of_a_thousand_applications_loses_none() {
    let mut app = TestApp::start();
    let companies = companies(&app);
    let acknowledged = Mutex::new(HashSet::new());
    let mut kills = 0;
    while acknowledged.lock().unwrap().len() < WANTED {
        let base = app.visitor().base;
        std::thread::scope(|scope| {
            for (ubn, card) in &companies {
                let (acknowledged, base) = (&acknowledged, &base);
                scope.spawn(move || apply_and_cancel(base, ubn, card, acknowledged));
            }
            // Somewhere in the middle of it.
            let already = acknowledged.lock().unwrap().len();
            let begun = Instant::now();
            while acknowledged.lock().unwrap().len() < (already + 170).min(WANTED)
                && begun.elapsed() < Duration::from_secs(60)
            {
                std::thread::sleep(Duration::from_millis(3));
            }
            app.kill();
        });
        kills += 1;
        assert!(kills < 40, "too few applications between kills");
        app.restart();
    }
    let database = app.database("default");
    let mut statement = database.prepare("SELECT id FROM cases").unwrap();
    let kept: HashSet<String> =
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    let acknowledged = acknowledged.into_inner().unwrap();
    let lost = acknowledged.difference(&kept).count();
    assert_eq!(lost, 0, "of {} acknowledged, after {kills} kills", acknowledged.len());
    let check: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let orphans = app.count(
        "default",
        "SELECT count(*) FROM cases WHERE id NOT IN (SELECT case_id FROM applications)
         OR id NOT IN (SELECT case_id FROM audit_log WHERE act = 'submitted')",
    );
    assert_eq!(orphans, 0, "a case is whole or not there");
    println!("{} applications acknowledged, {kills} kills, none lost", acknowledged.len());
}

/// Applies and withdraws until the host is gone.
fn apply_and_cancel(
    base: &str,
    ubn: &str,
    card: &CardSigner,
    acknowledged: &Mutex<HashSet<String>>,
) {
    let mut visitor = test_pki::client::Visitor::new(http_tests::ORIGIN);
    visitor.base = base.to_owned();
    if visitor.sign_in_as_company(card, ubn).is_err() {
        return;
    }
    // A case that the last kill left open.
    let Ok(progress) = visitor.get("/api/cases") else { return };
    for case in progress.body["cases"].as_array().into_iter().flatten() {
        if case["state"] == "accepted" {
            let path = format!("/api/cases/{}/cancel", text(&case["serialNumber"]));
            let _ = visitor.post(&path, &json!({}));
        }
    }
    loop {
        let form = form("api-application", "測試公司", ubn, HOST_ADDRESS);
        let Ok(answer) = visitor.apply(card, form) else { return };
        if answer.status != 201 {
            return;
        }
        let id = text(&answer.body["serialNumber"]);
        acknowledged.lock().unwrap().insert(id.clone());
        if visitor.post(&format!("/api/cases/{id}/cancel"), &json!({})).is_err() {
            return;
        }
    }
}

#[test]
fn kills_never_buy_a_fourth_comparison() {
    let mut app = TestApp::start();
    let (mut visitor, _, caller) = app.approved();
    let card = app.demo.id_cards[1].clone();
    let mut revealed = 0;
    for _ in 0..6 {
        let base = app.visitor().base;
        visitor.base = base;
        let tokens: Vec<_> =
            (0..4).map(|_| caller.token(wrong(&card), Timestamp::now()).unwrap()).collect();
        let visitor = &visitor;
        let answers: Vec<_> = std::thread::scope(|scope| {
            let asking: Vec<_> =
                tokens.iter().map(|token| scope.spawn(|| visitor.verify(token).ok())).collect();
            std::thread::sleep(Duration::from_millis(4));
            app.kill();
            asking.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
        });
        revealed += answers.iter().filter(|a| matches!(answer_code(a), "2" | "3" | "4")).count();
        app.restart();
    }
    assert!(revealed <= 3, "{revealed} comparisons were revealed");
}

/// For every acknowledged application the log is synced before the answer is sent.
#[test]
fn every_acknowledged_write_is_synced_before_its_answer() {
    let app = TestApp::start();
    let (visitor, card) = app.company();
    let trace = app.dir.join("trace");
    let mut strace = Command::new("strace")
        .args(["-f", "-qq", "-yy", "-e", "trace=fdatasync,fsync,sendto,writev,write", "-o"])
        .arg(&trace)
        .args(["-p", &app.process().id().to_string()])
        .stderr(Stdio::null())
        .spawn()
        .expect("strace (scripts/install test)");
    std::thread::sleep(Duration::from_millis(1500));
    let count = 20;
    for _ in 0..count {
        let receipt = visitor.apply(&card, http_tests::application()).unwrap().expect(201).unwrap();
        let path = format!("/api/cases/{}/cancel", text(&receipt["serialNumber"]));
        visitor.post(&path, &json!({})).unwrap().expect(200).unwrap();
    }
    std::thread::sleep(Duration::from_millis(300));
    let _ = Command::new("kill").arg(strace.id().to_string()).status();
    let _ = strace.wait();
    let trace = std::fs::read_to_string(&trace).unwrap();
    let (mut synced, mut acknowledged) = (false, 0);
    for line in trace.lines() {
        if line.contains("sync(") && line.contains("default.db") {
            synced = true;
        } else if line.contains("HTTP/1.1 20") && line.contains("TCP") {
            // Challenges and applications and withdrawals: each is a write of its own.
            assert!(synced, "an answer left before its write was synced: {line}");
            synced = false;
            acknowledged += 1;
        }
    }
    assert!(acknowledged >= 2 * count, "the trace shows {acknowledged} answers");
}
