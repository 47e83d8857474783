//! Records of judgements: judged again years later, and what spoils them.

use jiff::SignedDuration;
use pki::revocation::{ListsInMemory, Standing};
use pki::{Evidence, IssuerRole, JudgedAgain, Judgement, PkiError, RecordError, TrustStoreError};
use test_ca::issue::{List, Listed};
use x509_cert::ext::pkix::CrlReason;

use crate::responses::responder;
use crate::{card, lists, now, parsed, pki, signed, trust};

fn message() -> Vec<u8> {
    signed(card(), b"content", None)
}

fn record() -> Judgement {
    let judged = trust().verify(&message(), now()).unwrap();
    judged.confirm(&lists()).unwrap().judgement().clone()
}

fn again(record: &Judgement, lists: &[Vec<u8>]) -> Result<JudgedAgain, RecordError> {
    record.judge_again(&message(), &trust(), lists)
}

fn refusal(change: impl FnOnce(&mut Judgement)) -> RecordError {
    let mut record = record();
    change(&mut record);
    again(&record, &[]).unwrap_err()
}

#[test]
fn a_record_stands_by_itself_and_is_proved_by_its_lists() {
    let record = record();
    let found = again(&record, &[]).unwrap();
    assert_eq!(found.content, b"content");
    assert_eq!(found.credential.ubn.as_deref(), Some("12345675"));
    assert_eq!(found.evidence, [Evidence::Recorded, Evidence::Recorded]);
    // Each list is found by its digest among others.
    let files = pki().empty_lists().unwrap();
    let found = again(&record, &files).unwrap();
    assert_eq!(found.evidence, [Evidence::Proved, Evidence::Proved]);
    let found = again(&record, &files[..1]).unwrap();
    assert_eq!(found.evidence, [Evidence::Proved, Evidence::Recorded]);
    // The path of the record is enough to judge it, if not to trust it.
    let own = record.recorded_trust().unwrap();
    assert!(record.judge_again(&message(), &own, &files).is_ok());
}

#[test]
fn a_record_that_says_something_else_does_not_stand() {
    assert_eq!(refusal(|record| record.role = IssuerRole::Moica), RecordError::OtherPath);
    assert_eq!(refusal(|record| record.path.swap(0, 1)), RecordError::OtherPath);
    assert_eq!(refusal(|record| record.policy.push('0')), RecordError::Policy);
    assert_eq!(refusal(|record| drop(record.standings.pop())), RecordError::Incomplete);
    assert_eq!(refusal(|record| record.standings.swap(0, 1)), RecordError::Incomplete);
    let early = refusal(|record| record.at -= SignedDuration::from_hours(24 * 365));
    assert!(matches!(early, RecordError::Signature(_)));
    let mut short = record();
    short.path.pop();
    assert_eq!(short.recorded_trust().unwrap_err(), TrustStoreError::Empty);
    short.path[1] = "!".to_owned();
    let invalid = TrustStoreError::Certificate { name: "recorded path".to_owned() };
    assert_eq!(short.recorded_trust().unwrap_err(), invalid);
}

