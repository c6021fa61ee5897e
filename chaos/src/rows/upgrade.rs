//! A rolling upgrade, there and back: roles of the version before beside those of now.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tokio::time::sleep;

use super::detour::restart;
use crate::fault::Unavailable;
use crate::row::Row;
use crate::scene::Scene;

/// The rows of this file.
pub const ROWS: &[Row] = &[Row {
    longest: Duration::from_secs(240),
    heal: Duration::from_secs(60),
    ..Row::usual(
        "31",
        "roles of the version before beside those of now, swapped one by one while events flow",
        "both read what both write",
        upgrade,
    )
}];

fn upgrade<'s>(scene: &'s mut Scene<'_>) -> LocalBoxFuture<'s, anyhow::Result<()>> {
    async move {
        let what = "a rolling upgrade";
        let reason =
            "no program of the version before: --previous PATH names it, and make chaos builds it";
        let previous = scene.site.previous().map(Path::to_owned);
        let previous = previous.ok_or_else(|| Unavailable::new(what, reason))?;
        let now = scene.site.footfall().to_owned();
        let roles = scene.site.running();
        let of = |kind: &str| {
            let of_kind = roles.iter().filter(|name| name.starts_with(kind));
            of_kind.cloned().collect::<Vec<_>>()
        };
        let (gateways, consumers, apis) = (of("gateway"), of("consumer"), of("api"));
        let one = consumers.first().context("no consumer")?.clone();
        // An old gateway before new consumers; old and new consumers in one group; all of them old; and back.
        let stages: [(&str, &PathBuf, &[String]); 6] = [
            ("old gateway, new consumers", &previous, &gateways),
            (
                "one consumer old, the others new",
                &previous,
                std::slice::from_ref(&one),
            ),
            ("new gateway, consumers mixed", &now, &gateways),
            ("new gateway, old consumers", &previous, &consumers),
            ("old apis", &previous, &apis),
            ("everything new again", &now, &roles),
        ];
        for (stage, program, names) in stages {
            scene.note(stage);
            for name in names {
                scene.site.set_program(name, program);
                restart(scene, name).await?;
            }
            sleep(Duration::from_secs(scene.pick(2, 8))).await;
            scene.check_offsets().await?;
        }
        Ok(())
    }
    .boxed_local()
}
