//! A visit with cards: which cards it takes one after the other, what each must be, and what it
//! may then do. A visit holds for one thing and for half an hour.

use pki::Purpose;
use serde::{Deserialize, Serialize};

use crate::{
    Applicant, Code, Coded, FieldProblem, FieldsRefused, HandlerPermission, PersonDigest,
    TermsReference,
};

/// How long a visit lasts, in seconds.
pub const VISIT_LIFETIME: i64 = 30 * 60;

/// What a visit is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VisitKind {
    /// 首次註冊.
    Register,
    /// 授權指派.
    Delegate,
    /// 更換機關憑證.
    ReplaceOrganisation,
    /// 更換授權管理者自然人憑證.
    ReplaceManager,
    /// 更換機關憑證和更換授權管理者自然人憑證.
    ReplaceBoth,
    /// 查詢機關憑證OID.
    FindOrganisation,
    /// 查詢自然人憑證序號.
    FindSerial,
    /// A handler proves an invitation.
    AcceptInvitation,
    /// A handler's renewed card.
    RenewHandler,
}

impl VisitKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Register,
        Self::Delegate,
        Self::ReplaceOrganisation,
        Self::ReplaceManager,
        Self::ReplaceBoth,
        Self::FindOrganisation,
        Self::FindSerial,
        Self::AcceptInvitation,
        Self::RenewHandler,
    ];

    /// The name on the wire and in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Delegate => "delegate",
            Self::ReplaceOrganisation => "replace-organisation",
            Self::ReplaceManager => "replace-manager",
            Self::ReplaceBoth => "replace-both",
            Self::FindOrganisation => "find-organisation",
            Self::FindSerial => "find-serial",
            Self::AcceptInvitation => "accept-invitation",
            Self::RenewHandler => "renew-handler",
        }
    }

    /// The words of the menu; 註冊項目 of a receipt.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Register => "首次註冊",
            Self::Delegate => "授權指派",
            Self::ReplaceOrganisation => "更換機關憑證",
            Self::ReplaceManager => "更換授權管理者自然人憑證",
            Self::ReplaceBoth => "更換機關憑證和更換授權管理者自然人憑證",
            Self::FindOrganisation => "查詢機關憑證OID",
            Self::FindSerial => "查詢自然人憑證序號",
            Self::AcceptInvitation => "接受指派",
            Self::RenewHandler => "更新經辦人憑證",
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// What the organisation's card signs for, where one is taken.
    pub const fn organisation_purpose(self) -> Option<Purpose> {
        match self {
            Self::Register
            | Self::Delegate
            | Self::ReplaceOrganisation
            | Self::ReplaceManager
            | Self::ReplaceBoth => Some(Purpose::ConfirmOrganisation),
            Self::FindOrganisation => Some(Purpose::FindOrganisation),
            Self::FindSerial | Self::AcceptInvitation | Self::RenewHandler => None,
        }
    }

    /// What the citizen's card signs for, where one is taken: after the organisation's.
    pub const fn citizen_purpose(self) -> Option<Purpose> {
        match self {
            Self::Register
            | Self::Delegate
            | Self::ReplaceOrganisation
            | Self::ReplaceManager
            | Self::ReplaceBoth => Some(Purpose::ConfirmManager),
            Self::FindOrganisation => None,
            Self::FindSerial => Some(Purpose::FindSerial),
            Self::AcceptInvitation => Some(Purpose::AcceptInvitation),
            Self::RenewHandler => Some(Purpose::RenewHandler),
        }
    }

    /// Whether the terms are read and agreed to before.
    pub const fn needs_terms(self) -> bool {
        matches!(
            self,
            Self::Register | Self::ReplaceOrganisation | Self::ReplaceManager | Self::ReplaceBoth
        )
    }

    /// Whether another organisation card than the registered one is expected.
    const fn renews_organisation(self) -> bool {
        matches!(self, Self::ReplaceOrganisation | Self::ReplaceBoth)
    }

    /// Whether another manager's card than the registered one is expected.
    pub const fn renews_manager(self) -> bool {
        matches!(self, Self::ReplaceManager | Self::ReplaceBoth)
    }
}

/// 用戶約定條款: version and digest of the text.
pub fn registration_terms() -> TermsReference {
    TermsReference {
        version: "1".to_owned(),
        sha256: include_str!("../../../static/legal/registration/1.sha256").trim().to_owned(),
    }
}

