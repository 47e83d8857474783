//! x509-limbo: path validation. Names of servers are compared here, in the harness: the
//! service judges no TLS certificate by its name.

use std::net::IpAddr;

use der::Decode;
use jiff::Timestamp;
use pki::revocation::{self, ListsInMemory};
use pki::{Certificate, PathRequest, oid};
use serde::Deserialize;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::{Judged, Outcome, timed};

#[derive(Deserialize)]
pub(crate) struct Corpus {
    testcases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    validation_kind: String,
    trusted_certs: Vec<String>,
    untrusted_intermediates: Vec<String>,
    peer_certificate: String,
    validation_time: Option<Timestamp>,
    expected_result: String,
    expected_peer_name: Option<PeerName>,
    max_chain_depth: Option<u8>,
    crls: Vec<String>,
}

#[derive(Deserialize)]
struct PeerName {
    kind: String,
    value: String,
}

fn der(text: &str) -> Result<Vec<u8>, String> {
    pem::parse(text).map(pem::Pem::into_contents).map_err(|error| error.to_string())
}

fn read(all: &[String]) -> Vec<Certificate> {
    // What cannot be read helps nobody.
    all.iter()
        .filter_map(|text| der(text).ok())
        .filter_map(|der| Certificate::from_der(&der).ok())
        .collect()
}

fn judge_case(case: &Case, now: Timestamp) -> Outcome {
    let refused = |error: pki::PkiError| error.to_string();
    let leaf = Certificate::from_der(&der(&case.peer_certificate)?).map_err(refused)?;
    let intermediates = read(&case.untrusted_intermediates);
    let anchors = read(&case.trusted_certs);
    let at = case.validation_time.unwrap_or(now);
    let purpose = match case.validation_kind.as_str() {
        "SERVER" => oid::SERVER_AUTH,
        _ => oid::CLIENT_AUTH,
    };
    let request = PathRequest {
        purpose: Some(purpose),
        max_intermediates: case.max_chain_depth,
        ..PathRequest::at(at)
    };
    let path = pki::find_path(&leaf, &intermediates, &anchors, &request).map_err(refused)?;
    if !case.crls.is_empty() {
        let lists: Vec<_> = case.crls.iter().filter_map(|text| der(text).ok()).collect();
        let mut known = ListsInMemory::default();
        for list in &lists {
            for issuer in &path {
                let _ = known.add(list, issuer);
            }
        }
        revocation::judge_path(&path, &known, at).map_err(refused)?;
    }
    match &case.expected_peer_name {
        Some(name) if !is_for_name(&leaf, &name.kind, &name.value) => {
            Err("the certificate is for another name".to_owned())
        }
        _ => Ok(format!("a path of {} certificates", path.len())),
    }
}

pub(crate) fn judge(corpus: &Corpus, now: Timestamp) -> Vec<Judged> {
    corpus
        .testcases
        .iter()
        .map(|case| timed(&case.id, &case.expected_result, || judge_case(case, now)))
        .collect()
}

/// Whether the alternative names contain this DNS name, address or mailbox (RFC 9525). The
/// service itself judges nobody by such a name.
fn is_for_name(certificate: &Certificate, kind: &str, value: &str) -> bool {
    let parsed = x509_cert::Certificate::from_der(certificate.der());
    let names = parsed.ok().and_then(|parsed| {
        parsed.tbs_certificate.get::<SubjectAltName>().ok().flatten().map(|(_, names)| names.0)
    });
    let address = value.parse::<IpAddr>().ok().map(|address| match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    });
    names.into_iter().flatten().any(|name| match name {
        GeneralName::DnsName(found) if kind == "DNS" => {
            let (found, value) = (found.as_str().to_ascii_lowercase(), value.to_ascii_lowercase());
            match found.strip_prefix("*.") {
                Some(domain) => value.split_once('.').is_some_and(|(_, rest)| rest == domain),
                None => found == value,
            }
        }
        GeneralName::IpAddress(found) if kind == "IP" => {
            address.as_deref() == Some(found.as_bytes())
        }
        GeneralName::Rfc822Name(found) if kind == "RFC822" => found.as_str() == value,
        _ => false,
    })
}
