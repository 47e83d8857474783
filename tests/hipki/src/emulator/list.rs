//! `pkcs11info`: readers, cards and what is on them.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use der::asn1::ObjectIdentifier;
use der::{Decode, Encode};
use pki::oid::{CARD_RANK, NATIONAL_ID_TAIL, SUBJECT_DIRECTORY_ATTRIBUTES, UBN};
use serde_json::{Value, json};
use x509_cert::Certificate;
use x509_cert::attr::Attribute;
use x509_cert::ext::pkix::{KeyUsage, KeyUsages};
use x509_cert::name::Name;

use super::card::EmulatedCard;
use super::codes::{self, Failure};
use super::{Emulator, Fault};

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
/// Bytes of JSON that the bitmap holds, and pixels in its single row.
const PAYLOAD: u32 = 6000;
const PIXELS: u32 = 2000;
const HEADER: u32 = 54;

/// All readers, or the one asked for.
pub(super) fn list(
    emulator: &Emulator,
    slot: Option<&str>,
    certificates: bool,
) -> Result<Value, Failure> {
    let empty = emulator.empty_readers.iter().map(|reader| anyhow::Ok((reader, Value::Null)));
    let cards = emulator.cards.iter().map(|card| {
        let token = if emulator.has(Fault::NullToken) {
            Value::Null
        } else if emulator.has(Fault::UnknownToken) {
            "unknown token".into()
        } else {
            token(card, certificates)?
        };
        Ok((&card.reader, token))
    });
    let readers = empty.chain(cards).collect::<anyhow::Result<Vec<_>>>()?;
    if readers.is_empty() {
        return Err(codes::NO_READER.into());
    }
    let slot = slot.filter(|slot| !slot.is_empty());
    let slots: Vec<_> = readers
        .into_iter()
        .enumerate()
        .filter(|(_, (reader, _))| slot.is_none_or(|slot| slot == *reader))
        .map(|(id, (reader, token))| {
            json!({
                "slotID": id,
                "slotDescription": reader,
                "manufacturerID": "emulator",
                "token": token,
            })
        })
        .collect();
    if slots.is_empty() {
        return Err(codes::UNSUPPORTED.into());
    }
    Ok(json!({
        "ret_code": 0,
        "cryptokiVersion": "2.20",
        "libraryDescription": "emulator",
        "libraryVersion": "1.0",
        "manufacturerID": "emulator",
        "slots": slots,
    }))
}

/// The CA's certificates come before the signer's: clients have to choose.
fn token(card: &EmulatedCard, certificates: bool) -> anyhow::Result<Value> {
    let mut token = json!({
        "label": "emulated",
        "model": "emulator",
        "manufacturerID": "emulator",
        "serialNumber": card.card_number,
    });
    if certificates {
        let all: Vec<_> = std::iter::once(&card.issuer)
            .chain(&card.extra_certificates)
            .chain(std::iter::once(&card.certificate))
            .map(|der| anyhow::Ok((der, Certificate::from_der(der)?)))
            .collect::<anyhow::Result<_>>()?;
        token["certs"] =
            all.iter().map(|(der, parsed)| describe(der, parsed)).collect::<anyhow::Result<_>>()?;
        token["keys"] = all
            .iter()
            .filter(|(_, parsed)| !is_authority(parsed))
            .map(|(_, parsed)| {
                let spki = parsed.tbs_certificate.subject_public_key_info.to_der()?;
                Ok(json!({
                    "id": key_id(parsed),
                    "label": label(parsed),
                    "type": "RSA",
                    "keyb64": BASE64_STANDARD.encode(spki),
                }))
            })
            .collect::<anyhow::Result<_>>()?;
    }
    Ok(token)
}

fn describe(der: &[u8], parsed: &Certificate) -> anyhow::Result<Value> {
    let tbs = &parsed.tbs_certificate;
    let attributes = directory_attributes(parsed)?;
    let attribute = |oid| attributes.iter().find(|(kind, _)| *kind == oid).map(|(_, text)| text);
    let mut description = json!({
        "label": label(parsed),
        "id": key_id(parsed),
        "certb64": BASE64_STANDARD.encode(der),
        "sn": hex::encode(tbs.serial_number.as_bytes()),
        "subjectDN": distinguished_name(&tbs.subject),
        "subjectID": attribute(NATIONAL_ID_TAIL).or_else(|| attribute(UBN)),
        "issuerDN": distinguished_name(&tbs.issuer),
        "notBefore": tbs.validity.not_before.to_string(),
        "notAfter": tbs.validity.not_after.to_string(),
        "notBeforeT": tbs.validity.not_before.to_unix_duration().as_secs(),
        "notAfterT": tbs.validity.not_after.to_unix_duration().as_secs(),
        "signatureAlgorithm": parsed.signature_algorithm.oid.to_string(),
        "thumbprint": hex::encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, der)),
    });
    let common_name = parts(&tbs.subject).find(|(oid, _)| *oid == COMMON_NAME);
    let members = [
        ("subjectCN", common_name.map(|(_, text)| text)),
        ("usage", usage(parsed)?),
        ("holderRank", attribute(CARD_RANK).cloned()),
    ];
    for (member, text) in members {
        if let Some(text) = text {
            description[member] = text.into();
        }
    }
    Ok(description)
}

