//! What no page of ours sends (#4): paths, shell characters, NUL, a megabyte, deep nesting,
//! PINs in wrong encodings, unknown functions. On both surfaces a refusal by its code, and no
//! process, file or card is touched for it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod desk;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use desk::{Bridge, Hipki, PIN};
use serde_json::{Value, json};

/// Strings that have been a way into other programs of this kind.
fn hostile() -> Vec<String> {
    let mut all: Vec<String> = [
        "../../../../etc/passwd",
        "/etc/shadow",
        r"\\evil.example\share\x.dll",
        r"C:\Windows\System32\calc.exe",
        "file:///etc/passwd",
        "; touch evil",
        "$(touch evil)",
        "`touch evil`",
        "| touch evil",
        "& calc.exe",
        "--pkcs11=/tmp/evil.so",
        "a\0b",
        "%00",
        "\r\nx-page-origin: http://127.0.0.1:3000",
        "\u{202e}gnp.exe",
        "' OR 1=1 --",
        "{{7*7}}",
    ]
    .map(str::to_owned)
    .into();
    all.push("a".repeat(1 << 20));
    all
}

/// A value in arrays, so many deep.
fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

/// What a bridge has done so far: the page faults of processes that it started and that
/// ended, those that run, and every file of its folder.
#[derive(PartialEq, Debug)]
struct Traces {
    ended: u64,
    running: String,
    files: BTreeMap<PathBuf, (u64, SystemTime)>,
}

impl Traces {
    fn of(bridge: &Bridge) -> Self {
        let id = bridge.running.id();
        let children = format!("/proc/{id}/task/{id}/children");
        let running = || std::fs::read_to_string(&children).unwrap();
        let end = Instant::now() + Duration::from_secs(5);
        // What has answered may not have been seen off yet.
        while !running().is_empty() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        // cminflt, the eleventh field of proc(5)'s list.
        let ended = fields.split(' ').nth(8).unwrap().parse().unwrap();
        let mut found = Self { ended, running: running(), files: BTreeMap::new() };
        found.walk(&bridge.dir);
        found
    }

    fn walk(&mut self, folder: &Path) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let about = path.metadata().unwrap();
            if about.is_dir() {
                self.walk(&path);
            } else {
                self.files.insert(path, (about.len(), about.modified().unwrap()));
            }
        }
    }
}

#[test]
fn the_own_surface_refuses_bad_input_before_anything_is_touched() {
    let bridge = Bridge::with_answer("bad-input", "999999");
    // What does start a process is seen this way.
    let before = Traces::of(&bridge);
    assert_eq!(bridge.post("/v1/cards", &json!({})).0, 200);
    let begun = Traces::of(&bridge);
    assert_ne!(before.ended, begun.ended);

    let sign = |member: &str, value: &Value| {
        let mut body =
            json!({"card": "0:company", "purpose": "apply", "challenge": "c", "document": {}});
        body[member] = value.clone();
        body
    };
    let refused = |path: &str, body: &str, code: &str| {
        let headers = [&bridge.host(), "origin: http://127.0.0.1:3000", desk::JSON];
        let (_, answer, _) = bridge.with_headers("POST", path, &headers, body);
        let shown: String = body.chars().take(80).collect();
        assert_eq!(answer["code"], code, "{path} {shown}");
    };
    let malformed = |path: &str, body: &str| refused(path, body, "malformed-request");
    for text in hostile() {
        let value = json!(text);
        for member in ["purpose", text.as_str(), "pin", "module", "path"] {
            malformed("/v1/sign", &sign(member, &value).to_string());
        }
        for (path, member) in [
            ("/v1/hello", "nonce"),
            ("/v1/cards", "slot"),
            ("/v1/pair/begin", "origin"),
            ("/v1/changes", "since"),
        ] {
            malformed(path, &json!({ member: text }).to_string());
        }
        malformed("/v1/sign", &text);
        malformed("/v1/pair/reveal", &json!({"pairing": text, "nonce": "x"}).to_string());
        let unknown = json!({"pairing": text});
        let code = if text.len() > 1000 { "malformed-request" } else { "pairing-refused" };
        refused("/v1/pair/confirm", &unknown.to_string(), code);
        if text.contains('\0') || text.contains('\n') || text.len() > 1000 {
            malformed("/v1/sign", &sign("card", &value).to_string());
        }
        if text.len() > 1000 {
            for member in ["challenge", "document"] {
                malformed("/v1/sign", &sign(member, &value).to_string());
            }
        }
    }
    for depth in [200, 100_000] {
        malformed("/v1/sign", &nested(depth));
        let body = sign("document", &json!("x")).to_string().replace("\"x\"", &nested(depth));
        malformed("/v1/sign", &body);
    }
    for body in ["", "null", "{", "{}x", "\u{feff}{}", "[]", "1e999", r#"{"card":"\ud800"}"#] {
        malformed("/v1/sign", body);
    }
    for path in
        ["/v1/exec", "/v1/sign?module=/tmp/x.so&x=%00", "/v1/..%2f..%2fetc%2fpasswd", "/v1/decrypt"]
    {
        malformed(path, "{}");
    }
    assert_eq!(Traces::of(&bridge), begun, "nothing was started or written");
    assert_eq!(bridge.card().tries_left, 3);
}

