//! Judges each account's calls of the last hour: what stands out is put before officers, and an
//! account with too many points is suspended, with a letter, until officers have looked.

use domain::letter::Subject;
use domain::{CONDUCT_NOTICE, Edition, Policy, RocDay, conduct_score};
use jiff::{SignedDuration, Timestamp};
use store::native::Native;
use store::{Calls, Cases, Transaction, WatchedAccount};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// What was done: accounts that stood out anew, and those suspended.
#[derive(Default)]
pub(crate) struct Judged {
    pub(crate) found: usize,
    pub(crate) suspended: usize,
}

pub(crate) fn judge(
    cases: &Native,
    calls: &Native,
    origin: &str,
    now: Timestamp,
) -> anyhow::Result<Judged> {
    let limit = Cases(cases).policy(Policy::ConductScore, RocDay::of(now).0)?;
    // The number is the same in both manuals: neither names one.
    let limit = limit.unwrap_or(Policy::ConductScore.of_edition(Edition::Of112));
    let mut judged = Judged::default();
    for account in Cases(cases).watched_accounts()? {
        let WatchedAccount { ubn, ap_id, decided, open_score } = account;
        // What came in the second of a decision belongs to what was decided.
        let since = (decided + SignedDuration::from_secs(1)).max(now - HOUR);
        let signs = Calls(calls).conduct(&ap_id, decided, since, now)?.signs();
        let score = conduct_score(&signs);
        // What is known already is not found again.
        if score < CONDUCT_NOTICE || open_score.is_some_and(|known| known >= i64::from(score)) {
            continue;
        }
        let suspends = score >= limit;
        let messages: Vec<&str> = signs.iter().map(|sign| sign.message.as_str()).collect();
        let reason = format!("出現異常使用情形：{}。請說明原因及改善做法。", messages.join("；"));
        let transaction = Transaction::begin(cases)?;
        let kept = Cases(&transaction);
        kept.keep_finding(ubn, &signs, suspends.then_some(reason.as_str()), now)?;
        if suspends && let Some(row) = kept.account(ubn)? {
            kept.write_account_letter(&row, Subject::Suspended, &reason, origin, now)?;
            judged.suspended += 1;
        }
        transaction.commit()?;
        judged.found += 1;
    }
    Ok(judged)
}
