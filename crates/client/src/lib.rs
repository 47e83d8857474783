//! The browser's half of the form checks: `domain`, compiled to WebAssembly. What passes
//! here passes on the server, since it is the same code; the server checks again. Each feature is a
//! module of its own in the browser, named like it.

use domain::FieldError;
#[cfg(any(feature = "application", feature = "confirmation"))]
use domain::FieldProblem;
use domain::Ubn;
#[cfg(feature = "application")]
use domain::{AddressPolicy, ApplicationDraft, Edition};
use serde::Serialize;
use wasm_bindgen::prelude::wasm_bindgen;

/// The outcome of a check, as JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Outcome<T> {
    /// Every field is right; this is what will be signed.
    Accepted(T),
    /// What is wrong, in the order of the form.
    Errors(Vec<FieldError>),
}

fn json<T: Serialize>(outcome: &Outcome<T>) -> String {
    // Our own types always serialize.
    serde_json::to_string(outcome).unwrap_or_default()
}

#[cfg(feature = "application")]
fn address_policy(test_environment: bool) -> AddressPolicy {
    if test_environment { AddressPolicy::PublicOrLoopback } else { AddressPolicy::Public }
}

/// Checks an application form, given as the JSON of its fields. Returns
/// `{"accepted": application}` or `{"errors": [{"pointer", "code"}]}`.
///
/// `edition` is the manual's (`108` or `112`); `test_environment` says whether this
/// computer's own addresses may be registered.
#[cfg(feature = "application")]
#[wasm_bindgen(js_name = checkApplication)]
pub fn check_application(draft: &str, edition: &str, test_environment: bool) -> String {
    let addresses = address_policy(test_environment);
    let Ok(draft) = serde_json::from_str::<ApplicationDraft>(draft) else {
        return json::<()>(&Outcome::Errors(vec![FieldError::at("", FieldProblem::Required)]));
    };
    match draft.parse(Edition::from_name(edition).unwrap_or_default(), addresses) {
        Ok(application) => json(&Outcome::Accepted(application)),
        Err(errors) => json::<()>(&Outcome::Errors(errors)),
    }
}

/// Checks one field of the application form. Returns `{"accepted": "as it will be signed"}`
/// or `{"errors": …}`.
#[cfg(feature = "application")]
#[wasm_bindgen(js_name = checkField)]
pub fn check_field(member: &str, text: &str, test_environment: bool) -> String {
    match domain::check_field(member, text, address_policy(test_environment)) {
        Ok(text) => json(&Outcome::Accepted(text)),
        Err(problem) => json::<()>(&Outcome::Errors(vec![FieldError::at(member, problem)])),
    }
}

/// Checks one field of the annex of the identity confirmation service; `today` is the day in
/// Taipei, `YYYY-MM-DD`. Returns as `checkField`. The page puts the annex together from them:
/// reading it here would double the module.
#[cfg(feature = "confirmation")]
#[wasm_bindgen(js_name = checkConfirmationField)]
pub fn check_confirmation_field(member: &str, text: &str, today: &str) -> String {
    let outcome = match domain::plain_day(today) {
        Some(today) => domain::check_confirmation_field(member, text, today),
        None => Err(FieldProblem::DayFormat),
    };
    match outcome {
        Ok(text) => json(&Outcome::Accepted(text)),
        Err(problem) => json::<()>(&Outcome::Errors(vec![FieldError::at(member, problem)])),
    }
}

/// Characters that may still be typed under 使用目的/原因.
#[cfg(feature = "application")]
#[wasm_bindgen(js_name = reasonLeft)]
pub fn reason_left(text: &str) -> i32 {
    i32::try_from(domain::reason_left(text)).unwrap_or(i32::MIN)
}

/// Checks a 統一編號. Returns `{"accepted": "12345675"}` or `{"errors": …}`.
#[wasm_bindgen(js_name = checkUbn)]
pub fn check_ubn(text: &str) -> String {
    match text.parse::<Ubn>() {
        Ok(ubn) => json(&Outcome::Accepted(ubn)),
        Err(problem) => json::<()>(&Outcome::Errors(vec![FieldError::at("ubn", problem)])),
    }
}

/// Checks one field of the forms of registration and delegation.
#[cfg(feature = "registration")]
#[wasm_bindgen(js_name = checkRegistrationField)]
pub fn check_registration_field(member: &str, text: &str) -> String {
    match domain::check_registration_field(member, text) {
        Ok(text) => json(&Outcome::Accepted(text)),
        Err(problem) => json::<()>(&Outcome::Errors(vec![FieldError::at(member, problem)])),
    }
}

#[cfg(all(test, feature = "application", feature = "confirmation"))]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_what_pages_expect() {
        assert_eq!(check_ubn("１２３４５６７５"), r#"{"accepted":"12345675"}"#);
        assert_eq!(
            check_ubn("12345678"),
            r#"{"errors":[{"pointer":"/ubn","code":"ubn-checksum"}]}"#
        );
        let draft = serde_json::to_string(&ApplicationDraft::default()).unwrap();
        assert!(
            check_application(&draft, "112", true).starts_with(r#"{"errors":[{"pointer":"/kind""#)
        );
        assert!(check_application("{", "112", true).contains("errors"));
        assert!(check_confirmation_field("deputyFax", "", "2026-01-31").contains("required"));
        assert!(check_confirmation_field("day", "2026-02-27", "2026-01-31").contains("too-soon"));
    }
}
