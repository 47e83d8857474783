//! Who asks: `Host`, `Origin`, and what the bridge's own pages add.

use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Request};
use hyper::body::Incoming;
use protocol::{Failure, FailureCode};

use super::Bridge;
use super::reply::{Answer, failed};
use crate::page::is_window;
use crate::sites::is_site;

/// Names the origin for which the popup asks: the one that its browser told it.
pub(super) const PAGE_ORIGIN: HeaderName = HeaderName::from_static("x-page-origin");
/// Names the popup itself, so that it may ask the person where no window can be opened.
const PAGE_WINDOW: HeaderName = HeaderName::from_static("x-page-window");

/// Who asks.
pub(super) enum Asker {
    /// Nobody who says so: the address bar, or a program.
    Nobody,
    /// A page of this origin.
    Page(String),
    /// The bridge's own page, for a page of this origin; its name, where it has one.
    Popup(String, Option<String>),
    /// The bridge's own page, for the person.
    Own,
}

impl Asker {
    pub(super) fn origin(&self) -> Option<&str> {
        match self {
            Self::Page(origin) | Self::Popup(origin, _) => Some(origin),
            Self::Nobody | Self::Own => None,
        }
    }

    pub(super) fn window(&self) -> Option<&str> {
        match self {
            Self::Popup(_, window) => window.as_deref(),
            _ => None,
        }
    }
}

/// The one value of a header; `Err` when there are several.
pub(super) fn single<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a str>, Failure> {
    let refused = || Failure::from(FailureCode::OriginRefused);
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| refused()),
        _ => Err(refused()),
    }
}

impl Bridge {
    /// Checks `Host` (against names that were rebound to this computer) and `Origin`.
    pub(super) fn asker(&self, request: &Request<Incoming>) -> Result<Asker, Failure> {
        let refused = || Failure::from(FailureCode::OriginRefused);
        let headers = request.headers();
        let host = single(headers, &header::HOST)?.ok_or_else(refused)?;
        let port = self.port;
        let names = [format!("127.0.0.1:{port}"), format!("localhost:{port}")];
        // The whole address of another server has no place in a request to this one.
        if !names.iter().any(|name| name == host) || request.uri().authority().is_some() {
            return Err(refused());
        }
        let page_origin = single(headers, &PAGE_ORIGIN)?.map(str::to_owned);
        match (single(headers, &header::ORIGIN)?, page_origin) {
            (None, None) => Ok(Asker::Nobody),
            (Some(origin), None) if self.may_be_asked_by(origin) => {
                Ok(Asker::Page(origin.to_owned()))
            }
            (Some(origin), page) if origin.strip_prefix("http://") == Some(host) => match page {
                None => Ok(Asker::Own),
                Some(page) if self.may_be_asked_by(&page) => {
                    let window = single(headers, &PAGE_WINDOW)?.filter(|name| is_window(name));
                    Ok(Asker::Popup(page, window.map(str::to_owned)))
                }
                Some(_) => Err(refused()),
            },
            _ => Err(refused()),
        }
    }

    /// Whether a page of this origin is answered at all. The bridge's own is none: its
    /// pages ask for the person, or for another page.
    fn may_be_asked_by(&self, origin: &str) -> bool {
        let port = self.port;
        let own = [format!("http://127.0.0.1:{port}"), format!("http://localhost:{port}")];
        (is_site(origin) || self.sites.is_managed(origin)) && !own.iter().any(|own| own == origin)
    }
}

/// Tells a program of another person that this bridge is not theirs, and nothing else.
pub(super) fn elsewhere(request: &Request<Incoming>) -> Answer {
    let mut answer = failed(&FailureCode::OtherPerson.into());
    if let Some(origin) = request.headers().get(header::ORIGIN) {
        let headers = answer.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::VARY, HeaderValue::from_static("origin"));
    }
    answer
}
