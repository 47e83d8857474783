//! `ret_code` and `last_error`.

use serde_json::{Value, json};

pub(super) const NO_TBS: u32 = 0x7600_0003;
pub(super) const NO_CARD: u32 = 0x7600_0006;
pub(super) const MALFORMED: u32 = 0x7600_000b;
pub(super) const BAD_PARAMETER: u32 = 0x7600_000c;
pub(super) const HELPER_FAILED: u32 = 0x7600_000d;
/// Unsupported method; also a reader or token that is not there.
pub(super) const UNSUPPORTED: u32 = 0x7600_000e;
pub(super) const SITE_NOT_AUTHORISED: u32 = 0x7600_0031;
pub(super) const NO_PIN: u32 = 0x7600_0998;
pub(super) const NO_READER: u32 = 0x7610_0003;
pub(super) const LOGIN_FAILED: u32 = 0x7610_0006;
pub(super) const KEY_NOT_FOUND: u32 = 0x7610_000d;
pub(super) const SIGN_TYPE: u32 = 0x7630_0002;
pub(super) const SIGN_FAILED: u32 = 0x7630_0004;
pub(super) const NOT_YET_VALID: u32 = 0x7650_0001;
pub(super) const EXPIRED: u32 = 0x7650_0002;
pub(super) const BASE64_DECODING: u32 = 0x7660_0002;
pub(super) const CAPI_CANCELLED: u32 = 0xe000_0012;

/// PKCS #11 CKR_PIN_LEN_RANGE.
pub(super) const PIN_LENGTH: u32 = 0xa2;
/// PKCS #11 CKR_PIN_LOCKED.
pub(super) const PIN_LOCKED: u32 = 0xa4;
pub(super) const PIN_WRONG: u32 = 0xa0;
pub(super) const ONE_TRY_LEFT: u32 = 0x8000_0001;
pub(super) const TWO_TRIES_LEFT: u32 = 0x8000_0002;

/// A code as it goes over the wire: two's complement.
pub(super) fn wire(code: u32) -> i32 {
    code.cast_signed()
}

/// Text for a person.
pub(super) fn message(code: u32) -> &'static str {
    match code {
        NO_TBS => "未輸入待簽資料",
        NO_CARD => "未插入卡片",
        MALFORMED => "JSON格式錯誤",
        BAD_PARAMETER => "參數錯誤",
        HELPER_FAILED => "執行檔錯誤或逾時",
        UNSUPPORTED => "不支援的方法",
        SITE_NOT_AUTHORISED => "在未授權的網站執行元件",
        NO_PIN => "未輸入PIN碼",
        NO_READER => "找不到讀卡機",
        LOGIN_FAILED => "登入卡片失敗",
        KEY_NOT_FOUND => "找不到金鑰",
        SIGN_TYPE => "簽章型態錯誤",
        NOT_YET_VALID => "憑證尚未生效",
        EXPIRED => "憑證已過期",
        BASE64_DECODING => "Base64解碼錯誤",
        CAPI_CANCELLED => "使用者取消",
        PIN_LENGTH => "PIN碼長度錯誤",
        PIN_LOCKED => "已鎖卡",
        PIN_WRONG => "PIN碼錯誤",
        ONE_TRY_LEFT => "PIN碼錯誤,剩餘1次",
        TWO_TRIES_LEFT => "PIN碼錯誤,剩餘2次",
        _ => "簽章失敗",
    }
}

/// Why an operation failed.
#[derive(Debug)]
pub(super) struct Failure {
    code: u32,
    last_error: Option<u32>,
}

impl Failure {
    /// A login refused by the card.
    pub(super) fn login(last_error: u32) -> Self {
        Self { code: LOGIN_FAILED, last_error: Some(last_error) }
    }
}

impl From<u32> for Failure {
    fn from(code: u32) -> Self {
        Self { code, last_error: None }
    }
}

/// Keys and certificates of a test always work; when not, signing failed.
impl From<anyhow::Error> for Failure {
    fn from(_: anyhow::Error) -> Self {
        SIGN_FAILED.into()
    }
}

impl From<Failure> for Value {
    fn from(failure: Failure) -> Self {
        let mut reply = json!({
            "ret_code": wire(failure.code),
            "message": message(failure.code),
        });
        if let Some(last_error) = failure.last_error {
            reply["last_error"] = wire(last_error).into();
            reply["message2"] = message(last_error).into();
        }
        reply
    }
}
