//! 憑證IC卡停復用, step by step as the CA's manual shows it (B1–B3), and what may go wrong there.

use browser_tests::Desk;
use fantoccini::Locator;
use test_pki::demo::{CARD_EMAIL, CARD_NUMBERS, COMPANY, USER_CODE};

const NUMBER: &str = CARD_NUMBERS[0];
const SENT: &str = "#change-form button[type=submit]";

async fn close(desk: Desk) {
    desk.client.clone().close().await.unwrap();
}

/// The page, by the front page's menu.
async fn at_page(desk: &Desk) {
    desk.open("/").await.unwrap();
    desk.click("a[href='/suspend/']").await.unwrap();
    desk.shows("main", &["憑證IC卡作業 › 憑證IC卡停復用", "憑證停用/復用"]).await.unwrap();
}

async fn fills_in(desk: &Desk, act: &str, number: &str) {
    let select = desk.client.find(Locator::Id("act")).await.unwrap();
    select.select_by_value(act).await.unwrap();
    desk.fill("#cardNumber", number).await.unwrap();
}

/// 作業類別, 卡號 and 用戶代碼 are filled in.
async fn at_code(desk: &Desk, act: &str, code: &str) {
    at_page(desk).await;
    fills_in(desk, act, NUMBER).await;
    desk.click(SENT).await.unwrap();
    desk.fill("#userCode", code).await.unwrap();
}

async fn sends(desk: &Desk, act: &str, code: &str) {
    at_code(desk, act, code).await;
    desk.says(SENT, "傳送資料").await.unwrap();
    desk.click(SENT).await.unwrap();
}

fn state(desk: &Desk) -> String {
    desk.stored("SELECT state FROM cards WHERE number = 'MT00000000000001'").unwrap()
}

