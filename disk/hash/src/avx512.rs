//! SHA-1 in the lanes of AVX-512 registers: sixteen messages, one word of each a register.
//!
//! Plain loops, and no closures given to `core`: what is compiled with a CPU feature is not inlined where that feature
//! is not given.

use core::arch::x86_64::{
    __m512i, _MM_HINT_T0, _mm_prefetch, _mm_set_epi64x, _mm512_add_epi32, _mm512_broadcast_i32x4,
    _mm512_loadu_si512, _mm512_rol_epi32, _mm512_set1_epi32, _mm512_setzero_si512, _mm512_shuffle_epi8,
    _mm512_shuffle_i32x4, _mm512_storeu_si512, _mm512_ternarylogic_epi32, _mm512_unpackhi_epi32,
    _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64, _mm512_xor_si512,
};
use core::hint::black_box;

use crate::states::{BLOCK, Blocks, LANES, States};

/// What is added in rounds 0, 20, 40, 60 and the nineteen behind each (FIPS 180-4, 4.2.1).
const K: [u32; 4] = [0x5A82_7999, 0x6ED9_EBA1, 0x8F1B_BCDC, 0xCA62_C1D6];

/// The round functions as truth tables over b, c, d, and the exclusive or of three words.
const CHOOSE: i32 = 0xCA;
const PARITY: i32 = 0x96;
const MAJORITY: i32 = 0xE8;

/// How many blocks ahead of use memory is fetched: sixteen streams are more than the CPU foresees by itself, and pieces
/// tend to lie at equal offsets of their pages, where they crowd each other out of the cache. Fetching never faults.
const AHEAD: usize = 16;

/// Proof that the CPU has what this file's functions want: only [`Avx512::detect`] makes one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx512(());

impl Avx512 {
    /// Messages that go together. Fewer take as long.
    pub(crate) const LANES: usize = LANES;

    /// Asks the CPU.
    pub(crate) fn detect() -> Option<Avx512> {
        let found = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
        found.then_some(Avx512(()))
    }

