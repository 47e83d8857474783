//! Signature algorithms of certificates, by keys and signatures that OpenSSL makes.

use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::{X509, X509NameBuilder};
use pki::PkiError;

use crate::parsed;

/// A certificate that this key signs for itself.
fn certificate(key: &PKey<Private>, digest: MessageDigest) -> pki::Certificate {
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("O", "test").unwrap();
    let name = name.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder.set_pubkey(key).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
    builder.sign(key, digest).unwrap();
    parsed(&builder.build().to_der().unwrap())
}

fn curve(curve: Nid) -> PKey<Private> {
    let group = EcGroup::from_curve_name(curve).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

#[test]
fn rsa_and_two_curves_with_sha_2() {
    let rsa = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let (p256, p384) = (curve(Nid::X9_62_PRIME256V1), curve(Nid::SECP384R1));
    let digests = [MessageDigest::sha256(), MessageDigest::sha384(), MessageDigest::sha512()];
    for (key, accepted) in [(&rsa, 3), (&p256, 2), (&p384, 2)] {
        let other = certificate(key, digests[0]);
        for (place, digest) in digests.iter().enumerate() {
            let found = certificate(key, *digest);
            let judged = found.check_signed_by(&found);
            if place < accepted {
                assert_eq!(judged, Ok(()));
                // Another key of the same kind.
                let key = if key.id() == rsa.id() { &p256 } else { &rsa };
                assert!(found.check_signed_by(&certificate(key, digests[0])).is_err());
            } else {
                assert!(matches!(judged, Err(PkiError::Algorithm(_))), "{judged:?}");
            }
            let again = certificate(key, *digest);
            assert_eq!(again.check_signed_by(&other).is_ok(), place < accepted);
        }
        let old = certificate(key, MessageDigest::sha1());
        assert!(matches!(old.check_signed_by(&old), Err(PkiError::Algorithm(_))));
    }
    let p521 = certificate(&curve(Nid::SECP521R1), digests[0]);
    assert!(matches!(p521.check_signed_by(&p521), Err(PkiError::Algorithm(_))));
    let small = certificate(&PKey::from_rsa(Rsa::generate(1024).unwrap()).unwrap(), digests[0]);
    assert_eq!(small.check_signed_by(&small), Err(PkiError::WeakKey { bits: 1024 }));
}
