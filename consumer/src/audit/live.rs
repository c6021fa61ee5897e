//! The live view as Redis holds it, read in one step, and compared with what the fold shows at the same offset.

use std::collections::BTreeMap;

use domain::live::{
    LiveKeys, LiveMap, LiveWrite, PaneValue, SensorValue, VisitsValue, parse_pane_field,
};
use prost::Message;
use redis::aio::MultiplexedConnection;
use redis::{RedisResult, cmd};

use super::cell::hex;
use super::report::{Difference, DifferenceKind, Digest, FieldValues, Side, differing};

/// Values by map and field.
pub(crate) type Values = BTreeMap<(LiveMap, Vec<u8>), Vec<u8>>;

/// The live view of one partition.
#[derive(Debug)]
pub(crate) struct View {
    /// Everything before this offset is contained.
    pub(crate) offset: i64,
    /// The version of the fold that wrote it.
    pub(crate) fold_version: i32,
    pub(crate) values: Values,
}

/// The maps whose values are, at any moment, those of the header's offset. Open visits are written once a second.
const COMPARED: [LiveMap; 2] = [LiveMap::Panes, LiveMap::Sensors];

type Header = (Option<String>, Option<i64>, Option<i32>);
type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// Reads the live view of a partition; `None` when there is none.
pub(crate) async fn read(
    connection: &mut MultiplexedConnection,
    keys: &LiveKeys,
) -> RedisResult<Option<View>> {
    loop {
        let generation: Option<String> = cmd("HGET")
            .arg(keys.header())
            .arg("gen")
            .query_async(connection)
            .await?;
        let Some(generation) = generation else {
            return Ok(None);
        };
        let mut pipeline = redis::pipe();
        pipeline.atomic();
        pipeline
            .cmd("HMGET")
            .arg(keys.header())
            .arg(&["gen", "off", "fold"]);
        for map in LiveMap::ALL {
            pipeline.hgetall(keys.map(&generation, map));
        }
        let (header, panes, sensors, visits): (Header, Fields, Fields, Fields) =
            pipeline.query_async(connection).await?;
        match header {
            (Some(found), Some(offset), Some(fold_version)) if found == generation => {
                let mut values = Values::new();
                for (map, fields) in LiveMap::ALL.into_iter().zip([panes, sensors, visits]) {
                    let of_map = |(field, value)| ((map, field), value);
                    values.extend(fields.into_iter().map(of_map));
                }
                return Ok(Some(View {
                    offset,
                    fold_version,
                    values,
                }));
            }
            (None, ..) => return Ok(None),
            // Another generation was opened in between.
            _ => {}
        }
    }
}

/// What is known of a value that the fold does not show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Gone {
    /// The fold never had it.
    Never,
    /// It let go of it, and the row is newer than what is shown, so that who reads takes the row; or its sensor is in doubt.
    Outdated,
    /// It let go of it, and this is what it was in the end: who reads may take what is shown.
    Was(Vec<u8>),
}

/// The two sides, while they are compared.
#[derive(Default)]
struct Comparison {
    side: Side,
    log: Digest,
    stored: Digest,
    first: Option<Difference>,
}

/// Compares the live view with what the fold shows at its offset. A value that the fold let go of stays until Postgres has its row;
/// `gone` says what is known of such a one.
pub(crate) fn compare<E>(
    view: &View,
    shown: Vec<LiveWrite>,
    mut gone: impl FnMut(LiveMap, &[u8], &[u8]) -> Result<Gone, E>,
) -> Result<(Side, Option<Difference>), E> {
    let mut comparison = Comparison::default();
    let expected: Values = shown
        .into_iter()
        .filter(|write| COMPARED.contains(&write.map))
        .filter_map(|write| Some(((write.map, write.field), write.value?)))
        .collect();
    for (of, value) in &expected {
        comparison.meet(of, Some(value), view.values.get(of));
    }
    for (of, value) in &view.values {
        if expected.contains_key(of) {
            continue;
        }
        let known = if COMPARED.contains(&of.0) {
            gone(of.0, &of.1, value)?
        } else {
            Gone::Outdated
        };
        match known {
            Gone::Outdated => comparison.side.not_compared += 1,
            Gone::Never => comparison.meet(of, None, Some(value)),
            Gone::Was(last) => comparison.meet(of, Some(&last), Some(value)),
        }
    }
    Ok(comparison.end(view.offset))
}

