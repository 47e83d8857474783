//! Every corpus, with every difference explained (#3).

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use corpora_tests::{
    Row, compare, folder, judge, judge_messages, openssl, table, unpacked, vectors,
};
use corpus::Verdict;
use serde_json::Value;

/// Microseconds that one judgement may take (native); a build without optimisation gets
/// twenty times as many.
const LIMIT: u128 = if cfg!(debug_assertions) { 1_000_000 } else { 50_000 };

/// The folders; where there are none, it is said loudly, and in CI it is a failure.
fn folders() -> Option<(PathBuf, PathBuf)> {
    let Some(folder) = folder() else {
        assert!(std::env::var_os("CI").is_none(), "the corpora are missing");
        eprintln!(
            "!! SKIPPED: no corpora (CHAYAN_CORPORA or ../shared/corpora): nothing was put to the verifier"
        );
        return None;
    };
    // Unpacked once, whichever test comes first.
    static VECTORS: OnceLock<PathBuf> = OnceLock::new();
    let vectors = VECTORS.get_or_init(|| unpacked(&folder).unwrap()).clone();
    Some((folder, vectors))
}

fn pkits_folder(vectors: &Path) -> PathBuf {
    vectors.join("cryptography-vectors/cryptography_vectors/x509/PKITS_data")
}

#[test]
fn no_difference_is_unexplained() {
    let Some((folder, vectors)) = folders() else { return };
    let limbo = judge(&vectors.join("x509-limbo/limbo-core.json"), None).unwrap();
    // Cases about names of TLS servers are not asked of a verifier of cards.
    let limbo: Vec<_> = limbo
        .into_iter()
        .filter(|(judged, _)| {
            !judged.id.starts_with("webpki::") && !judged.id.starts_with("online::")
        })
        .collect();
    let pkits =
        judge(&vectors.join("pkits/pkits-manifest.json"), Some(&pkits_folder(&vectors))).unwrap();
    let manifest = vectors.join("pkits/pkits-manifest.json");
    let messages = judge_messages(&manifest, &pkits_folder(&vectors)).unwrap();
    let rows: Vec<Row> = [
        ("cms-attacks", judge(&folder.join("cms-attacks.json"), None).unwrap()),
        ("jwt-attacks", judge(&folder.join("jwt-attacks.json"), None).unwrap()),
        ("x509-limbo", limbo),
        ("PKITS", pkits),
        ("PKITS as CMS", messages),
        ("BoringSSL certificates", vectors::certificates(&vectors).unwrap()),
        ("BoringSSL CRL", vectors::lists(&vectors).unwrap()),
        ("Wycheproof RSA", vectors::rsa(&vectors).unwrap()),
        ("Wycheproof JWS", vectors::jws(&vectors).unwrap()),
    ]
    .into_iter()
    .map(|(name, judged)| compare(name, &judged).unwrap())
    .collect();
    print!("{}", table(&rows));
    let unlisted: Vec<_> = rows.iter().flat_map(|row| &row.unlisted).collect();
    assert!(unlisted.is_empty(), "{unlisted:#?}");
    for row in &rows {
        assert!(row.slowest < LIMIT, "{}: {} µs", row.corpus, row.slowest);
    }
    check_table(&table(&rows));
}

/// The table in the document is what this run showed; `CHAYAN_UPDATE_DOCS=1` writes it.
fn check_table(table: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/trust.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = ("<!-- corpora: generated -->\n", "<!-- end -->");
    let (before, rest) = text.split_once(begin).expect("the place of the table");
    let (old, after) = rest.split_once(end).expect("the end of the table");
    if old == table {
        return;
    }
    assert!(
        std::env::var_os("CHAYAN_UPDATE_DOCS").is_some(),
        "docs/trust.md is not what was measured; CHAYAN_UPDATE_DOCS=1 writes it:\n{table}"
    );
    std::fs::write(path, format!("{before}{begin}{table}{end}{after}")).unwrap();
}

#[test]
fn malformed_inputs_are_refused_in_time() {
    let Some((_, vectors)) = folders() else { return };
    for (kind, parsed) in vectors::seeds(&vectors).unwrap() {
        println!("{kind}: {parsed:?}");
        assert!(parsed.inputs > 500 && parsed.slowest < LIMIT, "{kind}: {parsed:?}");
    }
}

/// What OpenSSL refuses and we accept, with the reason.
const WE_ALONE: &[(&str, &str)] = &[
    ("ok/leaf-only-bag", "the issuing CA is configured; OpenSSL wants it untrusted beside"),
    ("path/intermediate-expired", "OpenSSL takes the message's copy of the issuing CA"),
    ("path/name-constraints-dn", "OpenSSL takes the message's copy of the issuing CA"),
    ("crl/issuer-no-crlsign", "OpenSSL takes the message's copy of the issuing CA"),
    ("rfc5280::nc::nc-forbids-", "OpenSSL looks for no other path when constraints forbid one"),
    ("rfc5280::validity::notafter-", "RFC 5280 counts the last second, OpenSSL does not"),
    ("flip/", "the bit lies in the message's copy of the issuing CA, which we do not read"),
];

