//! A browser in front of an installation: Debian's Chromium, driven by chromedriver.

mod clerk;

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use anyhow::Context;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chayan_bridge::cards::demo::DemoCards;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use http_tests::{Host, TestApp, project, scratch};
use hyper_util::client::legacy::connect::HttpConnector;
use pki::{Certificate, IssuerRole, VerifiedSignature};
use serde_json::{Value, json};
use test_pki::bridge::RunningBridge;
use test_pki::demo::{AGENCY, COMPANY, Demo, DemoCredentials, Person, write_card};
use test_pki::issue::{List, Listed};
use test_pki::pki_set::{Company, Issued, TestPki};
use x509_cert::ext::pkix::CrlReason;

/// How long a page may take to show something.
const PATIENCE: Duration = Duration::from_secs(15);

/// A demo installation, its bridge, and a browser.
pub struct Desk {
    /// The browser.
    pub client: Client,
    /// The installation.
    pub demo: Demo,
    /// Its folder.
    pub dir: PathBuf,
    /// The cards in the readers.
    pub cards: DemoCards,
    pki: &'static TestPki,
    bridge: Option<RunningBridge>,
    bridge_port: u16,
    /// Where the pages look for the HiPKI component.
    pub hipki_port: u16,
    driver: Child,
    host: Option<Host>,
    port: u16,
    shots: PathBuf,
}

/// Keys and certificates of every desk's demo: generating them takes seconds.
fn credentials() -> &'static DemoCredentials {
    static CREDENTIALS: OnceLock<DemoCredentials> = OnceLock::new();
    CREDENTIALS.get_or_init(|| {
        // Every desk has an origin of its own; nobody there fetches a card's lists.
        let origin = "http://127.0.0.1:3000";
        DemoCredentials::generate(origin, jiff::Timestamp::now()).expect("a demo's credentials")
    })
}

/// A port that nobody has, that no desk of this process had, and below those that the
/// system gives to whoever asks for any.
fn free_port() -> anyhow::Result<u16> {
    static COUNT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 100)? * 100;
    for _ in 0..1000 {
        let port = 20_000 + (first + COUNT.fetch_add(1, Ordering::Relaxed)) % 10_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    anyhow::bail!("no free port")
}

/// Adds a variable of the service to its configuration.
fn set_variable(dir: &std::path::Path, name: &str, value: &str) -> anyhow::Result<()> {
    let path = dir.join("runtime-config.toml");
    let text = std::fs::read_to_string(&path)?;
    let (before, after) = text.split_once("bridge_url = ").context("no variables")?;
    std::fs::write(&path, format!("{before}{name} = \"{value}\"\nbridge_url = {after}"))?;
    Ok(())
}

impl Desk {
    /// Starts everything; screenshots go to a folder of this name.
    ///
    /// # Errors
    /// When a part does not start.
    pub async fn start(name: &str) -> anyhow::Result<Self> {
        Self::start_at(name, None, false).await
    }

    /// The same with a browser that writes down every byte that it sends and receives, as
    /// `traffic.json` in the installation's folder.
    ///
    /// # Errors
    /// When a part does not start.
    pub async fn start_recorded(name: &str) -> anyhow::Result<Self> {
        Self::start_at(name, None, true).await
    }

    /// The same on a site that the browser takes for one of the internet, by this name: its
    /// pages need a permission to reach programs on this computer.
    ///
    /// # Errors
    /// When a part does not start.
    pub async fn start_public(name: &str) -> anyhow::Result<Self> {
        Self::start_at(name, Some("chayan.test"), false).await
    }

