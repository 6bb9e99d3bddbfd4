//! What can be taken out of a scenario to see whether it is needed: for shrinking a run that fails.

use std::fmt;
use std::str::FromStr;

use super::Scenario;
use crate::mishap::Mishap;

/// Something taken out of a scenario. What is left keeps its numbers, and its dice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cut {
    /// A node that does not exist.
    Node(usize),
    /// A mutant that does not exist.
    Mutant(usize),
    /// A tracker that does not exist.
    Tracker(usize),
    /// A torrent in which nobody takes part.
    Content(usize),
    /// A mishap that never happens.
    Mishap(Mishap),
    /// The first act takes so many halves of its time away.
    Halves(u32),
    /// A node has one shard.
    OneShard(usize),
    /// A node takes no part in the DHT.
    NoDht(usize),
}

impl Scenario {
    /// Everything that could be taken out, the largest first.
    pub fn cuts(&self) -> Vec<Cut> {
        let mut cuts: Vec<Cut> = (0..self.nodes.len()).map(Cut::Node).collect();
        cuts.extend((0..self.contents.len()).map(Cut::Content));
        cuts.extend((0..self.mutants.len()).map(Cut::Mutant));
        cuts.extend((0..self.trackers.len()).map(Cut::Tracker));
        cuts.extend(self.odds.iter().map(|(mishap, _)| Cut::Mishap(mishap)));
        cuts.extend((1..6).map(Cut::Halves));
        cuts.extend((0..self.nodes.len()).filter(|&i| self.nodes[i].shards > 1).map(Cut::OneShard));
        cuts.extend((0..self.nodes.len()).filter(|&i| self.nodes[i].dht.is_some()).map(Cut::NoDht));
        cuts
    }

    /// Takes something out.
    pub fn cut(&mut self, cut: Cut) {
        match cut {
            Cut::Node(node) => {
                if let Some(node) = self.nodes.get_mut(node) {
                    (node.absent, node.torrents) = (true, Vec::new());
                }
            }
            Cut::Mutant(mutant) => {
                if let Some(mutant) = self.mutants.get_mut(mutant) {
                    mutant.absent = true;
                }
            }
            Cut::Tracker(tracker) => {
                if tracker < self.trackers.len() {
                    self.trackers.remove(tracker);
                }
            }
            Cut::Content(content) => {
                for node in &mut self.nodes {
                    node.torrents.retain(|torrent| torrent.content != content);
                }
                self.mutants.iter_mut().filter(|mutant| mutant.content == content).for_each(|mutant| {
                    mutant.absent = true;
                });
            }
            Cut::Mishap(mishap) => self.odds.set(mishap, 0),
            Cut::Halves(times) => self.first_act /= 1 << times.min(20),
            Cut::NoDht(node) => {
                if let Some(node) = self.nodes.get_mut(node) {
                    node.dht = None;
                }
            }
            Cut::OneShard(node) => {
                if let Some(node) = self.nodes.get_mut(node) {
                    node.shards = 1;
                }
            }
        }
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cut::Node(i) => write!(f, "node:{i}"),
            Cut::Mutant(i) => write!(f, "mutant:{i}"),
            Cut::Tracker(i) => write!(f, "tracker:{i}"),
            Cut::Content(i) => write!(f, "torrent:{i}"),
            Cut::Mishap(mishap) => write!(f, "{mishap}"),
            Cut::Halves(times) => write!(f, "halves:{times}"),
            Cut::OneShard(i) => write!(f, "shards:{i}"),
            Cut::NoDht(i) => write!(f, "dht:{i}"),
        }
    }
}

impl FromStr for Cut {
    type Err = String;

    fn from_str(text: &str) -> Result<Cut, String> {
        let unknown = || format!("nothing that could be cut: {text}");
        if let Some(&mishap) = Mishap::ALL.iter().find(|mishap| mishap.name() == text) {
            return Ok(Cut::Mishap(mishap));
        }
        let (word, number) = text.split_once(':').ok_or_else(unknown)?;
        let number: usize = number.parse().map_err(|_| unknown())?;
        Ok(match word {
            "node" => Cut::Node(number),
            "mutant" => Cut::Mutant(number),
            "tracker" => Cut::Tracker(number),
            "torrent" => Cut::Content(number),
            "halves" => Cut::Halves(number as u32),
            "shards" => Cut::OneShard(number),
            "dht" => Cut::NoDht(number),
            _ => return Err(unknown()),
        })
    }
}

#[cfg(test)]
mod tests {

    #[test]
    fn cuts_are_read_as_they_are_written() {
        for seed in 0..20 {
            for cut in super::super::draw(seed).cuts() {
                assert_eq!(cut.to_string().parse(), Ok(cut));
            }
        }
    }
}
