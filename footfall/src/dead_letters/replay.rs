//! Which records a letter becomes with today's routes and decoders, and sending them.
//!
//! The letter's own time of receipt stands for the new one, so that every identity is what it would have been: whoever replays a
//! letter twice, or one that a device has sent again meanwhile, changes nothing.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Context;
use chassis::guard::guarded;
use chassis::kafka::KafkaArgs;
use domain::dead_letter::PAYLOAD_BYTES_MAX;
use domain::fold::Fold;
use domain::movement::MovementFold;
use domain::rejection::{Reason, Rejection};
use domain::time::Micros;
use domain::topic::{DEAD_LETTERS, SENSOR_MOVEMENTS};
use gateway::config::RouteArgs;
use gateway::redecode::Redecoder;
use sqlx::{Connection, PgConnection};

use super::no_letter;
use super::send::{Record, Sender};
use super::table::{self, Letter};
use crate::target::{KafkaTarget, postgres_of};
use crate::{exit, kafka_offsets, output, same_kafka};

/// Arguments of `dead-letters replay`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Numbers of letters, as `list` prints them
    #[arg(required_unless_present_any = ["reason", "all"])]
    ids: Vec<i64>,
    /// Every letter of this reason that was not replayed yet
    #[arg(long, conflicts_with = "ids")]
    reason: Option<String>,
    /// Every letter that was not replayed yet
    #[arg(long, conflicts_with_all = ["ids", "reason"])]
    all: bool,
    /// Say what would be sent, and send nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    route: RouteArgs,
    /// Length of a message in bytes that gateways take
    #[arg(long, env = "FOOTFALL_PAYLOAD_BYTES_MAX", default_value_t = 256 * 1024)]
    payload_bytes_max: usize,
    #[command(flatten)]
    kafka: KafkaTarget,
    /// URL of the database [default: the one of the stack that runs in --dir]
    #[arg(
        long,
        env = "FOOTFALL_POSTGRES",
        hide_env_values = true,
        value_name = "URL"
    )]
    postgres: Option<String>,
}

/// Letters that are worked on together.
const BATCH: i64 = 500;

/// What a letter becomes.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// These records.
    Records(Vec<Record>),
    /// What is good of it, if anything, and why the rest is refused again.
    Refused { records: Vec<Record>, why: String },
}

struct Replay {
    redecoder: Redecoder,
    kafka: KafkaArgs,
}

#[derive(Debug, Default)]
struct Counts {
    sent: usize,
    refused: usize,
    failed: usize,
}

/// Runs the subcommand. Status 1 when a letter stays.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let routes = args.route.load()?;
    let dir = args.kafka.dir().to_owned();
    let postgres_url = postgres_of(args.postgres, &dir)?;
    let kafka = args.kafka.resolve()?;
    let looking = kafka.clone();
    let topics = tokio::task::spawn_blocking(move || kafka_offsets::topics(&looking)).await??;
    let movements = kafka.topic(SENSOR_MOVEMENTS);
    let partitions = topics.iter().find(|topic| topic.name == movements);
    let partitions = partitions.with_context(|| format!("Kafka has no topic {movements}"))?;
    let partitions = i32::try_from(partitions.partitions.len())?;
    let replay = Replay {
        redecoder: Redecoder::new(routes, args.payload_bytes_max, partitions),
        kafka,
    };
    let sender = if args.dry_run {
        None
    } else {
        Some(Sender::new(&replay.kafka)?)
    };
    let mut postgres = PgConnection::connect(&postgres_url)
        .await
        .map_err(|error| exit::usage(format!("connecting to Postgres: {error}")))?;
    let advice = "A letter that was sent there would be marked, and never count here";
    same_kafka::check(&replay.kafka, &mut postgres, advice).await?;
    let mut counts = Counts::default();
    let mut after = i64::MIN;
    loop {
        let letters = if args.ids.is_empty() {
            table::pending(&mut postgres, after, args.reason.as_deref(), BATCH).await?
        } else {
            chosen(&mut postgres, &args.ids, after).await?
        };
        let Some(last) = letters.last() else { break };
        after = last.id;
        counts.add(
            &replay
                .batch(&mut postgres, sender.as_ref(), &letters)
                .await?,
        );
    }
    let did = if args.dry_run {
        "would be sent again"
    } else {
        "sent again"
    };
    let Counts {
        sent,
        refused,
        failed,
    } = counts;
    output::say(&format!(
        "{sent} {did}, {refused} refused again, {failed} not taken by Kafka"
    ));
    Ok(if refused + failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(exit::WRONG)
    })
}

