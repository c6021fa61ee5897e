//! The types of traveler that one sensor has seen.

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use super::panes::TypeIndex;
use crate::id::TravelerType;

/// Each of them once, in the order in which they came. There are 65,535 at most, and they are never forgotten: the last one stands
/// for all that come after it.
#[derive(Debug, Default)]
pub(super) struct Types {
    pub(super) names: Vec<TravelerType>,
    by_name: HashTable<TypeIndex>,
}

impl Types {
    /// The index of a type that was seen before.
    pub(super) fn known(&self, name: &TravelerType) -> Option<TypeIndex> {
        let is_it = |&index: &TypeIndex| self.names[usize::from(index)] == *name;
        self.by_name.find(hash(name), is_it).copied()
    }

    /// The index of a type; whether it is a new one is told too.
    pub(super) fn index_of(&mut self, name: &TravelerType) -> (TypeIndex, bool) {
        if let Some(index) = self.known(name) {
            return (index, false);
        }
        let index = TypeIndex::try_from(self.names.len()).unwrap_or(TypeIndex::MAX);
        if index == TypeIndex::MAX {
            return (TypeIndex::MAX - 1, false);
        }
        self.names.push(name.clone());
        let names = &self.names;
        let rehash = |&other: &TypeIndex| hash(&names[usize::from(other)]);
        self.by_name.insert_unique(hash(name), index, rehash);
        (index, true)
    }
}

fn hash(name: &TravelerType) -> u64 {
    xxh3_64(name.0.as_bytes())
}
