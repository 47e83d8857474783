//! NIST PKITS, by the manifest of certvalidator: path validation with policies and lists.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use pki::revocation::{self, ListsInMemory};
use pki::{Certificate, ObjectIdentifier, PathRequest};
use serde::Deserialize;

use crate::{CorpusError, Judged, Outcome, timed};

/// A moment at which the certificates are valid.
const AT: &str = "2022-05-01T00:00:00Z";

#[derive(Deserialize)]
pub(crate) struct Case {
    id: String,
    name: String,
    cert: String,
    #[serde(default)]
    other_certs: Vec<String>,
    #[serde(default)]
    crls: Vec<String>,
    revocation: Option<bool>,
    params: Option<Parameters>,
    error: Option<serde_json::Value>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Parameters {
    user_initial_policy_set: Vec<String>,
    initial_explicit_policy: bool,
    initial_policy_mapping_inhibit: bool,
    initial_any_policy_inhibit: bool,
}

struct Folder<'a>(&'a Path);

impl Folder<'_> {
    fn read(&self, kind: &str, name: &str) -> Result<Vec<u8>, CorpusError> {
        let path = self.0.join(kind).join(name);
        std::fs::read(&path).map_err(|e| CorpusError::File(path.display().to_string(), e))
    }
}

/// A case with its files.
struct Loaded<'a> {
    case: &'a Case,
    anchor: Vec<u8>,
    certificate: Vec<u8>,
    others: Vec<Vec<u8>>,
    lists: Vec<Vec<u8>>,
}

impl Loaded<'_> {
    fn id(&self) -> String {
        format!("{}-{}", self.case.id, self.case.name)
    }

    fn expected(&self) -> &'static str {
        if self.case.error.is_some() { "reject" } else { "accept" }
    }
}

fn judge_case(loaded: &Loaded<'_>) -> Outcome {
    let refused = |error: pki::PkiError| error.to_string();
    let at: Timestamp = AT.parse().map_err(|_| "the moment")?;
    let anchor = Certificate::from_der(&loaded.anchor).map_err(refused)?;
    let certificate = Certificate::from_der(&loaded.certificate).map_err(refused)?;
    let others: Vec<_> =
        loaded.others.iter().filter_map(|der| Certificate::from_der(der).ok()).collect();
    let none = Parameters::default();
    let parameters = loaded.case.params.as_ref().unwrap_or(&none);
    let policies: Vec<ObjectIdentifier> = parameters
        .user_initial_policy_set
        .iter()
        .map(|text| text.parse().map_err(|_| format!("policy {text}")))
        .collect::<Result<_, _>>()?;
    let request = PathRequest {
        policies: &policies,
        explicit_policy: parameters.initial_explicit_policy,
        inhibit_policy_mapping: parameters.initial_policy_mapping_inhibit,
        inhibit_any_policy: parameters.initial_any_policy_inhibit,
        ..PathRequest::at(at)
    };
    let anchors = [anchor];
    let path = pki::find_path(&certificate, &others, &anchors, &request).map_err(refused)?;
    if loaded.case.revocation != Some(false) {
        let mut known = ListsInMemory::default();
        for list in &loaded.lists {
            for issuer in &path {
                let _ = known.add(list, issuer);
            }
        }
        revocation::judge_path(&path, &known, at).map_err(refused)?;
    }
    Ok(format!("a path of {} certificates", path.len()))
}

/// The signed messages that PKITS has for its paths: name without underscores to file.
fn messages(folder: &Path) -> Result<BTreeMap<String, PathBuf>, CorpusError> {
    let smime = folder.join("smime");
    let unreadable = |error| CorpusError::File(smime.display().to_string(), error);
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(&smime).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        if let Some(name) = name.strip_prefix("signed") {
            found.insert(name.to_owned(), path);
        }
    }
    Ok(found)
}

/// Content and signature of a multipart/signed message (RFC 8551, section 3.5.3): the
/// first part as it stands, the second decoded.
fn parts(message: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let text = std::str::from_utf8(message).ok()?;
    let boundary = text.split("boundary=\"").nth(1)?.split('"').next()?;
    let delimiter = format!("--{boundary}");
    let mut parts = text.split(delimiter.as_str()).skip(1);
    let (content, signature) = (parts.next()?, parts.next()?);
    let line_end = |text: &str| if text.starts_with("\r\n") { 2 } else { 1 };
    let content = content.get(line_end(content)..)?;
    let content = content.strip_suffix("\r\n").or_else(|| content.strip_suffix('\n'))?;
    // The file may have kept bare line feeds; what was signed has both.
    let content = content.replace("\r\n", "\n").replace('\n', "\r\n");
    let signature = signature.replace('\r', "");
    let base64: String = signature.split_once("\n\n")?.1.split_ascii_whitespace().collect();
    Some((content.into_bytes(), BASE64_STANDARD.decode(base64).ok()?))
}

/// The same paths, each as the signature of a message: the path's verdict, and the
/// signature must be the certificate's.
pub(crate) fn judge_messages(cases: &[Case], folder: &Path) -> Result<Vec<Judged>, CorpusError> {
    let messages = messages(folder)?;
    load(cases, folder)?
        .iter()
        .filter_map(|loaded| {
            let file = messages.get(&loaded.case.name.replace('_', ""))?;
            Some(judge_message(loaded, file))
        })
        .collect()
}

fn judge_message(loaded: &Loaded<'_>, file: &Path) -> Result<Judged, CorpusError> {
    let message =
        std::fs::read(file).map_err(|e| CorpusError::File(file.display().to_string(), e))?;
    Ok(timed(&loaded.id(), loaded.expected(), || {
        let (content, signature) = parts(&message).ok_or("not multipart/signed")?;
        let signer =
            pki::unverified_signer(&signature, &content).map_err(|error| error.to_string())?;
        if signer.der() != loaded.certificate {
            return Err("another certificate signed".to_owned());
        }
        judge_case(loaded)
    }))
}

pub(crate) fn judge(cases: &[Case], folder: &Path) -> Result<Vec<Judged>, CorpusError> {
    let judged = load(cases, folder)?;
    let judged =
        judged.iter().map(|loaded| timed(&loaded.id(), loaded.expected(), || judge_case(loaded)));
    Ok(judged.collect())
}

fn load<'a>(cases: &'a [Case], folder: &Path) -> Result<Vec<Loaded<'a>>, CorpusError> {
    let folder = Folder(folder);
    let anchor = folder.read("certs", "TrustAnchorRootCertificate.crt")?;
    let root_list = folder.read("crls", "TrustAnchorRootCRL.crl")?;
    cases
        .iter()
        .map(|case| {
            let read = |kind: &str, names: &[String]| {
                names.iter().map(|name| folder.read(kind, name)).collect::<Result<Vec<_>, _>>()
            };
            let mut lists = read("crls", &case.crls)?;
            lists.push(root_list.clone());
            Ok(Loaded {
                case,
                anchor: anchor.clone(),
                certificate: folder.read("certs", &case.cert)?,
                others: read("certs", &case.other_certs)?,
                lists,
            })
        })
        .collect()
}
