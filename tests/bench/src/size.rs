//! The verification call with ten thousand cards and with the whole population's, rounds
//! alternating: what size costs. Then 1,000 calls a second at fixed times, and a cold start.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use http_tests::{Host, TestApp, project};
use jiff::Timestamp;
use test_pki::token::{Caller, Question};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{CONNECTIONS, WRONG, cpu_micros, median};

const SIZES: [u64; 2] = [10_000, 23_400_000];
const ROUNDS: usize = 5;
/// Calls of one round.
const CALLS: usize = 12_000;
/// Calls a second at fixed times, and for how long.
const RATE: usize = 1_000;
const SECONDS: usize = 15;

struct Sized {
    app: TestApp,
    caller: Caller,
    /// Lines of the file of cards, from all over it.
    cards: Vec<Vec<String>>,
    cpu: Vec<f64>,
    latency: Vec<f64>,
}

pub(crate) fn compare() -> anyhow::Result<()> {
    let mut sizes = SIZES.into_iter().map(Sized::new).collect::<anyhow::Result<Vec<_>>>()?;
    for round in 0..=ROUNDS {
        for sized in &mut sizes {
            let measured = sized.round(round)?;
            if round > 0 {
                sized.cpu.push(measured.0);
                sized.latency.push(measured.1);
            }
        }
    }
    println!(
        "\none call after another on {CONNECTIONS} connections, any card of the register, one in {WRONG} wrong, median of {ROUNDS} rounds of {CALLS} calls"
    );
    println!("| cards | p50 ms | CPU µs/request | memory of the host, MiB |");
    println!("|---|---|---|---|");
    let mut figures = Vec::new();
    for (sized, count) in sizes.iter().zip(SIZES) {
        let (latency, cpu) = (median(sized.latency.clone()), median(sized.cpu.clone()));
        let memory = resident(sized.app.process().id())?;
        println!("| {count} | {latency:.2} | {cpu:.0} | {memory:.0} |");
        figures.push(latency);
    }
    println!("ratio of the medians: {:.2}", figures[1] / figures[0]);
    let whole = &sizes[1];
    let at_rate = whole.at_fixed_times()?;
    let at = |part: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index"
        )]
        let index = (at_rate.len() as f64 * part) as usize;
        at_rate[index].as_secs_f64() * 1000.0
    };
    println!(
        "\n{RATE} calls a second at fixed times, {} cards, one in {WRONG} wrong, for {SECONDS} s: p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms",
        SIZES[1],
        at(0.5),
        at(0.99),
        at(0.999)
    );
    cold_start(whole)
}

impl Sized {
    fn new(count: u64) -> anyhow::Result<Self> {
        let app = TestApp::start();
        let (_, _, caller) = app.approved();
        let unlimited = "UPDATE accounts SET calls_per_minute = 60000000, burst = 1000000";
        app.database("default").execute(unlimited, [])?;
        let file = app.path("cards.csv");
        let generated = Command::new(project().join("target/release/chayan"))
            .args(["generate-id-cards", "--count", &count.to_string()])
            .stdout(File::create(&file)?)
            .status()?;
        ensure!(generated.success(), "the cards");
        let begun = Instant::now();
        let (imported, said) = app.chayan(&[
            "import-id-cards",
            &file,
            "--whole",
            "--key-file",
            &app.path("register.key"),
        ]);
        ensure!(imported, "{said}");
        let seconds = begun.elapsed().as_secs_f64();
        let size = std::fs::metadata(app.dir.join("data/register.db"))?.len();
        #[expect(clippy::cast_precision_loss, reason = "a few million")]
        let (rate, bytes) = (count as f64 / seconds, size as f64 / count as f64);
        println!(
            "{count} cards imported in {seconds:.1} s: {rate:.0} a second, {bytes:.1} bytes each"
        );
        let every = usize::try_from(count)?.div_ceil(200_000).max(1);
        let lines = BufReader::new(File::open(&file)?).lines().skip(1).step_by(every);
        let cards = lines
            .map(|line| Ok(line?.split(',').map(str::to_owned).collect()))
            .collect::<std::io::Result<_>>()?;
        std::fs::remove_file(file)?;
        Ok(Self { app, caller, cards, cpu: Vec::new(), latency: Vec::new() })
    }

