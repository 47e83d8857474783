//! Cards of the CAs that are our own (B1–B4): numbers, 用戶代碼, states, and what a holder may do.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::field::{FieldProblem, fold_width, line};
use crate::{Code, Coded, Email, FieldError, RocDay, SerialNumber, Ubn};

/// Wrong 用戶代碼 after which a card's suspension by code is locked.
pub const MAX_WRONG_CODES: u8 = 3;
/// Longest company name, in characters.
const MAX_NAME: usize = 100;

/// 卡號: the 16 characters that are printed on a card.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CardNumber(String);

impl FromStr for CardNumber {
    type Err = FieldProblem;

    /// Full-width and small letters, blanks and hyphens are no mistakes.
    fn from_str(text: &str) -> Result<Self, FieldProblem> {
        let mut text = fold_width(text).to_ascii_uppercase();
        text.retain(|character| !character.is_whitespace() && character != '-');
        if text.is_empty() {
            return Err(FieldProblem::Required);
        }
        let valid = text.len() == 16
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && text.bytes().take(2).all(|byte| byte.is_ascii_uppercase());
        if valid { Ok(Self(text)) } else { Err(FieldProblem::CardNumberFormat) }
    }
}

impl CardNumber {
    /// The number.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How it begins: a hint at who issued the card.
    pub fn begins_with(&self, prefix: &str) -> bool {
        self.0.starts_with(prefix)
    }

    /// For whoever does not know it: `MT**********0001`.
    pub fn masked(&self) -> String {
        format!("{}**********{}", &self.0[..2], &self.0[12..])
    }
}

/// 用戶代碼: 6 to 10 characters that the holder chose with the card. It is wiped when dropped and
/// never shown.
#[derive(Clone)]
pub struct UserCode(Zeroizing<String>);

impl FromStr for UserCode {
    type Err = FieldProblem;

    fn from_str(text: &str) -> Result<Self, FieldProblem> {
        let text = Zeroizing::new(fold_width(text));
        if text.is_empty() {
            return Err(FieldProblem::Required);
        }
        let valid =
            (6..=10).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if valid { Ok(Self(text)) } else { Err(FieldProblem::UserCodeFormat) }
    }
}

impl UserCode {
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for UserCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("UserCode")
    }
}

/// 憑證狀態.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CardState {
    /// 有效.
    Valid,
    /// 停用: may be resumed.
    Held,
    /// 廢止: for good.
    Revoked,
}

impl CardState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Valid, Self::Held, Self::Revoked];

    /// The name in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Held => "held",
            Self::Revoked => "revoked",
        }
    }

    /// The manual's word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Valid => "有效",
            Self::Held => "停用",
            Self::Revoked => "廢止",
        }
    }

    /// The state of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// 作業類別, and what the CA alone does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CardAct {
    /// 暫停使用.
    Suspend,
    /// 恢復使用.
    Resume,
    /// 廢止; by the CA, never by code.
    Revoke,
}

/// Why a card is not in a state for this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the card is {}", was.name())]
pub struct CardStateError {
    was: CardState,
    act: CardAct,
}

impl Coded for CardStateError {
    fn code(&self) -> Code {
        match (self.was, self.act) {
            (CardState::Revoked, _) => Code::CardRevoked,
            (CardState::Held, _) => Code::CardHeldAlready,
            (CardState::Valid, _) => Code::CardNotHeld,
        }
    }
}

impl CardAct {
    /// The manual's word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Suspend => "暫停使用",
            Self::Resume => "恢復使用",
            Self::Revoke => "廢止",
        }
    }

    /// The state that a card in this state comes to: only a card in force is suspended, only a
    /// suspended one resumed, and a revoked one stays so.
    ///
    /// # Errors
    /// [`CardStateError`].
    pub fn from_state(self, was: CardState) -> Result<CardState, CardStateError> {
        match (self, was) {
            (Self::Suspend, CardState::Valid) => Ok(CardState::Held),
            (Self::Resume, CardState::Held) => Ok(CardState::Valid),
            (Self::Revoke, CardState::Valid | CardState::Held) => Ok(CardState::Revoked),
            _ => Err(CardStateError { was, act: self }),
        }
    }
}

/// When the lists will show what changes now: after the Taipei midnight that comes next, which
/// is 24:00 of this day.
pub fn listed_after(now: Timestamp) -> Timestamp {
    RocDay::of(now).end()
}

/// The day of [`listed_after`] as the page says it: `115/11/28 24:00`.
pub fn listed_after_words(now: Timestamp) -> String {
    format!("{} 24:00", RocDay::of(now))
}

