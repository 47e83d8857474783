//! The signature checks of the service as WebAssembly and natively, beside OpenSSL: in one
//! run, rounds alternating.

use std::io::{Read, Write};
use std::time::Instant;

use anyhow::Context;
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use http_tests::{Host, TestApp, project};
use jiff::Timestamp;
use openssl::cms::{CMSOptions, CmsContentInfo};
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Public};
use openssl::rsa::Rsa;
use openssl::sign::Verifier;
use openssl::x509::X509;
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::verify::X509VerifyFlags;
use pki::revocation::Crl;
use signature_checks::{Checks, Micros};
use store::Revocation;
use store::native::Native;
use store::schema::Label;
use test_pki::issue::{List, Listed};
use test_pki::token::Question;

const ROUNDS: usize = 7;
const COUNT: u32 = 300;

/// Look-ups in a list, by its size: the store keeps entries, so the size must not matter.
fn look_ups() -> anyhow::Result<()> {
    const LOOK_UPS: u32 = 20_000;
    let folder = http_tests::scratch("lists");
    let pki = http_tests::pki();
    let issuer = pki::Certificate::from_der(&pki.company_authority().certificate)?;
    let now = Timestamp::now();
    println!("\n| list of | taken in s | one look-up µs |\n|---|---|---|");
    for entries in [10_u32, 412_000] {
        let list = List {
            number: 1,
            this_update: now,
            next_update: now + jiff::SignedDuration::from_hours(24),
            partition: None,
            entries: (0..entries)
                .map(|number| Listed { serial: serial(number), reason: None, at: now })
                .collect(),
        };
        let der = pki.company_list(&list)?;
        let database = Native::open(&folder.join(format!("{entries}.db")), Label::Revocation)?;
        store::native::migrate(&database.connection, Label::Revocation)?;
        let lists = Revocation(&database);
        let begun = Instant::now();
        lists.take(&Crl::from_der(&der)?, &issuer, now)?;
        let taken = begun.elapsed().as_secs_f64();
        let begun = Instant::now();
        for number in 0..LOOK_UPS {
            // Every other one is in the list.
            let number = number.wrapping_mul(7919) % (2 * entries);
            let found = lists.lists(&issuer, &serial(number))?;
            anyhow::ensure!(found[0].entry.is_some() == (number < entries), "a wrong look-up");
        }
        let micros = begun.elapsed().as_secs_f64() * 1e6 / f64::from(LOOK_UPS);
        println!("| {entries} entries, {} KiB | {taken:.2} | {micros:.1} |", der.len() >> 10);
    }
    Ok(())
}

fn serial(number: u32) -> Vec<u8> {
    [&[0x10_u8; 12][..], &number.to_be_bytes()].concat()
}

/// Prints the table.
pub(crate) fn compare() -> anyhow::Result<()> {
    let app = TestApp::start();
    let (_, card, caller) = app.approved();
    let trust = std::fs::read_to_string(app.dir.join("trust-store.json"))?;
    let content = vec![b'x'; 1500];
    let message = card.sign_content(content)?;
    let now = Timestamp::now();
    let question = Question {
        person_id: "A123456789",
        apply_code: "1",
        apply_yyymmdd: "0940105",
        issue_site_id: "63000",
    };
    let token = caller.token(question, now)?;
    let certificate =
        pki::Certificate::from_der(&test_pki::demo::der_of(&app.demo.company_certificate_file)?)?;
    let key = certificate.rsa_key()?.pkcs1().to_vec();
    let lists = (0..5)
        .map(|index| {
            Ok(BASE64_STANDARD.encode(std::fs::read(app.dir.join(format!("lists/{index}.crl")))?))
        })
        .collect::<anyhow::Result<_>>()?;
    let checks = Checks {
        trust,
        lists,
        message: BASE64_STANDARD.encode(&message),
        token: token.clone(),
        key: BASE64_STANDARD.encode(&key),
        at: now,
        count: COUNT,
    };
    let library = Library::new(&message, &token, &key)?;
    let path = |name: &str| project().join(name).display().to_string();
    let (manifest, state) = (path("tests/probe/spin.toml"), path("target/test-data/probe"));
    let host = Host::start(&[
        "--from",
        &manifest,
        "--state-dir",
        &state,
        "--variable",
        "needed=x",
        "--request-timeout",
        "60",
    ])?;
    let mut rows: [(&str, Vec<Micros>); 3] =
        [("component", Vec::new()), ("native, the same code", Vec::new()), ("OpenSSL", Vec::new())];
    for _ in 0..ROUNDS {
        rows[0].1.push(remote(&host, &checks)?);
        rows[1].1.push(checks.run());
        rows[2].1.push(library.run()?);
    }
    println!("\none signature check, median of {ROUNDS} rounds of {COUNT}");
    println!("| check by | application µs | token µs | token µs, arithmetic of the library |");
    println!("|---|---|---|---|");
    let middle =
        |rounds: &[Micros], of: fn(&Micros) -> f64| crate::median(rounds.iter().map(of).collect());
    let figures = rows.map(|(name, rounds)| {
        let figure = (middle(&rounds, |m| m.signature), middle(&rounds, |m| m.token));
        let by_library = middle(&rounds, |m| m.token_by_library);
        println!("| {name} | {:.0} | {:.0} | {by_library:.0} |", figure.0, figure.1);
        figure
    });
    let [wasm, native, openssl] = figures;
    println!(
        "ratio to OpenSSL: component {:.1} and {:.1}, native {:.1} and {:.1}",
        wasm.0 / openssl.0,
        wasm.1 / openssl.1,
        native.0 / openssl.0,
        native.1 / openssl.1
    );
    look_ups()
}

