//! 暫停使用, 恢復使用, and the way back after three wrong codes.

use domain::{
    Act, Actor, CardAct, CardNumber, Code, CodeHash, FieldError, RocDateTime, UserCode,
    listed_after_words,
};
use http::StatusCode;
use pki::Purpose;
use pki::revocation::DespiteHold;
use serde::{Deserialize, Serialize};
use serde_json::json;
use spin_sdk::http::Request;
use store::schema::Label;
use store::{
    CardChange, CardRequest, CardRow, Cases, Database, Revocation, Standings, Transaction,
};
use web::{Problem, Reply, SignedRequest};

use crate::{CardIssuer, admit, field};

/// Fields that cannot be accepted.
#[derive(Debug, thiserror::Error)]
#[error("fields of the form")]
pub(crate) struct BadFields(Vec<FieldError>);

impl BadFields {
    /// One alone.
    pub(crate) fn one(error: FieldError) -> Self {
        Self(vec![error])
    }
}

impl domain::Coded for BadFields {
    fn code(&self) -> Code {
        Code::InvalidFields
    }

    fn fields(&self) -> &[FieldError] {
        &self.0
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Numbered {
    card_number: String,
}

/// Whose card it is by its number, before any code is asked for.
pub(crate) async fn issuer(request: Request) -> Result<Reply, Problem> {
    let origin = web::origin().await?;
    let Numbered { card_number } = SignedRequest::plain(request, &origin).await?;
    let number: CardNumber = field("cardNumber", &card_number).map_err(BadFields::one)?;
    let mut body = match CardIssuer::of(&number, &*web::trust().await?) {
        CardIssuer::Own => json!({ "own": true }),
        CardIssuer::Other(name, site) => json!({ "own": false, "name": name, "site": site }),
        CardIssuer::Unknown => json!({ "own": false }),
    };
    // As it is read: without blanks, in capitals.
    body["cardNumber"] = number.as_str().into();
    Ok(web::json(StatusCode::OK, &body))
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum HoldersAct {
    Suspend,
    Resume,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ChangeRequest {
    act: HoldersAct,
    card_number: String,
    user_code: String,
}

/// 回傳訊息.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChangeReply {
    act: CardAct,
    act_word: &'static str,
    card_number: String,
    state: domain::CardState,
    state_word: &'static str,
    /// 「本服務已生效」: since then.
    effective_at: String,
    effective_at_roc: String,
    /// 「憑證廢止清冊將於 24:00 後公布」: of this day; none when the lists show it already.
    #[serde(skip_serializing_if = "Option::is_none")]
    listed_after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    listed_after_roc: Option<String>,
}

/// Suspends or resumes a card by its code.
pub(crate) async fn change(request: Request) -> Result<Reply, Problem> {
    let origin = web::origin().await?;
    let headers = request.headers().clone();
    let body: ChangeRequest = SignedRequest::plain(request, &origin).await?;
    let act = match body.act {
        HoldersAct::Suspend => CardAct::Suspend,
        HoldersAct::Resume => CardAct::Resume,
    };
    let number = field::<CardNumber>("cardNumber", &body.card_number);
    let code = field::<UserCode>("userCode", &body.user_code);
    let (number, code) = match (number, code) {
        (Ok(number), Ok(code)) => (number, code),
        (number, code) => {
            let wrong = [number.err(), code.err()].into_iter().flatten().collect();
            return Err(BadFields(wrong).into());
        }
    };
    let trust = web::trust().await?;
    if !matches!(CardIssuer::of(&number, &trust), CardIssuer::Own) {
        return Err(Code::CardOfAnotherCa.into());
    }
    let now = web::now();
    admit(&headers, CardRequest::Code, now).await?;
    let database = store::spin::open(Label::Cases)?;
    let known = compare(&Cases(&database), &number, &code)?;
    let transaction = Transaction::begin(&database)?;
    let cases = Cases(&transaction);
    let Some(known) = known else {
        // A code is wrong before it is said, and the fourth is not answered.
        let counted = cases.count_wrong_code(&number, now)?;
        transaction.commit()?;
        let code = counted.map_or(Code::CardCodeLocked, |_| Code::CardCodeWrong);
        return Err(code.into());
    };
    // Behind every wrong code that asked before.
    if cases.wrong_codes(&number)? >= domain::MAX_WRONG_CODES {
        return Err(Code::CardCodeLocked.into());
    }
    let card = cases.card(&known.number)?.ok_or_else(|| Problem::internal("the card is gone"))?;
    if card.code != known.code {
        // Imported anew meanwhile.
        return Err(Code::CardCodeWrong.into());
    }
    cases.forget_wrong_codes(&number)?;
    let to = match act.from_state(card.state) {
        Ok(to) => to,
        Err(error) => {
            transaction.commit()?;
            return Err(error.into());
        }
    };
    let actor = Actor::Applicant(card.ubn.into());
    let change = CardChange { act, to, reason: None, actor, by: "user-code", origin: &origin };
    cases.change_card(&card, change, now)?;
    let lists = Revocation(store::spin::open(Label::Revocation)?);
    let standings = Standings { lists, cards: Cases(&transaction) };
    standings.judge_systems_on(&card.number, &trust, now)?;
    let card = cases.card(&number)?.ok_or_else(|| Problem::internal("the card is gone"))?;
    let pending = standings.is_pending(&card)?;
    transaction.commit()?;
    let reply = ChangeReply {
        act,
        act_word: act.word(),
        card_number: number.as_str().to_owned(),
        state: to,
        state_word: to.word(),
        effective_at: now.to_string(),
        effective_at_roc: RocDateTime(now).to_string(),
        listed_after: pending.then(|| domain::listed_after(now).to_string()),
        listed_after_roc: pending.then(|| listed_after_words(now)),
    };
    Ok(web::json(StatusCode::OK, &reply))
}

/// The card, when the code is its own. For a card that nobody has it takes as long.
fn compare(
    cases: &Cases<impl Database>,
    number: &CardNumber,
    code: &UserCode,
) -> Result<Option<CardRow>, Problem> {
    if cases.wrong_codes(number)? >= domain::MAX_WRONG_CODES {
        return Err(Code::CardCodeLocked.into());
    }
    let card = cases.card(number)?;
    let nobodys = CodeHash::of_nobody();
    let fits = card.as_ref().map_or(&nobodys, |card| &card.code).fits(code);
    Ok(card.filter(|_| fits))
}

/// Unlocks the codes of the card that signs: whoever has the card and its PIN needs no code to be
/// believed. The card may be on hold.
pub(crate) async fn unlock(request: Request) -> Result<Reply, Problem> {
    let origin = web::origin().await?;
    let SignedRequest { signed_data, .. } = web::signed_request(request, &origin).await?;
    let now = web::now();
    let signature = web::trust().await?.verify(&signed_data, now)?;
    let issuer = signature.path().issuer().fingerprint();
    let standings = DespiteHold(store::spin::standings()?);
    let is_open = |challenge: &str| Ok(store::spin::challenge_is_open(challenge, &origin, now)?);
    let proof = web::confirm(signature, &standings, now, is_open).await?;
    let input = domain::signed_input(&proof, &origin, Purpose::UnlockCard)?;
    let Numbered { card_number } =
        Numbered::deserialize(&input.document).map_err(|_| Code::MalformedRequest)?;
    let number: CardNumber = field("cardNumber", &card_number).map_err(BadFields::one)?;
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    let cases = Cases(&transaction);
    let signed_by = cases.card_of_certificate(issuer, proof.certificate().serial_bytes())?;
    if signed_by.as_deref() != Some(number.as_str()) {
        return Err(Code::NotThisCard.into());
    }
    let card = cases.card(&number)?.ok_or(Code::NotThisCard)?;
    cases.consume_challenge(&input.challenge, Purpose::UnlockCard, &origin, None, now)?;
    cases.unlock_card(&card, Actor::Applicant(card.ubn.into()), "card", now)?;
    transaction.commit()?;
    Ok(web::json(StatusCode::OK, &json!({ "word": Act::CardUnlocked.word() })))
}
