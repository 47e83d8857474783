//! Credential registration and its handlers (D1 to D5): visits with cards, registrations,
//! handlers, queries, and the cases in which officers are asked.

mod handlers;
mod mine;
mod reviews;
mod visits;

use domain::{Code, HandlerPermission, OrganisationCode, RocDateTime, TermsReference};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use spin_sdk::http::{IntoResponse, Request};
use spin_sdk::http_service;
use store::Cases;
use store::schema::Label;
use web::{Problem, Reply, SignedRequest};

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    web::respond(route(request).await)
}

async fn route(request: Request) -> Result<Reply, Problem> {
    let path = web::segments(&request);
    let path: Vec<&str> = path.iter().skip(2).map(String::as_str).collect();
    match (path.as_slice(), request.method()) {
        (["readyz"], &Method::GET) => ready().await,
        (["terms"], &Method::GET) => terms().await,
        (["visits"], &Method::POST) => visits::begin(request).await,
        (["visit"], &Method::GET) => visits::current(&request).await,
        (["visit", "challenges"], &Method::POST) => visits::challenge(request).await,
        (["visit", "organisation"], &Method::POST) => visits::organisation(request).await,
        (["visit", "citizen"], &Method::POST) => visits::citizen(request).await,
        (["visit", "review"], &Method::POST) => reviews::ask(request).await,
        (["registrations"], &Method::POST) => visits::register(request).await,
        (["handlers"], &Method::GET) => handlers::list(&request).await,
        (["handlers"], &Method::POST) => handlers::add(request).await,
        (["invitations"], &Method::POST) => handlers::invite(request).await,
        (["card-readings"], &Method::POST) => handlers::read_card(request).await,
        (["handlers", id], &Method::POST) => handlers::change(number(id)?, request).await,
        (["handlers", id, "removal"], &Method::POST) => {
            handlers::remove(number(id)?, request).await
        }
        (["receipts"], &Method::POST) => receipts(request).await,
        (["me"], &Method::GET) => mine::me(&request).await,
        (["me"], &Method::POST) => mine::choose(request).await,
        (["me", "registrations"], &Method::GET) => mine::registrations(&request).await,
        (["me", "handlers"], &Method::GET) => mine::handlers(&request).await,
        (["me", "certificates"], &Method::GET) => mine::certificates(&request).await,
        (["handlers" | "me"], _) => Err(web::method_not_allowed("GET, POST")),
        (["terms" | "visit" | "readyz"] | ["me", _], _) => Err(web::method_not_allowed("GET")),
        (
            ["visits" | "registrations" | "invitations" | "card-readings" | "receipts"]
            | ["visit" | "handlers", _]
            | ["handlers", _, _],
            _,
        ) => Err(web::method_not_allowed("POST")),
        _ => Err(Code::NotFound.into()),
    }
}

fn number(text: &str) -> Result<i64, Problem> {
    text.parse().map_err(|_| Code::NotFound.into())
}

async fn ready() -> Result<Reply, Problem> {
    let checks = async {
        web::trust().await?;
        web::origin().await?;
        web::digest_key().await?;
        offices().await?;
        for label in [Label::Cases, Label::Revocation] {
            store::schema::check(&store::spin::open(label)?, label).map_err(Problem::not_ready)?;
        }
        Ok(())
    };
    Ok(web::readiness(checks.await))
}

/// Who is in charge of which region (figure 3-7).
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Offices {
    /// 總機.
    switchboard: String,
    offices: Vec<Office>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Office {
    name: String,
    extension: String,
    /// 縣市.
    regions: Vec<String>,
}

/// The offices as the installation names them; as the manual does where nothing is set.
async fn offices() -> Result<Offices, Problem> {
    let text = web::variable("offices").await?;
    let text = if text.is_empty() { include_str!("offices.json") } else { &text };
    serde_json::from_str(text)
        .map_err(|_| Problem::not_ready("offices is not the JSON it should be"))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Terms {
    /// What is agreed to now.
    terms: TermsReference,
    offices: Offices,
    permissions: Vec<PermissionView>,
}

#[derive(Serialize)]
struct PermissionView {
    name: HandlerPermission,
    word: &'static str,
}

fn permission_views(permissions: &[HandlerPermission]) -> Vec<PermissionView> {
    let view = |name: &HandlerPermission| PermissionView { name: *name, word: name.word() };
    permissions.iter().map(view).collect()
}

async fn terms() -> Result<Reply, Problem> {
    let reply = Terms {
        terms: domain::registration_terms(),
        offices: offices().await?,
        permissions: permission_views(&HandlerPermission::ALL),
    };
    Ok(web::json(StatusCode::OK, &reply))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReceiptsQuestion {
    code: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReceiptView {
    name: String,
    received_at_roc: String,
    item_word: &'static str,
}

/// 查詢憑證註冊收件紀錄 (figures 3-38, 3-39): for whoever knows the code; names no person.
async fn receipts(request: Request) -> Result<Reply, Problem> {
    let origin = web::origin().await?;
    let ReceiptsQuestion { code } = SignedRequest::plain(request, &origin).await?;
    let code = organisation_code(&code)?;
    let rows = Cases(store::spin::open(Label::Cases)?).receipts_of(&code)?;
    let view = |row: store::ReceiptRow| ReceiptView {
        name: row.name,
        received_at_roc: RocDateTime(row.received_at).to_string(),
        item_word: row.item.word(),
    };
    let receipts: Vec<_> = rows.into_iter().map(view).collect();
    let reply = serde_json::json!({ "code": code.as_str(), "receipts": receipts });
    Ok(web::json(StatusCode::OK, &reply))
}

fn organisation_code(text: &str) -> Result<OrganisationCode, Problem> {
    let refused = |problem| domain::FieldsRefused::at("code", problem);
    Ok(text.parse().map_err(refused)?)
}
