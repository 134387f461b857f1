//! Statements for many rows, in a few sizes.
//!
//! A statement for 64 rows costs little more than one for a single row; a few sizes are prepared once
//! per connection and any number of rows is cut into them.

use std::sync::OnceLock;

use crate::dialect::Dialect;

/// Rows per statement of a [`Table`](crate::Table), largest first. 64 rows of 25 columns stay far below both databases' limit of
/// parameters (32,766 and 65,535).
pub(crate) const SIZES: [usize; 3] = [64, 8, 1];

/// Which of [`SIZES`] is the next when so many rows are left.
pub(crate) fn largest(rows: usize) -> usize {
    SIZES.iter().position(|size| *size <= rows).unwrap_or(SIZES.len() - 1)
}

/// `(?, ?), (?, ?)`: a place for each value of each row.
pub(crate) fn places(dialect: Dialect, rows: usize, width: usize) -> String {
    let row = |row: usize| {
        let places: Vec<String> = (1..=width).map(|column| dialect.place(row * width + column)).collect();
        format!("({})", places.join(", "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}

/// The texts of one statement, made when first used: by database and by which of `N` sizes.
pub(crate) struct Statements<const N: usize>([[OnceLock<String>; N]; 2]);

impl<const N: usize> Statements<N> {
    pub(crate) const fn new() -> Self {
        Self([const { [const { OnceLock::new() }; N] }; 2])
    }

    pub(crate) fn text(&self, dialect: Dialect, slot: usize, make: impl FnOnce() -> String) -> &str {
        self.0[dialect as usize][slot].get_or_init(make)
    }
}
