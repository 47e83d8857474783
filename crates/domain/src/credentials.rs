//! What an approved system identifies itself by: apId and isskey.

use std::fmt;

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{DigestKey, Edition, Ubn};

const AP_ID_ALPHABET: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const ISS_KEY_ALPHABET: &[u8; 62] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const ISS_KEY_LENGTH: usize = 32;
const NONCE_LENGTH: usize = 12;

/// apId: five of [A-Z0-9], never used twice.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApId(String);

impl ApId {
    /// An id from random bytes. Under the manual of 108 (機關帳號, figure 8) two letters and
    /// three digits, as in `AW001`.
    pub fn from_random(edition: Edition, bytes: [u8; 8]) -> Self {
        let (letters, digits) = AP_ID_ALPHABET.split_at(26);
        let any = &AP_ID_ALPHABET[..];
        let places = match edition {
            Edition::Of108 => [letters, letters, digits, digits, digits],
            Edition::Of112 => [any; 5],
        };
        let mut number = u64::from_le_bytes(bytes);
        let id = places.map(|place| {
            let length = place.len() as u64;
            // The remainder is below the length.
            let index = usize::try_from(number % length).unwrap_or_default();
            number /= length;
            char::from(place[index])
        });
        Self(id.iter().collect())
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// isskey: 32 of [A-Za-z0-9]. A secret: never in a log, erased from memory when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct IssKey(String);

impl fmt::Debug for IssKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("IssKey(…)")
    }
}

/// Why a sealed key cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sealed isskey cannot be opened with the configured key")]
pub struct SealError;

/// An encrypted isskey: nonce, then ciphertext and tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed(pub Vec<u8>);

/// The key that isskeys are sealed with (AES-256-GCM): 32 secret bytes.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SealingKey([u8; 32]);

impl IssKey {
    /// A key from random bytes; `None` when too few of them are usable (once in a
    /// number with twenty digits), to be tried again.
    pub fn from_random(bytes: &[u8; 64]) -> Option<Self> {
        // Bytes from 248 on would favour the first letters.
        let key: String = bytes
            .iter()
            .filter(|byte| **byte < 248)
            .take(ISS_KEY_LENGTH)
            .map(|byte| char::from(ISS_KEY_ALPHABET[usize::from(byte % 62)]))
            .collect();
        (key.len() == ISS_KEY_LENGTH).then_some(Self(key))
    }

    /// The digest under which the store finds the account of a token's `iss`.
    pub fn lookup_digest(text: &str, key: &DigestKey) -> [u8; 16] {
        key.lookup(text)
    }

    /// The secret itself, for the receipt and the progress page.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Seals the key for one company; another company's row cannot be swapped in.
    ///
    /// # Errors
    /// [`SealError`], which does not occur for keys of this length.
    pub fn seal(
        &self,
        ubn: Ubn,
        key: &SealingKey,
        nonce: [u8; NONCE_LENGTH],
    ) -> Result<Sealed, SealError> {
        let payload = Payload { msg: self.0.as_bytes(), aad: ubn.as_str().as_bytes() };
        let sealed = key.cipher().encrypt(&Nonce::from(nonce), payload).map_err(|_| SealError)?;
        Ok(Sealed([&nonce[..], &sealed].concat()))
    }

    /// Opens a sealed key.
    ///
    /// # Errors
    /// [`SealError`]: another key, another company, or changed bytes.
    pub fn open(sealed: &Sealed, ubn: Ubn, key: &SealingKey) -> Result<Self, SealError> {
        let (nonce, ciphertext) = sealed.0.split_first_chunk::<NONCE_LENGTH>().ok_or(SealError)?;
        let payload = Payload { msg: ciphertext, aad: ubn.as_str().as_bytes() };
        let text = key.cipher().decrypt(&Nonce::from(*nonce), payload).map_err(|_| SealError)?;
        String::from_utf8(text).map(Self).map_err(|_| SealError)
    }
}

impl SealingKey {
    /// Reads 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut key = [0; 32];
        hex::decode_to_slice(text, &mut key).ok()?;
        Some(Self(key))
    }

    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new(&self.0.into())
    }
}

/// How many days a former isskey is taken beside the one that was put in its place.
pub const ISS_KEY_OVERLAP_DAYS: i64 = 7;

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "small numbers of a test")]
mod tests {
    use super::*;

    #[test]
    fn ids_and_keys_have_their_shape() {
        for byte in 0..=255 {
            let id = ApId::from_random(Edition::Of112, [byte; 8]);
            assert_eq!(id.as_str().len(), 5);
            assert!(id.as_str().bytes().all(|byte| AP_ID_ALPHABET.contains(&byte)));
            let id = ApId::from_random(Edition::Of108, [byte; 8]);
            let (letters, digits) = id.as_str().split_at(2);
            assert!(letters.bytes().all(|byte| byte.is_ascii_uppercase()), "{letters}");
            assert!(digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit()));
        }
        let key = IssKey::from_random(&std::array::from_fn(|index| (index * 3) as u8)).unwrap();
        assert_eq!(key.reveal().len(), 32);
        assert!(IssKey::from_random(&[0xff; 64]).is_none());
        assert!(!format!("{key:?}").contains(key.reveal()));
    }

    #[test]
    fn a_sealed_key_opens_for_its_company_alone() {
        let key = IssKey::from_random(&[7; 64]).unwrap();
        let sealing = SealingKey::from_hex(&"5a".repeat(32)).unwrap();
        let ubn: Ubn = "12345675".parse().unwrap();
        let sealed = key.seal(ubn, &sealing, [1; 12]).unwrap();
        assert_eq!(IssKey::open(&sealed, ubn, &sealing).unwrap().reveal(), key.reveal());
        let other: Ubn = "04595257".parse().unwrap();
        assert_eq!(IssKey::open(&sealed, other, &sealing).unwrap_err(), SealError);
        let mut changed = sealed.clone();
        changed.0[20] ^= 1;
        assert!(IssKey::open(&changed, ubn, &sealing).is_err());
        assert!(IssKey::open(&Sealed(vec![1]), ubn, &sealing).is_err());
    }
}
