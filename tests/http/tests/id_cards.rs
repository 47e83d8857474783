//! The register of identity cards at size: imported whole beside the one that answers, again
//! after an interruption, and day by day (A18).

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use http_tests::{TestApp, project, question};
use jiff::Timestamp;
use test_pki::client::Visitor;
use test_pki::story::answer_code;
use test_pki::token::{Caller, Question};

fn generate(app: &TestApp, name: &str, count: &str, seed: &str) -> String {
    let path = app.path(name);
    let done = Command::new(project().join("target/release/chayan"))
        .args(["generate-id-cards", "--count", count, "--seed", seed])
        .stdout(File::create(&path).unwrap())
        .status()
        .unwrap();
    assert!(done.success());
    path
}

fn import(app: &TestApp, file: &str, further: &[&str]) -> (bool, String) {
    let key = app.path("register.key");
    app.chayan(&[&["import-id-cards", file, "--key-file", &key], further].concat())
}

/// The lines of a file of cards: person, code, date, site, state, changed.
fn lines(file: &str) -> impl Iterator<Item = Vec<String>> {
    let text = std::fs::read_to_string(file).unwrap();
    let lines: Vec<_> =
        text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect();
    lines.into_iter()
}

fn ask(visitor: &Visitor, caller: &Caller, line: &[String]) -> String {
    let question = Question {
        person_id: &line[0],
        apply_code: &line[1],
        apply_yyymmdd: &line[2],
        issue_site_id: &line[3],
    };
    let token = caller.token(question, Timestamp::now()).unwrap();
    answer_code(&visitor.verify(&token).unwrap()).to_owned()
}

#[test]
fn the_whole_register_is_replaced_while_the_service_answers() {
    let app = TestApp::start();
    let (visitor, _, caller) = app.approved();
    app.database("default").execute("UPDATE accounts SET change_codes = 1", []).unwrap();
    let file = generate(&app, "first.csv", "40000", "1");
    let (done, said) = import(&app, &file, &["--whole", "--as-of", "2023-11-17"]);
    assert!(done && said.contains("40000 identity cards imported"), "{said}");
    assert_eq!(app.count("register", "SELECT count(*) FROM id_cards"), 40_000);
    // The demo's cards are in it no more.
    let known = question(&app.demo.id_cards[0]);
    let token = caller.token(known, Timestamp::now()).unwrap();
    assert_eq!(answer_code(&visitor.verify(&token).unwrap()), "2");
    for (state, changed, code) in
        [("valid", "", "9"), ("valid", "yes", "A"), ("stopped", "", "6"), ("lost", "", "7")]
    {
        let mut lines = lines(&file);
        let line = lines.find(|line| line[4] == state && line[5] == changed).unwrap();
        assert_eq!(ask(&visitor, &caller, &line), code, "{state} {changed}");
    }
    // What changed on a day.
    let line = lines(&file).find(|line| line[4] == "valid").unwrap();
    let changes = app.path("changes.csv");
    let head = "personId,applyCode,applyYyymmdd,issueSiteId,state,numberChanged\n";
    let change = format!("{},2,1121120,65000,valid,\n", line[0]);
    std::fs::write(&changes, [head, &change].concat()).unwrap();
    let (done, said) = import(&app, &changes, &["--as-of", "2023-11-21"]);
    assert!(done && said.contains("1 identity cards imported"), "{said}");
    let renewed = [line[0].clone(), "2".into(), "1121120".into(), "65000".into()];
    assert_eq!(ask(&visitor, &caller, &renewed), "9");
    assert_eq!(ask(&visitor, &caller, &line), "2");
}

#[test]
fn a_file_is_taken_once_whole_and_in_order() {
    let app = TestApp::start();
    let file = generate(&app, "cards.csv", "1000", "7");
    let refused = |file: &str, further: &[&str], why: &str| {
        let (done, said) = import(&app, file, further);
        assert!(!done && said.contains(why), "{why}: {said}");
    };
    refused(&file, &["--whole", "--sha256", &"0".repeat(64)], "the file's SHA-256 is");
    refused(&file, &["--as-of", "2999-01-01"], "is yet to come");
    let text = std::fs::read_to_string(&file).unwrap();
    let twice = app.path("twice.csv");
    let last = text.lines().last().unwrap();
    std::fs::write(&twice, format!("{text}{last}\n")).unwrap();
    refused(&twice, &["--whole"], "a person comes twice");
    refused(&twice, &[], "a person comes twice");
    let cut = app.path("cut.csv");
    std::fs::write(&cut, &text[..text.len() - 9]).unwrap();
    refused(&cut, &["--whole"], "line 1001");
    std::fs::write(&cut, "personId,applyCode,applyYyymmdd,issueSiteId,state\n").unwrap();
    refused(&cut, &["--whole"], "no cards");
    let sha256 = openssl_sha256(&file);
    let (done, said) = import(&app, &file, &["--as-of", "2024-02-01", "--sha256", &sha256]);
    assert!(done, "{said}");
    refused(&file, &["--as-of", "2024-02-02"], "imported already");
    let older = generate(&app, "older.csv", "10", "8");
    refused(&older, &["--as-of", "2024-01-31"], "this one is older");
    // The demo's cards are still there.
    let demo = i64::try_from(app.demo.id_cards.len()).unwrap();
    assert_eq!(app.count("register", "SELECT count(*) FROM id_cards"), 1000 + demo);
}

fn openssl_sha256(file: &str) -> String {
    let output = Command::new("openssl").args(["dgst", "-sha256", "-r", file]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned()
}

#[test]
fn an_import_that_was_killed_goes_on_where_it_stopped() {
    let app = TestApp::start();
    let (visitor, _, caller) = app.approved();
    let file = generate(&app, "many.csv", "1300000", "3");
    let start = || {
        Command::new(project().join("target/release/chayan"))
            .args(["--data", &app.path("data"), "import-id-cards", &file, "--whole"])
            .args(["--key-file", &app.path("register.key")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let mut first = start();
    let filled = |path: &Path| {
        let database = rusqlite::Connection::open(path).unwrap();
        let count = database.query_row("SELECT count(*) FROM id_cards_next", [], |row| row.get(0));
        count.unwrap_or(0_i64)
    };
    let register = app.dir.join("data/register.db");
    while filled(&register) == 0 {
        assert!(first.try_wait().unwrap().is_none(), "it ended before it was killed");
        std::thread::sleep(Duration::from_millis(5));
    }
    first.kill().unwrap();
    first.wait().unwrap();
    let kept = filled(&register);
    assert!((1..1_300_000).contains(&kept), "{kept}");
    // Nothing of it answers yet.
    let known = question(&app.demo.id_cards[0]);
    let right = || {
        let token = caller.token(known, Timestamp::now()).unwrap();
        answer_code(&visitor.verify(&token).unwrap()).to_owned()
    };
    assert_eq!(right(), "1");
    assert!(start().wait().unwrap().success());
    assert_eq!(app.count("register", "SELECT count(*) FROM id_cards"), 1_300_000);
    let line = lines(&file).find(|line| line[4] == "valid").unwrap();
    assert_eq!(ask(&visitor, &caller, &line), "1");
    assert_eq!(right(), "2");
    let left = "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'id_cards_next%'";
    assert_eq!(app.count("register", left), 0);
}
