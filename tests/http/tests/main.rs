//! One program for all stories over HTTP, so that they are linked once and share one demo installation
//! to copy from: `cargo test --release -p http-tests --test stories -- cases::`.

mod applications;
mod audit;
mod bad_input;
mod calls;
mod cards;
mod cases;
mod certificates;
mod clients;
mod concurrency;
mod conduct;
mod confirmation;
mod corpora;
mod day;
mod delegation;
mod edition;
mod faults;
mod guide;
mod handover;
mod host;
mod id_cards;
mod idle;
mod letters;
mod lifecycle;
mod lists;
mod matrix;
mod numbers;
mod openapi;
mod operators;
mod register;
mod review;
mod revocation;
mod session;
mod site;
mod usage;
mod verify;
