//! The live view as Redis holds it, read in one step, and compared with what the fold shows at the same offset.

use std::collections::BTreeMap;

use domain::live::{
    LiveKeys, LiveMap, LiveWrite, PaneValue, SensorValue, VisitsValue, parse_pane_field,
};
use prost::Message;
use redis::aio::MultiplexedConnection;
use redis::{RedisResult, cmd};

use super::cell::hex;
use super::report::{Difference, DifferenceKind, Digest, Side, differing};

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

/// Compares the live view with what the fold shows at its offset. `is_let_go` says whether the fold once had a value and let it go:
/// such a one stays until Postgres has its row.
pub(crate) fn compare<E>(
    view: &View,
    shown: Vec<LiveWrite>,
    mut is_let_go: impl FnMut(LiveMap, &[u8]) -> Result<bool, E>,
) -> Result<(Side, Option<Difference>), E> {
    let mut side = Side {
        offset: view.offset,
        ..Side::default()
    };
    let mut first = None;
    let (mut log, mut stored) = (Digest::default(), Digest::default());
    let expected: Values = shown
        .into_iter()
        .filter(|write| COMPARED.contains(&write.map))
        .filter_map(|write| Some(((write.map, write.field), write.value?)))
        .collect();
    for ((map, field), value) in &expected {
        log.add(map.as_str(), field);
        log.add(map.as_str(), value);
        let found = view.values.get(&(*map, field.clone()));
        let kind = match found {
            Some(found) => {
                stored.add(map.as_str(), field);
                stored.add(map.as_str(), found);
                if found == value {
                    continue;
                }
                side.changed += 1;
                DifferenceKind::Changed
            }
            None => {
                side.missing += 1;
                DifferenceKind::Missing
            }
        };
        first.get_or_insert_with(|| difference(kind, (*map, field), Some(value), found));
    }
    for ((map, field), value) in &view.values {
        if expected.contains_key(&(*map, field.clone())) {
            continue;
        }
        if !COMPARED.contains(map) || is_let_go(*map, field)? {
            side.not_compared += 1;
            continue;
        }
        stored.add(map.as_str(), field);
        stored.add(map.as_str(), value);
        side.extra += 1;
        first.get_or_insert_with(|| {
            difference(DifferenceKind::Extra, (*map, field), None, Some(value))
        });
    }
    (side.log_digest, side.store_digest) = (log.text(), stored.text());
    // Field and value are one each.
    (side.log_values, side.store_values) = (log.values / 2, stored.values / 2);
    Ok((side, first))
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
fn fields(map: LiveMap, value: &[u8]) -> Vec<(&'static str, Option<String>)> {
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

fn pane_fields(pane: &PaneValue) -> Vec<(&'static str, Option<String>)> {
    vec![
        ("entered", Some(pane.entered.to_string())),
        ("present", Some(pane.present.to_string())),
        ("speed_n", Some(pane.speed_n.to_string())),
        ("speed_sum", Some(pane.speed_sum.to_string())),
        ("speed_min", Some(pane.speed_min.to_string())),
        ("speed_max", Some(pane.speed_max.to_string())),
        ("sketch", Some(hex(&pane.sketch))),
        ("changed_offset", Some(pane.changed_offset.to_string())),
        ("settled", Some(pane.settled.to_string())),
    ]
}

fn sensor_fields(sensor: &SensorValue) -> Vec<(&'static str, Option<String>)> {
    let up = sensor.up.iter();
    let up: Vec<String> = up
        .map(|hour| format!("{}: {}", hour.hour_us, hex(&hour.bits)))
        .collect();
    vec![
        ("last_event_us", Some(sensor.last_event_us.to_string())),
        (
            "last_received_us",
            Some(sensor.last_received_us.to_string()),
        ),
        ("clock_us", Some(sensor.clock_us.to_string())),
        ("watermark_us", Some(sensor.watermark_us.to_string())),
        ("open", Some(format!("{:?}", sensor.open))),
        ("up", Some(up.join(", "))),
        ("declared", Some(sensor.declared.clone())),
        ("last_known", Some(format!("{:?}", sensor.last_known))),
    ]
}
