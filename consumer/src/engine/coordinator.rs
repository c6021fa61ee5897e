//! Whether Kafka answers for the consumer group. When it does not, members go on with what they have, and nobody is given the
//! partitions of one that ends: nothing in the client says so.
//!
//! Seen with Kafka 4.3.1: a broker that was killed began to load a group, gave that up half way and never loaded it again. Only
//! starting it again helped.

use metrics::gauge;
use tracing::{info, warn};

use crate::metrics::GROUP_SILENT;

/// How many looks in a row may fail, while Kafka answers everything else: half a minute. A group moves to another broker in less.
const SILENT_LOOKS: u32 = 3;

/// What was seen of a group so far.
#[derive(Debug)]
pub(crate) struct Coordinator {
    fold: &'static str,
    silent_looks: u32,
    is_silent: bool,
}

/// What a look changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// Kafka answers everything but for the group.
    FellSilent,
    /// It answers again.
    SpeaksAgain,
}

impl Coordinator {
    pub(crate) fn new(fold: &'static str) -> Self {
        gauge!(GROUP_SILENT, "fold" => fold).set(0.0);
        Self {
            fold,
            silent_looks: 0,
            is_silent: false,
        }
    }

    /// Takes a look in, and tells people when it changes anything. `kafka_answers` is asked only when that matters.
    pub(crate) fn look(&mut self, answered: bool, kafka_answers: impl FnOnce() -> bool) {
        let fold = self.fold;
        match self.judge(answered, kafka_answers) {
            Some(Change::FellSilent) => warn!(
                fold.name = fold,
                "{fold}: Kafka answers, but not for the consumer group: while that lasts, partitions of a consumer that ends are given to nobody; \
                 expected an answer within half a minute. Start the broker that coordinates the group again"
            ),
            Some(Change::SpeaksAgain) => info!(
                fold.name = fold,
                "{fold}: Kafka answers for the consumer group again"
            ),
            None => return,
        }
        let silent = if self.is_silent { 1.0 } else { 0.0 };
        gauge!(GROUP_SILENT, "fold" => fold).set(silent);
    }

    fn judge(&mut self, answered: bool, kafka_answers: impl FnOnce() -> bool) -> Option<Change> {
        if answered {
            self.silent_looks = 0;
            return std::mem::take(&mut self.is_silent).then_some(Change::SpeaksAgain);
        }
        self.silent_looks += 1;
        if self.is_silent || self.silent_looks < SILENT_LOOKS || !kafka_answers() {
            return None;
        }
        self.is_silent = true;
        Some(Change::FellSilent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_told_once_and_only_while_kafka_answers_everything_else() {
        let mut group = Coordinator::new("movement");
        let mut look = |answered, kafka| group.judge(answered, || kafka);
        assert_eq!(look(false, true), None);
        assert_eq!(look(false, true), None);
        assert_eq!(look(true, true), None, "it was only slow");
        for _ in 0..10 {
            assert_eq!(look(false, false), None, "Kafka is away altogether");
        }
        assert_eq!(look(false, true), Some(Change::FellSilent));
        assert_eq!(look(false, true), None);
        assert_eq!(look(true, true), Some(Change::SpeaksAgain));
        assert_eq!(look(true, true), None);
        assert_eq!([look(false, true), look(false, true)], [None, None]);
        assert_eq!(look(false, true), Some(Change::FellSilent));
    }
}
