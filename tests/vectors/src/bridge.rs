//! The real bridge, started for a test, and a pinentry that answers as it is told.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail};

/// A bridge that runs until it is dropped.
pub struct RunningBridge {
    child: Child,
    /// Where it listens.
    pub port: u16,
}

impl RunningBridge {
    /// Starts `chayan-bridge serve` with these arguments; its state is kept in `folder`.
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
        let mut child = Command::new(program)
            .args(["serve", "--port", &port.to_string(), "--state"])
            .arg(folder.join("bridge-state"))
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("the bridge")?;
        let said = child.stderr.take().context("no output")?;
        let mut lines = BufReader::new(said).lines();
        let Some(Ok(first)) = lines.next() else { bail!("the bridge ended") };
        let port = first.rsplit(':').next().and_then(|port| port.parse().ok());
        let Some(port) = port.filter(|_| first.contains("listens on")) else {
            let rest: Vec<_> = lines.map_while(Result::ok).collect();
            let _ = child.wait();
            bail!("{first} {}", rest.join(" "));
        };
        // What it says later must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { child, port })
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
