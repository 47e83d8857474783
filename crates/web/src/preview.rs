//! A certificate file that is looked at before it is signed and sent.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use domain::{Code, RocDate};
use pki::Certificate;
use serde::{Deserialize, Serialize};

use crate::Problem;

/// What is asked: the body of a preview.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PreviewRequest {
    /// Base64 of the file as chosen: DER, PEM, or PEM's body alone.
    certificate_file: String,
}

/// What was seen in a certificate file, and why it would be refused now.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificatePreview {
    subject: String,
    issuer: String,
    serial_number: String,
    /// 有效起始日期 and 有效迄止日期, as `1121107`.
    not_before: String,
    not_after: String,
    problem: Option<PreviewProblem>,
}

#[derive(Serialize)]
struct PreviewProblem {
    code: &'static str,
    title: String,
    detail: String,
}

impl PreviewRequest {
    /// The one certificate in the file, and what is seen in it.
    ///
    /// # Errors
    /// As a problem, when the file is no certificate, several, or holds a key.
    pub fn read(self) -> Result<(Certificate, CertificatePreview), Problem> {
        let file = BASE64_STANDARD
            .decode(self.certificate_file)
            .map_err(|_| Problem::from(Code::NotACertificate))?;
        let certificate = pki::read_certificate_file(&file).map_err(domain::UploadRefused::from)?;
        let preview = CertificatePreview {
            subject: certificate.subject(),
            issuer: certificate.issuer(),
            serial_number: certificate.serial_number(),
            not_before: RocDate(certificate.not_before()).to_string(),
            not_after: RocDate(certificate.not_after()).to_string(),
            problem: None,
        };
        Ok((certificate, preview))
    }
}

impl CertificatePreview {
    /// The same with the reason why the certificate would be refused.
    #[must_use]
    pub fn judged<T>(mut self, judged: Result<T, impl Into<Problem>>) -> Self {
        self.problem = judged.err().map(|refused| {
            let problem = refused.into();
            let (title, detail) = problem.words();
            PreviewProblem { code: problem.code().name(), title, detail }
        });
        self
    }
}