fn remote(host: &Host, checks: &Checks) -> anyhow::Result<Micros> {
    let body = serde_json::to_vec(checks)?;
    let mut stream = std::net::TcpStream::connect(host.address)?;
    write!(
        stream,
        "POST /granted/checks HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )?;
    stream.write_all(&body)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let body = answer.split_once("\r\n\r\n").context("no answer")?.1;
    let json = body.lines().find(|line| line.starts_with('{')).context(body.to_owned())?;
    Ok(serde_json::from_str(json)?)
}

/// The same checks by OpenSSL: signature, path of two, validity. It looks at no list here
/// (its interface for Rust takes none) and reads no subject: less work than ours.
struct Library {
    message: Vec<u8>,
    roots: Vec<X509>,
    token: String,
    key: PKey<Public>,
}

impl Library {
    fn new(message: &[u8], token: &str, key: &[u8]) -> anyhow::Result<Self> {
        let authorities = http_tests::pki().authorities();
        let roots = authorities.take(1).map(|root| X509::from_der(&root.certificate));
        Ok(Self {
            message: message.to_vec(),
            roots: roots.collect::<Result<_, _>>()?,
            token: token.to_owned(),
            key: PKey::from_rsa(Rsa::public_key_from_der_pkcs1(key)?)?,
        })
    }

    fn run(&self) -> anyhow::Result<Micros> {
        let each = |act: &dyn Fn() -> anyhow::Result<()>| {
            act()?;
            let begun = Instant::now();
            for _ in 0..COUNT {
                act()?;
            }
            anyhow::Ok(begun.elapsed().as_secs_f64() * 1e6 / f64::from(COUNT))
        };
        let mut store = X509StoreBuilder::new()?;
        for root in &self.roots {
            store.add_cert(root.clone())?;
        }
        store.set_flags(X509VerifyFlags::X509_STRICT)?;
        store.set_purpose(openssl::x509::X509PurposeId::ANY)?;
        let store = store.build();
        let signature = each(&|| {
            let mut message = CmsContentInfo::from_der(&self.message)?;
            let mut content = Vec::new();
            message.verify(None, Some(&store), None, Some(&mut content), CMSOptions::BINARY)?;
            Ok(())
        })?;
        let token = each(&|| {
            let (signed, signature) = self.token.rsplit_once('.').context("a token")?;
            let claims = signed.split_once('.').context("a token")?.1;
            let claims = BASE64_URL_SAFE_NO_PAD.decode(claims)?;
            let _: domain::Claims = serde_json::from_slice(&claims)?;
            let mut verifier = Verifier::new(MessageDigest::sha256(), &self.key)?;
            let signature = BASE64_URL_SAFE_NO_PAD.decode(signature)?;
            anyhow::ensure!(verifier.verify_oneshot(&signature, signed.as_bytes())?);
            Ok(())
        })?;
        Ok(Micros { signature, token, token_by_library: token })
    }
}
