//! The identity confirmation service in the browser (#8): the annex of 003 from its draft to the
//! stop, officers beside, supervised institutions, and the page on which citizens see who asked.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use browser_tests::Desk;
use fantoccini::Locator;
use jiff::SignedDuration;
use pki::Certificate;
use serde_json::json;
use test_pki::demo::{AGENCY, CITIZEN, COMPANY};

/// The first day that the page offers.
const FIRST_DAY: &str = "const day = document.getElementById('day'); day.value = day.min;
    day.dispatchEvent(new Event('change', { bubbles: true })); return true;";

/// The field of the serial number is left.
const LEFT: &str = "document.getElementById('serverSerial').blur(); return true;";

/// What is typed into the annex beside the serial number and the day.
const ANNEX: [(&str, &str); 15] = [
    ("#organisationAddress", "臺北市中正區測試路1號"),
    ("#systemName", "線上申辦系統"),
    ("#contactName", "王測試"),
    ("#contactTitle", "技士"),
    ("#contactUnit", "資訊室"),
    ("#contactEmail", "a@example.gov.tw"),
    ("#contactPhone", "(02)12345678"),
    ("#contactFax", "(02)12345679"),
    ("#deputyName", "李測試"),
    ("#deputyTitle", "科員"),
    ("#deputyUnit", "資訊室"),
    ("#deputyEmail", "b@example.gov.tw"),
    ("#deputyPhone", "0912345678"),
    ("#deputyFax", "(02)12345679"),
    ("#text", "民眾以自然人憑證登入，申辦本機關業務。"),
];

async fn agency_signs_in(desk: &Desk) {
    desk.only("agency").unwrap();
    desk.open("/confirmation/").await.unwrap();
    desk.click("#sign-in-form button[type=submit]").await.unwrap();
    desk.says("#status h1", "服務狀態與案件").await.unwrap();
}

/// The officers' page at one of its places, with this card.
async fn officer_signs_in(desk: &Desk, card: &str, place: &str) {
    desk.only(card).unwrap();
    // Whoever was signed in before is not any more.
    desk.client.delete_all_cookies().await.unwrap();
    desk.open("/review/").await.unwrap();
    desk.click("#sign-in-form button").await.unwrap();
    desk.click(&format!("[data-place={place}]")).await.unwrap();
    desk.text(&format!("#{place}")).await.unwrap();
}

async fn fills_in(desk: &Desk, fields: &[(&str, &str)]) {
    for (field, text) in fields {
        desk.fill(field, text).await.unwrap();
    }
}

/// Reads the text, ticks the box, signs; the annex on paper is next.
async fn sends(desk: &Desk) {
    desk.click("#open-terms-2").await.unwrap();
    desk.click("#terms-read").await.unwrap();
    desk.click("#agreed").await.unwrap();
    desk.click("#apply-button").await.unwrap();
    desk.click("#confirm-yes").await.unwrap();
    desk.says("#message.good", "申請已受理").await.unwrap();
}

/// The newest case is approved and its day has come.
async fn approved(desk: &mut Desk, months: i64) {
    let newest = "SELECT id FROM cases ORDER BY submitted_at DESC LIMIT 1";
    desk.decides(&desk.stored(newest).unwrap(), "approve", "審核通過").unwrap();
    desk.at(jiff::Timestamp::now() + SignedDuration::from_hours(24 * 32 * months)).unwrap();
}

