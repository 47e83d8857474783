//! The corpora of attacks in WebAssembly: the same verdicts as natively, in time and in
//! 64 MiB (#3). The RSA public-key operation in WebAssembly beside a library (#7).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use corpora_tests::powers::{by_openssl, input};
use http_tests::{Host, project};
use num_bigint::BigUint;
use serde_json::Value;
use test_pki::client::Visitor;

/// Microseconds that one judgement may take in WebAssembly.
const LIMIT: u64 = 500_000;

fn judge_in_wasm(host: &Host, text: &str) -> Vec<Value> {
    let mut stream = TcpStream::connect(host.address).unwrap();
    let head = format!(
        "POST /granted/corpus HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n",
        text.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer);
    // Lines of the chunked encoding are no JSON objects.
    answer
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(Value::is_object)
        .collect()
}

fn probe() -> Host {
    let path = |name: &str| project().join(name).display().to_string();
    let (manifest, state) = (path("tests/probe/spin.toml"), path("target/test-data/probe"));
    Host::start(&[
        "--from",
        &manifest,
        "--state-dir",
        &state,
        "--variable",
        "needed=x",
        "--max-body",
        "4194304",
        "--request-timeout",
        "60",
    ])
    .unwrap()
}

#[test]
fn attacks_are_judged_in_wasm_as_natively() {
    let Some(folder) = corpora_tests::folder() else {
        assert!(std::env::var_os("CI").is_none(), "the corpora are missing");
        eprintln!("!! SKIPPED: no corpora: nothing was judged in WebAssembly");
        return;
    };
    let host = probe();
    let vectors = corpora_tests::unpacked(&folder).unwrap();
    let files: [&Path; 3] = [
        &folder.join("cms-attacks.json"),
        &folder.join("jwt-attacks.json"),
        &vectors.join("x509-limbo/limbo-core.json"),
    ];
    for file in files {
        let text = std::fs::read_to_string(file).unwrap();
        let native = corpora_tests::judge(file, None).unwrap();
        let wasm = judge_in_wasm(&host, &text);
        assert_eq!(wasm.len(), native.len(), "{}", file.display());
        for ((native, _), wasm) in native.iter().zip(&wasm) {
            assert_eq!(wasm["id"], native.id);
            assert_eq!(wasm["verdict"], serde_json::json!(native.verdict), "{}", native.id);
            assert!(wasm["micros"].as_u64().unwrap() < LIMIT, "{wasm}");
        }
    }
}

/// In WebAssembly it multiplies by vector instructions that are nowhere else: the numbers of
/// `tests/corpora/tests/public_operation.rs` are put to it there as well. `CHAYAN_DIFFERENTIAL`
/// inputs, 4,000 unless it is set.
#[test]
fn the_public_operation_in_wasm_agrees_with_openssl() {
    const AT_ONCE: u64 = 500;
    let count = std::env::var("CHAYAN_DIFFERENTIAL").map_or(4_000, |text| text.parse().unwrap());
    let host = probe();
    let visitor = Visitor::new(format!("http://{}", host.address));
    let mut context = openssl::bn::BigNumContext::new().unwrap();
    let mut below = 0;
    for first in (0..count).step_by(usize::try_from(AT_ONCE).unwrap()) {
        let inputs: Vec<_> = (first..count.min(first + AT_ONCE)).map(input).collect();
        let body = inputs.iter().map(|(n, s)| [*n, *s].concat()).collect::<Vec<_>>().concat();
        let answer =
            visitor.post_raw("/granted/powers", "application/octet-stream", &body).unwrap();
        let powers: Result<Vec<Option<Vec<u8>>>, String> =
            serde_json::from_str(&answer.text).unwrap();
        let powers = powers.unwrap();
        assert_eq!(powers.len(), inputs.len());
        for ((index, (n, s)), power) in (first..).zip(&inputs).zip(powers) {
            let power = power.map(|power| BigUint::from_bytes_be(&power));
            assert_eq!(power, by_openssl(n, s, &mut context), "{index}");
            below += u64::from(power.is_some());
        }
    }
    assert!(below > count / 2 && below < count, "{below} of {count}");
}