async fn is_found(desk: &Desk, state: &str) {
    desk.click("#result a[href='/status/']").await.unwrap();
    desk.fill("#value", NUMBER).await.unwrap();
    desk.click("#status-form button[type=submit]").await.unwrap();
    desk.shows("#found", &["查詢時間：", "卡號", "憑證狀態", NUMBER, state]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn step_1_the_front_page() {
    let desk = Desk::start("suspend-step-1").await.unwrap();
    desk.open("/").await.unwrap();
    let words = ["憑證IC卡作業", "憑證IC卡停復用", "憑證狀態服務", "憑證查詢及下載"];
    desk.shows("main", &words).await.unwrap();
    desk.shots("home").await.unwrap();
    close(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_2_and_3_the_menu_leads_to_the_page() {
    let desk = Desk::start("suspend-step-3").await.unwrap();
    at_page(&desk).await;
    desk.shows("#change", &["作業類別：", "卡號：", "附註說明"]).await.unwrap();
    // The code is asked for once the card is known to be one of ours.
    assert!(!desk.page_text().await.unwrap().contains("用戶代碼："));
    desk.shots("page").await.unwrap();
    close(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn step_4_operation_card_number_and_user_code() {
    let desk = Desk::start("suspend-step-4").await.unwrap();
    at_page(&desk).await;
    desk.click(SENT).await.unwrap();
    desk.says("#message", "資料有誤").await.unwrap();
    desk.shows("#change-form", &["請選擇其中一項", "此欄位必須填寫"]).await.unwrap();
    fills_in(&desk, "suspend", "MT1").await;
    desk.click(SENT).await.unwrap();
    desk.says("#cardNumber-error", "16個字元").await.unwrap();
    desk.shots("errors").await.unwrap();
    at_code(&desk, "suspend", "short").await;
    desk.click(SENT).await.unwrap();
    desk.says("#userCode-error", "6至10個字元").await.unwrap();
    // Nothing typed is lost, and the code is shown to nobody.
    assert_eq!(desk.value("cardNumber").await.unwrap(), NUMBER);
    let shown = "return document.getElementById('userCode').type";
    assert_eq!(desk.client.execute(shown, vec![]).await.unwrap(), "password");
    let rows = ["作業類別：", "卡號：", "用戶代碼：", "傳送資料", "清除"];
    desk.shows("#change-form", &rows).await.unwrap();
    desk.shots("filled-in").await.unwrap();
    assert_eq!(state(&desk), "valid");
    close(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_5_and_6_sent_and_answered() {
    let desk = Desk::start("suspend-step-6").await.unwrap();
    sends(&desk, "suspend", USER_CODE).await;
    let rows = [
        "回傳訊息",
        "暫停使用成功",
        "作業類別：",
        "暫停使用",
        "卡號：",
        NUMBER,
        "憑證狀態：",
        "停用",
        "本服務：",
        "本服務已生效",
        "其他應用系統：",
        "憑證廢止清冊將於 24:00 後公布",
    ];
    desk.shows("#result", &rows).await.unwrap();
    desk.shots("result").await.unwrap();
    assert_eq!(state(&desk), "held");
    is_found(&desk, "停用").await;
    desk.says("#cards", "將於 24:00 後公布").await.unwrap();
    desk.shots("status").await.unwrap();
    close(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn resumption_steps_1_to_6() {
    let desk = Desk::start("resume-step-6").await.unwrap();
    sends(&desk, "suspend", USER_CODE).await;
    desk.says("#outcome", "暫停使用成功").await.unwrap();
    publishes(&desk, None).unwrap();
    at_code(&desk, "resume", USER_CODE).await;
    desk.shots("filled-in").await.unwrap();
    desk.click(SENT).await.unwrap();
    let rows =
        ["回傳訊息", "恢復使用成功", "恢復使用", "有效", "本服務已生效", "移除停用狀態並公布"];
    desk.shows("#result", &rows).await.unwrap();
    desk.shots("result").await.unwrap();
    assert_eq!(state(&desk), "valid");
    is_found(&desk, "有效").await;
    // Only a suspended card is resumed.
    sends(&desk, "resume", USER_CODE).await;
    desk.says("#message", "此卡目前為有效").await.unwrap();
    close(desk).await;
}

/// A card that is suspended and resumed between two lists is in none: no list is announced.
#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_no_list_names_waits_for_none() {
    let desk = Desk::start("resume-unlisted").await.unwrap();
    publishes(&desk, None).unwrap();
    sends(&desk, "suspend", USER_CODE).await;
    desk.says("#result", "憑證廢止清冊將於 24:00 後公布").await.unwrap();
    sends(&desk, "resume", USER_CODE).await;
    desk.shows("#result", &["本服務已生效", "憑證廢止清冊未列入此卡，不受影響"]).await.unwrap();
    assert!(!desk.page_text().await.unwrap().contains("24:00"));
    is_found(&desk, "有效").await;
    desk.says("#cards", "未列入").await.unwrap();
    close(desk).await;
}

/// Whoever signs with a suspended card of ours is shown where it is resumed, at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_card_is_sent_to_its_resumption() {
    let desk = Desk::start("suspended-sign-in").await.unwrap();
    sends(&desk, "suspend", USER_CODE).await;
    desk.says("#outcome", "暫停使用成功").await.unwrap();
    desk.at_sign_in().await.unwrap();
    desk.signs_in(COMPANY.1).await.unwrap();
    desk.shows("#message", &["此卡停用中", "在本服務立即生效"]).await.unwrap();
    desk.says("#message a[href='/suspend/#resume']", "憑證IC卡停復用").await.unwrap();
    desk.shots("message").await.unwrap();
    desk.open("/suspend/#resume").await.unwrap();
    assert_eq!(desk.value("act").await.unwrap(), "resume");
    sends(&desk, "resume", USER_CODE).await;
    desk.says("#outcome", "恢復使用成功").await.unwrap();
    desk.at_kind().await.unwrap();
    close(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_cas_card_is_sent_there_without_a_code() {
    let desk = Desk::start("suspend-elsewhere").await.unwrap();
    at_page(&desk).await;
    fills_in(&desk, "suspend", "TP00000000000001").await;
    desk.click(SENT).await.unwrap();
    desk.shows("#elsewhere", &["不需要也不會詢問該卡的用戶代碼", "內政部憑證管理中心"])
        .await
        .unwrap();
    assert!(!desk.page_text().await.unwrap().contains("用戶代碼："));
    desk.shots("elsewhere").await.unwrap();
    close(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_wrong_codes_and_the_way_back_by_the_card() {
    let desk = Desk::start("suspend-locked").await.unwrap();
    at_page(&desk).await;
    fills_in(&desk, "suspend", NUMBER).await;
    desk.click(SENT).await.unwrap();
    for words in ["卡號或用戶代碼不符", "卡號或用戶代碼不符", "卡號或用戶代碼不符", "已鎖定"]
    {
        desk.fill("#userCode", "wrong-1").await.unwrap();
        desk.click(SENT).await.unwrap();
        desk.says("#message", words).await.unwrap();
        assert_eq!(desk.value("userCode").await.unwrap(), "");
    }
    desk.says("#locked", "插卡解除鎖定").await.unwrap();
    desk.shots("locked").await.unwrap();
    desk.click("#unlock").await.unwrap();
    desk.says("#message.good", "已解除用戶代碼鎖定").await.unwrap();
    desk.shots("unlocked").await.unwrap();
    desk.fill("#userCode", USER_CODE).await.unwrap();
    desk.click(SENT).await.unwrap();
    desk.says("#outcome", "暫停使用成功").await.unwrap();
    close(desk).await;
}

/// Publishes the lists, into this folder too.
fn publishes(desk: &Desk, folder: Option<&str>) -> anyhow::Result<String> {
    let path = |name: &str| desk.dir.join(name).display().to_string();
    let (trust, key) = (path("trust-store.json"), path("ca/MOEACA-G3.key"));
    let mut arguments = vec!["crl", "--trust", &trust, "--key-file", &key];
    arguments.extend(folder.into_iter().flat_map(|folder| ["--folder", folder]));
    desk.chayan(&arguments)
}

/// A signer that fails is told on the page, beside the lists that stand.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_night_is_told() {
    let desk = Desk::start("failed-night").await.unwrap();
    publishes(&desk, None).unwrap();
    // No folder can be made in a file.
    let file = desk.dir.join("trust-store.json").display().to_string();
    publishes(&desk, Some(&file)).unwrap_err();
    desk.open("/status/").await.unwrap();
    desk.says("#failed", "昨夜公布未完成").await.unwrap();
    desk.says("#lists", "/crl/MOEACA-G3/complete.crl").await.unwrap();
    desk.shots("status").await.unwrap();
    close(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn status_by_each_condition() {
    let desk = Desk::start("card-status").await.unwrap();
    publishes(&desk, None).unwrap();
    desk.open("/").await.unwrap();
    desk.click("a[href='/status/']").await.unwrap();
    desk.says("#lists", "/crl/MOEACA-G3/complete.crl").await.unwrap();
    for (by, value, found) in [
        ("companyName", COMPANY.0, "MT**********0001"),
        ("ubn", COMPANY.1, "MT**********0003"),
        ("email", CARD_EMAIL, "MG**********0002"),
        ("cardNumber", NUMBER, NUMBER),
    ] {
        let select = desk.client.find(Locator::Id("by")).await.unwrap();
        select.select_by_value(by).await.unwrap();
        desk.fill("#value", value).await.unwrap();
        desk.click("#status-form button[type=submit]").await.unwrap();
        desk.shows("#found", &[found, "有效"]).await.unwrap();
    }
    desk.shots("found").await.unwrap();
    desk.fill("#value", "MT00000000000009").await.unwrap();
    desk.click("#status-form button[type=submit]").await.unwrap();
    desk.says("#none", "查無符合條件").await.unwrap();
    desk.shots("none").await.unwrap();
    desk.fill("#value", "MT").await.unwrap();
    desk.click("#status-form button[type=submit]").await.unwrap();
    desk.says("#value-error", "16個字元").await.unwrap();
    desk.shots("error").await.unwrap();
    close(desk).await;
}
