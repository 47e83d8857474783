//! Figures 20 to 28 of the manual of 112: 進度查詢 and 取消申請 (#5, A11 to A13).

use crate::figures::*;
use browser_tests::Desk;
use fantoccini::Locator;
use jiff::{SignedDuration, Timestamp};
use test_pki::demo::COMPANY;

#[tokio::test(flavor = "multi_thread")]
async fn figure_20_progress_query() {
    let desk = begin("figure-20").await;
    desk.open("/query/").await.unwrap();
    let rows = [
        "國民身分證領補換資料查驗作業API介接服務案件進度查詢作業",
        "營利事業統一編號：",
        "工商憑證密碼 (PIN CODE)：",
        "查詢",
        "清除",
        "※ 如需使用工商憑證，請使用者務必下載安裝",
    ];
    desk.shows("main", &rows).await.unwrap();
    let path =
        "網路申辦服務 › 國民身分證 › 國民身分證領補換資料查驗作業API介接服務 › API介接服務進度查詢";
    assert_eq!(desk.text("nav.path").await.unwrap(), path);
    desk.shots("sign-in").await.unwrap();
    desk.signs_in(COMPANY.1).await.unwrap();
    desk.shows("#result", &["營利事業統一編號：", COMPANY.1, "查詢結果：計0筆申請資料"])
        .await
        .unwrap();
    finish(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_21_result() {
    let desk = begin("figure-21").await;
    let id = desk.applied(application("api-application")).unwrap();
    desk.decides(&id, "reject", "請敘明法規依據").unwrap();
    desk.applied(application("api-application")).unwrap();
    desk.at_progress().await.unwrap();
    let count = desk.text("#count").await.unwrap();
    assert!(
        count.contains("查詢結果：計2筆申請資料") && is_roc_time(&count, "查詢日期時間："),
        "{count}"
    );
    // Newest first.
    listed(&desk, 1, "API申請", &["受理中"]).await;
    listed(&desk, 2, "API申請", &["駁回"]).await;
    desk.shots("result").await.unwrap();
    finish(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_22_withdrawal() {
    let desk = begin("figure-22").await;
    desk.approved().unwrap();
    desk.applied(application("api-stop")).unwrap();
    desk.at_progress().await.unwrap();
    let shown =
        listed(&desk, 1, "API停用", &["受理中", "接下來：內政部審核中，預計於", "取消申請"]).await;
    assert!(shown.contains("還有23小時59分"), "{shown}");
    desk.shots("open").await.unwrap();
    desk.click("#cases button.danger").await.unwrap();
    desk.shows("#confirm", &["請確認是否取消申請?", "確定", "取消"]).await.unwrap();
    desk.shots("confirm").await.unwrap();
    desk.click("#confirm-no").await.unwrap();
    assert_eq!(desk.stored("SELECT count(*) FROM cases WHERE state = 'accepted'").unwrap(), "1");
    finish(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_23_too_late_to_withdraw() {
    let mut desk = begin("figure-23").await;
    desk.applied(application("api-application")).unwrap();
    let submitted: i64 = desk.stored("SELECT submitted_at FROM cases").unwrap().parse().unwrap();
    let submitted = Timestamp::from_second(submitted).unwrap();
    // A page that was open since before the end: the service refuses.
    desk.at(submitted + SignedDuration::from_secs(24 * 3600 - 5)).unwrap();
    desk.at_progress().await.unwrap();
    let late = desk.client.find(Locator::Css("#cases button.danger")).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(7)).await;
    late.click().await.unwrap();
    desk.click("#confirm-yes").await.unwrap();
    desk.says("#message", "24小時").await.unwrap();
    desk.shots("refused").await.unwrap();
    // After it: no button.
    desk.at_progress().await.unwrap();
    let shown = listed(&desk, 1, "API申請", &["受理中"]).await;
    assert!(!shown.contains("取消申請"), "{shown}");
    assert_eq!(buttons(&desk, "#cases").await, ["收執聯"]);
    desk.shots("no-button").await.unwrap();
    assert_eq!(desk.stored("SELECT state FROM cases").unwrap(), "accepted");
    finish(desk).await;
}

/// Withdraws the open case.
async fn withdraws(desk: &Desk) {
    desk.approved().unwrap();
    desk.applied(application("api-stop")).unwrap();
    desk.at_progress().await.unwrap();
    desk.click("#cases button.danger").await.unwrap();
    desk.click("#confirm-yes").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_24_withdrawn() {
    let desk = begin("figure-24").await;
    withdraws(&desk).await;
    desk.says("#message.good", "取消成功").await.unwrap();
    desk.shots("withdrawn").await.unwrap();
    assert_eq!(desk.stored("SELECT count(*) FROM audit_log WHERE act = 'cancelled'").unwrap(), "1");
    finish(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_25_withdrawn_case() {
    let desk = begin("figure-25").await;
    withdraws(&desk).await;
    desk.text("#message.good").await.unwrap();
    let shown = listed(&desk, 1, "API停用", &["已取消"]).await;
    assert!(!shown.contains("取消申請") && !shown.contains("接下來"), "{shown}");
    desk.shots("case").await.unwrap();
    // Nothing is in the way of another one.
    at_kinds(&desk, &["憑證上傳", "登錄資料修改", "API停用"]).await;
    finish(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_26_uploaded_case() {
    let desk = begin("figure-26").await;
    desk.uploaded().unwrap();
    desk.at_progress().await.unwrap();
    listed(&desk, 1, "上傳憑證", &["上傳成功"]).await;
    desk.shots("case").await.unwrap();
    finish(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_27_rejected_case() {
    let desk = begin("figure-27").await;
    let id = desk.applied(application("api-application")).unwrap();
    desk.decides(&id, "reject", "未敘明法規依據").unwrap();
    desk.at_progress().await.unwrap();
    let shown = listed(
        &desk,
        1,
        "API申請",
        &[
            "駁回",
            "審核日期：",
            "審核結果：",
            "未敘明法規依據",
            "接下來：請依審核結果修正後，重新申請。",
        ],
    )
    .await;
    assert!(is_roc_time(&shown, "審核日期："), "{shown}");
    desk.shots("case").await.unwrap();
    // Back to the start (A3).
    at_kinds(&desk, &["API申請"]).await;
    finish(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_28_approved_case() {
    let desk = begin("figure-28").await;
    desk.uploaded().unwrap();
    desk.at_progress().await.unwrap();
    let rows = [
        "公司名稱：",
        COMPANY.0,
        "營利事業統一編號：",
        COMPANY.1,
        "主機連線IP位址：",
        "127.0.0.1",
        "憑證序號：",
        "有效起始日期：",
        "有效迄止日期：",
        "啟用狀態：",
        "啟用",
        "isskey：",
        "apId：",
    ];
    let head = desk.shows("#account-sheet", &rows).await.unwrap();
    let (_, rest) = head.split_once("有效起始日期：").unwrap();
    assert!(rest.trim_start().bytes().take(7).all(|byte| byte.is_ascii_digit()), "{head}");
    desk.text("#count").await.unwrap();
    listed(&desk, 1, "上傳憑證", &["上傳成功"]).await;
    let shown = listed(
        &desk,
        2,
        "API申請",
        &["核准", "審核日期：", "審核結果：", "審核通過", "↓ 操作文件下載"],
    )
    .await;
    assert!(is_roc_time(&shown, "審核日期："), "{shown}");
    // Hidden until it is asked for, and to be copied.
    let ap_id = desk.stored("SELECT ap_id FROM accounts").unwrap();
    assert!(!head.contains(&ap_id) && head.contains("•••••"));
    desk.click("button[aria-label='顯示apId']").await.unwrap();
    desk.says("#account-sheet", &ap_id).await.unwrap();
    desk.permit("clipboard-write", "granted").await.unwrap();
    desk.permit("clipboard-read", "granted").await.unwrap();
    desk.click("button[aria-label='複製apId']").await.unwrap();
    desk.says("button[aria-label='複製apId']", "已複製").await.unwrap();
    let read = "const done = arguments[0];
        navigator.clipboard.readText().then(done, (error) => done(String(error)))";
    let copied = desk.client.execute_async(read, vec![]).await.unwrap();
    assert_eq!(copied, ap_id.as_str());
    desk.shots("result").await.unwrap();
    // The guide is this company's own.
    let script =
        "const done = arguments[0]; fetch(document.querySelector('#cases a[download]').href)
        .then((answer) => answer.text()).then(done)";
    let guide = desk.client.execute_async(script, vec![]).await.unwrap();
    assert!(guide.as_str().unwrap().contains(&ap_id));
    // Another isskey, once it was confirmed.
    desk.click("#keys summary").await.unwrap();
    desk.click("#renew-key").await.unwrap();
    desk.says("#ask", "原isskey可續用七日").await.unwrap();
    desk.click("#ask [data-value=yes]").await.unwrap();
    desk.says("#message.good", "isskey已更換").await.unwrap();
    desk.says("#account-sheet", "原isskey續用至").await.unwrap();
    desk.shots("renewed").await.unwrap();
    // A download that cannot be had says so.
    let ends = "return fetch('/api/session', { method: 'DELETE' }).then((answer) => answer.status)";
    desk.client.execute(ends, vec![]).await.unwrap();
    desk.click("#cases a[download]").await.unwrap();
    desk.says("#message", "尚未登入或登入已逾時").await.unwrap();
    finish(desk).await;
}
