//! Faults of the gateway.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tokio::time::sleep;

use crate::check::Checker;
use crate::row::Row;
use crate::scene::Scene;

/// The rows of this file.
pub const ROWS: &[Row] = &[Row {
    longest: Duration::from_secs(400),
    ..Row::usual(
        "1",
        "SIGKILL the gateway every 5 s",
        "first PUBACK at most 3 s after each restart",
        crashes,
    )
    .in_subset()
}];

/// From the start of the process to the first acknowledgement.
const FIRST_ACK_WITHIN: Duration = Duration::from_secs(3);

fn crashes<'s>(scene: &'s mut Scene<'_>) -> LocalBoxFuture<'s, anyhow::Result<()>> {
    async move {
        let (crashes, pause) =
            scene.pick((3, Duration::from_secs(2)), (60, Duration::from_secs(5)));
        let again = scene.load.sent_again();
        for _ in 0..crashes {
            sleep(pause).await;
            scene.kill("gateway-0").await?;
            scene.note("start gateway-0");
            scene.site.launch("gateway-0")?;
            let took = scene.load.next_ack(FIRST_ACK_WITHIN * 5).await?;
            scene.bound("first PUBACK after the restart", took, FIRST_ACK_WITHIN);
        }
        let again = scene.load.sent_again() - again;
        scene.note(format!("{again} messages sent again with DUP"));
        let sentence = "no crash came while something was not acknowledged";
        scene.expect(again > 0, Checker::D1, sentence);
        Ok(())
    }
    .boxed_local()
}
