//! Name constraints (RFC 5280, sections 4.2.1.10 and 6.1.3, steps b and c).

use x509_cert::ext::pkix::constraints::name::GeneralSubtree;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::Name;

use crate::path::PathError;
use crate::{Certificate, name, oid};

/// Comparisons that one path may cost.
const MAX_COMPARISONS: usize = 100_000;

/// What the certificates so far allow those below them to be called.
#[derive(Default)]
pub(super) struct NameState {
    /// One list for each certificate that permits something; all of them count.
    permitted: Vec<Vec<GeneralSubtree>>,
    excluded: Vec<GeneralSubtree>,
    comparisons: usize,
}

impl NameState {
    /// Takes the constraints of a CA into account.
    pub(super) fn add(&mut self, certificate: &Certificate) -> Result<(), PathError> {
        let Some(constraints) = &certificate.extensions().name_constraints else { return Ok(()) };
        let constraints = &constraints.value;
        let lists = [&constraints.permitted_subtrees, &constraints.excluded_subtrees];
        for subtree in lists.into_iter().flatten().flatten() {
            if subtree.minimum != 0 || subtree.maximum.is_some() || !well_formed(&subtree.base) {
                return Err(PathError::NameConstraints);
            }
        }
        if let Some(permitted) = &constraints.permitted_subtrees {
            self.permitted.push(permitted.clone());
        }
        self.excluded.extend(constraints.excluded_subtrees.iter().flatten().cloned());
        Ok(())
    }

    /// Checks every name of a certificate.
    pub(super) fn check(&mut self, certificate: &Certificate) -> Result<(), PathError> {
        if self.permitted.is_empty() && self.excluded.is_empty() {
            return Ok(());
        }
        let subject = &certificate.x509().subject;
        if !subject.0.is_empty() {
            self.check_name(&GeneralName::DirectoryName(subject.clone()))?;
        }
        for address in email_addresses(subject)? {
            self.check_name(&address)?;
        }
        let names = certificate.extensions().alternative_names.as_ref();
        for name in names.iter().flat_map(|names| &names.value.0) {
            self.check_name(name)?;
        }
        Ok(())
    }

    fn check_name(&mut self, name: &GeneralName) -> Result<(), PathError> {
        let lists = self.permitted.iter().map(Vec::len).sum::<usize>() + self.excluded.len();
        self.comparisons += lists;
        if self.comparisons > MAX_COMPARISONS {
            return Err(PathError::TooExpensive);
        }
        let mut allowed = true;
        for list in &self.permitted {
            let mut same_kind = list.iter().filter(|subtree| kind(&subtree.base) == kind(name));
            let constrained = same_kind.clone().next().is_some();
            allowed &= !constrained || same_kind.any(|subtree| inside(name, &subtree.base));
        }
        let excluded = self
            .excluded
            .iter()
            .any(|subtree| kind(&subtree.base) == kind(name) && touches(name, &subtree.base));
        if allowed && !excluded { Ok(()) } else { Err(PathError::NameConstraints) }
    }
}

fn kind(name: &GeneralName) -> std::mem::Discriminant<GeneralName> {
    std::mem::discriminant(name)
}

/// emailAddress attributes of a subject, which rfc822Name constraints apply to as well.
fn email_addresses(subject: &Name) -> Result<Vec<GeneralName>, PathError> {
    subject
        .0
        .iter()
        .flat_map(|part| part.0.iter())
        .filter(|attribute| attribute.oid == oid::EMAIL_ADDRESS)
        .map(|attribute| {
            attribute.value.decode_as().map(GeneralName::Rfc822Name).map_err(|_| PathError::Names)
        })
        .collect()
}

/// Whether a constraint can be understood.
fn well_formed(base: &GeneralName) -> bool {
    match base {
        GeneralName::DnsName(base) => base.as_str().is_empty() || is_host(base.as_str()),
        GeneralName::Rfc822Name(base) => {
            let base = base.as_str();
            match base.rsplit_once('@') {
                Some((local, host)) => is_local_part(local) && is_host(host),
                None => is_host(base.strip_prefix('.').unwrap_or(base)),
            }
        }
        GeneralName::UniformResourceIdentifier(base) => {
            is_host(base.as_str().strip_prefix('.').unwrap_or(base.as_str()))
        }
        GeneralName::IpAddress(base) => network(base.as_bytes()).is_some(),
        _ => true,
    }
}

/// Whether a name certainly lies in a permitted subtree.
fn inside(found: &GeneralName, base: &GeneralName) -> bool {
    match (found, base) {
        (GeneralName::DirectoryName(found), GeneralName::DirectoryName(base)) => {
            name::starts_with(found, base)
        }
        (GeneralName::DnsName(found), GeneralName::DnsName(base)) => {
            let found = found.as_str();
            let host = found.strip_prefix("*.").unwrap_or(found);
            is_host(host) && is_below(host, base.as_str())
        }
        (GeneralName::Rfc822Name(found), GeneralName::Rfc822Name(base)) => {
            is_email_inside(found.as_str(), base.as_str())
        }
        (
            GeneralName::UniformResourceIdentifier(found),
            GeneralName::UniformResourceIdentifier(base),
        ) => uri_host(found.as_str()).is_some_and(|host| is_host_inside(host, base.as_str())),
        (GeneralName::IpAddress(found), GeneralName::IpAddress(base)) => network(base.as_bytes())
            .is_some_and(|(network, mask)| {
                found.as_bytes().len() == network.len()
                    && found
                        .as_bytes()
                        .iter()
                        .zip(network.iter().zip(mask))
                        .all(|(byte, (network, mask))| byte & mask == network & mask)
            }),
        _ => false,
    }
}

