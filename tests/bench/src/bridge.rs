//! The reader bridge: what it adds to card and person, and what it takes while it waits.

use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use http_tests::{project, scratch};
use jiff::Timestamp;
use serde_json::{Value, json};
use test_pki::bridge::RunningBridge;
use test_pki::client::CardSigner;
use test_pki::demo::write_card;
use test_pki::pki_set::{Company, TestPki};

const ORIGIN: &str = "http://127.0.0.1:3000";
const ROUNDS: usize = 50;

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn millis(act: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let begun = Instant::now();
    act()?;
    Ok(begun.elapsed().as_secs_f64() * 1e3)
}

/// Resident memory of a process, in MiB.
fn memory(process: u32) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
    let kib: f64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
    Ok(kib / 1024.0)
}

/// Measures it with a demo card, and prints a table.
pub(crate) fn measure() -> anyhow::Result<()> {
    let dir = scratch("bridge");
    let pki = TestPki::generate(Timestamp::now())?;
    let company = pki.company(Company::card("測試甲股份有限公司", "12345675"))?;
    write_card(&dir, "company", "MT00000000000001", "123456", true, &company)?;
    let cards = dir.join("cards").display().to_string();
    let program = project().join("target/release/chayan-bridge");
    let start = |folder: &Path| {
        let arguments =
            ["--allow-origin", ORIGIN, "--demo-cards", &cards, "--demo-answer", "123456"];
        RunningBridge::start(&program, folder, 0, &arguments, &[])
    };
    let starts =
        (0..10).map(|_| millis(|| start(&dir).map(drop))).collect::<anyhow::Result<Vec<_>>>()?;
    let bridge = start(&dir)?;
    let idle = memory(bridge.id())?;
    let agent: ureq::Agent = ureq::Agent::config_builder().build().into();
    let request =
        json!({"card": "0:company", "purpose": "apply", "challenge": "c", "document": {"a": 1}});
    let url = format!("http://127.0.0.1:{}/v1/sign", bridge.port);
    let through = || -> anyhow::Result<()> {
        let mut answer = agent.post(&url).header("origin", ORIGIN).send_json(&request)?;
        let answer: Value = answer.body_mut().read_json()?;
        anyhow::ensure!(answer["signedData"].is_string(), "{answer}");
        Ok(())
    };
    // The card's own work: the same file read, checked, signed with, written.
    let signer = CardSigner::new(dir.join("cards"), "company");
    let alone = || signer.sign_content(b"content".to_vec()).map(drop);
    let (mut by_bridge, mut by_card) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        by_bridge.push(millis(through)?);
        by_card.push(millis(alone)?);
    }
    let (by_bridge, by_card) = (median(by_bridge), median(by_card));
    let size = std::fs::metadata(&program)?.len() as f64 / f64::from(1 << 20);
    println!("| the reader bridge | |\n|---|---|");
    println!("| from request to signature, without window | {by_bridge:.1} ms |");
    println!("| the demo card alone | {by_card:.1} ms |");
    println!("| the bridge's own share | {:.1} ms |", by_bridge - by_card);
    println!("| start, until it listens | {:.0} ms |", median(starts));
    println!("| memory, waiting | {idle:.1} MiB |");
    println!("| memory after {ROUNDS} signatures | {:.1} MiB |", memory(bridge.id())?);
    println!("| program | {size:.1} MiB |");
    Ok(())
}
