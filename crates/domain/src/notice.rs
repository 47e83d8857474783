//! Letters about registrations and handlers, in Chinese and in English.

use crate::Edition;
use crate::letter::Letter;

/// What a letter to an organisation's manager or handler is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice<'a> {
    /// 首次註冊.
    Registered,
    /// A card was replaced, by the words of the menu.
    Replaced(&'a str),
    /// To the handler: has permissions, by their words.
    HandlerAdded(&'a str),
    /// To the handler: an invitation, its address, and until when.
    Invited(&'a str, &'a str),
    /// To the handler: permissions are others.
    HandlerChanged(&'a str),
    /// To the handler: no permission any more.
    HandlerRemoved,
    /// To the manager: a handler was added, changed or removed, by name.
    ToManager(&'a str, &'a str),
    /// To the manager: a handler accepted an invitation.
    Accepted(&'a str),
    /// To the manager: a handler's card was renewed by the handler.
    HandlerRenewed(&'a str),
}

impl Notice<'_> {
    /// The name in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Replaced(_) => "card-replaced",
            Self::HandlerAdded(_) => "handler-added",
            Self::Invited(..) => "handler-invited",
            Self::HandlerChanged(_) => "handler-changed",
            Self::HandlerRemoved => "handler-removed",
            Self::ToManager(..) => "handlers-changed",
            Self::Accepted(_) => "invitation-accepted",
            Self::HandlerRenewed(_) => "handler-renewed",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Registered => "首次註冊成功通知",
            Self::Replaced(_) => "更換憑證通知",
            Self::HandlerAdded(_) => "授權經辦人指派通知",
            Self::Invited(..) => "授權經辦人邀請",
            Self::HandlerChanged(_) => "授權經辦人權限修改通知",
            Self::HandlerRemoved => "授權經辦人權限刪除通知",
            Self::ToManager(..) => "授權經辦人異動通知",
            Self::Accepted(_) => "授權經辦人接受邀請通知",
            Self::HandlerRenewed(_) => "授權經辦人憑證更新通知",
        }
    }

    fn words(self) -> (String, String) {
        const IF_NOT: &str = "若非貴機關所辦理，請立即與承辦單位聯繫。";
        match self {
            Self::Registered => (
                format!("首次註冊成功，您為授權管理者；可接續辦理授權指派經辦人作業。{IF_NOT}"),
                "The organisation was registered, with you as its manager.".into(),
            ),
            Self::Replaced(what) => (
                format!("已完成「{what}」。{IF_NOT}"),
                "A registered card was replaced. If this was not you, contact the office at once.".into(),
            ),
            Self::HandlerAdded(permissions) => (
                format!("授權管理者已指派您為經辦人，權限：{permissions}。請以您的自然人憑證登入。"),
                "You were named as a handler. Please sign in with your own card.".into(),
            ),
            Self::Invited(address, until) => (
                format!("授權管理者邀請您擔任經辦人。請於{until}前開啟下列網址，以您的自然人憑證確認：\n{address}"),
                format!("You were invited as a handler. Please confirm with your own card:\n{address}"),
            ),
            Self::HandlerChanged(permissions) => (
                format!("授權管理者已修改您的資料或權限，現在的權限：{permissions}。"),
                "Your entry or your permissions as a handler were changed.".into(),
            ),
            Self::HandlerRemoved => (
                "授權管理者已刪除您的經辦人權限。".into(),
                "Your permissions as a handler were removed.".into(),
            ),
            Self::ToManager(what, name) => (
                format!("{what}：{name}。{IF_NOT}"),
                "A handler was added, changed or removed.".into(),
            ),
            Self::Accepted(name) => (
                format!("{name}已以本人的自然人憑證接受邀請，擔任經辦人。"),
                "A handler accepted the invitation with the own card.".into(),
            ),
            Self::HandlerRenewed(name) => (
                format!("{name}已以本人的新憑證更新憑證序號，權限不變。若有疑問，請於授權指派中查看。"),
                "A handler's renewed card took the former one's place. The permissions are the same.".into(),
            ),
        }
    }

    /// The letter, to somebody of this organisation.
    pub fn letter(self, organisation: &str, origin: &str) -> Letter {
        let (service, title) = (Edition::SERVICE, self.title());
        let (chinese, english) = self.words();
        Letter {
            subject: format!("{service}：{title}"),
            body: format!(
                "{organisation} 您好：\n\n{chinese}\n\n憑證註冊與指派作業：{origin}/delegate/\n\n\
                 本信由系統寄出，請勿直接回覆。\n\n----\n\n{english}\n\n{origin}/delegate/\n"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_notice_says_what_happened_and_where_to_look() {
        let all = [
            Notice::Registered,
            Notice::Replaced("更換機關憑證"),
            Notice::HandlerAdded("進度查詢"),
            Notice::Invited("https://a.example/delegate/#accept=x", "115/12/05"),
            Notice::HandlerChanged("進度查詢"),
            Notice::HandlerRemoved,
            Notice::ToManager("新增授權經辦人", "張經辦"),
            Notice::Accepted("張經辦"),
            Notice::HandlerRenewed("張經辦"),
        ];
        for notice in all {
            let letter = notice.letter("測試機關", "https://a.example");
            assert!(letter.edited().is_ok(), "{letter:?}");
            assert!(letter.body.starts_with("測試機關 您好："));
            assert!(letter.body.contains("https://a.example/delegate/"));
        }
    }
}