/// 啟用 with its errors and its draft, up to the paper.
async fn starts(desk: &Desk) {
    desk.only("agency").unwrap();
    desk.open("/confirmation/").await.unwrap();
    desk.shots("sign-in").await.unwrap();
    agency_signs_in(desk).await;
    desk.shows("#status", &["測試機關", "目前沒有核准的服務。"]).await.unwrap();
    desk.shots("status").await.unwrap();
    // Nothing is there that could be stopped.
    desk.until("return document.getElementById('stop-new').disabled").await.unwrap();
    desk.click("#start-new").await.unwrap();
    desk.says("#form h1", "申請表").await.unwrap();
    // A key is told before anything is signed, and stays refused.
    desk.chooses(&desk.demo.company_key_file).await.unwrap();
    desk.says("#certificateFile-error", "私密金鑰，未送出").await.unwrap();
    // So is another organisation's certificate; nothing is filled in from it.
    desk.chooses(&desk.demo.company_certificate_file).await.unwrap();
    desk.says("#certificateFile-error", "不屬於申請機關(構)").await.unwrap();
    assert_eq!(desk.value("serverSerial").await.unwrap(), "");
    desk.shots("certificate-error").await.unwrap();
    desk.chooses(&desk.demo.company_key_file).await.unwrap();
    desk.says("#certificateFile-error", "私密金鑰，未送出").await.unwrap();
    desk.click("#apply-button").await.unwrap();
    desk.shows("#message", &["伺服器應用軟體憑證：選擇的檔案是私密金鑰"]).await.unwrap();
    // Everything that is missing is named at once.
    desk.click("#apply-button").await.unwrap();
    desk.shows("#message", &["資料有誤", "代理人傳真：此欄位必須填寫"]).await.unwrap();
    desk.shots("form-errors").await.unwrap();
    let server = desk.server("測試機關", AGENCY).unwrap();
    let file = desk.dir.join("server.cer");
    std::fs::write(&file, BASE64_STANDARD.encode(&server.certificate)).unwrap();
    let serial = Certificate::from_der(&server.certificate).unwrap().serial_number();
    fills_in(desk, &ANNEX).await;
    // The serial number is the file's; another one is told at its field.
    desk.chooses(&file).await.unwrap();
    desk.shows("#preview", &["測試機關", &serial, "有效迄止日期"]).await.unwrap();
    assert_eq!(desk.value("serverSerial").await.unwrap(), serial);
    desk.fill("#serverSerial", &"AB".repeat(16)).await.unwrap();
    desk.until(LEFT).await.unwrap();
    desk.says("#serverSerial-error", "與選擇的憑證檔案的序號不符").await.unwrap();
    desk.shots("serial-error").await.unwrap();
    desk.fill("#serverSerial", &serial).await.unwrap();
    desk.until(FIRST_DAY).await.unwrap();
    // A closed tab loses nothing, 清除 can be taken back.
    agency_signs_in(desk).await;
    desk.click("#start-new").await.unwrap();
    desk.says("#message.good", "已帶入上次尚未送出的資料").await.unwrap();
    assert_eq!(desk.value("deputyFax").await.unwrap(), "(02)12345679");
    desk.click("#annex-form [type=reset]").await.unwrap();
    desk.says("#message.good", "已清除").await.unwrap();
    assert_eq!(desk.value("deputyFax").await.unwrap(), "");
    desk.click("#undo button").await.unwrap();
    assert_eq!(desk.value("serverSerial").await.unwrap(), serial);
    desk.chooses(&file).await.unwrap();
    desk.click("#open-terms-2").await.unwrap();
    desk.shots("terms").await.unwrap();
    desk.click("#terms-read").await.unwrap();
    desk.click("#agreed").await.unwrap();
    desk.shots("form").await.unwrap();
    desk.click("#apply-button").await.unwrap();
    desk.shows("#confirm-sheet", &["測試機關", "線上申辦系統", "104年版"]).await.unwrap();
    desk.shots("confirm").await.unwrap();
    desk.click("#confirm-yes").await.unwrap();
    desk.says("#message.good", "申請已受理").await.unwrap();
    let rows = ["代理人", "啟用", "預定開放日期", "申請機關(構)關防", "審核結果"];
    desk.shows("#annex-table", &rows).await.unwrap();
    desk.shots("annex").await.unwrap();
    assert_eq!(desk.stored("SELECT kind FROM cases").unwrap(), "confirmation-start");
    assert_eq!(desk.stored("SELECT terms_version FROM confirmation_forms").unwrap(), "104");
    desk.click("#annex-back").await.unwrap();
    desk.shows("#cases", &["線上申辦系統", "受理中"]).await.unwrap();
    desk.shots("under-review").await.unwrap();
}

/// 補件: what is asked stands at its field, everything else as it was sent.
async fn answers(desk: &Desk) {
    let id = desk.stored("SELECT id FROM cases").unwrap();
    let question = json!({ "grounds": ["overview-unclear"], "text": "請敘明使用對象。" });
    let officer = desk.officer().unwrap();
    officer
        .post(&format!("/api/review/cases/{id}/question"), &question)
        .unwrap()
        .expect(200)
        .unwrap();
    agency_signs_in(desk).await;
    desk.shows("#message", &["請補充申請資料", "請敘明使用對象。", "補件"]).await.unwrap();
    desk.shots("asked").await.unwrap();
    // Whoever looks at something else meanwhile finds it again.
    desk.click("#cases .small:not(:first-child)").await.unwrap();
    desk.click("#annex-back").await.unwrap();
    desk.shows("#message", &["請補充申請資料", "請敘明使用對象。"]).await.unwrap();
    desk.shows("#cases", &["案件狀態：", "待補件"]).await.unwrap();
    desk.click("#cases .small").await.unwrap();
    let asked = ["請補充申請資料", "期限：", "應用系統概述未敘明", "請敘明使用對象。"];
    desk.shows("#message", &asked).await.unwrap();
    desk.says("#text-error", "應用系統概述未敘明").await.unwrap();
    assert_eq!(desk.value("contactPhone").await.unwrap(), "(02)12345678");
    desk.shots("answer").await.unwrap();
    desk.fill("#text", "一般民眾以自然人憑證登入，申辦本機關業務。").await.unwrap();
    desk.chooses(&desk.dir.join("server.cer")).await.unwrap();
    sends(desk).await;
    assert_eq!(desk.stored("SELECT version FROM cases").unwrap(), "2");
    assert_eq!(desk.stored("SELECT count(*) FROM cases").unwrap(), "1");
}