impl Comparison {
    /// A value of at least one side.
    fn meet(
        &mut self,
        (map, field): &(LiveMap, Vec<u8>),
        log: Option<&Vec<u8>>,
        stored: Option<&Vec<u8>>,
    ) {
        for (digest, value) in [(&mut self.log, log), (&mut self.stored, stored)] {
            if let Some(value) = value {
                digest.add(map.as_str(), field);
                digest.add(map.as_str(), value);
            }
        }
        let (count, kind) = match (log, stored) {
            (Some(log), Some(stored)) if log == stored => return,
            (Some(_), Some(_)) => (&mut self.side.changed, DifferenceKind::Changed),
            (_, None) => (&mut self.side.missing, DifferenceKind::Missing),
            (None, _) => (&mut self.side.extra, DifferenceKind::Extra),
        };
        *count += 1;
        self.first
            .get_or_insert_with(|| difference(kind, (*map, field), log, stored));
    }

    fn end(self, offset: i64) -> (Side, Option<Difference>) {
        let side = Side {
            offset,
            log_digest: self.log.text(),
            store_digest: self.stored.text(),
            // Field and value are one each.
            log_values: self.log.values / 2,
            store_values: self.stored.values / 2,
            ..self.side
        };
        (side, self.first)
    }
}

fn difference(
    kind: DifferenceKind,
    (map, field): (LiveMap, &[u8]),
    log: Option<&Vec<u8>>,
    stored: Option<&Vec<u8>>,
) -> Difference {
    let read = |value: Option<&Vec<u8>>| value.map_or(Vec::new(), |value| fields(map, value));
    let bytes = |value: Option<&Vec<u8>>| vec![("bytes", value.map(|value| hex(value)))];
    let mut differing_fields = differing(&read(log), &read(stored));
    if differing_fields.is_empty() {
        // The same in every field that this build knows.
        differing_fields = differing(&bytes(log), &bytes(stored));
    }
    Difference {
        store: "Redis",
        table: map.as_str(),
        key: key(map, field),
        kind,
        fields: differing_fields,
    }
}

fn key(map: LiveMap, field: &[u8]) -> Vec<(&'static str, String)> {
    match parse_pane_field(field).filter(|_| map == LiveMap::Panes) {
        Some(key) => vec![
            ("start_at", key.start.to_string()),
            ("sensor", key.sensor.0),
            ("traveler_type", key.traveler_type.0),
        ],
        None => vec![("field", String::from_utf8_lossy(field).into_owned())],
    }
}

/// A value field by field; one that cannot be read as its bytes.
fn fields(map: LiveMap, value: &[u8]) -> FieldValues {
    let read = match map {
        LiveMap::Panes => PaneValue::decode(value).map(|pane| pane_fields(&pane)),
        LiveMap::Sensors => SensorValue::decode(value).map(|sensor| sensor_fields(&sensor)),
        LiveMap::Visits => VisitsValue::decode(value)
            .map(|value| vec![("visits", Some(format!("{:?}", value.visits)))]),
        // It is announced and stands nowhere.
        LiveMap::Revised => Ok(Vec::new()),
    };
    read.unwrap_or_else(|_| vec![("bytes", Some(hex(value)))])
}

// Both take a value apart as a whole, so that a field that comes to be cannot be forgotten here.

fn pane_fields(pane: &PaneValue) -> FieldValues {
    let PaneValue {
        entered,
        present,
        speed_n,
        speed_sum,
        speed_min,
        speed_max,
        sketch,
        changed_offset,
        settled,
        revised,
    } = pane;
    vec![
        ("entered", Some(entered.to_string())),
        ("present", Some(present.to_string())),
        ("speed_n", Some(speed_n.to_string())),
        ("speed_sum", Some(speed_sum.to_string())),
        ("speed_min", Some(speed_min.to_string())),
        ("speed_max", Some(speed_max.to_string())),
        ("sketch", Some(hex(sketch))),
        ("changed_offset", Some(changed_offset.to_string())),
        ("settled", Some(settled.to_string())),
        ("revised", Some(revised.to_string())),
    ]
}

