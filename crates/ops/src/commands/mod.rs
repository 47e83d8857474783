//! The commands, by what they are about.

mod desk;
mod lists;
mod own_cards;
mod proofs;
mod registers;
mod tending;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Subcommand;
use store::native::Native;
use store::schema::Label;

/// Every command.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Create the databases, or bring them to the current schema.
    Migrate,
    #[command(flatten)]
    Desk(desk::Command),
    #[command(flatten)]
    Registers(registers::Command),
    #[command(flatten)]
    Tending(tending::Command),
    #[command(flatten)]
    Lists(lists::Command),
    #[command(flatten)]
    OwnCards(own_cards::Command),
    #[command(flatten)]
    Proofs(proofs::Command),
}

impl Command {
    /// Does it.
    pub(crate) fn run(&self, data: &Path) -> anyhow::Result<()> {
        match self {
            Self::Migrate => migrate(data),
            Self::Desk(command) => command.run(data),
            Self::Registers(command) => command.run(data),
            Self::Tending(command) => command.run(data),
            Self::Lists(command) => command.run(data),
            Self::OwnCards(command) => command.run(data),
            Self::Proofs(command) => command.run(data),
        }
    }
}

#[expect(clippy::print_stdout, reason = "the answer of a command")]
fn migrate(data: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(data)?;
    for label in Label::ALL {
        let steps = store::native::migrate(&open(data, label)?.connection, label)?;
        println!("{}: {} steps taken", path(data, label).display(), steps.len());
    }
    Ok(())
}

/// Where a database lies.
fn path(data: &Path, label: Label) -> PathBuf {
    data.join(format!("{}.db", label.name()))
}

fn open(data: &Path, label: Label) -> anyhow::Result<Native> {
    let path = path(data, label);
    Native::open(&path, label).with_context(|| format!("cannot open {}", path.display()))
}

/// The text of a file.
fn read(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}
