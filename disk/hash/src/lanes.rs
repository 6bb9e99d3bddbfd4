//! lanes
pub(crate) type Blocks<'a> = &'a [[u8; 64]];
pub(crate) const K: [u32; 4] = [0x5A82_7999, 0x6ED9_EBA1, 0x8F1B_BCDC, 0xCA62_C1D6];
pub(crate) struct States {
    pub(crate) words: [[u32; 16]; 5],
}
