//! By the stop-watch: from the front page to the receipt at the speed of somebody who does it
//! for the first time, card in hand. `cargo run --release --example stopwatch` with the
//! packages that scripts/test names. Typing and looking take as long as they take people; the
//! rest is what pages, bridge, card and service take. Reading the legal texts is not counted.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement by hand")]

use std::time::{Duration, Instant};

use browser_tests::Desk;
use fantoccini::Locator;
use test_pki::demo::COMPANY;

/// To find the next thing on the page and move there.
const LOOK: Duration = Duration::from_secs(2);
/// To read a question and its answer's words.
const READ: Duration = Duration::from_secs(5);
/// To read the bridge's window, and to type six digits there.
const PIN: Duration = Duration::from_secs(8);
/// For each letter or digit: 36 words a minute.
const LETTER: Duration = Duration::from_millis(333);
/// For each Chinese character, by an input method.
const CHARACTER: Duration = Duration::from_millis(1000);

/// Types as people do.
async fn types(desk: &Desk, css: &str, text: &str) {
    tokio::time::sleep(LOOK).await;
    let field = desk.client.find(Locator::Css(css)).await.unwrap();
    field.click().await.unwrap();
    for character in text.chars() {
        tokio::time::sleep(if character.is_ascii() { LETTER } else { CHARACTER }).await;
        field.send_keys(&character.to_string()).await.unwrap();
    }
}

async fn clicks(desk: &Desk, css: &str) {
    tokio::time::sleep(LOOK).await;
    desk.click(css).await.unwrap();
}

#[tokio::main]
async fn main() {
    let desk = Desk::start("stopwatch").await.unwrap();
    desk.open("/").await.unwrap();
    let begun = Instant::now();
    let say = |step: &str| println!("{:>6.1} s  {step}", begun.elapsed().as_secs_f32());
    clicks(&desk, "a[href='/apply/']").await;
    tokio::time::sleep(READ).await;
    clicks(&desk, "#agency-no").await;
    clicks(&desk, "#agency-form button").await;
    clicks(&desk, "#notice-read").await;
    say("notice passed");
    types(&desk, "#sign-in-ubn", COMPANY.1).await;
    clicks(&desk, "#sign-in-form button[type=submit]").await;
    tokio::time::sleep(PIN).await;
    desk.text("#kind").await.unwrap();
    say("signed in");
    clicks(&desk, "#kind-form button[type=submit]").await;
    types(&desk, "#hostAddress", "127.0.0.1").await;
    types(&desk, "#contactName", "王測試").await;
    types(&desk, "#landline", "(02)12345678#12").await;
    types(&desk, "#email", "clerk@example.com.tw").await;
    types(&desk, "#reason", "依洗錢防制法第十條確認客戶身分，須查驗國民身分證。").await;
    say("form filled in");
    clicks(&desk, "#open-rules").await;
    clicks(&desk, "#rules-read").await;
    clicks(&desk, "#agreed").await;
    clicks(&desk, "#apply-button").await;
    tokio::time::sleep(READ).await;
    clicks(&desk, "#confirm-yes").await;
    tokio::time::sleep(PIN).await;
    desk.says("#receipt-sheet", "已受理").await.unwrap();
    say("receipt");
    desk.client.clone().close().await.unwrap();
}
