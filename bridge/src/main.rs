//! `chayan-bridge`: serves pages on this computer; lists and revokes sites; inserts and
//! removes demo cards.

use std::alloc::System;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use chayan_bridge::cards::demo::DemoCards;
use chayan_bridge::cards::{CardSource, modules};
use chayan_bridge::dialog::Windows;
use chayan_bridge::sites::{Sites, is_origin};
use chayan_bridge::{HipkiOptions, Options};
use clap::{Parser, Subcommand};
use tokio::net::TcpListener;
use zeroizing_alloc::ZeroAlloc;

/// Whatever is given back is erased first: PINs pass through buffers of libraries.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

/// Where scripts/up puts the demo's cards.
const DEMO_CARDS: &str = ".chayan/cards";

/// Signs for web pages with the smart card in the reader. Without a command it serves.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Without a command: serve.
    #[command(flatten)]
    serve: Serve,
}

#[derive(Subcommand)]
enum Command {
    /// Listen for pages.
    Serve(Serve),
    /// Serve as `serve` does, unless a bridge is serving already: for the session's start
    /// and the link chayan://start.
    Start {
        /// The link, when a browser starts the bridge.
        link: Option<String>,
    },
    /// Show the sites that were allowed, or revoke one.
    Sites(SitesCommand),
    /// Show, insert or remove demo cards.
    Card(Card),
    /// Do one thing for the bridge that started this process.
    #[command(hide = true)]
    Worker,
}

#[derive(clap::Args)]
struct Serve {
    /// Port on the loopback addresses.
    #[arg(long, default_value_t = protocol::DEFAULT_PORT)]
    port: u16,
    /// Origin that may ask without being paired, exactly (scheme://host[:port]), for
    /// managed computers; may be repeated.
    #[arg(long = "allow-origin")]
    allowed_origins: Vec<String>,
    /// PKCS#11 module to ask beside those that are found, by absolute path.
    #[arg(long)]
    pkcs11: Option<PathBuf>,
    /// Folder of demo cards; no other cards are looked for.
    #[arg(long, conflicts_with = "pkcs11")]
    demo_cards: Option<PathBuf>,
    /// The demo cards of this folder's demo (.chayan/cards); no other cards.
    #[arg(long, conflicts_with_all = ["pkcs11", "demo_cards"])]
    demo: bool,
    /// Program that opens windows; without it the system's own dialogs on Windows and
    /// macOS, else "pinentry".
    #[arg(long)]
    pinentry: Option<String>,
    /// Open no window: say yes to every pairing and type this PIN; with demo cards alone.
    #[arg(long)]
    demo_answer: Option<String>,
    /// Serve pages of the HiPKI component as well, on its port. PINs are typed into the
    /// page then.
    #[arg(long)]
    hipki: bool,
    /// The HiPKI component's port.
    #[arg(long, default_value_t = 61161)]
    hipki_port: u16,
    /// Sign digests that a HiPKI page made: lets every allowed site have anything signed.
    #[arg(long, requires = "hipki")]
    hipki_allow_raw: bool,
    /// Seconds that a card or its module may take for anything; the slowest known cards
    /// sign in about two.
    #[arg(long, default_value_t = 20)]
    card_seconds: u64,
    #[command(flatten)]
    state: State,
}

#[derive(clap::Args)]
struct State {
    /// Folder in which the allowed sites are kept; without it the person's own
    /// (~/.local/state/chayan-bridge).
    #[arg(long = "state")]
    folder: Option<PathBuf>,
}

impl State {
    /// The folder given, or the person's own.
    fn folder(&self) -> anyhow::Result<PathBuf> {
        if let Some(folder) = &self.folder {
            return Ok(folder.clone());
        }
        let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
        let base = if cfg!(windows) {
            variable("LOCALAPPDATA")
        } else if cfg!(target_os = "macos") {
            variable("HOME").map(|home| home.join("Library/Application Support"))
        } else {
            variable("XDG_STATE_HOME")
                .filter(|folder| folder.is_absolute())
                .or_else(|| variable("HOME").map(|home| home.join(".local/state")))
        };
        Ok(base.context("no home folder: give --state")?.join("chayan-bridge"))
    }
}

#[derive(clap::Args)]
struct SitesCommand {
    #[command(flatten)]
    state: State,
    /// Revoke this site, by its origin exactly as it is listed.
    #[arg(long)]
    revoke: Option<String>,
}

