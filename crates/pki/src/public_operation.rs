//! The RSA public-key operation, s^65537 mod n, for keys of 2048 bits: public data only, so
//! nothing here has to take the same time for every input.
//!
//! It stands beside the library because the library takes several times as long in
//! WebAssembly (docs/performance.md says how much, and why this is safe). It computes one
//! number. What a valid signature is, is decided by its caller, who compares the whole
//! encoding. Tests compare it with two libraries.
//!
//! Numbers are 42 limbs of 50 bits, the least significant first. Two limbs are multiplied by
//! fused multiplications and additions of binary64, which round once (N. Emmart, F. Zheng and
//! C. Weems, Faster Modular Exponentiation Using Double Precision Floating Point Arithmetic on
//! the GPU, ARITH 2018): added to 2^102, the product is rounded to a multiple of 2^50, and the
//! second one gives what is left. Both results are whole numbers in the fraction of a float
//! whose exponent is known, so that the bits of floats are summed as integers; what the
//! exponents add up to is known for each column beforehand. No column sums up more than 4 · 42
//! numbers below 2^52, and carries wait until the end. R = 2^2100 is more than 4n, so that
//! Montgomery products of numbers below 2n stay below 2n without a subtraction (C. Walter, 1999).

use std::array::{from_mut, from_ref};
use std::num::Wrapping;

use num_bigint::BigUint;

use lanes::Two;

const BITS: usize = 50;
const MASK: i64 = (1 << BITS) - 1;
/// Limbs of a number: 2048 bits and 52 to spare.
const LIMBS: usize = 42;
const PAIRS: usize = LIMBS / 2;
/// Pairs that a number reaches into, shifted by one limb or not.
const ROW: usize = PAIRS + 1;
/// Bytes of a modulus, a signature and a result.
pub const BYTES: usize = 256;
/// The exponent is 2 to this power, plus one.
const SQUARINGS: usize = 16;

/// A sum with it is rounded to a multiple of 2^50, for products below 2^102.
const HIGH: f64 = (1_u128 << 102) as f64;
/// A sum of it and a whole number of at most 2^50, of either sign, is exact, and has its exponent.
const LOW: f64 = (3_u64 << 51) as f64;
const HIGH_BITS: Wrapping<i64> = Wrapping(HIGH.to_bits().cast_signed());
const LOW_BITS: Wrapping<i64> = Wrapping(LOW.to_bits().cast_signed());

type Number = [i64; LIMBS];

/// A modulus, with what can be computed once.
#[derive(Clone, Debug)]
pub struct Modulus {
    n: Number,
    rows: Rows,
    /// R² mod n.
    r_squared: Number,
    /// -n^-1 mod 2^50.
    negative_inverse: Wrapping<i64>,
}

/// A number's limbs in pairs, and once more shifted up by one limb.
#[derive(Clone, Debug)]
struct Rows {
    even: [Two; ROW],
    odd: [Two; ROW],
}

/// Columns of a product and its reduction in pairs, before carries. The upper halves of products
/// lie beside the lower ones, in `high`: they belong to the column above.
struct Columns {
    low: [Two; 2 * PAIRS],
    high: [Two; 2 * PAIRS],
}

impl Modulus {
    /// `None` unless the number is odd and has exactly 2048 bits; also where multiplication and
    /// addition are not fused (WebAssembly leaves that to the machine).
    pub fn new(modulus: &[u8]) -> Option<Self> {
        let modulus: &[u8; BYTES] = modulus.try_into().ok()?;
        if modulus[0] & 0x80 == 0 || modulus[BYTES - 1] & 1 == 0 || !is_fused() {
            return None;
        }
        let square = (BigUint::from(1_u32) << (2 * LIMBS * BITS)) % BigUint::from_bytes_be(modulus);
        let mut r_squared = [0; BYTES];
        let bytes = square.to_bytes_be();
        r_squared[BYTES - bytes.len()..].copy_from_slice(&bytes);
        let n = from_bytes(modulus);
        // Each step doubles the bits that are right (Newton); an odd number is its own inverse
        // modulo 8.
        let lowest = Wrapping(n[0]);
        let inverse = (0..5).fold(lowest, |inverse, _| inverse * (Wrapping(2) - lowest * inverse));
        let rows = Rows::new(&n);
        Some(Self { n, rows, r_squared: from_bytes(&r_squared), negative_inverse: -inverse })
    }

    /// s^65537 mod n; `None` when s is not below n (RFC 8017, section 5.2.2).
    #[cfg_attr(target_arch = "wasm32", target_feature(enable = "relaxed-simd"))]
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
    #[cfg_attr(target_arch = "wasm32", target_feature(enable = "relaxed-simd"))]
    fn product(&self, a: &Number, b: &Number) -> Number {
        const START: [[i64; 2]; 2 * PAIRS] = start(false);
        let mut columns = Columns::new(&START);
        let b = Rows::new(b);
        for (pair, limbs) in a.chunks_exact(2).enumerate() {
            let [one, two] = [lanes::splat(limbs[0] as f64), lanes::splat(limbs[1] as f64)];
            columns.add_two_rows(pair, one, two, &b.even, &b.odd);
        }
        self.reduce(&mut columns)
    }

