//! The audit log from outside (#6): checkpoints, tampering, and a case that proves itself.

use http_tests::TestApp;
use serde_json::{Value, json};
use test_pki::demo::COMPANY;

/// An installation whose log is signed: the public key, and where the checkpoints are.
fn signed() -> (TestApp, String, String) {
    let app = TestApp::start();
    let (key, folder) = (app.path("log.key"), app.path("checkpoints"));
    let (made, public) =
        app.chayan(&["new-log-key", "--name", "chayan.example", "--key-file", &key]);
    assert!(made, "{public}");
    (app, public.trim().to_owned(), folder)
}

fn signs(app: &TestApp, folder: &str) -> (bool, String) {
    app.chayan(&["checkpoint", "--key-file", &app.path("log.key"), "--checkpoints", folder])
}

fn verifies(app: &TestApp, key: &str, folder: &str) -> (bool, String) {
    app.chayan(&["verify", "log", "--log-key", key, "--checkpoints", folder])
}

/// Somebody with the database file itself: triggers do not hold them.
fn tamper(app: &TestApp, sql: &str) {
    let database = app.database("default");
    let triggers = "DROP TRIGGER IF EXISTS audit_log_is_never_changed;
        DROP TRIGGER IF EXISTS audit_log_is_never_deleted;
        DROP TRIGGER IF EXISTS audit_log_has_no_gap;";
    database.execute_batch(triggers).unwrap();
    database.execute_batch(sql).unwrap();
}

/// Takes the database back to how it was.
fn keep(app: &TestApp) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    // What is in the write-ahead log too.
    app.database("default").execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    ["default.db", "default.db-wal", "default.db-shm"]
        .into_iter()
        .map(|name| app.dir.join("data").join(name))
        .filter_map(|path| std::fs::read(&path).ok().map(|bytes| (path, bytes)))
        .collect()
}

fn restore(files: &[(std::path::PathBuf, Vec<u8>)]) {
    for (path, bytes) in files {
        std::fs::write(path, bytes).unwrap();
    }
}

#[test]
fn whatever_was_done_to_the_log_is_found() {
    let (mut app, key, folder) = signed();
    let early = {
        app.kill();
        keep(&app)
    };
    app.restart();
    app.approved();
    let (done, said) = signs(&app, &folder);
    assert!(done, "{said}");
    let (stands, said) = verifies(&app, &key, &folder);
    assert!(stands && said.contains("each as it was written"), "{said}");
    assert!(said.contains("since then  0 entries"), "{said}");
    // More is done, and signed: one checkpoint continues the other.
    app.officer();
    assert!(signs(&app, &folder).0);
    app.kill();
    let whole = keep(&app);

    let leaf = "UPDATE audit_log SET leaf = randomblob(32) WHERE place = 2";
    let edit = "UPDATE audit_log SET entry = replace(entry, 'approved', 'rejected')";
    let delete = "DELETE FROM audit_log WHERE place = 2";
    let swap = "UPDATE audit_log SET place = -3 WHERE place = 3; UPDATE audit_log SET place = 3 WHERE place = 2;
        UPDATE audit_log SET place = 2 WHERE place = -3";
    let truncate = "DELETE FROM audit_log WHERE place > 2";
    for (name, sql, found) in [
        ("a leaf", leaf, "entry 2 was changed"),
        ("an edit", edit, "was changed"),
        ("a gap", delete, "entry 2 is missing"),
        ("another order", &swap.replace("-3", "999"), "does not follow"),
        ("cut off", truncate, "was cut off"),
    ] {
        restore(&whole);
        tamper(&app, sql);
        let (stands, said) = verifies(&app, &key, &folder);
        assert!(!stands && said.contains(found), "{name}: {said}");
        let (done, said) = signs(&app, &folder);
        assert!(!done, "{name}: what is wrong is not signed: {said}");
    }
    // A letter or a result that was changed, though no entry was.
    for (sql, found) in [
        ("UPDATE letters SET body = body || '!' WHERE id = 1", "letter 1 was changed"),
        ("DELETE FROM letters WHERE id = 1", "letter 1 is gone"),
        ("UPDATE cases SET result = '另一結果' WHERE result IS NOT NULL", "result of case"),
    ] {
        restore(&whole);
        tamper(&app, sql);
        let (stands, said) = verifies(&app, &key, &folder);
        assert!(!stands && said.contains(found), "{said}");
    }
    // Rewritten whole, with every hash right: the checkpoint still says otherwise.
    restore(&whole);
    rewrite(&app);
    let (stands, said) = verifies(&app, &key, &folder);
    assert!(!stands && said.contains("not those that were signed"), "{said}");
    // An old database put back.
    restore(&early);
    let (stands, said) = verifies(&app, &key, &folder);
    assert!(!stands && said.contains("an old database was put back"), "{said}");
    // Another key, or a checkpoint that somebody wrote themselves.
    restore(&whole);
    assert!(verifies(&app, &key, &folder).0);
    let (_, other) = app.chayan(&[
        "new-log-key",
        "--name",
        "chayan.example",
        "--key-file",
        &app.path("other.key"),
    ]);
    let (stands, said) = verifies(&app, other.trim(), &folder);
    assert!(!stands && said.contains("not signed by this key"), "{said}");
}