    /// Requests, each with a token of its own: every tenth asks with a wrong date.
    fn requests(&self, from: usize, count: usize) -> anyhow::Result<Vec<Vec<u8>>> {
        let now = Timestamp::now();
        let made = |index: usize| {
            let card = &self.cards[(from + index).wrapping_mul(7919) % self.cards.len()];
            let date = if index.is_multiple_of(WRONG) { "1150101" } else { &card[2] };
            let question = Question {
                person_id: &card[0],
                apply_code: &card[1],
                apply_yyymmdd: date,
                issue_site_id: &card[3],
            };
            let token = self.caller.token(question, now)?;
            anyhow::Ok(format!("GET /integration/rwv2c2 HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n\r\n").into_bytes())
        };
        let half = count / 2;
        std::thread::scope(|scope| {
            let first = scope.spawn(|| (0..half).map(made).collect::<anyhow::Result<Vec<_>>>());
            let second = (half..count).map(made).collect::<anyhow::Result<Vec<_>>>()?;
            Ok([first.join().expect("a signing thread")?, second].concat())
        })
    }

    /// CPU microseconds of a call, and the median of its milliseconds.
    fn round(&self, round: usize) -> anyhow::Result<(f64, f64)> {
        let requests = self.requests(round * CALLS, CALLS)?;
        let process = self.app.process();
        let cpu = cpu_micros(process.id())?;
        let mut latencies = ask(process.address, &requests, None)?;
        let cpu = cpu_micros(process.id())? - cpu;
        latencies.sort_unstable();
        #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
        let each = cpu / CALLS as f64;
        Ok((each, latencies[latencies.len() / 2].as_secs_f64() * 1000.0))
    }

    /// Latencies from the time when a call is due, sorted.
    fn at_fixed_times(&self) -> anyhow::Result<Vec<Duration>> {
        let requests = self.requests((ROUNDS + 1) * CALLS, RATE * SECONDS)?;
        let mut latencies =
            ask(self.app.process().address, &requests, Some(Duration::from_secs(1) / RATE as u32))?;
        latencies.sort_unstable();
        Ok(latencies)
    }
}

/// Asks on all connections, one thread; with an interval each at its time, late ones at once.
fn ask(
    address: SocketAddr,
    requests: &[Vec<u8>],
    interval: Option<Duration>,
) -> anyhow::Result<Vec<Duration>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let begun = Instant::now() + Duration::from_millis(50);
    let connection = async |first: usize| -> anyhow::Result<Vec<Duration>> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut latencies = Vec::new();
        let mut buffer = [0; 4096];
        for index in (first..requests.len()).step_by(CONNECTIONS) {
            let due = match interval {
                None => Instant::now(),
                Some(interval) => {
                    let due = begun + interval * u32::try_from(index)?;
                    tokio::time::sleep_until(due.into()).await;
                    due
                }
            };
            stream.write_all(&requests[index]).await?;
            let mut read = 0;
            while !buffer[..read].ends_with(b"}}") {
                let more = stream.read(&mut buffer[read..]).await?;
                ensure!(more > 0, "the connection was closed");
                read += more;
            }
            let text = std::str::from_utf8(&buffer[..read])?;
            ensure!(text.contains("checkIdCardApply"), "{text}");
            latencies.push(due.elapsed());
        }
        Ok(latencies)
    };
    let all = (0..CONNECTIONS).map(connection);
    let results = runtime.block_on(futures_util::future::join_all(all));
    Ok(results.into_iter().collect::<anyhow::Result<Vec<_>>>()?.concat())
}

/// Resident memory of a process without what it shares with files, in MiB.
fn resident(process: u32) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    let kibibytes: f64 = line.split_whitespace().next().context("a number")?.parse()?;
    Ok(kibibytes / 1024.0)
}

/// From the start of the process to the first answer, modules compiled before.
fn cold_start(whole: &Sized) -> anyhow::Result<()> {
    let mut times = Vec::new();
    for index in 0..5 {
        let request = whole.requests((ROUNDS + 20) * CALLS + index, 1)?;
        let arguments = TestApp::host_arguments(&whole.app.dir);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let begun = Instant::now();
        let host = Host::start(&arguments)?;
        ask(host.address, &request, None)?;
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    println!(
        "from the host's start to its first answer, compiled modules kept: {:.0} ms",
        median(times)
    );
    Ok(())
}
