//! The reader bridge: a small program on the applicant's computer between the browser
//! and the smart-card reader. It listens on the loopback address alone, answers allowed
//! origins alone, shows in a window of its own who asks for what, asks the PIN there,
//! and builds the signed message itself.

pub mod cards;
mod pin;
mod server;
mod sign;

pub use pin::{DemoAnswer, PinPrompt, Pinentry, Question};
pub use server::{Options, serve};
