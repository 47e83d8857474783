//! The lists as they were published, for whoever checks our cards (RFC 5280; HTTP caching by
//! RFC 9111 and 9110).

use bytes::Bytes;
use domain::{Code, RocDateTime};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use pki::Fingerprint;
use serde_json::json;
use spin_sdk::http::{FullBody, Request};
use store::Cases;
use store::schema::Label;
use web::{Problem, Reply};

/// The longest that a copy is kept without asking again, in seconds: after a resumption the next
/// list should be seen soon after midnight.
const LONGEST: i64 = 3600;

/// Which lists there are, and what became of the last night.
pub(crate) async fn index() -> Result<Reply, Problem> {
    let trust = web::trust().await?;
    let cases = Cases(store::spin::open(Label::Cases)?);
    let now = web::now();
    let attempts = cases.publishing()?;
    let mut lists = Vec::new();
    let mut failed = false;
    for (issuer, _) in trust.own_issuers() {
        let issuer = issuer.fingerprint();
        failed |= attempts.iter().any(|one| one.issuer == issuer && one.trouble(now).is_some());
        for list in cases.published_lists(issuer)? {
            lists.push(json!({
                "address": format!("/crl/{}", list.name), "number": list.number,
                "delta": list.delta, "partition": list.partition,
                "thisUpdate": list.this_update.to_string(),
                "thisUpdateRoc": RocDateTime(list.this_update).to_string(),
                "nextUpdate": list.next_update.to_string(),
                "nextUpdateRoc": RocDateTime(list.next_update).to_string(),
                "current": now <= list.next_update,
            }));
        }
    }
    let body = json!({
        "lists": lists, "lastNightFailed": failed,
        "listedAfterRoc": domain::listed_after_words(now),
    });
    Ok(web::json(StatusCode::OK, &body))
}

/// One list.
pub(crate) fn serve(request: &Request, name: &str) -> Result<Reply, Problem> {
    let list = Cases(store::spin::open(Label::Cases)?).published_list(name)?;
    let list = list.ok_or(Code::NotFound)?;
    let tag = format!("\"{}\"", &Fingerprint::of(&list.der).to_string()[..32]);
    let same = is_known(request.headers(), &tag, list.this_update);
    let body = if same { Bytes::new() } else { Bytes::from(list.der) };
    let mut reply = http::Response::new(FullBody::new(body));
    if same {
        *reply.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let age = (list.next_update.as_second() - web::now().as_second()).clamp(0, LONGEST);
    // Until the next Taipei midnight nothing new comes.
    let midnight = domain::listed_after(web::now()).as_second() - web::now().as_second();
    let caching = format!("public, max-age={}, must-revalidate", age.min(midnight));
    let headers = reply.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, caching),
        (header::ETAG, tag),
        (header::LAST_MODIFIED, http_date(list.this_update)),
        (
            header::EXPIRES,
            http_date(web::now() + jiff::SignedDuration::from_secs(age.min(midnight))),
        ),
    ] {
        headers.insert(name, HeaderValue::try_from(value).map_err(Problem::internal)?);
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/pkix-crl"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(reply)
}

/// Whether the client has this very list. A tag comes before a date (RFC 9110, section 13.2.2).
fn is_known(headers: &HeaderMap, tag: &str, modified: Timestamp) -> bool {
    let tags = headers.get_all(header::IF_NONE_MATCH);
    if tags.iter().next().is_some() {
        return tags
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|v| v.split(','))
            .any(|known| known.trim() == "*" || known.trim().trim_start_matches("W/") == tag);
    }
    headers
        .get(header::IF_MODIFIED_SINCE)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| jiff::fmt::rfc2822::parse(text).ok())
        .is_some_and(|since| since.timestamp() >= modified)
}

/// IMF-fixdate (RFC 9110, section 5.6.7).
fn http_date(at: Timestamp) -> String {
    jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap_or_default()
}
