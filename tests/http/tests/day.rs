//! Weeks at the office, at speed: two hundred companies, five officers, a typhoon day, a mail
//! server that is down for some days. At the end no case is lost, no deadline has passed
//! without being shown, every letter has gone, and the log verifies.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use http_tests::mail::MailServer;
use http_tests::{TestApp, at_once, pki, project, text};
use jiff::ToSpan;
use jiff::civil::{Date, Weekday};
use serde_json::{Value, json};
use test_pki::client::{CardSigner, Visitor, form};
use test_pki::demo::{HOST_ADDRESS, write_card};
use test_pki::pki_set::Company;

const COMPANIES: usize = 200;
const OFFICERS: usize = 5;
/// Clerks that apply at the same time.
const HANDS: usize = 8;

/// Made-up numbers with a valid checksum, from a range that no company has.
fn numbers() -> Vec<String> {
    (99_990_000..)
        .map(|number: u32| number.to_string())
        .filter(|number| number.parse::<domain::Ubn>().is_ok())
        .take(COMPANIES)
        .collect()
}

fn card(app: &TestApp, name: &str, issued: &test_pki::pki_set::Issued) -> CardSigner {
    // A folder for each, so that nobody looks through everybody's cards.
    let dir = app.dir.join("people").join(name);
    std::fs::create_dir_all(dir.join("cards")).unwrap();
    write_card(&dir, name, "MT00000000009999", "123456", true, issued).unwrap();
    CardSigner::new(dir.join("cards"), name)
}

/// What an officer makes of a company's case.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Approved,
    Rejected,
    /// Asked, and answered two days later.
    Asked,
    /// Asked, and never answered.
    Silent,
    Extended,
    /// Forgotten in a drawer: it has to show up as overdue.
    Forgotten,
}

fn fate(index: usize) -> Fate {
    match index % 10 {
        0 => Fate::Asked,
        1 => Fate::Rejected,
        2 => Fate::Extended,
        3 if index % 20 == 3 => Fate::Silent,
        4 if index % 20 == 4 => Fate::Forgotten,
        _ => Fate::Approved,
    }
}

struct Office {
    app: TestApp,
    monday: Date,
    names: Vec<String>,
    ubns: Vec<String>,
    clerks: Vec<CardSigner>,
    cards: Vec<CardSigner>,
    mail: MailServer,
}

impl Office {
    fn open() -> Self {
        let app = TestApp::start();
        let today = domain::TAIPEI.to_datetime(jiff::Timestamp::now()).date();
        let monday = today.nth_weekday(1, Weekday::Monday).unwrap();
        let ubns = numbers();
        let names: Vec<_> =
            (0..COMPANIES).map(|index| format!("虛構{index}股份有限公司")).collect();
        let clerks = at_once(2, |hand| {
            let mine = (0..COMPANIES).filter(|index| index % 2 == hand);
            let made = mine.map(|index| {
                let issued = pki().company(Company::card(&names[index], &ubns[index])).unwrap();
                (index, card(&app, &ubns[index], &issued))
            });
            made.collect::<Vec<_>>()
        });
        let clerks: BTreeMap<_, _> = clerks.into_iter().flatten().collect();
        let cards = (0..OFFICERS).map(|index| {
            let serial = format!("00000000000000{index:02}");
            app.names(&serial, if index == 0 { "supervisor" } else { "officer" });
            let issued = pki().citizen("陳測試", &serial, "5678").unwrap();
            card(&app, &format!("officer-{index}"), &issued)
        });
        let cards = cards.collect();
        let mail = MailServer::start(&app, "starttls");
        let clerks = clerks.into_values().collect();
        Self { app, monday, names, ubns, clerks, cards, mail }
    }

    /// Nine in the morning, so many days after the first Monday.
    fn at(&self, day: i64) -> jiff::Timestamp {
        let nine = self.monday.checked_add(day.days()).unwrap().at(9, 0, 0, 0);
        domain::TAIPEI.to_timestamp(nine).unwrap()
    }

    fn morning(&mut self, day: i64) {
        let now = self.at(day).to_string();
        self.app.restart_with(&["--now", &now]);
    }

    fn officers(&self) -> Vec<Visitor> {
        let signs_in = |card: &CardSigner| {
            let mut visitor = self.app.visitor();
            visitor.sign_in_as_officer(card).unwrap();
            visitor
        };
        self.cards.iter().map(signs_in).collect()
    }

    fn clerk(&self, index: usize) -> Visitor {
        let mut visitor = self.app.visitor();
        visitor.sign_in_as_company(&self.clerks[index], &self.ubns[index]).unwrap();
        visitor
    }

