//! Faults of Kafka: gone, and hanging.

use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tokio::time::sleep;

use crate::check::bound::Limits;
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
        limits: Limits {
            growth_kib: 64 * 1024,
            ..Limits::USUAL
        },
        ..Row::usual(
            "7",
            "SIGSTOP Kafka for 30 s, and for 120 s",
            "no PUBACK meanwhile; memory grows by at most 64 MiB",
            hang,
        )
        .in_subset()
    },
];

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
        for seconds in scene.pick(&[15][..], &[30, 120]) {
            sleep(Duration::from_secs(2)).await;
            scene.freeze("kafka").await?;
            let away = scene.now() + micros(ON_THE_WAY);
            sleep(Duration::from_secs(*seconds)).await;
            let silence = away..scene.now();
            scene.silences.push(silence);
            scene.thaw("kafka")?;
            let took = scene.load.next_ack(FIRST_ACK_WITHIN * 5).await?;
            scene.bound("first PUBACK after Kafka goes on", took, FIRST_ACK_WITHIN);
            sleep(Duration::from_secs(2)).await;
            scene.check_offsets().await?;
        }
        Ok(())
    }
    .boxed_local()
}

pub(super) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 8)
}