#[test]
fn a_list_that_says_something_else_is_no_evidence() {
    let list = |entries: Vec<Listed>| {
        let list = List {
            number: 1,
            this_update: now() - SignedDuration::from_hours(1),
            next_update: now() + SignedDuration::from_hours(1),
            partition: None,
            entries,
        };
        pki().company_list(&list).unwrap()
    };
    // What was recorded, with the digest of a list in which the card stood.
    let named = list(vec![Listed {
        serial: parsed(&card().certificate).serial_bytes().to_vec(),
        reason: Some(CrlReason::CertificateHold),
        at: now(),
    }]);
    let issuer = parsed(&card().issuer);
    let head = pki::revocation::Crl::from_der(&named).unwrap().head().clone();
    let recorded = |change: &dyn Fn(&mut pki::revocation::CrlHead)| {
        let mut found = record();
        let mut head = head.clone();
        change(&mut head);
        found.standings[1] =
            Standing::List { issuer: issuer.fingerprint().to_string(), list: head };
        again(&found, std::slice::from_ref(&named)).unwrap_err()
    };
    assert_eq!(recorded(&|_| ()), RecordError::Evidence);
    assert_eq!(recorded(&|head| head.number = "0".repeat(40)), RecordError::Evidence);
    // The same without the card in it, but another number than was recorded.
    let empty = list(vec![]);
    let mut lists = ListsInMemory::default();
    lists.add(&empty, &issuer).unwrap();
    let mut head = pki::revocation::Crl::from_der(&empty).unwrap().head().clone();
    let standing = |list| Standing::List { issuer: issuer.fingerprint().to_string(), list };
    let mut found = record();
    found.standings[1] = standing(head.clone());
    let proved = again(&found, std::slice::from_ref(&empty)).unwrap();
    assert_eq!(proved.evidence, [Evidence::Recorded, Evidence::Proved]);
    head.number = "0".repeat(40);
    found.standings[1] = standing(head);
    assert_eq!(again(&found, &[empty]).unwrap_err(), RecordError::Evidence);
}

#[test]
fn an_answer_in_the_record_is_read_again() {
    let (good, this_update) = responder(&parsed(&card().certificate), "V");
    let (held, _) = responder(&parsed(&card().certificate), "260101000000Z,certificateHold");
    let issuer = parsed(&card().issuer).fingerprint().to_string();
    let recorded = |response: &str, this_update| {
        let mut found = record();
        found.at = now().max(this_update);
        found.standings[1] = Standing::Responder {
            issuer: issuer.clone(),
            response: response.to_owned(),
            this_update,
        };
        again(&found, &[]).map(|found| found.evidence[1])
    };
    assert_eq!(recorded(&good, this_update), Ok(Evidence::Proved));
    let second = SignedDuration::from_secs(1);
    assert_eq!(recorded(&good, this_update - second), Err(RecordError::Evidence));
    assert_eq!(recorded(&held, this_update), Err(RecordError::Evidence));
    assert_eq!(recorded("!", this_update), Err(RecordError::Evidence));
    assert_eq!(recorded("MAA=", this_update), Err(RecordError::Evidence));
}

#[test]
fn what_was_accepted_is_asked_again_whether_it_is_in_force() {
    let (good, this_update) = responder(&parsed(&card().certificate), "V");
    let at = now().max(this_update);
    let plain = record();
    let mut answered = record();
    answered.standings[1] = Standing::Responder {
        issuer: parsed(&card().issuer).fingerprint().to_string(),
        response: good,
        this_update,
    };
    let second = SignedDuration::from_secs(1);
    let judged = |record: &Judgement, listed, at| {
        let held = List {
            number: 2,
            this_update: listed,
            next_update: at + SignedDuration::from_hours(24),
            partition: None,
            entries: vec![Listed {
                serial: parsed(&card().certificate).serial_bytes().to_vec(),
                reason: Some(CrlReason::CertificateHold),
                at: listed,
            }],
        };
        let list = pki().company_list(&held).unwrap();
        let mut lists = lists();
        lists.add(&list, &parsed(&card().issuer)).unwrap();
        record.check_in_force(&trust(), &lists, at)
    };
    assert_eq!(plain.check_in_force(&trust(), &lists(), at), Ok(()));
    let held = |answer| matches!(answer, Err(PkiError::OnHold { .. }));
    assert!(held(judged(&plain, this_update - second, at)));
    // The answer in the record is newer than one list, and older than the other;
    assert_eq!(judged(&answered, this_update - second, at), Ok(()));
    assert!(held(judged(&answered, this_update + second, at + second + second)));
    // once it is not fresh any more, the lists decide.
    let later = at + SignedDuration::from_hours(1);
    assert!(held(judged(&answered, this_update - second, later)));
    let mut short = record();
    short.path.clear();
    let unread = short.check_in_force(&trust(), &lists(), at);
    assert_eq!(unread, Err(PkiError::Malformed { what: "recorded path" }));
}
