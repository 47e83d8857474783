//! The set of CAs and certificates: two generations of MOEACA and MOICA with one name
//! each, GCA, company cards in the style of 2013 and of 2021, officers', citizens', agencies'
//! and systems' certificates.

use aws_lc_rs::rsa::KeySize;
use der::asn1::ObjectIdentifier;
use jiff::{SignedDuration, Timestamp};
use pki::oid::{
    CARD_RANK, CITIZEN, COMMON_NAME, COMPANY, NATIONAL_ID_TAIL, ORGANISATION, ORGANISATION_NAME,
    SERIAL_NUMBER, SUBJECT_TYPE, UBN,
};
use pki::revocation::ListsInMemory;
use pki::{
    Certificate, Environment, IssuerRole, OwnAuthority, TrustStore, TrustStoreFile,
    TrustedCertificateFile, VerifiedSignature,
};

use crate::issue::{Attribute, Authority, Key, List, Part, Profile, certifying, signing};

const ORGANISATIONAL_UNIT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.11");
const EXECUTIVE: &str = "行政院(測試)";
const MOEACA: &str = "工商憑證管理中心(測試)";
const GCA: &str = "政府憑證管理中心(測試)";
const XCA: &str = "組織及團體憑證管理中心(測試)";
const HCA: &str = "醫事憑證管理中心(測試)";
const MOICA: &str = "內政部憑證管理中心(測試)";

/// Folders of the lists of the companies' CA, by generation.
pub const OWN_FOLDERS: [&str; 2] = ["MOEACA-G2", "MOEACA-G3"];

/// A key and its certificate.
pub struct Issued {
    /// The key.
    pub key: Key,
    /// The certificate, DER.
    pub certificate: Vec<u8>,
    /// The issuing CA's certificate, DER.
    pub issuer: Vec<u8>,
}

/// The CAs.
pub struct TestPki {
    root: Authority,
    moeaca: [Authority; 2],
    moica: [Authority; 2],
    gca: Authority,
    xca: Authority,
    hca: Authority,
    now: Timestamp,
    /// Origin of the service that publishes the companies' lists.
    service: Option<String>,
}

/// How a company's certificate is to look.
#[derive(Clone, Copy)]
pub struct Company<'a> {
    /// Name.
    pub name: &'a str,
    /// 統一編號.
    pub ubn: &'a str,
    /// `primary` or `secondary` for a card; `None` for a system's certificate.
    pub rank: Option<&'a str>,
    /// Since 2021 the subject carries the number too.
    pub number_in_subject: bool,
    /// Generation of the CA: 0 or 1.
    pub generation: usize,
    /// Days from now at which it begins and ends.
    pub days: (i64, i64),
    /// OCSP responder, where the certificate names one.
    pub ocsp: Option<&'a str>,
    /// Number of the partition that it names.
    pub partition: u32,
}

impl<'a> Company<'a> {
    /// A primary card in the style of 2021.
    pub fn card(name: &'a str, ubn: &'a str) -> Self {
        Self {
            name,
            ubn,
            rank: Some("primary"),
            number_in_subject: true,
            generation: 1,
            days: (-30, 1800),
            ocsp: None,
            partition: 40,
        }
    }

    /// A system's certificate, not on a card.
    pub fn system(name: &'a str, ubn: &'a str) -> Self {
        Self { rank: None, days: (-1, 182), ..Self::card(name, ubn) }
    }
}

