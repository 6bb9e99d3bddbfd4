//! Links become torrents: peers are asked for their metadata, and for nothing else.

use tide::Add;
use tide::metainfo::Magnet;

use crate::exit::{Exit, Failure};
use crate::run::Context;
use crate::transfer::{Learnt, Plan, Watch, config};

/// The torrents that links name, as far as they have come in the order of the links, and how the program should exit.
/// Nothing is written, and nothing but what comes of it goes to standard output.
///
/// # Errors
/// What the flags or the library say before anybody is asked.
pub(crate) fn metadata(
    context: &mut Context<'_>,
    links: Vec<Magnet>,
) -> Result<(Vec<Learnt>, Exit), Failure> {
    context.console.speak_aside();
    let dir = context.matches.dir();
    let mut adds = Vec::new();
    for link in links {
        let add = Add::link(link)?.priorities([]).choose_files();
        adds.push(config::add(add, &context.matches, &dir)?);
    }
    context.stop.be_gentle();
    let session = config::start(context, None)?;
    let plan = Plan { learn: true, timeout: context.matches.span("timeout"), ..Plan::default() };
    let mut watch = Watch::new(session, plan, dir, context.clock.elapsed());
    let mut added = Ok(());
    for add in adds {
        added = added.and_then(|()| watch.add(context, add, &[]));
    }
    let exit = added.map(|()| watch.run(context));
    let torrents = watch.learnt().cloned().collect();
    watch.end(context);
    Ok((torrents, exit?))
}