#[test]
fn the_components_surface_refuses_bad_input_before_anything_is_touched() {
    let hipki = Hipki::start("bad-input-hipki", "999999");
    let bridge = &hipki.bridge;
    let before = Traces::of(bridge);
    let listed = hipki.post("/pkcs11info", "");
    assert_eq!(listed["ret_code"], 0, "{listed}");
    let begun = Traces::of(bridge);
    assert_ne!(before.ended, begun.ended);

    let package = |member: &str, value: &str| {
        let mut package = json!({
            "func": "MakeSignature", "tbs": "text", "tbsEncoding": "NONE",
            "hashAlgorithm": "SHA256", "signatureType": "PKCS1", "pin": PIN,
        });
        package[member] = json!(value);
        format!("tbsPackage={}", package.to_string().replace('%', "%25").replace('&', "%26"))
    };
    let refused = |path: &str, body: &str, code: u32, last: i64| {
        let answer = hipki.post(path, body);
        let shown: String = body.chars().take(200).collect();
        let found = (&answer["ret_code"], &answer["last_error"]);
        assert_eq!(found, (&json!(code), &json!(last)), "{path} {shown}");
        // In words, too.
        let said = answer["message"].as_str().unwrap();
        assert!(!said.is_empty() && said != "元件執行失敗", "{path} {shown}: {said}");
    };
    const PARAMETER: u32 = 0x7600_000c;
    for text in hostile() {
        let long = text.len() > 1000;
        let or = |code: u32| if long { PARAMETER } else { code };
        refused("/sign", &package("signatureType", &text), or(0x7630_0002), 0);
        refused("/sign", &package("hashAlgorithm", &text), PARAMETER, 0);
        refused("/sign", &text, or(0x7600_000b), 0);
        for path in ["/decrypt", "/writecert", "/CardManagement/sendCardCommand", "/unsupported"] {
            refused(path, &package("module", &text), or(0x7600_000e), 0);
        }
        if text.len() > 8 {
            let (code, last) = if long { (PARAMETER, 0) } else { (0x7610_0006, 0xa2) };
            refused("/sign", &package("pin", &text), code, last);
        }
    }
    // PINs in encodings that no card takes: the card is not asked.
    for pin in [
        "１２３４５６",
        "12345\u{0}",
        "12345\n",
        "１23456",
        "12345",
        "123456789",
        "%00%00%00%00%00%00",
        "%31%32%33",
        "\u{202e}123456",
        "     1",
    ] {
        refused("/sign", &package("pin", pin), 0x7610_0006, 0xa2);
    }
    refused("/sign", &package("pin", ""), 0x7600_0998, 0);
    for depth in [200, 100_000] {
        // What is not known is skipped however deep it is; what is known is not.
        for (member, code) in [("unknown", 0x7600_0003), ("tbs", 0x7600_000b)] {
            let deep = format!("tbsPackage={{\"{member}\":{}}}", nested(depth));
            refused("/sign", &deep, code, 0);
        }
    }
    for body in ["tbsPackage=", "tbsPackage={", "%00", "tbsPackage=null x"] {
        refused("/sign", body, 0x7600_000b, 0);
    }
    refused("/sign", "", 0x7600_0003, 0);
    refused("/sign", &package("tbs", "__NotExistedTag__"), 0x7600_0003, 0);
    let mut bad = json!({"tbs": "!", "tbsEncoding": "base64", "hashAlgorithm": "SHA256", "signatureType": "PKCS7", "pin": PIN});
    refused("/sign", &format!("tbsPackage={bad}"), 0x7660_0002, 0);
    bad["tbs"] = json!("aa==\0");
    refused("/sign", &format!("tbsPackage={bad}"), 0x7660_0002, 0);
    assert_eq!(Traces::of(bridge), begun, "nothing was started or written");
    // A reader that is a path is no reader.
    let slot = hipki.post("/sign", &package("slotDescription", "../../etc/passwd"));
    assert_eq!(slot["ret_code"], 0x7600_0006, "{slot}");
    // Nobody's names become files or windows.
    for text in hostile().into_iter().filter(|text| text.len() < 1000) {
        let domain: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let added = hipki.post(&format!("/addDomain?domain={domain}"), "");
        assert_eq!(added["ret_code"], PARAMETER, "{text:?} {added}");
    }
    assert_eq!(bridge.card().tries_left, 3);
}
