//! The soak: faults of all kinds at random moments, one after the other, for as long as one likes.
//!
//! Whether a process leaks is seen only in one that lives: after the first third, of our own only `consumer-0` is still crashed. The
//! others are frozen and lose their servers as before, and at the end their memory and descriptors must not go on growing.

use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use rand::RngExt;
use tokio::time::sleep;

use crate::check::{Checker, slope};
use crate::row::{BASE_RATE, Row};
use crate::rows::storage::flush_all;
use crate::scene::{Length, Scene};

/// The rows of this file.
pub const ROWS: &[Row] = &[Row {
    longest: Duration::from_secs(720),
    heal: Duration::from_secs(60),
    ..Row::usual(
        "33",
        "random faults for minutes or hours",
        "each is healed within 60 s before the next one; from 10 min on, memory and descriptors do not go on growing",
        soak,
    )
    .with_late_events()
}];

/// From this length on, growth is looked at: shorter ones show only how a process fills its caches.
const LONG: Duration = Duration::from_secs(600);
/// Who is crashed to the end.
const VICTIM: &str = "consumer-0";
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
            if is_spared(fault) && began.elapsed() > time / 3 {
                continue;
            }
            inject(scene, fault).await?;
            let took = scene.wait_healed(HEAL * 2).await?;
            scene.bound("healed", took, HEAL);
            scene.check_offsets().await?;
        }
        if time >= LONG {
            check_growth(scene, time / 2);
        }
        Ok(())
    }
    .boxed_local()
}

/// Whether a fault ends a process of ours that shall live to be looked at.
fn is_spared(fault: Fault) -> bool {
    const SERVERS: [&str; 3] = ["kafka", "postgres", "redis"];
    matches!(fault, Fault::Crash(name) if name != VICTIM && !SERVERS.contains(&name))
}

fn check_growth(scene: &mut Scene<'_>, lived: Duration) {
    let slopes = slope::of(&scene.watch.seen(), lived);
    for slope in &slopes {
        let (role, pid) = (&slope.role, slope.pid);
        let (kib, descriptors) = (slope.growth_in_ten_minutes(), slope.descriptors);
        scene.note(format!(
            "{role} ({pid}): {kib:.0} KiB in ten minutes, {descriptors} descriptors more"
        ));
    }
    scene.findings.extend(slope::check(&slopes, BASE_RATE));
    for role in ["gateway-0", "consumer-1", "api-0"] {
        let is_seen = slopes.iter().any(|slope| slope.role == role);
        let sentence = format!("no process of {role} lived long enough to see whether it grows");
        scene.expect(is_seen, Checker::L2, sentence);
    }
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
            scene.freeze(name).await?;
            sleep(pause).await;
            scene.thaw(name)
        }
        Fault::Wipe => {
            scene.note("FLUSHALL");
            flush_all(scene.site.redis().to_owned()).await
        }
    }
}
