//! What the figures of the manual of 112 have in common.

use browser_tests::Desk;
use test_pki::client::form;
use test_pki::demo::{COMPANY, HOST_ADDRESS};

pub const SERVICE: &str = "國民身分證領補換資料查驗作業API介接服務";
/// The rows of the form, figure 4.
pub const FORM: [&str; 21] = [
    SERVICE,
    "1. 單位資料",
    "標註星號(*)表示此欄位必須填寫",
    "公司名稱：",
    "營利事業統一編號：",
    "連線主機網路位址：",
    "(一個營利事業統一編號僅能申請使用一個連線主機網路位址)",
    "2. 聯絡人資料",
    "聯絡人：",
    "聯絡電話：",
    "(市話)",
    "有分機(02)1234XXXX#12XX，無分機(02)1234XXXX",
    "(手機)",
    "參考格式：手機090000XXXX",
    "電子信箱：",
    "3. 申請目的/原因",
    "使用目的/原因：",
    "(依何法規、條款需查驗身分證，字數限制350字)",
    "4. 憑證資料",
    "工商憑證密碼 (PIN CODE)：",
    "5. 服務管理規範",
];
/// The rows of a receipt, figure 7.
pub const RECEIPT: [&str; 10] = [
    "公司名稱：",
    "營利事業統一編號：",
    "聯絡電話：",
    "電子信箱：",
    "申請事由：",
    "申請日期：",
    "連線主機網路位址：",
    "申請目的/原因：",
    "申請結果：",
    "S/N：",
];
/// The groups of a case, figures 21 to 28.
pub const CASE: [&str; 11] = [
    "公司資訊",
    "公司名稱：",
    "營利事業統一編號：",
    "聯絡資訊",
    "聯絡電話：(市話)",
    "電子信箱：",
    "申請資訊",
    "申請事項：",
    "申請日期：",
    "連線主機網路位址：",
    "申請目的/原因",
];

pub async fn begin(name: &str) -> Desk {
    Desk::start(name).await.unwrap()
}

pub async fn finish(desk: Desk) {
    desk.client.clone().close().await.unwrap();
}

/// The buttons that are shown in a section, in their order.
pub async fn buttons(desk: &Desk, css: &str) -> Vec<String> {
    let script = "return [...document.querySelectorAll(arguments[0] + ' .buttons button, ' + arguments[0] + ' .buttons a')]
        .filter((button) => button.checkVisibility()).map((button) => button.innerText)";
    let found = desk.client.execute(script, vec![css.into()]).await.unwrap();
    serde_json::from_value(found).unwrap()
}

pub fn application(kind: &str) -> serde_json::Value {
    form(kind, COMPANY.0, COMPANY.1, HOST_ADDRESS)
}

/// Nothing but a date as `112/11/17 14:35:04` after this label.
pub fn is_roc_time(shown: &str, label: &str) -> bool {
    let (_, rest) = shown.split_once(label).unwrap();
    let text: String = rest.trim_start().chars().take(18).collect();
    let shape: String = text
        .chars()
        .map(|character| if character.is_ascii_digit() { '0' } else { character })
        .collect();
    shape == "000/00/00 00:00:00"
}

/// A case of a kind in the list of 進度查詢, with these words behind 案件狀態.
pub async fn listed(desk: &Desk, place: usize, kind: &str, state: &[&str]) -> String {
    let css = format!("#cases > :nth-child({place})");
    desk.shows(&css, &CASE).await.unwrap();
    let shown =
        desk.shows(&css, &[&["申請事項：", kind, "案件狀態"], state].concat()).await.unwrap();
    assert!(is_roc_time(&shown, "申請日期："), "{shown}");
    shown
}

/// The kinds that are offered, and the page around them.
pub async fn at_kinds(desk: &Desk, kinds: &[&str]) {
    desk.at_kind().await.unwrap();
    let rows = [
        SERVICE,
        "1. 單位資料",
        "標註星號(*)表示此欄位必須填寫",
        "營利事業統一編號：",
        COMPANY.1,
        "2. 申請事項",
        "申請事項：",
    ];
    desk.shows("#kind", &rows).await.unwrap();
    let script =
        "return [...document.querySelectorAll('#kind-select option')].map((option) => option.text)";
    let offered = desk.client.execute(script, vec![]).await.unwrap();
    assert_eq!(offered, serde_json::json!(kinds));
    assert_eq!(buttons(desk, "#kind").await, ["清除", "下一頁", "返回"]);
    desk.shots("kind").await.unwrap();
}
