//! What a sensor saw once the fold has let go of it: blocks of samples and signs of life, packed, one a minute and hour.
//!
//! An event that comes after its sensor's watermark amends what was final. For that the samples around it are needed again,
//! and memory holds only those within the lateness. So whatever leaves memory goes into a block, the blocks lie with the
//! rows, and [`super::late`] asks for those that it needs.
//!
//! A block lies within one hour of event time. It is about 24 bytes a sample: times and coordinates are differences to the
//! sample before, coordinates in millionths of a metre where that is exact, and the sixteen bytes of the key as they are.

use std::collections::BTreeMap;

use super::panes::TypeIndex;
use super::track::Sample;
use crate::coverage::HOUR;
use crate::event_key::EventKey;
use crate::id::{TravelerId, TravelerType};
use crate::time::Micros;
use crate::varint::{put_varint, take_varint, unzigzag, zigzag};

/// The version that this build writes.
const VERSION: u8 = 1;

/// A coordinate in units of this many to a metre is stored as an integer when nothing is lost by it.
const UNITS_A_METRE: f64 = 1e6;

/// Whose samples.
pub(super) type Whose = (TypeIndex, TravelerId);

/// What left memory and is in no block yet.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Leaving {
    pub(super) samples: BTreeMap<Whose, Vec<Sample>>,
    /// Signs of life that are no samples: when, and whether the sensor went on.
    pub(super) signs: Vec<(Micros, bool)>,
}

/// A block, read back.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Block {
    pub(super) tracks: Vec<(TravelerType, TravelerId, Vec<Sample>)>,
    pub(super) signs: Vec<(Micros, bool)>,
}

impl Leaving {
    /// Takes in samples of a track.
    pub(super) fn add(&mut self, kind: TypeIndex, traveler: &TravelerId, samples: &[Sample]) {
        if samples.is_empty() {
            return;
        }
        let whose = (kind, traveler.clone());
        self.samples
            .entry(whose)
            .or_default()
            .extend_from_slice(samples);
    }

    /// Packs everything into blocks, one for each hour of event time.
    pub(super) fn pack(&mut self, types: &[TravelerType]) -> BTreeMap<Micros, Vec<u8>> {
        let mut hours: BTreeMap<Micros, Block> = BTreeMap::new();
        for ((kind, traveler), mut samples) in std::mem::take(&mut self.samples) {
            samples.sort_unstable_by_key(|sample| (sample.at, sample.key));
            for of_hour in samples.chunk_by(|a, b| a.at.floor(HOUR) == b.at.floor(HOUR)) {
                let block = hours.entry(of_hour[0].at.floor(HOUR)).or_default();
                let name = types[usize::from(kind)].clone();
                block
                    .tracks
                    .push((name, traveler.clone(), of_hour.to_vec()));
            }
        }
        for (at, online) in std::mem::take(&mut self.signs) {
            let block = hours.entry(at.floor(HOUR)).or_default();
            block.signs.push((at, online));
        }
        let blocks = hours.into_iter();
        blocks
            .map(|(hour, block)| (hour, block.to_bytes(hour)))
            .collect()
    }
}

