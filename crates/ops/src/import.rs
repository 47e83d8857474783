//! Import of the office calendar, of the company register and of the register of organisations. All or nothing.

use std::path::Path;

use anyhow::{Context, anyhow, bail, ensure};
use domain::{Act, Actor, RegisterEntry};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use store::native::Native;
use store::{Cases, Database, Deed, OrganisationEntry, StoreError, Transaction};

/// Takes every line of a file, and returns their number, which is not zero.
fn each<L: DeserializeOwned>(
    file: csv::Reader<impl std::io::Read>,
    what: &str,
    mut take: impl FnMut(L) -> anyhow::Result<()>,
) -> anyhow::Result<u64> {
    let mut taken = 0;
    for line in file.into_deserialize() {
        let number = taken + 2;
        line.map_err(Into::into).and_then(&mut take).with_context(|| format!("line {number}"))?;
        taken += 1;
    }
    ensure!(taken > 0, "no {what} in this file");
    Ok(taken)
}

/// A line of the office calendar.
#[derive(Deserialize)]
struct CalendarLine {
    #[serde(rename = "西元日期")]
    day: String,
    /// 0: worked; 2: not.
    #[serde(rename = "是否放假")]
    free: u8,
    #[serde(rename = "備註", default)]
    note: String,
}

/// Imports a year of the office calendar in one transaction and returns the number of days.
pub(crate) fn calendar(database: &Native, file: &Path) -> anyhow::Result<u64> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    // Published in Big5 until 106, in UTF-8 with a mark since.
    let (text, _, malformed) = match std::str::from_utf8(&bytes) {
        Ok(_) => encoding_rs::UTF_8.decode(&bytes),
        Err(_) => encoding_rs::BIG5.decode(&bytes),
    };
    ensure!(!malformed, "neither UTF-8 nor Big5");
    let transaction = Transaction::begin(database)?;
    let cases = Cases(&transaction);
    let days = csv::Reader::from_reader(text.as_bytes());
    let imported = each(days, "days", |CalendarLine { day, free, note }| {
        let day = Date::strptime("%Y%m%d", day.trim())?;
        let working = match free {
            0 => true,
            2 => false,
            other => bail!("是否放假 is {other}, neither 0 nor 2"),
        };
        Ok(cases.put_calendar_day(day, working, &note, false)?)
    })?;
    let deed = Deed::new(Actor::Operator, Act::CalendarImported, Timestamp::now());
    cases.log(&deed.with(json!({ "days": imported })))?;
    transaction.commit()?;
    Ok(imported)
}

/// A line of a register that is replaced as a whole.
pub(crate) trait Snapshot: DeserializeOwned {
    /// What the register names.
    const WHAT: &str;
    /// Its import in the log.
    const ACT: Act;

    /// The day of the one that is known.
    fn known(cases: &Cases<impl Database>) -> Result<Option<Date>, StoreError>;

    /// Empties it.
    fn begin(cases: &Cases<impl Database>, as_of: Date, now: Timestamp) -> Result<(), StoreError>;

    /// Keeps this line.
    fn put(self, cases: &Cases<impl Database>) -> anyhow::Result<()>;
}

/// Replaces a register in one transaction and returns the number of its lines: a file that breaks
/// off leaves the former one as it was.
pub(crate) fn replace<S: Snapshot>(
    database: &Native,
    file: &Path,
    as_of: Date,
) -> anyhow::Result<u64> {
    let reader =
        csv::Reader::from_path(file).with_context(|| format!("cannot read {}", file.display()))?;
    let transaction = Transaction::begin(database)?;
    let cases = Cases(&transaction);
    let now = Timestamp::now();
    ensure!(as_of <= domain::RocDay::of(now).0, "{as_of} is yet to come");
    if let Some(known) = S::known(&cases)? {
        ensure!(known <= as_of, "there is a newer one already, of {known}");
    }
    S::begin(&cases, as_of, now)?;
    let imported = each(reader, S::WHAT, |line: S| line.put(&cases))?;
    let deed = Deed::new(Actor::Operator, S::ACT, now);
    cases.log(&deed.with(json!({ S::WHAT: imported, "asOf": as_of.to_string() })))?;
    transaction.commit()?;
    Ok(imported)
}

/// A line of the register of organisations.
#[derive(Deserialize)]
pub(crate) struct OrganisationLine {
    #[serde(rename = "機關代號")]
    code: String,
    #[serde(rename = "機關名稱")]
    name: String,
    /// Organisation OID, or a company's 統一編號.
    #[serde(rename = "OID或統一編號")]
    number: String,
    #[serde(rename = "縣市", default)]
    region: String,
}

impl Snapshot for OrganisationLine {
    const WHAT: &str = "organisations";
    const ACT: Act = Act::OrganisationsImported;

    fn known(cases: &Cases<impl Database>) -> Result<Option<Date>, StoreError> {
        cases.organisations_as_of()
    }

    fn begin(cases: &Cases<impl Database>, as_of: Date, now: Timestamp) -> Result<(), StoreError> {
        cases.begin_organisations(as_of, now)
    }

    fn put(self, cases: &Cases<impl Database>) -> anyhow::Result<()> {
        let code = self.code.parse().map_err(|problem| anyhow!("機關代號: {problem}"))?;
        let key = domain::organisation_number(&self.number)
            .map_err(|_| anyhow!("neither an organisation OID nor a 統一編號"))?;
        let name = self.name.trim().to_owned();
        ensure!(!name.is_empty(), "no 機關名稱");
        let entry = OrganisationEntry { name, key, region: self.region.trim().to_owned() };
        Ok(cases.put_organisation(&code, &entry)?)
    }
}

/// A line of the company register.
#[derive(Deserialize)]
pub(crate) struct CompanyLine {
    #[serde(rename = "統一編號")]
    ubn: String,
    #[serde(rename = "公司名稱")]
    name: String,
    #[serde(rename = "公司狀況")]
    status: String,
    #[serde(rename = "所營事業", default)]
    business: String,
}

impl Snapshot for CompanyLine {
    const WHAT: &str = "companies";
    const ACT: Act = Act::CompaniesImported;

    fn known(cases: &Cases<impl Database>) -> Result<Option<Date>, StoreError> {
        cases.companies_as_of()
    }

    fn begin(cases: &Cases<impl Database>, as_of: Date, now: Timestamp) -> Result<(), StoreError> {
        cases.begin_companies(as_of, now)
    }

    fn put(self, cases: &Cases<impl Database>) -> anyhow::Result<()> {
        let Self { ubn, name, status, business } = self;
        let ubn = ubn.trim();
        let whole = ubn.len() == 8 && ubn.bytes().all(|byte| byte.is_ascii_digit());
        ensure!(whole, "a 統一編號 has eight digits");
        Ok(cases.put_company(ubn, &RegisterEntry { name, status, business })?)
    }
}