    fn form(&self, index: usize) -> Value {
        form("api-application", &self.names[index], &self.ubns[index], HOST_ADDRESS)
    }

    /// The relay at this day's clock: how many letters went out, and how many did not.
    fn relay(&self, day: i64) -> String {
        let password = self.app.path("mail.password");
        std::fs::write(&password, "fictional\n").unwrap();
        let clock = self.at(day) + jiff::SignedDuration::from_hours(1);
        let output = Command::new("faketime")
            .arg(format!("@{}", clock.as_second()))
            .arg(project().join("target/release/chayan"))
            .args(["--data", &self.app.path("data"), "relay", "--server", "localhost", "--once"])
            .args(["--port", &self.mail.port.to_string(), "--ca", &self.app.path("mail.cer")])
            .args(["--user", "chayan", "--password-file", &password])
            .args(["--from", "noreply@example.test"])
            .output()
            .expect("faketime (scripts/install test)");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    fn count(&self, sql: &str) -> i64 {
        self.app.count("default", sql)
    }
}

fn queue(officer: &Visitor, name: &str) -> (u64, Vec<Value>) {
    let list = officer.get(&format!("/api/review/cases?queue={name}")).unwrap();
    let list = list.expect(200).unwrap();
    (list["count"].as_u64().unwrap(), list["cases"].as_array().unwrap().clone())
}

/// Works through a queue; of officers who reach for the same case, one has it and the others
/// are told. Returns how often somebody came too late.
fn work(office: &Office, officers: &[Visitor], name: &str, again: bool) -> usize {
    let fates: BTreeMap<&str, Fate> =
        office.ubns.iter().enumerate().map(|(index, ubn)| (ubn.as_str(), fate(index))).collect();
    let late = at_once(officers.len(), |me| {
        let officer = &officers[me];
        let mut late = 0;
        for case in queue(officer, name).1 {
            let fate = fates[case["ubn"].as_str().unwrap()];
            let id = text(&case["serialNumber"]);
            let post = |act: &str, said: Value| {
                officer.post(&format!("/api/review/cases/{id}/{act}"), &said).unwrap()
            };
            if fate == Fate::Forgotten || case["waiting"] == true {
                continue;
            }
            let claimed = post("claim", json!({}));
            if claimed.status == 409 {
                late += 1;
                continue;
            }
            claimed.expect(200).unwrap();
            let done = match fate {
                Fate::Rejected => officer.decide(&id, "reject", "請敘明法規依據").unwrap(),
                Fate::Asked | Fate::Silent if !again => {
                    post("question", json!({ "grounds": ["address-unclear"], "text": "請確認" }))
                }
                Fate::Extended if !again => {
                    post("extension", json!({ "days": 5, "text": "會商主管機關" }))
                }
                _ => officer.decide(&id, "approve", "審核通過").unwrap(),
            };
            done.expect(200).unwrap();
        }
        late
    });
    late.into_iter().sum()
}

#[test]
fn weeks_at_the_office_lose_nothing() {
    let mut office = Office::open();
    // Monday: everybody applies.
    office.morning(0);
    at_once(HANDS, |hand| {
        for index in (0..COMPANIES).filter(|index| index % HANDS == hand) {
            let clerk = office.clerk(index);
            let applied = clerk.apply(&office.clerks[index], office.form(index)).unwrap();
            applied.expect(201).unwrap();
        }
    });
    let officers = office.officers();
    assert_eq!(queue(&officers[0], "new").0, COMPANIES as u64);
    let too_late = work(&office, &officers, "new", false);
    println!("{too_late} times somebody else was faster");
    let forgotten = (0..COMPANIES).filter(|index| fate(*index) == Fate::Forgotten).count();
    assert_eq!(queue(&officers[0], "new").0, forgotten as u64);
    // Of each case one officer has it, and the log has it once.
    let twice = "SELECT count(*) FROM (SELECT case_id FROM audit_log WHERE act = 'claimed'
        GROUP BY case_id HAVING count(*) > 1)";
    assert_eq!(office.count(twice), 0);
    // The mail server is down: letters wait, nothing else does.
    office.mail.refuses("451 later");
    let said = office.relay(0);
    assert!(said.contains("0 letters sent"), "{said}");

