//! The dialogs of macOS, by AppleScript.

use std::process::{Command, Stdio};

use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::assuan::Refusal;

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
