//! 統編變更 (A9, A17, rule 8): two cases, two cards, no gap and no second account.

use http_tests::{TestApp, pki, question, text};
use jiff::Timestamp;
use serde_json::{Value, json};
use test_pki::client::{CardSigner, Visitor, form};
use test_pki::demo::{COMPANY, HOST_ADDRESS, SYSTEM_COMPANY};
use test_pki::pki_set::Company;
use test_pki::token::Caller;

/// The company under its new number.
const NEW: (&str, &str) = ("測試甲控股股份有限公司", "99990004");

fn successor(app: &TestApp) -> (Visitor, CardSigner) {
    let card = app.new_company("successor", NEW.0, NEW.1);
    let mut visitor = app.visitor();
    visitor.sign_in_as_company(&card, NEW.1).unwrap();
    (visitor, card)
}

fn with_other(kind: &str, company: (&str, &str), other: &str) -> Value {
    let mut form = form(kind, company.0, company.1, HOST_ADDRESS);
    form["otherUbn"] = json!(other);
    form
}

fn applies(visitor: &Visitor, card: &CardSigner, form: Value) -> String {
    text(&visitor.apply(card, form).unwrap().expect(201).unwrap()["serialNumber"])
}

fn progress(visitor: &Visitor) -> Value {
    visitor.get("/api/cases").unwrap().expect(200).unwrap()
}

fn answers(app: &TestApp, caller: &Caller) -> u16 {
    let token = caller.token(question(&app.demo.id_cards[0]), Timestamp::now()).unwrap();
    app.visitor().verify(&token).unwrap().status
}

#[test]
fn the_account_goes_on_until_the_new_number_can_be_called_with() {
    let app = TestApp::start();
    let (company, card, caller) = app.approved();
    let (new, new_card) = successor(&app);
    let officer = app.officer();
    let view =
        |id: &str| officer.get(&format!("/api/review/cases/{id}")).unwrap().expect(200).unwrap();
    // With the former card: API停用 that names the new number.
    let stop = applies(&company, &card, with_other("api-stop", COMPANY, NEW.1));
    let fact = view(&stop)["facts"].to_string();
    assert!(fact.contains("變更後統一編號") && fact.contains(NEW.1), "{fact}");
    // Nothing may be taken over before that is approved.
    let early = new.apply(&new_card, with_other("api-application", NEW, COMPANY.1)).unwrap();
    assert_eq!(early.body["errors"][0]["pointer"], "/otherUbn");
    let preview = json!({ "about": "approve", "text": "同意" });
    let path = format!("/api/review/cases/{stop}/letter-preview");
    let letter = officer.post(&path, &preview).unwrap().expect(200).unwrap();
    assert!(
        text(&letter["body"]).contains(&format!("請以統一編號{}的工商憑證", NEW.1)),
        "{letter}"
    );
    app.decides(&stop, "approve");
    assert_eq!(answers(&app, &caller), 200, "no gap");
    let known = progress(&company);
    assert_eq!(
        (&known["account"]["statusWord"], &known["handover"]["step"]),
        (&json!("啟用"), &json!("apply"))
    );
    assert_eq!(progress(&new)["handover"], known["handover"], "both are told the same");

    // With the new card: API申請 that names the former number, which the page fills in.
    let standing = new.get("/api/standing").unwrap().expect(200).unwrap();
    assert_eq!(standing["takesOver"], COMPANY.1);
    let id = applies(&new, &new_card, with_other("api-application", NEW, COMPANY.1));
    assert_eq!(progress(&company)["handover"]["step"], "review");
    let case = view(&id);
    assert_eq!(
        (&case["handover"]["stopCase"], &case["handover"]["application"]),
        (&json!(stop), &json!(id))
    );
    assert!(case["facts"].to_string().contains("變更前統一編號"), "{}", case["facts"]);
    app.decides(&id, "approve");
    assert_eq!(progress(&new)["handover"]["step"], "upload");
    assert_eq!(answers(&app, &caller), 200, "still no gap");
    let issued = pki().company(Company::system(NEW.0, NEW.1)).unwrap();
    let receipt = new.upload(&new_card, NEW.1, &issued.certificate).unwrap().expect(201).unwrap();
    // In that moment the one ends and the other begins.
    assert_eq!(answers(&app, &caller), 401, "no second account");
    let account = progress(&new)["account"].clone();
    let caller = Caller {
        org_id: NEW.1.into(),
        ap_id: text(&account["apId"]),
        iss_key: text(&receipt["issKey"]),
        private_key: issued.key.pkcs8().unwrap(),
    };
    assert_eq!(answers(&app, &caller), 200);
    let known = progress(&company);
    assert_eq!(known["account"]["statusWord"], "停用");
    assert_eq!(known["account"]["statusReason"], format!("統一編號已變更為{}", NEW.1));
    assert_eq!(known["handover"]["step"], "done");
    let letters = |of: &str| {
        app.count(
            "default",
            &format!("SELECT count(*) FROM letters WHERE kind = 'handover' AND applicant = '{of}'"),
        )
    };
    assert_eq!((letters(COMPANY.1), letters(NEW.1)), (2, 1));
    assert_eq!(app.count("default", "SELECT count(*) FROM audit_log WHERE act = 'handed-over'"), 1);
    // A3 as ever: a stopped account may apply anew, and for nothing else.
    let standing = company.get("/api/standing").unwrap().expect(200).unwrap();
    assert_eq!(standing["offered"], json!([{ "kind": "api-application", "word": "API申請" }]));
    let view =
        officer.get(&format!("/api/review/accounts/{}", COMPANY.1)).unwrap().expect(200).unwrap();
    assert_eq!(view["statusBy"], "申請人");
}

