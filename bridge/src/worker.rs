//! The process that does one thing and ends: it looks at one source of cards, or opens a
//! window and signs. Modules of vendors are loaded here and nowhere else, and a window's
//! PIN is here and nowhere else (one that the popup asks comes through the server); a hang or crash costs one request.
//!
//! It reads one [`Job`] from its input and writes [`Word`]s to its output, each a line of
//! JSON. When its input ends, whoever asked has gone: it closes its window and ends.

use std::io::{BufRead, Write};
use std::sync::mpsc::{Receiver, Sender, channel};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use pki::{Fingerprint, SignedDataDraft, SigningInput};
use protocol::{CardKind, Cards, Failure, FailureCode, Reader, SignRequest, Signed};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::assuan::{self, Refusal};
use crate::cards::{CardBackend, CardSource, PresentCard, printable};
use crate::dialog::{Confirmation, PinQuestion, Windows, is_pin};
use crate::hipki::{HipkiJob, HipkiSigned};
use crate::page::{PageAnswer, PageQuestion};

/// Largest document.
const MAX_DOCUMENT: usize = 128 << 10;
/// Longest challenge.
const MAX_CHALLENGE: usize = 128;
/// Longest name of a card.
const MAX_CARD: usize = 256;

/// What a worker is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Job {
    /// Look what is in the readers.
    Look {
        /// Where.
        source: CardSource,
    },
    /// Ask for a PIN and sign.
    Sign(Box<SignJob>),
    /// Sign as the HiPKI component does, with a PIN that the page sent.
    Hipki(Box<HipkiJob>),
    /// Ask the person.
    Confirm {
        /// How.
        windows: Windows,
        /// What.
        question: Confirmation,
    },
}

/// A signature to be made.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignJob {
    /// Where the card is.
    pub source: CardSource,
    /// How the person is asked.
    pub windows: Windows,
    /// The page's origin, verified.
    pub origin: String,
    /// What the page asks for; the card by its name within the source.
    pub request: SignRequest,
    /// Whether PINs for this card were wrong before: the person confirms that it shall be
    /// tried again.
    pub caution: bool,
    /// Whether the bridge's own page may ask where no window can be opened.
    pub page: bool,
}

/// What a worker says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Word {
    /// A window is open: time passes at the person's pace.
    Asking,
    /// No window can be opened: the page is to ask. The answer is the input's next line.
    Page(PageQuestion),
    /// The card works.
    Working,
    /// What is in the readers.
    Found(Cards),
    /// The signature.
    Signed(Signed),
    /// The signature as the HiPKI component gives it.
    HipkiSigned(HipkiSigned),
    /// The person said yes.
    Confirmed,
    /// It was not done.
    Failed(Failure),
}

/// Carries out the one job that stands on the input.
pub fn run() {
    no_traces();
    let mut line = String::new();
    if std::io::stdin().lock().read_line(&mut line).is_err() {
        return;
    }
    let Ok(job) = serde_json::from_str::<Job>(&line) else { return };
    let (answers, answered) = channel();
    std::thread::spawn(move || end_with_input(&answers));
    let last = match job {
        Job::Look { source } => look(&source).map(Word::Found),
        Job::Sign(job) => sign(*job, &answered).map(Word::Signed),
        Job::Hipki(job) => hipki(&job).map(Word::HipkiSigned),
        Job::Confirm { windows, question } => {
            say(&Word::Asking);
            windows.confirm(&question).map(|()| Word::Confirmed).map_err(refused)
        }
    };
    say(&last.unwrap_or_else(Word::Failed));
    // A module may have left threads behind that never end.
    std::process::exit(0);
}

/// Hands on the page's answers until the input ends, which means that nobody waits for
/// this process.
fn end_with_input(answers: &Sender<PageAnswer>) {
    let mut line = Zeroizing::new(String::new());
    while std::io::stdin().lock().read_line(&mut line).is_ok_and(|read| read > 0) {
        if let Ok(answer) = serde_json::from_str(&line) {
            let _ = answers.send(answer);
        }
        line = Zeroizing::new(String::new());
    }
    assuan::close_window();
    std::process::exit(3);
}

/// No core dump holds a PIN, and no other process reads this one's memory.
pub(crate) fn no_traces() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, Resource, Rlimit};
        let none = Rlimit { current: Some(0), maximum: Some(0) };
        let _ = rustix::process::setrlimit(Resource::Core, none);
        let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}

fn say(word: &Word) {
    let mut output = std::io::stdout().lock();
    if let Ok(line) = serde_json::to_string(word) {
        // A line of its own, whatever a module wrote before.
        let _ = writeln!(output, "\n{line}");
        let _ = output.flush();
    }
}

fn refused(refusal: Refusal) -> Failure {
    match refusal {
        Refusal::Cancelled => FailureCode::PinCancelled.into(),
        Refusal::Unavailable => FailureCode::PinPromptUnavailable.into(),
    }
}

fn look(source: &CardSource) -> Result<Cards, Failure> {
    let found = source.open()?.look()?;
    Ok(Cards {
        cards: found.cards.iter().map(PresentCard::describe).collect(),
        readers: found.readers.into_iter().map(shown).collect(),
        troubles: Vec::new(),
    })
}

/// A reader by the name that pages see, which its card has as well.
fn shown(reader: Reader) -> Reader {
    Reader { name: printable(&reader.name), ..reader }
}

/// What is signed: canonical JSON with origin, purpose and challenge. The bridge builds it;
/// nobody brings a digest.
fn content(origin: &str, request: &SignRequest) -> Result<Vec<u8>, Failure> {
    let malformed = || Failure::from(FailureCode::MalformedRequest);
    if request.challenge.is_empty() || request.challenge.len() > MAX_CHALLENGE {
        return Err(malformed());
    }
    let SignRequest { purpose, challenge, document, .. } = request.clone();
    let input = SigningInput::new(origin, purpose, challenge, document);
    input.canonical().filter(|content| content.len() <= MAX_DOCUMENT).ok_or_else(malformed)
}

