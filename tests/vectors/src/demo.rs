//! A demo installation in one folder: CAs, cards, keys, databases, configuration.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chayan_bridge::cards::demo::{CardFile, MAX_TRIES};
use domain::{CardState, CodeHash, DigestKey, IdCard, NationalId};
use jiff::Timestamp;
use pki::{Certificate, Fingerprint, IssuerRole, TrustStore};
use serde::{Deserialize, Serialize};
use store::native::Native;
use store::schema::Label;
use store::{CardCertificate, CardRow, Cases, Citizens, IdCardRow, Register, Transaction};

use crate::client::{CardSigner, Visitor, form};
use crate::pki_set::{Company, Issued, OWN_FOLDERS, TestPki};

pub use test_ca::pem;

/// The address that demo systems call from: this computer's own.
pub const HOST_ADDRESS: &str = "127.0.0.1";

/// A fictional identity card with a known answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KnownCard {
    /// personId.
    pub person_id: String,
    /// applyCode.
    pub apply_code: String,
    /// applyYyymmdd.
    pub apply_yyymmdd: String,
    /// issueSiteId.
    pub issue_site_id: String,
    /// `valid`, `stopped` or `lost`.
    pub state: String,
}

/// A demo card and its PIN.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DemoCard {
    /// Name of the card file.
    pub card: String,
    /// Who holds it.
    pub name: String,
    /// 統一編號, for companies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ubn: Option<String>,
    /// PIN.
    pub pin: String,
    /// 卡號.
    pub card_number: String,
    /// 用戶代碼, for cards of our own CA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_code: Option<String>,
}

/// A system that is already approved, for calls by hand.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DemoSystem {
    /// orgId.
    pub org_id: String,
    /// apId; empty until the system was set up.
    pub ap_id: String,
    /// isskey; empty until the system was set up.
    pub iss_key: String,
    /// PKCS #8, PEM.
    pub key_file: PathBuf,
    /// The certificate, PEM.
    pub certificate_file: PathBuf,
    /// The registered address.
    pub host_address: String,
}

/// Everything that somebody needs who wants to try the demo: `demo.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Demo {
    /// The service's origin.
    pub origin: String,
    /// The bridge.
    pub bridge_url: String,
    /// The verification API.
    pub verification_url: String,
    /// A company that has not applied yet.
    pub company: DemoCard,
    /// The officer.
    pub officer: DemoCard,
    /// A certificate file that the company can upload once it is approved, and its key.
    pub company_certificate_file: PathBuf,
    /// Its key, PKCS #8, PEM.
    pub company_key_file: PathBuf,
    /// A second company whose system is approved.
    pub system: DemoSystem,
    /// Identity cards in the register.
    pub id_cards: Vec<KnownCard>,
}

/// 統一編號 of the company that applies.
pub const COMPANY: (&str, &str) = ("測試甲股份有限公司", "12345675");
/// The company whose system is approved from the start.
pub const SYSTEM_COMPANY: (&str, &str) = ("測試乙資訊有限公司", "04595257");
/// Organisation OID of the demo agency.
pub const AGENCY: &str = "2.16.886.101.99999.1";
/// Organisation OID of the demo association (XCA).
pub const ASSOCIATION: &str = "2.16.886.111.99999.2";
/// Organisation OID of the demo hospital (HCA).
pub const HOSPITAL: &str = "2.16.886.119.99999.3";
/// 機關代號 of the demo agency, company, association and hospital in the register.
pub const CODES: [&str; 4] = ["A0001", "C0001", "X0001", "H0001"];

/// A fictional person with a citizen card.
#[derive(Clone, Copy, Debug)]
pub struct Person {
    /// Name.
    pub name: &'static str,
    /// The CA's number.
    pub subject_serial: &'static str,
    /// 身分證統一編號; nobody has it.
    pub national_id: &'static str,
}

impl Person {
    /// Last four of the national ID.
    pub fn tail(&self) -> &'static str {
        &self.national_id[6..]
    }
}

/// Who registers organisations.
pub const MANAGER: Person =
    Person { name: "林管理", subject_serial: "0000000100000001", national_id: "A123456789" };
/// Who is named as a handler.
pub const HANDLER: Person =
    Person { name: "張經辦", subject_serial: "0000000100000002", national_id: "B223456782" };

/// Who asks who asked about him; not in the register of identity cards.
pub const CITIZEN: Person =
    Person { name: "陳測試", subject_serial: "0000000187654321", national_id: "D123455678" };

