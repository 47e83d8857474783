//! A test PKI shaped like Taiwan's GPKI, the demo cards that it certifies, and a whole
//! demo installation. Every key is generated when it is needed and every certificate says
//! 測試; nothing here is committed, and a production trust store refuses all of it.

pub mod client;
pub mod demo;
pub mod issue;
pub mod pki_set;
pub mod story;
pub mod token;
