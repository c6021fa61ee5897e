//! A whole run against a broker that is made here: everything arrives, also when connections break, and the truth file says so.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use bytes::BytesMut;
use clap::Parser;
use rumqttc::{ConnAck, ConnectReturnCode, Packet, PubAck};
use simulator::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    config: Config,
}

/// What a broker acknowledged, and how often it breaks a connection.
#[derive(Debug, Default)]
struct Seen {
    topics: HashSet<String>,
    payloads: Vec<Vec<u8>>,
    breaks_left: u32,
}

/// Acknowledges like a broker. A connection breaks at its fiftieth message, as long as there are breaks left; what came in the
/// same breath was taken and is not acknowledged.
async fn serve(mut stream: TcpStream, seen: Arc<Mutex<Seen>>) {
    let (mut incoming, mut outgoing, mut count) = (BytesMut::new(), BytesMut::new(), 0_u32);
    while stream
        .read_buf(&mut incoming)
        .await
        .is_ok_and(|read| read > 0)
    {
        while let Ok(packet) = Packet::read(&mut incoming, 65_536) {
            let written = match packet {
                Packet::Connect(_) => {
                    ConnAck::new(ConnectReturnCode::Success, false).write(&mut outgoing)
                }
                Packet::Publish(publish) => {
                    count += 1;
                    let mut seen = seen.lock().expect("no holder of this lock panics");
                    seen.topics.insert(publish.topic);
                    seen.payloads.push(publish.payload.to_vec());
                    if count == 50 && seen.breaks_left > 0 {
                        seen.breaks_left -= 1;
                        return;
                    }
                    PubAck::new(publish.pkid).write(&mut outgoing)
                }
                _ => Ok(0),
            };
            written.expect("a short packet can be written");
        }
        if stream.write_all_buf(&mut outgoing).await.is_err() {
            return;
        }
    }
}

async fn broker(breaks: u32) -> (String, Arc<Mutex<Seen>>) {
    let seen = Arc::new(Mutex::new(Seen {
        breaks_left: breaks,
        ..Seen::default()
    }));
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("loopback has free ports");
    let address = listener
        .local_addr()
        .expect("a bound socket has an address")
        .to_string();
    let shared = Arc::clone(&seen);
    let connections = TaskTracker::new();
    connections.clone().spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(serve(stream, Arc::clone(&shared)));
        }
    });
    (address, seen)
}

fn config(arguments: &[&str]) -> Config {
    Cli::parse_from([&["simulate"], arguments].concat()).config
}

#[tokio::test]
async fn a_burst_delivers_everything_through_broken_connections_and_writes_the_truth() {
    let (address, seen) = broker(6).await;
    let folder = tempfile::tempdir().unwrap();
    let truth = folder.path().join("truth.jsonl");
    let config = config(&[
        "--mode=burst",
        "--events=3000",
        "--duplicate-percent=10",
        "--out-of-order-percent=10",
        "--late-percent=2",
        "--invalid-percent=2",
        "--site=test",
        &format!("--truth={}", truth.display()),
        &format!("--mqtt={address}"),
    ]);
    simulator::run(config, CancellationToken::new())
        .await
        .unwrap();

    let text = std::fs::read_to_string(truth).unwrap();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let totals = lines.last().unwrap();
    assert_eq!(totals["kind"], "totals");
    assert_eq!(totals["unique_events"], 3_000);
    assert_eq!(totals["unacknowledged"], 0);
    let samples: u64 = lines
        .iter()
        .filter_map(|line| line["samples"].as_u64())
        .sum();
    assert_eq!(samples, 3_000);

    let seen = seen.lock().unwrap();
    assert_eq!(seen.breaks_left, 0, "connections were broken");
    assert!(seen.topics.contains("footfall/test/ent-1/positions"));
    assert!(seen.topics.contains("footfall/test/lib-1/status"));
    let mut ids = HashSet::new();
    for payload in &seen.payloads {
        let Ok(value) = serde_json::from_slice::<serde_json::Value>(payload) else {
            continue;
        };
        let element = value.get(0).unwrap_or(&value);
        let good = element["x"].as_f64().is_some_and(|x| x < 1e6)
            && element["y"].is_f64()
            && element["timestamp"] != "yesterday";
        if good {
            ids.insert(element["event_id"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(ids.len(), 3_000);
    let sent = totals["messages"].as_u64().unwrap();
    assert!(
        u64::try_from(seen.payloads.len()).unwrap() > sent,
        "what was in flight came again"
    );
}

#[tokio::test]
async fn a_run_without_end_stops_when_asked_and_leaves_nothing_unacknowledged() {
    let (address, seen) = broker(0).await;
    let shutdown = CancellationToken::new();
    let config = config(&[
        "--scenario=crossing",
        "--rate=2000",
        &format!("--mqtt={address}"),
    ]);
    let stop = async {
        while seen.lock().unwrap().payloads.len() < 500 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        shutdown.cancel();
    };
    let (outcome, ()) = tokio::join!(simulator::run(config, shutdown.clone()), stop);
    outcome.unwrap();
}

#[tokio::test]
async fn a_time_lapse_takes_its_part_of_the_time_and_ends_now() {
    let (address, seen) = broker(0).await;
    let config = config(&[
        "--speed=60",
        "--duration=60s",
        "--rate=50",
        &format!("--mqtt={address}"),
    ]);
    let began = std::time::Instant::now();
    simulator::run(config, CancellationToken::new())
        .await
        .unwrap();
    assert!(began.elapsed().as_millis() >= 900, "{:?}", began.elapsed());
    let newest = seen
        .lock()
        .unwrap()
        .payloads
        .iter()
        .filter_map(|payload| {
            let value: serde_json::Value = serde_json::from_slice(payload).ok()?;
            value["timestamp"].as_str()?.parse::<jiff::Timestamp>().ok()
        })
        .max()
        .unwrap();
    let behind = chassis::clock::Clock::System.now() - domain::time::Micros::from_timestamp(newest);
    assert!((0.0..5.0).contains(&behind.as_secs_f64()), "{behind:?}");
}
