//! Certificates in PEM form, which only the log holds.

use shipslog_domain::{Event, Position, certificate};

use crate::App;

/// The certificate that became known with the event at a position.
#[must_use]
pub fn stored_pem(app: &App, position: Position) -> Option<String> {
    let stored = app.log().read_one(position).ok().flatten()?;
    let event = Event::try_from(&stored.record()).ok()?;
    if let Event::Certificate(
        certificate::Event::Registered { pem, .. } | certificate::Event::Enrolled { pem, .. },
    ) = event
    {
        return Some(pem.into());
    }
    None
}
