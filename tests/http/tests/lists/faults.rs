//! A signer that dies, wherever it is, and a disk that is full: the last lists stay, the failure is
//! told, and the next run mends it.

use http_tests::{TestApp, pki};
use jiff::{SignedDuration, Timestamp};
use pki::Certificate;
use pki::revocation::Crl;

use super::{
    COMPLETE, NUMBER, PART, change, chayan_under, failed, health, hours, list, night, number,
    publish_at,
};

/// What the kernel does to the signer, from the given one of its calls on.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// SIGKILL.
    Kill,
    /// Every write fails: nothing is left on the disk.
    NoSpace,
}

impl Fault {
    /// Publishes with the fault; whether it struck, whether the signer called itself done, and
    /// its words.
    fn strikes(self, place: usize, app: &TestApp, at: Timestamp) -> (bool, bool, String) {
        let (calls, what) = match self {
            Self::Kill => (
                "pwrite64,write,fsync,fdatasync,rename,ftruncate",
                format!("signal=KILL:when={place}"),
            ),
            Self::NoSpace => ("pwrite64,ftruncate", format!("error=ENOSPC:when={place}+")),
        };
        let trace = app.path("trace");
        let (traced, injected) = (format!("trace={calls}"), format!("inject={calls}:{what}"));
        let strace = ["strace", "-f", "-qq", "-o", &trace, "-e", &traced, "-e", &injected];
        let (trust, key) = (app.path("trust-store.json"), app.path("ca/MOEACA-G3.key"));
        let folder = app.path("web");
        let arguments = ["crl", "--trust", &trust, "--key-file", &key, "--folder", &folder];
        let (done, words) = chayan_under(&strace, app, at, &arguments);
        let trace = std::fs::read_to_string(trace).expect("strace (scripts/install test)");
        let struck = match self {
            Self::Kill => trace.contains("killed by SIGKILL"),
            Self::NoSpace => trace.contains("(INJECTED)"),
        };
        (struck, done, words)
    }
}

/// Both lists as they are served: of one night, whole, and believed.
fn served(app: &TestApp) -> [Vec<u8>; 2] {
    let lists = [list(app, COMPLETE), list(app, PART)];
    let issuer = Certificate::from_der(&pki().company_authority().certificate).unwrap();
    for list in &lists {
        Crl::from_der(list).unwrap().check_signed_by(&issuer).unwrap();
    }
    assert_eq!(number(&lists[0]), number(&lists[1]));
    lists
}

/// Both lists as they lie in the folder.
fn in_folder(app: &TestApp) -> [Vec<u8>; 2] {
    ["complete.crl", "CRL_0040.crl"]
        .map(|name| std::fs::read(app.dir.join("web/MOEACA-G3").join(name)).unwrap())
}

/// Whether the service judges by both lists of this number.
fn are_taken(app: &TestApp, number: u64) -> bool {
    let current = "SELECT count(*) FROM crls WHERE state = 'current' AND number = ";
    app.count("revocation", &format!("{current}'{number:040x}'")) == 2
}

/// Whether it is noted that something is not as it should be.
fn is_noted(app: &TestApp) -> bool {
    app.count("default", "SELECT count(*) FROM list_attempts WHERE outcome <> 'published'") == 1
}

/// A night with a fault, and the run that mends it; whether the fault struck.
fn night_with(fault: Fault, place: usize, app: &TestApp, at: Timestamp) -> bool {
    let before = served(app);
    let (struck, done, words) = fault.strikes(place, app, at);
    let after = served(app);
    for (file, (before, after)) in in_folder(app).iter().zip(before.iter().zip(&after)) {
        assert!(file == before || file == after, "{fault:?} {place}: half a list");
    }
    let last = number(&before[0]);
    if struck {
        // Neither what it says nor what it leaves behind looks like success, unless it was.
        let complete = after != before && are_taken(app, last + 1) && in_folder(app) == after;
        assert!(!done, "{fault:?} {place}: {words}");
        assert!(after == before || complete || is_noted(app), "{fault:?} {place}: untold");
    }
    let folder = app.path("web");
    let (done, words) = publish_at(app, at + SignedDuration::from_mins(10), &["--folder", &folder]);
    assert!(done, "{fault:?} {place}: {words}");
    let mended = served(app);
    assert_eq!(number(&mended[0]), last + 1, "{fault:?} {place}");
    assert!(are_taken(app, last + 1) && !is_noted(app), "{fault:?} {place}");
    assert!(in_folder(app) == mended, "{fault:?} {place}");
    struck
}

#[test]
fn wherever_a_signer_dies_the_last_lists_stay_and_the_next_run_mends_it() {
    let mut app = TestApp::start();
    change(&app, "suspend", NUMBER);
    let folder = app.path("web");
    let mut nights = (0..).map(night);
    let (done, words) = publish_at(&app, nights.next().unwrap(), &["--folder", &folder]);
    assert!(done, "{words}");
    // At every place, and at every fourth: what fails there fails from there on.
    for (fault, stride) in [(Fault::Kill, 1), (Fault::NoSpace, 4)] {
        let struck = |place: &usize| night_with(fault, *place, &app, nights.next().unwrap());
        let places = (1..).step_by(stride).take_while(struck).count();
        println!("{fault:?}: {places} places");
        assert!(places * stride > 20, "{fault:?}: {places}");
    }
    // Officers and everybody are told: of what was begun and never finished, and, where there
    // was no room for a note, of a night that went by.
    for (fault, place, hour, words) in
        [(Fault::Kill, 20, 1, "開始公布而未完成"), (Fault::NoSpace, 1, 3, "逾期未公布")]
    {
        let at = nights.next().unwrap();
        assert!(fault.strikes(place, &app, at).0);
        app.restart_with(&["--now", &(at + hours(hour)).to_string()]);
        assert!(failed(&app) && health(&app).contains(words), "{}", health(&app));
        let (done, words) = publish_at(&app, at + hours(hour), &["--folder", &folder]);
        assert!(done, "{words}");
        assert!(!failed(&app) && !health(&app).contains("清冊"), "{}", health(&app));
    }
}

#[test]
fn a_folder_without_room_is_told_and_keeps_the_last_lists() {
    let app = TestApp::start();
    let folder = app.path("web");
    let publish = |at| publish_at(&app, at, &["--folder", &folder]);
    let (done, words) = publish(night(0));
    assert!(done, "{words}");
    let before = in_folder(&app);
    // Half a list that an earlier run left, and a device that takes nothing.
    let beside = app.dir.join("web/MOEACA-G3/complete.crl.new");
    std::os::unix::fs::symlink("/dev/full", &beside).unwrap();
    let (done, words) = publish(night(1));
    assert!(!done && words.contains("complete.crl") && words.contains("No space left"), "{words}");
    assert_eq!(in_folder(&app)[0], before[0]);
    assert!(is_noted(&app) && health(&app).contains("公布失敗"), "{}", health(&app));
    std::fs::remove_file(&beside).unwrap();
    std::fs::write(&beside, &before[0][..100]).unwrap();
    let (done, words) = publish(night(1) + hours(1));
    assert!(done && words.contains("published today already"), "{words}");
    assert_eq!(in_folder(&app), [list(&app, COMPLETE), list(&app, PART)]);
    assert!(!is_noted(&app) && !failed(&app));
}
