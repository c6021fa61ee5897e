//! Stands in for the consumer of one partition: folds events and writes what the fold gives, flush by flush and checkpoint by
//! checkpoint, as the engine does. What it does not do is crash.

use domain::event::{Body, DeviceState, Event, Position, Status, TimeSource};
use domain::event_key::EventKey;
use domain::fold::Fold;
use domain::id::DeviceId;
use domain::live::{Frame, FrameWrite, LiveKeys, LiveMap, LiveWrite};
use domain::movement::{
    MovementConfig, MovementFold, MovementRows, PaneRow, Past, SensorRow, VisitKey, VisitRow,
};
use domain::pane::PaneKey;
use domain::time::{Micros, Span};
use prost::Message;
use redis::aio::MultiplexedConnection;
use sqlx::{AssertSqlSafe, PgPool, PgTransaction};

/// A partition and its only owner.
#[derive(Debug)]
pub(crate) struct Owner {
    pub(crate) partition: i32,
    fold: MovementFold,
    keys: LiveKeys,
    topic: String,
    redis: MultiplexedConnection,
    pool: PgPool,
    generation: u64,
    seq: u64,
    next_offset: i64,
    /// Receipt of the newest record since the last flush.
    newest_received: Option<Micros>,
    /// Panes that are final: they leave the live view after the checkpoint that writes their rows.
    leaving: Vec<LiveWrite>,
    released: Vec<LiveWrite>,
    /// Whether announcements reach anybody.
    pub(crate) announces: bool,
}

impl Owner {
    pub(crate) async fn new(
        topic: &str,
        partition: i32,
        redis: MultiplexedConnection,
        pool: PgPool,
    ) -> Self {
        sqlx::query(
            "insert into ledger (topic, partition, epoch, fold, fold_version) values ($1, $2, 1, 'movement', 1)",
        )
        .bind(topic)
        .bind(partition)
        .execute(&pool)
        .await
        .unwrap();
        let mut owner = Self {
            partition,
            fold: MovementFold::new(&MovementConfig::default()),
            keys: LiveKeys::new(topic, partition),
            topic: topic.to_owned(),
            redis,
            pool,
            generation: 0,
            seq: 0,
            next_offset: 0,
            newest_received: None,
            leaving: Vec::new(),
            released: Vec::new(),
            announces: true,
        };
        owner.open_generation().await;
        owner
    }

    /// The offset after the last record that was folded.
    pub(crate) fn next_offset(&self) -> i64 {
        self.next_offset
    }

    /// Goes on over another connection.
    pub(crate) fn reconnect(&mut self, redis: MultiplexedConnection) {
        self.redis = redis;
    }

    /// Folds a position that was received when it happened.
    pub(crate) fn position(&mut self, sensor: &str, who: (&str, &str), at: Micros, x: f64) {
        let body = Body::Position(Position {
            traveler: who.0.into(),
            traveler_type: who.1.into(),
            x,
            y: 0.0,
        });
        self.apply(sensor, at, body);
    }

    /// Folds a word of a sensor about itself.
    pub(crate) fn status(&mut self, sensor: &str, state: DeviceState, at: Micros) {
        let body = Body::Status(Status {
            state,
            battery_percent: None,
            firmware: None,
        });
        self.apply(sensor, at, body);
    }

    /// Folds the gateway's clock.
    pub(crate) fn tick(&mut self, at: Micros) {
        self.apply("", at, Body::Tick);
    }

    /// Folds the gateway's clock, and with it the events that came late, into panes of which there are no rows yet.
    pub(crate) async fn amending_tick(&mut self, at: Micros) {
        self.checkpoint().await;
        let tick = self.event("", at, Body::Tick);
        assert!(self.fold.is_due(&tick), "an event came late");
        let mut wanted = Some(self.fold.wants());
        while let Some(want) = wanted {
            let past = Past {
                want,
                ..Past::default()
            };
            wanted = self.fold.amend(past, &tick, self.next_offset);
        }
        self.tick(at);
        self.checkpoint().await;
    }

