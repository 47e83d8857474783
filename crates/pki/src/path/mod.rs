//! Path validation (RFC 5280, section 6): from an anchor to a certificate. Every rule of
//! section 6.1 is here but revocation (`crate::revocation`), and the profile of section 4
//! is enforced on anchors and CAs as well; `docs/trust.md` says why this is our own and
//! which corpora and libraries it is measured against.

mod constraints;
mod policy;

use der::asn1::ObjectIdentifier;
use jiff::Timestamp;
use x509_cert::Version;
use x509_cert::ext::pkix::KeyUsages;
use x509_cert::ext::pkix::name::GeneralName;

use crate::{Certificate, PkiError, name};
use constraints::NameState;
use policy::PolicyState;

/// CAs between anchor and certificate.
const MAX_INTERMEDIATES: usize = 8;
/// Signatures that the search for one path may verify.
const MAX_SIGNATURES: usize = 100;

/// A rule of RFC 5280 that a path breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// A field or extension is not as section 4 has it.
    #[error("a certificate's form is not allowed: {0}")]
    Form(&'static str),
    /// A critical extension that is not understood (4.2).
    #[error("a critical extension is not understood")]
    UnknownCritical,
    /// The issuer's certificate is not a CA's, or may not sign certificates (6.1.4 k, n).
    #[error("an issuer is not a CA")]
    NotACa,
    /// More CAs than a pathLenConstraint allows (6.1.4 l), or than are looked at.
    #[error("the path is too long")]
    TooLong,
    /// A subject or alternative name is missing or malformed (4.1.2.6, 4.2.1.6).
    #[error("a name is not well-formed")]
    Names,
    /// A name lies outside what a CA may certify (6.1.3 b, c).
    #[error("a name is outside the name constraints")]
    NameConstraints,
    /// No policy that was asked for holds for the whole path (6.1.5).
    #[error("no accepted policy holds for the path")]
    Policy,
    /// The extended key usage does not allow what the certificate is used for (4.2.1.12).
    #[error("the extended key usage does not fit")]
    ExtendedKeyUsage,
    /// The search was given up.
    #[error("the path costs too much to check")]
    TooExpensive,
}

/// What a path has to satisfy.
#[derive(Clone, Copy, Debug)]
pub struct PathRequest<'a> {
    /// The instant of judgement.
    pub at: Timestamp,
    /// user-initial-policy-set; empty for any policy.
    pub policies: &'a [ObjectIdentifier],
    /// initial-explicit-policy.
    pub explicit_policy: bool,
    /// initial-policy-mapping-inhibit.
    pub inhibit_policy_mapping: bool,
    /// initial-any-policy-inhibit.
    pub inhibit_any_policy: bool,
    /// What an extended key usage, where there is one, must allow.
    pub purpose: Option<ObjectIdentifier>,
    /// CAs between anchor and certificate, self-issued ones not counted.
    pub max_intermediates: Option<u8>,
}

impl PathRequest<'_> {
    /// Any path that is valid at this instant.
    pub fn at(at: Timestamp) -> Self {
        Self {
            at,
            policies: &[],
            explicit_policy: false,
            inhibit_policy_mapping: false,
            inhibit_any_policy: false,
            purpose: None,
            max_intermediates: None,
        }
    }
}