    /// a² / R mod n, below 2n. Products of two different limbs are added once, doubled.
    #[cfg_attr(target_arch = "wasm32", target_feature(enable = "relaxed-simd"))]
    fn square(&self, a: &Number) -> Number {
        const START: [[i64; 2]; 2 * PAIRS] = start(true);
        let mut columns = Columns::new(&START);
        let Rows { even, odd } = Rows::new(a);
        for (pair, limbs) in a.chunks_exact(2).enumerate() {
            let [one, two] = [limbs[0] as f64, limbs[1] as f64];
            // The squares of both are where the rows begin, and stay single.
            columns.add(2 * pair, lanes::pair(one, 2.0 * one), even[pair]);
            columns.add(2 * pair + 1, lanes::pair(two, 2.0 * two), odd[pair + 1]);
            let [one, two] = [lanes::splat(2.0 * one), lanes::splat(2.0 * two)];
            columns.add(2 * pair + 1, one, even[pair + 1]);
            let next = pair + 2;
            columns.add_two_rows(pair + next, one, two, &even[next..], &odd[next..]);
        }
        self.reduce(&mut columns)
    }

    /// Adds the multiple of n that makes the lower half zero, and drops that half.
    #[cfg_attr(target_arch = "wasm32", target_feature(enable = "relaxed-simd"))]
    fn reduce(&self, columns: &mut Columns) -> Number {
        let Rows { even, odd } = &self.rows;
        let mut carry = Wrapping(0);
        for pair in 0..PAIRS {
            // What this pair's own two rows add to the exponents is missing still.
            let [lower, _] = columns.low(pair);
            let one = self.factor(lower + LOW_BITS + LOW_BITS + carry);
            columns.add(pair, one, even[0]);
            let ([lower, upper], [above, _]) = (columns.low(pair), columns.high(pair));
            let carried = (lower + LOW_BITS + carry) >> BITS;
            // The first row is part of the second column now.
            let two = self.factor(upper + LOW_BITS + above + HIGH_BITS + carried);
            columns.add(pair, two, odd[0]);
            let ([_, upper], [above, highest]) = (columns.low(pair), columns.high(pair));
            carry = highest + ((upper + above + carried) >> BITS);
            columns.add_two_rows(pair + 1, one, two, &even[1..], &odd[1..]);
        }
        let mut number = [0; LIMBS];
        for (pair, limbs) in number.chunks_exact_mut(2).enumerate() {
            let [lower, upper] = columns.low(PAIRS + pair);
            let [above, highest] = columns.high(PAIRS + pair);
            let lower = lower + carry;
            let upper = upper + above + (lower >> BITS);
            limbs.copy_from_slice(&[lower.0 & MASK, upper.0 & MASK]);
            carry = highest + (upper >> BITS);
        }
        debug_assert_eq!(carry.0, 0, "the result is below 2n");
        number
    }

    /// The multiple of n that makes a column's lowest 50 bits zero.
    #[cfg_attr(target_arch = "wasm32", target_feature(enable = "relaxed-simd"))]
    fn factor(&self, column: Wrapping<i64>) -> Two {
        lanes::splat(((column * self.negative_inverse).0 & MASK) as f64)
    }
}

impl Rows {
    #[cfg_attr(target_arch = "wasm32", target_feature(enable = "relaxed-simd"))]
    fn new(number: &Number) -> Self {
        let mut padded = [0.0; LIMBS + 3];
        for (limb, from) in padded[1..].iter_mut().zip(number) {
            *limb = *from as f64;
        }
        let row = |shift: usize| {
            let mut row = [lanes::splat(0.0); ROW];
            for (two, limbs) in row.iter_mut().zip(padded[shift..].chunks_exact(2)) {
                *two = lanes::pair(limbs[0], limbs[1]);
            }
            row
        };
        Self { even: row(1), odd: row(0) }
    }
}

impl Columns {
    #[cfg_attr(target_arch = "wasm32", target_feature(enable = "relaxed-simd"))]
    fn new(start: &[[i64; 2]; 2 * PAIRS]) -> Self {
        let nothing = [lanes::bits(0); 2 * PAIRS];
        let mut columns = Self { high: nothing, low: nothing };
        for (pair, [high, low]) in start.iter().enumerate() {
            columns.high[pair] = lanes::bits(*high);
            columns.low[pair] = lanes::bits(*low);
        }
        columns
    }

