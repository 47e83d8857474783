//! The emulator on its own port and the client page on http://localhost:8080, to drive by
//! hand or with a browser driver. The card's PIN is 123456.

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use hipki_tools::{CLIENT_PAGE, EmulatedCard, Emulator, router};
use jiff::Timestamp;
use test_ca::pki_set::{Company, TestPki};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let issued = TestPki::generate(Timestamp::now())?
        .company(Company::card("測試股份有限公司", "12345675"))?;
    let card = EmulatedCard::new(&issued, "Emulated Reader 0", "MO12345678901234", "123456")?;
    let mut emulator = Emulator::new(vec![card], vec!["localhost".to_owned()]);
    emulator.empty_readers.push("Empty Reader 0".to_owned());
    let page = Router::new().route("/", get(Html(CLIENT_PAGE)));
    let component = TcpListener::bind("localhost:61161").await?;
    let site = TcpListener::bind("localhost:8080").await?;
    tokio::try_join!(axum::serve(component, router(emulator)), axum::serve(site, page))?;
    Ok(())
}