fn key_usage(parsed: &Certificate) -> Option<KeyUsage> {
    parsed.tbs_certificate.get().ok().flatten().map(|(_, usage)| usage)
}

fn is_authority(parsed: &Certificate) -> bool {
    key_usage(parsed).is_some_and(|usage| usage.0.contains(KeyUsages::KeyCertSign))
}

fn is_root(parsed: &Certificate) -> bool {
    parsed.tbs_certificate.subject == parsed.tbs_certificate.issuer
}

fn label(parsed: &Certificate) -> &'static str {
    if is_root(parsed) {
        "Root CA Cert"
    } else if is_authority(parsed) {
        "CA Cert"
    } else if key_usage(parsed).is_some_and(|usage| usage.0.contains(KeyUsages::DigitalSignature)) {
        "cert1"
    } else {
        "cert2"
    }
}

/// The usages joined by bars; a root has none.
fn usage(parsed: &Certificate) -> anyhow::Result<Option<String>> {
    let Some((_, usage)) = parsed.tbs_certificate.get::<KeyUsage>()? else { return Ok(None) };
    let names = [
        (KeyUsages::DigitalSignature, "digitalSignature"),
        (KeyUsages::NonRepudiation, "nonRepudiation"),
        (KeyUsages::KeyEncipherment, "keyEncipherment"),
        (KeyUsages::DataEncipherment, "dataEncipherment"),
        (KeyUsages::KeyAgreement, "keyAgreement"),
        (KeyUsages::KeyCertSign, "keyCertSign"),
        (KeyUsages::CRLSign, "cRLSign"),
    ];
    let present: Vec<_> =
        names.iter().filter(|(bit, _)| usage.0.contains(*bit)).map(|(_, name)| *name).collect();
    Ok((!is_root(parsed)).then(|| present.join("|")))
}

/// CKA_ID in Base64: the SHA-1 of the public key.
pub(super) fn key_id(parsed: &Certificate) -> String {
    let key = &parsed.tbs_certificate.subject_public_key_info.subject_public_key;
    BASE64_STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, key.raw_bytes()))
}

fn directory_attributes(parsed: &Certificate) -> anyhow::Result<Vec<(ObjectIdentifier, String)>> {
    let extensions = parsed.tbs_certificate.extensions.iter().flatten();
    let mut found = extensions.filter(|found| found.extn_id == SUBJECT_DIRECTORY_ATTRIBUTES);
    let Some(extension) = found.next() else { return Ok(Vec::new()) };
    let attributes = Vec::<Attribute>::from_der(extension.extn_value.as_bytes())?;
    Ok(attributes
        .iter()
        .filter_map(|attribute| {
            let value = attribute.values.get(0)?.value();
            Some((attribute.oid, String::from_utf8_lossy(value).into_owned()))
        })
        .collect())
}

fn parts(name: &Name) -> impl Iterator<Item = (ObjectIdentifier, String)> {
    name.0
        .iter()
        .flat_map(|relative| relative.0.iter())
        .map(|pair| (pair.oid, String::from_utf8_lossy(pair.value.value()).into_owned()))
}

/// From the outside in, joined by commas and escaped nowhere, as the reference does.
fn distinguished_name(name: &Name) -> String {
    let parts: Vec<_> = parts(name)
        .map(|(oid, value)| {
            let key = match oid.to_string().as_str() {
                "2.5.4.3" => "CN".to_owned(),
                "2.5.4.5" => "serialNumber".to_owned(),
                "2.5.4.6" => "C".to_owned(),
                "2.5.4.10" => "O".to_owned(),
                "2.5.4.11" => "OU".to_owned(),
                other => other.to_owned(),
            };
            format!("{key}={value}")
        })
        .collect();
    parts.join(",")
}

/// The JSON as the pixels of a bitmap of one row.
pub(super) fn bitmap(reply: &Value) -> Vec<u8> {
    let mut payload = ascii(&reply.to_string());
    if payload.len() > PAYLOAD as usize {
        payload = ascii(&Value::from(Failure::from(codes::HELPER_FAILED)).to_string());
    }
    let mut image = b"BM".to_vec();
    for field in [HEADER + PAYLOAD, 0, HEADER, 40, PIXELS, 1] {
        image.extend(field.to_le_bytes());
    }
    // One plane, 24 bits a pixel, uncompressed.
    image.extend([1, 0, 24, 0, 0, 0, 0, 0]);
    for field in [PAYLOAD, 0, 0, 0, 0] {
        image.extend(field.to_le_bytes());
    }
    image.extend(payload.bytes());
    image.resize((HEADER + PAYLOAD) as usize, 0);
    image
}

/// JSON without a character outside ASCII.
fn ascii(json: &str) -> String {
    let mut text = String::new();
    for unit in json.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii() => text.push(byte.into()),
            _ => text += &format!("\\u{unit:04x}"),
        }
    }
    text
}