/// Checks a path whose signatures were verified already: anchor first, certificate last.
///
/// # Errors
/// [`PkiError::Path`], [`PkiError::NotYetValid`], [`PkiError::Expired`].
pub fn check_path(path: &[&Certificate], request: &PathRequest<'_>) -> Result<(), PkiError> {
    let [anchor, below @ ..] = path else { return Err(PkiError::UnknownIssuer) };
    let Some((certificate, authorities)) = below.split_last() else {
        return Err(PkiError::UnknownIssuer);
    };
    if authorities.len() > MAX_INTERMEDIATES {
        return Err(PathError::TooLong.into());
    }
    let mut allowed = request.max_intermediates;
    let mut names = NameState::default();
    let mut policies = PolicyState::new(request, u32::try_from(below.len()).unwrap_or(u32::MAX));

    anchor.check_validity(request.at)?;
    check_form(anchor)?;
    // Section 4.2.1.9: CAs that follow the RFC mark it critical; an anchor is chosen.
    if !anchor.extensions().basic_constraints.as_ref().is_some_and(|found| found.critical) {
        return Err(PathError::NotACa.into());
    }
    check_authority(anchor)?;
    // The anchor itself is not counted among the CAs below it.
    lower(&mut allowed, anchor);
    names.add(anchor)?;

    for authority in authorities {
        authority.check_validity(request.at)?;
        check_form(authority)?;
        if !authority.is_self_issued() {
            names.check(authority)?;
        }
        policies.process(authority, false)?;
        policies.prepare_next(authority)?;
        names.add(authority)?;
        check_authority(authority)?;
        if !authority.is_self_issued() {
            allowed = match allowed {
                Some(0) => return Err(PathError::TooLong.into()),
                Some(count) => Some(count - 1),
                None => None,
            };
        }
        lower(&mut allowed, authority);
        check_purpose(authority, request)?;
    }

    certificate.check_validity(request.at)?;
    check_form(certificate)?;
    check_end_entity(certificate)?;
    names.check(certificate)?;
    policies.process(certificate, true)?;
    policies.wrap_up(certificate)?;
    check_purpose(certificate, request)
}

fn lower(allowed: &mut Option<u8>, authority: &Certificate) {
    let constraints = authority.extensions().basic_constraints.as_ref();
    if let Some(limit) = constraints.and_then(|found| found.value.path_len_constraint) {
        *allowed = Some(allowed.map_or(limit, |allowed| allowed.min(limit)));
    }
}

/// What section 4 demands of every certificate.
fn check_form(certificate: &Certificate) -> Result<(), PathError> {
    let tbs = certificate.x509();
    let extensions = certificate.extensions();
    let serial = tbs.serial_number.as_bytes();
    let positive = serial.first().is_some_and(|first| first & 0x80 == 0)
        && serial.iter().any(|byte| *byte != 0);
    // 20 octets may carry one more for the sign.
    let short = serial.strip_prefix(&[0]).unwrap_or(serial).len() <= 20;
    let key_named = extensions.authority_key_id().is_some() || certificate.is_self_signed_shape();
    let critical = |what: Option<bool>| what.unwrap_or_default();
    for (allowed, what) in [
        (tbs.version == Version::V3 || tbs.extensions.is_none(), "extensions without version 3"),
        (positive && short, "serial number"),
        (!tbs.issuer.0.is_empty(), "issuer without a name"),
        (key_named, "no authority key identifier"),
        (!critical(extensions.authority_key.as_ref().map(|e| e.critical)), "critical key id"),
        (!critical(extensions.subject_key.as_ref().map(|e| e.critical)), "critical key id"),
        (!critical(extensions.information_access.as_ref().map(|e| e.critical)), "critical access"),
        (extensions.name_constraints.as_ref().is_none_or(|e| e.critical), "name constraints"),
    ] {
        if !allowed {
            return Err(PathError::Form(what));
        }
    }
    if extensions.unknown_critical.is_some() {
        return Err(PathError::UnknownCritical);
    }
    let signs_certificates = certificate.has_usage(KeyUsages::KeyCertSign);
    if signs_certificates == Some(true) && !extensions.is_ca() {
        return Err(PathError::NotACa);
    }
    if extensions.extended_key_usage.as_ref().is_some_and(|usage| usage.value.0.is_empty()) {
        return Err(PathError::ExtendedKeyUsage);
    }
    check_names(certificate)
}

