//! The lists of our own CA (B4, #8): signed after midnight, looked at and compared before they are
//! published, served for caches. A month of them: `month`; a signer that dies: `faults`; databases
//! that were restored: `restored`.

mod faults;
mod month;
mod openssl;
mod restored;

use std::collections::BTreeMap;
use std::process::{Command, Output};

use http_tests::{ORIGIN, TestApp, pki, project};
use jiff::{SignedDuration, Timestamp};
use pki::revocation::{Crl, CrlEntry};
use serde_json::json;
use test_pki::demo::{CARD_NUMBERS, USER_CODE};

use self::openssl::OpenSsl;

const NUMBER: &str = CARD_NUMBERS[0];
const COMPLETE: &str = "/crl/MOEACA-G3/complete.crl";
const PART: &str = "/crl/MOEACA-G3/CRL_0040.crl";
const DELTA: &str = "/crl/MOEACA-G3/complete-delta.crl";

/// The operators' command line at an instant.
fn chayan_at(app: &TestApp, at: Timestamp, arguments: &[&str]) -> (bool, String) {
    chayan_under(&[], app, at, arguments)
}

/// The same, under another program.
fn chayan_under(
    under: &[&str],
    app: &TestApp,
    at: Timestamp,
    arguments: &[&str],
) -> (bool, String) {
    said(
        &Command::new("faketime")
            .arg(format!("@{}", at.as_second()))
            .args(under)
            .arg(project().join("target/release/chayan"))
            .args(["--data", &app.path("data")])
            .args(arguments)
            .output()
            .expect("faketime (scripts/install test)"),
    )
}

