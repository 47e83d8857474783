//! Cards of our own CAs: import, and what the CA itself does to one.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use domain::{Act, Actor, CardAct, CardNumber, CardState, CodeHash, Email, Ubn, UserCode};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use pki::{Certificate, Fingerprint, TrustStore};
use rand_core::{OsRng, RngCore};
use serde::Deserialize;
use store::native::Native;
use store::{
    CardCertificate, CardChange, CardRow, Cases, Deed, Revocation, Standings, Transaction,
};

/// A line of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CardLine {
    #[serde(rename = "卡號")]
    number: String,
    #[serde(rename = "公司名稱")]
    company_name: String,
    #[serde(rename = "統一編號")]
    ubn: String,
    #[serde(rename = "電子郵件地址")]
    email: String,
    /// In the clear, or as an Argon2id hash with the service's cost.
    #[serde(rename = "用戶代碼")]
    code: String,
    /// DER in Base64; several with a blank between them.
    #[serde(rename = "憑證")]
    certificates: String,
}

/// A code as the file gives it.
enum Code {
    Clear(UserCode),
    Hashed(CodeHash),
}

/// A card as the file gives it.
struct Card {
    number: CardNumber,
    company_name: String,
    ubn: Ubn,
    email: Email,
    code: Code,
    certificates: Vec<(Certificate, Fingerprint)>,
}

impl Card {
    fn read(line: &CardLine, trust: &TrustStore) -> anyhow::Result<Self> {
        let ubn: Ubn = line.ubn.parse().context("統一編號")?;
        let code = if line.code.starts_with('$') {
            Code::Hashed(CodeHash::parse(&line.code).context("用戶代碼")?)
        } else {
            Code::Clear(line.code.parse().context("用戶代碼")?)
        };
        let mut certificates = Vec::new();
        for text in line.certificates.split_whitespace() {
            let der = BASE64_STANDARD.decode(text).context("憑證: not Base64")?;
            let certificate = Certificate::from_der(&der).context("憑證")?;
            let issuer = trust
                .own_issuers()
                .find(|(issuer, _)| certificate.check_signed_by(issuer).is_ok())
                .context("憑證: no CA that the trust store calls own has issued it")?;
            let holder = certificate.unverified_holder().context("憑證")?;
            let same = holder.ubn.is_none_or(|theirs| theirs == ubn.as_str());
            ensure!(same, "憑證: it is another company's");
            certificates.push((certificate, issuer.0.fingerprint()));
        }
        ensure!(!certificates.is_empty(), "憑證: none");
        Ok(Self {
            number: line.number.parse().context("卡號")?,
            company_name: domain::card_holder_name(&line.company_name).context("公司名稱")?,
            ubn,
            email: line.email.parse().context("電子郵件地址")?,
            code,
            certificates,
        })
    }

    /// The hash to keep: the one that is known, if it is the code's.
    fn hash(&self, known: Option<&CodeHash>) -> anyhow::Result<CodeHash> {
        match &self.code {
            Code::Hashed(hash) => Ok(hash.clone()),
            Code::Clear(code) => match known.filter(|known| known.fits(code)) {
                Some(known) => Ok(known.clone()),
                None => {
                    let mut salt = [0; 16];
                    OsRng.fill_bytes(&mut salt);
                    Ok(CodeHash::new(code, &salt)?)
                }
            },
        }
    }
}

