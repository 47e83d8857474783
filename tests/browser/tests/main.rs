//! One program for all stories in the browser: `cargo test --release -p browser-tests --test stories -- form::`.

mod figures;

mod bridge;
mod confirmation;
mod english;
mod figures_108;
mod figures_112;
mod figures_112_progress;
mod figures_delegation;
mod form;
mod hipki;
mod pages;
mod review;
mod secrets;
mod states;
mod suspend;
mod usage;
