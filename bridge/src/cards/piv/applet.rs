//! The commands of the PIV application (NIST SP 800-73-4), over whatever carries them.
//! What a card says is hostile input: every length has a limit, every loop an end.

use iso7816_tlv::ber::{Tag, Tlv, Value};
use pki::Certificate;
use zeroize::Zeroizing;

use crate::cards::CardError;

/// The application (SP 800-73-4, part 1, section 2.2), right-truncated.
const APPLICATION: [u8; 9] = [0xa0, 0x00, 0x00, 0x03, 0x08, 0x00, 0x00, 0x10, 0x00];
/// Data object: certificate for digital signatures.
const CERTIFICATE: [u8; 3] = [0x5f, 0xc1, 0x0a];
/// Data object: card holder unique identifier; its digest names the card.
pub const HOLDER_IDENTIFIER: [u8; 3] = [0x5f, 0xc1, 0x02];
/// Key reference of the digital signature key.
const SIGNATURE_KEY: u8 = 0x9c;
/// Algorithm: RSA of 2048 bits.
const RSA_2048: u8 = 0x07;
/// PIN reference of the application.
const PIN: u8 = 0x80;
/// A PIN is filled up to eight bytes.
pub const PIN_SIZE: usize = 8;
/// Largest answer that is put together: a certificate of 60 KB is none.
const MAX_ANSWER: usize = 12 << 10;
/// Parts that one answer may come in.
const MAX_PARTS: usize = 64;

/// An answer: data and status word.
struct Answer {
    data: Vec<u8>,
    status: u16,
}

/// What carries commands to a card.
pub trait Channel {
    /// Sends a command; the answer with its status word, in `buffer`.
    ///
    /// # Errors
    /// Those of the reader.
    fn transmit<'b>(&self, command: &[u8], buffer: &'b mut [u8]) -> Result<&'b [u8], CardError>;
}

impl Channel for pcsc::Transaction<'_> {
    fn transmit<'b>(&self, command: &[u8], buffer: &'b mut [u8]) -> Result<&'b [u8], CardError> {
        Ok(pcsc::Card::transmit(self, command, buffer)?)
    }
}

/// The application on a card.
pub struct Applet<'a, C: Channel>(pub &'a C);

