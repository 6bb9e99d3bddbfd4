//! Any number of messages through a bounded number of lanes.

use crate::feed::Feed;
use crate::states::{Blocks, LANES, States};
use crate::{Hasher, Message};

/// A message under way, and where its digest goes.
struct Lane<'a, 'o> {
    feed: Feed<'a>,
    digest: &'o mut [u8; 20],
}

/// Hashes `messages` into `out`, equally long. A lane whose message ends takes the next one that waits, so that
/// messages of different lengths leave few lanes idle.
pub(crate) fn run(hasher: &Hasher, messages: &[Message<'_>], out: &mut [[u8; 20]]) {
    let width = even_width(messages.len(), hasher.lanes());
    let mut waiting = messages.iter().zip(out);
    let mut states = States::new();
    let mut lanes: Vec<Lane<'_, '_>> = Vec::with_capacity(width);
    loop {
        for (message, digest) in waiting.by_ref().take(width - lanes.len()) {
            states.reset(lanes.len());
            lanes.push(Lane { feed: Feed::new(message.parts), digest });
        }
        let Some(step) = lanes.iter().map(|lane| lane.feed.run().len()).min() else { return };
        let mut runs: [Blocks<'_>; LANES] = [&[]; LANES];
        for (run, lane) in runs.iter_mut().zip(&lanes) {
            *run = &lane.feed.run()[..step];
        }
        hasher.compress(&mut states, &runs[..lanes.len()]);
        for i in (0..lanes.len()).rev() {
            if !lanes[i].feed.advance(step) {
                let lane = lanes.swap_remove(i);
                *lane.digest = states.digest(i);
                states.set(i, states.get(lanes.len()));
            }
        }
    }
}

/// How many lanes to use for `count` messages when at most `most` pay: so many that all rounds are equally full
/// (seventeen messages through sixteen lanes are a nine and an eight, not a sixteen and a lonely one).
fn even_width(count: usize, most: usize) -> usize {
    count.div_ceil(count.div_ceil(most).max(1))
}

#[cfg(test)]
mod tests {
    use super::even_width;

    #[test]
    fn rounds_are_equally_full() {
        let widths = [(0, 0), (1, 1), (15, 15), (16, 16), (17, 9), (32, 16), (33, 11), (40, 14)];
        for (count, width) in widths {
            assert_eq!(even_width(count, 16), width, "{count} messages");
        }
        assert_eq!(even_width(5, 1), 1);
    }
}
