//! `TestApp`: a demo installation of its own, served by the real host on a free port,
//! and the actors who visit it.

pub mod mail;

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::time::Duration;

use anyhow::{Context, bail};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use pki::Certificate;
use serde_json::Value;
use test_pki::client::{CardSigner, Visitor, form};
use test_pki::demo::{COMPANY, Demo, HOST_ADDRESS, KnownCard, write_card};
use test_pki::issue::List;
use test_pki::pki_set::{Company, TestPki};
use test_pki::token::{Caller, Question};

/// The origin that every test installation serves; where it listens is another matter.
pub const ORIGIN: &str = "http://127.0.0.1:3000";

/// How long a host may take to start: the first one compiles every component.
const START: Duration = Duration::from_secs(240);

/// The project's folder.
pub fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// One installation is made for each test program, and copied for each test.
struct Base {
    dir: PathBuf,
    demo: Demo,
    pki: TestPki,
}

fn base() -> &'static Base {
    static BASE: OnceLock<Base> = OnceLock::new();
    BASE.get_or_init(|| {
        let dir = scratch("base");
        let (demo, pki) = Demo::create(&dir, ORIGIN, "http://127.0.0.1:31161", Timestamp::now())
            .expect("a demo installation");
        Base { dir, demo, pki }
    })
}

/// The CAs that the test installations believe.
pub fn pki() -> &'static TestPki {
    &base().pki
}

/// A new folder under target/.
pub fn scratch(name: &str) -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let dir = project().join(format!("target/test-data/{}-{number}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a scratch folder");
    dir.canonicalize().expect("its path")
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// A running host; killed when dropped.
pub struct Host {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    log: Arc<Mutex<String>>,
}

impl Host {
    /// Starts the host with these arguments, on a free port unless they name one, and
    /// waits until it serves.
    ///
    /// # Errors
    /// With the host's last words when it does not start.
    pub fn start(arguments: &[&str]) -> anyhow::Result<Self> {
        let program = project().join("target/release/chayan-host");
        let anywhere: &[&str] =
            if arguments.contains(&"--listen") { &[] } else { &["--listen", "127.0.0.1:0"] };
        let mut child = Command::new(&program)
            .args(anywhere)
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} (run scripts/build)", program.display()))?;
        let stderr = child.stderr.take().context("no standard error")?;
        let (tell, told) = mpsc::channel();
        let log = Arc::new(Mutex::new(String::new()));
        let kept = log.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.push_str(&line);
                kept.push('\n');
                drop(kept);
                if tell.send(line.clone()).is_err() {
                    eprintln!("host: {line}");
                }
            }
        });
        let mut said = String::new();
        while let Ok(line) = told.recv_timeout(START) {
            if let Some((_, address)) = line.split_once(" is served at ") {
                let address = address.split_once("://").context("no address")?.1.parse()?;
                return Ok(Self { child, address, log });
            }
            said += &line;
            said.push('\n');
        }
        let _ = child.kill();
        let _ = child.wait();
        bail!("the host did not start: {said}")
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An installation of its own, being served.
pub struct TestApp {
    /// Its folder.
    pub dir: PathBuf,
    /// Its description.
    pub demo: Demo,
    host: Host,
    arguments: Vec<String>,
}

impl TestApp {
    /// Starts the application.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts the application with further arguments of the host.
    pub fn start_with(arguments: &[&str]) -> Self {
        let dir = scratch("app");
        copy(&base().dir, &dir).expect("a copy of the installation");
        let arguments = arguments.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let host = Self::host(&dir, &arguments).expect("the host starts");
        Self { dir, demo: base().demo.clone(), host, arguments }
    }

    /// Arguments for serving an installation; the compiled components are shared.
    pub fn host_arguments(dir: &Path) -> Vec<String> {
        let path = |path: PathBuf| path.display().to_string();
        vec![
            "--from".into(),
            path(project().join("spin.toml")),
            "--runtime-config-file".into(),
            path(dir.join("runtime-config.toml")),
            "--state-dir".into(),
            path(project().join("target/test-data/state")),
        ]
    }

