//! `chayan-bench`: one run, two servers, the same machine and data. Rounds alternate, so
//! that whatever else the machine does meets both. Only the ratios travel to other machines.

mod bridge;
mod checks;
mod peer;
mod size;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use domain::{DigestKey, IdCard};
use http_tests::{Host, TestApp, project};
use jiff::Timestamp;
use store::native::Native;
use store::schema::Label;
use store::{IdCardRow, Register, Transaction};
use test_pki::token::{Caller, Question};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// For the peer: what a well-written server would choose.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Identity cards in the register.
const CARDS: u32 = 10_000;
/// Numbers from here on are nobody's.
const NOBODY: u32 = 50_000_000;
/// One question in so many is wrong.
const WRONG: usize = 10;
/// So many wrong questions are about one person: each counts and is synced.
const TIMES: usize = domain::MAX_WRONG_ANSWERS as usize;
/// Questions of the first round; later ones need what the server has shown.
const FIRST: usize = 60_000;
const CONNECTIONS: usize = 16;
const CLIENT_THREADS: usize = 2;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(3);

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("peer") => peer::serve(Path::new(&arguments[2])),
        None => compare()
            .and_then(|()| size::compare())
            .and_then(|()| checks::compare())
            .and_then(|()| bridge::measure()),
        Some("calls") => compare(),
        Some("size") => size::compare(),
        Some("checks") => checks::compare(),
        Some("bridge") => bridge::measure(),
        Some(_) => anyhow::bail!("chayan-bench [calls | size | checks | bridge]"),
    }
}

/// A server under load.
struct Server {
    name: &'static str,
    address: SocketAddr,
    process: u32,
    /// Questions that a round needs.
    needed: usize,
    rounds: Vec<Round>,
}

/// What one round showed.
struct Round {
    requests: usize,
    seconds: f64,
    cpu_micros: f64,
    latencies: Vec<Duration>,
}

/// Another server than ours, ended with the bench.
struct Peer {
    child: Child,
    address: SocketAddr,
}

