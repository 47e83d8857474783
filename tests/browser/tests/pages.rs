//! The pages end to end: what a clerk and an officer do, and what they are told when
//! something is wrong.

use std::process::Command;

use browser_tests::Desk;
use test_pki::demo::COMPANY;
use x509_cert::ext::pkix::CrlReason;

async fn sign_in(desk: &Desk, ubn: &str) {
    desk.fill("#sign-in-ubn", ubn).await.unwrap();
    desk.click("#sign-in-form button[type=submit]").await.unwrap();
}

async fn fill_in(desk: &Desk) {
    desk.fill("#hostAddress", "127.0.0.1").await.unwrap();
    desk.fill("#contactName", "王測試").await.unwrap();
    desk.fill("#landline", "(02)12345678#12").await.unwrap();
    desk.fill("#email", "clerk@example.com.tw").await.unwrap();
    desk.fill("#reason", "依洗錢防制法第十條確認客戶身分，須查驗國民身分證。").await.unwrap();
}

async fn agree(desk: &Desk) {
    desk.click("#open-rules").await.unwrap();
    desk.text("#rules").await.unwrap();
    desk.click("#rules-read").await.unwrap();
    desk.click("#agreed").await.unwrap();
}

/// Figures 1 to 7, review, 9 to 12, 20 to 28: the whole way in the browser.
#[tokio::test(flavor = "multi_thread")]
async fn a_clerk_goes_all_the_way_and_an_officer_decides() {
    let desk = Desk::start("story").await.unwrap();
    desk.open("/").await.unwrap();
    assert!(desk.page_text().await.unwrap().contains("測試環境"));
    desk.shots("home").await.unwrap();
    desk.click("a[href='/apply/']").await.unwrap();

    let notice = desk.text("#notice").await.unwrap();
    assert!(notice.contains("申請注意事項") && notice.contains("5個工作日內提供相關資料"));
    desk.shots("apply-notice").await.unwrap();
    desk.click("#notice-read").await.unwrap();
    assert!(desk.text("#sign-in").await.unwrap().contains("工商憑證密碼 (PIN CODE)"));
    desk.shots("apply-sign-in").await.unwrap();
    sign_in(&desk, "１２３４５６７５").await;

    desk.text("#kind").await.unwrap();
    assert_eq!(desk.text("#kind-select").await.unwrap().trim(), "API申請");
    desk.shots("apply-kind").await.unwrap();
    desk.click("#kind-form button[type=submit]").await.unwrap();

    // Nothing filled in: every field says what to do, and the summary has the focus.
    desk.click("#apply-button").await.unwrap();
    let message = desk.text("#message").await.unwrap();
    for field in ["連線主機網路位址", "聯絡人", "市話", "電子信箱", "使用目的/原因", "我已詳閱"]
    {
        assert!(message.contains(field), "{field}: {message}");
    }
    let focused = desk.client.execute("return document.activeElement.id", vec![]).await.unwrap();
    assert_eq!(focused, "message");
    assert!(desk.text("#email-error").await.unwrap().contains("此欄位必須填寫"));
    desk.shots("apply-form-errors").await.unwrap();

    fill_in(&desk).await;
    agree(&desk).await;
    desk.shots("apply-form").await.unwrap();
    desk.click("#apply-button").await.unwrap();
    assert!(desk.text("#confirm").await.unwrap().contains("請確認資料是否輸入正確?"));
    desk.shots("apply-confirm").await.unwrap();
    // 取消 keeps the data (A5).
    desk.click("#confirm-no").await.unwrap();
    let kept = desk.client.execute("return document.getElementById('email').value", vec![]).await;
    assert_eq!(kept.unwrap(), "clerk@example.com.tw");
    // The card was put on hold meanwhile: said as such, and nothing typed is lost (#3).
    desk.publishes(2, Some(CrlReason::CertificateHold)).unwrap();
    desk.click("#apply-button").await.unwrap();
    desk.click("#confirm-yes").await.unwrap();
    let message = desk.text("#message").await.unwrap();
    assert!(message.contains("憑證暫時停用中") && message.contains("復用"), "{message}");
    desk.shots("apply-on-hold").await.unwrap();
    desk.publishes(3, None).unwrap();
    desk.click("#apply-button").await.unwrap();
    desk.click("#confirm-yes").await.unwrap();
    let receipt = desk.text("#receipt-sheet").await.unwrap();
    for shown in ["已受理", COMPANY.0, COMPANY.1, "API申請", "S/N"] {
        assert!(receipt.contains(shown), "{shown}: {receipt}");
    }
    desk.shots("apply-receipt").await.unwrap();

    // [WARNING-02]: another attempt while the case is open (figure 19).
    desk.open("/apply/").await.unwrap();
    desk.click("#notice-read").await.unwrap();
    sign_in(&desk, COMPANY.1).await;
    assert!(desk.text("#message").await.unwrap().contains("[WARNING-02]"));
    desk.shots("apply-warning-02").await.unwrap();

    desk.open("/review/").await.unwrap();
    desk.shots("review-sign-in").await.unwrap();
    desk.click("#sign-in-form button").await.unwrap();
    assert!(desk.text("#queue").await.unwrap().contains("待審核案件：1件"));
    desk.shots("review-queue").await.unwrap();
    // Without a result text it cannot be decided.
    desk.click(".case .buttons button").await.unwrap();
    assert!(desk.text("#message").await.unwrap().contains("審核結果"));
    desk.fill(".case textarea", "審核通過").await.unwrap();
    desk.click(".case .buttons button").await.unwrap();
    assert!(desk.text("#message.good").await.unwrap().contains("核准"));
    desk.shots("review-decided").await.unwrap();

    desk.open("/apply/").await.unwrap();
    desk.click("#notice-read").await.unwrap();
    sign_in(&desk, COMPANY.1).await;
    let kinds = desk.text("#kind-select").await.unwrap();
    assert!(kinds.contains("憑證上傳") && kinds.contains("API停用"), "{kinds}");
    desk.click("#kind-form button[type=submit]").await.unwrap();
    desk.text("#certificate-row").await.unwrap();
    desk.fill("#reason", "上傳非IC卡憑證").await.unwrap();
    let upload = desk.client.find(fantoccini::Locator::Id("certificateFile")).await.unwrap();
    upload.send_keys(&desk.demo.company_certificate_file.display().to_string()).await.unwrap();
    desk.click("#possession-row summary").await.unwrap();
    desk.click("#possession-challenge").await.unwrap();
    let command = desk.text("#possession-command").await.unwrap();
    let key = format!("'{}'", desk.demo.company_key_file.display());
    let command = command.replace("system.key", &key);
    let output = Command::new("sh").arg("-c").arg(command).output().unwrap();
    let signature = String::from_utf8(output.stdout).unwrap();
    desk.fill("#possession", &signature).await.unwrap();
    agree(&desk).await;
    desk.shots("apply-upload").await.unwrap();
    desk.click("#apply-button").await.unwrap();
    desk.click("#confirm-yes").await.unwrap();
    let receipt = desk.text("#receipt-sheet").await.unwrap();
    assert!(receipt.contains("上傳成功") && receipt.contains("isskey"), "{receipt}");
    assert_eq!(desk.proofs_of_possession().unwrap(), 1);
    desk.shots("apply-upload-receipt").await.unwrap();

    desk.open("/query/").await.unwrap();
    desk.shots("query-sign-in").await.unwrap();
    sign_in(&desk, COMPANY.1).await;
    assert!(desk.text("#count").await.unwrap().contains("計2筆申請資料"));
    let account = desk.text("#account-sheet").await.unwrap();
    for shown in ["憑證序號", "有效起始日期", "啟用狀態", "啟用", "isskey", "apId"]
    {
        assert!(account.contains(shown), "{shown}: {account}");
    }
    desk.shots("query-result").await.unwrap();
    desk.client.clone().close().await.unwrap();
}

