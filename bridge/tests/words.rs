//! Every failure of the bridge has its words (#4): what happened, and what to do next, in
//! Chinese and in English.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use std::collections::BTreeSet;

use protocol::FailureCode;
use serde_json::Value;

#[test]
fn every_code_has_its_own_cause_and_next_step() {
    let texts =
        [include_str!("../../static/text/zh-TW.json"), include_str!("../../static/text/en.json")];
    for text in texts {
        let words: Value = serde_json::from_str(text).unwrap();
        let words = words["bridge"].as_object().unwrap();
        let mut causes = BTreeSet::new();
        for code in FailureCode::ALL {
            let name = serde_json::to_value(code).unwrap();
            let name = name.as_str().unwrap();
            let found = words.get(name).unwrap_or_else(|| panic!("{name} has no words"));
            let (cause, step) = (found[0].as_str().unwrap(), found[1].as_str().unwrap());
            assert!(!cause.is_empty() && !step.is_empty(), "{name}");
            assert!(causes.insert(cause.to_owned()), "{name}: another code has this cause");
        }
    }
}