    // Wednesday: answers come in. A typhoon closes the offices on Thursday.
    office.morning(2);
    at_once(HANDS, |hand| {
        for index in (0..COMPANIES).filter(|index| index % HANDS == hand) {
            if fate(index) != Fate::Asked {
                continue;
            }
            let clerk = office.clerk(index);
            let asked = clerk.get("/api/standing").unwrap().expect(200).unwrap();
            let mut answer = office.form(index);
            answer["answers"] = asked["asked"]["serialNumber"].clone();
            clerk.apply(&office.clerks[index], answer).unwrap().expect(201).unwrap();
        }
    });
    let typhoon = office.monday.checked_add(3.days()).unwrap().to_string();
    let (set, said) = office.app.chayan(&["set-day", &typhoon, "closed", "--note", "颱風"]);
    assert!(set, "{said}");
    let officers = office.officers();
    let health = officers[0].get("/api/review/health").unwrap().text;
    assert!(health.contains("信件尚未寄出"), "{health}");
    // Answers are with whoever asked.
    for officer in &officers {
        for case in queue(officer, "mine").1 {
            if case["answered"] == true {
                let id = text(&case["serialNumber"]);
                officer.decide(&id, "approve", "審核通過").unwrap().expect(200).unwrap();
            }
        }
    }
    // The mail server is back.
    office.mail.refuses("");
    let said = office.relay(2);
    assert!(said.contains("0 not sent"), "{said}");

    // Ten working days and the typhoon later: what nobody looked at is overdue, all of it.
    office.morning(16);
    let officers = office.officers();
    let overdue: BTreeSet<String> =
        queue(&officers[0], "overdue").1.iter().map(|case| text(&case["ubn"])).collect();
    let expected: BTreeSet<String> = (0..COMPANIES)
        .filter(|index| fate(*index) == Fate::Forgotten)
        .map(|index| office.ubns[index].clone())
        .collect();
    assert_eq!(overdue, expected);
    // Extended ones are not, silent ones wait, and nothing was decided by a clock.
    let silent = (0..COMPANIES).filter(|index| fate(*index) == Fate::Silent).count();
    assert_eq!(queue(&officers[0], "waiting").0, silent as u64);
    for officer in &officers {
        for case in queue(officer, "mine").1 {
            let id = text(&case["serialNumber"]);
            let index = office.ubns.iter().position(|ubn| *ubn == text(&case["ubn"])).unwrap();
            let decision = if fate(index) == Fate::Silent { "reject" } else { "approve" };
            officer.decide(&id, decision, "審核完畢").unwrap().expect(200).unwrap();
        }
    }
    for id in queue(&officers[0], "overdue").1.iter().map(|case| text(&case["serialNumber"])) {
        officers[0].decide(&id, "approve", "逾期，已致歉").unwrap().expect(200).unwrap();
    }
    let said = office.relay(16);
    assert!(said.contains("0 not sent"), "{said}");

    // Nothing is lost, nothing is there twice.
    let of = |fates: &[Fate]| {
        (0..COMPANIES).filter(|index| fates.contains(&fate(*index))).count() as i64
    };
    assert_eq!(office.count("SELECT count(*) FROM cases"), COMPANIES as i64);
    assert_eq!(office.count("SELECT count(*) FROM cases WHERE state = 'accepted'"), 0);
    let rejected = of(&[Fate::Rejected, Fate::Silent]);
    assert_eq!(office.count("SELECT count(*) FROM cases WHERE state = 'rejected'"), rejected);
    assert_eq!(office.count("SELECT count(*) FROM accounts"), COMPANIES as i64 - rejected);
    assert_eq!(office.count("SELECT count(*) FROM ap_ids"), COMPANIES as i64 - rejected);
    let decided = "SELECT count(*) FROM audit_log WHERE act IN ('approved', 'rejected')";
    assert_eq!(office.count(decided), COMPANIES as i64);
    // Everybody was written to when it was received and decided, asked and extended.
    let letters = 2 * COMPANIES as i64 + of(&[Fate::Asked, Fate::Silent, Fate::Extended]);
    assert_eq!(office.count("SELECT count(*) FROM letters WHERE state = 'sent'"), letters);
    assert_eq!(office.count("SELECT count(*) FROM letters"), letters);
    assert_eq!(office.mail.messages().len() as i64, letters);
    // And the log is what it was.
    let (key, folder) = (office.app.path("log.key"), office.app.path("checkpoints"));
    let (_, public) =
        office.app.chayan(&["new-log-key", "--name", "chayan.example", "--key-file", &key]);
    let signed = office.app.chayan(&["checkpoint", "--key-file", &key, "--checkpoints", &folder]);
    assert!(signed.0, "{}", signed.1);
    let (stands, said) =
        office.app.chayan(&["verify", "log", "--log-key", public.trim(), "--checkpoints", &folder]);
    assert!(stands, "{said}");
    println!("{said}");
}
