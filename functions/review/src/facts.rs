//! What an officer should know beside a case: from the card, the records and the registers.

use domain::{RegisterFinding, RocDateTime, RocDay, Service, compare_with_register};
use jiff::Timestamp;
use serde::Serialize;
use store::{AccountRow, CaseRow, Cases, Database};
use web::Problem;

const FORM: &str = "申請表";
const ANNEX: &str = "用戶身分確認服務系統申請表";
const CARD: &str = "工商憑證";
const ORGANISATION_CARD: &str = "機關憑證";
const CITIZEN_CARD: &str = "自然人憑證";
const TYPED: &str = "申請人填寫";
const ORGANISATIONS: &str = "機關資料";
const RECORDS: &str = "本服務紀錄";
const REGISTER: &str = "商工登記快照";

/// Something that an officer should know, where it comes from and of when it is.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Fact {
    name: &'static str,
    text: String,
    source: &'static str,
    at: Option<String>,
    /// Whether it deserves a second glance.
    notable: bool,
}

/// What is known of a case from card, records and registers.
pub(crate) fn of(
    cases: &Cases<impl Database>,
    row: &CaseRow,
    account: Option<&AccountRow>,
    now: Timestamp,
) -> Result<Vec<Fact>, Problem> {
    let roc = |at: Timestamp| Some(RocDateTime(at).to_string());
    let differs = row.signer_name != row.company_name;
    let mut facts = vec![Fact {
        name: "憑證公司名稱",
        text: row.signer_name.clone(),
        source: if row.case.applicant.ubn().is_some() { CARD } else { ORGANISATION_CARD },
        at: roc(row.case.submitted_at),
        notable: differs,
    }];
    match account {
        Some(account) => {
            let state = account.state(now);
            let text = match (state.word(), account.status_reason.as_str()) {
                (status, "") => status.to_owned(),
                (status, reason) => format!("{status}（{reason}）"),
            };
            let notable = state != domain::AccountState::Active;
            let at = roc(account.state_since(now));
            facts.push(Fact { name: "帳號狀態", text, source: RECORDS, at, notable });
            let certificate = account.certificate.as_ref();
            facts.extend(certificate.map(|certificate| Fact {
                name: "系統憑證",
                text: format!(
                    "{}，有效至{}",
                    certificate.serial_number,
                    RocDateTime(certificate.not_after)
                ),
                source: RECORDS,
                at: roc(certificate.not_before),
                notable: false,
            }));
            let calls = crate::accounts::calls_view(cases, account.account.ubn)?;
            facts.push(Fact {
                name: "API使用",
                text: format!(
                    "最近31天查驗{}次，其中不符{}次；未受理{}次；最近一次查驗：{}",
                    calls.count,
                    calls.wrong,
                    calls.refused,
                    calls.last_at.as_deref().unwrap_or("無")
                ),
                source: "查驗紀錄",
                at: roc(now),
                notable: false,
            });
        }
        None if row.case.kind.service() != Service::Api => {}
        None => facts.push(Fact {
            name: "帳號狀態",
            text: "尚無帳號".into(),
            source: RECORDS,
            at: None,
            notable: false,
        }),
    }
    facts.extend(annex_facts(cases, row, now)?);
    facts.extend(registration_facts(cases, row)?);
    if let (Some(as_of), Some(ubn)) = (cases.companies_as_of()?, row.case.applicant.ubn()) {
        let entry = cases.company(ubn)?;
        let finding = compare_with_register(&row.company_name, entry.as_ref());
        let at = Some(RocDay(as_of).to_string());
        let said = entry.as_ref().map(|entry| format!("{}，{}", entry.name, entry.status));
        let text = match (said, finding) {
            (Some(said), None) => said,
            (Some(said), Some(finding)) => format!("{}：{said}", finding.word()),
            (None, _) => RegisterFinding::NotRegistered.word().to_owned(),
        };
        let notable = finding.is_some();
        facts.push(Fact { name: "商工登記", text, source: REGISTER, at: at.clone(), notable });
        let business = entry.map(|entry| entry.business).filter(|text| !text.is_empty());
        facts.extend(business.map(|text| Fact {
            name: "所營事業",
            text,
            source: REGISTER,
            at,
            notable: false,
        }));
    }
    if let Some(other) = row.other_ubn {
        facts.push(other_side(cases, row, other, now)?);
    }
    for found in cases.coincidences(row.case.id)? {
        let member = match found.member.as_str() {
            "hostAddress" => "連線主機網路位址",
            "email" => "電子信箱",
            "mobile" => "手機",
            _ => "市話",
        };
        facts.push(Fact {
            name: "與其他公司相同",
            text: format!("{member}：{}（{}）", found.company_name, found.applicant),
            source: FORM,
            at: roc(found.at),
            notable: true,
        });
    }
    Ok(facts)
}

