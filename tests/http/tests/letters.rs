//! Letters (#6): written with what they are about, sent by `chayan relay` to a real SMTP server.

use std::net::TcpListener;
use std::process::Command;

use http_tests::mail::MailServer;
use http_tests::{TestApp, at_once};
use serde_json::json;
use test_pki::demo::COMPANY;

fn relays(app: &TestApp, port: u16, more: &[&str]) -> (bool, String) {
    let (port, ca, password) = (port.to_string(), app.path("mail.cer"), app.path("mail.password"));
    std::fs::write(&password, "fictional\n").unwrap();
    let common = [
        "relay",
        "--server",
        "localhost",
        "--port",
        &port,
        "--ca",
        &ca,
        "--once",
        "--from",
        "戶政司 <noreply@example.test>",
    ];
    let account = ["--user", "chayan", "--password-file", &password];
    app.chayan(&[&common[..], &account, more].concat())
}

fn states(app: &TestApp) -> Vec<String> {
    let database = app.database("default");
    let mut statement = database.prepare("SELECT state FROM letters ORDER BY id").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

/// The body of a message as it was written.
fn decoded(message: &str) -> String {
    let script = "import email, email.policy, sys
message = email.message_from_string(sys.argv[1], policy=email.policy.default)
print(message['subject']); print(message['to']); print(message.get_content())";
    let output = Command::new("/usr/bin/python3").args(["-c", script, message]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_letter_goes_out_once_by_tls_and_is_seen_to_have_gone() {
    let app = TestApp::start();
    let (_, _, id) = app.applies();
    app.decides(&id, "reject");
    assert_eq!(states(&app), ["queued", "queued"]);
    let server = MailServer::start(&app, "starttls");
    // Two relays at once: each letter goes once.
    let rounds = at_once(2, |_| relays(&app, server.port, &[]));
    assert!(rounds.iter().all(|(done, _)| *done), "{rounds:?}");
    let messages = server.messages();
    assert_eq!(messages.len(), 2);
    assert_eq!(states(&app), ["sent", "sent"]);
    assert!(messages.iter().all(|message| message.contains("Message-ID: <chayan-")));
    let refusal = messages.iter().map(|message| decoded(message));
    let refusal = refusal.into_iter().find(|text| text.contains("駁回")).unwrap();
    for part in [COMPANY.0, "未敘明法規依據", "clerk@example.com.tw", "was rejected", &id] {
        assert!(refusal.contains(part), "{part}: {refusal}");
    }
    // Nobody's name and number: those are on the page, behind the card.
    assert!(!refusal.contains("王測試") && !refusal.contains("0912345678"));
    // The case shows it; and it can be sent once more.
    let officer = app.officer();
    let case = officer.get(&format!("/api/review/cases/{id}")).unwrap().expect(200).unwrap();
    let letter = case["letters"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&letter["stateWord"], &letter["answer"]), (&json!("已寄出"), &json!("taken")));
    let path = format!("/api/review/letters/{}/resending", letter["id"]);
    assert_eq!(officer.post(&path, &json!({})).unwrap().status, 204);
    assert_eq!(officer.post(&path, &json!({})).unwrap().status, 404, "queued already");
    assert!(relays(&app, server.port, &[]).0);
    assert_eq!(server.messages().len(), 3);
    let resent = "SELECT count(*) FROM audit_log WHERE act = 'resent'";
    assert_eq!(app.count("default", resent), 1);
}

#[test]
fn a_server_that_is_down_or_says_later_loses_nothing() {
    let app = TestApp::start();
    app.applies();
    let server = MailServer::start(&app, "tls");
    let tls = ["--security", "tls"];
    let due = || {
        let sql = "UPDATE letters SET next_at = 0";
        app.database("default").execute(sql, []).unwrap();
    };
    // Nobody there; wrong protection; a password that is wrong.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (_, said) = relays(&app, port, &tls);
    assert!(said.contains("0 letters sent, 1 not sent"), "{said}");
    assert_eq!(states(&app), ["queued"]);
    // Not tried again before its time.
    assert!(relays(&app, server.port, &tls).1.contains("0 letters sent, 0 not sent"));
    due();
    server.refuses("451 later");
    assert!(relays(&app, server.port, &tls).1.contains("1 not sent"));
    assert_eq!(states(&app), ["queued"]);
    let answer = "SELECT count(*) FROM letters WHERE answer = 'SMTP 451' AND attempts = 2";
    assert_eq!(app.count("default", answer), 1);
    server.refuses("");
    due();
    assert!(relays(&app, server.port, &tls).1.contains("1 letters sent"));
    // For good: seen as failed, and an officer may try again when the address is right.
    server.refuses("550 nobody of this name");
    app.database("default")
        .execute("UPDATE letters SET state = 'queued', sent_at = NULL, next_at = 0", [])
        .unwrap();
    assert!(relays(&app, server.port, &tls).1.contains("1 not sent"));
    assert_eq!(states(&app), ["failed"]);
}

#[test]
fn letters_leave_by_tls_to_the_right_server_only() {
    let app = TestApp::start();
    app.applies();
    let server = MailServer::start(&app, "starttls");
    // A server whose certificate is of another CA.
    let foreign = app.path("other.cer");
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=x"])
        .args(["-keyout", &app.path("other.key"), "-out", &foreign])
        .output()
        .unwrap();
    assert!(made.status.success());
    std::fs::copy(&foreign, app.path("mail.cer")).unwrap();
    let (_, said) = relays(&app, server.port, &[]);
    assert!(said.contains("1 not sent"), "{said}");
    assert!(server.messages().is_empty());
    // Without any protection, only within this machine.
    let arguments = [
        "relay",
        "--server",
        "mail.example.test",
        "--security",
        "none",
        "--once",
        "--from",
        "noreply@example.test",
    ];
    let (done, said) = app.chayan(&arguments);
    assert!(!done && said.contains("TLS only"), "{said}");
}