fn sensor_fields(sensor: &SensorValue) -> FieldValues {
    let SensorValue {
        last_event_us,
        last_received_us,
        clock_us,
        watermark_us,
        open,
        up,
        declared,
        last_known,
        usual_silence_us,
    } = sensor;
    let up: Vec<String> = up
        .iter()
        .map(|hour| format!("{}: {}", hour.hour_us, hex(&hour.bits)))
        .collect();
    vec![
        ("last_event_us", Some(last_event_us.to_string())),
        ("last_received_us", Some(last_received_us.to_string())),
        ("clock_us", Some(clock_us.to_string())),
        ("watermark_us", Some(watermark_us.to_string())),
        ("open", Some(format!("{open:?}"))),
        ("up", Some(up.join(", "))),
        ("declared", Some(declared.clone())),
        ("last_known", Some(format!("{last_known:?}"))),
        ("usual_silence_us", Some(usual_silence_us.to_string())),
    ]
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use domain::live::pane_field;
    use domain::pane::PaneKey;
    use domain::time::Micros;

    use super::*;

    fn field() -> Vec<u8> {
        pane_field(&PaneKey {
            sensor: "s".into(),
            traveler_type: "person".into(),
            start: Micros(0),
        })
    }

    fn pane(present: u32) -> Vec<u8> {
        let value = PaneValue {
            present,
            ..PaneValue::default()
        };
        value.encode_to_vec()
    }

    /// Compares a view of one value, of which the fold shows nothing.
    fn check(map: LiveMap, value: Vec<u8>, known: &Gone) -> (Side, Option<Difference>) {
        let view = View {
            offset: 7,
            fold_version: 1,
            values: Values::from([((map, field()), value)]),
        };
        compare(&view, Vec::new(), |_, _, _| {
            Ok::<_, Infallible>(known.clone())
        })
        .unwrap_or_else(|never| match never {})
    }

    #[test]
    fn a_value_that_was_let_go_of_is_compared_with_what_it_was() {
        let (side, first) = check(LiveMap::Panes, pane(3), &Gone::Was(pane(3)));
        assert!(side.is_equal() && first.is_none());
        assert_eq!((side.store_values, side.not_compared), (1, 0));
        assert_eq!(side.log_digest, side.store_digest);
        let (side, first) = check(LiveMap::Panes, pane(4), &Gone::Was(pane(3)));
        assert_eq!(side.changed, 1);
        assert_ne!(side.log_digest, side.store_digest);
        let field = &first.unwrap().fields[0];
        assert_eq!(
            (field.name, field.log.as_deref(), field.stored.as_deref()),
            ("present", Some("3"), Some("4"))
        );
        let (side, _) = check(LiveMap::Panes, pane(4), &Gone::Outdated);
        assert_eq!((side.not_compared, side.store_values), (1, 0));
        assert!(side.is_equal());
        let (side, first) = check(LiveMap::Panes, pane(4), &Gone::Never);
        assert_eq!(side.extra, 1);
        assert_eq!(first.unwrap().kind, DifferenceKind::Extra);
        // Open visits are not compared, whatever is known of them.
        let (side, _) = check(LiveMap::Visits, pane(4), &Gone::Never);
        assert_eq!((side.extra, side.not_compared), (0, 1));
    }

    #[test]
    fn every_field_of_a_value_has_its_name() {
        let before = SensorValue::default();
        let after = SensorValue {
            usual_silence_us: 5,
            ..SensorValue::default()
        };
        let found = differing(&sensor_fields(&before), &sensor_fields(&after));
        assert_eq!(found[0].name, "usual_silence_us");
        let revised = PaneValue {
            revised: true,
            ..PaneValue::default()
        };
        let found = differing(&pane_fields(&PaneValue::default()), &pane_fields(&revised));
        assert_eq!(found[0].name, "revised");
    }
}
