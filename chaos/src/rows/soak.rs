//! The soak: faults of all kinds at random moments, one after the other, for as long as one likes.

use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use rand::RngExt;
use tokio::time::sleep;

use crate::row::Row;
use crate::rows::storage::flush_all;
use crate::scene::{Length, Scene};

/// The rows of this file.
pub const ROWS: &[Row] = &[Row {
    longest: Duration::from_secs(720),
    heal: Duration::from_secs(60),
    ..Row::usual(
        "33",
        "random faults for minutes or hours",
        "each is healed within 60 s before the next one",
        soak,
    )
}];

const HEAL: Duration = Duration::from_secs(60);

/// Something that can go wrong.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// SIGKILL, and started again.
    Crash(&'static str),
    /// SIGSTOP for some seconds.
    Freeze(&'static str),
    /// Redis emptied.
    Wipe,
}

const FAULTS: [Fault; 13] = [
    Fault::Crash("gateway-0"),
    Fault::Crash("consumer-0"),
    Fault::Crash("consumer-1"),
    Fault::Crash("api-0"),
    Fault::Crash("kafka"),
    Fault::Crash("postgres"),
    Fault::Crash("redis"),
    Fault::Freeze("gateway-0"),
    Fault::Freeze("consumer-0"),
    Fault::Freeze("kafka"),
    Fault::Freeze("postgres"),
    Fault::Freeze("redis"),
    Fault::Wipe,
];

fn soak<'s>(scene: &'s mut Scene<'_>) -> LocalBoxFuture<'s, anyhow::Result<()>> {
    async move {
        let time = match scene.length {
            Length::Short => Duration::from_secs(60),
            Length::Full => Duration::from_secs(600),
            Length::Lasting(time) => time,
        };
        let began = Instant::now();
        while began.elapsed() < time {
            sleep(Duration::from_millis(scene.random.random_range(500..6000))).await;
            let fault = FAULTS[scene.random.random_range(0..FAULTS.len())];
            inject(scene, fault).await?;
            let took = scene.wait_healed(HEAL * 2).await?;
            scene.bound("healed", took, HEAL);
            scene.check_offsets().await?;
        }
        Ok(())
    }
    .boxed_local()
}

async fn inject(scene: &mut Scene<'_>, fault: Fault) -> anyhow::Result<()> {
    let pause = Duration::from_millis(scene.random.random_range(200..10_000));
    match fault {
        Fault::Crash(name) => {
            scene.kill(name).await?;
            sleep(pause / 4).await;
            scene.note(format!("start {name}"));
            scene.site.launch_or_start(name).await
        }
        Fault::Freeze(name) => {
            scene.note(format!("SIGSTOP {name} for {pause:?}"));
            scene.site.freeze(name)?;
            sleep(pause).await;
            scene.site.thaw(name)
        }
        Fault::Wipe => {
            scene.note("FLUSHALL");
            flush_all(scene.site.redis().to_owned()).await
        }
    }
}