impl Block {
    fn to_bytes(&self, hour: Micros) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        put_count(&mut bytes, self.signs.len());
        for (at, online) in &self.signs {
            put_signed(&mut bytes, (*at - hour).0);
            bytes.push(u8::from(*online));
        }
        put_count(&mut bytes, self.tracks.len());
        for (traveler_type, traveler, samples) in &self.tracks {
            put_text(&mut bytes, &traveler_type.0);
            put_text(&mut bytes, &traveler.0);
            put_count(&mut bytes, samples.len());
            let mut before = Sample {
                at: hour,
                key: EventKey::default(),
                x: 0.0,
                y: 0.0,
            };
            for sample in samples {
                put_signed(&mut bytes, (sample.at - before.at).0);
                bytes.extend_from_slice(&sample.key.0);
                put_coordinate(&mut bytes, before.x, sample.x);
                put_coordinate(&mut bytes, before.y, sample.y);
                before = *sample;
            }
        }
        bytes
    }

    /// Reads the block of `hour`, and of each traveler only what `wanted` says; `None` when the bytes are no block.
    pub(super) fn from_bytes(
        hour: Micros,
        mut bytes: &[u8],
        wanted: impl Fn(&TravelerType, &TravelerId, Micros) -> bool,
    ) -> Option<Self> {
        let bytes = &mut bytes;
        if take(bytes, 1)? != [VERSION] {
            return None;
        }
        let mut block = Self::default();
        for _ in 0..take_varint(bytes)? {
            let at = Micros(hour.0.checked_add(take_signed(bytes)?)?);
            block.signs.push((at, take(bytes, 1)? == [1]));
        }
        for _ in 0..take_varint(bytes)? {
            let traveler_type = TravelerType::from(take_text(bytes)?.as_str());
            let traveler = TravelerId::from(take_text(bytes)?.as_str());
            let mut samples = Vec::new();
            let (mut at, mut x, mut y) = (hour, 0.0, 0.0);
            for _ in 0..take_varint(bytes)? {
                at = Micros(at.0.checked_add(take_signed(bytes)?)?);
                let key = EventKey::from_bytes(take(bytes, 16)?);
                x = take_coordinate(bytes, x)?;
                y = take_coordinate(bytes, y)?;
                if wanted(&traveler_type, &traveler, at) {
                    samples.push(Sample { at, key, x, y });
                }
            }
            if !samples.is_empty() {
                block.tracks.push((traveler_type, traveler, samples));
            }
        }
        bytes.is_empty().then_some(block)
    }
}

/// What can be read as a block can be written and read again; for the fuzzer.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn fuzz_block(data: &[u8]) {
    let read = |bytes: &[u8]| Block::from_bytes(Micros(0), bytes, |_, _, _| true);
    if let Some(block) = read(data) {
        let again = read(&block.to_bytes(Micros(0))).expect("what was written can be read");
        // As text, because NaN is not equal to itself.
        assert_eq!(format!("{again:?}"), format!("{block:?}"));
    }
}

/// The coordinate as an integer, when it can be had back from it bit by bit.
#[expect(
    clippy::cast_possible_truncation,
    reason = "what does not survive is stored as it is"
)]
fn units(metres: f64) -> Option<i64> {
    let units = (metres * UNITS_A_METRE).round() as i64;
    (metres_of(units).to_bits() == metres.to_bits()).then_some(units)
}

#[expect(clippy::cast_precision_loss, reason = "units() has looked at it")]
fn metres_of(units: i64) -> f64 {
    units as f64 / UNITS_A_METRE
}

/// Even: twice the zigzag difference in units. One: the eight bytes follow.
fn put_coordinate(bytes: &mut Vec<u8>, before: f64, now: f64) {
    let difference = units(before)
        .zip(units(now))
        .and_then(|(before, now)| now.checked_sub(before))
        .map(zigzag)
        .filter(|zigzag| *zigzag < 1 << 62);
    match difference {
        Some(difference) => put_varint(bytes, difference << 1),
        None => {
            put_varint(bytes, 1);
            bytes.extend_from_slice(&now.to_le_bytes());
        }
    }
}

fn take_coordinate(bytes: &mut &[u8], before: f64) -> Option<f64> {
    let tag = take_varint(bytes)?;
    if tag & 1 == 0 {
        let difference = unzigzag(tag >> 1);
        return Some(metres_of(units(before)?.checked_add(difference)?));
    }
    let raw: [u8; 8] = take(bytes, 8)?.try_into().ok()?;
    Some(f64::from_le_bytes(raw))
}

fn put_count(bytes: &mut Vec<u8>, count: usize) {
    put_varint(bytes, count as u64);
}

