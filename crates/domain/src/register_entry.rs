//! What the company register (商工登記) says of a company, and what that means for its account
//! (rule 10).

use serde::Serialize;

/// A company on the register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterEntry {
    /// 公司名稱.
    pub name: String,
    /// 公司狀況, as published.
    pub status: String,
    /// 所營事業.
    pub business: String,
}

/// 公司狀況 of a company that exists: 核准設立, 核准登記, 核准許可 and the like.
const LIVE: &str = "核准";

/// What is not in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegisterFinding {
    /// Not on the register at all.
    NotRegistered,
    /// On it, but no longer existing: 解散, 撤銷, 廢止 ...
    NotLive,
    /// On it under another name.
    NameDiffers,
}

impl RegisterFinding {
    /// The finding in words.
    pub fn word(self) -> &'static str {
        match self {
            Self::NotRegistered => "查無登記",
            Self::NotLive => "已非現行登記",
            Self::NameDiffers => "登記名稱不同",
        }
    }
}

/// Compares a name on file with the register's entry. Spaces and the width of letters do not
/// make another name.
pub fn compare_with_register(name: &str, entry: Option<&RegisterEntry>) -> Option<RegisterFinding> {
    let plain = |text: &str| -> String {
        crate::fold_width(text).chars().filter(|character| !character.is_whitespace()).collect()
    };
    let Some(entry) = entry else { return Some(RegisterFinding::NotRegistered) };
    if !entry.status.starts_with(LIVE) {
        return Some(RegisterFinding::NotLive);
    }
    (plain(&entry.name) != plain(name)).then_some(RegisterFinding::NameDiffers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_as_people_read_them() {
        let entry = |status: &str| RegisterEntry {
            name: "測試甲（ＡＢＣ）股份有限公司".into(),
            status: status.into(),
            business: String::new(),
        };
        let live = entry("核准設立");
        let same = |name| compare_with_register(name, Some(&live));
        assert_eq!(same("測試甲(ABC) 股份有限公司"), None);
        assert_eq!(same("測試乙股份有限公司"), Some(RegisterFinding::NameDiffers));
        let gone = entry("解散");
        let found = compare_with_register("測試甲(ABC)股份有限公司", Some(&gone));
        assert_eq!(found, Some(RegisterFinding::NotLive));
        assert_eq!(compare_with_register("甲", None), Some(RegisterFinding::NotRegistered));
    }
}
