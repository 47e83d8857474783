//! The corpora of attacks in WebAssembly: the same verdicts as natively, in time and in
//! 64 MiB (#3).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use http_tests::{Host, project};
use serde_json::Value;

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

#[test]
fn attacks_are_judged_in_wasm_as_natively() {
    let Some(folder) = corpora_tests::folder() else {
        assert!(std::env::var_os("CI").is_none(), "the corpora are missing");
        eprintln!("!! SKIPPED: no corpora: nothing was judged in WebAssembly");
        return;
    };
    let path = |name: &str| project().join(name).display().to_string();
    let (manifest, state) = (path("tests/probe/spin.toml"), path("target/test-data/probe"));
    let host = Host::start(&[
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
    .unwrap();
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
