//! A year of services (C2, C3): starts, stops, ends, demands and grounds.

use super::*;

/// Grounds of point 6 that need no demand before, by their number.
const AT_ONCE: [(&str, &str); 4] = [
    ("documents-untrue", "第六點第一款"),
    ("organisation-changed", "第六點第二款"),
    ("system-transferred", "第六點第三款"),
    ("duties-violated", "第六點第四款"),
];

/// An agency's systems in a simulated year, and the officers who look after them.
struct Year {
    app: TestApp,
    servers: Vec<Issued>,
    now: Timestamp,
    asked: usize,
}

impl Year {
    /// Applies for this server certificate and has it approved.
    fn starts(&self, kind: &str, server: &Issued, day: jiff::civil::Date) {
        let (visitor, card) = agency(&self.app);
        let receipt = applies(&visitor, &card, annex(kind, &agency_id(), server, day));
        let receipt = receipt.expect(201).unwrap();
        self.app.decides(&text(&receipt["serialNumber"]), "approve");
    }

    fn goes_to(&mut self, now: Timestamp) {
        self.now = now;
        self.app.restart_with(&["--now", &now.to_string()]);
    }

    fn first_day(&self) -> jiff::civil::Date {
        domain::earliest_day(domain::TAIPEI.to_datetime(self.now).date())
    }

    /// Which of the systems are answered now; the others by these codes alone.
    fn open(&mut self) -> Vec<usize> {
        self.asked += 1;
        let content =
            request(self.now, &format!("nonce-0123456789-{}", self.asked), &[(CITIZEN, NUMBER)]);
        let answers = self.servers.iter().map(|server| asks(&self.app, server, &content));
        let open = answers.enumerate().filter(|(_, answer)| {
            let code = answer.code();
            assert!(["", "confirmation-not-open", "certificate-expired"].contains(&code), "{code}");
            code.is_empty()
        });
        open.map(|(place, _)| place).collect()
    }

    /// The number of a system's newest service.
    fn number(&self, place: usize) -> Value {
        let services = self.app.officer().get("/api/review/services").unwrap().expect(200).unwrap();
        let serial = json!(serial(&self.servers[place]));
        let mut rows = services["services"].as_array().unwrap().iter();
        rows.find(|row| row["serverSerial"] == serial).unwrap()["number"].clone()
    }

    fn act(&self, who: &Visitor, place: usize, act: &str, body: Value) -> Answer {
        let number = self.number(place);
        who.post(&format!("/api/review/services/{number}/{act}"), &body).unwrap()
    }

    fn supervisor(&self) -> Visitor {
        let mut supervisor = self.app.visitor();
        supervisor.sign_in_as_officer(&self.app.card("citizen")).unwrap();
        supervisor
    }
}

