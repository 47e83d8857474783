//! Signed messages: what a judged one says of itself, and the limits of what is read.

use aws_lc_rs::rsa::KeySize;
use cms::cert::CertificateChoices;
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{SignedData, SignerIdentifier, SignerInfo, SignerInfos};
use der::asn1::{Any, OctetString, SetOfVec, Utf8StringRef};
use der::{Decode, Encode};
use pki::oid::{CARD_NUMBER, NONCE};
use pki::{
    Environment, IssuerRole, ObjectIdentifier, PathError, PkiError, TRUST_POLICY, TrustStore,
    TrustStoreFile, TrustedCertificateFile, parse_message, unverified_signer,
};
use test_ca::issue::{Authority, Key, Part, Profile, certifying, signing};
use test_ca::pki_set::{Company, Issued};
use x509_cert::attr::Attribute;
use x509_cert::ext::pkix::SubjectKeyIdentifier;

use crate::credentials::certify;
use crate::trust_store::root;
use crate::{card, lists, now, parsed, pki, signed, trust};

const CONTENT: &[u8] = b"content";

/// A good message after a change, signed again.
fn changed(change: impl FnOnce(&mut SignedData, &mut SignerInfo)) -> Vec<u8> {
    let message = ContentInfo::from_der(&signed(card(), CONTENT, None)).unwrap();
    let mut data: SignedData = message.content.decode_as().unwrap();
    let mut signer = data.signer_infos.0.get(0).unwrap().clone();
    change(&mut data, &mut signer);
    let attributes = signer.signed_attrs.as_ref().unwrap().to_der().unwrap();
    signer.signature = OctetString::new(card().key.sign(&attributes).unwrap()).unwrap();
    data.signer_infos = SignerInfos::try_from(vec![signer]).unwrap();
    ContentInfo { content_type: message.content_type, content: Any::encode_from(&data).unwrap() }
        .to_der()
        .unwrap()
}

fn add(signer: &mut SignerInfo, oid: ObjectIdentifier, values: Vec<Any>) {
    let values = SetOfVec::try_from(values).unwrap();
    signer.signed_attrs.as_mut().unwrap().insert(Attribute { oid, values }).unwrap();
}

fn text(value: &str) -> Any {
    Any::encode_from(&Utf8StringRef::new(value).unwrap()).unwrap()
}

fn octets(value: &[u8]) -> Any {
    Any::encode_from(&OctetString::new(value).unwrap()).unwrap()
}

fn refusal(message: &[u8]) -> PkiError {
    trust().verify(message, now()).unwrap_err()
}

#[test]
fn a_judged_signature_says_who_signed_what_and_why_it_was_believed() {
    let message = signed(card(), CONTENT, Some("MB12345678"));
    let found = trust().verify(&message, now()).unwrap();
    assert_eq!(found.path().certificate().der(), card().certificate);
    assert_eq!(found.path().issuer().der(), card().issuer);
    let found = found.confirm(&lists()).unwrap();
    assert_eq!(found.content(), CONTENT);
    assert_eq!(found.certificate().der(), card().certificate);
    assert_eq!(found.credential().ubn.as_deref(), Some("12345675"));
    assert_eq!(found.card_number(), Some("MB12345678"));
    assert_eq!(found.nonce(), None);
    assert_eq!(found.judgement().policy, TRUST_POLICY);
    assert_eq!(found.judgement().at, now());
    assert_eq!(found.judgement().role, IssuerRole::Moeaca);
    assert_eq!(found.judgement().path.len(), 3);
    assert_eq!(unverified_signer(&message, CONTENT).unwrap().der(), card().certificate);
    assert_eq!(unverified_signer(&message, b"other"), Err(PkiError::DigestMismatch));
    assert_eq!(parse_message(&message), Ok(()));
    // Without a list nothing is confirmed.
    let unknown = trust().verify(&message, now()).unwrap();
    let unknown = unknown.confirm(&pki::revocation::ListsInMemory::default()).unwrap_err();
    assert_eq!(unknown, PkiError::RevocationUnknown { newest: None });
}

