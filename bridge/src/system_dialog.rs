//! The dialogs of Windows and macOS, where there is no pinentry.

#[cfg_attr(windows, path = "system_dialog/windows.rs")]
#[cfg_attr(target_os = "macos", path = "system_dialog/macos.rs")]
mod platform;

use secrecy::SecretString;

use crate::assuan::Refusal;
use crate::dialog::{Confirmation, PinQuestion};

/// Asks for a PIN, once; none where it is typed on the reader.
///
/// # Errors
/// [`Refusal`].
pub fn ask_pin(question: &PinQuestion) -> Result<Option<SecretString>, Refusal> {
    let text = question.to_string();
    if question.pin_pad {
        return platform::confirm("憑證簽章", &text, "簽章", "取消").map(|()| None);
    }
    platform::ask("憑證簽章", &text).map(Some)
}

/// Asks for a yes.
///
/// # Errors
/// [`Refusal::Cancelled`] for a no.
pub fn confirm(question: &Confirmation) -> Result<(), Refusal> {
    platform::confirm(&question.title, &question.text, &question.yes, &question.no)
}
