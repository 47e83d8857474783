//! `chayan-demo`: makes a demo installation, completes it, and plays the whole story.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use test_pki::demo::Demo;

/// Make and play the demo.
#[derive(Parser)]
struct Arguments {
    /// Folder of the demo installation.
    #[arg(long, global = true, default_value = ".chayan")]
    dir: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Create CAs, cards, keys, databases and configuration.
    Create {
        /// The service's origin.
        #[arg(long, default_value = "http://127.0.0.1:3000")]
        origin: String,
        /// The bridge's address.
        #[arg(long, default_value = "http://127.0.0.1:31161")]
        bridge_url: String,
    },
    /// Set the second company's system up through the running service.
    Seed,
    /// Print what a person needs to try the demo.
    Show,
    /// Play the whole story through HTTP and the bridge.
    Run,
    /// Print a signed token for a question, for calls by hand.
    Token {
        /// personId.
        person_id: String,
        /// applyCode.
        apply_code: String,
        /// applyYyymmdd.
        apply_yyymmdd: String,
        /// issueSiteId.
        issue_site_id: String,
    },
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chayan-demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "the answers of commands")]
fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let dir = &arguments.dir;
    match &arguments.command {
        Command::Create { origin, bridge_url } => {
            Demo::create(dir, origin, bridge_url, jiff::Timestamp::now())?;
        }
        Command::Seed => {
            Demo::seed(dir)?;
        }
        Command::Show => {
            let demo = Demo::read(dir)?;
            let ubn = demo.company.ubn.as_deref().unwrap_or_default();
            println!("  網址 address        {}", demo.origin);
            println!("  公司 company        {} {ubn}　PIN {}", demo.company.name, demo.company.pin);
            if let Some(code) = &demo.company.user_code {
                println!(
                    "  停復用 suspend      卡號 {}　用戶代碼 {code}",
                    demo.company.card_number
                );
            }
            println!(
                "  審核 officer        {}　PIN {}　{}/review/",
                demo.officer.name, demo.officer.pin, demo.origin
            );
            println!("  憑證 certificate    {}", demo.company_certificate_file.display());
            println!("  其他 everything     {}", Demo::path(dir).display());
        }
        Command::Run => {
            let mut step = 0;
            test_pki::story::play(&Demo::read(dir)?, &mut |line| {
                step += 1;
                println!("{step:>2}. {line}");
            })?;
            println!("{step} steps, every answer was right");
        }
        Command::Token { person_id, apply_code, apply_yyymmdd, issue_site_id } => {
            let system = Demo::read(dir)?.system;
            let caller = test_pki::token::Caller {
                private_key: test_pki::demo::der_of(&system.key_file)?,
                org_id: system.org_id,
                ap_id: system.ap_id,
                iss_key: system.iss_key,
            };
            let question =
                test_pki::token::Question { person_id, apply_code, apply_yyymmdd, issue_site_id };
            println!("{}", caller.token(question, jiff::Timestamp::now())?);
        }
    }
    Ok(())
}
