//! What a handler sees of the organisation after signing in with the own card.

use domain::{Asker, Code, HandlerCard, HandlerPermission, RocDateTime};
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use spin_sdk::http::Request;
use store::schema::Label;
use store::{Cases, Database, HandlerEntry};
use web::{Problem, Reply, Session, SignedRequest, Who};

use crate::handlers::handler_view;
use crate::{PermissionView, permission_views};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Me {
    name: String,
    /// The organisation that was chosen.
    chosen: Option<i64>,
    organisations: Vec<Work>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Work {
    handler: i64,
    code: String,
    organisation: String,
    number: String,
    /// 統一編號, where the organisation is a company that may apply.
    ubn: Option<String>,
    permissions: Vec<PermissionView>,
}

async fn session(request: &Request) -> Result<(Option<i64>, HandlerCard, String), Problem> {
    let session = Session::of(request.headers(), web::now()).await?;
    match session.map(|session| session.who) {
        Some(Who::Handler { handler, card, name }) => Ok((handler, card, name)),
        Some(_) => Err(Code::NotAllowed.into()),
        None => Err(Code::NotSignedIn.into()),
    }
}

pub(crate) async fn me(request: &Request) -> Result<Reply, Problem> {
    let (chosen, card, name) = session(request).await?;
    let entries = Cases(store::spin::open(Label::Cases)?).handlers_of_card(&card)?;
    let organisations: Vec<_> = entries
        .into_iter()
        .map(|entry| Work {
            handler: entry.handler.id,
            code: entry.code,
            organisation: entry.organisation,
            number: domain::shown_number(entry.key),
            ubn: entry.key.ubn().map(|ubn| ubn.to_string()),
            permissions: permission_views(&entry.handler.permissions),
        })
        .collect();
    let chosen = chosen.filter(|id| organisations.iter().any(|work| work.handler == *id));
    Ok(web::json(StatusCode::OK, &Me { name, chosen, organisations }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice {
    handler: i64,
}

/// Whoever works for several organisations says for which one now.
pub(crate) async fn choose(request: Request) -> Result<Reply, Problem> {
    let origin = web::origin().await?;
    let (_, card, name) = session(&request).await?;
    let headers = request.headers().clone();
    let Choice { handler } = SignedRequest::plain(request, &origin).await?;
    let entries = Cases(store::spin::open(Label::Cases)?).handlers_of_card(&card)?;
    if !entries.iter().any(|entry| entry.handler.id == handler) {
        return Err(Code::HandlerNotFound.into());
    }
    Session::end(&headers).await?;
    let who = Who::Handler { handler: Some(handler), card, name };
    let (session, cookie) = Session::start(who, web::now()).await?;
    let mut reply = web::json(StatusCode::CREATED, &session);
    reply.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(reply)
}

async fn permitted(
    request: &Request,
    cases: &Cases<impl Database>,
    permission: HandlerPermission,
) -> Result<HandlerEntry, Problem> {
    match web::require_asker(request.headers(), web::now()).await? {
        Asker::Handler { id, card } => Ok(cases.permitted(id, &card, permission)?),
        Asker::Applicant(_) => Err(Code::NotAllowed.into()),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Receipt {
    received_at_roc: String,
    item_word: &'static str,
    organisation_serial: String,
    manager_serial: String,
}

/// 首次註冊紀錄查詢.
pub(crate) async fn registrations(request: &Request) -> Result<Reply, Problem> {
    let cases = Cases(store::spin::open(Label::Cases)?);
    let entry = permitted(request, &cases, HandlerPermission::Registrations).await?;
    let row = cases.registration(entry.handler.registration)?;
    let receipts = cases.receipts_of(&row.code)?.into_iter().map(|receipt| Receipt {
        received_at_roc: RocDateTime(receipt.received_at).to_string(),
        item_word: receipt.item.word(),
        organisation_serial: receipt.organisation_serial,
        manager_serial: receipt.manager_serial,
    });
    let reply = serde_json::json!({
        "code": row.code.as_str(),
        "organisation": row.name,
        "manager": row.contact_name,
        "receipts": receipts.collect::<Vec<_>>(),
    });
    Ok(web::json(StatusCode::OK, &reply))
}

/// 授權指派: who may do what. Changes take both cards.
pub(crate) async fn handlers(request: &Request) -> Result<Reply, Problem> {
    let cases = Cases(store::spin::open(Label::Cases)?);
    let entry = permitted(request, &cases, HandlerPermission::Delegate).await?;
    let rows = cases.handlers(entry.handler.registration)?;
    let handlers: Vec<_> = rows.into_iter().map(handler_view).collect();
    Ok(web::json(StatusCode::OK, &serde_json::json!({ "handlers": handlers })))
}

/// 憑證查詢: the registered cards.
pub(crate) async fn certificates(request: &Request) -> Result<Reply, Problem> {
    let cases = Cases(store::spin::open(Label::Cases)?);
    let entry = permitted(request, &cases, HandlerPermission::Certificates).await?;
    let row = cases.registration(entry.handler.registration)?;
    let reply = serde_json::json!({
        "code": row.code.as_str(),
        "organisation": row.name,
        "number": domain::shown_number(row.registered.key),
        "organisationSerial": row.registered.organisation_serial,
        "managerSerial": row.registered.manager_serial,
        "ownSerial": entry.handler.serial_number,
    });
    Ok(web::json(StatusCode::OK, &reply))
}
