//! OpenSSL's word on the lists.

use std::collections::BTreeMap;
use std::process::Command;

use http_tests::{TestApp, pki};
use jiff::Timestamp;
use openssl::asn1::Asn1Time;
use openssl::x509::{ReasonCode, X509Crl};
use pki::revocation::CrlEntry;
use test_pki::demo::pem;

use super::said;

/// OpenSSL with the CA's certificates, on files of this installation.
pub(super) struct OpenSsl<'a> {
    app: &'a TestApp,
}

impl<'a> OpenSsl<'a> {
    pub(super) fn new(app: &'a TestApp) -> Self {
        let root = pki().authorities().next().unwrap();
        std::fs::write(app.path("root.pem"), pem("CERTIFICATE", &root.certificate)).unwrap();
        let ca = &pki().company_authority().certificate;
        std::fs::write(app.path("ca.pem"), pem("CERTIFICATE", ca)).unwrap();
        Self { app }
    }

    /// `crl -verify`: whether the CA signed the list.
    pub(super) fn believes(&self, der: &[u8]) -> bool {
        std::fs::write(self.app.path("one.crl"), der).unwrap();
        let (list, ca) = (self.app.path("one.crl"), self.app.path("ca.pem"));
        let arguments =
            ["crl", "-inform", "DER", "-in", &list, "-noout", "-verify", "-CAfile", &ca];
        let output = Command::new("openssl").args(arguments).output().unwrap();
        said(&output).1.contains("verify OK")
    }

    /// `verify -crl_check`: which of these certificates it accepts at this instant, by these
    /// lists. What it refuses is revoked, and nothing else is wrong with it.
    pub(super) fn accepts(
        &self,
        certificates: &[&[u8]],
        lists: &[&[u8]],
        at: Timestamp,
    ) -> Vec<bool> {
        let (root, ca, list) =
            (self.app.path("root.pem"), self.app.path("ca.pem"), self.app.path("lists.pem"));
        let text: String = lists.iter().map(|der| pem("X509 CRL", der)).collect();
        std::fs::write(&list, text).unwrap();
        let leaves: Vec<_> = (0..certificates.len())
            .map(|index| self.app.path(&format!("leaf-{index}.pem")))
            .collect();
        for (leaf, der) in leaves.iter().zip(certificates) {
            std::fs::write(leaf, pem("CERTIFICATE", der)).unwrap();
        }
        let output = Command::new("openssl")
            .args(["verify", "-crl_check", "-attime", &at.as_second().to_string()])
            .args(["-CAfile", &root, "-untrusted", &ca, "-CRLfile", &list])
            .args(&leaves)
            .output()
            .unwrap();
        let words = said(&output).1;
        let accepted: Vec<_> =
            leaves.iter().map(|leaf| words.contains(&format!("{leaf}: OK"))).collect();
        let refused = accepted.iter().filter(|accepted| !**accepted).count();
        assert_eq!(words.matches("lookup: certificate revoked").count(), refused, "{words}");
        assert_eq!(words.matches("lookup:").count(), refused, "{words}");
        accepted
    }
}

/// What a delta says, by serial number as it is encoded.
pub(super) fn delta_entries(der: &[u8]) -> BTreeMap<Vec<u8>, CrlEntry> {
    let epoch = Asn1Time::from_unix(0).unwrap();
    let delta = X509Crl::from_der(der).unwrap();
    let revoked = delta.get_revoked().into_iter().flatten();
    revoked
        .map(|entry| {
            let mut serial = entry.serial_number().to_bn().unwrap().to_vec();
            if serial[0] >= 0x80 {
                serial.insert(0, 0);
            }
            let since = epoch.diff(entry.revocation_date()).unwrap();
            let since = i64::from(since.days) * 86_400 + i64::from(since.secs);
            let (_, reason) = entry.extension::<ReasonCode>().unwrap().expect("a reason");
            let entry = CrlEntry {
                reason: Some(reason.get_i64().unwrap().try_into().unwrap()),
                revoked_at: Timestamp::from_second(since).unwrap(),
            };
            (serial, entry)
        })
        .collect()
}
