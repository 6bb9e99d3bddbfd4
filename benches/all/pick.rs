//! Picks as a torrent makes them, in a small swarm and in one a hundred times larger.

use tide::picker::{Bits, Closed, Copies, Has, Opened, Picker, PickerLimits, PieceIndex, Prng, Rarest};
use tide_base::SlotKey;
use tide_engine::picker::Fruitless;

use crate::timing::{report, time};

/// Pieces that are leased at once.
const LEASES: usize = 64;

/// Whole measurements, of which the best counts.
const RUNS: u32 = 3;

pub(crate) fn run() {
    for (pieces, peers) in [(1_000, 10), (100_000, 1_000)] {
        let mut prng = Prng::new(1);
        let swarm: Vec<Bits> = (0..peers).map(|_| some(pieces, &mut prng)).collect();
        let runs = (0..RUNS).map(|_| measure(pieces, &swarm, &mut prng));
        let cost = runs.min_by(|a, b| a.seconds.total_cmp(&b.seconds)).expect("some runs");
        let picks = cost.picks as f64;
        let name = format!("pick, {pieces} pieces x {peers} peers");
        let (ns, steps) = (cost.seconds * 1e9 / picks, cost.steps as f64 / picks);
        let have = cost.have_seconds * 1e9 / cost.haves as f64;
        report(&name, &format!("{ns:.0} ns and {steps:.1} steps a pick, {have:.0} ns a HAVE"));
    }
}

#[derive(Default)]
struct Cost {
    seconds: f64,
    steps: u64,
    picks: u64,
    have_seconds: f64,
    haves: u64,
}

/// As many downloads as have 100,000 pieces: a small one is over too soon to say anything.
fn measure(pieces: u32, swarm: &[Bits], prng: &mut Prng) -> Cost {
    let mut cost = Cost::default();
    for _ in 0..100_000 / pieces {
        let mut picker = Rarest::new(pieces, PickerLimits::DEFAULT);
        for bits in swarm {
            picker.copies(Copies::Joined(bits));
        }
        for piece in 0..pieces {
            picker.open(PieceIndex(piece), Opened::Fresh);
        }
        // Copies are counted when they are first needed.
        picker.pick(Has::Everything, prng);
        cost.have_seconds += time(|| haves(&mut picker, pieces, prng));
        cost.haves += u64::from(pieces);
        download(&mut picker, swarm, pieces, prng, &mut cost);
    }
    cost
}

/// Some of the pieces: a share that differs from peer to peer.
fn some(pieces: u32, prng: &mut Prng) -> Bits {
    let mut bits = Bits::new(pieces);
    let share = prng.below(256);
    for piece in 0..pieces {
        if prng.chance(share, 256) {
            bits.set(piece);
        }
    }
    bits
}

fn haves(picker: &mut Rarest, pieces: u32, prng: &mut Prng) {
    for _ in 0..pieces {
        picker.copies(Copies::More(PieceIndex(prng.below(u64::from(pieces)) as u32)));
    }
}

/// Three quarters of a download: peers ask in no order, pieces are leased and then had.
fn download(picker: &mut Rarest, swarm: &[Bits], pieces: u32, prng: &mut Prng, cost: &mut Cost) {
    let (mut picked, mut picks, before) = (Vec::new(), 0, picker.steps());
    let mut fruitless = Fruitless::new();
    cost.seconds += time(|| {
        while picked.len() < pieces as usize * 3 / 4 {
            let at = prng.index(swarm.len());
            let (asker, has) = (SlotKey::from_bits(at as u64), Has::These(&swarm[at]));
            if !fruitless.worth_asking(asker, has) {
                continue;
            }
            picks += 1;
            let Some(piece) = picker.pick(has, prng) else {
                fruitless.in_vain(asker);
                continue;
            };
            picker.close(piece, Closed::Leased);
            picked.push(piece);
            if let Some(at) = picked.len().checked_sub(LEASES) {
                picker.close(picked[at], Closed::Had);
            }
        }
    });
    cost.picks += picks;
    cost.steps += picker.steps() - before;
}
