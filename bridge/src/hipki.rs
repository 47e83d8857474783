//! Requests and answers of the HiPKI reader component ("跨平台網頁元件"), whose pages this
//! bridge can serve: what they say, apart from how it travels. Codes are the component's.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use pki::{SIGNING_INPUT_FORMAT, SignedDataDraft};
use protocol::{Card, Cards, Failure, FailureCode, ReaderState};
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use x509_cert::der::{Decode, Encode};
use zeroize::Zeroize;

use crate::cards::{CardBackend, CardSource, PresentCard};
use crate::dialog::{Windows, is_pin};

/// What the component says it is: pages compare it as text with the last versions that
/// they know (1.3.4.103328 on Windows, 1.3.4.13 on macOS, 1.3.4.3 on Linux).
pub const SERVER_VERSION: &str = "1.3.4.3.chayan";
/// Stands for a member that is not there.
const ABSENT: &str = "__NotExistedTag__";
/// Largest text to be signed.
const MAX_TBS: usize = 128 << 10;
/// DER of the messageDigest attribute's type: what carries it could become the signed
/// attributes of a message (RFC 5652, section 5.4).
const MESSAGE_DIGEST: [u8; 11] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04];

/// What a system's key signs to show that it has the certificate.
const POSSESSION: &str = "chayan-possession/";

/// Codes of the component (`ret_code`).
pub mod code {
    /// No key, no certificate, nothing to be signed.
    pub const NO_TBS: u32 = 0x7600_0003;
    /// No card in the reader.
    pub const NO_CARD: u32 = 0x7600_0006;
    /// JSON that cannot be read.
    pub const JSON: u32 = 0x7600_000b;
    /// A parameter that is not known.
    pub const PARAMETER: u32 = 0x7600_000c;
    /// The helper failed or took too long.
    pub const HELPER: u32 = 0x7600_000d;
    /// No such function, reader or token.
    pub const UNSUPPORTED: u32 = 0x7600_000e;
    /// The site is not allowed.
    pub const SITE: u32 = 0x7600_0031;
    /// No PIN.
    pub const NO_PIN: u32 = 0x7600_0998;
    /// The person cancelled.
    pub const CANCELLED: u32 = 0x7600_0999;
    /// No reader.
    pub const NO_READER: u32 = 0x7610_0003;
    /// Login failed: see `last_error`.
    pub const LOGIN: u32 = 0x7610_0006;
    /// A kind of signature that is not known, or refused.
    pub const SIGN_TYPE: u32 = 0x7630_0002;
    /// Base64 that cannot be read.
    pub const BASE64: u32 = 0x7660_0002;
}

/// An answer that is not what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// `ret_code`.
    pub code: u32,
    /// `last_error`: a value of PKCS#11.
    pub last_error: i64,
}

impl From<u32> for Refusal {
    fn from(code: u32) -> Self {
        Self { code, last_error: 0 }
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        let login = |last_error| Self { code: code::LOGIN, last_error };
        match failure.code {
            FailureCode::PinWrong => login(match failure.tries_left {
                Some(1) => i64::from(0x8000_0001_u32.cast_signed()),
                Some(2) => i64::from(0x8000_0002_u32.cast_signed()),
                _ => 0xa0,
            }),
            FailureCode::PinLength => login(0xa2),
            FailureCode::PinLocked => login(0xa4),
            FailureCode::PinCancelled | FailureCode::PairingRefused => code::CANCELLED.into(),
            FailureCode::NoCard | FailureCode::CardRemoved => code::NO_CARD.into(),
            FailureCode::NoReader | FailureCode::NoReaderService => code::NO_READER.into(),
            FailureCode::NotPaired | FailureCode::OriginRefused => code::SITE.into(),
            FailureCode::MalformedRequest => code::PARAMETER.into(),
            _ => code::HELPER.into(),
        }
    }
}

impl Refusal {
    /// The answer's body.
    pub fn body(self, func: &str) -> Value {
        json!({
            "func": func,
            "ret_code": self.code,
            "last_error": self.last_error,
            "message": message(self),
            "serverVersion": SERVER_VERSION,
        })
    }
}

