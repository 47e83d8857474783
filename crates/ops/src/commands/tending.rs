//! What a scheduler runs, and announcements.

use std::path::Path;
use std::time::{Duration, Instant};

use clap::Subcommand;
use store::schema::Label;
use store::{Cases, Transaction};

use crate::{conduct, idle, relay};

use super::open;

/// At least so long nobody tends between two transactions on the record of calls.
const PAUSE: Duration = Duration::from_millis(20);

/// Commands.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Add up the record of calls for the statistics, and forget the numbers of tokens that can no
    /// longer be used. To be run by a scheduler, every few minutes.
    TendCalls,
    /// Judge each account's calls of the last hour: put before officers what stands out, suspend
    /// who has too many points. To be run by a scheduler, every minute or so.
    JudgeCalls {
        /// The service's address, for the letter to who is suspended.
        #[arg(long)]
        origin: String,
    },
    /// Warn accounts without a call for more than a year, put before officers those that stay unused
    /// until their warning is over, and end the warnings of those that call. To be run by a
    /// scheduler, once a day, with --confirm; without it, it says what it would do.
    WarnUnused {
        /// The service's address, for the letters.
        #[arg(long)]
        origin: String,
        /// Do it.
        #[arg(long)]
        confirm: bool,
    },
    /// Announce an outage of the verification call on the page of the service's state.
    AnnounceOutage {
        /// When it begins, RFC 3339.
        #[arg(long)]
        from: jiff::Timestamp,
        /// When it is over.
        #[arg(long)]
        until: jiff::Timestamp,
        /// What and why, for integrators.
        #[arg(long)]
        note: String,
    },
    /// Send the letters of the outbox by SMTP.
    Relay(relay::RelayOptions),
}

impl Command {
    /// Does it.
    #[expect(clippy::print_stdout, reason = "the answer of a command")]
    pub(crate) fn run(&self, data: &Path) -> anyhow::Result<()> {
        match self {
            Self::TendCalls => {
                let calls = store::Calls(open(data, Label::Calls)?);
                // Whoever waits to write gets its turn, as long as it had to wait: on a busy machine,
                // and when several tend, a fixed pause would be missed.
                let mut begun = Instant::now();
                let pause = || {
                    std::thread::sleep(begun.elapsed().max(PAUSE));
                    begun = Instant::now();
                };
                let tended = calls.tend(jiff::Timestamp::now(), pause)?;
                println!("{} calls added up, {} jti forgotten", tended.tallied, tended.forgotten);
            }
            Self::JudgeCalls { origin } => {
                let (cases, calls) = (open(data, Label::Cases)?, open(data, Label::Calls)?);
                let judged = conduct::judge(&cases, &calls, origin, jiff::Timestamp::now())?;
                println!("{} accounts stand out, {} suspended", judged.found, judged.suspended);
            }
            Self::WarnUnused { origin, confirm } => {
                let (cases, calls) = (open(data, Label::Cases)?, open(data, Label::Calls)?);
                for line in idle::tend(&cases, &calls, origin, *confirm, jiff::Timestamp::now())? {
                    println!("{line}");
                }
            }
            Self::AnnounceOutage { from, until, note } => {
                let database = open(data, Label::Cases)?;
                let transaction = Transaction::begin(&database)?;
                let outage =
                    store::Outage { begins_at: *from, ends_at: *until, note: note.clone() };
                Cases(&transaction).announce(&outage, jiff::Timestamp::now())?;
                transaction.commit()?;
                println!("announced");
            }
            Self::Relay(options) => relay::run(&Cases(open(data, Label::Cases)?), options)?,
        }
        Ok(())
    }
}
