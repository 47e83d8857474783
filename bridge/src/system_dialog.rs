//! The dialogs of Windows (CredUI) and macOS (AppleScript), where there is no pinentry.

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

#[cfg(target_os = "macos")]
mod platform {
    use std::process::{Command, Stdio};

    use secrecy::SecretString;
    use zeroize::Zeroizing;

    use super::Refusal;

    /// Texts come in as arguments of the script: nothing of them is ever read as a script.
    const ASK: &str = "on run {title, message}
        set answer to display dialog message default answer \"\" with hidden answer with title title buttons {\"取消\", \"簽章\"} default button 2 cancel button 1 giving up after 120
        if gave up of answer then error number -128
        return text returned of answer
    end run";
    const CONFIRM: &str = "on run {title, message, yes, no}
        set answer to display dialog message with title title buttons {no, yes} cancel button 1 giving up after 120
        if gave up of answer then error number -128
    end run";

    fn run(script: &str, arguments: &[&str]) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let output = Command::new("/usr/bin/osascript")
            .args(["-e", script])
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .map_err(|_| Refusal::Unavailable)?;
        if output.status.success() {
            Ok(Zeroizing::new(output.stdout))
        } else {
            Err(Refusal::Cancelled)
        }
    }

    pub fn ask(title: &str, text: &str) -> Result<SecretString, Refusal> {
        let typed = run(ASK, &[title, text])?;
        let typed = std::str::from_utf8(&typed).map_err(|_| Refusal::Unavailable)?;
        Ok(SecretString::from(typed.trim_end_matches('\n')))
    }

    pub fn confirm(title: &str, text: &str, yes: &str, no: &str) -> Result<(), Refusal> {
        run(CONFIRM, &[title, text, yes, no]).map(drop)
    }
}

#[cfg(windows)]
mod platform {
    #![allow(unsafe_code, reason = "the system's dialogs have a C interface")]

    use std::ptr::{null, null_mut};

    use secrecy::SecretString;
    use windows_sys::Win32::Foundation::NO_ERROR;
    use windows_sys::Win32::Security::Credentials::{
        CREDUI_FLAGS_ALWAYS_SHOW_UI, CREDUI_FLAGS_DO_NOT_PERSIST, CREDUI_FLAGS_GENERIC_CREDENTIALS,
        CREDUI_FLAGS_KEEP_USERNAME, CREDUI_INFOW, CredUIPromptForCredentialsW,
    };
    use windows_sys::Win32::UI::WindowsAndMessaging::{
        IDYES, MB_DEFBUTTON2, MB_ICONQUESTION, MB_SETFOREGROUND, MB_TOPMOST, MB_YESNO, MessageBoxW,
    };
    use zeroize::Zeroizing;

    use super::Refusal;

    /// Longest PIN that the dialog takes, its end included.
    const PIN_SIZE: u32 = 32;

    /// UTF-16 with an end.
    fn wide(text: &str) -> Vec<u16> {
        text.encode_utf16().chain([0]).collect()
    }

    pub fn ask(title: &str, text: &str) -> Result<SecretString, Refusal> {
        let (title, text, target) = (wide(title), wide(text), wide("chayan-bridge"));
        let info = CREDUI_INFOW {
            cbSize: u32::try_from(size_of::<CREDUI_INFOW>()).unwrap_or_default(),
            hwndParent: null_mut(),
            pszMessageText: text.as_ptr(),
            pszCaptionText: title.as_ptr(),
            hbmBanner: null_mut(),
        };
        let mut user = wide("PIN碼");
        let users = u32::try_from(user.len()).unwrap_or_default();
        let mut pin = Zeroizing::new([0_u16; PIN_SIZE as usize]);
        let flags = CREDUI_FLAGS_GENERIC_CREDENTIALS
            | CREDUI_FLAGS_ALWAYS_SHOW_UI
            | CREDUI_FLAGS_DO_NOT_PERSIST
            | CREDUI_FLAGS_KEEP_USERNAME;
        // SAFETY: every pointer is to a buffer that lives until the call returns, with its
        // size beside it; texts have ends.
        let answer = unsafe {
            CredUIPromptForCredentialsW(
                &info,
                target.as_ptr(),
                null(),
                0,
                user.as_mut_ptr(),
                users,
                pin.as_mut_ptr(),
                PIN_SIZE,
                null_mut(),
                flags,
            )
        };
        if answer != NO_ERROR {
            return Err(Refusal::Cancelled);
        }
        let end = pin.iter().position(|unit| *unit == 0).unwrap_or_default();
        let typed = Zeroizing::new(String::from_utf16_lossy(&pin[..end]));
        Ok(SecretString::from(typed.as_str()))
    }

    pub fn confirm(title: &str, text: &str, yes: &str, no: &str) -> Result<(), Refusal> {
        let text = wide(&format!("{text}\n\n是：{yes}　否：{no}"));
        let title = wide(title);
        let style = MB_YESNO | MB_DEFBUTTON2 | MB_ICONQUESTION | MB_SETFOREGROUND | MB_TOPMOST;
        // SAFETY: both texts have ends and live until the call returns.
        let answer = unsafe { MessageBoxW(null_mut(), text.as_ptr(), title.as_ptr(), style) };
        if answer == IDYES { Ok(()) } else { Err(Refusal::Cancelled) }
    }
}
