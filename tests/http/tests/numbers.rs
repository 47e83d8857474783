//! Numbers and exports (#6): what waits and was decided; nothing in a sheet is a formula.

use std::process::Command;

use http_tests::TestApp;
use serde_json::json;
use test_pki::client::form;
use test_pki::demo::HOST_ADDRESS;

/// A name from a genuine certificate that a spreadsheet would run.
const HOSTILE: &str = "=HYPERLINK(\"http://evil.test\",\"x\")公司, \"甲\" <&>";

#[test]
fn what_waits_and_was_decided_is_counted() {
    let app = TestApp::start();
    let (company, card, id) = app.applies();
    app.decides(&id, "reject");
    let applied = company.apply(&card, http_tests::application()).unwrap();
    applied.expect(201).unwrap();
    let officer = app.officer();
    let numbers = officer.get("/api/review/numbers").unwrap().expect(200).unwrap();
    let backlog = &numbers["backlog"];
    assert_eq!((&backlog["open"], &backlog["overdue"]), (&json!(1), &json!(0)));
    assert_eq!(backlog["byAge"], json!([1, 0, 0, 0]));
    let week = &numbers["weeks"][0];
    assert_eq!((&week["approved"], &week["rejected"]), (&json!(0), &json!(1)));
    assert_eq!(numbers["grounds"][0]["count"], 1);
    // A week is called by its Monday.
    let today = domain::RocDay::of(jiff::Timestamp::now());
    let monday = today.plus(-i64::from(today.0.weekday().to_monday_zero_offset()));
    assert_eq!(week["week"], format!("{monday}起"));
}

#[test]
fn an_export_has_every_case_and_no_formula() {
    let app = TestApp::start();
    let card = app.new_company("hostile", HOSTILE, "99990004");
    let mut company = app.visitor();
    company.sign_in_as_company(&card, "99990004").unwrap();
    let hostile = form("api-application", HOSTILE, "99990004", HOST_ADDRESS);
    company.apply(&card, hostile).unwrap().expect(201).unwrap();
    app.applies();
    let officer = app.officer();
    let csv = officer.get("/api/review/export?format=csv").unwrap();
    assert!(csv.header("content-disposition").unwrap().contains("chayan-cases.csv"));
    let text = csv.text.trim_start_matches('\u{feff}');
    let mut reader = csv_reader(text);
    let records: Vec<Vec<String>> = reader
        .records()
        .map(|record| record.unwrap().iter().map(str::to_owned).collect())
        .collect();
    assert_eq!(records.len(), 2);
    let names: Vec<&str> = records.iter().map(|record| record[3].as_str()).collect();
    assert!(names.contains(&format!("'{HOSTILE}").as_str()), "{names:?}");
    for cell in records.iter().flatten() {
        assert!(!cell.starts_with(['=', '+', '-', '@']), "{cell}");
    }
    assert!(!text.contains("0912345678") && !text.contains("王測試"), "nobody's contact");
    // As OpenDocument, read by somebody else's program.
    let cookie = officer.cookie().unwrap().to_owned();
    let file = app.path("cases.ods");
    let url = format!("{}/api/review/export?format=ods", officer.base);
    let got = Command::new("curl")
        .args(["-s", "-H", &format!("cookie: {cookie}"), "-o", &file, &url])
        .status()
        .unwrap();
    assert!(got.success());
    let script = "import sys, zipfile, xml.etree.ElementTree as tree
archive = zipfile.ZipFile(sys.argv[1])
assert archive.testzip() is None
assert archive.namelist()[0] == 'mimetype'
table = 'urn:oasis:names:tc:opendocument:xmlns:table:1.0'
office = 'urn:oasis:names:tc:opendocument:xmlns:office:1.0'
root = tree.fromstring(archive.read('content.xml'))
rows = list(root.iter('{%s}table-row' % table))
cells = list(root.iter('{%s}table-cell' % table))
assert all(cell.get('{%s}value-type' % office) == 'string' for cell in cells)
assert all(cell.get('{%s}formula' % table) is None for cell in cells)
print(len(rows)); print('\\n'.join(''.join(cell.itertext()) for cell in cells))";
    let output = Command::new("/usr/bin/python3").args(["-c", script, &file]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.starts_with("3\n"), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains(HOSTILE), "{said}");
    // Whoever took it out is in the log.
    let exported = "SELECT count(*) FROM audit_log WHERE act = 'exported'";
    assert_eq!(app.count("default", exported), 2);
}

#[test]
fn the_use_of_each_company_is_counted_and_can_be_taken_out() {
    let app = TestApp::start();
    let (_, _, caller) = app.approved();
    for card in
        [http_tests::question(&app.demo.id_cards[0]), http_tests::wrong(&app.demo.id_cards[0])]
    {
        let token = caller.token(card, jiff::Timestamp::now()).unwrap();
        app.visitor().verify(&token).unwrap().expect(200).unwrap();
    }
    // What was added up counts once.
    assert!(app.chayan(&["tend-calls"]).0);
    let officer = app.officer();
    let numbers = officer.get("/api/review/numbers").unwrap().expect(200).unwrap();
    let usage = &numbers["usage"][0];
    assert_eq!(
        (&usage["ubn"], &usage["calls"], &usage["wrong"], &usage["refused"]),
        (&json!(test_pki::demo::COMPANY.1), &json!(2), &json!(1), &json!(0))
    );
    let csv = officer.get("/api/review/export?of=usage&format=csv").unwrap();
    assert!(csv.header("content-disposition").unwrap().contains("chayan-usage.csv"));
    let text = csv.text.trim_start_matches('\u{feff}').to_owned();
    let record = csv_reader(&text).records().next().unwrap().unwrap();
    let cells: Vec<&str> = record.iter().take(6).collect();
    let (name, ubn) = test_pki::demo::COMPANY;
    assert_eq!(cells, [ubn, name, "啟用", "2", "1", "0"]);
    // Beside a case of the company too.
    let case = officer.get(&format!("/api/review/cases?find={ubn}")).unwrap().expect(200).unwrap();
    let id = case["cases"][0]["serialNumber"].as_str().unwrap().to_owned();
    let case = officer.get(&format!("/api/review/cases/{id}")).unwrap().expect(200).unwrap();
    assert!(
        case["facts"].to_string().contains("最近31天查驗2次，其中不符1次"),
        "{}",
        case["facts"]
    );
}

fn csv_reader(text: &str) -> csv::Reader<&[u8]> {
    csv::Reader::from_reader(text.as_bytes())
}
