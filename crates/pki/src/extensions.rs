//! The X.509 extensions that this service understands, read once for each certificate
//! (RFC 5280, section 4.2). What is critical and not understood is remembered by name.

use const_oid_shim::AssociatedOid;
use der::asn1::ObjectIdentifier;
use der::{Decode, oid as const_oid_shim};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{
    AuthorityInfoAccessSyntax, AuthorityKeyIdentifier, BasicConstraints, CertificatePolicies,
    CrlDistributionPoints, ExtendedKeyUsage, InhibitAnyPolicy, KeyUsage, NameConstraints,
    PolicyConstraints, PolicyMappings, SubjectAltName, SubjectKeyIdentifier,
};

use crate::{PkiError, oid};

/// An extension and whether it is critical.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Marked<T> {
    pub(crate) critical: bool,
    pub(crate) value: T,
}

/// What a certificate's extensions say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extensions {
    pub(crate) basic_constraints: Option<Marked<BasicConstraints>>,
    pub(crate) key_usage: Option<Marked<KeyUsage>>,
    pub(crate) extended_key_usage: Option<Marked<ExtendedKeyUsage>>,
    pub(crate) policies: Option<Marked<CertificatePolicies>>,
    pub(crate) policy_mappings: Option<Marked<PolicyMappings>>,
    pub(crate) policy_constraints: Option<Marked<PolicyConstraints>>,
    pub(crate) inhibit_any_policy: Option<Marked<InhibitAnyPolicy>>,
    pub(crate) name_constraints: Option<Marked<NameConstraints>>,
    pub(crate) alternative_names: Option<Marked<SubjectAltName>>,
    pub(crate) authority_key: Option<Marked<AuthorityKeyIdentifier>>,
    pub(crate) subject_key: Option<Marked<SubjectKeyIdentifier>>,
    pub(crate) distribution_points: Option<Marked<CrlDistributionPoints>>,
    pub(crate) information_access: Option<Marked<AuthorityInfoAccessSyntax>>,
    /// Subject directory attributes, not decoded.
    pub(crate) directory_attributes: Option<Vec<u8>>,
    /// A responder whose own standing need not be asked for (RFC 6960, 4.2.2.2.1).
    pub(crate) ocsp_no_check: bool,
    /// A critical extension that nobody here understands.
    pub(crate) unknown_critical: Option<ObjectIdentifier>,
}

impl Extensions {
    /// Reads them; none may stand twice (RFC 5280, section 4.2).
    pub(crate) fn read(extensions: &[Extension]) -> Result<Self, PkiError> {
        let mut read = Self::default();
        let mut seen = Vec::with_capacity(extensions.len());
        for extension in extensions {
            if seen.contains(&extension.extn_id) {
                return Err(PkiError::Malformed { what: "repeated extension" });
            }
            seen.push(extension.extn_id);
            read.take(extension)?;
        }
        read.check_not_empty()?;
        Ok(read)
    }

    /// What has to say something says something (sections 4.2.1.3 and 4.2.1.11).
    fn check_not_empty(&self) -> Result<(), PkiError> {
        let no_usage = self.key_usage.as_ref().is_some_and(|usage| usage.value.0.is_empty());
        let no_constraint = self.policy_constraints.as_ref().is_some_and(|found| {
            found.value.require_explicit_policy.is_none()
                && found.value.inhibit_policy_mapping.is_none()
        });
        if no_usage || no_constraint {
            return Err(PkiError::Malformed { what: "empty extension" });
        }
        Ok(())
    }

    fn take(&mut self, extension: &Extension) -> Result<(), PkiError> {
        match extension.extn_id {
            BasicConstraints::OID => put(&mut self.basic_constraints, extension),
            KeyUsage::OID => put(&mut self.key_usage, extension),
            ExtendedKeyUsage::OID => put(&mut self.extended_key_usage, extension),
            CertificatePolicies::OID => put(&mut self.policies, extension),
            PolicyMappings::OID => put(&mut self.policy_mappings, extension),
            PolicyConstraints::OID => put(&mut self.policy_constraints, extension),
            InhibitAnyPolicy::OID => put(&mut self.inhibit_any_policy, extension),
            NameConstraints::OID => put(&mut self.name_constraints, extension),
            SubjectAltName::OID => put(&mut self.alternative_names, extension),
            AuthorityKeyIdentifier::OID => put(&mut self.authority_key, extension),
            SubjectKeyIdentifier::OID => put(&mut self.subject_key, extension),
            CrlDistributionPoints::OID => put(&mut self.distribution_points, extension),
            AuthorityInfoAccessSyntax::OID => put(&mut self.information_access, extension),
            oid::SUBJECT_DIRECTORY_ATTRIBUTES => {
                self.directory_attributes = Some(extension.extn_value.as_bytes().to_vec());
                Ok(())
            }
            oid::OCSP_NO_CHECK => {
                self.ocsp_no_check = true;
                Ok(())
            }
            other => {
                if extension.critical {
                    self.unknown_critical = Some(other);
                }
                Ok(())
            }
        }
    }

    /// Whether basicConstraints says that this is a CA.
    pub(crate) fn is_ca(&self) -> bool {
        self.basic_constraints.as_ref().is_some_and(|constraints| constraints.value.ca)
    }

    /// The subject's key identifier.
    pub(crate) fn subject_key_id(&self) -> Option<&[u8]> {
        self.subject_key.as_ref().map(|key| key.value.0.as_bytes())
    }

    /// The issuer's key identifier.
    pub(crate) fn authority_key_id(&self) -> Option<&[u8]> {
        let key = self.authority_key.as_ref()?;
        key.value.key_identifier.as_ref().map(der::asn1::OctetString::as_bytes)
    }
}

fn put<'a, T: Decode<'a> + AssociatedOid>(
    place: &mut Option<Marked<T>>,
    extension: &'a Extension,
) -> Result<(), PkiError> {
    let value = T::from_der(extension.extn_value.as_bytes())
        .map_err(|_| PkiError::Malformed { what: "extension" })?;
    *place = Some(Marked { critical: extension.critical, value });
    Ok(())
}
