//! The compare-and-set on a real Postgres: who lost a partition, or stands elsewhere than the ledger, writes nothing into any
//! table. The same checks are shown the statement without either condition, and must notice.

use std::collections::BTreeMap;

use domain::canary::{Canaries, Canary};
use domain::envelope;
use domain::event::{Body, Event, Position, TimeSource};
use domain::event_key::EventKey;
use domain::fold::Fold;
use domain::movement::{MovementConfig, MovementFold, MovementRows};
use domain::rejection::Rejection;
use domain::time::{Micros, Span};
use sqlx::{AssertSqlSafe, PgPool, Row};
use stack::{KafkaSource, Stack, StackConfig};

use super::{save, statement};
use crate::engine::job::{Checkpoint, DeadRecord, Verdict};
use crate::engine::partition::{LogTurn, Partition, Restored};
use crate::engine::saving::Saved;
use crate::store::ledger::{Acquired, Ledger};

const START: Micros = Micros(1_790_000_000_000_000);
const EPOCH: &str = "and ledger.epoch = u.epoch";
const OFFSET: &str = "and ledger.next_offset = u.from_offset";
const SPARED: &str = "and not (";
const OF_THE_DAY: &str = "older.to_offset < state_log.to_offset";
const KEPT_FOR: &str = "make_interval(days => $34)";

/// Every table that a checkpoint writes, and its rows of one partition: sensor `s0` is in partition 0, `s1` in 1.
const TABLES: [(&str, &str); 10] = [
    ("ledger", "partition = $1"),
    ("state_log", "partition = $1"),
    ("dead_letter", "partition = $1"),
    ("canary", "partition = $1"),
    ("visit", "sensor = 's' || $1"),
    ("pane", "sensor = 's' || $1"),
    ("late_event", "sensor = 's' || $1"),
    ("sample_block", "sensor = 's' || $1"),
    ("sensor_up", "sensor = 's' || $1"),
    ("sensor_state", "sensor = 's' || $1"),
];

type Tables = BTreeMap<&'static str, Vec<String>>;

/// A database of its own, and the statement that is tried.
struct Corner {
    ledger: Ledger,
    statement: String,
}

impl Corner {
    async fn new(stack: &Stack, statement: &str) -> Self {
        let scratch = stack.scratch(&[]).await.unwrap();
        let pool = PgPool::connect(&scratch.postgres_url).await.unwrap();
        sqlx::migrate!("../migrations").run(&pool).await.unwrap();
        let topic = MovementFold::TOPIC.to_owned();
        let ledger = Ledger { pool, topic };
        let begin = [(0, 0), (1, 0)];
        ledger.ensure::<MovementFold>(&begin).await.unwrap();
        Self {
            ledger,
            statement: statement.to_owned(),
        }
    }

    async fn acquire(&self, partition: i32) -> Partition<MovementFold> {
        let acquired: Vec<Acquired> = self.ledger.acquire(&[partition]).await.unwrap();
        let restored = Restored {
            fold: MovementFold::new(&MovementConfig::default()),
            next: acquired[0].next_offset,
            delta_bytes: 0,
            snapshot_bytes: 0,
        };
        Partition::acquired(partition, acquired[0].epoch, restored)
            .with_canaries(Canaries::default())
    }

    async fn save(&self, checkpoints: Vec<Checkpoint<MovementRows>>) -> Vec<Saved> {
        let version = MovementFold::VERSION;
        save(&self.ledger, &self.statement, version, checkpoints).await
    }

    async fn tables(&self, partition: i32) -> Tables {
        let mut tables = Tables::new();
        for (table, is_of) in TABLES {
            let is_of = is_of.replace("|| $1", "|| $1::int");
            let query = format!("select t::text from {table} t where {is_of} order by 1");
            let rows = sqlx::query(AssertSqlSafe(query))
                .bind(partition)
                .fetch_all(&self.ledger.pool);
            let rows = rows.await.unwrap();
            tables.insert(table, rows.iter().map(|row| row.get(0)).collect());
        }
        tables
    }
}

