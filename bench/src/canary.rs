//! Canaries: events whose way to the screen is timed.
//!
//! For each partition there is one sensor that only canaries pass. Each canary is a traveler of its own and is seen once, so it
//! adds exactly one to the entries of its sensor. Records of one sensor keep their order from the connection to the fold;
//! so when the websocket shows m entries at a sensor, its first m canaries are visible, and the time of the frame minus
//! the intended time of the m-th canary is its latency. They travel on the same connections and in the same partitions as
//! the load, so they wait wherever the load waits.

use std::time::Duration;

use domain::topic::partition_of;

use crate::trace::RunNames;

/// The canaries of a run.
#[derive(Clone, Debug)]
pub(crate) struct Canaries {
    /// Their sensors; one for each partition.
    pub(crate) sensors: Vec<String>,
    /// How many a second, over all sensors.
    pub(crate) rate: f64,
}

/// The golden ratio's fraction: multiples of it fill the interval evenly and in step with nothing.
const GOLDEN: f64 = 0.618_033_988_749_894_9;

impl Canaries {
    /// One sensor for each of `partitions`.
    pub(crate) fn new(names: &RunNames, partitions: i32, rate: f64) -> Self {
        let sensor_of = |partition| {
            (0..)
                .map(|number| names.canary(number))
                .find(|sensor| partition_of(sensor, partitions) == partition)
                .expect("hashes reach every partition")
        };
        Self {
            sensors: (0..partitions).map(sensor_of).collect(),
            rate,
        }
    }

    /// When the `index`-th canary is due after the start. Spread within its turn, so that no timer of the pipeline is met in step.
    pub(crate) fn due(&self, index: u64) -> Duration {
        let index = float(index);
        Duration::from_secs_f64((index + (index * GOLDEN).fract()) / self.rate)
    }

    /// Which sensor the `index`-th canary passes.
    pub(crate) fn sensor(&self, index: u64) -> usize {
        usize::try_from(index % self.count()).expect("fewer sensors than a usize counts")
    }

    /// Index of the `n`-th canary (from 0) of a sensor.
    pub(crate) fn index(&self, sensor: usize, n: u64) -> u64 {
        n * self.count() + u64::try_from(sensor).expect("a usize fits")
    }

    fn count(&self) -> u64 {
        u64::try_from(self.sensors.len()).expect("a usize fits")
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a run has far fewer than 2^53 canaries"
)]
fn float(index: u64) -> f64 {
    index as f64
}

#[cfg(test)]
mod tests {
    use domain::time::Micros;

    use super::*;

    fn canaries() -> Canaries {
        Canaries::new(&RunNames::new(Micros(0)), 6, 20.0)
    }

    #[test]
    fn each_partition_has_its_sensor() {
        for (partition, sensor) in (0..).zip(&canaries().sensors) {
            assert_eq!(partition_of(sensor, 6), partition);
        }
    }

    #[test]
    fn canaries_come_in_order_and_at_their_rate() {
        let canaries = canaries();
        let due: Vec<_> = (0..1_000).map(|index| canaries.due(index)).collect();
        assert!(due.is_sorted());
        assert!((due[999].as_secs_f64() - 50.0).abs() < 0.1);
    }

    #[test]
    fn the_canaries_of_a_sensor_are_numbered() {
        let canaries = canaries();
        let mut counts = vec![0; 6];
        for index in 0..20 {
            let sensor = canaries.sensor(index);
            assert_eq!(canaries.index(sensor, counts[sensor]), index);
            counts[sensor] += 1;
        }
        assert_eq!(counts, [4, 4, 3, 3, 3, 3]);
    }
}
