//! The sites that may ask: allowed by the person in the bridge's window, or beforehand by
//! whoever manages the computer. Kept in one file; each with a key by which a page
//! recognises this bridge.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use protocol::hello_text;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde::{Deserialize, Serialize};

/// A site that was allowed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Site {
    /// When.
    pub since: Timestamp,
    /// Whether it may ask as our own pages do: the person compared the code.
    #[serde(default)]
    paired: bool,
    /// Whether it may ask as pages of the HiPKI component do.
    #[serde(default)]
    hipki: bool,
    /// The key for this site: PKCS #8, Base64.
    key: String,
}

/// A key by which a site's pages recognise this bridge. Each site has its own, so that no
/// two sites can find out that they have the same visitor.
pub struct SiteKey(Vec<u8>);

impl SiteKey {
    /// A new key.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate() -> std::io::Result<Self> {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
        Ok(Self(key.map_err(|_| std::io::Error::other("no randomness"))?.as_ref().to_vec()))
    }

    fn pair(&self) -> Option<EcdsaKeyPair> {
        let random = SystemRandom::new();
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &self.0, &random).ok()
    }

    /// The public point, Base64.
    pub fn public(&self) -> String {
        self.pair().map(|pair| BASE64_STANDARD.encode(pair.public_key())).unwrap_or_default()
    }
}

impl Site {
    /// Signs a hello; Base64.
    pub fn hello(&self, origin: &str, nonce: &str) -> Option<String> {
        let pair = SiteKey(BASE64_STANDARD.decode(&self.key).ok()?).pair()?;
        let signature = pair.sign(&SystemRandom::new(), hello_text(origin, nonce).as_bytes());
        Some(BASE64_STANDARD.encode(signature.ok()?))
    }
}

/// The file of sites. It is read anew each time: a site that is revoked by command is
/// revoked at once.
#[derive(Clone, Debug)]
pub struct Sites {
    file: PathBuf,
    /// Allowed beforehand.
    managed: Vec<String>,
}

impl Sites {
    /// The sites of this folder, and those that are allowed beforehand.
    pub fn new(folder: &Path, managed: Vec<String>) -> Self {
        Self { file: folder.join("sites.json"), managed }
    }

    /// Every site that was paired.
    ///
    /// # Errors
    /// Those of the file system; a file that is not one.
    pub fn all(&self) -> std::io::Result<BTreeMap<String, Site>> {
        match std::fs::read(&self.file) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(error) => Err(error),
        }
    }

    /// Whether the site was allowed beforehand.
    pub fn is_managed(&self, origin: &str) -> bool {
        self.managed.iter().any(|managed| managed == origin)
    }

    /// Whether the site may ask.
    pub fn allows(&self, origin: &str) -> bool {
        self.is_managed(origin) || self.paired(origin).is_some()
    }

    /// Whether the site may ask as pages of the HiPKI component do.
    pub fn allows_hipki(&self, origin: &str) -> bool {
        self.is_managed(origin) || self.get(origin).is_some_and(|site| site.hipki)
    }

    /// The site, when it was paired.
    pub fn paired(&self, origin: &str) -> Option<Site> {
        self.get(origin).filter(|site| site.paired)
    }

    fn get(&self, origin: &str) -> Option<Site> {
        self.all().ok()?.remove(origin)
    }

    /// The key of a site: one for good, so that every browser of this person knows the
    /// bridge by the same; a new one where there is none yet.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn key(&self, origin: &str) -> std::io::Result<SiteKey> {
        let known = self.get(origin).and_then(|site| BASE64_STANDARD.decode(site.key).ok());
        known.map_or_else(SiteKey::generate, |der| Ok(SiteKey(der)))
    }

    /// Allows a paired site.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn pair(&self, origin: &str, key: &SiteKey, since: Timestamp) -> std::io::Result<()> {
        self.allow(origin, key, since, |site| site.paired = true)
    }

    /// Allows a site to ask as pages of the HiPKI component do.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn allow_as_hipki(&self, origin: &str, since: Timestamp) -> std::io::Result<()> {
        self.allow(origin, &self.key(origin)?, since, |site| site.hipki = true)
    }

    fn allow(
        &self,
        origin: &str,
        key: &SiteKey,
        since: Timestamp,
        how: impl FnOnce(&mut Site),
    ) -> std::io::Result<()> {
        let mut sites = self.all()?;
        let key = BASE64_STANDARD.encode(&key.0);
        let new = Site { since, key, paired: false, hipki: false };
        how(sites.entry(origin.to_owned()).or_insert(new));
        self.write(&sites)
    }

    /// Revokes a site; whether it was there.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn revoke(&self, origin: &str) -> std::io::Result<bool> {
        let mut sites = self.all()?;
        let was = sites.remove(origin).is_some();
        self.write(&sites)?;
        Ok(was)
    }

    /// Writes the file whole or not at all, readable to this person alone.
    fn write(&self, sites: &BTreeMap<String, Site>) -> std::io::Result<()> {
        if let Some(folder) = self.file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let unfinished = self.file.with_extension("new");
        let _ = std::fs::remove_file(&unfinished);
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&unfinished)?;
        file.write_all(&serde_json::to_vec_pretty(sites)?)?;
        file.sync_all()?;
        std::fs::rename(unfinished, &self.file)
    }
}

/// Whether this is an origin as browsers spell it, of http or https. Whoever manages a
/// computer may allow more than its person may.
pub fn is_origin(text: &str) -> bool {
    is_site(text)
        || text.strip_prefix("http://").is_some_and(|rest| is_site(&format!("https://{rest}")))
}

/// Whether an origin is one that may be allowed: a secure context whose spelling is the
/// browser's own (WHATWG HTML, section 7.1.1): scheme, host in lower case, port where it
/// is not the usual one.
pub fn is_site(origin: &str) -> bool {
    let Some((scheme, rest)) = origin.split_once("://") else { return false };
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (rest, None),
    };
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let labels = !host.is_empty()
        && host.len() <= 253
        && host.split('.').all(|label| !label.is_empty() && label.bytes().all(plain));
    let usual = if scheme == "https" { 443 } else { 80 };
    let number = port.is_none_or(|port| {
        !port.starts_with('0')
            && port.bytes().all(|byte| byte.is_ascii_digit())
            && port.parse::<u16>().is_ok_and(|number| number != usual)
    });
    let secure = match scheme {
        "https" => true,
        "http" => matches!(host, "localhost" | "127.0.0.1"),
        _ => false,
    };
    labels && number && secure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_spelled_as_browsers_spell_them() {
        for good in [
            "https://chayan.gov.tw",
            "https://chayan.gov.tw:8443",
            "https://xn--fiq228c.tw",
            "http://127.0.0.1:3000",
            "http://localhost",
        ] {
            assert!(is_site(good), "{good}");
        }
        for bad in [
            "null",
            "",
            "https://",
            "https://Chayan.gov.tw",
            "https://chayan.gov.tw/",
            "https://chayan.gov.tw.",
            "https://chayan.gov.tw:443",
            "https://chayan.gov.tw:08443",
            "https://chayan.gov.tw:99999",
            "https://user@chayan.gov.tw",
            "https://chayan.gov.tw evil",
            "https://[::1]:3000",
            "http://chayan.gov.tw",
            "http://127.0.0.1:80",
            "chrome-extension://abc",
            "file://",
        ] {
            assert!(!is_site(bad), "{bad}");
        }
    }
}
