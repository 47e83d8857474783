//! A month of random changes, several a day: what the service says and what the lists say differ
//! only by what changed since the last midnight, and OpenSSL agrees with every list.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http_tests::{ORIGIN, TestApp, pki};
use jiff::{SignedDuration, Timestamp};
use pki::revocation::CrlEntry;
use serde_json::json;
use test_pki::client::CardSigner;
use test_pki::demo::{CARD_EMAIL, USER_CODE, write_card};
use test_pki::pki_set::Company;

use super::openssl::{OpenSsl, delta_entries};
use super::{
    COMPLETE, DELTA, PART, change, chayan_at, entries, hours, list, night, number, publish_at,
};

const DAYS: i64 = 31;
/// The cards name two partitions in turn.
const CARDS: usize = 9;
const OTHER_PART: &str = "/crl/MOEACA-G3/CRL_0041.crl";
const HOLDER: (&str, &str) = ("測試丙股份有限公司", "10458575");
/// What the CA revokes for, and its reasonCode.
const REASONS: [(&str, u8); 3] =
    [("key-compromise", 1), ("superseded", 4), ("cessation-of-operation", 5)];

/// Numbers that look random and are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}

/// A card, and what was done to it.
struct Card {
    number: String,
    der: Vec<u8>,
    serial: Vec<u8>,
    signer: CardSigner,
    /// The reasonCode by which a list should name it.
    reason: Option<u8>,
    /// The day of the last change.
    changed: Option<i64>,
}

impl Card {
    fn new(app: &TestApp, index: usize) -> Self {
        let partition = if index.is_multiple_of(2) { 40 } else { 41 };
        let company = Company { partition, ..Company::card(HOLDER.0, HOLDER.1) };
        let issued = pki().company(company).unwrap();
        let (name, number) = (format!("month-{index}"), format!("MT770000{index:08}"));
        write_card(&app.dir, &name, &number, "123456", true, &issued).unwrap();
        let signer = CardSigner::new(app.dir.join("cards"), &name);
        let der = issued.certificate;
        let serial = pki::Certificate::from_der(&der).unwrap().serial_bytes().to_vec();
        Self { number, der, serial, signer, reason: None, changed: None }
    }

    /// 有效, 停用 or 廢止, and what a signature of the card is answered.
    fn expected(&self) -> (&'static str, u16, &'static str) {
        match self.reason {
            None => ("有效", 201, ""),
            Some(6) => ("停用", 403, "card-on-hold"),
            Some(_) => ("廢止", 403, "certificate-revoked"),
        }
    }
}

fn import(app: &TestApp, cards: &[Card]) {
    let path = app.path("cards.csv");
    let mut writer = csv::Writer::from_path(&path).unwrap();
    let head = ["卡號", "公司名稱", "統一編號", "電子郵件地址", "用戶代碼", "憑證"];
    writer.write_record(head).unwrap();
    for card in cards {
        let der = BASE64_STANDARD.encode(&card.der);
        let line = [&card.number, HOLDER.0, HOLDER.1, CARD_EMAIL, USER_CODE, &der];
        writer.write_record(line).unwrap();
    }
    writer.flush().unwrap();
    let (done, words) =
        app.chayan(&["import-cards", &path, "--trust", &app.path("trust-store.json")]);
    assert!(done, "{words}");
}

/// Holds, resumes or revokes a card that is not revoked yet.
fn act(app: &TestApp, dice: &mut Dice, cards: &mut [Card], day: i64, clock: Timestamp) {
    let open: Vec<_> =
        (0..CARDS).filter(|index| matches!(cards[*index].reason, None | Some(6))).collect();
    let card = &mut cards[open[dice.below(open.len())]];
    card.changed = Some(day);
    if dice.below(16) == 0 {
        let (reason, code) = REASONS[dice.below(3)];
        let trust = app.path("trust-store.json");
        let how = ["--act", "revoke", "--reason", reason, "--trust", &trust, "--origin", ORIGIN];
        let arguments = [&["change-card", &card.number][..], &how].concat();
        let (done, words) = chayan_at(app, clock + SignedDuration::from_secs(30), &arguments);
        assert!(done, "{words}");
        card.reason = Some(code);
        return;
    }
    let held = card.reason.is_some();
    change(app, if held { "resume" } else { "suspend" }, &card.number);
    card.reason = (!held).then_some(6);
}