/// Records that leave something in every table.
fn records(partition: i32) -> Vec<Vec<u8>> {
    let seen = |at: Micros, id: &str| Event {
        device: format!("s{partition}").as_str().into(),
        event_time: at,
        received_at: at,
        time_source: TimeSource::Device,
        key: EventKey::from_event_id(id),
        has_event_id: true,
        body: Body::Position(Position {
            traveler: "anna".into(),
            traveler_type: "student".into(),
            x: 1.0,
            y: 2.0,
        }),
    };
    let canary = Canary {
        gateway: "gateway".into(),
        sequence: 1,
    };
    let later = START + Span::from_secs(3 * 24 * 3600);
    let events = [
        seen(START, "a"),
        seen(START + Span::from_secs(1), "b"),
        canary.tick(later),
        // Older than anything that can be amended.
        seen(START, "late"),
    ];
    let mut values: Vec<_> = events.into_iter().map(envelope::encode).collect();
    values.push(b"no envelope".to_vec());
    values
}

/// Folds records from an offset on, and takes what is to be saved.
fn work(
    partition: &mut Partition<MovementFold>,
    from: i64,
    values: &[Vec<u8>],
) -> Checkpoint<MovementRows> {
    work_until(partition, from, values, LogTurn::Delta)
}

fn work_until(
    partition: &mut Partition<MovementFold>,
    from: i64,
    values: &[Vec<u8>],
    turn: LogTurn,
) -> Checkpoint<MovementRows> {
    for (offset, value) in (from..).zip(values) {
        partition.fold(offset, value, |rejection: Rejection| DeadRecord {
            offset,
            rejection,
            device: None,
            payload: value.clone(),
            received_at: START,
        });
    }
    partition.begin_checkpoint(turn).unwrap()
}

/// An owner of the past saves, together with one whose partition is its own.
async fn zombie(corner: &Corner) -> Result<(), String> {
    let (mut lost, mut kept) = (corner.acquire(0).await, corner.acquire(1).await);
    let checkpoints = vec![
        work(&mut lost, 0, &records(0)),
        work(&mut kept, 0, &records(1)),
    ];
    drop(corner.acquire(0).await);
    let before = corner.tables(0).await;
    let verdicts = corner.save(checkpoints).await;
    let fenced = (0, 5, Verdict::Fenced);
    writes_nothing(corner, &before, verdicts.contains(&fenced)).await?;
    // The check looks at every table that there is something for.
    assert!(verdicts.contains(&(1, 5, Verdict::Saved)), "{verdicts:?}");
    let of_the_other = corner.tables(1).await;
    let empty = of_the_other.iter().find(|(_, rows)| rows.is_empty());
    assert_eq!(empty, None);
    Ok(())
}

/// An owner saves what begins past the ledger, because a checkpoint was left out, and what begins before it.
async fn elsewhere(corner: &Corner) -> Result<(), String> {
    let mut partition = corner.acquire(0).await;
    let garbage = [b"no envelope".to_vec()];
    let first = work(&mut partition, 0, &garbage);
    let second = work(&mut partition, 1, &records(0));
    let before = corner.tables(0).await;
    let verdicts = corner.save(vec![second]).await;
    let is_refused = verdicts == [(0, 6, Verdict::Diverged { ledger: 0 })];
    writes_nothing(corner, &before, is_refused).await?;
    assert_eq!(corner.save(vec![first]).await, [(0, 1, Verdict::Saved)]);
    let mut third = work(&mut partition, 6, &garbage);
    third.from = 0;
    let before = corner.tables(0).await;
    let verdicts = corner.save(vec![third]).await;
    let is_refused = verdicts == [(0, 7, Verdict::Diverged { ledger: 1 })];
    writes_nothing(corner, &before, is_refused).await
}

async fn writes_nothing(corner: &Corner, before: &Tables, is_refused: bool) -> Result<(), String> {
    let after = corner.tables(0).await;
    let written: Vec<_> = TABLES
        .iter()
        .map(|(table, _)| *table)
        .filter(|table| before[table] != after[table])
        .collect();
    if written.is_empty() && is_refused {
        return Ok(());
    }
    Err(format!("refused: {is_refused}, written: {written:?}"))
}

