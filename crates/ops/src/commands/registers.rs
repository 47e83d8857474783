//! Identity cards and citizens' certificates.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Subcommand;
use store::schema::Label;

use crate::{citizens, register};

use super::{open, read};

/// Commands.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Import identity cards from CSV (personId, applyCode, applyYyymmdd, issueSiteId, state,
    /// numberChanged): what changed on a day, all or nothing; or, with --whole, everything.
    ImportIdCards {
        /// The file.
        file: PathBuf,
        /// File with the register's key, 64 hexadecimal digits.
        #[arg(long)]
        key_file: PathBuf,
        /// The day that the file describes, YYYY-MM-DD; today's when it is not given.
        #[arg(long)]
        as_of: Option<jiff::civil::Date>,
        /// The file's SHA-256, as it was told with the file.
        #[arg(long)]
        sha256: Option<String>,
        /// The file is the whole register: it takes the place of what was known. Needs 40 bytes
        /// of memory for each card; goes on where it was interrupted.
        #[arg(long)]
        whole: bool,
    },
    /// Write fictional identity cards as CSV to standard output, for trials of any size.
    GenerateIdCards {
        /// How many.
        #[arg(long)]
        count: u64,
        /// Others for another number.
        #[arg(long, default_value_t = 0)]
        seed: u64,
    },
    /// Import the register of citizens' certificates from CSV (subjectSerial, nationalId, opened):
    /// the whole of it, all or nothing.
    ImportCitizens {
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
    },
    /// Write fictional citizens' certificates as CSV to standard output, for trials of any size.
    GenerateCitizens {
        /// How many.
        #[arg(long)]
        count: u64,
        /// Others for another number.
        #[arg(long, default_value_t = 0)]
        seed: u64,
    },
    /// Forget counts of wrong answers that are older than two days.
    ForgetAttempts,
}

impl Command {
    /// Does it.
    #[expect(clippy::print_stdout, reason = "the answer of a command")]
    pub(crate) fn run(&self, data: &Path) -> anyhow::Result<()> {
        match self {
            Self::ImportIdCards { file, key_file, as_of, sha256, whole } => {
                let key = digest_key(key_file)?;
                let source = register::Source {
                    file,
                    as_of: as_of.unwrap_or_else(today),
                    whole: *whole,
                    sha256: sha256.as_deref(),
                };
                let imported = register::import(&open(data, Label::Register)?, &source, &key)?;
                println!("{imported} identity cards imported");
            }
            Self::GenerateIdCards { count, seed } => {
                register::generate(*count, *seed, std::io::stdout().lock())?;
            }
            Self::ImportCitizens { file, key_file, as_of, sha256 } => {
                let key = digest_key(key_file)?;
                let source = citizens::Source {
                    file,
                    as_of: as_of.unwrap_or_else(today),
                    sha256: sha256.as_deref(),
                };
                let imported = citizens::import(&open(data, Label::Citizens)?, &source, &key)?;
                println!("{imported} certificates imported");
            }
            Self::GenerateCitizens { count, seed } => {
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

/// The key of the registers.
fn digest_key(file: &Path) -> anyhow::Result<domain::DigestKey> {
    let key = read(file)?;
    domain::DigestKey::from_hex(key.trim()).context("the key must be 64 hexadecimal digits")
}

fn today() -> jiff::civil::Date {
    domain::RocDay::of(jiff::Timestamp::now()).0
}
