//! 操作文件下載 (A13, figure 28): the guide's own programs, run as a company would run them.

use std::path::{Path, PathBuf};
use std::process::Command;

use http_tests::{TestApp, project, text};
use serde_json::Value;

/// The guide of the approved demo company.
fn guide(app: &TestApp) -> (String, test_pki::token::Caller) {
    let (visitor, _, caller) = app.approved();
    let answer = visitor.get("/api/guide").unwrap();
    assert_eq!(answer.status, 200);
    let name = format!("attachment; filename=\"chayan-api-{}.html\"", caller.ap_id);
    assert_eq!(answer.header("content-disposition"), Some(name.as_str()));
    (answer.text, caller)
}

/// A program of the guide, as a browser would copy it.
fn program(guide: &str, file: &str) -> String {
    let (_, rest) = guide.split_once(&format!("<pre data-file=\"{file}\">")).expect(file);
    let (text, _) = rest.split_once("</pre>").unwrap();
    html_escape::decode_html_entities(text).into_owned()
}

/// What has to be there to run one.
struct Setting<'a> {
    folder: &'a Path,
    key: PathBuf,
    pfx: PathBuf,
    iss_key: &'a str,
}

impl Setting<'_> {
    /// Runs a command with the conditions; what it printed.
    fn run(&self, command: &[&str], conditions: &[String]) -> Value {
        let output = Command::new(command[0])
            .args(&command[1..])
            .args(conditions)
            .current_dir(self.folder)
            .env("ISSKEY", self.iss_key)
            .env("KEY_FILE", &self.key)
            .env("PFX_FILE", &self.pfx)
            .env("PFX_PASSWORD", "changeit")
            .env("GOCACHE", self.folder.join("go"))
            .env("GOPROXY", "off")
            .output()
            .unwrap_or_else(|error| panic!("{command:?} (scripts/install test): {error}"));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{command:?}: {output:?}"))
    }
}

/// Runs all vectors with one of the programs, on an installation of its own: wrong answers count.
fn answers_as_promised(file: &str, prepare: &[&str], command: &[&str]) {
    let app = TestApp::start();
    let (guide, caller) = guide(&app);
    assert!(!guide.contains(&caller.iss_key), "the isskey stays out of the document");
    let folder = app.dir.join("integration");
    std::fs::create_dir_all(&folder).unwrap();
    // The company's system calls from its registered address, which is this computer.
    let base = app.visitor().base;
    let source = program(&guide, file).replace(http_tests::ORIGIN, &base);
    assert!(source.contains(&caller.ap_id) && source.contains(&caller.org_id));
    std::fs::write(folder.join(file), source).unwrap();
    let pfx = folder.join("system.pfx");
    let certificate = &app.demo.company_certificate_file;
    let made = Command::new("openssl")
        .args(["pkcs12", "-export", "-passout", "pass:changeit", "-macalg", "sha1"])
        .args(["-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES"])
        .arg("-inkey")
        .arg(&app.demo.company_key_file)
        .arg("-in")
        .arg(certificate)
        .arg("-out")
        .arg(&pfx)
        .status()
        .unwrap();
    assert!(made.success());
    let key = app.demo.company_key_file.clone();
    let setting = Setting { folder: &folder, key, pfx, iss_key: &caller.iss_key };
    if let [program, arguments @ ..] = prepare {
        let done = Command::new(program).args(arguments).current_dir(&folder).status().unwrap();
        assert!(done.success(), "{prepare:?}");
    }
    let vectors = project().join("functions/query/guide/vectors.json");
    let vectors: Vec<Value> = serde_json::from_slice(&std::fs::read(vectors).unwrap()).unwrap();
    assert!(vectors.len() > 5);
    for vector in vectors {
        let conditions: Vec<String> =
            vector["conditions"].as_array().unwrap().iter().map(text).collect();
        let answer = setting.run(command, &conditions);
        assert_eq!(answer["rdCode"], vector["rdCode"], "{conditions:?}: {answer}");
        let code = &answer["responseData"]["checkIdCardApply"];
        assert_eq!(*code, vector["checkIdCardApply"], "{conditions:?}: {answer}");
    }
    // A wrong isskey is told, not thrown.
    let wrong = Setting { iss_key: "x", ..setting };
    let conditions = ["A123456789", "1", "0940105", "63000"].map(str::to_owned);
    assert_eq!(wrong.run(command, &conditions)["httpCode"], "401");
}

#[test]
fn curl() {
    answers_as_promised("verify.sh", &[], &["bash", "verify.sh"]);
}

#[test]
fn python() {
    answers_as_promised("verify.py", &[], &["python3", "verify.py"]);
}

#[test]
fn java() {
    answers_as_promised(
        "Verify.java",
        &["javac", "-encoding", "UTF-8", "Verify.java"],
        &["java", "-cp", ".", "Verify"],
    );
}

#[test]
fn c_sharp() {
    answers_as_promised("Verify.cs", &["mcs", "Verify.cs"], &["mono", "Verify.exe"]);
}

#[test]
fn php() {
    answers_as_promised("verify.php", &[], &["php", "verify.php"]);
}

#[test]
fn go() {
    answers_as_promised(
        "verify.go",
        &["env", "GOCACHE=/tmp/chayan-go", "go", "build", "-o", "verify", "verify.go"],
        &["./verify"],
    );
}

#[test]
fn node() {
    answers_as_promised("verify.mjs", &[], &["node", "verify.mjs"]);
}

#[test]
fn the_guide_is_for_accounts_in_use_and_shows_names_as_text() {
    let app = TestApp::start();
    assert_eq!(app.visitor().get("/api/guide").unwrap().code(), "not-signed-in");
    let (visitor, card) = app.company();
    assert_eq!(visitor.get("/api/guide").unwrap().status, 404);
    let mut form = http_tests::application();
    form["companyName"] = "<b>{{AP_ID}}&甲</b>".into();
    let receipt = visitor.apply(&card, form).unwrap().expect(201).unwrap();
    app.decides(&text(&receipt["serialNumber"]), "approve");
    let guide = visitor.get("/api/guide").unwrap().text;
    assert!(guide.contains("&lt;b&gt;{{AP_ID}}&amp;甲&lt;/b&gt;"));
    assert_eq!(guide.matches("{{").count(), 1);
}
