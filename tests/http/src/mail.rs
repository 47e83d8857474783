//! A real SMTP server for the letters: aiosmtpd with TLS and an account.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::{TestApp, project};

/// A mail server of its own; killed when dropped.
pub struct MailServer {
    child: Child,
    folder: PathBuf,
    /// Where it listens, on this machine.
    pub port: u16,
}

impl MailServer {
    /// With TLS by STARTTLS or from the first byte.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(app: &TestApp, mode: &str) -> Self {
        let folder = app.dir.join(format!("mail-{mode}"));
        std::fs::create_dir_all(&folder).expect("a folder");
        let [certificate, key] = ["mail.cer", "mail.key"].map(|name| app.path(name));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "60"])
            .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
            .args(["-addext", "basicConstraints=critical,CA:false"])
            .args(["-keyout", &key, "-out", &certificate])
            .output()
            .expect("the mail server");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port = TcpListener::bind("127.0.0.1:0")
            .expect("the mail server")
            .local_addr()
            .expect("the mail server")
            .port();
        std::fs::write(folder.join("port"), port.to_string()).expect("the mail server");
        let mut child = Command::new("/usr/bin/python3")
            .arg(project().join("tests/http/tests/smtp/server.py"))
            .args([folder.to_str().expect("the mail server"), &certificate, &key, mode])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("python3 (scripts/install test)");
        let mut said = String::new();
        BufReader::new(child.stdout.take().expect("the mail server"))
            .read_line(&mut said)
            .expect("the mail server");
        assert_eq!(said.trim(), "ready");
        Self { child, folder, port }
    }

    /// What the server answers instead of taking a message; empty: it takes them again.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn refuses(&self, answer: &str) {
        let file = self.folder.join("refuse");
        if answer.is_empty() {
            std::fs::remove_file(file).expect("the mail server");
        } else {
            std::fs::write(file, answer).expect("the mail server");
        }
    }

    /// The messages that were taken, headers and body as text.
    ///
    /// # Panics
    /// When they cannot be read.
    pub fn messages(&self) -> Vec<String> {
        let files = std::fs::read_dir(&self.folder).expect("the mail server");
        let mut files: Vec<_> = files.map(|file| file.expect("the mail server").path()).collect();
        files.retain(|path| path.extension().is_some_and(|end| end == "eml"));
        files.sort();
        files.iter().map(|path| std::fs::read_to_string(path).expect("the mail server")).collect()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
