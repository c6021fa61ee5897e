//! One pass over the log, and whether Postgres and Redis hold what it gives.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use domain::fold::Fold;
use domain::live::{LiveKeys, LiveMap};
use domain::movement::{MovementConfig, MovementFold, PaneRow, VisitKey, VisitRow};
use domain::pane::PaneKey;
use domain::time::Micros;
use sqlx::{PgPool, Row};

use crate::corner::Corner;
use crate::running::eventually;

impl Corner {
    /// One pass over the log of a partition.
    pub(crate) fn replayed(records: &[Vec<u8>]) -> MovementFold {
        let mut fold = MovementFold::new(&MovementConfig::default());
        for (offset, value) in (0..).zip(records) {
            if let Ok(record) = MovementFold::decode(value) {
                fold.apply(record, offset);
            }
        }
        fold
    }

    /// Compares every row with one pass over the log.
    pub(crate) async fn check_rows(&self) {
        let (mut visits, mut panes) = (Vec::new(), Vec::new());
        for records in &self.log {
            let rows = Self::replayed(records).drain_rows();
            visits.extend(
                rows.visits
                    .iter()
                    .filter_map(|(key, row)| Some(visit_line(key, row.as_ref()?))),
            );
            panes.extend(rows.panes.iter().map(|(key, row)| pane_line(key, row)));
        }
        assert!(
            !visits.is_empty() && !panes.is_empty(),
            "the log is worth comparing"
        );
        check_lines(&self.pool, VISITS, visits).await;
        check_lines(&self.pool, PANES, panes).await;
    }

    /// Waits until Redis holds, for every partition, the live view that one pass over the log gives.
    pub(crate) async fn live_is_right(&self) {
        let client = redis::Client::open(self.scratch.redis_url.as_str()).unwrap();
        let mut redis = client.get_multiplexed_async_connection().await.unwrap();
        for (partition, records) in (0..).zip(&self.log) {
            let mut fold = Self::replayed(records);
            let expected: BTreeMap<Vec<u8>, Vec<u8>> = fold
                .all_live()
                .into_iter()
                .filter(|write| write.map == LiveMap::Panes)
                .map(|write| (write.field, write.value.unwrap()))
                .collect();
            let keys = LiveKeys::new(&self.topic(), partition);
            let deadline = Instant::now() + Duration::from_secs(30);
            loop {
                let generation: Option<String> = redis::cmd("HGET")
                    .arg(keys.header())
                    .arg("gen")
                    .query_async(&mut redis)
                    .await
                    .unwrap();
                let stored: BTreeMap<Vec<u8>, Vec<u8>> = redis::cmd("HGETALL")
                    .arg(keys.map(&generation.unwrap_or_default(), LiveMap::Panes))
                    .query_async(&mut redis)
                    .await
                    .unwrap();
                if stored == expected {
                    break;
                }
                assert!(
                    Instant::now() < deadline,
                    "partition {partition}: {} of {}",
                    stored.len(),
                    expected.len()
                );
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// Waits until the header of every partition says that its newest record was received at `at`.
    pub(crate) async fn received_until(&self, at: Micros) {
        let client = redis::Client::open(self.scratch.redis_url.as_str()).unwrap();
        let redis = client.get_multiplexed_async_connection().await.unwrap();
        eventually("the header says what was received", async || {
            for (partition, _) in (0..).zip(&self.log) {
                let keys = LiveKeys::new(&self.topic(), partition);
                let mut header = redis::cmd("HGET");
                header.arg(keys.header()).arg("recv");
                let found: Option<i64> = header.query_async(&mut redis.clone()).await.unwrap();
                if found != Some(at.0) {
                    return Err(format!("partition {partition}: {found:?}"));
                }
            }
            Ok(())
        })
        .await;
    }
}

pub(crate) const VISITS: &str = "select concat_ws(' ', (extract(epoch from entered_at) * 1000000)::bigint, sensor, traveler_id,
    traveler_type, (extract(epoch from left_at) * 1000000)::bigint, samples, distance, speed_n, speed_sum, speed_min,
    speed_max) from visit";

pub(crate) const PANES: &str =
    "select concat_ws(' ', (extract(epoch from start_at) * 1000000)::bigint, sensor, traveler_type,
    entered, present, speed_n, speed_sum, speed_min, speed_max, encode(sketch, 'hex')) from pane";

pub(crate) fn visit_line(key: &VisitKey, row: &VisitRow) -> String {
    let (
        VisitKey {
            sensor,
            traveler,
            traveler_type,
            entered_at,
        },
        left_at,
    ) = (key, row.left_at.0);
    let (samples, distance, n) = (row.samples, row.distance.0, row.speed_n);
    let (sum, min, max) = (row.speed_sum.0, row.speed_min.0, row.speed_max.0);
    let entered_at = entered_at.0;
    format!(
        "{entered_at} {sensor} {traveler} {traveler_type} {left_at} {samples} {distance} {n} {sum} {min} {max}"
    )
}

pub(crate) fn pane_line(key: &PaneKey, row: &PaneRow) -> String {
    let (
        PaneKey {
            sensor,
            traveler_type,
            start,
        },
        pane,
    ) = (key, &row.pane);
    let (entered, present, speed, start) = (pane.entered, pane.present, &pane.speed, start.0);
    let (n, sum, min, max) = (speed.n, speed.sum.0, speed.min.0, speed.max.0);
    let sketch: String = speed
        .sketch
        .to_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{start} {sensor} {traveler_type} {entered} {present} {n} {sum} {min} {max} {sketch}")
}

pub(crate) async fn check_lines(pool: &PgPool, sql: &'static str, mut expected: Vec<String>) {
    let rows = sqlx::query(sql).fetch_all(pool).await.unwrap();
    let mut stored: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    stored.sort_unstable();
    expected.sort_unstable();
    assert_eq!(stored, expected);
}
