//! Cards of our own CAs: who holds them, whether they are in force, wrong codes, and what the
//! trust in signatures is judged by.

use domain::{
    Act, Actor, CardAct, CardNumber, CardQuery, CardState, CodeHash, SerialNumber, Ubn, card_letter,
};
use jiff::Timestamp;
use pki::revocation::{OwnStanding, RevocationUnavailable};
use pki::{Certificate, Fingerprint};
use serde_json::json;

use crate::database::one;
use crate::{Cases, CertificateInUse, Database, Deed, NewLetter, Row, StoreError};

/// A card, its holder and its state.
#[derive(Clone, Debug)]
pub struct CardRow {
    /// 卡號.
    pub number: CardNumber,
    /// 公司名稱.
    pub company_name: String,
    /// 統一編號.
    pub ubn: Ubn,
    /// 電子郵件地址.
    pub email: String,
    /// 用戶代碼.
    pub code: CodeHash,
    /// 憑證狀態.
    pub state: CardState,
    /// Since when.
    pub since: Timestamp,
    /// reasonCode, while it is not in force.
    pub reason: Option<u8>,
}

/// A certificate on a card.
#[derive(Clone, Copy, Debug)]
pub struct CardCertificate<'a> {
    /// The certificate.
    pub certificate: &'a Certificate,
    /// The CA that issued it.
    pub issuer: Fingerprint,
}

/// A change of a card's state.
#[derive(Clone, Copy, Debug)]
pub struct CardChange<'a> {
    /// Which.
    pub act: CardAct,
    /// The state that it leads to.
    pub to: CardState,
    /// reasonCode of a revocation.
    pub reason: Option<u8>,
    /// Who does it.
    pub actor: Actor,
    /// By what right: `user-code` or `operator`.
    pub by: &'static str,
    /// The service's address, for the letter.
    pub origin: &'a str,
}

/// A certificate that is to stand in its CA's lists.
#[derive(Clone, Debug)]
pub struct ListedCertificate {
    /// Serial number as encoded.
    pub serial: Vec<u8>,
    /// Address of its partition.
    pub partition: Option<String>,
    /// reasonCode.
    pub reason: u8,
    /// Since when.
    pub since: Timestamp,
}

macro_rules! card_select {
    () => {
        "SELECT number, company_name, ubn, email, code_hash, state, since, reason FROM cards "
    };
}
const CARD: &str = concat!(card_select!(), "WHERE number = ?1");
const BY_NAME: &str = concat!(card_select!(), "WHERE company_name = ?1 ORDER BY number LIMIT 50");
const BY_UBN: &str = concat!(card_select!(), "WHERE ubn = ?1 ORDER BY number LIMIT 50");
const BY_EMAIL: &str =
    concat!(card_select!(), "WHERE lower(email) = lower(?1) ORDER BY number LIMIT 50");
const BY_SERIAL: &str = concat!(
    card_select!(),
    "WHERE number IN (SELECT card FROM card_certificates WHERE serial = ?1) ORDER BY number LIMIT 50"
);
/// A card that is known keeps its state.
const PUT: &str = "INSERT INTO cards (number, company_name, ubn, email, code_hash, state, since)
    VALUES (?1, ?2, ?3, ?4, ?5, 'valid', ?6)
    ON CONFLICT (number) DO UPDATE SET company_name = excluded.company_name, ubn = excluded.ubn,
        email = excluded.email, code_hash = excluded.code_hash";
/// One that is on another card already is refused: the card does not change.
const PUT_CERTIFICATE: &str = "INSERT INTO card_certificates
    (issuer, serial, encoded, sha256, card, partition, not_after)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
    ON CONFLICT (issuer, serial) DO UPDATE SET partition = excluded.partition
        WHERE sha256 = excluded.sha256 AND card = excluded.card
    RETURNING card";
const SERIALS: &str = "SELECT serial FROM card_certificates WHERE card = ?1 ORDER BY serial";
const ENCODED: &str = "SELECT issuer, encoded FROM card_certificates WHERE card = ?1";
const CHANGE: &str = "UPDATE cards SET state = ?3, since = ?4, reason = ?5
    WHERE number = ?1 AND state = ?2 RETURNING number";
/// What signatures are judged by; one statement, so one moment.
const OWN: &str = "SELECT state, since, reason FROM card_certificates
    JOIN cards ON number = card WHERE issuer = ?1 AND serial = ?2";
