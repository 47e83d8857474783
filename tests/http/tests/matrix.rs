//! Every operation of docs/openapi.json, asked as everybody: who may is exactly who the file
//! and the table of permissions say.

use domain::{Permission, Role};
use http_tests::{TestApp, project, text};
use serde_json::{Value, json};
use test_pki::client::{Answer, Visitor};

fn openapi() -> Value {
    let file = std::fs::read_to_string(project().join("docs/openapi.json")).unwrap();
    serde_json::from_str(&file).unwrap()
}

/// Method, path and permission of every operation.
fn operations() -> Vec<(String, String, String)> {
    let of = |(method, path, operation): (String, String, Value)| {
        (method, path, text(&operation["x-permission"]))
    };
    described().into_iter().map(of).collect()
}

/// Method, path and description of every operation.
pub(crate) fn described() -> Vec<(String, String, Value)> {
    let mut all = Vec::new();
    for (path, methods) in openapi()["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            all.push((method.clone(), path.clone(), operation.clone()));
        }
    }
    all
}

fn filled(path: &str) -> String {
    path.replace("{serialNumber}", "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed")
        .replace("{ubn}", "04595257")
        .replace("{number}", "4711")
        .replace("{folder}", "MOEACA-G3")
        .replace("{name}", "complete.crl")
}

pub(crate) fn ask(visitor: &Visitor, method: &str, path: &str) -> Answer {
    let path = filled(path);
    match method {
        "get" => visitor.get(&path).unwrap(),
        "post" => visitor.post(&path, &json!({})).unwrap(),
        "delete" => visitor.delete(&path).unwrap(),
        other => panic!("{other} {path}"),
    }
}

/// Who asks.
enum Who {
    Nobody,
    Company,
    Organisation,
    Citizen,
    Officer(Role),
}

impl Who {
    /// Whether the file and the table of permissions let them.
    fn may(&self, permission: &str) -> bool {
        match (self, permission) {
            (_, "public") => true,
            (Self::Company, "company" | "applicant")
            | (Self::Organisation, "applicant")
            | (Self::Citizen, "citizen")
            | (Self::Officer(_), "officer") => true,
            (Self::Officer(role), name) => Permission::ALL
                .into_iter()
                .find(|permission| permission.name() == name)
                .is_some_and(|permission| role.may(permission)),
            _ => false,
        }
    }
}

#[test]
fn everybody_may_do_what_the_file_says_and_nothing_else() {
    let app = TestApp::start();
    let (company, _) = app.company();
    app.names("0000000187654321", "officer");
    let mut officer = app.visitor();
    officer.sign_in_as_officer(&app.card("citizen")).unwrap();
    let anybody = app.visitor();
    let mut asked = 0;
    let mut check = |visitor: &Visitor, who: &Who| {
        for (method, path, permission) in operations() {
            // Signing out would end the session that the next questions need.
            if method == "delete" && !matches!(who, Who::Nobody) {
                continue;
            }
            let answer = ask(visitor, &method, &path);
            let refused = ["not-signed-in", "not-allowed"].contains(&answer.code());
            // Whether anybody is signed in is what it answers.
            let refused = refused && path != "/api/session";
            let name = match who {
                Who::Nobody => "nobody",
                Who::Company => "company",
                Who::Organisation => "organisation",
                Who::Citizen => "citizen",
                Who::Officer(role) => role.name(),
            };
            assert_eq!(refused, !who.may(&permission), "{name}: {method} {path}: {}", answer.text);
            assert_ne!(answer.status, 405, "{method} {path}");
            assert!(answer.status < 500, "{method} {path}: {}", answer.text);
            let expected = if matches!(who, Who::Nobody) { 401 } else { 403 };
            assert!(!refused || answer.status == expected, "{name}: {method} {path}");
            asked += 1;
        }
    };
    check(&anybody, &Who::Nobody);
    check(&company, &Who::Company);
    let mut organisation = app.visitor();
    let document = json!({ "as": "organisation" });
    organisation.sign_in(&app.card("agency"), document).unwrap().expect(201).unwrap();
    check(&organisation, &Who::Organisation);
    let mut citizen = app.visitor();
    citizen.sign_in(&app.card("citizen"), json!({ "as": "citizen" })).unwrap().expect(201).unwrap();
    check(&citizen, &Who::Citizen);
    for role in Role::ALL {
        app.names("0000000187654321", role.name());
        check(&officer, &Who::Officer(role));
    }
    println!("{asked} questions");
    assert!(asked > 250);
    // None of it did anything.
    assert_eq!(app.count("default", "SELECT count(*) FROM cases"), 0);
}

