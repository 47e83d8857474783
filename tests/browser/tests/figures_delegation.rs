//! Figures 3-1 to 3-43 of the manual of 憑證註冊與指派作業 in the browser: two cards one after the
//! other in one reader, each with the bridge's window (#8, D1 to D5). Every figure is a step that
//! names it, with the manual's words; a story ends by saying which figures it has shown.

use std::ops::{Deref, RangeInclusive};

use crate::figures::{begin, buttons, finish};
use browser_tests::Desk;
use fantoccini::Locator;
use serde_json::json;
use test_pki::client::{CardSigner, Visitor};
use test_pki::demo::{AGENCY, COMPANY, HANDLER, MANAGER};

const CODE: &str = "A0001";
const COMPANY_CODE: &str = "C0001";

/// The figures of each story.
const REGISTRATION: RangeInclusive<u32> = 1..=10;
const DELEGATION: RangeInclusive<u32> = 11..=22;
const REPLACEMENTS: RangeInclusive<u32> = 23..=37;
const QUERIES: RangeInclusive<u32> = 38..=43;

/// A desk, and the figures that were shown at it.
struct Story {
    desk: Desk,
    seen: Vec<u32>,
}

impl Deref for Story {
    type Target = Desk;

    fn deref(&self) -> &Desk {
        &self.desk
    }
}

impl Story {
    async fn begin(name: &str) -> Self {
        Self { desk: begin(name).await, seen: Vec::new() }
    }

    /// The page shows what the figure shows, in its order.
    async fn figure(&mut self, number: u32, css: &str, words: &[&str]) {
        let shown = self.desk.shows(css, words).await;
        shown.unwrap_or_else(|trouble| panic!("figure 3-{number}: {trouble}"));
        self.seen.push(number);
    }

    /// The same, with a picture.
    async fn pictured(&mut self, number: u32, css: &str, words: &[&str]) {
        self.figure(number, css, words).await;
        self.desk.shots(&format!("figure-3-{number:02}")).await.unwrap();
    }

    /// Every figure of these, in whatever order.
    fn covers(&mut self, figures: impl Iterator<Item = u32>) {
        self.seen.sort_unstable();
        assert_eq!(self.seen, figures.collect::<Vec<_>>());
    }
}

#[test]
fn every_figure_is_in_a_story() {
    let all: Vec<_> = REGISTRATION.chain(DELEGATION).chain(REPLACEMENTS).chain(QUERIES).collect();
    assert_eq!(all, (1..=43).collect::<Vec<_>>());
}

/// Opens an item of the menu.
async fn menu(desk: &Desk, item: &str) {
    desk.open("/delegate/").await.unwrap();
    desk.text("#home").await.unwrap();
    desk.click(&format!("nav.menu a[href='#{item}']")).await.unwrap();
}

const FIRST_CARD: [&str; 4] =
    ["第1步，共2步", "機關憑證確認", "機關代號：", "機關憑證密碼 (PIN碼)："];
const SECOND_CARD: [&str; 4] = [
    "第2步，共2步：取出機關憑證",
    "自然人憑證確認",
    "授權管理者身分證統一編號：",
    "自然人憑證密碼 (PIN碼)：",
];

/// The code, and the first card.
async fn first_card(desk: &Desk, card: &str) {
    assert_eq!(buttons(desk, "#organisation").await, ["確認", "取消"]);
    desk.only(card).unwrap();
    desk.fill("#code", CODE).await.unwrap();
    desk.click("#organisation-form button[type=submit]").await.unwrap();
    desk.text("#citizen").await.unwrap();
}

/// The ID, and the second card: the reader still has the first one, and the page says which one
/// is needed before any PIN.
async fn second_card(desk: &Desk, card: &str, id: &str) {
    assert_eq!(buttons(desk, "#citizen").await, ["確認", "取消"]);
    desk.fill("#nationalId", id).await.unwrap();
    desk.click("#citizen-form button[type=submit]").await.unwrap();
    let named = ["插入的卡片種類不正確", "讀卡機內是機關（團體）憑證", "改插入自然人憑證"];
    desk.shows("#waiting", &named).await.unwrap();
    desk.only(card).unwrap();
}

