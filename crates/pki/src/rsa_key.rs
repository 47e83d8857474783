//! RSA public keys whose size and exponent are acceptable.

use der::asn1::UintRef;
use der::{Decode, Encode, Sequence};
use num_bigint::BigUint;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use crate::public_operation::{BYTES, Modulus};
use crate::{PkiError, oid};

/// RFC 8017, appendix A.1.1.
#[derive(Sequence)]
struct Pkcs1PublicKey<'a> {
    modulus: UintRef<'a>,
    public_exponent: UintRef<'a>,
}

/// Why the private key can be computed from the public one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownWeakness {
    /// Made by a faulty library of Infineon (ROCA, CVE-2017-15361).
    Roca,
    /// A prime factor is small.
    SmallFactor,
    /// The prime factors are close to each other (Fermat; CVE-2022-26320).
    CloseFactors,
}

/// Factors up to this number are looked for.
const SMALL: u32 = 1 << 14;
/// Steps of Fermat's method.
const FERMAT_STEPS: u32 = 100;
/// Primes by which keys of the faulty library are told (M. Nemec et al., 2017, section 3.2).
const ROCA_PRIMES: [u64; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97,
    101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// An RSA key of 2048 to 4096 bits with an odd exponent from 65537 to 2^32.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RsaPublicKey {
    /// RFC 8017 `RSAPublicKey`, DER.
    pkcs1: Vec<u8>,
}

impl RsaPublicKey {
    /// Takes the key out of a certificate's subjectPublicKeyInfo.
    ///
    /// # Errors
    /// [`PkiError::Algorithm`] for another kind of key, [`PkiError::WeakKey`],
    /// [`PkiError::Malformed`].
    pub fn from_spki(spki: &SubjectPublicKeyInfoOwned) -> Result<Self, PkiError> {
        if spki.algorithm.oid != oid::RSA_ENCRYPTION {
            return Err(PkiError::Algorithm(spki.algorithm.oid.to_string()));
        }
        let bytes = spki.subject_public_key.as_bytes();
        Self::from_pkcs1(bytes.ok_or(PkiError::Malformed { what: "public key" })?)
    }

    /// Reads an RFC 8017 `RSAPublicKey`.
    ///
    /// # Errors
    /// As [`RsaPublicKey::from_spki`].
    pub fn from_pkcs1(der: &[u8]) -> Result<Self, PkiError> {
        let malformed = |_| PkiError::Malformed { what: "public key" };
        let key = Pkcs1PublicKey::from_der(der).map_err(malformed)?;
        let modulus = key.modulus.as_bytes();
        let leading = modulus.first().map_or(8, |byte| byte.leading_zeros()) as usize;
        let bits = modulus.len() * 8 - leading;
        let exponent = key.public_exponent.as_bytes();
        let exponent = exponent.iter().try_fold(0_u64, |value, byte| {
            (value < 1 << 32).then_some(value << 8 | u64::from(*byte))
        });
        let odd = modulus.last().is_some_and(|byte| byte & 1 == 1);
        let sane =
            exponent.is_some_and(|value| value % 2 == 1 && (65_537..1 << 32).contains(&value));
        if !(2048..=4096).contains(&bits) || !odd || !sane {
            return Err(PkiError::WeakKey { bits });
        }
        Ok(Self { pkcs1: key.to_der().map_err(malformed)? })
    }

    /// The key as RFC 8017 `RSAPublicKey`, DER.
    pub fn pkcs1(&self) -> &[u8] {
        &self.pkcs1
    }

    /// Whether the private key can be computed from this one by a known method.
    pub fn known_weakness(&self) -> Option<KnownWeakness> {
        let key = Pkcs1PublicKey::from_der(&self.pkcs1).ok()?;
        let modulus = key.modulus.as_bytes();
        if is_roca(modulus) {
            return Some(KnownWeakness::Roca);
        }
        if (3..SMALL).step_by(2).any(|factor| remainder(modulus, u64::from(factor)) == 0) {
            return Some(KnownWeakness::SmallFactor);
        }
        has_close_factors(modulus).then_some(KnownWeakness::CloseFactors)
    }

