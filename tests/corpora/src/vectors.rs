//! Vectors that no profile is needed for: signatures, tokens, lists, malformed DER.

use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use corpus::{Judged, Verdict};
use pki::jwt::Unverified;
use pki::revocation::{self, Crl, ListsInMemory};
use pki::{Arithmetic, Certificate, PreparedKey, RsaPublicKey};
use serde::Deserialize;

use crate::Expected;

fn judged(
    id: String,
    expected: Expected,
    judge: impl FnOnce() -> Result<(), String>,
) -> (Judged, Expected) {
    let begun = Instant::now();
    let outcome = judge();
    let micros = begun.elapsed().as_micros();
    let verdict = if outcome.is_ok() { Verdict::Accept } else { Verdict::Reject };
    let reason = outcome.err().unwrap_or_default();
    (Judged { id, verdict, reason, micros, expected: String::new() }, expected)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WycheproofFile {
    test_groups: Vec<WycheproofGroup>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WycheproofGroup {
    public_key_asn: Option<String>,
    public: Option<serde_json::Value>,
    #[serde(default)]
    comment: String,
    tests: Vec<WycheproofTest>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WycheproofTest {
    tc_id: u32,
    #[serde(default)]
    msg: String,
    #[serde(default)]
    sig: String,
    #[serde(default)]
    jws: serde_json::Value,
    result: String,
}

fn wycheproof(folder: &Path, name: &str) -> anyhow::Result<WycheproofFile> {
    let path = folder.join("wycheproof/testvectors_v1").join(name);
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    Ok(serde_json::from_str(&text)?)
}

/// Wycheproof's RSASSA-PKCS1-v1_5 with SHA-256, as tokens are verified.
///
/// # Errors
/// When a file cannot be read.
pub fn rsa(folder: &Path) -> anyhow::Result<Vec<(Judged, Expected)>> {
    let mut all = Vec::new();
    for bits in [2048, 3072, 4096] {
        let file = wycheproof(folder, &format!("rsa_signature_{bits}_sha256_test.json"))?;
        for group in file.test_groups {
            let key = hex::decode(group.public_key_asn.context("no key")?)?;
            for test in group.tests {
                let expected = match test.result.as_str() {
                    "valid" => Expected::Accept,
                    "acceptable" => Expected::Decided,
                    _ => Expected::Reject,
                };
                let (message, signature) = (hex::decode(test.msg)?, hex::decode(test.sig)?);
                all.push(judged(format!("{bits}-{}", test.tc_id), expected, || {
                    let key = RsaPublicKey::from_pkcs1(&key).map_err(|e| e.to_string())?;
                    verify_both_ways(key, &message, &signature)
                }));
            }
        }
    }
    Ok(all)
}

/// Wycheproof's JSON Web Signatures. Their payloads are no claims and their headers name
/// keys, so the whole parser must refuse all of them; what is compared is the signature
/// of RS256, and every other algorithm counts as refused.
///
/// # Errors
/// When a file cannot be read.
pub fn jws(folder: &Path) -> anyhow::Result<Vec<(Judged, Expected)>> {
    let file = wycheproof(folder, "json_web_signature_test.json")?;
    let mut all = Vec::new();
    for group in file.test_groups {
        let algorithm = group.public.as_ref().and_then(|key| key["alg"].as_str());
        let rs256 = algorithm == Some("RS256")
            && ["rs256", "rfc7520", "rfc7520WithKeyOps"].contains(&group.comment.as_str());
        let key = group.public.as_ref().filter(|_| rs256).and_then(rsa_key);
        for test in group.tests {
            let token = test.jws.as_str().map_or_else(|| test.jws.to_string(), str::to_owned);
            let valid = test.result == "valid" && rs256;
            let expected = if valid { Expected::Accept } else { Expected::Reject };
            let id = format!("{}-{}", group.comment, test.tc_id);
            anyhow::ensure!(
                Unverified::<serde_json::Value>::parse(&token).is_err(),
                "{id}: a token without claims was parsed"
            );
            all.push(judged(id, expected, || check_rs256(&token, key.as_ref())));
        }
    }
    Ok(all)
}

fn rsa_key(jwk: &serde_json::Value) -> Option<Vec<u8>> {
    let part = |name: &str| BASE64_URL_SAFE_NO_PAD.decode(jwk[name].as_str()?).ok();
    let integer = |bytes: &[u8]| {
        let mut value = bytes.to_vec();
        if value.first().is_some_and(|first| first & 0x80 != 0) {
            value.insert(0, 0);
        }
        tlv(2, &value)
    };
    Some(tlv(0x30, &[integer(&part("n")?), integer(&part("e")?)].concat()))
}

fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes();
    let mut out = vec![tag];
    match value.len() {
        0..128 => out.push(length[1]),
        128..256 => out.extend([0x81, length[1]]),
        _ => out.extend([0x82, length[0], length[1]]),
    }
    out.extend(value);
    out
}

fn check_rs256(token: &str, key: Option<&Vec<u8>>) -> Result<(), String> {
    let key = RsaPublicKey::from_pkcs1(key.ok_or("not RS256")?).map_err(|e| e.to_string())?;
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, signature] = parts.as_slice() else { return Err("parts".into()) };
    let decode = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|e| e.to_string());
    let header_json: serde_json::Value =
        serde_json::from_slice(&decode(header)?).map_err(|e| e.to_string())?;
    if header_json["alg"] != "RS256" {
        return Err("algorithm".into());
    }
    let signed = format!("{header}.{payload}");
    verify_both_ways(key, signed.as_bytes(), &decode(signature)?)
}

