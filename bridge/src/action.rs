//! The side of a worker that waits for it: starts it, gives it time, ends it.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use protocol::{Failure, FailureCode};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Take};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, timeout, timeout_at};
use zeroize::Zeroizing;

use crate::dialog::PATIENCE;
use crate::page::PageWindows;
use crate::worker::{Job, Word};

/// How long a person may take, two windows included.
const PERSON_TIME: Duration = Duration::from_secs(2 * PATIENCE as u64 + 10);
/// How long a worker may take to end by itself.
const END_TIME: Duration = Duration::from_millis(500);
/// Longest output of a worker.
const MAX_OUTPUT: u64 = 4 << 20;

/// How workers are started.
#[derive(Clone, Debug)]
pub struct Workers {
    program: PathBuf,
    card_time: Duration,
}

/// A worker at work. When it is dropped, its input ends and it closes its window; if it
/// cannot, it is killed.
struct Running {
    child: Option<(Child, ChildStdin)>,
    output: BufReader<Take<ChildStdout>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some((mut child, input)) = self.child.take() else { return };
        drop(input);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let _ = timeout(END_TIME, child.wait()).await;
                let _ = child.kill().await;
            });
        }
    }
}

impl Running {
    async fn tell(&mut self, line: &[u8]) -> std::io::Result<()> {
        let Some((_, input)) = &mut self.child else { return Ok(()) };
        input.write_all(line).await?;
        input.flush().await
    }
}

impl Workers {
    /// Workers of this program (`chayan-bridge worker`). A card may take so long for
    /// anything that it is asked.
    pub fn new(program: PathBuf, card_time: Duration) -> Self {
        Self { program, card_time }
    }

    /// Has a job done. Whoever stops waiting cancels it. `page` is the popup, and its name,
    /// that asks where no window can be opened. `working` says afterwards whether the card came to
    /// work.
    ///
    /// # Errors
    /// The worker's own [`Failure`]; [`FailureCode::TimedOut`] when the card does not
    /// answer; [`FailureCode::ModuleFailed`] when the worker ends without a word.
    pub async fn run(
        &self,
        job: &Job,
        page: Option<(&PageWindows, &str)>,
        working: &AtomicBool,
    ) -> Result<Word, Failure> {
        let mut running = self.start(job).await.map_err(|_| FailureCode::Failed)?;
        let mut end = Instant::now() + self.card_time;
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = match timeout_at(end, running.output.read_until(b'\n', &mut line)).await {
                Err(_) => return Err(FailureCode::TimedOut.into()),
                Ok(read) => read.unwrap_or_default(),
            };
            if read == 0 {
                return Err(FailureCode::ModuleFailed.into());
            }
            match serde_json::from_slice::<Word>(&line) {
                Ok(Word::Asking) => end = Instant::now() + PERSON_TIME,
                Ok(Word::Page(question)) => {
                    let (windows, window) = page.ok_or(FailureCode::ModuleFailed)?;
                    let person = Duration::from_secs(PATIENCE.into());
                    let asked = timeout(person, windows.ask(window, question)).await;
                    let answer = asked.map_err(|_| FailureCode::PinCancelled)?;
                    let answer = answer.ok_or(FailureCode::PinCancelled)?;
                    let mut line = Zeroizing::new(serde_json::to_vec(&answer).unwrap_or_default());
                    line.push(b'\n');
                    running.tell(&line).await.map_err(|_| FailureCode::ModuleFailed)?;
                }
                Ok(Word::Working) => {
                    working.store(true, Ordering::Relaxed);
                    end = Instant::now() + self.card_time;
                }
                Ok(Word::Failed(failure)) => return Err(failure),
                Ok(word) => return Ok(word),
                // Modules may write to the output of the process that loads them.
                Err(_) => (),
            }
        }
    }

    async fn start(&self, job: &Job) -> std::io::Result<Running> {
        let mut child = Command::new(&self.program)
            .arg("worker")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let missing = || std::io::Error::other("a pipe");
        let input = child.stdin.take().ok_or_else(missing)?;
        let output = child.stdout.take().ok_or_else(missing)?;
        // From here on the worker is ended however this ends.
        let output = BufReader::new(output.take(MAX_OUTPUT));
        let mut running = Running { child: Some((child, input)), output };
        let mut line = serde_json::to_vec(job)?;
        line.push(b'\n');
        running.tell(&line).await?;
        Ok(running)
    }
}
