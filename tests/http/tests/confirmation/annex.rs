//! The annex (C1): who applies with which certificates, and how it is judged.

use super::*;

#[test]
fn the_annex_is_taken_reviewed_and_opens_on_its_day() {
    let mut app = TestApp::start();
    import(&app);
    let server = server(200);
    let (visitor, card) = agency(&app);
    // Too soon, incomplete, another's: refused with the fields that are wrong.
    let tomorrow = today().checked_add(1.day()).unwrap();
    let soon =
        applies(&visitor, &card, annex("confirmation-start", &agency_id(), &server, tomorrow));
    let soon = soon.expect(422).unwrap();
    assert_eq!(soon["errors"][0]["pointer"], "/day");
    assert_eq!(soon["errors"][0]["code"], "day-too-soon");
    let mut form = annex("confirmation-start", &agency_id(), &server, in_a_month());
    form["deputyFax"] = json!("");
    form["serverSerial"] = json!("");
    let missing = applies(&visitor, &card, form).expect(422).unwrap();
    assert_eq!(missing["errors"].as_array().unwrap().len(), 2);
    let mut form = annex("confirmation-start", &agency_id(), &server, in_a_month());
    form["serverSerial"] = json!(format!("{:0>32}", "ABC"));
    let differs = applies(&visitor, &card, form).expect(422).unwrap();
    assert_eq!(differs["errors"][0]["code"], "serial-differs");
    // A day on which the certificate has ended: such a service would never open.
    let late = today().checked_add(201.days()).unwrap();
    let late = applies(&visitor, &card, annex("confirmation-start", &agency_id(), &server, late));
    assert_eq!(late.expect(422).unwrap()["errors"][0]["code"], "day-after-certificate");
    let form = annex("confirmation-start", COMPANY.1, &server, in_a_month());
    assert_eq!(applies(&visitor, &card, form).code(), "applicant-mismatch");
    let other = "2.16.886.101.88888".parse().unwrap();
    let foreign = pki().server(IssuerRole::Gca, "他機關", other, 200).unwrap();
    let form = annex("confirmation-start", &agency_id(), &foreign, in_a_month());
    assert_eq!(applies(&visitor, &card, form).code(), "foreign-server-certificate");
    assert_eq!(app.count("default", "SELECT count(*) FROM cases"), 0);
    // The API service is not for organisations, nor its form for this one.
    assert_eq!(visitor.get("/api/standing").unwrap().code(), "not-allowed");

    let form = annex("confirmation-start", &agency_id(), &server, in_a_month());
    let receipt = applies(&visitor, &card, form.clone()).expect(201).unwrap();
    assert_eq!(receipt["organisation"], AGENCY);
    assert_eq!(receipt["ubn"], Value::Null);
    let id = text(&receipt["serialNumber"]);
    assert_eq!(applies(&visitor, &card, form).code(), "open-case-exists");
    let status = visitor.get("/api/confirmation/status").unwrap().expect(200).unwrap();
    assert_eq!(status["cases"][0]["systemName"], "線上申辦系統");
    assert_eq!(status["openCase"], true);
    // The workbench has it like every case, with the annex as facts.
    let officer = app.officer();
    let list = officer.get("/api/review/cases?queue=new").unwrap().expect(200).unwrap();
    assert_eq!(list["cases"][0]["serialNumber"], json!(id));
    let case = officer.get(&format!("/api/review/cases/{id}")).unwrap().expect(200).unwrap();
    let facts = case["facts"].as_array().unwrap();
    assert!(facts.iter().any(|fact| fact["name"] == "伺服器憑證序號"));
    app.decides(&id, "approve");
    let letters = app.count("default", "SELECT count(*) FROM letters WHERE applicant LIKE 'OID:%'");
    assert_eq!(letters, 2);
    // Nothing has to run for it to open, nor to end with the certificate.
    let pair = [(CITIZEN, NUMBER)];
    let early = asks(&app, &server, &request(Timestamp::now(), "nonce-0123456789-0", &pair));
    assert_eq!(early.code(), "confirmation-not-open");
    let open = day_open(0);
    app.restart_with(&["--now", &open.to_string()]);
    let answered = asks(&app, &server, &request(open, "nonce-0123456789-1", &pair));
    assert_eq!(answered.expect(200).unwrap()["answers"], json!([0]));
    let over = Timestamp::now() + SignedDuration::from_hours(24 * 201);
    app.restart_with(&["--now", &over.to_string()]);
    let ended = asks(&app, &server, &request(over, "nonce-0123456789-2", &pair));
    assert_eq!(ended.code(), "certificate-expired");
    let (visitor, _) = agency(&app);
    let status = visitor.get("/api/confirmation/status").unwrap().expect(200).unwrap();
    assert_eq!(status["services"][0]["state"], "certificate-ended");
    // The evidence is the case's, as of every kind.
    let (done, exported) = app.chayan(&["export-case", &id]);
    assert!(done, "{exported}");
    std::fs::write(app.path("case.json"), exported).unwrap();
    let trust = app.path("trust-store.json");
    let (done, said) = app.chayan(&["verify", "case", &app.path("case.json"), "--trust", &trust]);
    assert!(done && said.contains("測試機關"), "{said}");
}