/// Section 4.1.2.6 and 4.2.1.6.
fn check_names(certificate: &Certificate) -> Result<(), PathError> {
    let extensions = certificate.extensions();
    let alternative = extensions.alternative_names.as_ref();
    if certificate.x509().subject.0.is_empty() && !alternative.is_some_and(|found| found.critical) {
        return Err(PathError::Names);
    }
    let well_formed = |name: &GeneralName| match name {
        GeneralName::DnsName(host) => {
            let host = host.as_str();
            constraints::is_host(host.strip_prefix("*.").unwrap_or(host))
        }
        GeneralName::Rfc822Name(address) => constraints::is_email(address.as_str()),
        GeneralName::IpAddress(address) => matches!(address.as_bytes().len(), 4 | 16),
        _ => true,
    };
    match alternative {
        Some(names) if names.value.0.is_empty() || !names.value.0.iter().all(well_formed) => {
            Err(PathError::Names)
        }
        _ => Ok(()),
    }
}

/// Section 6.1.4, steps k and n, and what 4.1.2.6 and 4.2.1.2 demand of CAs.
fn check_authority(authority: &Certificate) -> Result<(), PathError> {
    if !authority.extensions().is_ca() || authority.has_usage(KeyUsages::KeyCertSign) == Some(false)
    {
        return Err(PathError::NotACa);
    }
    if authority.extensions().subject_key_id().is_none() {
        return Err(PathError::Form("no subject key identifier"));
    }
    if authority.x509().subject.0.is_empty() {
        return Err(PathError::Names);
    }
    Ok(())
}

/// Name constraints belong to CAs (4.2.1.10).
fn check_end_entity(certificate: &Certificate) -> Result<(), PathError> {
    let extensions = certificate.extensions();
    if extensions.name_constraints.is_some() && !extensions.is_ca() {
        return Err(PathError::Form("name constraints"));
    }
    Ok(())
}

fn check_purpose(certificate: &Certificate, request: &PathRequest<'_>) -> Result<(), PkiError> {
    let usage = certificate.extensions().extended_key_usage.as_ref();
    match (usage, request.purpose) {
        (Some(usage), Some(purpose))
            if !usage.value.0.contains(&purpose)
                && !usage.value.0.contains(&crate::oid::ANY_EXTENDED_KEY_USAGE) =>
        {
            Err(PathError::ExtendedKeyUsage.into())
        }
        _ => Ok(()),
    }
}

/// Finds a path from one of the anchors to `certificate` over any of the intermediates,
/// with every signature verified; anchor first.
///
/// # Errors
/// What was wrong with the last path that was complete, or [`PkiError::UnknownIssuer`]
/// when there was none.
pub fn find_path<'a>(
    certificate: &'a Certificate,
    intermediates: &'a [Certificate],
    anchors: &'a [Certificate],
    request: &PathRequest<'_>,
) -> Result<Vec<&'a Certificate>, PkiError> {
    let mut search = Search {
        intermediates,
        anchors,
        request,
        signatures: 0,
        refused: PkiError::UnknownIssuer,
        path: vec![certificate],
    };
    if search.climb() {
        search.path.reverse();
        return Ok(search.path);
    }
    Err(search.refused)
}

struct Search<'a, 'r> {
    intermediates: &'a [Certificate],
    anchors: &'a [Certificate],
    request: &'r PathRequest<'r>,
    signatures: usize,
    refused: PkiError,
    /// Certificate first.
    path: Vec<&'a Certificate>,
}

impl<'a> Search<'a, '_> {
    /// Extends the path upwards until it is complete and valid.
    fn climb(&mut self) -> bool {
        let Some(last) = self.path.last().copied() else { return false };
        let (anchors, intermediates) = (self.anchors, self.intermediates);
        for anchor in anchors {
            if self.issued(anchor, last) {
                self.path.push(anchor);
                let path: Vec<_> = self.path.iter().rev().copied().collect();
                match check_path(&path, self.request) {
                    Ok(()) => return true,
                    Err(error) => self.refused = error,
                }
                self.path.pop();
            }
        }
        if self.path.len() > MAX_INTERMEDIATES {
            return false;
        }
        for intermediate in intermediates {
            let again = self.path.iter().any(|seen| seen.is_same_entity(intermediate));
            if !again && self.issued(intermediate, last) {
                self.path.push(intermediate);
                if self.climb() {
                    return true;
                }
                self.path.pop();
            }
        }
        false
    }

    fn issued(&mut self, issuer: &Certificate, certificate: &Certificate) -> bool {
        if !issuer.may_have_issued(certificate) {
            return false;
        }
        self.signatures += 1;
        if self.signatures > MAX_SIGNATURES {
            self.refused = PathError::TooExpensive.into();
            return false;
        }
        match certificate.check_signed_by(issuer) {
            Ok(()) => true,
            Err(error) => {
                self.refused = error;
                false
            }
        }
    }
}

