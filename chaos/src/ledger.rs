//! The ledger of a load: what was about to be published, written before, and what was acknowledged, written after.
//!
//! One JSON object a line. D1, D2, D3 and D5 are judged by this file and the log in Kafka.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use domain::time::Micros;
use serde::{Deserialize, Serialize};
use simulator::truth::Sample;

/// A line of the ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Entry {
    /// About to be published for the first time.
    Sent {
        /// When, µs since 1970.
        at: i64,
        /// Index of the device.
        device: u16,
        /// Its number among the messages of this device, from 0.
        sequence: u32,
        /// What is in it.
        what: What,
    },
    /// About to be published again, because the connection broke before the acknowledgement.
    Again {
        /// When.
        at: i64,
        /// Index of the device.
        device: u16,
        /// The number of the message.
        sequence: u32,
    },
    /// Acknowledged.
    Acked {
        /// When.
        at: i64,
        /// Index of the device.
        device: u16,
        /// The number of the message.
        sequence: u32,
        /// Whether the gateway said that it refused the payload, which is then in the dead letters.
        refused: bool,
    },
}

/// What a message is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A position that was not sent before.
    Position(Position),
    /// A position that is sent a second time on purpose.
    Duplicate {
        /// The same id as the first time.
        event_id: String,
    },
    /// Something that must be refused.
    Invalid {
        /// The id of the broken event.
        event_id: String,
        /// A good event in the same message.
        beside: Option<Position>,
    },
    /// The sensor about itself.
    Status,
}

/// A position as it was published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// Its id.
    pub event_id: String,
    /// When it happened.
    pub event_at: i64,
    /// Who.
    pub traveler: String,
    /// What kind of traveler.
    pub kind: String,
    /// Metres.
    pub x: f64,
    /// Metres.
    pub y: f64,
}

impl From<Sample> for Position {
    fn from(sample: Sample) -> Self {
        Self {
            event_id: sample.event_id,
            event_at: sample.at.0,
            traveler: sample.traveler_id,
            kind: sample.traveler_type,
            x: sample.x,
            y: sample.y,
        }
    }
}

impl Position {
    /// As the brute-force computation takes it.
    #[must_use]
    pub fn sample(&self, sensor: &str) -> Sample {
        Sample {
            sensor: sensor.to_owned(),
            traveler_type: self.kind.clone(),
            traveler_id: self.traveler.clone(),
            at: Micros(self.event_at),
            event_id: self.event_id.clone(),
            x: self.x,
            y: self.y,
        }
    }
}

impl What {
    /// The ids that must be found in Kafka: of what is taken, and of what is refused.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        let (one, other) = match self {
            Self::Position(position) => (Some(position.event_id.as_str()), None),
            Self::Duplicate { event_id } => (Some(event_id.as_str()), None),
            Self::Invalid { event_id, beside } => {
                let beside = beside.as_ref().map(|position| position.event_id.as_str());
                (Some(event_id.as_str()), beside)
            }
            Self::Status => (None, None),
        };
        one.into_iter().chain(other)
    }

    /// The position in it that must be taken, at its first sending.
    #[must_use]
    pub fn position(&self) -> Option<&Position> {
        match self {
            Self::Position(position) => Some(position),
            Self::Invalid { beside, .. } => beside.as_ref(),
            Self::Duplicate { .. } | Self::Status => None,
        }
    }
}

/// The file while a load writes it.
#[derive(Debug)]
pub struct Writer {
    file: Mutex<BufWriter<File>>,
}

impl Writer {
    /// A new file.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| format!("creating {}", path.display()))?;
        Ok(Self {
            file: Mutex::new(BufWriter::with_capacity(256 * 1024, file)),
        })
    }

    /// Adds lines and hands them to the kernel, so that they outlive this process.
    ///
    /// # Errors
    /// When the disk does not take them.
    pub fn write(&self, entries: &[Entry]) -> io::Result<()> {
        let mut file = self.file();
        for entry in entries {
            serde_json::to_writer(&mut *file, entry)?;
            file.write_all(b"\n")?;
        }
        file.flush()
    }

    fn file(&self) -> MutexGuard<'_, BufWriter<File>> {
        // A panic while writing leaves half a line at worst, which the reader reports.
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A message in the ledger.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    /// Index of the device.
    pub device: u16,
    /// Its number among the messages of this device.
    pub sequence: u32,
    /// What is in it.
    pub what: What,
    /// When it was acknowledged, if it was.
    pub acked_at: Option<i64>,
}

/// What a ledger says.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Every message, in the order in which they were published first.
    pub messages: Vec<Published>,
    /// How often a message was sent again.
    pub sent_again: u64,
    /// When each PUBACK came.
    pub acks: Vec<i64>,
}

impl Ledger {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or acknowledges what was never published.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
        let mut ledger = Self::default();
        let mut places = HashMap::new();
        for (number, line) in BufReader::new(file).lines().enumerate() {
            let entry: Entry = serde_json::from_str(&line?)
                .with_context(|| format!("{}, line {}", path.display(), number + 1))?;
            match entry {
                Entry::Sent {
                    device,
                    sequence,
                    what,
                    ..
                } => {
                    places.insert((device, sequence), ledger.messages.len());
                    ledger.messages.push(Published {
                        device,
                        sequence,
                        what,
                        acked_at: None,
                    });
                }
                Entry::Again { .. } => ledger.sent_again += 1,
                Entry::Acked {
                    at,
                    device,
                    sequence,
                    ..
                } => {
                    let place = places
                        .get(&(device, sequence))
                        .with_context(|| format!("line {}: never published", number + 1))?;
                    ledger.messages[*place].acked_at = Some(at);
                    ledger.acks.push(at);
                }
            }
        }
        Ok(ledger)
    }

    /// How many messages were acknowledged.
    #[must_use]
    pub fn acked(&self) -> usize {
        let acked = |message: &&Published| message.acked_at.is_some();
        self.messages.iter().filter(acked).count()
    }

    /// How many messages in which a device speaks of itself were acknowledged.
    #[must_use]
    pub fn acked_signs(&self) -> u64 {
        let acked =
            |message: &&Published| message.what == What::Status && message.acked_at.is_some();
        self.messages.iter().filter(acked).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_again_with_its_acknowledgements() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.jsonl");
        let writer = Writer::create(&path).unwrap();
        let what = What::Duplicate {
            event_id: "e-1".to_owned(),
        };
        let sent = |sequence| Entry::Sent {
            at: 1,
            device: 3,
            sequence,
            what: what.clone(),
        };
        writer.write(&[sent(0), sent(1)]).unwrap();
        let acked = Entry::Acked {
            at: 5,
            device: 3,
            sequence: 1,
            refused: false,
        };
        writer.write(&[acked]).unwrap();
        let ledger = Ledger::read(&path).unwrap();
        assert_eq!(ledger.messages.len(), 2);
        assert_eq!(ledger.messages[0].acked_at, None);
        assert_eq!(ledger.messages[1].acked_at, Some(5));
        assert_eq!((ledger.acked(), ledger.acks.len()), (1, 1));
    }

    #[test]
    fn an_acknowledgement_of_nothing_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.jsonl");
        let acked = Entry::Acked {
            at: 5,
            device: 3,
            sequence: 1,
            refused: false,
        };
        Writer::create(&path).unwrap().write(&[acked]).unwrap();
        assert!(Ledger::read(&path).is_err());
    }
}
