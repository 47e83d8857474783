//! Answers of responders, made by OpenSSL (#3): which are believed, and which are not.

use std::path::{Path, PathBuf};
use std::process::Command;

use aws_lc_rs::rsa::KeySize;
use jiff::{SignedDuration, Timestamp};
use pki::oid::{OCSP_SIGNING, ORGANISATION_NAME, SERVER_AUTH};
use pki::revocation::{OcspError, OcspFinding, OcspRequest, OcspStatus, read_response};
use pki::{Certificate, ObjectIdentifier};
use test_ca::issue::{Key, Part, Profile, signing};
use test_ca::pem;
use test_ca::pki_set::Company;

use crate::{parsed, pki, scratch};

/// A company's certificate, its issuer, and a folder for OpenSSL.
struct Bench {
    folder: PathBuf,
    issuer: Certificate,
    certificate: Certificate,
}

/// Who signs an answer: certificate and key, PEM.
struct Signer(String, String);

impl Bench {
    fn new() -> Self {
        let issued = pki().company(Company::card("測試甲股份有限公司", "12345675")).unwrap();
        Self {
            folder: scratch("ocsp"),
            issuer: Certificate::from_der(&issued.issuer).unwrap(),
            certificate: Certificate::from_der(&issued.certificate).unwrap(),
        }
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The CA itself.
    fn authority(&self) -> Signer {
        let key = pki().company_authority().pkcs8().unwrap();
        Signer(pem("CERTIFICATE", self.issuer.der()), pem("PRIVATE KEY", &key))
    }

    /// Somebody whom the CA certified, for these purposes.
    fn delegate(&self, purposes: &[ObjectIdentifier], no_check: bool) -> Signer {
        let key = Key::generate(KeySize::Rsa2048).unwrap();
        let now = Timestamp::now();
        let profile = Profile {
            subject: &[Part::Utf8(ORGANISATION_NAME, "測試回應者")],
            attributes: &[],
            usage: signing(),
            ca: false,
            level: 0,
            not_before: now - SignedDuration::from_hours(1),
            not_after: now + SignedDuration::from_hours(48),
            crl: None,
            ocsp: None,
            purposes,
            no_check,
        };
        let certificate = pki().company_authority().issue(&profile, &key).unwrap();
        Signer(pem("CERTIFICATE", &certificate), pem("PRIVATE KEY", &key.pkcs8().unwrap()))
    }

    /// What the index says of the certificate: `V`, `R` with date and reason, or nothing.
    fn index(&self, state: &str) -> String {
        let serial: String =
            self.certificate.serial_bytes().iter().map(|byte| format!("{byte:02X}")).collect();
        match state {
            "" => String::new(),
            "V" => format!("V\t300101000000Z\t\t{serial}\tunknown\t/C=TW/O=x\n"),
            revoked => format!("R\t300101000000Z\t{revoked}\t{serial}\tunknown\t/C=TW/O=x\n"),
        }
    }

    /// An answer about this certificate, valid for so many minutes when they are given.
    fn answer(&self, about: &Certificate, state: &str, by: &Signer, minutes: &str) -> Vec<u8> {
        let request = OcspRequest::new(about, &self.issuer).unwrap().to_der().unwrap();
        let response = self.folder.join("response.der");
        let mut command = Command::new("openssl");
        command.args(["ocsp", "-reqin"]).arg(self.write("request.der", request));
        let option = |command: &mut Command, name: &str, path: &Path| {
            command.arg(name).arg(path);
        };
        option(&mut command, "-index", &self.write("index.txt", self.index(state)));
        option(&mut command, "-CA", &self.write("ca.pem", pem("CERTIFICATE", self.issuer.der())));
        option(&mut command, "-rsigner", &self.write("signer.pem", &by.0));
        option(&mut command, "-rkey", &self.write("signer.key", &by.1));
        option(&mut command, "-respout", &response);
        if !minutes.is_empty() {
            command.args(["-nmin", minutes]);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::read(response).unwrap()
    }

    fn judge(&self, response: &[u8], ahead: SignedDuration) -> Result<OcspFinding, OcspError> {
        read_response(response, &self.certificate, &self.issuer, Timestamp::now() + ahead)
    }

    fn status(&self, state: &str, by: &Signer) -> Result<OcspStatus, OcspError> {
        let answer = self.answer(&self.certificate, state, by, "5");
        self.judge(&answer, SignedDuration::ZERO).map(|found| found.status)
    }
}

#[test]
fn the_ca_and_whom_it_authorised_are_believed_and_nobody_else() {
    let bench = Bench::new();
    let authority = bench.authority();
    assert_eq!(bench.status("V", &authority), Ok(OcspStatus::Good));
    assert_eq!(bench.status("", &authority), Ok(OcspStatus::Unknown));
    for (word, reason) in [("", None), (",keyCompromise", Some(1)), (",certificateHold", Some(6))] {
        let found = bench.status(&format!("260101000000Z{word}"), &authority);
        let at = "2026-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(found, Ok(OcspStatus::Revoked { at, reason }), "{word}");
    }
    let refused = Err(OcspError::Responder);
    assert_eq!(bench.status("V", &bench.delegate(&[OCSP_SIGNING], true)), Ok(OcspStatus::Good));
    assert_eq!(bench.status("V", &bench.delegate(&[OCSP_SIGNING], false)), refused);
    assert_eq!(bench.status("V", &bench.delegate(&[SERVER_AUTH], true)), refused);
    assert_eq!(bench.status("V", &bench.delegate(&[], true)), refused);
    // Another CA's key, be it as trusted.
    let other = pki().authorities().nth(1).unwrap();
    let key = pem("PRIVATE KEY", &other.pkcs8().unwrap());
    let other = Signer(pem("CERTIFICATE", &other.certificate), key);
    assert_eq!(bench.status("V", &other), refused);
}

#[test]
fn an_answer_counts_while_it_is_fresh_and_about_this_certificate() {
    let bench = Bench::new();
    let authority = bench.authority();
    let (hours, minutes) = (SignedDuration::from_hours, SignedDuration::from_mins);
    let fresh = |answer: &[u8], ahead| match bench.judge(answer, ahead) {
        Ok(_) => true,
        Err(OcspError::NotFresh { .. }) => false,
        Err(other) => panic!("{other}"),
    };
    // An hour of its own, whatever nextUpdate lacks.
    let without_end = bench.answer(&bench.certificate, "V", &authority, "");
    assert!(fresh(&without_end, minutes(59)) && !fresh(&without_end, minutes(61)));
    // Until nextUpdate, and a day at most.
    let short = bench.answer(&bench.certificate, "V", &authority, "5");
    assert!(fresh(&short, minutes(4)) && !fresh(&short, minutes(6)));
    let long = bench.answer(&bench.certificate, "V", &authority, "100000");
    assert!(fresh(&long, hours(23)) && !fresh(&long, hours(25)));
    // A responder's clock may be ahead by five minutes.
    assert!(fresh(&short, minutes(-4)) && !fresh(&short, minutes(-6)));

    let other = pki().company(Company::card("測試乙資訊有限公司", "04595257")).unwrap();
    let other = Certificate::from_der(&other.certificate).unwrap();
    let about_another = bench.answer(&other, "V", &authority, "5");
    let refused = bench.judge(&about_another, SignedDuration::ZERO);
    assert_eq!(refused, Err(OcspError::OtherCertificate));
    // One bit of the signature, a byte more, a refusal, nothing at all.
    let mut forged = short.clone();
    let place = forged.windows(4).rposition(|bytes| bytes == [0x03, 0x82, 0x01, 0x01]).unwrap();
    forged[place + 40] ^= 1;
    assert_eq!(bench.judge(&forged, SignedDuration::ZERO), Err(OcspError::Responder));
    let longer = [&short[..], &[0]].concat();
    assert_eq!(bench.judge(&longer, SignedDuration::ZERO), Err(OcspError::Malformed));
    let try_later = [0x30, 0x03, 0x0a, 0x01, 0x03];
    assert_eq!(bench.judge(&try_later, SignedDuration::ZERO), Err(OcspError::Refused(3)));
    assert_eq!(bench.judge(b"", SignedDuration::ZERO), Err(OcspError::Malformed));
}

/// The CA's own answer about one of its certificates, Base64, and its thisUpdate.
pub fn responder(certificate: &Certificate, state: &str) -> (String, Timestamp) {
    let bench = Bench { certificate: certificate.clone(), ..Bench::new() };
    let answer = bench.answer(certificate, state, &bench.authority(), "5");
    let found = bench.judge(&answer, SignedDuration::ZERO).unwrap();
    (found.response, found.this_update)
}

#[test]
fn a_certificate_names_its_responders_by_their_addresses() {
    let responder = "http://ocsp.test.invalid/";
    let company = Company {
        ocsp: Some(responder),
        ..Company::card("測試甲股份有限公司", "12345675")
    };
    let named = pki().company(company).unwrap();
    assert_eq!(parsed(&named.certificate).ocsp_responders(), [responder]);
    assert!(parsed(&crate::card().certificate).ocsp_responders().is_empty());
}

#[test]
fn an_answer_has_64_kib_at_most() {
    let bench = Bench::new();
    let judge = |size: usize| bench.judge(&vec![0x30; size], SignedDuration::ZERO);
    assert_eq!(judge((64 << 10) + 1), Err(OcspError::Malformed));
    assert_eq!(judge(64 << 10), Err(OcspError::Malformed));
}
