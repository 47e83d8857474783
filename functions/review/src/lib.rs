//! The officers' side (A15 to A17): queues, cases and what is done to them, accounts, and what
//! needs two. Every address asks its permission of the one table in `domain`.

mod accounts;
mod acts;
mod administration;
mod conduct;
mod facts;
mod idle;
mod numbers;
mod services;
mod views;

use domain::{CaseId, Code, Officer, Permission};
use http::{HeaderMap, Method};
use spin_sdk::http::{IntoResponse, Request};
use spin_sdk::http_service;
use store::Cases;
use store::schema::Label;
use web::{Problem, Reply};

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    web::respond(route(request).await)
}

async fn route(request: Request) -> Result<Reply, Problem> {
    let officer = officer(request.headers()).await?;
    let path = web::segments(&request);
    let path: Vec<&str> = path.iter().skip(2).map(String::as_str).collect();
    match (path.as_slice(), request.method()) {
        (["me"], &Method::GET) => Ok(views::me(&officer)),
        (["cases"], &Method::GET) => {
            officer.check(Permission::ReadCases)?;
            views::list(&officer, request.uri().query().unwrap_or_default())
        }
        (["cases", id], &Method::GET) => {
            officer.check(Permission::ReadCases)?;
            views::one(&officer, case_id(id)?)
        }
        (["cases", id, act], &Method::POST) => {
            let (id, act) = (case_id(id)?, acts::Act::from_name(act).ok_or(Code::NotFound)?);
            acts::act(&officer, id, act, request).await
        }
        (["grounds"], &Method::GET) => {
            officer.check(Permission::ReadCases)?;
            Ok(views::grounds())
        }
        (["letters", id, "resending"], &Method::POST) => {
            officer.check(Permission::Decide)?;
            acts::resend(&officer, number(id)?, request).await
        }
        (["accounts", ubn], &Method::GET) => {
            officer.check(Permission::ReadCases)?;
            accounts::one(&officer, ubn.parse().map_err(|_| Code::NotFound)?)
        }
        (["accounts", ubn, "limits"], &Method::POST) => {
            let ubn = ubn.parse().map_err(|_| Code::NotFound)?;
            accounts::set_limits(&officer, ubn, request).await
        }
        (["accounts", ubn, act], &Method::POST) => {
            let ubn = ubn.parse().map_err(|_| Code::NotFound)?;
            let act = accounts::Act::from_name(act).ok_or(Code::NotFound)?;
            accounts::act(&officer, ubn, act, request).await
        }
        (["proposals"], &Method::GET) => {
            officer.check(Permission::ReadCases)?;
            accounts::proposals(&officer)
        }
        (["proposals", id, "decision"], &Method::POST) => {
            officer.check(Permission::Endorse)?;
            accounts::decide(&officer, number(id)?, request).await
        }
        (["findings"], &Method::GET) => {
            officer.check(Permission::ReadCases)?;
            conduct::findings(&officer)
        }
        (["findings", id, "closing"], &Method::POST) => {
            officer.check(Permission::Suspend)?;
            conduct::close(&officer, id, request).await
        }
        (["idle"], &Method::GET) => {
            officer.check(Permission::ReadCases)?;
            idle::list(&officer)
        }
        (["idle", id, "proposal"], &Method::POST) => {
            officer.check(Permission::Decide)?;
            idle::propose(&officer, number(id)?, request).await
        }
        (["services"], &Method::GET) => {
            officer.check(Permission::ReadCases)?;
            services::list(&officer)
        }
        (["services", id, act], &Method::POST) => {
            let act = services::Act::from_name(act).ok_or(Code::NotFound)?;
            services::act(&officer, number(id)?, act, request).await
        }
        (["institutions"], &Method::GET) => {
            officer.check(Permission::KeepInstitutions)?;
            services::institutions()
        }
        (["institutions"], &Method::POST) => {
            officer.check(Permission::KeepInstitutions)?;
            services::set_institution(&officer, request).await
        }
        (["sweep"], &Method::GET) => {
            officer.check(Permission::Supervise)?;
            accounts::sweep(&officer)
        }
        (["numbers"], &Method::GET) => {
            officer.check(Permission::ReadCases)?;
            numbers::numbers()
        }
        (["export"], &Method::GET) => {
            officer.check(Permission::ReadCases)?;
            numbers::export(&officer, request.uri().query().unwrap_or_default())
        }
        (["health"], &Method::GET) => Ok(administration::health()?),
        (["log"], &Method::GET) => {
            officer.check(Permission::ReadLog)?;
            administration::log(request.uri().query().unwrap_or_default())
        }
        (["officers"], &Method::GET) => {
            officer.check(Permission::KeepOfficers)?;
            administration::officers()
        }
        (["officers"], &Method::POST) => {
            officer.check(Permission::KeepOfficers)?;
            administration::add_officer(&officer, request).await
        }
        (["officers", id, "removal"], &Method::POST) => {
            officer.check(Permission::KeepOfficers)?;
            administration::remove_officer(&officer, number(id)?, request).await
        }
        (["policies"], &Method::GET) => administration::policies().await,
        (["policies"], &Method::POST) => {
            officer.check(Permission::KeepPolicies)?;
            administration::propose_policy(&officer, request).await
        }
        (["calendar-days"], &Method::POST) => {
            officer.check(Permission::KeepCalendar)?;
            administration::set_day(&officer, request).await
        }
        (
            [
                "me" | "cases" | "grounds" | "proposals" | "services" | "findings" | "idle"
                | "sweep" | "health" | "log",
            ]
            | ["cases" | "accounts", _],
            _,
        ) => Err(web::method_not_allowed("GET")),
        (["officers" | "policies" | "institutions"], _) => {
            Err(web::method_not_allowed("GET, POST"))
        }
        (["calendar-days"] | [_, _, _], _) => Err(web::method_not_allowed("POST")),
        _ => Err(Code::NotFound.into()),
    }
}

/// The officer of the session, who must still be on the list: what the list says now counts.
async fn officer(headers: &HeaderMap) -> Result<Officer, Problem> {
    let id = web::require_officer(headers, web::now()).await?;
    let officer = Cases(store::spin::open(Label::Cases)?).officer_by_id(id)?;
    Ok(officer.ok_or(Code::NotAllowed)?)
}

fn case_id(text: &str) -> Result<CaseId, Problem> {
    CaseId::parse(text).ok_or_else(|| Code::CaseNotFound.into())
}

fn number(text: &str) -> Result<i64, Problem> {
    text.parse().map_err(|_| Code::NotFound.into())
}