#[test]
fn nobody_takes_over_what_was_not_given_to_them() {
    let app = TestApp::start();
    let (company, card, caller) = app.approved();
    let (new, new_card) = successor(&app);
    let errors = |visitor: &Visitor, card: &CardSigner, form: Value| {
        let answer = visitor.apply(card, form).unwrap();
        (answer.status, answer.body["errors"][0]["code"].as_str().unwrap_or_default().to_owned())
    };
    // Without a word of the former company, of a company that does not exist, of one's own.
    for (other, code) in [
        (COMPANY.1, "nothing-to-take-over"),
        (SYSTEM_COMPANY.1, "nothing-to-take-over"),
        (NEW.1, "other-ubn"),
        ("12345678", "ubn-checksum"),
    ] {
        let form = with_other("api-application", NEW, other);
        assert_eq!(errors(&new, &new_card, form), (422, code.into()), "{other}");
    }
    let form = with_other("data-change", COMPANY, NEW.1);
    assert_eq!(errors(&company, &card, form), (422, "not-offered".into()));
    // Given to another: this one has no part in it.
    let stop = applies(&company, &card, with_other("api-stop", COMPANY, "99990009"));
    app.decides(&stop, "approve");
    let form = with_other("api-application", NEW, COMPANY.1);
    assert_eq!(errors(&new, &new_card, form), (422, "nothing-to-take-over".into()));
    assert_eq!(progress(&new)["handover"], Value::Null);
    // Given anew, to this one: the first is forgotten. Whoever has to do with either side decides
    // neither case.
    let stop = applies(&company, &card, with_other("api-stop", COMPANY, NEW.1));
    let own = format!("UPDATE officers SET own_company = '{}'", NEW.1);
    app.database("default").execute(&own, []).unwrap();
    assert_eq!(app.officer().decide(&stop, "approve", "可").unwrap().code(), "own-case");
    app.database("default").execute("UPDATE officers SET own_company = NULL", []).unwrap();
    app.decides(&stop, "approve");
    assert_eq!(app.count("default", "SELECT count(*) FROM handovers WHERE ended_at IS NULL"), 1);
    // Who is suspended meanwhile stays so, whatever the new number does.
    let path = format!("/api/review/accounts/{}/suspension", COMPANY.1);
    app.officer().post(&path, &json!({ "text": "異常" })).unwrap().expect(200).unwrap();
    let form = with_other("api-application", NEW, COMPANY.1);
    assert_eq!(errors(&new, &new_card, form), (422, "nothing-to-take-over".into()));
    let id = applies(&new, &new_card, form_of_new());
    app.decides(&id, "approve");
    let issued = pki().company(Company::system(NEW.0, NEW.1)).unwrap();
    new.upload(&new_card, NEW.1, &issued.certificate).unwrap().expect(201).unwrap();
    assert_eq!(progress(&company)["account"]["statusWord"], "暫停");
    let token = caller.token(question(&app.demo.id_cards[0]), Timestamp::now()).unwrap();
    let answer = app.visitor().verify(&token).unwrap();
    assert_eq!(test_pki::story::answer_code(&answer), "8");
}

fn form_of_new() -> Value {
    form("api-application", NEW.0, NEW.1, HOST_ADDRESS)
}

/// Where the new number has an account, or the company names none, API停用 counts at once; and a
/// company that does not know the way is told.
#[test]
fn a_stop_that_nobody_follows_counts_at_once() {
    let app = TestApp::start();
    let (company, card, caller) = app.approved();
    let (new, new_card) = successor(&app);
    let id = applies(&new, &new_card, form_of_new());
    app.decides(&id, "approve");
    let path = format!("/api/review/accounts/{}/ubn-change", COMPANY.1);
    app.officer().post(&path, &json!({ "text": "登記資料已變更" })).unwrap().expect(200).unwrap();
    let letters = "SELECT count(*) FROM letters WHERE kind = 'ubn-change'";
    assert_eq!(app.count("default", letters), 1);
    let stop = applies(&company, &card, with_other("api-stop", COMPANY, NEW.1));
    app.decides(&stop, "approve");
    assert_eq!(answers(&app, &caller), 401);
    assert_eq!(progress(&company)["account"]["statusWord"], "停用");
    assert_eq!(progress(&company)["handover"], Value::Null);
}
