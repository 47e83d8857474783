//! The figures of the manual of 108 (A14), each by its number.

use browser_tests::Desk;
use fantoccini::Locator;
use http_tests::project;
use serde_json::json;
use test_pki::client::form;
use test_pki::demo::COMPANY;

const SERVICE: &str = "國民身分證領補換資料查驗作業API介接服務";
/// The groups of a receipt, figures 4 to 6.
const RECEIPT: [&str; 12] = [
    "公司資訊",
    "公司名稱：",
    "營利事業統一編號：",
    "聯絡資訊",
    "聯絡電話：(市話)",
    "電子信箱：",
    "申請資訊",
    "申請事由：",
    "申請日期：",
    "連線主機網路位址：",
    "申請目的/原因",
    "申請結果：",
];

async fn begin(name: &str) -> Desk {
    let mut desk = Desk::start(name).await.unwrap();
    desk.restart(&["--variable", "edition=108"]).unwrap();
    desk
}

async fn end(desk: Desk) {
    desk.client.clone().close().await.unwrap();
}

/// The points of a legal text, as people read them.
fn points(text: &str) -> Vec<String> {
    let html = std::fs::read_to_string(project().join("static/legal").join(text)).unwrap();
    let lines = html.lines().filter_map(|line| line.strip_prefix("<li>"));
    lines.map(|line| line.split('<').next().unwrap().to_owned()).collect()
}

/// Fills in the one page and sends it; the receipt's text.
async fn applies(desk: &Desk, kind: &str, address: &str, reason: &str) -> String {
    desk.at_sign_in().await.unwrap();
    fills(desk, kind, address, reason).await;
    desk.agrees().await.unwrap();
    desk.sends().await.unwrap()
}

async fn fills(desk: &Desk, kind: &str, address: &str, reason: &str) {
    for (field, text) in [
        ("#companyName", COMPANY.0),
        ("#ubn", COMPANY.1),
        ("#hostAddress", address),
        ("#contactName", "王測試"),
        ("#landline", "(02)12345678"),
        ("#mobile", "0912345678"),
        ("#email", "clerk@example.com.tw"),
        ("#reason", reason),
    ] {
        desk.fill(field, text).await.unwrap();
    }
    let select = desk.client.find(Locator::Id("kind")).await.unwrap();
    select.select_by_label(kind).await.unwrap();
}

