//! Which mishaps a run has, and how often: a random half of them not at all, the others with wildly different weights.

use tide_base::Prng;

use crate::dice::{MILLION, Odds};
use crate::mishap::Mishap;

/// The most that a run may have of a mishap, in millionths of its chances: what still lets something go right.
fn most(mishap: Mishap) -> u32 {
    match mishap {
        // A dial.
        Mishap::ConnectRefused | Mishap::ConnectTimeout | Mishap::NoSockets => 300_000,
        // A stream.
        Mishap::Reset => 500_000,
        Mishap::HalfClose | Mishap::Silence => 200_000,
        // A call.
        Mishap::SmallRead | Mishap::SmallWrite => 900_000,
        Mishap::ShortTransfer => 500_000,
        // A packet.
        Mishap::Jitter | Mishap::UdpReorder => 500_000,
        Mishap::TcpLoss => 50_000,
        Mishap::UdpLoss | Mishap::UdpTwice | Mishap::UdpTruncate | Mishap::UdpFlip => 300_000,
        // What follows from how hosts are connected: on or off.
        Mishap::TailDrop | Mishap::Nat | Mishap::UdpMtu | Mishap::FullQueue => MILLION,
        // The weather.
        Mishap::Partition | Mishap::PartitionOneWay | Mishap::Clog | Mishap::Swizzle => 200_000,
        // A name, a request.
        Mishap::NameFails | Mishap::NameSlow => 500_000,
        Mishap::TrackerDown
        | Mishap::TrackerSlow
        | Mishap::TrackerError
        | Mishap::TrackerGarbage
        | Mishap::TrackerIntervalZero
        | Mishap::TrackerIntervalHuge
        | Mishap::TrackerNamesUs
        | Mishap::TrackerBogons
        | Mishap::TrackerCrowd
        | Mishap::TrackerRedirect => 400_000,
        // A job, a file call.
        Mishap::DiskSlow => 20_000,
        Mishap::ReadFails | Mishap::WriteFails | Mishap::NoFiles => 5_000,
        Mishap::SyncFails => 50_000,
        Mishap::NoSpace => 2_000,
        Mishap::SpaceBack => 300_000,
        // A crash: which of the three an unsynced write meets.
        Mishap::CrashKept | Mishap::CrashLost | Mishap::CrashTorn => MILLION,
        // A kill.
        Mishap::ResumeStale | Mishap::ResumeTorn | Mishap::ResumeForeign => 300_000,
        // A hash job, a letter.
        Mishap::HashReorder => 500_000,
        Mishap::HashStarve => 20_000,
        Mishap::MailSlow => 50_000,
        // A tick of a user or a process.
        Mishap::FileShortened | Mishap::FileDeleted | Mishap::BitRot => 50_000,
        Mishap::Kill | Mishap::Pause | Mishap::Shutdown => 60_000,
        Mishap::Add
        | Mishap::Remove
        | Mishap::Halt
        | Mishap::Recheck
        | Mishap::SetLimits
        | Mishap::SetPriorities
        | Mishap::Move
        | Mishap::Learn
        | Mishap::Meet
        | Mishap::Reannounce
        | Mishap::Reorder => 100_000,
    }
}

/// Odds for a run. One run in ten is calm altogether.
pub(super) fn draw(prng: &mut Prng) -> Odds {
    let mut odds = Odds::calm();
    if prng.chance(1, 10) {
        return odds;
    }
    let off = 1 + prng.below(3);
    for &mishap in Mishap::ALL {
        // All drawn in any case, so that one more mishap in the table changes no other's weight by its being off.
        let (is_off, scale) = (prng.chance(off, 4), prng.below(10));
        if !is_off {
            let weight = match scale {
                0 => most(mishap),
                1..=3 => most(mishap) / 4,
                4..=6 => most(mishap) / 20,
                _ => most(mishap) / 200,
            };
            odds.set(mishap, weight);
        }
    }
    odds
}
