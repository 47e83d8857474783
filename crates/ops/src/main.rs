//! `chayan`: what an operator does outside the service: prepare the databases, name
//! officers, import identity cards, look at a trust store.

mod audit;
mod cards;
mod citizens;
mod commands;
mod conduct;
mod crl;
mod evidence;
mod idle;
mod import;
mod register;
mod relay;
mod revocation;
mod signer;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Operate an installation.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Folder of the databases (`default.db`, `register.db`, `attempts.db`, `calls.db`,
    /// `revocation.db`, `citizens.db`, `confirmations.db`).
    #[arg(long, global = true, default_value = ".chayan/data")]
    data: PathBuf,
    #[command(subcommand)]
    command: commands::Command,
}

fn main() -> ExitCode {
    let Arguments { data, command } = Arguments::parse();
    match command.run(&data) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chayan: {error:#}");
            ExitCode::FAILURE
        }
    }
}
