//! Demo cards: software tokens in files, each with a PIN, a retry counter that locks,
//! and a card number. Several can be inserted at once; they are inserted and removed by
//! a command. They protect nothing: whoever reads the file has the key.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use pki::Certificate;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use protocol::{Reader, ReaderState};

use super::{CardBackend, CardError, Inventory, PresentCard};

/// Wrong PINs in a row that lock a card, as on the national cards.
pub const MAX_TRIES: u8 = 3;

/// A demo card's file, `<name>.json` in the cards folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CardFile {
    /// 卡號.
    pub card_number: String,
    /// In the clear: this is no secret.
    pub pin: String,
    /// Tries left.
    pub tries_left: u8,
    /// Whether the card is in its reader.
    pub inserted: bool,
    /// Signing certificate, DER in Base64.
    pub certificate: String,
    /// Issuing CA's certificate, DER in Base64.
    pub issuer: String,
    /// PKCS #8, DER in Base64.
    pub private_key: String,
}

/// Every demo card of a folder.
pub struct DemoCards {
    folder: PathBuf,
    /// One change of a card file at a time.
    changing: Mutex<()>,
}

impl DemoCards {
    /// The cards in this folder; it is read anew each time.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), changing: Mutex::new(()) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.json"))
    }

    /// Names of all cards, inserted or not.
    ///
    /// # Errors
    /// [`CardError::Failed`] when the folder cannot be read.
    pub fn names(&self) -> Result<Vec<String>, CardError> {
        let mut names: Vec<String> = std::fs::read_dir(&self.folder)
            .map_err(failed)?
            .filter_map(Result::ok)
            .filter_map(|entry| {
                entry.file_name().to_str()?.strip_suffix(".json").map(str::to_owned)
            })
            .collect();
        names.sort();
        Ok(names)
    }

    /// Reads a card.
    ///
    /// # Errors
    /// [`CardError::Failed`].
    pub fn read(&self, name: &str) -> Result<CardFile, CardError> {
        let bytes = std::fs::read(self.path(name)).map_err(failed)?;
        serde_json::from_slice(&bytes).map_err(failed)
    }

    /// Inserts or removes a card.
    ///
    /// # Errors
    /// [`CardError::Failed`].
    pub fn set_inserted(&self, name: &str, inserted: bool) -> Result<(), CardError> {
        self.change(name, |card| card.inserted = inserted).map(drop)
    }

    fn change(&self, name: &str, act: impl FnOnce(&mut CardFile)) -> Result<CardFile, CardError> {
        let _changing = self.changing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut card = self.read(name)?;
        act(&mut card);
        write(&self.path(name), &card).map_err(failed)?;
        Ok(card)
    }
}

/// Writes a card file whole or not at all.
///
/// # Errors
/// Those of the file system.
pub fn write(path: &Path, card: &CardFile) -> std::io::Result<()> {
    let unfinished = path.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    // It holds a key.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&unfinished)?.write_all(&serde_json::to_vec_pretty(card)?)?;
    std::fs::rename(unfinished, path)
}

fn failed(error: impl std::fmt::Display) -> CardError {
    CardError::Failed(error.to_string())
}

fn decode(base64: &str) -> Result<Vec<u8>, CardError> {
    BASE64_STANDARD.decode(base64).map_err(failed)
}

impl CardBackend for DemoCards {
    fn look(&self) -> Result<Inventory, CardError> {
        let mut found = Inventory::default();
        for name in self.names()? {
            let file = self.read(&name)?;
            let reader = format!("示範讀卡機 {name}");
            let state = if file.inserted { ReaderState::Card } else { ReaderState::Empty };
            found.readers.push(Reader { name: reader.clone(), state });
            if !file.inserted {
                continue;
            }
            let certificate =
                |base64: &str| Certificate::from_der(&decode(base64)?).map_err(failed);
            found.cards.push(PresentCard {
                id: name,
                reader,
                number: file.card_number.clone(),
                certificate: certificate(&file.certificate)?,
                chain: vec![certificate(&file.issuer)?],
                tries_left: Some(file.tries_left),
                pin_pad: false,
            });
        }
        Ok(found)
    }

    /// A demo card hashes and pads itself.
    fn sign_info(
        &self,
        _card: &PresentCard,
        _pin: Option<&SecretString>,
        _info: &[u8],
    ) -> Result<Vec<u8>, CardError> {
        Err(CardError::Failed("a demo card signs messages alone".to_owned()))
    }

    fn sign(
        &self,
        card: &PresentCard,
        pin: Option<&SecretString>,
        message: &[u8],
    ) -> Result<Vec<u8>, CardError> {
        let name = &card.id;
        let present = self.read(name)?;
        if !present.inserted || present.card_number != card.number {
            return Err(CardError::Removed);
        }
        if present.tries_left == 0 {
            return Err(CardError::Locked);
        }
        let right = pin.is_some_and(|pin| present.pin == pin.expose_secret());
        let after = self.change(name, |card| {
            card.tries_left = if right { MAX_TRIES } else { card.tries_left.saturating_sub(1) };
        })?;
        match (right, after.tries_left) {
            (false, 0) => return Err(CardError::Locked),
            (false, left) => return Err(CardError::WrongPin { tries_left: Some(left) }),
            (true, _) => (),
        }
        let key = RsaKeyPair::from_pkcs8(&decode(&present.private_key)?).map_err(failed)?;
        let mut signature = vec![0; key.public().modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .map_err(failed)?;
        Ok(signature)
    }
}