fn explained(id: &str) -> bool {
    WE_ALONE.iter().any(|(known, _)| id.starts_with(known))
}

#[test]
fn openssl_accepts_what_we_accept() {
    let Some((folder, vectors)) = folders() else { return };
    let mut alone = Vec::new();
    let mut asked = 0;
    let read = |path: &Path| -> Value {
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    };

    let path = folder.join("cms-attacks.json");
    let attacks = read(&path);
    let cases = attacks["cases"].as_array().unwrap();
    for ((judged, _), case) in judge(&path, None).unwrap().iter().zip(cases) {
        if judged.verdict == Verdict::Accept {
            asked += 1;
            if let Err(words) = openssl::cms(&attacks, case).unwrap() {
                alone.push((judged.id.clone(), words));
            }
        }
    }

    let path = vectors.join("x509-limbo/limbo-core.json");
    let limbo = read(&path);
    let cases = limbo["testcases"].as_array().unwrap();
    for ((judged, _), case) in judge(&path, None).unwrap().iter().zip(cases) {
        let named = |prefix: &str| judged.id.starts_with(prefix);
        if judged.verdict == Verdict::Reject || named("webpki::") || named("online::") {
            continue;
        }
        asked += 1;
        let all = |member: &str| -> String {
            case[member].as_array().unwrap().iter().map(|pem| pem.as_str().unwrap()).collect()
        };
        let at = case["validation_time"]
            .as_str()
            .map_or_else(jiff::Timestamp::now, |time| time.parse().unwrap());
        let question = openssl::PathQuestion {
            anchors: &all("trusted_certs"),
            intermediates: &all("untrusted_intermediates"),
            certificate: case["peer_certificate"].as_str().unwrap(),
            lists: &all("crls"),
            at: at.as_second(),
            arguments: &[],
        };
        if let Err(words) = openssl::path(&question).unwrap() {
            alone.push((judged.id.clone(), words));
        }
    }

    let path = vectors.join("pkits/pkits-manifest.json");
    let data = pkits_folder(&vectors);
    let manifest = read(&path);
    let encode = |kind: &str, name: &str| {
        let tag = if kind == "crls" { "X509 CRL" } else { "CERTIFICATE" };
        pem::encode(&pem::Pem::new(tag, std::fs::read(data.join(kind).join(name)).unwrap()))
    };
    let cases = manifest.as_array().unwrap();
    for ((judged, _), case) in judge(&path, Some(&data)).unwrap().iter().zip(cases) {
        if judged.verdict == Verdict::Reject {
            continue;
        }
        asked += 1;
        let all = |kind: &str, member: &str| -> String {
            let names = case[member].as_array().into_iter().flatten();
            names.map(|name| encode(kind, name.as_str().unwrap())).collect()
        };
        let lists = if case["revocation"] == false {
            String::new()
        } else {
            all("crls", "crls") + &encode("crls", "TrustAnchorRootCRL.crl")
        };
        let mut arguments = Vec::new();
        let parameters = &case["params"];
        for policy in parameters["user_initial_policy_set"].as_array().into_iter().flatten() {
            arguments.extend(["-policy".to_owned(), policy.as_str().unwrap().to_owned()]);
        }
        if arguments.is_empty() {
            // Any policy.
            arguments.extend(["-policy".to_owned(), "2.5.29.32.0".to_owned()]);
        }
        for (member, flag) in [
            ("initial_explicit_policy", "-explicit_policy"),
            ("initial_policy_mapping_inhibit", "-inhibit_map"),
            ("initial_any_policy_inhibit", "-inhibit_any"),
        ] {
            if parameters[member] == true {
                arguments.push(flag.to_owned());
            }
        }
        arguments.push("-policy_check".to_owned());
        let question = openssl::PathQuestion {
            anchors: &encode("certs", "TrustAnchorRootCertificate.crt"),
            intermediates: &all("certs", "other_certs"),
            certificate: &encode("certs", case["cert"].as_str().unwrap()),
            lists: &lists,
            at: 1_651_363_200,
            arguments: &arguments,
        };
        if let Err(words) = openssl::path(&question).unwrap() {
            alone.push((judged.id.clone(), words));
        }
    }
    println!("{asked} asked");
    let unexplained: Vec<_> = alone.iter().filter(|(id, _)| !explained(id)).collect();
    assert!(unexplained.is_empty(), "{unexplained:#?}");
    // An explanation that explains nothing is deleted.
    for (id, _) in WE_ALONE {
        assert!(
            alone.iter().any(|(found, _)| found.starts_with(id)),
            "{id}: OpenSSL accepts it now"
        );
    }
}
