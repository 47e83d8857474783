//! A card: its PIN and its signing key.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, ensure};
use der::asn1::{OctetString, Uint};
use der::{Decode, Sequence};
use num_bigint::BigUint;
use percent_encoding::percent_decode_str;
use test_ca::pki_set::Issued;
use x509_cert::Certificate;
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::codes::{self, Failure};

const TRIES: u8 = 3;

/// A card in a reader. Clones are the same card.
#[derive(Clone)]
pub struct EmulatedCard {
    /// Name of the reader.
    pub reader: String,
    /// Number of the card.
    pub card_number: String,
    /// Certificate for signatures, DER.
    pub certificate: Vec<u8>,
    /// Certificate of its issuer, DER.
    pub issuer: Vec<u8>,
    /// Further certificates on the card, DER; listed between the two.
    pub extra_certificates: Vec<Vec<u8>>,
    private_key: Vec<u8>,
    login: Arc<Mutex<Login>>,
}

struct Login {
    pin: String,
    tries: u8,
}

/// PKCS #8.
#[derive(Sequence)]
struct PrivateKeyInfo {
    version: u8,
    algorithm: AlgorithmIdentifierOwned,
    key: OctetString,
}

/// PKCS #1.
#[derive(Sequence)]
struct RsaPrivateKey {
    version: u8,
    modulus: Uint,
    public_exponent: Uint,
    private_exponent: Uint,
    prime_1: Uint,
    prime_2: Uint,
    exponent_1: Uint,
    exponent_2: Uint,
    coefficient: Uint,
}

impl EmulatedCard {
    /// A card with this key and certificate, and three tries for its PIN.
    ///
    /// # Errors
    /// When the key cannot be exported.
    pub fn new(
        issued: &Issued,
        reader: impl Into<String>,
        card_number: impl Into<String>,
        pin: impl Into<String>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            reader: reader.into(),
            card_number: card_number.into(),
            certificate: issued.certificate.clone(),
            issuer: issued.issuer.clone(),
            extra_certificates: Vec::new(),
            private_key: issued.key.pkcs8()?,
            login: Arc::new(Mutex::new(Login { pin: pin.into(), tries: TRIES })),
        })
    }

    /// Tries left for the PIN; none when the card is locked.
    pub fn tries(&self) -> u8 {
        self.login().tries
    }

    /// Leaves this many tries.
    pub fn set_tries(&self, tries: u8) {
        self.login().tries = tries;
    }

    fn login(&self) -> MutexGuard<'_, Login> {
        self.login.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn parsed(&self) -> anyhow::Result<Certificate> {
        Certificate::from_der(&self.certificate).context("the card's certificate")
    }

    /// Presents the PIN, which clients may have percent-encoded. A PIN of a length that
    /// no card has costs no try.
    pub(super) fn log_in(&self, offered: &str) -> Result<(), Failure> {
        let mut login = self.login();
        if login.tries == 0 {
            return Err(Failure::login(codes::PIN_LOCKED));
        }
        let decoded = percent_decode_str(offered).decode_utf8_lossy();
        if login.pin == offered || login.pin == decoded {
            login.tries = TRIES;
            return Ok(());
        }
        if !(6..=8).contains(&decoded.chars().count()) {
            return Err(Failure::login(codes::PIN_LENGTH));
        }
        login.tries -= 1;
        Err(Failure::login(match login.tries {
            0 => codes::PIN_LOCKED,
            1 => codes::ONE_TRY_LEFT,
            2 => codes::TWO_TRIES_LEFT,
            _ => codes::PIN_WRONG,
        }))
    }

    /// RSASSA-PKCS1-v1_5 over a `DigestInfo` that is already made.
    pub(super) fn sign(&self, digest_info: &[u8]) -> anyhow::Result<Vec<u8>> {
        let outer = PrivateKeyInfo::from_der(&self.private_key)?;
        let key = RsaPrivateKey::from_der(outer.key.as_bytes())?;
        let modulus = key.modulus.as_bytes();
        ensure!(digest_info.len() + 11 <= modulus.len(), "too long for the key");
        let mut block = vec![0xff; modulus.len()];
        let start = block.len() - digest_info.len();
        block[0] = 0;
        block[1] = 1;
        block[start - 1] = 0;
        block[start..].copy_from_slice(digest_info);
        let signature = BigUint::from_bytes_be(&block)
            .modpow(
                &BigUint::from_bytes_be(key.private_exponent.as_bytes()),
                &BigUint::from_bytes_be(modulus),
            )
            .to_bytes_be();
        let mut padded = vec![0; modulus.len() - signature.len()];
        padded.extend(signature);
        Ok(padded)
    }
}
