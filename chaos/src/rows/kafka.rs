//! Faults of Kafka: gone, and hanging.

use std::time::{Duration, Instant};

use anyhow::Context;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tokio::time::sleep;

use crate::check::Checker;
use crate::check::bound::{self, Limits};
use crate::fault::{Flood, flood};
use crate::row::Row;
use crate::scene::Scene;

/// The rows of this file.
pub const ROWS: &[Row] = &[
    Row::usual(
        "6",
        "SIGKILL Kafka, start it again after 2 s; then with the gateway killed meanwhile",
        "first PUBACK at most 10 s after Kafka is ready; none while it is away",
        crash,
    )
    .in_subset(),
    Row {
        longest: Duration::from_secs(240),
        ..Row::usual(
            "7",
            "SIGSTOP Kafka for 30 s, for 120 s, and for 15 s while a client floods the gateway",
            "no PUBACK meanwhile; a client that never waits is stopped by its socket; memory grows by at most 64 MiB",
            hang,
        )
        .in_subset()
    },
];

/// Messages of 16 KiB, 60 MiB in all: fewer than one connection may have unconfirmed, and twice the bytes that the gateway may hold.
const FLOOD: u16 = 3_840;
/// Seconds, and whether a flood comes meanwhile: the longer hangs show what devices do that keep to a window.
const HANGS: [(u64, bool); 3] = [(30, false), (120, false), (15, true)];
/// What every role keeps to while Kafka hangs.
const HANGING: Limits = Limits {
    growth_kib: 64 * 1024,
    ..Limits::USUAL
};
const FIRST_ACK_WITHIN: Duration = Duration::from_secs(10);
/// Delivery reports that were on their way when Kafka stopped may still become PUBACKs for so long.
pub(super) const ON_THE_WAY: Duration = Duration::from_secs(1);

/// Once alone, and once together with the gateway: what that one held must not have been acknowledged.
fn crash<'s>(scene: &'s mut Scene<'_>) -> LocalBoxFuture<'s, anyhow::Result<()>> {
    async move {
        for with_gateway in [false, true] {
            sleep(Duration::from_secs(2)).await;
            scene.kill("kafka").await?;
            let away = scene.now() + micros(ON_THE_WAY);
            sleep(Duration::from_secs(2)).await;
            if with_gateway {
                scene.kill("gateway-0").await?;
                scene.note("start gateway-0");
                scene.site.launch("gateway-0")?;
            }
            let silence = away..scene.now();
            scene.silences.push(silence);
            scene.note("start kafka");
            let began = Instant::now();
            scene.site.launch_or_start("kafka").await?;
            scene.note(format!("kafka is ready after {:.1?}", began.elapsed()));
            let took = scene.load.next_ack(FIRST_ACK_WITHIN * 5).await?;
            scene.bound("first PUBACK after Kafka is ready", took, FIRST_ACK_WITHIN);
            sleep(Duration::from_secs(2)).await;
            scene.check_offsets().await?;
        }
        Ok(())
    }
    .boxed_local()
}

fn hang<'s>(scene: &'s mut Scene<'_>) -> LocalBoxFuture<'s, anyhow::Result<()>> {
    async move {
        for (seconds, is_flooded) in scene.pick(&HANGS[2..], &HANGS) {
            sleep(Duration::from_secs(2)).await;
            scene.freeze("kafka").await?;
            let (since, away) = (Instant::now(), scene.now() + micros(ON_THE_WAY));
            let mut flood = None;
            if *is_flooded {
                flood = Some(push_back(scene).await?);
            }
            sleep(Duration::from_secs(*seconds).saturating_sub(since.elapsed())).await;
            let silence = away..scene.now();
            scene.silences.push(silence);
            // Of this hang alone: consumers may well grow over what was left in Kafka before one, or comes after it.
            let grown = bound::check(&scene.watch.seen_since(since), &HANGING, 0.0);
            scene.findings.extend(grown);
            scene.thaw("kafka")?;
            drop(flood);
            let took = scene.load.next_ack(FIRST_ACK_WITHIN * 5).await?;
            scene.bound("first PUBACK after Kafka goes on", took, FIRST_ACK_WITHIN);
            sleep(Duration::from_secs(2)).await;
            scene.check_offsets().await?;
        }
        Ok(())
    }
    .boxed_local()
}

/// A client that never waits publishes more than the gateway may hold; what is too much must stay in its socket.
async fn push_back(scene: &mut Scene<'_>) -> anyhow::Result<Flood> {
    let gateway = scene.site.gateways().into_iter().next();
    let flood = flood(&gateway.context("no gateway")?, FLOOD).await?;
    scene.note(format!("{} bytes of a flood were taken", flood.taken));
    let sentence = format!("a flood of {} bytes was read without bound", flood.taken);
    scene.expect(flood.is_blocked, Checker::L2, sentence);
    Ok(flood)
}

pub(super) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 8)
}