#[test]
fn a_server_certificate_is_looked_at_before_the_card_signs() {
    let app = TestApp::start();
    let (agency, _) = agency(&app);
    let looked = |visitor: &Visitor, file: &[u8]| {
        let body = json!({ "certificateFile": BASE64_STANDARD.encode(file) });
        visitor.post("/api/confirmation/certificate-previews", &body).unwrap()
    };
    let server = server(200);
    let seen = looked(&agency, &server.certificate).expect(200).unwrap();
    assert_eq!((&seen["serialNumber"], &seen["problem"]), (&json!(serial(&server)), &Value::Null));
    let other = "2.16.886.101.88888".parse().unwrap();
    let foreign = pki().server(IssuerRole::Gca, "他機關", other, 200).unwrap();
    let (company, _) = app.company();
    let system = std::fs::read(&app.demo.company_certificate_file).unwrap();
    let problem = |visitor: &Visitor, file: &[u8]| {
        text(&looked(visitor, file).expect(200).unwrap()["problem"]["code"])
    };
    assert_eq!(problem(&agency, &foreign.certificate), "foreign-server-certificate");
    assert_eq!(problem(&agency, &system), "foreign-server-certificate");
    assert_eq!(problem(&agency, &self::server(-1).certificate), "upload-not-valid");
    // A company has it of MOEACA or XCA, and no card's.
    assert_eq!(looked(&company, &system).expect(200).unwrap()["problem"], Value::Null);
    assert_eq!(problem(&company, &server.certificate), "server-issuer");
    let card = pki().company(Company::card(COMPANY.0, COMPANY.1)).unwrap();
    assert_eq!(problem(&company, &card.certificate), "card-certificate");
    assert_eq!(looked(&agency, b"hello").code(), "not-a-certificate");
    let key = std::fs::read(&app.demo.company_key_file).unwrap();
    assert_eq!(looked(&agency, &key).code(), "private-key-uploaded");
    assert_eq!(looked(&app.visitor(), &system).code(), "not-signed-in");
}

#[test]
fn an_association_on_the_list_applies_with_its_card_of_xca() {
    let mut app = TestApp::start();
    import(&app);
    let applicant = format!("OID:{ASSOCIATION}");
    let (done, said) = app.chayan(&["add-institution", &applicant, "--name", "測試協會"]);
    assert!(done, "{said}");
    let card = app.card("association");
    let mut visitor = app.visitor();
    visitor.sign_in(&card, json!({ "as": "organisation" })).unwrap().expect(201).unwrap();
    let server =
        pki().server(IssuerRole::Xca, "測試協會", ASSOCIATION.parse().unwrap(), 200).unwrap();
    // GCA's certificates are for agencies, also when they name the association.
    let of_gca =
        pki().server(IssuerRole::Gca, "測試協會", ASSOCIATION.parse().unwrap(), 200).unwrap();
    let form = annex("confirmation-start", &applicant, &of_gca, in_a_month());
    assert_eq!(applies(&visitor, &card, form).code(), "server-issuer");
    let form = annex("confirmation-start", &applicant, &server, in_a_month());
    let receipt = applies(&visitor, &card, form).expect(201).unwrap();
    assert_eq!(receipt["organisation"], ASSOCIATION);
    app.decides(&text(&receipt["serialNumber"]), "approve");
    let open = day_open(0);
    app.restart_with(&["--now", &open.to_string()]);
    let content = request(open, "nonce-0123456789-1", &[(CITIZEN, NUMBER)]);
    assert_eq!(asks(&app, &server, &content).expect(200).unwrap()["answers"], json!([0]));
    // Off the list: what was approved goes on, nothing new is taken.
    let (done, _) = app.chayan(&["remove-institution", &applicant]);
    assert!(done);
    let content = request(open, "nonce-0123456789-2", &[(CITIZEN, NUMBER)]);
    asks(&app, &server, &content).expect(200).unwrap();
    let mut visitor = app.visitor();
    visitor.sign_in(&card, json!({ "as": "organisation" })).unwrap().expect(201).unwrap();
    let day = domain::earliest_day(domain::TAIPEI.to_datetime(open).date());
    let other =
        pki().server(IssuerRole::Xca, "測試協會", ASSOCIATION.parse().unwrap(), 200).unwrap();
    let anew = annex("confirmation-start", &applicant, &other, day);
    assert_eq!(applies(&visitor, &card, anew).code(), "not-supervised");
    // To end it is still its right.
    let stop = annex("confirmation-stop", &applicant, &server, day);
    applies(&visitor, &card, stop).expect(201).unwrap();
}

