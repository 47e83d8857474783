//! Figures 3-1 to 3-43 of the manual of 憑證註冊與指派作業 in the browser: two cards one after the
//! other in one reader, each with the bridge's window (#8, D1 to D5).

use crate::figures::{begin, buttons, finish};
use browser_tests::Desk;
use fantoccini::Locator;
use serde_json::json;
use test_pki::client::{CardSigner, Visitor};
use test_pki::demo::{AGENCY, HANDLER, MANAGER};

const CODE: &str = "A0001";

/// Opens an item of the menu.
async fn menu(desk: &Desk, item: &str) {
    desk.open("/delegate/").await.unwrap();
    desk.text("#home").await.unwrap();
    desk.click(&format!("nav.menu a[href='#{item}']")).await.unwrap();
}

/// The first card: its figure, then the code and the card.
async fn first_card(desk: &Desk, card: &str, figure: &str) {
    let rows = ["第1步，共2步", "機關憑證確認", "機關代號：", "機關憑證密碼 (PIN碼)："];
    desk.shows("#organisation", &rows).await.unwrap();
    assert_eq!(buttons(desk, "#organisation").await, ["確認", "取消"]);
    desk.shots(figure).await.unwrap();
    desk.only(card).unwrap();
    desk.fill("#code", CODE).await.unwrap();
    desk.click("#organisation-form button[type=submit]").await.unwrap();
}

/// The second card: its figure, then the ID; the reader still has the first card, and the page
/// says which one is needed.
async fn second_card(desk: &Desk, card: &str, id: &str, figure: &str) {
    let rows = [
        "第2步，共2步：取出機關憑證",
        "自然人憑證確認",
        "授權管理者身分證統一編號：",
        "自然人憑證密碼 (PIN碼)：",
    ];
    desk.shows("#citizen", &rows).await.unwrap();
    assert_eq!(buttons(desk, "#citizen").await, ["確認", "取消"]);
    desk.shots(figure).await.unwrap();
    desk.fill("#nationalId", id).await.unwrap();
    desk.click("#citizen-form button[type=submit]").await.unwrap();
    let named = ["插入的卡片種類不正確", "讀卡機內是機關（團體）憑證", "改插入自然人憑證"];
    desk.shows("#waiting", &named).await.unwrap();
    desk.only(card).unwrap();
}

/// Contact data, and 確認.
async fn contact(desk: &Desk, figure: &str) {
    let rows = [
        "機關(組織)憑證資訊",
        "機關代號：",
        CODE,
        "機關名稱：",
        "測試機關",
        "機關憑證OID：",
        AGENCY,
        "授權管理者自然人憑證資訊",
        "姓名：",
        MANAGER.name,
        "******6789",
        "授權管理者資料",
        "姓名：",
        "電子信箱：",
        "連絡電話：",
    ];
    desk.shows("#contact", &rows).await.unwrap();
    desk.fill("#email", "manager@example.com.tw").await.unwrap();
    desk.fill("#phone", "(02)12345678#12").await.unwrap();
    desk.shots(figure).await.unwrap();
    desk.click("#contact-form button[type=submit]").await.unwrap();
}

/// What a card signs, without a browser.
fn step(desk: &Desk, visitor: &Visitor, card: &str, document: serde_json::Value, id: Option<&str>) {
    desk.only(card).unwrap();
    let signer = CardSigner::new(desk.dir.join("cards"), card);
    visitor.shows_card(&signer, document, id).unwrap().expect(200).unwrap();
}