    fn host(dir: &Path, further: &[String]) -> anyhow::Result<Host> {
        let mut arguments = Self::host_arguments(dir);
        arguments.extend_from_slice(further);
        Host::start(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Kills the host without warning and starts it again.
    pub fn restart(&mut self) {
        self.host.kill();
        self.host = Self::host(&self.dir, &self.arguments).expect("the host starts again");
    }

    /// Kills the host and starts it with other arguments.
    pub fn restart_with(&mut self, arguments: &[&str]) {
        self.arguments = arguments.iter().map(|text| (*text).to_owned()).collect();
        self.restart();
    }

    /// Serves the installation by another manifest, with its state beside it.
    pub fn restart_from(&mut self, manifest: &Path) {
        self.host.kill();
        let text = |path: &Path| path.display().to_string();
        let mut arguments = Self::host_arguments(&self.dir);
        arguments[1] = text(manifest);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.host = Host::start(&arguments).expect("the host starts");
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.host.kill();
    }

    /// The host.
    pub fn process(&self) -> &Host {
        &self.host
    }

    /// A connection to the host.
    pub fn connect(&self) -> TcpStream {
        TcpStream::connect(self.host.address).expect("the host listens")
    }

    /// A visitor who has not signed in.
    pub fn visitor(&self) -> Visitor {
        let mut visitor = Visitor::new(ORIGIN);
        visitor.base = format!("http://{}", self.host.address);
        visitor
    }

    /// A card of this installation; it is put into its reader.
    pub fn card(&self, name: &str) -> CardSigner {
        let cards = self.dir.join("cards");
        chayan_bridge::cards::demo::DemoCards::new(&cards)
            .set_inserted(name, true)
            .expect("the card exists");
        CardSigner::new(cards, name)
    }

    /// A new company with a card of this name.
    pub fn new_company(&self, card: &str, name: &str, ubn: &str) -> CardSigner {
        let issued = pki().company(Company::card(name, ubn)).expect("a certificate");
        write_card(&self.dir, card, "MT00000000009999", "123456", true, &issued).expect("a card");
        CardSigner::new(self.dir.join("cards"), card)
    }

    /// The demo company, signed in, and its card.
    pub fn company(&self) -> (Visitor, CardSigner) {
        let card = self.card("company");
        let mut visitor = self.visitor();
        visitor.sign_in_as_company(&card, COMPANY.1).expect("the company signs in");
        (visitor, card)
    }

    /// The demo officer, signed in.
    pub fn officer(&self) -> Visitor {
        let mut visitor = self.visitor();
        visitor.sign_in_as_officer(&self.card("officer")).expect("the officer signs in");
        visitor
    }

    /// The demo company applies; the serial number of its case.
    pub fn applies(&self) -> (Visitor, CardSigner, String) {
        let (visitor, card) = self.company();
        let receipt = visitor
            .apply(&card, application())
            .and_then(|answer| answer.expect(201))
            .expect("the application is accepted");
        (visitor, card, text(&receipt["serialNumber"]))
    }

    /// The operator's command line: whether it succeeded, and what it said on either output.
    pub fn chayan(&self, arguments: &[&str]) -> (bool, String) {
        let output = Command::new(project().join("target/release/chayan"))
            .arg("--data")
            .arg(self.dir.join("data"))
            .args(arguments)
            .output()
            .expect("chayan (scripts/build)");
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }

    /// Puts whoever has this card's subject on the list, as the operator does.
    pub fn names(&self, subject_serial: &str, role: &str) {
        let who = ["--subject-serial", subject_serial, "--name", "陳測試", "--role", role];
        let (named, said) = self.chayan(&[&["add-officer"][..], &who].concat());
        assert!(named, "{said}");
    }

    /// A variable of the installation.
    pub fn variable(&self, name: &str) -> String {
        let config = std::fs::read_to_string(self.dir.join("runtime-config.toml")).expect("it");
        let config: toml::Table = config.parse().expect("TOML");
        let value = config["variables_provider"][0]["values"][name].as_str();
        value.expect("a text").to_owned()
    }

    /// Sets a variable, for the next start.
    pub fn set_variable(&self, name: &str, value: &str) {
        let path = self.dir.join("runtime-config.toml");
        let config = std::fs::read_to_string(&path).expect("it");
        let mut config: toml::Table = config.parse().expect("TOML");
        let values = config["variables_provider"][0]["values"].as_table_mut().expect("values");
        values.insert(name.to_owned(), value.into());
        std::fs::write(&path, config.to_string()).expect("written");
    }

    /// A path in the installation's folder.
    pub fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    /// An officer decides a case.
    pub fn decides(&self, id: &str, decision: &str) -> Value {
        self.officer()
            .decide(id, decision, "審核結果文字")
            .and_then(|answer| answer.expect(200))
            .expect("the decision is kept")
    }

    /// The demo company goes all the way; its caller.
    pub fn approved(&self) -> (Visitor, CardSigner, Caller) {
        let (visitor, card, id) = self.applies();
        self.decides(&id, "approve");
        let file = std::fs::read(&self.demo.company_certificate_file).expect("the certificate");
        let receipt = visitor
            .upload(&card, COMPANY.1, &file)
            .and_then(|answer| answer.expect(201))
            .expect("the certificate is accepted");
        let progress = visitor.get("/api/cases").and_then(|a| a.expect(200)).expect("progress");
        let caller = Caller {
            org_id: COMPANY.1.into(),
            ap_id: text(&progress["account"]["apId"]),
            iss_key: text(&receipt["issKey"]),
            private_key: test_pki::demo::der_of(&self.demo.company_key_file).expect("the key"),
        };
        (visitor, card, caller)
    }

    /// The CA of the companies publishes a list, and the operator imports it; what the
    /// command said.
    pub fn publishes(&self, list: &List<'_>) -> String {
        let der = pki().company_list(list).expect("a list");
        self.imports(&der)
    }

    /// The operator imports a list; what the command said, on either output.
    pub fn imports(&self, der: &[u8]) -> String {
        let file = self.dir.join("list.crl");
        std::fs::write(&file, der).expect("a file");
        let output = Command::new(project().join("target/release/chayan"))
            .arg("--data")
            .arg(self.dir.join("data"))
            .args(["import-crl", "--trust"])
            .arg(self.dir.join("trust-store.json"))
            .arg(&file)
            .output()
            .expect("chayan (scripts/build)");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    /// The certificate of a card.
    pub fn certificate_of(&self, card: &str) -> Certificate {
        let path = self.dir.join(format!("cards/{card}.json"));
        let file: Value =
            serde_json::from_slice(&std::fs::read(path).expect("the card")).expect("a card file");
        let der = BASE64_STANDARD.decode(text(&file["certificate"])).expect("Base64");
        Certificate::from_der(&der).expect("a certificate")
    }

    /// A connection to one of the installation's databases.
    pub fn database(&self, label: &str) -> rusqlite::Connection {
        rusqlite::Connection::open(self.dir.join(format!("data/{label}.db"))).expect("the database")
    }

    /// How many rows a query counts.
    pub fn count(&self, label: &str, sql: &str) -> i64 {
        self.database(label).query_row(sql, [], |row| row.get(0)).expect("a count")
    }
}

/// The demo company's application.
pub fn application() -> Value {
    form("api-application", COMPANY.0, COMPANY.1, HOST_ADDRESS)
}

/// A text member.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}")).to_owned()
}

/// The question about a known card.
pub fn question(card: &KnownCard) -> Question<'_> {
    Question {
        person_id: &card.person_id,
        apply_code: &card.apply_code,
        apply_yyymmdd: &card.apply_yyymmdd,
        issue_site_id: &card.issue_site_id,
    }
}

/// The same question with a wrong date.
pub fn wrong(card: &KnownCard) -> Question<'_> {
    Question { apply_yyymmdd: "1000101", ..question(card) }
}

/// Runs `count` acts at once and collects what came of them.
pub fn at_once<T: Send>(count: usize, act: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = std::sync::Barrier::new(count);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|index| {
                let (act, barrier) = (&act, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    act(index)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}
