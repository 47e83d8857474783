//! What can be wrong with bridge, reader, card and certificate: each said as a sentence with
//! what to do next, and nothing typed is lost (#5, point 7).

use browser_tests::Desk;
use jiff::Timestamp;
use test_pki::bridge::scripted_pinentry;
use test_pki::demo::{COMPANY, write_card};
use test_pki::pki_set::Company;
use x509_cert::ext::pkix::CrlReason;

async fn begin(name: &str) -> Desk {
    let desk = Desk::start(&format!("state-{name}")).await.unwrap();
    desk.at_sign_in().await.unwrap();
    desk
}

/// Nothing that was typed is lost; a picture; the end.
async fn end(desk: Desk) {
    desk.shots("state").await.unwrap();
    assert_eq!(desk.value("sign-in-ubn").await.unwrap(), COMPANY.1);
    assert_eq!(desk.stored("SELECT count(*) FROM cases").unwrap(), "0");
    desk.client.clone().close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn not_installed() {
    let mut desk = begin("not-installed").await;
    desk.stop_bridge();
    desk.signs_in(COMPANY.1).await.unwrap();
    let ways = [
        "找不到讀卡元件",
        "啟動讀卡元件",
        "安裝讀卡元件",
        "改用讀卡元件的小視窗",
        "改用HiPKI元件",
        "取消",
    ];
    desk.shows("#start-bridge", &ways).await.unwrap();
    desk.shots("ways").await.unwrap();
    // The way to install it opens beside the page, which stays as it is.
    let link = "const link = document.querySelector('#start-bridge a[data-value=install]'); return [link.getAttribute('href'), link.target]";
    let link = desk.client.execute(link, vec![]).await.unwrap();
    assert_eq!(link, serde_json::json!(["/bridge/", "_blank"]));
    desk.click("#start-bridge button[data-value='']").await.unwrap();
    desk.shows("#message", &["找不到讀卡元件", "請先安裝並啟動讀卡元件"]).await.unwrap();
    end(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn how_to_install_it_is_a_page() {
    let mut desk = Desk::start("state-install").await.unwrap();
    desk.open("/bridge/").await.unwrap();
    desk.shows(
        "main",
        &[
            "安裝讀卡元件",
            "索取安裝檔",
            "1. 安裝",
            "Windows",
            "Debian",
            "2. 啟動",
            "3. 檢查",
            "4. 使用HiPKI",
        ],
    )
    .await
    .unwrap();
    desk.shots("page").await.unwrap();
    let test =
        desk.client.execute("return document.getElementById('self-test').href", vec![]).await;
    assert_eq!(test.unwrap(), format!("http://127.0.0.1:{}/v1/self-test", desk.bridge_port()));
    desk.restart(&["--variable", "bridge_downloads=https://downloads.example/bridge/"]).unwrap();
    desk.open("/bridge/").await.unwrap();
    desk.says("#downloads", "下載讀卡元件").await.unwrap();
    desk.client.clone().close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn not_running_and_then_started() {
    let mut desk = begin("not-running").await;
    desk.stop_bridge();
    desk.signs_in(COMPANY.1).await.unwrap();
    desk.text("#start-bridge").await.unwrap();
    // The link is followed by waiting for it.
    desk.click("#start-bridge a[data-value=start]").await.unwrap();
    desk.start_bridge("123456").unwrap();
    desk.text("#kind").await.unwrap();
    desk.client.clone().close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn permission_refused() {
    let desk = Desk::start_public("state-permission").await.unwrap();
    desk.at_sign_in().await.unwrap();
    desk.permit("loopback-network", "denied").await.unwrap();
    desk.signs_in(COMPANY.1).await.unwrap();
    let ways =
        ["瀏覽器不允許本網站連線至讀卡元件", "網站設定", "允許", "改用讀卡元件的小視窗", "取消"];
    desk.shows("#permission-denied", &ways).await.unwrap();
    desk.click("#permission-denied button[data-value='']").await.unwrap();
    desk.shows("#message", &["瀏覽器不允許本網站連線至讀卡元件", "依畫面說明改為允許"])
        .await
        .unwrap();
    end(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_reader() {
    let desk = begin("no-reader").await;
    for file in std::fs::read_dir(desk.dir.join("cards")).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    desk.signs_in(COMPANY.1).await.unwrap();
    desk.shows("#waiting", &["找不到讀卡機", "請插上讀卡機", "插入後會自動繼續"]).await.unwrap();
    desk.shots("waiting").await.unwrap();
    desk.click("#waiting button").await.unwrap();
    desk.shows("#message", &["找不到讀卡機", "驅動程式"]).await.unwrap();
    end(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_card_and_then_one() {
    let desk = begin("no-card").await;
    for card in desk.cards.names().unwrap() {
        desk.cards.set_inserted(&card, false).unwrap();
    }
    desk.signs_in(COMPANY.1).await.unwrap();
    desk.shows("#waiting", &["讀卡機內沒有可用的卡片", "請插入憑證IC卡"]).await.unwrap();
    desk.click("#waiting button").await.unwrap();
    desk.says("#message", "沒有可用的卡片").await.unwrap();
    desk.shots("state").await.unwrap();
    desk.signs_in(COMPANY.1).await.unwrap();
    desk.text("#waiting").await.unwrap();
    desk.cards.set_inserted("company", true).unwrap();
    desk.text("#kind").await.unwrap();
    desk.client.clone().close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_card() {
    let desk = begin("wrong-card").await;
    // A citizen card in place of the company's.
    for card in desk.cards.names().unwrap() {
        desk.cards.set_inserted(&card, card == "officer").unwrap();
    }
    desk.signs_in(COMPANY.1).await.unwrap();
    desk.shows("#waiting", &["插入的卡片種類不正確", "讀卡機內是自然人憑證", "改插入工商憑證"])
        .await
        .unwrap();
    desk.shots("waiting").await.unwrap();
    desk.click("#waiting button").await.unwrap();
    desk.says("#message", "插入的卡片種類不正確").await.unwrap();
    end(desk).await;
}

/// 附卡: told before any PIN, and the flow goes on with 正卡.
#[tokio::test(flavor = "multi_thread")]
async fn secondary_card() {
    let desk = begin("secondary-card").await;
    desk.only("company-secondary").unwrap();
    desk.signs_in(COMPANY.1).await.unwrap();
    desk.shows("#waiting", &["讀卡機內是工商憑證附卡", "改插入工商憑證正卡"]).await.unwrap();
    desk.shots("waiting").await.unwrap();
    desk.only("company").unwrap();
    desk.text("#kind").await.unwrap();
    end(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_companys_card() {
    let mut desk = begin("another-company").await;
    desk.card_of("company", "測試丁股份有限公司", "99990004").unwrap();
    let pinentry = scripted_pinentry(&desk.dir, &["D 123456", "OK"], &["OK"]).unwrap();
    let (cards, pinentry) =
        (desk.dir.join("cards").display().to_string(), pinentry.display().to_string());
    let origin = desk.demo.origin.clone();
    desk.bridge_with(&["--demo-cards", &cards, "--pinentry", &pinentry, "--allow-origin", &origin])
        .unwrap();
    for card in desk.cards.names().unwrap() {
        desk.cards.set_inserted(&card, card == "company").unwrap();
    }
    desk.signs_in(COMPANY.1).await.unwrap();
    desk.says("#message", "營利事業統一編號與憑證不符").await.unwrap();
    // No PIN was asked for it.
    let log = std::fs::read_to_string(desk.dir.join("pinentry.log")).unwrap_or_default();
    assert!(!log.contains("GETPIN"), "{log}");
    end(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_certificate() {
    let desk = begin("expired").await;
    let expired =
        desk.issued(Company { days: (-9, -1), ..Company::card(COMPANY.0, COMPANY.1) }).unwrap();
    write_card(&desk.dir, "company", "MT00000000000001", "123456", true, &expired).unwrap();
    desk.signs_in(COMPANY.1).await.unwrap();
    desk.shows("#message", &["憑證已過期", "申請新的憑證"]).await.unwrap();
    end(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn certificate_on_hold() {
    let desk = begin("on-hold").await;
    desk.publishes(2, Some(CrlReason::CertificateHold)).unwrap();
    desk.signs_in(COMPANY.1).await.unwrap();
    desk.shows("#message", &["憑證暫時停用中", "復用"]).await.unwrap();
    end(desk).await;
}

/// Put on hold between sign-in and application: the form keeps everything.
#[tokio::test(flavor = "multi_thread")]
async fn certificate_on_hold_while_the_form_is_filled_in() {
    let desk = Desk::start("state-on-hold-form").await.unwrap();
    desk.at_form("api-application").await.unwrap();
    desk.fills_in().await.unwrap();
    desk.agrees().await.unwrap();
    desk.publishes(2, Some(CrlReason::CertificateHold)).unwrap();
    desk.click("#apply-button").await.unwrap();
    desk.click("#confirm-yes").await.unwrap();
    desk.shows("#message", &["憑證暫時停用中", "復用"]).await.unwrap();
    desk.shots("state").await.unwrap();
    desk.publishes(3, None).unwrap();
    assert!(desk.sends().await.unwrap().contains("已受理"));
    desk.client.clone().close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_pin() {
    let mut desk = begin("wrong-pin").await;
    desk.start_bridge("999999").unwrap();
    desk.signs_in(COMPANY.1).await.unwrap();
    desk.shows("#message", &["PIN碼錯誤（剩餘次數：2）", "連續錯誤3次卡片將被鎖定"]).await.unwrap();
    desk.signs_in(COMPANY.1).await.unwrap();
    desk.says("#message", "剩餘次數：1").await.unwrap();
    // The last try is the person's own, and nobody is here to confirm it.
    desk.signs_in(COMPANY.1).await.unwrap();
    desk.says("#message", "已取消輸入PIN碼").await.unwrap();
    assert_eq!(desk.cards.read("company").unwrap().tries_left, 1);
    end(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn locked_card() {
    let desk = begin("locked").await;
    let mut card = desk.cards.read("company").unwrap();
    card.tries_left = 0;
    chayan_bridge::cards::demo::write(&desk.dir.join("cards/company.json"), &card).unwrap();
    desk.signs_in(COMPANY.1).await.unwrap();
    desk.shows("#message", &["卡片已鎖定", "用戶代碼", "https://moeaca.nat.gov.tw"]).await.unwrap();
    end(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn card_removed_at_the_last_moment() {
    let mut desk = begin("removed").await;
    let pinentry = scripted_pinentry(&desk.dir, &["D 123456", "OK"], &["OK"]).unwrap();
    let (cards, pinentry) =
        (desk.dir.join("cards").display().to_string(), pinentry.display().to_string());
    let origin = desk.demo.origin.clone();
    desk.bridge_with(&["--demo-cards", &cards, "--pinentry", &pinentry, "--allow-origin", &origin])
        .unwrap();
    let hold = desk.dir.join("hold");
    std::fs::write(&hold, "").unwrap();
    desk.signs_in(COMPANY.1).await.unwrap();
    let begun = Timestamp::now();
    while !std::fs::read_to_string(desk.dir.join("pinentry.log"))
        .unwrap_or_default()
        .contains("GETPIN")
    {
        assert!(Timestamp::now().duration_since(begun).as_secs() < 10);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    desk.cards.set_inserted("company", false).unwrap();
    std::fs::remove_file(&hold).unwrap();
    desk.shows("#message", &["卡片已被取出", "請重新插入卡片"]).await.unwrap();
    end(desk).await;
}