#[test]
fn an_answer_belongs_to_the_application_that_was_in_time() {
    let mut app = TestApp::start();
    let server = server(200);
    let (visitor, card) = agency(&app);
    let day = in_a_month();
    let form = annex("confirmation-start", &agency_id(), &server, day);
    let receipt = applies(&visitor, &card, form.clone()).expect(201).unwrap();
    let id = text(&receipt["serialNumber"]);
    let officer = app.officer();
    let ask = |ground: &str| {
        let question = json!({ "grounds": [ground], "text": "請敘明使用對象。" });
        officer.post(&format!("/api/review/cases/{id}/question"), &question).unwrap()
    };
    // The grounds of this service, and of no other.
    assert_eq!(ask("legal-basis-missing").expect(422).unwrap()["errors"][0]["code"], "not-offered");
    ask("overview-unclear").expect(200).unwrap();
    app.restart_with(&["--now", &(Timestamp::now() + SignedDuration::from_hours(72)).to_string()]);
    let (visitor, card) = agency(&app);
    let status = visitor.get("/api/confirmation/status").unwrap().expect(200).unwrap();
    assert_eq!(status["asked"]["grounds"][0]["field"], "text");
    assert_eq!(status["asked"]["earliestDay"], json!(day.to_string()));
    assert_ne!(status["earliestDay"], status["asked"]["earliestDay"]);
    let mut answer = form;
    answer["answers"] = json!(id);
    answer["text"] = json!("一般民眾以自然人憑證登入，申辦本機關業務。");
    applies(&visitor, &card, answer.clone()).expect(201).unwrap();
    // Once is enough.
    assert_eq!(applies(&visitor, &card, answer).code(), "nothing-asked");
}

#[test]
fn institutions_apply_when_they_are_on_the_list() {
    let app = TestApp::start();
    let (visitor, card) = app.company();
    let company = test_pki::pki_set::Company::system(COMPANY.0, COMPANY.1);
    let server = pki().company(company).unwrap();
    let form = || annex("confirmation-start", COMPANY.1, &server, in_a_month());
    assert_eq!(applies(&visitor, &card, form()).code(), "not-supervised");
    // Administrators keep the list, on a page or on the machine itself.
    app.names("0000000187654321", "administrator");
    let mut administrator = app.visitor();
    administrator.sign_in_as_officer(&app.card("citizen")).unwrap();
    let listed = json!({ "applicant": COMPANY.1, "name": COMPANY.0 });
    let list =
        administrator.post("/api/review/institutions", &listed).unwrap().expect(200).unwrap();
    assert_eq!(list["institutions"][0]["applicant"], COMPANY.1);
    assert_eq!(
        app.officer().post("/api/review/institutions", &listed).unwrap().code(),
        "not-allowed"
    );
    let wrong = json!({ "applicant": "OID:x", "name": "" });
    let wrong =
        administrator.post("/api/review/institutions", &wrong).unwrap().expect(422).unwrap();
    assert_eq!(wrong["errors"][0]["code"], "applicant-format");
    assert_eq!(wrong["errors"][1]["pointer"], "/result");
    let receipt = applies(&visitor, &card, form()).expect(201).unwrap();
    assert_eq!(receipt["ubn"], COMPANY.1);
    // A case of this service stands in the way of none of the API service.
    let api = visitor.apply(&card, http_tests::application()).unwrap().expect(201).unwrap();
    assert_ne!(api["serialNumber"], receipt["serialNumber"]);
    let id = text(&receipt["serialNumber"]);
    visitor.post(&format!("/api/cases/{id}/cancel"), &json!({})).unwrap().expect(200).unwrap();
    let (done, said) = app.chayan(&["remove-institution", COMPANY.1]);
    assert!(done, "{said}");
    assert_eq!(applies(&visitor, &card, form()).code(), "not-supervised");
    // GCA's certificates are for agencies.
    let (done, _) = app.chayan(&["add-institution", COMPANY.1, "--name", COMPANY.0]);
    assert!(done);
    let form = annex("confirmation-start", COMPANY.1, &self::server(200), in_a_month());
    assert_eq!(applies(&visitor, &card, form).code(), "server-issuer");
}
