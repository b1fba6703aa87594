//! The figures behind a plot.

use super::units;

/// Rows of a table.
const ROWS: usize = 12;

/// Figures in rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub(super) head: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Table {
    /// Adds a column: of the slices that [`rows_of`] chose.
    pub(super) fn add<T>(&mut self, name: &str, values: &[T], show: impl Fn(&T) -> String) {
        self.head.push(name.into());
        for (row, index) in self.rows.iter_mut().zip(chosen(values.len())) {
            row.push(values.get(index).map_or_else(String::new, &show));
        }
    }
}

/// Rows that begin with a moment.
pub(super) fn rows_of(ends: &[f64]) -> Vec<Vec<String>> {
    chosen(ends.len())
        .map(|index| vec![units::time(ends[index])])
        .collect()
}

/// Some places of a list, evenly spread, the last one among them.
fn chosen(length: usize) -> impl Iterator<Item = usize> {
    let rows = length.min(ROWS);
    (1..=rows).map(move |row| row * length / rows - 1)
}
