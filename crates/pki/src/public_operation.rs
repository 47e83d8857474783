//! The RSA public-key operation, s^65537 mod n, for keys of 2048 bits: public data only, so
//! nothing here has to take the same time for every input.
//!
//! It stands beside the library because the library takes several times as long in
//! WebAssembly (docs/performance.md says how much, and why this is safe). It computes one
//! number. What a valid signature is, is decided by its caller, who compares the whole
//! encoding. Tests compare it with two libraries.
//!
//! Numbers are 74 limbs of 28 bits, the least significant first. A product of limbs has 56
//! bits, and no column of a product and its reduction sums up more than 2 · 74 of them and a
//! carry: less than 2^64, so that carries wait until the end. R = 2^2072 is more than 4n, so
//! that Montgomery products of numbers below 2n stay below 2n without a subtraction
//! (C. Walter, 1999).

use num_bigint::BigUint;

const BITS: usize = 28;
const MASK: u64 = (1 << BITS) - 1;
/// Limbs of a number: 2048 bits and 24 to spare.
const LIMBS: usize = 74;
/// Bytes of a modulus, a signature and a result.
pub const BYTES: usize = 256;
/// The exponent is 2 to this power, plus one.
const SQUARINGS: usize = 16;

type Number = [u32; LIMBS];
/// Columns of a product, before carries.
type Columns = [u64; 2 * LIMBS];

/// A modulus, with what can be computed once.
#[derive(Clone, Debug)]
pub struct Modulus {
    n: Number,
    /// R² mod n.
    r_squared: Number,
    /// -n^-1 mod 2^28.
    negative_inverse: u32,
}

impl Modulus {
    /// `None` unless the number is odd and has exactly 2048 bits.
    pub fn new(modulus: &[u8]) -> Option<Self> {
        let modulus: &[u8; BYTES] = modulus.try_into().ok()?;
        if modulus[0] & 0x80 == 0 || modulus[BYTES - 1] & 1 == 0 {
            return None;
        }
        let square = (BigUint::from(1_u32) << (2 * LIMBS * BITS)) % BigUint::from_bytes_be(modulus);
        let mut r_squared = [0; BYTES];
        let bytes = square.to_bytes_be();
        r_squared[BYTES - bytes.len()..].copy_from_slice(&bytes);
        let n = from_bytes(modulus);
        // Each step doubles the bits that are right (Newton); an odd number is its own inverse
        // modulo 8.
        let inverse = (0..4).fold(n[0], |inverse, _| {
            inverse.wrapping_mul(2_u32.wrapping_sub(n[0].wrapping_mul(inverse)))
        });
        let negative_inverse = low(u64::from(inverse.wrapping_neg()));
        Some(Self { n, r_squared: from_bytes(&r_squared), negative_inverse })
    }

    /// s^65537 mod n; `None` when s is not below n (RFC 8017, section 5.2.2).
    #[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128"))]
    pub fn power(&self, s: &[u8; BYTES]) -> Option<[u8; BYTES]> {
        let s = from_bytes(s);
        if !is_below(&s, &self.n) {
            return None;
        }
        let mut power = self.product(&s, &self.r_squared);
        for _ in 0..SQUARINGS {
            power = self.square(&power);
        }
        // The last factor is not in Montgomery's form, so the product is not either.
        let mut result = self.product(&power, &s);
        if !is_below(&result, &self.n) {
            result = difference(&result, &self.n);
        }
        Some(to_bytes(&result))
    }

    /// a · b / R mod n, below 2n.
    #[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128"))]
    fn product(&self, a: &Number, b: &Number) -> Number {
        let mut columns = [0; 2 * LIMBS];
        for i in (0..LIMBS).step_by(2) {
            add_two_multiples(&mut columns[i..=i + LIMBS], [a[i], a[i + 1]], b);
        }
        self.reduce(&mut columns)
    }

    /// a² / R mod n, below 2n. Products of two different limbs are added once, doubled.
    #[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128"))]
    fn square(&self, a: &Number) -> Number {
        let mut columns = [0; 2 * LIMBS];
        for i in (0..LIMBS).step_by(2) {
            let [one, two] = [a[i], a[i + 1]];
            columns[2 * i] += wide(one, one);
            columns[2 * i + 1] += wide(2 * one, two);
            columns[2 * i + 2] += wide(two, two);
            // The rest of both rows lies in the same columns, one apart.
            add_two_multiples(&mut columns[2 * i + 2..=i + LIMBS], [2 * one, 2 * two], &a[i + 2..]);
        }
        self.reduce(&mut columns)
    }

    /// Adds the multiple of n that makes the lower half zero, and drops that half.
    #[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128"))]
    fn reduce(&self, columns: &mut Columns) -> Number {
        for i in (0..LIMBS).step_by(2) {
            let one = self.factor(columns[i]);
            // What the first row brings into the second column has to be known first.
            let carry = (columns[i] + wide(one, self.n[0])) >> BITS;
            let two = self.factor(columns[i + 1] + wide(one, self.n[1]) + carry);
            add_two_multiples(&mut columns[i..=i + LIMBS], [one, two], &self.n);
            columns[i + 1] += carry;
            columns[i + 2] += columns[i + 1] >> BITS;
        }
        let mut number = [0; LIMBS];
        let mut carry = 0;
        for (limb, column) in number.iter_mut().zip(&columns[LIMBS..]) {
            let sum = column + carry;
            *limb = low(sum);
            carry = sum >> BITS;
        }
        debug_assert_eq!(carry, 0, "the result is below 2n");
        number
    }

