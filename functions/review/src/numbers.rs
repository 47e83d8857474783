//! Numbers: what waits and how long, what was decided, on what grounds; and all of it as a table
//! for a spreadsheet (CSV, ODS). A text that a spreadsheet could take for a formula is none there.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};

use bytes::Bytes;
use domain::{
    Act, Actor, CaseState, Ground, Officer, RocDateTime, RocDay, TAIPEI, working_days_left,
};
use html_escape::encode_text;
use http::StatusCode;
use jiff::SignedDuration;
use serde::Serialize;
use serde_json::json;
use store::schema::Label;
use store::{CaseRow, Cases, Deed, Transaction};
use web::{Problem, Reply};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// How far back decisions are counted.
const WEEKS: i64 = 12;

#[derive(Serialize, Default)]
struct Week {
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
    let mut weeks: BTreeMap<String, Week> = BTreeMap::new();
    let mut grounds: BTreeMap<&'static str, usize> = BTreeMap::new();
    for (at, state, given) in cases.decisions(now - SignedDuration::from_hours(WEEKS * 7 * 24))? {
        let week = TAIPEI.to_datetime(at).date().iso_week_date();
        let name = format!("{}-W{:02}", week.year(), week.week());
        let week = weeks.entry(name.clone()).or_insert(Week { week: name, ..Week::default() });
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
    let body = json!({ "backlog": backlog, "weeks": weeks, "grounds": grounds });
    Ok(web::json(StatusCode::OK, &body))
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

fn table(rows: &[CaseRow], calendar: &domain::OfficeCalendar) -> Vec<[String; 10]> {
    let line = |row: &CaseRow| {
        let due = Some(row.case.state)
            .filter(|state| *state == CaseState::Accepted)
            .and_then(|_| row.clock.due(calendar));
        let words: Vec<_> = row.grounds.iter().map(|ground: &Ground| ground.word()).collect();
        [
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

/// `?format=csv` or `?format=ods`: every case, without anybody's personal data.
pub(crate) fn export(officer: &Officer, query: &str) -> Result<Reply, Problem> {
    let format = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "format");
    let ods = format.is_some_and(|(_, value)| value == "ods");
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    let cases = Cases(&transaction);
    let lines = table(&cases.all_cases()?, &cases.calendar()?);
    let deed = Deed::new(Actor::Officer(officer.id), Act::Exported, web::now());
    cases.log(&deed.with(json!({ "cases": lines.len() })))?;
    transaction.commit()?;
    if ods {
        let kind = "application/vnd.oasis.opendocument.spreadsheet";
        web::download("chayan-cases.ods", kind, spreadsheet(&lines).map_err(Problem::internal)?)
    } else {
        let text = csv(&lines).map_err(Problem::internal)?;
        web::download("chayan-cases.csv", "text/csv; charset=utf-8", text)
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
fn csv(lines: &[[String; 10]]) -> anyhow::Result<Bytes> {
    let mut writer = csv::Writer::from_writer("\u{feff}".as_bytes().to_vec());
    writer.write_record(HEAD)?;
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
fn spreadsheet(lines: &[[String; 10]]) -> anyhow::Result<Bytes> {
    let mut content = String::from(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" office:version="1.2"><office:body><office:spreadsheet><table:table table:name="案件">"#,
    );
    let head = HEAD.map(str::to_owned);
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
