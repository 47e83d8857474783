//! Comparison of distinguished names (RFC 5280, section 7.1): letters' case and the
//! amount of white space do not matter, nor the kind of string.

use der::asn1::Any;
use der::{Encode, Tag, Tagged};
use unicode_normalization::UnicodeNormalization;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::name::{Name, RelativeDistinguishedName};

/// Whether two names are the same.
pub(crate) fn same(left: &Name, right: &Name) -> bool {
    left == right || (left.0.len() == right.0.len() && starts_with(left, right))
}

/// Whether `name` begins with all of `base`: lies in its subtree
/// (RFC 5280, section 4.2.1.10).
pub(crate) fn starts_with(name: &Name, base: &Name) -> bool {
    name.0.len() >= base.0.len()
        && name.0.iter().zip(&base.0).all(|(left, right)| same_relative(left, right))
}

fn same_relative(left: &RelativeDistinguishedName, right: &RelativeDistinguishedName) -> bool {
    let mut rest: Vec<_> = right.0.iter().collect();
    // Each of one side has a partner of its own on the other.
    left.0.len() == right.0.len()
        && left.0.iter().all(|one| {
            let partner = rest.iter().position(|other| same_attribute(one, other));
            partner.map(|place| rest.swap_remove(place)).is_some()
        })
}

fn same_attribute(left: &AttributeTypeAndValue, right: &AttributeTypeAndValue) -> bool {
    left.oid == right.oid
        && (left.value == right.value
            || matches!(
                (folded(&left.value), folded(&right.value)),
                (Some(left), Some(right)) if left == right
            ))
}

/// The text in the form that is compared; `None` for what is not text.
fn folded(value: &Any) -> Option<String> {
    let text = match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String => {
            String::from_utf8(value.value().to_vec()).ok()?
        }
        Tag::TeletexString => value.value().iter().map(|byte| char::from(*byte)).collect(),
        Tag::BmpString => {
            let units = value.value().chunks_exact(2);
            let units: Vec<u16> =
                units.map(|unit| u16::from_be_bytes([unit[0], unit[1]])).collect();
            String::from_utf16(&units).ok()?
        }
        _ => return None,
    };
    let text: String = text.nfkc().flat_map(char::to_lowercase).collect();
    Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// A name's DER.
pub(crate) fn der(name: &Name) -> Vec<u8> {
    name.to_der().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_of_every_kind_are_compared_as_text() {
        let value = |tag, bytes: &[u8]| folded(&Any::new(tag, bytes).unwrap());
        let text = Some("a é".to_owned());
        assert_eq!(value(Tag::Utf8String, " A  É ".as_bytes()), text);
        assert_eq!(value(Tag::TeletexString, b"A \xe9"), text);
        assert_eq!(value(Tag::BmpString, &[0, b'A', 0, b' ', 0, 0xe9]), text);
        assert_eq!(value(Tag::PrintableString, b"A  b"), Some("a b".to_owned()));
        assert_eq!(value(Tag::Ia5String, b"Ab"), Some("ab".to_owned()));
        // No text: a surrogate that stands alone, broken UTF-8, something else.
        assert_eq!(value(Tag::BmpString, &[0xd8, 0]), None);
        assert_eq!(value(Tag::Utf8String, &[0xff]), None);
        assert_eq!(value(Tag::OctetString, b"a"), None);
    }
}