#[test]
fn a_year_of_starts_stops_ends_and_all_grounds() {
    // 停用 at the agency's wish, overload, the end of a certificate, then the grounds without demand.
    let servers: Vec<_> = [500, 500, 120, 500, 500, 500, 500].into_iter().map(server).collect();
    let app = TestApp::start();
    import(&app);
    app.names("0000000187654321", "supervisor");
    let mut year = Year { app, servers, now: Timestamp::now(), asked: 0 };
    for server in &year.servers {
        year.starts("confirmation-start", server, in_a_month());
    }
    year.goes_to(day_open(0));
    assert_eq!(year.open(), [0, 1, 2, 3, 4, 5, 6]);

    // One officer alone stops nothing; what a supervisor declines goes on.
    let (officer, supervisor) = (year.app.officer(), year.supervisor());
    for (place, (ground, point)) in (3..).zip(AT_ONCE) {
        let stop = json!({ "ground": ground, "text": "經查證屬實" });
        year.act(&officer, place, "stop", stop.clone()).expect(200).unwrap();
        year.act(&supervisor, place, "decline", json!({})).expect(200).unwrap();
        year.act(&officer, place, "stop", stop).expect(200).unwrap();
        assert_eq!(year.act(&officer, place, "endorse", json!({})).code(), "not-allowed");
        assert_eq!(year.open(), [&[0, 1, 2][..], &(place..7).collect::<Vec<_>>()].concat());
        year.act(&supervisor, place, "endorse", json!({})).expect(200).unwrap();
        assert_eq!(year.open(), [&[0, 1, 2][..], &(place + 1..7).collect::<Vec<_>>()].concat());
        let (visitor, _) = agency(&year.app);
        let status = visitor.get("/api/confirmation/status").unwrap().expect(200).unwrap();
        let mut services = status["services"].as_array().unwrap().iter();
        let stopped = services.find(|service| service["number"] == year.number(place)).unwrap();
        assert!(text(&stopped["stopGround"]).contains(point), "{stopped}");
    }

    // 停用 of the first, a month ahead: it ends at the beginning of its day by itself.
    let day = year.first_day();
    year.starts("confirmation-stop", &year.servers[0], day);
    let begins = domain::TAIPEI.to_timestamp(day.at(0, 0, 0, 0)).unwrap();
    year.goes_to(begins - SignedDuration::from_secs(60));
    assert_eq!(year.open(), [0, 1, 2]);
    year.goes_to(begins);
    assert_eq!(year.open(), [1, 2]);
    let (visitor, card) = agency(&year.app);
    let again = annex("confirmation-stop", &agency_id(), &year.servers[0], year.first_day());
    assert_eq!(applies(&visitor, &card, again).code(), "confirmation-unknown");

    // The third ends with its certificate, without anybody's doing.
    let end = Certificate::from_der(&year.servers[2].certificate).unwrap().not_after();
    year.goes_to(end - SignedDuration::from_secs(60));
    assert_eq!(year.open(), [1, 2]);
    year.goes_to(end + SignedDuration::from_secs(1));
    assert_eq!(year.open(), [1]);

    // Ground 5 needs a demand that was not met; it waits in the queues like a case.
    let officer = year.app.officer();
    let stop = json!({ "ground": "overload", "text": "嚴重耗損效能" });
    assert_eq!(year.act(&officer, 1, "stop", stop.clone()).code(), "demand-first");
    let due = domain::TAIPEI.to_datetime(end).date().checked_add(20.days()).unwrap();
    let wrong = json!({ "kind": "improvement", "text": "", "dueOn": "2026-01-01" });
    let wrong = year.act(&officer, 1, "demand", wrong).expect(422).unwrap();
    let wrong = wrong["errors"].as_array().unwrap().iter();
    let wrong: Vec<_> =
        wrong.map(|error| (text(&error["pointer"]), text(&error["code"]))).collect();
    let expected = [("/dueOn", "day-to-come"), ("/result", "required")];
    assert_eq!(wrong, expected.map(|(field, code)| (field.to_owned(), code.to_owned())));
    let demand = json!({ "kind": "improvement", "text": "請改善", "dueOn": due.to_string() });
    year.act(&officer, 1, "demand", demand).expect(200).unwrap();
    assert_eq!(queues_of_demand(&officer), ["mine", "waiting"]);
    let (visitor, _) = agency(&year.app);
    let status = visitor.get("/api/confirmation/status").unwrap().expect(200).unwrap();
    let services = status["services"].as_array().unwrap();
    let demanded = services.iter().find_map(|service| service["demands"].get(0)).unwrap();
    assert_eq!(demanded["kindWord"], "限期改善");
    let unmet = json!({ "demand": demanded["number"] });
    assert_eq!(year.act(&officer, 1, "unmet", unmet.clone()).code(), "demand-first");
    // Whoever answers keeps the days that were given.
    let answer = format!("/api/confirmation/demands/{}/answer", demanded["number"]);
    let promise = json!({ "text": "將於期限前改善完成。" });
    visitor.post(&answer, &promise).unwrap().expect(204).unwrap();
    assert_eq!(year.act(&officer, 1, "unmet", unmet.clone()).code(), "demand-first");
    let noon = domain::TAIPEI.to_timestamp(due.at(12, 0, 0, 0)).unwrap();
    year.goes_to(noon);
    assert_eq!(queues_of_demand(&year.app.officer()), ["mine", "due-soon"]);
    year.goes_to(noon + SignedDuration::from_hours(24));
    let officer = year.app.officer();
    assert_eq!(queues_of_demand(&officer), ["mine", "overdue"]);
    year.act(&officer, 1, "unmet", unmet).expect(200).unwrap();
    assert_eq!(queues_of_demand(&officer), [""; 0]);
    // What is met later is no ground any more; the newest demand decides.
    let today = domain::TAIPEI.to_datetime(year.now).date();
    for (number, outcome) in [(2, "met"), (3, "unmet")] {
        let due = today.checked_add((number * 10).days()).unwrap().to_string();
        let demand = json!({ "kind": "improvement", "text": "請再改善", "dueOn": due });
        year.act(&officer, 1, "demand", demand).expect(200).unwrap();
        if outcome == "unmet" {
            let after = today.checked_add(31.days()).unwrap().at(12, 0, 0, 0);
            year.goes_to(domain::TAIPEI.to_timestamp(after).unwrap());
        }
        let officer = year.app.officer();
        year.act(&officer, 1, outcome, json!({ "demand": number })).expect(200).unwrap();
        if outcome == "met" {
            assert_eq!(year.act(&officer, 1, "stop", stop.clone()).code(), "demand-first");
        }
    }
    let (officer, supervisor) = (year.app.officer(), year.supervisor());
    year.act(&officer, 1, "stop", stop).expect(200).unwrap();
    assert_eq!(queues_of_demand(&supervisor), ["second-look"]);
    assert_eq!(year.open(), [1]);
    year.act(&supervisor, 1, "endorse", json!({})).expect(200).unwrap();
    assert_eq!(year.open(), [0; 0]);
    // Nothing is demanded of what has ended.
    let due = year.first_day().to_string();
    let demand = json!({ "kind": "measures", "text": "請說明", "dueOn": due });
    assert_eq!(year.act(&officer, 1, "demand", demand).code(), "account-state");
    // Letters say so; and whoever was stopped may apply anew.
    let letters = |kind: &str| {
        let sql = format!("SELECT count(*) FROM letters WHERE kind = '{kind}'");
        year.app.count("default", &sql)
    };
    let written = ["service-stopped", "demanded", "demand-closed"].map(letters);
    assert_eq!(written, [5, 3, 3]);
    let anew = year.first_day();
    year.starts("confirmation-start", &year.servers[1], anew);
    year.goes_to(domain::TAIPEI.to_timestamp(anew.at(0, 0, 0, 0)).unwrap());
    assert_eq!(year.open(), [1]);
}

