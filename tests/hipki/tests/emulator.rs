//! The emulator over HTTP, without a browser.

use std::sync::LazyLock;

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cms::content_info::ContentInfo;
use cms::signed_data::SignedData;
use der::asn1::{ObjectIdentifier, OctetString, PrintableString};
use der::{Decode, Encode};
use hipki_tools::{EmulatedCard, Emulator, Fault, SERVER_VERSION, serve};
use jiff::Timestamp;
use serde_json::{Value, json};
use test_ca::pki_set::{Company, TestPki};
use x509_cert::Certificate;

const READER: &str = "讀卡機 0";
const CARD_NUMBER: &str = "MO12345678901234";
const PIN: &str = "12%3+&6";
const LOGIN_FAILED: i64 = 0x7610_0006;

static PKI: LazyLock<TestPki> = LazyLock::new(|| TestPki::generate(Timestamp::now()).unwrap());

fn card() -> EmulatedCard {
    let issued = PKI.company(Company::card("測試股份有限公司", "12345675")).unwrap();
    EmulatedCard::new(&issued, READER, CARD_NUMBER, PIN).unwrap()
}

/// An emulator with one card, and its address.
fn start() -> (Emulator, String) {
    let mut emulator = Emulator::new(vec![card()], vec!["site.test".to_owned()]);
    emulator.empty_readers.push("Empty 0".to_owned());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let served = emulator.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            serve(listener, served).await.unwrap();
        });
    });
    (emulator, base)
}

fn get(url: &str) -> Value {
    ureq::get(url).call().unwrap().body_mut().read_json().unwrap()
}

fn post(url: &str, body: &str) -> Value {
    let request = ureq::post(url).content_type("application/x-www-form-urlencoded");
    request.send(body).unwrap().body_mut().read_json().unwrap()
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Posts a signature package, form-encoded, with `more` in it.
fn sign(base: &str, more: &Value) -> Value {
    let mut package = json!({
        "func": "MakeSignature", "tbs": "待簽資料", "tbsEncoding": "NONE", "hashAlgorithm": "SHA256",
        "signatureType": "PKCS1", "pin": PIN, "cardid": "__NotExistedTag__",
    });
    for (key, value) in more.as_object().unwrap() {
        package[key] = value.clone();
    }
    post(&format!("{base}/sign"), &format!("tbsPackage={}", encoded(&package.to_string())))
}

fn bytes(reply: &Value, member: &str) -> Vec<u8> {
    BASE64_STANDARD.decode(reply[member].as_str().unwrap()).unwrap()
}

/// Verifies RSASSA-PKCS1-v1_5 with SHA-256 under the certificate of the reply.
fn verify(reply: &Value, message: &[u8], signature: &[u8]) {
    assert_eq!(reply["ret_code"], 0, "{reply}");
    let certificate = Certificate::from_der(&bytes(reply, "certb64")).unwrap();
    let key = certificate.tbs_certificate.subject_public_key_info.subject_public_key;
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.raw_bytes());
    key.verify(message, signature).unwrap();
}

#[test]
fn lists_readers_and_cards() {
    let (emulator, base) = start();
    let reply = get(&format!("{base}/pkcs11info"));
    assert_eq!(reply["func"], "pkcs11info");
    assert_eq!(reply["ret_code"], 0);
    assert_eq!(reply["serverVersion"], SERVER_VERSION);
    assert_eq!(reply["slots"][0]["token"], Value::Null);
    assert_eq!(reply["slots"][1]["slotDescription"], READER);
    let token = &reply["slots"][1]["token"];
    assert_eq!(token["serialNumber"], CARD_NUMBER);
    assert!(token.get("certs").is_none());

    let reply = post(
        &format!("{base}/pkcs11info?withcert=true"),
        &format!("tbsPackage={}", encoded(&json!({ "slotDescription": READER }).to_string())),
    );
    assert_eq!(reply["slots"].as_array().unwrap().len(), 1);
    let token = &reply["slots"][0]["token"];
    let signer = &token["certs"][1];
    assert_eq!(bytes(signer, "certb64"), emulator.cards[0].certificate);
    assert_eq!(signer["usage"], "digitalSignature");
    assert_eq!(signer["subjectDN"], "C=TW,O=測試股份有限公司,serialNumber=12345675");
    assert_eq!(signer["subjectID"], "12345675");
    assert_eq!(signer["holderRank"], "primary");
    assert_eq!(token["certs"][0]["label"], "CA Cert");
    assert_eq!(token["keys"][0]["id"], signer["id"]);

    let paths: Vec<_> = emulator.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/pkcs11info", "/pkcs11info"]);
}

