//! The reader component: what it holds, and its HTTP interface.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Json, Redirect, Response};
use axum::routing::get;
use serde_json::{Value, json};

use card::EmulatedCard;
use codes::Failure;
use request::{Incoming, Package};

pub mod card;
mod cms;
mod codes;
mod list;
mod request;
mod sign;

/// A version that sorts, as text, after the minimum that sites ask for on any platform.
pub const SERVER_VERSION: &str = "1.3.4.3";

const POPUP: &str = include_str!("emulator/popup.html");
const ADD_DOMAIN: &str = include_str!("emulator/add_domain.html");
const SELF_TEST: &str = include_str!("emulator/self_test.html");

/// What goes wrong, or differs within what the protocol leaves open.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Fault {
    /// Signatures come from another card than the one listed.
    WrongCard,
    /// Operations are received and never answered.
    Hang,
    /// The popup loads and stays silent.
    SilentPopup,
    /// Replies have `ret_code` and `message` alone.
    WithoutFunc,
    /// Every operation fails with a code that arrives negative (0xE0000012).
    NegativeCode,
    /// Every operation fails with this `ret_code` and this `last_error`.
    Code(u32, u64),
    /// Cards are listed as the text "unknown token".
    UnknownToken,
    /// Cards are listed as null, as from empty readers.
    NullToken,
    /// Nonce and card number are UTF8String in the signed attributes, not OCTET STRING
    /// and PrintableString.
    Utf8Attributes,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Method.
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// Query, undecoded.
    pub query: Option<String>,
    /// Host name of the site on whose behalf it came, where there is one.
    pub site: Option<String>,
    /// Body, undecoded. The PIN is in it.
    pub body: String,
}

#[derive(Default)]
struct Shared {
    requests: Vec<Recorded>,
    added_hosts: BTreeSet<String>,
    faults: BTreeSet<Fault>,
}

/// The component. Clones share PIN counters, faults, added sites and recorded requests.
#[derive(Clone)]
pub struct Emulator {
    /// Cards, each in a reader of its own.
    pub cards: Vec<EmulatedCard>,
    /// Readers without a card; listed before the others.
    pub empty_readers: Vec<String>,
    /// Host names of the sites allowed from the start.
    pub allowed_hosts: Vec<String>,
    /// `serverVersion`.
    pub server_version: String,
    shared: Arc<Mutex<Shared>>,
}

impl Emulator {
    /// A component with these cards that serves these sites.
    pub fn new(cards: Vec<EmulatedCard>, allowed_hosts: Vec<String>) -> Self {
        Self {
            cards,
            empty_readers: Vec::new(),
            allowed_hosts,
            server_version: SERVER_VERSION.to_owned(),
            shared: Arc::default(),
        }
    }

    /// Switches a fault on.
    pub fn inject(&self, fault: Fault) {
        self.shared().faults.insert(fault);
    }

    /// Switches all faults off.
    pub fn clear_faults(&self) {
        self.shared().faults.clear();
    }

    /// Everything received so far.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared().requests.clone()
    }

    /// Whether the site may use the component.
    pub fn allows(&self, host: &str) -> bool {
        self.allowed_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host))
            || self.shared().added_hosts.contains(&host.to_ascii_lowercase())
    }

    fn has(&self, fault: Fault) -> bool {
        self.shared().faults.contains(&fault)
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does an operation, unless a fault or the site stands against it.
    async fn perform(
        &self,
        func: &str,
        incoming: Incoming,
        work: impl FnOnce(&Self, &Package) -> Result<Value, Failure>,
    ) -> Value {
        if self.has(Fault::Hang) {
            return std::future::pending().await;
        }
        if self.has(Fault::WithoutFunc) {
            let message = codes::message(codes::HELPER_FAILED);
            return json!({ "ret_code": codes::wire(codes::HELPER_FAILED), "message": message });
        }
        let coded = self.shared().faults.iter().find_map(|fault| match fault {
            Fault::Code(code, last) => Some((*code, *last)),
            _ => None,
        });
        if let Some((code, last)) = coded {
            return json!({ "func": func, "ret_code": codes::wire(code), "last_error": last });
        }
        let outcome = if self.has(Fault::NegativeCode) {
            Err(codes::CAPI_CANCELLED.into())
        } else if incoming.site.is_some_and(|site| !self.allows(&site)) {
            Err(codes::SITE_NOT_AUTHORISED.into())
        } else {
            incoming.package.and_then(|package| work(self, &package))
        };
        let mut reply = outcome.unwrap_or_else(|failure| failure.into());
        reply["func"] = func.into();
        reply["serverVersion"] = self.server_version.as_str().into();
        reply
    }

    async fn list(&self, incoming: Incoming, certificates: bool) -> Value {
        let slot = incoming.query.get("slotDescription").cloned();
        self.perform("pkcs11info", incoming, |emulator, package| {
            let slot = package.text("slotDescription").or(slot.as_deref());
            list::list(emulator, slot, certificates)
        })
        .await
    }
}

