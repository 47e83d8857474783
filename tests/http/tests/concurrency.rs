//! The same promises when one instance serves sixteen requests at once, as Spin lets it.

use http_tests::{TestApp, application, at_once, question, wrong};
use jiff::Timestamp;
use pki::Purpose;
use test_pki::story::answer_code;

const AS_SPIN: [&str; 2] = ["--max-instance-concurrent-reuse-count", "16"];

#[test]
fn one_open_case_and_three_comparisons_at_sixteen_at_once() {
    let app = TestApp::start_with(&AS_SPIN);
    let (visitor, card) = app.company();
    let bodies: Vec<_> =
        (0..64).map(|_| visitor.signed(&card, Purpose::Apply, application()).unwrap()).collect();
    let answers = at_once(64, |index| visitor.post("/api/applications", &bodies[index]).unwrap());
    let accepted: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(accepted.len(), 1);
    assert!(answers.iter().all(|a| a.status == 201 || a.code() == "open-case-exists"));
    let id = http_tests::text(&accepted[0].body["serialNumber"]);
    visitor
        .post(&format!("/api/cases/{id}/cancel"), &serde_json::json!({}))
        .unwrap()
        .expect(200)
        .unwrap();

    let (visitor, _, caller) = app.approved();
    let known = &app.demo.id_cards[1];
    let now = Timestamp::now();
    let tokens: Vec<_> = (0..64).map(|_| caller.token(wrong(known), now).unwrap()).collect();
    let answers = at_once(64, |index| visitor.verify(&tokens[index]).unwrap());
    let count = |code: &str| answers.iter().filter(|answer| answer_code(answer) == code).count();
    assert_eq!((count("2"), count("3"), count("4"), count("5")), (1, 1, 1, 61));
    let right = visitor.verify(&caller.token(question(known), now).unwrap()).unwrap();
    assert_eq!(answer_code(&right), "5");
}

#[test]
fn sessions_and_answers_do_not_mix() {
    let app = TestApp::start_with(&AS_SPIN);
    let (company, _, id) = app.applies();
    let mut other = app.visitor();
    let card = app.card("company-2");
    other.sign_in_as_company(&card, test_pki::demo::SYSTEM_COMPANY.1).unwrap();
    let answers = at_once(64, |index| {
        let visitor = if index % 2 == 0 { &company } else { &other };
        visitor.get("/api/cases").unwrap()
    });
    for (index, answer) in answers.iter().enumerate() {
        let expected = if index % 2 == 0 { 1 } else { 0 };
        assert_eq!(answer.body["count"], expected, "{}", answer.text);
        assert_eq!(answer.text.contains(&id), index % 2 == 0);
    }
}
