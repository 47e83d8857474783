//! What pages send to the bridge: its own commands, and packages of the HiPKI component.
#![no_main]

use chayan_bridge::hipki::Package;
use protocol::{Changes, Hello, PairReveal, SignRequest};

libfuzzer_sys::fuzz_target!(|message: &[u8]| {
    let _ = serde_json::from_slice::<Hello>(message);
    let _ = serde_json::from_slice::<Changes>(message);
    let _ = serde_json::from_slice::<PairReveal>(message);
    if let Ok(request) = serde_json::from_slice::<SignRequest>(message) {
        let _ = chayan_bridge::worker::check("https://site.example", &request);
    }
    if let Ok(package) = Package::read(message) {
        let _ = package.into_order(false);
    }
});
