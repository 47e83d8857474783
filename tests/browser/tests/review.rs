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
    // How many calls it may make: what is wrong is said at its field, and stays there.
    desk.fill("#limits-per-minute", "1,200").await.unwrap();
    desk.fill("#limits-burst", "0").await.unwrap();
    desk.fill("#limits-reason", "用量增加").await.unwrap();
    desk.click("#limits-button").await.unwrap();
    desk.shows("#message", &["每分鐘次數：請輸入整數", "瞬間上限：請輸入整數"]).await.unwrap();
    assert_eq!(desk.value("limits-per-minute").await.unwrap(), "1,200");
    desk.shots("limits").await.unwrap();
    desk.fill("#limits-per-minute", "1200").await.unwrap();
    desk.fill("#limits-burst", "200").await.unwrap();
    desk.click("#limits-button").await.unwrap();
    desk.says("#message.good", "已變更").await.unwrap();
    desk.says("#account-facts", "每分鐘1200次，瞬間上限200次").await.unwrap();
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
    desk.says("#sweep-note", "沒有不符的帳號").await.unwrap();
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
    desk.fill("#subject-serial", "187654321").await.unwrap();
    desk.fill("#own-company", "12345678").await.unwrap();
    desk.click("#officer-form button").await.unwrap();
    // Everything at once, each with a way to its field.
    desk.shows("#message", &["16位數字", "檢查碼不符"]).await.unwrap();
    desk.shots("wrong").await.unwrap();
    desk.click("#message a[href='#own-company']").await.unwrap();
    desk.until("return document.activeElement.id === 'own-company'").await.unwrap();
    desk.fill("#subject-serial", "0000000187654321").await.unwrap();
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
    desk.says("#message", "請輸入1至60").await.unwrap();
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

/// The browser's back leads to the place before, and away only from the first one; a case can be
/// opened by its address; and what is typed for a case stays.
#[tokio::test(flavor = "multi_thread")]
async fn back_leads_to_the_place_before() {
    let desk = Desk::start("history").await.unwrap();
    let form = form("api-application", COMPANY.0, COMPANY.1, "127.0.0.1");
    let id = desk.applied(form).unwrap();
    signs_in(&desk).await;
    desk.click("#cases button.link").await.unwrap();
    desk.shows("#case-facts", &["S/N", &id]).await.unwrap();
    desk.click("#act-form [value=reject]").await.unwrap();
    // Grounds of other kinds of cases are not there to be chosen.
    let offered =
        "return [...document.querySelectorAll('[name=ground]')].map(({ value }) => value)";
    let offered = desk.client.execute(offered, vec![]).await.unwrap().to_string();
    assert!(
        offered.contains("legal-basis-missing") && !offered.contains("plan-insufficient"),
        "{offered}"
    );
    desk.fill("#result", "寫到一半").await.unwrap();
    let numbers = Locator::XPath("//div[@id='places']/button[text()='統計']");
    desk.client.find(numbers).await.unwrap().click().await.unwrap();
    desk.shows("#numbers", &["帳號狀態", "各公司使用情形"]).await.unwrap();
    desk.client.back().await.unwrap();
    desk.shows("#case-facts", &["S/N", &id]).await.unwrap();
    assert_eq!(desk.value("result").await.unwrap(), "寫到一半");
    desk.client.back().await.unwrap();
    desk.says("#count", "待領案：1件").await.unwrap();
    desk.client.forward().await.unwrap();
    desk.shows("#case-facts", &["S/N", &id]).await.unwrap();
    // An address that somebody was sent, in a page of its own.
    desk.open("/").await.unwrap();
    desk.open(&format!("/review/#case/{id}")).await.unwrap();
    desk.shows("#case-facts", &["S/N", &id]).await.unwrap();
    // Everything that is wrong, at once, with ways to the fields.
    desk.click("#act-form [value=extension]").await.unwrap();
    desk.click("#act-button").await.unwrap();
    desk.shows("#message", &["請輸入1至30", "此欄位必須填寫"]).await.unwrap();
    desk.shots("wrong").await.unwrap();
    desk.click("#message a[href='#result']").await.unwrap();
    desk.until("return document.activeElement.id === 'result'").await.unwrap();
    desk.client.clone().close().await.unwrap();
}