    fn event(&self, sensor: &str, at: Micros, body: Body) -> Event {
        Event {
            device: sensor.into(),
            event_time: at,
            received_at: at,
            time_source: TimeSource::Device,
            key: EventKey::from_event_id(&format!("{}-{}", self.partition, self.next_offset)),
            has_event_id: true,
            body,
        }
    }

    fn apply(&mut self, sensor: &str, at: Micros, body: Body) {
        let event = self.event(sensor, at, body);
        self.newest_received = self.newest_received.max(MovementFold::received_at(&event));
        self.fold.apply(event, self.next_offset);
        self.next_offset += 1;
    }

    /// Writes a generation anew, as after a FLUSHALL or a new assignment.
    pub(crate) async fn open_generation(&mut self) {
        self.generation += 1;
        self.seq = 0;
        let writes = self.fold.all_live();
        self.write(&writes, true).await;
    }

    /// Writes what changed since the last flush, and announces it.
    pub(crate) async fn flush(&mut self) {
        let mut writes = std::mem::take(&mut self.released);
        for write in self.fold.drain_live(true) {
            if write.map == LiveMap::Panes && write.value.is_none() {
                self.leaving.push(write);
            } else {
                writes.push(write);
            }
        }
        self.write(&writes, false).await;
    }

    async fn write(&mut self, writes: &[LiveWrite], opens: bool) {
        let generation = format!("1-{}", self.generation);
        self.seq += 1;
        let mut pipeline = redis::pipe();
        pipeline.atomic();
        for write in writes {
            let key = self.keys.map(&generation, write.map);
            match &write.value {
                Some(value) => pipeline.hset(key, &write.field, value).ignore(),
                None => pipeline.hdel(key, &write.field).ignore(),
            };
        }
        let header = [
            ("gen", generation.clone()),
            ("epoch", "1".to_owned()),
            ("off", self.next_offset.to_string()),
            ("seq", self.seq.to_string()),
            ("fold", "1".to_owned()),
        ];
        pipeline.hset_multiple(self.keys.header(), &header).ignore();
        let received = self.newest_received.take().map(|at| at.0);
        if let Some(received) = received {
            pipeline.hset(self.keys.header(), "recv", received).ignore();
        }
        if self.announces {
            let announced = writes
                .iter()
                .filter(|write| !opens && write.map != LiveMap::Visits);
            let frame = Frame {
                generation,
                seq: self.seq,
                next_offset: self.next_offset,
                newest_received_us: received.unwrap_or(0),
                writes: announced
                    .map(|write| FrameWrite {
                        map: write.map.as_str().to_owned(),
                        field: write.field.clone(),
                        value: write.value.clone(),
                    })
                    .collect(),
                watermark_us: self.fold.watermark().map(|at| at.0),
            };
            pipeline
                .publish(self.keys.channel(), frame.encode_to_vec())
                .ignore();
        }
        pipeline.query_async::<()>(&mut self.redis).await.unwrap();
    }

    /// Writes the rows that are due, and how far the ledger is.
    pub(crate) async fn checkpoint(&mut self) {
        let rows = self.fold.drain_rows();
        let mut transaction = self.pool.begin().await.unwrap();
        write_rows(&mut transaction, rows).await;
        sqlx::query(
            "update ledger
            set next_offset = $3, watermark_at = '2000-01-01 00:00:00+00'::timestamptz + $4 * interval '1 microsecond'
            where topic = $1 and partition = $2",
        )
        .bind(&self.topic)
        .bind(self.partition)
        .bind(self.next_offset)
        .bind(self.fold.watermark().map(since_2000))
        .execute(&mut *transaction)
        .await
        .unwrap();
        transaction.commit().await.unwrap();
        self.released.append(&mut self.leaving);
    }
}

fn since_2000(at: Micros) -> i64 {
    (at - Micros(946_684_800_000_000))
        .0
        .max(Span::from_secs(0).0)
}

/// An instant as a parameter: µs since 2000.
fn instant(n: u8) -> String {
    format!("'2000-01-01 00:00:00+00'::timestamptz + ${n} * interval '1 microsecond'")
}