const OF_CERTIFICATE: &str = "SELECT card FROM card_certificates WHERE issuer = ?1 AND serial = ?2";
const WRONG: &str = "SELECT wrong FROM wrong_codes WHERE card = ?1";
/// One statement decides: the fourth is not counted, and not answered.
const COUNT_WRONG: &str = "INSERT INTO wrong_codes (card, wrong, last_at) VALUES (?1, 1, ?2)
    ON CONFLICT (card) DO UPDATE SET wrong = wrong + 1, last_at = excluded.last_at WHERE wrong < 3
    RETURNING wrong";
const FORGET_WRONG: &str = "DELETE FROM wrong_codes WHERE card = ?1 RETURNING wrong";
/// Systems' certificates that are on the card, and that tokens are signed with.
const IN_USE: &str = "SELECT certificates.sha256, certificate, revoked_at IS NOT NULL
    FROM certificates JOIN card_certificates ON card_certificates.sha256 = certificates.sha256
    WHERE card = ?1 AND (replaced_at IS NULL OR replaced_at > ?2)
        AND certificates.not_after >= ?2";
/// RFC 5280, section 3.3: an entry stays until a list after the certificate's end.
const LISTED: &str = "SELECT encoded, partition, reason, since FROM card_certificates
    JOIN cards ON number = card WHERE issuer = ?1 AND state <> 'valid' AND not_after >= ?2";
/// When the CA of a card last published its complete list.
const LAST_LIST: &str = "SELECT max(this_update) FROM published_lists
    WHERE partition = '' AND delta = 0
        AND issuer IN (SELECT issuer FROM card_certificates WHERE card = ?1)";
const PARTITIONS: &str = "SELECT DISTINCT partition FROM card_certificates
    WHERE issuer = ?1 AND partition IS NOT NULL ORDER BY partition";
/// Why a certificate may be gone from a list: resumed since the last one, or expired.
const GONE: &str = "SELECT 1 FROM card_certificates JOIN cards ON number = card
    WHERE issuer = ?1 AND serial = ?2 AND (not_after < ?3 OR (state = 'valid' AND since >= ?4))";

#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[
    CARD,
    BY_NAME,
    BY_UBN,
    BY_EMAIL,
    BY_SERIAL,
    PUT,
    PUT_CERTIFICATE,
    SERIALS,
    ENCODED,
    CHANGE,
    OWN,
    OF_CERTIFICATE,
    WRONG,
    COUNT_WRONG,
    FORGET_WRONG,
    IN_USE,
    LISTED,
    LAST_LIST,
    PARTITIONS,
    GONE,
];

