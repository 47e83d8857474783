//! Numbers: what waits and how long, what was decided, on what grounds; and all of it as a table
//! for a spreadsheet (CSV, ODS). A text that a spreadsheet could take for a formula is none there.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};

use bytes::Bytes;
use domain::{
    AccountState, Act, Actor, CaseState, Ground, Officer, RocDateTime, RocDay, TAIPEI, TaipeiDay,
    Ubn, working_days_left,
};
use html_escape::encode_text;
use http::StatusCode;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::json;
use store::schema::Label;
use store::{AccountRow, Calls, CaseRow, Cases, DayCount, Deed, Transaction};
use web::{Problem, Reply};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// How far back decisions are counted.
const WEEKS: i64 = 12;

#[derive(Serialize, Default)]
struct Week {
    /// Its Monday, `112/11/13起`.
    week: String,
    approved: usize,
    rejected: usize,
}

#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct Backlog {
    open: usize,
    waiting: usize,
    overdue: usize,
    /// 申請日期 of the oldest, `112/11/17`.
    oldest: Option<String>,
    /// Open cases by how many days ago they were submitted: up to 7, up to 14, up to 28, more.
    by_age: [usize; 4],
}

/// Which of the ages of [`Backlog::by_age`] so many days are.
fn age(days: i64) -> usize {
    [7, 14, 28].iter().take_while(|limit| days > **limit).count()
}

pub(crate) fn numbers() -> Result<Reply, Problem> {
    let now = web::now();
    let cases = Cases(store::spin::open(Label::Cases)?);
    let calendar = cases.calendar()?;
    let mut backlog = Backlog::default();
    for row in cases.open_cases()? {
        backlog.open += 1;
        backlog.waiting += usize::from(row.waiting_since().is_some());
        let due = row.clock.due(&calendar);
        let overdue = due.is_some_and(|day| working_days_left(&calendar, day, now) < 0);
        backlog.overdue += usize::from(overdue);
        let submitted = row.case.submitted_at;
        backlog.oldest.get_or_insert_with(|| RocDay::of(submitted).to_string());
        let days = now.duration_since(submitted).as_hours() / 24;
        if let Some(count) = backlog.by_age.get_mut(age(days)) {
            *count += 1;
        }
    }
    let mut weeks: BTreeMap<Date, Week> = BTreeMap::new();
    let mut grounds: BTreeMap<&'static str, usize> = BTreeMap::new();
    for (at, state, given) in cases.decisions(now - SignedDuration::from_hours(WEEKS * 7 * 24))? {
        let day = TAIPEI.to_datetime(at).date();
        let monday = RocDay(day).plus(-i64::from(day.weekday().to_monday_zero_offset()));
        let fresh = Week { week: format!("{monday}起"), ..Week::default() };
        let week = weeks.entry(monday.0).or_insert(fresh);
        match state {
            CaseState::Approved => week.approved += 1,
            _ => week.rejected += 1,
        }
        for ground in given {
            *grounds.entry(ground.word()).or_default() += 1;
        }
    }
    let grounds: Vec<_> =
        grounds.iter().map(|(word, count)| json!({ "word": word, "count": count })).collect();
    let weeks: Vec<Week> = weeks.into_values().rev().collect();
    let accounts = cases.accounts()?;
    let states = AccountState::ALL.map(|state| {
        let count = accounts.iter().filter(|row| row.state(now) == state).count();
        json!({ "state": state.name(), "word": state.word(), "count": count })
    });
    let mut usage = usage(&accounts, now)?;
    usage.sort_by_key(|used| std::cmp::Reverse(used.calls));
    usage.truncate(USAGE);
    let body = json!({
        "backlog": backlog, "weeks": weeks, "grounds": grounds, "accounts": states, "usage": usage,
    });
    Ok(web::json(StatusCode::OK, &body))
}

/// Companies that a page shows.
const USAGE: usize = 50;

/// What a company's system has called in the last 31 days.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UsageView {
    ubn: Ubn,
    company_name: String,
    status_word: &'static str,
    calls: i64,
    /// Codes 2 to 4.
    wrong: i64,
    refused: i64,
    /// `112/11/17 14:35:04`.
    last_at: Option<String>,
}

fn usage(accounts: &[AccountRow], now: Timestamp) -> Result<Vec<UsageView>, Problem> {
    let record = Calls(store::spin::open(Label::Calls)?);
    let from = TaipeiDay::of(now - SignedDuration::from_hours(24 * 30));
    let mut views = Vec::new();
    for row in accounts {
        let sum = |counted: &[DayCount], wrong: bool| -> i64 {
            // Test mode is no use.
            let of = counted.iter().filter(|one| !one.sandbox);
            let of = of.filter(|one| !wrong || "234".contains(&one.what));
            of.map(|one| one.count).sum()
        };
        let days = record.days(&row.ap_id, from)?;
        views.push(UsageView {
            ubn: row.account.ubn,
            company_name: row.account.company_name.clone(),
            status_word: row.state(now).word(),
            calls: sum(&days, false),
            wrong: sum(&days, true),
            refused: sum(&record.refusals(&row.ap_id, from)?, false),
            last_at: record.last_call(&row.ap_id)?.map(|at| RocDateTime(at).to_string()),
        });
    }
    Ok(views)
}

const USAGE_HEAD: [&str; 7] = [
    "營利事業統一編號",
    "公司名稱",
    "啟用狀態",
    "最近31天查驗",
    "其中不符",
    "未受理",
    "最近一次查驗",
];

