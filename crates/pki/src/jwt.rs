//! JSON Web Tokens of one kind: compact JWS, RS256, nothing else (RFC 7515, RFC 8725).

use std::borrow::Borrow;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::PreparedKey;
use crate::rsa_key::Message;

/// Longest token, in bytes; known clients send 860 to 950.
const MAX_SIZE: usize = 8 << 10;

/// Exactly what every known client sends: no `kid`, no keys, no `crit`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: Option<String>,
}

/// A token that was parsed. Its claims serve to find the key, and for nothing else
/// until [`Unverified::verify`] was called.
#[derive(Clone, Debug)]
pub struct Unverified<C> {
    claims: C,
    signed: String,
    signature: Vec<u8>,
}

/// Claims that the key's owner signed.
#[derive(Clone, Debug)]
pub struct Verified<C> {
    claims: C,
    sha256: [u8; 32],
}

impl<C> Verified<C> {
    /// The claims.
    pub fn claims(&self) -> &C {
        &self.claims
    }

    /// SHA-256 of what was signed: header and claims as they came. The signature follows from
    /// it and the key (RFC 8017, section 8.2), so it stands for the whole token.
    pub fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }
}

/// Why a token was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Not a compact JWS, or not canonical Base64url.
    #[error("not a compact JWS")]
    Malformed,
    /// The header asks for something other than RS256.
    #[error("the header is not accepted")]
    Header,
    /// The claims are not those of this service, or are repeated.
    #[error("the claims are not accepted")]
    Claims,
    /// The signature does not verify.
    #[error("the signature does not verify")]
    Signature,
}

/// Longest life of a token, in seconds; known clients use 300 to 600.
const MAX_LIFETIME: i64 = 600;
/// How far a caller's clock may be off, in seconds.
const SKEW: i64 = 60;

/// The times of a token, in whole seconds since 1970. RFC 7519 allows fractions; no known
/// client sends them, and only whole numbers compare the same everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenTimes {
    /// Issued at.
    pub iat: i64,
    /// Expires at.
    pub exp: i64,
    /// Not before, where given.
    pub nbf: Option<i64>,
}

/// Why a token does not count at this instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// iat or nbf lies in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// exp has passed.
    #[error("the token has expired")]
    Expired,
    /// The token lives longer than allowed, or ends before it begins.
    #[error("the token's life is not allowed")]
    Lifetime,
}

impl TokenTimes {
    /// Judges the times at `now`, with a minute of tolerance on either side.
    ///
    /// # Errors
    /// [`TimeError`].
    pub fn check(&self, now: Timestamp) -> Result<(), TimeError> {
        let now = now.as_second();
        let lifetime = self.exp.checked_sub(self.iat);
        if !lifetime.is_some_and(|lifetime| (1..=MAX_LIFETIME).contains(&lifetime)) {
            return Err(TimeError::Lifetime);
        }
        if self.iat > now + SKEW || self.nbf.is_some_and(|nbf| nbf > now + SKEW) {
            return Err(TimeError::NotYetValid);
        }
        if self.exp < now - SKEW {
            return Err(TimeError::Expired);
        }
        Ok(())
    }
}

/// A JSON object. A list of its values in their order, which serde would take as well, is none.
fn object<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    let begins = json.trim_ascii_start().first() == Some(&b'{');
    begins.then(|| serde_json::from_slice(json).ok()).flatten()
}

impl<C: DeserializeOwned> Unverified<C> {
    /// Parses a compact JWS.
    ///
    /// # Errors
    /// [`TokenError`], all but [`TokenError::Signature`].
    pub fn parse(token: &str) -> Result<Self, TokenError> {
        if token.len() > MAX_SIZE {
            return Err(TokenError::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        let decode =
            |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed);
        let (header, claims, signature) = (decode(header)?, decode(claims)?, decode(signature)?);
        let header: Header = object(&header).ok_or(TokenError::Header)?;
        let typed = header.typ.is_none_or(|kind| kind.eq_ignore_ascii_case("JWT"));
        if header.alg != "RS256" || !typed {
            return Err(TokenError::Header);
        }
        let claims = object(&claims).ok_or(TokenError::Claims)?;
        Ok(Self { claims, signed: signed.to_owned(), signature })
    }
}

impl<C> Unverified<C> {
    /// Claims that anybody may have written.
    pub fn unverified_claims(&self) -> &C {
        &self.claims
    }

    /// Verifies the signature.
    ///
    /// # Errors
    /// [`TokenError::Signature`].
    pub fn verify(self, key: &PreparedKey) -> Result<Verified<C>, TokenError> {
        self.verify_with([key]).map(|(verified, _)| verified)
    }

    /// Verifies the signature with the first key that fits, and says which one that is.
    ///
    /// # Errors
    /// [`TokenError::Signature`].
    pub fn verify_with<K: Borrow<PreparedKey>>(
        self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<(Verified<C>, usize), TokenError> {
        let message = Message::new(self.signed.as_bytes());
        let fits = |key: K| key.borrow().verify(&message, &self.signature).is_ok();
        let found = keys.into_iter().position(fits).ok_or(TokenError::Signature)?;
        Ok((Verified { claims: self.claims, sha256: *message.sha256() }, found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str, claims: &str) -> String {
        let encode = |part: &str| BASE64_URL_SAFE_NO_PAD.encode(part);
        format!("{}.{}.{}", encode(header), encode(claims), encode("signature"))
    }

    #[derive(Debug, Deserialize)]
    struct Claims {
        #[serde(rename = "iss")]
        _iss: String,
    }

    fn refusal(token: &str) -> TokenError {
        Unverified::<Claims>::parse(token).unwrap_err()
    }

    #[test]
    fn only_rs256_is_parsed() {
        let claims = r#"{"iss":"a"}"#;
        assert!(
            Unverified::<Claims>::parse(&token(r#"{"alg":"RS256","typ":"JWT"}"#, claims)).is_ok()
        );
        for header in [
            r#"{"alg":"none"}"#,
            r#"{"alg":"HS256","typ":"JWT"}"#,
            r#"{"alg":"rs256"}"#,
            r#"{"alg":"RS256","kid":"1"}"#,
            r#"{"alg":"RS256","crit":[]}"#,
            r#"{"alg":"RS256","alg":"none"}"#,
            r#"{"alg":"RS256","typ":"JOSE"}"#,
            "{}",
            "[]",
        ] {
            assert_eq!(refusal(&token(header, claims)), TokenError::Header, "{header}");
        }
    }

    #[test]
    fn repeated_claims_and_odd_base64_are_refused() {
        let header = r#"{"alg":"RS256"}"#;
        assert_eq!(refusal(&token(header, r#"{"iss":"a","iss":"b"}"#)), TokenError::Claims);
        assert_eq!(refusal(&token(header, r#"{"iss":1}"#)), TokenError::Claims);
        assert_eq!(refusal(&token(header, r#"["a"]"#)), TokenError::Claims);
        assert_eq!(refusal(&token(r#"["RS256","JWT"]"#, r#"{"iss":"a"}"#)), TokenError::Header);
        let good = token(header, r#"{"iss":"a"}"#);
        for bad in [format!("{good}="), format!("{good}."), good.replace('.', ""), "..".to_owned()]
        {
            assert!(Unverified::<Claims>::parse(&bad).is_err(), "{bad}");
        }
        assert_eq!(refusal(&"a".repeat(MAX_SIZE + 1)), TokenError::Malformed);
    }
}