/// An officer demands, the agency answers, the officer closes it.
async fn demanded_and_answered(desk: &mut Desk) {
    officer_signs_in(desk, "officer", "services").await;
    desk.shows("#service-list", &["測試機關", "啟用", "線上申辦系統"]).await.unwrap();
    desk.click("#service-list details summary").await.unwrap();
    desk.click("#service-list form button").await.unwrap();
    desk.says("#message", "資料有誤").await.unwrap();
    desk.shots("officer-error").await.unwrap();
    let due = jiff::Timestamp::now() + SignedDuration::from_hours(24 * 34);
    let due = domain::TAIPEI.to_datetime(due).date();
    let script = format!("document.getElementById('service-1-due').value = '{due}'; return true;");
    desk.until(&script).await.unwrap();
    desk.fill("#service-1-text", "請降低尖峰時段的查詢次數。").await.unwrap();
    desk.click("#service-list form button").await.unwrap();
    desk.says("#message.good", "已通知").await.unwrap();
    desk.shows("#service-list", &["限期改善", "請降低尖峰", "期限", "待辦理"]).await.unwrap();
    desk.shots("officer-demanded").await.unwrap();
    // It waits in the queues like a case.
    desk.click("[data-place=queue]").await.unwrap();
    desk.click("[data-queue=due-soon]").await.unwrap();
    desk.says("#cases", "限期改善").await.unwrap();
    desk.shows("#cases", &["限期改善", "測試機關", "待申請人辦理", "李審核"]).await.unwrap();
    desk.shots("officer-queue").await.unwrap();
    // The agency answers; nothing is no answer.
    agency_signs_in(desk).await;
    desk.shows("#services", &["啟用", "限期改善", "請降低尖峰", "待辦理"]).await.unwrap();
    desk.click("#services form button").await.unwrap();
    desk.says("#message", "資料有誤").await.unwrap();
    desk.shots("demand-error").await.unwrap();
    desk.fill("#services textarea", "已改以批次查詢。").await.unwrap();
    desk.click("#services form button").await.unwrap();
    desk.says("#message.good", "回覆已送出").await.unwrap();
    desk.shows("#services", &["回覆", "已改以批次查詢。"]).await.unwrap();
    desk.shots("demand").await.unwrap();
    // From the queue to the service: before its day is over nothing is unmet.
    officer_signs_in(desk, "officer", "queue").await;
    desk.click("[data-queue=mine]").await.unwrap();
    desk.says("#cases", "已回覆").await.unwrap();
    desk.shows("#cases", &["限期改善", "已回覆"]).await.unwrap();
    desk.click("#cases [data-service]").await.unwrap();
    desk.until("return document.querySelector('#service-list .danger')?.disabled").await.unwrap();
    desk.shots("officer-answered").await.unwrap();
    // After it, it is closed with a word.
    desk.at(jiff::Timestamp::now() + SignedDuration::from_hours(24 * 36)).unwrap();
    officer_signs_in(desk, "officer", "queue").await;
    desk.click("[data-queue=mine]").await.unwrap();
    desk.click("#cases [data-service]").await.unwrap();
    desk.fill("#demand-1-text", "尖峰時段仍逾上限。").await.unwrap();
    desk.click("#service-list .danger").await.unwrap();
    desk.says("#message.good", "已結案").await.unwrap();
    desk.shows("#service-list", &["已改以批次查詢。", "辦理情形", "未辦理"]).await.unwrap();
}

