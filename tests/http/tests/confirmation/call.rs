//! The confirmation call and its register (C4), with OpenSSL as the system.

use super::*;

#[test]
fn each_pair_answers_for_itself_and_a_request_counts_once() {
    let mut app = TestApp::start();
    import(&app);
    let server = server(200);
    approved(&app, &server);
    let open = day_open(0);
    app.restart_with(&["--now", &open.to_string()]);
    let pairs = [
        (CITIZEN, NUMBER),
        (CITIZEN, "A123456789"),
        ("0000000100000002", "B123456780"),
        ("0000000100000002", NUMBER),
        ("", ""),
        ("00000001-0000002", "B12345678"),
        ("9".repeat(400).leak(), "身分證"),
    ];
    let content = request(open, "nonce-0123456789-1", &pairs);
    let answered = asks(&app, &server, &content).expect(200).unwrap();
    assert_eq!(answered["answers"], json!([0, 1, 2, 1, 1, 1, 1]));
    // The same content again, signed anew: the same answer, and nothing more in the record.
    assert_eq!(asks(&app, &server, &content).expect(200).unwrap(), answered);
    let other = request(open, "nonce-0123456789-1", &pairs[..1]);
    assert_eq!(asks(&app, &server, &other).code(), "confirmation-replayed");
    assert_eq!(app.count("confirmations", "SELECT count(*) FROM requests"), 1);
    assert_eq!(app.count("confirmations", "SELECT count(*) FROM confirmed"), 4);
    // A thousand pairs, and not one more.
    let many = vec![pairs[0]; 1000];
    let answered = asks(&app, &server, &request(open, "nonce-0123456789-2", &many));
    assert_eq!(answered.expect(200).unwrap()["answers"], json!(vec![0; 1000]));
    let many = vec![pairs[0]; 1001];
    let answered = asks(&app, &server, &request(open, "nonce-0123456789-3", &many));
    assert_eq!(answered.code(), "confirmation-malformed");
    // Another time, another site, another certificate, another type, a message that was changed.
    let late = request(open - SignedDuration::from_mins(30), "nonce-0123456789-4", &pairs);
    assert_eq!(asks(&app, &server, &late).code(), "confirmation-time");
    let text = String::from_utf8(request(open, "nonce-0123456789-5", &pairs)).unwrap();
    let elsewhere = text.replace(ORIGIN, "https://other.example");
    assert_eq!(asks(&app, &server, elsewhere.as_bytes()).code(), "signed-for-other");
    let renewed = self::server(200);
    assert_eq!(asks(&app, &renewed, text.as_bytes()).code(), "confirmation-unknown");
    let message = sign(&app, &server, text.as_bytes());
    let visitor = app.visitor();
    let post = |kind: &str, body: &[u8]| {
        visitor.post_raw("/integration/confirmations", kind, body).unwrap()
    };
    assert_eq!(post("application/json", &message).code(), "unsupported-media-type");
    let place = message.windows(8).position(|part| part == b"pairs\":[").unwrap();
    let mut changed = message.clone();
    changed[place] = b'q';
    assert_eq!(post(MEDIA_TYPE, &changed).code(), "signature-invalid");
    assert_eq!(post(MEDIA_TYPE, b"{}").code(), "signature-malformed");
    // Many at once with one nonce: one is counted, all get its answer.
    let answers = at_once(8, |_| post(MEDIA_TYPE, &message).expect(200).unwrap().to_string());
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(app.count("confirmations", "SELECT count(*) FROM requests"), 3);
    // Twenty at once, then no more.
    let codes: Vec<_> = (0..25)
        .map(|number| {
            let content = request(open, &format!("nonce-0123456789-many-{number}"), &pairs[..1]);
            asks(&app, &server, &content).status
        })
        .collect();
    assert!(codes.contains(&200) && codes.contains(&429), "{codes:?}");
    // No national ID is kept anywhere, nor said.
    nowhere(&app, &[NUMBER, "A123456789", "B123456780", "B12345678", "身分證"]);
}

