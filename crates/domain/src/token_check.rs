//! What is wrong with a token, one check after another, for whoever is building a client. Only
//! the key's owner is told anything about the account; of the register nothing is told.

use std::net::IpAddr;

use jiff::Timestamp;
use pki::jwt::{TimeError, TokenError, TokenTimes};
use serde::Serialize;
use serde_json::Value;

use crate::verification::fixed_claims;
use crate::{
    AccountStatus, Caller, CallerCertificate, Claims, IdCard, Members, is_registered_address,
};

/// One check of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TokenCheck {
    /// Stable name.
    pub check: &'static str,
    /// What is checked, in words.
    pub word: &'static str,
    /// Whether it passed; `None` when an earlier one has to pass first.
    pub passed: Option<bool>,
    /// What was found, and what to do.
    pub message: String,
}

/// The checks in their order, with what is checked.
const CHECKS: [(&str, &str); 10] = [
    ("form", "Token格式"),
    ("claims", "必要欄位"),
    ("fixed-claims", "固定值欄位"),
    ("times", "時間"),
    ("credentials", "isskey與簽章"),
    ("account", "orgId與apId"),
    ("address", "來源IP位址"),
    ("certificate", "憑證效期"),
    ("status", "帳號狀態"),
    ("conditions", "查詢條件"),
];

/// Members that every token has.
const TEXTS: [&str; 9] =
    ["orgId", "apId", "userId", "iss", "sub", "jobId", "opType", "jti", "conditionMap"];
const TIMES: [&str; 2] = ["iat", "exp"];
/// A member that a token may have.
const NOT_BEFORE: &str = "nbf";

/// A list of checks that grows in order.
#[derive(Clone, Debug, Default)]
pub struct TokenChecks(Vec<TokenCheck>);

impl TokenChecks {
    fn say(&mut self, passed: bool, message: impl Into<String>) -> bool {
        if let Some((check, word)) = CHECKS.get(self.0.len()) {
            let message = message.into();
            self.0.push(TokenCheck { check, word, passed: Some(passed), message });
        }
        passed
    }

    /// Every check; those that were not reached without an answer.
    pub fn finish(mut self) -> Vec<TokenCheck> {
        for (check, word) in &CHECKS[self.0.len()..] {
            let message = "前項檢查通過後才檢查".to_owned();
            self.0.push(TokenCheck { check, word, passed: None, message });
        }
        self.0
    }

    /// Whether the token can be read, given what reading its members came to, and whether it can
    /// be read as claims.
    pub fn read(&mut self, members: Result<&Members, TokenError>, as_claims: bool) -> bool {
        let members = match members {
            Ok(members) => members,
            Err(error) => {
                return self.say(
                    false,
                    match error {
                        TokenError::Header => {
                            "JWT header只能有 alg 為 RS256 與 typ 為 JWT，不得有 kid、x5c 等其他欄位"
                        }
                        TokenError::Claims => "JWT payload不是JSON物件",
                        _ => "不是三段以「.」分隔、不含補位字元的Base64url（compact JWS）",
                    },
                );
            }
        };
        self.say(true, "三段Base64url，alg 為 RS256");
        let mut read = TEXTS.into_iter().chain(TIMES).chain([NOT_BEFORE]);
        if let Some(name) = read.find(|name| members.repeats(name)) {
            return self.say(false, format!("{name} 重複出現，每個欄位只能有一個"));
        }
        for name in TEXTS {
            match members.get(name) {
                Some(Value::String(_)) => (),
                Some(_) => return self.say(false, format!("{name} 必須是字串")),
                None => return self.say(false, format!("缺少 {name}")),
            }
        }
        for name in TIMES {
            match members.get(name) {
                Some(value) if value.is_i64() => (),
                Some(_) => return self.say(false, format!("{name} 必須是整數（1970年起的秒數）")),
                None => return self.say(false, format!("缺少 {name}")),
            }
        }
        match members.get(NOT_BEFORE) {
            None | Some(Value::Null) => (),
            Some(value) if value.is_i64() => (),
            Some(_) => {
                return self.say(false, "nbf 可以省略；如有，必須是整數（1970年起的秒數）");
            }
        }
        // Nothing else is known that could be wrong; but what cannot be read never passes.
        if as_claims {
            self.say(true, "必要欄位齊全")
        } else {
            self.say(false, "欄位的型態或數量不符規定")
        }
    }

