//! Accounts, their credentials and certificates.

use std::cmp::Reverse;

use std::net::IpAddr;

use domain::{
    Account, AccountState, AccountStatus, Act, Actor, ApId, Caller, CallerCertificate, CaseKind,
    CertificateUpload, HostAddress, RateLimit, Sealed, Ubn,
};
use jiff::Timestamp;

use crate::audit::Deed;
use crate::cases::{CaseRow, Evidence};
use crate::database::one;
use crate::{Cases, Database, HandoverPlan, Row, StoreError};

/// An account as its company sees it.
#[derive(Clone, Debug)]
pub struct AccountRow {
    /// Number, name, address, status.
    pub account: Account,
    /// 聯絡人.
    pub contact_name: String,
    /// 市話.
    pub landline: Option<String>,
    /// 手機.
    pub mobile: Option<String>,
    /// 電子信箱.
    pub email: String,
    /// apId.
    pub ap_id: String,
    /// isskey, sealed; from the first upload on, under the manual of 108 from the approval.
    pub iss_key: Option<Sealed>,
    /// The certificate in use.
    pub certificate: Option<CertificateRow>,
    /// When the last certificate that may be used is over; none while there is none in use.
    pub certificates_end: Option<Timestamp>,
    /// Until when the former one may be used as well.
    pub former_ends_at: Option<Timestamp>,
    /// Until when the former isskey is taken as well.
    pub former_iss_key_until: Option<Timestamp>,
    /// Since when the account has its status.
    pub status_since: Timestamp,
    /// Why, in words that the company reads; empty when it goes without saying.
    pub status_reason: String,
}

impl AccountRow {
    /// 啟用狀態 as it is shown now.
    pub fn state(&self, now: Timestamp) -> AccountState {
        AccountState::of(self.account.status, self.certificates_end, now)
    }

    /// Since when it is so.
    pub fn state_since(&self, now: Timestamp) -> Timestamp {
        match (self.state(now), self.certificates_end) {
            (AccountState::CertificateExpired, Some(end)) => end,
            _ => self.status_since,
        }
    }
}

/// What the progress page shows of a certificate.
#[derive(Clone, Debug)]
pub struct CertificateRow {
    /// 憑證序號.
    pub serial_number: String,
    /// 有效起始日期.
    pub not_before: Timestamp,
    /// 有效迄止日期.
    pub not_after: Timestamp,
}

/// An isskey as it is kept.
#[derive(Clone, Debug)]
pub struct NewIssKey {
    /// For looking it up.
    pub digest: [u8; 16],
    /// For showing it.
    pub sealed: Sealed,
}

/// A certificate that tokens may be signed with.
#[derive(Clone, Debug)]
pub struct CertificateInUse {
    /// Of the certificate.
    pub sha256: Vec<u8>,
    /// The certificate.
    pub der: Vec<u8>,
    /// Whether it is known to be on hold or revoked.
    pub revoked: bool,
}

/// What an upload does to the account's isskey.
#[derive(Clone, Debug)]
pub enum Replacement {
    /// The first upload: a new isskey.
    NewIssKey(NewIssKey),
    /// A later upload: the isskey stays.
    SameIssKey,
}

macro_rules! account_select {
    () => {
        "SELECT accounts.ubn, company_name, host_address, status, approved_at,
    contact_name, landline, mobile, email, ap_id, iss_key_sealed,
    serial_number, not_before, not_after,
    (SELECT max(replaced_at) FROM certificates WHERE ubn = accounts.ubn),
    status_since, status_reason, former_iss_key_until,
    (SELECT max(min(not_after, coalesce(replaced_at, not_after))) FROM certificates WHERE ubn = accounts.ubn)
    FROM accounts LEFT JOIN certificates ON certificates.ubn = accounts.ubn AND replaced_at IS NULL "
    };
}
const ACCOUNT: &str = concat!(account_select!(), "WHERE accounts.ubn = ?1");
const ALL_ACCOUNTS: &str = concat!(account_select!(), "ORDER BY accounts.ubn");
/// What brought an account into its status.
const STATUS_DEED: &str = "SELECT place, entry, leaf FROM audit_log WHERE company = ?1
    AND (act IN ('suspended', 'resumed', 'revoked', 'handed-over') OR act = 'approved' AND EXISTS
        (SELECT 1 FROM cases WHERE cases.id = case_id AND (kind = 'api-application'
            OR kind = 'api-stop' AND cases.id NOT IN (SELECT stop_case FROM handovers))))
    ORDER BY place DESC LIMIT 1";
