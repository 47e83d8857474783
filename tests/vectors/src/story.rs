//! The whole story, from the card to the first verified identity card, through HTTP and
//! the bridge. Each step says what it expects; the first that differs ends it.

use anyhow::{Context, bail, ensure};
use jiff::Timestamp;
use protocol::CardKind;
use serde_json::Value;

use crate::client::{Answer, BridgeSigner, Visitor, form};
use crate::demo::{Demo, HOST_ADDRESS, KnownCard, der_of};
use crate::token::{Caller, Question};

/// Plays the story against a running service and bridge; `tell` gets a line a step.
///
/// # Errors
/// The first step whose answer was not right.
pub fn play(demo: &Demo, tell: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
    let company_card = BridgeSigner::new(&demo.bridge_url, CardKind::Company);
    let officer_card = BridgeSigner::new(&demo.bridge_url, CardKind::Citizen);
    let ubn = demo.company.ubn.as_deref().context("the company has no number")?;
    let mut company = Visitor::new(&demo.origin);

    let session = company.sign_in_as_company(&company_card, ubn)?;
    tell(&format!("公司以工商憑證登入 → {}", session["who"]["name"]));
    let standing = company.get("/api/standing")?.expect(200)?;
    ensure!(words(&standing["offered"]) == ["API申請"], "offered: {standing}");
    tell("可申請事項 → API申請");

    let application = || form("api-application", &demo.company.name, ubn, HOST_ADDRESS);
    let receipt = company.apply(&company_card, application())?.expect(201)?;
    ensure!(receipt["stateWord"] == "受理中", "receipt: {receipt}");
    let id = receipt["serialNumber"].as_str().context("no serial number")?.to_owned();
    tell(&format!("申請結果 → 已受理，S/N {id}，申請日期 {}", receipt["submittedAtRoc"]));
    let second = company.apply(&company_card, application())?;
    ensure!(second.status == 409 && second.body["legacyCode"] == "WARNING-02", "{}", second.text);
    tell("再次申請 → [WARNING-02] 尚有案件受理中");

    let mut officer = Visitor::new(&demo.origin);
    let session = officer.sign_in_as_officer(&officer_card)?;
    tell(&format!("審核人員以自然人憑證登入 → {}", session["who"]["name"]));
    let waiting = officer.get("/api/review/cases")?.expect(200)?;
    let listed =
        waiting["cases"].as_array().into_iter().flatten().any(|case| case["serialNumber"] == id);
    ensure!(listed, "the case does not wait for review: {waiting}");
    let decided = officer.decide(&id, "approve", "審核通過")?.expect(200)?;
    ensure!(decided["stateWord"] == "核准", "decision: {decided}");
    tell("審核 → 核准");

    let file = std::fs::read(&demo.company_certificate_file)?;
    let receipt = company.upload(&company_card, ubn, &file)?.expect(201)?;
    ensure!(receipt["stateWord"] == "上傳成功", "receipt: {receipt}");
    let progress = company.get("/api/cases")?.expect(200)?;
    let account = &progress["account"];
    ensure!(account["statusWord"] == "啟用" && progress["count"] == 2, "progress: {progress}");
    ensure!(account["issKey"] == receipt["issKey"], "the isskey differs");
    tell(&format!(
        "憑證上傳 → 上傳成功，apId {}，憑證序號 {}",
        account["apId"], account["certificateSerialNumber"]
    ));

    let text = |value: &Value| value.as_str().map(str::to_owned).context("not a text");
    let caller = Caller {
        org_id: ubn.to_owned(),
        ap_id: text(&account["apId"])?,
        iss_key: text(&account["issKey"])?,
        private_key: der_of(&demo.company_key_file)?,
    };
    verify(demo, &company, &caller, tell)
}

fn words(offers: &Value) -> Vec<&str> {
    offers.as_array().into_iter().flatten().filter_map(|offer| offer["word"].as_str()).collect()
}

fn question(card: &KnownCard) -> Question<'_> {
    Question {
        person_id: &card.person_id,
        apply_code: &card.apply_code,
        apply_yyymmdd: &card.apply_yyymmdd,
        issue_site_id: &card.issue_site_id,
    }
}

/// The code in an answer of the verification API.
pub fn answer_code(answer: &Answer) -> &str {
    answer.body["responseData"]["checkIdCardApply"].as_str().unwrap_or_default()
}

fn verify(
    demo: &Demo,
    visitor: &Visitor,
    caller: &Caller,
    tell: &mut dyn FnMut(&str),
) -> anyhow::Result<()> {
    let mut ask = |question: Question<'_>, expected: &str, what: &str| -> anyhow::Result<()> {
        let answer = visitor.verify(&caller.token(question, Timestamp::now())?)?;
        if answer.status != 200 || answer_code(&answer) != expected {
            bail!("{what}: expected {expected}, got {} {}", answer.status, answer.text);
        }
        tell(&format!("查驗 {what} → {expected}"));
        Ok(())
    };
    let [valid, locked, ..] = &demo.id_cards[..] else { bail!("too few identity cards") };
    ask(question(valid), "1", "資料相符")?;
    for card in &demo.id_cards {
        match card.state.as_str() {
            "lost" => ask(question(card), "7", "已掛失")?,
            "stopped" => ask(question(card), "6", "已停止使用")?,
            _ => (),
        }
    }
    let wrong = Question { apply_yyymmdd: "1000101", ..question(locked) };
    for (expected, what) in [
        ("2", "第一次錯誤"),
        ("3", "第二次錯誤"),
        ("4", "第三次錯誤"),
        ("5", "第四次錯誤，不再比對"),
    ] {
        ask(wrong, expected, what)?;
    }
    ask(question(locked), "5", "正確資料，當日已鎖定")?;
    let mut forged = caller.clone();
    forged.private_key = der_of(&demo.system.key_file)?;
    let answer = visitor.verify(&forged.token(question(valid), Timestamp::now())?)?;
    ensure!(answer.status == 401, "a foreign signature: {} {}", answer.status, answer.text);
    tell("查驗 他人金鑰簽章 → 401");
    Ok(())
}