/// By our own arithmetic and by the library: they must agree.
fn verify_both_ways(key: RsaPublicKey, message: &[u8], signature: &[u8]) -> Result<(), String> {
    let library = key.verify_sha256(message, signature);
    let prepared = PreparedKey::new(key, Arithmetic::Prepared).verify_sha256(message, signature);
    assert_eq!(prepared, library, "our arithmetic and the library disagree");
    prepared.map_err(|error| error.to_string())
}

/// BoringSSL's lists: the file's name tells the verdict.
///
/// # Errors
/// When a file cannot be read.
pub fn lists(folder: &Path) -> anyhow::Result<Vec<(Judged, Expected)>> {
    let at = "2017-03-09T00:00:00Z".parse()?;
    let mut all = Vec::new();
    for path in files(&folder.join("boringssl-pki/crl_unittest"))? {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let blocks = pem::parse_many(std::fs::read_to_string(&path)?)?;
        let block = |tag: &str| blocks.iter().find(|block| block.tag() == tag);
        let (Some(leaf), Some(list)) = (block("CERTIFICATE"), block("CRL")) else { continue };
        let issuers: Vec<_> = ["CA CERTIFICATE", "CA CERTIFICATE 2", "CRL CA CERTIFICATE"]
            .into_iter()
            .filter_map(block)
            .collect();
        let expected = if name.starts_with("good") { Expected::Accept } else { Expected::Reject };
        all.push(judged(name, expected, || {
            let read = |der: &[u8]| Certificate::from_der(der).map_err(|e| e.to_string());
            let leaf = read(leaf.contents())?;
            let issuers =
                issuers.iter().map(|der| read(der.contents())).collect::<Result<Vec<_>, _>>()?;
            let issuer = issuers.first().ok_or("no issuer")?;
            let mut known = ListsInMemory::default();
            known.add(list.contents(), issuer).map_err(|e| e.to_string())?;
            revocation::judge_path(&[issuer, &leaf], &known, at)
                .map(drop)
                .map_err(|e| e.to_string())
        }));
    }
    Ok(all)
}

/// A named block; others in the same file are commented out and no Base64.
fn block(text: &str, tag: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once(&format!("\n-----BEGIN {tag}-----"))?;
    let (body, _) = rest.split_once("-----END")?;
    let base64: String = body.split_ascii_whitespace().collect();
    BASE64_STANDARD.decode(base64).ok()
}

/// BoringSSL's certificates: what its parser has an error for must be refused, by the
/// parser or by the rules for every certificate of a path (here below PKITS's anchor).
/// Certificates that its parser reads but no path may contain are refused by the rules;
/// for those only the parser's verdict counts.
///
/// # Errors
/// When a file cannot be read.
pub fn certificates(folder: &Path) -> anyhow::Result<Vec<(Judged, Expected)>> {
    let data = folder.join("cryptography-vectors/cryptography_vectors/x509/PKITS_data");
    let anchor = std::fs::read(data.join("certs/TrustAnchorRootCertificate.crt"))?;
    let anchor = Certificate::from_der(&anchor)?;
    let mut all = Vec::new();
    for path in files(&folder.join("boringssl-pki/parse_certificate_unittest"))? {
        if path.extension().is_none_or(|extension| extension != "pem") {
            continue;
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path)?;
        let Some(certificate) = block(&text, "CERTIFICATE") else { continue };
        let refused = block(&text, "ERRORS").is_some_and(|errors| errors.starts_with(b"ERROR"));
        let expected = if refused { Expected::Reject } else { Expected::Accept };
        all.push(judged(name, expected, || {
            let certificate = Certificate::from_der(&certificate).map_err(|e| e.to_string())?;
            if refused {
                // Within its validity: it must be refused for something else.
                let at = certificate.not_before().max(anchor.not_before());
                pki::check_path(&[&anchor, &certificate], &pki::PathRequest::at(at))
                    .map_err(|e| e.to_string())?;
            }
            Ok(())
        }));
    }
    Ok(all)
}

/// The files of a folder, sorted.
///
/// # Errors
/// When it cannot be read.
pub fn files(folder: &Path) -> anyhow::Result<Vec<std::path::PathBuf>> {
    let mut files = std::fs::read_dir(folder)
        .with_context(|| folder.display().to_string())?
        .map(|entry| Ok(entry?.path()))
        .collect::<anyhow::Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

/// What a parser made of malformed inputs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parsed {
    /// Inputs.
    pub inputs: usize,
    /// Inputs that were read.
    pub read: usize,
    /// The longest time, in microseconds.
    pub slowest: u128,
}

/// Runs every seed of OpenSSL's fuzzers through the parser that it was made for. A panic
/// ends the test.
///
/// # Errors
/// When a file cannot be read.
pub fn seeds(folder: &Path) -> anyhow::Result<Vec<(&'static str, Parsed)>> {
    let seeds = folder.join("fuzz-seeds/openssl-fuzz-corpora");
    let mut all = Vec::new();
    for kind in ["x509", "crl", "cms", "asn1", "asn1parse"] {
        let mut parsed = Parsed::default();
        for path in files(&seeds.join(kind))? {
            let bytes = std::fs::read(path)?;
            let begun = Instant::now();
            let read = match kind {
                "x509" => Certificate::from_der(&bytes).is_ok(),
                "crl" => Crl::from_der(&bytes).is_ok(),
                "cms" => pki::parse_message(&bytes).is_ok(),
                _ => {
                    // Anything: to every parser.
                    Certificate::from_der(&bytes).is_ok()
                        | Crl::from_der(&bytes).is_ok()
                        | pki::parse_message(&bytes).is_ok()
                        | pki::read_certificate_file(&bytes).is_ok()
                }
            };
            parsed.inputs += 1;
            parsed.read += usize::from(read);
            parsed.slowest = parsed.slowest.max(begun.elapsed().as_micros());
        }
        all.push((kind, parsed));
    }
    Ok(all)
}
