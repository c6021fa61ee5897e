//! The report of an audit as a person reads it.

use consumer::audit::{Difference, DifferenceKind, PartitionReport, Report, Side};

use crate::output;

/// The lines of a report: a table with a line for each store of each partition, then what differs, then the verdict.
pub(super) fn lines(report: &Report) -> Vec<String> {
    let head = [
        "FOLD",
        "PARTITION",
        "RECORDS",
        "STORE",
        "OFFSET",
        "VALUES",
        "LOG SAYS",
        "IT HOLDS",
        "",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let mut below = Vec::new();
    for fold in &report.folds {
        for partition in &fold.partitions {
            let sides = [
                ("Postgres", &partition.postgres),
                ("Redis", &partition.redis),
            ];
            for (store, side) in sides {
                if let Some(side) = side {
                    rows.push(row(fold.fold, partition, store, side));
                }
            }
            let name = format!("{} {}", fold.fold, partition.partition);
            below.extend(remarks(&name, partition));
        }
    }
    let mut lines = output::table(&rows);
    lines.extend(below);
    lines.push(verdict(report));
    lines
}

fn row(fold: &str, partition: &PartitionReport, store: &str, side: &Side) -> Vec<String> {
    let result = if side.is_equal() {
        "equal".to_owned()
    } else {
        let counts = [
            (side.changed, "changed"),
            (side.missing, "missing"),
            (side.extra, "unexplained"),
        ];
        let told: Vec<String> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        format!("DIFFERS: {}", told.join(", "))
    };
    vec![
        fold.to_owned(),
        partition.partition.to_string(),
        partition.records.to_string(),
        store.to_owned(),
        side.offset.to_string(),
        side.log_values.to_string(),
        side.log_digest.clone(),
        side.store_digest.clone(),
        result,
    ]
}

/// What stood in the way, what was not compared, and what differs first.
fn remarks(name: &str, partition: &PartitionReport) -> Vec<String> {
    let mut lines: Vec<String> = partition
        .problems
        .iter()
        .map(|problem| format!("{name}: NOT COMPARED: {problem}"))
        .collect();
    if !partition.is_whole {
        let unknown = partition
            .postgres
            .as_ref()
            .map_or(0, |side| side.not_compared);
        lines.push(format!(
            "{name}: Kafka does not hold the beginning; folded from offset {} on, and {unknown} rows that did not change since \
             are not compared",
            partition.from_offset
        ));
    }
    if partition.poison > 0 {
        lines.push(format!(
            "{name}: {} records in quarantine as poison were left out, as they were when they came",
            partition.poison
        ));
    }
    if partition.skipped > 0 {
        lines.push(format!(
            "{name}: {} records were left out because a person did, with skip_to",
            partition.skipped
        ));
    }
    let notes = partition.notes.iter();
    lines.extend(notes.map(|note| format!("{name}: {note}")));
    if let Some(difference) = &partition.first_difference {
        lines.extend(difference_lines(name, difference));
    }
    lines
}

fn difference_lines(name: &str, difference: &Difference) -> Vec<String> {
    let key: Vec<String> = difference
        .key
        .iter()
        .map(|(column, value)| format!("{column} {value}"))
        .collect();
    let (store, table) = (difference.store, difference.table);
    let what = match difference.kind {
        DifferenceKind::Changed => format!("{store} holds another {table}"),
        DifferenceKind::Missing => format!("{store} lacks the {table}"),
        DifferenceKind::Extra => format!("the log does not explain the {table} in {store}"),
    };
    let mut lines = vec![format!("{name}: {what} with {}", key.join(", "))];
    for field in &difference.fields {
        let told = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        lines.push(format!(
            "    {}: the log says {}, {store} says {}",
            field.name,
            told(&field.log),
            told(&field.stored)
        ));
    }
    lines
}

fn verdict(report: &Report) -> String {
    let word = match (report.equal, report.rows_not_compared) {
        (true, 0) => "equal".to_owned(),
        (true, rows) => format!("equal, but {rows} rows were not compared"),
        (false, 0) => "DIFFERS".to_owned(),
        (false, rows) => format!("DIFFERS, and {rows} rows were not compared"),
    };
    let partitions: usize = report.folds.iter().map(|fold| fold.partitions.len()).sum();
    #[expect(clippy::cast_precision_loss, reason = "a rate for a person")]
    let rate = report.records as f64 / report.seconds.max(1e-9);
    format!(
        "{word}: {} partitions, {} records in {:.1} s ({rate:.0}/s); visits that are shown live are written once a second and \
         are not compared",
        partitions, report.records, report.seconds
    )
}
