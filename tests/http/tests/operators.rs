//! `chayan`: import, officers, trust stores (E7).

use std::path::Path;
use std::process::{Command, Output};

use aws_lc_rs::rsa::KeySize;
use http_tests::{TestApp, project, scratch};
use jiff::{SignedDuration, Timestamp};
use pki::{Environment, TrustStore, TrustStoreError, TrustedCertificateFile};
use test_pki::issue::{Authority, Part, Profile, certifying};
use test_pki::story::answer_code;

fn chayan(data: &Path, arguments: &[&str]) -> Output {
    Command::new(project().join("target/release/chayan"))
        .arg("--data")
        .arg(data)
        .args(arguments)
        .output()
        .expect("chayan (scripts/build)")
}

/// What no card is known by is refused before it is on the list.
#[test]
fn an_officer_is_named_by_what_a_card_is_known_by() {
    let app = TestApp::start();
    for (subject, good) in [
        ("187654321", false),
        ("2.16.886.101.99999.1", false),
        ("OID:2.16.886.x", false),
        ("OID:2.16.886.101.99999.1", true),
        ("0000000187654321", true),
    ] {
        let who = ["add-officer", "--subject-serial", subject, "--name", "陳測試"];
        let (named, said) = app.chayan(&who);
        assert_eq!(named, good, "{subject}: {said}");
        assert!(named || said.contains("sixteen digits, or OID: and an OID"), "{said}");
    }
    // The demo's own officer, and the two.
    assert_eq!(app.count("default", "SELECT count(*) FROM officers"), 3);
}

#[test]
fn imported_cards_are_answered_and_a_bad_line_imports_nothing() {
    let app = TestApp::start();
    let (visitor, _, caller) = app.approved();
    let (data, key) = (app.dir.join("data"), app.dir.join("register.key"));
    let import = |csv: &str| {
        let file = app.dir.join("cards.csv");
        std::fs::write(&file, csv).unwrap();
        let [file, key] = [&file, &key].map(|path| path.display().to_string());
        chayan(&data, &["import-id-cards", &file, "--key-file", &key])
    };
    const HEAD: &str = "personId,applyCode,applyYyymmdd,issueSiteId,state\n";
    let bad = import(&format!(
        "{HEAD}C123456789,1,0940105,63000,valid\nC223456789,9,0940105,63000,valid\n"
    ));
    assert!(!bad.status.success());
    let said = String::from_utf8_lossy(&bad.stderr);
    assert!(said.contains("line 3") && !said.contains("C223456789"), "{said}");
    let question = test_pki::token::Question {
        person_id: "C123456789",
        apply_code: "1",
        apply_yyymmdd: "0940105",
        issue_site_id: "63000",
    };
    let ask = || {
        let answer = visitor.verify(&caller.token(question, Timestamp::now()).unwrap()).unwrap();
        answer_code(&answer).to_owned()
    };
    assert_eq!(ask(), "2", "nothing of a bad file is kept");
    let mut csv = HEAD.to_owned();
    for number in 0..20_000 {
        csv += &format!("D1{number:08},2,1000101,65000,valid\n");
    }
    csv += "C123456789,1,0940105,63000,valid\n";
    let good = import(&csv);
    assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
    assert!(String::from_utf8_lossy(&good.stdout).contains("20001 identity cards imported"));
    assert_eq!(ask(), "1");
}

#[test]
fn an_officer_who_is_named_can_sign_in() {
    let app = TestApp::start();
    let card = app.card("citizen");
    let refused = app.visitor().sign_in(&card, serde_json::json!({"as": "officer"})).unwrap();
    assert_eq!(refused.code(), "officer-unknown");
    let data = app.dir.join("data");
    let named =
        chayan(&data, &["add-officer", "--subject-serial", "0000000187654321", "--name", "陳測試"]);
    assert!(named.status.success());
    app.visitor().sign_in_as_officer(&card).unwrap();
    let removed = chayan(&data, &["remove-officer", "--subject-serial", "0000000187654321"]);
    assert!(removed.status.success());
    let gone = app.visitor().sign_in(&card, serde_json::json!({"as": "officer"})).unwrap();
    assert_eq!(gone.code(), "officer-unknown");
    assert!(chayan(&data, &["forget-attempts"]).status.success());
    // Migrating again changes nothing.
    assert!(String::from_utf8_lossy(&chayan(&data, &["migrate"]).stdout).contains("0 steps taken"));
}

#[test]
fn an_agency_card_signs_in_when_the_list_names_the_agency() {
    let app = TestApp::start();
    let card = app.card("agency");
    let officer = serde_json::json!({"as": "officer"});
    let refused = app.visitor().sign_in(&card, officer.clone()).unwrap();
    assert_eq!(refused.code(), "officer-unknown");
    app.names(&format!("OID:{}", test_pki::demo::AGENCY), "auditor");
    let mut visitor = app.visitor();
    visitor.sign_in_as_officer(&card).unwrap();
    let me = visitor.get("/api/review/me").unwrap().expect(200).unwrap();
    assert_eq!(me["roleWord"], "稽核人員");
    // It is no company's card.
    let company = serde_json::json!({"as": "company", "ubn": test_pki::demo::COMPANY.1});
    assert_eq!(app.visitor().sign_in(&card, company).unwrap().code(), "wrong-card");
}

