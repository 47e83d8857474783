//! The pages end to end: what a clerk and an officer do, one after the other, in the browser.

use std::process::Command;

use browser_tests::Desk;

/// Application, review, upload with proof of possession, progress.
#[tokio::test(flavor = "multi_thread")]
async fn a_clerk_goes_all_the_way_and_an_officer_decides() {
    let desk = Desk::start("story").await.unwrap();
    desk.open("/").await.unwrap();
    assert!(desk.page_text().await.unwrap().contains("測試環境"));
    desk.shots("home").await.unwrap();
    desk.click("a[href='/apply/']").await.unwrap();
    desk.text("#agency").await.unwrap();
    desk.shots("agency").await.unwrap();
    desk.click("#agency-no").await.unwrap();
    desk.click("#agency-form button").await.unwrap();
    desk.click("#notice-read").await.unwrap();
    // Full-width digits are digits.
    desk.signs_in("１２３４５６７５").await.unwrap();
    desk.click("#kind-form button[type=submit]").await.unwrap();
    desk.text("#application-form").await.unwrap();
    desk.fills_in().await.unwrap();
    desk.agrees().await.unwrap();
    assert!(desk.sends().await.unwrap().contains("已受理"));

    desk.open("/review/").await.unwrap();
    desk.shots("review-sign-in").await.unwrap();
    desk.click("#sign-in-form button").await.unwrap();
    desk.says("#count", "待領案：1件").await.unwrap();
    desk.shots("review-queue").await.unwrap();
    desk.click("#cases button.link").await.unwrap();
    desk.text("#act-form").await.unwrap();
    desk.click("#act-form [value=approve]").await.unwrap();
    // Without a result text it cannot be decided.
    desk.click("#act-button").await.unwrap();
    desk.says("#message", "審核結果").await.unwrap();
    desk.fill("#result", "審核通過").await.unwrap();
    desk.click("#act-button").await.unwrap();
    desk.says("#message.good", "核准：已完成").await.unwrap();
    desk.shots("review-decided").await.unwrap();

    desk.at_form("certificate-upload").await.unwrap();
    desk.fill("#reason", "上傳非IC卡憑證").await.unwrap();
    desk.chooses(&desk.demo.company_certificate_file).await.unwrap();
    desk.click("#possession-row summary").await.unwrap();
    desk.click("#possession-challenge").await.unwrap();
    let command = desk.text("#possession-command").await.unwrap();
    let key = format!("'{}'", desk.demo.company_key_file.display());
    let command = command.replace("system.key", &key);
    let output = Command::new("sh").arg("-c").arg(command).output().unwrap();
    let signature = String::from_utf8(output.stdout).unwrap();
    desk.fill("#possession", &signature).await.unwrap();
    desk.agrees().await.unwrap();
    desk.shots("upload").await.unwrap();
    let receipt = desk.sends().await.unwrap();
    assert!(receipt.contains("上傳成功") && receipt.contains("isskey"), "{receipt}");
    assert_eq!(desk.proofs_of_possession().unwrap(), 1);

    desk.at_progress().await.unwrap();
    assert!(desk.text("#count").await.unwrap().contains("計2筆申請資料"));
    desk.shots("query-result").await.unwrap();
    desk.client.clone().close().await.unwrap();
}

