//! What the self-test page shows to the person at the computer, and the diagnostics that
//! may be given to others: the same without names and numbers.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use pki::Certificate;
use protocol::{Card, CardKind, Cards, FailureCode, Reader};
use serde::Serialize;

use crate::cards::CardSource;

/// Everything that was found.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    version: &'static str,
    system: String,
    at: Timestamp,
    /// PKCS#11 modules that are asked, with the vendor's first.
    modules: Vec<String>,
    /// Whether one of them is the vendor's.
    vendor_module: bool,
    readers: Vec<Reader>,
    cards: Vec<CardReport>,
    troubles: Vec<FailureCode>,
    /// Whether windows can be opened.
    windows: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CardReport {
    reader: String,
    kind: CardKind,
    not_before: Option<Timestamp>,
    not_after: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tries_left: Option<u8>,
    /// For the person alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    holder: Option<String>,
}

impl Report {
    pub(super) fn new(
        sources: &[CardSource],
        found: Result<Cards, FailureCode>,
        named: bool,
        windows: bool,
        at: Timestamp,
    ) -> Self {
        let modules: Vec<_> = sources
            .iter()
            .filter_map(|source| match source {
                CardSource::Module(path) => Some(path.display().to_string()),
                _ => None,
            })
            .collect();
        let (cards, readers, troubles) = match found {
            Ok(Cards { cards, readers, troubles }) => (cards, readers, troubles),
            Err(code) => (Vec::new(), Vec::new(), vec![code]),
        };
        let vendors = |path: &String| path.to_lowercase().contains("hicos");
        Self {
            version: env!("CARGO_PKG_VERSION"),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            at,
            vendor_module: modules.iter().any(vendors),
            modules,
            readers,
            cards: cards.into_iter().map(|card| report(card, named)).collect(),
            troubles,
            windows,
        }
    }
}

fn report(card: Card, named: bool) -> CardReport {
    let der = BASE64_STANDARD.decode(&card.certificate).ok();
    let certificate = der.and_then(|der| Certificate::from_der(&der).ok());
    CardReport {
        reader: card.reader,
        kind: card.kind,
        not_before: certificate.as_ref().map(Certificate::not_before),
        not_after: certificate.as_ref().map(Certificate::not_after),
        tries_left: card.tries_left,
        holder: named.then_some(card.holder),
    }
}