/// The officer proposes a stop, a supervisor endorses it, the agency reads the ground.
async fn stopped(desk: &Desk) {
    desk.click("#service-list details summary").await.unwrap();
    let what = desk.client.find(Locator::Id("service-1-what")).await.unwrap();
    what.select_by_value("overload").await.unwrap();
    desk.fill("#service-1-text", "限期未改善。").await.unwrap();
    desk.click("#service-list form button").await.unwrap();
    desk.says("#message.good", "另須主管同意").await.unwrap();
    desk.shots("officer-proposed").await.unwrap();
    desk.chayan(&[
        "add-officer",
        "--subject-serial",
        CITIZEN.subject_serial,
        "--name",
        "陳測試",
        "--role",
        "supervisor",
    ])
    .unwrap();
    officer_signs_in(desk, "citizen", "queue").await;
    desk.click("[data-queue=second-look]").await.unwrap();
    desk.click("#cases [data-service]").await.unwrap();
    desk.click("#service-list .endorse").await.unwrap();
    desk.says("#message.good", "即時生效").await.unwrap();
    desk.shows("#service-list", &["已停止服務", "第六點第五款"]).await.unwrap();
    desk.shots("officer-stopped").await.unwrap();
    agency_signs_in(desk).await;
    desk.shows("#services", &["已停止服務", "第六點第五款", "限期未改善。"]).await.unwrap();
    desk.shots("stopped").await.unwrap();
}