#[derive(clap::Args)]
struct Card {
    /// Folder of demo cards; stands before the action.
    #[arg(long, default_value = DEMO_CARDS)]
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
    let arguments = Arguments::parse();
    let result = match arguments.command {
        None => serve(arguments.serve),
        Some(Command::Serve(options)) => serve(options),
        Some(Command::Start { link }) => start(link.as_deref(), arguments.serve),
        Some(Command::Sites(options)) => sites(&options),
        Some(Command::Card(options)) => card(&options),
        Some(Command::Worker) => {
            chayan_bridge::worker::run();
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chayan-bridge: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A link is a word and nothing else: a page that starts the bridge tells it nothing.
fn start(link: Option<&str>, options: Serve) -> anyhow::Result<()> {
    if link.is_some_and(|link| !matches!(link, "chayan://start" | "chayan://start/")) {
        bail!("not a link of this program");
    }
    if std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, options.port)).is_ok() {
        return Ok(());
    }
    serve(options)
}

/// The vendor's module first, then OpenSC's, then the configured one, then PIV by ourselves.
fn sources(options: &Serve) -> anyhow::Result<Vec<CardSource>> {
    let demo = options.demo.then(|| PathBuf::from(DEMO_CARDS));
    if let Some(folder) = options.demo_cards.clone().or(demo) {
        return Ok(vec![CardSource::Demo(std::path::absolute(folder)?)]);
    }
    let mut found = modules::installed();
    if let Some(module) = &options.pkcs11 {
        modules::check(module).map_err(anyhow::Error::msg)?;
        found.push(module.clone());
    }
    let mut sources: Vec<_> = found.into_iter().map(CardSource::Module).collect();
    sources.push(CardSource::Piv);
    Ok(sources)
}

fn windows(options: &Serve, sources: &[CardSource]) -> anyhow::Result<Windows> {
    match &options.demo_answer {
        Some(_) if !sources.iter().all(CardSource::is_demo) => {
            bail!("--demo-answer is for demo cards alone")
        }
        Some(pin) => Ok(Windows::DemoAnswer(pin.clone())),
        None => Ok(options.pinentry.clone().map_or_else(Windows::of_the_system, Windows::Pinentry)),
    }
}

/// What was mistyped is said at the start, not when somebody wonders.
fn check(options: &Serve) -> anyhow::Result<()> {
    for origin in &options.allowed_origins {
        if !is_origin(origin) {
            bail!(
                "--allow-origin {origin:?} is no origin as browsers spell it: scheme, host in lower case, port unless it is the usual one, no path (https://shop.example)"
            );
        }
    }
    if let Some(folder) = &options.demo_cards
        && !folder.is_dir()
    {
        bail!("--demo-cards {}: there is no such folder", folder.display());
    }
    if let Some(program) = &options.pinentry
        && std::path::Path::new(program).is_absolute()
        && !std::path::Path::new(program).is_file()
    {
        bail!("--pinentry {program}: there is no such program");
    }
    Ok(())
}

fn serve(options: Serve) -> anyhow::Result<()> {
    check(&options)?;
    let sources = sources(&options)?;
    let windows = windows(&options, &sources)?;
    let folder = options.state.folder()?;
    let port = options.port;
    let card_time = Duration::from_secs(options.card_seconds);
    let sites = Sites::new(&folder, options.allowed_origins);
    let hipki_port = options.hipki.then_some(options.hipki_port);
    let rules = HipkiOptions { allow_raw: options.hipki_allow_raw };
    let program = std::env::current_exe().context("the own program")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move {
        let listeners = listeners(port).await?;
        let hipki = match hipki_port {
            Some(port) => Some((self::listeners(port).await?, rules)),
            None => None,
        };
        for listener in &listeners {
            eprintln!("chayan-bridge listens on {}", listener.local_addr()?);
        }
        chayan_bridge::serve(
            listeners,
            Options { sites, sources, windows, program, card_time, hipki },
        )
        .await?;
        Ok(())
    })
}

/// Both loopback addresses, where the computer has both, and no other.
async fn listeners(port: u16) -> anyhow::Result<Vec<TcpListener>> {
    let taken =
        || format!("port {port} is not free: is another bridge running? (--port for another one)");
    let first = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let first = first.await.with_context(taken)?;
    let second = SocketAddr::from((Ipv6Addr::LOCALHOST, first.local_addr()?.port()));
    match TcpListener::bind(second).await {
        Ok(second) => Ok(vec![first, second]),
        // Somebody else there would be asked in our place.
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && port != 0 => {
            Err(error).with_context(taken)
        }
        Err(_) => Ok(vec![first]),
    }
}

#[expect(clippy::print_stdout, reason = "a listing is this command's answer")]
fn sites(options: &SitesCommand) -> anyhow::Result<()> {
    let sites = Sites::new(&options.state.folder()?, Vec::new());
    if let Some(origin) = &options.revoke {
        if !sites.revoke(origin)? {
            bail!("{origin} was not allowed: give the origin exactly as `sites` lists it");
        }
        return Ok(());
    }
    let all = sites.all()?;
    for (origin, site) in &all {
        println!("{origin}\tsince {}", site.since);
    }
    if all.is_empty() {
        // Not part of the listing.
        let folder = options.state.folder()?;
        eprintln!(
            "no site was allowed by its person (in {}; sites given by --allow-origin are not kept)",
            folder.display()
        );
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a listing is this command's answer")]
fn card(options: &Card) -> anyhow::Result<()> {
    let cards = DemoCards::new(&options.demo_cards);
    let names = cards.names().with_context(|| {
        let folder = options.demo_cards.display();
        format!("no demo cards in {folder}: give --demo-cards before the action, or run scripts/up first")
    })?;
    if let CardAction::Insert { name } | CardAction::Remove { name } = &options.action
        && !names.contains(name)
    {
        bail!("no card {name:?}; there are {}", names.join(", "));
    }
    match &options.action {
        CardAction::List => {
            for name in names {
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
