//! What every picker must obey, what each prefers, and what a pick costs.

use super::*;
use tide_base::{Bits, SlotKey};

/// The whole of a third order: the last piece first.
struct LastFirst {
    open: Bits,
    priorities: Vec<Priority>,
}

impl Picker for LastFirst {
    fn open(&mut self, piece: PieceIndex, _as_it_is: Opened) {
        self.open.set(piece.0);
    }

    fn close(&mut self, piece: PieceIndex, _why: Closed) {
        self.open.clear(piece.0);
    }

    fn prioritise(&mut self, piece: PieceIndex, priority: Priority) {
        self.priorities[piece.at()] = priority;
    }

    fn pick(&mut self, has: Has<'_>, _prng: &mut Prng) -> Option<PieceIndex> {
        let good = |piece: &PieceIndex| has.has(*piece) && self.priorities[piece.at()].is_wanted();
        self.open
            .iter()
            .map(PieceIndex)
            .filter(good)
            .max_by_key(|piece| (self.priorities[piece.at()], piece.0))
    }
}

fn all_pickers(pieces: u32) -> Vec<Box<dyn Picker>> {
    let priorities = vec![Priority::NORMAL; pieces as usize];
    vec![
        Box::new(rarest(pieces)),
        Box::new(Sequential::new(pieces)),
        Box::new(LastFirst { open: Bits::new(pieces), priorities }),
    ]
}

/// Without random first pieces.
fn rarest(pieces: u32) -> Rarest {
    Rarest::new(pieces, PickerLimits { random_first: 0, ..PickerLimits::DEFAULT })
}

fn open_all(picker: &mut dyn Picker, pieces: u32) {
    for piece in 0..pieces {
        picker.open(PieceIndex(piece), Opened::Fresh);
    }
}

fn bits(len: u32, set: impl IntoIterator<Item = u32>) -> Bits {
    let mut bits = Bits::new(len);
    for i in set {
        bits.set(i);
    }
    bits
}

fn key(index: u64) -> SlotKey {
    SlotKey::from_bits(index)
}

fn priority(number: u8) -> Priority {
    Priority::new(number).expect("at most seven")
}

#[test]
fn every_picker_obeys_under_any_sequence_of_changes() {
    for seed in 0..30 {
        let mut prng = Prng::new(seed);
        let pieces = 1 + prng.below(300) as u32;
        for mut picker in all_pickers(pieces) {
            let mut model: Vec<(bool, Priority)> = vec![(false, Priority::NORMAL); pieces as usize];
            let mut peers: Vec<Bits> = Vec::new();
            for _ in 0..400 {
                let piece = PieceIndex(prng.below(u64::from(pieces)) as u32);
                change(&mut *picker, &mut model, &mut peers, piece, &mut prng);
                picker.check_invariants();
                let own = bits(pieces, (0..pieces).filter(|_| prng.chance(1, 8)));
                let has = match (prng.below(3), peers.first()) {
                    (0, _) => Has::Everything,
                    (1, Some(peer)) => Has::These(peer),
                    _ => Has::These(&own),
                };
                let wanted = |p: &u32| model[*p as usize].0 && model[*p as usize].1.is_wanted();
                let best = (0..pieces).filter(|p| wanted(p) && has.has(PieceIndex(*p)));
                let best = best.map(|p| model[p as usize].1).max();
                let picked = picker.pick(has, &mut prng);
                assert_eq!(picked.map(|p| model[p.at()].1), best, "seed {seed}");
                assert!(picked.is_none_or(|p| model[p.at()].0 && has.has(p)));
            }
        }
    }
}

fn change(
    picker: &mut dyn Picker,
    model: &mut [(bool, Priority)],
    peers: &mut Vec<Bits>,
    piece: PieceIndex,
    prng: &mut Prng,
) {
    let at = prng.index(peers.len().max(1));
    match prng.below(9) {
        0..3 => {
            let partial = prng.chance(1, 4);
            picker.open(piece, if partial { Opened::Partial } else { Opened::Fresh });
            model[piece.at()].0 = true;
        }
        3 => {
            let why = [Closed::Unwanted, Closed::Leased, Closed::Had][prng.index(3)];
            picker.close(piece, why);
            model[piece.at()].0 = false;
        }
        4 => {
            model[piece.at()].1 = priority(prng.below(8) as u8);
            picker.prioritise(piece, model[piece.at()].1);
        }
        5 => {
            let share = 1 + prng.below(12);
            let peer = bits(model.len() as u32, (0..model.len() as u32).filter(|_| prng.chance(1, share)));
            picker.copies(Copies::Joined(&peer));
            peers.push(peer);
        }
        6 if !peers.is_empty() => picker.copies(Copies::Left(&peers.swap_remove(at))),
        7 if !peers.is_empty() && peers[at].set(piece.0) => picker.copies(Copies::More(piece)),
        8 if !peers.is_empty() && peers[at].clear(piece.0) => picker.copies(Copies::Fewer(piece)),
        _ => {}
    }
}