/// 停用 of the annex, up to the paper.
async fn stops(desk: &Desk) {
    agency_signs_in(desk).await;
    desk.shows("#services", &["啟用"]).await.unwrap();
    desk.shots("open").await.unwrap();
    desk.click("#stop-new").await.unwrap();
    desk.shows("#form", &["停用", "預定停用日期", "停用原因"]).await.unwrap();
    let typed = |(field, _): &&(&str, &str)| *field != "#systemName" && *field != "#text";
    fills_in(desk, &ANNEX.iter().filter(typed).copied().collect::<Vec<_>>()).await;
    desk.fill("#text", "系統汰換。").await.unwrap();
    desk.until(FIRST_DAY).await.unwrap();
    desk.shots("stop-form").await.unwrap();
    sends(desk).await;
    desk.shows("#annex-table", &["停用", "預定停用日期", "停用原因", "系統汰換。", "關防"])
        .await
        .unwrap();
    desk.shots("stop-annex").await.unwrap();
    desk.click("#annex-back").await.unwrap();
    // It is withdrawn: the service goes on.
    desk.click("#cases .secondary").await.unwrap();
    desk.says("#message.good", "取消成功").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_annex_from_its_draft_to_the_stop() {
    let mut desk = Desk::start("confirmation").await.unwrap();
    starts(&desk).await;
    answers(&desk).await;
    approved(&mut desk, 1).await;
    stops(&desk).await;
    demanded_and_answered(&mut desk).await;
    stopped(&desk).await;
    desk.client.clone().close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_institution_applies_once_it_is_on_the_list() {
    let desk = Desk::start("institution").await.unwrap();
    desk.stored("UPDATE officers SET role = 'administrator' WHERE id = 1 RETURNING role").unwrap();
    officer_signs_in(&desk, "officer", "institutions").await;
    desk.fill("#institution-code", "123").await.unwrap();
    desk.click("#institution-form button").await.unwrap();
    let wrong = ["資料有誤", "代碼：請輸入統一編號8位數字", "機構名稱：此欄位必須填寫"];
    desk.shows("#message", &wrong).await.unwrap();
    desk.shots("list-error").await.unwrap();
    fills_in(&desk, &[("#institution-code", COMPANY.1), ("#institution-name", COMPANY.0)]).await;
    desk.click("#institution-form button").await.unwrap();
    desk.says("#message.good", "已登錄").await.unwrap();
    desk.shows("#institution-list", &[COMPANY.1, COMPANY.0, "移除"]).await.unwrap();
    desk.shots("list").await.unwrap();

    // The institution signs in with its card of MOEACA.
    desk.only("company").unwrap();
    desk.open("/confirmation/").await.unwrap();
    desk.click("#sign-in-form [value=company]").await.unwrap();
    desk.fill("#ubn", "12345678").await.unwrap();
    desk.click("#sign-in-form button[type=submit]").await.unwrap();
    desk.says("#ubn-error", "統一編號").await.unwrap();
    desk.shots("sign-in-error").await.unwrap();
    desk.fill("#ubn", COMPANY.1).await.unwrap();
    desk.click("#sign-in-form button[type=submit]").await.unwrap();
    desk.shows("#status", &[COMPANY.0, COMPANY.1, "目前沒有核准的服務。"]).await.unwrap();
    desk.click("#start-new").await.unwrap();
    desk.text("#annex-form").await.unwrap();
    fills_in(&desk, &ANNEX).await;
    let file = std::fs::read(&desk.demo.company_certificate_file).unwrap();
    let der = test_pki::demo::der_of(&desk.demo.company_certificate_file).unwrap();
    std::fs::write(desk.dir.join("server.cer"), file).unwrap();
    let serial = Certificate::from_der(&der).unwrap().serial_number();
    desk.until(FIRST_DAY).await.unwrap();
    desk.chooses(&desk.dir.join("server.cer")).await.unwrap();
    desk.shows("#preview", &[COMPANY.0, &serial]).await.unwrap();
    assert_eq!(desk.value("serverSerial").await.unwrap(), serial);
    sends(&desk).await;
    desk.shows("#annex-table", &[COMPANY.0, "啟用", "關防"]).await.unwrap();
    desk.shots("annex").await.unwrap();
    desk.client.clone().close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_citizen_sees_who_asked() {
    let desk = Desk::start("my").await.unwrap();
    desk.uploaded().unwrap();
    checks_her_card(&desk);
    desk.only("citizen").unwrap();
    desk.open("/my/").await.unwrap();
    desk.shots("own").await.unwrap();
    desk.fill("#nationalId", "A12").await.unwrap();
    desk.click("#own-form button[type=submit]").await.unwrap();
    desk.shows("#message", &["資料有誤", "請檢查是否輸入錯誤"]).await.unwrap();
    desk.shots("own-error").await.unwrap();
    desk.fill("#nationalId", "B223455678").await.unwrap();
    desk.click("#own-form button[type=submit]").await.unwrap();
    desk.shows("#message", &["身分證統一編號與憑證不符（今日尚可再試2次）"]).await.unwrap();
    // The register has no such card: that is nobody's mistake.
    desk.only("officer").unwrap();
    desk.fill("#nationalId", "B112345678").await.unwrap();
    desk.click("#own-form button[type=submit]").await.unwrap();
    desk.shows("#message", &["尚無這張自然人憑證", "不計入錯誤次數"]).await.unwrap();
    desk.shots("own-unknown").await.unwrap();
    // Whoever asks next brings the own card: nothing is left of the former person's sign-in.
    desk.only("").unwrap();
    desk.fill("#nationalId", CITIZEN.national_id).await.unwrap();
    desk.click("#own-form button[type=submit]").await.unwrap();
    desk.says("#waiting", "請插入憑證IC卡").await.unwrap();
    desk.only("citizen").unwrap();
    desk.says("#result h1", "誰查過我的身分證").await.unwrap();
    let row = ["計1筆紀錄", "國民身分證領補換資料查驗", COMPANY.0, "洗錢防制法"];
    desk.shows("#result", &row).await.unwrap();
    desk.shots("own-result").await.unwrap();
    // What does not fit at once is there on demand.
    is_asked_about_often(&desk, 220);
    desk.click("#sign-out").await.unwrap();
    desk.fill("#nationalId", CITIZEN.national_id).await.unwrap();
    desk.click("#own-form button[type=submit]").await.unwrap();
    desk.shows("#result", &["最新的200筆紀錄，另有更早的紀錄", "更早的紀錄"]).await.unwrap();
    desk.shots("own-many").await.unwrap();
    desk.click("#earlier").await.unwrap();
    desk.shows("#result", &["計221筆紀錄，最新的在前", COMPANY.0]).await.unwrap();
    desk.client.clone().close().await.unwrap();
}

/// So many requests are on record about the person of the first call: made by their limit, they
/// would take minutes.
fn is_asked_about_often(desk: &Desk, count: i64) {
    let open =
        |name: &str| rusqlite::Connection::open(desk.dir.join(format!("data/{name}.db"))).unwrap();
    let (person, at): (Vec<u8>, i64) = open("calls")
        .query_row("SELECT person, at FROM calls", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    let mut record = open("confirmations");
    let transaction = record.transaction().unwrap();
    for number in 1..=count {
        let request = "INSERT INTO requests VALUES (1, ?1, ?2, 'nonce-of-many-' || ?1,
            zeroblob(32), '線上申辦身分確認', '[0]', ?2)";
        transaction.execute(request, (number, at + number)).unwrap();
        let pair = "INSERT INTO confirmed VALUES (?1, ?2, 1, ?3, 0, 0)";
        transaction.execute(pair, (&person, at + number, number)).unwrap();
    }
    transaction.commit().unwrap();
}

/// The company's system checks the citizen's ID card.
fn checks_her_card(desk: &Desk) {
    let caller = desk.caller().unwrap();
    let question = test_pki::token::Question {
        person_id: CITIZEN.national_id,
        apply_code: "1",
        apply_yyymmdd: "0940105",
        issue_site_id: "63000",
    };
    let token = caller.token(question, jiff::Timestamp::now()).unwrap();
    desk.company().unwrap().0.verify(&token).unwrap().expect(200).unwrap();
}