/// What a card signs in a visit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VisitDocument {
    /// What the visit is for, by its name.
    pub visit: VisitKind,
    /// 機關代號, with the organisation's card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The terms that were agreed to, with the organisation's card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreed: Option<TermsReference>,
    /// SHA-256 of the message that the organisation's card signed, with the citizen's card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organisation_signature: Option<String>,
}

/// Why a visit goes no further.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VisitRefused {
    /// What was signed is not what this step is about.
    #[error("the signed document is not this step's")]
    Document,
    /// The terms in their current version were not agreed to.
    #[error("the terms were not agreed to")]
    NotAgreed,
    /// Something typed.
    #[error(transparent)]
    Fields(#[from] FieldsRefused),
    /// There is a registration already.
    #[error("registered already")]
    Registered,
    /// There is none.
    #[error("not registered")]
    NotRegistered,
    /// Code and card are not in the register together.
    #[error("code and card do not fit")]
    Mismatch,
    /// The same, and officers have been asked.
    #[error("under review")]
    UnderReview,
    /// The organisation's card is another than the registered one.
    #[error("another organisation card than the registered one")]
    OtherCertificate,
    /// The card to be put in the place of the registered one is that one.
    #[error("the registered card itself")]
    Unchanged,
    /// The manager's card was renewed.
    #[error("the manager's card was renewed")]
    ManagerRenewed,
    /// Not the manager, nor a handler who may.
    #[error("not the manager")]
    NotTheManager,
    /// Another person is to be the manager.
    #[error("another person")]
    OtherPerson,
    /// More permissions than one's own, or one's own entry.
    #[error("beyond one's own permissions")]
    BeyondOwn,
}

impl Coded for VisitRefused {
    fn code(&self) -> Code {
        match self {
            Self::Document => Code::SignedContentDiffers,
            Self::NotAgreed => Code::TermsNotAgreed,
            Self::Fields(fields) => fields.code(),
            Self::Registered => Code::AlreadyRegistered,
            Self::NotRegistered => Code::NotRegistered,
            Self::Mismatch => Code::RegistrationMismatch,
            Self::UnderReview => Code::RegistrationUnderReview,
            Self::OtherCertificate => Code::OrganisationCertificateChanged,
            Self::Unchanged => Code::CertificateUnchanged,
            Self::ManagerRenewed => Code::ManagerCertificateChanged,
            Self::NotTheManager => Code::NotTheManager,
            Self::OtherPerson => Code::OtherManager,
            Self::BeyondOwn => Code::BeyondOwnPermissions,
        }
    }

    fn fields(&self) -> &[crate::FieldError] {
        match self {
            Self::Fields(fields) => fields.fields(),
            _ => &[],
        }
    }
}

/// What is on file of an organisation, as far as a visit is judged by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The number by which its card names it.
    pub key: Applicant,
    /// 憑證序號 of the registered organisation card.
    pub organisation_serial: String,
    /// 憑證序號 of the manager's card.
    pub manager_serial: String,
    /// The CA's number of the manager.
    pub manager_subject: String,
    /// The manager's national ID, as a digest.
    pub manager_person: PersonDigest,
}

/// Judges the first card: whether this organisation, by this card, may go on.
///
/// `known` says whether the imported register has code and number together; `approved` what
/// officers said of them: nothing, not yet, yes.
///
/// # Errors
/// [`VisitRefused`].
pub fn admit_organisation(
    kind: VisitKind,
    key: Applicant,
    serial: &str,
    registered: Option<&Registered>,
    known: bool,
    approved: Option<bool>,
) -> Result<(), VisitRefused> {
    if kind == VisitKind::FindOrganisation {
        return Ok(());
    }
    let fits = || match (known, approved) {
        (true, _) | (_, Some(true)) => Ok(()),
        (false, Some(false)) => Err(VisitRefused::UnderReview),
        (false, None) => Err(VisitRefused::Mismatch),
    };
    let Some(registered) = registered else {
        return if kind == VisitKind::Register { fits() } else { Err(VisitRefused::NotRegistered) };
    };
    if kind == VisitKind::Register {
        // Told to nobody but the organisation itself.
        if registered.key != key {
            fits()?;
        }
        return Err(VisitRefused::Registered);
    }
    if registered.key != key {
        // The organisation may have another number now: the register says so, or officers.
        if !kind.renews_organisation() {
            return Err(VisitRefused::OtherCertificate);
        }
        return fits();
    }
    let same = registered.organisation_serial == serial;
    match (kind.renews_organisation(), same) {
        (true, true) => Err(VisitRefused::Unchanged),
        (false, false) => Err(VisitRefused::OtherCertificate),
        _ => Ok(()),
    }
}