/// What the service says of a card is what was done to it, at once and wherever it signs. Where
/// the lists differ the card changed today, and they are announced for the coming midnight;
/// whether they differ.
fn service_agrees(
    app: &TestApp,
    card: &Card,
    day: i64,
    clock: Timestamp,
    listed: &BTreeMap<Vec<u8>, CrlEntry>,
) -> bool {
    let Card { number, reason, changed, .. } = card;
    let (word, status, code) = card.expected();
    let asked = json!({ "by": "cardNumber", "value": number });
    let found = app.visitor().post("/api/cards/status", &asked).unwrap().expect(200).unwrap();
    let told = &found["cards"][0];
    assert_eq!(told["stateWord"], word, "{day} {number}");
    let document = json!({ "as": "company", "ubn": HOLDER.1 });
    let signed = app.visitor().sign_in(&card.signer, document).unwrap();
    assert_eq!((signed.status, signed.code()), (status, code), "{day} {number}");
    let differ = listed.get(&card.serial).and_then(|entry| entry.reason) != *reason;
    assert!(!differ || *changed == Some(day), "{day} {number}");
    // What was held and resumed between two lists is in neither: nothing is announced then.
    let announced = differ.then(|| domain::listed_after_words(clock));
    assert_eq!(told["listedAfterRoc"].as_str(), announced.as_deref(), "{day} {number}: {told}");
    differ
}

/// The lists of a night are those of what was done; what the complete one says.
fn lists_agree(
    app: &TestApp,
    cards: &[Card],
    day: i64,
    before: &BTreeMap<Vec<u8>, CrlEntry>,
) -> BTreeMap<Vec<u8>, CrlEntry> {
    let at = night(day);
    let complete = list(app, COMPLETE);
    let parts = [list(app, PART), list(app, OTHER_PART)];
    // Numbers begin behind that of the empty list from elsewhere.
    assert_eq!(i64::try_from(number(&complete)).unwrap(), day + 2);
    let listed = entries(&complete);
    let named: BTreeMap<_, _> =
        listed.iter().map(|(serial, entry)| (serial.clone(), entry.reason)).collect();
    let done = cards.iter().filter(|card| card.reason.is_some());
    assert_eq!(named, done.map(|card| (card.serial.clone(), card.reason)).collect(), "{day}");
    // The complete list is all partitions together, and they share nothing.
    let [first, second] = parts.each_ref().map(|der| entries(der));
    assert_eq!(first.len() + second.len(), listed.len(), "{day}");
    assert_eq!(first.into_iter().chain(second).collect::<BTreeMap<_, _>>(), listed, "{day}");
    let openssl = OpenSsl::new(app);
    for der in parts.iter().chain([&complete]) {
        assert!(openssl.believes(der), "{day}");
    }
    if day > 0 {
        // Whoever has the complete list before and takes the delta has this one.
        let delta = list(app, DELTA);
        assert!(openssl.believes(&delta), "{day}");
        assert_eq!(applied(before, &delta), listed, "{day}");
    }
    let certificates: Vec<_> = cards.iter().map(|card| card.der.as_slice()).collect();
    let good: Vec<_> = cards.iter().map(|card| card.reason.is_none()).collect();
    let [first, second] = &parts;
    for (lists, later) in
        [(&[&complete[..]][..], SignedDuration::from_secs(1)), (&[first, second], hours(23))]
    {
        assert_eq!(openssl.accepts(&certificates, lists, at + later), good, "{day}");
    }
    listed
}

/// A list after its delta.
fn applied(before: &BTreeMap<Vec<u8>, CrlEntry>, delta: &[u8]) -> BTreeMap<Vec<u8>, CrlEntry> {
    let mut after = before.clone();
    for (serial, entry) in delta_entries(delta) {
        match entry.reason {
            Some(8) => drop(after.remove(&serial).expect("what is removed was there")),
            _ => drop(after.insert(serial, entry)),
        }
    }
    after
}

#[test]
fn a_month_of_lists_never_disagrees_beyond_the_announced_midnight() {
    let mut app = TestApp::start();
    let mut dice = Dice(20_261_128);
    let mut cards: Vec<_> = (0..CARDS).map(|index| Card::new(&app, index)).collect();
    import(&app, &cards);
    let (mut changes, mut differences) = (0, 0);
    let mut listed = BTreeMap::new();
    for day in 0..DAYS {
        // Some time of the day, its last minute among them; today is half over.
        let begun = night(day) - SignedDuration::from_mins(5) - hours(24);
        let second = if day == 3 { 86_340 } else { 3600 + dice.below(79_000) };
        let clock = begun + SignedDuration::from_secs(i64::try_from(second).unwrap());
        let clock = clock.max(Timestamp::now());
        app.restart_with(&["--now", &clock.to_string()]);
        for _ in 0..2 + dice.below(5) {
            act(&app, &mut dice, &mut cards, day, clock);
            changes += 1;
        }
        for card in &cards {
            differences += usize::from(service_agrees(&app, card, day, clock, &listed));
        }
        let (done, words) = publish_at(&app, night(day), &["--delta"]);
        assert!(done, "{day}: {words}");
        listed = lists_agree(&app, &cards, day, &listed);
    }
    let revoked = cards.iter().filter(|card| !matches!(card.reason, None | Some(6))).count();
    println!("{changes} changes, {differences} lists that were to come, {revoked} revoked");
    assert!(changes > 90 && differences > 60 && (2..CARDS).contains(&revoked));
    let published = app.visitor().get("/api/cards/lists").unwrap().expect(200).unwrap();
    assert_eq!(published["lists"].as_array().unwrap().len(), 4);
}