#[test]
fn card_number_and_nonce_are_read_from_the_signed_attributes() {
    let with = |oid, values: Vec<Any>| changed(|_, signer| add(signer, oid, values));
    let nonce = trust().verify(&with(NONCE, vec![octets(b"nonce")]), now()).unwrap();
    let nonce = nonce.confirm(&lists()).unwrap();
    assert_eq!(nonce.nonce(), Some(&b"nonce"[..]));
    assert_eq!(nonce.card_number(), None);
    let attribute = PkiError::SignedAttribute;
    assert_eq!(refusal(&with(NONCE, vec![text("nonce")])), attribute("nonce"));
    let two = vec![text("a"), text("b")];
    assert_eq!(refusal(&with(CARD_NUMBER, two)), attribute("cardNumber"));
    let number = refusal(&with(CARD_NUMBER, vec![octets(b"a")]));
    assert_eq!(number, PkiError::Malformed { what: "string" });
}

#[test]
fn detached_content_is_judged_as_the_caller_has_it() {
    let attached = signed(card(), CONTENT, None);
    let detached = changed(|data, _| data.encap_content_info.econtent = None);
    let judged = |message: &[u8], content: &[u8]| {
        trust()
            .verify_content(message, content, now())
            .map(|found| found.confirm(&lists()).unwrap().content().to_vec())
    };
    assert_eq!(judged(&attached, CONTENT), Ok(CONTENT.to_vec()));
    assert_eq!(judged(&detached, CONTENT), Ok(CONTENT.to_vec()));
    assert_eq!(judged(&attached, b"other"), Err(PkiError::DigestMismatch));
    assert_eq!(judged(&detached, b"other"), Err(PkiError::DigestMismatch));
    assert_eq!(refusal(&detached), PkiError::NotSignedData);
    assert_eq!(unverified_signer(&detached, CONTENT).unwrap().der(), card().certificate);
}

#[test]
fn a_signer_may_be_named_by_key_identifier_with_its_version() {
    let key_id = || {
        let id = parsed(&card().certificate).subject_key_id_hex().unwrap();
        let id = SubjectKeyIdentifier(OctetString::new(hex::decode(id).unwrap()).unwrap());
        SignerIdentifier::SubjectKeyIdentifier(id)
    };
    let by_key = |version| {
        changed(|data, signer| {
            data.version = CmsVersion::V3;
            signer.sid = key_id();
            signer.version = version;
        })
    };
    assert!(trust().verify(&by_key(CmsVersion::V3), now()).is_ok());
    assert_eq!(refusal(&by_key(CmsVersion::V1)), PkiError::Malformed { what: "signer" });
    let by_issuer = changed(|_, signer| signer.version = CmsVersion::V3);
    assert_eq!(refusal(&by_issuer), PkiError::Malformed { what: "signer" });
    let unannounced = changed(|data, _| data.digest_algorithms = SetOfVec::new());
    assert_eq!(refusal(&unannounced), PkiError::Malformed { what: "signer" });
}

#[test]
fn what_a_message_may_carry_has_limits() {
    // Eight certificates; a ninth is too many.
    let key = Key::generate(KeySize::Rsa2048).unwrap();
    let others: Vec<_> =
        (0..8).map(|_| certify(pki().company_authority(), &[], &[], &key)).collect();
    let with = |count: usize| {
        changed(|data, _| {
            let own = [&card().certificate];
            let bag = own.into_iter().chain(&others[..count - 1]);
            let bag = bag.map(|der| x509_cert::Certificate::from_der(der).unwrap());
            let bag: Vec<_> = bag.map(CertificateChoices::Certificate).collect();
            data.certificates = Some(bag.try_into().unwrap());
        })
    };
    assert!(trust().verify(&with(8), now()).is_ok());
    assert_eq!(refusal(&with(9)), PkiError::TooLarge { size: 9, limit: 8 });
    // Sixteen signed attributes.
    let attributes = |count: u32| {
        changed(|_, signer| {
            let have = u32::try_from(signer.signed_attrs.as_ref().unwrap().len()).unwrap();
            for arc in have..count {
                let oid = ObjectIdentifier::new_unwrap("1.2.3").push_arc(arc).unwrap();
                add(signer, oid, vec![text("x")]);
            }
        })
    };
    assert!(trust().verify(&attributes(16), now()).is_ok());
    assert_eq!(refusal(&attributes(17)), PkiError::TooLarge { size: 17, limit: 16 });
    // 128 KiB in all.
    let limit = 128 << 10;
    let rest = signed(card(), &[0; 100_000], None).len() - 100_000;
    assert!(trust().verify(&signed(card(), &vec![0; limit - rest], None), now()).is_ok());
    let size = limit + 1;
    let larger = signed(card(), &vec![0; size - rest], None);
    assert_eq!(refusal(&larger), PkiError::TooLarge { size, limit });
    assert_eq!(parse_message(&larger), Err(PkiError::TooLarge { size, limit }));
}