    async fn start_at(name: &str, public: Option<&str>, recorded: bool) -> anyhow::Result<Self> {
        let (port, bridge_port, driver_port) = (free_port()?, free_port()?, free_port()?);
        let dir = scratch(name);
        let origin = format!("http://{}:{port}", public.unwrap_or("127.0.0.1"));
        let record = [
            format!("--log-net-log={}", dir.join("traffic.json").display()),
            "--net-log-capture-mode=Everything".to_owned(),
        ];
        let more: Vec<_> = public
            .map(|host| {
                [
                    format!("--host-resolver-rules=MAP {host} 127.0.0.1"),
                    format!("--unsafely-treat-insecure-origin-as-secure={origin}"),
                    format!("--ip-address-space-overrides=127.0.0.1:{port}=public"),
                ]
            })
            .into_iter()
            .flatten()
            .chain(record.into_iter().filter(|_| recorded))
            .collect();
        let bridge_url = format!("http://127.0.0.1:{bridge_port}");
        let credentials = credentials();
        let now = jiff::Timestamp::now();
        let demo = Demo::create_with(credentials, &dir, &origin, &bridge_url, now)?;
        let hipki_port = free_port()?;
        set_variable(&dir, "hipki_url", &format!("http://localhost:{hipki_port}"))?;
        let driver = Command::new("chromedriver")
            .arg(format!("--port={driver_port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("chromedriver (scripts/install test)")?;
        let client = browser(driver_port, &dir, &more).await?;
        let shots = project().join("target/screenshots").join(name);
        std::fs::create_dir_all(&shots)?;
        let cards = DemoCards::new(dir.join("cards"));
        let mut desk = Self {
            client,
            demo,
            dir,
            cards,
            pki: &credentials.pki,
            bridge: None,
            bridge_port,
            hipki_port,
            driver,
            host: None,
            port,
            shots,
        };
        desk.restart(&[])?;
        desk.start_bridge("123456")?;
        Ok(desk)
    }

    /// Starts the service again, with further arguments of the host.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart(&mut self, more: &[&str]) -> anyhow::Result<()> {
        self.host = None;
        let mut arguments = TestApp::host_arguments(&self.dir);
        arguments.extend(["--listen".into(), format!("127.0.0.1:{}", self.port)]);
        let arguments: Vec<_> =
            arguments.iter().map(String::as_str).chain(more.iter().copied()).collect();
        self.host = Some(Host::start(&arguments)?);
        Ok(())
    }

    /// The CA of the companies publishes a list, with the company's card on it for this
    /// reason or without; the operator imports it.
    ///
    /// # Errors
    /// When it is not taken.
    pub fn publishes(&self, number: u64, reason: Option<CrlReason>) -> anyhow::Result<()> {
        let now = jiff::Timestamp::now();
        let card: Value =
            serde_json::from_slice(&std::fs::read(self.dir.join("cards/company.json"))?)?;
        let der = BASE64_STANDARD.decode(card["certificate"].as_str().context("no card")?)?;
        let serial = Certificate::from_der(&der)?.serial_bytes().to_vec();
        let list = List {
            number,
            this_update: now,
            next_update: now + jiff::SignedDuration::from_hours(24),
            partition: None,
            entries: reason
                .map(|reason| Listed { serial, reason: Some(reason), at: now })
                .into_iter()
                .collect(),
        };
        let file = self.dir.join("list.crl");
        std::fs::write(&file, self.pki.company_list(&list)?)?;
        let trust = self.dir.join("trust-store.json").display().to_string();
        let file = file.display().to_string();
        let said = self.chayan(&["import-crl", "--trust", &trust, &file])?;
        anyhow::ensure!(said.contains("taken,"), "{said}");
        Ok(())
    }

    /// The operator's command line; what it said.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn chayan(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = Command::new(project().join("target/release/chayan"))
            .arg("--data")
            .arg(self.dir.join("data"))
            .args(arguments)
            .output()?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        anyhow::ensure!(output.status.success(), "{said}");
        Ok(said)
    }

