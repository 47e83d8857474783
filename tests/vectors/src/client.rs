//! A browser without a window: talks to the service and to the bridge as pages do.

use anyhow::{Context, bail};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chayan_bridge::cards::CardBackend;
use chayan_bridge::cards::demo::DemoCards;
use pki::{Purpose, SignedDataDraft, SigningInput};
use protocol::{CardKind, Cards, SignRequest, Signed};
use serde_json::{Value, json};

/// An answer: status, headers and body.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body as JSON, or null.
    pub body: Value,
    /// The body as text.
    pub text: String,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
}

impl Answer {
    /// A header's first value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The problem code, if it is a problem.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// The body, if the status is this one.
    ///
    /// # Errors
    /// Otherwise, with what came instead.
    pub fn expect(self, status: u16) -> anyhow::Result<Value> {
        if self.status == status {
            Ok(self.body)
        } else {
            bail!("expected {status}, got {}: {}", self.status, self.text)
        }
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(std::time::Duration::from_secs(60)))
        .build()
        .into()
}

fn read(response: ureq::http::Response<ureq::Body>) -> anyhow::Result<Answer> {
    let (parts, mut body) = response.into_parts();
    let text = body.read_to_string()?;
    Ok(Answer {
        status: parts.status.as_u16(),
        body: serde_json::from_str(&text).unwrap_or(Value::Null),
        text,
        headers: parts
            .headers
            .iter()
            .map(|(name, value)| {
                (name.as_str().to_owned(), value.to_str().unwrap_or_default().to_owned())
            })
            .collect(),
    })
}

/// Something that signs: a bridge, or a demo card at hand.
pub trait Signer {
    /// A signed message in Base64.
    ///
    /// # Errors
    /// When it could not be signed.
    fn sign(
        &self,
        origin: &str,
        purpose: Purpose,
        challenge: &str,
        document: Value,
    ) -> anyhow::Result<String>;
}

/// A bridge, asked over HTTP as a page asks it.
pub struct BridgeSigner {
    agent: ureq::Agent,
    url: String,
    kind: CardKind,
}

impl BridgeSigner {
    /// The first card of this kind in the readers behind a bridge.
    pub fn new(url: impl Into<String>, kind: CardKind) -> Self {
        Self { agent: agent(), url: url.into(), kind }
    }

    /// Sends a command from a page of this origin.
    ///
    /// # Errors
    /// When the bridge cannot be reached.
    pub fn command(&self, origin: &str, path: &str, body: &Value) -> anyhow::Result<Answer> {
        let url = format!("{}{path}", self.url);
        read(self.agent.post(url).header("origin", origin).send_json(body)?)
    }
}

impl Signer for BridgeSigner {
    fn sign(
        &self,
        origin: &str,
        purpose: Purpose,
        challenge: &str,
        document: Value,
    ) -> anyhow::Result<String> {
        let cards = self.command(origin, "/v1/cards", &json!({}))?.expect(200)?;
        let cards: Cards = serde_json::from_value(cards)?;
        let card = cards.cards.into_iter().find(|card| card.kind == self.kind);
        let card = card.with_context(|| format!("no {:?} card is inserted", self.kind))?;
        let challenge = challenge.to_owned();
        let request = SignRequest { card: card.id, purpose, challenge, document };
        let body = serde_json::to_value(request)?;
        let signed = self.command(origin, "/v1/sign", &body)?.expect(200)?;
        Ok(serde_json::from_value::<Signed>(signed)?.signed_data)
    }
}

/// A demo card without a bridge.
pub struct CardSigner {
    cards: DemoCards,
    name: String,
}

impl CardSigner {
    /// The card of this name.
    pub fn new(folder: impl Into<std::path::PathBuf>, name: &str) -> Self {
        Self { cards: DemoCards::new(folder), name: name.to_owned() }
    }

    /// Signs any content.
    ///
    /// # Errors
    /// When the card cannot.
    pub fn sign_content(&self, content: Vec<u8>) -> anyhow::Result<Vec<u8>> {
        let file = self.cards.read(&self.name)?;
        let cards = self.cards.look()?.cards;
        let mut cards = cards.into_iter();
        let card = cards.find(|card| card.id == self.name).context("the card is not inserted")?;
        let draft = SignedDataDraft::new(
            content,
            card.certificate.clone(),
            card.chain.clone(),
            Some(&card.number),
            jiff::Timestamp::now(),
        )?;
        let signature = self.cards.sign(&card, Some(&file.pin.into()), &draft.to_be_signed()?)?;
        Ok(draft.finish(&signature)?)
    }
}

impl Signer for CardSigner {
    fn sign(
        &self,
        origin: &str,
        purpose: Purpose,
        challenge: &str,
        document: Value,
    ) -> anyhow::Result<String> {
        let input = SigningInput::new(origin, purpose, challenge, document);
        let content = input.canonical().context("not canonical")?;
        Ok(BASE64_STANDARD.encode(self.sign_content(content)?))
    }
}