/// Whether a name may lie in an excluded subtree: a wildcard may stand for a host in it,
/// and what is not understood counts.
fn touches(found: &GeneralName, base: &GeneralName) -> bool {
    match (found, base) {
        (GeneralName::DnsName(found), GeneralName::DnsName(base)) => {
            let (found, base) = (found.as_str(), base.as_str());
            match found.strip_prefix("*.") {
                Some(host) => is_below(host, base) || is_below(base, host),
                None => !is_host(found) || is_below(found, base),
            }
        }
        (GeneralName::Rfc822Name(address), GeneralName::Rfc822Name(_)) => {
            !is_email(address.as_str()) || inside(found, base)
        }
        (
            GeneralName::UniformResourceIdentifier(uri),
            GeneralName::UniformResourceIdentifier(_),
        ) => uri_host(uri.as_str()).is_none() || inside(found, base),
        (GeneralName::DirectoryName(_), _) | (GeneralName::IpAddress(_), _) => inside(found, base),
        _ => true,
    }
}

/// Whether `host` is `base` or lies below it; everything lies below nothing.
fn is_below(host: &str, base: &str) -> bool {
    let (host, base) = (host.to_ascii_lowercase(), base.to_ascii_lowercase());
    base.is_empty()
        || host == base
        || host.strip_suffix(&base).is_some_and(|rest| rest.ends_with('.'))
}

/// A host constraint of rfc822Name and URI: a leading dot means hosts below it, no dot
/// that host alone.
fn is_host_inside(host: &str, base: &str) -> bool {
    match base.strip_prefix('.') {
        Some(domain) => is_below(host, domain) && !host.eq_ignore_ascii_case(domain),
        None => host.eq_ignore_ascii_case(base),
    }
}

fn is_email_inside(found: &str, base: &str) -> bool {
    let Some((local, host)) = found.rsplit_once('@') else { return false };
    is_email(found)
        && match base.rsplit_once('@') {
            Some((base_local, base_host)) => {
                local == base_local && host.eq_ignore_ascii_case(base_host)
            }
            None => is_host_inside(host, base),
        }
}

/// An address whose host is one.
pub(super) fn is_email(address: &str) -> bool {
    address.rsplit_once('@').is_some_and(|(local, host)| is_local_part(local) && is_host(host))
}

/// RFC 5321 dot-string: printable, no blanks, no second `@`.
fn is_local_part(local: &str) -> bool {
    (1..=64).contains(&local.len())
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && local
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte))
}

/// A name in the preferred syntax (RFC 1034, section 3.5), not an address.
pub(super) fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let top = host.rsplit('.').next().unwrap_or_default();
    host.len() <= 253
        && host.split('.').all(label)
        && !top.bytes().all(|byte| byte.is_ascii_digit())
}

/// The host of an absolute URI.
fn uri_host(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = host.split_once(':').map_or(host, |(host, _)| host);
    is_host(host).then_some(host)
}

/// Address and mask of an iPAddress constraint; the mask is contiguous.
fn network(base: &[u8]) -> Option<(&[u8], &[u8])> {
    if !matches!(base.len(), 8 | 32) {
        return None;
    }
    let (network, mask) = base.split_at(base.len() / 2);
    let mut ended = false;
    for byte in mask {
        let contiguous = byte.leading_ones() + byte.trailing_zeros().min(8) == 8 || *byte == 0xff;
        if !contiguous || (ended && *byte != 0) {
            return None;
        }
        ended |= *byte != 0xff;
    }
    Some((network, mask))
}

#[cfg(test)]
mod tests {
    use der::asn1::{Ia5String, OctetString};

    use super::*;

    fn dns(name: &str) -> GeneralName {
        GeneralName::DnsName(Ia5String::new(name).unwrap())
    }

    fn mail(name: &str) -> GeneralName {
        GeneralName::Rfc822Name(Ia5String::new(name).unwrap())
    }

    fn uri(name: &str) -> GeneralName {
        GeneralName::UniformResourceIdentifier(Ia5String::new(name).unwrap())
    }

    fn ip(bytes: &[u8]) -> GeneralName {
        GeneralName::IpAddress(OctetString::new(bytes).unwrap())
    }