/// The letters that were asked for by number: all at once, and nothing after them.
async fn chosen(
    postgres: &mut PgConnection,
    ids: &[i64],
    after: i64,
) -> anyhow::Result<Vec<Letter>> {
    if after > i64::MIN {
        return Ok(Vec::new());
    }
    let letters = table::by_id(postgres, ids).await?;
    match ids
        .iter()
        .find(|id| letters.iter().all(|letter| letter.id != **id))
    {
        Some(missing) => Err(no_letter(*missing)),
        None => Ok(letters),
    }
}

impl Replay {
    /// Sends what some letters became, and marks those that Kafka has.
    async fn batch(
        &self,
        postgres: &mut PgConnection,
        sender: Option<&Sender>,
        letters: &[Letter],
    ) -> anyhow::Result<Counts> {
        let mut counts = Counts::default();
        let (mut records, mut whole) = (Vec::new(), Vec::new());
        for letter in letters {
            match self.fate(letter) {
                Fate::Records(of_letter) => {
                    output::say(&format!("{}: {} records", letter.id, of_letter.len()));
                    records.extend(of_letter);
                    whole.push(letter.id);
                }
                Fate::Refused {
                    records: of_letter,
                    why,
                } => {
                    output::say(&format!(
                        "{}: stays, {} records: {why}",
                        letter.id,
                        of_letter.len()
                    ));
                    records.extend(of_letter);
                    counts.refused += 1;
                }
            }
        }
        let failed = match sender {
            Some(sender) => tokio::task::block_in_place(|| sender.send(&records))?,
            None => BTreeMap::new(),
        };
        for (id, why) in &failed {
            output::say(&format!("{id}: stays, Kafka did not take it: {why}"));
        }
        whole.retain(|id| !failed.contains_key(id));
        counts.failed = failed.len();
        counts.sent = whole.len();
        if sender.is_some() {
            table::mark(postgres, &whole).await?;
        }
        Ok(counts)
    }

    fn fate(&self, letter: &Letter) -> Fate {
        if let Some(why) = cut(letter) {
            return Fate::Refused {
                records: Vec::new(),
                why,
            };
        }
        match &letter.mqtt_topic {
            Some(topic) => self.published(letter, topic),
            None => self.record(letter),
        }
    }

    /// A message that a gateway refused.
    fn published(&self, letter: &Letter, topic: &str) -> Fate {
        let received_at = Micros(letter.received_us);
        let redecoded = self
            .redecoder
            .redecode(topic, letter.payload.clone(), received_at);
        let movements = self.kafka.topic(SENSOR_MOVEMENTS);
        let record = |record: gateway::redecode::MovementRecord| Record {
            letter: letter.id,
            topic: movements.clone(),
            partition: record.partition,
            key: Some(record.key.into_bytes()),
            value: record.value,
        };
        let records = redecoded.records.into_iter().map(record).collect();
        match redecoded.refused.first() {
            None => Fate::Records(records),
            Some(refused) => Fate::Refused {
                records,
                why: format!("{}: {}", refused.reason, refused.detail),
            },
        }
    }

    /// A record of Kafka that no fold could read, or that made one panic: it goes back to where it was, if it can be read today.
    fn record(&self, letter: &Letter) -> Fate {
        let refused = |why: String| Fate::Refused {
            records: Vec::new(),
            why,
        };
        if letter.topic == self.kafka.topic(DEAD_LETTERS) {
            return refused(
                "it lies in the topic of dead letters itself, which is not folded twice".to_owned(),
            );
        }
        if letter.topic != self.kafka.topic(SENSOR_MOVEMENTS) {
            return refused(format!("no fold of this build reads {}", letter.topic));
        }
        let read = guarded(|| MovementFold::decode(&letter.payload));
        match read.unwrap_or_else(|panic| Err(Rejection::new(Reason::Poison, panic))) {
            Err(rejection) => refused(format!("{}: {}", rejection.reason, rejection.detail)),
            Ok(_) => Fate::Records(vec![Record {
                letter: letter.id,
                topic: letter.topic.clone(),
                partition: letter.partition,
                key: letter.device.clone().map(String::into_bytes),
                value: letter.payload.clone(),
            }]),
        }
    }
}

/// Why a letter cannot be sent again whatever the routes say: only its beginning was kept.
fn cut(letter: &Letter) -> Option<String> {
    let kept = letter.payload.len();
    match letter.payload_bytes {
        Some(all) if usize::try_from(all) != Ok(kept) => Some(format!(
            "only the first {kept} of its {all} bytes were kept"
        )),
        None if kept >= PAYLOAD_BYTES_MAX => Some(format!(
            "it fills the {kept} bytes that are kept, so its end may be missing"
        )),
        _ => None,
    }
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.refused += other.refused;
        self.failed += other.failed;
    }
}
