//! The RSA public-key operation beside two libraries: modulus, then number, 256 bytes each.
#![no_main]

use num_bigint::BigUint;
use openssl::bn::{BigNum, BigNumContext};
use pki::public_operation::{BYTES, Modulus};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let mut bytes = [[0; BYTES]; 2];
    for (to, from) in bytes.iter_mut().zip(input.chunks(BYTES)) {
        to[..from.len()].copy_from_slice(from);
    }
    let [mut n, s] = bytes;
    // Most inputs would be refused otherwise.
    n[0] |= 0x80;
    n[BYTES - 1] |= 1;
    let power = Modulus::new(&n).expect("odd, of 2048 bits").power(&s);
    if s >= n {
        assert!(power.is_none());
        return;
    }
    let power = BigUint::from_bytes_be(&power.expect("below n"));
    let number = BigUint::from_bytes_be;
    assert_eq!(power, number(&s).modpow(&number(&[1, 0, 1]), &number(&n)));
    let number = |bytes: &[u8]| BigNum::from_slice(bytes).expect("a number");
    let mut expected = BigNum::new().expect("a number");
    let mut context = BigNumContext::new().expect("a context");
    expected.mod_exp(&number(&s), &number(&[1, 0, 1]), &number(&n), &mut context).expect("odd");
    assert_eq!(power.to_bytes_be(), BigUint::from_bytes_be(&expected.to_vec()).to_bytes_be());
});
