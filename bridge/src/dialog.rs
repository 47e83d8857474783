//! Windows of the bridge's own: where the person sees who asks for what, agrees, and types
//! the PIN. Never in the site's page.

use std::fmt::{self, Display, Formatter};

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::assuan::{Conversation, Refusal};

/// Seconds that a window stays open.
pub const PATIENCE: u16 = 120;

/// How windows are opened.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Windows {
    /// By pinentry: the desktop's own window, on a text terminal its text form.
    Pinentry(String),
    /// By the system's own dialogs (Windows, macOS).
    #[cfg(any(windows, target_os = "macos"))]
    System,
    /// Not at all: every question is answered with this PIN. For demo cards alone.
    DemoAnswer(String),
}

/// What the window shows before the PIN is typed.
#[derive(Clone, Debug)]
pub struct PinQuestion {
    /// The page's origin, verified, and whether by the bridge itself.
    pub origin: String,
    /// What the signature is for, in words; also the title of what is signed.
    pub purpose: String,
    /// The name on the card.
    pub holder: String,
    /// The kind of card, in words.
    pub kind: &'static str,
    /// 卡號.
    pub card_number: String,
    /// The reader.
    pub reader: String,
    /// SHA-256 of what will be signed, shortened.
    pub digest: String,
    /// Tries left, when known.
    pub tries_left: Option<u8>,
    /// Whether the PIN is typed on the reader's keys.
    pub pin_pad: bool,
}

/// A question that is answered with yes or no.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Confirmation {
    /// The window's title.
    pub title: String,
    /// What is asked.
    pub text: String,
    /// The word for yes.
    pub yes: String,
    /// The word for no.
    pub no: String,
    /// Whether an unattended demo may say yes.
    pub harmless: bool,
}

impl Windows {
    /// What this system offers.
    pub fn of_the_system() -> Self {
        #[cfg(any(windows, target_os = "macos"))]
        return Self::System;
        #[cfg(not(any(windows, target_os = "macos")))]
        Self::Pinentry("pinentry".to_owned())
    }

    /// Whether a window of the desktop, or one in the terminal, can probably be opened.
    pub fn can_open(&self) -> bool {
        match self {
            Self::Pinentry(program) if std::path::Path::new(program).is_absolute() => {
                std::path::Path::new(program).is_file()
            }
            Self::Pinentry(program) => {
                let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
                let path = std::env::var_os("PATH").unwrap_or_default();
                let found = std::env::split_paths(&path).any(|at| at.join(program).is_file());
                found && ["DISPLAY", "WAYLAND_DISPLAY", "GPG_TTY"].into_iter().any(set)
            }
            _ => true,
        }
    }

    /// Asks for a PIN, once. None where it is typed on the reader.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn ask_pin(&self, question: &PinQuestion) -> Result<Option<SecretString>, Refusal> {
        match self {
            Self::DemoAnswer(pin) => Ok(Some(SecretString::from(pin.as_str()))),
            #[cfg(any(windows, target_os = "macos"))]
            Self::System => crate::system_dialog::ask_pin(question),
            Self::Pinentry(program) => {
                let mut window = opened(program, "憑證簽章", &question.to_string())?;
                window.command("SETOK", "簽章")?;
                window.command("SETCANCEL", "取消")?;
                if question.pin_pad {
                    // The person agrees here, and types there.
                    return window.command("CONFIRM", "").map(|_| None);
                }
                window.command("SETPROMPT", "PIN碼")?;
                let pin = window.command("GETPIN", "")?;
                // An empty line is an empty PIN.
                Ok(Some(pin.unwrap_or_else(|| SecretString::from(""))))
            }
        }
    }

    /// Asks for a yes.
    ///
    /// # Errors
    /// [`Refusal::Cancelled`] for a no.
    pub fn confirm(&self, question: &Confirmation) -> Result<(), Refusal> {
        match self {
            Self::DemoAnswer(_) if question.harmless => Ok(()),
            Self::DemoAnswer(_) => Err(Refusal::Cancelled),
            #[cfg(any(windows, target_os = "macos"))]
            Self::System => crate::system_dialog::confirm(question),
            Self::Pinentry(program) => {
                let mut window = opened(program, &question.title, &question.text)?;
                window.command("SETOK", &question.yes)?;
                window.command("SETCANCEL", &question.no)?;
                window.command("CONFIRM", "").map(drop)
            }
        }
    }
}

fn opened(program: &str, title: &str, text: &str) -> Result<Conversation, Refusal> {
    let mut window = Conversation::start(program)?;
    window.command("SETTITLE", title)?;
    window.command("SETDESC", text)?;
    window.command("SETTIMEOUT", &PATIENCE.to_string())?;
    Ok(window)
}

impl Display for PinQuestion {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let Self { origin, purpose, holder, kind, card_number, reader, digest, .. } = self;
        writeln!(formatter, "網站：{origin}")?;
        writeln!(formatter, "用途：{purpose}")?;
        writeln!(formatter, "憑證：{holder}（{kind}）")?;
        writeln!(formatter, "卡號：{card_number}")?;
        writeln!(formatter, "讀卡機：{reader}")?;
        write!(formatter, "內容摘要：{digest}")?;
        if self.pin_pad {
            write!(formatter, "\n按「簽章」後，請在讀卡機的按鍵輸入PIN碼。")?;
        }
        match self.tries_left {
            Some(1) => write!(formatter, "\n注意：只剩最後1次，錯誤卡片即鎖定。"),
            Some(left) => write!(formatter, "\nPIN碼剩餘次數：{left}"),
            None => Ok(()),
        }
    }
}

/// Whether a PIN has a length and characters that a card may take; others (full-width
/// digits of an input method, say) are refused before the card, where they could cost a try.
pub fn is_pin(pin: &str) -> bool {
    (6..=8).contains(&pin.len()) && pin.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A text in lines of so many letters at most, wherever that breaks it; a character that is
/// not ASCII takes the place of two.
#[cfg(any(windows, test))]
pub(crate) fn wrapped(text: &str, letters: usize) -> String {
    let mut broken = String::with_capacity(text.len());
    let mut width = 0;
    for character in text.chars() {
        let own = if character.is_ascii() { 1 } else { 2 };
        if character == '\n' {
            width = 0;
        } else if width + own > letters {
            broken.push('\n');
            width = own;
        } else {
            width += own;
        }
        broken.push(character);
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[test]
    fn no_end_of_a_long_name_is_lost() {
        let origin = format!("https://gov.tw.{}.evil.example", "a".repeat(230));
        let shown = wrapped(&format!("網站：{origin}\n用途：登入"), 44);
        assert!(shown.lines().all(|line| line.chars().count() <= 44));
        assert!(shown.replace('\n', "").contains(&origin));
        assert_eq!(wrapped("一二三", 4), "一二\n三");
        assert_eq!(wrapped("ab\ncd", 2), "ab\ncd");
    }
}
