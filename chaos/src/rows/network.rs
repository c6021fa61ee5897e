//! Faults of the network: half-open connections, cuts in one direction, and bad lines.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tokio::time::sleep;

use super::detour::{self, Detours, GATEWAY};
use super::kafka::{ON_THE_WAY, micros};
use crate::check::Checker;
use crate::fault::{Namespace, Way};
use crate::ledger::Entry;
use crate::proxy::{Cut, Proxy, Weather};
use crate::row::Row;
use crate::scene::Scene;

/// The rows of this file.
pub const ROWS: &[Row] = &[
    Row {
        longest: Duration::from_secs(180),
        ..Row::usual(
            "12",
            "packets between devices and gateway vanish for 90 s (network namespace, half-open TCP)",
            "after keep-alive × 1.5 no ghost is connected; devices send again with DUP; first PUBACK at most 10 s after",
            half_open,
        )
    },
    Row {
        longest: Duration::from_secs(240),
        ..Row::usual(
            "13",
            "one direction cut: gateway and consumers to Kafka, consumers to Postgres, consumers to Redis",
            "no PUBACK without Kafka; worked off and live again at most 10 s after each",
            one_way_cuts,
        )
    },
    Row {
        longest: Duration::from_secs(150),
        ..Row::usual(
            "14",
            "devices behind 200 ms ± 50 ms, 256 kbit/s, 1 % resets, slices of 1 to 64 bytes",
            "p99 from PUBLISH to PUBACK at most 2 s",
            bad_line,
        )
    },
];

const KAFKA: &str = "Kafka";
const CONNECTIONS: &str = "footfall_gateway_connections";
const BACK_WITHIN: Duration = Duration::from_secs(10);
const P99_WITHIN: Duration = Duration::from_secs(2);

fn half_open<'s>(scene: &'s mut Scene<'_>) -> LocalBoxFuture<'s, anyhow::Result<()>> {
    async move {
        let namespace = Namespace::make()?;
        let proxy = detour::before_gateway(scene, Some(&namespace)).await?;
        sleep(Duration::from_secs(2)).await;
        let connected = scene.site.metric(GATEWAY, CONNECTIONS, "").await?;
        scene.expect(
            connected > 0.0,
            Checker::L1,
            "no device came through the namespace",
        );
        // The keep-alive of the load's devices is 20 s: they are taken for dead after 30.
        let seconds = scene.pick(40, 90);
        let again = scene.load.sent_again();
        scene.note(format!("cut the cable for {seconds} s"));
        namespace.cut(Way::Both)?;
        sleep(Duration::from_secs(seconds)).await;
        let ghosts = scene.site.metric(GATEWAY, CONNECTIONS, "").await?;
        scene.note(format!(
            "{connected} connections before, {ghosts} ghosts now"
        ));
        scene.expect(
            ghosts == 0.0,
            Checker::L2,
            format!("{ghosts} ghosts are connected"),
        );
        scene.note("mend the cable");
        namespace.mend()?;
        let took = scene.load.next_ack(BACK_WITHIN * 5).await?;
        scene.bound("first PUBACK after the cable is mended", took, BACK_WITHIN);
        sleep(Duration::from_secs(3)).await;
        let again = scene.load.sent_again() - again;
        scene.note(format!("{again} messages sent again with DUP"));
        scene.expect(again > 0, Checker::D1, "nothing was sent again with DUP");
        detour::remove_before_gateway(scene, proxy).await?;
        scene.check_offsets().await
    }
    .boxed_local()
}

fn one_way_cuts<'s>(scene: &'s mut Scene<'_>) -> LocalBoxFuture<'s, anyhow::Result<()>> {
    async move {
        let detours = Detours::make(scene).await?;
        for cut in scene.pick(&[Cut::ToTarget][..], &[Cut::ToTarget, Cut::ToClient]) {
            for (what, proxy) in [
                (KAFKA, &detours.kafka),
                ("Postgres", &detours.postgres),
                ("Redis", &detours.redis),
            ] {
                cut_one_way(scene, (what, proxy), *cut).await?;
            }
        }
        detours.remove(scene).await
    }
    .boxed_local()
}