impl<D: Database> Cases<D> {
    /// A card.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn card(&self, number: &CardNumber) -> Result<Option<CardRow>, StoreError> {
        self.0.execute(CARD, &[number.as_str().into()])?.first().map(card_row).transpose()
    }

    /// The cards that fit a condition exactly; the first fifty.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn cards_by(&self, query: &CardQuery) -> Result<Vec<CardRow>, StoreError> {
        let (sql, value) = match query {
            CardQuery::CompanyName(name) => (BY_NAME, name.as_str().into()),
            CardQuery::Ubn(ubn) => (BY_UBN, ubn.as_str().into()),
            CardQuery::Email(email) => (BY_EMAIL, email.as_str().into()),
            CardQuery::CardNumber(number) => (CARD, number.as_str().into()),
            CardQuery::SerialNumber(serial) => (BY_SERIAL, serial.as_bytes().into()),
        };
        self.0.execute(sql, &[value])?.iter().map(card_row).collect()
    }

    /// Keeps a card, or what is new of it; its state stays. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_card(&self, card: &CardRow) -> Result<(), StoreError> {
        let parameters = [
            card.number.as_str().into(),
            card.company_name.as_str().into(),
            card.ubn.as_str().into(),
            card.email.as_str().into(),
            card.code.as_str().into(),
            card.since.into(),
        ];
        self.0.execute(PUT, &parameters).map(drop)
    }

    /// Keeps a certificate of a card. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it is on another card.
    pub fn put_card_certificate(
        &self,
        number: &CardNumber,
        new: CardCertificate<'_>,
    ) -> Result<(), StoreError> {
        let CardCertificate { certificate, issuer } = new;
        let serial = SerialNumber::from_bytes(certificate.serial_bytes());
        let parameters = [
            issuer.0[..].into(),
            serial.as_bytes().into(),
            certificate.serial_bytes().into(),
            certificate.fingerprint().0[..].into(),
            number.as_str().into(),
            certificate.list_addresses().into_iter().next().into(),
            certificate.not_after().into(),
        ];
        one(self.0.execute(PUT_CERTIFICATE, &parameters)?).map(drop)
    }

    /// The serial numbers of a card's certificates.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn serials_of(&self, number: &CardNumber) -> Result<Vec<SerialNumber>, StoreError> {
        let rows = self.0.execute(SERIALS, &[number.as_str().into()])?;
        rows.iter().map(|row| row.blob(0).map(SerialNumber::from_bytes)).collect()
    }

    /// The certificates of a card as lists name them: issuer, and serial number as encoded.
    pub(crate) fn listed_names_of(
        &self,
        number: &CardNumber,
    ) -> Result<Vec<(Fingerprint, Vec<u8>)>, StoreError> {
        let read = |row: &Row| {
            let issuer = row.blob(0)?.try_into().map_err(|_| StoreError::Inconsistent {
                what: "issuer",
                found: "unreadable".into(),
            })?;
            Ok((Fingerprint(issuer), row.blob(1)?.to_vec()))
        };
        self.0.execute(ENCODED, &[number.as_str().into()])?.iter().map(read).collect()
    }

    /// Changes a card's state, writes it down and tells the holder. Inside a transaction, in
    /// which the card was read.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the card is no longer in the state that was read.
    pub fn change_card(
        &self,
        card: &CardRow,
        change: CardChange<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (act, reason) = match change.act {
            CardAct::Suspend => (Act::CardSuspended, Some(6)),
            CardAct::Resume => (Act::CardResumed, None),
            CardAct::Revoke => (Act::CardRevoked, Some(i64::from(change.reason.unwrap_or(0)))),
        };
        let parameters = [
            card.number.as_str().into(),
            card.state.name().into(),
            change.to.name().into(),
            now.into(),
            reason.into(),
        ];
        one(self.0.execute(CHANGE, &parameters)?)?;
        let deed = Deed::new(change.actor, act, now).on_company(card.ubn);
        let serials = self.serials_text(&card.number)?;
        self.log(&deed.with(json!({ "certificates": serials, "by": change.by })))?;
        let letter = card_letter(change.act, &card.company_name, &card.number, now, change.origin);
        let (ubn, recipient) = (card.ubn, card.email.as_str());
        let new = NewLetter {
            applicant: ubn.into(),
            case: None,
            kind: act.name(),
            recipient,
            letter: &letter,
        };
        self.write_letter(new, now)
    }

    /// What the log calls a card: serial numbers are public, the card's number is the holder's.
    fn serials_text(&self, number: &CardNumber) -> Result<Vec<String>, StoreError> {
        Ok(self.serials_of(number)?.iter().map(ToString::to_string).collect())
    }

    /// Wrong codes so far for this card number, whether anybody has it or not.
    ///
    /// # Errors
    /// [`StoreError`]: nothing may be revealed then.
    pub fn wrong_codes(&self, number: &CardNumber) -> Result<u8, StoreError> {
        self.0.execute(WRONG, &[number.as_str().into()])?.first().map_or(Ok(0), wrong)
    }

    /// Counts a wrong code; which one it is, or `None` when three had been given before. What
    /// locks a card is in the log. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError`]: nothing may be revealed then.
    pub fn count_wrong_code(
        &self,
        number: &CardNumber,
        now: Timestamp,
    ) -> Result<Option<u8>, StoreError> {
        let rows = self.0.execute(COUNT_WRONG, &[number.as_str().into(), now.into()])?;
        let count = rows.first().map(wrong).transpose()?;
        if count == Some(domain::MAX_WRONG_CODES)
            && let Some(card) = self.card(number)?
        {
            let serials = self.serials_text(number)?;
            let deed = Deed::new(Actor::Applicant(card.ubn.into()), Act::CardLocked, now);
            self.log(&deed.on_company(card.ubn).with(json!({ "certificates": serials })))?;
        }
        Ok(count)
    }

    /// The code was right: the count begins again. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forget_wrong_codes(&self, number: &CardNumber) -> Result<(), StoreError> {
        self.0.execute(FORGET_WRONG, &[number.as_str().into()]).map(drop)
    }

    /// Codes are compared again for this card; whether any had been wrong. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn unlock_card(
        &self,
        card: &CardRow,
        actor: Actor,
        by: &'static str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let rows = self.0.execute(FORGET_WRONG, &[card.number.as_str().into()])?;
        let serials = self.serials_text(&card.number)?;
        let deed = Deed::new(actor, Act::CardUnlocked, now).on_company(card.ubn);
        self.log(&deed.with(json!({ "certificates": serials, "by": by })))?;
        Ok(!rows.is_empty())
    }

    /// The card that a certificate is on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn card_of_certificate(
        &self,
        issuer: Fingerprint,
        serial: &[u8],
    ) -> Result<Option<String>, StoreError> {
        let serial = SerialNumber::from_bytes(serial);
        let parameters = [issuer.0[..].into(), serial.as_bytes().into()];
        let rows = self.0.execute(OF_CERTIFICATE, &parameters)?;
        rows.first().map(|row| row.text(0).map(str::to_owned)).transpose()
    }

    /// Systems' certificates on a card that tokens are signed with.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn certificates_in_use_on(
        &self,
        number: &CardNumber,
        now: Timestamp,
    ) -> Result<Vec<CertificateInUse>, StoreError> {
        let rows = self.0.execute(IN_USE, &[number.as_str().into(), now.into()])?;
        rows.iter().map(CertificateInUse::read).collect()
    }

    /// What our own register says of a certificate.
    pub(crate) fn own_standing(
        &self,
        issuer: Fingerprint,
        serial: &[u8],
    ) -> Result<Option<OwnStanding>, RevocationUnavailable> {
        let find = || {
            let serial = SerialNumber::from_bytes(serial);
            let rows = self.0.execute(OWN, &[issuer.0[..].into(), serial.as_bytes().into()])?;
            rows.first().map(own_standing).transpose()
        };
        find().map_err(|error: StoreError| RevocationUnavailable(error.to_string()))
    }

    /// What an own CA's lists are to say: held and revoked certificates that have not expired
    /// before this instant.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn certificates_to_list(
        &self,
        issuer: Fingerprint,
        expired_before: Timestamp,
    ) -> Result<Vec<ListedCertificate>, StoreError> {
        let rows = self.0.execute(LISTED, &[issuer.0[..].into(), expired_before.into()])?;
        let read = |row: &Row| {
            Ok(ListedCertificate {
                serial: row.blob(0)?.to_vec(),
                partition: row.optional_text(1)?,
                reason: reason(row, 2)?.unwrap_or(0),
                since: row.instant(3)?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// When the CA of a card last published its lists; `None` before the first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn last_list_of(&self, number: &CardNumber) -> Result<Option<Timestamp>, StoreError> {
        one(self.0.execute(LAST_LIST, &[number.as_str().into()])?)?.optional_instant(0)
    }

    /// Addresses of the partitions that an own CA's certificates name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn partitions_of(&self, issuer: Fingerprint) -> Result<Vec<String>, StoreError> {
        let rows = self.0.execute(PARTITIONS, &[issuer.0[..].into()])?;
        rows.iter().map(|row| row.text(0).map(str::to_owned)).collect()
    }

    /// Whether a certificate may be gone from its CA's list: it was resumed since the last one,
    /// or has expired.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn may_be_gone(
        &self,
        issuer: Fingerprint,
        serial: &[u8],
        expired_before: Timestamp,
        last: Timestamp,
    ) -> Result<bool, StoreError> {
        let serial = SerialNumber::from_bytes(serial);
        let key = [issuer.0[..].into(), serial.as_bytes().into()];
        let [issuer, serial] = key;
        let rows = self.0.execute(GONE, &[issuer, serial, expired_before.into(), last.into()])?;
        Ok(!rows.is_empty())
    }
}

