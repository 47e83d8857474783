//! What a card answers, to a bridge that reads it and has it sign.
#![no_main]

use std::cell::Cell;

use chayan_bridge::cards::CardError;
use chayan_bridge::cards::piv::applet::{Applet, Channel, HOLDER_IDENTIFIER};

/// Answers with one piece of the input after the other, each after its length.
struct Answers<'a>(Cell<&'a [u8]>);

impl Channel for Answers<'_> {
    fn transmit<'b>(&self, _: &[u8], buffer: &'b mut [u8]) -> Result<&'b [u8], CardError> {
        let (size, rest) = self.0.get().split_first_chunk::<2>().ok_or(CardError::Removed)?;
        let size = usize::from(u16::from_be_bytes(*size)).min(buffer.len()).min(rest.len());
        let (answer, rest) = rest.split_at(size);
        self.0.set(rest);
        buffer[..size].copy_from_slice(answer);
        Ok(&buffer[..size])
    }
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let card = Answers(Cell::new(input));
    let applet = Applet(&card);
    if let Ok(true) = applet.select() {
        let _ = applet.certificate();
        let _ = applet.object(HOLDER_IDENTIFIER);
        let _ = applet.tries_left();
        let _ = applet.verify(b"123456\xff\xff");
        let _ = applet.sign(b"a DigestInfo");
    }
});
