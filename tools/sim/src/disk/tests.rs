//! What a medium and its keeper promise.

use std::io::{IoSlice, IoSliceMut};
use std::path::Path;
use std::sync::Arc;

use tide_base::{Bits, Chunk, Instant, PieceIndex, Prng, ShardId};
use tide_disk::{
    Access, Allocation, Backing, Done, Job, JobId, Limits, Place, Storage, StorageFile, StoreKey, StoreSpec,
    Stores, Task, VolumeId,
};

use super::*;
use crate::dice::{MILLION, Odds};
use crate::mishap::Mishap;

mod crash;
mod keeper;
mod ledger;
mod model;

fn medium(seed: u64, odds: Odds) -> Medium {
    Medium::new(MediumSpec { sector: 8, strict_folders: false }, Prng::new(seed), odds)
}

/// Kept, lost and torn alike.
fn crashing() -> Odds {
    let odds = Odds::calm().with(Mishap::CrashKept, 1000);
    odds.with(Mishap::CrashLost, 1000).with(Mishap::CrashTorn, 1000)
}

fn place(path: &Path) -> Place<'_> {
    Place::of(Backing::File, path)
}

fn create(medium: &Medium, path: &str) -> MediumFile {
    let at = Path::new(path);
    medium.make_folders(place(at.parent().expect("a folder"))).expect("folders");
    medium.open(place(at), Access::Create { executable: false }).expect("opens")
}

fn write(file: &impl StorageFile, at: u64, bytes: &[u8]) -> std::io::Result<usize> {
    file.write_at(&[IoSlice::new(bytes)], at)
}

fn read(file: &impl StorageFile, at: u64, len: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0xaa; len];
    let read = file.read_at(&mut [IoSliceMut::new(&mut bytes)], at)?;
    bytes.truncate(read);
    Ok(bytes)
}

fn sync_folder(medium: &Medium, path: &str) {
    medium.sync_folder(place(Path::new(path))).expect("syncs");
}

/// A store of this content below `/v/content`, with all that it needs beside it.
fn spec(content: &Arc<Content>) -> StoreSpec {
    StoreSpec {
        root: "/v/content".into(),
        files: content.files().clone(),
        layout: content.layout(),
        wanted: Bits::full(content.files().files().len() as u32),
        aside: Some("/v/state/t.aside".into()),
        resume: Some("/v/state/t.resume".into()),
        backing: Backing::File,
        allocation: Allocation::Sparse,
    }
}

fn job(id: u64, task: Task) -> Job {
    Job { id: JobId(id), shard: ShardId(0), volume: VolumeId(0), store: StoreKey(1), task }
}

/// The bytes of a piece, in a write.
fn write_piece(content: &Content, piece: u32) -> Task {
    let piece = PieceIndex(piece);
    let mut chunk = Chunk::new(content.layout().len_of(piece));
    chunk.set_len(chunk.capacity());
    content.fill(content.layout().start(piece), chunk.bytes_mut());
    Task::Write { piece, offset: 0, chunks: vec![chunk] }
}

/// Does a job at once, whatever it is.
fn run(stores: &mut Stores<Medium>, task: Task) -> Done {
    let mut answer = None;
    stores.submit(job(0, task));
    loop {
        let mut more = stores.work(&mut |done| answer = Some(done));
        while let Some(job) = stores.next_sync() {
            answer = Some(job.run());
            more = true;
        }
        if !more {
            return answer.expect("every job is answered");
        }
    }
}

fn open_stores(medium: &Medium, spec: StoreSpec) -> Stores<Medium> {
    let mut stores = Stores::new(medium.clone(), Limits::default());
    run(&mut stores, Task::Open(Box::new(spec))).result.expect("opens");
    stores
}
