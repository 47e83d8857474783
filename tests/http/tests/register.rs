//! The company register (rule 10): beside a case, and swept against the accounts; and what the
//! health of the installation looks like to officers.

use http_tests::{TestApp, text};
use serde_json::json;
use test_pki::client::Visitor;
use test_pki::demo::COMPANY;

const HEAD: &str = "統一編號,公司名稱,公司狀況,所營事業\n";

fn imports(app: &TestApp, csv: &str) -> (bool, String) {
    let file = app.path("companies.csv");
    std::fs::write(&file, csv).unwrap();
    let today = domain::TAIPEI.to_datetime(jiff::Timestamp::now()).date().to_string();
    app.chayan(&["import-companies", &file, "--as-of", &today])
}

fn supervisor(app: &TestApp) -> Visitor {
    app.names("0000000187654321", "supervisor");
    let mut visitor = app.visitor();
    visitor.sign_in_as_officer(&app.card("citizen")).unwrap();
    visitor
}

fn warnings(officer: &Visitor) -> String {
    officer.get("/api/review/health").unwrap().expect(200).unwrap()["warnings"].to_string()
}

#[test]
fn the_register_stands_beside_a_case_and_a_broken_file_changes_nothing() {
    let app = TestApp::start();
    let (_, _, id) = app.applies();
    let officer = app.officer();
    assert!(warnings(&officer).contains("商工登記資料未匯入"));
    let good = format!("{HEAD}{},{},核准設立,\"I301010 資訊軟體服務業\"\n", COMPANY.1, COMPANY.0);
    assert!(imports(&app, &good).0);
    assert!(!warnings(&officer).contains("商工登記"));
    let facts = || {
        let case = officer.get(&format!("/api/review/cases/{id}")).unwrap().expect(200).unwrap();
        case["facts"].as_array().unwrap().clone()
    };
    let fact = |name: &str| facts().into_iter().find(|fact| fact["name"] == name).unwrap();
    assert_eq!(fact("商工登記")["notable"], false);
    assert_eq!(fact("所營事業")["text"], "I301010 資訊軟體服務業");
    // Broken off in the middle, or with something that is no number: the former one stays.
    for bad in ["12345675,甲", "1234567X,甲,核准設立,"] {
        let (done, said) = imports(&app, &format!("{HEAD}04595257,乙,核准設立,\n{bad}\n"));
        assert!(!done && said.contains("line 3"), "{said}");
        assert_eq!(app.count("default", "SELECT count(*) FROM companies"), 1);
    }
    // Another name, then no company at all.
    assert!(imports(&app, &format!("{HEAD}{},別的公司,核准設立,\n", COMPANY.1)).0);
    assert_eq!(text(&fact("商工登記")["text"]), "登記名稱不同：別的公司，核准設立");
    assert!(imports(&app, &format!("{HEAD}04595257,乙,核准設立,\n")).0);
    assert_eq!(fact("商工登記")["text"], "查無登記");
    assert_eq!(fact("商工登記")["notable"], true);
}

#[test]
fn a_sweep_is_a_look_and_what_follows_takes_two() {
    let app = TestApp::start();
    app.approved();
    let (officer, supervisor) = (app.officer(), supervisor(&app));
    assert_eq!(officer.get("/api/review/sweep").unwrap().code(), "not-allowed");
    let sweep = || supervisor.get("/api/review/sweep").unwrap().expect(200).unwrap();
    assert_eq!(sweep()["findings"], json!([]), "without a register nothing is found");
    assert!(imports(&app, &format!("{HEAD}{},{},核准設立,\n", COMPANY.1, COMPANY.0)).0);
    assert_eq!(sweep()["findings"], json!([]));
    assert!(imports(&app, &format!("{HEAD}{},{},解散,\n", COMPANY.1, COMPANY.0)).0);
    let found = sweep()["findings"][0].clone();
    assert_eq!((&found["ubn"], &found["finding"]), (&json!(COMPANY.1), &json!("not-live")));
    // A look changes nothing.
    let active = "SELECT count(*) FROM accounts WHERE status = 'active'";
    assert_eq!(app.count("default", active), 1);
    let path = format!("/api/review/accounts/{}/revocation", COMPANY.1);
    let reason = json!({ "text": "經清查比對，已非現行登記之公司行號。" });
    officer.post(&path, &reason).unwrap().expect(200).unwrap();
    let list = supervisor.get("/api/review/proposals").unwrap().expect(200).unwrap();
    let decision = format!("/api/review/proposals/{}/decision", list["proposals"][0]["id"]);
    supervisor.post(&decision, &json!({ "endorsed": true })).unwrap().expect(200).unwrap();
    assert_eq!(app.count("default", active), 0);
    assert_eq!(sweep()["findings"], json!([]));
    let letter = "SELECT count(*) FROM letters WHERE kind = 'revoked' AND body LIKE '%清查比對%'";
    assert_eq!(app.count("default", letter), 1);
}

#[test]
fn what_does_not_work_is_said_and_stops_nothing() {
    let app = TestApp::start();
    let (_, _, id) = app.applies();
    let officer = app.officer();
    let said = warnings(&officer);
    assert!(said.contains("辦公日曆未匯入") && !said.contains("信件"), "{said}");
    // Mail that does not go out, and mail that was refused.
    let database = app.database("default");
    database.execute("UPDATE letters SET written_at = written_at - 3600", []).unwrap();
    assert!(warnings(&officer).contains("有1封信件尚未寄出"));
    database.execute("UPDATE letters SET state = 'failed'", []).unwrap();
    assert!(warnings(&officer).contains("有1封信件寄送失敗"));
    officer.decide(&id, "approve", "審核通過").unwrap().expect(200).unwrap();
}
