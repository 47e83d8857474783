//! 憑證IC卡停復用 (B1–B4): suspends and resumes cards of our own CAs by 卡號 and 用戶代碼, answers
//! 憑證查詢, and serves the lists that `chayan crl` publishes.

mod change;
mod lists;
mod status;

use domain::{CardNumber, Code, FieldError};
use http::{HeaderMap, Method};
use jiff::Timestamp;
use pki::TrustStore;
use spin_sdk::http::{IntoResponse, Request};
use spin_sdk::http_service;
use store::schema::Label;
use store::{CardRequest, Revocation};
use web::{Problem, Reply};

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    web::respond(route(request).await)
}

async fn route(request: Request) -> Result<Reply, Problem> {
    let path = web::segments(&request);
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match (request.method(), path.as_slice()) {
        (&Method::GET, ["api", "cards", "readyz"]) => Ok(web::readiness(ready().await)),
        (&Method::POST, ["api", "cards", "issuer"]) => change::issuer(request).await,
        (&Method::POST, ["api", "cards", "changes"]) => change::change(request).await,
        (&Method::POST, ["api", "cards", "unlock"]) => change::unlock(request).await,
        (&Method::POST, ["api", "cards", "status"]) => status::look_up(request).await,
        (&Method::GET, ["api", "cards", "lists"]) => lists::index().await,
        (&Method::GET | &Method::HEAD, ["crl", folder, name]) => {
            lists::serve(&request, &format!("{folder}/{name}"))
        }
        (_, ["api", "cards", "issuer" | "changes" | "unlock" | "status"]) => {
            Err(web::method_not_allowed("POST"))
        }
        (_, ["api", "cards", "readyz" | "lists"]) => Err(web::method_not_allowed("GET")),
        (_, ["crl", _, _]) => Err(web::method_not_allowed("GET, HEAD")),
        _ => Err(Code::NotFound.into()),
    }
}

async fn ready() -> Result<(), Problem> {
    web::trust().await?;
    web::origin().await?;
    web::digest_key().await?;
    for label in [Label::Cases, Label::Revocation] {
        store::schema::check(&store::spin::open(label)?, label).map_err(Problem::not_ready)?;
    }
    Ok(())
}

/// Lets so many requests of an address pass in an hour.
async fn admit(headers: &HeaderMap, kind: CardRequest, now: Timestamp) -> Result<(), Problem> {
    let source = web::digest_key().await?.source(web::client_address(headers)?);
    let lists = Revocation(store::spin::open(Label::Revocation)?);
    if lists.admit_card_request(kind, source, now)? {
        Ok(())
    } else {
        Err(Code::TooManyRequests.into())
    }
}

/// Reads a field of a form.
fn field<T: std::str::FromStr<Err = domain::FieldProblem>>(
    member: &str,
    text: &str,
) -> Result<T, FieldError> {
    text.parse().map_err(|problem| FieldError::at(member, problem))
}

/// Who issues cards whose numbers begin like this.
enum CardIssuer {
    /// One of our own CAs.
    Own,
    /// Another CA, with its name and site.
    Other(&'static str, &'static str),
    /// None that is known.
    Unknown,
}

/// Where other CAs suspend their cards.
const OTHERS: [(&str, &str, &str); 5] = [
    ("MG", "工商憑證管理中心", "https://moeaca.nat.gov.tw/"),
    ("MT", "工商憑證管理中心", "https://moeaca.nat.gov.tw/"),
    ("TT", "內政部憑證管理中心", "https://moica.nat.gov.tw/"),
    ("TP", "內政部憑證管理中心", "https://moica.nat.gov.tw/"),
    ("GP", "政府憑證管理中心", "https://gca.nat.gov.tw/"),
];

impl CardIssuer {
    /// By the number alone, which is a hint: no answer depends on whether the card is known.
    fn of(number: &CardNumber, trust: &TrustStore) -> Self {
        let mut prefixes = trust.own_issuers().flat_map(|(_, own)| &own.cards);
        if prefixes.any(|prefix| number.begins_with(prefix)) {
            return Self::Own;
        }
        match OTHERS.iter().find(|(prefix, ..)| number.begins_with(prefix)) {
            Some((_, name, site)) => Self::Other(name, site),
            None => Self::Unknown,
        }
    }
}
