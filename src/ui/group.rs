//! Lines of several hosts held back until all of them are there, so that equal ones are shown once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::block::Block;

/// The blocks of one fan-out, in the order of its hosts.
#[derive(Debug, Default)]
pub struct Held {
    hosts: Vec<(String, Vec<Told>)>,
    /// Every different block once: a hundred hosts with the same diff hold one copy of it.
    pool: HashSet<Arc<Block>>,
}

/// What was said, and of which host: `rpi41`, or `rpi41 → rpi40` for what rpi41's turn did to another one.
#[derive(Debug)]
struct Told {
    label: String,
    block: Arc<Block>,
}

/// A block, the host that it is shown for, and the other hosts that have the same.
#[derive(Debug)]
pub struct Shared {
    pub host: String,
    pub block: Arc<Block>,
    pub others: Vec<String>,
}

impl Held {
    pub fn new(hosts: &[String]) -> Self {
        let hosts = hosts.iter().map(|host| (host.clone(), Vec::new())).collect();
        Self { hosts, pool: HashSet::new() }
    }

    /// `label` is a host, or two with an arrow: it belongs to the turn of the first.
    pub fn add(&mut self, label: &str, block: Block) {
        let host = label.split(" → ").next().unwrap_or(label);
        let block = Arc::new(block);
        let block = self.pool.get(&block).cloned().unwrap_or_else(|| {
            self.pool.insert(Arc::clone(&block));
            block
        });
        let told = Told { label: label.to_owned(), block };
        match self.hosts.iter_mut().find(|(name, _)| name == host) {
            Some((_, all)) => all.push(told),
            None => self.hosts.push((host.to_owned(), vec![told])),
        }
    }

    /// Every block once, in host order, with the names of the other hosts that share it.
    pub fn grouped(self) -> Vec<Shared> {
        let mut shared: Vec<Shared> = Vec::new();
        // The second equal block of one host belongs to the second of another one.
        let mut index: HashMap<(Arc<Block>, usize), usize> = HashMap::new();
        for (_, all) in self.hosts {
            let mut seen: HashMap<Arc<Block>, usize> = HashMap::new();
            for Told { label, block } in all {
                let nth = seen.entry(Arc::clone(&block)).and_modify(|n| *n += 1).or_default();
                let at = *index.entry((Arc::clone(&block), *nth)).or_insert(shared.len());
                match shared.get_mut(at) {
                    Some(first) => first.others.push(label),
                    None => shared.push(Shared { host: label, block, others: Vec::new() }),
                }
            }
        }
        shared
    }
}

/// So many names stand in a line; more are counted.
const MOST: usize = 8;

/// `rpi40, rpi42`; short for many unless `all` are wanted.
pub fn listed(hosts: &[&str], all: bool) -> String {
    if hosts.len() <= MOST || all {
        return hosts.join(", ");
    }
    format!("{} and {} more", hosts[..MOST].join(", "), hosts.len() - MOST)
}

/// `the same on rpi42, rpi43`, of `hosts` in all; short for many unless `all` are wanted.
pub fn same_on(others: &[String], hosts: usize, all: bool) -> String {
    if others.len() <= MOST || all {
        return format!("the same on {}", others.join(", "));
    }
    if others.len() + 1 == hosts {
        return format!("the same on all {hosts} hosts");
    }
    format!("the same on {} and {} more", others[..MOST].join(", "), others.len() - MOST)
}

#[cfg(test)]
mod tests {
    use super::super::block::Mark;
    use super::*;

    #[test]
    fn equal_blocks_of_several_hosts_are_one_and_repeats_of_one_host_are_not() {
        let mut held = Held::new(&["a".into(), "b".into(), "c".into()]);
        let block = |text| Block::new(Mark::Changed, text);
        for (host, text) in [("b", "x"), ("a", "x"), ("a", "x"), ("c", "y"), ("b", "x")] {
            held.add(host, block(text));
        }
        let shown: Vec<_> = held
            .grouped()
            .into_iter()
            .map(|s| format!("{} {} {:?}", s.host, s.block.text, s.others))
            .collect();
        assert_eq!(shown, [r#"a x ["b"]"#, r#"a x ["b"]"#, "c y []"]);
    }

    #[test]
    fn what_a_host_s_turn_does_to_another_one_keeps_its_place() {
        let mut held = Held::new(&["a".into(), "b".into()]);
        for (host, text) in
            [("a → b", "drain a"), ("b", "reboot"), ("a", "reboot"), ("a → b", "free a")]
        {
            held.add(host, Block::new(Mark::Changed, text));
        }
        let shown = held.grouped().into_iter();
        let shown: Vec<_> =
            shown.map(|s| format!("{} {} {:?}", s.host, s.block.text, s.others)).collect();
        assert_eq!(shown, ["a → b drain a []", r#"a reboot ["b"]"#, "a → b free a []"]);
    }

    #[test]
    fn many_hosts_are_counted() {
        let names: Vec<String> = (1..=12).map(|n| format!("n{n}")).collect();
        assert_eq!(same_on(&names[..2], 40, false), "the same on n1, n2");
        assert_eq!(
            same_on(&names, 40, false),
            "the same on n1, n2, n3, n4, n5, n6, n7, n8 and 4 more"
        );
        assert_eq!(same_on(&names, 13, false), "the same on all 13 hosts");
    }
}