/// Who the second card belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecondCard {
    /// The manager, or who is to be.
    Manager,
    /// A handler with the permission for what the visit is for.
    Handler(i64),
}

/// Judges the second card of a registered organisation: its manager's, the manager's new one,
/// or that of a handler who may. `handler` is the entry that names this card.
///
/// # Errors
/// [`VisitRefused`].
pub fn admit_citizen(
    kind: VisitKind,
    registered: Option<&Registered>,
    serial: &str,
    subject: &str,
    person: PersonDigest,
    handler: Option<(i64, &[HandlerPermission])>,
    approved: bool,
) -> Result<SecondCard, VisitRefused> {
    let Some(registered) = registered else {
        return if kind == VisitKind::Register {
            Ok(SecondCard::Manager)
        } else {
            Err(VisitRefused::NotRegistered)
        };
    };
    let card = registered.manager_serial == serial;
    let same = registered.manager_person == person && registered.manager_subject == subject;
    if kind.renews_manager() {
        return match (card, same, approved) {
            (true, _, _) => Err(VisitRefused::Unchanged),
            (false, true, _) | (false, false, true) => Ok(SecondCard::Manager),
            (false, false, false) => Err(VisitRefused::OtherPerson),
        };
    }
    if card {
        return if same { Ok(SecondCard::Manager) } else { Err(wrong_id()) };
    }
    let wanted = match kind {
        VisitKind::Delegate => HandlerPermission::Delegate,
        _ => HandlerPermission::Replace,
    };
    match handler {
        Some((id, permissions)) if permissions.contains(&wanted) => Ok(SecondCard::Handler(id)),
        _ if same => Err(VisitRefused::ManagerRenewed),
        _ => Err(VisitRefused::NotTheManager),
    }
}

fn wrong_id() -> VisitRefused {
    FieldsRefused::at("nationalId", FieldProblem::NationalIdMismatch).into()
}

