//! The copy of one partition's live view.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use domain::id::{DeviceId, TravelerType};
use domain::live::{Frame, LiveMap, PaneValue, SensorValue, parse_pane_field};
use domain::pane::{Pane, SpeedStats};
use domain::quantity::Speed;
use domain::sketch::Sketch;
use domain::time::Micros;
use prost::Message;

/// A sensor and a kind of traveler: whose pane it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Who {
    /// The sensor.
    pub sensor: DeviceId,
    /// The kind of traveler.
    pub traveler_type: TravelerType,
}

/// A pane that may still change. It leaves the live view only after Postgres has its row. The sketch stays packed until somebody needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct LivePane {
    pane: Pane,
    sketch: Box<[u8]>,
    /// Offset of the record that changed it last: the higher of two copies is the newer one.
    pub changed_offset: i64,
}

impl LivePane {
    fn decode(bytes: &[u8]) -> Option<Self> {
        let value = PaneValue::decode(bytes).ok()?;
        let sketch = value.sketch.into_boxed_slice();
        Sketch::from_bytes(&sketch)?;
        Some(Self {
            pane: Pane {
                entered: value.entered,
                present: value.present,
                speed: SpeedStats {
                    n: value.speed_n,
                    sum: Speed(value.speed_sum),
                    min: Speed(value.speed_min),
                    max: Speed(value.speed_max),
                    sketch: Sketch::default(),
                },
                revised: u32::from(value.revised),
            },
            sketch,
            changed_offset: value.changed_offset,
        })
    }

    /// The pane; its sketch is empty unless it is asked for.
    #[must_use]
    pub fn pane(&self, with_sketch: bool) -> Pane {
        let mut pane = self.pane.clone();
        if with_sketch {
            pane.speed.sketch =
                Sketch::from_bytes(&self.sketch).expect("checked when it was decoded");
        }
        pane
    }
}

/// What the header of a partition says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) generation: String,
    pub(super) seq: u64,
    pub(super) next_offset: i64,
}

/// A partition as it stands in Redis.
#[derive(Clone, Debug)]
pub(super) struct Image {
    pub(super) header: Header,
    /// Receipt of the newest record that is contained.
    pub(super) newest_received: Option<Micros>,
    /// Fields and values of the hash of panes.
    pub(super) panes: Vec<(Vec<u8>, Vec<u8>)>,
    /// Fields and values of the hash of sensors.
    pub(super) sensors: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What an announcement meant for the copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Applied {
    /// It was contained already.
    Known,
    /// The copy has it now.
    Next,
    /// Something in between is missing: the partition is to be read again.
    Gap,
}

/// Which pane.
pub(super) type Slot = (Micros, Arc<Who>);

/// What an announcement changed.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) panes: Vec<Slot>,
    /// Starts of final panes of which Postgres has new rows.
    pub(super) revised: Vec<Micros>,
}

/// The copy of one partition.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) header: Header,
    pub(super) panes: BTreeMap<Micros, HashMap<Arc<Who>, Arc<LivePane>>>,
    pub(super) sensors: BTreeMap<DeviceId, Arc<SensorValue>>,
    pub(super) newest_received: Option<Micros>,
    /// How far the newest record was behind when it was shown, µs.
    pub(super) shown_after: Option<i64>,
    /// One copy of each name.
    names: HashMap<Who, Arc<Who>>,
}

impl Partition {
    /// The copy of what stands in Redis. Values that cannot be read are left out: an older reader meets a newer writer.
    pub(super) fn from_image(image: Image) -> Self {
        let mut partition = Self {
            header: image.header,
            panes: BTreeMap::new(),
            sensors: BTreeMap::new(),
            newest_received: image.newest_received,
            shown_after: None,
            names: HashMap::new(),
        };
        for (field, value) in &image.panes {
            partition.write_pane(field, Some(value));
        }
        for (field, value) in &image.sensors {
            partition.write_sensor(field, Some(value));
        }
        partition
    }

    /// Applies an announcement that arrived at `now`; reports each pane that changed.
    pub(super) fn apply(&mut self, frame: &Frame, now: Micros, changed: &mut Changes) -> Applied {
        if frame.generation != self.header.generation {
            return Applied::Gap;
        }
        if frame.seq <= self.header.seq {
            return Applied::Known;
        }
        if frame.seq != self.header.seq + 1 {
            return Applied::Gap;
        }
        self.header.seq = frame.seq;
        self.header.next_offset = frame.next_offset;
        for write in &frame.writes {
            match LiveMap::from_name(&write.map) {
                Some(LiveMap::Panes) => {
                    let slot = self.write_pane(&write.field, write.value.as_deref());
                    changed.panes.extend(slot);
                }
                Some(LiveMap::Sensors) => self.write_sensor(&write.field, write.value.as_deref()),
                Some(LiveMap::Revised) => {
                    let key = parse_pane_field(&write.field);
                    changed.revised.extend(key.map(|key| key.start));
                }
                Some(LiveMap::Visits) | None => {}
            }
        }
        if frame.newest_received_us > 0 {
            let received = Micros(frame.newest_received_us);
            self.newest_received = self.newest_received.max(Some(received));
            self.shown_after = Some((now - received).0.max(0));
        }
        Applied::Next
    }

    /// The kinds of traveler that panes were seen of.
    pub(super) fn traveler_types(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(|who| who.traveler_type.as_str())
    }

    fn write_pane(&mut self, field: &[u8], value: Option<&[u8]>) -> Option<Slot> {
        let key = parse_pane_field(field)?;
        let who = self.named(Who {
            sensor: key.sensor,
            traveler_type: key.traveler_type,
        });
        let slot = (key.start, who);
        let Some(value) = value else {
            remove(&mut self.panes, &slot);
            return Some(slot);
        };
        let pane = Arc::new(LivePane::decode(value)?);
        self.panes
            .entry(slot.0)
            .or_default()
            .insert(Arc::clone(&slot.1), pane);
        Some(slot)
    }

    fn write_sensor(&mut self, field: &[u8], value: Option<&[u8]>) {
        let Ok(name) = std::str::from_utf8(field) else {
            return;
        };
        match value.map(SensorValue::decode) {
            Some(Ok(sensor)) => {
                self.sensors.insert(DeviceId::from(name), Arc::new(sensor));
            }
            Some(Err(_)) => {}
            None => {
                self.sensors.remove(name);
            }
        }
    }

    fn named(&mut self, who: Who) -> Arc<Who> {
        if let Some(known) = self.names.get(&who) {
            return Arc::clone(known);
        }
        let shared = Arc::new(who.clone());
        self.names.insert(who, Arc::clone(&shared));
        shared
    }
}

fn remove(panes: &mut BTreeMap<Micros, HashMap<Arc<Who>, Arc<LivePane>>>, (start, who): &Slot) {
    if let Some(at_start) = panes.get_mut(start) {
        at_start.remove(who);
        if at_start.is_empty() {
            panes.remove(start);
        }
    }
}
