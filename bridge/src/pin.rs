//! Asking for the PIN: in a window of the bridge's own, never in the page.

use pinentry::{Error, PassphraseInput};
use secrecy::{ExposeSecret, SecretString};

/// What the window shows before the PIN is typed.
#[derive(Clone, Debug)]
pub struct Question {
    /// The page's origin, verified.
    pub origin: String,
    /// What the signature is for, in words.
    pub purpose: &'static str,
    /// The name on the card.
    pub holder: String,
    /// 卡號.
    pub card_number: String,
    /// SHA-256 of what will be signed, shortened.
    pub digest: String,
    /// Tries left, when known.
    pub tries_left: Option<u8>,
}

/// The person did not give a PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPin {
    /// Cancelled, or took too long.
    Cancelled,
    /// No window could be opened.
    Unavailable,
}

/// A way to ask.
pub trait PinPrompt: Send + Sync {
    /// Asks once.
    ///
    /// # Errors
    /// [`NoPin`].
    fn ask(&self, question: &Question) -> Result<SecretString, NoPin>;
}

/// Seconds that the window stays open.
const PATIENCE: u16 = 120;

/// The desktop's own PIN window, by pinentry's protocol; on a text terminal its text form.
pub struct Pinentry {
    /// The program, by name or path.
    pub program: String,
}

impl PinPrompt for Pinentry {
    fn ask(&self, question: &Question) -> Result<SecretString, NoPin> {
        let description = question.to_string();
        let mut input = PassphraseInput::with_binary(&self.program).ok_or(NoPin::Unavailable)?;
        input
            .with_title("憑證簽章")
            .with_description(&description)
            .with_prompt("PIN碼")
            .with_ok("簽章")
            .with_cancel("取消")
            .with_timeout(PATIENCE);
        match input.interact() {
            Ok(pin) => Ok(pin),
            Err(Error::Cancelled | Error::Timeout) => Err(NoPin::Cancelled),
            Err(_) => Err(NoPin::Unavailable),
        }
    }
}

impl std::fmt::Display for Question {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { origin, purpose, holder, card_number, digest, tries_left } = self;
        write!(
            formatter,
            "網站：{origin}\n用途：{purpose}\n憑證：{holder}\n卡號：{card_number}\n內容摘要：{digest}"
        )?;
        match tries_left {
            Some(1) => write!(formatter, "\n注意：只剩最後1次，錯誤卡片即鎖定。"),
            Some(left) => write!(formatter, "\n剩餘次數：{left}"),
            None => Ok(()),
        }
    }
}

/// Answers with a PIN given on the command line. For demo cards alone: the bridge refuses
/// to start with it beside any other backend.
pub struct DemoAnswer(pub SecretString);

impl PinPrompt for DemoAnswer {
    fn ask(&self, _question: &Question) -> Result<SecretString, NoPin> {
        Ok(SecretString::from(self.0.expose_secret().to_owned()))
    }
}
