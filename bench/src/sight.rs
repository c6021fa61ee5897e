//! What a subscriber of the topic `series` sees: the entries of each sensor so far, kept by applying frames.

use anyhow::{Context, bail};
use serde_json::Value;

/// The view of one subscription with `metric=entries` and `group_by=sensor`.
#[derive(Clone, Debug)]
pub(crate) struct Sight {
    sensors: Vec<String>,
    /// By index of the series: whose it is, and its points.
    series: Vec<(Option<usize>, Vec<u64>)>,
    position: Option<u64>,
}

/// What a frame was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The view is complete or has changed.
    Changed,
    /// Nothing that concerns it.
    Nothing,
    /// It cannot go on: subscribe again.
    Lost,
}

impl Sight {
    /// A view of these sensors before the first frame.
    pub(crate) const fn new(sensors: Vec<String>) -> Self {
        Self {
            sensors,
            series: Vec::new(),
            position: None,
        }
    }

    /// Whether there was a snapshot.
    pub(crate) const fn is_complete(&self) -> bool {
        self.position.is_some()
    }

    /// Entries by sensor.
    pub(crate) fn entries(&self) -> Vec<u64> {
        let mut entries = vec![0; self.sensors.len()];
        for (sensor, points) in &self.series {
            if let Some(sensor) = sensor {
                entries[*sensor] += points.iter().sum::<u64>();
            }
        }
        entries
    }

    /// Applies a frame as it came from the websocket.
    pub(crate) fn apply(&mut self, text: &str) -> anyhow::Result<Seen> {
        let frame: Value = serde_json::from_str(text).context("a frame that is not JSON")?;
        match frame["t"].as_str() {
            Some("snapshot") => self.snapshot(&frame),
            Some("delta") => self.delta(&frame),
            Some("resync") => {
                self.position = None;
                Ok(Seen::Lost)
            }
            Some("error") => bail!("the api refuses the subscription: {}", frame["problem"]),
            Some("welcome" | "hb" | "pong" | "done") => Ok(Seen::Nothing),
            _ => bail!("a frame of an unknown kind: {text}"),
        }
    }

    fn snapshot(&mut self, frame: &Value) -> anyhow::Result<Seen> {
        let series = frame["d"]["series"]
            .as_array()
            .context("a snapshot without series")?;
        self.series = series
            .iter()
            .map(|item| {
                let key = item["key"]["sensor"].as_str();
                let sensor = self
                    .sensors
                    .iter()
                    .position(|sensor| Some(sensor.as_str()) == key);
                (sensor, counts(&item["entries"]["v"]))
            })
            .collect();
        self.position = Some(
            frame["to"]
                .as_u64()
                .context("a snapshot without position")?,
        );
        Ok(Seen::Changed)
    }

    fn delta(&mut self, frame: &Value) -> anyhow::Result<Seen> {
        if self.position.is_none() || frame["from"].as_u64() != self.position {
            self.position = None;
            return Ok(Seen::Lost);
        }
        self.position = frame["to"].as_u64();
        let change = &frame["d"];
        let index = change["k"].as_u64().and_then(|k| usize::try_from(k).ok());
        let Some((_, points)) = index.and_then(|k| self.series.get_mut(k)) else {
            bail!("a delta of an unknown series: {change}");
        };
        let appended = counts(&change["entries"]);
        if !appended.is_empty() && change["i"].as_u64() != u64::try_from(points.len()).ok() {
            bail!(
                "a delta that appends at {} to {} points",
                change["i"],
                points.len()
            );
        }
        points.extend(appended);
        for replaced in change["replace"].as_array().into_iter().flatten() {
            let at = replaced[0].as_u64().and_then(|at| usize::try_from(at).ok());
            let point = at
                .and_then(|at| points.get_mut(at))
                .context("a delta that replaces a point that is not there")?;
            if let Some(entries) = replaced[1].get("entries") {
                *point = entries.as_u64().unwrap_or(0);
            }
        }
        Ok(Seen::Changed)
    }
}

/// Nothing counted and not measured both add nothing.
fn counts(values: &Value) -> Vec<u64> {
    values
        .as_array()
        .into_iter()
        .flatten()
        .map(|value| value.as_u64().unwrap_or(0))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight() -> Sight {
        let mut sight = Sight::new(vec!["a".to_owned(), "b".to_owned()]);
        assert!(!sight.is_complete());
        let snapshot = r#"{"t":"snapshot","id":1,"epoch":"e","to":10,"d":{"series":[
            {"key":{"sensor":"b","type":"all"},"n":2,"entries":{"unit":"count","v":[null,3]}},
            {"key":{"sensor":"a","type":"all"},"n":2,"entries":{"unit":"count","v":[1,0]}}]}}"#;
        assert_eq!(sight.apply(snapshot).unwrap(), Seen::Changed);
        assert!(sight.is_complete());
        sight
    }

    #[test]
    fn a_snapshot_and_its_deltas_give_the_entries_of_each_sensor() {
        let mut sight = sight();
        assert_eq!(sight.entries(), [1, 3]);
        let delta = r#"{"t":"delta","id":1,"from":10,"to":11,"d":{"k":0,"i":2,"entries":[4,null],"replace":[[1,{"entries":5}],[0,{"state":"final"}]]}}"#;
        assert_eq!(sight.apply(delta).unwrap(), Seen::Changed);
        assert_eq!(sight.entries(), [1, 9]);
        let delta = r#"{"t":"delta","id":1,"from":11,"to":12,"d":{"k":1,"i":2,"replace":[[0,{"entries":2}]]}}"#;
        assert_eq!(sight.apply(delta).unwrap(), Seen::Changed);
        assert_eq!(sight.entries(), [2, 9]);
    }

    #[test]
    fn a_gap_or_a_resync_loses_the_view_until_the_next_snapshot() {
        let mut gap = sight();
        assert_eq!(
            gap.apply(r#"{"t":"delta","id":1,"from":11,"to":12,"d":{"k":0,"i":2}}"#)
                .unwrap(),
            Seen::Lost
        );
        assert!(!gap.is_complete());
        let mut resync = sight();
        assert_eq!(
            resync
                .apply(r#"{"t":"resync","id":1,"reason":"expired"}"#)
                .unwrap(),
            Seen::Lost
        );
        assert!(!resync.is_complete());
    }

    #[test]
    fn other_frames_change_nothing_and_errors_are_told() {
        let mut sight = sight();
        assert_eq!(
            sight
                .apply(r#"{"t":"hb","server_time":"…","lag_ms":3}"#)
                .unwrap(),
            Seen::Nothing
        );
        assert!(
            sight
                .apply(r#"{"t":"error","id":1,"problem":{"title":"no"}}"#)
                .is_err()
        );
        assert!(sight.apply("{}").is_err());
    }
}
