//! The HiPKI component's surface on its port: two popup pages, and what they ask for the
//! page that opened them. Off unless it is switched on.

use std::sync::atomic::AtomicBool;

use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, StatusCode};
use hyper::body::Incoming;
use jiff::Timestamp;
use protocol::{Failure, FailureCode};
use serde_json::{Value, json};

use super::asker::{PAGE_ORIGIN, single};
use super::reply::{Answer, last, page, with_status};
use super::{Bridge, everything};
use crate::dialog::Confirmation;
use crate::hipki::{self, HipkiJob, Package, Refusal, SERVER_VERSION, code};
use crate::sites::is_site;
use crate::worker::{Job, Word};

const POPUP: &str = include_str!("hipki.html");
const ADD_DOMAIN: &str = include_str!("add_domain.html");
/// Pages of the component get these from its popup; nobody else does.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

fn said(body: &Value) -> Answer {
    let mut answer = with_status(StatusCode::OK, body.to_string().into());
    let kind = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer
}

pub(super) async fn answer(bridge: &Bridge, port: u16, request: Request<Incoming>) -> Answer {
    let headers = request.headers();
    let host = single(headers, &header::HOST).ok().flatten().unwrap_or_default();
    let names = [format!("127.0.0.1:{port}"), format!("localhost:{port}")];
    if !names.iter().any(|name| name == host) || request.uri().authority().is_some() {
        return with_status(StatusCode::FORBIDDEN, "".into());
    }
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/popupForm" | "/ChtPopupForm") => page(POPUP),
        (&Method::GET, "/addDomain") => {
            let mut answer = page(ADD_DOMAIN);
            let policy = HeaderValue::from_static("same-origin");
            answer.headers_mut().insert(header::REFERRER_POLICY, policy);
            answer
        }
        (&Method::GET, "/selfTest.htm") => {
            // The page asks at the bridge's own port.
            let mut answer = with_status(StatusCode::FOUND, "".into());
            let own =
                HeaderValue::try_from(format!("http://127.0.0.1:{}/v1/self-test", bridge.port));
            answer.headers_mut().extend(own.map(|own| (header::LOCATION, own)));
            answer
        }
        (&Method::GET, "/p11Image.bmp") => image(bridge, headers).await,
        _ => {
            let origin = asked_for(headers, host).map(str::to_owned);
            let path = request.uri().path().to_owned();
            let func = if path == "/sign" { "sign" } else { "pkcs11info" };
            let done = match origin {
                Some(origin) => bridge.hipki(&origin, &path, request).await,
                None => Err(code::SITE.into()),
            };
            // A PIN may have come on this connection.
            last(said(&done.unwrap_or_else(|refusal: Refusal| refusal.body(func))))
        }
    }
}

/// The origin for which the component's own page asks. A page that asks by itself, or a
/// program, has none.
fn asked_for<'a>(headers: &'a HeaderMap, host: &str) -> Option<&'a str> {
    let own = match single(headers, &header::ORIGIN).ok()? {
        Some(origin) => origin.strip_prefix("http://") == Some(host),
        // Browsers leave the origin out of their own GETs, and say so here.
        None => single(headers, &FETCH_SITE).ok()? == Some("same-origin"),
    };
    single(headers, &PAGE_ORIGIN).ok()?.filter(|_| own)
}

/// The readers without certificates, as a bitmap that a page may read.
async fn image(bridge: &Bridge, headers: &HeaderMap) -> Answer {
    let origin = single(headers, &header::ORIGIN).ok().flatten();
    let allowed = origin.is_some_and(|origin| bridge.sites.allows_hipki(origin));
    let body = match allowed {
        false => Refusal::from(code::SITE).body("pkcs11info"),
        true => match bridge.cards().await {
            Ok(cards) => hipki::info(&cards, false, None),
            Err(failure) => Refusal::from(failure).body("pkcs11info"),
        },
    };
    // The component's text is ASCII: everything else is escaped.
    let text: String = body
        .to_string()
        .chars()
        .map(|character| match character.is_ascii() {
            true => character.to_string(),
            false => {
                let mut units = [0; 2];
                let units = character.encode_utf16(&mut units);
                units.iter().map(|unit| format!("\\u{unit:04x}")).collect()
            }
        })
        .collect();
    let mut answer = with_status(StatusCode::OK, hipki::bitmap(&text).into());
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/bmp"));
    if let Some(origin) = origin.and_then(|origin| HeaderValue::try_from(origin).ok()) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    answer
}

