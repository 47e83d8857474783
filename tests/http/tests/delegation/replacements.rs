//! Cards that are replaced.

use super::*;

#[test]
fn cards_are_replaced_one_or_both_and_of_two_one_wins() {
    let app = TestApp::start();
    registers(&app, "agency", AGENCY_CODE);
    names(&app, "agency", AGENCY_CODE, &["registrations"]);
    let before = (serial(&app, "agency"), serial(&app, "manager"));
    let manager = ("manager", MANAGER.national_id);
    // The registered card itself is nothing new.
    let mut same = app.visitor();
    same.begin_visit("replace-organisation").unwrap();
    let unchanged = organisation(&same, &app.card("agency"), "replace-organisation", AGENCY_CODE);
    assert_eq!(unchanged.code(), "certificate-unchanged");
    // A new agency card: it cannot delegate before it was registered.
    let renewed =
        http_tests::pki().organisation(IssuerRole::Gca, "測試機關", AGENCY.parse().unwrap());
    write_card(&app.dir, "agency-2", "GP00000000000002", "123456", true, &renewed.unwrap())
        .unwrap();
    let mut early = app.visitor();
    early.begin_visit("delegate").unwrap();
    let refused = organisation(&early, &app.card("agency-2"), "delegate", AGENCY_CODE);
    assert_eq!(refused.code(), "organisation-certificate-changed");
    let working = counter(&app, "agency", AGENCY_CODE);
    let kind = "replace-organisation";
    let visits: Vec<_> =
        (0..2).map(|_| both(&app, kind, ("agency-2", AGENCY_CODE), manager)).collect();
    let outcomes = at_once(2, |index| finish(&visits[index]));
    let mut statuses: Vec<_> = outcomes.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
    assert!(outcomes.iter().any(|answer| answer.code() == "registration-changed"));
    // Whoever was at work with the former card begins again.
    assert_eq!(working.get("/api/delegate/handlers").unwrap().code(), "registration-changed");
    let replaced = "SELECT count(*) FROM audit_log WHERE act = 'card-replaced'
        AND entry ->> '$.details.formerOrganisationSerial' = ";
    assert_eq!(app.count("default", &format!("{replaced}'{}'", before.0)), 1);

    // The manager's renewed card, the same person: at once, while a handler works on.
    let mut handler = app.visitor();
    handler.sign_in_as_handler(&app.card("handler")).unwrap().expect(201).unwrap();
    new_card(&app, "manager-2", MANAGER);
    let mut renewing = app.visitor();
    renewing.begin_visit("delegate").unwrap();
    organisation(&renewing, &app.card("agency-2"), "delegate", AGENCY_CODE).expect(200).unwrap();
    let told = citizen(&renewing, &app.card("manager-2"), "delegate", MANAGER.national_id);
    assert_eq!(told.code(), "manager-certificate-changed");
    let renewed = ("manager-2", MANAGER.national_id);
    let visitor = both(&app, "replace-manager", ("agency-2", AGENCY_CODE), renewed);
    finish(&visitor).expect(201).unwrap();
    assert_eq!(handler.get("/api/delegate/me/registrations").unwrap().status, 200);
    let former = "SELECT count(*) FROM registration_receipts WHERE item = 'replace-manager'
        AND former_manager = ";
    assert_eq!(app.count("default", &format!("{former}'{}'", before.1)), 1);
    // Both at once.
    new_card(&app, "manager-3", MANAGER);
    let third =
        http_tests::pki().organisation(IssuerRole::Gca, "測試機關", AGENCY.parse().unwrap());
    write_card(&app.dir, "agency-3", "GP00000000000003", "123456", true, &third.unwrap()).unwrap();
    let third = ("manager-3", MANAGER.national_id);
    finish(&both(&app, "replace-both", ("agency-3", AGENCY_CODE), third)).expect(201).unwrap();
    let words =
        "SELECT group_concat(item, ' ') FROM (SELECT item FROM registration_receipts ORDER BY id)";
    let words: String = app.database("default").query_row(words, [], |row| row.get(0)).unwrap();
    assert_eq!(words, "register replace-organisation replace-manager replace-both");
    counter_with(&app, "agency-3", "manager-3");
    assert!(letters(&app, "card-replaced").len() >= 3);
    // 查詢憑證註冊收件紀錄: by the code alone, and no person in it.
    let receipts =
        app.visitor().post("/api/delegate/receipts", &json!({ "code": "a0001" })).unwrap();
    let receipts = receipts.expect(200).unwrap();
    assert_eq!(receipts["receipts"].as_array().unwrap().len(), 4);
    assert_eq!(receipts["receipts"][3]["itemWord"], "首次註冊");
    assert!(!receipts.to_string().contains(MANAGER.name));
}

fn counter_with(app: &TestApp, card: &str, manager: &str) -> Visitor {
    both(app, "delegate", (card, AGENCY_CODE), (manager, MANAGER.national_id))
}