#[test]
fn signs_pkcs1_and_raw_alike() {
    let (_, base) = start();
    let message = "待簽資料".as_bytes();
    let reply = sign(&base, &json!({}));
    assert_eq!(reply["func"], "sign");
    assert_eq!(reply["last_error"], 0);
    assert_eq!(reply["cardSN"], CARD_NUMBER);
    let signature = bytes(&reply, "signature");
    verify(&reply, message, &signature);

    let mut info = hex::decode("3031300d060960864801650304020105000420").unwrap();
    info.extend(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, message).as_ref());
    let info = BASE64_STANDARD.encode(info);
    let raw = sign(&base, &json!({ "signatureType": "RAW", "tbs": info, "hashAlgorithm": null }));
    assert_eq!(bytes(&raw, "signature"), signature);
}

#[test]
fn signs_pkcs7_with_attributes() {
    let (_, base) = start();
    let reply = sign(
        &base,
        &json!({
            "signatureType": "PKCS7", "tbsEncoding": "base64",
            "tbs": BASE64_STANDARD.encode("待簽資料"), "nonce": "n-0123456789", "withCardSN": "true",
            "withSigningTime": "true", "checkValidity": "true",
        }),
    );
    assert_eq!(reply["ret_code"], 0, "{reply}");
    let message = bytes(&reply, "signature");
    PKI.verify(&message).unwrap();
    let info = ContentInfo::from_der(&message).unwrap();
    let signed: SignedData = info.content.decode_as().unwrap();
    let content: OctetString =
        signed.encap_content_info.econtent.as_ref().unwrap().decode_as().unwrap();
    assert_eq!(content.as_bytes(), "待簽資料".as_bytes());
    let signer = signed.signer_infos.0.get(0).unwrap();
    let attributes = signer.signed_attrs.as_ref().unwrap();
    verify(&reply, &attributes.to_der().unwrap(), signer.signature.as_bytes());
    let value = |oid: &str| {
        let oid = ObjectIdentifier::new(oid).unwrap();
        let attribute = attributes.iter().find(|attribute| attribute.oid == oid).unwrap();
        attribute.values.get(0).unwrap().clone()
    };
    let number: PrintableString = value("2.16.886.1.100.2.204").decode_as().unwrap();
    assert_eq!(number.as_str(), CARD_NUMBER);
    let nonce: OctetString = value("1.2.840.113549.1.9.25.3").decode_as().unwrap();
    assert_eq!(nonce.as_bytes(), b"n-0123456789");
    value("1.2.840.113549.1.9.5");
}

#[test]
fn counts_wrong_pins() {
    let (emulator, base) = start();
    let last_error = |pin: &str| {
        let reply = sign(&base, &json!({ "pin": pin }));
        assert_eq!(reply["ret_code"], LOGIN_FAILED);
        reply["last_error"].as_i64().unwrap()
    };
    assert_eq!(sign(&base, &json!({ "pin": "__NotExistedTag__" }))["ret_code"], 0x7600_0998);
    assert_eq!(last_error("1"), 0xa2);
    assert_eq!(emulator.cards[0].tries(), 3);
    assert_eq!(last_error("000000"), -2_147_483_646);
    assert_eq!(sign(&base, &json!({}))["ret_code"], 0);
    assert_eq!(last_error("000000"), -2_147_483_646);
    assert_eq!(last_error("000000"), -2_147_483_647);
    assert_eq!(last_error("000000"), 0xa4);
    assert_eq!(last_error(PIN), 0xa4);
    assert_eq!(emulator.cards[0].tries(), 0);
}

#[test]
fn tolerates_encodings() {
    let (_, base) = start();
    // The PIN percent-encoded inside a form that is encoded as a whole.
    assert_eq!(sign(&base, &json!({ "pin": "12%253%2B%266" }))["ret_code"], 0);
    // JSON that is not encoded, but for its plus signs and the PIN.
    let url = format!("{base}/sign");
    let tbs = BASE64_STANDARD.encode([0xfb; 6]);
    let package = json!({
        "tbs": tbs, "tbsEncoding": "base64", "hashAlgorithm": "SHA256", "signatureType": "PKCS1",
        "pin": "12%253+%266", "slotDescription": READER, "withCardSN": true, "value": 1,
    });
    let body = package.to_string().replace('+', "%2B");
    let reply = post(&url, &format!("tbsPackage={body}"));
    verify(&reply, &[0xfb; 6], &bytes(&reply, "signature"));
    // The JSON alone.
    assert_eq!(post(&url, &package.to_string().replace("%253", "%3"))["ret_code"], 0);
    // A plus sign that nobody encoded is a space.
    let reply = post(&url, &format!("tbsPackage={package}"));
    assert_eq!(reply["ret_code"], 0x7660_0002);
    assert_eq!(post(&url, "tbsPackage={")["ret_code"], 0x7600_000b);
    assert_eq!(post(&url, "{}")["ret_code"], 0x7630_0002);
    assert_eq!(sign(&base, &json!({ "slotDescription": "Empty 0" }))["ret_code"], 0x7600_0006);
}