/// What stands in the annex of the confirmation service.
fn annex_facts(
    cases: &Cases<impl Database>,
    row: &CaseRow,
    now: Timestamp,
) -> Result<Vec<Fact>, Problem> {
    let Some(form) = cases.confirmation_form(row)? else { return Ok(Vec::new()) };
    let at = Some(RocDateTime(row.case.submitted_at).to_string());
    let fact =
        |name, text: String| Fact { name, text, source: ANNEX, at: at.clone(), notable: false };
    let person = |person: serde_json::Value| {
        let of = |member: &str| person[member].as_str().unwrap_or_default().to_owned();
        ["name", "title", "unit", "email", "phone", "fax"].map(of).join("、")
    };
    let day = match row.case.kind {
        domain::CaseKind::ConfirmationStop => "預定停用日期",
        _ => "預定開放日期",
    };
    // Review may have taken longer than the month.
    let passed = form.day <= domain::TAIPEI.to_datetime(now).date();
    let mut facts = vec![
        fact("機關(構)地址", form.address),
        fact("應用系統中文名稱", form.system_name),
        fact("伺服器憑證序號", form.server_serial),
        fact("聯絡人", person(form.contact)),
        fact("代理人", person(form.deputy)),
        Fact { notable: passed, ..fact(day, RocDay(form.day).to_string()) },
    ];
    let end = form.not_after.map(|end| fact("伺服器憑證有效期限", RocDateTime(end).to_string()));
    facts.extend(end);
    Ok(facts)
}

/// What card and register say of a registration, side by side.
fn registration_facts(cases: &Cases<impl Database>, row: &CaseRow) -> Result<Vec<Fact>, Problem> {
    let Some(form) = cases.registration_form(row)? else { return Ok(Vec::new()) };
    let at = Some(RocDateTime(row.case.submitted_at).to_string());
    let fact =
        |name, text: String, source| Fact { name, text, source, at: at.clone(), notable: false };
    let number = domain::shown_number(row.case.applicant);
    let mut facts = vec![
        fact("機關代號", form.code.to_string(), TYPED),
        fact("憑證上的OID或統一編號", number, ORGANISATION_CARD),
        fact("機關憑證序號", form.organisation_serial, ORGANISATION_CARD),
    ];
    let entry = cases.organisation(&form.code)?;
    let differs = entry.as_ref().is_none_or(|entry| entry.key != row.case.applicant);
    let said = entry.map(|entry| format!("{}，{}", entry.name, domain::shown_number(entry.key)));
    facts.push(Fact {
        name: "此代號的機關資料",
        text: said.unwrap_or_else(|| "查無此代號".to_owned()),
        source: ORGANISATIONS,
        at: cases.organisations_as_of()?.map(|day| RocDay(day).to_string()),
        notable: differs,
    });
    if let Some(name) = form.manager_name {
        facts.push(Fact { notable: true, ..fact("新的授權管理者", name, CITIZEN_CARD) });
        let registered = cases.registration_of(&form.code)?;
        let now = registered.map(|row| fact("現在的授權管理者", row.contact_name, RECORDS));
        facts.extend(now);
    }
    facts.push(fact("聯絡電話", form.phone, TYPED));
    if row.email.is_empty() {
        let text = "未留電子信箱：審核結果請以電話通知".to_owned();
        facts.push(Fact { notable: true, ..fact("通知方式", text, TYPED) });
    }
    Ok(facts)
}

/// 統編變更: what is known of the other side.
fn other_side(
    cases: &Cases<impl Database>,
    row: &CaseRow,
    other: domain::Ubn,
    now: Timestamp,
) -> Result<Fact, Problem> {
    let account = cases.account(other)?;
    let known = match &account {
        Some(account) => format!("{}，{}", account.account.company_name, account.state(now).word()),
        None => "尚無帳號".to_owned(),
    };
    let registered = cases.company(other)?.map_or_else(
        || RegisterFinding::NotRegistered.word().to_owned(),
        |entry| format!("{}，{}", entry.name, entry.status),
    );
    let name = match row.case.kind {
        domain::CaseKind::ApiStop => "變更後統一編號",
        _ => "變更前統一編號",
    };
    Ok(Fact {
        name,
        text: format!("{other}：帳號 {known}；商工登記 {registered}"),
        source: FORM,
        at: Some(RocDateTime(row.case.submitted_at).to_string()),
        notable: true,
    })
}
