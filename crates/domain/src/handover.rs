//! 統編變更 (rule 8): a company whose 統一編號 changed has its account stopped and applies anew. The
//! former account goes on until the new one can be called with, and ends in that very moment: there
//! is neither a gap nor a second account.

use crate::Ubn;

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandoverStep {
    /// The former account's API停用 is approved; the new 統一編號 has not applied yet.
    Apply,
    /// Its application is under review.
    Review,
    /// It has an account, and no certificate yet.
    Upload,
    /// The former account has ended.
    Done,
}

impl HandoverStep {
    /// Every step, in order.
    pub const ALL: [Self; 4] = [Self::Apply, Self::Review, Self::Upload, Self::Done];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Review => "review",
            Self::Upload => "upload",
            Self::Done => "done",
        }
    }

    /// What is to be done next, in words for both sides.
    pub fn words(self, former: Ubn, successor: Ubn) -> String {
        match self {
            Self::Apply => format!(
                "請以統一編號{successor}的工商憑證，於「API介接服務申請」辦理API申請，並填寫變更前統一編號{former}；原帳號於新帳號可查驗前仍可使用。"
            ),
            Self::Review => format!(
                "統一編號{successor}的API申請審核中；變更前統一編號{former}的帳號於新帳號可查驗前仍可使用。"
            ),
            Self::Upload => format!(
                "請以統一編號{successor}的工商憑證辦理憑證上傳；上傳成功時，變更前統一編號{former}的帳號隨即停用。"
            ),
            Self::Done => format!(
                "統一編號變更已完成，由統一編號{successor}承接；變更前統一編號{former}的帳號已停用。"
            ),
        }
    }

    /// The same in English, for letters.
    pub fn english(self, former: Ubn, successor: Ubn) -> String {
        match self {
            Self::Apply => format!(
                "Next: apply with the card of {successor} and name {former} as the former number. The former account works until the new one does."
            ),
            Self::Review => format!(
                "The application of {successor} is under review; the account of {former} works until the new one does."
            ),
            Self::Upload => format!(
                "Next: upload a certificate with the card of {successor}. The account of {former} ends in that moment."
            ),
            Self::Done => format!("{successor} has taken over; the account of {former} has ended."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_names_both_numbers() {
        let (former, successor) = ("12345675".parse().unwrap(), "04595257".parse().unwrap());
        for step in HandoverStep::ALL {
            for words in [step.words(former, successor), step.english(former, successor)] {
                assert!(words.contains("12345675") && words.contains("04595257"), "{words}");
            }
        }
    }
}
