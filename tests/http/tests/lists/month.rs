//! A month of lists beside what the service says.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http_tests::{TestApp, pki};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use test_pki::demo::{CARD_EMAIL, USER_CODE};
use test_pki::pki_set::Company;

use super::openssl::OpenSsl;
use super::{COMPLETE, PART, change, entries, hours, list, night, number, publish_at};

/// Numbers that look random and are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Held and resumed at random times for a month: the service and the published list never
/// disagree but for what changed since the last midnight, and OpenSSL agrees with every list.
#[test]
fn a_month_of_lists_never_disagrees_beyond_the_announced_midnight() {
    const DAYS: i64 = 31;
    let mut app = TestApp::start();
    let mut dice = Dice(20_261_128);
    let mut cards: BTreeMap<String, (Vec<u8>, bool, Option<Timestamp>)> = BTreeMap::new();
    let path = app.path("cards.csv");
    let mut writer = csv::Writer::from_path(&path).unwrap();
    writer
        .write_record(["卡號", "公司名稱", "統一編號", "電子郵件地址", "用戶代碼", "憑證"])
        .unwrap();
    for index in 0..6 {
        let (name, ubn) = ("測試丙股份有限公司", "10458575");
        let issued = pki().company(Company::card(name, ubn)).unwrap();
        let number = format!("MT{index:014}").replace("MT0000", "MT7700");
        let encoded = BASE64_STANDARD.encode(&issued.certificate);
        writer.write_record([number.as_str(), name, ubn, CARD_EMAIL, USER_CODE, &encoded]).unwrap();
        cards.insert(number, (issued.certificate, false, None));
    }
    writer.flush().unwrap();
    let trust = app.path("trust-store.json");
    let (done, words) = app.chayan(&["import-cards", &path, "--trust", &trust]);
    assert!(done, "{words}");
    let numbers: Vec<_> = cards.keys().cloned().collect();
    let (mut changes, mut disagreements, mut last_number) = (0, 0, 1);
    let mut listed: BTreeMap<Vec<u8>, Option<u8>> = BTreeMap::new();
    for day in 0..DAYS {
        // Some time of the day, 23:59 among them.
        let begun = night(day) - SignedDuration::from_mins(5) - hours(24);
        let clock = match day {
            3 => begun + hours(24) - SignedDuration::from_secs(60),
            _ => {
                begun + SignedDuration::from_secs(3600 + i64::try_from(dice.below(79_000)).unwrap())
            }
        };
        let clock = clock.max(Timestamp::now());
        app.restart_with(&["--now", &clock.to_string()]);
        for _ in 0..=dice.below(3) {
            let number = &numbers[usize::try_from(dice.below(6)).unwrap()];
            let card = cards.get_mut(number).unwrap();
            change(&app, if card.1 { "resume" } else { "suspend" }, number);
            card.1 = !card.1;
            card.2 = Some(clock);
            changes += 1;
        }
        // What the service says is what was done, at once; where the list says otherwise, the
        // card changed today, and its list is announced for the coming midnight.
        for (number, (der, held, changed)) in &cards {
            let body = json!({ "by": "cardNumber", "value": number });
            let found =
                app.visitor().post("/api/cards/status", &body).unwrap().expect(200).unwrap();
            let card = &found["cards"][0];
            assert_eq!(card["state"] == "held", *held, "{day} {number}");
            let serial = pki::Certificate::from_der(der).unwrap().serial_bytes().to_vec();
            if listed.contains_key(&serial) != *held {
                disagreements += 1;
                assert!(changed.is_some_and(|at| at >= clock - hours(1)), "{day} {number}");
                let announced = card["listedAfterRoc"].as_str().unwrap();
                assert_eq!(announced, domain::listed_after_words(clock), "{day} {number}");
            }
        }
        let (done, words) = publish_at(&app, night(day), &[]);
        assert!(done, "{day}: {words}");
        let complete = list(&app, COMPLETE);
        let part = list(&app, PART);
        assert_eq!(entries(&complete), entries(&part), "{day}");
        assert_eq!(number(&complete), last_number + 1, "{day}");
        last_number += 1;
        listed = entries(&complete);
        let held: BTreeMap<_, _> = cards
            .values()
            .filter(|(_, held, _)| *held)
            .map(|(der, ..)| {
                (pki::Certificate::from_der(der).unwrap().serial_bytes().to_vec(), Some(6))
            })
            .collect();
        assert_eq!(listed, held, "{day}");
        let openssl = OpenSsl::new(&app);
        assert!(openssl.believes(&complete) && openssl.believes(&part), "{day}");
        let mut later = vec![night(day) + SignedDuration::from_secs(1)];
        later.push(night(day) + hours(23));
        for at in later {
            for (number, (der, held, _)) in &cards {
                let verdict = openssl.verifies(der, &[&complete], at, false);
                let expected = if *held { "certificate revoked" } else { ": OK" };
                assert!(verdict.contains(expected), "{day} {number}: {verdict}");
            }
        }
    }
    println!("{changes} changes, {disagreements} lists that were to come, {DAYS} nights");
    assert!(disagreements > 10);
    let published: Value = app.visitor().get("/api/cards/lists").unwrap().expect(200).unwrap();
    assert_eq!(published["lists"].as_array().unwrap().len(), 2);
}