/// The agency is registered, as `figure_3_02_to_3_10` does on the pages.
fn registers(desk: &Desk) {
    let mut visitor = Visitor::new(&desk.demo.origin);
    visitor.begin_visit("register").unwrap();
    let terms = visitor.get("/api/delegate/terms").unwrap().expect(200).unwrap()["terms"].clone();
    step(
        desk,
        &visitor,
        "agency",
        json!({"visit": "register", "code": CODE, "agreed": terms}),
        None,
    );
    let view = visitor.get("/api/delegate/visit").unwrap().expect(200).unwrap();
    let signature = &view["organisationSignature"];
    let document = json!({"visit": "register", "organisationSignature": signature});
    step(desk, &visitor, "manager", document, Some(MANAGER.national_id));
    let contact =
        json!({"contactName": "林管理", "email": "manager@example.com.tw", "phone": "0912345678"});
    visitor.post("/api/delegate/registrations", &contact).unwrap().expect(201).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_3_01_to_3_10_first_registration() {
    let desk = begin("figure-3-01").await;
    desk.open("/").await.unwrap();
    desk.click("a[href='/delegate/']").await.unwrap();
    let menu_rows = [
        "首次註冊",
        "授權指派",
        "更換憑證",
        "更換機關憑證",
        "更換授權管理者自然人憑證",
        "更換機關憑證和更換授權管理者自然人憑證",
        "查詢作業",
        "查詢憑證註冊收件紀錄",
        "查詢機關憑證 OID",
        "查詢自然人憑證序號",
    ];
    desk.shows("nav.menu", &menu_rows).await.unwrap();
    let flow = [
        "憑證作業流程",
        "備妥機關憑證",
        "備妥授權管理者自然人憑證",
        "辦理首次註冊",
        "於下一個營業日即可重新辦理註冊",
    ];
    desk.shows("#home", &flow).await.unwrap();
    desk.shots("figure-3-01").await.unwrap();
    // 3-2, 3-3: the entry and its menu. 3-4: the terms.
    desk.click("nav.menu a[href='#register']").await.unwrap();
    desk.shows("#terms", &["首次註冊", "用戶約定條款", "每一機關設授權管理者一人"]).await.unwrap();
    assert_eq!(buttons(&desk, "#terms").await, ["同意條款內容", "不同意"]);
    desk.shots("figure-3-04").await.unwrap();
    desk.click("#agree").await.unwrap();
    // Nothing typed: said at the field.
    desk.only("agency").unwrap();
    desk.click("#organisation-form button[type=submit]").await.unwrap();
    desk.says("#code-error", "此欄位必須填寫").await.unwrap();
    desk.shots("figure-3-05-error").await.unwrap();
    // The wrong kind of card is named before any PIN.
    desk.only("manager").unwrap();
    desk.fill("#code", CODE).await.unwrap();
    desk.click("#organisation-form button[type=submit]").await.unwrap();
    desk.shows("#waiting", &["讀卡機內是自然人憑證", "機關（團體）憑證或工商憑證"]).await.unwrap();
    desk.click("#waiting button").await.unwrap();
    desk.says("#message", "插入的卡片種類不正確").await.unwrap();
    first_card(&desk, "agency", "figure-3-05").await;
    desk.text("#citizen").await.unwrap();
    desk.fill("#nationalId", "A123456788").await.unwrap();
    desk.click("#citizen-form button[type=submit]").await.unwrap();
    desk.says("#nationalId-error", "請檢查是否輸入錯誤").await.unwrap();
    second_card(&desk, "manager", MANAGER.national_id, "figure-3-08").await;
    contact(&desk, "figure-3-09").await;
    desk.shows("#done", &["首次註冊成功", "機關代號：", CODE, "註冊項目：", "首次註冊"])
        .await
        .unwrap();
    desk.shots("figure-3-10").await.unwrap();
    assert_eq!(
        desk.stored("SELECT code || ' ' || manager_tail FROM registrations").unwrap(),
        "A0001 6789"
    );
    // The bridge's window said which step it was: two purposes were signed for.
    let purposes = "SELECT group_concat(purpose, ' ') FROM (SELECT purpose FROM challenges
        WHERE used_at IS NOT NULL ORDER BY issued_at, purpose DESC)";
    let signed = desk.stored(purposes).unwrap();
    assert!(
        signed.contains("confirm-organisation") && signed.contains("confirm-manager"),
        "{signed}"
    );
    finish(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_3_06_and_3_07_what_does_not_fit_is_reviewed() {
    let desk = begin("figure-3-06").await;
    menu(&desk, "register").await;
    desk.click("#agree").await.unwrap();
    desk.only("association").unwrap();
    desk.fill("#code", CODE).await.unwrap();
    desk.click("#organisation-form button[type=submit]").await.unwrap();
    let rows = [
        "憑證註冊申請人確認",
        "貴機關申請憑證註冊，因申請資料比對不符，需進行審核，請填聯絡資料",
        "姓名：",
        "電話：",
    ];
    desk.shows("#mismatch", &rows).await.unwrap();
    desk.click("#mismatch-form button[type=submit]").await.unwrap();
    desk.shows("#message", &["姓名", "電話"]).await.unwrap();
    desk.shots("figure-3-06-error").await.unwrap();
    desk.fill("#asker-name", "王申請").await.unwrap();
    desk.fill("#asker-phone", "0912345678").await.unwrap();
    desk.shots("figure-3-06").await.unwrap();
    desk.click("#mismatch-form button[type=submit]").await.unwrap();
    let rows = [
        "請於次一營業日再重新註冊",
        "次一營業日：",
        "(02)27013411",
        "承保第一科 分機 5312",
        "宜蘭、基隆、臺北",
        "承保第二科 分機 5353",
    ];
    desk.shows("#under-review", &rows).await.unwrap();
    desk.shots("figure-3-07").await.unwrap();
    // Again before the officers' word: the same.
    menu(&desk, "register").await;
    desk.click("#agree").await.unwrap();
    desk.fill("#code", CODE).await.unwrap();
    desk.click("#organisation-form button[type=submit]").await.unwrap();
    desk.shows("#under-review", &["次一營業日", "(02)27013411"]).await.unwrap();
    assert_eq!(desk.stored("SELECT count(*) FROM cases WHERE kind = 'registration-mismatch'").unwrap(), "1");
    finish(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_3_11_to_3_22_delegation() {
    let desk = begin("figure-3-11").await;
    registers(&desk);
    menu(&desk, "delegate").await;
    first_card(&desk, "agency", "figure-3-12").await;
    second_card(&desk, "manager", MANAGER.national_id, "figure-3-13").await;
    desk.shows("#handlers", &["授權經辦人清單", CODE, "測試機關", "新增", "尚無授權經辦人"])
        .await
        .unwrap();
    desk.shots("figure-3-14").await.unwrap();
    desk.click("#add-handler").await.unwrap();
    let rows = [
        "新增授權經辦人",
        "憑證序號(SN)：",
        "讀取憑證",
        "授權經辦人姓名：",
        "身分證統一編號：",
        "功能選單項目：",
        "首次註冊紀錄查詢",
        "授權指派",
        "更換憑證",
        "憑證查詢",
        "API申請",
        "進度查詢",
        "取消",
    ];
    desk.shows("#handler", &rows).await.unwrap();
    // Nothing filled in: every field says what to do.
    desk.click("#handler-form button[type=submit]").await.unwrap();
    desk.shows(
        "#message",
        &["憑證序號(SN)", "授權經辦人姓名", "身分證統一編號", "功能選單項目", "請至少勾選一項功能"],
    )
    .await
    .unwrap();
    desk.shots("figure-3-15-error").await.unwrap();
    desk.only("handler").unwrap();
    desk.click("#read-card").await.unwrap();
    desk.until(&format!(
        "return document.getElementById('handler-name').value === '{}'",
        HANDLER.name
    ))
    .await
    .unwrap();
    // The ID of another person is told at once.
    desk.fill("#handler-id", MANAGER.national_id).await.unwrap();
    desk.click("#handler-form button[type=submit]").await.unwrap();
    desk.says("#handler-id-error", "身分證統一編號與自然人憑證不符").await.unwrap();
    desk.fill("#handler-id", HANDLER.national_id).await.unwrap();
    desk.click("#permission-progress").await.unwrap();
    desk.shots("figure-3-15").await.unwrap();
    desk.click("#handler-form button[type=submit]").await.unwrap();
    desk.says("#message.good", "授權經辦人新增成功").await.unwrap();
    let rows = [
        "計1名授權經辦人",
        HANDLER.name,
        "憑證序號(SN)：",
        "******6782",
        "進度查詢",
        "修改",
        "刪除",
    ];
    desk.shows("#handlers", &rows).await.unwrap();
    desk.shots("figure-3-16").await.unwrap();
    // 3-17 to 3-19.
    desk.click("#handlers-list .buttons button").await.unwrap();
    desk.shows("#handler", &["修改授權經辦人", "原登錄：******6782"]).await.unwrap();
    desk.click("#permission-cancel").await.unwrap();
    desk.shots("figure-3-18").await.unwrap();
    desk.click("#handler-form button[type=submit]").await.unwrap();
    desk.says("#message.good", "授權經辦人修改成功").await.unwrap();
    desk.shows("#handlers", &["進度查詢", "取消"]).await.unwrap();
    desk.shots("figure-3-19").await.unwrap();
    // 3-20 to 3-22: 取消 first, then 確定.
    desk.click("#handlers-list .buttons .danger").await.unwrap();
    desk.shows("#confirm", &["是否確定刪除", HANDLER.name, "確定"]).await.unwrap();
    desk.shots("figure-3-21").await.unwrap();
    desk.click("#confirm-no").await.unwrap();
    desk.shows("#handlers", &["計1名授權經辦人"]).await.unwrap();
    desk.click("#handlers-list .buttons .danger").await.unwrap();
    desk.click("#confirm-yes").await.unwrap();
    desk.says("#message.good", "授權經辦人刪除成功").await.unwrap();
    desk.shows("#handlers", &["尚無授權經辦人"]).await.unwrap();
    desk.shots("figure-3-22").await.unwrap();
    // An invitation, proved with the own card in the same browser.
    desk.click("#add-handler").await.unwrap();
    desk.click("#how-invite").await.unwrap();
    desk.fill("#handler-name", HANDLER.name).await.unwrap();
    desk.fill("#handler-id", HANDLER.national_id).await.unwrap();
    desk.click("#permission-first").await.unwrap();
    desk.click("#permission-progress").await.unwrap();
    desk.click("#handler-form button[type=submit]").await.unwrap();
    desk.says("#message.good", "邀請已建立").await.unwrap();
    desk.shots("invitation").await.unwrap();
    let address = desk.text("#message code").await.unwrap();
    desk.client.goto("about:blank").await.unwrap();
    desk.client.goto(&address).await.unwrap();
    desk.shows(
        "#citizen",
        &["接受授權經辦人邀請", "測試機關", "邀請您擔任授權經辦人", "首次註冊紀錄查詢、進度查詢"],
    )
    .await
    .unwrap();
    desk.shots("accept").await.unwrap();
    desk.fill("#nationalId", HANDLER.national_id).await.unwrap();
    desk.click("#citizen-form button[type=submit]").await.unwrap();
    desk.shows("#done", &["已接受邀請", HANDLER.name]).await.unwrap();
    desk.click("#done-next").await.unwrap();
    desk.click("#sign-in-form button[type=submit]").await.unwrap();
    desk.shows(
        "#work",
        &["授權經辦人姓名：", HANDLER.name, "測試機關", "功能選單", "首次註冊紀錄查詢", "進度查詢"],
    )
    .await
    .unwrap();
    desk.click("#functions li:first-child a").await.unwrap();
    desk.shows("#result", &["首次註冊紀錄查詢", "授權管理者：", "註冊項目：", "首次註冊"])
        .await
        .unwrap();
    desk.shots("handler").await.unwrap();
    finish(desk).await;
}

/// A replacement on the pages, from the menu to its result.
async fn replaces(desk: &Desk, kind: &str, word: &str, cards: (&str, &str), first: u32) {
    let figure = |offset: u32| format!("figure-3-{}", first + offset);
    menu(desk, kind).await;
    desk.shows("#terms", &[word, "用戶約定條款"]).await.unwrap();
    desk.shots(&figure(0)).await.unwrap();
    desk.click("#agree").await.unwrap();
    first_card(desk, cards.0, &figure(1)).await;
    second_card(desk, cards.1, MANAGER.national_id, &figure(2)).await;
    contact(desk, &figure(3)).await;
    desk.shows("#done", &[&format!("{word}成功"), "註冊項目：", word]).await.unwrap();
    desk.shots(&figure(4)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_3_23_to_3_37_replacements() {
    let desk = begin("figure-3-23").await;
    registers(&desk);
    for name in ["agency-2", "agency-3"] {
        desk.another_agency_card(name).unwrap();
    }
    for name in ["manager-2", "manager-3"] {
        desk.another_citizen_card(name, MANAGER).unwrap();
    }
    replaces(&desk, "replace-organisation", "更換機關憑證", ("agency-2", "manager"), 23).await;
    let word = "更換授權管理者自然人憑證";
    replaces(&desk, "replace-manager", word, ("agency-2", "manager-2"), 28).await;
    let word = "更換機關憑證和更換授權管理者自然人憑證";
    replaces(&desk, "replace-both", word, ("agency-3", "manager-3"), 33).await;
    assert_eq!(desk.stored("SELECT revision FROM registrations").unwrap(), "4");
    finish(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_3_38_to_3_43_queries() {
    let desk = begin("figure-3-38").await;
    registers(&desk);
    menu(&desk, "receipts").await;
    desk.shows("#receipts", &["查詢憑證註冊收件紀錄", "機關代號："]).await.unwrap();
    desk.shots("figure-3-38").await.unwrap();
    desk.fill("#receipts-code", "a0001").await.unwrap();
    desk.click("#receipts-form button").await.unwrap();
    let rows = ["計1筆收件紀錄", "機關名稱：", "測試機關", "收件時間：", "註冊項目：", "首次註冊"];
    desk.shows("#receipts-result", &rows).await.unwrap();
    desk.shots("figure-3-39").await.unwrap();
    menu(&desk, "find-organisation").await;
    desk.shows("#organisation", &["查詢機關憑證 OID", "機關憑證確認", "機關代號："]).await.unwrap();
    desk.shots("figure-3-40").await.unwrap();
    desk.only("agency").unwrap();
    desk.fill("#code", CODE).await.unwrap();
    desk.click("#organisation-form button[type=submit]").await.unwrap();
    desk.shows("#found", &["機關名稱：", "測試機關", "機關憑證OID：", AGENCY]).await.unwrap();
    desk.shots("figure-3-41").await.unwrap();
    menu(&desk, "find-serial").await;
    desk.shows("#citizen", &["查詢自然人憑證序號", "自然人憑證確認", "身分證統一編號："])
        .await
        .unwrap();
    desk.shots("figure-3-42").await.unwrap();
    desk.only("handler").unwrap();
    desk.fill("#nationalId", HANDLER.national_id).await.unwrap();
    desk.click("#citizen-form button[type=submit]").await.unwrap();
    desk.shows("#found", &["姓名：", HANDLER.name, "自然人憑證序號："]).await.unwrap();
    desk.shots("figure-3-43").await.unwrap();
    let shown = desk.client.find(Locator::Css("#found-sheet")).await.unwrap().text().await.unwrap();
    assert!(!shown.contains(HANDLER.national_id));
    finish(desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_in_english() {
    let desk = begin("delegate-english").await;
    desk.open("/delegate/").await.unwrap();
    desk.click("#language").await.unwrap();
    desk.says("#home h1", "Credential registration").await.unwrap();
    let chinese = r"
        const found = [];
        const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        while (walker.nextNode()) {
            const { parentElement: parent, data } = walker.currentNode;
            if (!/[\u3000-\u9fff\uff00-\uffef]/.test(data) || parent.closest('[translate=no], script, style') || !parent.checkVisibility()) continue;
            found.push(data.trim());
        }
        return found.join('|').replaceAll('統一編號', '') === '' || found;";
    for item in [
        "",
        "register",
        "delegate",
        "receipts",
        "find-organisation",
        "find-serial",
        "renew-handler",
    ] {
        desk.open(&format!("/delegate/#{item}")).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        let found = desk.client.execute(chinese, vec![]).await.unwrap();
        assert_eq!(found, true, "{item}");
    }
    desk.open("/handler/").await.unwrap();
    desk.says("h1", "Sign in as a handler").await.unwrap();
    desk.shots("handler-english").await.unwrap();
    finish(desk).await;
}
