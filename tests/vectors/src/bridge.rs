//! The real bridge, started for a test, and a pinentry that answers as it is told.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// A bridge that runs until it is dropped.
pub struct RunningBridge {
    child: Child,
    /// Where it listens.
    pub port: u16,
}

impl RunningBridge {
    /// Starts `chayan-bridge serve` with these arguments; its state is kept in `folder`, and
    /// what it says in a file `bridge-….log` there.
    ///
    /// # Errors
    /// When it does not listen.
    pub fn start(
        program: &Path,
        folder: &Path,
        port: u16,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let log = folder.join(format!("bridge-{}-{number}.log", std::process::id()));
        let mut child = Command::new(program)
            .args(["serve", "--port", &port.to_string(), "--state"])
            .arg(folder.join("bridge-state"))
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .context("the bridge")?;
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let ended = child.try_wait()?.is_some();
            let said = std::fs::read_to_string(&log)?;
            let line = said.split_inclusive('\n').find(|line| line.contains("listens on"));
            let port = line.and_then(|line| line.strip_suffix('\n')?.rsplit(':').next());
            if let Some(port) = port.and_then(|port| port.parse().ok()) {
                return Ok(Self { child, port });
            }
            if ended || Instant::now() > end {
                let _ = child.kill();
                let _ = child.wait();
                bail!("the bridge does not listen: {}", said.replace('\n', " "));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for RunningBridge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every byte that a process of this person can write and that is there: what was only set
/// aside (proc(5), pagemap) holds nothing.
///
/// # Errors
/// When there is no such process, or the system does not let its memory be read.
pub fn memory(process: u32) -> anyhow::Result<Vec<u8>> {
    const PAGE: u64 = 4096;
    let maps = std::fs::read_to_string(format!("/proc/{process}/maps"))?;
    let mut file = File::open(format!("/proc/{process}/mem"))?;
    let mut pages = File::open(format!("/proc/{process}/pagemap"))?;
    let mut all = Vec::new();
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let range = line.split(' ').next().and_then(|range| range.split_once('-'));
        let (start, end) = range.context("a range")?;
        let (start, end) = (u64::from_str_radix(start, 16)?, u64::from_str_radix(end, 16)?);
        let mut present = vec![0; usize::try_from((end - start) / PAGE * 8)?];
        pages.seek(SeekFrom::Start(start / PAGE * 8))?;
        pages.read_exact(&mut present)?;
        for (place, entry) in (start..end).step_by(4096).zip(present.chunks(8)) {
            // In memory, or swapped out.
            if entry.last().is_none_or(|flags| flags & 0xc0 == 0) {
                continue;
            }
            let mut part = [0; 4096];
            if file.seek(SeekFrom::Start(place)).is_ok() && file.read_exact(&mut part).is_ok() {
                all.extend(part);
            }
        }
    }
    Ok(all)
}

/// A pinentry in this folder: writes down what it is told (`pinentry.log`), and answers
/// GETPIN and CONFIRM with these lines. While the file `hold` is in the folder, it does not
/// answer.
///
/// # Errors
/// Those of the file system.
pub fn scripted_pinentry(
    folder: &Path,
    get_pin: &[&str],
    confirm: &[&str],
) -> std::io::Result<PathBuf> {
    let lines =
        |answer: &[&str]| -> String { answer.iter().map(|line| format!(" '{line}'")).collect() };
    let program = folder.join("pinentry");
    let script = format!(
        "#!/bin/sh\nhold() {{ while [ -e '{}' ]; do sleep 0.05; done; }}\necho 'OK ready'\nwhile read -r line; do\n  printf '%s\\n' \"$line\" >> '{}'\n  case \"$line\" in\n    GETPIN*) hold; printf '%s\\n'{} ;;\n    CONFIRM*) hold; printf '%s\\n'{} ;;\n    BYE*) echo OK; exit 0 ;;\n    *) echo OK ;;\n  esac\ndone\n",
        folder.join("hold").display(),
        folder.join("pinentry.log").display(),
        lines(get_pin),
        lines(confirm),
    );
    std::fs::write(&program, script)?;
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
    Ok(program)
}

/// What pinentry says when the person cancels.
pub const CANCELLED: &str = "ERR 83886179 Operation cancelled";
