//! A PIV card (NIST SP 800-73-4): the application, its certificate and key for digital
//! signatures, a PIN with a counter. It answers in short parts, as real cards do.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openssl::pkey::{PKey, Private};
use openssl::rsa::Padding;
use test_ca::pki_set::Issued;

use crate::Card;

const OK: [u8; 2] = [0x90, 0x00];
/// The application, version included (SP 800-73-4, part 1, section 2.2).
const APPLICATION: [u8; 11] = [0xa0, 0x00, 0x00, 0x03, 0x08, 0x00, 0x00, 0x10, 0x00, 0x01, 0x00];
/// Wrong PINs in a row that lock the card.
const MAX_TRIES: u8 = 3;
/// Longest part of an answer.
const PART: usize = 256;

/// What a card remembers while it is in no reader.
pub struct PivState {
    certificate: Vec<u8>,
    key: PKey<Private>,
    pin: String,
    /// Tries left.
    pub tries_left: u8,
    /// Commands that it was sent.
    pub commands: usize,
    /// Signatures that it made.
    pub signatures: usize,
}

/// A card, which may be inserted again and again.
#[derive(Clone)]
pub struct PivCard(Arc<Mutex<PivState>>);

impl PivCard {
    /// A card with this certificate, key and PIN.
    ///
    /// # Errors
    /// When the key cannot be read.
    pub fn new(issued: &Issued, pin: &str) -> anyhow::Result<Self> {
        Ok(Self(Arc::new(Mutex::new(PivState {
            certificate: issued.certificate.clone(),
            key: PKey::private_key_from_pkcs8(&issued.key.pkcs8()?)?,
            pin: pin.to_owned(),
            tries_left: MAX_TRIES,
            commands: 0,
            signatures: 0,
        }))))
    }

    /// The card's memory.
    pub fn state(&self) -> MutexGuard<'_, PivState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The card, ready for a reader.
    pub fn card(&self) -> Box<dyn Card> {
        Box::new(Applet {
            card: self.clone(),
            verified: false,
            received: Vec::new(),
            pending: Vec::new(),
        })
    }
}

/// The card while it has power.
struct Applet {
    card: PivCard,
    verified: bool,
    /// Parts of a command that is not complete.
    received: Vec<u8>,
    /// What is left of an answer.
    pending: Vec<u8>,
}

/// A BER-TLV object with one byte of tag.
fn object(tag: u8, value: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes();
    [&[tag, 0x82, high, low][..], value].concat()
}

/// The same with one byte of length.
fn short(tag: u8, value: &[u8]) -> Vec<u8> {
    [&[tag, u8::try_from(value.len()).unwrap_or(u8::MAX)][..], value].concat()
}

impl Card for Applet {
    fn reset(&mut self) {
        self.verified = false;
        self.received.clear();
        self.pending.clear();
    }

    fn answer(&mut self, command: &[u8]) -> Option<Vec<u8>> {
        self.card.state().commands += 1;
        let [class, instruction, first, second, rest @ ..] = command else {
            return Some(vec![0x67, 0x00]);
        };
        // Short commands, and long ones that begin with a zero.
        let data = match rest {
            [0, high, low, data @ ..] if !data.is_empty() => {
                data.get(..usize::from(u16::from_be_bytes([*high, *low]))).unwrap_or_default()
            }
            [size, data @ ..] if !data.is_empty() => {
                data.get(..usize::from(*size)).unwrap_or_default()
            }
            _ => &[],
        };
        if class & 0x10 != 0 {
            self.received.extend_from_slice(data);
            return Some(OK.to_vec());
        }
        let data = [&std::mem::take(&mut self.received)[..], data].concat();
        Some(match (instruction, first, second) {
            (0xa4, 0x04, _) if APPLICATION.starts_with(&data) && data.len() >= 5 => {
                let application = short(0x4f, &APPLICATION[5..]);
                let authority = short(0x79, &short(0x4f, &APPLICATION[..5]));
                self.parts(short(0x61, &[application, authority].concat()))
            }
            (0xa4, ..) => vec![0x6a, 0x82],
            (0xc0, ..) => {
                let pending = std::mem::take(&mut self.pending);
                self.parts(pending)
            }
            (0xcb, 0x3f, 0xff) => self.data_object(&data),
            (0x20, 0x00, 0x80) => self.verify(&data),
            (0x87, 0x07, 0x9c) => self.sign(&data),
            _ => vec![0x6d, 0x00],
        })
    }
}

impl Applet {
    /// The next part of an answer, and how much is left.
    fn parts(&mut self, mut answer: Vec<u8>) -> Vec<u8> {
        if answer.len() <= PART {
            answer.extend(OK);
            return answer;
        }
        self.pending = answer.split_off(PART);
        let left = self.pending.len();
        answer.extend([0x61, u8::try_from(left).unwrap_or(0)]);
        answer
    }

    fn data_object(&mut self, list: &[u8]) -> Vec<u8> {
        let content = match list {
            [0x5c, 0x03, 0x5f, 0xc1, 0x0a] => {
                let certificate = object(0x70, &self.card.state().certificate);
                [&certificate[..], &[0x71, 0x01, 0x00, 0xfe, 0x00]].concat()
            }
            // Discovery: this application, with a PIN of its own.
            [0x5c, 0x01, 0x7e] => {
                let content = [&short(0x4f, &APPLICATION)[..], &[0x5f, 0x2f, 0x02, 0x40, 0x00]];
                return self.parts(short(0x7e, &content.concat()));
            }
            // CHUID: a number of the card's own, and an end.
            [0x5c, 0x03, 0x5f, 0xc1, 0x02] => {
                [&[0x34, 0x10][..], &[0x42; 16], &[0xfe, 0x00]].concat()
            }
            _ => return vec![0x6a, 0x82],
        };
        self.parts(object(0x53, &content))
    }

    fn verify(&mut self, padded: &[u8]) -> Vec<u8> {
        let mut state = self.card.state();
        if state.tries_left == 0 {
            return vec![0x69, 0x83];
        }
        if padded.is_empty() {
            return if self.verified { OK.to_vec() } else { vec![0x63, 0xc0 | state.tries_left] };
        }
        let mut right = [0xff; 8];
        right[..state.pin.len()].copy_from_slice(state.pin.as_bytes());
        self.verified = padded == right;
        if self.verified {
            state.tries_left = MAX_TRIES;
            return OK.to_vec();
        }
        state.tries_left -= 1;
        if state.tries_left == 0 { vec![0x69, 0x83] } else { vec![0x63, 0xc0 | state.tries_left] }
    }

    fn sign(&mut self, template: &[u8]) -> Vec<u8> {
        // A PIN is good for one signature.
        if !std::mem::take(&mut self.verified) {
            return vec![0x69, 0x82];
        }
        let Some(block) = template.len().checked_sub(256).and_then(|start| template.get(start..))
        else {
            return vec![0x6a, 0x80];
        };
        let mut signature = vec![0; 256];
        {
            let mut state = self.card.state();
            let made = state
                .key
                .rsa()
                .and_then(|key| key.private_encrypt(block, &mut signature, Padding::NONE));
            if made.is_err() {
                return vec![0x6f, 0x00];
            }
            state.signatures += 1;
        }
        self.parts(object(0x7c, &object(0x82, &signature)))
    }
}
