//! A look at the shape of DER before it is decoded: decoders sort sets, which takes
//! quadratic time, so that no set may be large.

use der::{Decode, Header, Reader, SliceReader};

/// Members that a set may have. Certificates in a message, attributes, relative names: a
/// handful each.
const MAX_MEMBERS: usize = 32;
/// Nesting of anything that is read.
const MAX_DEPTH: usize = 32;

/// Whether every SET, and every implicitly tagged set of CMS, is small, and nothing is
/// nested too deeply. What is not DER is left to the decoder.
pub(crate) fn is_bounded(der: &[u8]) -> bool {
    walk(der, 0)
}

fn walk(der: &[u8], depth: usize) -> bool {
    if depth > MAX_DEPTH {
        return false;
    }
    let Ok(mut reader) = SliceReader::new(der) else { return true };
    while !reader.is_finished() {
        let Some(first) = reader.peek_byte() else { return true };
        let Ok(header) = Header::decode(&mut reader) else { return true };
        let Ok(content) = reader.read_slice(header.length) else { return true };
        let constructed = first & 0x20 != 0;
        // SET, and [0] and [1], which stand for sets in SignedData.
        let set = matches!(first, 0x31 | 0xa0 | 0xa1);
        if set && members(content).is_none_or(|count| count > MAX_MEMBERS) {
            return false;
        }
        if constructed && !walk(content, depth + 1) {
            return false;
        }
    }
    true
}

fn members(content: &[u8]) -> Option<usize> {
    let mut reader = SliceReader::new(content).ok()?;
    let mut count = 0;
    while !reader.is_finished() && count <= MAX_MEMBERS {
        let header = Header::decode(&mut reader).ok()?;
        reader.read_slice(header.length).ok()?;
        count += 1;
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        let mut out = vec![tag];
        match content.len() {
            0..128 => out.push(length[1]),
            128..256 => out.extend([0x81, length[1]]),
            _ => out.extend([0x82, length[0], length[1]]),
        }
        out.extend(content);
        out
    }

    #[test]
    fn large_sets_and_deep_nesting_are_found() {
        let members = |count| tlv(0x04, b"x").repeat(count);
        for tag in [0x31, 0xa0, 0xa1] {
            assert!(is_bounded(&tlv(0x30, &tlv(tag, &members(32)))));
            assert!(!is_bounded(&tlv(0x30, &tlv(tag, &members(33)))), "{tag:x}");
        }
        assert!(is_bounded(&tlv(0x30, &members(1000))));
        let nested = |depth| (0..depth).fold(Vec::new(), |inner: Vec<u8>, _| tlv(0x30, &inner));
        // The innermost holds nothing, but is looked at.
        assert!(is_bounded(&nested(32)) && !is_bounded(&nested(33)));
        // What is not constructed is not looked into.
        let large = tlv(0x31, &members(33));
        assert!(is_bounded(&tlv(0x04, &large)) && !is_bounded(&tlv(0x30, &large)));
        // What is not DER is the decoder's to refuse.
        assert!(is_bounded(b"") && is_bounded(b"\x30\x80\x00\x00"));
    }
}
