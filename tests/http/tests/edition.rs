//! The manual of 108 (A14): its texts, kinds of cases, identifiers and time.

use http_tests::{TestApp, application, text};
use serde_json::{Value, json};
use test_pki::client::form;
use test_pki::demo::COMPANY;

fn with_108(mut form: Value) -> Value {
    form["agreed"] = serde_json::to_value(domain::Edition::Of108.agreement()).unwrap();
    form
}

#[test]
fn a_company_goes_the_way_of_108() {
    let app = TestApp::start_with(&["--variable", "edition=108"]);
    let (visitor, card) = app.company();
    let words = || -> Vec<String> {
        let standing = visitor.get("/api/standing").unwrap().expect(200).unwrap();
        standing["offered"].as_array().unwrap().iter().map(|offer| text(&offer["word"])).collect()
    };
    let config = visitor.get("/api/config").unwrap().expect(200).unwrap();
    assert_eq!(config["edition"], "108");
    assert_eq!(config["terms"]["notice"]["version"], "108");
    assert_eq!(words(), ["API申請"]);
    // The texts of 112 are others.
    let answer = visitor.apply(&card, application()).unwrap();
    assert_eq!(answer.body["errors"][0]["code"], "not-agreed");
    let applied = |form: Value| {
        let receipt = visitor.apply(&card, with_108(form)).unwrap().expect(201).unwrap();
        text(&receipt["serialNumber"])
    };
    let id = applied(application());
    let versions = "SELECT count(*) FROM api_forms
        WHERE notice_version = '108' AND rules_version = '108'";
    assert_eq!(app.count("default", versions), 1);
    app.decides(&id, "approve");
    // 機關帳號 and Iss Key both at approval (figure 8).
    let account = visitor.get("/api/cases").unwrap().expect(200).unwrap()["account"].clone();
    let ap_id = text(&account["apId"]);
    let (letters, digits) = ap_id.split_at(2);
    assert!(letters.bytes().all(|byte| byte.is_ascii_uppercase()), "{ap_id}");
    assert!(digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit()), "{ap_id}");
    let iss_key = text(&account["issKey"]);
    assert_eq!(iss_key.len(), 32);
    assert_eq!(words(), ["更改連線主機網路位址", "API停用", "憑證上傳"]);
    let foreign = form("data-change", COMPANY.0, COMPANY.1, "127.0.0.9");
    let refused = visitor.apply(&card, with_108(foreign)).unwrap();
    assert_eq!(refused.code(), "case-kind-not-offered");
    // A change of the address changes nothing else, whatever the form says.
    let mut change = form("address-change", "另一個名稱股份有限公司", COMPANY.1, "127.0.0.9");
    change["email"] = "other@example.com.tw".into();
    app.decides(&applied(change), "approve");
    let changed = visitor.get("/api/cases").unwrap().expect(200).unwrap()["account"].clone();
    let mut expected = account.clone();
    expected["hostAddress"] = "127.0.0.9".into();
    assert_eq!(changed, expected);
    // The upload keeps the isskey.
    let file = std::fs::read(&app.demo.company_certificate_file).unwrap();
    let document = json!({
        "kind": "certificate-upload", "ubn": COMPANY.1, "reason": "上傳憑證",
        "certificateFile": base64::Engine::encode(&base64::prelude::BASE64_STANDARD, file),
        "agreed": domain::Edition::Of108.agreement(),
    });
    let receipt = visitor.upload_document(&card, document).unwrap().expect(201).unwrap();
    assert_eq!(text(&receipt["issKey"]), iss_key);
    app.decides(&applied(form("api-stop", COMPANY.0, COMPANY.1, "127.0.0.9")), "approve");
    assert_eq!(words(), ["API申請"]);
}

#[test]
fn the_kinds_of_108_are_not_those_of_112() {
    let app = TestApp::start();
    let (visitor, card, _) = app.approved();
    let change = form("address-change", COMPANY.0, COMPANY.1, "127.0.0.9");
    assert_eq!(visitor.apply(&card, change).unwrap().code(), "case-kind-not-offered");
    let readable =
        std::process::Command::new(http_tests::project().join("target/release/chayan-host"))
            .args(TestApp::host_arguments(&app.dir))
            .args(["--listen", "127.0.0.1:0", "--variable", "edition=113"])
            .output()
            .unwrap();
    let said = String::from_utf8_lossy(&readable.stderr);
    assert!(
        !readable.status.success() && said.contains("edition is neither 108 nor 112"),
        "{said}"
    );
}