/// What a system other than ours may send: pairs that are none answer for themselves.
#[test]
fn whatever_stands_in_the_place_of_a_pair_is_answered_1() {
    let mut app = TestApp::start();
    import(&app);
    let server = server(200);
    approved(&app, &server);
    let open = day_open(0);
    app.restart_with(&["--now", &open.to_string()]);
    let good = json!({ "subjectSerial": CITIZEN, "nationalId": NUMBER });
    let strange = [
        json!(null),
        json!(NUMBER),
        json!([CITIZEN, NUMBER]),
        json!({ "subjectSerial": CITIZEN }),
        json!({ "subjectSerial": 187_654_321, "nationalId": NUMBER }),
        json!({ "subjectSerial": CITIZEN, "nationalId": NUMBER, "name": "陳測試" }),
        json!({ "subjectSerial": format!(" {CITIZEN}"), "nationalId": NUMBER }),
        json!({ "subjectSerial": CITIZEN, "nationalId": "A123455679" }),
    ];
    let mut content: Value =
        serde_json::from_slice(&request(open, "nonce-0123456789-1", &[])).unwrap();
    let mixed = strange.iter().flat_map(|pair| [good.clone(), pair.clone()]);
    content["pairs"] = mixed.collect();
    let answered = asks(&app, &server, &serde_json::to_vec(&content).unwrap());
    let expected: Vec<_> = strange.iter().flat_map(|_| [0, 1]).collect();
    assert_eq!(answered.expect(200).unwrap()["answers"], json!(expected));
    // The register does not answer: 999 for each pair that it would have been asked about.
    let citizens = app.database("citizens");
    citizens.execute_batch("ALTER TABLE citizens RENAME TO elsewhere").unwrap();
    content["nonce"] = json!("nonce-0123456789-2");
    content["pairs"] = json!([good, strange[0], good]);
    let faulty = serde_json::to_vec(&content).unwrap();
    let answered = asks(&app, &server, &faulty).expect(200).unwrap();
    assert_eq!(answered["answers"], json!([999, 1, 999]));
    citizens.execute_batch("ALTER TABLE elsewhere RENAME TO citizens").unwrap();
    // The same request keeps its answer; another nonce gets another.
    assert_eq!(asks(&app, &server, &faulty).expect(200).unwrap(), answered);
    content["nonce"] = json!("nonce-0123456789-3");
    let answered = asks(&app, &server, &serde_json::to_vec(&content).unwrap());
    assert_eq!(answered.expect(200).unwrap()["answers"], json!([0, 1, 0]));
    // A register that was never filled knows nobody, and says so rather than 不符.
    citizens.execute_batch("DELETE FROM citizens").unwrap();
    content["nonce"] = json!("nonce-0123456789-4");
    let answered = asks(&app, &server, &serde_json::to_vec(&content).unwrap());
    assert_eq!(answered.expect(200).unwrap()["answers"], json!([999, 1, 999]));
}

#[test]
fn a_server_certificate_on_a_list_is_refused_from_the_next_call_on() {
    let mut app = TestApp::start();
    import(&app);
    let server = server(200);
    approved(&app, &server);
    let open = day_open(0);
    app.restart_with(&["--now", &open.to_string()]);
    let now = Timestamp::now();
    let publishes = |number: u64, reason: Option<CrlReason>| {
        let serial = Certificate::from_der(&server.certificate).unwrap().serial_bytes().to_vec();
        let entry = |reason| Listed { serial: serial.clone(), reason: Some(reason), at: now };
        let list = List {
            number,
            this_update: now,
            next_update: now + SignedDuration::from_hours(24 * 90),
            partition: None,
            entries: reason.map(entry).into_iter().collect(),
        };
        let said = app.imports(&pki().agency_list(&list).unwrap());
        assert!(said.contains("taken,"), "{said}");
    };
    let mut calls = 0;
    let mut outcome = || {
        calls += 1;
        let nonce = format!("nonce-0123456789-{calls}");
        let answer = asks(&app, &server, &request(open, &nonce, &[(CITIZEN, NUMBER)]));
        if answer.status == 200 { "answered".to_owned() } else { answer.code().to_owned() }
    };
    assert_eq!(outcome(), "answered");
    publishes(2, Some(CrlReason::CertificateHold));
    assert_eq!(outcome(), "certificate-on-hold");
    publishes(3, None);
    assert_eq!(outcome(), "answered");
    publishes(4, Some(CrlReason::KeyCompromise));
    assert_eq!(outcome(), "certificate-revoked");
    assert_eq!(app.count("confirmations", "SELECT count(*) FROM requests"), 2);
}

