//! Figures 1 to 19 of the manual of 112 (國民身分證領補換資料查驗作業API介接服務作業手冊), each by
//! its number: the labels in their order, what comes next, and what is stored (#5, A1 to A10, A20).

use crate::figures::*;
use browser_tests::Desk;
use fantoccini::Locator;
use jiff::Timestamp;
use test_pki::demo::{COMPANY, pem};
use test_pki::pki_set::Company;

#[tokio::test(flavor = "multi_thread")]
async fn figure_01_notice() {
    let desk = begin("figure-01").await;
    desk.at_notice().await.unwrap();
    let notice =
        std::fs::read_to_string(http_tests::project().join("static/legal/notice/112.html"));
    let notice = notice.unwrap();
    let points: Vec<&str> = notice.lines().filter_map(|line| line.strip_prefix("<li>")).collect();
    let points: Vec<&str> = points.iter().map(|line| line.split('<').next().unwrap()).collect();
    assert_eq!(points.len(), 14);
    let title = "國民身分證領補換資料查驗作業 API 介接服務申請注意事項";
    desk.shows("#notice", &[&[title][..], &points].concat()).await.unwrap();
    assert_eq!(buttons(&desk, "#notice").await, ["我已閱讀完成，下一步"]);
    desk.shots("notice").await.unwrap();
    desk.click("#notice-read").await.unwrap();
    desk.text("#sign-in").await.unwrap();
    finish(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_02_sign_in() {
    let desk = begin("figure-02").await;
    desk.at_sign_in().await.unwrap();
    let rows = [
        SERVICE,
        "1. 單位資料",
        "標註星號(*)表示此欄位必須填寫",
        "營利事業統一編號：",
        "工商憑證密碼 (PIN CODE)：",
        "※ 如需使用工商憑證，請使用者務必下載安裝",
        "目前不支援行動裝置",
        "https://moeaca.nat.gov.tw",
    ];
    desk.shows("#sign-in", &rows).await.unwrap();
    assert_eq!(buttons(&desk, "#sign-in").await, ["查詢", "清除"]);
    desk.shots("sign-in").await.unwrap();
    desk.signs_in(COMPANY.1).await.unwrap();
    desk.text("#kind").await.unwrap();
    let spent = "SELECT count(*) FROM challenges WHERE purpose = 'sign-in' AND used_at IS NOT NULL";
    assert_eq!(desk.stored(spent).unwrap(), "1");
    finish(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_03_first_application() {
    let desk = begin("figure-03").await;
    at_kinds(&desk, &["API申請"]).await;
    desk.click("#kind-form [data-back]").await.unwrap();
    desk.text("#sign-in").await.unwrap();
    finish(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_04_form() {
    let desk = begin("figure-04").await;
    desk.at_form("api-application").await.unwrap();
    desk.shows("#form", &FORM).await.unwrap();
    desk.shows(
        "#form",
        &["我已詳閱並同意遵守國民身分證領補換資料查驗作業API介接服務管理規範。", "※"],
    )
    .await
    .unwrap();
    assert_eq!(desk.value("companyName").await.unwrap(), COMPANY.0);
    assert_eq!(buttons(&desk, "#application-form").await, ["清除", "申請", "返回"]);
    // Nothing filled in: every field says what to do, and the summary has the focus.
    desk.click("#apply-button").await.unwrap();
    desk.shows(
        "#message",
        &["連線主機網路位址", "聯絡人", "市話", "電子信箱", "使用目的/原因", "我已詳閱"],
    )
    .await
    .unwrap();
    let focused = desk.client.execute("return document.activeElement.id", vec![]).await.unwrap();
    assert_eq!(focused, "message");
    desk.says("#email-error", "此欄位必須填寫").await.unwrap();
    desk.shots("errors").await.unwrap();
    desk.fills_in().await.unwrap();
    desk.agrees().await.unwrap();
    desk.shots("form").await.unwrap();
    assert_eq!(desk.stored("SELECT count(*) FROM cases").unwrap(), "0");
    finish(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_05_rules() {
    let desk = begin("figure-05").await;
    desk.at_form("api-application").await.unwrap();
    let locked = "return document.getElementById('agreed').disabled";
    assert_eq!(desk.client.execute(locked, vec![]).await.unwrap(), true);
    desk.click("#open-rules").await.unwrap();
    let rules = std::fs::read_to_string(http_tests::project().join("static/legal/rules/112.html"));
    let rules = rules.unwrap();
    let points: Vec<&str> = rules.lines().filter_map(|line| line.strip_prefix("<li>")).collect();
    let points: Vec<&str> = points.iter().map(|line| line.split('<').next().unwrap()).collect();
    assert_eq!(points.len(), 9);
    let title = "國民身分證領補換資料查驗作業API介接服務管理規範";
    desk.shows("#rules", &[&[title][..], &points].concat()).await.unwrap();
    desk.shots("rules").await.unwrap();
    desk.click("#rules-read").await.unwrap();
    desk.until("return !document.getElementById('agreed').disabled").await.unwrap();
    desk.fills_in().await.unwrap();
    desk.click("#agreed").await.unwrap();
    desk.sends().await.unwrap();
    // Version and digest are in what was signed, and kept.
    let kept = desk.stored("SELECT rules_version || ' ' || rules_sha256 FROM api_forms").unwrap();
    let digest = domain::Edition::Of112.terms(domain::Document::Rules).sha256;
    assert_eq!(kept, format!("112 {digest}"));
    finish(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_06_confirmation() {
    let desk = begin("figure-06").await;
    desk.at_form("api-application").await.unwrap();
    desk.fills_in().await.unwrap();
    desk.agrees().await.unwrap();
    desk.click("#apply-button").await.unwrap();
    let rows = [
        "訊息",
        "請確認資料是否輸入正確?",
        "申請事項：",
        "API申請",
        "公司名稱：",
        COMPANY.0,
        "營利事業統一編號：",
        COMPANY.1,
        "連線主機網路位址：",
        "127.0.0.1",
        "聯絡人：",
        "王測試",
        "聯絡電話：",
        "(02)12345678#12",
        "電子信箱：",
        "clerk@example.com.tw",
        "使用目的/原因：",
        "洗錢防制法",
        "申請注意事項112年版、服務管理規範112年版",
    ];
    desk.shows("#confirm", &rows).await.unwrap();
    assert_eq!(buttons(&desk, "#confirm").await, ["確定", "取消"]);
    desk.shots("confirm").await.unwrap();
    // 取消 keeps the data (A5).
    desk.click("#confirm-no").await.unwrap();
    assert_eq!(desk.value("email").await.unwrap(), "clerk@example.com.tw");
    assert_eq!(desk.stored("SELECT count(*) FROM cases").unwrap(), "0");
    let receipt = desk.sends().await.unwrap();
    // What was confirmed is what was signed.
    let signed = desk.stored("SELECT hex(signed_data) FROM applications").unwrap();
    let message = hex::decode(signed).unwrap();
    let text = String::from_utf8_lossy(&message).into_owned();
    assert!(text.contains("clerk@example.com.tw") && receipt.contains("已受理"));
    finish(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_07_receipt() {
    let desk = begin("figure-07").await;
    desk.at_form("api-application").await.unwrap();
    desk.fills_in().await.unwrap();
    desk.agrees().await.unwrap();
    let receipt = desk.sends().await.unwrap();
    desk.shows("#receipt", &[&[SERVICE][..], &RECEIPT].concat()).await.unwrap();
    let rows = [
        COMPANY.0,
        COMPANY.1,
        "(市話) (02)12345678#12 (手機) 0912345678",
        "clerk@example.com.tw",
        "API申請",
        "127.0.0.1",
        "依洗錢防制法第十條",
        "已受理",
    ];
    desk.shows("#receipt-sheet", &rows).await.unwrap();
    assert!(is_roc_time(&receipt, "申請日期："), "{receipt}");
    let id = desk.stored("SELECT id FROM cases WHERE state = 'accepted'").unwrap();
    assert!(receipt.contains(&id));
    assert_eq!(buttons(&desk, "#receipt").await, ["列印", "進度查詢"]);
    desk.shots("receipt").await.unwrap();
    finish(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_08_later_applications() {
    let desk = begin("figure-08").await;
    desk.approved().unwrap();
    at_kinds(&desk, &["憑證上傳", "登錄資料修改", "API停用"]).await;
    finish(desk).await;
}

/// A kind of an approved account leads to the form with what is on file.
async fn chosen(desk: &Desk, kind: &str) {
    desk.approved().unwrap();
    at_kinds(desk, &["憑證上傳", "登錄資料修改", "API停用"]).await;
    let select = desk.client.find(Locator::Id("kind-select")).await.unwrap();
    select.select_by_label(kind).await.unwrap();
    desk.shots("chosen").await.unwrap();
    desk.click("#kind-form button[type=submit]").await.unwrap();
    desk.shows("#form", &FORM).await.unwrap();
    for (field, kept) in [
        ("companyName", COMPANY.0),
        ("hostAddress", "127.0.0.1"),
        ("contactName", "王測試"),
        ("landline", "(02)12345678#123"),
        ("mobile", "0912345678"),
        ("email", "clerk@example.com.tw"),
    ] {
        assert_eq!(desk.value(field).await.unwrap(), kept, "{field}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_09_certificate_upload() {
    let desk = begin("figure-09").await;
    chosen(&desk, "憑證上傳").await;
    desk.shows(
        "#form",
        &["4. 憑證資料", "非IC卡憑證：", "(*.cer憑證檔案須以Base64編碼)", "工商憑證密碼"],
    )
    .await
    .unwrap();
    finish(desk).await;
}

/// At the form of an upload, filled in.
async fn upload(desk: &Desk) {
    desk.approved().unwrap();
    desk.at_form("certificate-upload").await.unwrap();
    desk.fill("#reason", "上傳非IC卡憑證").await.unwrap();
    desk.chooses(&desk.demo.company_certificate_file).await.unwrap();
    desk.agrees().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_10_upload_form() {
    let desk = begin("figure-10").await;
    upload(&desk).await;
    // What was seen in the file, before it is sent.
    let rows = [
        "檔案內的憑證：",
        "憑證檔案：",
        "憑證主體：",
        COMPANY.0,
        "憑證簽發者：",
        "憑證序號：",
        "有效起始日期：",
        "有效迄止日期：",
    ];
    desk.shows("#preview", &rows).await.unwrap();
    desk.shots("upload").await.unwrap();
    // A wrong file is told at once.
    desk.chooses(&desk.demo.company_key_file).await.unwrap();
    desk.says("#certificateFile-error", "私密金鑰，未送出").await.unwrap();
    let asked = "return performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('previews')).length";
    assert_eq!(desk.client.execute(asked, vec![]).await.unwrap(), 1, "the key never left");
    desk.shots("private-key").await.unwrap();
    // It stays refused, with its own reason, whatever else is asked.
    desk.click("#apply-button").await.unwrap();
    desk.shows("#message", &["非IC卡憑證", "私密金鑰，未送出"]).await.unwrap();
    // Dropped instead of chosen.
    let pem = std::fs::read_to_string(&desk.demo.company_certificate_file).unwrap();
    let script = "const data = new DataTransfer(); data.items.add(new File([arguments[0]], 'dropped.cer'));
        document.getElementById('drop').dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }))";
    desk.client.execute(script, vec![pem.into()]).await.unwrap();
    desk.says("#preview", "dropped.cer").await.unwrap();
    desk.says("#preview", COMPANY.0).await.unwrap();
    assert_eq!(desk.text("#certificateFile-error").await.unwrap_or_default(), "");
    assert_eq!(desk.stored("SELECT count(*) FROM certificates").unwrap(), "0");
    finish(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_11_upload_confirmation() {
    let desk = begin("figure-11").await;
    upload(&desk).await;
    desk.says("#preview", COMPANY.0).await.unwrap();
    desk.click("#apply-button").await.unwrap();
    let rows = [
        "請確認資料是否輸入正確?",
        "憑證上傳",
        COMPANY.1,
        "上傳非IC卡憑證",
        "憑證檔案：",
        "憑證序號：",
    ];
    desk.shows("#confirm", &rows).await.unwrap();
    desk.shots("confirm").await.unwrap();
    desk.click("#confirm-no").await.unwrap();
    assert_eq!(desk.stored("SELECT count(*) FROM certificates").unwrap(), "0");
    desk.says("#preview", COMPANY.0).await.unwrap();
    finish(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_12_uploaded() {
    let desk = begin("figure-12").await;
    upload(&desk).await;
    let receipt = desk.sends().await.unwrap();
    let rows =
        ["申請事由：", "上傳憑證", "申請日期：", "isskey", "申請結果：", "上傳成功", "S/N："];
    desk.shows("#receipt-sheet", &rows).await.unwrap();
    let (_, iss_key) = receipt.split_once("isskey：").unwrap();
    let iss_key: String = iss_key.trim_start().chars().take(32).collect();
    assert!(iss_key.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{iss_key}");
    desk.shots("receipt").await.unwrap();
    let kept = "SELECT count(*) FROM certificates JOIN cases ON cases.id = case_id WHERE state = 'uploaded'";
    assert_eq!(desk.stored(kept).unwrap(), "1");
    // Another one, while the former is used on: the day is confirmed, kept, and shown.
    let next = desk.issued(Company::system(COMPANY.0, COMPANY.1)).unwrap();
    let file = desk.dir.join("next.cer");
    std::fs::write(&file, pem("CERTIFICATE", &next.certificate)).unwrap();
    desk.at_form("certificate-upload").await.unwrap();
    desk.fill("#reason", "換發憑證").await.unwrap();
    desk.chooses(&file).await.unwrap();
    desk.text("#former-row").await.unwrap();
    let today = domain::TAIPEI.to_datetime(Timestamp::now()).date();
    let put = "document.getElementById('formerUntil').value = arguments[0]";
    desk.agrees().await.unwrap();
    // Too late a day is told before the card is asked.
    let late = today.checked_add(jiff::Span::new().days(91)).unwrap();
    desk.client.execute(put, vec![late.to_string().into()]).await.unwrap();
    desk.click("#apply-button").await.unwrap();
    desk.shows("#message", &["原憑證續用至", "90天內"]).await.unwrap();
    let last = today.checked_add(jiff::Span::new().days(7)).unwrap();
    desk.client.execute(put, vec![last.to_string().into()]).await.unwrap();
    // Right again, it says so at once.
    let typed = "document.getElementById('formerUntil').dispatchEvent(new Event('input', { bubbles: true }))";
    desk.client.execute(typed, vec![]).await.unwrap();
    desk.until("return document.getElementById('formerUntil-error').textContent === ''")
        .await
        .unwrap();
    desk.shots("renewal").await.unwrap();
    desk.click("#apply-button").await.unwrap();
    desk.shows("#confirm", &["原憑證續用至：", &domain::RocDay(last).to_string()]).await.unwrap();
    desk.click("#confirm-yes").await.unwrap();
    desk.says("#receipt-sheet", "上傳成功").await.unwrap();
    let end = domain::TAIPEI.to_timestamp(last.tomorrow().unwrap().into()).unwrap();
    let kept = "SELECT replaced_at FROM certificates WHERE replaced_at IS NOT NULL";
    assert_eq!(desk.stored(kept).unwrap(), end.as_second().to_string());
    desk.at_progress().await.unwrap();
    let shown = format!("原憑證可續用至 {}，", domain::RocDay(last));
    desk.says("#former", &shown).await.unwrap();
    desk.shots("two-certificates").await.unwrap();
    finish(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_13_data_change() {
    let desk = begin("figure-13").await;
    chosen(&desk, "登錄資料修改").await;
    finish(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_14_data_change_form() {
    let desk = begin("figure-14").await;
    desk.approved().unwrap();
    desk.at_form("data-change").await.unwrap();
    let fixed =
        "return ['companyName', 'hostAddress', 'contactName', 'landline', 'mobile', 'email']
        .filter((name) => document.getElementById(name).readOnly)";
    assert_eq!(desk.client.execute(fixed, vec![]).await.unwrap(), serde_json::json!([]));
    desk.fill("#hostAddress", "127.0.0.116").await.unwrap();
    desk.fill("#reason", "連線主機網路位址IP修改").await.unwrap();
    desk.agrees().await.unwrap();
    desk.shots("form").await.unwrap();
    desk.click("#apply-button").await.unwrap();
    desk.shows("#confirm", &["登錄資料修改", "127.0.0.116", "連線主機網路位址IP修改"])
        .await
        .unwrap();
    finish(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_15_data_change_receipt() {
    let desk = begin("figure-15").await;
    desk.approved().unwrap();
    desk.at_form("data-change").await.unwrap();
    desk.fill("#hostAddress", "127.0.0.116").await.unwrap();
    desk.fill("#reason", "連線主機網路位址IP修改").await.unwrap();
    desk.agrees().await.unwrap();
    desk.sends().await.unwrap();
    desk.shows("#receipt-sheet", &RECEIPT).await.unwrap();
    desk.shows(
        "#receipt-sheet",
        &["登錄資料修改", "127.0.0.116", "連線主機網路位址IP修改", "已受理"],
    )
    .await
    .unwrap();
    desk.shots("receipt").await.unwrap();
    // On file until it is approved: the former address; then the new one.
    let address = "SELECT host_address FROM accounts";
    assert_eq!(desk.stored(address).unwrap(), "127.0.0.1");
    let id = desk.stored("SELECT id FROM cases WHERE kind = 'data-change'").unwrap();
    desk.decides(&id, "approve", "審核通過").unwrap();
    assert_eq!(desk.stored(address).unwrap(), "127.0.0.116");
    finish(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_16_stop() {
    let desk = begin("figure-16").await;
    chosen(&desk, "API停用").await;
    finish(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_17_stop_form() {
    let desk = begin("figure-17").await;
    desk.approved().unwrap();
    desk.at_form("api-stop").await.unwrap();
    desk.fill("#reason", "因應集團組織改造,公司名稱異動停用API服務").await.unwrap();
    desk.agrees().await.unwrap();
    desk.shows("#form", &FORM).await.unwrap();
    desk.shots("form").await.unwrap();
    desk.click("#apply-button").await.unwrap();
    desk.shows("#confirm", &["API停用", "因應集團組織改造"]).await.unwrap();
    finish(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_18_stop_receipt() {
    let desk = begin("figure-18").await;
    desk.approved().unwrap();
    desk.at_form("api-stop").await.unwrap();
    desk.fill("#reason", "因應集團組織改造,公司名稱異動停用API服務").await.unwrap();
    desk.agrees().await.unwrap();
    desk.sends().await.unwrap();
    desk.shows("#receipt-sheet", &RECEIPT).await.unwrap();
    desk.shows("#receipt-sheet", &["API停用", "因應集團組織改造", "已受理"]).await.unwrap();
    desk.shots("receipt").await.unwrap();
    let id = desk.stored("SELECT id FROM cases WHERE kind = 'api-stop'").unwrap();
    desk.decides(&id, "approve", "審核通過").unwrap();
    assert_eq!(desk.stored("SELECT status FROM accounts").unwrap(), "stopped");
    finish(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_19_case_under_way() {
    let desk = begin("figure-19").await;
    desk.applied(application("api-application")).unwrap();
    desk.at_sign_in().await.unwrap();
    desk.signs_in(COMPANY.1).await.unwrap();
    desk.shows("#message", &["[WARNING-02] 申請失敗", "尚有案件受理中！", "API介接服務進度查詢"])
        .await
        .unwrap();
    desk.shows("#sign-in", &["1. 單位資料", "營利事業統一編號：", "工商憑證密碼 (PIN CODE)："])
        .await
        .unwrap();
    desk.shots("warning").await.unwrap();
    assert_eq!(desk.stored("SELECT count(*) FROM cases").unwrap(), "1");
    desk.click("#message a").await.unwrap();
    desk.text("#sign-in-ubn").await.unwrap();
    assert!(desk.client.current_url().await.unwrap().path().starts_with("/query/"));
    finish(desk).await;
}