/// 憑證查詢: one exact condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CardQuery {
    /// 公司名稱.
    CompanyName(String),
    /// 統一編號.
    Ubn(Ubn),
    /// 電子郵件地址.
    Email(Email),
    /// 卡號.
    CardNumber(CardNumber),
    /// 憑證序號.
    SerialNumber(SerialNumber),
}

/// Which condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CardCondition {
    /// 公司名稱.
    CompanyName,
    /// 統一編號.
    Ubn,
    /// 電子郵件地址.
    Email,
    /// 卡號.
    CardNumber,
    /// 憑證序號.
    SerialNumber,
}

impl CardQuery {
    /// Reads a condition.
    ///
    /// # Errors
    /// What is wrong with the member `value`.
    pub fn parse(by: CardCondition, value: &str) -> Result<Self, FieldError> {
        let read = || {
            Ok(match by {
                CardCondition::CompanyName => Self::CompanyName(line(value, MAX_NAME)?),
                CardCondition::Ubn => Self::Ubn(value.parse()?),
                CardCondition::Email => Self::Email(value.parse()?),
                CardCondition::CardNumber => Self::CardNumber(value.parse()?),
                CardCondition::SerialNumber => Self::SerialNumber(value.parse()?),
            })
        };
        read().map_err(|problem| FieldError::at("value", problem))
    }
}

/// The company's name on a card, as it is looked up.
///
/// # Errors
/// What is wrong with it.
pub fn card_holder_name(text: &str) -> Result<String, FieldProblem> {
    line(text, MAX_NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        let number: CardNumber = " ｍｔ00-0000 00000001".parse().unwrap();
        assert_eq!(number.as_str(), "MT00000000000001");
        assert_eq!(number.masked(), "MT**********0001");
        for wrong in
            ["MT0000000000001", "0T00000000000001", "MT000000000000011", "MT0000000000000測"]
        {
            assert_eq!(wrong.parse::<CardNumber>(), Err(FieldProblem::CardNumberFormat), "{wrong}");
        }
        assert_eq!("".parse::<CardNumber>(), Err(FieldProblem::Required));
        let serial: SerialNumber = "0x00:0A b1:c2".parse().unwrap();
        assert_eq!(serial, "AB1C2".parse().unwrap());
        assert_eq!(serial.as_bytes(), [0x0a, 0xb1, 0xc2]);
        assert_eq!(serial.to_string(), format!("{:0>32}", "0AB1C2"));
        for wrong in ["xyz", "0", "00:00", &"1".repeat(42)] {
            assert_eq!(wrong.parse::<SerialNumber>(), Err(FieldProblem::SerialFormat), "{wrong}");
        }
    }

    #[test]
    fn a_user_code_is_never_shown() {
        let code: UserCode = "Abc-123".parse().unwrap();
        assert_eq!(format!("{code:?}"), "UserCode");
        for wrong in ["12345", "12345678901", "123 456", "代碼代碼代碼"] {
            assert_eq!(wrong.parse::<UserCode>().unwrap_err(), FieldProblem::UserCodeFormat);
        }
    }

    #[test]
    fn only_a_held_card_is_resumed_and_a_revoked_one_never() {
        use CardAct::{Resume, Revoke, Suspend};
        use CardState::{Held, Revoked, Valid};
        for (act, was, becomes) in [
            (Suspend, Valid, Ok(Held)),
            (Suspend, Held, Err(Code::CardHeldAlready)),
            (Suspend, Revoked, Err(Code::CardRevoked)),
            (Resume, Valid, Err(Code::CardNotHeld)),
            (Resume, Held, Ok(Valid)),
            (Resume, Revoked, Err(Code::CardRevoked)),
            (Revoke, Valid, Ok(Revoked)),
            (Revoke, Held, Ok(Revoked)),
            (Revoke, Revoked, Err(Code::CardRevoked)),
        ] {
            assert_eq!(
                act.from_state(was).map_err(|error| error.code()),
                becomes,
                "{act:?} {was:?}"
            );
        }
    }

    #[test]
    fn the_day_of_the_list_turns_at_24_00() {
        let last: Timestamp = "2026-11-28T23:59:59+08:00".parse().unwrap();
        let first: Timestamp = "2026-11-29T00:00:00+08:00".parse().unwrap();
        assert_eq!(listed_after(last), first);
        assert_eq!(listed_after_words(last), "115/11/28 24:00");
        assert_eq!(listed_after(first).as_second(), first.as_second() + 24 * 3600);
        assert_eq!(listed_after_words(first), "115/11/29 24:00");
    }
}
