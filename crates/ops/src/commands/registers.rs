//! Identity cards and citizens' certificates.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use store::schema::Label;

use crate::{citizens, register};

use super::{open, read};

/// Commands.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Import identity cards from CSV (personId, applyCode, applyYyymmdd, issueSiteId, state,
    /// numberChanged): what changed on a day, all or nothing; or, with --whole, everything.
    ImportIdCards {
        #[command(flatten)]
        register: RegisterFile,
        /// The file is the whole register: it takes the place of what was known. Needs 40 bytes
        /// of memory for each card; goes on where it was interrupted.
        #[arg(long)]
        whole: bool,
    },
    /// Write fictional identity cards as CSV to standard output, for trials of any size.
    GenerateIdCards(Fictional),
    /// Import the register of citizens' certificates from CSV (subjectSerial, nationalId, opened):
    /// the whole of it, all or nothing.
    ImportCitizens {
        #[command(flatten)]
        register: RegisterFile,
    },
    /// Write fictional citizens' certificates as CSV to standard output, for trials of any size.
    GenerateCitizens(Fictional),
    /// Forget counts of wrong answers that are older than two days.
    ForgetAttempts,
}

/// A file that a register is made of.
#[derive(Args)]
pub(crate) struct RegisterFile {
    /// The file.
    file: PathBuf,
    /// File with the registers' key, 64 hexadecimal digits.
    #[arg(long)]
    key_file: PathBuf,
    /// The day that the file describes, YYYY-MM-DD; today's when it is not given.
    #[arg(long)]
    as_of: Option<jiff::civil::Date>,
    /// The file's SHA-256, as it was told with the file.
    #[arg(long)]
    sha256: Option<String>,
}

impl RegisterFile {
    fn day(&self) -> jiff::civil::Date {
        self.as_of.unwrap_or_else(|| domain::RocDay::of(jiff::Timestamp::now()).0)
    }

    fn key(&self) -> anyhow::Result<domain::DigestKey> {
        let key = read(&self.key_file)?;
        domain::DigestKey::from_hex(key.trim()).context("the key must be 64 hexadecimal digits")
    }
}

/// Records to be made up.
#[derive(Args)]
pub(crate) struct Fictional {
    /// How many.
    #[arg(long)]
    count: u64,
    /// Others for another number.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

impl Command {
    /// Does it.
    #[expect(clippy::print_stdout, reason = "the answer of a command")]
    pub(crate) fn run(&self, data: &Path) -> anyhow::Result<()> {
        match self {
            Self::ImportIdCards { register, whole } => {
                let source = register::Source {
                    file: &register.file,
                    as_of: register.day(),
                    whole: *whole,
                    sha256: register.sha256.as_deref(),
                };
                let database = open(data, Label::Register)?;
                let imported = register::import(&database, &source, &register.key()?)?;
                println!("{imported} identity cards imported");
            }
            Self::GenerateIdCards(Fictional { count, seed }) => {
                register::generate(*count, *seed, std::io::stdout().lock())?;
            }
            Self::ImportCitizens { register } => {
                let source = citizens::Source {
                    file: &register.file,
                    as_of: register.day(),
                    sha256: register.sha256.as_deref(),
                };
                let database = open(data, Label::Citizens)?;
                let imported = citizens::import(&database, &source, &register.key()?)?;
                println!("{imported} certificates imported");
            }
            Self::GenerateCitizens(Fictional { count, seed }) => {
                citizens::generate(*count, *seed, std::io::stdout().lock())?;
            }
            Self::ForgetAttempts => {
                let kept = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(48);
                let attempts = store::Attempts(open(data, Label::Attempts)?);
                attempts.forget_before(domain::TaipeiDay::of(kept))?;
            }
        }
        Ok(())
    }
}