/// How long the certificate of the agency's system is valid, in days.
const AGENCY_SYSTEM_DAYS: i64 = 400;

/// Subject serial of the officer's citizen certificate.
pub const OFFICER_SERIAL: &str = "0000000112345678";
/// PIN of every demo card.
const PIN: &str = "123456";
/// 用戶代碼 of every demo card of our own CA.
pub const USER_CODE: &str = "demo2468";
/// Where letters to holders of demo cards go.
pub const CARD_EMAIL: &str = "card@example.com.tw";
/// Numbers of the demo cards of our own CA: the company's, the second company's, and a 附卡.
pub const CARD_NUMBERS: [&str; 3] = ["MT00000000000001", "MG00000000000002", "MT00000000000003"];

fn known_cards() -> Vec<KnownCard> {
    // Letters' values add up to valid checksums; nobody holds these cards.
    [
        ("A123456789", "1", "0940105", "63000", "valid"),
        ("B223456785", "2", "1030812", "66000", "valid"),
        ("F123456789", "3", "0991224", "10001", "valid"),
        ("A200000003", "1", "1051130", "65000", "lost"),
        ("H120000008", "1", "0970102", "10003", "stopped"),
    ]
    .map(|(person_id, apply_code, apply_yyymmdd, issue_site_id, state)| KnownCard {
        person_id: person_id.into(),
        apply_code: apply_code.into(),
        apply_yyymmdd: apply_yyymmdd.into(),
        issue_site_id: issue_site_id.into(),
        state: state.into(),
    })
    .into()
}

/// Writes a file that only this user can read.
fn write_private(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(content)?;
    Ok(())
}

fn hex_key() -> anyhow::Result<String> {
    let mut key = [0; 32];
    getrandom::fill(&mut key)?;
    Ok(hex::encode(key))
}

/// Writes a demo card.
///
/// # Errors
/// Those of the file system.
pub fn write_card(
    dir: &Path,
    name: &str,
    number: &str,
    pin: &str,
    inserted: bool,
    issued: &Issued,
) -> anyhow::Result<()> {
    let card = CardFile {
        card_number: number.into(),
        pin: pin.into(),
        tries_left: MAX_TRIES,
        inserted,
        certificate: BASE64_STANDARD.encode(&issued.certificate),
        issuer: BASE64_STANDARD.encode(&issued.issuer),
        private_key: BASE64_STANDARD.encode(issued.key.pkcs8()?),
    };
    write_private(&dir.join(format!("cards/{name}.json")), &serde_json::to_vec_pretty(&card)?)
}

#[derive(Serialize)]
struct RuntimeConfig<'a> {
    sqlite_database: BTreeMap<&'a str, FileBacked>,
    key_value_store: BTreeMap<&'a str, FileBacked>,
    variables_provider: [StaticVariables<'a>; 1],
}

#[derive(Serialize)]
struct FileBacked {
    r#type: &'static str,
    path: String,
}

#[derive(Serialize)]
struct StaticVariables<'a> {
    r#type: &'static str,
    values: BTreeMap<&'a str, &'a str>,
}

/// The CAs of a demo, and what they have issued to whoever appears in it.
pub struct DemoCredentials {
    /// The CAs.
    pub pki: TestPki,
    /// Name, number, whether it lies in a reader, and what is on it; the companies' three first.
    cards: [(&'static str, &'static str, bool, Issued); 10],
    /// Of both companies' systems.
    systems: [Issued; 2],
    /// Of the agency's system, for the identity confirmation service.
    agency_system: Issued,
}