fn put_signed(bytes: &mut Vec<u8>, value: i64) {
    put_varint(bytes, zigzag(value));
}

fn take_signed(bytes: &mut &[u8]) -> Option<i64> {
    take_varint(bytes).map(unzigzag)
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    put_count(bytes, text.len());
    bytes.extend_from_slice(text.as_bytes());
}

fn take_text(bytes: &mut &[u8]) -> Option<String> {
    let length = usize::try_from(take_varint(bytes)?).ok()?;
    let text = take(bytes, length)?;
    std::str::from_utf8(text).ok().map(str::to_owned)
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn coordinate() -> impl Strategy<Value = f64> {
        prop_oneof![
            3 => (-1_000_000_000..1_000_000_000_i64).prop_map(metres_of),
            1 => -1e6..1e6_f64,
            1 => Just(-0.0),
        ]
    }

    fn sample() -> impl Strategy<Value = Sample> {
        let at = (0..3_i64, 0..HOUR.0).prop_map(|(hour, into)| Micros(hour * HOUR.0 + into));
        (at, any::<[u8; 16]>(), coordinate(), coordinate()).prop_map(|(at, key, x, y)| Sample {
            at,
            key: EventKey(key),
            x,
            y,
        })
    }

    proptest! {
        #[test]
        fn what_is_packed_can_be_read_back(
            tracks in prop::collection::btree_map((0..2_u16, "[a-z]{0,3}"), prop::collection::vec(sample(), 1..20), 0..5),
            signs in prop::collection::vec((0..3 * HOUR.0, any::<bool>()), 0..9),
        ) {
            let types = ["person".into(), "student".into()];
            let mut leaving = Leaving::default();
            for ((kind, traveler), samples) in &tracks {
                leaving.add(*kind, &traveler.as_str().into(), samples);
            }
            leaving.signs = signs.iter().map(|(at, online)| (Micros(*at), *online)).collect();
            let kept = leaving.clone();
            let blocks = leaving.pack(&types);
            prop_assert_eq!(&leaving, &Leaving::default());
            let mut back = Leaving::default();
            for (hour, bytes) in blocks {
                let block = Block::from_bytes(hour, &bytes, |_, _, _| true).unwrap();
                for (name, traveler, samples) in block.tracks {
                    let kind = types.iter().position(|known| *known == name).unwrap();
                    prop_assert!(samples.iter().all(|sample| sample.at.floor(HOUR) == hour));
                    back.add(u16::try_from(kind).unwrap(), &traveler, &samples);
                }
                back.signs.extend(block.signs);
            }
            let sorted = |mut leaving: Leaving| {
                for samples in leaving.samples.values_mut() {
                    samples.sort_unstable_by_key(|sample| (sample.at, sample.key));
                }
                leaving.signs.sort_unstable();
                leaving
            };
            prop_assert_eq!(format!("{:?}", sorted(back)), format!("{:?}", sorted(kept)));
        }

        #[test]
        fn bytes_that_are_no_block_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            // Whatever they are, reading them ends without a panic.
            drop(Block::from_bytes(Micros(0), &bytes, |_, _, _| true));
        }
    }

    #[test]
    fn a_sample_of_a_common_device_takes_less_than_thirty_bytes() {
        let samples: Vec<Sample> = (0..1000_u32)
            .map(|n| Sample {
                at: Micros(i64::from(n) * 1_000_123),
                key: EventKey::from_values(&n.to_le_bytes()),
                x: f64::from(n) * 0.83,
                y: 2.5,
            })
            .collect();
        let mut leaving = Leaving::default();
        leaving.add(0, &"t1".into(), &samples);
        let bytes: usize = leaving
            .pack(&["person".into()])
            .values()
            .map(Vec::len)
            .sum();
        assert!(bytes < 30 * samples.len(), "{bytes}");
    }
}