/// What both cards say, and the manager's data.
const CONTACT: [&str; 15] = [
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

async fn contact(desk: &Desk) {
    desk.fill("#email", "manager@example.com.tw").await.unwrap();
    desk.fill("#phone", "(02)12345678#12").await.unwrap();
    desk.click("#contact-form button[type=submit]").await.unwrap();
}

/// What a card signs, without a browser.
fn step(desk: &Desk, visitor: &Visitor, card: &str, document: serde_json::Value, id: Option<&str>) {
    desk.only(card).unwrap();
    let signer = CardSigner::new(desk.dir.join("cards"), card);
    visitor.shows_card(&signer, document, id).unwrap().expect(200).unwrap();
}

/// An organisation is registered, as the first story does on the pages.
fn registers(desk: &Desk, (card, code): (&str, &str)) {
    let mut visitor = Visitor::new(&desk.demo.origin);
    visitor.begin_visit("register").unwrap();
    let terms = visitor.get("/api/delegate/terms").unwrap().expect(200).unwrap()["terms"].clone();
    step(desk, &visitor, card, json!({"visit": "register", "code": code, "agreed": terms}), None);
    let view = visitor.get("/api/delegate/visit").unwrap().expect(200).unwrap();
    let signature = &view["organisationSignature"];
    let document = json!({"visit": "register", "organisationSignature": signature});
    step(desk, &visitor, "manager", document, Some(MANAGER.national_id));
    let contact =
        json!({"contactName": "林管理", "email": "manager@example.com.tw", "phone": "0912345678"});
    visitor.post("/api/delegate/registrations", &contact).unwrap().expect(201).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_3_01_to_3_10_first_registration_and_3_38_to_3_43_queries() {
    let mut story = Story::begin("figure-3-01").await;
    story.open("/").await.unwrap();
    story.figure(2, "main", &["憑證註冊與指派作業"]).await;
    story.click("a[href='/delegate/']").await.unwrap();
    let menu_words = [
        "首次註冊",
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
    story.figure(3, "nav.menu", &menu_words).await;
    let flow = [
        "憑證作業流程",
        "備妥機關憑證",
        "備妥授權管理者自然人憑證",
        "辦理首次註冊",
        "當出現須進行審核的訊息時",
        "於下一個營業日即可重新辦理註冊",
    ];
    story.pictured(1, "#home", &flow).await;
    story.click("nav.menu a[href='#register']").await.unwrap();
    let terms = ["首次註冊", "用戶約定條款", "每一機關設授權管理者一人"];
    story.pictured(4, "#terms", &terms).await;
    assert_eq!(buttons(&story, "#terms").await, ["同意條款內容", "不同意"]);
    what_does_not_fit_is_reviewed(&mut story).await;
    menu(&story, "register").await;
    story.click("#agree").await.unwrap();
    first_card_with_mistakes(&story).await;
    story.pictured(5, "#organisation", &FIRST_CARD).await;
    first_card(&story, "agency").await;
    story.fill("#nationalId", "A123456788").await.unwrap();
    story.click("#citizen-form button[type=submit]").await.unwrap();
    story.says("#nationalId-error", "請檢查是否輸入錯誤").await.unwrap();
    story.pictured(8, "#citizen", &SECOND_CARD).await;
    second_card(&story, "manager", MANAGER.national_id).await;
    story.pictured(9, "#contact", &CONTACT).await;
    contact(&story).await;
    let done = ["首次註冊成功", "授權指派", "機關代號：", CODE, "註冊項目：", "首次註冊"];
    story.pictured(10, "#done", &done).await;
    let registered = "SELECT group_concat(code || ' ' || manager_tail, ', ') FROM registrations";
    assert_eq!(story.stored(registered).unwrap(), "A0001 6789");
    // The bridge's window said which step it was: two purposes were signed for.
    let purposes = "SELECT group_concat(DISTINCT purpose) FROM challenges WHERE used_at IS NOT NULL
        AND purpose IN ('confirm-organisation', 'confirm-manager')";
    assert!(story.stored(purposes).unwrap().contains(','));
    queries(&mut story).await;
    story.covers(REGISTRATION.chain(QUERIES));
    finish(story.desk).await;
}

/// Nothing typed, and the wrong kind of card, which is named before any PIN.
async fn first_card_with_mistakes(desk: &Desk) {
    desk.only("agency").unwrap();
    desk.click("#organisation-form button[type=submit]").await.unwrap();
    desk.says("#code-error", "此欄位必須填寫").await.unwrap();
    desk.shots("figure-3-05-error").await.unwrap();
    desk.only("manager").unwrap();
    desk.fill("#code", CODE).await.unwrap();
    desk.click("#organisation-form button[type=submit]").await.unwrap();
    desk.shows("#waiting", &["讀卡機內是自然人憑證", "機關（團體）憑證或工商憑證"]).await.unwrap();
    desk.click("#waiting button").await.unwrap();
    desk.says("#message", "插入的卡片種類不正確").await.unwrap();
}

/// 3-6 and 3-7, and what officers make of it in their workbench.
async fn what_does_not_fit_is_reviewed(story: &mut Story) {
    story.click("#agree").await.unwrap();
    story.only("association").unwrap();
    story.fill("#code", CODE).await.unwrap();
    story.click("#organisation-form button[type=submit]").await.unwrap();
    story.text("#mismatch").await.unwrap();
    story.click("#mismatch-form button[type=submit]").await.unwrap();
    story.shows("#message", &["姓名", "電話"]).await.unwrap();
    story.shots("figure-3-06-error").await.unwrap();
    story.fill("#asker-name", "王申請").await.unwrap();
    story.fill("#asker-phone", "0912345678").await.unwrap();
    let asked = [
        "憑證註冊申請人確認",
        "貴機關申請憑證註冊，因申請資料比對不符，需進行審核，請填聯絡資料",
        "姓名：",
        "電話：",
    ];
    story.pictured(6, "#mismatch", &asked).await;
    assert_eq!(buttons(story, "#mismatch").await, ["確認", "取消"]);
    story.click("#mismatch-form button[type=submit]").await.unwrap();
    let next = [
        "請於次一營業日再重新註冊",
        "次一營業日：",
        "案件編號(S/N)：",
        "(02)27013411",
        "承保第一科 分機 5312",
        "宜蘭、基隆、臺北",
        "承保第二科 分機 5353",
        "彰化、臺中、南投",
    ];
    story.pictured(7, "#under-review", &next).await;
    // Again before the officers' word: the same.
    menu(story, "register").await;
    story.click("#agree").await.unwrap();
    story.fill("#code", CODE).await.unwrap();
    story.click("#organisation-form button[type=submit]").await.unwrap();
    story.shows("#under-review", &["次一營業日", "(02)27013411"]).await.unwrap();
    assert_eq!(
        story.stored("SELECT group_concat(kind) FROM cases").unwrap(),
        "registration-mismatch"
    );
    officers_decide(story).await;
}

/// 註冊審核: a case in the officers' workbench like every other.
async fn officers_decide(desk: &Desk) {
    desk.only("officer").unwrap();
    desk.open("/review/").await.unwrap();
    desk.click("#sign-in-form button").await.unwrap();
    desk.says("#count", "待領案：1件").await.unwrap();
    desk.fill("#find", CODE).await.unwrap();
    desk.click("#find-form button").await.unwrap();
    desk.says("#cases", "憑證註冊資料審核").await.unwrap();
    desk.click("#cases button.link").await.unwrap();
    let facts = [
        "憑證註冊資料審核",
        "王申請",
        "機關代號與機關憑證資料比對不符",
        "查核資料",
        "機關代號",
        CODE,
        "憑證上的OID或統一編號",
        "⚠ 此代號的機關資料",
        AGENCY,
        "0912345678",
        "未留電子信箱",
    ];
    desk.shows("#case-facts", &facts).await.unwrap();
    desk.click("#claim").await.unwrap();
    desk.text("#release").await.unwrap();
    desk.click("#act-reject").await.unwrap();
    desk.click("#act-button").await.unwrap();
    desk.shows("#message", &["資料有誤", "此欄位必須填寫"]).await.unwrap();
    desk.shots("registration-case").await.unwrap();
    desk.click("#ground-code-unproven").await.unwrap();
    desk.fill("#result", "請使用貴機關的機關代號").await.unwrap();
    desk.click("#act-button").await.unwrap();
    desk.says("#message.good", "已完成").await.unwrap();
    desk.shows("#case-title", &["憑證註冊資料審核", "駁回"]).await.unwrap();
}

/// 3-38 to 3-43.
async fn queries(story: &mut Story) {
    menu(story, "receipts").await;
    story.pictured(38, "#receipts", &["查詢憑證註冊收件紀錄", "機關代號：", "查詢"]).await;
    story.fill("#receipts-code", "a0001").await.unwrap();
    story.click("#receipts-form button").await.unwrap();
    let rows = ["計1筆收件紀錄", "機關名稱：", "測試機關", "收件時間：", "註冊項目：", "首次註冊"];
    story.pictured(39, "#receipts-result", &rows).await;
    menu(story, "find-organisation").await;
    let card = ["查詢機關憑證 OID", "機關憑證確認", "機關代號：", "機關憑證密碼 (PIN碼)："];
    story.pictured(40, "#organisation", &card).await;
    story.only("agency").unwrap();
    story.fill("#code", CODE).await.unwrap();
    story.click("#organisation-form button[type=submit]").await.unwrap();
    let found = ["查詢結果", "機關名稱：", "測試機關", "機關憑證OID：", AGENCY];
    story.pictured(41, "#found", &found).await;
    menu(story, "find-serial").await;
    let card =
        ["查詢自然人憑證序號", "自然人憑證確認", "身分證統一編號：", "自然人憑證密碼 (PIN碼)："];
    story.pictured(42, "#citizen", &card).await;
    story.only("handler").unwrap();
    story.fill("#nationalId", HANDLER.national_id).await.unwrap();
    story.click("#citizen-form button[type=submit]").await.unwrap();
    let found = ["查詢結果", "姓名：", HANDLER.name, "自然人憑證序號："];
    story.pictured(43, "#found", &found).await;
    let sheet = story.client.find(Locator::Css("#found-sheet")).await.unwrap();
    assert!(!sheet.text().await.unwrap().contains(HANDLER.national_id));
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_3_11_to_3_22_delegation() {
    let mut story = Story::begin("figure-3-11").await;
    registers(&story, ("agency", CODE));
    story.open("/delegate/").await.unwrap();
    story.figure(11, "nav.menu", &["授權指派", "授權指派", "更換憑證"]).await;
    story.click("nav.menu a[href='#delegate']").await.unwrap();
    story.pictured(12, "#organisation", &[&["授權指派"], &FIRST_CARD[..]].concat()).await;
    first_card(&story, "agency").await;
    story.pictured(13, "#citizen", &[&["授權指派"], &SECOND_CARD[..]].concat()).await;
    second_card(&story, "manager", MANAGER.national_id).await;
    let list = ["授權經辦人清單", CODE, "測試機關", "新增", "尚無授權經辦人"];
    story.pictured(14, "#handlers", &list).await;
    adds_a_handler(&mut story).await;
    // 3-17 to 3-19.
    story.figure(17, "#handlers", &["授權經辦人清單", HANDLER.name, "修改"]).await;
    story.click("#handlers-list .buttons button").await.unwrap();
    story.shows("#handler", &["修改授權經辦人", "原登錄：******6782"]).await.unwrap();
    story.click("#permission-cancel").await.unwrap();
    let form = [
        "修改授權經辦人",
        "憑證序號(SN)：",
        "授權經辦人姓名：",
        "身分證統一編號：",
        "功能選單項目：",
    ];
    story.pictured(18, "#handler", &form).await;
    story.click("#handler-form button[type=submit]").await.unwrap();
    story.says("#message.good", "授權經辦人修改成功").await.unwrap();
    story.pictured(19, "#handlers", &["計1名授權經辦人", "進度查詢", "取消"]).await;
    // 3-20 to 3-22: 取消 first, then 確定.
    story.figure(20, "#handlers", &["授權經辦人清單", HANDLER.name, "刪除"]).await;
    story.click("#handlers-list .buttons .danger").await.unwrap();
    story.pictured(21, "#confirm", &["是否確定刪除", HANDLER.name, "確定"]).await;
    story.click("#confirm-no").await.unwrap();
    story.shows("#handlers", &["計1名授權經辦人"]).await.unwrap();
    story.click("#handlers-list .buttons .danger").await.unwrap();
    story.click("#confirm-yes").await.unwrap();
    story.says("#message.good", "授權經辦人刪除成功").await.unwrap();
    story.pictured(22, "#handlers", &["授權經辦人清單", "尚無授權經辦人"]).await;
    invites(&story).await;
    story.covers(DELEGATION);
    finish(story.desk).await;
}

/// 3-15 and 3-16.
async fn adds_a_handler(story: &mut Story) {
    story.click("#add-handler").await.unwrap();
    // Nothing filled in: every field says what to do.
    story.click("#handler-form button[type=submit]").await.unwrap();
    story
        .shows(
            "#message",
            &[
                "憑證序號(SN)",
                "授權經辦人姓名",
                "身分證統一編號",
                "功能選單項目",
                "請至少勾選一項功能",
            ],
        )
        .await
        .unwrap();
    story.shots("figure-3-15-error").await.unwrap();
    // The manager's own card is still in the reader: it is not taken without a question.
    story.click("#read-card").await.unwrap();
    story.shows("#own-card", &["授權管理者本人的憑證", "改插入經辦人"]).await.unwrap();
    story.shots("figure-3-15-own-card").await.unwrap();
    story.click("#own-card [data-value='']").await.unwrap();
    assert_eq!(story.value("handler-name").await.unwrap(), "");
    story.only("handler").unwrap();
    story.click("#read-card").await.unwrap();
    let read = "return document.getElementById('handler-name').value === ";
    story.until(&format!("{read}'{}'", HANDLER.name)).await.unwrap();
    // The ID of another person is told at once.
    story.fill("#handler-id", MANAGER.national_id).await.unwrap();
    story.click("#handler-form button[type=submit]").await.unwrap();
    story.says("#handler-id-error", "身分證統一編號與自然人憑證不符").await.unwrap();
    story.fill("#handler-id", HANDLER.national_id).await.unwrap();
    story.click("#permission-progress").await.unwrap();
    let form = [
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
        "確認",
    ];
    story.pictured(15, "#handler", &form).await;
    story.click("#handler-form button[type=submit]").await.unwrap();
    story.says("#message.good", "授權經辦人新增成功").await.unwrap();
    let list = [
        "計1名授權經辦人",
        HANDLER.name,
        "憑證序號(SN)：",
        "******6782",
        "進度查詢",
        "修改",
        "刪除",
    ];
    story.pictured(16, "#handlers", &list).await;
}

/// An invitation, proved with the own card in the same browser.
async fn invites(desk: &Desk) {
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
    // What needs a 統一編號 is not offered to an agency's handler.
    desk.shows("#functions", &["進度查詢（限有統一編號的公司）"]).await.unwrap();
    desk.shots("handler").await.unwrap();
    // Removed while signed in: told so, and the page is free for whoever comes next.
    desk.stored("UPDATE handlers SET removed_at = added_at RETURNING id").unwrap();
    desk.click("#functions li:first-child a").await.unwrap();
    desk.shows("#message", &["查無您的授權經辦人資料", "授權管理者"]).await.unwrap();
    desk.says("#sign-in h1", "授權經辦人登入").await.unwrap();
    desk.shots("handler-removed").await.unwrap();
}

/// A replacement on the pages, from the menu to its result: five figures from `first` on.
async fn replaces(story: &mut Story, kind: &str, word: &str, cards: (&str, &str), first: u32) {
    menu(story, kind).await;
    story.pictured(first, "#terms", &[word, "用戶約定條款", "同意條款內容"]).await;
    story.click("#agree").await.unwrap();
    story.figure(first + 1, "#organisation", &[&[word], &FIRST_CARD[..]].concat()).await;
    let renewed = kind != "replace-manager";
    let own = if renewed { "插入更換後的機關憑證" } else { "插入機關憑證" };
    story.shows("#organisation", &[own]).await.unwrap();
    first_card(story, cards.0).await;
    story.figure(first + 2, "#citizen", &[&[word], &SECOND_CARD[..]].concat()).await;
    second_card(story, cards.1, MANAGER.national_id).await;
    story.pictured(first + 3, "#contact", &[&[word], &CONTACT[..]].concat()).await;
    contact(story).await;
    story.pictured(first + 4, "#done", &[&format!("{word}成功"), "註冊項目：", word]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_3_23_to_3_37_replacements() {
    let mut story = Story::begin("figure-3-23").await;
    registers(&story, ("agency", CODE));
    for name in ["agency-2", "agency-3"] {
        story.another_agency_card(name).unwrap();
    }
    for name in ["manager-2", "manager-3"] {
        story.another_citizen_card(name, MANAGER).unwrap();
    }
    let cards = ("agency-2", "manager");
    replaces(&mut story, "replace-organisation", "更換機關憑證", cards, 23).await;
    let (word, cards) = ("更換授權管理者自然人憑證", ("agency-2", "manager-2"));
    replaces(&mut story, "replace-manager", word, cards, 28).await;
    let (word, cards) = ("更換機關憑證和更換授權管理者自然人憑證", ("agency-3", "manager-3"));
    replaces(&mut story, "replace-both", word, cards, 33).await;
    assert_eq!(story.stored("SELECT revision FROM registrations").unwrap(), "4");
    story.covers(REPLACEMENTS);
    finish(story.desk).await;
}

/// A handler's way: prepares and follows for the company, whose card signs.
#[tokio::test(flavor = "multi_thread")]
async fn a_handler_applies_follows_and_withdraws_for_the_company() {
    let desk = begin("handler").await;
    registers(&desk, ("company", COMPANY_CODE));
    names(&desk, &["apply", "progress", "cancel"]);
    desk.only("handler").unwrap();
    desk.open("/handler/").await.unwrap();
    desk.click("#sign-in-form button[type=submit]").await.unwrap();
    let work = ["機關名稱：", COMPANY.0, "功能選單", "API申請", "進度查詢", "取消"];
    desk.shows("#work", &work).await.unwrap();
    desk.click("#functions a[href='/apply/#handler']").await.unwrap();
    for way in ["#agency-no", "#agency-form button", "#notice-read"] {
        desk.click(way).await.unwrap();
    }
    desk.says("#kind", COMPANY.1).await.unwrap();
    desk.shots("kind").await.unwrap();
    desk.click("#kind-form button[type=submit]").await.unwrap();
    desk.fills_in().await.unwrap();
    desk.agrees().await.unwrap();
    desk.shots("form").await.unwrap();
    // The signature stays with the company's card.
    desk.click("#apply-button").await.unwrap();
    desk.click("#confirm-yes").await.unwrap();
    desk.says("#waiting", "插入的卡片種類不正確").await.unwrap();
    desk.only("company").unwrap();
    desk.shows("#receipt-sheet", &["公司名稱：", COMPANY.0, "申請結果：", "已受理"]).await.unwrap();
    desk.open("/handler/").await.unwrap();
    desk.click("#functions a[href='/query/#handler']").await.unwrap();
    desk.shows("#result", &[COMPANY.1, "API申請", "受理中"]).await.unwrap();
    desk.shots("progress").await.unwrap();
    desk.click("#cases button.danger").await.unwrap();
    desk.click("#confirm-yes").await.unwrap();
    desk.says("#cases", "已取消").await.unwrap();
    assert_eq!(desk.stored("SELECT state FROM cases").unwrap(), "cancelled");
    finish(desk).await;
}

/// Names the demo handler for the company, without a browser.
fn names(desk: &Desk, permissions: &[&str]) {
    let mut visitor = Visitor::new(&desk.demo.origin);
    visitor.begin_visit("delegate").unwrap();
    let document = json!({"visit": "delegate", "code": COMPANY_CODE});
    step(desk, &visitor, "company", document, None);
    let view = visitor.get("/api/delegate/visit").unwrap().expect(200).unwrap();
    let signature = &view["organisationSignature"];
    let document = json!({"visit": "delegate", "organisationSignature": signature});
    step(desk, &visitor, "manager", document, Some(MANAGER.national_id));
    let card = std::fs::read(desk.dir.join("cards/handler.json")).unwrap();
    let card: serde_json::Value = serde_json::from_slice(&card).unwrap();
    let read = json!({"certificate": card["certificate"]});
    let read = visitor.post("/api/delegate/card-readings", &read).unwrap().expect(200).unwrap();
    let serial = &read["serialNumber"];
    let entry = json!({"serialNumber": serial, "name": HANDLER.name,
        "nationalId": HANDLER.national_id, "permissions": permissions});
    visitor.post("/api/delegate/handlers", &entry).unwrap().expect(201).unwrap();
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
