//! Inputs for the RSA public-key operation, numbers that look random and edges: sparse and dense
//! moduli, runs of zeros and ones across limbs, numbers near 0, near n and near powers of two. The
//! same ones each time.

use num_bigint::BigUint;
use openssl::bn::{BigNum, BigNumContext};
use pki::public_operation::BYTES;
use sha2::{Digest, Sha256};

/// Bytes that follow from a number and a use.
fn bytes(index: u64, of: u8) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    for (block, part) in (0_u8..).zip(bytes.chunks_mut(32)) {
        let digest = Sha256::new().chain_update(index.to_be_bytes()).chain_update([of, block]);
        part.copy_from_slice(&digest.finalize());
    }
    bytes
}

/// Zeros and ones in runs of random lengths.
fn runs(index: u64, of: u8) -> [u8; BYTES] {
    let lengths = bytes(index, of);
    let mut lengths = lengths.iter().cycle();
    let (mut number, mut bit, mut one) =
        ([0_u8; BYTES], 0, lengths.next().expect("a cycle") & 1 == 1);
    while bit < 8 * BYTES {
        let length = usize::from(lengths.next().expect("a cycle") % 96) + 1;
        for at in bit..(bit + length).min(8 * BYTES) {
            number[at / 8] |= u8::from(one) << (at % 8);
        }
        (bit, one) = (bit + length, !one);
    }
    number
}

fn whole(number: &BigUint) -> [u8; BYTES] {
    let number = number.to_bytes_be();
    let mut whole = [0; BYTES];
    let used = number.len().min(BYTES);
    whole[BYTES - used..].copy_from_slice(&number[number.len() - used..]);
    whole
}

/// Modulus and number: an odd modulus of 2048 bits.
pub fn input(index: u64) -> ([u8; BYTES], [u8; BYTES]) {
    let (one, random) = (BigUint::from(1_u32), bytes(index, 2));
    let place = u64::from(u16::from_be_bytes([random[0], random[1]])) % 2048;
    let mut n = match index % 8 {
        0..=3 => bytes(index, 0),
        4 => whole(&((&one << 2047) + (&one << place) + 1_u32)),
        5 => whole(&((&one << 2048) - (&one << place) - 1_u32)),
        _ => runs(index, 0),
    };
    n[0] |= 0x80;
    n[BYTES - 1] |= 1;
    let modulus = BigUint::from_bytes_be(&n);
    let small = u32::from(random[2]);
    let s = match (index / 8) % 8 {
        0..=2 => bytes(index, 1),
        3 => runs(index, 1),
        4 => whole(&(&modulus - small)),
        5 => whole(&BigUint::from(small)),
        6 => whole(&((&one << place) - (random[3] & 1))),
        _ => whole(&((&modulus >> usize::from(random[4] % 8)) + small)),
    };
    (n, s)
}

/// s^65537 mod n by OpenSSL; `None` when s is not below n.
///
/// # Panics
/// When OpenSSL does.
pub fn by_openssl(
    n: &[u8; BYTES],
    s: &[u8; BYTES],
    context: &mut BigNumContext,
) -> Option<BigUint> {
    let number = |bytes: &[u8]| BigNum::from_slice(bytes).expect("a number");
    let mut power = BigNum::new().expect("a number");
    power.mod_exp(&number(s), &number(&[1, 0, 1]), &number(n), context).expect("odd");
    (s < n).then(|| BigUint::from_bytes_be(&power.to_vec()))
}