async fn cut_one_way(
    scene: &mut Scene<'_>,
    (what, proxy): (&str, &Proxy),
    cut: Cut,
) -> anyhow::Result<()> {
    let carried = |proxy: &Proxy| match cut {
        Cut::ToTarget => proxy.counts().bytes_to_target,
        _ => proxy.counts().bytes_to_client,
    };
    let before = carried(proxy);
    sleep(Duration::from_secs(2)).await;
    let usual = carried(proxy) - before;
    let sentence = format!("nothing goes to {what} by the proxy, so nothing can be cut");
    scene.expect(usual > 0, Checker::L1, sentence);
    scene.note(format!("cut {what} off, {cut:?}"));
    proxy.set(Weather {
        cut,
        ..Weather::default()
    });
    let away = scene.now() + micros(ON_THE_WAY);
    sleep(Duration::from_millis(500)).await;
    let before = carried(proxy);
    sleep(Duration::from_secs(scene.pick(5, 15))).await;
    let leaked = carried(proxy) - before;
    let sentence = format!("{leaked} bytes came through the cut");
    scene.expect(leaked == 0, Checker::L1, sentence);
    if what == KAFKA {
        // Without a record there, or without word that it is there, nothing may be confirmed.
        let silence = away..scene.now();
        scene.silences.push(silence);
    }
    scene.check_offsets().await?;
    scene.note(format!("heal {what}"));
    proxy.heal();
    let since = Instant::now();
    let drained = scene.wait_healed(BACK_WITHIN * 3).await?;
    scene.bound(
        &format!("{what}: ready and worked off"),
        drained,
        BACK_WITHIN,
    );
    let live = scene.wait_moved(since, BACK_WITHIN * 3).await?;
    scene.bound(&format!("{what}: live again"), live, BACK_WITHIN);
    scene.check_offsets().await
}

fn bad_line<'s>(scene: &'s mut Scene<'_>) -> LocalBoxFuture<'s, anyhow::Result<()>> {
    async move {
        let proxy = detour::before_gateway(scene, None).await?;
        sleep(Duration::from_secs(2)).await;
        scene.note("bad weather");
        let began = scene.now();
        proxy.set(Weather {
            // Each way; a round trip has twice of it.
            delay: Duration::from_millis(100),
            jitter: Duration::from_millis(25),
            bytes_per_second: 256_000 / 8,
            reset_probability: 0.01,
            slice_bytes_max: 64,
            ..Weather::default()
        });
        sleep(Duration::from_secs(scene.pick(15, 60))).await;
        let ended = scene.now();
        let resets = proxy.counts().resets;
        proxy.heal();
        scene.expect(resets > 0, Checker::L1, "no connection was reset");
        // What was published last is acknowledged by now, or counts as late.
        sleep(P99_WITHIN * 2).await;
        let times = puback_times(&scene.load.ledger, began..ended)?;
        let p99 = times.get(times.len() * 99 / 100).copied();
        let p99 = p99.context("nothing was published in bad weather")?;
        scene.note(format!("{resets} resets, {} PUBACKs", times.len()));
        scene.bound("p99 from PUBLISH to PUBACK", p99, P99_WITHIN);
        detour::remove_before_gateway(scene, proxy).await
    }
    .boxed_local()
}

/// How long each message that was published first in that time waited for its PUBACK, sorted; a day without one.
fn puback_times(ledger: &Path, during: std::ops::Range<i64>) -> anyhow::Result<Vec<Duration>> {
    let mut waiting = std::collections::HashMap::new();
    let mut times = Vec::new();
    for line in BufReader::new(File::open(ledger)?).lines() {
        // The last line may still be on its way to the disk.
        let Ok(entry) = serde_json::from_str(&line?) else {
            break;
        };
        match entry {
            Entry::Sent {
                at,
                device,
                sequence,
                ..
            } if during.contains(&at) => {
                waiting.insert((device, sequence), at);
            }
            Entry::Acked {
                at,
                device,
                sequence,
                ..
            } => {
                let sent = waiting.remove(&(device, sequence));
                times.extend(sent.map(|sent| Duration::from_micros(at.abs_diff(sent))));
            }
            Entry::Sent { .. } | Entry::Again { .. } => {}
        }
    }
    times.extend(waiting.iter().map(|_| Duration::from_hours(24)));
    times.sort_unstable();
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{What, Writer};

    #[test]
    fn a_publish_without_puback_counts_as_a_day() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger");
        let sent = |at, sequence| Entry::Sent {
            at,
            device: 1,
            sequence,
            what: What::Status,
        };
        let acked = |at, sequence| Entry::Acked {
            at,
            device: 1,
            sequence,
            refused: false,
        };
        let entries = [
            sent(5, 0),
            sent(10, 1),
            sent(11, 2),
            acked(12, 0),
            acked(17, 1),
        ];
        Writer::create(&path).unwrap().write(&entries).unwrap();
        let times = puback_times(&path, 10..20).unwrap();
        assert_eq!(times, [Duration::from_micros(7), Duration::from_hours(24)]);
        assert_eq!(puback_times(&path, 20..30).unwrap(), []);
    }
}