impl DemoCredentials {
    /// New ones; companies' certificates name the lists that the service of this origin publishes.
    ///
    /// # Errors
    /// When something cannot be generated.
    pub fn generate(origin: &str, now: Timestamp) -> anyhow::Result<Self> {
        let pki = TestPki::generate(now)?.published_by(origin);
        let [first, second, third] = CARD_NUMBERS;
        let of_second = Company {
            generation: 0,
            number_in_subject: false,
            ..Company::card(SYSTEM_COMPANY.0, SYSTEM_COMPANY.1)
        };
        let secondary = Company { rank: Some("secondary"), ..Company::card(COMPANY.0, COMPANY.1) };
        let person = |who: Person| pki.citizen(who.name, who.subject_serial, who.tail());
        let organisation = |role, name, oid: &str| pki.organisation(role, name, oid.parse()?);
        let cards = [
            ("company", first, true, pki.company(Company::card(COMPANY.0, COMPANY.1))?),
            ("company-2", second, false, pki.company(of_second)?),
            ("company-secondary", third, false, pki.company(secondary)?),
            ("officer", "TP00000000000001", true, pki.citizen("李審核", OFFICER_SERIAL, "1234")?),
            ("citizen", "TP00000000000002", false, person(CITIZEN)?),
            ("agency", "GP00000000000001", false, pki.agency("測試機關", AGENCY.parse()?)?),
            (
                "association",
                "XP00000000000001",
                false,
                organisation(IssuerRole::Xca, "測試協會", ASSOCIATION)?,
            ),
            (
                "hospital",
                "HP00000000000001",
                false,
                organisation(IssuerRole::Hca, "測試醫院", HOSPITAL)?,
            ),
            ("manager", "TP00000000000003", false, person(MANAGER)?),
            ("handler", "TP00000000000004", false, person(HANDLER)?),
        ];
        let system = |(company, ubn)| pki.company(Company::system(company, ubn));
        let systems = [system(COMPANY)?, system(SYSTEM_COMPANY)?];
        let agency_system =
            pki.server(IssuerRole::Gca, "測試機關", AGENCY.parse()?, AGENCY_SYSTEM_DAYS)?;
        Ok(Self { pki, cards, systems, agency_system })
    }
}

impl Demo {
    /// Where the demo's description lies.
    pub fn path(dir: &Path) -> PathBuf {
        dir.join("demo.json")
    }

    /// Reads a demo's description.
    ///
    /// # Errors
    /// When there is none.
    pub fn read(dir: &Path) -> anyhow::Result<Self> {
        let path = Self::path(dir);
        let bytes =
            std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(serde_json::from_slice(&bytes)?)
    }

    fn write(&self, dir: &Path) -> anyhow::Result<()> {
        write_private(&Self::path(dir), &serde_json::to_vec_pretty(self)?)
    }

    /// Creates a demo installation in a folder.
    ///
    /// # Errors
    /// When something cannot be generated or written.
    pub fn create(
        dir: &Path,
        origin: &str,
        bridge_url: &str,
        now: Timestamp,
    ) -> anyhow::Result<(Self, TestPki)> {
        let credentials = DemoCredentials::generate(origin, now)?;
        let demo = Self::create_with(&credentials, dir, origin, bridge_url, now)?;
        Ok((demo, credentials.pki))
    }

    /// The same with credentials that are there: generating keys takes seconds.
    ///
    /// # Errors
    /// When something cannot be generated or written.
    pub fn create_with(
        credentials: &DemoCredentials,
        dir: &Path,
        origin: &str,
        bridge_url: &str,
        now: Timestamp,
    ) -> anyhow::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let dir = dir.canonicalize()?;
        let pki = &credentials.pki;
        let trust_store = serde_json::to_string(&pki.trust_store())?;
        write_private(&dir.join("trust-store.json"), trust_store.as_bytes())?;
        for (name, number, inserted, issued) in &credentials.cards {
            write_card(&dir, name, number, PIN, *inserted, issued)?;
        }
        for (authority, folder) in pki.company_authorities().iter().zip(OWN_FOLDERS) {
            let key = pem("PRIVATE KEY", &authority.pkcs8()?);
            write_private(&dir.join(format!("ca/{folder}.key")), key.as_bytes())?;
        }
        let certificate_files = |name: &str, issued: &Issued| -> anyhow::Result<_> {
            let key = dir.join(format!("systems/{name}.key"));
            let certificate = dir.join(format!("systems/{name}.cer"));
            write_private(&key, pem("PRIVATE KEY", &issued.key.pkcs8()?).as_bytes())?;
            std::fs::write(&certificate, pem("CERTIFICATE", &issued.certificate))?;
            Ok((certificate, key))
        };
        let [company_system, second_system] = &credentials.systems;
        let (company_certificate_file, company_key_file) =
            certificate_files("company", company_system)?;
        let (certificate_file, key_file) = certificate_files("company-2", second_system)?;
        certificate_files("agency", &credentials.agency_system)?;

