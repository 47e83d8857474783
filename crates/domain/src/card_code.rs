//! 用戶代碼 at rest: a slow salted hash (Argon2id), and nothing else.

use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Params, Version};

use crate::UserCode;

/// KiB of memory, passes, lanes: OWASP's smallest recommendation, which a component computes in
/// a small part of a second within its 64 MiB. Every hash has these, so that no card answers
/// faster than another.
const COST: (u32, u32, u32) = (19 << 10, 2, 1);
/// The hash of no code: what a code for an unknown card is compared with. It was made with a
/// random password that nobody kept.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5J3MgY2FyZA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A hash in the PHC form: `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeHash(String);

/// Not a hash that this service makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a hash of Argon2id, version 19, m=19456, t=2, p=1")]
pub struct CodeHashError;

fn argon2() -> Result<Argon2<'static>, CodeHashError> {
    let (memory, passes, lanes) = COST;
    let params = Params::new(memory, passes, lanes, Some(32)).map_err(|_| CodeHashError)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

impl CodeHash {
    /// The hash of a code with this salt, which is random.
    ///
    /// # Errors
    /// When the library fails.
    pub fn new(code: &UserCode, salt: &[u8; 16]) -> Result<Self, CodeHashError> {
        let made = argon2()?.hash_password_with_salt(code.reveal().as_bytes(), salt);
        let made: PasswordHash = made.map_err(|_| CodeHashError)?;
        Ok(Self(made.to_string()))
    }

    /// A hash that was made elsewhere in the same way.
    ///
    /// # Errors
    /// [`CodeHashError`]: another algorithm or cost.
    pub fn parse(text: &str) -> Result<Self, CodeHashError> {
        let hash = PasswordHash::new(text).map_err(|_| CodeHashError)?;
        let params = Params::try_from(&hash).map_err(|_| CodeHashError)?;
        let fits = hash.algorithm == ARGON2ID_IDENT
            && hash.version == Some(Version::V0x13.into())
            && (params.m_cost(), params.t_cost(), params.p_cost()) == COST
            && hash.salt.is_some()
            && hash.hash.is_some_and(|hash| hash.len() == 32);
        if fits { Ok(Self(text.to_owned())) } else { Err(CodeHashError) }
    }

    /// What a code for an unknown card is compared with: it takes as long, and never fits.
    pub fn of_nobody() -> Self {
        Self(NOBODYS.to_owned())
    }

    /// The hash as it is kept.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the code's hash; compared in constant time.
    pub fn fits(&self, code: &UserCode) -> bool {
        let Ok(hash) = PasswordHash::new(&self.0) else { return false };
        let verified =
            |argon2: Argon2<'_>| argon2.verify_password(code.reveal().as_bytes(), &hash).is_ok();
        argon2().is_ok_and(verified)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_fits_its_code_alone() {
        let code: UserCode = "abc123".parse().unwrap();
        let hash = CodeHash::new(&code, &[7; 16]).unwrap();
        assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(hash.fits(&code));
        assert!(!hash.fits(&"abc124".parse().unwrap()));
        assert_eq!(CodeHash::parse(hash.as_str()), Ok(hash.clone()));
        assert_ne!(CodeHash::new(&code, &[8; 16]).unwrap(), hash);
        // Nobody's hash is well-formed, so that it takes as long.
        assert_eq!(CodeHash::parse(NOBODYS), Ok(CodeHash::of_nobody()));
        assert!(!CodeHash::of_nobody().fits(&code));
        let cheaper = hash.as_str().replace("m=19456", "m=64");
        for other in [cheaper.as_str(), "abc123", "$2b$10$abc", ""] {
            assert_eq!(CodeHash::parse(other), Err(CodeHashError), "{other}");
        }
    }
}