#[test]
fn a_service_goes_on_until_its_end_while_the_next_one_waits() {
    let mut app = TestApp::start();
    import(&app);
    let server = server(200);
    let (visitor, card) = approved(&app, &server);
    // One service at a time: told before anything is signed, and refused.
    let file = json!({ "certificateFile": BASE64_STANDARD.encode(&server.certificate) });
    let seen = visitor.post("/api/confirmation/certificate-previews", &file).unwrap();
    let seen = seen.expect(200).unwrap();
    assert_eq!(seen["problem"]["code"], "server-certificate-in-use");
    let start = |day| annex("confirmation-start", &agency_id(), &server, day);
    assert_eq!(applies(&visitor, &card, start(in_a_month())).code(), "server-certificate-in-use");
    // Once its end is known another one may follow; until then the first is answered.
    let ends = in_a_month().checked_add(20.days()).unwrap();
    for (form, day) in [("confirmation-stop", ends), ("confirmation-start", ends)] {
        let form = annex(form, &agency_id(), &server, day);
        let receipt = applies(&visitor, &card, form).expect(201).unwrap();
        app.decides(&text(&receipt["serialNumber"]), "approve");
    }
    for (days, place) in [0, 19, 20, 40].into_iter().zip(1..) {
        let now = day_open(days);
        app.restart_with(&["--now", &now.to_string()]);
        let content = request(now, &format!("nonce-0123456789-{place}"), &[(CITIZEN, NUMBER)]);
        assert_eq!(asks(&app, &server, &content).expect(200).unwrap()["answers"], json!([0]));
    }
    let asked = "SELECT count(*) FROM requests WHERE service =";
    let counts = [1, 2].map(|service| app.count("confirmations", &format!("{asked} {service}")));
    assert_eq!(counts, [2, 2]);
}

