//! 介接工具與使用情形: what an integrator looks at (A18).

use browser_tests::Desk;
use jiff::Timestamp;
use test_pki::demo::COMPANY;
use test_pki::token::{Caller, Question};

fn token(desk: &Desk, caller: &Caller, date: &str) -> String {
    let card = &desk.demo.id_cards[0];
    let question = Question {
        person_id: &card.person_id,
        apply_code: &card.apply_code,
        apply_yyymmdd: date,
        issue_site_id: &card.issue_site_id,
    };
    caller.token(question, Timestamp::now()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_integrator_checks_a_token_and_sees_what_was_called() {
    let desk = Desk::start("usage").await.unwrap();
    desk.uploaded().unwrap();
    let caller = desk.caller().unwrap();
    let card = desk.demo.id_cards[0].clone();
    let (visitor, _) = desk.company().unwrap();
    for date in [card.apply_yyymmdd.as_str(), "1000101"] {
        visitor.verify(&token(&desk, &caller, date)).unwrap().expect(200).unwrap();
    }
    desk.open("/").await.unwrap();
    desk.click("a[href='/usage/']").await.unwrap();
    desk.says("#state", "正常服務").await.unwrap();
    desk.says("#test-data", "已登錄掛失").await.unwrap();
    desk.shots("open").await.unwrap();

    desk.click("#token-form button[type=submit]").await.unwrap();
    desk.says("#message", "Token").await.unwrap();
    let bad = token(&desk, &Caller { ap_id: "XXXXX".into(), ..caller.clone() }, "0940230");
    desk.fill("#token", &bad).await.unwrap();
    desk.click("#token-form button[type=submit]").await.unwrap();
    desk.shows("#checked", &["有項目不符", "與isskey之帳號不符", "applyYyymmdd"]).await.unwrap();
    desk.shots("checked-bad").await.unwrap();
    desk.fill("#token", &token(&desk, &caller, &card.apply_yyymmdd)).await.unwrap();
    desk.click("#token-form button[type=submit]").await.unwrap();
    desk.says("#checked", "各項檢查皆通過").await.unwrap();

    desk.fill("#sign-in-ubn", COMPANY.1).await.unwrap();
    desk.click("#sign-in-form button[type=submit]").await.unwrap();
    desk.shows("#result", &[&caller.ap_id, "不符，當日第1次錯誤", "demo_001"]).await.unwrap();
    let page = desk.text("#result").await.unwrap();
    assert!(!page.contains(&card.person_id), "{page}");
    desk.shots("result").await.unwrap();

    desk.click("#set-sandbox").await.unwrap();
    desk.click("dialog[open] button").await.unwrap();
    desk.says("#message.good", "設定已變更").await.unwrap();
    desk.says("#mode", "測試模式").await.unwrap();
    assert_eq!(desk.stored("SELECT sandbox FROM accounts").unwrap(), "1");
    desk.shots("test-mode").await.unwrap();
    desk.click("#sign-out").await.unwrap();
    desk.says("#state", "正常服務").await.unwrap();
    desk.client.clone().close().await.unwrap();
}

/// Abnormal use, from the calls to the officer's word on it.
#[tokio::test(flavor = "multi_thread")]
async fn an_officer_sees_why_an_account_was_suspended_and_says_what_it_was() {
    let desk = Desk::start("conduct").await.unwrap();
    desk.uploaded().unwrap();
    // What came in the second of the approval belongs to what was decided.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let (caller, (visitor, _)) = (desk.caller().unwrap(), desk.company().unwrap());
    for number in 0..25 {
        let person = domain::NationalId::with_check_digit(b'C', 1, number);
        let (code, date, site) = ("1", "0940105", "63000");
        let question = Question {
            person_id: &person,
            apply_code: code,
            apply_yyymmdd: date,
            issue_site_id: site,
        };
        visitor
            .verify(&caller.token(question, Timestamp::now()).unwrap())
            .unwrap()
            .expect(200)
            .unwrap();
    }
    let program =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/release/chayan");
    let judged = std::process::Command::new(program)
        .args(["judge-calls", "--origin", "https://chayan.example", "--data"])
        .arg(desk.dir.join("data"))
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&judged.stdout).contains("1 suspended"), "{judged:?}");

    desk.open("/review/").await.unwrap();
    desk.click("#sign-in-form button").await.unwrap();
    desk.text("#count").await.unwrap();
    desk.click("#places button[data-place='conduct']").await.unwrap();
    desk.shows(
        "#conduct",
        &["異常使用", "65分", "已自動暫停", "比對25次，其中25次不符", "對25個不同身分證字號"],
    )
    .await
    .unwrap();
    desk.shots("finding").await.unwrap();
    desk.click("#finding-list button[type=submit]").await.unwrap();
    desk.says("#message", "查明情形").await.unwrap();
    desk.fill("#finding-list textarea", "系統測試誤用正式環境").await.unwrap();
    desk.click("#finding-list button[type=submit]").await.unwrap();
    desk.says("#message.good", "已結案").await.unwrap();
    desk.says("#finding-list", "目前沒有異常使用情形").await.unwrap();
    desk.client.clone().close().await.unwrap();
}