/// The subquery keeps the parameter out of the join: beside one, SQLite would plan the
/// statement anew for each call (a test looks).
/// An index for each side of the OR would need a temporary table; a company has few certificates.
pub(crate) const CALLER: &str =
    "SELECT accounts.ubn, ap_id, status, host_address, public_key, not_before, not_after,
        calls_per_minute, burst, change_codes, sandbox, revoked_at IS NOT NULL, replaced_at
    FROM accounts CROSS JOIN certificates ON certificates.ubn = accounts.ubn
    WHERE accounts.ubn = (SELECT ubn FROM accounts WHERE iss_key_digest = ?1
        UNION ALL SELECT ubn FROM accounts
            WHERE former_iss_key_digest = ?1 AND former_iss_key_until > (SELECT ?2))
        AND (+replaced_at IS NULL OR +replaced_at > (SELECT ?2))";
const CLAIM_AP_ID: &str = "INSERT INTO ap_ids (ap_id, ubn, issued_at) VALUES (?1, ?2, ?3)
    ON CONFLICT (ap_id) DO NOTHING RETURNING ap_id";
/// A stopped account begins anew, and one whose improvement plan was accepted: another apId,
/// no isskey.
const OPEN_ACCOUNT: &str = "INSERT INTO accounts
    (ubn, company_name, host_address, contact_name, landline, mobile, email, status, ap_id,
     approved_at, status_since)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'active', ?8, ?9, ?9)
    ON CONFLICT (ubn) DO UPDATE SET company_name = excluded.company_name,
        host_address = excluded.host_address, contact_name = excluded.contact_name,
        landline = excluded.landline, mobile = excluded.mobile, email = excluded.email,
        status = excluded.status, ap_id = excluded.ap_id, approved_at = excluded.approved_at,
        status_since = excluded.status_since, status_reason = '', plan_accepted_at = NULL,
        iss_key_digest = NULL, iss_key_sealed = NULL,
        former_iss_key_digest = NULL, former_iss_key_until = NULL
        WHERE accounts.status = 'stopped' OR accounts.plan_accepted_at IS NOT NULL
    RETURNING ubn";
const CHANGE_DATA: &str = "UPDATE accounts SET company_name = ?2, host_address = ?3,
    contact_name = ?4, landline = ?5, mobile = ?6, email = ?7
    WHERE ubn = ?1 AND status = 'active' RETURNING ubn";
const CHANGE_ADDRESS: &str = "UPDATE accounts SET host_address = ?2
    WHERE ubn = ?1 AND status = 'active' RETURNING ubn";
const STOP: &str = "UPDATE accounts SET status = 'stopped', status_since = ?2, status_reason = ''
    WHERE ubn = ?1 AND status = 'active' RETURNING ubn";
/// Former ones that may still be used end then instead.
const END_FORMER_CERTIFICATES: &str =
    "UPDATE certificates SET replaced_at = ?3 WHERE ubn = ?1 AND replaced_at > ?2";
const RETIRE_CERTIFICATE: &str =
    "UPDATE certificates SET replaced_at = ?2 WHERE ubn = ?1 AND replaced_at IS NULL";
const CERTIFICATES_IN_USE: &str = "SELECT sha256, certificate, revoked_at IS NOT NULL
    FROM certificates WHERE (replaced_at IS NULL OR replaced_at > ?1) AND not_after >= ?1
        AND sha256 > ?2 ORDER BY sha256 LIMIT ?3";
const SET_REVOKED: &str = "UPDATE certificates SET revoked_at = ?2 WHERE sha256 = ?1 RETURNING ubn";
const CERTIFICATE_OWNER: &str = "SELECT ubn, replaced_at FROM certificates WHERE sha256 = ?1";
const PUT_CERTIFICATE: &str = "INSERT INTO certificates
    (sha256, ubn, case_id, serial_number, not_before, not_after, public_key, certificate, uploaded_at,
     judgement, possession)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
    ON CONFLICT (sha256) DO UPDATE SET case_id = excluded.case_id,
        judgement = excluded.judgement, possession = excluded.possession, uploaded_at = excluded.uploaded_at, replaced_at = NULL, revoked_at = NULL
        WHERE certificates.ubn = excluded.ubn
    RETURNING ubn";
const SET_ISS_KEY: &str = "UPDATE accounts SET iss_key_digest = ?2, iss_key_sealed = ?3
    WHERE ubn = ?1 AND iss_key_digest IS NULL RETURNING ubn";
