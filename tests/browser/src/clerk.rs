//! What a clerk does on the pages, step by step, and an officer beside.

use std::time::{Duration, Instant};

use anyhow::Context;
use fantoccini::Locator;
use jiff::Timestamp;
use serde_json::Value;
use test_pki::client::{CardSigner, Visitor};
use test_pki::demo::COMPANY;
use test_pki::token::Caller;

use crate::{Desk, PATIENCE};

impl Desk {
    /// Opens the application and says that this is no 公務機關; the notice is shown.
    ///
    /// # Errors
    /// When a step does not work; of every step here.
    pub async fn at_notice(&self) -> anyhow::Result<()> {
        self.open("/apply/").await?;
        // Once the scripts have run; asked once for each visit.
        self.until("return document.readyState === 'complete'").await?;
        let asked = "return !document.getElementById('agency').hidden";
        if self.client.execute(asked, vec![]).await? == true {
            self.click("#agency-no").await?;
            self.click("#agency-form button").await?;
        }
        self.text("#notice").await?;
        Ok(())
    }

    /// Reads the notice; signing in (112) or the form (108) is next.
    ///
    /// # Errors
    /// See [`Desk::at_notice`].
    pub async fn at_sign_in(&self) -> anyhow::Result<()> {
        self.at_notice().await?;
        self.click("#notice-read").await
    }

    /// Types a number and asks.
    ///
    /// # Errors
    /// See [`Desk::at_notice`].
    pub async fn signs_in(&self, ubn: &str) -> anyhow::Result<()> {
        self.fill("#sign-in-ubn", ubn).await?;
        self.click("#sign-in-form button[type=submit]").await
    }

    /// At the choice of 申請事項.
    ///
    /// # Errors
    /// See [`Desk::at_notice`].
    pub async fn at_kind(&self) -> anyhow::Result<()> {
        self.at_sign_in().await?;
        self.signs_in(COMPANY.1).await?;
        self.text("#kind").await?;
        Ok(())
    }

    /// At the form of this kind.
    ///
    /// # Errors
    /// See [`Desk::at_notice`].
    pub async fn at_form(&self, kind: &str) -> anyhow::Result<()> {
        self.at_kind().await?;
        let select = self.client.find(Locator::Id("kind-select")).await?;
        select.select_by_value(kind).await?;
        self.click("#kind-form button[type=submit]").await?;
        self.text("#application-form").await?;
        Ok(())
    }

    /// Fills in what a first application needs.
    ///
    /// # Errors
    /// See [`Desk::at_notice`].
    pub async fn fills_in(&self) -> anyhow::Result<()> {
        for (field, text) in [
            ("#hostAddress", "127.0.0.1"),
            ("#contactName", "王測試"),
            ("#landline", "(02)12345678#12"),
            ("#mobile", "0912345678"),
            ("#email", "clerk@example.com.tw"),
            ("#reason", "依洗錢防制法第十條確認客戶身分，須查驗國民身分證。"),
        ] {
            self.fill(field, text).await?;
        }
        Ok(())
    }

    /// Opens the rules, reads them, and ticks the box.
    ///
    /// # Errors
    /// See [`Desk::at_notice`].
    pub async fn agrees(&self) -> anyhow::Result<()> {
        self.click("#open-rules").await?;
        self.text("#rules").await?;
        self.click("#rules-read").await?;
        self.click("#agreed").await
    }

    /// 申請 and 確定; the receipt's text.
    ///
    /// # Errors
    /// See [`Desk::at_notice`].
    pub async fn sends(&self) -> anyhow::Result<String> {
        self.click("#apply-button").await?;
        self.click("#confirm-yes").await?;
        let receipt = self.text("#receipt-sheet").await?;
        let said = "return document.getElementById('message').innerText";
        let said = self.client.execute(said, vec![]).await?;
        anyhow::ensure!(said == "", "beside the receipt: {said}");
        Ok(receipt)
    }

    /// Chooses a file for the upload.
    ///
    /// # Errors
    /// See [`Desk::at_notice`].
    pub async fn chooses(&self, file: &std::path::Path) -> anyhow::Result<()> {
        let input = self.client.find(Locator::Id("certificateFile")).await?;
        Ok(input.send_keys(file.to_str().context("the file's name")?).await?)
    }

    /// At the result of 進度查詢.
    ///
    /// # Errors
    /// See [`Desk::at_notice`].
    pub async fn at_progress(&self) -> anyhow::Result<()> {
        self.open("/query/").await?;
        self.signs_in(COMPANY.1).await?;
        self.text("#result").await?;
        Ok(())
    }