fn wrong(row: &Row) -> Result<u8, StoreError> {
    let wrong = row.integer(0)?;
    u8::try_from(wrong)
        .map_err(|_| StoreError::Inconsistent { what: "count", found: wrong.to_string() })
}

fn reason(row: &Row, index: usize) -> Result<Option<u8>, StoreError> {
    let inconsistent =
        |code: i64| StoreError::Inconsistent { what: "reason", found: code.to_string() };
    let code = row.optional_integer(index)?;
    code.map(|code| u8::try_from(code).map_err(|_| inconsistent(code))).transpose()
}

fn own_standing(row: &Row) -> Result<OwnStanding, StoreError> {
    let since = row.instant(1)?;
    Ok(match row.parsed(0, "card state", CardState::from_name)? {
        CardState::Valid => OwnStanding::Valid { since },
        CardState::Held => OwnStanding::Held { since },
        CardState::Revoked => OwnStanding::Revoked { at: since, reason: reason(row, 2)? },
    })
}

fn card_row(row: &Row) -> Result<CardRow, StoreError> {
    Ok(CardRow {
        number: row.parsed(0, "card number", |text| text.parse().ok())?,
        company_name: row.text(1)?.to_owned(),
        ubn: row.parsed(2, "統一編號", |text| text.parse().ok())?,
        email: row.text(3)?.to_owned(),
        code: row.parsed(4, "code hash", |text| CodeHash::parse(text).ok())?,
        state: row.parsed(5, "card state", CardState::from_name)?,
        since: row.instant(6)?,
        reason: reason(row, 7)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Transaction;
    use crate::schema::Label;

    fn card(number: &str) -> CardRow {
        CardRow {
            number: number.parse().unwrap(),
            company_name: "測試甲股份有限公司".into(),
            ubn: "12345675".parse().unwrap(),
            email: "Clerk@example.com.tw".into(),
            code: CodeHash::of_nobody(),
            state: CardState::Valid,
            since: "2026-11-01T00:00:00Z".parse().unwrap(),
            reason: None,
        }
    }

    #[test]
    fn a_card_goes_from_state_to_state_and_never_back_from_revoked() {
        let database = crate::native::memory(Label::Cases);
        let now = "2026-11-28T10:00:00Z".parse().unwrap();
        let number: CardNumber = "MT00000000000001".parse().unwrap();
        Cases(&database).put_card(&card(number.as_str())).unwrap();
        for act in [CardAct::Suspend, CardAct::Resume, CardAct::Suspend, CardAct::Revoke] {
            let transaction = Transaction::begin(&database).unwrap();
            let cases = Cases(&transaction);
            let row = cases.card(&number).unwrap().unwrap();
            let to = act.from_state(row.state).unwrap();
            let reason = (act == CardAct::Revoke).then_some(1);
            let (actor, by) = (Actor::Operator, "operator");
            let origin = "https://a.example";
            let change = CardChange { act, to, reason, actor, by, origin };
            cases.change_card(&row, change, now).unwrap();
            // What was read is no longer so.
            assert_eq!(cases.change_card(&row, change, now), Err(StoreError::Conflict));
            transaction.commit().unwrap();
        }
        let cases = Cases(&database);
        let row = cases.card(&number).unwrap().unwrap();
        assert_eq!((row.state, row.reason), (CardState::Revoked, Some(1)));
        assert_eq!(cases.letters_of_company(row.ubn).unwrap().len(), 4);
        // Neither SQL by hand nor a new import brings it back.
        for sql in [
            "UPDATE cards SET state = 'valid', reason = NULL",
            "UPDATE cards SET state = 'held', reason = 6",
            "DELETE FROM cards",
        ] {
            assert!(database.connection.execute(sql, []).is_err(), "{sql}");
        }
        cases.put_card(&card(number.as_str())).unwrap();
        assert_eq!(cases.card(&number).unwrap().unwrap().state, CardState::Revoked);
        let query = CardQuery::parse(domain::CardCondition::Email, "clerk@EXAMPLE.com.tw").unwrap();
        assert_eq!(cases.cards_by(&query).unwrap().len(), 1);
    }

    #[test]
    fn the_fourth_wrong_code_is_not_counted() {
        let cases = Cases(crate::native::memory(Label::Cases));
        let now = "2026-11-28T10:00:00Z".parse().unwrap();
        cases.put_card(&card("MT00000000000001")).unwrap();
        for number in ["MT00000000000001", "MT00000000000002"] {
            let number = number.parse().unwrap();
            let counted: Vec<_> =
                (0..5).map(|_| cases.count_wrong_code(&number, now).unwrap()).collect();
            assert_eq!(counted, [Some(1), Some(2), Some(3), None, None]);
            assert_eq!(cases.wrong_codes(&number), Ok(3));
        }
        let row = cases.card(&"MT00000000000001".parse().unwrap()).unwrap().unwrap();
        assert_eq!(cases.unlock_card(&row, Actor::Operator, "operator", now), Ok(true));
        assert_eq!(cases.wrong_codes(&row.number), Ok(0));
    }
}
