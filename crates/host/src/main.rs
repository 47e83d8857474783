//! `chayan-host` runs a Spin HTTP application without Spin: it reads the project's own
//! `spin.toml` and a `runtime-config.toml`, and runs the same components on an
//! embedded wasmtime. It knows components and grants; it knows nothing of what they do.

mod app;
mod bindings;
mod clock;
mod component;
mod engine;
mod key_value;
mod manifest;
mod outbound;
mod runtime_config;
mod server;
mod sqlite;
mod variables;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Parser;
use http_body_util::{BodyExt, Empty};
use ipnet::IpNet;
use tokio::net::TcpListener;

use crate::app::App;
use crate::clock::Clock;

/// A quarter of a short request's time went into the C library's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Run a Spin application on an embedded wasmtime.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The application's manifest.
    #[arg(long = "from", default_value = "spin.toml")]
    manifest: PathBuf,
    /// Stores, databases and variables of this installation, in Spin's syntax.
    #[arg(long = "runtime-config-file")]
    runtime_config: Option<PathBuf>,
    /// Folder for default databases and compiled components.
    #[arg(long, default_value = ".spin")]
    state_dir: PathBuf,
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// A variable's value, NAME=VALUE; may be repeated.
    #[arg(long = "variable", value_parser = name_and_value)]
    variables: Vec<(String, String)>,
    /// Certificate chain in PEM; with --tls-key, serves HTTPS.
    #[arg(long, requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Private key in PEM.
    #[arg(long, requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// A proxy, or network of proxies, whose X-Forwarded-For is believed; may be repeated.
    #[arg(long = "trusted-proxy", value_parser = network)]
    trusted_proxies: Vec<IpNet>,
    /// Start the components' clock at this instant (RFC 3339) instead of now.
    #[arg(long)]
    now: Option<jiff::Timestamp>,
    /// Seconds that a request may take.
    #[arg(long, default_value_t = 15)]
    request_timeout: u64,
    /// Seconds that a client may take to send its headers.
    #[arg(long, default_value_t = 10)]
    header_timeout: u64,
    /// Seconds that a client may take to send its body.
    #[arg(long, default_value_t = 10)]
    body_timeout: u64,
    /// Largest request body, in bytes.
    #[arg(long, default_value_t = 256 << 10)]
    max_body: u64,
    /// Linear memory of one instance, in MiB.
    #[arg(long, default_value_t = 64)]
    max_memory: usize,
    /// Connections open at once.
    #[arg(long, default_value_t = 4096)]
    max_connections: usize,
    /// Requests under way at once in one component; more wait their turn.
    #[arg(long, default_value_t = 64)]
    max_in_flight: u32,
    /// Requests that one instance serves before it is replaced.
    #[arg(long, default_value_t = 1024)]
    max_instance_reuse_count: usize,
    /// Requests that one instance serves at the same time (Spin: 16).
    #[arg(long, default_value_t = 1)]
    max_instance_concurrent_reuse_count: usize,
    /// Only compile the components into the cache, then exit.
    #[arg(long)]
    prepare: bool,
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("must be NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// A network (`10.0.0.0/8`) or a single address.
fn network(text: &str) -> Result<IpNet, String> {
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from))
        .map_err(|_| format!("{text:?} is neither an address nor a network"))
}

/// One line of the host's log, on standard error.
pub(crate) fn log(message: &str) {
    let line = serde_json::json!({ "at": jiff::Timestamp::now().to_string(), "host": message });
    eprintln!("{line}");
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(run(arguments)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chayan-host: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let app = App::load(&app::Options {
        manifest: arguments.manifest,
        runtime_config: arguments.runtime_config,
        state_dir: arguments.state_dir,
        variables: arguments.variables.into_iter().collect::<HashMap<_, _>>(),
        limits: component::Limits {
            reuse: arguments.max_instance_reuse_count.max(1),
            concurrency: arguments.max_instance_concurrent_reuse_count.max(1),
            deadline: Duration::from_secs(arguments.request_timeout),
            memory: arguments.max_memory << 20,
            idle: Duration::from_secs(1),
        },
        in_flight: arguments.max_in_flight.max(1),
        clock: arguments.now.map_or_else(Clock::default, Clock::starting_at),
    })?;
    if arguments.prepare {
        return Ok(());
    }
    ask_whether_ready(&app).await?;
    let tls = match (&arguments.tls_cert, &arguments.tls_key) {
        (Some(certificate), Some(key)) => Some(server::tls(certificate, key)?),
        _ => None,
    };
    let scheme = if tls.is_some() { "https" } else { "http" };
    let listener = TcpListener::bind(arguments.listen)
        .await
        .with_context(|| format!("cannot listen on {}", arguments.listen))?;
    let address = listener.local_addr()?;
    eprintln!("{} {} is served at {scheme}://{address}", app.name, app.version);
    let options = server::Options {
        tls,
        trusted_proxies: arguments.trusted_proxies,
        max_body: arguments.max_body,
        header_timeout: Duration::from_secs(arguments.header_timeout),
        body_timeout: Duration::from_secs(arguments.body_timeout),
        max_connections: arguments.max_connections,
    };
    server::serve(app, listener, options, signalled()).await;
    // Instances that are still idle would only complain that the runtime is gone.
    std::process::exit(0)
}

/// Asks the application itself, at every public route that ends in `/readyz`, whether it
/// can serve (for example: whether its configuration is whole), and does not start when
/// it says no.
async fn ask_whether_ready(app: &Arc<App>) -> anyhow::Result<()> {
    for route in app.readiness_routes() {
        let body = Empty::new().map_err(wasmtime_wasi_http::Error::from).boxed_unsync();
        let request = http::Request::get(format!("http://localhost{route}")).body(body)?;
        match app.handle(([127, 0, 0, 1], 0).into(), request).await {
            Some(Ok(response)) if response.status().is_success() => (),
            Some(Ok(response)) => {
                let body = response.into_body().collect().await?.to_bytes();
                bail!("the application is not ready: {}", String::from_utf8_lossy(&body))
            }
            _ => bail!("the application gave no answer to {route}"),
        }
    }
    Ok(())
}

async fn signalled() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = terminate.recv() => (),
            _ = tokio::signal::ctrl_c() => (),
        },
        Err(_) => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}
