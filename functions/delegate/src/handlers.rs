//! 授權指派: the handlers of an organisation, in a visit with both cards.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use domain::{
    Actor, Code, HandlerDraft, HandlerForm, HandlerPermission, PersonDigest, RocDay, VisitKind,
};
use http::{HeaderMap, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use spin_sdk::http::Request;
use store::schema::Label;
use store::{Cases, Database, HandlerEntry, HandlerRow, NewHandler, RegistrationRow, Transaction};
use web::{Problem, Reply, SignedRequest};

use crate::visits::{Standing, acting_handler, covered, digest, token};
use crate::{PermissionView, permission_views};

/// How long an invitation waits.
const INVITATION_LIFETIME: SignedDuration = SignedDuration::from_hours(7 * 24);

/// A visit whose both cards were confirmed for 授權指派.
struct Counter {
    registration: RegistrationRow,
    /// The handler whose card was the second one; nobody when it was the manager's.
    own: Option<HandlerRow>,
    actor: Actor,
}

impl Counter {
    fn at(
        cases: &Cases<impl Database>,
        standing: &Standing,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Self, Problem> {
        let visit = standing.visit(cases, headers, now)?;
        if visit.kind != VisitKind::Delegate || !visit.confirmed {
            return Err(Code::VisitStep.into());
        }
        // A card that was replaced meanwhile ends what its visit may do.
        let registration = cases.registration_of_visit(&visit)?;
        let own = acting_handler(cases, &visit, HandlerPermission::Delegate)?;
        let actor = match &own {
            Some(handler) => Actor::Handler(handler.id),
            None => Actor::Organisation(registration.id),
        };
        Ok(Self { registration, own, actor })
    }

    fn within_own(
        &self,
        entry: Option<&HandlerRow>,
        given: &[HandlerPermission],
    ) -> Result<(), Problem> {
        let pair = |handler: &'_ HandlerRow| (handler.id, handler.permissions.clone());
        let (own, entry) = (self.own.as_ref().map(pair), entry.map(pair));
        let own = own.as_ref().map(|(id, permissions)| (*id, &permissions[..]));
        let entry = entry.as_ref().map(|(id, permissions)| (*id, &permissions[..]));
        Ok(domain::within_own(own, entry, given)?)
    }

    /// One of this organisation's handlers.
    fn handler(&self, cases: &Cases<impl Database>, id: i64) -> Result<HandlerEntry, Problem> {
        let entry = cases.handler(id)?;
        if entry.handler.registration == self.registration.id {
            Ok(entry)
        } else {
            Err(Code::HandlerNotFound.into())
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HandlerView {
    id: i64,
    name: String,
    serial_number: Option<String>,
    /// Last four, the rest covered.
    national_id: String,
    email: Option<String>,
    permissions: Vec<PermissionView>,
    /// Until when an invitation may be proved, `115/12/05`.
    invited_until: Option<String>,
    revision: i64,
}

pub(crate) fn handler_view(row: HandlerRow) -> HandlerView {
    HandlerView {
        id: row.id,
        name: row.name,
        serial_number: row.serial_number,
        national_id: covered(&row.tail),
        email: row.email,
        permissions: permission_views(&row.permissions),
        invited_until: row.invitation_until.map(|until| RocDay::of(until).to_string()),
        revision: row.revision,
    }
}

pub(crate) async fn list(request: &Request) -> Result<Reply, Problem> {
    let standing = Standing::read().await?;
    let cases = Cases(store::spin::open(Label::Cases)?);
    let counter = Counter::at(&cases, &standing, request.headers(), web::now())?;
    let rows = cases.handlers(counter.registration.id)?;
    let handlers: Vec<_> = rows.into_iter().map(handler_view).collect();
    let reply = serde_json::json!({
        "code": counter.registration.code.as_str(),
        "organisation": counter.registration.name,
        "handlers": handlers,
    });
    Ok(web::json(StatusCode::OK, &reply))
}

/// The digest and last four of what was typed.
async fn person(draft: &HandlerDraft) -> Result<Option<(PersonDigest, String)>, Problem> {
    let Ok(id) = domain::NationalId::typed(&draft.national_id) else { return Ok(None) };
    Ok(Some((web::digest_key().await?.citizen(&id), id.tail().to_owned())))
}

pub(crate) async fn add(request: Request) -> Result<Reply, Problem> {
    keep(request, HandlerForm::Added).await
}

pub(crate) async fn invite(request: Request) -> Result<Reply, Problem> {
    keep(request, HandlerForm::Invited).await
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Added {
    handler: HandlerView,
    /// Where the handler proves the invitation; shown once.
    address: Option<String>,
}

async fn keep(request: Request, form: HandlerForm) -> Result<Reply, Problem> {
    let origin = web::origin().await?;
    let now = web::now();
    let headers = request.headers().clone();
    let draft: HandlerDraft = SignedRequest::plain(request, &origin).await?;
    let person = person(&draft).await?;
    let standing = Standing::read().await?;
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    let cases = Cases(&transaction);
    let counter = Counter::at(&cases, &standing, &headers, now)?;
    let data = draft.parse(form)?;
    counter.within_own(None, &data.permissions)?;
    let token = token();
    let address =
        (form == HandlerForm::Invited).then(|| format!("{origin}/delegate/#accept={token}"));
    let new = NewHandler {
        data: &data,
        person: person.as_ref().map(|(digest, tail)| (*digest, tail.as_str())),
        invitation: address
            .as_deref()
            .map(|address| (digest(&token).0, now + INVITATION_LIFETIME, address)),
    };
    let entry = cases.add_handler(&counter.registration, new, counter.actor, &origin, now)?;
    transaction.commit()?;
    let reply = Added { handler: handler_view(entry.handler), address };
    Ok(web::json(StatusCode::CREATED, &reply))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    /// The entry as it was shown.
    revision: i64,
    handler: HandlerDraft,
}

pub(crate) async fn change(id: i64, request: Request) -> Result<Reply, Problem> {
    let origin = web::origin().await?;
    let now = web::now();
    let headers = request.headers().clone();
    let Change { revision, handler: draft } = SignedRequest::plain(request, &origin).await?;
    let person = person(&draft).await?;
    let standing = Standing::read().await?;
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    let cases = Cases(&transaction);
    let counter = Counter::at(&cases, &standing, &headers, now)?;
    let entry = counter.handler(&cases, id)?;
    let data = draft.parse(HandlerForm::Changed)?;
    counter.within_own(Some(&entry.handler), &data.permissions)?;
    let new = NewHandler {
        data: &data,
        person: person.as_ref().map(|(digest, tail)| (*digest, tail.as_str())),
        invitation: None,
    };
    let (of, by) = (&counter.registration, counter.actor);
    let entry = cases.change_handler(of, (id, revision), new, by, &origin, now)?;
    transaction.commit()?;
    Ok(web::json(StatusCode::OK, &handler_view(entry.handler)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Removal {
    revision: i64,
}

pub(crate) async fn remove(id: i64, request: Request) -> Result<Reply, Problem> {
    let origin = web::origin().await?;
    let now = web::now();
    let headers = request.headers().clone();
    let Removal { revision } = SignedRequest::plain(request, &origin).await?;
    let standing = Standing::read().await?;
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    let cases = Cases(&transaction);
    let counter = Counter::at(&cases, &standing, &headers, now)?;
    let entry = counter.handler(&cases, id)?;
    counter.within_own(Some(&entry.handler), &[])?;
    let (of, by) = (&counter.registration, counter.actor);
    cases.remove_handler(of, (id, revision), by, &origin, now)?;
    transaction.commit()?;
    Ok(web::empty())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reading {
    /// The certificate of the card in the reader, DER in Base64.
    certificate: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Read {
    serial_number: String,
    name: String,
    tail: String,
}

/// 讀取憑證: what a handler's certificate says, if it is in force. No PIN, so no proof: the
/// handler shows the key when signing in.
pub(crate) async fn read_card(request: Request) -> Result<Reply, Problem> {
    let origin = web::origin().await?;
    let now = web::now();
    let headers = request.headers().clone();
    let Reading { certificate } = SignedRequest::plain(request, &origin).await?;
    let standing = Standing::read().await?;
    Counter::at(&Cases(store::spin::open(Label::Cases)?), &standing, &headers, now)?;
    let der = BASE64_STANDARD.decode(certificate).map_err(|_| Code::MalformedRequest)?;
    let certificate = pki::Certificate::from_der(&der)?;
    let serial_number = certificate.serial_number();
    let lists = store::spin::standings()?;
    let credential = web::trust().await?.read_card(certificate, &lists, now)?;
    let citizen = domain::citizen_of(&credential)?;
    let reply = Read { serial_number, name: citizen.name, tail: citizen.tail };
    Ok(web::json(StatusCode::OK, &reply))
}
