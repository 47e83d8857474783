//! A private reader service: pcscd with virtual readers, started by a socket that is handed
//! to it, so that neither root nor a service manager is needed.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// What a contact card says first: T=0 and T=1, historical bytes of a plain card.
const ANSWER_TO_RESET: [u8; 11] =
    [0x3b, 0x95, 0x13, 0x81, 0x01, 0x80, 0x73, 0xff, 0x01, 0x00, 0x0b];
const DRIVER: &str = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so";

/// A card as a reader sees it.
pub trait Card: Send {
    /// Power off or on again.
    fn reset(&mut self) {}

    /// The answer to a command; none to be pulled out instead.
    fn answer(&mut self, command: &[u8]) -> Option<Vec<u8>>;

    /// What it says when it gets power.
    fn answer_to_reset(&self) -> Vec<u8> {
        ANSWER_TO_RESET.to_vec()
    }
}

impl<F: FnMut(&[u8]) -> Option<Vec<u8>> + Send> Card for F {
    fn answer(&mut self, command: &[u8]) -> Option<Vec<u8>> {
        self(command)
    }
}

/// A reader service with two readers, until it is dropped.
pub struct ReaderService {
    child: Child,
    socket: PathBuf,
    port: u16,
}

impl ReaderService {
    /// Starts one; its files are in `folder`.
    ///
    /// # Errors
    /// When pcscd or the virtual reader is not installed, or no port is free.
    pub fn start(folder: &Path) -> anyhow::Result<Self> {
        if !Path::new(DRIVER).exists() {
            bail!("{DRIVER} is missing (scripts/install test)");
        }
        for _ in 0..10 {
            if let Some(service) = Self::try_start(folder)? {
                return Ok(service);
            }
        }
        bail!("no pair of free ports")
    }

    fn try_start(folder: &Path) -> anyhow::Result<Option<Self>> {
        // Two ports in a row: one for each reader.
        let free = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        let port = free.local_addr()?.port();
        let Ok(next) = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port.saturating_add(1))) else {
            return Ok(None);
        };
        drop((free, next));
        let configuration = folder.join("readers");
        std::fs::create_dir_all(&configuration)?;
        let text = format!(
            "FRIENDLYNAME \"Virtual PCD\"\nDEVICENAME /dev/null:{port}\nLIBPATH {DRIVER}\nCHANNELID 0x{port:X}\n"
        );
        std::fs::write(configuration.join("vpcd"), text)?;
        let socket = folder.join("pcscd.comm");
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket)?;
        // The socket is handed over as descriptor 3; the service ends with this process.
        let script = "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec setpriv --pdeathsig TERM /usr/sbin/pcscd --foreground -c \"$0\"";
        let child = Command::new("/bin/sh")
            .args(["-c", script])
            .arg(&configuration)
            .stdin(Stdio::from(OwnedFd::from(listener)))
            .stdout(File::create(folder.join("pcscd.log"))?)
            .stderr(Stdio::null())
            .spawn()
            .context("pcscd (scripts/install test)")?;
        let service = Self { child, socket, port };
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Ok(Some(service));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(None)
    }

    /// What a program that is to use this service needs in its environment.
    pub fn environment(&self) -> (&'static str, String) {
        ("PCSCLITE_CSOCK_NAME", self.socket.display().to_string())
    }

    /// A connection in which the reader has asked something: one that comes while the
    /// reader still lets go of the card before is dropped.
    fn noticed(&self, reader: u16) -> anyhow::Result<TcpStream> {
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port + reader))?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(Duration::from_millis(1500)))?;
            if stream.peek(&mut [0]).is_ok_and(|read| read > 0) {
                stream.set_read_timeout(None)?;
                return Ok(stream);
            }
        }
        bail!("the reader takes no card")
    }

    /// Puts a card into the first (0) or second (1) reader.
    ///
    /// # Errors
    /// When the reader is not there.
    pub fn insert(&self, reader: u16, card: Box<dyn Card>) -> anyhow::Result<Inserted> {
        let stream = self.noticed(reader)?;
        let mut of_card = stream.try_clone()?;
        let thread = std::thread::spawn(move || {
            let _ = serve(&mut of_card, card);
            let _ = of_card.shutdown(Shutdown::Both);
        });
        Ok(Inserted { stream, thread: Some(thread) })
    }
}

impl Drop for ReaderService {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// A card in a reader; it is pulled out when this is dropped.
pub struct Inserted {
    stream: TcpStream,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Inserted {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Messages with two bytes of length. A message of one byte is about power: off, on,
/// reset, or the answer to reset.
fn serve(stream: &mut TcpStream, mut card: Box<dyn Card>) -> std::io::Result<()> {
    loop {
        // The reader sends length and content apart; a late acknowledgement would cost 40 ms.
        let _ = socket2::SockRef::from(&*stream).set_tcp_quickack(true);
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut message)?;
        let answer = match message[..] {
            [0..=2] => {
                card.reset();
                continue;
            }
            [4] => card.answer_to_reset(),
            _ => match card.answer(&message) {
                Some(answer) => answer,
                None => return Ok(()),
            },
        };
        let length = u16::try_from(answer.len()).unwrap_or(u16::MAX);
        let answer = &answer[..usize::from(length)];
        stream.write_all(&[&length.to_be_bytes()[..], answer].concat())?;
    }
}
