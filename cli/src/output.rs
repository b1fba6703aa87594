//! What goes to standard output (results) and standard error (everything else).

use std::io::{self, Write};

/// Prints one line of results. A reader that has gone away is not worth an error.
pub(crate) fn line(text: &str) {
    let mut out = io::stdout().lock();
    drop(writeln!(out, "{text}").and_then(|()| out.flush()));
}

/// Prints one line for the person at the terminal.
pub(crate) fn note(text: &str) {
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// Prints why the command failed, with every cause, on one line.
pub(crate) fn complain(error: &anyhow::Error) {
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    note(&format!("shipslog: {}", causes.join(": ")));
}