/// What each role may do at each address of the officers' side; what the list says counts at once.
#[test]
fn every_role_may_do_what_it_is_for_and_nothing_else() {
    let app = TestApp::start();
    let (_, _, id) = app.applies();
    let data = app.dir.join("data");
    let card = app.card("citizen");
    let named = |role: &str, more: &[&str]| {
        let who = ["--subject-serial", "0000000187654321", "--name", "陳測試", "--role", role];
        chayan(&data, &[&["add-officer"][..], &who, more].concat()).status.success()
    };
    assert!(!named("king", &[]) && !named("officer", &["--own-company", "12345678"]));
    assert!(named("administrator", &[]));
    let mut visitor = app.visitor();
    visitor.sign_in_as_officer(&card).unwrap();
    let one = format!("/api/review/cases/{id}");
    let decision = format!("{one}/decision");
    let body = serde_json::json!({ "decision": "approve", "result": "" });
    // An empty result is refused after the role was asked.
    for (role, list, case, decide) in [
        ("administrator", 403, 403, 403),
        ("auditor", 200, 200, 403),
        ("officer", 200, 200, 422),
        ("supervisor", 200, 200, 422),
    ] {
        assert!(named(role, &[]));
        assert_eq!(visitor.get("/api/review/cases").unwrap().status, list, "{role}");
        assert_eq!(visitor.get(&one).unwrap().status, case, "{role}");
        assert_eq!(visitor.post(&decision, &body).unwrap().status, decide, "{role}");
    }
    // Nobody decides a case of their own company: not by the rules, not by the schema.
    assert!(named("supervisor", &["--own-company", test_pki::demo::COMPANY.1]));
    let body = serde_json::json!({ "decision": "approve", "result": "審核通過" });
    let answer = visitor.post(&decision, &body).unwrap();
    assert_eq!((answer.status, answer.code()), (403, "own-case"));
    let sql = "UPDATE cases SET state = 'approved', decided_at = 1, result = 'x', grounds = '[]',
        decided_by = (SELECT id FROM officers WHERE own_company IS NOT NULL)";
    let refused = app.database("default").execute(sql, []).unwrap_err().to_string();
    assert!(refused.contains("own company"), "{refused}");
    assert_eq!(app.count("default", "SELECT count(*) FROM accounts WHERE ubn = '12345675'"), 0);
    app.decides(&id, "approve");
}

#[test]
fn test_and_production_certificates_never_share_a_store() {
    let now = Timestamp::now();
    let profile = Profile {
        subject: &[Part::Utf8(
            pki::oid::ORGANISATION_NAME,
            "Government Root Certification Authority",
        )],
        attributes: &[],
        usage: certifying(),
        ca: true,
        level: 3,
        not_before: now - SignedDuration::from_hours(1),
        not_after: now + SignedDuration::from_hours(1),
        crl: None,
        ocsp: None,
        purposes: &[],
        no_check: false,
    };
    let unmarked = Authority::root(&profile, KeySize::Rsa2048).unwrap().certificate;
    let mut store = http_tests::pki().trust_store();
    assert!(TrustStore::from_file(&store).is_ok());
    store.anchors.push(TrustedCertificateFile::new("GRCA", None, &unmarked));
    let mixed = |environment| TrustStoreError::Mixed { name: "GRCA".into(), environment };
    assert_eq!(TrustStore::from_file(&store).unwrap_err(), mixed(Environment::Test));
    store.environment = Environment::Production;
    assert!(matches!(
        TrustStore::from_file(&store),
        Err(TrustStoreError::Mixed { environment: Environment::Production, .. })
    ));
    let mut changed = http_tests::pki().trust_store();
    changed.issuers[0].sha256.as_mut().unwrap().replace_range(..2, "zz");
    assert!(matches!(TrustStore::from_file(&changed), Err(TrustStoreError::Digest { .. })));
    let mut without_role = http_tests::pki().trust_store();
    without_role.issuers[0].role = None;
    assert!(matches!(TrustStore::from_file(&without_role), Err(TrustStoreError::Role { .. })));
    // The command says the same.
    let dir = scratch("trust");
    let file = dir.join("store.json");
    std::fs::write(&file, serde_json::to_string(&store).unwrap()).unwrap();
    let file = file.display().to_string();
    assert!(!chayan(&dir, &["show-trust", &file]).status.success());
    std::fs::write(&file, serde_json::to_string(&http_tests::pki().trust_store()).unwrap())
        .unwrap();
    let shown = chayan(&dir, &["show-trust", &file]);
    assert_eq!(String::from_utf8_lossy(&shown.stdout).matches("Moeaca").count(), 2);
}

