//! `chayan`: what an operator does outside the service: prepare the databases, name
//! officers, import identity cards, look at a trust store.

mod audit;
mod cards;
mod citizens;
mod conduct;
mod crl;
mod evidence;
mod idle;
mod import;
mod register;
mod relay;
mod revocation;
mod signer;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use domain::Actor;
use store::native::Native;
use store::schema::Label;
use store::{Cases, NewOfficer, Transaction};

/// Operate an installation.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Folder of the databases (`default.db`, `register.db`, `attempts.db`, `calls.db`,
    /// `revocation.db`, `citizens.db`, `confirmations.db`).
    #[arg(long, global = true, default_value = ".chayan/data")]
    data: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Create the databases, or bring them to the current schema.
    Migrate,
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
    /// Forget counts of wrong answers that are older than two days.
    ForgetAttempts,
    /// Import identity cards from CSV (personId, applyCode, applyYyymmdd, issueSiteId, state,
    /// numberChanged): what changed on a day, all or nothing; or, with --whole, everything.
    ImportIdCards {
        /// The file.
        file: PathBuf,
        /// File with the register's key, 64 hexadecimal digits.
        #[arg(long)]
        key_file: PathBuf,
        /// The day that the file describes, YYYY-MM-DD; today's when it is not given.
        #[arg(long)]
        as_of: Option<jiff::civil::Date>,
        /// The file's SHA-256, as it was told with the file.
        #[arg(long)]
        sha256: Option<String>,
        /// The file is the whole register: it takes the place of what was known. Needs 40 bytes
        /// of memory for each card; goes on where it was interrupted.
        #[arg(long)]
        whole: bool,
    },
    /// Add up the record of calls for the statistics, and forget the numbers of tokens that can no
    /// longer be used. To be run by a scheduler, every few minutes.
    TendCalls,
    /// Judge each account's calls of the last hour: put before officers what stands out, suspend
    /// who has too many points. To be run by a scheduler, every minute or so.
    JudgeCalls {
        /// The service's address, for the letter to who is suspended.
        #[arg(long)]
        origin: String,
    },
    /// Warn accounts without a call for more than a year, put before officers those that stay unused
    /// until their warning is over, and end the warnings of those that call. To be run by a
    /// scheduler, once a day, with --confirm; without it, it says what it would do.
    WarnUnused {
        /// The service's address, for the letters.
        #[arg(long)]
        origin: String,
        /// Do it.
        #[arg(long)]
        confirm: bool,
    },
    /// Announce an outage of the verification call on the page of the service's state.
    AnnounceOutage {
        /// When it begins, RFC 3339.
        #[arg(long)]
        from: jiff::Timestamp,
        /// When it is over.
        #[arg(long)]
        until: jiff::Timestamp,
        /// What and why, for integrators.
        #[arg(long)]
        note: String,
    },
    /// Write fictional identity cards as CSV to standard output, for trials of any size.
    GenerateIdCards {
        /// How many.
        #[arg(long)]
        count: u64,
        /// Others for another number.
        #[arg(long, default_value_t = 0)]
        seed: u64,
    },
    /// Import the register of citizens' certificates from CSV (subjectSerial, nationalId, opened):
    /// the whole of it, all or nothing.
    ImportCitizens {
        /// The file.
        file: PathBuf,
        /// File with the registers' key, 64 hexadecimal digits.
        #[arg(long)]
        key_file: PathBuf,
        /// The day that the file describes, YYYY-MM-DD; today's when it is not given.
        #[arg(long)]
        as_of: Option<jiff::civil::Date>,
        /// The file's SHA-256, as it was told with the file.
        #[arg(long)]
        sha256: Option<String>,
    },
    /// Write fictional citizens' certificates as CSV to standard output, for trials of any size.
    GenerateCitizens {
        /// How many.
        #[arg(long)]
        count: u64,
        /// Others for another number.
        #[arg(long, default_value_t = 0)]
        seed: u64,
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
    /// Take revocation lists from files; older ones are left aside.
    ImportCrl {
        /// The trust store whose CAs signed the lists.
        #[arg(long)]
        trust: PathBuf,
        /// The lists, DER or PEM.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Look whether revocation lists name a certificate that systems sign tokens with: from the next
    /// call on it is refused, or accepted again. To be run by a scheduler after lists were fetched;
    /// import-crl does it by itself.
    CheckCertificates {
        /// The trust store whose CAs issued them.
        #[arg(long)]
        trust: PathBuf,
    },
    /// Import cards of our own CAs from CSV (卡號,公司名稱,統一編號,電子郵件地址,用戶代碼,憑證), all or none
    /// (docs/cards.md).
    ImportCards {
        /// The file.
        file: PathBuf,
        /// The trust store that says which CAs are our own.
        #[arg(long)]
        trust: PathBuf,
    },
    /// Suspend, resume or revoke a card, as its CA; effective at once, the holder is told.
    ChangeCard {
        /// 卡號.
        #[arg(value_parser = card_number)]
        number: domain::CardNumber,
        /// What.
        #[arg(long, value_enum)]
        act: ChangeCard,
        /// Why it is revoked.
        #[arg(long, value_enum, required_if_eq("act", "revoke"))]
        reason: Option<RevocationReason>,
        /// The trust store.
        #[arg(long)]
        trust: PathBuf,
        /// The service's address, for the letter.
        #[arg(long)]
        origin: String,
    },
    /// Have 用戶代碼 compared again after three wrong ones.
    UnlockCard {
        /// 卡號.
        #[arg(value_parser = card_number)]
        number: domain::CardNumber,
    },
    /// Sign and publish the lists of a CA of our own. To be run by a scheduler after Taipei
    /// midnight, until it succeeds; a second run of a day does nothing.
    Crl(crl::CrlOptions),
    /// Put a CA's certificate into the entry of a trust store that names it.
    AddCertificate {
        /// The trust store, `trust/production.json` to begin with.
        store: PathBuf,
        /// The certificate, DER or PEM.
        file: PathBuf,
        /// The digest that the CA publishes, where the store knows none.
        #[arg(long)]
        sha256: Option<String>,
    },
    /// Write to one file what was signed for a case, what it was judged by, and what was done to
    /// it. Make a checkpoint first, so that all of it is proved.
    ExportCase {
        /// The case's serial number.
        id: String,
        /// Folder of the log's checkpoints: with it, the file proves what the log says.
        #[arg(long)]
        checkpoints: Option<PathBuf>,
    },
    /// Verify offline; ends with an error when something does not stand.
    Verify {
        #[command(subcommand)]
        what: Verify,
    },
    /// Make a key for the checkpoints of the audit log; prints the public one.
    NewLogKey {
        /// Whose log it is, for example the service's host name.
        #[arg(long)]
        name: String,
        /// Where the secret key goes.
        #[arg(long)]
        key_file: PathBuf,
    },
    /// Sign what the audit log is now. To be run by a scheduler; the checkpoints belong where
    /// whoever can change the database cannot.
    Checkpoint {
        /// The file that new-log-key wrote.
        #[arg(long)]
        key_file: PathBuf,
        /// Folder of the checkpoints.
        #[arg(long)]
        checkpoints: PathBuf,
    },
    /// Send the letters of the outbox by SMTP.
    Relay(relay::RelayOptions),
    /// Show which revocation lists count, and until when.
    ShowCrls,
    /// Judge every case of a corpus by the service's own functions; one JSON line for each.
    Corpus {
        /// cms-attacks.json, jwt-attacks.json, limbo-core.json or pkits-manifest.json.
        file: PathBuf,
        /// Folder with `certs` and `crls`, for PKITS.
        #[arg(long)]
        certificates: Option<PathBuf>,
    },
    /// Check a trust store and show what it believes.
    ShowTrust {
        /// The file.
        file: PathBuf,
    },
}

/// What is verified.
#[derive(Subcommand)]
enum Verify {
    /// An exported case, judged again.
    Case {
        /// The file that export-case wrote.
        file: PathBuf,
        /// The trust store to judge by; without it the path in the file is taken, which
        /// proves nothing about its anchor.
        #[arg(long)]
        trust: Option<PathBuf>,
        /// Revocation lists that were kept, DER: one that the file names is checked.
        #[arg(long)]
        crl: Vec<PathBuf>,
        /// The public key of the log's checkpoints, as new-log-key printed it.
        #[arg(long)]
        log_key: Option<String>,
    },
    /// The audit log: whether every entry is as it was written and none is gone.
    Log {
        /// The public key, as new-log-key printed it.
        #[arg(long)]
        log_key: String,
        /// Folder of the checkpoints.
        #[arg(long)]
        checkpoints: PathBuf,
    },
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

fn card_number(text: &str) -> Result<domain::CardNumber, String> {
    text.parse().map_err(|error: domain::FieldProblem| error.to_string())
}

/// What a CA does to a card.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ChangeCard {
    Suspend,
    Resume,
    Revoke,
}

/// reasonCode (RFC 5280, section 5.3.1).
#[derive(Clone, Copy, clap::ValueEnum)]
enum RevocationReason {
    Unspecified = 0,
    KeyCompromise = 1,
    AffiliationChanged = 3,
    Superseded = 4,
    CessationOfOperation = 5,
    PrivilegeWithdrawn = 9,
}

/// Whether the offices work.
#[derive(Clone, Copy, clap::ValueEnum)]
enum DayState {
    Working,
    Closed,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chayan: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Where a database lies.
fn path(data: &Path, label: Label) -> PathBuf {
    data.join(format!("{}.db", label.name()))
}

fn open(data: &Path, label: Label) -> anyhow::Result<Native> {
    let path = path(data, label);
    Native::open(&path, label).with_context(|| format!("cannot open {}", path.display()))
}

#[expect(clippy::print_stdout, reason = "the answer of a command")]
fn check_certificates(data: &Path, trust: &pki::TrustStore) -> anyhow::Result<()> {
    let (cases, lists) = (open(data, Label::Cases)?, open(data, Label::Revocation)?);
    for change in revocation::check(&cases, &lists, trust, jiff::Timestamp::now())? {
        println!("{change}");
    }
    Ok(())
}

fn read_trust(file: &Path) -> anyhow::Result<pki::TrustStore> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(pki::TrustStore::from_json(&text)?)
}

#[expect(clippy::print_stdout, reason = "the answer of a command")]
fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let data = &arguments.data;
    match &arguments.command {
        Command::Migrate => {
            std::fs::create_dir_all(data)?;
            for label in Label::ALL {
                let steps = store::native::migrate(&open(data, label)?.connection, label)?;
                println!("{}: {} steps taken", path(data, label).display(), steps.len());
            }
        }
        Command::AddOfficer { subject_serial, name, role, own_company } => {
            let (role, own_company) = (*role, *own_company);
            let new = NewOfficer { subject_serial, name, role, own_company };
            let database = open(data, Label::Cases)?;
            let transaction = Transaction::begin(&database)?;
            let now = jiff::Timestamp::now();
            let officer = Cases(&transaction).add_officer(new, Actor::Operator, now)?;
            transaction.commit()?;
            println!("{} {}: {}", officer.role.name(), officer.id, officer.name);
        }
        Command::RemoveOfficer { subject_serial } => {
            let database = open(data, Label::Cases)?;
            let transaction = Transaction::begin(&database)?;
            let cases = Cases(&transaction);
            let officer = cases.officer(subject_serial)?.context("nobody on the list has it")?;
            cases.remove_officer(officer.id, Actor::Operator, jiff::Timestamp::now())?;
            transaction.commit()?;
            println!("removed");
        }
        Command::ForgetAttempts => {
            let kept = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(48);
            let attempts = store::Attempts(open(data, Label::Attempts)?);
            attempts.forget_before(domain::TaipeiDay::of(kept))?;
        }
        Command::TendCalls => {
            let calls = store::Calls(open(data, Label::Calls)?);
            let tended = calls.tend(jiff::Timestamp::now())?;
            println!("{} calls added up, {} jti forgotten", tended.tallied, tended.forgotten);
        }
        Command::JudgeCalls { origin } => {
            let (cases, calls) = (open(data, Label::Cases)?, open(data, Label::Calls)?);
            let judged = conduct::judge(&cases, &calls, origin, jiff::Timestamp::now())?;
            println!("{} accounts stand out, {} suspended", judged.found, judged.suspended);
        }
        Command::WarnUnused { origin, confirm } => {
            let (cases, calls) = (open(data, Label::Cases)?, open(data, Label::Calls)?);
            for line in idle::tend(&cases, &calls, origin, *confirm, jiff::Timestamp::now())? {
                println!("{line}");
            }
        }
        Command::AnnounceOutage { from, until, note } => {
            let database = open(data, Label::Cases)?;
            let transaction = Transaction::begin(&database)?;
            let outage = store::Outage { begins_at: *from, ends_at: *until, note: note.clone() };
            Cases(&transaction).announce(&outage, jiff::Timestamp::now())?;
            transaction.commit()?;
            println!("announced");
        }
        Command::GenerateIdCards { count, seed } => {
            register::generate(*count, *seed, std::io::stdout().lock())?;
        }
        Command::ImportIdCards { file, key_file, as_of, sha256, whole } => {
            let key = std::fs::read_to_string(key_file)
                .with_context(|| format!("cannot read {}", key_file.display()))?;
            let key = domain::DigestKey::from_hex(key.trim())
                .context("the key must be 64 hexadecimal digits")?;
            let today = domain::RocDay::of(jiff::Timestamp::now()).0;
            let source = register::Source {
                file,
                as_of: as_of.unwrap_or(today),
                whole: *whole,
                sha256: sha256.as_deref(),
            };
            let imported = register::import(&open(data, Label::Register)?, &source, &key)?;
            println!("{imported} identity cards imported");
        }
        Command::ImportCitizens { file, key_file, as_of, sha256 } => {
            let key = std::fs::read_to_string(key_file)
                .with_context(|| format!("cannot read {}", key_file.display()))?;
            let key = domain::DigestKey::from_hex(key.trim())
                .context("the key must be 64 hexadecimal digits")?;
            let today = domain::RocDay::of(jiff::Timestamp::now()).0;
            let source =
                citizens::Source { file, as_of: as_of.unwrap_or(today), sha256: sha256.as_deref() };
            let imported = citizens::import(&open(data, Label::Citizens)?, &source, &key)?;
            println!("{imported} certificates imported");
        }
        Command::GenerateCitizens { count, seed } => {
            citizens::generate(*count, *seed, std::io::stdout().lock())?;
        }
        Command::AddInstitution { applicant, name } => {
            set_institution(data, *applicant, Some(name))?;
            println!("{applicant}: on the list");
        }
        Command::RemoveInstitution { applicant } => {
            set_institution(data, *applicant, None).context("not on the list")?;
            println!("{applicant}: off the list");
        }
        Command::ShowInstitutions => {
            for row in Cases(open(data, Label::Cases)?).institutions()? {
                println!("{}\t{}", row.applicant, row.name);
            }
        }
        Command::ImportCalendar { file } => {
            let imported = import::calendar(&open(data, Label::Cases)?, file)?;
            println!("{imported} days imported");
        }
        Command::ImportCompanies { file, as_of } => {
            let imported = import::companies(&open(data, Label::Cases)?, file, *as_of)?;
            println!("{imported} companies imported");
        }
        Command::ImportOrganisations { file, as_of } => {
            let imported = import::organisations(&open(data, Label::Cases)?, file, *as_of)?;
            println!("{imported} organisations imported");
        }
        Command::SetDay { day, state, note } => {
            let database = open(data, Label::Cases)?;
            let transaction = Transaction::begin(&database)?;
            let (working, now) = (matches!(state, DayState::Working), jiff::Timestamp::now());
            Cases(&transaction).set_day(*day, working, note, Actor::Operator, now)?;
            transaction.commit()?;
            println!("{day}: set");
        }
        Command::ImportCrl { trust, files } => {
            let trust = read_trust(trust)?;
            let database = open(data, Label::Revocation)?;
            for file in files {
                let taken = revocation::import(&database, file, &trust, jiff::Timestamp::now())
                    .with_context(|| file.display().to_string())?;
                println!("{}: {taken}", file.display());
            }
            check_certificates(data, &trust)?;
        }
        Command::CheckCertificates { trust } => check_certificates(data, &read_trust(trust)?)?,
        Command::ImportCards { file, trust } => {
            let trust = read_trust(trust)?;
            let imported = cards::import(&open(data, Label::Cases)?, file, &trust)?;
            println!("{imported} cards imported");
        }
        Command::ChangeCard { number, act, reason, trust, origin } => {
            let trust = read_trust(trust)?;
            let (act, reason) = match act {
                ChangeCard::Suspend => (domain::CardAct::Suspend, None),
                ChangeCard::Resume => (domain::CardAct::Resume, None),
                ChangeCard::Revoke => (domain::CardAct::Revoke, reason.map(|code| code as u8)),
            };
            let (cases, lists) = (open(data, Label::Cases)?, open(data, Label::Revocation)?);
            let change = cards::Change { number, act, reason, origin };
            println!("{}", cards::change(&cases, &lists, &trust, &change)?);
        }
        Command::UnlockCard { number } => {
            let was = cards::unlock(&open(data, Label::Cases)?, number)?;
            println!("{}", if was { "unlocked" } else { "no code had been wrong" });
        }
        Command::Crl(options) => {
            let trust = read_trust(&options.trust)?;
            let (cases, lists) = (open(data, Label::Cases)?, open(data, Label::Revocation)?);
            let databases = crl::Databases { cases: &cases, lists: &lists };
            for line in crl::run(&databases, &trust, options)? {
                println!("{line}");
            }
            // Whatever a list says of systems' certificates holds from now on.
            check_certificates(data, &trust)?;
        }
        Command::AddCertificate { store, file, sha256 } => {
            let text = std::fs::read_to_string(store)
                .with_context(|| format!("cannot read {}", store.display()))?;
            let mut trust: pki::TrustStoreFile = serde_json::from_str(&text)?;
            let name = trust.add(&revocation::der_of(file)?, sha256.as_deref())?;
            let new = store.with_extension("json.new");
            std::fs::write(&new, serde_json::to_string_pretty(&trust)?)?;
            std::fs::rename(&new, store)?;
            println!("{name}: added");
        }
        Command::ExportCase { id, checkpoints } => {
            let cases = Cases(open(data, Label::Cases)?);
            println!("{}", evidence::export(&cases, id, checkpoints.as_deref())?);
        }
        Command::Verify { what } => {
            let lines = match what {
                Verify::Case { file, trust, crl, log_key } => {
                    let trust = trust.as_deref().map(read_trust).transpose()?;
                    let (lists, log_key) = (crl.clone(), log_key.clone());
                    evidence::verify(file, evidence::Means { trust, lists, log_key })?
                }
                Verify::Log { log_key, checkpoints } => {
                    audit::verify(&Cases(open(data, Label::Cases)?), log_key, checkpoints)?
                }
            };
            for line in lines {
                println!("{line}");
            }
        }
        Command::NewLogKey { name, key_file } => {
            println!("{}", audit::new_key(name, key_file)?);
        }
        Command::Checkpoint { key_file, checkpoints } => {
            let cases = Cases(open(data, Label::Cases)?);
            println!("{}", audit::checkpoint(&cases, key_file, checkpoints)?);
        }
        Command::Relay(options) => relay::run(&Cases(open(data, Label::Cases)?), options)?,
        Command::ShowCrls => {
            for (issuer, head) in store::Revocation(open(data, Label::Revocation)?).heads()? {
                let number = head.number.trim_start_matches('0');
                println!("{issuer}\tnumber {number}\t{} to {}", head.this_update, head.next_update);
            }
        }
        Command::Corpus { file, certificates } => {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("cannot read {}", file.display()))?;
            for judged in corpus::judge(&text, certificates.as_deref())? {
                println!("{}", serde_json::to_string(&judged)?);
            }
        }
        Command::ShowTrust { file } => {
            let trust = read_trust(file)?;
            println!("environment: {:?}", trust.environment());
            for issuer in trust.issuers() {
                let certificate = &issuer.certificate;
                println!(
                    "{:?}\t{}\tuntil {}",
                    issuer.role,
                    certificate.fingerprint(),
                    certificate.not_after()
                );
            }
        }
    }
    Ok(())
}