#[test]
fn a_card_of_either_generation_signs_and_a_foreign_one_does_not() {
    let company =
        Company { generation: 0, ..Company::card("測試甲股份有限公司", "12345675") };
    let older = pki().company(company).unwrap();
    assert!(trust().verify(&signed(&older, CONTENT, None), now()).is_ok());
    // Nobody that anybody knows.
    let foreign = root("測試");
    let key = Key::generate(KeySize::Rsa2048).unwrap();
    let certificate = certify(&foreign, &[], &[], &key);
    let foreign = Issued { key, certificate, issuer: foreign.certificate };
    assert_eq!(refusal(&signed(&foreign, CONTENT, None)), PkiError::UnknownIssuer);
}

/// What a store for tests makes of a whole hierarchy of one assurance level.
fn judged_at_level(level: u32) -> Result<(), PkiError> {
    let day = jiff::SignedDuration::from_hours(24);
    let profile = |subject, usage, ca| Profile {
        subject,
        attributes: &[],
        usage,
        ca,
        level,
        not_before: now() - day,
        not_after: now() + day,
        crl: None,
        ocsp: None,
        purposes: &[],
        no_check: false,
    };
    let name = |text: &'static str| [Part::Utf8(pki::oid::ORGANISATION_NAME, text)];
    let (root, issuing, company) = (name("測試根"), name("測試發證"), name("測試甲"));
    let root = Authority::root(&profile(&root, certifying(), true), KeySize::Rsa2048).unwrap();
    let issuing = root.authority(&profile(&issuing, certifying(), true)).unwrap();
    let key = Key::generate(KeySize::Rsa2048).unwrap();
    let certificate = issuing.issue(&profile(&company, signing(), false), &key).unwrap();
    let role = Some(IssuerRole::Moeaca);
    let file = TrustStoreFile {
        environment: Environment::Test,
        anchors: vec![TrustedCertificateFile::new("root", None, &root.certificate)],
        issuers: vec![TrustedCertificateFile::new("issuing", role, &issuing.certificate)],
    };
    let issued = Issued { key, certificate, issuer: issuing.certificate };
    let message = signed(&issued, CONTENT, None);
    TrustStore::from_file(&file).unwrap().verify(&message, now()).map(drop)
}

#[test]
fn a_path_needs_an_assurance_level() {
    for level in [0, 3, 4] {
        assert_eq!(judged_at_level(level), Ok(()), "{level}");
    }
    for level in [1, 2, 5] {
        assert_eq!(judged_at_level(level), Err(PkiError::Path(PathError::Policy)), "{level}");
    }
    // A level that the CAs do not assert is none.
    let company = Company::card("測試甲股份有限公司", "12345675");
    let issued = pki().company_with(company, signing(), 3).unwrap();
    let judged = trust().verify(&self::signed(&issued, CONTENT, None), now()).map(drop);
    assert_eq!(judged, Err(PkiError::Path(PathError::Policy)));
}

#[test]
fn parameters_of_a_digest_are_null_or_absent() {
    let with = |parameters: Option<Any>| {
        changed(|data, signer| {
            signer.digest_alg.parameters = parameters;
            let digests = SetOfVec::try_from(vec![signer.digest_alg.clone()]).unwrap();
            data.digest_algorithms = digests;
        })
    };
    assert!(trust().verify(&with(None), now()).is_ok());
    assert!(trust().verify(&with(Some(Any::null())), now()).is_ok());
    let strange = refusal(&with(Some(text("x"))));
    assert!(matches!(strange, PkiError::Algorithm(_)), "{strange}");
    let strange = refusal(&changed(|_, signer| {
        signer.signature_algorithm.parameters = Some(text("x"));
    }));
    assert!(matches!(strange, PkiError::Algorithm(_)), "{strange}");
}
