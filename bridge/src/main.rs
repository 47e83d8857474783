//! `chayan-bridge`: serves pages on this computer; inserts and removes demo cards.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use chayan_bridge::cards::CardBackend;
use chayan_bridge::cards::demo::DemoCards;
use chayan_bridge::cards::pkcs11::Pkcs11Cards;
use chayan_bridge::{DemoAnswer, Options, PinPrompt, Pinentry};
use clap::{Parser, Subcommand};
use secrecy::SecretString;
use tokio::net::TcpListener;

/// Signs for web pages with the smart card in the reader.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Listen for pages of the allowed origins.
    Serve(Serve),
    /// Show, insert or remove demo cards.
    Card(Card),
}

#[derive(clap::Args)]
struct Serve {
    /// Port on the loopback address.
    #[arg(long, default_value_t = protocol::DEFAULT_PORT)]
    port: u16,
    /// Origin that may ask, exactly (scheme://host[:port]); may be repeated.
    #[arg(long = "allow-origin", required = true)]
    allowed_origins: Vec<String>,
    /// PKCS#11 module of the card's vendor, by absolute path.
    #[arg(long, conflicts_with = "demo_cards")]
    pkcs11: Option<PathBuf>,
    /// Folder of demo cards.
    #[arg(long)]
    demo_cards: Option<PathBuf>,
    /// Program that asks for the PIN.
    #[arg(long, default_value = "pinentry")]
    pinentry: String,
    /// Answer the PIN window with this; with demo cards alone.
    #[arg(long)]
    demo_answer: Option<String>,
}

#[derive(clap::Args)]
struct Card {
    /// Folder of demo cards.
    #[arg(long, default_value = ".chayan/cards")]
    demo_cards: PathBuf,
    #[command(subcommand)]
    action: CardAction,
}

#[derive(Subcommand)]
enum CardAction {
    /// List the demo cards.
    List,
    /// Put a card into its reader.
    Insert {
        /// Name of the card.
        name: String,
    },
    /// Take a card out of its reader.
    Remove {
        /// Name of the card.
        name: String,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Serve(options) => serve(options),
        Command::Card(options) => card(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chayan-bridge: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(options: Serve) -> anyhow::Result<()> {
    let backend: Box<dyn CardBackend> = match (options.pkcs11, options.demo_cards) {
        (Some(module), _) => Box::new(Pkcs11Cards::new(module).map_err(anyhow::Error::msg)?),
        (None, Some(folder)) => Box::new(DemoCards::new(folder)),
        (None, None) => bail!("give --pkcs11 MODULE or --demo-cards FOLDER"),
    };
    let prompt: Box<dyn PinPrompt> = match options.demo_answer {
        Some(_) if !backend.is_demo() => bail!("--demo-answer is for demo cards alone"),
        Some(pin) => Box::new(DemoAnswer(SecretString::from(pin))),
        None => Box::new(Pinentry { program: options.pinentry }),
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async move {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("port {} is not free", options.port))?;
        eprintln!("chayan-bridge listens on {}", listener.local_addr()?);
        let allowed_origins = options.allowed_origins;
        chayan_bridge::serve(listener, Options { allowed_origins, backend, prompt }).await?;
        Ok(())
    })
}

#[expect(clippy::print_stdout, reason = "a listing is this command's answer")]
fn card(options: &Card) -> anyhow::Result<()> {
    let cards = DemoCards::new(&options.demo_cards);
    match &options.action {
        CardAction::List => {
            for name in cards.names()? {
                let card = cards.read(&name)?;
                let place = if card.inserted { "inserted" } else { "removed" };
                println!("{name}\t{}\t{place}\t{} tries left", card.card_number, card.tries_left);
            }
        }
        CardAction::Insert { name } => cards.set_inserted(name, true)?,
        CardAction::Remove { name } => cards.set_inserted(name, false)?,
    }
    Ok(())
}
