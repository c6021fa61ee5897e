//! Markdown tables on standard output.

use std::io::{self, Write};

/// A table that is printed when it is complete, its columns aligned for people who read it as text.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these column heads.
    pub(crate) fn new(head: &[&str]) -> Self {
        Self {
            rows: vec![head.iter().map(|&cell| cell.to_owned()).collect()],
        }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// As Markdown.
    pub(crate) fn to_markdown(&self) -> String {
        let columns = self.rows[0].len();
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
        };
        let widths: Vec<usize> = (0..columns)
            .map(|column| width(column).unwrap_or(0))
            .collect();
        let line = |cells: &[String]| {
            let padded = widths.iter().enumerate().map(|(column, &width)| {
                let cell = cells.get(column).map_or("", String::as_str);
                format!(" {cell:<width$} |")
            });
            format!("|{}\n", padded.collect::<String>())
        };
        let rule: String = widths
            .iter()
            .map(|width| format!("{}|", "-".repeat(width + 2)))
            .collect();
        let mut text = line(&self.rows[0]);
        text.push_str(&format!("|{rule}\n"));
        self.rows[1..]
            .iter()
            .for_each(|row| text.push_str(&line(row)));
        text
    }
}

/// Prints a paragraph or a table, with an empty line after it.
pub(crate) fn say(text: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{}\n", text.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_markdown_and_readable_as_text() {
        let mut table = Table::new(&["process", "cores"]);
        table.row(["gateway-0", "0.05"]);
        table.row(["café", "1"]);
        assert_eq!(
            table.to_markdown(),
            "| process   | cores |\n|-----------|-------|\n| gateway-0 | 0.05  |\n| café      | 1     |\n"
        );
    }
}