/// Imports cards, all or none. A card that is known keeps its state; with another code, its wrong
/// codes are forgotten.
pub(crate) fn import(database: &Native, file: &Path, trust: &TrustStore) -> anyhow::Result<usize> {
    let mut reader =
        csv::Reader::from_path(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut cards = Vec::new();
    let mut lines = HashMap::new();
    for (index, line) in reader.deserialize().enumerate() {
        let number = index + 2;
        let line: CardLine = line.with_context(|| format!("line {number}"))?;
        let card = Card::read(&line, trust).with_context(|| format!("line {number}"))?;
        if let Some(first) = lines.insert(card.number.as_str().to_owned(), number) {
            bail!("line {number}: the same 卡號 as in line {first}");
        }
        cards.push(card);
    }
    ensure!(!cards.is_empty(), "no cards in this file");
    // Hashing is slow on purpose: before the transaction, and by every processor.
    let cases = Cases(database);
    let known = cards.iter().map(|card| cases.card(&card.number)).collect::<Result<Vec<_>, _>>()?;
    let hashes = hash_all(&cards, &known)?;
    let now = Timestamp::now();
    let transaction = Transaction::begin(database)?;
    let cases = Cases(&transaction);
    for ((card, known), code) in cards.iter().zip(&known).zip(hashes) {
        if known.as_ref().is_some_and(|known| known.code != code) {
            cases.forget_wrong_codes(&card.number)?;
        }
        let begin = card.certificates.iter().map(|(certificate, _)| certificate.not_before()).min();
        cases.put_card(&CardRow {
            number: card.number.clone(),
            company_name: card.company_name.clone(),
            ubn: card.ubn,
            email: card.email.as_str().to_owned(),
            code,
            state: CardState::Valid,
            since: begin.map_or(now, |begin| begin.min(now)),
            reason: None,
        })?;
        for (certificate, issuer) in &card.certificates {
            let new = CardCertificate { certificate, issuer: *issuer };
            cases.put_card_certificate(&card.number, new).with_context(|| {
                let serial = certificate.serial_number();
                format!("certificate {serial}: it is on another card already")
            })?;
        }
    }
    let deed = Deed::new(Actor::Operator, Act::CardsImported, now);
    cases.log(&deed.with(serde_json::json!({ "cards": cards.len() })))?;
    transaction.commit()?;
    Ok(cards.len())
}

fn hash_all(cards: &[Card], known: &[Option<CardRow>]) -> anyhow::Result<Vec<CodeHash>> {
    let bar = ProgressBar::new(u64::try_from(cards.len())?);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos} of {len} codes, {eta} left")?);
    let hands = std::thread::available_parallelism().map_or(1, usize::from);
    let share = cards.len().div_ceil(hands);
    let hashes = std::thread::scope(|scope| {
        let hash = |(card, known): (&Card, &Option<CardRow>)| {
            bar.inc(1);
            card.hash(known.as_ref().map(|known| &known.code))
        };
        let parts: Vec<_> = cards
            .chunks(share)
            .zip(known.chunks(share))
            .map(|(cards, known)| {
                scope.spawn(move || cards.iter().zip(known).map(hash).collect::<Vec<_>>())
            })
            .collect();
        parts.into_iter().flat_map(|part| part.join().unwrap_or_default()).collect::<Vec<_>>()
    });
    bar.finish_and_clear();
    let hashes = hashes.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    ensure!(hashes.len() == cards.len(), "hashing broke off");
    Ok(hashes)
}

/// A change by the CA itself.
pub(crate) struct Change<'a> {
    pub(crate) number: &'a CardNumber,
    pub(crate) act: CardAct,
    /// reasonCode of a revocation.
    pub(crate) reason: Option<u8>,
    pub(crate) origin: &'a str,
}

/// Changes a card's state.
pub(crate) fn change(
    cases: &Native,
    lists: &Native,
    trust: &TrustStore,
    change: &Change<'_>,
) -> anyhow::Result<&'static str> {
    let now = Timestamp::from_second(Timestamp::now().as_second())?;
    let transaction = Transaction::begin(cases)?;
    let standings = Standings { lists: Revocation(lists), cards: Cases(&transaction) };
    let card = standings.cards.card(change.number)?.context("no such card")?;
    let to = change.act.from_state(card.state)?;
    let made = CardChange {
        act: change.act,
        to,
        reason: change.reason,
        actor: Actor::Operator,
        by: "operator",
        origin: change.origin,
    };
    standings.cards.change_card(&card, made, now)?;
    standings.judge_systems_on(&card.number, trust, now)?;
    transaction.commit()?;
    Ok(to.word())
}

/// Has codes compared again for a card.
pub(crate) fn unlock(database: &Native, number: &CardNumber) -> anyhow::Result<bool> {
    let transaction = Transaction::begin(database)?;
    let cases = Cases(&transaction);
    let card = cases.card(number)?.context("no such card")?;
    let was = cases.unlock_card(&card, Actor::Operator, "operator", Timestamp::now())?;
    transaction.commit()?;
    Ok(was)
}