    /// Adds the products of two limbs each.
    #[cfg_attr(target_arch = "wasm32", target_feature(enable = "relaxed-simd"))]
    fn add(&mut self, pair: usize, a: Two, b: Two) {
        let [high, low] = halves(a, b);
        self.high[pair] = lanes::sum(self.high[pair], high);
        self.low[pair] = lanes::sum(self.low[pair], low);
    }

    /// Adds a multiple of an even row and one of an odd row, from this pair on: two rows at a
    /// time, so that a column is read and written half as often.
    #[cfg_attr(target_arch = "wasm32", target_feature(enable = "relaxed-simd"))]
    fn add_two_rows(&mut self, pair: usize, one: Two, two: Two, even: &[Two], odd: &[Two]) {
        let (high, high_rest) = self.high[pair..][..even.len()].as_chunks_mut::<FEW>();
        let (low, low_rest) = self.low[pair..][..even.len()].as_chunks_mut::<FEW>();
        let (even, even_rest) = even.as_chunks::<FEW>();
        let (odd, odd_rest) = odd.as_chunks::<FEW>();
        for (((high, low), even), odd) in high.iter_mut().zip(low).zip(even).zip(odd) {
            add_few([one, two], high, low, even, odd);
        }
        for (((high, low), even), odd) in
            high_rest.iter_mut().zip(low_rest).zip(even_rest).zip(odd_rest)
        {
            add_few([one, two], from_mut(high), from_mut(low), from_ref(even), from_ref(odd));
        }
    }

    #[cfg_attr(target_arch = "wasm32", target_feature(enable = "relaxed-simd"))]
    fn high(&self, pair: usize) -> [Wrapping<i64>; 2] {
        lanes::integers(self.high[pair])
    }

    #[cfg_attr(target_arch = "wasm32", target_feature(enable = "relaxed-simd"))]
    fn low(&self, pair: usize) -> [Wrapping<i64>; 2] {
        lanes::integers(self.low[pair])
    }
}

/// So many pairs between two jumps back: at each the host looks whether time is up, and registers
/// are given up.
const FEW: usize = 7;

/// The same for a few pairs.
#[cfg_attr(target_arch = "wasm32", target_feature(enable = "relaxed-simd"))]
fn add_few<const N: usize>(
    [one, two]: [Two; 2],
    high: &mut [Two; N],
    low: &mut [Two; N],
    even: &[Two; N],
    odd: &[Two; N],
) {
    for pair in 0..N {
        let [one_high, one_low] = halves(one, even[pair]);
        let [two_high, two_low] = halves(two, odd[pair]);
        high[pair] = lanes::sum(high[pair], lanes::sum(one_high, two_high));
        low[pair] = lanes::sum(low[pair], lanes::sum(one_low, two_low));
    }
}

/// What columns begin with, high and low: the opposite of what the exponents will add up to
/// until all rows of a product or a square, and of its reduction, are there.
const fn start(square: bool) -> [[i64; 2]; 2 * PAIRS] {
    let mut start = [[0_i64; 2]; 2 * PAIRS];
    let mut pair = 0;
    while pair < PAIRS {
        let mut place = 0;
        while place < ROW {
            // Two rows of a reduction, and of a product; a square has only what follows its
            // diagonal.
            let rows = match place {
                _ if !square || place > pair => 4,
                _ if place == pair => 3,
                _ => 2,
            };
            let [high, low] = start[pair + place];
            start[pair + place] = [
                high.wrapping_sub(HIGH_BITS.0.wrapping_mul(rows)),
                low.wrapping_sub(LOW_BITS.0.wrapping_mul(rows)),
            ];
            place += 1;
        }
        pair += 1;
    }
    start
}

/// a · b = high · 2^50 + low, each in the bits of a float: `HIGH`'s plus high, and `LOW`'s plus low.
#[cfg_attr(target_arch = "wasm32", target_feature(enable = "relaxed-simd"))]
fn halves(a: Two, b: Two) -> [Two; 2] {
    let high = lanes::fused(a, b, lanes::splat(HIGH));
    let rest = lanes::difference(lanes::splat(HIGH + LOW), high);
    [high, lanes::fused(a, b, rest)]
}

/// Whether `lanes::fused` rounds once.
#[cfg_attr(target_arch = "wasm32", target_feature(enable = "relaxed-simd"))]
fn is_fused() -> bool {
    let [a, b] = [MASK, MASK - 2].map(std::hint::black_box);
    let [high, low] = halves(lanes::splat(a as f64), lanes::splat(b as f64));
    let ([high, _], [low, _]) = (lanes::integers(high), lanes::integers(low));
    let [high, low] = [high - HIGH_BITS, low - LOW_BITS];
    i128::from(high.0) * (1 << BITS) + i128::from(low.0) == i128::from(a) * i128::from(b)
}

