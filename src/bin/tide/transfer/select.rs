//! Which files are wanted.

use tide::metainfo::{FileKind, Torrent};

use crate::args::Matches;
use crate::exit::Failure;

/// The priority of a file that is wanted.
const NORMAL: u8 = 4;

/// The priorities of a torrent's files that the flags ask for, or else its link, which names files by their numbers from
/// zero; `None` if nothing was said.
///
/// # Errors
/// A number that no file has; flags that leave no file, or a link that names none that there is.
pub(crate) fn of_link(
    torrent: &Torrent,
    matches: &Matches,
    named: &[u32],
) -> Result<Option<Vec<u8>>, Failure> {
    let files = torrent.info.files().len();
    let wanted = match wanted(torrent, matches)? {
        None if named.is_empty() => return Ok(None),
        None => {
            let known: Vec<usize> = named.iter().map(|at| *at as usize).filter(|at| *at < files).collect();
            if known.is_empty() {
                let message = format!("the link names none of the {files} files of {}", torrent.info.name());
                return Err(Failure::data(message));
            }
            known
        }
        Some(wanted) => wanted,
    };
    let mut priorities = vec![0; files];
    wanted.into_iter().for_each(|at| priorities[at] = NORMAL);
    Ok(Some(priorities))
}

/// The numbers, from zero, of the files that `--select`, `--include` and `--exclude` leave; `None` if nothing was said.
///
/// # Errors
/// A number that no file has; flags that leave no file.
pub(crate) fn wanted(torrent: &Torrent, matches: &Matches) -> Result<Option<Vec<usize>>, Failure> {
    let (numbers, include, exclude) =
        (matches.numbers("select"), matches.globs("include"), matches.globs("exclude"));
    if numbers.is_none() && include.is_empty() && exclude.is_empty() {
        return Ok(None);
    }
    let files = torrent.info.files();
    if let Some(highest) = numbers.map(|numbers| numbers.highest()).filter(|highest| *highest > files.len()) {
        let message = format!("--select {highest}: {} has {} files", torrent.info.name(), files.len());
        return Err(Failure::usage(message));
    }
    let is_wanted = |at: usize, path: &str| {
        // People may or may not think of the torrent's own folder as a part of the path.
        let below = path.split_once('/').map_or(path, |(_, below)| below);
        let met = |glob: &&crate::glob::Glob| glob.matches(below) || glob.matches(path);
        numbers.is_none_or(|numbers| numbers.contains(at + 1))
            && (include.is_empty() || include.iter().any(met))
            && !exclude.iter().any(met)
    };
    let real = files.iter().enumerate().filter(|(_, file)| file.kind != FileKind::Padding);
    let wanted: Vec<usize> =
        real.filter(|(at, file)| is_wanted(*at, file.path.as_str())).map(|(at, _)| at).collect();
    if wanted.is_empty() {
        let message = format!("--select, --include and --exclude leave no file of {}", torrent.info.name());
        return Err(Failure::usage(message));
    }
    Ok(Some(wanted))
}