    /// Waits until these texts are shown in an element, in this order.
    ///
    /// # Errors
    /// Names the first that is missing or too early.
    pub async fn shows(&self, css: &str, texts: &[&str]) -> anyhow::Result<String> {
        let begun = Instant::now();
        loop {
            let shown = self.text(css).await?;
            match in_order(&shown, texts) {
                Ok(()) => return Ok(shown),
                Err(error) if begun.elapsed() > PATIENCE => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// What is in a field.
    ///
    /// # Errors
    /// When there is no such field.
    pub async fn value(&self, id: &str) -> anyhow::Result<String> {
        let script = "return document.getElementById(arguments[0]).value";
        let found = self.client.execute(script, vec![Value::from(id)]).await?;
        Ok(found.as_str().context("no field")?.to_owned())
    }

    /// The first value that a question to the service's database gives.
    ///
    /// # Errors
    /// When it gives none.
    pub fn stored(&self, sql: &str) -> anyhow::Result<String> {
        let database = rusqlite::Connection::open(self.dir.join("data/default.db"))?;
        let value = database.query_row(sql, [], |row| row.get::<_, rusqlite::types::Value>(0))?;
        Ok(match value {
            rusqlite::types::Value::Integer(number) => number.to_string(),
            rusqlite::types::Value::Text(text) => text,
            other => anyhow::bail!("{other:?}"),
        })
    }

    fn visitor(&self) -> Visitor {
        let mut visitor = Visitor::new(&self.demo.origin);
        visitor.base.clone_from(&self.demo.origin);
        visitor
    }

    /// The company signs in without a browser.
    ///
    /// # Errors
    /// When it is refused.
    pub fn company(&self) -> anyhow::Result<(Visitor, CardSigner)> {
        let card = CardSigner::new(self.dir.join("cards"), "company");
        let mut visitor = self.visitor();
        visitor.sign_in_as_company(&card, COMPANY.1)?;
        Ok((visitor, card))
    }

    /// The company applies without a browser; the S/N.
    ///
    /// # Errors
    /// When it is refused.
    pub fn applied(&self, mut form: Value) -> anyhow::Result<String> {
        let (visitor, card) = self.company()?;
        let config = visitor.get("/api/config")?.expect(200)?;
        form["agreed"] = config["terms"].clone();
        let receipt = visitor.apply(&card, form)?.expect(201)?;
        Ok(receipt["serialNumber"].as_str().context("no S/N")?.to_owned())
    }

    /// The officer signs in without a browser; the card is put into its reader.
    ///
    /// # Errors
    /// When it is refused.
    pub fn officer(&self) -> anyhow::Result<Visitor> {
        self.cards.set_inserted("officer", true)?;
        let mut visitor = self.visitor();
        visitor.sign_in_as_officer(&CardSigner::new(self.dir.join("cards"), "officer"))?;
        Ok(visitor)
    }

    /// An officer decides, without a browser.
    ///
    /// # Errors
    /// When it is refused.
    pub fn decides(&self, id: &str, decision: &str, result: &str) -> anyhow::Result<()> {
        self.officer()?.decide(id, decision, result)?.expect(200)?;
        Ok(())
    }

    /// The company has an account, without a browser.
    ///
    /// # Errors
    /// When a step is refused.
    pub fn approved(&self) -> anyhow::Result<()> {
        let form = test_pki::client::form("api-application", COMPANY.0, COMPANY.1, "127.0.0.1");
        self.decides(&self.applied(form)?, "approve", "審核通過")
    }

    /// It has a certificate as well.
    ///
    /// # Errors
    /// When a step is refused.
    pub fn uploaded(&self) -> anyhow::Result<()> {
        self.approved()?;
        let (visitor, card) = self.company()?;
        let file = std::fs::read(&self.demo.company_certificate_file)?;
        visitor.upload(&card, COMPANY.1, &file)?.expect(201)?;
        Ok(())
    }

    /// The company's system, once it has an account and a certificate.
    ///
    /// # Errors
    /// When it has none.
    pub fn caller(&self) -> anyhow::Result<Caller> {
        let (visitor, _) = self.company()?;
        let progress = visitor.get("/api/cases")?.expect(200)?;
        let text = |name: &str| progress["account"][name].as_str().map(str::to_owned);
        Ok(Caller {
            org_id: COMPANY.1.into(),
            ap_id: text("apId").context("no apId")?,
            iss_key: text("issKey").context("no isskey")?,
            private_key: test_pki::demo::der_of(&self.demo.company_key_file)?,
        })
    }

    /// Starts the service again with its clock at this instant.
    ///
    /// # Errors
    /// When it does not start.
    pub fn at(&mut self, now: Timestamp) -> anyhow::Result<()> {
        self.restart(&["--now", &now.to_string()])
    }
}

/// Whether these texts are there in this order.
fn in_order(shown: &str, texts: &[&str]) -> anyhow::Result<()> {
    let mut rest = shown;
    for text in texts {
        let (_, after) = rest
            .split_once(text)
            .with_context(|| format!("{text} is missing or too early: {shown}"))?;
        rest = after;
    }
    Ok(())
}