    /// How the signature of the newest application came from its card, as it was recorded.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn recorded_transport(&self) -> anyhow::Result<Option<String>> {
        let database = rusqlite::Connection::open(self.dir.join("data/default.db"))?;
        let sql = "SELECT judgement ->> '$.transport' FROM applications
            JOIN cases ON id = case_id ORDER BY submitted_at DESC LIMIT 1";
        Ok(database.query_row(sql, [], |row| row.get(0))?)
    }

    /// Judges a signed message by this installation's CAs.
    ///
    /// # Errors
    /// When it is refused.
    pub fn verify(&self, message: &[u8]) -> anyhow::Result<VerifiedSignature> {
        self.pki.verify(message)
    }

    /// A certificate of the company's CA, with its key.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn issued(&self, company: Company<'_>) -> anyhow::Result<Issued> {
        self.pki.company(company)
    }

    /// Puts this card into the one reader, and takes every other out.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn only(&self, card: &str) -> anyhow::Result<()> {
        for name in self.cards.names()? {
            self.cards.set_inserted(&name, name == card)?;
        }
        Ok(())
    }

    /// Another card of the demo agency, not in the reader.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn another_agency_card(&self, name: &str) -> anyhow::Result<()> {
        write_card(&self.dir, name, "GP00000000000099", "123456", false, &self.agency_card()?)
    }

    /// Key and certificate of another card of the demo agency.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn agency_card(&self) -> anyhow::Result<Issued> {
        self.pki.agency("測試機關", AGENCY.parse()?)
    }

    /// Another card of this person, not in the reader.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn another_citizen_card(&self, name: &str, person: Person) -> anyhow::Result<()> {
        let issued = self.citizen_card(person)?;
        write_card(&self.dir, name, "TP00000000000099", "123456", false, &issued)
    }

    /// Key and certificate of another card of this person.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn citizen_card(&self, person: Person) -> anyhow::Result<Issued> {
        self.pki.citizen(person.name, person.subject_serial, person.tail())
    }

    /// The company's key and certificate, for a card of another kind.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn company_card(&self) -> anyhow::Result<Issued> {
        self.pki.company(Company::card(COMPANY.0, COMPANY.1))
    }

    /// How many certificates came with a proof of possession.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn proofs_of_possession(&self) -> anyhow::Result<i64> {
        let database = rusqlite::Connection::open(self.dir.join("data/default.db"))?;
        let sql = "SELECT count(*) FROM certificates WHERE possession IS NOT NULL";
        Ok(database.query_row(sql, [], |row| row.get(0))?)
    }

    /// Another card of the company in another reader; its name.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn another_company_card(&self, name: &str) -> anyhow::Result<String> {
        self.card_of(name, COMPANY.0, COMPANY.1)
    }

    /// Puts a card of this company into a reader of this name.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn card_of(&self, name: &str, company: &str, ubn: &str) -> anyhow::Result<String> {
        let issued = self.pki.company(Company::card(company, ubn))?;
        write_card(&self.dir, name, "MT00000000000099", "123456", true, &issued)?;
        Ok(name.to_owned())
    }

    /// Starts the bridge, which answers the PIN window with this.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn start_bridge(&mut self, pin: &str) -> anyhow::Result<()> {
        let cards = self.dir.join("cards");
        let cards = cards.to_str().context("the folder's name")?;
        self.bridge_with(&[
            "--demo-cards",
            cards,
            "--demo-answer",
            pin,
            "--allow-origin",
            &self.demo.origin.clone(),
        ])
    }

    /// Starts the bridge with these arguments.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn bridge_with(&mut self, arguments: &[&str]) -> anyhow::Result<()> {
        self.stop_bridge();
        let program = project().join("target/release/chayan-bridge");
        let started = RunningBridge::start(&program, &self.dir, self.bridge_port, arguments, &[]);
        self.bridge = Some(started?);
        Ok(())
    }

    /// Where the bridge listens.
    pub fn bridge_port(&self) -> u16 {
        self.bridge_port
    }

    /// Turns to the other window, once there is one.
    ///
    /// # Errors
    /// When none is opened in time.
    pub async fn to_popup(&self) -> anyhow::Result<()> {
        let page = self.client.window().await?;
        let begun = std::time::Instant::now();
        loop {
            let windows = self.client.windows().await?;
            if let Some(popup) = windows.into_iter().find(|window| *window != page) {
                return Ok(self.client.switch_to_window(popup).await?);
            }
            anyhow::ensure!(begun.elapsed() < PATIENCE, "no popup");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The processes of the service and of the bridge.
    ///
    /// # Errors
    /// When one of them does not run.
    pub fn processes(&self) -> anyhow::Result<(u32, u32)> {
        let host = self.host.as_ref().context("no service")?;
        Ok((host.id(), self.bridge.as_ref().context("no bridge")?.id()))
    }

    /// What the service has written to its log.
    ///
    /// # Errors
    /// When it does not run.
    pub fn service_log(&self) -> anyhow::Result<String> {
        Ok(self.host.as_ref().context("no service")?.log())
    }

    /// Stops the bridge.
    pub fn stop_bridge(&mut self) {
        self.bridge = None;
    }

    /// Answers a permission of the browser before it asks.
    ///
    /// # Errors
    /// When the browser does not know it.
    pub async fn permit(&self, name: &str, state: &str) -> anyhow::Result<()> {
        let body = json!({ "descriptor": { "name": name }, "state": state });
        self.client.issue_cmd(Driver { path: "permissions", body }).await?;
        Ok(())
    }

    /// Opens a page.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn open(&self, path: &str) -> anyhow::Result<()> {
        Ok(self.client.goto(&format!("{}{path}", self.demo.origin)).await?)
    }

    /// Waits until an element is shown, and returns its text.
    ///
    /// # Errors
    /// When it does not appear in time.
    pub async fn text(&self, css: &str) -> anyhow::Result<String> {
        let begun = std::time::Instant::now();
        loop {
            // A page may replace it while it is looked at.
            if let Ok(element) = self.client.find(Locator::Css(css)).await
                && let Ok(true) = element.is_displayed().await
                && let Ok(text) = element.text().await
            {
                return Ok(text);
            }
            if begun.elapsed() > PATIENCE {
                let message = self.page_text().await.unwrap_or_default();
                let console = self.console().await.unwrap_or_default();
                anyhow::bail!("{css} does not appear; the page says: {message}\n{console}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until an element is shown and says this.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn says(&self, css: &str, part: &str) -> anyhow::Result<()> {
        let begun = std::time::Instant::now();
        loop {
            let text = self.text(css).await?;
            if text.contains(part) {
                return Ok(());
            }
            anyhow::ensure!(begun.elapsed() < PATIENCE, "{css} says {text}, not {part}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until a script says yes.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn until(&self, script: &str) -> anyhow::Result<()> {
        let begun = std::time::Instant::now();
        while self.client.execute(script, vec![]).await? != true {
            anyhow::ensure!(begun.elapsed() < PATIENCE, "{script}: not in time");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Everything that the page shows.
    ///
    /// # Errors
    /// When the browser is gone.
    pub async fn page_text(&self) -> anyhow::Result<String> {
        Ok(self.client.find(Locator::Css("body")).await?.text().await?)
    }

    /// Clicks.
    ///
    /// # Errors
    /// When there is nothing to click.
    pub async fn click(&self, css: &str) -> anyhow::Result<()> {
        self.text(css).await?;
        match self.client.find(Locator::Css(css)).await?.click().await {
            Err(error) if error.is_stale_element_reference() => {
                Ok(self.client.find(Locator::Css(css)).await?.click().await?)
            }
            clicked => Ok(clicked?),
        }
    }

    /// Types into a field, in place of what is there.
    ///
    /// # Errors
    /// When there is no such field.
    pub async fn fill(&self, css: &str, text: &str) -> anyhow::Result<()> {
        self.text(css).await?;
        let field = self.client.find(Locator::Css(css)).await?;
        field.clear().await?;
        Ok(field.send_keys(text).await?)
    }

    /// What the browser's console said since it was last asked.
    ///
    /// # Errors
    /// When the browser is gone.
    pub async fn console(&self) -> anyhow::Result<String> {
        let command = Driver { path: "se/log", body: json!({ "type": "browser" }) };
        Ok(self.client.issue_cmd(command).await?.to_string())
    }

    /// A command of Chrome's own protocol.
    async fn devtools(&self, command: &str, parameters: Value) -> anyhow::Result<Value> {
        let body = json!({ "cmd": command, "params": parameters });
        let command = Driver { path: "goog/cdp/execute", body };
        Ok(self.client.issue_cmd(command).await?)
    }

    /// Switches scripts off.
    ///
    /// # Errors
    /// When the browser cannot.
    pub async fn without_script(&self) -> anyhow::Result<()> {
        let off = json!({ "value": true });
        self.devtools("Emulation.setScriptExecutionDisabled", off).await.map(drop)
    }

    /// Asks axe whether everybody can use what the page shows (WCAG 2.1 AA).
    ///
    /// # Errors
    /// When somebody cannot: what, and where.
    async fn accessible(&self, name: &str) -> anyhow::Result<()> {
        let axe = project().join("tests/browser/node_modules/axe-core/axe.min.js");
        let axe = std::fs::read_to_string(axe).context("axe-core (scripts/install test)")?;
        self.client.execute(&axe, vec![]).await?;
        let script = "const done = arguments[0]; \
            axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'] }) \
            .then(({ violations }) => done(violations.map(({ id, help, nodes }) => \
                `${id}: ${help}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`)), \
                (error) => done([String(error)]))";
        let found = self.client.execute_async(script, vec![]).await?;
        anyhow::ensure!(found == json!([]), "{name}: {found:#}");
        Ok(())
    }

    /// A server certificate of an agency (GCA), for half a year.
    ///
    /// # Errors
    /// When the library fails.
    pub fn server(&self, name: &str, organisation: &str) -> anyhow::Result<Issued> {
        self.pki.server(IssuerRole::Gca, name, organisation.parse()?, 182)
    }

    /// Takes the whole page as a wide and as a narrow screen shows it, in the dark, and as
    /// printed. Looks on the screens that nothing is too wide, also enlarged to 400 %, and that
    /// everybody can use it.
    ///
    /// # Errors
    /// When the browser cannot, or somebody.
    pub async fn shots(&self, name: &str) -> anyhow::Result<()> {
        for (kind, width, medium, scheme) in [
            ("1280", 1280, "", "light"),
            ("390", 390, "", "light"),
            // 1280 pixels at 400 %.
            ("320", 320, "", "light"),
            ("dark", 1280, "", "dark"),
            ("print", 794, "print", "light"),
        ] {
            let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
            let media = json!({ "media": medium, "features": features });
            self.devtools("Emulation.setEmulatedMedia", media).await?;
            let metrics = json!({
                "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 400,
            });
            self.devtools("Emulation.setDeviceMetricsOverride", metrics).await?;
            // Nothing may be wider than the screen (WCAG 1.4.10).
            let script = "return document.documentElement.scrollWidth - window.innerWidth";
            let overflow = self.client.execute(script, vec![]).await?;
            anyhow::ensure!(
                overflow.as_i64().is_some_and(|pixels| pixels <= 0),
                "{name} at {width}: {overflow} pixels too wide"
            );
            if medium.is_empty() {
                self.accessible(&format!("{name}, {kind}")).await?;
            }
            if kind == "320" {
                continue;
            }
            let shot = self
                .devtools(
                    "Page.captureScreenshot",
                    json!({ "captureBeyondViewport": true, "format": "png" }),
                )
                .await?;
            let png = BASE64_STANDARD.decode(shot["data"].as_str().context("no picture")?)?;
            std::fs::write(self.shots.join(format!("{name}-{kind}.png")), png)?;
        }
        let media = json!({ "media": "", "features": [] });
        self.devtools("Emulation.setEmulatedMedia", media).await?;
        self.devtools("Emulation.clearDeviceMetricsOverride", json!({})).await?;
        Ok(())
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

async fn browser(port: u16, dir: &std::path::Path, more: &[String]) -> anyhow::Result<Client> {
    let profile = dir.join("profile");
    let usual = json!([
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--window-size=1280,900",
        format!("--user-data-dir={}", profile.display()),
    ]);
    let arguments: Vec<Value> = usual
        .as_array()
        .into_iter()
        .flatten()
        .cloned()
        .chain(more.iter().map(|argument| json!(argument)))
        .collect();
    let options = json!({ "args": arguments });
    let capabilities = serde_json::Map::from_iter([
        ("goog:chromeOptions".to_owned(), options),
        ("goog:loggingPrefs".to_owned(), json!({ "browser": "ALL" })),
    ]);
    let mut last = None;
    for _ in 0..100 {
        let connected = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities.clone())
            .connect(&format!("http://127.0.0.1:{port}"))
            .await;
        match connected {
            Ok(client) => return Ok(client),
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(last.context("no browser")?.into())
}

/// A command that chromedriver knows beyond the standard's.
#[derive(Debug)]
struct Driver {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Driver {
    fn endpoint(
        &self,
        base: &url::Url,
        session: Option<&str>,
    ) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.body.to_string()))
    }
}
