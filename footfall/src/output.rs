//! What people and scripts read from this command. Logs go elsewhere, through `tracing`.

use std::io::{self, Write};

/// Prints a line to standard output. A reader that went away (`footfall topics | head`) ends the process quietly.
pub(crate) fn say(line: &str) {
    if let Err(error) = writeln!(io::stdout().lock(), "{line}")
        && error.kind() == io::ErrorKind::BrokenPipe
    {
        std::process::exit(0);
    }
}

/// Prints a line to standard error, where nothing can be done about a failure to print.
pub(crate) fn complain(line: &str) {
    writeln!(io::stderr().lock(), "footfall: {line}").ok();
}

/// Lines up rows of cells in columns two spaces apart; the last column is not padded.
pub(crate) fn table(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_lines_up_whatever_the_alphabet() {
        let rows = [["café", "1"], ["gym", "20"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table(&rows), ["café  1", "gym   20"]);
    }
}