#[test]
fn the_rarest_piece_is_picked_and_moves_with_its_copies() {
    let mut prng = Prng::new(1);
    let mut picker = rarest(4);
    open_all(&mut picker, 4);
    picker.copies(Copies::Joined(&bits(4, [0, 1, 2, 3])));
    picker.copies(Copies::Joined(&bits(4, [0, 1, 3])));
    assert_eq!(picker.pick(Has::Everything, &mut prng), Some(PieceIndex(2)));
    picker.copies(Copies::More(PieceIndex(2)));
    picker.copies(Copies::More(PieceIndex(2)));
    picker.copies(Copies::Fewer(PieceIndex(1)));
    assert_eq!(picker.pick(Has::Everything, &mut prng), Some(PieceIndex(1)));
    picker.close(PieceIndex(1), Closed::Leased);
    picker.copies(Copies::Left(&bits(4, [0, 3])));
    picker.check_invariants();
    let has = bits(4, [1, 2]);
    assert_eq!(picker.pick(Has::These(&has), &mut prng), Some(PieceIndex(2)));
    picker.open(PieceIndex(1), Opened::Fresh);
    assert_eq!(picker.pick(Has::These(&has), &mut prng), Some(PieceIndex(1)));
}

#[test]
fn pieces_equally_rare_are_all_picked_at_times() {
    let mut prng = Prng::new(2);
    let mut picker = rarest(8);
    open_all(&mut picker, 8);
    let has = bits(8, 2..7);
    let (mut by_seed, mut by_peer) = (Bits::new(8), Bits::new(8));
    for _ in 0..200 {
        by_seed.set(picker.pick(Has::Everything, &mut prng).expect("all are open").0);
        by_peer.set(picker.pick(Has::These(&has), &mut prng).expect("some are open").0);
    }
    assert!(by_seed.all() && by_peer == has);
}

#[test]
fn priority_goes_before_partial_and_partial_before_rare() {
    let mut prng = Prng::new(3);
    let mut picker = rarest(3);
    open_all(&mut picker, 3);
    picker.copies(Copies::More(PieceIndex(1)));
    picker.copies(Copies::More(PieceIndex(2)));
    picker.copies(Copies::More(PieceIndex(2)));
    picker.open(PieceIndex(1), Opened::Partial);
    assert_eq!(picker.pick(Has::Everything, &mut prng), Some(PieceIndex(1)));
    picker.prioritise(PieceIndex(2), Priority::HIGH);
    assert_eq!(picker.pick(Has::Everything, &mut prng), Some(PieceIndex(2)));
    picker.prioritise(PieceIndex(2), Priority::SKIP);
    picker.close(PieceIndex(1), Closed::Had);
    assert_eq!(picker.pick(Has::Everything, &mut prng), Some(PieceIndex(0)));
    picker.close(PieceIndex(0), Closed::Had);
    assert_eq!(picker.pick(Has::Everything, &mut prng), None);
    picker.prioritise(PieceIndex(2), Priority::LOW);
    assert_eq!(picker.pick(Has::Everything, &mut prng), Some(PieceIndex(2)));
}

#[test]
fn the_first_pieces_are_random_and_those_after_are_the_rarest() {
    let mut prng = Prng::new(4);
    let mut picker = Rarest::new(200, PickerLimits::DEFAULT);
    open_all(&mut picker, 200);
    picker.copies(Copies::Joined(&bits(200, 1..200)));
    let mut seen = Bits::new(200);
    for _ in 0..100 {
        seen.set(picker.pick(Has::Everything, &mut prng).expect("all are open").0);
    }
    assert!(seen.count() > 20, "{seen:?}");
    for piece in 100..104 {
        picker.close(PieceIndex(piece), Closed::Had);
    }
    assert_eq!(picker.pick(Has::Everything, &mut prng), Some(PieceIndex(0)));
    picker.open(PieceIndex(103), Opened::Fresh);
    let again: Vec<_> = (0..20).map(|_| picker.pick(Has::Everything, &mut prng)).collect();
    assert!(again.iter().any(|&piece| piece != Some(PieceIndex(0))), "a piece that was lost counts no more");
}