/// Checks what needs no card.
///
/// # Errors
/// [`FailureCode::MalformedRequest`].
pub fn check(origin: &str, request: &SignRequest) -> Result<(), Failure> {
    if request.card.len() > MAX_CARD || request.card.contains(char::is_control) {
        return Err(FailureCode::MalformedRequest.into());
    }
    content(origin, request).map(drop)
}

/// The card of this name, which is not locked.
fn usable(backend: &dyn CardBackend, id: &str) -> Result<PresentCard, Failure> {
    let card = backend.look()?.cards.into_iter().find(|card| card.id == id);
    let card = card.ok_or(FailureCode::NoCard)?;
    match card.tries_left {
        Some(0) => Err(Failure { code: FailureCode::PinLocked, tries_left: Some(0) }),
        _ => Ok(card),
    }
}

fn hipki(job: &HipkiJob) -> Result<HipkiSigned, Failure> {
    let backend = job.source.open()?;
    let card = usable(backend.as_ref(), &job.card)?;
    if job.caution || card.tries_left == Some(1) {
        say(&Word::Asking);
        job.windows.confirm(&caution_about(&card)).map_err(refused)?;
    }
    say(&Word::Working);
    job.sign(backend.as_ref(), &card)
}

/// Asks in the bridge's own page.
fn ask_page(
    question: PageQuestion,
    answered: &Receiver<PageAnswer>,
) -> Result<Option<SecretString>, Refusal> {
    let pin = question.pin;
    say(&Word::Page(question));
    match answered.recv() {
        Ok(PageAnswer::Pin(ref typed)) if pin => Ok(Some(SecretString::from(typed.as_str()))),
        Ok(PageAnswer::Yes) if !pin => Ok(None),
        _ => Err(Refusal::Cancelled),
    }
}

fn sign(job: SignJob, answered: &Receiver<PageAnswer>) -> Result<Signed, Failure> {
    let SignJob { source, windows, origin, request, caution, page } = job;
    let content = content(&origin, &request)?;
    let backend = source.open()?;
    let card = usable(backend.as_ref(), &request.card)?;
    say(&Word::Asking);
    if caution || card.tries_left == Some(1) {
        let question = caution_about(&card);
        match windows.confirm(&question) {
            Err(Refusal::Unavailable) if page => ask_page((&question).into(), answered).map(drop),
            other => other,
        }
        .map_err(refused)?;
    }
    let digest = Fingerprint::of(&content).to_string();
    let question = question(&card, &origin, request.purpose.title(), &digest);
    let pin = match windows.ask_pin(&question) {
        Err(Refusal::Unavailable) if page => ask_page((&question).into(), answered),
        other => other,
    }
    .map_err(refused)?;
    say(&Word::Working);
    sign_content(backend.as_ref(), &card, pin.as_ref(), content)
}

fn question(card: &PresentCard, origin: &str, purpose: &str, digest: &str) -> PinQuestion {
    let described = card.describe();
    PinQuestion {
        origin: origin.to_owned(),
        purpose: purpose.to_owned(),
        holder: described.holder,
        kind: match described.kind {
            CardKind::Company => "工商憑證",
            CardKind::SecondaryCompany => "工商憑證附卡",
            CardKind::Citizen => "自然人憑證",
            CardKind::Organisation => "機關（團體）憑證",
            CardKind::Other => "其他憑證",
        },
        card_number: described.card_number,
        reader: described.reader,
        digest: digest[..16].to_owned(),
        tries_left: card.tries_left,
        pin_pad: card.pin_pad,
    }
}

/// Before the last try, and after wrong ones.
fn caution_about(card: &PresentCard) -> Confirmation {
    let (title, text, yes) = match card.tries_left {
        Some(1) => (
            "PIN碼只剩最後1次機會",
            "這張卡片的PIN碼只剩最後1次機會。\n再輸入錯誤，卡片即鎖定，須至憑證管理中心網站以用戶代碼辦理解鎖。\n\n若不確定PIN碼，請按「取消」。",
            "輸入PIN碼",
        ),
        _ => (
            "PIN碼輸入錯誤",
            "這張卡片剛才已輸入錯誤的PIN碼。\n連續錯誤3次卡片即鎖定。\n\n確定知道PIN碼，才按「再試一次」。",
            "再試一次",
        ),
    };
    Confirmation {
        title: title.to_owned(),
        text: format!("卡號：{}\n{text}", printable(&card.number)),
        yes: yes.to_owned(),
        no: "取消".to_owned(),
        harmless: false,
    }
}

/// Makes the message with the card's signature in it.
///
/// # Errors
/// Those of the card.
fn sign_content(
    backend: &dyn CardBackend,
    card: &PresentCard,
    pin: Option<&SecretString>,
    content: Vec<u8>,
) -> Result<Signed, Failure> {
    if pin.is_some_and(|pin| !is_pin(pin.expose_secret())) {
        return Err(Failure { code: FailureCode::PinLength, tries_left: card.tries_left });
    }
    let failed = |_| Failure::from(FailureCode::Failed);
    let draft = SignedDataDraft::new(
        content,
        card.certificate.clone(),
        card.chain.clone(),
        Some(&card.number),
        Timestamp::now(),
    )
    .map_err(failed)?;
    let signature = backend.sign(card, pin, &draft.to_be_signed().map_err(failed)?)?;
    let signed_data = BASE64_STANDARD.encode(draft.finish(&signature).map_err(failed)?);
    Ok(Signed { signed_data })
}