/// Changes one entry and makes the whole chain fit again, as somebody would who knows how.
fn rewrite(app: &TestApp) {
    tamper(app, "");
    let database = app.database("default");
    let mut statement = database.prepare("SELECT entry FROM audit_log ORDER BY place").unwrap();
    let entries: Vec<String> =
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    let mut previous = Value::Null;
    for (place, text) in entries.iter().enumerate() {
        // The members stay in their order.
        let own: Value = serde_json::from_str(text).unwrap();
        let (old, new) = (own["previous"].to_string(), previous.to_string());
        let text = text.replacen(&old, &new, 1).replace("審核結果文字", "另一結果");
        let leaf = store::leaf_hash(&text);
        let place = i64::try_from(place).unwrap();
        database
            .execute(
                "UPDATE audit_log SET entry = ?2, leaf = ?3 WHERE place = ?1",
                (place, &text, &leaf[..]),
            )
            .unwrap();
        previous = json!(leaf.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    }
}

#[test]
fn a_case_in_one_file_proves_what_was_done_to_it() {
    let (app, key, folder) = signed();
    let (_, _, id) = app.applies();
    app.decides(&id, "reject");
    assert!(signs(&app, &folder).0);
    let (done, exported) = app.chayan(&["export-case", &id, "--checkpoints", &folder]);
    assert!(done, "{exported}");
    let (file, trust) = (app.path("case.json"), app.path("trust-store.json"));
    let judge = |case: &Value| {
        std::fs::write(&file, case.to_string()).unwrap();
        app.chayan(&["verify", "case", &file, "--trust", &trust, "--log-key", &key])
    };
    let case: Value = serde_json::from_str(&exported).unwrap();
    let (stands, said) = judge(&case);
    assert!(stands, "{said}");
    for part in ["verifies", COMPANY.0, "submitted by applicant:12345675: proved", "4 of 4 entries"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(said.contains("rejected by officer:1: proved"), "{said}");
    // What the company was told, word for word.
    assert_eq!(case["letters"].as_array().unwrap().len(), 2);
    assert!(case["letters"][1]["body"].as_str().unwrap().contains("審核結果文字"), "{case}");
    assert!(said.contains("rejected: as the log has it: "), "{said}");
    // With a checkpoint from before, nothing is claimed to be proved.
    app.officer()
        .post(&format!("/api/review/cases/{id}/note"), &json!({ "text": "註記" }))
        .unwrap();
    let (_, later) = app.chayan(&["export-case", &id, "--checkpoints", &folder]);
    let (stands, said) = judge(&serde_json::from_str(&later).unwrap());
    assert!(!stands && said.contains("4 of 5 entries are proved"), "{said}");
    // A decision that was not this one, an entry of elsewhere, a message that nobody sent.
    for change in [
        &(|case: &mut Value| {
            let entry = case["log"][2]["entry"].as_str().unwrap().replace("rejected", "approved");
            case["log"][2]["entry"] = json!(entry);
        }) as &dyn Fn(&mut Value),
        &|case| case["log"][1]["place"] = json!(0),
        &|case| case["log"][1]["proof"][0] = json!("00".repeat(32)),
        &|case| {
            case["log"].as_array_mut().unwrap().remove(0);
        },
        &|case| {
            let more = case["messages"][0].clone();
            case["messages"].as_array_mut().unwrap().push(more);
        },
        &|case| case["checkpoint"] = Value::Null,
        &|case| case["letters"][1]["body"] = json!("已核准"),
        &|case| case["letters"][1]["subject"] = json!("x"),
        &|case| case["letters"][0]["kind"] = json!("approved"),
        &|case| {
            case["letters"].as_array_mut().unwrap().pop();
        },
        &|case| {
            let letters = case["letters"].as_array_mut().unwrap();
            letters.swap(0, 1);
        },
        &|case| {
            let text = case["checkpoint"].as_str().unwrap().replacen("chayan.example\n", "x\n", 1);
            case["checkpoint"] = json!(text);
        },
    ] {
        let mut changed = case.clone();
        change(&mut changed);
        let (stands, said) = judge(&changed);
        assert!(!stands, "{said}");
    }
}