fn usage_table(rows: Vec<UsageView>) -> Vec<Vec<String>> {
    let line = |row: UsageView| {
        vec![
            row.ubn.to_string(),
            row.company_name,
            row.status_word.to_owned(),
            row.calls.to_string(),
            row.wrong.to_string(),
            row.refused.to_string(),
            row.last_at.unwrap_or_default(),
        ]
    };
    rows.into_iter().map(line).collect()
}

const HEAD: [&str; 10] = [
    "S/N",
    "申請事項",
    "營利事業統一編號",
    "公司名稱",
    "申請日期",
    "狀態",
    "到期日",
    "審核日期",
    "理由",
    "承辦人",
];

fn table(rows: &[CaseRow], calendar: &domain::OfficeCalendar) -> Vec<Vec<String>> {
    let line = |row: &CaseRow| {
        let due = Some(row.case.state)
            .filter(|state| *state == CaseState::Accepted)
            .and_then(|_| row.clock.due(calendar));
        let words: Vec<_> = row.grounds.iter().map(|ground: &Ground| ground.word()).collect();
        vec![
            row.case.id.to_string(),
            row.case.kind.case_word().to_owned(),
            row.case.applicant.to_string(),
            row.company_name.clone(),
            RocDateTime(row.case.submitted_at).to_string(),
            row.case.state.word().to_owned(),
            due.map(|day| RocDay(day).to_string()).unwrap_or_default(),
            row.decided_at.map(|at| RocDateTime(at).to_string()).unwrap_or_default(),
            words.join("；"),
            row.assigned_name.clone().unwrap_or_default(),
        ]
    };
    rows.iter().map(line).collect()
}

/// `?format=csv` or `?format=ods`: every case, or with `of=usage` what each company's system has
/// called; without anybody's personal data.
pub(crate) fn export(officer: &Officer, query: &str) -> Result<Reply, Problem> {
    let asked = |name: &str, value: &str| {
        form_urlencoded::parse(query.as_bytes()).any(|pair| pair == (name.into(), value.into()))
    };
    let (ods, of_usage) = (asked("format", "ods"), asked("of", "usage"));
    let now = web::now();
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    let cases = Cases(&transaction);
    let (name, head, lines, counted) = match of_usage {
        true => {
            let lines = usage_table(usage(&cases.accounts()?, now)?);
            ("usage", &USAGE_HEAD[..], lines, "accounts")
        }
        false => {
            let lines = table(&cases.all_cases()?, &cases.calendar()?);
            ("cases", &HEAD[..], lines, "cases")
        }
    };
    let deed = Deed::new(Actor::Officer(officer.id), Act::Exported, now);
    cases.log(&deed.with(json!({ counted: lines.len() })))?;
    transaction.commit()?;
    if ods {
        let kind = "application/vnd.oasis.opendocument.spreadsheet";
        let file = spreadsheet(head, &lines).map_err(Problem::internal)?;
        web::download(&format!("chayan-{name}.ods"), kind, file)
    } else {
        let text = csv(head, &lines).map_err(Problem::internal)?;
        web::download(&format!("chayan-{name}.csv"), "text/csv; charset=utf-8", text)
    }
}

/// What begins like a formula gets an apostrophe in front, which spreadsheets take for "this is
/// a text".
fn harmless(text: &str) -> String {
    match text.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r' | '＝' | '＋' | '－' | '＠') => {
            format!("'{text}")
        }
        _ => text.to_owned(),
    }
}

/// UTF-8 with the mark by which Excel knows it.
fn csv(head: &[&str], lines: &[Vec<String>]) -> anyhow::Result<Bytes> {
    let mut writer = csv::Writer::from_writer("\u{feff}".as_bytes().to_vec());
    writer.write_record(head)?;
    for line in lines {
        writer.write_record(line.iter().map(|text| harmless(text)))?;
    }
    Ok(writer.into_inner()?.into())
}

const MANIFEST: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0" manifest:version="1.2">
<manifest:file-entry manifest:full-path="/" manifest:version="1.2" manifest:media-type="application/vnd.oasis.opendocument.spreadsheet"/>
<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/>
</manifest:manifest>"#;

/// OpenDocument 1.2: every cell says that it is a text, so none is a formula.
fn spreadsheet(head: &[&str], lines: &[Vec<String>]) -> anyhow::Result<Bytes> {
    let mut content = String::from(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" office:version="1.2"><office:body><office:spreadsheet><table:table table:name="清單">"#,
    );
    let head: Vec<String> = head.iter().map(|text| (*text).to_owned()).collect();
    for line in std::iter::once(&head).chain(lines) {
        content.push_str("<table:table-row>");
        for text in line {
            content.push_str(r#"<table:table-cell office:value-type="string"><text:p>"#);
            content.push_str(&encode_text(text));
            content.push_str("</text:p></table:table-cell>");
        }
        content.push_str("</table:table-row>");
    }
    content.push_str("</table:table></office:spreadsheet></office:body></office:document-content>");
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in [
        // First, and as it is: by it the format is known.
        ("mimetype", "application/vnd.oasis.opendocument.spreadsheet"),
        ("content.xml", &content),
        ("META-INF/manifest.xml", MANIFEST),
    ] {
        archive.start_file(name, stored)?;
        archive.write_all(text.as_bytes())?;
    }
    Ok(archive.finish()?.into_inner().into())
}
