//! Bounded tables: each has a capacity, forgets what was least recently used, and
//! counts what it forgot.

use lru::LruCache;
use std::hash::Hash;
use std::num::NonZeroUsize;

/// A map of at most `capacity` entries. Only the order of use decides what goes, and
/// iteration follows that order, so the hasher's seed never shows in the output.
#[derive(Debug)]
pub struct Table<K: Hash + Eq, V> {
    name: &'static str,
    entries: LruCache<K, V>,
    evictions: u64,
}

impl<K: Clone + Hash + Eq, V> Table<K, V> {
    /// An empty table; a capacity of 0 counts as 1.
    pub fn new(name: &'static str, capacity: usize) -> Self {
        let capacity = NonZeroUsize::new(capacity).unwrap_or(NonZeroUsize::MIN);
        Self {
            name,
            entries: LruCache::sparse(capacity),
            evictions: 0,
        }
    }

    /// Inserts or replaces; returns what had to go to make room.
    pub fn put(&mut self, key: K, value: V) -> Option<(K, V)> {
        let put = key.clone();
        let (old, value) = self.entries.push(key, value)?;
        if old == put {
            return None;
        }
        self.evictions += 1;
        Some((old, value))
    }

    /// Looks up and marks as used.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key)
    }

    /// Looks up, puts the default there if there is nothing, and marks as used.
    pub fn entry(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        let full = self.entries.len() == self.entries.cap().get();
        if full && !self.entries.contains(&key) {
            self.evictions += 1;
        }
        self.entries.get_or_insert_mut(key, V::default)
    }

    /// Looks up and leaves the order as it is.
    pub fn peek(&self, key: &K) -> Option<&V> {
        self.entries.peek(key)
    }

    /// Looks up to change, and leaves the order as it is.
    pub fn peek_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.peek_mut(key)
    }

    /// Takes an entry out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.entries.pop(key)
    }

    /// All entries, the most recently used first.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter()
    }

    /// How full the table is, and what it forgot.
    pub fn usage(&self) -> TableUsage {
        TableUsage {
            table: self.name,
            entries: self.entries.len(),
            capacity: self.entries.cap().get(),
            evictions: self.evictions,
        }
    }
}

/// How full a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableUsage {
    /// Its name, a label value.
    pub table: &'static str,
    /// Entries now.
    pub entries: usize,
    /// Most entries it takes.
    pub capacity: usize,
    /// Entries forgotten to make room, since start.
    pub evictions: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_goes_and_is_counted() {
        let mut table = Table::new("t", 2);
        assert_eq!(table.put(1, 'a'), None);
        assert_eq!(table.put(2, 'b'), None);
        assert!(table.get_mut(&1).is_some());
        assert_eq!(table.put(3, 'c'), Some((2, 'b')));
        assert_eq!(table.put(1, 'd'), None, "replacing is no eviction");
        assert_eq!(
            table.usage(),
            TableUsage {
                table: "t",
                entries: 2,
                capacity: 2,
                evictions: 1
            }
        );
    }
}