impl<C: Channel> Applet<'_, C> {
    /// Sends a command and puts its answer together (ISO 7816-4, section 5.3.4).
    fn send(&self, command: &[u8]) -> Result<Answer, CardError> {
        let mut data = Vec::new();
        let mut next = Zeroizing::new(command.to_vec());
        for _ in 0..MAX_PARTS {
            let mut buffer = [0; 258];
            let answer = self.0.transmit(&next, &mut buffer)?;
            let Some((part, &[high, low])) = answer.split_last_chunk() else {
                return Err(CardError::Failed("an answer without a status".into()));
            };
            data.extend_from_slice(part);
            if data.len() > MAX_ANSWER {
                return Err(CardError::Failed("an answer that is too long".into()));
            }
            match high {
                0x61 => *next = vec![0x00, 0xc0, 0x00, 0x00, low],
                // The right length, once.
                0x6c if next.len() == 5 && next[4] != low => next[4] = low,
                _ => return Ok(Answer { data, status: u16::from_be_bytes([high, low]) }),
            }
        }
        Err(CardError::Failed("an answer without an end".into()))
    }

    /// Whether this is a PIV card.
    ///
    /// # Errors
    /// [`CardError`].
    pub fn select(&self) -> Result<bool, CardError> {
        let size = u8::try_from(APPLICATION.len()).unwrap_or_default();
        let command = [&[0x00, 0xa4, 0x04, 0x00, size][..], &APPLICATION, &[0x00]].concat();
        Ok(self.send(&command)?.status == 0x9000)
    }

    /// A data object's content (SP 800-73-4, part 2, section 3.1.2).
    ///
    /// # Errors
    /// [`CardError`].
    pub fn object(&self, tag: [u8; 3]) -> Result<Option<Vec<u8>>, CardError> {
        let list = [&[0x5c, 0x03][..], &tag].concat();
        let command = [&[0x00, 0xcb, 0x3f, 0xff, 0x05][..], &list, &[0x00]].concat();
        let answer = self.send(&command)?;
        if answer.status != 0x9000 {
            return Ok(None);
        }
        Ok(single(&answer.data, 0x53))
    }

    /// The certificate for digital signatures: none where there is none that can be read.
    ///
    /// # Errors
    /// [`CardError`].
    pub fn certificate(&self) -> Result<Option<Certificate>, CardError> {
        let Some(content) = self.object(CERTIFICATE)? else { return Ok(None) };
        let parts = Tlv::parse_all(&content);
        let of = |wanted: u8| parts.iter().find_map(|part| value(part, wanted));
        // CertInfo: compressed certificates are not read.
        if of(0x71).is_some_and(|info| info.first().is_some_and(|info| *info != 0)) {
            return Ok(None);
        }
        Ok(of(0x70).and_then(|der| Certificate::from_der(&der).ok()))
    }

    /// The counter, asked without a PIN: that costs no try.
    ///
    /// # Errors
    /// [`CardError`].
    pub fn tries_left(&self) -> Result<Option<u8>, CardError> {
        Ok(match self.send(&[0x00, 0x20, 0x00, PIN])?.status {
            0x6983 => Some(0),
            status if status & 0xfff0 == 0x63c0 => u8::try_from(status & 0xf).ok(),
            _ => None,
        })
    }

    /// Presents the PIN.
    ///
    /// # Errors
    /// [`CardError::WrongPin`], [`CardError::Locked`] and others.
    pub fn verify(&self, pin: &[u8; PIN_SIZE]) -> Result<(), CardError> {
        let command = Zeroizing::new([&[0x00, 0x20, 0x00, PIN, 0x08][..], pin].concat());
        match self.send(&command)?.status {
            0x9000 => Ok(()),
            0x6983 | 0x63c0 => Err(CardError::Locked),
            status if status & 0xfff0 == 0x63c0 => {
                Err(CardError::WrongPin { tries_left: u8::try_from(status & 0xf).ok() })
            }
            0x6700 | 0x6a80 => Err(CardError::PinLength),
            status => Err(CardError::Failed(format!("PIN: status {status:04x}"))),
        }
    }

    /// GENERAL AUTHENTICATE (SP 800-73-4, part 2, section 3.2.4) over a block that is
    /// padded here (RFC 8017, section 9.2).
    ///
    /// # Errors
    /// [`CardError`].
    pub fn sign(&self, info: &[u8]) -> Result<Vec<u8>, CardError> {
        const SIZE: usize = 256;
        if info.len() > SIZE - 11 {
            return Err(CardError::Failed("too long to be signed".into()));
        }
        let filling = vec![0xff; SIZE - 3 - info.len()];
        let block = [&[0x00, 0x01][..], &filling, &[0x00], info].concat();
        let template = [&[0x7c, 0x82, 0x01, 0x06, 0x82, 0x00, 0x81, 0x82, 0x01, 0x00][..], &block];
        let template = template.concat();
        // Longer than a short command: chained.
        let mut parts = template.chunks(255).peekable();
        while let Some(part) = parts.next() {
            let last = parts.peek().is_none();
            let class = if last { 0x00 } else { 0x10 };
            let size = u8::try_from(part.len()).unwrap_or_default();
            let mut command = vec![class, 0x87, RSA_2048, SIGNATURE_KEY, size];
            command.extend_from_slice(part);
            if last {
                command.push(0x00);
            }
            let answer = self.send(&command)?;
            if answer.status != 0x9000 {
                return Err(CardError::Failed(format!("signature: status {:04x}", answer.status)));
            }
            if last {
                let found = single(&answer.data, 0x7c).and_then(|inner| single(&inner, 0x82));
                return found
                    .filter(|signature| signature.len() == SIZE)
                    .ok_or_else(|| CardError::Failed("an answer without a signature".into()));
            }
        }
        Err(CardError::Failed("nothing to sign".into()))
    }
}

/// The content of the one object with this tag.
fn single(bytes: &[u8], tag: u8) -> Option<Vec<u8>> {
    let found = Tlv::from_bytes(bytes).ok()?;
    value(&found, tag)
}

fn value(object: &Tlv, tag: u8) -> Option<Vec<u8>> {
    if *object.tag() != Tag::try_from(tag).ok()? {
        return None;
    }
    Some(match object.value() {
        Value::Primitive(bytes) => bytes.clone(),
        Value::Constructed(parts) => parts.iter().flat_map(Tlv::to_vec).collect(),
    })
}