/// A handler with 授權指派 gives no more than the own permissions, and leaves the own entry
/// alone; the manager may do everything. `entry` is what is changed, with what it had.
///
/// # Errors
/// [`VisitRefused::BeyondOwn`].
pub fn within_own(
    own: Option<(i64, &[HandlerPermission])>,
    entry: Option<(i64, &[HandlerPermission])>,
    given: &[HandlerPermission],
) -> Result<(), VisitRefused> {
    let Some((own_id, own)) = own else { return Ok(()) };
    let (entry_id, before) = entry.unzip();
    let beyond =
        given.iter().chain(before.unwrap_or_default()).any(|permission| !own.contains(permission));
    if beyond || entry_id == Some(own_id) { Err(VisitRefused::BeyondOwn) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    fn registered() -> Registered {
        Registered {
            key: "OID:2.16.886.101.99999.1".parse().unwrap(),
            organisation_serial: "01".into(),
            manager_serial: "02".into(),
            manager_subject: "0000000100000001".into(),
            manager_person: PersonDigest([1; 16]),
        }
    }

    #[test]
    fn published_terms_do_not_change() {
        let text = include_str!("../../../static/legal/registration/1.html");
        assert_eq!(registration_terms().sha256, hex::encode(Sha256::digest(text)));
        assert_eq!(text.matches("<li>").count(), 8);
    }

    #[test]
    fn kinds_come_back_by_their_names() {
        for kind in VisitKind::ALL {
            assert_eq!(VisitKind::from_name(kind.name()), Some(kind));
            assert_eq!(serde_json::json!(kind), kind.name());
            assert!(kind.organisation_purpose().is_some() || kind.citizen_purpose().is_some());
        }
    }

    #[test]
    fn the_first_card_is_judged_by_register_and_registration() {
        use VisitKind::{
            Delegate, FindOrganisation, Register, ReplaceBoth, ReplaceManager, ReplaceOrganisation,
        };
        let on_file = registered();
        let key = on_file.key;
        let other: Applicant = "OID:2.16.886.101.99999.2".parse().unwrap();
        let judge = |kind, key: Applicant, serial, registered, known, approved| {
            admit_organisation(kind, key, serial, registered, known, approved)
        };
        let some = Some(&on_file);
        assert_eq!(judge(Register, key, "01", None, true, None), Ok(()));
        assert_eq!(judge(Register, key, "01", None, false, None), Err(VisitRefused::Mismatch));
        let waiting = judge(Register, key, "01", None, false, Some(false));
        assert_eq!(waiting, Err(VisitRefused::UnderReview));
        assert_eq!(judge(Register, key, "01", None, false, Some(true)), Ok(()));
        assert_eq!(judge(Register, key, "01", some, true, None), Err(VisitRefused::Registered));
        // By its card, also when the register does not have it: officers' word is for once.
        assert_eq!(judge(Register, key, "01", some, false, None), Err(VisitRefused::Registered));
        assert_eq!(judge(Register, other, "01", some, false, None), Err(VisitRefused::Mismatch));
        for kind in [Delegate, ReplaceManager] {
            assert_eq!(judge(kind, key, "01", some, true, None), Ok(()));
            let renewed = judge(kind, key, "09", some, true, None);
            assert_eq!(renewed, Err(VisitRefused::OtherCertificate));
            let foreign = judge(kind, other, "01", some, true, None);
            assert_eq!(foreign, Err(VisitRefused::OtherCertificate));
            assert_eq!(judge(kind, key, "01", None, true, None), Err(VisitRefused::NotRegistered));
        }
        for kind in [ReplaceOrganisation, ReplaceBoth] {
            assert_eq!(judge(kind, key, "09", some, false, None), Ok(()));
            assert_eq!(judge(kind, key, "01", some, true, None), Err(VisitRefused::Unchanged));
            assert_eq!(judge(kind, other, "09", some, false, None), Err(VisitRefused::Mismatch));
            assert_eq!(judge(kind, other, "09", some, true, None), Ok(()));
        }
        assert_eq!(judge(FindOrganisation, other, "09", None, false, None), Ok(()));
    }

    #[test]
    fn the_second_card_is_the_managers_or_that_of_a_handler_who_may() {
        let on_file = registered();
        let judge = |kind, serial: &str, person: u8, handler, approved| {
            let subject = if person == 1 { "0000000100000001" } else { "0000000100000002" };
            let person = PersonDigest([person; 16]);
            admit_citizen(kind, Some(&on_file), serial, subject, person, handler, approved)
        };
        let may: &[_] = &[HandlerPermission::Delegate];
        let may_not: &[_] = &[HandlerPermission::Progress, HandlerPermission::Replace];
        let delegate = VisitKind::Delegate;
        assert_eq!(judge(delegate, "02", 1, None, false), Ok(SecondCard::Manager));
        assert_eq!(judge(delegate, "02", 2, None, false), Err(wrong_id()));
        assert_eq!(judge(delegate, "03", 1, None, false), Err(VisitRefused::ManagerRenewed));
        assert_eq!(judge(delegate, "04", 2, None, false), Err(VisitRefused::NotTheManager));
        assert_eq!(judge(delegate, "04", 2, Some((7, may)), false), Ok(SecondCard::Handler(7)));
        let refused = judge(delegate, "04", 2, Some((7, may_not)), false);
        assert_eq!(refused, Err(VisitRefused::NotTheManager));
        let organisation = VisitKind::ReplaceOrganisation;
        assert_eq!(
            judge(organisation, "04", 2, Some((7, may_not)), false),
            Ok(SecondCard::Handler(7))
        );
        for kind in [VisitKind::ReplaceManager, VisitKind::ReplaceBoth] {
            assert_eq!(judge(kind, "03", 1, None, false), Ok(SecondCard::Manager));
            assert_eq!(judge(kind, "02", 1, None, false), Err(VisitRefused::Unchanged));
            // Another person needs the officers' word, whatever a handler may.
            let other = judge(kind, "04", 2, Some((7, may_not)), false);
            assert_eq!(other, Err(VisitRefused::OtherPerson));
            assert_eq!(judge(kind, "04", 2, None, true), Ok(SecondCard::Manager));
        }
    }

    #[test]
    fn nobody_gives_more_than_the_own() {
        use HandlerPermission::{Apply, Delegate, Replace};
        let own: &[_] = &[Delegate, Apply];
        assert_eq!(within_own(None, Some((7, own)), &HandlerPermission::ALL), Ok(()));
        assert_eq!(within_own(Some((7, own)), None, &[Apply]), Ok(()));
        let beyond = Err(VisitRefused::BeyondOwn);
        assert_eq!(within_own(Some((7, own)), None, &[Replace]), beyond);
        assert_eq!(within_own(Some((7, own)), Some((7, own)), &[Apply]), beyond);
        // Nor does anybody take away from who has more.
        assert_eq!(within_own(Some((7, own)), Some((8, &[Replace])), &[Apply]), beyond);
    }
}