/// The JSON in the bitmap's pixels, as a page reads it.
fn read_bitmap(image: &[u8]) -> Value {
    let field = |at: usize| u32::from_le_bytes(image[at..at + 4].try_into().unwrap());
    assert_eq!(&image[..2], b"BM");
    assert_eq!(image.len(), 6054);
    assert_eq!(
        [2, 10, 14, 18, 22, 34].map(field),
        [0x17a6, 54, 40, 0x07d0, 1, 0x1770],
        "size, offset, header, width, height, size of the image"
    );
    assert_eq!(image[26..34], [1, 0, 24, 0, 0, 0, 0, 0]);
    let pixels = image[54..].chunks(3).take_while(|pixel| pixel[0] != 0).flatten();
    let text: Vec<_> = pixels.copied().filter(|byte| *byte != 0).collect();
    assert!(text.is_ascii());
    serde_json::from_slice(&text).unwrap()
}

#[test]
fn hides_the_list_in_a_bitmap() {
    let (_, base) = start();
    let url = format!("{base}/p11Image.bmp?1767225600000");
    let image = |origin: &str| {
        let mut response = ureq::get(&url).header("Origin", origin).call().unwrap();
        assert_eq!(response.headers()["access-control-allow-origin"], "*");
        read_bitmap(&response.body_mut().read_to_vec().unwrap())
    };
    assert_eq!(image("https://site.test"), get(&format!("{base}/pkcs11info")));
    assert_eq!(image("https://other.test")["ret_code"], 0x7600_0031);
}

#[test]
fn serves_allowed_sites_alone() {
    let (emulator, base) = start();
    let info = |header: &str, origin: &str| -> Value {
        let request = ureq::get(format!("{base}/pkcs11info")).header(header, origin);
        let mut response = request.call().unwrap();
        assert!(!response.headers().contains_key("access-control-allow-origin"));
        response.body_mut().read_json().unwrap()
    };
    assert_eq!(info("Origin", "https://site.test:8443")["ret_code"], 0);
    assert_eq!(info("Origin", &base)["ret_code"], 0);
    for (header, origin) in [
        ("Origin", "https://other.test"),
        ("Origin", "null"),
        ("Origin", "http://127.0.0.1:1"),
        ("Referer", "https://other.test/"),
        ("X-Opener-Origin", "https://other.test"),
    ] {
        let reply = info(header, origin);
        assert_eq!(reply["ret_code"], 0x7600_0031, "{header}: {origin}");
        assert_eq!(reply["func"], "pkcs11info");
    }
    let added = post(&format!("{base}/addDomain?domain=other.test"), "domain=Other.test");
    assert_eq!(added["ret_code"], 0);
    assert!(emulator.allows("other.test"));
    assert_eq!(info("Origin", "https://other.test")["ret_code"], 0);
}

#[test]
fn serves_the_popups() {
    let (_, base) = start();
    for (path, wide) in [("/popupForm", "wide = false"), ("/ChtPopupForm", "wide = true")] {
        let mut response = ureq::get(format!("{base}{path}")).call().unwrap();
        assert!(!response.headers().contains_key("cross-origin-opener-policy"));
        let page = response.body_mut().read_to_string().unwrap();
        assert!(page.contains("getTbs"));
        assert!(page.contains(wide));
    }
    let reply = post(&format!("{base}/decrypt"), "tbsPackage={}");
    assert_eq!((&reply["func"], &reply["ret_code"]), (&"decrypt".into(), &0x7600_000e.into()));
}

#[test]
fn injects_faults() {
    let (emulator, base) = start();
    let list = || get(&format!("{base}/pkcs11info"));
    let with = |fault| {
        emulator.clear_faults();
        emulator.inject(fault);
    };
    with(Fault::WrongCard);
    let reply = sign(&base, &json!({}));
    assert_eq!(reply["ret_code"], 0);
    assert_ne!(reply["cardSN"], CARD_NUMBER);
    with(Fault::WithoutFunc);
    assert!(list().get("func").is_none());
    with(Fault::NegativeCode);
    assert_eq!(list()["ret_code"], -536_870_894);
    with(Fault::UnknownToken);
    assert_eq!(list()["slots"][1]["token"], "unknown token");
    with(Fault::NullToken);
    assert_eq!(list()["slots"][1]["token"], Value::Null);
    assert_eq!(sign(&base, &json!({}))["ret_code"], 0x7600_0006);
    with(Fault::Utf8Attributes);
    let pkcs7 = json!({ "signatureType": "PKCS7", "nonce": "n", "withCardSN": "true" });
    assert_eq!(sign(&base, &pkcs7)["ret_code"], 0);
    with(Fault::Hang);
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(std::time::Duration::from_millis(200)))
        .build()
        .into();
    agent.get(format!("{base}/pkcs11info")).call().unwrap_err();
}
