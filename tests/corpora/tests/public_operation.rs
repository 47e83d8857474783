//! The RSA public-key operation beside two libraries (num-bigint, OpenSSL). `CHAYAN_DIFFERENTIAL`
//! inputs, 40,000 unless it is set. All go to OpenSSL, one in nine to num-bigint, which takes ten
//! times as long. The same in WebAssembly: `tests/http/tests/corpora.rs`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use corpora_tests::powers::{by_openssl, input};
use num_bigint::BigUint;
use openssl::bn::BigNumContext;
use pki::public_operation::Modulus;

/// Compares one input; whether the number was below the modulus.
fn compare(index: u64, context: &mut BigNumContext) -> bool {
    let (n, s) = input(index);
    let power = Modulus::new(&n).expect("odd, of 2048 bits").power(&s);
    let power = power.map(|power| BigUint::from_bytes_be(&power));
    assert_eq!(power, by_openssl(&n, &s, context), "{index}: OpenSSL");
    let Some(power) = power else { return false };
    if index.is_multiple_of(9) {
        let [n, s, exponent] = [&n[..], &s, &[1, 0, 1]].map(BigUint::from_bytes_be);
        assert_eq!(power, s.modpow(&exponent, &n), "{index}: num-bigint");
    }
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