/// States that were saved so many days ago, one record after another; gives where those end that are left.
async fn kept(corner: &Corner, states: &[(LogTurn, i32)]) -> Vec<i64> {
    let mut partition = corner.acquire(0).await;
    let pool = &corner.ledger.pool;
    for (offset, (turn, days)) in (0..).zip(states) {
        let checkpoint = work_until(&mut partition, offset, &[b"no envelope".to_vec()], *turn);
        let saved = corner.save(vec![checkpoint]).await;
        assert_eq!(saved, [(0, offset + 1, Verdict::Saved)]);
        let age = "update state_log set written_at = now() - make_interval(days => $1) where to_offset = $2";
        let aged = sqlx::query(age).bind(days).bind(offset + 1);
        aged.execute(pool).await.unwrap();
    }
    // Whoever takes over still begins with the newest.
    let acquired = corner.ledger.acquire(&[0]).await.unwrap()[0];
    let restored = corner.ledger.load(acquired, MovementConfig::default());
    let restored: Restored<MovementFold> = restored.await.unwrap();
    assert_eq!(restored.next, i64::try_from(states.len()).unwrap());
    let left = "select distinct to_offset from state_log order by 1";
    sqlx::query_scalar(left).fetch_all(pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_state_of_a_day_is_kept_as_long_as_kafka_keeps_records() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start(StackConfig {
        kafka: KafkaSource::Mock,
        ..StackConfig::for_tests(folder.path())
    });
    let stack = stack.await.unwrap();
    let states = [
        (LogTurn::Snapshot, 9),
        (LogTurn::Delta, 8),
        (LogTurn::Snapshot, 7),
        (LogTurn::Snapshot, 7),
        (LogTurn::Snapshot, 3),
        (LogTurn::Delta, 2),
        (LogTurn::Snapshot, 0),
        (LogTurn::Snapshot, 0),
        (LogTurn::Delta, 0),
        (LogTurn::Snapshot, 0),
        (LogTurn::Delta, 0),
    ];
    let real = statement::<MovementRows>();
    let corner = Corner::new(&stack, &real).await;
    assert_eq!(kept(&corner, &states).await, [3, 5, 7, 10, 11]);
    // One that keeps nothing, one that keeps every state, and one that keeps for too long are noticed.
    for (condition, broken, left) in [
        (SPARED, "and not (false and", vec![10, 11]),
        (
            OF_THE_DAY,
            "older.to_offset < 0",
            vec![3, 4, 5, 7, 8, 10, 11],
        ),
        (
            KEPT_FOR,
            "make_interval(days => $34 + 9)",
            vec![1, 3, 5, 7, 10, 11],
        ),
    ] {
        assert!(real.contains(condition), "{condition}");
        let corner = Corner::new(&stack, &real.replace(condition, broken)).await;
        assert_eq!(kept(&corner, &states).await, left, "{broken}");
    }
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lost_a_partition_writes_nothing_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start(StackConfig {
        kafka: KafkaSource::Mock,
        ..StackConfig::for_tests(folder.path())
    });
    let stack = stack.await.unwrap();
    let real = statement::<MovementRows>();
    zombie(&Corner::new(&stack, &real).await).await.unwrap();
    elsewhere(&Corner::new(&stack, &real).await).await.unwrap();
    let without = |condition: &str| {
        assert!(real.contains(condition), "{condition}");
        real.replace(condition, "")
    };
    let corner = Corner::new(&stack, &without(EPOCH)).await;
    let found = zombie(&corner).await.unwrap_err();
    assert!(found.contains("refused: false"), "{found}");
    for (table, _) in TABLES {
        assert!(found.contains(table), "{table} is not looked at: {found}");
    }
    let corner = Corner::new(&stack, &without(OFFSET)).await;
    let found = elsewhere(&corner).await.unwrap_err();
    assert!(found.contains("refused: false"), "{found}");
    for (table, _) in TABLES {
        assert!(found.contains(table), "{table} is not looked at: {found}");
    }
    stack.stop().await;
}