    /// Verifies an RSASSA-PKCS1-v1_5 signature with SHA-256 (RFC 8017, section 8.2.2).
    ///
    /// # Errors
    /// [`PkiError::BadSignature`].
    pub fn verify_sha256(&self, message: &[u8], signature: &[u8]) -> Result<(), PkiError> {
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.pkcs1)
            .verify(message, signature)
            .map_err(|_| PkiError::BadSignature)
    }
}

/// What computes a public-key operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arithmetic {
    /// Our own, for keys of 2048 bits with the exponent 65537; the library for others.
    #[default]
    Prepared,
    /// The library, always.
    Library,
}

/// A key that many signatures are verified with.
#[derive(Clone, Debug)]
pub struct PreparedKey {
    key: RsaPublicKey,
    modulus: Option<Modulus>,
}

/// What stands before the digest in an encoded message for SHA-256: the DER prefix of
/// DigestInfo (RFC 8017, section 9.2, note 1).
const SHA_256_PREFIX: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];

impl PreparedKey {
    /// Makes a key ready.
    pub fn new(key: RsaPublicKey, arithmetic: Arithmetic) -> Self {
        let modulus = match (arithmetic, Pkcs1PublicKey::from_der(&key.pkcs1)) {
            (Arithmetic::Prepared, Ok(parts)) if parts.public_exponent.as_bytes() == [1, 0, 1] => {
                Modulus::new(parts.modulus.as_bytes())
            }
            _ => None,
        };
        Self { key, modulus }
    }

    /// The key.
    pub fn key(&self) -> &RsaPublicKey {
        &self.key
    }

    /// Whether our own arithmetic is used.
    pub fn is_prepared(&self) -> bool {
        self.modulus.is_some()
    }

    /// As [`RsaPublicKey::verify_sha256`]: the same answer, sooner.
    ///
    /// # Errors
    /// [`PkiError::BadSignature`].
    pub fn verify_sha256(&self, message: &[u8], signature: &[u8]) -> Result<(), PkiError> {
        self.verify(&Message::new(message), signature)
    }

    /// The same, of a message whose digest is needed elsewhere as well.
    pub(crate) fn verify(&self, message: &Message<'_>, signature: &[u8]) -> Result<(), PkiError> {
        let Some(modulus) = &self.modulus else {
            return self.key.verify_sha256(message.bytes, signature);
        };
        let signature = signature.try_into().map_err(|_| PkiError::BadSignature)?;
        let power = modulus.power(signature).ok_or(PkiError::BadSignature)?;
        // Every byte of the encoding is compared; nothing in it is parsed.
        if power == encoded(message.sha256()) { Ok(()) } else { Err(PkiError::BadSignature) }
    }
}

/// A message and its digest.
pub(crate) struct Message<'a> {
    bytes: &'a [u8],
    sha256: [u8; 32],
}

impl<'a> Message<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref());
        Self { bytes, sha256 }
    }

    pub(crate) fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }
}

/// EMSA-PKCS1-v1_5 with SHA-256 (RFC 8017, section 9.2).
fn encoded(sha256: &[u8; 32]) -> [u8; BYTES] {
    let end = BYTES - sha256.len();
    let begin = end - SHA_256_PREFIX.len();
    let mut encoded = [0xff; BYTES];
    (encoded[0], encoded[1], encoded[begin - 1]) = (0, 1, 0);
    encoded[begin..end].copy_from_slice(&SHA_256_PREFIX);
    encoded[end..].copy_from_slice(sha256);
    encoded
}

/// The number modulo a small one.
fn remainder(number: &[u8], divisor: u64) -> u64 {
    number.iter().fold(0, |rest, byte| (rest << 8 | u64::from(*byte)) % divisor)
}

/// Modulo each of the primes, such a key is a power of 65537.
fn is_roca(modulus: &[u8]) -> bool {
    ROCA_PRIMES.iter().all(|prime| {
        let generator = 65_537 % prime;
        let rest = remainder(modulus, *prime);
        let mut power = 1;
        (0..*prime).any(|_| {
            power = power * generator % prime;
            power == rest
        })
    })
}

