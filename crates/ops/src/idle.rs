//! 逾一年未使用 (rule 10): warns accounts without a call for more than a year, puts before officers
//! those that stay unused, and ends the warning of whoever calls. A look unless it is confirmed;
//! run again, it does nothing twice.

use domain::letter::Subject;
use domain::{Actor, Edition, IdleStep, Policy, RocDay, idle_step};
use jiff::Timestamp;
use store::native::Native;
use store::{Calls, Cases, IdleAccount, IdleEnd, Transaction};

/// What is to be done, or was: one line each.
pub(crate) fn tend(
    cases: &Native,
    calls: &Native,
    origin: &str,
    confirmed: bool,
    now: Timestamp,
) -> anyhow::Result<Vec<String>> {
    let today = RocDay::of(now);
    let days = Cases(cases).policy(Policy::IdleDays, today.0)?;
    // The number is the same in both manuals: neither names one.
    let days = days.unwrap_or(Policy::IdleDays.of_edition(Edition::Of112));
    let until = today.plus(i64::from(days));
    let mut lines = Vec::new();
    for (id, ubn) in Cases(cases).idle_left_over()? {
        lines.push(format!("end     {ubn}: the account is no longer in use"));
        if confirmed {
            end(cases, id, IdleEnd::Closed, now)?;
        }
    }
    for account in Cases(cases).idle_accounts()? {
        let IdleAccount { ubn, ap_id, since, warning } = account;
        let last_use = since.max(Calls(calls).last_call(&ap_id)?.unwrap_or(since));
        let day = RocDay::of(last_use).0;
        let id = warning.map(|(id, _)| id);
        match (idle_step(last_use, warning.map(|(_, warning)| warning), now), id) {
            (IdleStep::Warn, _) => {
                lines.push(format!("warn    {ubn}: unused since {day}, until {}", until.0));
                if confirmed {
                    let transaction = Transaction::begin(cases)?;
                    let kept = Cases(&transaction);
                    kept.warn_idle(ubn, last_use, until.0, now)?;
                    if let Some(row) = kept.account(ubn)? {
                        let subject = Subject::Unused { since: day, until: until.0 };
                        kept.write_account_letter(&row, subject, "", origin, now)?;
                    }
                    transaction.commit()?;
                }
            }
            (IdleStep::Submit, Some(id)) => {
                lines.push(format!("submit  {ubn}: unused since {day}, the warning is over"));
                if confirmed {
                    let transaction = Transaction::begin(cases)?;
                    Cases(&transaction).submit_idle(id, now)?;
                    transaction.commit()?;
                }
            }
            (IdleStep::Clear, Some(id)) => {
                lines.push(format!("end     {ubn}: used on {day}"));
                if confirmed {
                    end(cases, id, IdleEnd::Used, now)?;
                }
            }
            _ => {}
        }
    }
    let count = lines.len();
    lines.push(match confirmed {
        true => format!("{count} done"),
        false => format!("{count} to be done; nothing was changed (--confirm)"),
    });
    Ok(lines)
}

fn end(cases: &Native, id: i64, end: IdleEnd, now: Timestamp) -> anyhow::Result<()> {
    let transaction = Transaction::begin(cases)?;
    Cases(&transaction).close_idle(id, end, Actor::Operator, now)?;
    Ok(transaction.commit()?)
}
