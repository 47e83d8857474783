//! Tokens of a calling system, made as the known clients make them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use aws_lc_rs::signature::RsaKeyPair;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Who calls.
#[derive(Clone, Debug)]
pub struct Caller {
    /// 統一編號.
    pub org_id: String,
    /// apId.
    pub ap_id: String,
    /// isskey.
    pub iss_key: String,
    /// PKCS #8, DER.
    pub private_key: Vec<u8>,
}

/// A card's four members.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// personId.
    pub person_id: &'a str,
    /// applyCode.
    pub apply_code: &'a str,
    /// applyYyymmdd.
    pub apply_yyymmdd: &'a str,
    /// issueSiteId.
    pub issue_site_id: &'a str,
}

impl Caller {
    /// The claims of a question.
    pub fn claims(&self, question: Question<'_>, now: Timestamp) -> Value {
        let conditions = json!({
            "personId": question.person_id,
            "applyCode": question.apply_code,
            "applyYyymmdd": question.apply_yyymmdd,
            "issueSiteId": question.issue_site_id,
        });
        let mut jti = [0; 16];
        // Without randomness the token would repeat, which only a test could notice.
        let _ = getrandom::fill(&mut jti);
        json!({
            "orgId": self.org_id, "apId": self.ap_id, "userId": "demo_001", "iss": self.iss_key,
            "sub": "綠色便民專案", "aud": "2023/11/17 14:00:00", "jobId": "V2C201", "opType": "RW",
            "iat": now.as_second() - 180, "exp": now.as_second() + 180,
            "jti": hex::encode(jti), "conditionMap": conditions.to_string(),
        })
    }

    /// A token with these claims.
    ///
    /// # Errors
    /// When the key cannot be used.
    pub fn sign(&self, claims: &Value) -> anyhow::Result<String> {
        let header = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","typ":"JWT"}"#);
        let signed = format!("{header}.{}", BASE64_URL_SAFE_NO_PAD.encode(claims.to_string()));
        let pair = self.key_pair()?;
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(
            &aws_lc_rs::signature::RSA_PKCS1_SHA256,
            &aws_lc_rs::rand::SystemRandom::new(),
            signed.as_bytes(),
            &mut signature,
        )?;
        Ok(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
    }

    /// The key, checked once for each thread: checking takes longer than signing.
    fn key_pair(&self) -> anyhow::Result<Rc<RsaKeyPair>> {
        thread_local! { static PAIRS: RefCell<HashMap<Vec<u8>, Rc<RsaKeyPair>>> = RefCell::default(); }
        if let Some(pair) = PAIRS.with_borrow(|pairs| pairs.get(&self.private_key).cloned()) {
            return Ok(pair);
        }
        let pair = RsaKeyPair::from_pkcs8(&self.private_key)
            .map_err(|error| anyhow::anyhow!("the key: {error}"))?;
        let pair = Rc::new(pair);
        PAIRS.with_borrow_mut(|pairs| pairs.insert(self.private_key.clone(), pair.clone()));
        Ok(pair)
    }

    /// A token for this question.
    ///
    /// # Errors
    /// As [`Caller::sign`].
    pub fn token(&self, question: Question<'_>, now: Timestamp) -> anyhow::Result<String> {
        self.sign(&self.claims(question, now))
    }
}