    /// The multiple of n that makes a column's lowest 28 bits zero.
    fn factor(&self, column: u64) -> u32 {
        low(wide(low(column), self.negative_inverse))
    }
}

/// columns += (one + two · 2^28) · number, without carries: two rows at a time, so that a
/// column is read and written half as often.
#[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128"))]
fn add_two_multiples(columns: &mut [u64], [one, two]: [u32; 2], number: &[u32]) {
    let [first, .., last] = number else { return };
    let [lowest, between @ .., highest] = columns else { return };
    *lowest += wide(one, *first);
    for ((column, limb), lower) in between.iter_mut().zip(&number[1..]).zip(number) {
        *column += wide(one, *limb) + wide(two, *lower);
    }
    *highest += wide(two, *last);
}

fn wide(a: u32, b: u32) -> u64 {
    u64::from(a) * u64::from(b)
}

/// The lowest 28 bits.
fn low(value: u64) -> u32 {
    (value & MASK) as u32
}

fn is_below(a: &Number, b: &Number) -> bool {
    a.iter().rev().lt(b.iter().rev())
}

/// a - b, for b not above a.
fn difference(a: &Number, b: &Number) -> Number {
    let mut result = [0; LIMBS];
    let mut borrow = 0;
    for ((limb, a), b) in result.iter_mut().zip(a).zip(b) {
        let value = u64::from(*a).wrapping_sub(u64::from(*b) + borrow);
        *limb = low(value);
        borrow = value >> 63;
    }
    result
}

fn from_bytes(bytes: &[u8; BYTES]) -> Number {
    let mut number = [0; LIMBS];
    let (mut bits, mut count, mut next) = (0_u64, 0, 0);
    for byte in bytes.iter().rev() {
        bits |= u64::from(*byte) << count;
        count += 8;
        if count >= BITS {
            number[next] = low(bits);
            next += 1;
            bits >>= BITS;
            count -= BITS;
        }
    }
    number[next] = low(bits);
    number
}

/// The number must be below 2^2048.
fn to_bytes(number: &Number) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    let (mut bits, mut count) = (0_u64, 0);
    let mut limbs = number.iter();
    for byte in bytes.iter_mut().rev() {
        if count < 8 {
            bits |= u64::from(limbs.next().copied().unwrap_or(0)) << count;
            count += BITS;
        }
        *byte = bits.to_le_bytes()[0];
        bits >>= 8;
        count -= 8;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(modulus: &[u8], s: &[u8]) -> Vec<u8> {
        let (n, s) = (BigUint::from_bytes_be(modulus), BigUint::from_bytes_be(s));
        let power = s.modpow(&BigUint::from(65_537_u32), &n).to_bytes_be();
        [vec![0; BYTES - power.len()], power].concat()
    }

    fn bytes(number: &BigUint) -> [u8; BYTES] {
        let bytes = number.to_bytes_be();
        let mut whole = [0; BYTES];
        whole[BYTES - bytes.len()..].copy_from_slice(&bytes);
        whole
    }

    #[test]
    fn edges_are_computed_right() {
        let two = BigUint::from(2_u32);
        let one = BigUint::from(1_u32);
        let top: BigUint = &one << 2048;
        // The largest and the smallest modulus, sparse and dense ones.
        let moduli = [
            &top - 1_u32,
            (&one << 2047) + 1_u32,
            &top - (&one << 1024) + 1_u32,
            &top - 189_u32,
            (&one << 2047) + (&one << 28) - 1_u32,
        ];
        for n in &moduli {
            let modulus = Modulus::new(&bytes(n)).unwrap();
            let numbers = [
                BigUint::ZERO,
                one.clone(),
                two.clone(),
                n - 1_u32,
                n - 2_u32,
                n / 2_u32,
                (&one << 2047) - 1_u32,
                (&one << 28) - 1_u32,
                &one << 28,
                n.sqrt(),
            ];
            for s in numbers.iter().filter(|s| *s < n) {
                let s = bytes(s);
                assert_eq!(modulus.power(&s).unwrap().to_vec(), reference(&bytes(n), &s));
            }
            for above in [n.clone(), n + 1_u32, &top - 1_u32] {
                if &above >= n && above < top {
                    assert_eq!(modulus.power(&bytes(&above)), None);
                }
            }
        }
    }

    #[test]
    fn only_odd_moduli_of_2048_bits_are_taken() {
        let top: BigUint = BigUint::from(1_u32) << 2048;
        assert!(Modulus::new(&bytes(&(&top - 1_u32))).is_some());
        assert!(Modulus::new(&bytes(&(&top - 2_u32))).is_none());
        assert!(Modulus::new(&bytes(&((&top >> 1) - 1_u32))).is_none());
        assert!(Modulus::new(&(&top + 1_u32).to_bytes_be()).is_none());
        assert!(Modulus::new(&[]).is_none());
    }

    #[test]
    fn bytes_survive_the_way_through_limbs() {
        let mut bytes = [0; BYTES];
        for round in 0_u32..64 {
            for (index, byte) in bytes.iter_mut().enumerate() {
                let index = u32::try_from(index).unwrap();
                *byte = (index.wrapping_mul(2_654_435_761).wrapping_add(round * 97) >> 13)
                    .to_le_bytes()[0];
            }
            assert_eq!(to_bytes(&from_bytes(&bytes)), bytes);
        }
    }
}