/// Without an end the former one ends at once.
const RENEW_ISS_KEY: &str = "UPDATE accounts SET
    former_iss_key_digest = CASE WHEN ?4 IS NULL THEN NULL ELSE iss_key_digest END,
    former_iss_key_until = ?4, iss_key_digest = ?2, iss_key_sealed = ?3
    WHERE ubn = ?1 AND status IN ('active', 'suspended') AND iss_key_digest IS NOT NULL RETURNING ubn";

#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[
    ACCOUNT,
    ALL_ACCOUNTS,
    STATUS_DEED,
    CERTIFICATES_IN_USE,
    SET_REVOKED,
    CALLER,
    CLAIM_AP_ID,
    OPEN_ACCOUNT,
    CHANGE_DATA,
    CHANGE_ADDRESS,
    STOP,
    END_FORMER_CERTIFICATES,
    RETIRE_CERTIFICATE,
    CERTIFICATE_OWNER,
    PUT_CERTIFICATE,
    SET_ISS_KEY,
    RENEW_ISS_KEY,
];

impl CertificateInUse {
    pub(crate) fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            sha256: row.blob(0)?.to_vec(),
            der: row.blob(1)?.to_vec(),
            revoked: row.integer(2)? == 1,
        })
    }
}

impl<D: Database> Cases<D> {
    /// A company's account.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn account(&self, ubn: Ubn) -> Result<Option<AccountRow>, StoreError> {
        self.0.execute(ACCOUNT, &[ubn.as_str().into()])?.first().map(account_row).transpose()
    }

    /// Every account that there ever was.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn accounts(&self) -> Result<Vec<AccountRow>, StoreError> {
        self.0.execute(ALL_ACCOUNTS, &[])?.iter().map(account_row).collect()
    }

    /// Who brought an account into the status that it has, as the log says.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn status_deed(&self, ubn: Ubn) -> Result<Option<Deed>, StoreError> {
        let rows = self.0.execute(STATUS_DEED, &[ubn.as_str().into()])?;
        rows.first().map(|row| crate::audit::log_row(row)?.deed()).transpose()
    }

    /// The caller with this isskey, if it has a certificate in use at this instant.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn caller(
        &self,
        iss_key_digest: [u8; 16],
        now: Timestamp,
    ) -> Result<Option<Caller>, StoreError> {
        let rows = self.0.execute(CALLER, &[iss_key_digest[..].into(), now.into()])?;
        let Some(row) = rows.first() else { return Ok(None) };
        Ok(Some(Caller {
            ubn: row.parsed(0, "統一編號", |text| text.parse().ok())?,
            ap_id: row.text(1)?.to_owned(),
            status: row.parsed(2, "account status", AccountStatus::from_name)?,
            host_address: address(row, 3)?,
            rate: RateLimit { per_minute: count(row, 7)?, burst: count(row, 8)? },
            change_codes: row.integer(9)? == 1,
            sandbox: row.integer(10)? == 1,
            certificates: caller_certificates(&rows)?,
        }))
    }

    /// So many of the certificates that tokens may be signed with now, those after this digest.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn certificates_in_use(
        &self,
        after: &[u8],
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<CertificateInUse>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let parameters = [now.into(), after.into(), limit.into()];
        let rows = self.0.execute(CERTIFICATES_IN_USE, &parameters)?;
        rows.iter().map(CertificateInUse::read).collect()
    }

    /// Says of a certificate that its CA has put it on hold or revoked it, or let it go on;
    /// whose it is. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_revoked(
        &self,
        sha256: &[u8],
        revoked: bool,
        now: Timestamp,
    ) -> Result<Ubn, StoreError> {
        let at = revoked.then_some(now);
        let row = one(self.0.execute(SET_REVOKED, &[sha256.into(), at.into()])?)?;
        let ubn: Ubn = row.parsed(0, "統一編號", |text| text.parse().ok())?;
        let act = if revoked { Act::CertificateRevoked } else { Act::CertificateReleased };
        let deed = Deed::new(Actor::Operator, act, now).on_company(ubn);
        self.log(&deed.with(serde_json::json!({ "certificate": hex::encode(sha256) })))?;
        Ok(ubn)
    }

    /// Brings about what an approval means. Inside the decision's transaction.
    ///
    /// `ap_ids` are candidates for a new account; the first that was never issued is taken.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the account is not in the state that the case
    /// presumes; [`StoreError::ApIdsExhausted`].
    pub fn keep_approval(
        &self,
        row: &CaseRow,
        ap_ids: impl IntoIterator<Item = ApId>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        // A case of another service opens no account.
        let ubn = row.case.applicant.ubn().ok_or(StoreError::Conflict)?;
        let host_address = row.host_address.as_deref().ok_or(StoreError::Conflict)?;
        let mut parameters = vec![
            ubn.as_str().into(),
            row.company_name.as_str().into(),
            host_address.into(),
            row.contact_name.as_str().into(),
            row.landline.clone().into(),
            row.mobile.clone().into(),
            row.email.as_str().into(),
        ];
        match row.case.kind {
            CaseKind::ApiApplication => {
                let ap_id = self.claim_ap_id(ubn, ap_ids, now)?;
                self.end_former_certificates(ubn, now, now)?;
                self.0.execute(RETIRE_CERTIFICATE, &[ubn.as_str().into(), now.into()])?;
                parameters.extend([ap_id.as_str().into(), now.into()]);
                one(self.0.execute(OPEN_ACCOUNT, &parameters)?)?;
            }
            CaseKind::DataChange => {
                one(self.0.execute(CHANGE_DATA, &parameters)?)?;
            }
            CaseKind::AddressChange => {
                let address = [ubn.as_str().into(), host_address.into()];
                one(self.0.execute(CHANGE_ADDRESS, &address)?)?;
            }
            CaseKind::ApiStop => match self.handover_plan(row)? {
                Some(HandoverPlan::Agree(successor)) => {
                    self.agree_handover(row.case.id, ubn, successor, now)?;
                }
                _ => {
                    one(self.0.execute(STOP, &[ubn.as_str().into(), now.into()])?)?;
                }
            },
            // Never under review (a constraint of the schema); by two officers only; and of
            // another service.
            CaseKind::CertificateUpload
            | CaseKind::ImprovementPlan
            | CaseKind::ConfirmationStart
            | CaseKind::ConfirmationStop
            | CaseKind::RegistrationMismatch
            | CaseKind::ManagerChange => {
                return Err(StoreError::Conflict);
            }
        }
        Ok(())
    }

    /// Former certificates that may still be used after `now` end at `end` instead.
    fn end_former_certificates(
        &self,
        ubn: Ubn,
        now: Timestamp,
        end: Timestamp,
    ) -> Result<(), StoreError> {
        let parameters = [ubn.as_str().into(), now.into(), end.into()];
        self.0.execute(END_FORMER_CERTIFICATES, &parameters).map(drop)
    }

    fn claim_ap_id(
        &self,
        ubn: Ubn,
        candidates: impl IntoIterator<Item = ApId>,
        now: Timestamp,
    ) -> Result<ApId, StoreError> {
        for candidate in candidates {
            let parameters = [candidate.as_str().into(), ubn.as_str().into(), now.into()];
            if self.0.execute(CLAIM_AP_ID, &parameters)?.len() == 1 {
                return Ok(candidate);
            }
        }
        Err(StoreError::ApIdsExhausted)
    }

    /// Keeps an upload: its case, the certificate in place of the former one, and the
    /// isskey of a first upload. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::CertificateBound`] when another company uses the certificate.
    pub fn keep_upload(
        &self,
        upload: &CertificateUpload,
        replacement: &Replacement,
        evidence: Evidence<'_>,
    ) -> Result<(), StoreError> {
        self.keep_upload_case(upload, evidence)?;
        let case = &upload.case;
        let ubn = case.applicant.ubn().ok_or(StoreError::Conflict)?;
        if let Some(proof) = &upload.possession {
            let (challenge, at) = (&proof.challenge, case.submitted_at);
            self.consume_possession_challenge(challenge, evidence.origin, ubn, at)?;
        }
        let certificate = upload.certificate.certificate();
        let fingerprint = certificate.fingerprint();
        let owners = self.0.execute(CERTIFICATE_OWNER, &[fingerprint.0[..].into()])?;
        let mut in_use = false;
        if let Some(owner) = owners.first() {
            if owner.text(0)? != ubn.as_str() {
                return Err(StoreError::CertificateBound);
            }
            in_use = owner.is_null(1);
        }
        let (now, end) = (case.submitted_at, upload.former_ends_at);
        if in_use || end == now {
            // The same certificate again says only until when the former one is used; without
            // a day every former one ends.
            self.end_former_certificates(ubn, now, end)?;
        }
        if !in_use {
            // What was promised to one before it stays.
            self.0.execute(RETIRE_CERTIFICATE, &[ubn.as_str().into(), end.into()])?;
        }
        one(self.0.execute(
            PUT_CERTIFICATE,
            &[
                fingerprint.0[..].into(),
                ubn.as_str().into(),
                case.id.to_string().into(),
                certificate.serial_number().into(),
                certificate.not_before().into(),
                certificate.not_after().into(),
                upload.certificate.key().pkcs1().into(),
                certificate.der().into(),
                case.submitted_at.into(),
                crate::cases::json(upload.certificate.judgement())?.into(),
                upload.possession.as_ref().map(crate::cases::json).transpose()?.into(),
            ],
        )?)?;
        match replacement {
            Replacement::NewIssKey(key) => self.keep_iss_key(ubn, key),
            Replacement::SameIssKey => Ok(()),
        }
    }

    /// Keeps the isskey of an account that has none. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it has one.
    pub fn keep_iss_key(&self, ubn: Ubn, key: &NewIssKey) -> Result<(), StoreError> {
        let NewIssKey { digest, sealed } = key;
        let parameters = [ubn.as_str().into(), digest[..].into(), sealed.0.as_slice().into()];
        one(self.0.execute(SET_ISS_KEY, &parameters)?).map(drop)
    }

    /// Puts another isskey in the place of the account's; the former one is taken until
    /// `former_until` as well, or ends at once. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::AccountState`] when the account is closed or has none.
    pub fn renew_iss_key(
        &self,
        ubn: Ubn,
        key: &NewIssKey,
        former_until: Option<Timestamp>,
        by: Actor,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let NewIssKey { digest, sealed } = key;
        let parameters = [
            ubn.as_str().into(),
            digest[..].into(),
            sealed.0.as_slice().into(),
            former_until.into(),
        ];
        if self.0.execute(RENEW_ISS_KEY, &parameters)?.len() != 1 {
            return Err(StoreError::AccountState);
        }
        let act = if former_until.is_some() { Act::KeyRenewed } else { Act::KeyBlocked };
        self.log(&Deed::new(by, act, now).on_company(ubn))
    }
}

