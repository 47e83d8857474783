//! The RSA public-key operation beside two libraries (num-bigint, OpenSSL), on numbers that look random
//! and on edges: sparse and dense moduli, runs of zeros and ones across limbs, numbers near 0, near n and
//! near powers of two. `CHAYAN_DIFFERENTIAL` inputs, 40,000 unless it is set; the same ones each time. All go
//! to OpenSSL, one in nine to num-bigint, which takes ten times as long.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use num_bigint::BigUint;
use openssl::bn::{BigNum, BigNumContext};
use pki::public_operation::{BYTES, Modulus};
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
    let (mut number, mut bit, mut one) = ([0_u8; BYTES], 0, lengths.next().unwrap() & 1 == 1);
    while bit < 8 * BYTES {
        let length = usize::from(lengths.next().unwrap() % 96) + 1;
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

/// Modulus and number.
fn input(index: u64) -> ([u8; BYTES], [u8; BYTES]) {
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

/// Compares one input; whether the number was below the modulus.
fn compare(index: u64, context: &mut BigNumContext) -> bool {
    let (n, s) = input(index);
    let power = Modulus::new(&n).expect("odd, of 2048 bits").power(&s);
    if s >= n {
        assert!(power.is_none(), "{index}");
        return false;
    }
    let power = BigUint::from_bytes_be(&power.expect("below n"));
    let exponent = [1, 0, 1];
    if index.is_multiple_of(9) {
        let number = BigUint::from_bytes_be;
        assert_eq!(
            power,
            number(&s).modpow(&number(&exponent), &number(&n)),
            "{index}: num-bigint"
        );
    }
    let number = |bytes: &[u8]| BigNum::from_slice(bytes).expect("a number");
    let mut expected = BigNum::new().expect("a number");
    expected.mod_exp(&number(&s), &number(&exponent), &number(&n), context).expect("odd");
    assert_eq!(power, BigUint::from_bytes_be(&expected.to_vec()), "{index}: OpenSSL");
    true
}

#[test]
fn it_agrees_with_two_libraries_on_random_numbers_and_edges() {
    let count = std::env::var("CHAYAN_DIFFERENTIAL").map_or(40_000, |text| text.parse().unwrap());
    let (next, below, begun) = (AtomicU64::new(0), AtomicU64::new(0), Instant::now());
    let threads = std::thread::available_parallelism().unwrap().get();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut context = BigNumContext::new().expect("a context");
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        break;
                    }
                    below.fetch_add(u64::from(compare(index, &mut context)), Ordering::Relaxed);
                }
            });
        }
    });
    let below = below.into_inner();
    println!("{count} inputs, {below} below their modulus, {:.0?}", begun.elapsed());
    // The inputs are such that most are computed, and some are refused.
    assert!(below > count / 2 && (below < count || count < 100));
}
