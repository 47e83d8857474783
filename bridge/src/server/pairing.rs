//! Pairing: the person sees the same six digits on the page and in the bridge's window, and
//! so knows that the page speaks with this bridge and not with a program in between.

use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use pki::Fingerprint;
use protocol::{
    Failure, FailureCode, Hello, HelloAnswer, PROTOCOL_VERSION, PairOffer, PairRevealed, Paired,
    pairing_code,
};
use ring::rand::{SecureRandom, SystemRandom};

use super::Bridge;
use crate::dialog::Confirmation;
use crate::sites::SiteKey;
use crate::worker::Job;

/// Pairings at once.
const MAX_PAIRINGS: usize = 8;
/// How long one may take before its window opens.
const MAX_AGE: Duration = Duration::from_secs(60);
/// Codes that may be made within [`MAX_AGE`] without anybody's having looked: more would be
/// a search for one that fits.
const MAX_REVEALS: usize = 20;

struct Pairing {
    id: String,
    origin: String,
    key: SiteKey,
    nonce: String,
    /// Known once the page has told its nonce: once.
    code: Option<String>,
    begun: Instant,
}

/// Pairings that have begun, one for each site.
#[derive(Default)]
pub(super) struct Pairings {
    begun: Mutex<VecDeque<Pairing>>,
    reveals: Mutex<Vec<Instant>>,
}

/// Whether a nonce is 32 bytes in hexadecimal.
///
/// # Errors
/// [`FailureCode::MalformedRequest`].
fn check_nonce(nonce: &str) -> Result<(), Failure> {
    let fits = nonce.len() == 64 && nonce.bytes().all(|byte| byte.is_ascii_hexdigit());
    if fits { Ok(()) } else { Err(FailureCode::MalformedRequest.into()) }
}

fn random() -> Result<String, Failure> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| FailureCode::Failed)?;
    Ok(hex::encode(bytes))
}

impl Pairings {
    pub(super) fn begin(
        &self,
        origin: &str,
        key: SiteKey,
        now: Instant,
    ) -> Result<PairOffer, Failure> {
        let (id, nonce) = (random()?, random()?);
        let offer = PairOffer {
            pairing: id.clone(),
            key: key.public(),
            commitment: Fingerprint::of(nonce.as_bytes()).to_string(),
        };
        let mut all = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|pairing| {
            pairing.origin != origin && now.duration_since(pairing.begun) < MAX_AGE
        });
        if all.len() == MAX_PAIRINGS {
            all.pop_front();
        }
        all.push_back(Pairing {
            id,
            origin: origin.to_owned(),
            key,
            nonce,
            code: None,
            begun: now,
        });
        Ok(offer)
    }

    /// Takes the page's nonce and gives the bridge's. A second nonce is not taken: whoever
    /// knows ours could search for one that makes a code fit.
    pub(super) fn reveal(
        &self,
        origin: &str,
        id: &str,
        nonce: &str,
        now: Instant,
    ) -> Result<PairRevealed, Failure> {
        check_nonce(nonce)?;
        let mut reveals = self.reveals.lock().unwrap_or_else(PoisonError::into_inner);
        reveals.retain(|time| now.duration_since(*time) < MAX_AGE);
        if reveals.len() >= MAX_REVEALS {
            return Err(FailureCode::TooManyRequests.into());
        }
        reveals.push(now);
        let mut all = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let pairing = all.iter_mut().find(|pairing| {
            pairing.id == id
                && pairing.origin == origin
                && pairing.code.is_none()
                && now.duration_since(pairing.begun) < MAX_AGE
        });
        let pairing = pairing.ok_or(FailureCode::PairingRefused)?;
        pairing.code = Some(pairing_code(origin, &pairing.key.public(), nonce, &pairing.nonce));
        Ok(PairRevealed { nonce: pairing.nonce.clone() })
    }

    /// The key and the code of a pairing, which ends with that.
    pub(super) fn take(
        &self,
        origin: &str,
        id: &str,
        now: Instant,
    ) -> Result<(SiteKey, String), Failure> {
        let mut all = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let place = all.iter().position(|pairing| {
            pairing.id == id
                && pairing.origin == origin
                && now.duration_since(pairing.begun) < MAX_AGE
        });
        let pairing = place.and_then(|place| all.remove(place));
        match pairing {
            Some(Pairing { key, code: Some(code), .. }) => Ok((key, code)),
            _ => Err(FailureCode::PairingRefused.into()),
        }
    }
}

/// What the window asks.
fn question(origin: &str, code: &str) -> Confirmation {
    let (left, right) = code.split_at(3);
    Confirmation {
        title: "允許網站使用讀卡機？".to_owned(),
        text: format!(
            "網站：{origin}\n\n網頁上顯示的配對碼是否為\n\n{left} {right}\n\n相同，且您正要在這個網站使用憑證，才按「允許」。\n允許之後，此網站可以查看讀卡機內的卡片，並請您輸入PIN碼簽章。"
        ),
        yes: "允許".to_owned(),
        no: "不允許".to_owned(),
        harmless: true,
    }
}

impl Bridge {
    pub(super) fn hello(&self, origin: &str, hello: &Hello) -> Result<HelloAnswer, Failure> {
        check_nonce(&hello.nonce)?;
        let site = self.sites.paired(origin).ok_or(FailureCode::NotPaired)?;
        Ok(HelloAnswer {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            protocol: PROTOCOL_VERSION,
            signature: site.hello(origin, &hello.nonce).ok_or(FailureCode::Failed)?,
        })
    }

    /// Opens the window with the code, unless somebody allowed the site beforehand.
    pub(super) async fn pair(&self, origin: &str, pairing: &str) -> Result<Paired, Failure> {
        let (key, code) = self.pairings.take(origin, pairing, Instant::now())?;
        if !self.sites.is_managed(origin) {
            let question = question(origin, &code);
            let job = || Job::Confirm { windows: self.windows.clone(), question };
            self.ask(origin, None, &AtomicBool::new(false), job).await.map_err(|failure| {
                match failure.code {
                    FailureCode::PinCancelled => FailureCode::PairingRefused.into(),
                    _ => failure,
                }
            })?;
        }
        self.sites.pair(origin, &key, Timestamp::now()).map_err(|_| FailureCode::Failed)?;
        Ok(Paired {})
    }
}
