//! The English switch (#5, point 8): whatever a page shows, it shows in English too, but for
//! the legal texts and what people typed.

use browser_tests::Desk;
use test_pki::client::form;
use test_pki::demo::{COMPANY, HOST_ADDRESS};

/// What is shown in Chinese though nothing says that it has to be.
async fn all_english(desk: &Desk, place: &str) {
    let script = r"
        const found = [];
        const chinese = /[\u3000-\u9fff\uff00-\uffef]/;
        const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        while (walker.nextNode()) {
            const { parentElement: parent, data } = walker.currentNode;
            if (!chinese.test(data) || parent.closest('[translate=no], script, style') || !parent.checkVisibility()) continue;
            found.push(data.trim());
        }
        for (const element of document.querySelectorAll('[aria-label], [placeholder], [title]')) {
            if (element.closest('[translate=no]') || !element.checkVisibility()) continue;
            for (const name of ['aria-label', 'placeholder', 'title']) {
                if (chinese.test(element.getAttribute(name) ?? '')) found.push(element.getAttribute(name));
            }
        }
        if (chinese.test(document.title)) found.push(document.title);
        return found;";
    // What changes at once may take a moment to be translated.
    let begun = std::time::Instant::now();
    loop {
        let found = desk.client.execute(script, vec![]).await.unwrap();
        if found == serde_json::json!([]) {
            break;
        }
        assert!(begun.elapsed().as_secs() < 3, "{place}: {found:#}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

async fn english(name: &str) -> Desk {
    let desk = Desk::start(name).await.unwrap();
    desk.open("/").await.unwrap();
    desk.click("#language").await.unwrap();
    desk.says("h1", "API service for checking").await.unwrap();
    desk
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clerk_applies_in_english() {
    let mut desk = english("english").await;
    all_english(&desk, "home").await;
    desk.shots("home").await.unwrap();
    for path in ["/bridge/", "/receipt/", "/query/", "/usage/", "/suspend/", "/status/", "/nowhere"]
    {
        desk.open(path).await.unwrap();
        desk.says("#language", "中文").await.unwrap();
        all_english(&desk, path).await;
    }
    desk.open("/apply/").await.unwrap();
    desk.says("legend", "Are you a government agency?").await.unwrap();
    all_english(&desk, "agency").await;
    desk.click("#agency-form button").await.unwrap();
    desk.says("#agency-error", "Please choose").await.unwrap();
    desk.click("#agency-no").await.unwrap();
    desk.click("#agency-form button").await.unwrap();
    // The notice binds in Chinese, and says so.
    let notice = desk.text("#notice").await.unwrap();
    assert!(notice.contains("本查驗作業") && notice.contains("I have read this"), "{notice}");
    assert!(desk.text(".english-note").await.unwrap().contains("binding"));
    desk.shots("notice").await.unwrap();
    desk.click("#notice-read").await.unwrap();
    all_english(&desk, "sign-in").await;
    desk.signs_in("12345678").await.unwrap();
    desk.says("#message", "The check digit does not fit").await.unwrap();
    all_english(&desk, "wrong number").await;
    desk.stop_bridge();
    desk.signs_in(COMPANY.1).await.unwrap();
    desk.text("#start-bridge").await.unwrap();
    all_english(&desk, "no bridge").await;
    desk.click("#start-bridge button[data-value='']").await.unwrap();
    desk.says("#message", "The reader bridge was not found").await.unwrap();
    all_english(&desk, "not found").await;
    desk.start_bridge("999999").unwrap();
    desk.signs_in(COMPANY.1).await.unwrap();
    desk.says("#message", "Wrong PIN (tries left: 2)").await.unwrap();
    all_english(&desk, "wrong PIN").await;
    desk.start_bridge("123456").unwrap();
    desk.signs_in(COMPANY.1).await.unwrap();
    desk.text("#kind").await.unwrap();
    all_english(&desk, "kind").await;
    desk.click("#kind-form button[type=submit]").await.unwrap();
    desk.click("#apply-button").await.unwrap();
    desk.says("#message", "This field is required").await.unwrap();
    all_english(&desk, "errors").await;
    desk.shots("errors").await.unwrap();
    desk.fills_in().await.unwrap();
    all_english(&desk, "form").await;
    desk.agrees().await.unwrap();
    desk.click("#apply-button").await.unwrap();
    desk.text("#confirm").await.unwrap();
    all_english(&desk, "confirmation").await;
    desk.shots("confirm").await.unwrap();
    desk.click("#confirm-yes").await.unwrap();
    desk.shows("#receipt-sheet", &["Company name:", COMPANY.0, "Result:", "Received"])
        .await
        .unwrap();
    all_english(&desk, "receipt").await;
    desk.shots("receipt").await.unwrap();
    // What is signed and stored is the same as in Chinese.
    assert_eq!(desk.stored("SELECT kind FROM cases").unwrap(), "api-application");
    desk.at_progress().await.unwrap();
    desk.says("#cases", "Under review").await.unwrap();
    all_english(&desk, "progress").await;
    desk.shots("progress").await.unwrap();
    // And back: as if nothing had been.
    desk.click("#language").await.unwrap();
    desk.shows("#cases", &["公司資訊", "受理中", "接下來：內政部審核中"]).await.unwrap();
    let lang = desk.client.execute("return document.documentElement.lang", vec![]).await.unwrap();
    assert_eq!(lang, "zh-Hant-TW");
    desk.client.clone().close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_kept_in_english() {
    let desk = english("english-account").await;
    desk.uploaded().unwrap();
    let id = desk.applied(form("data-change", COMPANY.0, COMPANY.1, HOST_ADDRESS)).unwrap();
    desk.at_progress().await.unwrap();
    desk.shows("#account-sheet", &["Certificate serial number:", "Status:", "Active"])
        .await
        .unwrap();
    desk.says("#cases", "Uploaded").await.unwrap();
    all_english(&desk, "account").await;
    desk.decides(&id, "reject", "測試").unwrap();
    desk.at_form("certificate-upload").await.unwrap();
    desk.chooses(&desk.demo.company_certificate_file).await.unwrap();
    desk.says("#preview", "The certificate in the file").await.unwrap();
    all_english(&desk, "upload").await;
    desk.shots("upload").await.unwrap();
    desk.chooses(&desk.demo.company_key_file).await.unwrap();
    desk.says("#certificateFile-error", "The file is a private key and was not sent")
        .await
        .unwrap();
    all_english(&desk, "private key").await;
    desk.at_progress().await.unwrap();
    desk.says("#cases", "Rejected").await.unwrap();
    all_english(&desk, "rejected").await;
    desk.client.clone().close().await.unwrap();
}

/// The pages of the manual of 108.
#[tokio::test(flavor = "multi_thread")]
async fn the_other_edition_is_there_in_english() {
    let mut desk = Desk::start("english-108").await.unwrap();
    desk.restart(&["--variable", "edition=108"]).unwrap();
    desk.open("/").await.unwrap();
    desk.click("#language").await.unwrap();
    desk.at_sign_in().await.unwrap();
    all_english(&desk, "form").await;
    desk.click("#apply-button").await.unwrap();
    desk.says("#message", "Please correct these fields").await.unwrap();
    all_english(&desk, "errors").await;
    desk.shots("errors").await.unwrap();
    let form = form("api-application", COMPANY.0, COMPANY.1, HOST_ADDRESS);
    let id = desk.applied(form).unwrap();
    desk.decides(&id, "approve", "test").unwrap();
    desk.at_progress().await.unwrap();
    desk.says("#cases", "Approved").await.unwrap();
    all_english(&desk, "progress").await;
    // The language that was chosen twice at once is the one that is shown.
    desk.client
        .execute(
            "const button = document.getElementById('language'); button.click(); button.click()",
            vec![],
        )
        .await
        .unwrap();
    desk.says("#cases", "核准").await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    desk.shows("#cases", &["公司資訊", "核准", "↓ 操作文件下載"]).await.unwrap();
    desk.client.clone().close().await.unwrap();
}
