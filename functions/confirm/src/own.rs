//! Who asked about the own national ID: for the citizen whose card and typed number belong
//! together by the register (answer 0), and for nobody else.

use domain::{Act, Actor, CallOutcome, Code, FieldError, NationalId, PairAnswer, RocDateTime};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use spin_sdk::http::Request;
use store::schema::Label;
use store::{Calls, Cases, Citizens, Confirmations, Database, Deed, Transaction};
use web::{Problem, Reply, SignedRequest};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Asked {
    national_id: String,
    /// Only what was asked before this instant: `earlier` of the answer before.
    before: Option<jiff::Timestamp>,
}

/// What was typed is no national ID: it costs no try.
#[derive(Debug, thiserror::Error)]
#[error("not a national ID")]
struct NoNumber([FieldError; 1]);

impl domain::Coded for NoNumber {
    fn code(&self) -> Code {
        Code::InvalidFields
    }

    fn fields(&self) -> &[FieldError] {
        &self.0
    }
}

/// That somebody asked.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    /// `112/11/17 14:35:04`.
    at: String,
    #[serde(skip)]
    instant: jiff::Timestamp,
    /// `verification` (the API) or `confirmation`.
    service: &'static str,
    service_word: &'static str,
    /// Who.
    who: String,
    /// What for.
    purpose: String,
    answer: &'static str,
}

pub(crate) async fn records(request: Request) -> Result<Reply, Problem> {
    let origin = web::origin().await?;
    let now = web::now();
    let (subject, tail) = web::require_citizen(request.headers(), now).await?;
    let Asked { national_id, before } = SignedRequest::plain(request, &origin).await?;
    let number = NationalId::typed(&national_id)
        .map_err(|problem| NoNumber([FieldError::at("nationalId", problem)]))?;
    let person = web::register_key().await?.person_of(&number);
    let citizens = Citizens(store::spin::open(Label::Citizens)?);
    let database = store::spin::open(Label::Confirmations)?;
    // One transaction: no try beyond the third learns anything, however many come at once.
    let transaction = Transaction::begin(&database)?;
    let record = Confirmations(&transaction);
    if record.is_locked(&subject, now)? {
        return Err(Code::NationalIdLocked.into());
    }
    let standing = match number.tail() == tail {
        true => citizens.find(&subject, person)?,
        false => None,
    };
    if standing != Some(true) {
        // Nobody can be wrong about a certificate that the register does not answer for.
        if standing.is_some() || !citizens.is_known(&subject)? {
            transaction.commit()?;
            // Nothing was compared: nothing to log, however often it is asked.
            return Err(Code::CitizenUnknown.into());
        }
        let left = record.count_wrong(&subject, now)?.unwrap_or(0);
        transaction.commit()?;
        log(false, now)?;
        return Err(Problem::from(Code::NationalIdMismatch).counted(left));
    }
    let before = before.unwrap_or(jiff::Timestamp::MAX);
    let asked = record.asked_about(person, before)?;
    transaction.commit()?;
    // The look is logged before anything is shown.
    log(true, now)?;
    let cases = Cases(store::spin::open(Label::Cases)?);
    let mut entries = Vec::new();
    for row in asked {
        let service = cases.service(row.service)?;
        let answer = PairAnswer::from_code(row.answer).unwrap_or(PairAnswer::Fault);
        entries.push(Entry {
            at: RocDateTime(row.at).to_string(),
            instant: row.at,
            service: "confirmation",
            service_word: "自然人憑證用戶身分確認",
            who: service.map(|row| format!("{} {}", row.name, row.system_name)).unwrap_or_default(),
            purpose: row.purpose,
            answer: answer.word(),
        });
    }
    for call in Calls(store::spin::open(Label::Calls)?).calls_about(person, before)? {
        let (who, purpose) = cases.company_of_ap_id(&call.account)?.unwrap_or_default();
        entries.push(Entry {
            at: RocDateTime(call.at).to_string(),
            instant: call.at,
            service: "verification",
            service_word: "國民身分證領補換資料查驗",
            who,
            purpose,
            answer: CallOutcome::from_code(&call.outcome).map_or("", |outcome| outcome.word()),
        });
    }
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.instant));
    let shown = page_end(&entries);
    let earlier = entries.get(shown).and(entries[..shown].last()).map(|entry| entry.instant);
    entries.truncate(shown);
    let body = json!({
        "queriedAt": RocDateTime(now).to_string(), "entries": entries, "earlier": earlier,
    });
    Ok(web::json(StatusCode::OK, &body))
}

/// How many of these, newest first, are shown at once. The next page begins before the last
/// instant of this one, so no instant is divided.
fn page_end(entries: &[Entry]) -> usize {
    let Some(next) = entries.get(store::SHOWN) else { return entries.len() };
    let earlier = entries[..store::SHOWN].iter().rposition(|entry| entry.instant > next.instant);
    earlier.map_or(store::SHOWN, |last| last + 1)
}

/// That somebody looked: without a word on who.
fn log(shown: bool, now: jiff::Timestamp) -> Result<(), Problem> {
    let database = store::spin::open(Label::Cases)?;
    keep(&database, shown, now)
}

fn keep(database: &impl Database, shown: bool, now: jiff::Timestamp) -> Result<(), Problem> {
    let transaction = Transaction::begin(database)?;
    let deed = Deed::new(Actor::Citizen, Act::OwnRecordRead, now);
    Cases(&transaction).log(&deed.with(json!({ "shown": shown })))?;
    Ok(transaction.commit()?)
}
