//! 憑證查詢: whether cards are in force, by one exact condition. Whoever asks learns the state and
//! nothing about anybody that the question did not say.

use domain::{CardCondition, CardQuery, CardState, RocDateTime};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use spin_sdk::http::Request;
use store::{CardRequest, CardRow};
use web::{Problem, Reply, SignedRequest};

use crate::admit;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StatusRequest {
    by: CardCondition,
    value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CardView {
    /// Whole where it was asked by, else its ends.
    card_number: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial_number: Option<String>,
    state: CardState,
    state_word: &'static str,
    /// Since when it is in this state.
    since: String,
    since_roc: String,
    /// The day after whose 24:00 the lists show it; none when they show it already.
    #[serde(skip_serializing_if = "Option::is_none")]
    listed_after_roc: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusReply {
    as_of: String,
    as_of_roc: String,
    cards: Vec<CardView>,
}

/// Answers a question.
pub(crate) async fn look_up(request: Request) -> Result<Reply, Problem> {
    let origin = web::origin().await?;
    let headers = request.headers().clone();
    let StatusRequest { by, value } = SignedRequest::plain(request, &origin).await?;
    let query = CardQuery::parse(by, &value).map_err(crate::change::BadFields::one)?;
    let now = web::now();
    admit(&headers, CardRequest::Status, now).await?;
    let standings = store::spin::standings()?;
    let view = |card: CardRow| {
        let pending = standings.is_pending(&card)?;
        // Should its own night have failed, the coming one.
        let announced = if now < domain::listed_after(card.since) { card.since } else { now };
        Ok(CardView {
            card_number: match &query {
                CardQuery::CardNumber(number) => number.as_str().to_owned(),
                _ => card.number.masked(),
            },
            serial_number: match &query {
                CardQuery::SerialNumber(serial) => Some(serial.to_string()),
                _ => None,
            },
            state: card.state,
            state_word: card.state.word(),
            since: card.since.to_string(),
            since_roc: RocDateTime(card.since).to_string(),
            listed_after_roc: pending.then(|| domain::listed_after_words(announced)),
        })
    };
    let found = standings.cards.cards_by(&query)?;
    let cards = found.into_iter().map(view).collect::<Result<_, Problem>>()?;
    let reply =
        StatusReply { as_of: now.to_string(), as_of_roc: RocDateTime(now).to_string(), cards };
    Ok(web::json(StatusCode::OK, &reply))
}
