//! Test tools written from the public protocol of the reference reader component (HiPKI
//! Local Signing Server) alone: an emulator of the component, for pages, and a client
//! page, for servers. Neither shares code with what it checks.

pub mod emulator;

pub use emulator::card::EmulatedCard;
pub use emulator::{Emulator, Fault, Recorded, SERVER_VERSION, router, serve};

/// A page that uses the component as the reference's sample pages do. Every result is a
/// line of JSON in `#log`.
pub const CLIENT_PAGE: &str = include_str!("client.html");
