//! Cards and lists of our own CAs.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use store::schema::Label;

use crate::{cards, crl};

use super::lists::{check_certificates, read_trust};
use super::open;

/// Commands.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Import cards of our own CAs from CSV (卡號,公司名稱,統一編號,電子郵件地址,用戶代碼,憑證), all or none
    /// (docs/cards.md).
    ImportCards {
        /// The file.
        file: PathBuf,
        /// The trust store that says which CAs are our own.
        #[arg(long)]
        trust: PathBuf,
    },
    /// Suspend, resume or revoke a card, as its CA; effective at once, the holder is told.
    ChangeCard {
        /// 卡號.
        #[arg(value_parser = card_number)]
        number: domain::CardNumber,
        /// What.
        #[arg(long, value_enum)]
        act: ChangeCard,
        /// Why it is revoked.
        #[arg(long, value_enum, required_if_eq("act", "revoke"))]
        reason: Option<RevocationReason>,
        /// The trust store.
        #[arg(long)]
        trust: PathBuf,
        /// The service's address, for the letter.
        #[arg(long)]
        origin: String,
    },
    /// Have 用戶代碼 compared again after three wrong ones.
    UnlockCard {
        /// 卡號.
        #[arg(value_parser = card_number)]
        number: domain::CardNumber,
    },
    /// Sign and publish the lists of a CA of our own. To be run by a scheduler after Taipei
    /// midnight, until it succeeds; a second run of a day does nothing.
    Crl(crl::CrlOptions),
}

impl Command {
    /// Does it.
    #[expect(clippy::print_stdout, reason = "the answer of a command")]
    pub(crate) fn run(&self, data: &Path) -> anyhow::Result<()> {
        match self {
            Self::ImportCards { file, trust } => {
                let trust = read_trust(trust)?;
                let imported = cards::import(&open(data, Label::Cases)?, file, &trust)?;
                println!("{imported} cards imported");
            }
            Self::ChangeCard { number, act, reason, trust, origin } => {
                let trust = read_trust(trust)?;
                let (act, reason) = match act {
                    ChangeCard::Suspend => (domain::CardAct::Suspend, None),
                    ChangeCard::Resume => (domain::CardAct::Resume, None),
                    ChangeCard::Revoke => (domain::CardAct::Revoke, reason.map(|code| code as u8)),
                };
                let (cases, lists) = (open(data, Label::Cases)?, open(data, Label::Revocation)?);
                let change = cards::Change { number, act, reason, origin };
                println!("{}", cards::change(&cases, &lists, &trust, &change)?);
            }
            Self::UnlockCard { number } => {
                let was = cards::unlock(&open(data, Label::Cases)?, number)?;
                println!("{}", if was { "unlocked" } else { "no code had been wrong" });
            }
            Self::Crl(options) => {
                let trust = read_trust(&options.trust)?;
                let (cases, lists) = (open(data, Label::Cases)?, open(data, Label::Revocation)?);
                let databases = crl::Databases { cases: &cases, lists: &lists };
                for line in crl::run(&databases, &trust, options)? {
                    println!("{line}");
                }
                // Whatever a list says of systems' certificates holds from now on.
                check_certificates(data, &trust)?;
            }
        }
        Ok(())
    }
}

fn card_number(text: &str) -> Result<domain::CardNumber, String> {
    text.parse().map_err(|error: domain::FieldProblem| error.to_string())
}

/// What a CA does to a card.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ChangeCard {
    Suspend,
    Resume,
    Revoke,
}

/// reasonCode (RFC 5280, section 5.3.1).
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum RevocationReason {
    Unspecified = 0,
    KeyCompromise = 1,
    AffiliationChanged = 3,
    Superseded = 4,
    CessationOfOperation = 5,
    PrivilegeWithdrawn = 9,
}