    #[test]
    fn constraints_that_cannot_be_understood_are_told() {
        for good in [
            dns(""),
            dns("example.com"),
            mail("example.com"),
            mail(".example.com"),
            mail("a@example.com"),
            uri("example.com"),
            uri(".example.com"),
            ip(&[192, 0, 2, 0, 255, 255, 255, 0]),
            ip(&[0; 32]),
        ] {
            assert!(well_formed(&good), "{good:?}");
        }
        for bad in [
            dns(".example.com"),
            dns("a b"),
            mail(""),
            mail("@example.com"),
            mail("a@"),
            mail("a b@example.com"),
            mail("a@exa mple.com"),
            uri(""),
            uri("https://example.com"),
            ip(&[192, 0, 2, 0]),
            ip(&[192, 0, 2, 0, 255, 0, 255, 0]),
            ip(&[192, 0, 2, 0, 255, 255, 5, 0]),
            ip(&[192, 0, 2, 0, 255, 128, 128, 0]),
        ] {
            assert!(!well_formed(&bad), "{bad:?}");
        }
    }

    #[test]
    fn a_name_lies_inside_its_domain_and_no_other() {
        let base = dns("example.com");
        for (name, is) in [
            ("example.com", true),
            ("EXAMPLE.com", true),
            ("a.example.com", true),
            ("*.example.com", true),
            ("badexample.com", false),
            ("com", false),
            ("example.com.tw", false),
            ("*.com", false),
        ] {
            assert_eq!(inside(&dns(name), &base), is, "{name}");
        }
        assert!(inside(&dns("a.b"), &dns("")));
        assert!(!inside(&dns("a b"), &dns("")));
        for (name, base, is) in [
            ("a@example.com", "example.com", true),
            ("a@EXAMPLE.com", "example.com", true),
            ("a@b.example.com", "example.com", false),
            ("a@b.example.com", ".example.com", true),
            ("a@example.com", ".example.com", false),
            ("a@example.com", "a@example.com", true),
            ("b@example.com", "a@example.com", false),
            ("a@other.com", "a@example.com", false),
            ("a", "example.com", false),
            ("a b@example.com", "example.com", false),
        ] {
            assert_eq!(inside(&mail(name), &mail(base)), is, "{name} {base}");
        }
        for (name, base, is) in [
            ("https://example.com/x", "example.com", true),
            ("https://user@example.com:8443?x", "example.com", true),
            ("https://example.com#x", "example.com", true),
            ("https://a.example.com/", "example.com", false),
            ("https://a.example.com/", ".example.com", true),
            ("https://192.0.2.1/", "example.com", false),
            ("urn:x", "example.com", false),
        ] {
            assert_eq!(inside(&uri(name), &uri(base)), is, "{name} {base}");
        }
        let network = ip(&[192, 0, 2, 0, 255, 255, 254, 0]);
        for (address, is) in [
            (&[192, 0, 2, 9][..], true),
            (&[192, 0, 3, 9], true),
            (&[192, 0, 4, 9], false),
            (&[192, 0, 2], false),
            (&[0; 16], false),
        ] {
            assert_eq!(inside(&ip(address), &network), is, "{address:?}");
        }
        assert!(!inside(&dns("example.com"), &mail("example.com")));
    }

    #[test]
    fn what_may_lie_in_an_excluded_domain_counts() {
        let base = dns("a.example.com");
        for (name, may) in [
            ("a.example.com", true),
            ("b.a.example.com", true),
            ("*.example.com", true),
            ("*.a.example.com", true),
            ("b.example.com", false),
            ("*.b.example.com", false),
            ("a b", true),
        ] {
            assert_eq!(touches(&dns(name), &base), may, "{name}");
        }
        assert!(touches(&mail("not an address"), &mail("example.com")));
        assert!(touches(&mail("a@example.com"), &mail("example.com")));
        assert!(!touches(&mail("a@other.com"), &mail("example.com")));
        assert!(touches(&uri("urn:x"), &uri("example.com")));
        assert!(touches(&uri("https://example.com"), &uri("example.com")));
        assert!(!touches(&uri("https://other.com"), &uri("example.com")));
        assert!(touches(&ip(&[10, 0, 0, 1]), &ip(&[10, 0, 0, 0, 255, 0, 0, 0])));
        assert!(!touches(&ip(&[11, 0, 0, 1]), &ip(&[10, 0, 0, 0, 255, 0, 0, 0])));
    }

    #[test]
    fn hosts_and_addresses_have_their_lengths() {
        let label = "a".repeat(63);
        assert!(is_host(&format!("{label}.tw")) && !is_host(&format!("{label}a.tw")));
        let long = [&label[..]; 4].join(".")[..250].to_owned() + "xyz";
        assert_eq!(long.len(), 253);
        assert!(is_host(&long) && !is_host(&format!("x.{long}")));
        for bad in ["", ".", "a.", "-a.tw", "a-.tw", "a_b.tw", "192.0.2.1", "a.1"] {
            assert!(!is_host(bad), "{bad}");
        }
        assert!(is_host("1.tw") && is_host("a-b.tw"));
        let local = "a".repeat(64);
        assert!(is_email(&format!("{local}@a.tw")) && !is_email(&format!("{local}a@a.tw")));
        for bad in [".a@b.tw", "a.@b.tw", "a..b@c.tw", "a@b@c.tw", "@a.tw"] {
            assert!(!is_email(bad), "{bad}");
        }
    }
}
