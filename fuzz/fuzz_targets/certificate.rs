//! Certificates and uploaded files: what can be read is put through every rule.
#![no_main]

use pki::revocation::ListsInMemory;
use pki::{Certificate, PathRequest};

libfuzzer_sys::fuzz_target!(|file: &[u8]| {
    let _ = pki::read_certificate_file(file);
    let Ok(certificate) = Certificate::from_der(file) else { return };
    let at = certificate.not_before();
    let _ = certificate.unverified_holder();
    let _ = certificate.check_may_sign();
    let _ = certificate.ocsp_responders();
    let _ = certificate.rsa_key().map(|key| key.known_weakness());
    let path = [&certificate, &certificate];
    let _ = pki::check_path(&path, &PathRequest::at(at));
    let anchors = [certificate.clone()];
    let _ = pki::find_path(&certificate, &anchors, &anchors, &PathRequest::at(at));
    let _ = pki::revocation::judge_path(&path, &ListsInMemory::default(), at);
});
