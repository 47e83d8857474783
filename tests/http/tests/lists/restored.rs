//! Databases that were restored from a backup know less than the lists in the folder: numbers go
//! on after those, and a card that was held meanwhile does not vanish unsaid.

use std::collections::BTreeMap;
use std::ffi::OsString;

use http_tests::{ORIGIN, TestApp};

use super::{
    COMPLETE, NUMBER, change, chayan_at, entries, failed, hours, list, night, number, publish_at,
};

/// The databases, byte for byte, of a host that does not run.
fn backup(app: &mut TestApp) -> BTreeMap<OsString, Vec<u8>> {
    app.kill();
    let files = std::fs::read_dir(app.dir.join("data")).unwrap();
    let files = files.map(Result::unwrap);
    let copy = files.map(|file| (file.file_name(), std::fs::read(file.path()).unwrap())).collect();
    app.restart();
    copy
}

fn restore(app: &mut TestApp, copy: &BTreeMap<OsString, Vec<u8>>) {
    app.kill();
    let data = app.dir.join("data");
    std::fs::remove_dir_all(&data).unwrap();
    std::fs::create_dir(&data).unwrap();
    for (name, content) in copy {
        std::fs::write(data.join(name), content).unwrap();
    }
    app.restart();
}

/// Every file of the folder.
fn in_folder(app: &TestApp) -> BTreeMap<OsString, Vec<u8>> {
    let files = std::fs::read_dir(app.dir.join("web/MOEACA-G3")).unwrap();
    let files = files.map(Result::unwrap);
    files.map(|file| (file.file_name(), std::fs::read(file.path()).unwrap())).collect()
}

#[test]
fn a_restored_backup_neither_takes_numbers_back_nor_lets_a_held_card_vanish() {
    let mut app = TestApp::start();
    let folder = app.path("web");
    let publish = |app: &TestApp, at| publish_at(app, at, &["--folder", &folder]);
    let (done, words) = publish(&app, night(0));
    assert!(done && words.contains("number 2, 0 entries"), "{words}");
    let copy = backup(&mut app);
    app.restart_with(&["--now", &(night(0) + hours(1)).to_string()]);
    change(&app, "suspend", NUMBER);
    let (done, words) = publish(&app, night(1));
    assert!(done && words.contains("number 3, 1 entries"), "{words}");
    let kept = in_folder(&app);
    restore(&mut app, &copy);
    // The register believes the card again; the folder's list knows better, on the day of the
    // backup's own list as well.
    for (at, why) in [
        (night(0) + hours(2), "does not rise"),
        (night(1) + hours(1), "is gone from it"),
        (night(2), "is gone from it"),
    ] {
        let (done, words) = publish(&app, at);
        assert!(!done && words.contains(why), "{words}");
        assert!(words.contains("number 3 in the folder") && words.contains("Restoring a backup"));
        assert_eq!(in_folder(&app), kept);
        assert_eq!(number(&list(&app, COMPLETE)), 2);
        assert!(failed(&app));
    }
    // As the documents say: what the database has forgotten is done again.
    let trust = app.path("trust-store.json");
    let again = ["change-card", NUMBER, "--act", "suspend", "--trust", &trust, "--origin", ORIGIN];
    let (done, words) = chayan_at(&app, night(2) + hours(1), &again);
    assert!(done, "{words}");
    let (done, words) = publish(&app, night(2) + hours(2));
    assert!(done && words.contains("number 4, 1 entries"), "{words}");
    assert!(words.contains("the folder has number 3, the database 2"), "{words}");
    assert!(!failed(&app));
    assert_eq!(in_folder(&app)[&OsString::from("complete.crl")], list(&app, COMPLETE));
    // A resumption that was forgotten holds the card once more: nothing is hidden, it is said.
    let copy = backup(&mut app);
    app.restart_with(&["--now", &(night(2) + hours(3)).to_string()]);
    change(&app, "resume", NUMBER);
    let (done, words) = publish(&app, night(3));
    assert!(done && words.contains("number 5, 0 entries"), "{words}");
    restore(&mut app, &copy);
    let (done, words) = publish(&app, night(3) + hours(1));
    assert!(done && words.contains("number 6, 1 entries"), "{words}");
    assert!(words.contains("the folder has number 5, the database 4"), "{words}");
    let complete = list(&app, COMPLETE);
    assert_eq!((number(&complete), entries(&complete).len()), (6, 1));
    assert_eq!(in_folder(&app)[&OsString::from("complete.crl")], complete);
}