impl TestPki {
    /// A new set of CAs around this instant.
    ///
    /// # Errors
    /// When the library fails.
    pub fn generate(now: Timestamp) -> anyhow::Result<Self> {
        let ca = |subject: &[Part<'_>],
                  make: &dyn Fn(&Profile<'_>) -> anyhow::Result<Authority>| {
            make(&Profile {
                subject,
                attributes: &[],
                usage: certifying(),
                ca: true,
                level: 0,
                not_before: now - SignedDuration::from_hours(24 * 365),
                not_after: now + SignedDuration::from_hours(24 * 3650),
                crl: None,
                ocsp: None,
                purposes: &[],
                no_check: false,
            })
        };
        let root_name = [
            Part::Utf8(ORGANISATION_NAME, EXECUTIVE),
            Part::Utf8(COMMON_NAME, "測試根憑證管理中心"),
        ];
        let root = ca(&root_name, &|profile| Authority::root(profile, KeySize::Rsa4096))?;
        let below = |unit: &str| -> anyhow::Result<Authority> {
            let subject =
                [Part::Utf8(ORGANISATION_NAME, EXECUTIVE), Part::Utf8(ORGANISATIONAL_UNIT, unit)];
            ca(&subject, &|profile| root.authority(profile))
        };
        let moeaca = [below(MOEACA)?, below(MOEACA)?];
        let moica = [below(MOICA)?, below(MOICA)?];
        let (gca, xca, hca) = (below(GCA)?, below(XCA)?, below(HCA)?);
        Ok(Self { root, moeaca, moica, gca, xca, hca, now, service: None })
    }

    /// The same, whose companies' certificates name the lists that a service publishes.
    pub fn published_by(self, origin: &str) -> Self {
        Self { service: Some(origin.to_owned()), ..self }
    }

    /// Address of a partition of the companies' CA, as its certificates name it.
    pub fn partition(&self, generation: usize, number: u32) -> String {
        let folder = match &self.service {
            Some(origin) => format!("{origin}/crl/{}", OWN_FOLDERS[generation]),
            None => "http://crl.test.invalid/MOEACA".to_owned(),
        };
        format!("{folder}/CRL_{number:04}.crl")
    }

    /// The trust store that believes these CAs.
    pub fn trust_store(&self) -> TrustStoreFile {
        let generations = |name: &str, role, authorities: &[Authority; 2]| {
            authorities
                .iter()
                .enumerate()
                .map(|(index, authority)| {
                    let name = format!("{name} 第{}代", index + 2);
                    TrustedCertificateFile::new(name, Some(role), &authority.certificate)
                })
                .collect::<Vec<_>>()
        };
        let mut issuers = generations(MOEACA, IssuerRole::Moeaca, &self.moeaca);
        // The companies' CA is our own.
        for (issuer, folder) in issuers.iter_mut().zip(OWN_FOLDERS) {
            issuer.own = Some(OwnAuthority {
                cards: vec!["MG".into(), "MT".into()],
                complete: format!("{folder}/complete.crl"),
            });
        }
        issuers.extend(generations(MOICA, IssuerRole::Moica, &self.moica));
        for (name, role, authority) in [
            (GCA, IssuerRole::Gca, &self.gca),
            (XCA, IssuerRole::Xca, &self.xca),
            (HCA, IssuerRole::Hca, &self.hca),
        ] {
            issuers.push(TrustedCertificateFile::new(name, Some(role), &authority.certificate));
        }
        TrustStoreFile {
            environment: Environment::Test,
            anchors: vec![TrustedCertificateFile::new("測試根", None, &self.root.certificate)],
            issuers,
        }
    }

    /// Every CA, the root first.
    pub fn authorities(&self) -> impl Iterator<Item = &Authority> {
        std::iter::once(&self.root)
            .chain(&self.moeaca)
            .chain(&self.moica)
            .chain([&self.gca, &self.xca, &self.hca])
    }

    /// A complete list of each CA that names nobody, for years: a demo has no CA that
    /// would publish new ones.
    ///
    /// # Errors
    /// When the library fails.
    pub fn empty_lists(&self) -> anyhow::Result<Vec<Vec<u8>>> {
        let list = List {
            number: 1,
            this_update: self.at(-1),
            next_update: self.at(3650),
            partition: None,
            entries: Vec::new(),
        };
        self.authorities().map(|authority| authority.list(&list)).collect()
    }

    /// Judges a signature now, with every card in force.
    ///
    /// # Errors
    /// When it is refused.
    pub fn verify(&self, message: &[u8]) -> anyhow::Result<VerifiedSignature> {
        let files = self.empty_lists()?;
        let mut lists = ListsInMemory::default();
        for (list, authority) in files.iter().zip(self.authorities()) {
            lists.add(list, &Certificate::from_der(&authority.certificate)?)?;
        }
        let trust = TrustStore::from_file(&self.trust_store())?;
        Ok(trust.verify(message, Timestamp::now())?.confirm(&lists)?)
    }

    /// The newer generation of MOEACA.
    pub fn company_authority(&self) -> &Authority {
        &self.moeaca[1]
    }

    /// The generations of MOEACA, the older one first.
    pub fn company_authorities(&self) -> &[Authority; 2] {
        &self.moeaca
    }

    /// A list of the agencies' CA.
    ///
    /// # Errors
    /// When the library fails.
    pub fn agency_list(&self, list: &List<'_>) -> anyhow::Result<Vec<u8>> {
        self.gca.list(list)
    }

    /// A list of the newer generation of MOICA.
    ///
    /// # Errors
    /// When the library fails.
    pub fn citizen_list(&self, list: &List<'_>) -> anyhow::Result<Vec<u8>> {
        self.moica[1].list(list)
    }

    /// A list of the newer generation of MOEACA.
    ///
    /// # Errors
    /// When the library fails.
    pub fn company_list(&self, list: &List<'_>) -> anyhow::Result<Vec<u8>> {
        self.moeaca[1].list(list)
    }

    fn at(&self, days: i64) -> Timestamp {
        self.now + SignedDuration::from_hours(24 * days)
    }

    /// A company's card or system certificate.
    ///
    /// # Errors
    /// When the library fails.
    pub fn company(&self, company: Company<'_>) -> anyhow::Result<Issued> {
        self.company_with(company, signing(), 0)
    }

    /// The same with another key usage or policy level.
    ///
    /// # Errors
    /// When the library fails.
    pub fn company_with(
        &self,
        company: Company<'_>,
        usage: x509_cert::ext::pkix::KeyUsage,
        level: u32,
    ) -> anyhow::Result<Issued> {
        let mut subject = vec![Part::Utf8(ORGANISATION_NAME, company.name)];
        if company.number_in_subject {
            subject.push(Part::Printable(SERIAL_NUMBER, company.ubn));
        }
        let mut attributes =
            vec![Attribute::Oid(SUBJECT_TYPE, COMPANY), Attribute::Utf8(UBN, company.ubn)];
        if let Some(rank) = company.rank {
            attributes.push(Attribute::Printable(CARD_RANK, rank));
        }
        let (from, to) = company.days;
        let profile = Profile {
            subject: &subject,
            attributes: &attributes,
            usage,
            ca: false,
            level,
            not_before: self.at(from),
            not_after: self.at(to),
            crl: Some(&self.partition(company.generation, company.partition)),
            ocsp: company.ocsp,
            purposes: &[],
            no_check: false,
        };
        issue(&self.moeaca[company.generation], &profile)
    }

    /// A citizen's card.
    ///
    /// # Errors
    /// When the library fails.
    pub fn citizen(&self, name: &str, subject_serial: &str, tail: &str) -> anyhow::Result<Issued> {
        let subject =
            [Part::Utf8(COMMON_NAME, name), Part::Printable(SERIAL_NUMBER, subject_serial)];
        let attributes =
            [Attribute::Oid(SUBJECT_TYPE, CITIZEN), Attribute::Utf8(NATIONAL_ID_TAIL, tail)];
        let profile = Profile {
            subject: &subject,
            attributes: &attributes,
            usage: signing(),
            ca: false,
            level: 0,
            not_before: self.at(-30),
            not_after: self.at(1800),
            crl: Some("http://crl.test.invalid/MOICA/MOICA-10-31.crl"),
            ocsp: None,
            purposes: &[],
            no_check: false,
        };
        issue(&self.moica[1], &profile)
    }

    /// An agency's card.
    ///
    /// # Errors
    /// When the library fails.
    pub fn agency(&self, name: &str, organisation: ObjectIdentifier) -> anyhow::Result<Issued> {
        self.organisation(IssuerRole::Gca, name, organisation)
    }

    /// A card of an agency (GCA), an association (XCA) or a medical institution (HCA).
    ///
    /// # Errors
    /// When the library fails.
    pub fn organisation(
        &self,
        role: IssuerRole,
        name: &str,
        organisation: ObjectIdentifier,
    ) -> anyhow::Result<Issued> {
        let (authority, list) = self.of_organisations(role);
        let profile = Profile {
            subject: &[Part::Utf8(ORGANISATION_NAME, name)],
            attributes: &[Attribute::Oid(ORGANISATION, organisation)],
            usage: signing(),
            ca: false,
            level: 0,
            not_before: self.at(-30),
            not_after: self.at(1800),
            crl: Some(list),
            ocsp: None,
            purposes: &[],
            no_check: false,
        };
        issue(authority, &profile)
    }

    /// A CA of organisations, and where its lists are.
    fn of_organisations(&self, role: IssuerRole) -> (&Authority, &'static str) {
        match role {
            IssuerRole::Xca => (&self.xca, "http://crl.test.invalid/XCA/CRL_0002.crl"),
            IssuerRole::Hca => (&self.hca, "http://crl.test.invalid/HCA/CRL_0002.crl"),
            _ => (&self.gca, "http://crl.test.invalid/GCA4/CRL_0002.crl"),
        }
    }
}

impl TestPki {
    /// A server application certificate (伺服器應用軟體憑證) of an agency (GCA) or an association
    /// (XCA), for so many days.
    ///
    /// # Errors
    /// When the library fails.
    pub fn server(
        &self,
        role: IssuerRole,
        name: &str,
        organisation: ObjectIdentifier,
        days: i64,
    ) -> anyhow::Result<Issued> {
        let (authority, list) = self.of_organisations(role);
        let profile = Profile {
            subject: &[Part::Utf8(ORGANISATION_NAME, name)],
            attributes: &[
                Attribute::Oid(SUBJECT_TYPE, pki::oid::SERVER),
                Attribute::Oid(ORGANISATION, organisation),
            ],
            usage: signing(),
            ca: false,
            level: 0,
            not_before: self.at(-1),
            not_after: self.at(days),
            crl: Some(list),
            ocsp: None,
            purposes: &[pki::oid::SERVER_AUTH, pki::oid::CLIENT_AUTH],
            no_check: false,
        };
        issue(authority, &profile)
    }
}

fn issue(authority: &Authority, profile: &Profile<'_>) -> anyhow::Result<Issued> {
    let key = Key::generate(KeySize::Rsa2048)?;
    let certificate = authority.issue(profile, &key)?;
    Ok(Issued { key, certificate, issuer: authority.certificate.clone() })
}