impl Certificate {
    /// Whether subject and issuer are the same name (RFC 5280, section 3.2).
    pub(crate) fn is_self_issued(&self) -> bool {
        name::same(&self.x509().subject, &self.x509().issuer)
    }

    /// Whether the certificate claims to be its own issuer: same names, and the key
    /// identifiers, where both are there, agree.
    fn is_self_signed_shape(&self) -> bool {
        self.is_self_issued()
            && match (self.extensions().authority_key_id(), self.extensions().subject_key_id()) {
                (Some(authority), Some(subject)) => authority == subject,
                _ => true,
            }
    }

    /// Whether `self` may be the issuer of `other`: the name fits, and the key identifier,
    /// where both say one. Generations of a CA share a name.
    pub(crate) fn may_have_issued(&self, other: &Self) -> bool {
        let fits = match (self.extensions().subject_key_id(), other.extensions().authority_key_id())
        {
            (Some(subject), Some(authority)) => subject == authority,
            _ => true,
        };
        fits && name::same(&self.x509().subject, &other.x509().issuer)
    }

    /// Same name and key: a path that meets it again goes in a circle.
    fn is_same_entity(&self, other: &Self) -> bool {
        let (one, two) = (self.x509(), other.x509());
        one.subject == two.subject && one.subject_public_key_info == two.subject_public_key_info
    }
}

#[cfg(test)]
mod tests {
    use x509_cert::ext::pkix::{
        AuthorityInfoAccessSyntax, AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage,
        SubjectAltName, SubjectKeyIdentifier,
    };

    use super::*;
    use crate::made::{Made, at};
    use crate::oid;

    /// Judges a path of these three at this instant.
    fn judge(path: [Made; 3], request: &PathRequest<'_>) -> Result<(), PkiError> {
        let path = path.map(Made::make);
        check_path(&[&path[0], &path[1], &path[2]], request)
    }

    fn root() -> Made {
        Made::authority("root", "root")
    }

    fn authority() -> Made {
        Made::authority("CA", "root")
    }

    fn leaf() -> Made {
        Made::new("leaf", "CA").usage(KeyUsages::DigitalSignature)
    }

