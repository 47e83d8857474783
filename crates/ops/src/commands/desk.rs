//! What officers work with: who they are, their calendar, the registers that they compare with.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Subcommand;
use domain::Actor;
use store::schema::Label;
use store::{Cases, NewOfficer, Transaction};

use crate::import::{self, CompanyLine, OrganisationLine};

use super::open;

/// Commands.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Name an officer by the citizen card, or by an agency card (GCA).
    AddOfficer {
        /// Serial number of a citizen certificate's subject, or `OID:` and the organisation OID
        /// of an agency's, for example OID:2.16.886.101.20003.
        #[arg(long, value_parser = subject)]
        subject_serial: String,
        /// Name for the page's head.
        #[arg(long)]
        name: String,
        /// officer, supervisor, auditor or administrator.
        #[arg(long, default_value = "officer", value_parser = role)]
        role: domain::Role,
        /// 統一編號 of the company, or `OID:` and the OID of the organisation, that the person has to do
        /// with: its cases are for others.
        #[arg(long, value_parser = applicant)]
        own_company: Option<domain::Applicant>,
    },
    /// Take an officer off the list; the sessions end at once.
    RemoveOfficer {
        /// As it was named.
        #[arg(long)]
        subject_serial: String,
    },
    /// Put an institution on the list of those supervised by the 金融監督管理委員會, whose MOEACA or
    /// XCA cards may apply for the confirmation service.
    AddInstitution {
        /// 統一編號, or `OID:` and the organisation OID.
        #[arg(value_parser = applicant)]
        applicant: domain::Applicant,
        /// Its name.
        #[arg(long)]
        name: String,
    },
    /// Take an institution off that list.
    RemoveInstitution {
        /// As it was put there.
        #[arg(value_parser = applicant)]
        applicant: domain::Applicant,
    },
    /// Say which institutions are on that list.
    ShowInstitutions,
    /// Import the office calendar (政府行政機關辦公日曆表) of a year: the CSV file of the
    /// Directorate-General of Personnel Administration (西元日期,星期,是否放假,備註).
    ImportCalendar {
        /// The file, UTF-8 or Big5.
        file: PathBuf,
    },
    /// Say of one day whether the offices work, for example when a typhoon closes them.
    SetDay {
        /// YYYY-MM-DD.
        day: jiff::civil::Date,
        /// `working` or `closed`.
        #[arg(value_enum)]
        state: DayState,
        /// Why, for the record.
        #[arg(long)]
        note: String,
    },
    /// Import a snapshot of the company register (統一編號,公司名稱,公司狀況,所營事業, UTF-8): the
    /// former one is replaced, or stays when the file cannot be read to its end.
    ImportCompanies {
        /// The file.
        file: PathBuf,
        /// The day of the snapshot, YYYY-MM-DD.
        #[arg(long)]
        as_of: jiff::civil::Date,
    },
    /// Import the register of organisations (機關代號,機關名稱,OID或統一編號,縣市, UTF-8), by which
    /// registrations are judged: the former one is replaced, or stays when the file cannot be
    /// read to its end.
    ImportOrganisations {
        /// The file.
        file: PathBuf,
        /// The day of the register, YYYY-MM-DD.
        #[arg(long)]
        as_of: jiff::civil::Date,
    },
}

impl Command {
    /// Does it.
    #[expect(clippy::print_stdout, reason = "the answer of a command")]
    pub(crate) fn run(&self, data: &Path) -> anyhow::Result<()> {
        match self {
            Self::AddOfficer { subject_serial, name, role, own_company } => {
                let (role, own_company) = (*role, *own_company);
                let new = NewOfficer { subject_serial, name, role, own_company };
                let database = open(data, Label::Cases)?;
                let transaction = Transaction::begin(&database)?;
                let now = jiff::Timestamp::now();
                let officer = Cases(&transaction).add_officer(new, Actor::Operator, now)?;
                transaction.commit()?;
                println!("{} {}: {}", officer.role.name(), officer.id, officer.name);
            }
            Self::RemoveOfficer { subject_serial } => {
                let database = open(data, Label::Cases)?;
                let transaction = Transaction::begin(&database)?;
                let cases = Cases(&transaction);
                let officer =
                    cases.officer(subject_serial)?.context("nobody on the list has it")?;
                cases.remove_officer(officer.id, Actor::Operator, jiff::Timestamp::now())?;
                transaction.commit()?;
                println!("removed");
            }
            Self::AddInstitution { applicant, name } => {
                set_institution(data, *applicant, Some(name))?;
                println!("{applicant}: on the list");
            }
            Self::RemoveInstitution { applicant } => {
                set_institution(data, *applicant, None).context("not on the list")?;
                println!("{applicant}: off the list");
            }
            Self::ShowInstitutions => {
                for row in Cases(open(data, Label::Cases)?).institutions()? {
                    println!("{}\t{}", row.applicant, row.name);
                }
            }
            Self::ImportCalendar { file } => {
                let imported = import::calendar(&open(data, Label::Cases)?, file)?;
                println!("{imported} days imported");
            }
            Self::SetDay { day, state, note } => {
                let database = open(data, Label::Cases)?;
                let transaction = Transaction::begin(&database)?;
                let (working, now) = (matches!(state, DayState::Working), jiff::Timestamp::now());
                Cases(&transaction).set_day(*day, working, note, Actor::Operator, now)?;
                transaction.commit()?;
                println!("{day}: set");
            }
            Self::ImportCompanies { file, as_of } => {
                let imported =
                    import::replace::<CompanyLine>(&open(data, Label::Cases)?, file, *as_of)?;
                println!("{imported} companies imported");
            }
            Self::ImportOrganisations { file, as_of } => {
                let imported =
                    import::replace::<OrganisationLine>(&open(data, Label::Cases)?, file, *as_of)?;
                println!("{imported} organisations imported");
            }
        }
        Ok(())
    }
}

fn subject(text: &str) -> Result<String, &'static str> {
    domain::officer_subject(text).map_err(|_| "sixteen digits, or OID: and an OID")
}

fn role(text: &str) -> Result<domain::Role, &'static str> {
    domain::Role::from_name(text).ok_or("officer, supervisor, auditor or administrator")
}

fn applicant(text: &str) -> Result<domain::Applicant, String> {
    text.parse().map_err(|error: domain::NoApplicant| error.to_string())
}

fn set_institution(
    data: &Path,
    applicant: domain::Applicant,
    name: Option<&str>,
) -> anyhow::Result<()> {
    let database = open(data, Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    let now = jiff::Timestamp::now();
    Cases(&transaction).set_institution(applicant, name, Actor::Operator, now)?;
    Ok(transaction.commit()?)
}

/// Whether the offices work.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum DayState {
    Working,
    Closed,
}