#[test]
fn a_sparse_asker_gets_the_one_piece_it_has() {
    let mut prng = Prng::new(5);
    for pieces in [1, 64, 65, 5000] {
        let mut picker = rarest(pieces);
        open_all(&mut picker, pieces);
        for piece in [0, pieces / 2, pieces - 1] {
            let has = bits(pieces, [piece]);
            assert_eq!(picker.pick(Has::These(&has), &mut prng), Some(PieceIndex(piece)));
            picker.copies(Copies::Joined(&has));
            assert_eq!(picker.pick(Has::These(&has), &mut prng), Some(PieceIndex(piece)));
        }
        let none = Bits::new(pieces);
        assert_eq!(picker.pick(Has::These(&none), &mut prng), None);
    }
}

#[test]
fn more_copies_than_there_are_ranks_are_still_counted() {
    let mut prng = Prng::new(6);
    let mut picker = rarest(2);
    open_all(&mut picker, 2);
    for _ in 0..5000 {
        picker.copies(Copies::More(PieceIndex(0)));
        picker.copies(Copies::More(PieceIndex(1)));
    }
    for _ in 0..1000 {
        picker.copies(Copies::Fewer(PieceIndex(1)));
    }
    picker.check_invariants();
    assert_eq!(picker.pick(Has::Everything, &mut prng), Some(PieceIndex(1)));
}

#[test]
fn in_sequence_holes_are_filled_first_and_priority_goes_before_order() {
    let mut prng = Prng::new(7);
    let mut picker = Sequential::new(200);
    open_all(&mut picker, 200);
    for piece in 0..150 {
        assert_eq!(picker.pick(Has::Everything, &mut prng), Some(PieceIndex(piece)));
        picker.close(PieceIndex(piece), Closed::Leased);
    }
    picker.open(PieceIndex(3), Opened::Partial);
    assert_eq!(picker.pick(Has::Everything, &mut prng), Some(PieceIndex(3)));
    let has = bits(200, [2, 170, 180]);
    assert_eq!(picker.pick(Has::These(&has), &mut prng), Some(PieceIndex(170)));
    picker.prioritise(PieceIndex(180), Priority::HIGH);
    assert_eq!(picker.pick(Has::These(&has), &mut prng), Some(PieceIndex(180)));
    picker.check_invariants();
}

/// What a whole simulated download cost, in steps.
struct Cost {
    /// A pick, those in vain and the lookups of who asked in vain included.
    pick: f64,
    /// A HAVE.
    have: f64,
}

/// A swarm to download from.
#[derive(Clone, Copy)]
struct World {
    pieces: u32,
    peers: usize,
    /// At the beginning peers have anything from none to this many 256ths of the pieces; a tenth are seeds.
    most: u64,
    /// How fast a peer gets pieces, in hundredths of our own pace.
    pace: usize,
}

/// Each piece with a probability of so many 256ths; `pieces` is a multiple of 8.
fn random_bits(pieces: u32, share: u64, prng: &mut Prng) -> Bits {
    let mut wire = Vec::new();
    while wire.len() < pieces as usize / 8 {
        let word = (0..8).fold(0, |word, bit| {
            let coin = prng.next_u64();
            if share >> bit & 1 == 1 { word | coin } else { word & coin }
        });
        wire.extend_from_slice(&word.to_le_bytes());
    }
    wire.truncate(pieces as usize / 8);
    Bits::from_wire(&wire, pieces).expect("whole bytes")
}

fn swarm_haves(peers: usize, pace: usize, prng: &mut Prng) -> usize {
    let hundredths = peers * pace;
    hundredths / 100 + usize::from(prng.chance((hundredths % 100) as u64, 100))
}

/// Peers get more while we download; pieces are leased by whoever has bandwidth, some leases come back unfinished.
fn download(mut picker: impl Picker, world: World, seed: u64) -> Cost {
    let World { pieces, peers, most, .. } = world;
    let mut prng = Prng::new(seed);
    let mut swarm: Vec<Bits> = Vec::new();
    for peer in 0..peers {
        let some = random_bits(pieces, prng.below(most), &mut prng);
        swarm.push(if peer % 10 == 0 { Bits::full(pieces) } else { some });
    }
    open_all(&mut picker, pieces);
    for bits in swarm.iter().filter(|bits| !bits.all()) {
        picker.copies(Copies::Joined(bits));
    }
    let mut fruitless = Fruitless::new();
    let (mut leased, mut had) = (std::collections::VecDeque::new(), Bits::new(pieces));
    let (mut pick_steps, mut picks, mut have_steps, mut haves) = (0, 0u32, 0, 0u32);
    while !had.all() {
        let at = prng.index(peers);
        let has = if swarm[at].all() { Has::Everything } else { Has::These(&swarm[at]) };
        let before = picker.steps();
        let mut picked = None;
        if fruitless.worth_asking(key(at as u64), has) {
            picked = picker.pick(has, &mut prng);
            if picked.is_none() {
                fruitless.in_vain(key(at as u64));
            }
            picks += 1;
        }
        if let Some(piece) = picked {
            picker.close(piece, Closed::Leased);
            leased.push_back(piece);
        }
        if leased.len() > peers.min(pieces as usize / 10) || picked.is_none() {
            match leased.pop_front() {
                Some(piece) if prng.chance(1, 50) => {
                    picker.open(piece, Opened::Partial);
                    fruitless.opened(piece);
                }
                Some(piece) => {
                    picker.close(piece, Closed::Had);
                    had.set(piece.0);
                }
                None => {}
            }
        }
        pick_steps += picker.steps() - before;
        let before = picker.steps();
        for _ in 0..swarm_haves(peers, world.pace, &mut prng) {
            let (at, piece) = (prng.index(peers), prng.below(u64::from(pieces)) as u32);
            if swarm[at].set(piece) {
                picker.copies(Copies::More(PieceIndex(piece)));
                fruitless.forget(key(at as u64));
                haves += 1;
            }
        }
        have_steps += picker.steps() - before;
    }
    picker.check_invariants();
    Cost { pick: pick_steps as f64 / f64::from(picks), have: have_steps as f64 / f64::from(haves.max(1)) }
}