fn address(row: &Row, index: usize) -> Result<IpAddr, StoreError> {
    row.parsed(index, "address", |text| text.parse().ok())
}

fn account_row(row: &Row) -> Result<AccountRow, StoreError> {
    let certificate = if row.is_null(11) {
        None
    } else {
        Some(CertificateRow {
            serial_number: row.text(11)?.to_owned(),
            not_before: row.instant(12)?,
            not_after: row.instant(13)?,
        })
    };
    Ok(AccountRow {
        account: Account {
            ubn: row.parsed(0, "統一編號", |text| text.parse().ok())?,
            company_name: row.text(1)?.to_owned(),
            host_address: HostAddress::registered(address(row, 2)?),
            status: row.parsed(3, "account status", AccountStatus::from_name)?,
            approved_at: row.instant(4)?,
        },
        contact_name: row.text(5)?.to_owned(),
        landline: row.optional_text(6)?,
        mobile: row.optional_text(7)?,
        email: row.text(8)?.to_owned(),
        ap_id: row.text(9)?.to_owned(),
        iss_key: if row.is_null(10) { None } else { Some(Sealed(row.blob(10)?.to_vec())) },
        certificates_end: match certificate {
            None => None,
            Some(_) => row.optional_instant(18)?,
        },
        certificate,
        former_ends_at: row.optional_instant(14)?,
        status_since: row.instant(15)?,
        status_reason: row.text(16)?.to_owned(),
        former_iss_key_until: row.optional_instant(17)?,
    })
}

fn count(row: &Row, index: usize) -> Result<u32, StoreError> {
    let number = row.integer(index)?;
    u32::try_from(number)
        .map_err(|_| StoreError::Inconsistent { what: "limit", found: number.to_string() })
}

/// The one in use first, then the former ones, the latest first.
fn caller_certificates(rows: &[Row]) -> Result<Vec<CallerCertificate>, StoreError> {
    let with_end = |row: &Row| {
        let ends = row.optional_instant(12)?.unwrap_or(Timestamp::MAX);
        Ok((Reverse(ends), caller_certificate(row)?))
    };
    let mut found = rows.iter().map(with_end).collect::<Result<Vec<_>, StoreError>>()?;
    found.sort_by_key(|(ends, _)| *ends);
    Ok(found.into_iter().map(|(_, certificate)| certificate).collect())
}

fn caller_certificate(row: &Row) -> Result<CallerCertificate, StoreError> {
    let public_key = row.blob(4)?.to_vec();
    Ok(CallerCertificate {
        public_key,
        not_before: row.instant(5)?,
        not_after: row.instant(6)?,
        revoked: row.integer(11)? == 1,
    })
}
