//! The identity confirmation service in the browser (#8): the annex with an agency's card, its
//! paper, and the page on which citizens see who asked about them.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use browser_tests::Desk;
use pki::Certificate;
use test_pki::demo::AGENCY;

const NUMBER: &str = "A123455678";

async fn signs_in(desk: &Desk) {
    desk.cards.set_inserted("company", false).unwrap();
    desk.cards.set_inserted("officer", false).unwrap();
    desk.cards.set_inserted("agency", true).unwrap();
    desk.open("/confirmation/").await.unwrap();
    desk.shots("sign-in").await.unwrap();
    desk.click("#sign-in-form button[type=submit]").await.unwrap();
    desk.says("#status h1", "服務狀態與案件").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agency_applies_and_prints_the_annex() {
    let desk = Desk::start("confirmation").await.unwrap();
    signs_in(&desk).await;
    desk.shows("#status", &["測試機關", "目前沒有核准的服務。"]).await.unwrap();
    desk.shots("status").await.unwrap();
    desk.click("#start-new").await.unwrap();
    desk.says("#form h1", "申請表").await.unwrap();
    // Everything that is missing is named at once.
    desk.click("#apply-button").await.unwrap();
    desk.shows("#message", &["資料有誤", "代理人傳真：此欄位必須填寫"]).await.unwrap();
    desk.shots("form-errors").await.unwrap();
    let server = desk.server("測試機關", AGENCY).unwrap();
    let file = desk.dir.join("server.cer");
    std::fs::write(&file, BASE64_STANDARD.encode(&server.certificate)).unwrap();
    let serial = Certificate::from_der(&server.certificate).unwrap().serial_number();
    for (field, text) in [
        ("#organisationAddress", "臺北市中正區測試路1號"),
        ("#systemName", "線上申辦系統"),
        ("#serverSerial", serial.as_str()),
        ("#contactName", "王測試"),
        ("#contactTitle", "技士"),
        ("#contactUnit", "資訊室"),
        ("#contactEmail", "a@example.gov.tw"),
        ("#contactPhone", "(02)12345678"),
        ("#contactFax", "(02)12345679"),
        ("#deputyName", "李測試"),
        ("#deputyTitle", "科員"),
        ("#deputyUnit", "資訊室"),
        ("#deputyEmail", "b@example.gov.tw"),
        ("#deputyPhone", "0912345678"),
        ("#deputyFax", "(02)12345679"),
        ("#text", "民眾以自然人憑證登入，申辦本機關業務。"),
    ] {
        desk.fill(field, text).await.unwrap();
    }
    let choose = desk.client.find(fantoccini::Locator::Id("certificateFile")).await.unwrap();
    choose.send_keys(&file.display().to_string()).await.unwrap();
    // The first day that the page offers.
    let day = "const day = document.getElementById('day'); day.value = day.min;
        day.dispatchEvent(new Event('change', { bubbles: true })); return true;";
    desk.until(day).await.unwrap();
    desk.click("#open-terms-2").await.unwrap();
    desk.shots("terms").await.unwrap();
    desk.click("#terms-read").await.unwrap();
    desk.click("#agreed").await.unwrap();
    desk.shots("form").await.unwrap();
    desk.click("#apply-button").await.unwrap();
    desk.shows("#confirm-sheet", &["測試機關", "線上申辦系統", "104年版"]).await.unwrap();
    desk.shots("confirm").await.unwrap();
    desk.click("#confirm-yes").await.unwrap();
    desk.says("#message.good", "申請已受理").await.unwrap();
    desk.shows("#annex-table", &["代理人", "預定開放日期", "申請機關(構)關防", "審核結果"])
        .await
        .unwrap();
    desk.shots("annex").await.unwrap();
    assert_eq!(desk.stored("SELECT kind FROM cases").unwrap(), "confirmation-start");
    assert_eq!(desk.stored("SELECT terms_version FROM confirmation_forms").unwrap(), "104");
    desk.click("#annex-back").await.unwrap();
    desk.shows("#cases", &["線上申辦系統", "受理中"]).await.unwrap();
    desk.shots("under-review").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_citizen_sees_who_asked() {
    let desk = Desk::start("my").await.unwrap();
    desk.cards.set_inserted("company", false).unwrap();
    desk.cards.set_inserted("officer", false).unwrap();
    desk.cards.set_inserted("citizen", true).unwrap();
    let file = desk.dir.join("citizens.csv");
    let line = format!("subjectSerial,nationalId,opened\n0000000187654321,{NUMBER},yes\n");
    std::fs::write(&file, line).unwrap();
    let done = std::process::Command::new(http_tests::project().join("target/release/chayan"))
        .arg("--data")
        .arg(desk.dir.join("data"))
        .arg("import-citizens")
        .arg(&file)
        .arg("--key-file")
        .arg(desk.dir.join("register.key"))
        .status()
        .unwrap();
    assert!(done.success());
    desk.open("/my/").await.unwrap();
    desk.shots("own").await.unwrap();
    desk.fill("#nationalId", "A12").await.unwrap();
    desk.click("#own-form button[type=submit]").await.unwrap();
    desk.shows("#message", &["資料有誤", "請檢查是否輸入錯誤"]).await.unwrap();
    desk.shots("own-error").await.unwrap();
    desk.fill("#nationalId", "A223455678").await.unwrap();
    desk.click("#own-form button[type=submit]").await.unwrap();
    desk.shows("#message", &["身分證統一編號與憑證不符"]).await.unwrap();
    desk.fill("#nationalId", NUMBER).await.unwrap();
    desk.click("#own-form button[type=submit]").await.unwrap();
    desk.says("#result h1", "誰查過我的身分證").await.unwrap();
    desk.shows("#result", &["計0筆紀錄"]).await.unwrap();
    desk.shots("own-result").await.unwrap();
}
