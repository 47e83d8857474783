//! The trust store, and the revocation lists of its CAs.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Subcommand;
use store::schema::Label;

use crate::revocation;

use super::{open, read};

/// Commands.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Take revocation lists from files; older ones are left aside.
    ImportCrl {
        /// The trust store whose CAs signed the lists.
        #[arg(long)]
        trust: PathBuf,
        /// The lists, DER or PEM.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Look whether revocation lists name a certificate that systems sign tokens with: from the next
    /// call on it is refused, or accepted again. To be run by a scheduler after lists were fetched;
    /// import-crl does it by itself.
    CheckCertificates {
        /// The trust store whose CAs issued them.
        #[arg(long)]
        trust: PathBuf,
    },
    /// Show which revocation lists count, and until when.
    ShowCrls,
    /// Put a CA's certificate into the entry of a trust store that names it.
    AddCertificate {
        /// The trust store, `trust/production.json` to begin with.
        store: PathBuf,
        /// The certificate, DER or PEM.
        file: PathBuf,
        /// The digest that the CA publishes, where the store knows none.
        #[arg(long)]
        sha256: Option<String>,
    },
    /// Check a trust store and show what it believes.
    ShowTrust {
        /// The file.
        file: PathBuf,
    },
    /// Judge every case of a corpus by the service's own functions; one JSON line for each.
    Corpus {
        /// cms-attacks.json, jwt-attacks.json, limbo-core.json or pkits-manifest.json.
        file: PathBuf,
        /// Folder with `certs` and `crls`, for PKITS.
        #[arg(long)]
        certificates: Option<PathBuf>,
    },
}

impl Command {
    /// Does it.
    #[expect(clippy::print_stdout, reason = "the answer of a command")]
    pub(crate) fn run(&self, data: &Path) -> anyhow::Result<()> {
        match self {
            Self::ImportCrl { trust, files } => {
                let trust = read_trust(trust)?;
                let database = open(data, Label::Revocation)?;
                for file in files {
                    let taken = revocation::import(&database, file, &trust, jiff::Timestamp::now())
                        .with_context(|| file.display().to_string())?;
                    println!("{}: {taken}", file.display());
                }
                check_certificates(data, &trust)?;
            }
            Self::CheckCertificates { trust } => check_certificates(data, &read_trust(trust)?)?,
            Self::ShowCrls => {
                for (issuer, head) in store::Revocation(open(data, Label::Revocation)?).heads()? {
                    let number = head.number.trim_start_matches('0');
                    println!(
                        "{issuer}\tnumber {number}\t{} to {}",
                        head.this_update, head.next_update
                    );
                }
            }
            Self::AddCertificate { store, file, sha256 } => {
                let text = read(store)?;
                let mut trust: pki::TrustStoreFile = serde_json::from_str(&text)?;
                let name = trust.add(&revocation::der_of(file)?, sha256.as_deref())?;
                let new = store.with_extension("json.new");
                std::fs::write(&new, serde_json::to_string_pretty(&trust)?)?;
                std::fs::rename(&new, store)?;
                println!("{name}: added");
            }
            Self::ShowTrust { file } => {
                let trust = read_trust(file)?;
                println!("environment: {:?}", trust.environment());
                for issuer in trust.issuers() {
                    let certificate = &issuer.certificate;
                    println!(
                        "{:?}\t{}\tuntil {}",
                        issuer.role,
                        certificate.fingerprint(),
                        certificate.not_after()
                    );
                }
            }
            Self::Corpus { file, certificates } => {
                let text = read(file)?;
                for judged in corpus::judge(&text, certificates.as_deref())? {
                    println!("{}", serde_json::to_string(&judged)?);
                }
            }
        }
        Ok(())
    }
}

#[expect(clippy::print_stdout, reason = "the answer of a command")]
pub(super) fn check_certificates(data: &Path, trust: &pki::TrustStore) -> anyhow::Result<()> {
    let (cases, lists) = (open(data, Label::Cases)?, open(data, Label::Revocation)?);
    for change in revocation::check(&cases, &lists, trust, jiff::Timestamp::now())? {
        println!("{change}");
    }
    Ok(())
}

pub(super) fn read_trust(file: &Path) -> anyhow::Result<pki::TrustStore> {
    let text = read(file)?;
    Ok(pki::TrustStore::from_json(&text)?)
}
