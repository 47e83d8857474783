//! The form while it is filled in (#5): judged field by field as the server will, and kept
//! on this device until it is sent.

use browser_tests::Desk;
use fantoccini::key::Key;
use test_pki::demo::COMPANY;

async fn at_form(desk: &Desk) {
    desk.at_form("api-application").await.unwrap();
}

async fn value(desk: &Desk, id: &str) -> String {
    desk.value(id).await.unwrap()
}

/// Types into a field and leaves it.
async fn types(desk: &Desk, field: &str, text: &str) {
    desk.fill(field, text).await.unwrap();
    desk.client.execute("document.activeElement.blur()", vec![]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_is_judged_when_it_is_left() {
    let desk = Desk::start("fields").await.unwrap();
    at_form(&desk).await;
    types(&desk, "#email", "nobody").await;
    desk.says("#email-error", "name@example.com.tw").await.unwrap();
    types(&desk, "#hostAddress", "10.0.0.1").await;
    desk.says("#hostAddress-error", "固定IP位址").await.unwrap();
    desk.shots("errors").await.unwrap();
    // Right again: the error goes while it is typed.
    desk.fill("#email", "clerk@example.com.tw").await.unwrap();
    let gone = "return document.getElementById('email-error').textContent === ''";
    desk.until(gone).await.unwrap();
    // Full width becomes ordinary, and it is said so.
    types(&desk, "#hostAddress", "１２７．０．０．１").await;
    desk.says("#folded", "127.0.0.1").await.unwrap();
    assert_eq!(value(&desk, "hostAddress").await, "127.0.0.1");
    // Counted as people count.
    types(&desk, "#reason", &"查".repeat(351)).await;
    desk.says("#reason-left", "已超過1字").await.unwrap();
    desk.says("#reason-error", "字數超過限制").await.unwrap();
    types(&desk, "#reason", "依洗錢防制法第十條").await;
    desk.says("#reason-left", "還可輸入341字").await.unwrap();
    desk.client.clone().close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_typed_survives_until_it_is_sent() {
    let desk = Desk::start("drafts").await.unwrap();
    at_form(&desk).await;
    desk.fill("#contactName", "王測試").await.unwrap();
    desk.fill("#reason", "依洗錢防制法第十條確認客戶身分").await.unwrap();
    // A closed tab, another day.
    at_form(&desk).await;
    desk.says("#message.good", "已帶入上次尚未送出的資料").await.unwrap();
    desk.shots("kept").await.unwrap();
    assert_eq!(value(&desk, "contactName").await, "王測試");
    // What was emptied stays empty.
    desk.fill("#companyName", "").await.unwrap();
    at_form(&desk).await;
    desk.says("#message.good", "已帶入上次尚未送出的資料").await.unwrap();
    assert_eq!(value(&desk, "companyName").await, "");
    desk.fill("#companyName", COMPANY.0).await.unwrap();
    // 清除 can be taken back.
    desk.click("#application-form button[type=reset]").await.unwrap();
    desk.says("#message.good", "已清除").await.unwrap();
    assert_eq!(value(&desk, "contactName").await, "");
    desk.shots("cleared").await.unwrap();
    desk.click("#undo button").await.unwrap();
    assert_eq!(value(&desk, "reason").await, "依洗錢防制法第十條確認客戶身分");
    // 返回 and again: still there.
    desk.click("#application-form [data-back=kind]").await.unwrap();
    desk.click("#kind-form button[type=submit]").await.unwrap();
    assert_eq!(value(&desk, "contactName").await, "王測試");

    desk.fill("#hostAddress", "127.0.0.1").await.unwrap();
    desk.fill("#mobile", "0912345678").await.unwrap();
    desk.fill("#email", "clerk@example.com.tw").await.unwrap();
    desk.agrees().await.unwrap();
    assert!(desk.sends().await.unwrap().contains("已受理"));
    let address = "return document.querySelector('.receipt-code a').href";
    let address = desk.client.execute(address, vec![]).await.unwrap();
    desk.shots("receipt").await.unwrap();
    let kept =
        "return Object.keys(localStorage).filter((key) => key.startsWith('chayan-draft-')).length";
    assert_eq!(desk.client.execute(kept, vec![]).await.unwrap(), 0);

    // Until when it can be withdrawn, and what happens next.
    desk.at_progress().await.unwrap();
    let shown = desk.text("#cases").await.unwrap();
    assert!(shown.contains("接下來：內政部審核中") && shown.contains("還有23小時59分"), "{shown}");
    desk.shots("progress").await.unwrap();
    // The receipt can be seen again with the card,
    desk.click(".case button.receipt").await.unwrap();
    desk.says("#receipt-sheet", "已受理").await.unwrap();
    desk.shots("receipt-again").await.unwrap();
    desk.click("#receipt-back").await.unwrap();
    desk.text("#cases").await.unwrap();
    // and checked by whoever holds it.
    desk.client.goto(address.as_str().unwrap()).await.unwrap();
    desk.says("#receipt-sheet", COMPANY.0).await.unwrap();
    desk.shots("check").await.unwrap();
    let private = desk.text("#receipt-sheet").await.unwrap();
    assert!(!private.contains("0912345678") && !private.contains("clerk@"), "{private}");
    desk.fill("#serialNumber", "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed").await.unwrap();
    desk.click("#check-form button").await.unwrap();
    desk.says("#message", "查無此案件").await.unwrap();
    desk.client.clone().close().await.unwrap();
}

/// What was typed for an upload is kept as well; the file has to be chosen again.
#[tokio::test(flavor = "multi_thread")]
async fn the_reason_of_an_upload_is_kept() {
    let desk = Desk::start("upload-draft").await.unwrap();
    desk.approved().unwrap();
    desk.at_form("certificate-upload").await.unwrap();
    desk.fill("#reason", "上傳非IC卡憑證").await.unwrap();
    desk.click("#application-form [data-back=kind]").await.unwrap();
    desk.click("#kind-form button[type=submit]").await.unwrap();
    assert_eq!(value(&desk, "reason").await, "上傳非IC卡憑證");
    desk.click("#application-form button[type=reset]").await.unwrap();
    desk.says("#message.good", "已清除").await.unwrap();
    // What is on file stays.
    desk.until("return document.getElementById('companyName').value !== ''").await.unwrap();
    desk.click("#undo button").await.unwrap();
    assert_eq!(value(&desk, "reason").await, "上傳非IC卡憑證");
    desk.client.clone().close().await.unwrap();
}

/// One computer, two companies: neither sees what was typed for the other, nor loses its own.
#[tokio::test(flavor = "multi_thread")]
async fn another_company_gets_an_empty_form_and_takes_nothing_away() {
    let desk = Desk::start("two-companies").await.unwrap();
    desk.card_of("other", "測試丁股份有限公司", "99990004").unwrap();
    at_form(&desk).await;
    desk.fill("#contactName", "王測試").await.unwrap();
    desk.click("#application-form [data-back=kind]").await.unwrap();
    desk.click("#kind-form [data-back=sign-in]").await.unwrap();
    desk.fill("#sign-in-ubn", "99990004").await.unwrap();
    desk.click("#sign-in-form button[type=submit]").await.unwrap();
    desk.click("#kind-form button[type=submit]").await.unwrap();
    desk.text("#application-form").await.unwrap();
    assert_eq!(value(&desk, "companyName").await, "測試丁股份有限公司");
    assert_eq!(value(&desk, "contactName").await, "");
    at_form(&desk).await;
    assert_eq!(value(&desk, "contactName").await, "王測試");
    desk.client.clone().close().await.unwrap();
}

/// The checks of `shots` find something where there is something.
#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_cannot_use_is_found() {
    let desk = Desk::start("accessibility").await.unwrap();
    desk.open("/").await.unwrap();
    desk.shots("home").await.unwrap();
    let script = "document.querySelector('main').append(document.createElement('input'))";
    desk.client.execute(script, vec![]).await.unwrap();
    let found = desk.shots("broken").await.unwrap_err().to_string();
    assert!(found.contains("Form elements must have labels"), "{found}");
    desk.client.clone().close().await.unwrap();
}

/// Goes on with Tab until this has the focus.
async fn tabs_to(desk: &Desk, css: &str) {
    for _ in 0..60 {
        let script = "return document.activeElement.matches(arguments[0])";
        if desk.client.execute(script, vec![css.into()]).await.unwrap() == true {
            return;
        }
        presses(desk, &Key::Tab.to_string()).await;
    }
    panic!("{css} cannot be reached by Tab");
}

async fn presses(desk: &Desk, keys: &str) {
    desk.client.active_element().await.unwrap().send_keys(keys).await.unwrap();
}

/// The whole application without a mouse.
#[tokio::test(flavor = "multi_thread")]
async fn everything_can_be_done_by_keyboard() {
    let desk = Desk::start("keyboard").await.unwrap();
    let (enter, space) = (Key::Enter.to_string(), Key::Space.to_string());
    desk.open("/").await.unwrap();
    for (place, keys, shown) in [
        ("a[href='/apply/']", enter.as_str(), "#agency"),
        ("#agency-no", &space, "#agency"),
        ("#agency-form button", &enter, "#notice"),
        ("#notice-read", &enter, "#sign-in"),
        ("#sign-in-ubn", COMPANY.1, "#sign-in"),
        ("#sign-in-form button", &enter, "#kind"),
        ("#kind-form button[type=submit]", &enter, "#form"),
        ("#hostAddress", "127.0.0.1", "#form"),
        ("#contactName", "王測試", "#form"),
        ("#landline", "(02)12345678", "#form"),
        ("#email", "clerk@example.com.tw", "#form"),
        ("#reason", "依洗錢防制法第十條", "#form"),
        ("#open-rules", &enter, "#rules"),
        ("#rules-read", &enter, "#form"),
        ("#agreed", &space, "#form"),
        ("#apply-button", &enter, "#confirm"),
        // A dialog holds the focus, and Escape is its 取消.
        ("#confirm-no", &Key::Escape.to_string(), "#form"),
        ("#apply-button", &enter, "#confirm"),
        ("#confirm-yes", &enter, "#receipt-sheet"),
    ] {
        tabs_to(&desk, place).await;
        presses(&desk, keys).await;
        desk.text(shown).await.unwrap();
    }
    assert!(desk.text("#receipt-sheet").await.unwrap().contains("已受理"));
    desk.client.clone().close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_script_a_page_says_what_it_needs() {
    let desk = Desk::start("no-script").await.unwrap();
    desk.without_script().await.unwrap();
    for path in [
        "/apply/",
        "/query/",
        "/receipt/",
        "/usage/",
        "/review/",
        "/bridge/",
        "/suspend/",
        "/status/",
    ] {
        desk.open(path).await.unwrap();
        desk.says("noscript .message", "需要啟用 JavaScript").await.unwrap();
    }
    // What needs none is there.
    desk.open("/").await.unwrap();
    desk.says("main", "API介接服務申請").await.unwrap();
    desk.client.clone().close().await.unwrap();
}

/// The session ends while the form is filled in: the card is asked again, nothing is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_has_ended_costs_nothing_that_was_typed() {
    let desk = Desk::start("session-ended").await.unwrap();
    at_form(&desk).await;
    desk.fills_in().await.unwrap();
    let ends = "return fetch('/api/session', { method: 'DELETE' }).then((answer) => answer.status)";
    assert_eq!(desk.client.execute(ends, vec![]).await.unwrap(), 204);
    desk.agrees().await.unwrap();
    assert!(desk.sends().await.unwrap().contains("已受理"));
    // Where nothing is typed, one is led to where the card is asked for.
    desk.at_progress().await.unwrap();
    desk.client.execute(ends, vec![]).await.unwrap();
    desk.click(".case button.receipt").await.unwrap();
    desk.says("#message", "尚未登入或登入已逾時").await.unwrap();
    desk.shots("signed-out").await.unwrap();
    desk.text("#sign-in-form").await.unwrap();
    desk.client.clone().close().await.unwrap();
}