/// 逾一年未使用 on the pages: the company is told, officers see it, two revoke.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_was_not_used_for_a_year_is_seen_by_both_sides() {
    let desk = Desk::start("idle").await.unwrap();
    desk.uploaded().unwrap();
    officer_is(&desk, "supervisor");
    let stored = |sql: &str| desk.stored(sql).unwrap();
    stored(
        "UPDATE accounts SET approved_at = approved_at - 31708800, status_since = status_since - 31708800 RETURNING 1",
    );
    let run = || {
        let program =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/release/chayan");
        let output = std::process::Command::new(program)
            .args(["warn-unused", "--confirm", "--origin", "https://chayan.example", "--data"])
            .arg(desk.dir.join("data"))
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(run().starts_with("warn"), "warned");
    desk.at_progress().await.unwrap();
    desk.shows("#idle", &["逾一年沒有查驗紀錄", "註銷"]).await.unwrap();
    desk.shots("progress").await.unwrap();
    signs_in(&desk).await;
    let idle = Locator::XPath("//div[@id='places']/button[text()='逾一年未使用']");
    desk.client.find(idle).await.unwrap().click().await.unwrap();
    desk.shows("#idle-list", &[COMPANY.0, "警告中"]).await.unwrap();
    desk.shots("warned").await.unwrap();
    stored("UPDATE idle_warnings SET until = '2020-01-01' RETURNING 1");
    assert!(run().starts_with("submit"), "submitted");
    desk.client.find(idle).await.unwrap().click().await.unwrap();
    desk.says("#idle-list", "期滿仍未使用").await.unwrap();
    desk.click("#idle-button").await.unwrap();
    desk.says("#message", "請選擇其中一項").await.unwrap();
    desk.click("[name=idle]").await.unwrap();
    desk.fill("#idle-reason", "").await.unwrap();
    desk.click("#idle-button").await.unwrap();
    desk.says("#message", "此欄位必須填寫").await.unwrap();
    desk.shots("wrong").await.unwrap();
    desk.fill("#idle-reason", "逾一年未連線使用").await.unwrap();
    desk.click("#idle-button").await.unwrap();
    desk.says("#message.good", "已提請註銷1個帳號").await.unwrap();
    desk.says("#idle-list", "已提請註銷，待主管同意").await.unwrap();
    desk.shots("proposed").await.unwrap();
    desk.client.clone().close().await.unwrap();
}

/// 統編變更 on the pages: each side is led from one step to the next, and officers see both.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_number_is_a_chain_that_leads_on() {
    let desk = Desk::start("handover").await.unwrap();
    desk.uploaded().unwrap();
    desk.at_form("api-stop").await.unwrap();
    desk.text("#other-row").await.unwrap();
    desk.fill("#otherUbn", COMPANY.1).await.unwrap();
    desk.fill("#reason", "公司統一編號變更").await.unwrap();
    desk.agrees().await.unwrap();
    desk.click("#apply-button").await.unwrap();
    desk.says("#message", "請輸入另一個統一編號").await.unwrap();
    desk.shots("wrong").await.unwrap();
    desk.fill("#otherUbn", "99990004").await.unwrap();
    desk.shots("stop").await.unwrap();
    let receipt = desk.sends().await.unwrap();
    assert!(receipt.contains("API停用"), "{receipt}");
    let id = desk.stored("SELECT id FROM cases WHERE kind = 'api-stop'").unwrap();
    desk.decides(&id, "approve", "同意").unwrap();
    desk.at_progress().await.unwrap();
    desk.shows("#handover", &["統一編號變更", "請以統一編號99990004的工商憑證"]).await.unwrap();
    desk.shows("#cases", &["變更後統一編號", "99990004"]).await.unwrap();
    desk.shots("progress").await.unwrap();
    signs_in(&desk).await;
    desk.open(&format!("/review/#case/{id}")).await.unwrap();
    desk.shows("#case-facts", &["統一編號變更", "99990004"]).await.unwrap();
    desk.shots("case").await.unwrap();
    desk.client.clone().close().await.unwrap();
}