    /// What can be said without knowing who asks.
    pub fn claims(&mut self, claims: &Claims, now: Timestamp) -> bool {
        let fixed = match fixed_claims(claims) {
            Ok(()) => self.say(true, "sub、jobId、opType、jti、userId 符合規定"),
            Err(name) => self.say(
                false,
                match name {
                    "sub" => "sub 必須為「綠色便民專案」",
                    "jobId" => "jobId 必須為 V2C201",
                    "opType" => "opType 必須為 RW",
                    "jti" => "jti 必須為1至64個字元，每次查驗不同",
                    _ => "userId 必須為1至12個英文字母、數字或底線",
                },
            ),
        };
        let times = TokenTimes { iat: claims.iat, exp: claims.exp, nbf: claims.nbf };
        let server = now.as_second();
        let times = match times.check(now) {
            Ok(()) => self.say(true, format!("iat 較伺服器時間早{}秒", server - claims.iat)),
            Err(TimeError::Lifetime) => {
                self.say(false, "exp 必須晚於 iat，且有效時間不得超過600秒")
            }
            Err(TimeError::NotYetValid) => {
                let ahead = claims.iat.max(claims.nbf.unwrap_or(claims.iat)).saturating_sub(server);
                self.say(false, format!("iat 或 nbf 晚於伺服器時間{ahead}秒，請校正系統時間"))
            }
            Err(TimeError::Expired) => {
                let late = server.saturating_sub(claims.exp);
                self.say(false, format!("已於{late}秒前逾期，請重新產生或校正系統時間"))
            }
        };
        fixed && times
    }

    /// The isskey is unknown, or its account has no key that the token is signed with: which
    /// one is not told.
    pub fn stranger(&mut self) {
        self.say(false, "查無此isskey，或簽章與上傳之憑證不符");
    }

    /// What its own account says of a token that is signed with its key.
    pub fn own(
        &mut self,
        claims: &Claims,
        caller: &Caller,
        certificate: &CallerCertificate,
        source: IpAddr,
        now: Timestamp,
    ) {
        self.say(true, "isskey正確，簽章與上傳之憑證相符");
        let account = claims.org_id == caller.ubn.as_str() && claims.ap_id == caller.ap_id;
        let word = if account {
            "與isskey之帳號相符"
        } else {
            "orgId 或 apId 與isskey之帳號不符"
        };
        self.say(account, word);
        let address = is_registered_address(source, caller.host_address);
        let word = if address {
            "為登錄之主機連線IP位址"
        } else {
            "不是登錄之主機連線IP位址"
        };
        self.say(address, format!("本次連線來源 {source} {word}"));
        let word = match (certificate.is_valid(now), certificate.revoked) {
            (true, _) => "憑證在有效期間內",
            (_, true) => "憑證已停用或廢止，請上傳新憑證",
            _ => "憑證不在有效期間內，請上傳新憑證",
        };
        self.say(certificate.is_valid(now), word);
        let active = caller.status == AccountStatus::Active;
        let mode = if caller.sandbox { "（測試模式）" } else { "" };
        self.say(active, format!("{}{mode}", caller.status.word()));
        match IdCard::from_condition_map(&claims.condition_map) {
            Ok(_) => self.say(true, "四項查詢條件格式正確（未進行查驗）"),
            Err(error) => {
                let once = |must: &str| format!("{} 必須為{must}，且只出現一次", error.member);
                let message = match error.member.as_ref() {
                    "personId" => once("字串：1個英文字母、1或2、8個數字"),
                    "applyCode" => once("字串：1（初發）、2（補發）或3（換發）"),
                    "applyYyymmdd" => once("字串：7個數字之民國年月日，例如 0940105"),
                    "issueSiteId" => once("字串：卡片上發證地點之5碼代碼"),
                    "conditionMap" => "conditionMap 必須為JSON文字，恰有四個字串欄位".to_owned(),
                    other => format!("{other} 不是查詢條件，conditionMap 只能有四個規定的欄位"),
                };
                self.say(false, message)
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_thing_that_is_wrong_with_the_form_is_named() {
        let failed = |members: Result<&[(&str, Value)], TokenError>| {
            let mut checks = TokenChecks::default();
            let members = members.map(|members| members.iter().cloned().collect::<Members>());
            assert!(!checks.read(members.as_ref().map_err(|error| *error), false));
            let all = checks.finish();
            assert_eq!(all.len(), CHECKS.len());
            let found = all.into_iter().find(|check| check.passed == Some(false)).unwrap();
            (found.check, found.message)
        };
        assert_eq!(failed(Err(TokenError::Malformed)).0, "form");
        assert_eq!(failed(Err(TokenError::Header)).0, "form");
        let mut members: Vec<(&str, Value)> = Vec::new();
        for name in TEXTS {
            assert_eq!(failed(Ok(&members)), ("claims", format!("缺少 {name}")));
            members.push((name, 1.into()));
            assert_eq!(failed(Ok(&members)), ("claims", format!("{name} 必須是字串")));
            members.pop();
            members.push((name, "x".into()));
        }
        members.push(("iat", "soon".into()));
        assert!(failed(Ok(&members)).1.starts_with("iat 必須是整數"));
        members.pop();
        members.extend([("iat", 1.into()), ("exp", 2.into()), ("nbf", 1.5.into())]);
        assert!(failed(Ok(&members)).1.starts_with("nbf "));
        members.pop();
        members.push(("iss", "x".into()));
        assert!(failed(Ok(&members)).1.starts_with("iss 重複"));
        members.pop();
        // Whatever else there might be: what cannot be read has a check that failed.
        assert_eq!(failed(Ok(&members)).0, "claims");
    }
}
