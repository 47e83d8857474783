//! schemathesis asks both endpoints by their OpenAPI file (`CHAYAN_SCHEMATHESIS_CALLS` examples of
//! each operation, 100 unless it is set): no 5xx, no answer that the file does not describe.

use std::process::Command;

use http_tests::{TestApp, project};
use serde_json::json;

#[test]
fn every_answer_is_one_that_the_file_describes() {
    let app = TestApp::start();
    let (_, _, caller) = app.approved();
    let unlimited = "UPDATE accounts SET calls_per_minute = 60000000, burst = 1000000";
    app.database("default").execute(unlimited, []).unwrap();
    let cards: Vec<_> = app
        .demo
        .id_cards
        .iter()
        .map(|card| {
            json!({
                "personId": card.person_id, "applyCode": card.apply_code,
                "applyYyymmdd": card.apply_yyymmdd, "issueSiteId": card.issue_site_id,
            })
        })
        .collect();
    let described = json!({
        "orgId": caller.org_id, "apId": caller.ap_id, "iss": caller.iss_key,
        "keyFile": app.demo.company_key_file, "cards": cards,
    });
    std::fs::write(app.path("caller.json"), described.to_string()).unwrap();
    let folder = project().join("tests/http/tests/schemathesis");
    let examples = std::env::var("CHAYAN_SCHEMATHESIS_CALLS").unwrap_or_else(|_| "100".into());
    let output = Command::new(project().join("target/tools/schemathesis/bin/schemathesis"))
        .arg("run")
        .arg(project().join("docs/openapi-integration.json"))
        .args(["--url", &app.visitor().base, "--max-examples", &examples, "--seed", "7"])
        .args(["--workers", "2"])
        .args(["--checks", "all", "--phases", "examples,coverage,fuzzing", "--no-color"])
        // Whoever sends a number where a token is due is told so by 400 or 401: both are right.
        .args(["--exclude-checks", "positive_data_acceptance,ignored_auth,unsupported_method"])
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .env("PYTHONPATH", &folder)
        .env("CHAYAN_CALLER", app.path("caller.json"))
        .current_dir(&app.dir)
        .output()
        .expect("schemathesis (scripts/install test)");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    println!("{}", said.lines().rev().take(12).collect::<Vec<_>>().join("\n"));
    println!("{} calls recorded", app.count("calls", "SELECT count(*) FROM calls"));
}
