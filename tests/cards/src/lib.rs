//! Cards without hardware: a PIV card in software and cards that mean harm, in virtual
//! readers (vpcd) of a private reader service (pcscd). The service and its readers are the
//! real ones; only the card is ours.

mod piv;
mod reader;

pub use piv::{PivCard, PivState};
pub use reader::{Card, Inserted, ReaderService};