fn said(output: &Output) -> (bool, String) {
    let said = [output.stdout.clone(), output.stderr.clone()].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

fn publish_at(app: &TestApp, at: Timestamp, more: &[&str]) -> (bool, String) {
    let (trust, key) = (app.path("trust-store.json"), app.path("ca/MOEACA-G3.key"));
    let arguments = [&["crl", "--trust", &trust, "--key-file", &key], more].concat();
    chayan_at(app, at, &arguments)
}

/// Publishes while the clock stands still.
fn publish_in_second(app: &TestApp, at: Timestamp) -> (bool, String) {
    let clock = jiff::tz::TimeZone::UTC.to_datetime(at).strftime("%F %T").to_string();
    let (trust, key) = (app.path("trust-store.json"), app.path("ca/MOEACA-G3.key"));
    let output = Command::new("faketime")
        .env("TZ", "UTC")
        .args(["-f", &clock])
        .arg(project().join("target/release/chayan"))
        .args(["--data", &app.path("data"), "crl", "--trust", &trust, "--key-file", &key])
        .output();
    said(&output.expect("faketime (scripts/install test)"))
}

/// For how many seconds a cache may keep the complete list.
fn max_age(app: &TestApp) -> i64 {
    let response = ureq::get(format!("{}{COMPLETE}", app.visitor().base)).call().unwrap();
    let caching = response.headers()["cache-control"].to_str().unwrap();
    let age = caching.strip_prefix("public, max-age=").and_then(|rest| rest.split(',').next());
    age.and_then(|age| age.parse().ok()).unwrap_or_else(|| panic!("{caching}"))
}

fn change(app: &TestApp, act: &str, number: &str) {
    let body = json!({ "act": act, "cardNumber": number, "userCode": USER_CODE });
    app.visitor().post("/api/cards/changes", &body).unwrap().expect(200).unwrap();
}

/// A list as it is served.
fn list(app: &TestApp, path: &str) -> Vec<u8> {
    let mut response = ureq::get(format!("{}{path}", app.visitor().base)).call().unwrap();
    assert_eq!(response.headers()["content-type"], "application/pkix-crl");
    response.body_mut().read_to_vec().unwrap()
}

/// What a list says, by serial number.
fn entries(der: &[u8]) -> BTreeMap<Vec<u8>, CrlEntry> {
    Crl::from_der(der).unwrap().entries().collect::<Result<_, _>>().unwrap()
}

/// The serial numbers that a list names, with the reason.
fn reasons(der: &[u8]) -> BTreeMap<Vec<u8>, Option<u8>> {
    entries(der).into_iter().map(|(serial, entry)| (serial, entry.reason)).collect()
}

fn number(der: &[u8]) -> u64 {
    let number = Crl::from_der(der).unwrap().head().number.clone();
    u64::from_str_radix(number.trim_start_matches('0'), 16).unwrap()
}

/// What officers are told.
fn health(app: &TestApp) -> String {
    app.officer().get("/api/review/health").unwrap().text
}

/// Whether everybody is told that the night's lists are not all there.
fn failed(app: &TestApp) -> bool {
    let lists = app.visitor().get("/api/cards/lists").unwrap().expect(200).unwrap();
    lists["lastNightFailed"].as_bool().unwrap()
}

/// The morning of a day to come, five past midnight in Taipei.
fn night(days: i64) -> Timestamp {
    let midnight = domain::listed_after(Timestamp::now());
    midnight + SignedDuration::from_hours(24 * days) + SignedDuration::from_mins(5)
}

fn hours(count: i64) -> SignedDuration {
    SignedDuration::from_hours(count)
}

#[test]
fn a_held_card_is_listed_after_midnight_and_gone_after_resumption() {
    let mut app = TestApp::start();
    let certificate = app.certificate_of("company");
    let serial = certificate.serial_bytes().to_vec();
    change(&app, "suspend", NUMBER);
    let folder = app.path("web");
    let (done, words) = publish_at(&app, night(0), &["--folder", &folder]);
    assert!(done && words.contains("MOEACA-G3/complete.crl: number 2, 1 entries"), "{words}");
    // Where the card itself says.
    let named = certificate.list_addresses();
    assert_eq!(named, [format!("{ORIGIN}{PART}")]);
    let (complete, part) = (list(&app, COMPLETE), list(&app, PART));
    for der in [&complete, &part] {
        assert_eq!(reasons(der), BTreeMap::from([(serial.clone(), Some(6))]));
        assert_eq!(number(der), 2);
    }
    let scope = |der: &[u8]| Crl::from_der(der).unwrap().head().scope.distribution_points.len();
    assert_eq!((scope(&complete), scope(&part)), (0, 1));
    assert_eq!(std::fs::read(app.dir.join("web/MOEACA-G3/complete.crl")).unwrap(), complete);
    let openssl = OpenSsl::new(&app);
    assert!(openssl.believes(&complete) && openssl.believes(&part));
    assert_eq!(openssl.accepts(&[certificate.der()], &[&complete], night(0) + hours(1)), [false]);
    // A scheduler that comes twice is told so.
    let (done, words) = publish_at(&app, night(0) + hours(3), &[]);
    assert!(done && words.contains("published today already"), "{words}");
    assert_eq!(list(&app, COMPLETE), complete);
    // Resumed, the service believes the card though its list does not yet, and says so.
    let day = night(0) + hours(10);
    app.restart_with(&["--now", &day.to_string()]);
    let sign_in = |app: &TestApp| {
        let document = json!({"as": "company", "ubn": "12345675"});
        app.visitor().sign_in(&app.card("company"), document).unwrap().status
    };
    assert_eq!(sign_in(&app), 403);
    change(&app, "resume", NUMBER);
    assert_eq!(sign_in(&app), 201);
    let basis = "SELECT count(*) FROM audit_log WHERE act = 'card-resumed'";
    assert_eq!(app.count("default", basis), 1);
    let (done, words) = publish_at(&app, night(1), &["--delta"]);
    assert!(done && words.contains("number 3, 0 entries"), "{words}");
    let after = list(&app, COMPLETE);
    assert_eq!((entries(&after).len(), number(&after)), (0, 3));
    let openssl = OpenSsl::new(&app);
    assert_eq!(openssl.accepts(&[certificate.der()], &[&after], night(1) + hours(1)), [true]);
    // Whoever has the list before it and takes the delta comes to the same.
    let delta = list(&app, DELTA);
    assert!(openssl.believes(&delta));
    let text = Command::new("openssl")
        .args(["crl", "-inform", "DER", "-noout", "-text", "-in", &app.path("one.crl")])
        .output()
        .unwrap();
    let text = said(&text).1;
    assert!(
        text.contains("Delta CRL Indicator: critical") && text.contains("Remove From CRL"),
        "{text}"
    );
    app.restart_with(&["--now", &(night(1) + hours(1)).to_string()]);
    assert_eq!(sign_in(&app), 201);
}

#[test]
fn a_failed_night_keeps_the_old_lists_and_says_so() {
    let mut app = TestApp::start();
    change(&app, "suspend", NUMBER);
    let (done, words) = publish_at(&app, night(0), &[]);
    assert!(done, "{words}");
    let lists = [list(&app, COMPLETE), list(&app, PART)];
    assert!(!failed(&app));
    // An entry that nobody resumed is gone, here from the second of the lists alone: none of
    // them is published, not even the first, which was right.
    let move_to = |address: &str| {
        let sql = "UPDATE card_certificates SET partition = ?1
            WHERE card = 'MT00000000000001' AND partition IS NOT NULL";
        app.database("default").execute(sql, [address]).unwrap();
    };
    move_to("http://crl.test.invalid/MOEACA/CRL_0099.crl");
    let (done, words) = publish_at(&app, night(1), &[]);
    assert!(!done && words.contains("is gone from it"), "{words}");
    let now = [list(&app, COMPLETE), list(&app, PART)];
    assert_eq!(now, lists);
    assert!(failed(&app));
    assert!(health(&app).contains("公布失敗"), "{}", health(&app));
    move_to(&pki().partition(1, 40));
    // Neither a key of another CA nor none nor a broken one.
    for (key, words) in [
        ("ca/none.key", "cannot read"),
        ("systems/company.key", "not that of a CA"),
        ("demo.json", "no key"),
    ] {
        let arguments =
            ["crl", "--trust", &app.path("trust-store.json"), "--key-file", &app.path(key)];
        let (done, found) = chayan_at(&app, night(1), &arguments);
        assert!(!done && found.contains(words), "{found}");
    }
    // A clock that was set back publishes nothing older.
    let (done, words) = publish_at(&app, night(-1), &[]);
    assert!(!done && words.contains("behind the last list"), "{words}");
    assert_eq!([list(&app, COMPLETE), list(&app, PART)], lists);
    // The next night that works says so too.
    let (done, words) = publish_at(&app, night(2), &[]);
    assert!(done, "{words}");
    assert!(!failed(&app));
    assert_eq!(number(&list(&app, COMPLETE)), number(&lists[0]) + 1);
    // A night that nobody began is told as well.
    assert!(!health(&app).contains("清冊"), "{}", health(&app));
    app.restart_with(&["--now", &(night(3) + hours(3)).to_string()]);
    assert!(health(&app).contains("逾期未公布"), "{}", health(&app));
    // Somebody's hands on the database bring no number back.
    let sql = "UPDATE published_lists SET number = number - 1";
    assert!(app.database("default").execute(sql, []).is_err());
}

#[test]
fn a_token_signs_as_a_file_does() {
    let app = TestApp::start();
    change(&app, "suspend", NUMBER);
    let config = app.path("softhsm2.conf");
    std::fs::create_dir_all(app.dir.join("tokens")).unwrap();
    std::fs::write(&config, format!("directories.tokendir = {}\n", app.path("tokens"))).unwrap();
    let softhsm = |arguments: &[&str]| {
        let output =
            Command::new("softhsm2-util").env("SOFTHSM2_CONF", &config).args(arguments).output();
        let (done, words) = said(&output.expect("softhsm2-util (scripts/install test)"));
        assert!(done, "{words}");
    };
    let pins = ["--so-pin", "12345678", "--pin", "87654321"];
    softhsm(&[&["--init-token", "--free", "--label", "own-ca"], &pins[..]].concat());
    let key = app.path("ca/MOEACA-G3.key");
    softhsm(&[
        "--import", &key, "--token", "own-ca", "--label", "g3", "--id", "01", "--pin", "87654321",
    ]);
    let publish = |pin: &str| {
        std::fs::write(app.path("pin"), pin).unwrap();
        let output = Command::new(project().join("target/release/chayan"))
            .env("SOFTHSM2_CONF", &config)
            .args(["--data", &app.path("data"), "crl", "--trust", &app.path("trust-store.json")])
            .args(["--pkcs11", "/usr/lib/softhsm/libsofthsm2.so", "--token", "own-ca"])
            .args(["--pin-file", &app.path("pin"), "--key-label", "g3"])
            .output()
            .unwrap();
        said(&output)
    };
    let (done, words) = publish("11111111");
    assert!(!done && words.contains("refuses the PIN") && !words.contains("11111111"), "{words}");
    assert_eq!(app.visitor().get(COMPLETE).unwrap().status, 404);
    let (done, words) = publish("87654321\n");
    assert!(done, "{words}");
    let complete = list(&app, COMPLETE);
    assert_eq!(entries(&complete).len(), 1);
    assert!(OpenSsl::new(&app).believes(&complete));
}

/// RFC 5280, section 5.2.4: a delta follows the complete list that it is applied to, so one behind
/// the newest complete list is of no use to anybody.
#[test]
fn a_delta_is_offered_until_a_complete_list_overtakes_it() {
    let app = TestApp::start();
    let folder = app.path("web");
    for (day, with_delta) in [(0, false), (1, true), (2, false), (3, false), (4, true)] {
        let more: &[&str] = if with_delta { &["--delta"] } else { &[] };
        let (done, words) = publish_at(&app, night(day), &[&["--folder", &folder], more].concat());
        assert!(done, "{words}");
        let served = ureq::get(format!("{}{DELTA}", app.visitor().base)).call();
        let as_it_should = match &served {
            Ok(_) => with_delta,
            Err(error) => !with_delta && matches!(error, ureq::Error::StatusCode(404)),
        };
        assert!(as_it_should, "{day}: {served:?}");
        let index = app.visitor().get("/api/cards/lists").unwrap().text;
        assert_eq!(index.contains(DELTA), with_delta, "{day}: {index}");
        let file = app.dir.join("web/MOEACA-G3/complete-delta.crl");
        assert_eq!(file.exists(), with_delta, "{day}");
        assert_eq!(i64::try_from(number(&list(&app, COMPLETE))).unwrap(), day + 2);
    }
}

#[test]
fn caches_keep_a_list_for_an_hour_until_midnight_or_as_long_as_it_holds() {
    let mut app = TestApp::start();
    let (done, words) = publish_at(&app, night(0), &["--grace-hours", "1"]);
    assert!(done, "{words}");
    let midnight = domain::listed_after(night(0));
    let half = SignedDuration::from_mins(30);
    for (at, ages) in [
        (midnight - hours(12), 3600..=3600),
        (midnight - half, 1500..=1800),
        // The night failed: nextUpdate is half an hour away, then past.
        (midnight + half, 1500..=1800),
        (midnight + hours(2), 0..=0),
    ] {
        app.restart_with(&["--now", &at.to_string()]);
        let age = max_age(&app);
        assert!(ages.contains(&age), "{at}: {age}");
    }
}

#[test]
fn the_last_second_of_a_day_and_the_first_of_the_next_have_a_list_each() {
    let mut app = TestApp::start();
    let midnight = domain::listed_after(Timestamp::now());
    let second = SignedDuration::from_secs(1);
    app.restart_with(&["--now", &(midnight - second * 300).to_string()]);
    change(&app, "suspend", NUMBER);
    for (at, which, until) in
        [(midnight - second, 2, midnight), (midnight, 3, midnight + hours(24))]
    {
        let (done, words) = publish_in_second(&app, at);
        assert!(done && words.contains(&format!("number {which}, 1 entries")), "{words}");
        let der = list(&app, COMPLETE);
        let head = Crl::from_der(&der).unwrap().head().clone();
        assert_eq!(number(&der), which);
        assert_eq!((head.this_update, head.next_update), (at, until + hours(12)));
        let (done, words) = publish_in_second(&app, at);
        assert!(done && words.contains("published today already"), "{words}");
    }
    // Before midnight a copy is kept until then; after it for an hour.
    assert!(max_age(&app) <= 300);
    app.restart_with(&["--now", &midnight.to_string()]);
    assert_eq!(max_age(&app), 3600);
}

#[test]
fn caches_keep_a_list_and_ask_whether_it_is_the_same() {
    let app = TestApp::start();
    assert_eq!(app.visitor().get(COMPLETE).unwrap().status, 404);
    let (done, words) = app.chayan(&[
        "crl",
        "--trust",
        &app.path("trust-store.json"),
        "--key-file",
        &app.path("ca/MOEACA-G3.key"),
    ]);
    assert!(done, "{words}");
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let ask = |headers: &[(&str, &str)]| {
        let mut request = agent.get(format!("{}{COMPLETE}", app.visitor().base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.call().unwrap()
    };
    let header = |response: &ureq::http::Response<ureq::Body>, name: &str| {
        response.headers()[name].to_str().unwrap().to_owned()
    };
    let first = ask(&[]);
    assert_eq!(first.status(), 200);
    let (tag, modified) = (header(&first, "etag"), header(&first, "last-modified"));
    let caching = header(&first, "cache-control");
    assert!(caching.starts_with("public, max-age="), "{caching}");
    assert!(modified.ends_with(" GMT"), "{modified}");
    for known in [
        &[("if-none-match", tag.as_str())][..],
        &[("if-none-match", &format!("\"other\", {tag}"))],
        &[("if-modified-since", modified.as_str())],
    ] {
        let mut again = ask(known);
        assert_eq!(again.status(), 304, "{known:?}");
        assert_eq!(header(&again, "etag"), tag);
        assert!(again.body_mut().read_to_vec().unwrap().is_empty());
    }
    // A tag that is another's comes before a date.
    let both = ask(&[("if-none-match", "\"other\""), ("if-modified-since", &modified)]);
    assert_eq!(both.status(), 200);
    assert_eq!(ask(&[("if-modified-since", "Thu, 01 Jan 2015 00:00:00 GMT")]).status(), 200);
    assert_eq!(app.visitor().get("/crl/MOEACA-G3/other.crl").unwrap().status, 404);
    assert_eq!(app.visitor().post(COMPLETE, &json!({})).unwrap().status, 405);
}