/// Fermat's method: n = a² − b² with a small b.
fn has_close_factors(modulus: &[u8]) -> bool {
    let n = BigUint::from_bytes_be(modulus);
    let mut a = n.sqrt();
    if &a * &a < n {
        a += 1_u32;
    }
    (0..FERMAT_STEPS).any(|_| {
        let square = &a * &a - &n;
        let root = square.sqrt();
        a += 1_u32;
        &root * &root == square
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(modulus: &BigUint) -> RsaPublicKey {
        let modulus = modulus.to_bytes_be();
        let exponent = [1, 0, 1];
        let key = Pkcs1PublicKey {
            modulus: UintRef::new(&modulus).unwrap(),
            public_exponent: UintRef::new(&exponent).unwrap(),
        };
        RsaPublicKey::from_pkcs1(&key.to_der().unwrap()).unwrap()
    }

    /// 2 to the power of a number, minus another.
    fn below(power: u32, minus: u32) -> BigUint {
        BigUint::from(2_u32).pow(power) - minus
    }

    #[test]
    fn known_weaknesses_are_found() {
        // Two neighbours of 2^1024 without small factors.
        let close = below(1024, 105) * (below(1024, 0) + 643_u32);
        assert_eq!(key(&close).known_weakness(), Some(KnownWeakness::CloseFactors));
        // A product of primes of very different size.
        let small = below(2203, 1) * 16_381_u32;
        assert_eq!(key(&small).known_weakness(), Some(KnownWeakness::SmallFactor));
        // A Mersenne prime times another: nothing to find.
        let sound = below(1279, 1) * below(2203, 1);
        assert_eq!(key(&sound).known_weakness(), None);
        // The library's keys are powers of 65537 modulo the product of many primes.
        let product: BigUint = ROCA_PRIMES.iter().map(|prime| BigUint::from(*prime)).product();
        let power = BigUint::from(65_537_u32).modpow(&BigUint::from(1_234_567_u32), &product);
        let lift = below(2100, 0) / &product;
        let mut roca = &power + &product * &lift;
        if roca.clone() % 2_u32 == BigUint::ZERO {
            roca += &product;
        }
        assert_eq!(key(&roca).known_weakness(), Some(KnownWeakness::Roca));
    }

    #[test]
    fn small_remainders_and_near_squares_are_computed_right() {
        assert_eq!(remainder(&[0x01, 0x02, 0x03], 1000), 0x0001_0203 % 1000);
        assert_eq!(remainder(&[0xff; 8], 65_537), u64::MAX % 65_537);
        assert_eq!(remainder(&[], 3), 0);
        let product = |one: u64, two: u64| (BigUint::from(one) * two).to_bytes_be();
        // 2^61 - 1 and its neighbours: the distance decides.
        let p = (1_u64 << 61) - 1;
        assert!(has_close_factors(&product(p, p)));
        assert!(has_close_factors(&product(p, p + 2)));
        assert!(has_close_factors(&product(p, p + 40_000_000)));
        assert!(!has_close_factors(&product(p, 3)));
        assert!(!has_close_factors(&product(p, p / 3)));
    }

    #[test]
    fn size_and_exponent_are_bounded() {
        let with = |bits: u32, exponent: &[u8]| {
            let modulus = below(bits, 1).to_bytes_be();
            let key = Pkcs1PublicKey {
                modulus: UintRef::new(&modulus).unwrap(),
                public_exponent: UintRef::new(exponent).unwrap(),
            };
            RsaPublicKey::from_pkcs1(&key.to_der().unwrap()).is_ok()
        };
        assert!(with(2048, &[1, 0, 1]) && with(4096, &[1, 0, 1]));
        assert!(!with(2047, &[1, 0, 1]) && !with(4097, &[1, 0, 1]));
        assert!(with(2048, &[0xff, 0xff, 0xff, 0xff]));
        assert!(!with(2048, &[1, 0, 0, 0, 1]));
        for weak in [&[3][..], &[1], &[0], &[1, 0, 0], &[0xff, 0xff], &[1, 0, 2]] {
            assert!(!with(2048, weak), "{weak:?}");
        }
        let even = below(2048, 2).to_bytes_be();
        let exponent = [1, 0, 1];
        let even = Pkcs1PublicKey {
            modulus: UintRef::new(&even).unwrap(),
            public_exponent: UintRef::new(&exponent).unwrap(),
        };
        assert!(RsaPublicKey::from_pkcs1(&even.to_der().unwrap()).is_err());
    }
}
