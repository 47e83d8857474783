//! `sign`.

use std::borrow::Cow;
use std::time::SystemTime;

use anyhow::Context;
use aws_lc_rs::digest;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use der::asn1::{ObjectIdentifier, OctetString};
use der::{Any, Encode, Sequence};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use x509_cert::Certificate;
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::card::EmulatedCard;
use super::codes::{self, Failure};
use super::request::Package;
use super::{Emulator, Fault, cms, list};

/// A hash function.
#[derive(Clone, Copy)]
pub(super) struct Hash {
    pub(super) oid: ObjectIdentifier,
    algorithm: &'static digest::Algorithm,
}

#[derive(Sequence)]
struct DigestInfo {
    algorithm: AlgorithmIdentifierOwned,
    digest: OctetString,
}

impl Hash {
    fn named(name: &str) -> Option<Self> {
        let (oid, algorithm) = match name {
            "SHA1" => ("1.3.14.3.2.26", &digest::SHA1_FOR_LEGACY_USE_ONLY),
            "SHA256" => ("2.16.840.1.101.3.4.2.1", &digest::SHA256),
            "SHA384" => ("2.16.840.1.101.3.4.2.2", &digest::SHA384),
            "SHA512" => ("2.16.840.1.101.3.4.2.3", &digest::SHA512),
            _ => return None,
        };
        Some(Self { oid: ObjectIdentifier::new(oid).ok()?, algorithm })
    }

    pub(super) fn digest(self, bytes: &[u8]) -> anyhow::Result<OctetString> {
        Ok(OctetString::new(digest::digest(self.algorithm, bytes).as_ref())?)
    }

    /// What PKCS #1 pads.
    pub(super) fn digest_info(self, bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
        let algorithm = AlgorithmIdentifierOwned { oid: self.oid, parameters: Some(Any::null()) };
        Ok(DigestInfo { algorithm, digest: self.digest(bytes)? }.to_der()?)
    }
}

/// What is to be signed, and how.
enum Job {
    Pkcs1(Hash),
    Pkcs7(Hash),
    Raw,
}

/// Signs a package. The PIN is presented last: a bad package costs no try.
pub(super) fn sign(emulator: &Emulator, package: &Package) -> Result<Value, Failure> {
    let card = select(emulator, package.filled("slotDescription"))?;
    let certificate = card.parsed()?;
    let key = package.filled("keyidb64").map(percent_decoded);
    if key.is_some_and(|key| key != list::key_id(&certificate)) {
        return Err(codes::KEY_NOT_FOUND.into());
    }
    let job = job(package)?;
    let content = content(package, &job)?;
    if package.flag("checkValidity") {
        check_validity(&certificate)?;
    }
    card.log_in(package.filled("pin").ok_or(codes::NO_PIN)?)?;
    let mut card_number = card.card_number.clone();
    if emulator.has(Fault::WrongCard) {
        let last = card_number.pop();
        card_number.push(if last == Some('0') { '1' } else { '0' });
    }
    let signature = match job {
        Job::Pkcs1(hash) => card.sign(&hash.digest_info(&content)?)?,
        Job::Raw => card.sign(&content)?,
        Job::Pkcs7(hash) => {
            let options = cms::Options {
                card_number: package.flag("withCardSN").then_some(card_number.as_str()),
                nonce: package.filled("nonce"),
                signing_time: package.flag("withSigningTime"),
                utf8: emulator.has(Fault::Utf8Attributes),
            };
            cms::signed_data(card, certificate, hash, &content, &options)?
        }
    };
    Ok(json!({
        "ret_code": 0,
        "last_error": 0,
        "signature": BASE64_STANDARD.encode(signature),
        "certb64": BASE64_STANDARD.encode(&card.certificate),
        "cardSN": card_number,
        "version": emulator.server_version,
    }))
}

/// The card in the reader asked for, or the first there is.
fn select<'a>(emulator: &'a Emulator, slot: Option<&str>) -> Result<&'a EmulatedCard, Failure> {
    if emulator.has(Fault::UnknownToken) {
        return Err(codes::UNSUPPORTED.into());
    }
    if emulator.has(Fault::NullToken) {
        return Err(codes::NO_CARD.into());
    }
    let mut cards = emulator.cards.iter();
    cards.find(|card| slot.is_none_or(|slot| slot == card.reader)).ok_or_else(|| {
        let is_empty = |slot: &str| emulator.empty_readers.iter().any(|reader| reader == slot);
        Failure::from(match slot {
            None if emulator.empty_readers.is_empty() => codes::NO_READER,
            Some(slot) if !is_empty(slot) => codes::UNSUPPORTED,
            None | Some(_) => codes::NO_CARD,
        })
    })
}

fn job(package: &Package) -> Result<Job, Failure> {
    let hash = || {
        let name = package.filled("hashAlgorithm").ok_or(codes::BAD_PARAMETER)?;
        Hash::named(name).ok_or(codes::BAD_PARAMETER)
    };
    match package.filled("signatureType") {
        Some("PKCS1") => Ok(Job::Pkcs1(hash()?)),
        Some("PKCS7") => Ok(Job::Pkcs7(hash()?)),
        Some("RAW") => Ok(Job::Raw),
        Some(_) | None => Err(codes::SIGN_TYPE.into()),
    }
}

fn content(package: &Package, job: &Job) -> Result<Vec<u8>, Failure> {
    let tbs = package.text("tbs").ok_or(codes::NO_TBS)?;
    let base64 = || {
        let decoded = BASE64_STANDARD.decode(percent_decoded(tbs).as_bytes());
        decoded.map_err(|_| Failure::from(codes::BASE64_DECODING))
    };
    match (job, package.filled("tbsEncoding")) {
        (Job::Raw, _) | (_, Some("base64")) => base64(),
        (_, None | Some("NONE")) => Ok(tbs.as_bytes().to_vec()),
        (_, Some(_)) => Err(codes::BAD_PARAMETER.into()),
    }
}

/// Base64 that clients may have percent-encoded once more.
fn percent_decoded(base64: &str) -> Cow<'_, str> {
    percent_decode_str(base64).decode_utf8_lossy()
}

fn check_validity(certificate: &Certificate) -> Result<(), Failure> {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .context("the clock stands before 1970")?;
    let validity = &certificate.tbs_certificate.validity;
    if now < validity.not_before.to_unix_duration() {
        Err(codes::NOT_YET_VALID.into())
    } else if now > validity.not_after.to_unix_duration() {
        Err(codes::EXPIRED.into())
    } else {
        Ok(())
    }
}
