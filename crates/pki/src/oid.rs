//! Object identifiers of Taiwan's GPKI and of the CMS attributes used here.

use der::asn1::ObjectIdentifier;

macro_rules! oids {
    ($($(#[$doc:meta])* $name:ident = $value:literal;)*) => {
        $($(#[$doc])* pub const $name: ObjectIdentifier = ObjectIdentifier::new_unwrap($value);)*
    };
}

oids! {
    /// Subject directory attribute: kind of subject (an OID under [`SUBJECT_TYPES`]).
    SUBJECT_TYPE = "2.16.886.1.100.2.1";
    /// Subject directory attribute: card rank, `primary` or `secondary`.
    CARD_RANK = "2.16.886.1.100.2.2";
    /// Subject directory attribute: last four characters of the national ID.
    NATIONAL_ID_TAIL = "2.16.886.1.100.2.51";
    /// Subject directory attribute: 統一編號, eight digits.
    UBN = "2.16.886.1.100.2.101";
    /// Subject directory attribute: organisation OID.
    ORGANISATION = "2.16.886.1.100.2.102";
    /// CMS signed attribute: number of the card that signed.
    CARD_NUMBER = "2.16.886.1.100.2.204";
    /// Prefix of subject types.
    SUBJECT_TYPES = "2.16.886.1.100.3";
    /// Subject type: company.
    COMPANY = "2.16.886.1.100.3.2.2.1.1";
    /// Subject type: business firm (行號).
    BUSINESS_FIRM = "2.16.886.1.100.3.2.3.1";
    /// Subject type: branch of a company.
    BRANCH = "2.16.886.1.100.3.2.3.3.1";
    /// Subject type: citizen.
    CITIZEN = "2.16.886.1.100.3.1.1";
    /// Subject type: server application.
    SERVER = "2.16.886.1.100.3.3.1";
    /// Prefix of assurance levels; the next arc is the level, 0 for tests.
    ASSURANCE = "2.16.886.101.0.3";
    /// Any policy (RFC 5280, section 4.2.1.4).
    ANY_POLICY = "2.5.29.32.0";
    /// Any purpose (RFC 5280, section 4.2.1.12).
    ANY_EXTENDED_KEY_USAGE = "2.5.29.37.0";
    /// Purpose: authentication of a server.
    SERVER_AUTH = "1.3.6.1.5.5.7.3.1";
    /// Purpose: authentication of a client.
    CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";
    /// Purpose: signing messages.
    EMAIL_PROTECTION = "1.3.6.1.5.5.7.3.4";
    /// Purpose: signing OCSP responses (RFC 6960, section 4.2.2.2).
    OCSP_SIGNING = "1.3.6.1.5.5.7.3.9";
    /// X.509 extension: subject directory attributes.
    SUBJECT_DIRECTORY_ATTRIBUTES = "2.5.29.9";
    /// CRL extension: what the list covers.
    ISSUING_DISTRIBUTION_POINT = "2.5.29.28";
    /// CRL extension: delta.
    DELTA_CRL = "2.5.29.27";
    /// CRL extension: where deltas are.
    FRESHEST_CRL = "2.5.29.46";
    /// CRL entry extension: the issuer, in an indirect list.
    CERTIFICATE_ISSUER = "2.5.29.29";
    /// Access method: OCSP responder.
    OCSP = "1.3.6.1.5.5.7.48.1";
    /// PKCS #9 content type.
    CONTENT_TYPE = "1.2.840.113549.1.9.3";
    /// PKCS #9 message digest.
    MESSAGE_DIGEST = "1.2.840.113549.1.9.4";
    /// Random nonce, as the reader component of Chunghwa Telecom signs it.
    NONCE = "1.2.840.113549.1.9.25.3";
    /// PKCS #9 signing time: the signer's claim.
    SIGNING_TIME = "1.2.840.113549.1.9.5";
    /// CMS: data.
    ID_DATA = "1.2.840.113549.1.7.1";
    /// CMS: signed data.
    ID_SIGNED_DATA = "1.2.840.113549.1.7.2";
    /// Certificate extension: a responder's standing need not be asked for.
    OCSP_NO_CHECK = "1.3.6.1.5.5.7.48.1.5";
    /// A basic OCSP response.
    OCSP_BASIC = "1.3.6.1.5.5.7.48.1.1";
    /// SHA-1: names issuers in OCSP, signs nothing.
    SHA_1 = "1.3.14.3.2.26";
    /// SHA-256.
    SHA_256 = "2.16.840.1.101.3.4.2.1";
    /// SHA-384.
    SHA_384 = "2.16.840.1.101.3.4.2.2";
    /// SHA-512.
    SHA_512 = "2.16.840.1.101.3.4.2.3";
    /// RSA keys, and RSASSA-PKCS1-v1_5 with the digest named elsewhere.
    RSA_ENCRYPTION = "1.2.840.113549.1.1.1";
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RSA_SHA_256 = "1.2.840.113549.1.1.11";
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RSA_SHA_384 = "1.2.840.113549.1.1.12";
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RSA_SHA_512 = "1.2.840.113549.1.1.13";
    /// Elliptic curve keys.
    EC_PUBLIC_KEY = "1.2.840.10045.2.1";
    /// Curve P-256.
    P_256 = "1.2.840.10045.3.1.7";
    /// Curve P-384.
    P_384 = "1.3.132.0.34";
    /// ECDSA with SHA-256.
    ECDSA_SHA_256 = "1.2.840.10045.4.3.2";
    /// ECDSA with SHA-384.
    ECDSA_SHA_384 = "1.2.840.10045.4.3.3";
    /// Distinguished name: e-mail address (PKCS #9).
    EMAIL_ADDRESS = "1.2.840.113549.1.9.1";
    /// Distinguished name: common name.
    COMMON_NAME = "2.5.4.3";
    /// Distinguished name: serial number.
    SERIAL_NUMBER = "2.5.4.5";
    /// Distinguished name: organisation.
    ORGANISATION_NAME = "2.5.4.10";
}
