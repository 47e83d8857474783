//! The legal texts that an applicant agrees to, versioned; version and digest are signed
//! (requirements A1, A20).

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A text that is agreed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Document {
    /// 申請注意事項 (figure 1).
    Notice,
    /// 服務管理規範 (figure 5).
    Rules,
}

/// One version of one text. Once published, a version never changes.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Which text.
    pub document: Document,
    /// The version: the ROC year of its manual.
    pub version: &'static str,
    /// The text, an HTML fragment.
    pub html: &'static str,
}

impl Terms {
    /// The current version of a text.
    pub fn current(document: Document) -> Self {
        let (version, html) = match document {
            Document::Notice => ("112", include_str!("../../../static/legal/notice/112.html")),
            Document::Rules => ("112", include_str!("../../../static/legal/rules/112.html")),
        };
        Self { document, version, html }
    }

    /// SHA-256 of the text, lower-case hexadecimal.
    pub fn sha256(&self) -> String {
        hex::encode(Sha256::digest(self.html))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_texts_do_not_change() {
        let notice = Terms::current(Document::Notice);
        let rules = Terms::current(Document::Rules);
        assert_eq!(notice.html.matches("<li>").count(), 14, "eleven points and three grounds");
        assert_eq!(rules.html.matches("<li>").count(), 9, "five points and four acts");
        assert_eq!(notice.sha256(), include_str!("../../../static/legal/notice/112.sha256").trim());
        assert_eq!(rules.sha256(), include_str!("../../../static/legal/rules/112.sha256").trim());
    }
}