    /// Advances the first lanes of `states`, one for each of `runs` (1 to 16 of them, equally long). What the other
    /// lanes hold is lost.
    pub(crate) fn compress(self, states: &mut States, runs: &[Blocks<'_>]) {
        let runs = core::array::from_fn(|lane| *runs.get(lane).unwrap_or(&runs[0]));
        // SAFETY: the function wants only the features that `detect` has found, or there would be no `self`.
        unsafe { compress(states, runs) }
    }
}

/// The whole function over all blocks of `runs`, of which each is equally long.
#[target_feature(enable = "avx512f,avx512bw")]
fn compress(states: &mut States, runs: [Blocks<'_>; LANES]) {
    // Where the compiler knows the constants it adds them last, where every cycle counts, and not first, where it
    // has time: a tenth of the speed.
    let k = black_box([
        _mm512_set1_epi32(K[0].cast_signed()),
        _mm512_set1_epi32(K[1].cast_signed()),
        _mm512_set1_epi32(K[2].cast_signed()),
        _mm512_set1_epi32(K[3].cast_signed()),
    ]);
    let mut s = [_mm512_setzero_si512(); 5];
    for (word, place) in s.iter_mut().zip(&states.words) {
        *word = load_state(place);
    }
    // Unrolled by hand: a loop would leave the schedule in memory.
    macro_rules! rounds {
        ($f:ident, $w:ident: $($t:literal)*) => {$(
            s = round::<$f>(s, &mut $w, k[$t / 20], $t);
        )*};
    }
    for at in 0..runs[0].len() {
        let mut w = [_mm512_setzero_si512(); LANES];
        for (block, run) in w.iter_mut().zip(runs) {
            *block = load_block(&run[at]);
            _mm_prefetch::<_MM_HINT_T0>(run.as_ptr().wrapping_add(at + AHEAD).cast());
        }
        transpose(&mut w);
        let before = s;
        rounds!(CHOOSE, w: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19);
        rounds!(PARITY, w: 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39);
        rounds!(MAJORITY, w: 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59);
        rounds!(PARITY, w: 60 61 62 63 64 65 66 67 68 69 70 71 72 73 74 75 76 77 78 79);
        for (word, before) in s.iter_mut().zip(before) {
            *word = _mm512_add_epi32(*word, before);
        }
    }
    for (place, word) in states.words.iter_mut().zip(s) {
        store_state(place, word);
    }
}

/// Round `t` of all lanes with round function `F`; makes the schedule's word `t`, where it is not the message's, in
/// place of word `t - 16`.
#[inline]
#[target_feature(enable = "avx512f")]
fn round<const F: i32>(s: [__m512i; 5], w: &mut [__m512i; 16], k: __m512i, t: usize) -> [__m512i; 5] {
    let [a, b, c, d, e] = s;
    let i = t % 16;
    if t >= 16 {
        let old = _mm512_ternarylogic_epi32::<PARITY>(w[i], w[(i + 2) % 16], w[(i + 8) % 16]);
        w[i] = _mm512_rol_epi32::<1>(_mm512_xor_si512(old, w[(i + 13) % 16]));
    }
    let early = _mm512_add_epi32(e, _mm512_add_epi32(w[i], k));
    let later = _mm512_add_epi32(early, _mm512_ternarylogic_epi32::<F>(b, c, d));
    let new = _mm512_add_epi32(later, _mm512_rol_epi32::<5>(a));
    [new, a, _mm512_rol_epi32::<30>(b), c, d]
}

/// From a block a register to a word a register: behind it `w[i]` holds word *i* of each block, read as big-endian.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn transpose(w: &mut [__m512i; 16]) {
    const EVEN: i32 = 0b10_00_10_00;
    const ODD: i32 = 0b11_01_11_01;
    let swap = _mm512_broadcast_i32x4(_mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203));
    // Within each 128-bit quarter, four blocks at a time: `four[j]` of the g-th four then holds in quarter q the word
    // 4q + j of blocks 4g to 4g + 3.
    for four in w.as_chunks_mut::<4>().0 {
        let [r0, r1, r2, r3] = *four;
        let (low01, high01) = (_mm512_unpacklo_epi32(r0, r1), _mm512_unpackhi_epi32(r0, r1));
        let (low23, high23) = (_mm512_unpacklo_epi32(r2, r3), _mm512_unpackhi_epi32(r2, r3));
        *four = [
            _mm512_unpacklo_epi64(low01, low23),
            _mm512_unpackhi_epi64(low01, low23),
            _mm512_unpacklo_epi64(high01, high23),
            _mm512_unpackhi_epi64(high01, high23),
        ];
    }
    // Then whole quarters change places, so that word 4q + j collects quarter q of the j-th of each four.
    for j in 0..4 {
        let even01 = _mm512_shuffle_i32x4::<EVEN>(w[j], w[4 + j]);
        let even23 = _mm512_shuffle_i32x4::<EVEN>(w[8 + j], w[12 + j]);
        let odd01 = _mm512_shuffle_i32x4::<ODD>(w[j], w[4 + j]);
        let odd23 = _mm512_shuffle_i32x4::<ODD>(w[8 + j], w[12 + j]);
        w[j] = _mm512_shuffle_epi8(_mm512_shuffle_i32x4::<EVEN>(even01, even23), swap);
        w[4 + j] = _mm512_shuffle_epi8(_mm512_shuffle_i32x4::<EVEN>(odd01, odd23), swap);
        w[8 + j] = _mm512_shuffle_epi8(_mm512_shuffle_i32x4::<ODD>(even01, even23), swap);
        w[12 + j] = _mm512_shuffle_epi8(_mm512_shuffle_i32x4::<ODD>(odd01, odd23), swap);
    }
}

/// A block as it lies in memory.
#[inline]
#[target_feature(enable = "avx512f")]
fn load_block(block: &[u8; BLOCK]) -> __m512i {
    // SAFETY: the reference is to 64 readable bytes, and this load wants no alignment.
    unsafe { _mm512_loadu_si512(block.as_ptr().cast()) }
}

/// One word of all lanes.
#[inline]
#[target_feature(enable = "avx512f")]
fn load_state(words: &[u32; LANES]) -> __m512i {
    // SAFETY: the reference is to 64 readable bytes, and this load wants no alignment.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

/// Puts one word of all lanes in its place.
#[inline]
#[target_feature(enable = "avx512f")]
fn store_state(words: &mut [u32; LANES], value: __m512i) {
    // SAFETY: the reference is to 64 writable bytes that nobody else refers to, and this store wants no alignment.
    unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), value) }
}