/// Names that are made to mislead or to break a page, and names that few fonts have.
#[tokio::test(flavor = "multi_thread")]
async fn strange_company_names_come_through_and_are_shown_as_text() {
    let desk = Desk::start("names").await.unwrap();
    desk.at_form("api-application").await.unwrap();
    desk.fills_in().await.unwrap();
    desk.agrees().await.unwrap();
    // What turns the direction of writing is refused, in words.
    let put = "const input = document.getElementById('companyName'); input.value = arguments[0];
        input.dispatchEvent(new Event('input', { bubbles: true })); input.dispatchEvent(new Event('change', { bubbles: true }))";
    for name in ["測試\u{202e}甲公司", "測試\u{2066}甲", "測試\u{200b}甲\u{7}"] {
        desk.client.execute(put, vec![name.into()]).await.unwrap();
        desk.says("#companyName-error", "無法使用的字元").await.unwrap();
    }
    // Ten characters of the extensions B to G, markup, and a right-to-left word.
    let name = "𠀀𠮷𡈽𢊁𣏹𤭢𪚥𫝆𬊈𰻝<img src=x onerror=alert(1)>&amp;שלום公司";
    desk.client.execute(put, vec![name.into()]).await.unwrap();
    desk.until("return document.getElementById('companyName-error').textContent === ''")
        .await
        .unwrap();
    desk.click("#apply-button").await.unwrap();
    desk.shows("#confirm", &[name]).await.unwrap();
    desk.shots("confirm").await.unwrap();
    desk.click("#confirm-yes").await.unwrap();
    desk.shows("#receipt-sheet", &[name]).await.unwrap();
    desk.shots("receipt").await.unwrap();
    desk.at_progress().await.unwrap();
    desk.shows("#cases", &[name]).await.unwrap();
    desk.open("/review/").await.unwrap();
    // Whoever is signed in as a company is asked for the officer's card.
    desk.click("#sign-in-form button").await.unwrap();
    desk.shows("#queue", &[name, "與憑證公司名稱不同"]).await.unwrap();
    desk.shots("review").await.unwrap();
    desk.click("#cases button.link").await.unwrap();
    desk.shows("#case-facts", &[name, "查核資料", "⚠ 憑證公司名稱"]).await.unwrap();
    desk.shots("review-case").await.unwrap();
    let injected = "return document.querySelectorAll('main img').length";
    assert_eq!(desk.client.execute(injected, vec![]).await.unwrap(), 0);
    assert_eq!(desk.stored("SELECT company_name FROM applications").unwrap(), name);
    desk.client.clone().close().await.unwrap();
}

/// Without an answer the same message is sent again: no second PIN, no second case.
#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_arrived_is_sent_again_and_counts_once() {
    let mut desk = Desk::start("twice").await.unwrap();
    desk.at_form("api-application").await.unwrap();
    desk.fills_in().await.unwrap();
    desk.agrees().await.unwrap();
    // The service gets it, the page does not get the answer, or half of it, or a gateway's.
    for cut in [
        "throw new TypeError('cut')",
        "return new Response('{\"serialNumber\":', { status: 201 })",
        "return new Response('<h1>Bad gateway</h1>', { status: 502 })",
    ] {
        let script = format!(
            "const real = window.fetch; window.fetch = async (url, options) => {{
            const answer = await real(url, options);
            if (String(url).endsWith('/api/applications')) {{ window.fetch = real; {cut}; }}
            return answer; }}"
        );
        desk.client.execute(&script, vec![]).await.unwrap();
        desk.click("#apply-button").await.unwrap();
        desk.click("#confirm-yes").await.unwrap();
        let said = desk.text("#message").await.unwrap();
        assert!(said.contains("無法連線至本服務") || said.contains("系統發生錯誤"), "{said}");
        assert_eq!(desk.value("email").await.unwrap(), "clerk@example.com.tw");
    }
    assert_eq!(desk.stored("SELECT count(*) FROM cases").unwrap(), "1");
    // No card is needed any more.
    desk.stop_bridge();
    let receipt = desk.sends().await.unwrap();
    let id = desk.stored("SELECT id FROM cases").unwrap();
    assert!(receipt.contains(&id) && receipt.contains("已受理"), "{receipt}");
    assert_eq!(desk.stored("SELECT count(*) FROM cases").unwrap(), "1");
    // Neither does a reload or the way back send anything.
    desk.client.refresh().await.unwrap();
    desk.client.back().await.unwrap();
    desk.client.forward().await.unwrap();
    assert_eq!(desk.stored("SELECT count(*) FROM challenges").unwrap(), "2");
    // A double click asks once.
    desk.start_bridge("123456").unwrap();
    desk.decides(&id, "reject", "測試").unwrap();
    desk.at_form("api-application").await.unwrap();
    desk.fills_in().await.unwrap();
    desk.agrees().await.unwrap();
    desk.client.execute("const button = document.getElementById('apply-button'); button.click(); button.click()", vec![]).await.unwrap();
    desk.text("#confirm").await.unwrap();
    desk.client
        .execute(
            "const button = document.getElementById('confirm-yes'); button.click(); button.click()",
            vec![],
        )
        .await
        .unwrap();
    desk.says("#receipt-sheet", "已受理").await.unwrap();
    assert_eq!(desk.stored("SELECT count(*) FROM cases").unwrap(), "2");
    assert_eq!(
        desk.stored("SELECT count(*) FROM challenges WHERE purpose = 'apply'").unwrap(),
        "2"
    );
    desk.client.clone().close().await.unwrap();
}