    fn now() -> PathRequest<'static> {
        PathRequest::at(at(0))
    }

    fn refused(path: [Made; 3]) -> PathError {
        match judge(path, &now()) {
            Err(PkiError::Path(error)) => error,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_certificate_must_be_valid_at_the_instant() {
        assert_eq!(judge([root(), authority(), leaf()], &now()), Ok(()));
        for expired in 0..3 {
            let mut path = [root(), authority(), leaf()];
            let taken = std::mem::replace(&mut path[expired], leaf());
            path[expired] = taken.valid(-1000, -1);
            assert!(matches!(judge(path, &now()), Err(PkiError::Expired { .. })), "{expired}");
            let mut path = [root(), authority(), leaf()];
            let taken = std::mem::replace(&mut path[expired], leaf());
            path[expired] = taken.valid(1, 1000);
            assert!(matches!(judge(path, &now()), Err(PkiError::NotYetValid { .. })), "{expired}");
        }
        // The first and the last second count.
        assert_eq!(judge([root(), authority(), leaf().valid(0, 1)], &now()), Ok(()));
        assert_eq!(judge([root(), authority(), leaf().valid(-1, 0)], &now()), Ok(()));
    }

    #[test]
    fn an_issuer_is_a_ca_that_may_sign_certificates() {
        let plain = Made::new("CA", "root");
        assert_eq!(refused([root(), plain, leaf()]), PathError::NotACa);
        let other_use = authority().usage(KeyUsages::CRLSign);
        assert_eq!(refused([root(), other_use, leaf()]), PathError::NotACa);
        let no_constraints = root().without(oid_of_basic_constraints());
        assert_eq!(refused([no_constraints, authority(), leaf()]), PathError::NotACa);
        let unmarked =
            root().with(&BasicConstraints { ca: true, path_len_constraint: None }, false);
        assert_eq!(refused([unmarked, authority(), leaf()]), PathError::NotACa);
        let signs = leaf().usage(KeyUsages::KeyCertSign);
        assert_eq!(refused([root(), authority(), signs]), PathError::NotACa);
        let without_key = authority().without(oid_of_subject_key());
        assert_eq!(
            refused([root(), without_key, leaf()]),
            PathError::Form("no subject key identifier")
        );
    }

    fn oid_of_basic_constraints() -> ObjectIdentifier {
        <BasicConstraints as der::oid::AssociatedOid>::OID
    }

    fn oid_of_subject_key() -> ObjectIdentifier {
        <SubjectKeyIdentifier as der::oid::AssociatedOid>::OID
    }

    #[test]
    fn the_length_of_a_path_is_limited() {
        let limited = |limit| {
            root().with(&BasicConstraints { ca: true, path_len_constraint: Some(limit) }, true)
        };
        assert_eq!(judge([limited(1), authority(), leaf()], &now()), Ok(()));
        assert_eq!(refused([limited(0), authority(), leaf()]), PathError::TooLong);
        let few = PathRequest { max_intermediates: Some(0), ..now() };
        assert_eq!(judge([root(), authority(), leaf()], &few), Err(PathError::TooLong.into()));
        let enough = PathRequest { max_intermediates: Some(1), ..now() };
        assert_eq!(judge([root(), authority(), leaf()], &enough), Ok(()));
        // A self-issued CA does not count.
        let same = || Made::authority("root", "root");
        assert_eq!(judge([limited(0), same(), leaf()], &now()), Ok(()));
    }

    #[test]
    fn the_form_of_certificates_is_judged() {
        let serial = |serial: &[u8]| judge([root(), authority(), leaf().serial(serial)], &now());
        assert_eq!(serial(&[0x7f; 20]), Ok(()));
        assert_eq!(serial(&[0]), Err(PathError::Form("serial number").into()));
        let critical_key = AuthorityKeyIdentifier {
            key_identifier: Some(der::asn1::OctetString::new(*b"CA").unwrap()),
            authority_cert_issuer: None,
            authority_cert_serial_number: None,
        };
        let critical = PathError::Form("critical key id");
        assert_eq!(refused([root(), authority(), leaf().with(&critical_key, true)]), critical);
        let subject_key = SubjectKeyIdentifier(der::asn1::OctetString::new(*b"leaf").unwrap());
        assert_eq!(refused([root(), authority(), leaf().with(&subject_key, true)]), critical);
        let access = AuthorityInfoAccessSyntax(Vec::new());
        assert_eq!(
            refused([root(), authority(), leaf().with(&access, true)]),
            PathError::Form("critical access")
        );
        let unknown = ObjectIdentifier::new_unwrap("1.2.3.4");
        let with_unknown = |critical| leaf().with_raw(unknown, vec![5, 0], critical);
        assert_eq!(judge([root(), authority(), with_unknown(false)], &now()), Ok(()));
        assert_eq!(refused([root(), authority(), with_unknown(true)]), PathError::UnknownCritical);
        let nobody = leaf().without(<AuthorityKeyIdentifier as der::oid::AssociatedOid>::OID);
        assert_eq!(
            refused([root(), authority(), nobody]),
            PathError::Form("no authority key identifier")
        );
    }

    #[test]
    fn names_must_be_well_formed() {
        let named = |name: &str| {
            let host = GeneralName::DnsName(der::asn1::Ia5String::new(name).unwrap());
            judge([root(), authority(), leaf().with(&SubjectAltName(vec![host]), false)], &now())
        };
        for good in ["a.example", "*.a.example", "x1-y.example"] {
            assert_eq!(named(good), Ok(()), "{good}");
        }
        for bad in ["a_b.example", "-a.example", "a..example", "192.0.2.1", ".example", ""] {
            assert_eq!(named(bad), Err(PathError::Names.into()), "{bad}");
        }
        let mail = |address: &str| {
            let mail = GeneralName::Rfc822Name(der::asn1::Ia5String::new(address).unwrap());
            judge([root(), authority(), leaf().with(&SubjectAltName(vec![mail]), false)], &now())
        };
        assert_eq!(mail("a.b@example.com"), Ok(()));
        for bad in ["a", "@example.com", "a@@example.com", "a b@example.com", "a@", ".a@x.tw"] {
            assert_eq!(mail(bad), Err(PathError::Names.into()), "{bad}");
        }
    }

    #[test]
    fn an_extended_key_usage_must_allow_the_purpose() {
        let purpose = PathRequest { purpose: Some(oid::EMAIL_PROTECTION), ..now() };
        let used = |usages: Vec<ObjectIdentifier>| {
            judge([root(), authority(), leaf().with(&ExtendedKeyUsage(usages), false)], &purpose)
        };
        assert_eq!(used(vec![oid::EMAIL_PROTECTION]), Ok(()));
        assert_eq!(used(vec![oid::ANY_EXTENDED_KEY_USAGE]), Ok(()));
        assert_eq!(used(vec![oid::SERVER_AUTH]), Err(PathError::ExtendedKeyUsage.into()));
        assert_eq!(used(vec![]), Err(PathError::ExtendedKeyUsage.into()));
        assert_eq!(judge([root(), authority(), leaf()], &purpose), Ok(()));
    }

    #[test]
    fn a_path_has_eight_cas_at_most() {
        let long = |count: usize| {
            let name =
                |place: usize| if place == 0 { "root".into() } else { format!("CA {place}") };
            let mut path = vec![root().make()];
            for place in 1..=count {
                path.push(Made::authority(&name(place), &name(place - 1)).make());
            }
            path.push(Made::new("leaf", &name(count)).make());
            check_path(&path.iter().collect::<Vec<_>>(), &now())
        };
        assert_eq!(long(8), Ok(()));
        assert_eq!(long(9), Err(PathError::TooLong.into()));
    }

    #[test]
    fn an_issuer_is_told_by_name_and_key_identifier() {
        let issuer = authority().make();
        let key = |id: &[u8]| AuthorityKeyIdentifier {
            key_identifier: Some(der::asn1::OctetString::new(id).unwrap()),
            authority_cert_issuer: None,
            authority_cert_serial_number: None,
        };
        assert!(issuer.may_have_issued(&leaf().make()));
        assert!(!issuer.may_have_issued(&leaf().with(&key(b"other"), false).make()));
        assert!(
            !issuer.may_have_issued(&Made::new("leaf", "other").with(&key(b"CA"), false).make())
        );
        let unnamed = leaf().without(<AuthorityKeyIdentifier as der::oid::AssociatedOid>::OID);
        assert!(issuer.may_have_issued(&unnamed.make()));
        // Its own issuer: by name, and by key identifier where both are there.
        assert!(root().make().is_self_signed_shape());
        assert!(!root().with(&key(b"other"), false).make().is_self_signed_shape());
        assert!(!authority().make().is_self_signed_shape());
        // The same entity: name and key, whatever else.
        assert!(issuer.is_same_entity(&authority().serial(&[9]).make()));
        assert!(!issuer.is_same_entity(&root().make()));
    }

    #[test]
    fn addresses_in_names_have_four_or_sixteen_bytes() {
        let address = |size: usize| {
            let bytes = der::asn1::OctetString::new(vec![1; size]).unwrap();
            let names = SubjectAltName(vec![GeneralName::IpAddress(bytes)]);
            judge([root(), authority(), leaf().with(&names, false)], &now())
        };
        assert_eq!((address(4), address(16)), (Ok(()), Ok(())));
        for size in [0, 5, 8] {
            assert_eq!(address(size), Err(PathError::Names.into()), "{size}");
        }
    }
}