fn message(refusal: Refusal) -> &'static str {
    match (refusal.code, refusal.last_error) {
        (code::LOGIN, 0xa2) => "PIN碼長度錯誤",
        (code::LOGIN, 0xa4) => "已鎖卡",
        (code::LOGIN, _) => "PIN碼錯誤",
        (code::NO_CARD, _) => "未插入卡片",
        (code::NO_READER, _) => "找不到讀卡機",
        (code::SITE, _) => "在未授權的網站執行元件",
        (code::CANCELLED, _) => "使用者取消",
        (code::NO_PIN, _) => "未輸入PIN碼",
        (code::SIGN_TYPE, _) => "不接受的簽章種類或內容",
        (code::NO_TBS, _) => "未輸入待簽資料",
        (code::JSON, _) => "JSON格式錯誤",
        (code::PARAMETER, _) => "參數錯誤",
        (code::UNSUPPORTED, _) => "不支援的功能",
        (code::BASE64, _) => "Base64解碼錯誤",
        _ => "元件執行失敗",
    }
}

/// A text member, where `__NotExistedTag__`, an empty text and null stand for none.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let found = match Option::<Value>::deserialize(deserializer)? {
        Some(Value::String(text)) => text,
        Some(Value::Bool(value)) => value.to_string(),
        Some(Value::Number(number)) => number.to_string(),
        _ => return Ok(None),
    };
    Ok((found != ABSENT && !found.is_empty()).then_some(found))
}

/// The package of a request; members that are not known are none of ours.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Package {
    #[serde(deserialize_with = "text")]
    tbs: Option<String>,
    #[serde(deserialize_with = "text")]
    tbs_encoding: Option<String>,
    #[serde(deserialize_with = "text")]
    hash_algorithm: Option<String>,
    #[serde(deserialize_with = "text")]
    signature_type: Option<String>,
    #[serde(deserialize_with = "text")]
    pin: Option<String>,
    #[serde(deserialize_with = "text")]
    nonce: Option<String>,
    #[serde(rename = "withCardSN", deserialize_with = "text")]
    with_card_number: Option<String>,
    /// Reader.
    #[serde(deserialize_with = "text")]
    pub slot_description: Option<String>,
}

impl Package {
    /// Reads a body: `tbsPackage=` with JSON, as a form or as it is, or JSON alone.
    ///
    /// # Errors
    /// [`code::JSON`].
    pub fn read(body: &[u8]) -> Result<Self, Refusal> {
        let text = std::str::from_utf8(body).map_err(|_| code::JSON)?;
        let form = form_urlencoded::parse(body).find(|(name, _)| name == "tbsPackage");
        let plain = text.strip_prefix("tbsPackage=").unwrap_or(text).replace("%2B", "+");
        let read = |text: &str| serde_json::from_str(text).ok();
        form.and_then(|(_, value)| read(&value)).or_else(|| read(&plain)).ok_or(code::JSON.into())
    }
}

/// What is to be signed, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// RSASSA-PKCS1-v1_5 over the SHA-256 of the text.
    Pkcs1,
    /// CMS SignedData with the text in it.
    Pkcs7 {
        /// The nonce attribute.
        nonce: Option<String>,
        /// Whether the card's number becomes an attribute.
        with_card_number: bool,
    },
    /// A DigestInfo that the page made.
    Raw,
}

/// A signature to be made in a worker.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HipkiJob {
    /// Where the card is.
    pub source: CardSource,
    /// The card, by its name within the source.
    pub card: String,
    /// How the person is asked before a last try.
    pub windows: Windows,
    /// Whether the person must confirm another try.
    pub caution: bool,
    /// What is to be done with the card.
    pub order: Order,
}

/// What a page wants signed, found to be fit to be signed before any card is looked at.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// The PIN that the page sent.
    pin: String,
    /// What is to be signed.
    tbs: Vec<u8>,
    /// How.
    kind: Kind,
}

/// Without PIN and text.
impl fmt::Debug for HipkiJob {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("HipkiJob").field("card", &self.card).finish_non_exhaustive()
    }
}

