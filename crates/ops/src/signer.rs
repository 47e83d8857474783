//! The key of a CA of ours, in a file or in a token (PKCS #11). RSA with SHA-256.

use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use der::Encode;
use der::asn1::UintRef;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use secrecy::SecretString;
use zeroize::Zeroizing;

/// Where the key is.
#[derive(clap::Args)]
#[group(required = true, multiple = true)]
pub(crate) struct KeyOptions {
    /// File with the key, PKCS #8, PEM or DER.
    #[arg(long, conflicts_with = "pkcs11")]
    key_file: Option<PathBuf>,
    /// A PKCS #11 module, by its absolute path.
    #[arg(long, requires = "token", requires = "pin_file", requires = "key_label")]
    pkcs11: Option<PathBuf>,
    /// Label of the token.
    #[arg(long)]
    token: Option<String>,
    /// File with the token's PIN.
    #[arg(long)]
    pin_file: Option<PathBuf>,
    /// Label of the key (CKA_LABEL).
    #[arg(long)]
    key_label: Option<String>,
}

/// A key that signs.
pub(crate) enum Signer {
    File(Box<RsaKeyPair>),
    Token { session: Session, key: ObjectHandle },
}

impl KeyOptions {
    /// Opens the key.
    pub(crate) fn open(&self) -> anyhow::Result<Signer> {
        match (&self.key_file, &self.pkcs11, &self.token, &self.pin_file, &self.key_label) {
            (Some(file), None, ..) => {
                let bytes = std::fs::read(file).map(Zeroizing::new);
                let bytes = bytes.with_context(|| format!("cannot read {}", file.display()))?;
                let der = match bytes.first() {
                    Some(0x30) => bytes,
                    _ => Zeroizing::new(pem::parse(&*bytes).context("no key")?.into_contents()),
                };
                let key = RsaKeyPair::from_pkcs8(&der);
                // What is wrong with it is nobody's business.
                Ok(Signer::File(Box::new(key.ok().context("not an RSA key in PKCS #8")?)))
            }
            (None, Some(module), Some(token), Some(pin), Some(label)) => {
                let pin = std::fs::read_to_string(pin).map(Zeroizing::new);
                let pin = pin.context("cannot read the PIN's file")?;
                open_token(module, token, pin.trim(), label)
            }
            _ => bail!("either --key-file, or --pkcs11 with --token, --pin-file and --key-label"),
        }
    }
}

fn open_token(
    module: &std::path::Path,
    token: &str,
    pin: &str,
    label: &str,
) -> anyhow::Result<Signer> {
    ensure!(module.is_absolute(), "the module needs an absolute path");
    let library = Pkcs11::new(module).context("the module cannot be loaded")?;
    library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))?;
    for slot in library.get_slots_with_token()? {
        if library.get_token_info(slot)?.label().trim_end() != token {
            continue;
        }
        let session = library.open_ro_session(slot)?;
        let pin = SecretString::from(pin.to_owned());
        session.login(UserType::User, Some(&pin)).context("the token refuses the PIN")?;
        let wanted = [
            Attribute::Class(ObjectClass::PRIVATE_KEY),
            Attribute::Label(label.as_bytes().to_vec()),
        ];
        let found = session.find_objects(&wanted)?;
        let [key] = found[..] else { bail!("{} keys are called {label:?}", found.len()) };
        return Ok(Signer::Token { session, key });
    }
    bail!("no token is called {token:?}")
}

impl Signer {
    /// The public key, RFC 8017 RSAPublicKey.
    pub(crate) fn public_key(&self) -> anyhow::Result<Vec<u8>> {
        match self {
            Self::File(key) => Ok(key.public().as_ref().to_vec()),
            Self::Token { session, key } => {
                let wanted = [AttributeType::Modulus, AttributeType::PublicExponent];
                let (mut modulus, mut exponent) = (None, None);
                for attribute in session.get_attributes(*key, &wanted)? {
                    match attribute {
                        Attribute::Modulus(bytes) => modulus = Some(bytes),
                        Attribute::PublicExponent(bytes) => exponent = Some(bytes),
                        _ => (),
                    }
                }
                let modulus = modulus.context("the token tells no modulus")?;
                let exponent = exponent.context("the token tells no exponent")?;
                public_key(&modulus, &exponent)
            }
        }
    }

    /// Signs.
    pub(crate) fn sign(&self, message: &[u8]) -> anyhow::Result<Vec<u8>> {
        match self {
            Self::File(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
                    .ok()
                    .context("signing failed")?;
                Ok(signature)
            }
            Self::Token { session, key } => session
                .sign(&Mechanism::Sha256RsaPkcs, *key, message)
                .context("the token did not sign"),
        }
    }
}

/// RFC 8017, appendix A.1.1.
fn public_key(modulus: &[u8], exponent: &[u8]) -> anyhow::Result<Vec<u8>> {
    #[derive(der::Sequence)]
    struct RsaPublicKey<'a> {
        modulus: UintRef<'a>,
        exponent: UintRef<'a>,
    }
    let key = RsaPublicKey { modulus: UintRef::new(modulus)?, exponent: UintRef::new(exponent)? };
    Ok(key.to_der()?)
}
