//! Import of the office calendar, of the company register and of the register of organisations. All or nothing.

use std::path::Path;

use anyhow::{Context, bail};
use domain::{Act, Actor, RegisterEntry};
use jiff::civil::Date;
use serde::Deserialize;
use store::native::Native;
use store::{Cases, Deed, OrganisationEntry, Transaction};

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
    anyhow::ensure!(!malformed, "neither UTF-8 nor Big5");
    let transaction = Transaction::begin(database)?;
    let cases = Cases(&transaction);
    let mut imported = 0;
    for line in csv::Reader::from_reader(text.as_bytes()).deserialize() {
        let number = imported + 2;
        let CalendarLine { day, free, note } = line.with_context(|| format!("line {number}"))?;
        let day = Date::strptime("%Y%m%d", day.trim()).with_context(|| format!("line {number}"))?;
        let working = match free {
            0 => true,
            2 => false,
            other => bail!("line {number}: 是否放假 is {other}, neither 0 nor 2"),
        };
        cases.put_calendar_day(day, working, &note, false)?;
        imported += 1;
    }
    anyhow::ensure!(imported > 0, "no days in this file");
    let deed = Deed::new(Actor::Operator, Act::CalendarImported, jiff::Timestamp::now());
    cases.log(&deed.with(serde_json::json!({ "days": imported })))?;
    transaction.commit()?;
    Ok(imported)
}

/// A line of the register of organisations.
#[derive(Deserialize)]
struct OrganisationLine {
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

/// Replaces the register of organisations in one transaction and returns their number: a file
/// that breaks off leaves the former one as it was.
pub(crate) fn organisations(database: &Native, file: &Path, as_of: Date) -> anyhow::Result<u64> {
    let mut reader =
        csv::Reader::from_path(file).with_context(|| format!("cannot read {}", file.display()))?;
    let transaction = Transaction::begin(database)?;
    let cases = Cases(&transaction);
    let now = jiff::Timestamp::now();
    let today = domain::RocDay::of(now).0;
    anyhow::ensure!(as_of <= today, "{as_of} is yet to come");
    if let Some(known) = cases.organisations_as_of()? {
        anyhow::ensure!(known <= as_of, "there is a newer register already, of {known}");
    }
    cases.begin_organisations(as_of, now)?;
    let mut imported = 0;
    for line in reader.deserialize() {
        let number = imported + 2;
        let line: OrganisationLine = line.with_context(|| format!("line {number}"))?;
        let code = line.code.parse();
        let code = code.map_err(|problem| anyhow::anyhow!("line {number}: 機關代號: {problem}"))?;
        let key = domain::organisation_number(&line.number);
        let key = key.map_err(|_| {
            anyhow::anyhow!("line {number}: neither an organisation OID nor a 統一編號")
        })?;
        let name = line.name.trim().to_owned();
        anyhow::ensure!(!name.is_empty(), "line {number}: no 機關名稱");
        let entry = OrganisationEntry { name, key, region: line.region.trim().to_owned() };
        cases.put_organisation(&code, &entry).with_context(|| format!("line {number}"))?;
        imported += 1;
    }
    anyhow::ensure!(imported > 0, "no organisations in this file");
    let deed = Deed::new(Actor::Operator, Act::OrganisationsImported, now);
    let details = serde_json::json!({ "organisations": imported, "asOf": as_of.to_string() });
    cases.log(&deed.with(details))?;
    transaction.commit()?;
    Ok(imported)
}

/// A line of the company register.
#[derive(Deserialize)]
struct CompanyLine {
    #[serde(rename = "統一編號")]
    ubn: String,
    #[serde(rename = "公司名稱")]
    name: String,
    #[serde(rename = "公司狀況")]
    status: String,
    #[serde(rename = "所營事業", default)]
    business: String,
}

/// Replaces the snapshot of the company register in one transaction and returns the number of
/// companies: a file that breaks off leaves the former snapshot as it was.
pub(crate) fn companies(database: &Native, file: &Path, as_of: Date) -> anyhow::Result<u64> {
    let mut reader =
        csv::Reader::from_path(file).with_context(|| format!("cannot read {}", file.display()))?;
    let transaction = Transaction::begin(database)?;
    let cases = Cases(&transaction);
    let now = jiff::Timestamp::now();
    let today = domain::RocDay::of(now).0;
    anyhow::ensure!(as_of <= today, "{as_of} is yet to come");
    if let Some(known) = cases.companies_as_of()? {
        anyhow::ensure!(known <= as_of, "there is a newer snapshot already, of {known}");
    }
    cases.begin_companies(as_of, now)?;
    let mut imported = 0;
    for line in reader.deserialize() {
        let number = imported + 2;
        let CompanyLine { ubn, name, status, business } =
            line.with_context(|| format!("line {number}"))?;
        let ubn = ubn.trim();
        let whole = ubn.len() == 8 && ubn.bytes().all(|byte| byte.is_ascii_digit());
        anyhow::ensure!(whole, "line {number}: a 統一編號 has eight digits");
        cases.put_company(ubn, &RegisterEntry { name, status, business })?;
        imported += 1;
    }
    anyhow::ensure!(imported > 0, "no companies in this file");
    let deed = Deed::new(Actor::Operator, Act::CompaniesImported, now);
    let details = serde_json::json!({ "companies": imported, "asOf": as_of.to_string() });
    cases.log(&deed.with(details))?;
    transaction.commit()?;
    Ok(imported)
}
