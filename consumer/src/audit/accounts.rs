//! The accounts: what the ledger says became of each record, and what it knows of the gateways' canaries, compared with what the
//! folding counted.

use std::collections::{BTreeMap, BTreeSet};

use domain::canary::{Canary, Flight, GATEWAYS_MAX};
use domain::fold::Outcome;
use domain::id::GatewayId;
use domain::time::Micros;
use sqlx::{PgConnection, Row, query};

use super::report::FieldValues;
use crate::engine::conservation::{Conservation, Counts};
use crate::store::canary::KEPT_DAYS;
use crate::store::pg_time::PgTime;

/// What Postgres says of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Accounts {
    /// From where on it counts.
    pub(super) began: i64,
    counts: Counts,
    pub(super) skipped: i64,
    flights: BTreeMap<GatewayId, Flight>,
    /// Canaries that were written before may be forgotten.
    kept_from: Micros,
}

/// What the folding counted of the same.
#[derive(Debug)]
pub(super) struct Counted {
    conservation: Conservation,
    /// When each gateway's first canary was written.
    first: BTreeMap<GatewayId, Micros>,
    skipped: i64,
}

/// A row of the accounts, on both sides. A side without fields does not have it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) table: &'static str,
    pub(super) key: (&'static str, String),
    pub(super) log: FieldValues,
    pub(super) stored: FieldValues,
}

/// Reads what Postgres says.
pub(super) async fn read(
    postgres: &mut PgConnection,
    topic: &str,
    partition: i32,
) -> sqlx::Result<Accounts> {
    let row = query(
        "select began_offset, skipped, applied, duplicate, late, ignored, marker, dead_letter,
            now() - make_interval(days => $3)
         from ledger
         where topic = $1 and partition = $2",
    )
    .bind(topic)
    .bind(partition)
    .bind(KEPT_DAYS)
    .fetch_one(&mut *postgres)
    .await?;
    let flights = query(
        "select gateway, sequence, written_at, gaps, repeats
         from canary
         where topic = $1 and partition = $2",
    )
    .bind(topic)
    .bind(partition)
    .fetch_all(postgres)
    .await?;
    let flight = |row: &sqlx::postgres::PgRow| {
        let count =
            |at: usize| -> sqlx::Result<u64> { Ok(row.try_get::<i64, _>(at)?.unsigned_abs()) };
        let flight = Flight {
            sequence: count(1)?,
            written_at: row.try_get::<PgTime, _>(2)?.0,
            gaps: count(3)?,
            repeats: count(4)?,
        };
        Ok((GatewayId(row.try_get(0)?), flight))
    };
    Ok(Accounts {
        began: row.try_get(0)?,
        skipped: row.try_get(1)?,
        counts: Counts {
            applied: row.try_get(2)?,
            duplicate: row.try_get(3)?,
            late: row.try_get(4)?,
            ignored: row.try_get(5)?,
            marker: row.try_get(6)?,
            dead_letter: row.try_get(7)?,
        },
        flights: flights.iter().map(flight).collect::<sqlx::Result<_>>()?,
        kept_from: row.try_get::<PgTime, _>(8)?.0,
    })
}

impl Counted {
    pub(super) fn new(from: i64) -> Self {
        Self {
            conservation: Conservation::new(from, domain::canary::Canaries::default()),
            first: BTreeMap::new(),
            skipped: 0,
        }
    }

    /// A record was folded.
    pub(super) fn folded(&mut self, outcome: Outcome, canary: Option<(Canary, Micros)>) {
        self.meet(canary.as_ref());
        self.conservation.folded(outcome, canary);
    }

    /// A record is in quarantine.
    pub(super) fn quarantined(&mut self, canary: Option<(Canary, Micros)>) {
        self.meet(canary.as_ref());
        self.conservation.quarantined(canary);
    }

    fn meet(&mut self, canary: Option<&(Canary, Micros)>) {
        if let Some((canary, at)) = canary
            && !self.first.contains_key(&canary.gateway)
        {
            self.first.insert(canary.gateway.clone(), *at);
        }
    }

    /// What there is to say of canaries that are not compared.
    pub(super) fn remark(&self) -> Option<String> {
        let gateways = self.first.len();
        (gateways > GATEWAYS_MAX).then(|| {
            format!(
                "no canary is compared: {gateways} gateways wrote some, and a partition remembers {GATEWAYS_MAX}; does one                  start again and again?"
            )
        })
    }

    /// A record was left out by a person.
    pub(super) fn skipped(&mut self) {
        self.skipped += 1;
    }

    /// What was counted up to here beside what Postgres says, row by row.
    pub(super) fn beside(&mut self, accounts: &Accounts, partition: i32) -> Vec<Account> {
        let tally = self.conservation.take();
        let mut rows = vec![Account {
            table: "ledger",
            key: ("partition", partition.to_string()),
            log: count_fields(&tally.counts, self.skipped),
            stored: count_fields(&accounts.counts, accounts.skipped),
        }];
        let log: BTreeMap<GatewayId, Flight> = tally.canaries.into_iter().collect();
        let gateways: BTreeSet<&GatewayId> = log.keys().chain(accounts.flights.keys()).collect();
        for gateway in gateways {
            let flight = log.get(gateway);
            // Its row may be gone, and of more gateways than a partition remembers any may be.
            let is_forgotten = self.first.len() > GATEWAYS_MAX
                || flight.is_some_and(|flight| flight.written_at < accounts.kept_from);
            if is_forgotten {
                continue;
            }
            // One that was silent for long may have been forgotten in between: what it did before is not in its row then.
            let first = self.first.get(gateway);
            let with_sums = first.is_none_or(|first| *first >= accounts.kept_from);
            let fields = |flight: Option<&Flight>| {
                flight.map_or(Vec::new(), |flight| flight_fields(flight, with_sums))
            };
            rows.push(Account {
                table: "canary",
                key: ("gateway", gateway.as_str().to_owned()),
                log: fields(flight),
                stored: fields(accounts.flights.get(gateway)),
            });
        }
        rows
    }
}