fn assert_same_cost(large: World) {
    let picker = |world: World| Rarest::new(world.pieces, PickerLimits::DEFAULT);
    let small = World { pieces: 1_000, peers: 10, ..large };
    let costs: Vec<Cost> = (0..10).map(|seed| download(picker(small), small, seed)).collect();
    let small_pick = costs.iter().map(|cost| cost.pick).sum::<f64>() / 10.0;
    let cost = download(picker(large), large, 99);
    println!("steps a pick: {small_pick:.1} and {:.1}; a HAVE: {:.2}", cost.pick, cost.have);
    assert!(cost.pick <= 2.0 * small_pick, "{small_pick} steps a pick, {} in the large swarm", cost.pick);
    assert!(
        cost.have <= 2.0 && costs.iter().all(|cost| cost.have <= 2.0),
        "a HAVE is counted and moves a piece"
    );
}

#[test]
fn a_pick_costs_the_same_in_a_swarm_a_hundred_times_larger() {
    assert_same_cost(World { pieces: 100_000, peers: 1_000, most: 256, pace: 1 });
}

#[test]
fn a_pick_costs_the_same_in_a_large_swarm_of_newcomers() {
    assert_same_cost(World { pieces: 10_000, peers: 500, most: 6, pace: 40 });
}

#[test]
fn a_pick_costs_the_same_in_a_large_swarm_of_newcomers_that_get_nowhere() {
    assert_same_cost(World { pieces: 100_000, peers: 1000, most: 6, pace: 1 });
}

#[test]
fn a_seeds_pick_costs_the_same_at_every_size() {
    for pieces in [1_000, 100_000] {
        let mut prng = Prng::new(8);
        let mut picker = rarest(pieces);
        open_all(&mut picker, pieces);
        let before = picker.steps();
        for _ in 0..pieces {
            let piece = picker.pick(Has::Everything, &mut prng).expect("some are open");
            picker.close(piece, Closed::Leased);
        }
        assert!(picker.steps() - before <= u64::from(pieces) * 4);
    }
}

#[test]
fn a_bit_field_costs_a_look_at_every_piece_at_most_and_once_for_many() {
    let pieces = 10_000;
    let mut prng = Prng::new(9);
    let mut picker = rarest(pieces);
    open_all(&mut picker, pieces);
    let large = bits(pieces, (0..pieces).filter(|p| p % 2 == 0));
    let few = bits(pieces, 0..5);
    let before = picker.steps();
    picker.copies(Copies::Joined(&few));
    assert!(picker.steps() - before <= 10);
    for _ in 0..10 {
        picker.copies(Copies::Joined(&large));
    }
    picker.pick(Has::Everything, &mut prng);
    assert!(picker.steps() - before <= u64::from(pieces) + 20);
    picker.check_invariants();
}

#[test]
fn a_pick_in_vain_looks_at_no_more_than_the_words_and_the_first_few() {
    let pieces = 64_000;
    let mut prng = Prng::new(10);
    let mut picker = rarest(pieces);
    for piece in 0..pieces / 2 {
        picker.open(PieceIndex(piece), Opened::Fresh);
    }
    let has = bits(pieces, pieces / 2..pieces);
    picker.copies(Copies::Joined(&has));
    picker.pick(Has::Everything, &mut prng);
    let before = picker.steps();
    assert_eq!(picker.pick(Has::These(&has), &mut prng), None);
    assert!(picker.steps() - before <= 1000 + 32 + 10);
}