/// A visitor of the service, with a cookie.
pub struct Visitor {
    agent: ureq::Agent,
    /// The service's origin.
    pub origin: String,
    /// Where it is reached; usually the origin.
    pub base: String,
    cookie: Option<String>,
    /// Token of the visit that the requests belong to.
    pub visit: Option<String>,
}

impl Visitor {
    /// A visitor without a session.
    pub fn new(origin: impl Into<String>) -> Self {
        let origin = origin.into();
        Self { agent: agent(), base: origin.clone(), origin, cookie: None, visit: None }
    }

    /// The session's cookie.
    pub fn cookie(&self) -> Option<&str> {
        self.cookie.as_deref()
    }

    /// GET.
    ///
    /// # Errors
    /// When the service cannot be reached.
    pub fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.get_with(path, &[])
    }

    /// GET with further headers.
    ///
    /// # Errors
    /// As [`Visitor::get`].
    pub fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> anyhow::Result<Answer> {
        let mut request = self.agent.get(format!("{}{path}", self.base));
        for (name, value) in self
            .cookie
            .iter()
            .map(|cookie| ("cookie", cookie.as_str()))
            .chain(self.visit.iter().map(|visit| ("chayan-visit", visit.as_str())))
            .chain(headers.iter().copied())
        {
            request = request.header(name, value);
        }
        read(request.call()?)
    }

    /// DELETE.
    ///
    /// # Errors
    /// As [`Visitor::get`].
    pub fn delete(&self, path: &str) -> anyhow::Result<Answer> {
        let mut request = self.agent.delete(format!("{}{path}", self.base));
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        read(request.call()?)
    }

    /// POST of JSON.
    ///
    /// # Errors
    /// As [`Visitor::get`].
    pub fn post(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.post_raw(path, "application/json", body.to_string().as_bytes())
    }

    /// POST of any body.
    ///
    /// # Errors
    /// As [`Visitor::get`].
    pub fn post_raw(&self, path: &str, content_type: &str, body: &[u8]) -> anyhow::Result<Answer> {
        let mut request = self
            .agent
            .post(format!("{}{path}", self.base))
            .header("origin", &self.origin)
            .header("content-type", content_type);
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        if let Some(visit) = &self.visit {
            request = request.header("chayan-visit", visit);
        }
        read(request.send(body)?)
    }

    /// Asks for a challenge.
    ///
    /// # Errors
    /// When none is given.
    pub fn challenge(&self, purpose: Purpose) -> anyhow::Result<String> {
        let reply = self.post("/api/challenges", &json!({ "purpose": purpose }))?.expect(201)?;
        Ok(reply["challenge"].as_str().context("no challenge")?.to_owned())
    }

    /// Signs a document for a purpose, with a new challenge.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn signed(
        &self,
        signer: &dyn Signer,
        purpose: Purpose,
        document: Value,
    ) -> anyhow::Result<Value> {
        let challenge = self.challenge(purpose)?;
        let signed_data = signer.sign(&self.origin, purpose, &challenge, document)?;
        Ok(json!({ "signedData": signed_data }))
    }

    /// Signs in and keeps the cookie.
    ///
    /// # Errors
    /// When nothing could be sent.
    pub fn sign_in(&mut self, signer: &dyn Signer, document: Value) -> anyhow::Result<Answer> {
        let body = self.signed(signer, Purpose::SignIn, document)?;
        let answer = self.post("/api/session", &body)?;
        if let Some(cookie) = answer.header("set-cookie") {
            self.cookie = cookie.split(';').next().map(str::to_owned);
        }
        Ok(answer)
    }

    /// Signs in as a company.
    ///
    /// # Errors
    /// When refused.
    pub fn sign_in_as_company(&mut self, signer: &dyn Signer, ubn: &str) -> anyhow::Result<Value> {
        self.sign_in(signer, json!({ "as": "company", "ubn": ubn }))?.expect(201)
    }

    /// Signs in as an officer.
    ///
    /// # Errors
    /// When refused.
    pub fn sign_in_as_officer(&mut self, signer: &dyn Signer) -> anyhow::Result<Value> {
        self.sign_in(signer, json!({ "as": "officer" }))?.expect(201)
    }

    /// Signs in as a handler.
    ///
    /// # Errors
    /// When nothing could be sent.
    pub fn sign_in_as_handler(&mut self, signer: &dyn Signer) -> anyhow::Result<Answer> {
        self.sign_in(signer, json!({ "as": "handler" }))
    }

    /// Chooses the organisation that a handler works for, and keeps the new cookie.
    ///
    /// # Errors
    /// When nothing could be sent.
    pub fn chooses(&mut self, handler: i64) -> anyhow::Result<Answer> {
        let answer = self.post("/api/delegate/me", &json!({ "handler": handler }))?;
        if let Some(cookie) = answer.header("set-cookie") {
            self.cookie = cookie.split(';').next().map(str::to_owned);
        }
        Ok(answer)
    }

    /// Begins a visit of the credential registration.
    ///
    /// # Errors
    /// When it is refused.
    pub fn begin_visit(&mut self, kind: &str) -> anyhow::Result<Value> {
        self.begin_visit_with(json!({ "kind": kind }))?.expect(201)
    }

    /// The same with this body.
    ///
    /// # Errors
    /// When nothing could be sent.
    pub fn begin_visit_with(&mut self, body: Value) -> anyhow::Result<Answer> {
        let begun = self.post("/api/delegate/visits", &body)?;
        self.visit = begun.body["visit"].as_str().map(str::to_owned);
        Ok(begun)
    }

    /// Shows a card in a visit: a challenge of the visit, signed with this document.
    ///
    /// # Errors
    /// When no challenge is given or nothing could be sent.
    pub fn shows_card(
        &self,
        signer: &dyn Signer,
        document: Value,
        national_id: Option<&str>,
    ) -> anyhow::Result<Answer> {
        let challenge = self.post("/api/delegate/visit/challenges", &json!({}))?.expect(201)?;
        let purpose: Purpose = serde_json::from_value(challenge["purpose"].clone())?;
        let challenge = challenge["challenge"].as_str().context("no challenge")?;
        let signed_data = signer.sign(&self.origin, purpose, challenge, document)?;
        match national_id {
            None => {
                self.post("/api/delegate/visit/organisation", &json!({ "signedData": signed_data }))
            }
            Some(id) => {
                let body = json!({ "signedData": signed_data, "nationalId": id });
                self.post("/api/delegate/visit/citizen", &body)
            }
        }
    }

    /// Applies with this form.
    ///
    /// # Errors
    /// When nothing could be sent.
    pub fn apply(&self, signer: &dyn Signer, form: Value) -> anyhow::Result<Answer> {
        let body = self.signed(signer, Purpose::Apply, form)?;
        self.post("/api/applications", &body)
    }

    /// Decides a case as an officer; a refusal gives a ground.
    ///
    /// # Errors
    /// When nothing could be sent.
    pub fn decide(&self, id: &str, decision: &str, result: &str) -> anyhow::Result<Answer> {
        let grounds: &[&str] = if decision == "reject" { &["legal-basis-missing"] } else { &[] };
        let body = json!({ "decision": decision, "grounds": grounds, "result": result });
        self.post(&format!("/api/review/cases/{id}/decision"), &body)
    }

    /// Uploads a certificate file.
    ///
    /// # Errors
    /// When nothing could be sent.
    pub fn upload(&self, signer: &dyn Signer, ubn: &str, file: &[u8]) -> anyhow::Result<Answer> {
        self.upload_with(signer, ubn, file, None)
    }

    /// Uploads a certificate file with a proof of possession: challenge and signature.
    ///
    /// # Errors
    /// When nothing could be sent.
    pub fn upload_with(
        &self,
        signer: &dyn Signer,
        ubn: &str,
        file: &[u8],
        possession: Option<(&str, &str)>,
    ) -> anyhow::Result<Answer> {
        let mut document = json!({
            "kind": "certificate-upload",
            "ubn": ubn,
            "reason": "上傳非IC卡憑證",
            "certificateFile": BASE64_STANDARD.encode(file),
            "agreed": domain::Edition::Of112.agreement(),
        });
        if let Some((challenge, signature)) = possession {
            document["possession"] = json!({ "challenge": challenge, "signature": signature });
        }
        self.upload_document(signer, document)
    }

    /// Uploads by this document.
    ///
    /// # Errors
    /// When nothing could be sent.
    pub fn upload_document(&self, signer: &dyn Signer, document: Value) -> anyhow::Result<Answer> {
        let body = self.signed(signer, Purpose::UploadCertificate, document)?;
        self.post("/api/certificates", &body)
    }

    /// A verification call with this token.
    ///
    /// # Errors
    /// As [`Visitor::get`].
    pub fn verify(&self, token: &str) -> anyhow::Result<Answer> {
        let authorization = format!("Bearer {token}");
        self.get_with(
            "/integration/rwv2c2",
            &[("authorization", &authorization), ("sris-consumerAdminId", "00000000")],
        )
    }
}

/// A complete form of a company whose system calls from this address.
pub fn form(kind: &str, name: &str, ubn: &str, address: &str) -> Value {
    json!({
        "kind": kind,
        "companyName": name,
        "ubn": ubn,
        "hostAddress": address,
        "contactName": "王測試",
        "landline": "(02)12345678#123",
        "mobile": "0912345678",
        "email": "clerk@example.com.tw",
        "reason": "依洗錢防制法第十條及金融機構防制洗錢辦法第三條，確認客戶身分時查驗國民身分證。",
        "agreed": domain::Edition::Of112.agreement(),
    })
}