fn approved(desk: &Desk) {
    let form = form("api-application", COMPANY.0, COMPANY.1, "127.0.0.1");
    desk.decides(&desk.applied(form).unwrap(), "approve", "核准申請").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_1_notice() {
    let desk = begin("108-figure-1").await;
    desk.at_notice().await.unwrap();
    let points = points("notice/108.html");
    assert_eq!(points.len(), 14);
    let mut rows = vec!["國民身分證領補換資料查驗作業API介接服務申請注意事項"];
    rows.extend(points.iter().map(String::as_str));
    rows.extend(["我已閱讀完成，下一步", "※ 請使用者務必下載安裝"]);
    desk.shows("#notice", &rows).await.unwrap();
    desk.shots("notice").await.unwrap();
    desk.click("#notice-read").await.unwrap();
    desk.text("#form").await.unwrap();
    end(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_2_form() {
    let desk = begin("108-figure-2").await;
    desk.at_sign_in().await.unwrap();
    let rows = [
        SERVICE,
        "公司名稱：",
        "營利事業統一編號：",
        "連線主機網路位址：",
        "聯絡人：",
        "聯絡電話：",
        "(市話)",
        "有分機(02)1234XXXX#12XX，無分機(02)1234XXXX",
        "(手機)",
        "參考格式：手機090000XXXX",
        "電子信箱：",
        "申請事項：",
        "使用目的/原因：",
        "憑證密碼 (PIN CODE)：",
        "我已詳閱並同意遵守線上申請國民身分證領補換資料查驗作業API介接服務管理規範。",
    ];
    desk.shows("#form", &rows).await.unwrap();
    let script = "return ['companyName', 'ubn', 'hostAddress', 'contactName', 'landline', 'mobile', 'email', 'reason']
        .map((id) => document.getElementById(id).placeholder)";
    let hints = desk.client.execute(script, vec![]).await.unwrap();
    let expected = [
        "請輸入公司名稱",
        "請輸入統一編號",
        "XX.XX.XX.XX",
        "請輸入聯絡人",
        "請輸入市話",
        "請輸入手機號碼",
        "請輸入電子信箱",
        "請輸入使用目的(原因)",
    ];
    assert_eq!(hints, json!(expected));
    desk.click("#apply-button").await.unwrap();
    desk.shows("#message", &["申請事項", "公司名稱", "連線主機網路位址"]).await.unwrap();
    desk.shots("errors").await.unwrap();
    // Kept on this device from the first field on: a closed tab, another day.
    desk.fill("#contactName", "王測試").await.unwrap();
    desk.at_sign_in().await.unwrap();
    desk.says("#message.good", "已帶入上次尚未送出的資料").await.unwrap();
    assert_eq!(desk.value("contactName").await.unwrap(), "王測試");
    fills(&desk, "API申請", "127.0.0.1", "依主管機關作業規定辦理").await;
    desk.agrees().await.unwrap();
    desk.shots("form").await.unwrap();
    desk.at_sign_in().await.unwrap();
    desk.says("#message.good", "已帶入上次尚未送出的資料").await.unwrap();
    for (field, kept) in
        [("ubn", COMPANY.1), ("kind", "api-application"), ("reason", "依主管機關作業規定辦理")]
    {
        assert_eq!(desk.value(field).await.unwrap(), kept);
    }
    // 清除 forgets it, and can be taken back.
    desk.click("#application-form button[type=reset]").await.unwrap();
    desk.click("#undo button").await.unwrap();
    assert_eq!(desk.value("kind").await.unwrap(), "api-application");
    desk.click("#application-form button[type=reset]").await.unwrap();
    desk.says("#message.good", "已清除").await.unwrap();
    desk.at_sign_in().await.unwrap();
    assert_eq!(desk.value("contactName").await.unwrap(), "");
    end(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_3_rules() {
    let desk = begin("108-figure-3").await;
    desk.at_sign_in().await.unwrap();
    desk.click("#open-rules").await.unwrap();
    let points = points("rules/108.html");
    assert_eq!(points.len(), 9);
    let mut rows = vec!["國民身分證領補換資料查驗作業API介接服務管理規範"];
    rows.extend(points.iter().map(String::as_str));
    desk.shows("#rules", &rows).await.unwrap();
    desk.shots("rules").await.unwrap();
    desk.click("#rules-read").await.unwrap();
    desk.until("return !document.getElementById('agreed').disabled").await.unwrap();
    end(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_4_receipt() {
    let desk = begin("108-figure-4").await;
    applies(&desk, "API申請", "127.0.0.1", "依主管機關作業規定辦理").await;
    desk.shows("#receipt", &[&[SERVICE][..], &RECEIPT].concat()).await.unwrap();
    let rows = [
        COMPANY.0,
        COMPANY.1,
        "(手機) 0912345678",
        "API申請",
        "127.0.0.1",
        "依主管機關作業規定辦理",
        "已受理",
    ];
    desk.shows("#receipt-sheet", &rows).await.unwrap();
    desk.shots("receipt").await.unwrap();
    let kept = "SELECT notice_version || rules_version FROM api_forms";
    assert_eq!(desk.stored(kept).unwrap(), "108108");
    end(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_5_address_change() {
    let desk = begin("108-figure-5").await;
    approved(&desk);
    applies(&desk, "更改連線主機網路位址", "127.0.0.9", "機房搬遷，主機網路位址變更").await;
    desk.shows("#receipt-sheet", &RECEIPT).await.unwrap();
    let rows = ["更改連線主機網路位址", "127.0.0.9", "機房搬遷，主機網路位址變更", "已受理"];
    desk.shows("#receipt-sheet", &rows).await.unwrap();
    desk.shots("receipt").await.unwrap();
    let id = desk.stored("SELECT id FROM cases WHERE kind = 'address-change'").unwrap();
    desk.decides(&id, "approve", "核准申請").unwrap();
    assert_eq!(desk.stored("SELECT host_address FROM accounts").unwrap(), "127.0.0.9");
    end(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_6_stop() {
    let desk = begin("108-figure-6").await;
    approved(&desk);
    applies(&desk, "API停用", "127.0.0.1", "系統停用").await;
    desk.shows("#receipt-sheet", &RECEIPT).await.unwrap();
    desk.shows("#receipt-sheet", &["API停用", "系統停用", "已受理"]).await.unwrap();
    desk.shots("receipt").await.unwrap();
    assert_eq!(desk.stored("SELECT count(*) FROM cases WHERE kind = 'api-stop'").unwrap(), "1");
    end(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_7_progress_query() {
    let desk = begin("108-figure-7").await;
    desk.open("/query/").await.unwrap();
    let rows = [
        "國民身分證領補換資料查驗作業API介接服務案件進度查詢作業",
        "營利事業統一編號：",
        "憑證密碼 (PIN CODE)：",
        "清除",
        "查詢",
        "返回",
        "※ 請使用者務必下載安裝",
    ];
    desk.shows("main", &rows).await.unwrap();
    desk.shots("sign-in").await.unwrap();
    end(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_8_result() {
    let desk = begin("108-figure-8").await;
    approved(&desk);
    let change = form("address-change", COMPANY.0, COMPANY.1, "127.0.0.9");
    desk.decides(&desk.applied(change).unwrap(), "approve", "核准申請").unwrap();
    desk.at_progress().await.unwrap();
    assert_eq!(
        desk.text("#account-sheet").await.unwrap().replace('\n', ""),
        format!("營利事業統一編號：{}", COMPANY.1)
    );
    assert!(desk.text("#count").await.unwrap().contains("計2筆申請資料"));
    let rows = [
        "更改連線主機網路位址",
        "127.0.0.9",
        "案件狀態",
        "核准",
        "審核日期：",
        "審核結果：",
        "核准申請",
    ];
    desk.shows("#cases > :nth-child(1)", &rows).await.unwrap();
    let rows = [
        "API申請",
        "案件狀態",
        "核准",
        "審核結果：",
        "核准申請",
        "機關帳號：",
        "Iss Key：",
        "↓ 操作文件下載",
    ];
    desk.shows("#cases > :nth-child(2)", &rows).await.unwrap();
    desk.click("button[aria-label='顯示機關帳號']").await.unwrap();
    let ap_id = desk.stored("SELECT ap_id FROM accounts").unwrap();
    desk.says("#cases > :nth-child(2)", &ap_id).await.unwrap();
    desk.shots("result").await.unwrap();
    end(desk).await;
}

/// The pages of one edition are not those of the other, by whatever address.
#[tokio::test(flavor = "multi_thread")]
async fn an_agency_is_pointed_elsewhere_and_pages_are_of_one_edition() {
    let desk = begin("108-agency").await;
    desk.open("/apply/").await.unwrap();
    desk.shows("#agency", &["貴單位是公務機關嗎？", "否", "是", "下一步"]).await.unwrap();
    desk.click("#agency-form button").await.unwrap();
    desk.says("#agency-error", "請選擇").await.unwrap();
    desk.shots("asked").await.unwrap();
    desk.click("#agency-yes").await.unwrap();
    desk.click("#agency-form button").await.unwrap();
    desk.says("#elsewhere", "公務機關請另向內政部申請機關連結作業").await.unwrap();
    desk.shots("elsewhere").await.unwrap();
    desk.open("/108/apply/").await.unwrap();
    desk.says("main", "查無此頁").await.unwrap();
    end(desk).await;
}
