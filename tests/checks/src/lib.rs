//! The two signature checks of the service, in a loop: one application's signature (CMS,
//! a path of two signatures of which the upper one is verified when the trust store is
//! read, revocation of both certificates) and one token.

use std::time::Instant;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use domain::Claims;
use jiff::Timestamp;
use pki::jwt::Unverified;
use pki::revocation::ListsInMemory;
use pki::{Arithmetic, PreparedKey, RsaPublicKey, TrustStore};
use serde::{Deserialize, Serialize};

/// What is checked, all binary data in Base64.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Checks {
    /// The trust store, JSON.
    pub trust: String,
    /// Revocation lists of its CAs.
    pub lists: Vec<String>,
    /// A signed message.
    pub message: String,
    /// A token.
    pub token: String,
    /// The key of the token, RFC 8017 `RSAPublicKey`.
    pub key: String,
    /// The instant of judgement.
    pub at: Timestamp,
    /// How often.
    pub count: u32,
}

/// Microseconds for one check.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Micros {
    /// An application's signature.
    pub signature: f64,
    /// A token.
    pub token: f64,
    /// A token, by the library's arithmetic.
    pub token_by_library: f64,
}

fn decode(text: &str) -> Vec<u8> {
    BASE64_STANDARD.decode(text).expect("Base64")
}

impl Checks {
    /// Runs them.
    pub fn run(&self) -> Micros {
        let trust = TrustStore::from_json(&self.trust).expect("a trust store");
        let files: Vec<_> = self.lists.iter().map(|text| decode(text)).collect();
        let mut lists = ListsInMemory::default();
        for file in &files {
            let taken = trust.authorities().any(|authority| lists.add(file, authority).is_ok());
            assert!(taken, "a list that nobody signed");
        }
        let message = decode(&self.message);
        let key = decode(&self.key);
        let signature = self.each(|| {
            let judged = trust.verify(&message, self.at).expect("a good signature");
            judged.confirm(&lists).expect("in force");
        });
        let key = RsaPublicKey::from_pkcs1(&key).expect("a key");
        let token_by = |arithmetic| {
            let key = PreparedKey::new(key.clone(), arithmetic);
            self.each(|| {
                let token = Unverified::<Claims>::parse(&self.token).expect("a token");
                token.verify(&key).expect("a good signature");
            })
        };
        let token = token_by(Arithmetic::Prepared);
        Micros { signature, token, token_by_library: token_by(Arithmetic::Library) }
    }

    fn each(&self, act: impl Fn()) -> f64 {
        act();
        let begun = Instant::now();
        for _ in 0..self.count {
            act();
        }
        begun.elapsed().as_secs_f64() * 1e6 / f64::from(self.count)
    }
}