fn is_below(a: &Number, b: &Number) -> bool {
    a.iter().rev().lt(b.iter().rev())
}

/// a - b, for b not above a.
fn difference(a: &Number, b: &Number) -> Number {
    let mut result = [0; LIMBS];
    let mut borrow = 0;
    for ((limb, a), b) in result.iter_mut().zip(a).zip(b) {
        let value = a - b + borrow;
        *limb = value & MASK;
        borrow = value >> BITS;
    }
    result
}

fn from_bytes(bytes: &[u8; BYTES]) -> Number {
    let mut number = [0; LIMBS];
    let (mut bits, mut count, mut next) = (0, 0, 0);
    for byte in bytes.iter().rev() {
        bits |= i64::from(*byte) << count;
        count += 8;
        if count >= BITS {
            number[next] = bits & MASK;
            next += 1;
            bits >>= BITS;
            count -= BITS;
        }
    }
    number[next] = bits;
    number
}

/// The number must be below 2^2048.
fn to_bytes(number: &Number) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    let (mut bits, mut count) = (0, 0);
    let mut limbs = number.iter();
    for byte in bytes.iter_mut().rev() {
        if count < 8 {
            bits |= limbs.next().copied().unwrap_or(0) << count;
            count += BITS;
        }
        *byte = bits.to_le_bytes()[0];
        bits >>= 8;
        count -= 8;
    }
    bytes
}

/// Two numbers of 64 bits: floats, or integers that are the bits of floats.
#[cfg(target_arch = "wasm32")]
mod lanes {
    use std::arch::wasm32::{
        f64x2, f64x2_relaxed_madd, f64x2_splat, f64x2_sub, i64x2_add, i64x2_extract_lane,
        i64x2_splat, v128,
    };
    use std::num::Wrapping;

    pub type Two = v128;

    #[target_feature(enable = "relaxed-simd")]
    pub fn splat(float: f64) -> Two {
        f64x2_splat(float)
    }

    #[target_feature(enable = "relaxed-simd")]
    pub fn pair(first: f64, second: f64) -> Two {
        f64x2(first, second)
    }

    #[target_feature(enable = "relaxed-simd")]
    pub fn bits(both: i64) -> Two {
        i64x2_splat(both)
    }

    #[target_feature(enable = "relaxed-simd")]
    pub fn integers(two: Two) -> [Wrapping<i64>; 2] {
        [Wrapping(i64x2_extract_lane::<0>(two)), Wrapping(i64x2_extract_lane::<1>(two))]
    }

    /// a · b + c of floats, where the machine can rounded once.
    #[target_feature(enable = "relaxed-simd")]
    pub fn fused(a: Two, b: Two, c: Two) -> Two {
        f64x2_relaxed_madd(a, b, c)
    }

    /// a - b of floats.
    #[target_feature(enable = "relaxed-simd")]
    pub fn difference(a: Two, b: Two) -> Two {
        f64x2_sub(a, b)
    }

    /// a + b of integers.
    #[target_feature(enable = "relaxed-simd")]
    pub fn sum(a: Two, b: Two) -> Two {
        i64x2_add(a, b)
    }
}

/// The same without vectors.
#[cfg(not(target_arch = "wasm32"))]
mod lanes {
    use std::num::Wrapping;

    #[derive(Clone, Copy, Debug)]
    pub struct Two([u64; 2]);

    impl Two {
        fn floats(self) -> [f64; 2] {
            self.0.map(f64::from_bits)
        }
    }

    pub fn splat(float: f64) -> Two {
        pair(float, float)
    }

    pub fn pair(first: f64, second: f64) -> Two {
        Two([first, second].map(f64::to_bits))
    }

    pub fn bits(both: i64) -> Two {
        Two([both.cast_unsigned(); 2])
    }

    pub fn integers(two: Two) -> [Wrapping<i64>; 2] {
        two.0.map(|bits| Wrapping(bits.cast_signed()))
    }

    /// a · b + c of floats, rounded once.
    pub fn fused(a: Two, b: Two, c: Two) -> Two {
        let ([a, b], [c, d], [e, f]) = (a.floats(), b.floats(), c.floats());
        pair(a.mul_add(c, e), b.mul_add(d, f))
    }

    /// a - b of floats.
    pub fn difference(a: Two, b: Two) -> Two {
        let ([a, b], [c, d]) = (a.floats(), b.floats());
        pair(a - c, b - d)
    }

    /// a + b of integers.
    pub fn sum(a: Two, b: Two) -> Two {
        let ([a, b], [c, d]) = (a.0, b.0);
        Two([a.wrapping_add(c), b.wrapping_add(d)])
    }
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
            (&one << 2047) + (&one << 50) - 1_u32,
            &top - (&one << 2000) - 1_u32,
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
                (&one << 50) - 1_u32,
                &one << 50,
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
