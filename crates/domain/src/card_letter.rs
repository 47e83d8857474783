//! Letters to holders of cards: each change is told, so that nobody's card is suspended or
//! resumed behind their back.

use jiff::Timestamp;

use crate::card::{CardAct, CardNumber, listed_after_words};
use crate::letter::Letter;
use crate::{Edition, RocDateTime};

/// The letter about a change.
pub fn card_letter(
    act: CardAct,
    company_name: &str,
    card: &CardNumber,
    at: Timestamp,
    origin: &str,
) -> Letter {
    let (when, listed, masked) = (RocDateTime(at), listed_after_words(at), card.masked());
    // A card that was suspended the same day is in no list.
    let lists = match act {
        CardAct::Resume => format!("憑證廢止清冊如已列入此卡，將於{listed}後公布移除。"),
        _ => format!("憑證廢止清冊將於{listed}後公布。"),
    };
    let (title, chinese, english) = match act {
        CardAct::Suspend => (
            "憑證IC卡暫停使用通知",
            "已暫停使用，本服務即時生效。恢復使用請至「憑證IC卡停復用」辦理；如非貴公司所為，請立即洽發卡的憑證管理中心。",
            "was suspended, with immediate effect here. It can be resumed on the page for suspension. If it was not you, ask your CA at once.",
        ),
        CardAct::Resume => (
            "憑證IC卡恢復使用通知",
            "已恢復使用，本服務即時生效。如非貴公司所為，請立即至「憑證IC卡停復用」暫停使用，並洽發卡的憑證管理中心。",
            "was resumed, with immediate effect here. If it was not you, suspend it again at once and ask your CA.",
        ),
        CardAct::Revoke => (
            "憑證IC卡廢止通知",
            "已由憑證管理中心廢止，即時生效，不得恢復使用。請另行申請新卡。",
            "was revoked by its CA. It cannot be resumed; please apply for a new card.",
        ),
    };
    let body = format!(
        "{company_name} 您好：\n\n貴公司的憑證IC卡（卡號{masked}）於{when}{chinese}\n\n\
         {lists}\n狀態查詢：{origin}/status/\n停復用：{origin}/suspend/\n\n\
         本信由系統寄出，請勿直接回覆。\n\n----\n\nYour card {masked} {english}\n\
         Revocation lists are renewed after midnight (Taipei).\n{origin}/status/\n"
    );
    Letter { subject: format!("{}：{title}", Edition::SERVICE), body }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_names_the_card_by_its_ends_alone() {
        let card = "MT00000012345678".parse().unwrap();
        let at = "2026-11-28T23:59:59+08:00".parse().unwrap();
        for act in [CardAct::Suspend, CardAct::Resume, CardAct::Revoke] {
            let letter = card_letter(act, "測試甲股份有限公司", &card, at, "https://a.example");
            assert!(letter.body.contains("MT**********5678"), "{}", letter.body);
            assert!(letter.body.contains("115/11/28 23:59:59"), "{}", letter.body);
            assert!(letter.body.contains("115/11/28 24:00後公布"), "{}", letter.body);
            assert!(!letter.body.contains("MT00000012345678"));
        }
    }
}
