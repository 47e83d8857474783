//! The HiPKI component, both ways (#4): our pages with an emulator of it, and a client page
//! of it with our bridge. Emulator and client were written from the protocol's description
//! alone, by somebody who had read neither.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use browser_tests::Desk;
use hipki_tools::{CLIENT_PAGE, EmulatedCard, Emulator, Fault};
use serde_json::Value;
use test_pki::bridge::scripted_pinentry;
use test_pki::demo::{COMPANY, MANAGER};

const PIN: &str = "12%+&6";

async fn emulate(desk: &Desk, emulator: &Emulator) {
    let address = ("localhost", desk.hipki_port);
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let emulator = emulator.clone();
    tokio::spawn(async move { hipki_tools::serve(listener, emulator).await });
}

async fn choose_hipki(desk: &Desk) {
    desk.fill("#sign-in-ubn", COMPANY.1).await.unwrap();
    desk.click("#sign-in-form button[type=submit]").await.unwrap();
    desk.click("#start-bridge button[data-value=hipki]").await.unwrap();
}

/// Reads the card and signs with this PIN.
async fn by_hipki(desk: &Desk, pin: &str) {
    desk.click("#hipki button[data-value=yes]").await.unwrap();
    desk.fill("#hipki-pin", pin).await.unwrap();
    desk.click("#hipki-sign button[data-value=yes]").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn our_pages_work_with_the_component_that_applicants_have() {
    let mut desk = Desk::start("hipki").await.unwrap();
    desk.stop_bridge();
    let issued = desk.company_card().unwrap();
    let card = EmulatedCard::new(&issued, "Reader 0", "MT00000000000001", PIN).unwrap();
    let emulator = Emulator::new(vec![card.clone()], vec!["127.0.0.1".to_owned()]);
    emulate(&desk, &emulator).await;
    desk.at_sign_in().await.unwrap();
    choose_hipki(&desk).await;
    assert!(desk.text("#hipki").await.unwrap().contains("PIN碼會在本網頁輸入"));
    desk.shots("hipki").await.unwrap();
    desk.click("#hipki button[data-value=yes]").await.unwrap();
    let shown = desk.text("#hipki-sign").await.unwrap();
    assert!(shown.contains(COMPANY.0) && shown.contains("MT00000000000001"), "{shown}");
    desk.shots("hipki-pin").await.unwrap();
    desk.fill("#hipki-pin", "000000").await.unwrap();
    desk.click("#hipki-sign button[data-value=yes]").await.unwrap();
    assert!(desk.text("#message").await.unwrap().contains("PIN碼錯誤（剩餘次數：2）"));

    // A PIN of everything that forms escape; then the whole application.
    choose_hipki(&desk).await;
    by_hipki(&desk, PIN).await;
    desk.text("#kind").await.unwrap();
    assert_eq!(card.tries(), 3);
    desk.click("#kind-form button[type=submit]").await.unwrap();
    desk.fill("#hostAddress", "127.0.0.1").await.unwrap();
    desk.fill("#contactName", "王測試").await.unwrap();
    desk.fill("#landline", "(02)12345678#12").await.unwrap();
    desk.fill("#email", "clerk@example.com.tw").await.unwrap();
    desk.fill("#reason", "依洗錢防制法第十條確認客戶身分。").await.unwrap();
    desk.click("#open-rules").await.unwrap();
    desk.click("#rules-read").await.unwrap();
    desk.click("#agreed").await.unwrap();
    desk.click("#apply-button").await.unwrap();
    desk.click("#confirm-yes").await.unwrap();
    desk.click("#start-bridge button[data-value=hipki]").await.unwrap();
    by_hipki(&desk, PIN).await;
    assert!(desk.text("#receipt").await.unwrap().contains("已受理"));
    assert_eq!(desk.recorded_transport().unwrap().as_deref(), Some("hipki"));
    desk.client.clone().close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_component_refuses_is_told_in_the_pages_words() {
    let mut desk = Desk::start("hipki-faults").await.unwrap();
    desk.stop_bridge();
    let issued = desk.company_card().unwrap();
    let card = EmulatedCard::new(&issued, "Reader 0", "MT00000000000001", "123456").unwrap();
    let emulator = Emulator::new(vec![card.clone()], vec!["127.0.0.1".to_owned()]);
    emulate(&desk, &emulator).await;
    desk.at_sign_in().await.unwrap();
    for (fault, said) in
        [(Fault::UnknownToken, "不是可用的憑證IC卡"), (Fault::NullToken, "沒有可用的卡片")]
    {
        emulator.inject(fault);
        choose_hipki(&desk).await;
        desk.click("#hipki button[data-value=yes]").await.unwrap();
        let message = desk.text("#message").await.unwrap();
        assert!(message.contains(said), "{message}");
        emulator.clear_faults();
    }
    emulator.inject(Fault::WrongCard);
    choose_hipki(&desk).await;
    by_hipki(&desk, "123456").await;
    assert!(desk.text("#message").await.unwrap().contains("卡片已更換"));
    emulator.clear_faults();
    card.set_tries(1);
    choose_hipki(&desk).await;
    by_hipki(&desk, "999999").await;
    assert!(desk.text("#message").await.unwrap().contains("卡片已鎖定"));
    desk.client.clone().close().await.unwrap();
}

/// Every code of the component that a sign-in can meet: its cause, its next step, and for what
/// only the component's own support can explain, the code itself.
#[tokio::test(flavor = "multi_thread")]
async fn each_code_of_the_component_has_its_words() {
    let mut desk = Desk::start("hipki-codes").await.unwrap();
    desk.stop_bridge();
    let issued = desk.company_card().unwrap();
    let card = EmulatedCard::new(&issued, "Reader 0", "MT00000000000001", "123456").unwrap();
    let emulator = Emulator::new(vec![card], vec!["127.0.0.1".to_owned()]);
    emulate(&desk, &emulator).await;
    desk.at_sign_in().await.unwrap();
    const LOGIN: u32 = 0x7610_0006;
    for (code, last, title, advice) in [
        (0x7600_0001, 0, "無法讀取卡片的憑證或金鑰（錯誤代碼：0x76000001）", "擦拭晶片"),
        (0x7600_0005, 0, "無法載入卡片的驅動程式", "重新安裝HiCOS"),
        (0x7600_0006, 0, "沒有可用的卡片", "插入憑證IC卡"),
        (0x7600_000b, 0, "不支援此作業（錯誤代碼：0x7600000B）", "更新HiPKI"),
        (0x7600_000d, 0, "執行失敗或逾時", "重新啟動HiPKI"),
        (0x7600_000e, 0, "沒有可用的卡片", "插入憑證IC卡"),
        (0x7600_000f, 0, "未信任本網站", "加入信任網站"),
        (0x7600_0031, 0, "未信任本網站", "加入信任網站"),
        (0x7600_0998, 0, "未輸入PIN碼", "輸入PIN碼"),
        (0x7600_0999, 0, "已取消輸入PIN碼", "再操作一次"),
        (0x7600_1003, 0, "未輸入PIN碼", "輸入PIN碼"),
        (0x7610_0001, 0, "無法載入卡片的驅動程式", "重新安裝HiCOS"),
        (0x7610_0003, 0, "找不到讀卡機", "插上讀卡機"),
        (0x7610_0005, 0, "無法讀取卡片的憑證或金鑰", "擦拭晶片"),
        (LOGIN, 0x06, "簽章失敗（錯誤代碼：0x76100006）", "重新插入卡片"),
        (LOGIN, 0xa0, "PIN碼錯誤", "連續錯誤3次"),
        (LOGIN, 0xa2, "PIN碼的長度或字元不正確", "6至8碼"),
        (LOGIN, 0xa4, "卡片已鎖定", "用戶代碼"),
        (LOGIN, 0x8000_0001, "PIN碼錯誤（剩餘次數：1）", "連續錯誤3次"),
        (LOGIN, 0xffff_ffff_8000_0001, "PIN碼錯誤（剩餘次數：1）", "連續錯誤3次"),
        (LOGIN, 0xffff_ffff_8000_0002, "PIN碼錯誤（剩餘次數：2）", "連續錯誤3次"),
        (0x7610_000d, 0, "無法讀取卡片的憑證或金鑰", "憑證管理中心"),
        (0x7630_0004, 0, "簽章失敗", "重新插入卡片"),
        (0x7650_0001, 0, "憑證尚未生效", "電腦時間"),
        (0x7650_0002, 0, "憑證已過期", "展期"),
        (0x7660_0002, 0, "不支援此作業", "更新HiPKI"),
        (0x8300_0100, 0, "不是可用的憑證IC卡", "健保卡"),
        (0x8300_0101, 0, "插入的卡片種類不正確", "工商憑證"),
        (0x8300_0105, 0, "PIN碼的長度或字元不正確", "6至8碼"),
        (0xe000_0012, 0, "已取消輸入PIN碼", "再操作一次"),
        (0x8100_0227, 0, "HiPKI元件發生錯誤（錯誤代碼：0x81000227）", "客服"),
    ] {
        emulator.clear_faults();
        emulator.inject(Fault::Code(code, last));
        choose_hipki(&desk).await;
        desk.click("#hipki button[data-value=yes]").await.unwrap();
        desk.says("#message", title).await.unwrap();
        let said = desk.text("#message").await.unwrap();
        assert!(said.contains(advice), "{code:08x}: {said}");
    }
    desk.client.clone().close().await.unwrap();
}

/// Both cards of a visit (#8), each in a reader of its own: the page takes whichever fits.
#[tokio::test(flavor = "multi_thread")]
async fn a_visit_takes_both_its_cards_by_the_component() {
    let mut desk = Desk::start("hipki-visit").await.unwrap();
    desk.stop_bridge();
    let (agency, manager) = (desk.agency_card().unwrap(), desk.citizen_card(MANAGER).unwrap());
    let cards = vec![
        EmulatedCard::new(&agency, "Reader 0", "GP00000000000001", PIN).unwrap(),
        EmulatedCard::new(&manager, "Reader 1", "TP00000000000001", PIN).unwrap(),
    ];
    emulate(&desk, &Emulator::new(cards, vec!["127.0.0.1".to_owned()])).await;
    // No company's card among them: said before any PIN.
    desk.at_sign_in().await.unwrap();
    choose_hipki(&desk).await;
    desk.click("#hipki button[data-value=yes]").await.unwrap();
    desk.says("#message", "插入的卡片種類不正確").await.unwrap();
    desk.open("/delegate/#register").await.unwrap();
    desk.click("#agree").await.unwrap();
    desk.fill("#code", "A0001").await.unwrap();
    desk.click("#organisation-form button[type=submit]").await.unwrap();
    desk.click("#start-bridge button[data-value=hipki]").await.unwrap();
    by_hipki(&desk, PIN).await;
    desk.fill("#nationalId", MANAGER.national_id).await.unwrap();
    desk.click("#citizen-form button[type=submit]").await.unwrap();
    desk.click("#start-bridge button[data-value=hipki]").await.unwrap();
    desk.click("#hipki button[data-value=yes]").await.unwrap();
    desk.says("#hipki-sign", MANAGER.name).await.unwrap();
    desk.shots("second-card").await.unwrap();
    desk.fill("#hipki-pin", PIN).await.unwrap();
    desk.click("#hipki-sign button[data-value=yes]").await.unwrap();
    desk.fill("#email", "manager@example.com.tw").await.unwrap();
    desk.fill("#phone", "0912345678").await.unwrap();
    desk.click("#contact-form button[type=submit]").await.unwrap();
    desk.says("#done", "首次註冊成功").await.unwrap();
    reads_a_handlers_card(&desk).await;
    let transports = "SELECT organisation_judgement ->> '$.transport' || ' '
        || (citizen_judgement ->> '$.transport') FROM registration_receipts";
    assert_eq!(desk.stored(transports).unwrap(), "hipki hipki");
    desk.client.clone().close().await.unwrap();
}

/// 讀取憑證 in another visit: without a PIN.
async fn reads_a_handlers_card(desk: &Desk) {
    desk.open("/delegate/#delegate").await.unwrap();
    desk.fill("#code", "A0001").await.unwrap();
    desk.click("#organisation-form button[type=submit]").await.unwrap();
    desk.click("#start-bridge button[data-value=hipki]").await.unwrap();
    by_hipki(desk, PIN).await;
    desk.fill("#nationalId", MANAGER.national_id).await.unwrap();
    desk.click("#citizen-form button[type=submit]").await.unwrap();
    desk.click("#start-bridge button[data-value=hipki]").await.unwrap();
    by_hipki(desk, PIN).await;
    desk.click("#add-handler").await.unwrap();
    desk.click("#read-card").await.unwrap();
    desk.click("#start-bridge button[data-value=hipki]").await.unwrap();
    desk.click("#hipki button[data-value=yes]").await.unwrap();
    // It is the manager's own: meant so.
    desk.click("#own-card button[data-value=yes]").await.unwrap();
    let read = format!(
        "return document.getElementById('handler-name').value === '{}'
            && document.getElementById('handler-form').serialNumber.value !== ''",
        MANAGER.name
    );
    desk.until(&read).await.unwrap();
}

/// Serves the client page on a port of its own.
fn serve_client() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{CLIENT_PAGE}",
                CLIENT_PAGE.len()
            );
        }
    });
    port
}