/// The component's HTTP interface.
pub fn router(emulator: Emulator) -> Router {
    Router::new()
        .route("/popupForm", get(popup_form))
        .route("/ChtPopupForm", get(cht_popup_form))
        .route("/pkcs11info", get(info).post(info))
        .route("/p11Image.bmp", get(image))
        .route("/sign", axum::routing::post(signature))
        .route("/addDomain", get(add_domain_form).post(add_domain))
        .route("/selfTest.htm", get(Html(SELF_TEST)))
        .route("/", get(Redirect::to("/selfTest.htm")))
        .fallback(unsupported)
        .with_state(emulator)
}

/// Serves the component until the task is dropped.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: tokio::net::TcpListener, emulator: Emulator) -> std::io::Result<()> {
    axum::serve(listener, router(emulator)).await
}

fn popup(emulator: &Emulator, wide: bool) -> Html<String> {
    Html(if emulator.has(Fault::SilentPopup) {
        String::new()
    } else {
        POPUP.replace("\"@wide@\"", if wide { "true" } else { "false" })
    })
}

async fn popup_form(State(emulator): State<Emulator>, _: Incoming) -> Html<String> {
    popup(&emulator, false)
}

async fn cht_popup_form(State(emulator): State<Emulator>, _: Incoming) -> Html<String> {
    popup(&emulator, true)
}

async fn info(State(emulator): State<Emulator>, incoming: Incoming) -> Json<Value> {
    let certificates = incoming.query.get("withcert").is_some_and(|value| value == "true");
    Json(emulator.list(incoming, certificates).await)
}

async fn image(State(emulator): State<Emulator>, incoming: Incoming) -> Response {
    let image = list::bitmap(&emulator.list(incoming, false).await);
    let headers = [
        (header::CONTENT_TYPE, "image/bmp"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, image).into_response()
}

async fn signature(State(emulator): State<Emulator>, incoming: Incoming) -> Json<Value> {
    Json(emulator.perform("sign", incoming, sign::sign).await)
}

async fn add_domain_form(_: Incoming) -> Html<&'static str> {
    Html(ADD_DOMAIN)
}

/// The user's click, which comes from the component's own page.
async fn add_domain(State(emulator): State<Emulator>, incoming: Incoming) -> Json<Value> {
    let outcome = match (incoming.site, incoming.form.get("domain")) {
        (Some(_), _) => codes::SITE_NOT_AUTHORISED,
        (None, Some(domain)) if !domain.is_empty() => {
            emulator.shared().added_hosts.insert(domain.to_ascii_lowercase());
            return Json(json!({ "ret_code": 0 }));
        }
        (None, _) => codes::BAD_PARAMETER,
    };
    Json(Failure::from(outcome).into())
}

/// Operations of the reference that are not emulated.
async fn unsupported(State(emulator): State<Emulator>, incoming: Incoming) -> Response {
    let func = match incoming.path.as_str() {
        "/decrypt" => "decrypt".to_owned(),
        "/umakeSig" => "umakeSig".to_owned(),
        "/writecert" => "writeCert".to_owned(),
        "/makeCsr" => "csr".to_owned(),
        "/getChallenge" => "getChallenge".to_owned(),
        "/CardManagement/sendCardCommand" => incoming
            .package
            .as_ref()
            .ok()
            .and_then(|package| package.text("func"))
            .unwrap_or_default()
            .to_owned(),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let work = |_: &Emulator, _: &Package| Err(codes::UNSUPPORTED.into());
    Json(emulator.perform(&func, incoming, work).await).into_response()
}
