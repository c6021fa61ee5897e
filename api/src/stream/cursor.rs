//! Positions: where a subscription stands, in one number that every instance of the API understands.
//!
//! No instance remembers what it answered. A position says instead *when* the answer was made and *how far back* it could
//! still change; whatever lies before that is final and the same everywhere. So any instance can go on from any answer: it
//! sends everything after that point anew, as absolute values.
//!
//! The number (below 2^53, so that JavaScript holds it) is made of the instant in steps of 50 ms since 2024, the reach in
//! minutes, and a counter of frames within one change: `instant << 19 | reach << 7 | frame`.

use domain::time::{Micros, Span};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use xxhash_rust::xxh3::xxh3_64;

/// Answers are made for instants on this raster, so that sockets which ask together share them.
pub const TICK: Span = Span(50_000);
/// Frames of one change at most.
pub const FRAMES_MAX: usize = 1 << FRAME_BITS;

/// 2024-01-01T00:00:00Z.
const ORIGIN: Micros = Micros(1_704_067_200_000_000);
const MINUTE: Span = Span::from_secs(60);
const FRAME_BITS: u32 = 7;
const REACH_BITS: u32 = 12;
/// A reach that goes back to the beginning.
const REACH_ALL: i64 = (1 << REACH_BITS) - 1;

/// Where a subscription to the same question goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StreamCursor {
    /// The topic to subscribe to.
    #[schema(example = "series")]
    pub topic: String,
    /// The question, in short; equal for equal questions.
    #[schema(example = "7f3a90c1d2e4b586")]
    pub filter: String,
    /// The data that the position belongs to.
    #[schema(example = "8f3c5a1e90c1d2e4")]
    pub epoch: String,
    /// The position.
    #[schema(example = 10231)]
    pub offset: u64,
}

/// The position to go on from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Since {
    /// As in the cursor or the snapshot.
    pub epoch: String,
    /// The position that was reached.
    pub offset: u64,
}

/// A position, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// When the answer was made; on the raster.
    pub as_of: Micros,
    /// Everything before this is final; `None` when nothing is.
    pub final_before: Option<Micros>,
}

impl Position {
    /// The position of an answer that was made at `as_of`, in which everything before `final_before` is final.
    #[must_use]
    pub fn new(as_of: Micros, final_before: Option<Micros>) -> Self {
        Self {
            as_of,
            final_before,
        }
    }

    /// As a number. The reach is rounded up, so what it calls final is final.
    #[must_use]
    pub fn offset(&self) -> u64 {
        let instant = (self.as_of - ORIGIN).0.max(0) / TICK.0;
        let reach = self.final_before.map_or(REACH_ALL, |before| {
            let reach = (self.as_of - before).0.max(0);
            ((reach + MINUTE.0 - 1) / MINUTE.0).min(REACH_ALL)
        });
        let bits = instant << (REACH_BITS + FRAME_BITS) | reach << FRAME_BITS;
        bits.unsigned_abs()
    }

    /// Reads a position; `None` for one in the middle of a change, which no answer was made at.
    #[must_use]
    pub fn from_offset(offset: u64) -> Option<Self> {
        let bits = i64::try_from(offset).ok().filter(|&bits| bits < 1 << 53)?;
        if bits % (1 << FRAME_BITS) != 0 {
            return None;
        }
        let reach = bits >> FRAME_BITS & REACH_ALL;
        let as_of = ORIGIN + TICK * (bits >> (REACH_BITS + FRAME_BITS));
        Some(Self {
            as_of,
            final_before: (reach < REACH_ALL).then(|| as_of - MINUTE * reach),
        })
    }
}

/// Sixteen digits that stand for `parts`; equal for equal parts, wherever they are computed.
#[must_use]
pub fn digest<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(part.as_bytes());
        bytes.push(0);
    }
    format!("{:016x}", xxh3_64(&bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_position_survives_its_journey(ticks in 0..1_i64 << 34, reach in 0..5_000_i64 * 60_000_000) {
            let as_of = ORIGIN + TICK * ticks;
            let position = Position::new(as_of, Some(as_of - Span(reach)));
            let found = Position::from_offset(position.offset()).unwrap();
            prop_assert!(position.offset() < 1 << 53);
            prop_assert_eq!(found.as_of, as_of);
            match found.final_before {
                // Rounded by less than a minute, and never to the later side.
                Some(before) => prop_assert!((0..MINUTE.0).contains(&(as_of - Span(reach) - before).0)),
                None => prop_assert!(reach > 4_094 * MINUTE.0),
            }
        }

        #[test]
        fn later_answers_have_higher_positions(first in 0..1_i64 << 33, later in 1..1_i64 << 33, reach in 0..1_i64 << 40) {
            let position = |ticks, reach| Position::new(ORIGIN + TICK * ticks, Some(ORIGIN + TICK * ticks - Span(reach))).offset();
            prop_assert!(position(first, reach) + (FRAMES_MAX as u64 - 1) < position(first + later, 0));
        }

        #[test]
        fn no_number_panics(offset in any::<u64>()) {
            std::hint::black_box(Position::from_offset(offset));
        }
    }

    #[test]
    fn a_position_inside_a_change_is_none() {
        let offset = Position::new(ORIGIN, None).offset();
        assert!(Position::from_offset(offset).is_some());
        assert_eq!(Position::from_offset(offset + 1), None);
        assert_eq!(Position::from_offset(u64::MAX), None);
    }

    #[test]
    fn a_digest_tells_parts_apart() {
        assert_ne!(digest(["ab", "c"]), digest(["a", "bc"]));
        assert_eq!(digest(["a"]).len(), 16);
    }
}
