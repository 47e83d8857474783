//! The mail relay: drains the outbox over SMTP. A letter is taken on in the database before it is
//! sent, so that of two relays one sends it; after a crash in between it is sent again, under the
//! same Message-ID.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use jiff::Timestamp;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, header};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{Message, SmtpTransport, Transport};
use store::native::Native;
use store::{Cases, LetterRow};

/// How the connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Security {
    /// STARTTLS, or no letter goes.
    Starttls,
    /// TLS from the first byte.
    Tls,
    /// None; only to this very machine.
    None,
}

/// Where letters go out.
#[derive(clap::Args)]
pub(crate) struct RelayOptions {
    /// The SMTP server.
    #[arg(long)]
    server: String,
    /// Its port.
    #[arg(long, default_value_t = 587)]
    port: u16,
    /// How the connection is protected.
    #[arg(long, value_enum, default_value_t = Security::Starttls)]
    security: Security,
    /// A CA of the server, PEM, beside those that the machine believes.
    #[arg(long)]
    ca: Option<PathBuf>,
    /// Account at the server.
    #[arg(long, requires = "password_file")]
    user: Option<String>,
    /// File with the account's password.
    #[arg(long)]
    password_file: Option<PathBuf>,
    /// The sender, for example `戶政司 <noreply@example.gov.tw>`.
    #[arg(long)]
    from: Mailbox,
    /// Send what is due, and end.
    #[arg(long)]
    once: bool,
    /// Seconds between two looks at the outbox.
    #[arg(long, default_value_t = 15)]
    every: u64,
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn transport(options: &RelayOptions) -> anyhow::Result<SmtpTransport> {
    let local = ["localhost", "127.0.0.1", "::1"].contains(&options.server.as_str());
    ensure!(options.security != Security::None || local, "letters leave this machine by TLS only");
    let mut tls = TlsParameters::builder(options.server.clone());
    if let Some(ca) = &options.ca {
        tls = tls.add_root_certificate(Certificate::from_pem(&read(ca)?)?);
    }
    let mut builder = SmtpTransport::builder_dangerous(&options.server)
        .port(options.port)
        .timeout(Some(Duration::from_secs(30)))
        .tls(match options.security {
            Security::Starttls => Tls::Required(tls.build()?),
            Security::Tls => Tls::Wrapper(tls.build()?),
            Security::None => Tls::None,
        });
    if let (Some(user), Some(file)) = (&options.user, &options.password_file) {
        let password = String::from_utf8(read(file)?).context("the password is no text")?;
        builder = builder.credentials(Credentials::new(user.clone(), password.trim().to_owned()));
    }
    Ok(builder.build())
}

/// The message of a letter.
fn message(letter: &LetterRow, from: &Mailbox) -> anyhow::Result<Message> {
    let domain = from.email.domain();
    // A letter that goes twice is known by its number.
    let id = format!("<chayan-{}-{}@{domain}>", letter.id, letter.written_at.as_second());
    Message::builder()
        .from(from.clone())
        .to(letter.recipient.parse().context("the address")?)
        .subject(letter.letter.subject.clone())
        .message_id(Some(id))
        .header(header::MIME_VERSION_1_0)
        .header(ContentType::TEXT_PLAIN)
        .body(letter.letter.body.clone())
        .context("the message")
}

/// What became of the letters of one round.
#[derive(Default)]
pub(crate) struct Round {
    pub(crate) sent: usize,
    pub(crate) left: usize,
}

/// Sends what is due.
fn round(cases: &Cases<Native>, out: &SmtpTransport, from: &Mailbox) -> anyhow::Result<Round> {
    let mut done = Round::default();
    while let Some(letter) = cases.take_letter(Timestamp::now())? {
        let outcome = message(&letter, from).map(|message| out.send(&message));
        let now = Timestamp::now();
        match outcome {
            Ok(Ok(answer)) => {
                let answer = answer.message().collect::<Vec<_>>().join(" ");
                cases.letter_sent(letter.id, &answer, now)?;
                done.sent += 1;
            }
            Ok(Err(error)) => {
                let said = said(&error);
                eprintln!("chayan: letter {}: {said}", letter.id);
                cases.letter_not_sent(&letter, &said, error.is_permanent(), now)?;
                done.left += 1;
            }
            Err(error) => {
                cases.letter_not_sent(&letter, &error.to_string(), true, now)?;
                done.left += 1;
            }
        }
    }
    Ok(done)
}

/// What the server said, without anybody's address.
fn said(error: &lettre::transport::smtp::Error) -> String {
    match error.status() {
        Some(code) => format!("SMTP {code}"),
        None if error.is_timeout() => "timeout".into(),
        None if error.is_client() => "cannot be sent as it is".into(),
        None => "the server cannot be reached".into(),
    }
}

/// Drains the outbox, once or for ever.
#[expect(clippy::print_stdout, reason = "what an operator watches")]
pub(crate) fn run(cases: &Cases<Native>, options: &RelayOptions) -> anyhow::Result<()> {
    let out = transport(options)?;
    loop {
        let done = round(cases, &out, &options.from)?;
        if options.once || done.sent + done.left > 0 {
            let states = cases.letter_states()?;
            let waiting = states.iter().find(|(state, ..)| state == "queued");
            let waiting = waiting.map_or(0, |(_, count, _)| *count);
            println!("{} letters sent, {} not sent, {waiting} waiting", done.sent, done.left);
        }
        if options.once {
            ensure!(done.left == 0, "not every letter was sent");
            return Ok(());
        }
        std::thread::sleep(Duration::from_secs(options.every.max(1)));
    }
}