/// Figures 22 to 25.
#[tokio::test(flavor = "multi_thread")]
async fn an_application_is_withdrawn() {
    let desk = Desk::start("cancel").await.unwrap();
    desk.open("/apply/").await.unwrap();
    desk.click("#notice-read").await.unwrap();
    sign_in(&desk, COMPANY.1).await;
    desk.click("#kind-form button[type=submit]").await.unwrap();
    fill_in(&desk).await;
    agree(&desk).await;
    desk.click("#apply-button").await.unwrap();
    desk.click("#confirm-yes").await.unwrap();
    desk.text("#receipt-sheet").await.unwrap();
    desk.open("/query/").await.unwrap();
    sign_in(&desk, COMPANY.1).await;
    desk.click(".case button.danger").await.unwrap();
    desk.click("#confirm-yes").await.unwrap();
    assert!(desk.text("#message.good").await.unwrap().contains("取消成功"));
    assert!(desk.text("#cases").await.unwrap().contains("已取消"));
    desk.shots("query-cancelled").await.unwrap();
    desk.client.clone().close().await.unwrap();
}

/// What goes wrong at the reader is said in sentences, and nothing typed is lost.
#[tokio::test(flavor = "multi_thread")]
async fn the_readers_troubles_are_told_with_what_to_do() {
    let mut desk = Desk::start("troubles").await.unwrap();
    desk.open("/apply/").await.unwrap();
    desk.click("#notice-read").await.unwrap();
    let attempt = async |desk: &Desk, ubn: &str| {
        sign_in(desk, ubn).await;
        desk.text("#message").await.unwrap()
    };
    assert!(attempt(&desk, "12345678").await.contains("檢查碼不符"));
    assert!(attempt(&desk, "04595257").await.contains("營利事業統一編號與憑證不符"));
    desk.cards.set_inserted("company", false).unwrap();
    // The page waits for a card, says why, and goes on by itself.
    sign_in(&desk, COMPANY.1).await;
    assert!(desk.text("#waiting").await.unwrap().contains("插入的卡片種類不正確"));
    desk.cards.set_inserted("officer", false).unwrap();
    desk.text("#waiting[data-code=no-card]").await.unwrap();
    desk.shots("no-card").await.unwrap();
    desk.click("#waiting button").await.unwrap();
    assert!(desk.text("#message").await.unwrap().contains("沒有可用的卡片"));
    desk.start_bridge("999999").unwrap();
    sign_in(&desk, COMPANY.1).await;
    desk.text("#waiting").await.unwrap();
    desk.cards.set_inserted("company", true).unwrap();
    assert!(desk.text("#message").await.unwrap().contains("PIN碼錯誤（剩餘次數：2）"));
    assert!(attempt(&desk, COMPANY.1).await.contains("剩餘次數：1"));
    // The last try is the person's own, and nobody is here to confirm it.
    assert!(attempt(&desk, COMPANY.1).await.contains("已取消輸入PIN碼"));
    desk.stop_bridge();
    sign_in(&desk, COMPANY.1).await;
    assert!(desk.text("#start-bridge").await.unwrap().contains("改用讀卡元件的小視窗"));
    desk.shots("start-bridge").await.unwrap();
    desk.click("#start-bridge button[data-value='']").await.unwrap();
    assert!(desk.text("#message").await.unwrap().contains("找不到讀卡元件"));
    desk.shots("no-bridge").await.unwrap();
    let typed =
        desk.client.execute("return document.getElementById('sign-in-ubn').value", vec![]).await;
    assert_eq!(typed.unwrap(), COMPANY.1);
    desk.client.clone().close().await.unwrap();
}
