//! OpenSSL as a second, independent verifier: what we accept, it must accept too.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

/// A folder for the files of one case.
struct Files(PathBuf);

impl Files {
    fn new(name: &str) -> anyhow::Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/openssl").join(name);
        std::fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }

    fn write(&self, name: &str, content: &[u8]) -> anyhow::Result<PathBuf> {
        let path = self.0.join(name);
        std::fs::File::create(&path)?.write_all(content)?;
        Ok(path)
    }
}

fn pem(tag: &str, der: Vec<u8>) -> String {
    pem::encode(&pem::Pem::new(tag, der))
}

/// Whether OpenSSL accepts; its last words otherwise.
fn run(command: &mut Command) -> anyhow::Result<Result<(), String>> {
    let output = command.output().context("openssl cannot be run")?;
    if output.status.success() {
        return Ok(Ok(()));
    }
    let words = [output.stdout, output.stderr].concat();
    let words = String::from_utf8_lossy(&words).into_owned();
    let words: Vec<_> = words.lines().filter(|line| line.contains("rror")).collect();
    Ok(Err(words.join("; ")))
}

fn seconds(time: Option<&str>) -> anyhow::Result<String> {
    let time: jiff::Timestamp = time.unwrap_or("2026-06-15T04:00:00Z").parse()?;
    Ok(time.as_second().to_string())
}

/// Asks about a case of `cms-attacks.json`.
///
/// # Errors
/// When OpenSSL cannot be run.
pub fn cms(corpus: &Value, case: &Value) -> anyhow::Result<Result<(), String>> {
    let files = Files::new("cms")?;
    let der = |value: &Value| -> anyhow::Result<Vec<u8>> {
        Ok(BASE64_STANDARD.decode(value.as_str().context("no text")?)?)
    };
    let mut trusted = String::new();
    for root in corpus["roots"].as_array().into_iter().flatten() {
        trusted += &pem("CERTIFICATE", der(root)?);
    }
    for name in case["crls"].as_array().into_iter().flatten() {
        let list = &corpus["crl_pool"][name.as_str().context("no name")?];
        trusted += &pem("X509 CRL", der(list)?);
    }
    let mut issuers = String::new();
    for issuer in corpus["company_ca"].as_array().into_iter().flatten() {
        issuers += &pem("CERTIFICATE", der(issuer)?);
    }
    let content = files.write("content", &der(&case["expected_content_b64"])?)?;
    let mut command = Command::new("openssl");
    command
        .args(["cms", "-verify", "-binary", "-inform", "DER", "-out", "/dev/null"])
        .args(["-purpose", "any", "-crl_check_all", "-attime"])
        .arg(seconds(case["now"].as_str())?)
        .arg("-in")
        .arg(files.write("message", &der(&case["cms_b64"])?)?)
        .arg("-CAfile")
        .arg(files.write("trusted.pem", trusted.as_bytes())?)
        .arg("-certfile")
        .arg(files.write("issuers.pem", issuers.as_bytes())?);
    if case["detached"] == true {
        command.arg("-content").arg(content);
    }
    run(&mut command)
}

/// A path for `openssl verify`.
pub struct PathQuestion<'a> {
    /// Anchors, PEM.
    pub anchors: &'a str,
    /// Intermediates, PEM.
    pub intermediates: &'a str,
    /// The certificate, PEM.
    pub certificate: &'a str,
    /// Lists, PEM; none to leave revocation aside.
    pub lists: &'a str,
    /// Seconds since 1970.
    pub at: i64,
    /// Further arguments.
    pub arguments: &'a [String],
}

/// Asks about a path.
///
/// # Errors
/// When OpenSSL cannot be run.
pub fn path(question: &PathQuestion<'_>) -> anyhow::Result<Result<(), String>> {
    let files = Files::new("path")?;
    let mut command = Command::new("openssl");
    command
        .args(["verify", "-no-CApath", "-no-CAstore", "-partial_chain", "-attime"])
        .arg(question.at.to_string())
        .arg("-CAfile")
        .arg(files.write("anchors.pem", question.anchors.as_bytes())?)
        .args(question.arguments);
    if !question.intermediates.is_empty() {
        let path = files.write("intermediates.pem", question.intermediates.as_bytes())?;
        command.arg("-untrusted").arg(path);
    }
    if !question.lists.is_empty() {
        let path = files.write("lists.pem", question.lists.as_bytes())?;
        command.args(["-crl_check_all", "-CRLfile"]).arg(path);
    }
    command.arg(files.write("certificate.pem", question.certificate.as_bytes())?);
    run(&mut command)
}
