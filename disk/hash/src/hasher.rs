//! Which implementation hashes how many messages on this CPU.

use crate::states::{Blocks, States};
use crate::{Message, batch};

#[cfg(target_arch = "x86_64")]
use crate::{avx512::Avx512, ni::Ni};

/// What this CPU hashes with. Cheap to copy; pick it once with [`Hasher::detect`].
#[derive(Clone, Copy, Debug)]
pub struct Hasher {
    #[cfg(target_arch = "x86_64")]
    ni: Option<Ni>,
    #[cfg(target_arch = "x86_64")]
    avx512: Option<Avx512>,
}

impl Hasher {
    /// The best that this CPU has.
    pub fn detect() -> Hasher {
        Hasher {
            #[cfg(target_arch = "x86_64")]
            ni: Ni::detect(),
            #[cfg(target_arch = "x86_64")]
            avx512: Avx512::detect(),
        }
    }

    /// The `sha1` crate alone, one message after the other, on every CPU.
    pub fn portable() -> Hasher {
        Hasher {
            #[cfg(target_arch = "x86_64")]
            ni: None,
            #[cfg(target_arch = "x86_64")]
            avx512: None,
        }
    }

    /// Every way of hashing that this CPU allows, from [`Hasher::portable`] to [`Hasher::detect`], each once: for
    /// tests and measurements.
    pub fn available() -> Vec<Hasher> {
        let best = Hasher::detect();
        let mut all = vec![Hasher::portable()];
        #[cfg(target_arch = "x86_64")]
        {
            let single = [Hasher { avx512: None, ..best }, Hasher { ni: None, ..best }];
            all.extend(single.into_iter().filter(|_| best.ni.is_some() && best.avx512.is_some()));
        }
        if best.lanes() > 1 {
            all.push(best);
        }
        all
    }

    /// What it hashes with, for a log line.
    pub fn name(&self) -> &'static str {
        #[cfg(target_arch = "x86_64")]
        match (self.ni, self.avx512) {
            (Some(_), Some(_)) => return "sha-ni + avx-512",
            (None, Some(_)) => return "avx-512",
            (Some(_), None) => return "sha-ni",
            (None, None) => {}
        }
        "portable"
    }

    /// How many messages at once are hashed fastest: the best size of a batch. Smaller ones work as well, in fewer
    /// lanes; larger ones are hashed in several rounds.
    pub fn lanes(&self) -> usize {
        #[cfg(target_arch = "x86_64")]
        {
            if self.avx512.is_some() {
                return Avx512::LANES;
            }
            if self.ni.is_some() {
                return Ni::LANES;
            }
        }
        1
    }

    /// The SHA-1 digests of `messages`, each into the place of the same index in `out`. Allocates once.
    ///
    /// # Panics
    /// If `out` is not as long as `messages`.
    pub fn sha1_batch(&self, messages: &[Message<'_>], out: &mut [[u8; 20]]) {
        assert_eq!(messages.len(), out.len(), "a place for each digest");
        batch::run(self, messages, out);
    }

    /// Advances the lanes from the first on, one for each of `runs`, by the blocks of its run. All runs are equally
    /// long, and at most [`Hasher::lanes`].
    pub(crate) fn compress(&self, states: &mut States, runs: &[Blocks<'_>]) {
        #[cfg(target_arch = "x86_64")]
        match (self.ni, self.avx512) {
            (Some(ni), _) if (2..=Ni::LANES).contains(&runs.len()) => return ni.compress(states, runs),
            (_, Some(avx512)) if runs.len() > 1 => return avx512.compress(states, runs),
            _ => {}
        }
        for (lane, run) in runs.iter().enumerate() {
            let mut state = states.get(lane);
            sha1::block_api::compress(&mut state, run);
            states.set(lane, state);
        }
    }
}