fn count_fields(counts: &Counts, skipped: i64) -> FieldValues {
    let Counts {
        applied,
        duplicate,
        late,
        ignored,
        marker,
        dead_letter,
    } = counts;
    let fields = [
        ("applied", applied),
        ("duplicate", duplicate),
        ("late", late),
        ("ignored", ignored),
        ("marker", marker),
        ("dead_letter", dead_letter),
        ("skipped", &skipped),
    ];
    fields
        .map(|(name, count)| (name, Some(count.to_string())))
        .to_vec()
}

fn flight_fields(flight: &Flight, with_sums: bool) -> FieldValues {
    let Flight {
        sequence,
        written_at,
        gaps,
        repeats,
    } = flight;
    let mut fields = vec![
        ("sequence", Some(sequence.to_string())),
        ("written_at", Some(written_at.to_string())),
    ];
    if with_sums {
        fields.push(("gaps", Some(gaps.to_string())));
        fields.push(("repeats", Some(repeats.to_string())));
    }
    fields
}

#[cfg(test)]
mod tests {
    use domain::time::Span;

    use super::*;

    const DAY: Span = Span::from_secs(24 * 3600);

    /// Counts the canaries of one gateway, and gives the row of it beside `stored`.
    fn check(written: &[(u64, i64)], stored: Option<Flight>) -> Option<Account> {
        let mut counted = Counted::new(0);
        for (sequence, day) in written {
            let gateway = "a".into();
            let canary = Canary {
                gateway,
                sequence: *sequence,
            };
            counted.folded(Outcome::Marker, Some((canary, Micros(0) + DAY * *day)));
        }
        let accounts = Accounts {
            began: 0,
            counts: Counts {
                marker: written.len() as i64,
                ..Counts::default()
            },
            skipped: 0,
            flights: stored
                .map(|flight| ("a".into(), flight))
                .into_iter()
                .collect(),
            kept_from: Micros(0) + DAY * 10,
        };
        let mut rows = counted.beside(&accounts, 0);
        assert_eq!(rows[0].log, rows[0].stored);
        assert!(rows.len() <= 2);
        rows.drain(1..).next()
    }

    fn flight(sequence: u64, day: i64, gaps: u64) -> Flight {
        Flight {
            sequence,
            written_at: Micros(0) + DAY * day,
            gaps,
            repeats: 0,
        }
    }

    fn is_equal(account: &Account) -> bool {
        account.log == account.stored
    }

    #[test]
    fn a_canary_is_compared_as_far_as_its_row_must_be_there() {
        let recent = [(1, 11), (3, 12)];
        assert!(is_equal(&check(&recent, Some(flight(3, 12, 1))).unwrap()));
        assert!(!is_equal(&check(&recent, Some(flight(3, 12, 0))).unwrap()));
        assert!(!is_equal(&check(&recent, Some(flight(2, 12, 1))).unwrap()));
        assert_eq!(check(&recent, None).unwrap().stored, []);
        // It began so long ago that its sums may have been forgotten once.
        let long = [(1, 1), (3, 12)];
        assert!(is_equal(&check(&long, Some(flight(3, 12, 0))).unwrap()));
        assert!(!is_equal(&check(&long, Some(flight(4, 12, 0))).unwrap()));
        // It is long gone, and so may be its row.
        assert_eq!(check(&[(1, 1)], None), None);
        assert_eq!(check(&[], Some(flight(1, 12, 0))).unwrap().log, []);
    }

    /// Whether something is said when so many gateways wrote a canary each; either all of them are compared or none.
    fn is_remarked(gateways: usize) -> bool {
        let mut counted = Counted::new(0);
        for gateway in 0..gateways {
            let canary = Canary {
                gateway: GatewayId(format!("g{gateway}")),
                sequence: 1,
            };
            counted.folded(Outcome::Marker, Some((canary, Micros(0))));
        }
        let remark = counted.remark();
        let accounts = Accounts {
            began: 0,
            counts: Counts::default(),
            skipped: 0,
            flights: BTreeMap::new(),
            kept_from: Micros(0),
        };
        let canaries = counted.beside(&accounts, 0).len() - 1;
        assert_eq!(canaries, if remark.is_some() { 0 } else { gateways });
        remark.is_some()
    }

    #[test]
    fn more_gateways_than_a_partition_remembers_are_not_compared_and_that_is_said() {
        assert!(!is_remarked(GATEWAYS_MAX));
        assert!(is_remarked(GATEWAYS_MAX + 1));
    }

    #[test]
    fn each_count_is_compared() {
        let mut counted = Counted::new(0);
        counted.folded(Outcome::Applied, None);
        counted.quarantined(None);
        counted.skipped();
        let accounts = Accounts {
            began: 0,
            counts: Counts {
                applied: 2,
                ..Counts::default()
            },
            skipped: 1,
            flights: BTreeMap::new(),
            kept_from: Micros(0),
        };
        let rows = counted.beside(&accounts, 4);
        let found = super::super::report::differing(&rows[0].log, &rows[0].stored);
        let names: Vec<&str> = found.iter().map(|field| field.name).collect();
        assert_eq!(names, ["applied", "dead_letter"]);
    }
}