impl Drop for Order {
    fn drop(&mut self) {
        self.pin.zeroize();
    }
}

/// A signature and by what it was made.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HipkiSigned {
    /// Base64.
    pub signature: String,
    /// The certificate, Base64.
    pub certificate: String,
    /// 卡號.
    pub card_number: String,
}

impl Package {
    /// What the package asks for.
    ///
    /// # Errors
    /// [`Refusal`]: nothing that could become a signature of this service's own format, no
    /// digest that the page made (unless that is allowed), no old algorithm, no PIN that
    /// could be none.
    pub fn into_order(self, allow_raw: bool) -> Result<Order, Refusal> {
        let tbs = self.tbs.ok_or(code::NO_TBS)?;
        let kind = match self.signature_type.as_deref() {
            Some("PKCS1") => Kind::Pkcs1,
            Some("PKCS7") => Kind::Pkcs7 {
                nonce: self.nonce,
                with_card_number: self.with_card_number.as_deref() == Some("true"),
            },
            Some("RAW") if allow_raw => Kind::Raw,
            _ => return Err(code::SIGN_TYPE.into()),
        };
        if kind != Kind::Raw && self.hash_algorithm.as_deref() != Some("SHA256") {
            return Err(code::PARAMETER.into());
        }
        let encoded = kind == Kind::Raw || self.tbs_encoding.as_deref() == Some("base64");
        let tbs = if encoded {
            BASE64_STANDARD.decode(tbs).map_err(|_| code::BASE64)?
        } else {
            tbs.into_bytes()
        };
        if tbs.len() > MAX_TBS {
            return Err(code::PARAMETER.into());
        }
        let holds = |part: &[u8]| tbs.windows(part.len()).any(|window| window == part);
        let ours = [SIGNING_INPUT_FORMAT.as_bytes(), POSSESSION.as_bytes(), &MESSAGE_DIGEST];
        if ours.into_iter().any(holds) {
            return Err(code::SIGN_TYPE.into());
        }
        let pin = as_typed(self.pin.ok_or(code::NO_PIN)?);
        if !is_pin(&pin) {
            return Err(Failure::from(FailureCode::PinLength).into());
        }
        Ok(Order { pin, tbs, kind })
    }
}

/// The PIN as it was typed: some pages encode it once more.
fn as_typed(pin: String) -> String {
    if !pin.contains('%') || is_pin(&pin) {
        return pin;
    }
    let decoded =
        form_urlencoded::parse(pin.replace('+', "%2B").as_bytes()).next().map(|(name, value)| {
            if value.is_empty() { name.into_owned() } else { format!("{name}={value}") }
        });
    decoded.unwrap_or(pin)
}

impl HipkiJob {
    /// Signs, in the worker.
    ///
    /// # Errors
    /// Those of the card.
    pub fn sign(
        &self,
        backend: &dyn CardBackend,
        card: &PresentCard,
    ) -> Result<HipkiSigned, Failure> {
        let Order { pin, tbs, kind } = &self.order;
        let pin = SecretString::from(pin.as_str());
        let failed = |_| Failure::from(FailureCode::Failed);
        let signature = match kind {
            Kind::Pkcs1 => backend.sign(card, Some(&pin), tbs)?,
            Kind::Raw => backend.sign_info(card, Some(&pin), tbs)?,
            Kind::Pkcs7 { nonce, with_card_number } => {
                let number = with_card_number.then_some(card.number.as_str());
                let mut draft = SignedDataDraft::new(
                    tbs.clone(),
                    card.certificate.clone(),
                    card.chain.clone(),
                    number,
                    Timestamp::now(),
                )
                .map_err(failed)?;
                if let Some(nonce) = nonce {
                    draft = draft.with_nonce(nonce.as_bytes()).map_err(failed)?;
                }
                let signature =
                    backend.sign(card, Some(&pin), &draft.to_be_signed().map_err(failed)?)?;
                draft.finish(&signature).map_err(failed)?
            }
        };
        Ok(HipkiSigned {
            signature: BASE64_STANDARD.encode(signature),
            certificate: BASE64_STANDARD.encode(card.certificate.der()),
            card_number: card.number.clone(),
        })
    }
}