impl Peer {
    /// Starts a program that prints where it listens.
    fn start(command: &mut Command) -> anyhow::Result<Self> {
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{command:?} (scripts/install bench)"))?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
        let address = line.trim().parse().with_context(|| format!("{command:?}: {line:?}"))?;
        Ok(Self { child, address })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the servers in Node and Python need to know of the installation.
fn settings(app: &TestApp) -> anyhow::Result<String> {
    let config: toml::Table = std::fs::read_to_string(app.path("runtime-config.toml"))?.parse()?;
    let values = &config["variables_provider"][0]["values"];
    let settings = serde_json::json!({
        "data": app.path("data"), "digestKey": values["digest_key"], "registerKey": values["register_key"],
    });
    Ok(settings.to_string())
}

/// The component written the usual way, an instance for each request.
fn usual(app: &TestApp) -> anyhow::Result<Host> {
    let mut arguments = TestApp::host_arguments(&app.dir);
    arguments[1] = project().join("tests/usual/spin.toml").display().to_string();
    arguments.extend(["--max-instance-reuse-count", "1"].map(str::to_owned));
    Host::start(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

fn compare() -> anyhow::Result<()> {
    let app = TestApp::start();
    let (_, _, caller) = app.approved();
    fill_register(&app.dir)?;
    let unlimited = "UPDATE accounts SET calls_per_minute = 60000000, burst = 1000000";
    app.database("default").execute(unlimited, [])?;
    let (peers, settings) = (project().join("tests/bench/peers"), settings(&app)?);
    let program = std::env::current_exe()?;
    let native = Peer::start(Command::new(program).args(["peer", &app.path("")]))?;
    let node = Peer::start(
        Command::new("node")
            .arg(peers.join("node/server.mjs"))
            .env("NODE_ENV", "production")
            .env("CHAYAN_PEER", &settings),
    )?;
    let python = project().join("target/tools/fastapi/bin/python");
    let fastapi = Peer::start(
        Command::new(python).arg(peers.join("fastapi/server.py")).env("CHAYAN_PEER", &settings),
    )?;
    let usual = usual(&app)?;
    let ours = app.process();
    let server = |name, address, process, needed| {
        let rounds = Vec::new();
        Server { name, address, process, needed, rounds }
    };
    let peer = |name, peer: &Peer, needed| server(name, peer.address, peer.child.id(), needed);
    let mut servers = [
        server("component in chayan-host", ours.address, ours.id(), FIRST / 2),
        peer("native: axum + rusqlite + aws-lc", &native, FIRST),
        peer("Node: Express + jsonwebtoken + better-sqlite3", &node, FIRST / 3),
        peer("Python: FastAPI + PyJWT", &fastapi, FIRST / 3),
        server("component written the usual way", usual.address, usual.id(), FIRST / 5),
    ];
    let mut person = 0;
    // The first round warms up and is not counted.
    for round in 0..=ROUNDS {
        for server in &mut servers {
            let questions = Questions::new(&caller, server.needed, &mut person)?;
            let measured = load(server, &questions)?;
            // The machine's speed moves.
            server.needed = measured.requests * 3 / 2 + 1000;
            #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
            let cpu = measured.cpu_micros / measured.requests as f64;
            eprintln!("round {round} of {ROUNDS}: {}: {cpu:.0} µs of CPU", server.name);
            if round > 0 {
                server.rounds.push(measured);
            }
        }
    }
    report(&servers);
    Ok(())
}

/// A fictional number: a letter, 1, eight digits.
fn person_id(number: u32) -> String {
    format!("Z1{number:08}")
}

fn fill_register(dir: &Path) -> anyhow::Result<()> {
    let key = std::fs::read_to_string(dir.join("register.key"))?;
    let key = DigestKey::from_hex(key.trim()).context("the key")?;
    let database = Native::open_in(&dir.join("data"), Label::Register)?;
    let transaction = Transaction::begin(&database)?;
    for number in 0..CARDS {
        let card = IdCard::new(&person_id(number), "1", "0940105", "63000")?;
        let (person, digest) = (key.person(&card), key.card(&card));
        let row = IdCardRow { person, card: digest, state: 0, changed: false };
        Register(&transaction).put(&row)?;
    }
    Ok(transaction.commit()?)
}

/// Requests of one round, each with a token of its own.
struct Questions {
    requests: Vec<Vec<u8>>,
    asked: AtomicUsize,
}

impl Questions {
    fn new(caller: &Caller, count: usize, person: &mut u32) -> anyhow::Result<Self> {
        let now = Timestamp::now();
        let first = *person;
        *person += u32::try_from(count / WRONG / TIMES)? + 1;
        let made = |index: usize| {
            let number = if index.is_multiple_of(WRONG) {
                NOBODY + first + u32::try_from(index / WRONG / TIMES)?
            } else {
                u32::try_from(index)?.wrapping_mul(7919) % CARDS
            };
            request(caller, number, now)
        };
        let threads = std::thread::available_parallelism()?.get();
        let parts: Vec<anyhow::Result<Vec<Vec<u8>>>> = std::thread::scope(|scope| {
            let part = |thread| (0..count).skip(thread * count / threads).take(count / threads + 1);
            let threads: Vec<_> = (0..threads)
                .map(|thread| scope.spawn(move || part(thread).map(made).collect()))
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("a signing thread")).collect()
        });
        let requests = parts.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
        Ok(Self { requests, asked: AtomicUsize::new(0) })
    }

    /// What nobody has asked yet.
    fn next(&self) -> Option<&[u8]> {
        let next = self.asked.fetch_add(1, Ordering::Relaxed);
        self.requests.get(next).map(Vec::as_slice)
    }
}

fn request(caller: &Caller, number: u32, now: Timestamp) -> anyhow::Result<Vec<u8>> {
    let question = Question {
        person_id: &person_id(number),
        apply_code: "1",
        apply_yyymmdd: "0940105",
        issue_site_id: "63000",
    };
    let token = caller.token(question, now)?;
    Ok(format!(
        "GET /integration/rwv2c2 HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n\r\n"
    )
    .into_bytes())
}

fn load(server: &Server, questions: &Questions) -> anyhow::Result<Round> {
    let cpu = cpu_micros(server.process)?;
    let begun = Instant::now();
    // Two threads with half of the connections each: a thread for each connection would
    // cost the server a wake-up for each answer.
    let results: Vec<anyhow::Result<Vec<Duration>>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CLIENT_THREADS)
            .map(|thread| scope.spawn(move || client(server.address, questions, thread)))
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let seconds = begun.elapsed().as_secs_f64();
    let cpu_micros = cpu_micros(server.process)? - cpu;
    let mut latencies = Vec::new();
    for result in results {
        latencies.extend(result.with_context(|| server.name)?);
    }
    latencies.sort_unstable();
    Ok(Round { requests: latencies.len(), seconds, cpu_micros, latencies })
}

/// One client thread: every connection whose number it has.
fn client(
    address: SocketAddr,
    questions: &Questions,
    thread: usize,
) -> Vec<anyhow::Result<Vec<Duration>>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let connections = (thread..CONNECTIONS).step_by(CLIENT_THREADS);
    let all = connections.map(|_| connection(address, questions));
    runtime.block_on(futures_util::future::join_all(all))
}

/// Asks one question after another until the round is over.
async fn connection(address: SocketAddr, questions: &Questions) -> anyhow::Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut latencies = Vec::new();
    let mut buffer = [0; 4096];
    let end = Instant::now() + ROUND;
    loop {
        let begun = Instant::now();
        if begun > end {
            break;
        }
        // A machine that has become much faster ends its round early.
        let Some(request) = questions.next() else { break };
        stream.write_all(request).await?;
        let mut read = 0;
        // Both servers answer with a body that ends in two braces.
        while !buffer[..read].ends_with(b"}}") {
            let more = stream.read(&mut buffer[read..]).await?;
            anyhow::ensure!(more > 0, "the connection was closed");
            read += more;
        }
        latencies.push(begun.elapsed());
        let text = std::str::from_utf8(&buffer[..read])?;
        let code = text.split("checkIdCardApply\":\"").nth(1).and_then(|rest| rest.chars().next());
        anyhow::ensure!(code.is_some_and(|code| "12345".contains(code)), "{text}");
    }
    Ok(latencies)
}