#[test]
fn the_file_has_every_operation() {
    let app = TestApp::start();
    let operations = operations();
    let for_integrators = project().join("docs/openapi-integration.json");
    let for_integrators: Value =
        serde_json::from_str(&std::fs::read_to_string(for_integrators).unwrap()).unwrap();
    // Every route of the manifest is in it,
    let manifest = std::fs::read_to_string(project().join("spin.toml")).unwrap();
    let manifest: toml::Value = toml::from_str(&manifest).unwrap();
    for trigger in manifest["trigger"]["http"].as_array().unwrap() {
        let Some(route) = trigger.get("route").and_then(|route| route.as_str()) else { continue };
        if route == "/..." || route.ends_with("/readyz") || route.starts_with("/operate/") {
            continue;
        }
        // What integrators call has a file of its own.
        let stem = route.trim_end_matches("/...");
        if for_integrators["paths"].get(stem).is_some() {
            continue;
        }
        let stem = route.trim_end_matches("/...").replace(":id", "{serialNumber}");
        let known = operations.iter().any(|(_, path, _)| path.starts_with(&stem));
        assert!(known, "{route}");
    }
    // and whatever a component's source routes below /api/review.
    let source = std::fs::read_to_string(project().join("functions/review/src/lib.rs")).unwrap();
    for line in source.lines().filter(|line| line.contains("&Method::")) {
        let first = line.split('"').nth(1).unwrap();
        let path = format!("/api/review/{first}");
        assert!(operations.iter().any(|(_, known, _)| known.starts_with(&path)), "{line}");
    }
    // and whatever the registration's component routes, exactly.
    let source = std::fs::read_to_string(project().join("functions/delegate/src/lib.rs")).unwrap();
    for line in source.lines().filter(|line| line.contains("&Method::")) {
        let (path, method) = routed(line);
        let known = operations.iter().any(|(verb, at, _)| *verb == method && *at == path);
        assert!(known || path.ends_with("/readyz"), "{method} {path}");
    }
    for act in acts("functions/review/src/acts.rs") {
        let path = format!("/api/review/cases/{{serialNumber}}/{act}");
        assert!(operations.iter().any(|(_, known, _)| *known == path), "{path}");
    }
    for act in acts("functions/review/src/services.rs") {
        let path = format!("/api/review/services/{{number}}/{act}");
        assert!(operations.iter().any(|(_, known, _)| *known == path), "{path}");
    }
    for act in acts("functions/review/src/accounts.rs") {
        let path = format!("/api/review/accounts/{{ubn}}/{act}");
        assert!(operations.iter().any(|(_, known, _)| *known == path), "{path}");
    }
    // A method that is not in the file is none.
    let officer = app.officer();
    for (_, path, permission) in &operations {
        let known =
            |method: &str| operations.iter().any(|(other, at, _)| other == method && at == path);
        for method in ["get", "post", "delete"] {
            if known(method) || ["company", "applicant", "citizen"].contains(&permission.as_str()) {
                continue;
            }
            let answer = ask(&officer, method, path);
            assert!([404, 405].contains(&answer.status), "{method} {path}: {}", answer.text);
        }
    }
}

/// Path and method of a line such as `(["handlers", id], &Method::POST) => ...`.
fn routed(line: &str) -> (String, String) {
    let parts = line.split_once('[').unwrap().1.split_once(']').unwrap().0;
    let part = |part: &str| match part.trim().strip_prefix('"') {
        Some(literal) => literal.trim_end_matches('"').to_owned(),
        None => "{number}".to_owned(),
    };
    let path = parts.split(',').map(part).collect::<Vec<_>>().join("/");
    let method = line.split_once("Method::").unwrap().1.split_once(')').unwrap().0;
    (format!("/api/delegate/{path}"), method.to_lowercase())
}

/// The names of the acts that a source file knows.
fn acts(file: &str) -> Vec<String> {
    let source = std::fs::read_to_string(project().join(file)).unwrap();
    let table = source.split("fn from_name").nth(1).unwrap().split("_ => return None").next();
    let names: Vec<_> = table.unwrap().split('"').skip(1).step_by(2).map(str::to_owned).collect();
    assert!(names.len() >= 3, "{file}");
    names
}
