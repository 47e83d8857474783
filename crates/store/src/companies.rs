//! The company register as it was imported, and the accounts that do not fit it.

use domain::{AccountStatus, RegisterEntry, RegisterFinding, Ubn, compare_with_register};
use jiff::Timestamp;
use jiff::civil::Date;

use crate::{Cases, Database, Row, StoreError};

/// An account that does not fit the register.
#[derive(Clone, Debug)]
pub struct SweepRow {
    /// 統一編號.
    pub ubn: Ubn,
    /// The name on file.
    pub company_name: String,
    /// 啟用 or 暫停.
    pub status: AccountStatus,
    /// What is not in order.
    pub finding: RegisterFinding,
    /// What the register says instead.
    pub entry: Option<RegisterEntry>,
}

const FORGET: &str = "DELETE FROM companies";
const PUT: &str = "INSERT INTO companies (ubn, name, status, business) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (ubn) DO UPDATE SET name = excluded.name, status = excluded.status,
        business = excluded.business";
const SNAPSHOT: &str = "INSERT INTO company_snapshot (id, as_of, imported_at) VALUES (1, ?1, ?2)
    ON CONFLICT (id) DO UPDATE SET as_of = excluded.as_of, imported_at = excluded.imported_at";
const AS_OF: &str = "SELECT as_of FROM company_snapshot";
const FIND: &str = "SELECT name, status, business FROM companies WHERE ubn = ?1";
const LIVE_ACCOUNTS: &str = "SELECT companies.name, companies.status, companies.business,
    accounts.ubn, company_name, accounts.status
    FROM accounts LEFT JOIN companies ON companies.ubn = accounts.ubn
    WHERE accounts.status IN ('active', 'suspended') ORDER BY accounts.ubn";

#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[FORGET, PUT, SNAPSHOT, AS_OF, FIND, LIVE_ACCOUNTS];

impl<D: Database> Cases<D> {
    /// Begins the import of a new snapshot: the former one goes. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn begin_companies(&self, as_of: Date, now: Timestamp) -> Result<(), StoreError> {
        self.0.execute(FORGET, &[])?;
        self.0.execute(SNAPSHOT, &[as_of.to_string().into(), now.into()]).map(drop)
    }

    /// Puts a company into the snapshot. Inside the import's transaction.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_company(&self, ubn: &str, entry: &RegisterEntry) -> Result<(), StoreError> {
        let parameters = [
            ubn.into(),
            entry.name.as_str().into(),
            entry.status.as_str().into(),
            entry.business.as_str().into(),
        ];
        self.0.execute(PUT, &parameters).map(drop)
    }

    /// The day of the snapshot, if one was ever imported.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn companies_as_of(&self) -> Result<Option<Date>, StoreError> {
        let rows = self.0.execute(AS_OF, &[])?;
        let day = |row: &Row| row.parsed(0, "day", |text| text.parse().ok());
        rows.first().map(day).transpose()
    }

    /// What the register says of a company.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn company(&self, ubn: Ubn) -> Result<Option<RegisterEntry>, StoreError> {
        self.0.execute(FIND, &[ubn.as_str().into()])?.first().map(entry).transpose()
    }

    /// Accounts that are 啟用 or 暫停 and do not fit the register (rule 10).
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn sweep(&self) -> Result<Vec<SweepRow>, StoreError> {
        let mut found = Vec::new();
        for row in &self.0.execute(LIVE_ACCOUNTS, &[])? {
            let registered = if row.is_null(0) { None } else { Some(entry(row)?) };
            let company_name = row.text(4)?.to_owned();
            if let Some(finding) = compare_with_register(&company_name, registered.as_ref()) {
                found.push(SweepRow {
                    ubn: row.parsed(3, "統一編號", |text| text.parse().ok())?,
                    company_name,
                    status: row.parsed(5, "account status", AccountStatus::from_name)?,
                    finding,
                    entry: registered,
                });
            }
        }
        Ok(found)
    }
}

fn entry(row: &Row) -> Result<RegisterEntry, StoreError> {
    Ok(RegisterEntry {
        name: row.text(0)?.to_owned(),
        status: row.text(1)?.to_owned(),
        business: row.text(2)?.to_owned(),
    })
}
