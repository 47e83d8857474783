//! NIST PKITS, by the manifest of certvalidator: path validation with policies and lists.

use std::path::Path;

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

pub(crate) fn judge(cases: &[Case], folder: &Path) -> Result<Vec<Judged>, CorpusError> {
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
            let loaded = Loaded {
                case,
                anchor: anchor.clone(),
                certificate: folder.read("certs", &case.cert)?,
                others: read("certs", &case.other_certs)?,
                lists,
            };
            let expected = if case.error.is_some() { "reject" } else { "accept" };
            let id = format!("{}-{}", case.id, case.name);
            Ok(timed(&id, expected, || judge_case(&loaded)))
        })
        .collect()
}
