//! What proves to others what was done.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use store::Cases;
use store::schema::Label;

use crate::{audit, evidence};

use super::lists::read_trust;
use super::open;

/// Commands.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Write to one file what was signed for a case, what it was judged by, and what was done to
    /// it. Make a checkpoint first, so that all of it is proved.
    ExportCase {
        /// The case's serial number.
        id: String,
        /// Folder of the log's checkpoints: with it, the file proves what the log says.
        #[arg(long)]
        checkpoints: Option<PathBuf>,
    },
    /// Verify offline; ends with an error when something does not stand.
    Verify {
        #[command(subcommand)]
        what: Verify,
    },
    /// Make a key for the checkpoints of the audit log; prints the public one.
    NewLogKey {
        /// Whose log it is, for example the service's host name.
        #[arg(long)]
        name: String,
        /// Where the secret key goes.
        #[arg(long)]
        key_file: PathBuf,
    },
    /// Sign what the audit log is now. To be run by a scheduler; the checkpoints belong where
    /// whoever can change the database cannot.
    Checkpoint {
        /// The file that new-log-key wrote.
        #[arg(long)]
        key_file: PathBuf,
        /// Folder of the checkpoints.
        #[arg(long)]
        checkpoints: PathBuf,
    },
}

/// What is verified.
#[derive(Subcommand)]
pub(crate) enum Verify {
    /// An exported case, judged again.
    Case {
        /// The file that export-case wrote.
        file: PathBuf,
        /// The trust store to judge by; without it the path in the file is taken, which
        /// proves nothing about its anchor.
        #[arg(long)]
        trust: Option<PathBuf>,
        /// Revocation lists that were kept, DER: one that the file names is checked.
        #[arg(long)]
        crl: Vec<PathBuf>,
        /// The public key of the log's checkpoints, as new-log-key printed it.
        #[arg(long)]
        log_key: Option<String>,
    },
    /// The audit log: whether every entry is as it was written and none is gone.
    Log {
        /// The public key, as new-log-key printed it.
        #[arg(long)]
        log_key: String,
        /// Folder of the checkpoints.
        #[arg(long)]
        checkpoints: PathBuf,
    },
}

impl Command {
    /// Does it.
    #[expect(clippy::print_stdout, reason = "the answer of a command")]
    pub(crate) fn run(&self, data: &Path) -> anyhow::Result<()> {
        match self {
            Self::ExportCase { id, checkpoints } => {
                let cases = Cases(open(data, Label::Cases)?);
                println!("{}", evidence::export(&cases, id, checkpoints.as_deref())?);
            }
            Self::Verify { what } => {
                let lines = match what {
                    Verify::Case { file, trust, crl, log_key } => {
                        let trust = trust.as_deref().map(read_trust).transpose()?;
                        let (lists, log_key) = (crl.clone(), log_key.clone());
                        evidence::verify(file, evidence::Means { trust, lists, log_key })?
                    }
                    Verify::Log { log_key, checkpoints } => {
                        audit::verify(&Cases(open(data, Label::Cases)?), log_key, checkpoints)?
                    }
                };
                for line in lines {
                    println!("{line}");
                }
            }
            Self::NewLogKey { name, key_file } => {
                println!("{}", audit::new_key(name, key_file)?);
            }
            Self::Checkpoint { key_file, checkpoints } => {
                let cases = Cases(open(data, Label::Cases)?);
                println!("{}", audit::checkpoint(&cases, key_file, checkpoints)?);
            }
        }
        Ok(())
    }
}
