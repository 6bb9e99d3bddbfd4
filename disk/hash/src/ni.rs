//! SHA-1 with the CPU's own instructions, two to six messages interleaved. One message leaves the unit waiting for
//! its own last result most of the time; from about five on it is never idle.
//!
//! Plain loops, and no closures given to `core`: what is compiled with a CPU feature is not inlined where that feature
//! is not given.

use core::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_extract_epi32, _mm_loadu_si128, _mm_set_epi32, _mm_set_epi64x,
    _mm_setzero_si128, _mm_sha1msg1_epu32, _mm_sha1msg2_epu32, _mm_sha1nexte_epu32, _mm_sha1rnds4_epu32,
    _mm_shuffle_epi8, _mm_xor_si128,
};

use crate::states::{BLOCK, Blocks, States};

/// Proof that the CPU has the SHA instructions: only [`Ni::detect`] makes one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ni(());

impl Ni {
    /// The most messages that are interleaved. With more the unit is no busier, and the registers do not suffice.
    pub(crate) const LANES: usize = 6;

    /// Asks the CPU.
    pub(crate) fn detect() -> Option<Ni> {
        let found = is_x86_feature_detected!("sha")
            && is_x86_feature_detected!("sse2")
            && is_x86_feature_detected!("ssse3")
            && is_x86_feature_detected!("sse4.1");
        found.then_some(Ni(()))
    }

    /// Advances the first lanes of `states`, one for each of `runs` (2 to [`Ni::LANES`] of them, equally long).
    pub(crate) fn compress(self, states: &mut States, runs: &[Blocks<'_>]) {
        // SAFETY: the functions want only the features that `detect` has found, or there would be no `self`.
        unsafe {
            match *runs {
                [a, b] => compress(states, [a, b]),
                [a, b, c] => compress(states, [a, b, c]),
                [a, b, c, d] => compress(states, [a, b, c, d]),
                [a, b, c, d, e] => compress(states, [a, b, c, d, e]),
                [a, b, c, d, e, f] => compress(states, [a, b, c, d, e, f]),
                _ => unreachable!("2 to 6 lanes"),
            }
        }
    }
}

/// One message within a block.
#[derive(Clone, Copy)]
struct Lane {
    /// Words a to d, a in the highest place.
    abcd: __m128i,
    /// Word e in the highest place; behind the first four rounds, the `abcd` before the last four, of which the
    /// instructions make the next e.
    e: __m128i,
    /// The last sixteen words of the message schedule, four a register.
    w: [__m128i; 4],
}

/// The whole function over all blocks of `runs`, of which each is equally long.
#[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
fn compress<const N: usize>(states: &mut States, runs: [Blocks<'_>; N]) {
    let zero = _mm_setzero_si128();
    let mut lanes = [Lane { abcd: zero, e: zero, w: [zero; 4] }; N];
    for (n, lane) in lanes.iter_mut().enumerate() {
        let [a, b, c, d, e] = states.get(n).map(u32::cast_signed);
        lane.abcd = _mm_set_epi32(a, b, c, d);
        lane.e = _mm_set_epi32(e, 0, 0, 0);
    }
    // Unrolled by hand: a loop would leave the schedule in memory and choose the round function at run time.
    macro_rules! rounds {
        ($f:literal, $at:ident: $($group:literal)*) => {$(
            for (lane, run) in lanes.iter_mut().zip(runs) {
                four_rounds::<$f>(lane, $group, &run[$at]);
            }
        )*};
    }
    for at in 0..runs[0].len() {
        let before = lanes;
        rounds!(0, at: 0 1 2 3 4);
        rounds!(1, at: 5 6 7 8 9);
        rounds!(2, at: 10 11 12 13 14);
        rounds!(3, at: 15 16 17 18 19);
        for (lane, before) in lanes.iter_mut().zip(before) {
            lane.abcd = _mm_add_epi32(lane.abcd, before.abcd);
            lane.e = _mm_sha1nexte_epu32(lane.e, before.e);
        }
    }
    for (n, lane) in lanes.iter().enumerate() {
        let state = [
            _mm_extract_epi32::<3>(lane.abcd),
            _mm_extract_epi32::<2>(lane.abcd),
            _mm_extract_epi32::<1>(lane.abcd),
            _mm_extract_epi32::<0>(lane.abcd),
            _mm_extract_epi32::<3>(lane.e),
        ];
        states.set(n, state.map(i32::cast_unsigned));
    }
}

/// Four rounds of one message, the `group`-th four of its block, with round function `F`.
#[inline]
#[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
fn four_rounds<const F: i32>(lane: &mut Lane, group: usize, block: &[u8; BLOCK]) {
    let w = &mut lane.w;
    let i = group % 4;
    if group < 4 {
        w[i] = load_words(block, i);
    } else {
        let mixed = _mm_xor_si128(_mm_sha1msg1_epu32(w[i], w[(i + 1) % 4]), w[(i + 2) % 4]);
        w[i] = _mm_sha1msg2_epu32(mixed, w[(i + 3) % 4]);
    }
    let e = if group == 0 { _mm_add_epi32(lane.e, w[i]) } else { _mm_sha1nexte_epu32(lane.e, w[i]) };
    lane.e = lane.abcd;
    lane.abcd = _mm_sha1rnds4_epu32::<F>(lane.abcd, e);
}

/// The `quarter`-th four words of a block, the first in the highest place.
#[inline]
#[target_feature(enable = "sse2,ssse3")]
fn load_words(block: &[u8; BLOCK], quarter: usize) -> __m128i {
    let bytes: &[u8; 16] = &block.as_chunks().0[quarter];
    // SAFETY: the reference is to 16 readable bytes, and this load wants no alignment.
    let words = unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) };
    _mm_shuffle_epi8(words, _mm_set_epi64x(0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f))
}
