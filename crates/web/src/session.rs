//! Sessions: a random token in a cookie; behind its digest, who signed in, in the
//! key-value store.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::{Applicant, Asker, Code, HandlerCard, Organisation, Ubn};
use http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use spin_sdk::key_value::Store;

use crate::Problem;
use crate::request::random;

/// The prefix makes browsers demand Secure, this host alone, and the whole path.
const COOKIE: &str = "__Host-chayan";
/// How long a session lasts, in seconds.
const LIFETIME: i64 = 60 * 60;

/// Who signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "as", rename_all = "kebab-case")]
pub enum Who {
    /// A company.
    Company {
        /// 統一編號.
        ubn: Ubn,
        /// 公司名稱, from the certificate.
        name: String,
    },
    /// An agency, a foundation, a school ..., by a card of GCA or XCA.
    Organisation {
        /// Organisation OID.
        organisation: Organisation,
        /// The name in the certificate.
        name: String,
    },
    /// A citizen, for the own records.
    Citizen {
        /// The CA's stable number of the person.
        subject: String,
        /// Last four characters of the national ID, from the certificate.
        tail: String,
    },
    /// An officer.
    Officer {
        /// Id in the list of officers.
        id: i64,
        /// Name, from the list.
        name: String,
    },
    /// A handler of one or several registered organisations.
    #[serde(rename_all = "camelCase")]
    Handler {
        /// The entry that was chosen, or the only one.
        handler: Option<i64>,
        /// The card.
        #[serde(flatten)]
        card: HandlerCard,
        /// The name in the certificate.
        name: String,
    },
}

/// A session.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Who signed in.
    pub who: Who,
    /// When it ends, seconds since 1970 UTC.
    pub expires_at: i64,
}

impl Session {
    /// Starts a session and returns the cookie that carries it. Every sign-in gets a new
    /// token, so that none can be planted.
    ///
    /// # Errors
    /// [`Code::Internal`].
    pub async fn start(who: Who, now: Timestamp) -> Result<(Self, HeaderValue), Problem> {
        let token = BASE64_URL_SAFE_NO_PAD.encode(random::<32>());
        let session = Self { who, expires_at: now.as_second() + LIFETIME };
        let value = serde_json::to_vec(&session).map_err(Problem::internal)?;
        store().await?.set(key(&token), value).await.map_err(Problem::internal)?;
        let cookie = format!(
            "{COOKIE}={token}; Path=/; Max-Age={LIFETIME}; Secure; HttpOnly; SameSite=Strict"
        );
        Ok((session, HeaderValue::try_from(cookie).map_err(Problem::internal)?))
    }

    /// The session of a request, if it has one that has not ended.
    ///
    /// # Errors
    /// [`Code::Internal`].
    pub async fn of(headers: &HeaderMap, now: Timestamp) -> Result<Option<Self>, Problem> {
        let Some(token) = token(headers) else { return Ok(None) };
        let found = store().await?.get(key(token)).await.map_err(Problem::internal)?;
        let session = found.and_then(|value| serde_json::from_slice::<Self>(&value).ok());
        if session.as_ref().is_some_and(|session| session.expires_at <= now.as_second()) {
            Self::end(headers).await?;
            return Ok(None);
        }
        Ok(session)
    }

    /// Ends the session of a request.
    ///
    /// # Errors
    /// [`Code::Internal`].
    pub async fn end(headers: &HeaderMap) -> Result<(), Problem> {
        match token(headers) {
            Some(token) => store().await?.delete(key(token)).await.map_err(Problem::internal),
            None => Ok(()),
        }
    }
}

/// The company that signed in.
///
/// # Errors
/// [`Code::NotSignedIn`]; [`Code::NotAllowed`] for anybody else.
pub async fn require_company(headers: &HeaderMap, now: Timestamp) -> Result<Ubn, Problem> {
    match Session::of(headers, now).await?.map(|session| session.who) {
        Some(Who::Company { ubn, .. }) => Ok(ubn),
        Some(_) => Err(Code::NotAllowed.into()),
        None => Err(Code::NotSignedIn.into()),
    }
}

/// The company or organisation that signed in.
///
/// # Errors
/// [`Code::NotSignedIn`]; [`Code::NotAllowed`] for an officer.
pub async fn require_applicant(headers: &HeaderMap, now: Timestamp) -> Result<Applicant, Problem> {
    match Session::of(headers, now).await?.map(|session| session.who) {
        Some(Who::Company { ubn, .. }) => Ok(ubn.into()),
        Some(Who::Organisation { organisation, .. }) => Ok(organisation.into()),
        Some(_) => Err(Code::NotAllowed.into()),
        None => Err(Code::NotSignedIn.into()),
    }
}

/// The company or organisation that signed in, or the handler, for whom the store knows what
/// they may.
///
/// # Errors
/// [`Code::NotSignedIn`]; [`Code::NotAllowed`] for an officer;
/// [`Code::OrganisationNotChosen`].
pub async fn require_asker(headers: &HeaderMap, now: Timestamp) -> Result<Asker, Problem> {
    match Session::of(headers, now).await?.map(|session| session.who) {
        Some(Who::Company { ubn, .. }) => Ok(Asker::Applicant(ubn.into())),
        Some(Who::Organisation { organisation, .. }) => Ok(Asker::Applicant(organisation.into())),
        Some(Who::Handler { handler, card, .. }) => {
            let id = handler.ok_or(Code::OrganisationNotChosen)?;
            Ok(Asker::Handler { id, card })
        }
        Some(_) => Err(Code::NotAllowed.into()),
        None => Err(Code::NotSignedIn.into()),
    }
}

/// The citizen who signed in: the CA's number of the person, and the last four characters of the
/// national ID.
///
/// # Errors
/// [`Code::NotSignedIn`]; [`Code::NotAllowed`] for anybody else.
pub async fn require_citizen(
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<(String, String), Problem> {
    match Session::of(headers, now).await?.map(|session| session.who) {
        Some(Who::Citizen { subject, tail }) => Ok((subject, tail)),
        Some(_) => Err(Code::NotAllowed.into()),
        None => Err(Code::NotSignedIn.into()),
    }
}

/// The id of the officer who signed in.
///
/// # Errors
/// [`Code::NotSignedIn`]; [`Code::NotAllowed`] for anybody else.
pub async fn require_officer(headers: &HeaderMap, now: Timestamp) -> Result<i64, Problem> {
    match Session::of(headers, now).await?.map(|session| session.who) {
        Some(Who::Officer { id, .. }) => Ok(id),
        Some(_) => Err(Code::NotAllowed.into()),
        None => Err(Code::NotSignedIn.into()),
    }
}

/// The cookie that takes the session's away.
pub fn clear_cookie() -> HeaderValue {
    HeaderValue::from_static("__Host-chayan=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Strict")
}

async fn store() -> Result<Store, Problem> {
    Store::open_default().await.map_err(Problem::internal)
}

/// A token never stands in the store itself.
fn key(token: &str) -> String {
    format!("session:{}", hex::encode(Sha256::digest(token)))
}

fn token(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, token)| token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_found_among_other_cookies() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=b; __Host-chayan=t0; c=d"));
        assert_eq!(token(&headers), Some("t0"));
        assert_ne!(key("t0"), key("t1"));
        assert!(!key("t0").contains("t0"));
        assert_eq!(token(&HeaderMap::new()), None);
    }
}
