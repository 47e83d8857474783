//! The demo cards that the test CAs certify, and a whole demo installation. Every key is
//! generated when it is needed and every certificate says 測試; nothing here is committed,
//! and a production trust store refuses all of it.

pub mod bridge;
pub mod client;
pub mod demo;
pub mod story;

pub use test_ca::{issue, pki_set, token};