/// CPU time of a process, user and system, in microseconds.
fn cpu_micros(process: u32) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields: Vec<&str> = stat.rsplit_once(')').context("stat")?.1.split_whitespace().collect();
    let ticks = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    // The kernel reports hundredths of a second.
    Ok(ticks * 10_000.0)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn report(servers: &[Server]) {
    println!(
        "verification call, {CARDS} cards, one in {WRONG} wrong, {CONNECTIONS} connections, median of {ROUNDS} rounds of {} s\n",
        ROUND.as_secs()
    );
    println!("| server | requests/s | p50 ms | p99 ms | CPU µs/request | CPU of it: ours |");
    println!("|---|---|---|---|---|---|");
    let mut ours = None;
    for server in servers {
        let figure = |of: &dyn Fn(&Round) -> f64| median(server.rounds.iter().map(of).collect());
        let at = |round: &Round, part: f64| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "an index"
            )]
            let index = (round.latencies.len() as f64 * part) as usize;
            round.latencies[index].as_secs_f64() * 1000.0
        };
        #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
        let rate = figure(&|round| round.requests as f64 / round.seconds);
        #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
        let cpu = figure(&|round| round.cpu_micros / round.requests as f64);
        let (p50, p99) = (figure(&|round| at(round, 0.5)), figure(&|round| at(round, 0.99)));
        let ratio = cpu / *ours.get_or_insert(cpu);
        let name = server.name;
        println!("| {name} | {rate:.0} | {p50:.2} | {p99:.2} | {cpu:.0} | {ratio:.2} |");
    }
}