async fn write_rows(transaction: &mut PgTransaction<'_>, rows: MovementRows) {
    for (key, row) in rows.panes {
        write_pane(transaction, key, row).await;
    }
    for (key, row) in rows.visits {
        write_visit(transaction, key, row).await;
    }
    for ((sensor, hour), row) in rows.up {
        let statement = format!(
            "insert into sensor_up values ({}, $2, $3)
            on conflict (hour_at, sensor) do update set up = excluded.up",
            instant(1)
        );
        sqlx::query(AssertSqlSafe(statement))
            .bind(since_2000(hour))
            .bind(sensor.0)
            .bind(row.bits.to_vec())
            .execute(&mut **transaction)
            .await
            .unwrap();
    }
    for (sensor, row) in rows.sensors {
        write_sensor(transaction, sensor, row).await;
    }
}

async fn write_pane(transaction: &mut PgTransaction<'_>, key: PaneKey, row: PaneRow) {
    let speed = row.pane.speed;
    let statement = format!(
        "insert into pane values ({}, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        on conflict (start_at, sensor, traveler_type) do update set
            entered = excluded.entered, present = excluded.present, speed_n = excluded.speed_n,
            speed_sum = excluded.speed_sum, speed_min = excluded.speed_min, speed_max = excluded.speed_max,
            sketch = excluded.sketch, changed_offset = excluded.changed_offset, revision = excluded.revision, revised = excluded.revised",
        instant(1)
    );
    sqlx::query(AssertSqlSafe(statement))
        .bind(since_2000(key.start))
        .bind(key.sensor.0)
        .bind(key.traveler_type.0)
        .bind(row.pane.entered.cast_signed())
        .bind(row.pane.present.cast_signed())
        .bind(speed.n.cast_signed())
        .bind(speed.sum.0)
        .bind(speed.min.0)
        .bind(speed.max.0)
        .bind(speed.sketch.to_bytes())
        .bind(row.changed_offset)
        .bind(row.revision.cast_signed())
        .bind(row.pane.revised > 0)
        .execute(&mut **transaction)
        .await
        .unwrap();
}

async fn write_visit(transaction: &mut PgTransaction<'_>, key: VisitKey, row: Option<VisitRow>) {
    let gone = format!(
        "delete from visit where entered_at = {} and sensor = $2 and traveler_id = $3 and traveler_type = $4",
        instant(1)
    );
    sqlx::query(AssertSqlSafe(gone))
        .bind(since_2000(key.entered_at))
        .bind(&key.sensor.0)
        .bind(&key.traveler.0)
        .bind(&key.traveler_type.0)
        .execute(&mut **transaction)
        .await
        .unwrap();
    let Some(row) = row else { return };
    let statement = format!(
        "insert into visit values ({}, $2, $3, $4, {}, $6, $7, $8, $9, $10, $11, 0, $12)",
        instant(1),
        instant(5)
    );
    sqlx::query(AssertSqlSafe(statement))
        .bind(since_2000(key.entered_at))
        .bind(key.sensor.0)
        .bind(key.traveler.0)
        .bind(key.traveler_type.0)
        .bind(since_2000(row.left_at))
        .bind(row.samples.cast_signed())
        .bind(row.distance.0)
        .bind(row.speed_n.cast_signed())
        .bind(row.speed_sum.0)
        .bind(row.speed_min.0)
        .bind(row.speed_max.0)
        .bind(row.revised)
        .execute(&mut **transaction)
        .await
        .unwrap();
}

async fn write_sensor(transaction: &mut PgTransaction<'_>, sensor: DeviceId, row: SensorRow) {
    let statement = format!(
        "insert into sensor_state values ($1, {}, {}, {}, {})
        on conflict (sensor) do update set
            last_event_at = excluded.last_event_at, last_received_at = excluded.last_received_at,
            clock_at = excluded.clock_at, watermark_at = excluded.watermark_at",
        instant(2),
        instant(3),
        instant(4),
        instant(5)
    );
    sqlx::query(AssertSqlSafe(statement))
        .bind(sensor.0)
        .bind(since_2000(row.last_event))
        .bind(since_2000(row.last_received))
        .bind(since_2000(row.clock))
        .bind(since_2000(row.watermark))
        .execute(&mut **transaction)
        .await
        .unwrap();
}
