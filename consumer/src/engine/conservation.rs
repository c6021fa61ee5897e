//! Conservation: what became of each record of a partition, and the canaries among them. Counted as records are folded, and
//! moved in the checkpoint together with the offset, so that the sum is exact whatever is killed.

use domain::canary::{Canaries, Canary, Flight};
use domain::fold::Outcome;
use domain::id::GatewayId;
use domain::time::Micros;

/// Records by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) applied: i64,
    pub(crate) duplicate: i64,
    pub(crate) late: i64,
    pub(crate) ignored: i64,
    pub(crate) marker: i64,
    pub(crate) dead_letter: i64,
}

impl Counts {
    fn add(&mut self, outcome: Outcome) {
        *match outcome {
            Outcome::Applied => &mut self.applied,
            Outcome::Duplicate => &mut self.duplicate,
            Outcome::Late | Outcome::TooLate => &mut self.late,
            Outcome::Ignored => &mut self.ignored,
            Outcome::Marker => &mut self.marker,
        } += 1;
    }

    pub(crate) fn total(&self) -> i64 {
        self.applied + self.duplicate + self.late + self.ignored + self.marker + self.dead_letter
    }
}

/// What a checkpoint says about the records it takes.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) counts: Counts,
    /// The canaries that flew on, each as it is known now.
    pub(crate) canaries: Vec<(GatewayId, Flight)>,
    /// Numbers of canaries that were found missing.
    pub(crate) gaps: u64,
}

/// The accounts of one partition.
#[derive(Debug)]
pub(crate) struct Conservation {
    /// Up to where the ledger accounts for every record.
    accounted: i64,
    counts: Counts,
    canaries: Canaries,
    gaps: u64,
    /// Records and gaps of the checkpoint under way.
    under_way: (i64, u64),
    gaps_saved: u64,
}

impl Conservation {
    /// The accounts of a ledger that accounts for everything up to `accounted`.
    pub(crate) fn new(accounted: i64, canaries: Canaries) -> Self {
        Self {
            accounted,
            counts: Counts::default(),
            canaries,
            gaps: 0,
            under_way: (0, 0),
            gaps_saved: 0,
        }
    }

    /// A record was folded; `canary` is the one that it carried.
    pub(crate) fn folded(&mut self, outcome: Outcome, canary: Option<(Canary, Micros)>) {
        self.counts.add(outcome);
        self.observe(canary);
    }

    /// A record was put into quarantine; `canary` is the one that it carried.
    pub(crate) fn quarantined(&mut self, canary: Option<(Canary, Micros)>) {
        self.counts.dead_letter += 1;
        self.observe(canary);
    }

    fn observe(&mut self, canary: Option<(Canary, Micros)>) {
        if let Some((canary, at)) = canary {
            self.gaps = self.gaps.saturating_add(self.canaries.observe(canary, at));
        }
    }

    /// What the checkpoint that begins now takes.
    pub(crate) fn take(&mut self) -> Tally {
        let tally = Tally {
            counts: std::mem::take(&mut self.counts),
            canaries: self.canaries.drain_changed(),
            gaps: std::mem::take(&mut self.gaps),
        };
        self.under_way.0 += tally.counts.total();
        self.under_way.1 = self.under_way.1.saturating_add(tally.gaps);
        tally
    }

    /// The ledger has the checkpoint that was under way.
    pub(crate) fn saved(&mut self) {
        let (records, gaps) = std::mem::take(&mut self.under_way);
        self.accounted += records;
        self.gaps_saved = self.gaps_saved.saturating_add(gaps);
    }

    /// Records up to `saved`, where the ledger is, of which nobody knows what became: 0, or something is wrong.
    pub(crate) fn unaccounted(&self, saved: i64) -> i64 {
        saved - self.accounted
    }

    /// Gaps that the ledger has heard of since the last call.
    pub(crate) fn take_saved_gaps(&mut self) -> u64 {
        std::mem::take(&mut self.gaps_saved)
    }

    /// The canary that was written last.
    pub(crate) fn newest_canary(&self) -> Option<&Flight> {
        let flights = self.canaries.flights().map(|(_, flight)| flight);
        flights.max_by_key(|flight| flight.written_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_accounted_for_and_what_is_not_is_not_lost() {
        let mut conservation = Conservation::new(10, Canaries::default());
        conservation.folded(Outcome::Applied, None);
        conservation.quarantined(None);
        let first = conservation.take();
        assert_eq!((first.counts.applied, first.counts.dead_letter), (1, 1));
        conservation.folded(Outcome::Marker, None);
        assert_eq!(conservation.unaccounted(10), 0, "nothing is saved yet");
        conservation.saved();
        assert_eq!(conservation.unaccounted(12), 0);
        assert_eq!(conservation.take().counts.total(), 1);
        conservation.saved();
        assert_eq!(conservation.unaccounted(14), 1, "a record vanished");
    }

    #[test]
    fn a_gap_is_told_once_and_only_when_the_ledger_knows_it() {
        let mut conservation = Conservation::new(0, Canaries::default());
        for (sequence, at) in [(1, Micros(0)), (4, Micros(1))] {
            let gateway = "a".into();
            let canary = Canary { gateway, sequence };
            conservation.folded(Outcome::Marker, Some((canary, at)));
        }
        assert_eq!(conservation.take().gaps, 2);
        assert_eq!(conservation.take_saved_gaps(), 0);
        conservation.saved();
        assert_eq!(conservation.take_saved_gaps(), 2);
        assert_eq!(conservation.take_saved_gaps(), 0);
        assert_eq!(conservation.newest_canary().unwrap().sequence, 4);
    }
}