#[test]
fn certificates_are_added_to_the_entries_that_name_them_and_to_no_other() {
    let dir = scratch("add");
    let published = http_tests::pki().trust_store();
    let path = |name: &str| dir.join(name).display().to_string();
    let bytes =
        |index: usize| http_tests::pki().authorities().nth(index).unwrap().certificate.clone();
    let mut waiting = published.clone();
    for entry in waiting.anchors.iter_mut().chain(&mut waiting.issuers) {
        entry.certificate = None;
    }
    // One CA's digest was never published, its key identifier was.
    let certificate = pki::Certificate::from_der(&bytes(1)).unwrap();
    waiting.issuers[0].sha256 = None;
    waiting.issuers[0].key_id = Some(certificate.subject_key_id_hex().unwrap());
    let store = path("store.json");
    std::fs::write(&store, serde_json::to_string(&waiting).unwrap()).unwrap();
    let said = String::from_utf8_lossy(&chayan(&dir, &["show-trust", &store]).stderr).into_owned();
    assert!(said.contains("add-certificate"), "{said}");
    let add = |index: usize, further: &[&str]| {
        let file = path("ca.cer");
        std::fs::write(&file, bytes(index)).unwrap();
        chayan(&dir, &[&["add-certificate", &store, &file], further].concat()).status.success()
    };
    assert!(add(0, &[]));
    let digest = certificate.fingerprint().to_string();
    assert!(!add(1, &[]), "no published digest");
    assert!(!add(1, &["--sha256", &"0".repeat(64)]));
    assert!(add(1, &["--sha256", &digest.to_uppercase()]));
    assert!((2..8).all(|index| add(index, &[])));
    assert!(chayan(&dir, &["show-trust", &store]).status.success());
    let stranger = http_tests::pki().company(test_pki::pki_set::Company::card("甲", "12345675"));
    std::fs::write(path("ca.cer"), stranger.unwrap().certificate).unwrap();
    assert!(!chayan(&dir, &["add-certificate", &store, &path("ca.cer")]).status.success());
    // What the project ships for production waits for every certificate, and names no test.
    let shipped = std::fs::read_to_string(project().join("trust/production.json")).unwrap();
    let shipped: pki::TrustStoreFile = serde_json::from_str(&shipped).unwrap();
    assert_eq!(shipped.environment, Environment::Production);
    assert!(shipped.anchors.iter().chain(&shipped.issuers).all(|e| e.certificate.is_none()));
    assert!(matches!(TrustStore::from_file(&shipped), Err(TrustStoreError::Missing { .. })));
}

#[test]
fn the_office_calendar_says_when_a_decision_is_expected() {
    let app = TestApp::start();
    let data = app.dir.join("data");
    let (visitor, _, _) = app.applies();
    let expected = || {
        let progress = visitor.get("/api/cases").unwrap().expect(200).unwrap();
        let case = &progress["cases"][0];
        (http_tests::text(&case["expectedBy"]), case["holidaysKnown"] == true)
    };
    let roc = |day: jiff::civil::Date| domain::RocDay(day).to_string();
    let weekend = |day: &jiff::civil::Date| {
        matches!(day.weekday(), jiff::civil::Weekday::Saturday | jiff::civil::Weekday::Sunday)
    };
    let today = domain::TAIPEI.to_datetime(Timestamp::now()).date();
    let days: Vec<_> = today.series(jiff::Span::new().days(1)).skip(1).take(60).collect();
    let working: Vec<_> = days.iter().filter(|day| !weekend(day)).copied().collect();
    assert_eq!(expected(), (roc(working[9]), false), "weekends alone");
    // One day by hand is no calendar.
    let first = working[0].to_string();
    assert!(chayan(&data, &["set-day", &first, "closed", "--note", "颱風"]).status.success());
    assert_eq!(expected(), (roc(working[10]), false));
    // A calendar in Big5, as it was published for long: the first two working days are free.
    let mut csv = String::from("西元日期,星期,是否放假,備註\r\n");
    for day in [today].iter().chain(&days) {
        let free = weekend(day) || working[..2].contains(day);
        let number = if free { 2 } else { 0 };
        csv +=
            &format!("{},,{number},{}\r\n", day.strftime("%Y%m%d"), if free { "放假" } else { "" });
    }
    let file = app.dir.join("calendar.csv");
    std::fs::write(&file, encoding_rs::BIG5.encode(&csv).0).unwrap();
    let file = file.display().to_string();
    let output = chayan(&data, &["import-calendar", &file]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("61 days imported"), "{output:?}");
    assert_eq!(expected(), (roc(working[11]), true));
    // A typhoon.
    let day = working[2].to_string();
    let output = chayan(&data, &["set-day", &day, "closed", "--note", "颱風停止上班"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(expected(), (roc(working[12]), true));
    // The calendar once more: what was said by hand stays.
    assert!(chayan(&data, &["import-calendar", &file]).status.success());
    assert_eq!(expected(), (roc(working[12]), true));
    // Not a calendar: nothing is imported.
    for bad in ["西元日期,星期,是否放假,備註\n20261399,,0,\n", "a,b\n1,2\n", ""] {
        std::fs::write(&file, bad).unwrap();
        assert!(!chayan(&data, &["import-calendar", &file]).status.success(), "{bad}");
    }
    assert_eq!(expected(), (roc(working[12]), true));
}
