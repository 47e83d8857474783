//! The bridge's own page as a window, for computers on which no window of the desktop can
//! be opened: the worker asks the server, the server the popup that has the request made.
//! The PIN goes through the server then.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use zeroize::ZeroizeOnDrop;

use crate::dialog::{Confirmation, PinQuestion};

/// Longest PIN that is handed on; what the card takes is checked later.
const MAX_PIN: usize = 64;

/// What the page shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PageQuestion {
    /// The window's title.
    pub title: String,
    /// What is asked, in lines.
    pub text: String,
    /// The word for yes.
    pub yes: String,
    /// The word for no.
    pub no: String,
    /// Whether a PIN is asked.
    pub pin: bool,
}

impl From<&PinQuestion> for PageQuestion {
    fn from(question: &PinQuestion) -> Self {
        Self {
            title: "憑證簽章".to_owned(),
            text: question.to_string(),
            yes: "簽章".to_owned(),
            no: "取消".to_owned(),
            pin: !question.pin_pad,
        }
    }
}

impl From<&Confirmation> for PageQuestion {
    fn from(question: &Confirmation) -> Self {
        let Confirmation { title, text, yes, no, .. } = question.clone();
        Self { title, text, yes, no, pin: false }
    }
}

/// What the person answers.
#[derive(Serialize, Deserialize, ZeroizeOnDrop)]
#[serde(rename_all = "camelCase")]
pub enum PageAnswer {
    /// The word for yes.
    Yes,
    /// The word for no.
    No,
    /// The PIN, and yes.
    Pin(String),
}

impl PageAnswer {
    /// Whether this can be an answer at all: one line, not long.
    pub fn is_fit(&self) -> bool {
        match self {
            Self::Yes | Self::No => true,
            Self::Pin(pin) => pin.len() <= MAX_PIN && !pin.contains(char::is_control),
        }
    }
}

struct Open {
    question: PageQuestion,
    answer: oneshot::Sender<PageAnswer>,
}

/// The questions that wait for an answer, each by the name of the popup that may give it:
/// 128 random bits that the popup chose and nobody else knows.
#[derive(Default)]
pub struct PageWindows(Mutex<HashMap<String, Open>>);

/// Takes the question away when nobody waits for its answer any more.
struct Shown<'a>(&'a PageWindows, &'a str);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        self.0.open().remove(self.1);
    }
}

impl PageWindows {
    fn open(&self) -> MutexGuard<'_, HashMap<String, Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks in this popup. None when another question took this one's place.
    pub async fn ask(&self, window: &str, question: PageQuestion) -> Option<PageAnswer> {
        let (answer, answered) = oneshot::channel();
        self.open().insert(window.to_owned(), Open { question, answer });
        let _shown = Shown(self, window);
        answered.await.ok()
    }

    /// What this popup is to show.
    pub fn question(&self, window: &str) -> Option<PageQuestion> {
        self.open().get(window).map(|open| open.question.clone())
    }

    /// Answers this popup's question, once.
    pub fn answer(&self, window: &str, answer: PageAnswer) {
        if let Some(open) = self.open().remove(window) {
            let _ = open.answer.send(answer);
        }
    }
}

/// Whether this may name a popup: 32 hexadecimal digits.
pub fn is_window(name: &str) -> bool {
    name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}