impl Bridge {
    async fn hipki(
        &self,
        origin: &str,
        path: &str,
        request: Request<Incoming>,
    ) -> Result<Value, Refusal> {
        let query = request.uri().query().unwrap_or_default().to_owned();
        if path == "/addDomain" {
            return self.add_domain(origin, &query).await;
        }
        if !self.sites.allows_hipki(origin) {
            return Err(code::SITE.into());
        }
        let body = everything(request.into_body()).await.ok_or(code::PARAMETER)?;
        let package = if body.is_empty() { Package::default() } else { Package::read(&body)? };
        match path {
            "/pkcs11info" => {
                let certificates = query.split('&').any(|part| part == "withcert=true");
                let cards = self.cards().await?;
                Ok(hipki::info(&cards, certificates, package.slot_description.as_deref()))
            }
            "/sign" => self.sign_as_hipki(origin, package).await,
            _ => Err(code::UNSUPPORTED.into()),
        }
    }

    async fn sign_as_hipki(&self, origin: &str, package: Package) -> Result<Value, Refusal> {
        let raw = self.hipki.is_some_and(|options| options.allow_raw);
        let slot = package.slot_description.clone();
        // What is unfit is refused before any card is looked at.
        let order = package.into_order(raw)?;
        let cards = self.cards().await?;
        let mut found = cards.cards.iter();
        let card = found.find(|card| slot.as_ref().is_none_or(|slot| *slot == card.reader));
        let id = match card {
            Some(card) => card.id.clone(),
            None if cards.readers.is_empty() => return Err(code::NO_READER.into()),
            None => return Err(code::NO_CARD.into()),
        };
        let (source, card) = self.source_of(&id).ok_or(code::NO_CARD)?;
        let windows = self.windows.clone();
        let job =
            |caution| Job::Hipki(Box::new(HipkiJob { source, card, windows, caution, order }));
        match self.try_pin(origin, None, &id, job).await? {
            Word::HipkiSigned(signed) => Ok(hipki::signed(&signed)),
            _ => Err(code::HELPER.into()),
        }
    }

    /// Asks the person whether the site may use the component: the one that opened the
    /// page, when the browser tells, else the one with this name.
    async fn add_domain(&self, referrer: &str, query: &str) -> Result<Value, Refusal> {
        let mut parts = form_urlencoded::parse(query.as_bytes());
        let domain = parts.find(|(name, _)| name == "domain").map(|(_, value)| value);
        let domain = domain.unwrap_or_default();
        let named = format!("https://{domain}");
        let host = referrer.split_once("://").map(|(_, rest)| rest);
        let host = host.map(|rest| rest.split(':').next().unwrap_or_default());
        let origin = if host == Some(&*domain) { referrer } else { &named };
        if !is_site(origin) {
            return Err(code::PARAMETER.into());
        }
        let question = Confirmation {
            title: "允許網站使用讀卡機（HiPKI相容模式）？".to_owned(),
            text: format!(
                "網站：{origin}\n\n允許之後，此網站可以查看讀卡機內的卡片，並以您在網頁輸入的PIN碼簽章。\nPIN碼會經過網頁；請只允許您信任的網站。"
            ),
            yes: "允許".to_owned(),
            no: "不允許".to_owned(),
            harmless: true,
        };
        let job = || Job::Confirm { windows: self.windows.clone(), question };
        // One budget for all names: whoever asks chooses the name.
        self.ask("addDomain", None, &AtomicBool::new(false), job).await?;
        let allowed = self.sites.allow_as_hipki(origin, Timestamp::now());
        allowed.map_err(|_| Failure::from(FailureCode::Failed))?;
        Ok(json!({ "ret_code": 0, "serverVersion": SERVER_VERSION }))
    }
}
