//! The officers' page (#6): a case from queue to decision by keyboard, the applicant's answer,
//! what takes two, and administration.

use browser_tests::Desk;
use fantoccini::Locator;
use fantoccini::key::Key;
use serde_json::json;
use test_pki::client::form;
use test_pki::demo::{AGENCY, COMPANY, HOST_ADDRESS};

/// Whoever has the demo officer's card has this role.
fn officer_is(desk: &Desk, role: &str) {
    let sql = format!("UPDATE officers SET role = '{role}' WHERE id = 1 RETURNING role");
    assert_eq!(desk.stored(&sql).unwrap(), role);
}

async fn signs_in(desk: &Desk) {
    desk.open("/review/").await.unwrap();
    desk.click("#sign-in-form button").await.unwrap();
    desk.says("#officer", "李審核").await.unwrap();
}

async fn presses(desk: &Desk, keys: &str) {
    let active = desk.client.active_element().await.unwrap();
    active.send_keys(keys).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_officer_asks_by_keyboard_and_the_applicant_answers_on_the_form() {
    let desk = Desk::start("question").await.unwrap();
    let form = form("api-application", COMPANY.0, COMPANY.1, "127.0.0.1");
    let id = desk.applied(form).unwrap();
    signs_in(&desk).await;
    desk.says("#count", "待領案：1件").await.unwrap();
    // The first case has the focus; Enter opens it.
    desk.until("return document.activeElement.dataset.case !== undefined").await.unwrap();
    presses(&desk, &Key::Enter.to_string()).await;
    desk.shows("#case-facts", &["S/N", &id, "查核資料", "帳號狀態", "辦理歷程", "提出申請"])
        .await
        .unwrap();
    desk.shots("case").await.unwrap();
    desk.click("#claim").await.unwrap();
    desk.text("#release").await.unwrap();
    desk.click("#act-form [value=question]").await.unwrap();
    desk.click("#act-button").await.unwrap();
    desk.shows("#message", &["資料有誤", "此欄位必須填寫"]).await.unwrap();
    desk.click("#act-form [value=legal-basis-missing]").await.unwrap();
    desk.fill("#result", "請敘明條號。").await.unwrap();
    // The letter is seen before it goes, and can be changed.
    desk.click("#letter summary").await.unwrap();
    let shown = "return document.getElementById('letter-body').value.includes('請敘明條號。')";
    desk.until(shown).await.unwrap();
    desk.shots("letter").await.unwrap();
    let body = desk.value("letter-body").await.unwrap();
    desk.fill("#letter-body", &format!("{body}\n（承辦人加註）")).await.unwrap();
    presses(&desk, &format!("{}{}", char::from(Key::Control), char::from(Key::Enter))).await;
    desk.says("#message.good", "已完成").await.unwrap();
    desk.shows("#case-facts", &["等候申請人補件", "補件", "請敘明條號。", "信件", "待寄送"])
        .await
        .unwrap();
    desk.shots("asked").await.unwrap();
    let letter = "SELECT count(*) FROM letters WHERE body LIKE '%（承辦人加註）%'";
    assert_eq!(desk.stored(letter).unwrap(), "1");

    // The applicant sees what is asked, with the progress,
    desk.at_progress().await.unwrap();
    desk.shows("#cases", &["補件通知", "未敘明法規依據", "請敘明條號。", "期限："]).await.unwrap();
    desk.shots("progress").await.unwrap();
    // and answers on the form, where everything stands as it was.
    desk.at_sign_in().await.unwrap();
    desk.signs_in(COMPANY.1).await.unwrap();
    desk.shows("#message", &["請補充申請資料", "未敘明法規依據", "請敘明條號。"]).await.unwrap();
    assert_eq!(desk.value("hostAddress").await.unwrap(), "127.0.0.1");
    desk.says("#reason-error", "未敘明法規依據").await.unwrap();
    desk.shots("answer").await.unwrap();
    desk.fill("#reason", "依洗錢防制法第十條確認客戶身分").await.unwrap();
    desk.agrees().await.unwrap();
    let receipt = desk.sends().await.unwrap();
    assert!(receipt.contains("已受理") && receipt.contains("第十條"), "{receipt}");
    assert_eq!(desk.stored("SELECT count(*) FROM cases").unwrap(), "1");
    assert_eq!(desk.stored("SELECT version FROM cases").unwrap(), "2");

    // Back with the officer, with what has changed.
    signs_in(&desk).await;
    desk.click("[data-queue=mine]").await.unwrap();
    desk.says("#cases", "已補件").await.unwrap();
    desk.click("#cases button.link").await.unwrap();
    desk.shows("#case-facts", &["修改前後", "使用目的/原因", "第十條"]).await.unwrap();
    desk.shots("answered").await.unwrap();
    desk.client.clone().close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_typed_for_a_case_stays_while_others_are_looked_at() {
    let desk = Desk::start("officer-draft").await.unwrap();
    let applied = form("api-application", COMPANY.0, COMPANY.1, "127.0.0.1");
    desk.applied(applied).unwrap();
    signs_in(&desk).await;
    desk.click("#cases button.link").await.unwrap();
    desk.text("#act-form").await.unwrap();
    desk.click("#act-form [value=reject]").await.unwrap();
    desk.click("#act-form [value=business-unfit]").await.unwrap();
    desk.fill("#result", "所營事業不符").await.unwrap();
    desk.click("#case [data-to=queue]").await.unwrap();
    desk.text("#queue").await.unwrap();
    desk.fill("#find", COMPANY.0).await.unwrap();
    desk.click("#find-form button").await.unwrap();
    desk.says("#count", "1件").await.unwrap();
    desk.shots("found").await.unwrap();
    desk.click("#cases button.link").await.unwrap();
    desk.text("#act-form").await.unwrap();
    assert_eq!(desk.value("result").await.unwrap(), "所營事業不符");
    desk.click("#claim").await.unwrap();
    desk.text("#release").await.unwrap();
    assert_eq!(desk.value("result").await.unwrap(), "所營事業不符");
    // It is decided elsewhere meanwhile: this page is told, and nothing is sent twice.
    let id = desk.stored("SELECT id FROM cases").unwrap();
    desk.decides(&id, "approve", "審核通過").unwrap();
    desk.click("#act-button").await.unwrap();
    desk.says("#message", "案件已不是受理中").await.unwrap();
    // What has become of it is shown at once.
    desk.says("#case-title", "核准").await.unwrap();
    desk.shots("too-late").await.unwrap();
    assert_eq!(desk.value("result").await.unwrap(), "所營事業不符");
    desk.client.clone().close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_officers_revoke_and_the_company_says_what_it_will_do_better() {
    let desk = Desk::start("revocation").await.unwrap();
    desk.approved().unwrap();
    officer_is(&desk, "supervisor");
    signs_in(&desk).await;
    desk.fill("#find", COMPANY.1).await.unwrap();
    desk.click("#find-form button").await.unwrap();
    desk.says("#count", "搜尋").await.unwrap();
    desk.click("#cases button.link").await.unwrap();
    desk.text("#case-facts").await.unwrap();
    let to_account = Locator::XPath("//button[text()='查看帳號']");
    desk.client.find(to_account).await.unwrap().click().await.unwrap();
    desk.says("#account-title", "啟用").await.unwrap();
    desk.shots("account").await.unwrap();
    desk.fill("#account-reason", "短時間內大量查驗錯誤").await.unwrap();
    desk.click("[data-act=suspension]").await.unwrap();
    desk.says("#message.good", "已暫停").await.unwrap();
    desk.fill("#account-reason", "情節重大").await.unwrap();
    desk.click("[data-act=revocation]").await.unwrap();
    desk.says("#account-facts", "待覆核").await.unwrap();
    let places = Locator::XPath("//div[@id='places']/button[text()='待覆核事項']");
    desk.client.find(places).await.unwrap().click().await.unwrap();
    desk.says("#proposal-list", "註銷查驗權限").await.unwrap();
    // Nobody is the second of two after having been the first.
    let endorse = "return document.querySelectorAll('.endorse').length";
    assert_eq!(desk.client.execute(endorse, vec![]).await.unwrap(), json!(0));
    desk.shots("own-proposal").await.unwrap();
    // The proposal of somebody else can be agreed to.
    desk.stored("INSERT INTO officers (id, subject_serial, name, role, added_at) VALUES (9, '9', '陳測試', 'officer', 1) RETURNING 1").unwrap();
    desk.stored("UPDATE proposals SET proposed_by = 9 RETURNING 1").unwrap();
    desk.client.find(places).await.unwrap().click().await.unwrap();
    desk.click(".endorse").await.unwrap();
    desk.says("#message.good", "已同意，即時生效").await.unwrap();
    desk.shots("endorsed").await.unwrap();
    assert_eq!(desk.stored("SELECT status FROM accounts").unwrap(), "revoked");

    // 清查比對: without a register there is nothing to compare with.
    let sweep = Locator::XPath("//div[@id='places']/button[text()='清查比對']");
    desk.client.find(sweep).await.unwrap().click().await.unwrap();
    desk.says("#sweep-note", "未匯入").await.unwrap();
    desk.stored("INSERT INTO company_snapshot VALUES (1, '2026-11-01', 1) RETURNING 1").unwrap();
    desk.client.find(sweep).await.unwrap().click().await.unwrap();
    desk.says("#sweep-note", "計0個帳號不符").await.unwrap();
    desk.shots("sweep").await.unwrap();

    let numbers = Locator::XPath("//div[@id='places']/button[text()='統計']");
    desk.client.find(numbers).await.unwrap().click().await.unwrap();
    desk.shows("#numbers", &["審核中", "0件", "每週審核結果", "匯出案件清單"]).await.unwrap();
    desk.shots("numbers").await.unwrap();

    // The company reads why, and may say what it will do better.
    desk.at_progress().await.unwrap();
    desk.shows("#account-sheet", &["註銷", "原因：", "情節重大"]).await.unwrap();
    desk.shots("revoked").await.unwrap();
    desk.at_form("improvement-plan").await.unwrap();
    desk.says("#message.good", "請提出改善做法").await.unwrap();
    desk.shots("plan").await.unwrap();
    desk.fill("#reason", "已加強存取控管並每週檢視紀錄").await.unwrap();
    desk.agrees().await.unwrap();
    assert!(desk.sends().await.unwrap().contains("提出改善做法"));
    let plan = form("api-application", COMPANY.0, COMPANY.1, HOST_ADDRESS);
    assert!(desk.applied(plan).is_err(), "one case at a time");
    desk.client.clone().close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_names_officers_and_typhoon_days_and_sees_no_case() {
    let desk = Desk::start("administration").await.unwrap();
    officer_is(&desk, "administrator");
    signs_in(&desk).await;
    desk.says("#officers", "系統管理人員").await.unwrap();
    let places = desk.text("#places").await.unwrap();
    assert!(!places.contains("案件清單"), "{places}");
    desk.fill("#subject-serial", "0000000187654321").await.unwrap();
    desk.fill("#officer-name", "陳測試").await.unwrap();
    desk.fill("#own-company", "12345678").await.unwrap();
    desk.click("#officer-form button").await.unwrap();
    desk.says("#message", "格式").await.unwrap();
    desk.fill("#own-company", COMPANY.1).await.unwrap();
    desk.click("#officer-form button").await.unwrap();
    desk.says("#message.good", "陳測試（審核人員）").await.unwrap();
    desk.says("#officers", COMPANY.1).await.unwrap();
    desk.shots("officers").await.unwrap();
    let day = "document.getElementById('day').value = '2030-07-01'";
    desk.client.execute(day, vec![]).await.unwrap();
    desk.fill("#day-note", "颱風").await.unwrap();
    desk.click("#day-form button").await.unwrap();
    desk.says("#message.good", "辦公日曆已更新").await.unwrap();
    assert_eq!(
        desk.stored("SELECT note FROM calendar_days WHERE day = '2030-07-01'").unwrap(),
        "颱風"
    );
    desk.click("button[aria-label='移除陳測試']").await.unwrap();
    desk.says("#message.good", "已移除").await.unwrap();
    // An agency, by its card.
    desk.fill("#subject-serial", &format!("OID:{AGENCY}")).await.unwrap();
    desk.fill("#officer-name", "測試機關").await.unwrap();
    desk.click("#officer-form button").await.unwrap();
    desk.says("#message.good", "測試機關").await.unwrap();
    let acts = "SELECT group_concat(act) FROM audit_log WHERE act <> 'signed-in' AND place > 1";
    assert_eq!(desk.stored(acts).unwrap(), "officer-added,day-set,officer-removed,officer-added");
    // Another value of a policy is proposed, for supervisors to agree to.
    let policies = Locator::XPath("//div[@id='places']/button[text()='審核期限']");
    desk.client.find(policies).await.unwrap().click().await.unwrap();
    desk.shows("#policies", &["審核時間（工作日）", "10", "作業規定", "補件時間（工作日）", "5"])
        .await
        .unwrap();
    let day = "document.getElementById('policy-from').value = '2035-01-01'";
    desk.client.execute(day, vec![]).await.unwrap();
    desk.fill("#policy-value", "99").await.unwrap();
    desk.fill("#policy-reason", "人力調整").await.unwrap();
    desk.click("#policy-form button").await.unwrap();
    desk.says("#message", "期限的數值或日期不正確").await.unwrap();
    desk.fill("#policy-value", "15").await.unwrap();
    desk.click("#policy-form button").await.unwrap();
    desk.says("#message.good", "已提請覆核").await.unwrap();
    desk.shots("policies").await.unwrap();
    desk.click("#sign-out").await.unwrap();
    // The page is loaded anew, so that nothing of what was seen stays in it.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    desk.open("/review/").await.unwrap();
    desk.cards.set_inserted("agency", true).unwrap();
    desk.click("#sign-in-form [value=organisation]").await.unwrap();
    desk.says("#officer", "測試機關（審核人員）").await.unwrap();
    desk.says("#count", "待領案：0件").await.unwrap();
    desk.client.clone().close().await.unwrap();
}