#[test]
fn the_register_is_replaced_whole_or_not_at_all() {
    let mut app = TestApp::start();
    import(&app);
    let server = server(200);
    approved(&app, &server);
    let open = day_open(0);
    app.restart_with(&["--now", &open.to_string()]);
    let rows = |app: &TestApp| app.count("citizens", "SELECT count(*) FROM citizens");
    let unchanged = |app: &TestApp, number: usize| {
        assert_eq!(rows(app), 2);
        let nonce = format!("nonce-0123456789-{number}");
        let content =
            request(open, &nonce, &[(CITIZEN, NUMBER), ("0000000100000002", "B123456780")]);
        let answered = asks(app, &server, &content).expect(200).unwrap();
        assert_eq!(answered["answers"], json!([0, 2]));
    };
    // Broken half-way: the line is named, not what stands in it, and nothing changes.
    let good = format!("{CITIZEN},{NUMBER},no\n");
    for (number, (wrong, why)) in [
        ("0000000100000003,B12345678,yes\n", "line 3: nationalId is none"),
        ("100000003,B123456780,yes\n", "line 3: subjectSerial has 16 digits"),
        ("0000000100000003,B123456780,maybe\n", "line 3: opened must be yes or no"),
        ("0000000100000003,B123456780\n", "line 3 cannot be read"),
    ]
    .into_iter()
    .enumerate()
    {
        let (done, said) = imports(&app, &[&good, wrong].concat());
        let named = why.split(": ").all(|part| said.contains(part));
        assert!(!done && named, "{why}: {said}");
        assert!(!said.contains(NUMBER) && !said.contains("B12345678"), "{said}");
        unchanged(&app, number);
    }
    // Killed half-way: the same.
    let many = app.path("many.csv");
    let generate = ["generate-citizens", "--count", "300000"];
    let chayan = || Command::new(project().join("target/release/chayan"));
    let out = std::fs::File::create(&many).unwrap();
    assert!(chayan().args(generate).stdout(out).status().unwrap().success());
    let start = || {
        let key = app.path("register.key");
        chayan()
            .args(["--data", &app.path("data"), "import-citizens", &many, "--key-file", &key])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let mut first = start();
    let log = app.dir.join("data/citizens.db-wal");
    let written = || log.metadata().map_or(0, |file| file.len());
    while written() < 1_000_000 {
        assert!(first.try_wait().unwrap().is_none(), "it ended before it was killed");
        std::thread::sleep(Duration::from_millis(2));
    }
    first.kill().unwrap();
    first.wait().unwrap();
    unchanged(&app, 10);
    // Again: all of it, once; the same file a second time changes nothing.
    assert!(start().wait().unwrap().success());
    assert_eq!(rows(&app), 300_000);
    assert!(!start().wait().unwrap().success());
    assert_eq!(rows(&app), 300_000);
    let line = std::fs::read_to_string(&many).unwrap();
    let line: Vec<_> = line.lines().nth(2).unwrap().split(',').collect();
    let content = request(open, "nonce-0123456789-20", &[(line[0], line[1]), (CITIZEN, NUMBER)]);
    let answered = asks(&app, &server, &content).expect(200).unwrap();
    assert_eq!(answered["answers"], json!([0, 1]));
}
