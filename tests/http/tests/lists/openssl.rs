//! OpenSSL's word on the lists.

use std::process::Command;

use http_tests::{TestApp, pki};
use jiff::Timestamp;
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

    /// `verify -crl_check`: what it says of a card at this instant, by these lists.
    pub(super) fn verifies(
        &self,
        certificate: &[u8],
        lists: &[&[u8]],
        at: Timestamp,
        delta: bool,
    ) -> String {
        let (root, ca) = (self.app.path("root.pem"), self.app.path("ca.pem"));
        let leaf = self.app.path("leaf.pem");
        std::fs::write(&leaf, pem("CERTIFICATE", certificate)).unwrap();
        let text: String = lists.iter().map(|der| pem("X509 CRL", der)).collect();
        std::fs::write(self.app.path("lists.pem"), text).unwrap();
        let mut command = Command::new("openssl");
        command.args(["verify", "-crl_check", "-attime", &at.as_second().to_string()]);
        command.args([
            "-CAfile",
            &root,
            "-untrusted",
            &ca,
            "-CRLfile",
            &self.app.path("lists.pem"),
        ]);
        if delta {
            command.args(["-extended_crl", "-use_deltas"]);
        }
        said(&command.arg(&leaf).output().unwrap()).1
    }
}
