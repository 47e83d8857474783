//! A client of pinentry (the Assuan protocol): commands of one line, answers of lines that
//! end with OK or ERR. The PIN goes through memory that is erased.

use std::io::{BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use secrecy::SecretString;
use zeroize::Zeroizing;

/// Longest line in either direction, in bytes.
const MAX_LINE: usize = 1000;
/// Error codes (the low 16 bits; libgpg-error).
const TIMEOUT: u32 = 62;
const CANCELLED: u32 = 99;
const NOT_CONFIRMED: u32 = 114;
const FULLY_CANCELLED: u32 = 198;

/// What pinentry did not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The person closed the window, said no, or took too long.
    Cancelled,
    /// No window could be opened.
    Unavailable,
}

/// The program while it runs: whoever ends this process ends it first.
static RUNNING: Mutex<Option<Child>> = Mutex::new(None);

fn running() -> std::sync::MutexGuard<'static, Option<Child>> {
    RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Closes the window that is open, if one is.
pub fn close_window() {
    if let Some(mut child) = running().take() {
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// A conversation with one window.
pub struct Conversation {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Conversation {
    /// Starts the program.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub fn start(program: &str) -> Result<Self, Refusal> {
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|_| Refusal::Unavailable)?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        *running() = Some(child);
        let (Some(input), Some(output)) = (input, output) else { return Err(Refusal::Unavailable) };
        let mut conversation = Self { input, output: BufReader::with_capacity(1, output) };
        conversation.answer()?;
        for (option, variable) in
            [("ttyname", "GPG_TTY"), ("ttytype", "TERM"), ("lc-ctype", "LANG")]
        {
            if let Some(value) = std::env::var(variable).ok().filter(|value| !value.is_empty()) {
                // A window that does not know the option is a window all the same.
                let _ = conversation.command("OPTION", &format!("{option}={value}"));
            }
        }
        Ok(conversation)
    }

    /// Sends a command; the data of its answer.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn command(&mut self, name: &str, text: &str) -> Result<Option<SecretString>, Refusal> {
        let mut line = name.to_owned();
        if !text.is_empty() {
            line.push(' ');
        }
        for character in text.chars() {
            let escaped: &str = match character {
                '%' => "%25",
                '\r' => "%0D",
                '\n' => "%0A",
                _ => "",
            };
            if line.len() + 3 + character.len_utf8() > MAX_LINE {
                break;
            }
            if escaped.is_empty() {
                line.push(character);
            } else {
                line.push_str(escaped);
            }
        }
        line.push('\n');
        self.input.write_all(line.as_bytes()).map_err(|_| Refusal::Unavailable)?;
        self.answer()
    }

    fn answer(&mut self) -> Result<Option<SecretString>, Refusal> {
        let mut data = None;
        loop {
            let line = self.line()?;
            let (word, rest) = match line.iter().position(|byte| *byte == b' ') {
                Some(place) => (&line[..place], &line[place + 1..]),
                None => (&line[..], &[][..]),
            };
            match word {
                b"OK" => return Ok(data),
                b"D" => data = Some(unescaped(rest).ok_or(Refusal::Unavailable)?),
                b"ERR" => return Err(refusal(rest)),
                // Remarks and states.
                _ => (),
            }
        }
    }

    /// One line without its end. Byte by byte: nothing of it stays in a buffer.
    fn line(&mut self) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let mut line = Zeroizing::new(Vec::with_capacity(MAX_LINE + 1));
        let mut byte = Zeroizing::new([0]);
        loop {
            match self.output.read(&mut *byte) {
                Ok(1) if byte[0] == b'\n' => return Ok(line),
                Ok(1) if line.len() < MAX_LINE => line.push(byte[0]),
                _ => return Err(Refusal::Unavailable),
            }
        }
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        let _ = self.input.write_all(b"BYE\n");
        close_window();
    }
}

fn refusal(text: &[u8]) -> Refusal {
    let digits: String =
        text.iter().map(|byte| char::from(*byte)).take_while(char::is_ascii_digit).collect();
    match digits.parse::<u32>().unwrap_or_default() & 0xffff {
        TIMEOUT | CANCELLED | NOT_CONFIRMED | FULLY_CANCELLED => Refusal::Cancelled,
        _ => Refusal::Unavailable,
    }
}

fn unescaped(data: &[u8]) -> Option<SecretString> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(data.len()));
    let mut rest = data;
    while let [first, after @ ..] = rest {
        rest = after;
        if *first == b'%' {
            let [high, low, after @ ..] = after else { return None };
            let digit = |byte: u8| char::from(byte).to_digit(16);
            bytes.push(u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()?);
            rest = after;
        } else {
            bytes.push(*first);
        }
    }
    Some(SecretString::from(std::str::from_utf8(&bytes).ok()?))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn escapes_come_back_and_errors_are_told_apart() {
        let read = |data: &[u8]| unescaped(data).map(|text| text.expose_secret().to_owned());
        assert_eq!(read(b"a%25%E7%94%B2 b"), Some("a%甲 b".to_owned()));
        assert_eq!(read(b"%2"), None);
        assert_eq!(read(b"%zz"), None);
        assert_eq!(read(b"%ff"), None);
        assert_eq!(refusal(b"83886179 Operation cancelled"), Refusal::Cancelled);
        assert_eq!(refusal(b"83886142 Timeout"), Refusal::Cancelled);
        assert_eq!(refusal(b"83886194 Not confirmed"), Refusal::Cancelled);
        assert_eq!(refusal(b"83918950 Inappropriate ioctl"), Refusal::Unavailable);
        assert_eq!(refusal(b""), Refusal::Unavailable);
    }
}
