//! Identity confirmation (C1 to C4): the applicants' side of the service, the confirmation call,
//! and the page on which citizens see who asked about them.

mod applicant;
mod call;
mod own;

use domain::Code;
use http::Method;
use spin_sdk::http::{IntoResponse, Request};
use spin_sdk::http_service;
use store::schema::Label;
use web::{Problem, Reply};

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    web::respond(route(request).await)
}

async fn route(request: Request) -> Result<Reply, Problem> {
    let path = web::segments(&request);
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match (path.as_slice(), request.method()) {
        (["api", "confirmation", "readyz"], &Method::GET) => Ok(web::readiness(ready().await)),
        (["api", "confirmation", "status"], &Method::GET) => applicant::status(&request).await,
        (["api", "confirmation", "certificate-previews"], &Method::POST) => {
            applicant::preview(request).await
        }
        (["api", "confirmation", "applications"], &Method::POST) => applicant::apply(request).await,
        (["api", "confirmation", "cases", id], &Method::GET) => applicant::case(&request, id).await,
        (["api", "confirmation", "demands", id, "answer"], &Method::POST) => {
            applicant::answer(request, id).await
        }
        (["api", "my", "records"], &Method::POST) => own::records(request).await,
        (["integration", "confirmations"], &Method::POST) => call::confirm(request).await,
        (["api", "confirmation", "readyz" | "status"] | ["api", "confirmation", "cases", _], _) => {
            Err(web::method_not_allowed("GET"))
        }
        (
            ["api", "confirmation", "applications" | "certificate-previews"]
            | ["api", "confirmation", "demands", _, "answer"]
            | ["api", "my", "records"]
            | ["integration", "confirmations"],
            _,
        ) => Err(web::method_not_allowed("POST")),
        _ => Err(Code::NotFound.into()),
    }
}

/// Whether everything is there that applications and calls need.
async fn ready() -> Result<(), Problem> {
    web::trust().await?;
    web::origin().await?;
    web::register_key().await?;
    for label in [Label::Cases, Label::Revocation, Label::Citizens, Label::Confirmations] {
        store::schema::check(&store::spin::open(label)?, label).map_err(Problem::not_ready)?;
    }
    Ok(())
}
