//! Full disks: Kafka's and Postgres's.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use domain::topic::SENSOR_MOVEMENTS;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use stack::Folder;
use tokio::time::sleep;

use super::detour::{self, until};
use crate::check::Checker;
use crate::fault::SmallDisk;
use crate::row::Row;
use crate::scene::Scene;
use crate::store;

/// The rows of this file.
pub const ROWS: &[Row] = &[
    Row {
        longest: Duration::from_secs(240),
        ..Row::usual(
            "8",
            "Kafka's disk is full (small tmpfs); freed, and Kafka started again, because it ends itself",
            "no PUBACK while it is away; first PUBACK at most 10 s after Kafka is ready",
            kafka,
        )
    },
    Row {
        longest: Duration::from_secs(240),
        ..Row::usual(
            "18",
            "Postgres's disk is full (small tmpfs); freed, and Postgres started again if it ended itself",
            "the ledger stands still meanwhile; worked off at most 10 s after",
            postgres,
        )
    },
];

/// Space that is left when a server moves to its small disk.
const SPARE_MEBIBYTES: u64 = 64;
const BITES_WITHIN: Duration = Duration::from_secs(60);
const BACK_WITHIN: Duration = Duration::from_secs(10);

fn kafka<'s>(scene: &'s mut Scene<'_>) -> LocalBoxFuture<'s, anyhow::Result<()>> {
    async move {
        let disk = small_disk(scene, "kafka", scene.site.dir().join("kafka/log")).await?;
        sleep(Duration::from_secs(2)).await;
        scene.note(format!(
            "fill Kafka's disk: {} bytes were free",
            disk.fill()?
        ));
        // Kafka with one folder of logs ends itself when a write to it fails.
        let site = &scene.site;
        let died = async || Ok(site.server("kafka")?.died().is_some());
        let took = until("Kafka notices its full disk", BITES_WITHIN, died).await?;
        scene.note(format!(
            "Kafka ended itself after {:.1} s",
            took.as_secs_f64()
        ));
        sleep(Duration::from_secs(1)).await;
        let away = scene.now();
        sleep(Duration::from_secs(scene.pick(3, 10))).await;
        let silence = away..scene.now();
        scene.silences.push(silence);
        scene.note("free the disk, start kafka");
        disk.free()?;
        scene.site.server("kafka")?.start().await?;
        let took = scene.load.next_ack(BACK_WITHIN * 5).await?;
        scene.bound("first PUBACK after Kafka is ready", took, BACK_WITHIN);
        detour::wait_leaders(scene).await?;
        scene.check_offsets().await?;
        large_disk(scene, "kafka", disk).await
    }
    .boxed_local()
}

fn postgres<'s>(scene: &'s mut Scene<'_>) -> LocalBoxFuture<'s, anyhow::Result<()>> {
    async move {
        let dir = scene.site.dir().join("postgres");
        let home = stack::data_outside(&Folder::at(scene.site.dir())?).unwrap_or(dir);
        let disk = small_disk(scene, "postgres", home.join("cluster")).await?;
        scene.wait_healed(BACK_WITHIN * 3).await?;
        scene.note(format!(
            "fill Postgres's disk: {} bytes were free",
            disk.fill()?
        ));
        let stood = wait_standstill(scene).await?;
        scene.note(format!(
            "the ledger stands still after {:.1} s",
            stood.as_secs_f64()
        ));
        sleep(Duration::from_secs(scene.pick(3, 15))).await;
        scene.note("free the disk");
        disk.free()?;
        if let Some(status) = scene.site.server("postgres")?.died() {
            scene.note(format!("postgres ended itself with {status}, start it"));
            scene.site.server("postgres")?.start().await?;
        }
        let took = scene.wait_healed(BACK_WITHIN * 3).await?;
        scene.bound("worked off after there is space", took, BACK_WITHIN);
        scene.check_offsets().await?;
        large_disk(scene, "postgres", disk).await
    }
    .boxed_local()
}

/// Moves a server to a small disk.
async fn small_disk(scene: &mut Scene<'_>, name: &str, dir: PathBuf) -> anyhow::Result<SmallDisk> {
    scene.note(format!("move {name} to a small disk"));
    scene.site.server(name)?.stop().await;
    let disk = SmallDisk::beneath(&dir, SPARE_MEBIBYTES);
    // With or without its disk the server goes on, or the other checks would find it gone.
    scene.site.server(name)?.start().await?;
    let disk = disk?;
    detour::wait_leaders(scene).await?;
    Ok(disk)
}

/// Moves it back.
async fn large_disk(scene: &mut Scene<'_>, name: &str, disk: SmallDisk) -> anyhow::Result<()> {
    scene.note(format!("move {name} back"));
    scene.site.server(name)?.stop().await;
    disk.keep()?;
    scene.site.server(name)?.start().await?;
    detour::wait_leaders(scene).await
}

/// Waits until the ledger has stood still for 3 s although records come; a Postgres that does not answer stands still too.
async fn wait_standstill(scene: &mut Scene<'_>) -> anyhow::Result<Duration> {
    let url = scene.site.postgres().to_owned();
    let mut known = None;
    let mut stood = 0;
    let stands = async || {
        let ledger = store::ledger(&url, SENSOR_MOVEMENTS).await.ok();
        stood = if ledger == known || ledger.is_none() {
            stood + 1
        } else {
            0
        };
        known = ledger.or(known.take());
        sleep(Duration::from_millis(400)).await;
        Ok(stood >= 6)
    };
    let took = until("the full disk stops the ledger", BITES_WITHIN, stands).await;
    let took = took.context("the fault did not bite")?;
    let acked = scene.load.acked();
    sleep(Duration::from_secs(1)).await;
    let go_on = scene.load.acked() > acked;
    scene.expect(go_on, Checker::L1, "Postgres's disk stops the gateway");
    Ok(took)
}
