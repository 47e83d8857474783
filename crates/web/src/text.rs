//! The one wording, which browsers read too: `static/text/zh-TW.json`, what the sister services add,
//! `services.json`, and what only officers are told, `officers.json`.

use std::collections::HashMap;

use domain::{Code, FieldProblem};
use serde::Deserialize;

#[derive(Deserialize, Default)]
struct Texts {
    codes: HashMap<String, (String, String)>,
    #[serde(default)]
    fields: HashMap<String, String>,
}

thread_local! {
    static TEXTS: Texts = parse();
}

fn parse() -> Texts {
    let read = |text| serde_json::from_str::<Texts>(text).unwrap_or_default();
    let mut texts = read(include_str!("../../../static/text/zh-TW.json"));
    let services = read(include_str!("../../../static/text/services.json"));
    texts.codes.extend(services.codes);
    texts.fields.extend(services.fields);
    texts.codes.extend(read(include_str!("../../../static/text/officers.json")).codes);
    texts
}

/// What happened, and what to do next.
pub(crate) fn of_code(code: Code) -> (String, String) {
    TEXTS.with(|texts| texts.codes.get(code.name()).cloned()).unwrap_or_default()
}

/// What is wrong with a field, as an instruction.
pub(crate) fn of_field(problem: FieldProblem) -> String {
    let name = serde_json::to_value(problem).ok();
    let name = name.as_ref().and_then(|name| name.as_str()).unwrap_or_default();
    TEXTS.with(|texts| texts.fields.get(name).cloned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_and_field_problem_has_its_words() {
        for code in Code::ALL {
            let (title, advice) = of_code(*code);
            assert!(!title.is_empty() && !advice.is_empty(), "{}", code.name());
        }
        for problem in FieldProblem::ALL {
            assert!(!of_field(problem).is_empty(), "{problem:?}");
        }
        let texts = parse();
        assert_eq!(texts.codes.len(), Code::ALL.len(), "no word without a code");
        assert_eq!(texts.fields.len(), FieldProblem::ALL.len(), "no word without a problem");
    }

    #[test]
    fn every_word_is_there_in_english() {
        for (chinese, english) in [
            (
                include_str!("../../../static/text/zh-TW.json"),
                include_str!("../../../static/text/en.json"),
            ),
            (
                include_str!("../../../static/text/services.json"),
                include_str!("../../../static/text/en-services.json"),
            ),
        ] {
            let read = |text| serde_json::from_str::<serde_json::Value>(text).unwrap();
            let (chinese, english) = (read(chinese), read(english));
            for (group, words) in chinese.as_object().unwrap() {
                for (code, word) in words.as_object().unwrap() {
                    let found = &english[group][code];
                    let count = |value: &serde_json::Value| value.as_array().map_or(0, Vec::len);
                    assert_eq!(count(word), count(found), "{group}.{code}");
                    let texts = found.as_array().cloned().unwrap_or_else(|| vec![found.clone()]);
                    for text in texts {
                        assert!(
                            text.as_str().is_some_and(|text| !text.is_empty()),
                            "{group}.{code}"
                        );
                    }
                }
            }
        }
    }
}