        let register_key = hex_key()?;
        write_private(&dir.join("register.key"), register_key.as_bytes())?;
        let demo = Self {
            origin: origin.into(),
            bridge_url: bridge_url.into(),
            verification_url: format!("{origin}/integration/rwv2c2"),
            company: DemoCard {
                card: "company".into(),
                name: COMPANY.0.into(),
                ubn: Some(COMPANY.1.into()),
                pin: PIN.into(),
                card_number: CARD_NUMBERS[0].into(),
                user_code: Some(USER_CODE.into()),
            },
            officer: DemoCard {
                card: "officer".into(),
                name: "李審核".into(),
                ubn: None,
                pin: PIN.into(),
                card_number: "TP00000000000001".into(),
                user_code: None,
            },
            company_certificate_file,
            company_key_file,
            system: DemoSystem {
                org_id: SYSTEM_COMPANY.1.into(),
                ap_id: String::new(),
                iss_key: String::new(),
                key_file,
                certificate_file,
                host_address: HOST_ADDRESS.into(),
            },
            id_cards: known_cards(),
        };
        demo.write_databases(&dir, &register_key, now)?;
        let holders = [COMPANY, SYSTEM_COMPANY, COMPANY];
        let [(.., company), (.., second), (.., secondary), ..] = &credentials.cards;
        write_cards(&dir, holders, [company, second, secondary])?;
        let trust = TrustStore::from_json(&trust_store)?;
        let database = Native::open_in(&dir.join("data"), Label::Revocation)?;
        for (number, list) in pki.empty_lists()?.iter().enumerate() {
            write_private(&dir.join(format!("lists/{number}.crl")), list)?;
            store::take_list(&database, list, &trust, now)?;
        }
        let keys = [hex_key()?, hex_key()?, hex_key()?, hex_key()?];
        let values = BTreeMap::from([
            ("origin", origin),
            ("bridge_url", bridge_url),
            ("trust_store", trust_store.as_str()),
            ("digest_key", keys[0].as_str()),
            ("seal_key", keys[1].as_str()),
            ("register_key", register_key.as_str()),
            ("refresh_key", keys[2].as_str()),
            ("monitor_key", keys[3].as_str()),
        ]);
        let file = |name: &str| FileBacked { r#type: "spin", path: format!("data/{name}.db") };
        let config = RuntimeConfig {
            sqlite_database: Label::ALL.map(|label| (label.name(), file(label.name()))).into(),
            key_value_store: BTreeMap::from([("default", file("sessions"))]),
            variables_provider: [StaticVariables { r#type: "static", values }],
        };
        write_private(&dir.join("runtime-config.toml"), toml::to_string(&config)?.as_bytes())?;
        // Written last: with it the installation is complete.
        demo.write(&dir)?;
        Ok(demo)
    }

    fn write_databases(
        &self,
        dir: &Path,
        register_key: &str,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        let data = dir.join("data");
        std::fs::create_dir_all(&data)?;
        let open = |label| Native::open_in(&data, label);
        for label in Label::ALL {
            store::native::migrate(&open(label)?.connection, label)?;
        }
        let officer = store::NewOfficer {
            subject_serial: OFFICER_SERIAL,
            name: &self.officer.name,
            role: domain::Role::Officer,
            own_company: None,
        };
        let cases = open(Label::Cases)?;
        let transaction = Transaction::begin(&cases)?;
        Cases(&transaction).add_officer(officer, domain::Actor::Operator, now)?;
        put_organisations(&Cases(&transaction), now)?;
        transaction.commit()?;
        let key = DigestKey::from_hex(register_key).context("register key")?;
        let register = open(Label::Register)?;
        let transaction = Transaction::begin(&register)?;
        for known in &self.id_cards {
            let card = IdCard::new(
                &known.person_id,
                &known.apply_code,
                &known.apply_yyymmdd,
                &known.issue_site_id,
            )?;
            let state = match known.state.as_str() {
                "lost" => 7,
                "stopped" => 6,
                _ => 0,
            };
            let (person, digest) = (key.person(&card), key.card(&card));
            let row = IdCardRow { person, card: digest, state, changed: false };
            Register(&transaction).put(&row)?;
        }
        transaction.commit()?;
        put_citizens(&open(Label::Citizens)?, &key)
    }

    /// Sets the second company's system up through the running service: applies, approves,
    /// uploads; then completes the description. Does nothing when that was done before.
    ///
    /// # Errors
    /// When the service refuses something.
    pub fn seed(dir: &Path) -> anyhow::Result<Self> {
        let mut demo = Self::read(dir)?;
        if !demo.system.iss_key.is_empty() {
            return Ok(demo);
        }
        let cards = dir.join("cards");
        let bridge = chayan_bridge::cards::demo::DemoCards::new(&cards);
        bridge.set_inserted("company-2", true)?;
        let signer = CardSigner::new(&cards, "company-2");
        let (name, ubn) = SYSTEM_COMPANY;
        let mut company = Visitor::new(&demo.origin);
        company.sign_in_as_company(&signer, ubn)?;
        // An earlier attempt may have been interrupted anywhere.
        let progress = company.get("/api/cases")?.expect(200)?;
        if !progress["account"].is_object() {
            let mut cases = progress["cases"].as_array().into_iter().flatten();
            let case = match cases.find(|case| case["state"] == "accepted") {
                Some(case) => case.clone(),
                None => {
                    let form = form("api-application", name, ubn, HOST_ADDRESS);
                    company.apply(&signer, form)?.expect(201)?
                }
            };
            let mut officer = Visitor::new(&demo.origin);
            officer.sign_in_as_officer(&CardSigner::new(&cards, "officer"))?;
            let id = case["serialNumber"].as_str().context("no serial number")?;
            officer.decide(id, "approve", "審核通過")?.expect(200)?;
        }
        let file = std::fs::read(&demo.system.certificate_file)?;
        let receipt = company.upload(&signer, ubn, &file)?.expect(201)?;
        let progress = company.get("/api/cases")?.expect(200)?;
        let text =
            |value: &serde_json::Value| value.as_str().map(str::to_owned).context("not a text");
        demo.system.iss_key = text(&receipt["issKey"])?;
        demo.system.ap_id = text(&progress["account"]["apId"])?;
        bridge.set_inserted("company-2", false)?;
        demo.write(dir)?;
        Ok(demo)
    }
}

/// Registers the cards of our own CA.
fn write_cards(dir: &Path, holders: [(&str, &str); 3], issued: [&Issued; 3]) -> anyhow::Result<()> {
    let database = Native::open_in(&dir.join("data"), Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    let cases = Cases(&transaction);
    for ((number, (name, ubn)), issued) in CARD_NUMBERS.into_iter().zip(holders).zip(issued) {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt)?;
        let certificate = &Certificate::from_der(&issued.certificate)?;
        let card = CardRow {
            number: number.parse()?,
            company_name: name.into(),
            ubn: ubn.parse()?,
            email: CARD_EMAIL.into(),
            code: CodeHash::new(&USER_CODE.parse()?, &salt)?,
            state: CardState::Valid,
            since: certificate.not_before(),
            reason: None,
        };
        cases.put_card(&card)?;
        let issuer = Fingerprint::of(&issued.issuer);
        cases.put_card_certificate(&card.number, CardCertificate { certificate, issuer })?;
    }
    Ok(transaction.commit()?)
}

/// The register of citizens' certificates: the demo's own, until an operator imports another.
fn put_citizens(database: &Native, key: &DigestKey) -> anyhow::Result<()> {
    let transaction = Transaction::begin(database)?;
    for citizen in [MANAGER, HANDLER, CITIZEN] {
        let number = NationalId::parse(citizen.national_id).context(citizen.name)?;
        Citizens(&transaction).put(citizen.subject_serial, key.person_of(&number), true)?;
    }
    Ok(transaction.commit()?)
}

/// The register of organisations: fictional, with the demo's own.
fn put_organisations(cases: &Cases<impl store::Database>, now: Timestamp) -> anyhow::Result<()> {
    cases.begin_organisations(domain::RocDay::of(now).0, now)?;
    let numbers = [AGENCY, COMPANY.1, ASSOCIATION, HOSPITAL];
    let names = ["測試機關", COMPANY.0, "測試協會", "測試醫院"];
    let regions = ["臺北市", "臺中市", "花蓮縣", "高雄市"];
    for (((code, number), name), region) in CODES.into_iter().zip(numbers).zip(names).zip(regions) {
        let key = domain::organisation_number(number).map_err(|_| anyhow::anyhow!("{number}"))?;
        let entry = store::OrganisationEntry { name: name.into(), key, region: region.into() };
        let code = code.parse().map_err(|_| anyhow::anyhow!("{code}"))?;
        cases.put_organisation(&code, &entry)?;
    }
    Ok(())
}

/// The DER inside a PEM file with one block.
///
/// # Errors
/// When it is none.
pub fn der_of(path: &Path) -> anyhow::Result<Vec<u8>> {
    let text = std::fs::read_to_string(path)?;
    let base64: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
    Ok(BASE64_STANDARD.decode(base64)?)
}
