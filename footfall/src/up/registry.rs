//! The registry of a demo: names, capacities and zones of what is simulated. Rows that are there already stay as they are, so
//! that what a person changed survives the next start.

use anyhow::Context;
use simulator::plan::{Registry, Scenario, SiteEntry};
use sqlx::{Connection, PgConnection};

use super::choice::Simulate;

/// The site that devices of the demo publish under; the default of the simulator's `--site`.
const SITE: &str = "main";

/// Makes sure that the site is known, and with a simulation its zones and sensors.
pub(crate) async fn register(postgres_url: &str, simulate: Simulate) -> anyhow::Result<()> {
    let registry = match scenario(simulate) {
        Some(scenario) => simulator::plan::registry(scenario, SITE),
        None => bare_site(),
    };
    let mut connection = PgConnection::connect(postgres_url).await?;
    insert(&mut connection, &registry)
        .await
        .context("registering the site")?;
    connection.close().await?;
    Ok(())
}

/// What the simulator calls it.
pub(crate) fn scenario(simulate: Simulate) -> Option<Scenario> {
    match simulate {
        Simulate::Campus => Some(Scenario::Campus),
        Simulate::Crossing => Some(Scenario::Crossing),
        Simulate::None => None,
    }
}

fn bare_site() -> Registry {
    Registry {
        site: SiteEntry {
            id: SITE.to_owned(),
            name: "Main site",
            tz: "Etc/UTC",
            locale: "en-GB",
        },
        zones: Vec::new(),
        devices: Vec::new(),
    }
}

async fn insert(connection: &mut PgConnection, registry: &Registry) -> sqlx::Result<()> {
    let Registry {
        site,
        zones,
        devices,
    } = registry;
    sqlx::query(
        "insert into site (id, name, tz, locale) values ($1, $2, $3, $4) on conflict do nothing",
    )
    .bind(&site.id)
    .bind(site.name)
    .bind(site.tz)
    .bind(site.locale)
    .execute(&mut *connection)
    .await?;
    for zone in zones {
        sqlx::query(
            "insert into zone (id, site, name, capacity, position) values ($1, $2, $3, $4, $5)
             on conflict do nothing",
        )
        .bind(zone.id)
        .bind(&site.id)
        .bind(zone.name)
        .bind(
            zone.capacity
                .and_then(|capacity| i32::try_from(capacity).ok()),
        )
        .bind(i32::try_from(zone.position).unwrap_or(i32::MAX))
        .execute(&mut *connection)
        .await?;
    }
    for device in devices {
        sqlx::query("insert into device (id, site, zone, name) values ($1, $2, $3, $4) on conflict do nothing")
            .bind(&device.id)
            .bind(&site.id)
            .bind(device.zone)
            .bind(&device.name)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_start_keeps_what_a_person_changed() {
        let stack = stack::shared::stack().await.unwrap();
        let corner = stack.scratch(&[]).await.unwrap();
        crate::migrate::migrate(&corner.postgres_url).await.unwrap();
        register(&corner.postgres_url, Simulate::Campus)
            .await
            .unwrap();
        let mut connection = PgConnection::connect(&corner.postgres_url).await.unwrap();
        sqlx::query("update zone set capacity = 7 where id = 'lib'")
            .execute(&mut connection)
            .await
            .unwrap();
        register(&corner.postgres_url, Simulate::Campus)
            .await
            .unwrap();
        register(&corner.postgres_url, Simulate::None)
            .await
            .unwrap();
        let (sites, zones, devices, capacity): (i64, i64, i64, i32) = sqlx::query_as(
            "select (select count(*) from site), (select count(*) from zone), (select count(*) from device),
                    (select capacity from zone where id = 'lib')",
        )
        .fetch_one(&mut connection)
        .await
        .unwrap();
        assert_eq!((sites, zones, devices, capacity), (1, 5, 11, 7));
        stack.remove(corner).await.unwrap();
    }
}
