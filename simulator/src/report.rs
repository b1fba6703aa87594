//! What a person gets to see of a run: one page that needs nothing but itself, and the same as JSON.
//!
//! `charts` says what is plotted, `plot` draws it with the plotting library, `page` puts everything in order.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::recording::Recording;

mod charts;
mod page;
mod plot;
mod table;
pub mod units;

/// Name of the page.
pub const PAGE: &str = "report.html";
/// Name of the figures.
pub const FIGURES: &str = "report.json";

/// A report that could not be written.
#[derive(Debug, Error)]
#[error("cannot write {}", path.display())]
pub struct Failure {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Writes `report.html` and `report.json` into a directory, which is made where it is missing, and says where the page
/// is. A report that is there already is replaced.
pub fn write(directory: &Path, recording: &Recording) -> Result<PathBuf, Failure> {
    let fail = |path: &Path, source| Failure {
        path: path.into(),
        source,
    };
    prepare(directory)?;
    let figures = directory.join(FIGURES);
    let mut json =
        serde_json::to_string(recording).map_err(|error| fail(&figures, error.into()))?;
    json.push('\n');
    std::fs::write(&figures, json).map_err(|error| fail(&figures, error))?;
    let page = directory.join(PAGE);
    std::fs::write(&page, html(recording)).map_err(|error| fail(&page, error))?;
    Ok(page)
}

/// Makes the directory of a report and tries whether it can be written, so that a long run does not end in vain.
pub fn prepare(directory: &Path) -> Result<(), Failure> {
    let fail = |source| Failure {
        path: directory.into(),
        source,
    };
    std::fs::create_dir_all(directory).map_err(fail)?;
    let trial = directory.join(".report");
    std::fs::write(&trial, []).map_err(fail)?;
    std::fs::remove_file(&trial).map_err(fail)
}

/// The page.
#[must_use]
pub fn html(recording: &Recording) -> String {
    page::page(recording).into_string()
}

#[cfg(test)]
mod tests;