/// The answer to a signature.
pub fn signed(signed: &HipkiSigned) -> Value {
    json!({
        "func": "sign",
        "ret_code": 0,
        "last_error": 0,
        "signature": signed.signature,
        "certb64": signed.certificate,
        "cardSN": signed.card_number,
        "serverVersion": SERVER_VERSION,
    })
}

/// The answer to `pkcs11info`: every reader, and what is in it.
pub fn info(cards: &Cards, with_certificates: bool, slot: Option<&str>) -> Value {
    let slots: Vec<_> = cards
        .readers
        .iter()
        .filter(|reader| slot.is_none_or(|slot| slot == reader.name))
        .enumerate()
        .map(|(number, reader)| {
            let card = cards.cards.iter().find(|card| card.reader == reader.name);
            let token = match card {
                Some(card) => token(card, with_certificates),
                None if reader.state == ReaderState::Empty => Value::Null,
                None => json!("unknown token"),
            };
            json!({ "slotID": number, "slotDescription": reader.name, "token": token })
        })
        .collect();
    json!({
        "func": "pkcs11info",
        "ret_code": 0,
        "last_error": 0,
        "serverVersion": SERVER_VERSION,
        "slots": slots,
    })
}

fn token(card: &Card, with_certificates: bool) -> Value {
    let mut token = json!({
        "label": "HiCOS PKI Smart Card",
        "serialNumber": card.card_number,
    });
    if with_certificates {
        token["certs"] = json!([certificate(card).unwrap_or_default()]);
        token["keys"] = json!([]);
    }
    token
}

/// The signing certificate as pages read it.
fn certificate(card: &Card) -> Option<Value> {
    let der = BASE64_STANDARD.decode(&card.certificate).ok()?;
    let parsed = x509_cert::Certificate::from_der(&der).ok()?;
    let tbs = &parsed.tbs_certificate;
    let seconds = |time: x509_cert::time::Time| time.to_unix_duration().as_secs();
    let date = |time: x509_cert::time::Time| time.to_date_time().to_string();
    let (from, to) = (tbs.validity.not_before, tbs.validity.not_after);
    // The component lists names from the outside in.
    let name = |name: &x509_cert::name::Name| {
        let parts: Vec<_> = name.0.iter().map(ToString::to_string).collect();
        parts.join(",")
    };
    let keys = tbs.subject_public_key_info.to_der().ok()?;
    Some(json!({
        "label": "cert1",
        "id": BASE64_STANDARD.encode("SIGN"),
        "certb64": card.certificate,
        "sn": hex::encode_upper(tbs.serial_number.as_bytes()),
        "subjectDN": name(&tbs.subject),
        "subjectID": card.ubn,
        "issuerDN": name(&tbs.issuer),
        "notBefore": date(from),
        "notAfter": date(to),
        "notBeforeT": seconds(from),
        "notAfterT": seconds(to),
        "usage": "digitalSignature",
        "keyb64": BASE64_STANDARD.encode(keys),
    }))
}

