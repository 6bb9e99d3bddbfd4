//! What is told of the DHT: how many nodes we know there.

use std::time::Duration;

use tide::Session;

use crate::console::Console;
use crate::json::Json;

/// How often the session is asked.
const LOOK: Duration = Duration::from_secs(1);
/// How often programs are told of another number; that it is no longer zero they are told at once.
const TELL: Duration = Duration::from_secs(10);

/// The part in the DHT, as it is shown.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    /// Nodes that answered lately; `None` if the session takes no part.
    nodes: Option<u32>,
    looked: Option<Duration>,
    /// What programs were told last, and when.
    told: Option<(u32, Duration)>,
}

impl Overlay {
    /// Asks how it is, now and then, and tells programs.
    pub(crate) fn look(&mut self, session: &Session, console: &mut Console<'_>, now: Duration) {
        if self.looked.is_some_and(|looked| now < looked + LOOK) {
            return;
        }
        self.looked = Some(now);
        self.nodes = session.dht().stats().ok().map(|stats| stats.nodes);
        let Some(nodes) = self.nodes.filter(|nodes| self.is_news(*nodes, now)) else { return };
        self.told = Some((nodes, now));
        console.emit(&Json::event("dht", [("nodes", u64::from(nodes).into())]));
    }

    fn is_news(&self, nodes: u32, now: Duration) -> bool {
        match self.told {
            None => nodes > 0,
            Some((told, at)) => told != nodes && (now >= at + TELL || told == 0 || nodes == 0),
        }
    }

    /// A line for people.
    pub(crate) fn line(&self) -> Option<String> {
        Some(match self.nodes? {
            0 => "DHT: looking for nodes".to_owned(),
            1 => "DHT: 1 node".to_owned(),
            nodes => format!("DHT: {nodes} nodes"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_when_it_changes_and_not_too_often() {
        let secs = Duration::from_secs;
        let mut overlay = Overlay::default();
        assert!(!overlay.is_news(0, secs(0)) && overlay.is_news(3, secs(1)));
        overlay.told = Some((3, secs(1)));
        assert!(
            !overlay.is_news(4, secs(2)) && overlay.is_news(4, secs(11)) && !overlay.is_news(3, secs(60))
        );
        assert!(overlay.is_news(0, secs(2)), "that nobody is left is news");
    }

    #[test]
    fn people_are_told_in_words() {
        let of = |nodes| Overlay { nodes, ..Overlay::default() }.line();
        assert_eq!(of(None), None);
        assert_eq!(of(Some(0)).as_deref(), Some("DHT: looking for nodes"));
        assert_eq!(of(Some(1)).as_deref(), Some("DHT: 1 node"));
        assert_eq!(of(Some(123)).as_deref(), Some("DHT: 123 nodes"));
    }
}