/// The queues in which an officer sees what is demanded of the services, or a stop.
fn queues_of_demand(officer: &Visitor) -> Vec<String> {
    let names = ["new", "mine", "waiting", "due-soon", "overdue", "second-look"];
    let shown = |name: &&str| {
        let list = officer.get(&format!("/api/review/cases?queue={name}")).unwrap();
        let list = list.expect(200).unwrap();
        let rows = list["services"].as_array().unwrap().len();
        let mut queues = list["queues"].as_array().unwrap().iter();
        let count = queues.find(|queue| queue["name"] == *name).unwrap()["count"].clone();
        assert_eq!((&count, &list["count"]), (&json!(rows), &json!(rows)));
        rows > 0
    };
    names.iter().filter(|name| shown(name)).map(|name| (*name).to_owned()).collect()
}

#[test]
fn measures_of_point_seven_lead_to_point_six_when_refused() {
    let app = TestApp::start();
    let server = server(200);
    let (visitor, _) = approved(&app, &server);
    let officer = app.officer();
    let act = |act: &str, body: Value| {
        officer.post(&format!("/api/review/services/1/{act}"), &body).unwrap()
    };
    let due = today().checked_add(10.days()).unwrap().to_string();
    let demand = json!({ "kind": "measures", "text": "請提供連線設備清單", "dueOn": due });
    act("demand", demand.clone()).expect(200).unwrap();
    assert_eq!(act("demand", demand).code(), "account-state");
    visitor
        .post("/api/confirmation/demands/1/answer", &json!({ "text": "本機關不配合" }))
        .unwrap()
        .expect(204)
        .unwrap();
    // Another's demand is not found.
    let (company, _) = app.company();
    let answer =
        company.post("/api/confirmation/demands/1/answer", &json!({ "text": "x" })).unwrap();
    assert_eq!(answer.status, 404);
    // Answered: it waits for the officer, not for the applicant any more.
    assert_eq!(queues_of_demand(&officer), ["mine"]);
    // A search finds it beside the case, by whose it is and by the system's name.
    for (text, found) in [("線上申辦", 1), ("測試機關", 1), ("沒有這個名稱", 0)] {
        let found_by = format!("/api/review/cases?find={text}");
        let list = officer.get(&found_by).unwrap().expect(200).unwrap();
        let rows = ["cases", "services"].map(|of| list[of].as_array().unwrap().len());
        assert_eq!((rows, &list["count"]), ([found; 2], &json!(2 * found)), "{text}");
    }
    act("unmet", json!({ "demand": 1, "text": "未提供清單" })).expect(200).unwrap();
    let letter = app.database("default");
    let letter: String = letter
        .query_row("SELECT body FROM letters WHERE kind = 'demand-closed'", [], |row| row.get(0))
        .unwrap();
    assert!(letter.contains("未有效辦理") && letter.contains("未提供清單"), "{letter}");
    let stop = json!({ "ground": "measures-refused", "text": "未採行配合措施" });
    act("stop", stop).expect(200).unwrap();
    let log = app.count("default", "SELECT count(*) FROM audit_log WHERE act IN ('demanded', 'demand-answered', 'demand-closed')");
    assert_eq!(log, 3);
}