/// A bitmap of 2000 pixels in a row whose bytes are the text: pages read it where they may
/// read nothing else.
pub fn bitmap(text: &str) -> Vec<u8> {
    const WIDTH: u16 = 2000;
    const PAYLOAD: usize = WIDTH as usize * 3;
    const HEADER: u32 = 54;
    let mut payload = text.as_bytes().to_vec();
    payload.truncate(PAYLOAD);
    payload.resize(PAYLOAD, 0);
    let size = u32::try_from(PAYLOAD).unwrap_or_default();
    let mut file = b"BM".to_vec();
    for word in
        [HEADER + size, 0, HEADER, 40, u32::from(WIDTH), 1, 1 | 24 << 16, 0, size, 0, 0, 0, 0]
    {
        file.extend(word.to_le_bytes());
    }
    file.extend(payload);
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(value: &Value) -> Package {
        Package::read(value.to_string().as_bytes()).unwrap_or_default()
    }

    fn order(value: &Value, allow_raw: bool) -> Result<Order, u32> {
        package(value).into_order(allow_raw).map_err(|refusal| refusal.code)
    }

    fn sign(member: &str, value: &str) -> Value {
        let mut package = json!({
            "tbs": "text", "hashAlgorithm": "SHA256", "signatureType": "PKCS1", "pin": "123456",
            "unknown": {}, "nonce": ABSENT, "withCardSN": "true",
        });
        package[member] = json!(value);
        package
    }

    #[test]
    fn bodies_come_in_every_dress() {
        let json = r#"{"tbs":"a+b%","pin":"1&2=34"}"#;
        let form: String = form_urlencoded::byte_serialize(json.as_bytes()).collect();
        for body in [
            json.to_owned(),
            format!("tbsPackage={json}"),
            format!("tbsPackage={form}"),
            json.replace('+', "%2B"),
            format!("tbsPackage={}", json.replace('+', "%2B")),
        ] {
            let read = Package::read(body.as_bytes()).ok();
            let found = read.map(|package| (package.tbs, package.pin));
            assert_eq!(found, Some((Some("a+b%".into()), Some("1&2=34".into()))), "{body}");
        }
        assert!(Package::read(b"tbsPackage={").is_err() && Package::read(b"\xff").is_err());
        for (pin, typed) in
            [("12%345", "12%345"), ("123456", "123456"), ("%31%32%33%34%35%26", "12345&")]
        {
            assert_eq!(as_typed(pin.to_owned()), typed);
        }
    }

    #[test]
    fn what_could_become_another_signature_is_refused() {
        assert!(order(&sign("tbs", "text"), false).is_ok());
        let ours = format!(r#"{{"format":"{SIGNING_INPUT_FORMAT}"}}"#);
        let encoded = |bytes: &[u8]| {
            let mut package = sign("tbs", &BASE64_STANDARD.encode(bytes));
            package["tbsEncoding"] = json!("base64");
            package
        };
        let attributes = [&[0x31, 0x0f, 0x30, 0x0d][..], &MESSAGE_DIGEST, &[0x31, 0]].concat();
        for bad in [sign("tbs", &ours), encoded(ours.as_bytes()), encoded(&attributes)] {
            assert_eq!(order(&bad, true).err(), Some(code::SIGN_TYPE));
        }
        assert_eq!(order(&sign("signatureType", "RAW"), false).err(), Some(code::SIGN_TYPE));
        assert!(order(&sign("signatureType", "RAW"), true).is_ok());
        assert_eq!(order(&sign("signatureType", "PKCS9"), true).err(), Some(code::SIGN_TYPE));
        assert_eq!(order(&sign("hashAlgorithm", "SHA1"), true).err(), Some(code::PARAMETER));
        assert_eq!(order(&sign("tbs", ABSENT), true).err(), Some(code::NO_TBS));
        assert_eq!(order(&sign("pin", ""), true).err(), Some(code::NO_PIN));
        let mut bad = sign("tbs", "!");
        bad["tbsEncoding"] = json!("base64");
        assert_eq!(order(&bad, true).err(), Some(code::BASE64));
        for pin in ["12345", "123456789", "１２３４５６", "12345\0", "12345 ", "%00%00%00%00%00%00"]
        {
            let refusal =
                package(&sign("pin", pin)).into_order(true).err().unwrap_or(code::JSON.into());
            assert_eq!((refusal.code, refusal.last_error), (code::LOGIN, 0xa2), "{pin:?}");
        }
    }

    #[test]
    fn wrong_pins_have_the_components_codes() {
        let last = |tries_left| {
            let failure = Failure { code: FailureCode::PinWrong, tries_left };
            Refusal::from(failure).last_error
        };
        assert_eq!(
            (last(Some(1)), last(Some(2)), last(None)),
            (-2_147_483_647, -2_147_483_646, 0xa0)
        );
    }

    #[test]
    fn a_bitmap_carries_the_text() {
        let file = bitmap("{}");
        assert_eq!(file.len(), 6054);
        assert_eq!(&file[..6], b"BM\xa6\x17\0\0");
        assert_eq!(&file[54..57], b"{}\0");
    }
}
