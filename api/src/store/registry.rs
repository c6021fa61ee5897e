//! What is where: site, zones, devices.

use sqlx::Row;

use super::Store;

/// The site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteRow {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its IANA time zone.
    pub tz: String,
    /// Its locale.
    pub locale: String,
}

/// A zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneRow {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How many people may be there.
    pub capacity: Option<i32>,
}

/// A registered device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRow {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `movement` or `rfid`.
    pub kind: String,
    /// Its zone.
    pub zone: Option<String>,
}

impl Store {
    /// The site of that id, if it is registered.
    ///
    /// # Errors
    /// What sqlx says.
    pub async fn site(&self, id: &str) -> sqlx::Result<Option<SiteRow>> {
        let row = sqlx::query("select id, name, tz, locale from site where id = $1")
            .bind(id)
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| {
            Ok(SiteRow {
                id: row.try_get(0)?,
                name: row.try_get(1)?,
                tz: row.try_get(2)?,
                locale: row.try_get(3)?,
            })
        })
        .transpose()
    }

    /// The zones of a site, in their order.
    ///
    /// # Errors
    /// What sqlx says.
    pub async fn zones(&self, site: &str) -> sqlx::Result<Vec<ZoneRow>> {
        let rows = sqlx::query(
            "select id, name, capacity
            from zone
            where site = $1
            order by position, id",
        )
        .bind(site)
        .fetch_all(&self.pool)
        .await?;
        let zone = |row: &sqlx::postgres::PgRow| {
            Ok(ZoneRow {
                id: row.try_get(0)?,
                name: row.try_get(1)?,
                capacity: row.try_get(2)?,
            })
        };
        rows.iter().map(zone).collect()
    }

    /// The registered devices of a site.
    ///
    /// # Errors
    /// What sqlx says.
    pub async fn devices(&self, site: &str) -> sqlx::Result<Vec<DeviceRow>> {
        let rows = sqlx::query(
            "select id, name, kind, zone
            from device
            where site = $1
            order by id",
        )
        .bind(site)
        .fetch_all(&self.pool)
        .await?;
        let device = |row: &sqlx::postgres::PgRow| {
            Ok(DeviceRow {
                id: row.try_get(0)?,
                name: row.try_get(1)?,
                kind: row.try_get(2)?,
                zone: row.try_get(3)?,
            })
        };
        rows.iter().map(device).collect()
    }

    /// What tells this database from every other, also from one that was made anew under its name.
    ///
    /// # Errors
    /// What sqlx says.
    pub async fn identity(&self) -> sqlx::Result<String> {
        let row = sqlx::query(
            "select control.system_identifier::text || '.' || database.oid::text
            from pg_control_system() as control, pg_database as database
            where database.datname = current_database()",
        )
        .fetch_one(&self.pool)
        .await?;
        row.try_get(0)
    }
}