/// Clicks a step of the client page and returns the line that it logs.
async fn step(desk: &Desk, id: &str) -> Value {
    let count =
        "return document.getElementById('log').textContent.trim().split('\\n').filter(Boolean)";
    let lines = async || {
        let found = desk.client.execute(count, vec![]).await.unwrap();
        found
            .as_array()
            .unwrap()
            .iter()
            .map(|line| line.as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let before = lines().await.len();
    desk.click(&format!("#{id}")).await.unwrap();
    let end = Instant::now() + Duration::from_secs(15);
    loop {
        if let Some(line) = lines().await.get(before) {
            return serde_json::from_str(line).unwrap();
        }
        assert!(Instant::now() < end, "{id}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_page_of_the_component_works_with_our_bridge() {
    let mut desk = Desk::start("hipki-server").await.unwrap();
    let client = serve_client();
    let pinentry = scripted_pinentry(&desk.dir, &["D 123456", "OK"], &["OK"]).unwrap();
    let (cards, port) = (desk.dir.join("cards").display().to_string(), desk.hipki_port.to_string());
    let pinentry = pinentry.display().to_string();
    desk.cards.set_inserted("officer", false).unwrap();
    desk.bridge_with(&[
        "--demo-cards",
        &cards,
        "--pinentry",
        &pinentry,
        "--hipki",
        "--hipki-port",
        &port,
    ])
    .unwrap();
    desk.client.goto(&format!("http://localhost:{client}/")).await.unwrap();
    desk.fill("#base", &format!("http://localhost:{port}")).await.unwrap();
    desk.fill("#pin", "123456").await.unwrap();
    desk.fill("#tbs", "要簽署的文字 + %").await.unwrap();
    desk.fill("#nonce", "nonce-1").await.unwrap();
    // A site that nobody allowed learns nothing.
    for id in ["image", "environment", "certificates", "sign-pkcs1"] {
        let refused = step(&desk, id).await;
        assert_eq!(
            (&refused["ok"], &refused["untrusted"]),
            (&false.into(), &true.into()),
            "{refused}"
        );
        assert!(!refused.to_string().contains("MT0000"), "{refused}");
    }
    // The person allows it in the bridge's window.
    let added = step(&desk, "add-domain").await;
    assert_eq!(added["ok"], true, "{added}");
    let log = std::fs::read_to_string(desk.dir.join("pinentry.log")).unwrap();
    assert!(
        log.contains(&format!("http://localhost:{client}")) && log.contains("PIN碼會經過網頁"),
        "{log}"
    );
    // But not as our own pages do: there it must be paired.
    let script = format!(
        "return (async () => (await (await fetch('http://127.0.0.1:{}/v1/cards', {{ method: 'POST', body: '{{}}', headers: {{ 'content-type': 'application/json' }} }})).json()).code)()",
        desk.bridge_port()
    );
    assert_eq!(desk.client.execute(&script, vec![]).await.unwrap(), "not-paired");
    for id in ["image", "environment", "certificates"] {
        let listed = step(&desk, id).await;
        assert_eq!(listed["ok"], true, "{id}: {listed}");
        assert!(listed.to_string().contains("MT0000"), "{id}: {listed}");
    }
    let plain = step(&desk, "sign-pkcs1").await;
    assert_eq!(plain["ok"], true, "{plain}");
    for id in ["sign-pkcs7", "sign-cht"] {
        let signed = step(&desk, id).await;
        assert_eq!(signed["ok"], true, "{id}: {signed}");
        let message = signed["reply"]["signature"].as_str().unwrap();
        let message = BASE64_STANDARD.decode(message).unwrap();
        let found = desk.verify(&message).unwrap();
        assert_eq!(found.content(), "要簽署的文字 + %".as_bytes(), "{id}");
        if id == "sign-pkcs7" {
            assert_eq!(found.nonce(), Some(&b"nonce-1"[..]));
        }
    }
    // Digests that the page made, and what is this service's own to sign.
    for id in ["raw", "prefix"] {
        let refused = step(&desk, id).await;
        assert_eq!(refused["ok"], false, "{refused}");
    }
    desk.fill("#tbs", "{\"format\":\"chayan-signing-input/1\"}").await.unwrap();
    assert_eq!(step(&desk, "sign-pkcs7").await["ok"], false);
    assert_eq!(step(&desk, "sign-pkcs1").await["ok"], false);
    // Wrong PINs count as they do there.
    desk.fill("#tbs", "text").await.unwrap();
    desk.fill("#pin", "999999").await.unwrap();
    let wrong = step(&desk, "sign-pkcs1").await;
    assert_eq!((&wrong["ok"], &wrong["rcode"]), (&false.into(), &3503.into()), "{wrong}");
    let log = std::fs::read_to_string(desk.dir.join("pinentry.log")).unwrap();
    assert!(!log.contains("GETPIN"));
    desk.client.clone().close().await.unwrap();
}
