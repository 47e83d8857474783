//! Every endpoint against bad input: a problem document with a stable code, nothing
//! stored, no trap.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http_tests::{TestApp, application};
use pki::Purpose;
use serde_json::{Value, json};
use test_pki::client::{Answer, Visitor};

/// Mutating endpoints, and who may call them.
const POSTS: [(&str, &str); 10] = [
    ("/api/challenges", "anyone"),
    ("/api/session", "anyone"),
    ("/api/cards/issuer", "anyone"),
    ("/api/cards/changes", "anyone"),
    ("/api/cards/unlock", "anyone"),
    ("/api/cards/status", "anyone"),
    ("/api/applications", "company"),
    ("/api/certificates", "company"),
    ("/api/cases/00000000-0000-4000-8000-000000000000/cancel", "company"),
    ("/api/review/cases/00000000-0000-4000-8000-000000000000/decision", "officer"),
];

const GETS: [&str; 8] = [
    "/readyz",
    "/api/config",
    "/api/standing",
    "/api/cases",
    "/api/cases/00000000-0000-4000-8000-000000000000",
    "/api/receipts/00000000-0000-4000-8000-000000000000",
    "/api/review/cases",
    "/api/review/cases/00000000-0000-4000-8000-000000000000",
];

fn is_problem(answer: &Answer, what: &str) {
    assert!((400..500).contains(&answer.status), "{what}: {} {}", answer.status, answer.text);
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{what}");
    assert_eq!(answer.body["status"], answer.status, "{what}");
    for member in ["type", "title", "detail", "instance", "code"] {
        let text = answer.body[member].as_str().unwrap_or_default();
        assert!(!text.is_empty(), "{what}: no {member} in {}", answer.text);
    }
}

#[test]
fn no_bad_request_is_answered_with_anything_but_a_problem() {
    let app = TestApp::start();
    let (company, _) = app.company();
    let officer = app.officer();
    let rows = "SELECT count(*) FROM cases";
    for (path, who) in POSTS {
        let visitor: &Visitor = match who {
            "officer" => &officer,
            _ => &company,
        };
        let wrong_method = visitor.get(path).unwrap();
        if path != "/api/session" {
            is_problem(&wrong_method, path);
            assert_eq!(wrong_method.code(), "method-not-allowed", "{path}");
            assert!(wrong_method.header("allow").is_some());
        }
        for (content_type, body, code) in [
            ("text/plain", &b"{}"[..], "unsupported-media-type"),
            ("application/json", b"{", "malformed-request"),
            ("application/json", b"7", "malformed-request"),
            ("application/json", b"\xff\xfe", "malformed-request"),
            ("application/json", br#"{"unknown":1}"#, "malformed-request"),
            ("application/json", b"", "malformed-request"),
        ] {
            let answer = visitor.post_raw(path, content_type, body).unwrap();
            is_problem(&answer, path);
            assert_eq!(answer.code(), code, "{path}");
        }
        let nested = "[".repeat(100_000);
        is_problem(&visitor.post_raw(path, "application/json", nested.as_bytes()).unwrap(), path);
        let large = vec![b' '; 200 << 10];
        let answer = visitor.post_raw(path, "application/json", &large).unwrap();
        assert_eq!((answer.status, answer.code()), (413, "body-too-large"), "{path}");
        // Beyond the host's own limit.
        let huge = vec![b' '; 1 << 20];
        // The host answers and hangs up, so this takes a connection of its own.
        if let Ok(answer) = app.visitor().post_raw(path, "application/json", &huge) {
            assert_eq!((answer.status, answer.code()), (413, "body-too-large"), "{path}");
        }
    }
    for path in GETS {
        let answer = company.post(path, &json!({})).unwrap();
        is_problem(&answer, path);
    }
    assert_eq!(app.count("default", rows), 0);
    // Everything still works.
    app.applies();
    assert_eq!(app.count("default", rows), 1);
}

#[test]
fn signed_acts_refuse_what_is_no_signature() {
    let app = TestApp::start();
    let (company, _) = app.company();
    for path in ["/api/session", "/api/applications", "/api/certificates", "/api/cards/unlock"] {
        for (signed, code) in [
            (json!("***"), "signature-malformed"),
            (json!(""), "signature-malformed"),
            (json!("MAA="), "signature-malformed"),
            (json!(7), "malformed-request"),
            (Value::Null, "malformed-request"),
        ] {
            let answer = company.post(path, &json!({ "signedData": signed })).unwrap();
            is_problem(&answer, path);
            assert_eq!(answer.code(), code, "{path} {signed}");
        }
    }
}

#[test]
fn a_signature_for_one_purpose_is_worth_nothing_for_another() {
    let app = TestApp::start();
    let (company, card) = app.company();
    let body = company.signed(&card, Purpose::Apply, application()).unwrap();
    assert_eq!(company.post("/api/certificates", &body).unwrap().code(), "signed-for-other");
    assert_eq!(company.post("/api/session", &body).unwrap().code(), "signed-for-other");
    company.post("/api/applications", &body).unwrap().expect(201).unwrap();
}

#[test]
fn pages_say_that_this_is_a_test_and_carry_a_strict_policy() {
    let app = TestApp::start();
    let visitor = app.visitor();
    for path in ["/", "/apply/", "/query/", "/review/", "/nowhere"] {
        let page = visitor.get(path).unwrap();
        assert_eq!(page.status, if path == "/nowhere" { 404 } else { 200 });
        assert!(page.text.contains("測試環境"), "{path}");
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe-inline"));
        assert!(!page.text.contains("<script>") && !page.text.contains("style="), "{path}");
    }
    for path in ["/../Cargo.toml", "/%2e%2e/Cargo.toml", "/..%2fCargo.toml", "//etc/passwd"] {
        assert_ne!(visitor.get(path).unwrap().status, 200, "{path}");
    }
}

/// DER with a length of up to three bytes.
fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    let head = match content.len() {
        0..128 => vec![tag, length[3]],
        128..65_536 => vec![tag, 0x82, length[2], length[3]],
        _ => vec![tag, 0x83, length[1], length[2], length[3]],
    };
    [&head[..], content].concat()
}

/// Decoders sort sets, which takes quadratic time: a message of one large set would hold a
/// core until the deadline (#3).
#[test]
fn a_message_with_a_large_set_is_refused_before_it_is_sorted() {
    // Sorting this one would take about ten seconds.
    let app = TestApp::start_with(&["--request-timeout", "3"]);
    // Algorithm identifiers 1.2.n, in descending order.
    let member = |n: u16| {
        let arc = [0x80 | u8::try_from(n >> 7).unwrap(), u8::try_from(n & 0x7f).unwrap()];
        tlv(0x30, &tlv(6, &[&[0x2a][..], &arc].concat()))
    };
    let members: Vec<u8> = (128..16_128_u16).rev().flat_map(member).collect();
    let signed_data_oid = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];
    let data_oid = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
    let fields =
        [&[2, 1, 1][..], &tlv(0x31, &members), &tlv(0x30, &data_oid), &tlv(0x31, &[])].concat();
    let content = tlv(0xa0, &tlv(0x30, &fields));
    let message = tlv(0x30, &[&signed_data_oid[..], &content].concat());
    let body = json!({ "signedData": BASE64_STANDARD.encode(&message) });
    let answer = app.visitor().post("/api/session", &body).unwrap();
    assert_eq!((answer.status, answer.code()), (400, "signature-malformed"), "{}", message.len());
}
