//! Redis as the protocol sees it: a header per partition that can be watched, and maps under a generation.

use std::collections::BTreeMap;

use domain::live::{LiveMap, LiveWrite};

use super::subject::View;
use crate::engine::job::{Flush, Header};

/// What Redis holds of one partition.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    pub(super) header: Option<(Header, i64)>,
    pub(super) generations: BTreeMap<String, View>,
    /// Raised whenever the header is touched, so that whoever watches it is told.
    touched: u64,
    /// Who wrote the header, by the name that only the model knows.
    pub(super) holder: u64,
}

/// The server, with a copy of it on disk.
#[derive(Debug, Default)]
pub(super) struct Redis {
    pub(super) partitions: Vec<Keys>,
    disk: Option<Vec<Keys>>,
    /// Connections do not outlive a restart.
    restarts: u64,
}

/// What `WATCH` and a look at the headers gave.
#[derive(Clone, Debug)]
pub(super) struct Look {
    partitions: Vec<usize>,
    pub(super) headers: Vec<Option<Header>>,
    touched: Vec<u64>,
    restarts: u64,
}

impl Redis {
    pub(super) fn new(partitions: usize) -> Self {
        Self {
            partitions: vec![Keys::default(); partitions],
            ..Self::default()
        }
    }

    pub(super) fn save(&mut self) {
        self.disk = Some(self.partitions.clone());
    }

    /// Starts anew from the copy on disk, or empty.
    pub(super) fn restart(&mut self) {
        let empty = || vec![Keys::default(); self.partitions.len()];
        self.partitions = self.disk.clone().unwrap_or_else(empty);
        self.restarts += 1;
    }

    /// `FLUSHALL`.
    pub(super) fn wipe(&mut self) {
        for keys in &mut self.partitions {
            keys.generations.clear();
            keys.evict_header();
        }
    }

    pub(super) fn watch(&self, partitions: Vec<usize>) -> Look {
        let keys = |partition: &usize| &self.partitions[*partition];
        Look {
            headers: partitions.iter().map(keys).map(Keys::found).collect(),
            touched: partitions.iter().map(|id| keys(id).touched).collect(),
            restarts: self.restarts,
            partitions,
        }
    }

    /// Whether `EXEC` would write: nobody touched what was watched.
    pub(super) fn is_as_seen(&self, look: &Look) -> bool {
        let now = self.watch(look.partitions.clone());
        self.restarts == look.restarts && now.touched == look.touched
    }
}

impl Keys {
    /// The header, and how much its maps hold.
    fn found(&self) -> Option<Header> {
        let (mut header, _) = self.header.clone()?;
        header.generation.fields = self.current().map_or(0, fields);
        Some(header)
    }

    pub(super) fn evict_header(&mut self) {
        if self.header.take().is_some() {
            self.touched += 1;
        }
    }

    /// A map of the generation that counts goes, and its header stays.
    pub(super) fn evict_map(&mut self, map: LiveMap) {
        if let Some(view) = self.current_mut() {
            view.retain(|(of, _), _| *of != map);
            self.touched += 1;
        }
    }

    /// What readers see.
    pub(super) fn current(&self) -> Option<&View> {
        let (header, _) = self.header.as_ref()?;
        self.generations.get(&header.generation.name)
    }

    fn current_mut(&mut self) -> Option<&mut View> {
        let (header, _) = self.header.as_ref()?;
        self.generations.get_mut(&header.generation.name)
    }

    /// The commands that `LiveStore::queue` puts into `MULTI`; says how many fields there are then.
    pub(super) fn apply(&mut self, flush: &Flush) -> u64 {
        let mut generation = flush.generation.clone();
        let view = self.generations.entry(generation.name.clone()).or_default();
        let is_written = |write: &&LiveWrite| LiveMap::ALL.contains(&write.map);
        for write in flush.writes.iter().filter(is_written) {
            let field = (write.map, write.field.clone());
            match &write.value {
                Some(value) => view.insert(field, value.clone()),
                None => view.remove(&field),
            };
        }
        let fields = fields(view);
        generation.seq += 1;
        let header = Header {
            epoch: flush.epoch,
            generation,
        };
        self.header = Some((header, flush.next_offset));
        self.touched += 1;
        fields
    }
}

fn fields(view: &View) -> u64 {
    view.len().try_into().unwrap()
}
