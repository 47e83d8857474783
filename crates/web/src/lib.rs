//! What the thin shells under `functions/` share: reading requests, writing answers,
//! sessions, configuration. It knows HTTP and Spin; it knows no SQL and no rules.

mod certificate_checks;
mod config;
pub mod legacy;
mod ocsp;
mod preview;
mod problem;
mod receipt;
mod request;
mod session;
mod text;

pub use certificate_checks::{
    CERTIFICATE_CHECKS_PATH, CertificatesChecked, certificate_checks, check_certificates,
};
pub use config::{
    addresses, digest_key, edition, key_variable, new_iss_key, origin, register_key, require_key,
    sealing_key, trust, variable,
};
pub use ocsp::{OCSP_PATH, OcspQuestion, confirm, ocsp_reply, within};
pub use preview::{CertificatePreview, PreviewRequest};
pub use problem::Problem;
pub use receipt::CheckableReceipt;
pub use request::{
    Nothing, Reply, SignedRequest, bytes, client_address, download, empty, json, json_object,
    method_not_allowed, now, precise_now, random, readiness, request_id, respond, segments,
    signed_by_citizen, signed_request, text as text_reply,
};
pub use session::{
    Session, Who, clear_cookie, require_applicant, require_asker, require_citizen, require_company,
    require_officer,
};
