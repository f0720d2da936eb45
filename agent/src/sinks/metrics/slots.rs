//! A bound on interface names as label values.
//!
//! Namespaces and interfaces come and go with virtual machines. An interface that went
//! keeps its series, so that the next scrape still sees its last releases, until
//! another one needs the place.

use crate::sinks::names::InterfaceName;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// Which interfaces have series of their own.
#[derive(Debug)]
pub(super) struct Slots {
    most: usize,
    taken: BTreeSet<Arc<InterfaceName>>,
    gone: VecDeque<Arc<InterfaceName>>,
}

/// What a name is worth as a label.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// It has series of its own.
    Own,
    /// It has now, in place of one that went, whose series have to go.
    InsteadOf(Arc<InterfaceName>),
    /// There is no place: it counts under `other`.
    Other,
}

impl Slots {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            taken: BTreeSet::new(),
            gone: VecDeque::new(),
        }
    }

    /// The place of `name`, taken if need be.
    pub(super) fn take(&mut self, name: &Arc<InterfaceName>) -> Slot {
        if self.taken.contains(name) {
            return Slot::Own;
        }
        let mut slot = Slot::Own;
        if self.taken.len() >= self.most {
            let Some(oldest) = self.gone.pop_front() else {
                return Slot::Other;
            };
            self.taken.remove(&oldest);
            slot = Slot::InsteadOf(oldest);
        }
        self.taken.insert(Arc::clone(name));
        slot
    }

    /// `name` is no more; its place may be given away.
    pub(super) fn leave(&mut self, name: &Arc<InterfaceName>) {
        if self.taken.contains(name) && !self.gone.contains(name) {
            self.gone.push_back(Arc::clone(name));
        }
    }

    /// `name` is there again.
    pub(super) fn stay(&mut self, name: &Arc<InterfaceName>) {
        self.gone.retain(|gone| gone != name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(interface: &str) -> Arc<InterfaceName> {
        Arc::new(InterfaceName {
            netns: String::new(),
            interface: interface.to_owned(),
        })
    }

    #[test]
    fn a_place_is_given_away_only_when_it_is_needed_and_its_owner_is_gone() {
        let mut slots = Slots::new(2);
        let [a, b, c, d] = ["a", "b", "c", "d"].map(name);
        assert_eq!(slots.take(&a), Slot::Own);
        assert_eq!(slots.take(&b), Slot::Own);
        assert_eq!(slots.take(&c), Slot::Other);
        slots.leave(&b);
        slots.leave(&a);
        slots.leave(&a);
        assert_eq!(slots.take(&a), Slot::Own, "it keeps its series meanwhile");
        slots.stay(&b);
        assert_eq!(slots.take(&c), Slot::InsteadOf(a));
        assert_eq!(slots.take(&d), Slot::Other);
    }
}
