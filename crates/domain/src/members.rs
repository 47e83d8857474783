//! A JSON object as it was written, for saying what is wrong with it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

/// The members of an object in their order, repeated ones each time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Members(Vec<(String, Value)>);

impl Members {
    /// The value of a member, the first of several.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value)
    }

    /// The names as they come.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Whether a member comes more than once.
    pub(crate) fn repeats(&self, name: &str) -> bool {
        self.names().filter(|found| *found == name).nth(1).is_some()
    }
}

impl<N: Into<String>> FromIterator<(N, Value)> for Members {
    fn from_iter<I: IntoIterator<Item = (N, Value)>>(members: I) -> Self {
        Self(members.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_repeated_is_seen() {
        let members: Members = serde_json::from_str(r#"{"b": 1, "a": 2, "b": {"a": 3}}"#).unwrap();
        assert_eq!(members.names().collect::<Vec<_>>(), ["b", "a", "b"]);
        assert!(members.repeats("b") && !members.repeats("a") && !members.repeats("c"));
        assert_eq!(members.get("b"), Some(&1.into()));
        assert!(serde_json::from_str::<Members>("[1]").is_err());
    }
}
