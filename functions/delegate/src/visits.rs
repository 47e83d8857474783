//! A visit, card by card.

use std::rc::Rc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::{
    CardRefused, Code, ContactDraft, FieldProblem, FieldsRefused, HandlerPermission, NationalId,
    RocDateTime, RocDay, SecondCard, TAIPEI, VisitDocument, VisitKind, VisitRefused,
};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use pki::{Fingerprint, Judgement, Purpose, SigningInput, TrustStore, VerifiedSignature};
use serde::{Deserialize, Serialize};
use spin_sdk::http::Request;
use store::schema::Label;
use store::spin::Pooled;
use store::{
    CardEvidence, Cases, CitizenCard, Database, HandlerEntry, HandlerRow, OrganisationCard,
    Standings, Transaction, VisitRow,
};
use web::{Nothing, Problem, Reply, SignedRequest};

/// The header that carries a visit's token: no page of another site can send it.
const HEADER: &str = "chayan-visit";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Begin {
    kind: VisitKind,
    /// The token of a handler's invitation.
    #[serde(default)]
    invitation: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Begun {
    /// Whoever has it goes on with the visit; only its digest is kept.
    visit: String,
    kind: VisitKind,
    expires_at: String,
    /// Who invited, where it is about that.
    invitation: Option<Invitation>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Invitation {
    organisation: String,
    name: String,
    permissions: Vec<&'static str>,
}

/// The digest that stands for a token.
pub(crate) fn digest(token: &str) -> Fingerprint {
    Fingerprint::of(token.as_bytes())
}

/// A new token.
pub(crate) fn token() -> String {
    BASE64_URL_SAFE_NO_PAD.encode(web::random::<32>())
}

pub(crate) async fn begin(request: Request) -> Result<Reply, Problem> {
    let origin = web::origin().await?;
    let now = web::now();
    let Begin { kind, invitation } = SignedRequest::plain(request, &origin).await?;
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    let cases = Cases(&transaction);
    let (invitation, shown) = match (kind, invitation) {
        (VisitKind::AcceptInvitation, Some(token)) => {
            let digest = digest(&token).0;
            let HandlerEntry { handler, organisation, .. } = cases.invited(digest, now)?;
            let permissions = handler.permissions.iter().map(|permission| permission.word());
            let permissions = permissions.collect();
            (Some(digest), Some(Invitation { organisation, name: handler.name, permissions }))
        }
        (VisitKind::AcceptInvitation, None) => return Err(Code::InvitationOver.into()),
        (_, Some(_)) => return Err(Code::MalformedRequest.into()),
        (_, None) => (None, None),
    };
    let visit = token();
    let id = digest(&visit).to_string();
    cases.begin_visit(&id, kind, invitation, now)?;
    let expires_at = cases.visit(&id, now)?.expires_at.to_string();
    transaction.commit()?;
    let reply = Begun { visit, kind, expires_at, invitation: shown };
    Ok(web::json(StatusCode::CREATED, &reply))
}

/// The visit that a request belongs to.
fn visit(
    cases: &Cases<impl Database>,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<VisitRow, Problem> {
    let token = headers.get(HEADER).and_then(|value| value.to_str().ok());
    let token = token.ok_or(Code::VisitOver)?;
    Ok(cases.visit(&digest(token).to_string(), now)?)
}

/// What the cards of a visit are judged by, with each of its requests: confirmed once, a card
/// that was suspended or revoked since does nothing any more (docs/trust.md).
pub(crate) struct Standing {
    trust: Rc<TrustStore>,
    now: Standings<Pooled, Pooled>,
}

impl Standing {
    pub(crate) async fn read() -> Result<Self, Problem> {
        Ok(Self { trust: web::trust().await?, now: store::spin::standings()? })
    }

    /// The visit that a request belongs to, with its cards in force.
    pub(crate) fn visit(
        &self,
        cases: &Cases<impl Database>,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<VisitRow, Problem> {
        let visit = visit(cases, headers, now)?;
        for judgement in &visit.judgements {
            judgement.check_in_force(&self.trust, &self.now, now)?;
        }
        Ok(visit)
    }
}

/// The handler whose card was the second one of a visit, while the entry is still the one of
/// that card and of the ID that was typed with it; nobody when it was the manager's.
pub(crate) fn acting_handler(
    cases: &Cases<impl Database>,
    visit: &VisitRow,
    permission: HandlerPermission,
) -> Result<Option<HandlerRow>, Problem> {
    let (Some(id), Some(card)) = (visit.handler, &visit.citizen) else { return Ok(None) };
    let handler = cases.permitted(id, &card.of_handler(), permission)?.handler;
    if Some(handler.person) != visit.person {
        return Err(Code::NotAllowed.into());
    }
    Ok(Some(handler))
}

/// What the next card signs for.
fn due(visit: &VisitRow) -> Result<Purpose, Problem> {
    let kind = visit.kind;
    let purpose = match kind.organisation_purpose() {
        Some(purpose) if visit.organisation.is_none() => Some(purpose),
        Some(_) if !visit.admitted => None,
        _ if visit.citizen.is_none() => kind.citizen_purpose(),
        _ => None,
    };
    Ok(purpose.ok_or(Code::VisitStep)?)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChallengeReply {
    challenge: String,
    purpose: Purpose,
    expires_at: String,
}

/// A challenge for the next card: bound to the visit and to the step.
pub(crate) async fn challenge(request: Request) -> Result<Reply, Problem> {
    let origin = web::origin().await?;
    let now = web::now();
    let headers = request.headers().clone();
    let Nothing {} = SignedRequest::plain(request, &origin).await?;
    let standing = Standing::read().await?;
    let cases = Cases(store::spin::open(Label::Cases)?);
    let visit = standing.visit(&cases, &headers, now)?;
    let purpose = due(&visit)?;
    let issued = cases.issue_visit_challenge(token(), purpose, &origin, &visit.id, now)?;
    let reply = ChallengeReply {
        challenge: issued.challenge,
        purpose,
        expires_at: issued.expires_at.to_string(),
    };
    Ok(web::json(StatusCode::CREATED, &reply))
}

/// A card's signature, judged.
struct Step {
    signed_data: Vec<u8>,
    judgement: Judgement,
    proof: VerifiedSignature,
    input: SigningInput,
    document: VisitDocument,
}

impl Step {
    async fn judge(
        signed: SignedRequest,
        (kind, purpose): (VisitKind, Purpose),
        origin: &str,
        now: Timestamp,
    ) -> Result<Self, Problem> {
        let SignedRequest { signed_data, transport } = signed;
        let trust = web::trust().await?;
        let lists = store::spin::standings()?;
        let is_open = |challenge: &str| Ok(store::spin::challenge_is_open(challenge, origin, now)?);
        let proof = web::confirm(trust.verify(&signed_data, now)?, &lists, now, is_open).await?;
        let input = domain::signed_input(&proof, origin, purpose)?;
        let document = VisitDocument::deserialize(&input.document);
        let document = document.map_err(|_| Code::MalformedRequest)?;
        if document.visit != kind {
            return Err(VisitRefused::Document.into());
        }
        let judgement = Judgement { transport, ..proof.judgement().clone() };
        Ok(Self { signed_data, judgement, proof, input, document })
    }

    fn evidence(&self) -> CardEvidence<'_> {
        CardEvidence { signed_data: &self.signed_data, judgement: &self.judgement }
    }
}

/// Step 1: the organisation's card with its code.
pub(crate) async fn organisation(request: Request) -> Result<Reply, Problem> {
    let origin = web::origin().await?;
    let now = web::now();
    let headers = request.headers().clone();
    let signed = web::signed_request(request, &origin).await?;
    let database = store::spin::open(Label::Cases)?;
    let before = visit(&Cases(&database), &headers, now)?;
    let kind = before.kind;
    let purpose = kind.organisation_purpose().ok_or(Code::VisitStep)?;
    let step = Step::judge(signed, (kind, purpose), &origin, now).await?;
    let key = domain::organisation_of(step.proof.credential())?;
    let code = crate::organisation_code(step.document.code.as_deref().unwrap_or_default())?;
    if kind.needs_terms() && step.document.agreed != Some(domain::registration_terms()) {
        return Err(VisitRefused::NotAgreed.into());
    }
    let certificate = step.proof.certificate();
    let serial_number = certificate.serial_number();

    let transaction = Transaction::begin(&database)?;
    let cases = Cases(&transaction);
    let visit = visit(&cases, &headers, now)?;
    cases.consume_visit_challenge(&step.input.challenge, purpose, &origin, &visit.id, now)?;
    let entry = cases.organisation(&code)?;
    let known = entry.as_ref().is_some_and(|entry| entry.key == key);
    let cleared = cases.mismatch_cleared(&code, key, now)?;
    let registration = cases.registration_of(&code)?;
    let registered = registration.as_ref().map(|row| &row.registered);
    let admission =
        domain::admit_organisation(kind, key, &serial_number, registered, known, cleared);
    // What does not fit is kept as well: it is what a review would be asked about.
    let mismatch = match admission {
        Ok(()) => None,
        Err(VisitRefused::Mismatch) => Some(VisitRefused::Mismatch),
        Err(other) => return Err(other.into()),
    };
    let card = OrganisationCard {
        name: step.proof.credential().name.clone(),
        number: key.to_string(),
        serial_number,
        not_after: certificate.not_after().as_second(),
        agreed: step.document.agreed.clone(),
        region: entry.map(|entry| entry.region),
    };
    let revision = registration.as_ref().map(|row| (row.id, row.revision));
    let admitted = mismatch.is_none();
    cases.keep_organisation_card(&visit, &code, &card, step.evidence(), admitted, revision)?;
    let view = view(&cases, &cases.visit(&visit.id, now)?)?;
    if kind == VisitKind::FindOrganisation {
        cases.finish_visit(&visit.id, now)?;
    }
    transaction.commit()?;
    match mismatch {
        None => Ok(web::json(StatusCode::OK, &view)),
        Some(refused) => Err(refused.into()),
    }
}

/// Step 2, or the only one: a citizen's card with the national ID.
pub(crate) async fn citizen(request: Request) -> Result<Reply, Problem> {
    let origin = web::origin().await?;
    let now = web::now();
    let headers = request.headers().clone();
    let (signed, typed) = web::signed_by_citizen(request, &origin).await?;
    let database = store::spin::open(Label::Cases)?;
    let before = visit(&Cases(&database), &headers, now)?;
    let kind = before.kind;
    let purpose = kind.citizen_purpose().ok_or(Code::VisitStep)?;
    if kind.organisation_purpose().is_some() && !before.admitted {
        return Err(Code::VisitStep.into());
    }
    let field = |problem| FieldsRefused::at("nationalId", problem);
    let national_id = NationalId::typed(&typed).map_err(field)?;
    let step = Step::judge(signed, (kind, purpose), &origin, now).await?;
    let certificate = step.proof.certificate();
    let serial_number = certificate.serial_number();
    if before.organisation.as_ref().is_some_and(|card| card.serial_number == serial_number) {
        return Err(CardRefused::OneForBoth.into());
    }
    // Bound to the very message of the first card.
    let first = before.organisation_signed.as_deref().map(Fingerprint::of);
    if step.document.organisation_signature != first.map(|digest| digest.to_string()) {
        return Err(VisitRefused::Document.into());
    }
    let citizen = domain::citizen_of(step.proof.credential())?;
    if national_id.tail() != citizen.tail {
        return Err(field(FieldProblem::NationalIdMismatch).into());
    }
    let person = web::digest_key().await?.citizen(&national_id);
    let card = CitizenCard {
        name: citizen.name,
        subject_serial: citizen.subject_serial,
        tail: citizen.tail,
        serial_number,
        not_after: certificate.not_after().as_second(),
    };

    let standing = Standing::read().await?;
    let transaction = Transaction::begin(&database)?;
    let cases = Cases(&transaction);
    let visit = standing.visit(&cases, &headers, now)?;
    cases.consume_visit_challenge(&step.input.challenge, purpose, &origin, &visit.id, now)?;
    let mut refused = None;
    let (confirmed, handler) = match kind {
        VisitKind::FindSerial => (true, None),
        VisitKind::AcceptInvitation => {
            let invitation = visit.invitation.ok_or(Code::InvitationOver)?;
            let invited = cases.invited(invitation, now)?;
            if invited.handler.person != person {
                return Err(Code::InvitationForOther.into());
            }
            cases.accept_invitation(&invited, invitation, &card, &origin, now)?;
            (true, Some(invited.handler.id))
        }
        VisitKind::RenewHandler => (true, Some(renew(&cases, person, &card, &origin, now)?)),
        _ => match second_card(&cases, &visit, person, &card, now)? {
            Ok(SecondCard::Manager) => (true, None),
            Ok(SecondCard::Handler(id)) => (true, Some(id)),
            // Kept, since it is what officers would be asked about.
            Err(VisitRefused::OtherPerson) => {
                refused = Some(VisitRefused::OtherPerson);
                (false, None)
            }
            Err(other) => return Err(other.into()),
        },
    };
    cases.keep_citizen_card(&visit, &card, person, step.evidence(), confirmed, handler)?;
    let view = view(&cases, &cases.visit(&visit.id, now)?)?;
    if kind.organisation_purpose().is_none() {
        cases.finish_visit(&visit.id, now)?;
    }
    transaction.commit()?;
    match refused {
        None => Ok(web::json(StatusCode::OK, &view)),
        Some(refused) => Err(refused.into()),
    }
}

/// Whose the second card is.
fn second_card(
    cases: &Cases<impl Database>,
    visit: &VisitRow,
    person: domain::PersonDigest,
    card: &CitizenCard,
    now: Timestamp,
) -> Result<Result<SecondCard, VisitRefused>, Problem> {
    let registration = match visit.registration {
        None => None,
        Some(_) => Some(cases.registration_of_visit(visit)?),
    };
    let registered = registration.as_ref().map(|row| &row.registered);
    let entries = cases.handlers_of_card(&card.of_handler())?;
    let entry = entries.iter().map(|entry| &entry.handler).find(|handler| {
        Some(handler.registration) == registration.as_ref().map(|row| row.id)
            && handler.person == person
    });
    let handler = entry.map(|handler| (handler.id, &handler.permissions[..]));
    let cleared = match &visit.code {
        Some(code) if visit.kind.renews_manager() => cases.manager_cleared(code, person, now)?,
        _ => None,
    };
    let outcome = domain::admit_citizen(
        visit.kind,
        registered,
        &card.serial_number,
        &card.subject_serial,
        person,
        handler,
        cleared == Some(true),
    );
    Ok(match outcome {
        Err(VisitRefused::OtherPerson) if cleared == Some(false) => Err(VisitRefused::UnderReview),
        other => other,
    })
}

/// A handler's renewed card, wherever the person is a handler. The person is the same when the
/// ID is and the CA's number; where the number was never seen, the name.
fn renew(
    cases: &Cases<impl Database>,
    person: domain::PersonDigest,
    card: &CitizenCard,
    origin: &str,
    now: Timestamp,
) -> Result<i64, Problem> {
    let mut entries = cases.handlers_of_person(person)?;
    entries.retain(|HandlerEntry { handler, .. }| {
        handler.serial_number.is_some()
            && match &handler.subject_serial {
                Some(known) => *known == card.subject_serial,
                None => handler.name == card.name,
            }
    });
    let first = entries.first().ok_or(Code::HandlerUnknown)?.handler.id;
    entries.retain(|entry| entry.handler.serial_number.as_ref() != Some(&card.serial_number));
    if entries.is_empty() {
        return Err(Code::CertificateUnchanged.into());
    }
    for entry in &entries {
        cases.renew_handler(entry, card, origin, now)?;
    }
    Ok(first)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VisitView {
    kind: VisitKind,
    kind_word: &'static str,
    expires_at: String,
    code: Option<String>,
    organisation: Option<OrganisationView>,
    citizen: Option<CitizenView>,
    /// Contact data on file, for the manager.
    contact: Option<ContactView>,
    /// SHA-256 of what the organisation's card signed: the second card names it.
    organisation_signature: Option<String>,
    /// Whether the second card was a handler's.
    by_handler: bool,
    confirmed: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OrganisationView {
    name: String,
    number: String,
    serial_number: String,
    valid_until: String,
    region: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CitizenView {
    name: String,
    /// Last four of the national ID, the rest covered.
    national_id: String,
    serial_number: String,
    valid_until: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ContactView {
    contact_name: String,
    email: String,
    phone: String,
}

fn day(second: i64) -> String {
    let at = Timestamp::from_second(second).unwrap_or_default();
    RocDay(TAIPEI.to_datetime(at).date()).to_string()
}

/// A number without the mark of an OID.
fn shown(number: &str) -> String {
    number.parse().map_or_else(|_| number.to_owned(), domain::shown_number)
}

/// `******1234`.
pub(crate) fn covered(tail: &str) -> String {
    format!("******{tail}")
}

fn view(cases: &Cases<impl Database>, visit: &VisitRow) -> Result<VisitView, Problem> {
    let contact = match visit.registration {
        Some((id, _)) if visit.confirmed && visit.handler.is_none() => {
            let row = cases.registration(id)?;
            Some(ContactView { contact_name: row.contact_name, email: row.email, phone: row.phone })
        }
        _ => None,
    };
    Ok(VisitView {
        kind: visit.kind,
        kind_word: visit.kind.word(),
        expires_at: visit.expires_at.to_string(),
        code: visit.code.as_ref().map(ToString::to_string),
        organisation: visit.organisation.as_ref().map(|card| OrganisationView {
            name: card.name.clone(),
            number: shown(&card.number),
            serial_number: card.serial_number.clone(),
            valid_until: day(card.not_after),
            region: card.region.clone(),
        }),
        citizen: visit.citizen.as_ref().map(|card| CitizenView {
            name: card.name.clone(),
            national_id: covered(&card.tail),
            serial_number: card.serial_number.clone(),
            valid_until: day(card.not_after),
        }),
        contact,
        organisation_signature: visit
            .organisation_signed
            .as_deref()
            .map(|message| Fingerprint::of(message).to_string()),
        by_handler: visit.handler.is_some(),
        confirmed: visit.confirmed,
    })
}

pub(crate) async fn current(request: &Request) -> Result<Reply, Problem> {
    let cases = Cases(store::spin::open(Label::Cases)?);
    let visit = Standing::read().await?.visit(&cases, request.headers(), web::now())?;
    Ok(web::json(StatusCode::OK, &view(&cases, &visit)?))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Registration {
    code: String,
    name: String,
    item: VisitKind,
    item_word: &'static str,
    received_at_roc: String,
}

/// The last step of a registration or replacement: contact data, and it is done.
pub(crate) async fn register(request: Request) -> Result<Reply, Problem> {
    let origin = web::origin().await?;
    let now = web::now();
    let headers = request.headers().clone();
    let draft: ContactDraft = SignedRequest::plain(request, &origin).await?;
    let standing = Standing::read().await?;
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    let cases = Cases(&transaction);
    let visit = standing.visit(&cases, &headers, now)?;
    if !visit.kind.needs_terms() || !visit.confirmed {
        return Err(Code::VisitStep.into());
    }
    acting_handler(&cases, &visit, HandlerPermission::Replace)?;
    let contact = draft.parse()?;
    let row = cases.keep_registration(&visit, &contact, &origin, now)?;
    transaction.commit()?;
    let reply = Registration {
        code: row.code.to_string(),
        name: row.name,
        item: visit.kind,
        item_word: visit.kind.word(),
        received_at_roc: RocDateTime(now).to_string(),
    };
    Ok(web::json(StatusCode::CREATED, &reply))
}
