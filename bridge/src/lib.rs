//! The reader bridge: a small program on the applicant's computer between the browser
//! and the smart-card reader. It listens on the loopback addresses alone, answers sites
//! alone that the person allowed, shows in a window of its own who asks for what, asks the
//! PIN there, and builds the signed message itself.

mod action;
mod assuan;
pub mod cards;
pub mod dialog;
pub mod hipki;
mod page;
mod server;
pub mod sites;
#[cfg(any(windows, target_os = "macos"))]
mod system_dialog;
mod watch;
pub mod worker;

pub use server::{HipkiOptions, Options, serve};
