//! Clients in Python, PHP and Go, written from the protocol alone by somebody who had not
//! seen this server, call it unchanged (A18): every code, errors, and a token that is sent
//! twice, as an automatic retry does.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use domain::{CallOutcome, SandboxAnswer};
use http_tests::{TestApp, question, wrong};
use serde_json::{Value, json};
use test_pki::token::Question;

struct Client {
    name: &'static str,
    command: Vec<String>,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

fn clients(app: &TestApp) -> [Client; 3] {
    let file = |name: &str| folder().join(name).display().to_string();
    let built = app.path("go-client");
    let done = Command::new("go")
        .args(["build", "-o", &built, &file("client.go")])
        .env("GOFLAGS", "-mod=mod")
        .env("GOCACHE", app.path("go-cache"))
        .status()
        .expect("go (scripts/install test)");
    assert!(done.success());
    [
        Client { name: "Python", command: vec!["/usr/bin/python3".into(), file("client.py")] },
        Client { name: "PHP", command: vec!["php".into(), file("client.php")] },
        Client { name: "Go", command: vec![built] },
    ]
}

fn asked(question: Question<'_>) -> Value {
    json!({
        "personId": question.person_id, "applyCode": question.apply_code,
        "applyYyymmdd": question.apply_yyymmdd, "issueSiteId": question.issue_site_id,
    })
}

impl Client {
    /// Asks every question; one answer for each, two for a repeated one.
    fn ask(&self, app: &TestApp, config: &str, questions: &[Value]) -> Vec<Value> {
        let base = app.visitor().base;
        let mut child = Command::new(&self.command[0])
            .args(&self.command[1..])
            .args([base.as_str(), config])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error} (scripts/install test)", self.name));
        let mut stdin = child.stdin.take().unwrap();
        for question in questions {
            writeln!(stdin, "{question}").unwrap();
        }
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}: {output:?}", self.name);
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[test]
fn clients_that_know_the_protocol_alone_understand_every_answer() {
    let app = TestApp::start();
    let (_, _, caller) = app.approved();
    let config = json!({
        "orgId": caller.org_id, "apId": caller.ap_id, "userId": "demo_001", "iss": caller.iss_key,
        "keyFile": app.demo.company_key_file,
    });
    std::fs::write(app.path("config.json"), config.to_string()).unwrap();
    let config = app.path("config.json");
    let set = |what: &str| {
        app.database("default").execute(&format!("UPDATE accounts SET {what}"), []).unwrap();
    };
    for client in clients(&app) {
        let name = client.name;
        // The register itself: a match, and three wrong answers of which one is sent twice.
        set("sandbox = 0");
        app.database("attempts").execute("DELETE FROM wrong_answers", []).unwrap();
        app.database("calls").execute("DELETE FROM calls", []).unwrap();
        let (known, other) = (&app.demo.id_cards[0], &app.demo.id_cards[1]);
        let mut twice = asked(wrong(other));
        twice["repeat"] = true.into();
        let questions = [
            asked(question(known)),
            twice,
            asked(wrong(other)),
            asked(wrong(other)),
            asked(question(other)),
        ];
        let answers = client.ask(&app, &config, &questions);
        let codes: Vec<&str> =
            answers.iter().map(|answer| answer["check"].as_str().unwrap_or("-")).collect();
        assert_eq!(codes, ["1", "2", "2", "3", "4", "5"], "{name}: {answers:?}");
        let first = &answers[0];
        assert_eq!(
            (&first["status"], &first["httpCode"], &first["rdCode"], &first["rdMessage"]),
            (&json!(200), &json!("200"), &json!("RS7009"), &json!("查詢作業完成")),
            "{name}"
        );
        // Every other answer, from the published test data.
        set("sandbox = 1");
        let cases = domain::sandbox_cases();
        let questions: Vec<Value> = cases
            .iter()
            .map(|case| {
                asked(Question {
                    person_id: &case.person_id,
                    apply_code: "1",
                    apply_yyymmdd: "0940105",
                    issue_site_id: "63000",
                })
            })
            .collect();
        let answers = client.ask(&app, &config, &questions);
        assert_eq!(answers.len(), cases.len(), "{name}");
        for (case, answer) in cases.iter().zip(&answers) {
            understood(name, case.answer.clone(), answer);
        }
    }
}

/// Whether a client made of an answer what its kind makes of it.
fn understood(name: &str, given: SandboxAnswer, answer: &Value) {
    let context = format!("{name}, {given:?}: {answer}");
    // This client's model knows the codes 1 to 8, as the known one does: 9 and A are opt-in.
    let crash = answer["crash"].as_str();
    match given {
        SandboxAnswer::Outcome(CallOutcome::Answered(code)) => {
            let code = code.code().to_string();
            if name == "Python" && ["9", "A"].contains(&code.as_str()) {
                assert!(crash.is_some_and(|why| why.contains("AttributeError")), "{context}");
            } else {
                assert_eq!(
                    (&answer["check"], &answer["status"]),
                    (&json!(code), &json!(200)),
                    "{context}"
                );
            }
        }
        SandboxAnswer::Outcome(outcome) => {
            let expected =
                if outcome == CallOutcome::AccountMismatch { "RS3811" } else { "RS3822" };
            assert_eq!(answer["rdCode"], expected, "{context}");
            assert!(answer["check"].is_null() && crash.is_none(), "{context}");
        }
        SandboxAnswer::RateLimited | SandboxAnswer::Unavailable => {
            let status = if given == SandboxAnswer::RateLimited { 429 } else { 503 };
            assert_eq!(answer["status"], status, "{context}");
            // The Go client throws away the body of anything but 200; the others read it.
            let code = if name == "Go" { json!("") } else { json!(status.to_string()) };
            assert_eq!(answer["httpCode"], code, "{context}");
        }
    }
}

#[test]
fn clients_are_told_when_they_are_turned_away() {
    let app = TestApp::start();
    let (_, _, caller) = app.approved();
    let config = json!({
        "orgId": caller.org_id, "apId": caller.ap_id, "userId": "demo_001", "iss": "A".repeat(32),
        "keyFile": app.demo.company_key_file,
    });
    std::fs::write(app.path("config.json"), config.to_string()).unwrap();
    for client in clients(&app) {
        let questions = [asked(question(&app.demo.id_cards[0]))];
        let answers = client.ask(&app, &app.path("config.json"), &questions);
        assert_eq!(
            (&answers[0]["status"], answers[0]["crash"].as_str()),
            (&json!(401), None),
            "{}",
            client.name
        );
    }
}
