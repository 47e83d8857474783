//! The one writer of problem documents (RFC 9457).

use domain::{Code, Coded};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::request::{Reply, json_reply, random};
use crate::text;

/// A problem on its way to the client.
#[derive(Debug)]
pub struct Problem {
    code: Code,
    fields: Vec<domain::FieldError>,
    /// For the log, when the fault is ours.
    cause: Option<String>,
    allow: Option<&'static str>,
    tries_left: Option<u8>,
    /// The request's number, where the component knows it.
    request: Option<[u8; 16]>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    r#type: String,
    title: String,
    status: u16,
    detail: String,
    instance: String,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    legacy_code: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tries_left: Option<u8>,
}

#[derive(Serialize)]
struct FieldDocument {
    pointer: String,
    code: domain::FieldProblem,
    message: String,
}

impl<E: Coded + std::error::Error> From<E> for Problem {
    fn from(error: E) -> Self {
        let code = error.code();
        // Messages of refusals may quote certificates; they stay out of the log.
        let cause = (code.status() >= 500).then(|| error.to_string());
        let fields = error.fields().to_vec();
        Self { code, fields, cause, allow: None, tries_left: None, request: None }
    }
}

impl Problem {
    /// A fault of the service; the cause goes to the log alone.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        Self { cause: Some(cause.to_string()), ..Self::from(Code::Internal) }
    }

    /// Something that an installation lacks; the cause goes to the log and, since it
    /// names configuration only, to the answer of `/readyz`.
    pub fn not_ready(cause: impl std::fmt::Display) -> Self {
        Self { cause: Some(cause.to_string()), ..Self::from(Code::NotReady) }
    }

    pub(crate) fn allow(methods: &'static str) -> Self {
        Self { allow: Some(methods), ..Self::from(Code::MethodNotAllowed) }
    }

    /// A refusal that was counted: how many more are before it is over for the day.
    pub fn counted(self, tries_left: u8) -> Self {
        Self { tries_left: Some(tries_left), ..self }
    }

    /// The same as the problem of this request (x-request-id).
    pub fn under(self, request: [u8; 16]) -> Self {
        Self { request: Some(request), ..self }
    }

    /// Its code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The cause of a fault.
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// What happened, and what to do next.
    pub fn words(&self) -> (String, String) {
        text::of_code(self.code)
    }

    /// The answer. Faults are logged here, once, under the same instance and, where
    /// it is known, the request's number.
    pub fn into_reply(self) -> Reply {
        let instance = uuid::Builder::from_random_bytes(random()).into_uuid();
        let instance = format!("urn:uuid:{instance}");
        if let Some(cause) = &self.cause {
            let mut line = serde_json::json!({ "code": self.code.name(), "instance": instance, "cause": cause });
            if let Some(request) = self.request {
                line["request"] = hex::encode(request).into();
            }
            eprintln!("{line}");
        }
        let (title, detail) = text::of_code(self.code);
        let document = Document {
            r#type: format!("/problems/{}", self.code.name()),
            title,
            status: self.code.status(),
            detail,
            instance,
            code: self.code.name(),
            legacy_code: self.code.legacy(),
            errors: self
                .fields
                .into_iter()
                .map(|error| FieldDocument {
                    message: text::of_field(error.code),
                    pointer: error.pointer,
                    code: error.code,
                })
                .collect(),
            tries_left: self.tries_left,
        };
        let status =
            StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut reply = json_reply(status, "application/problem+json", &document);
        if let Some(methods) = self.allow {
            reply.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
        }
        reply
    }
}
