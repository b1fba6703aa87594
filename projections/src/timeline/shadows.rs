//! Events of shadows.

use shipslog_domain::ShadowName;
use shipslog_domain::shadow::Event;

use super::{Told, Value};

pub(super) fn shadow(event: &Event) -> Told {
    match event {
        Event::Updated {
            thing,
            shadow,
            version,
            change,
            token,
        } => {
            let fields = vec![
                ("shadow", name(shadow.as_ref())),
                ("version", (*version).into()),
                ("change", change.into()),
                ("clientToken", token.as_ref().into()),
            ];
            let summary = format!(
                "{} was updated to version {version}",
                which(shadow.as_ref())
            );
            let told = Told::new("ShadowUpdated", summary, fields);
            match thing {
                Some(thing) => told.named(thing.as_str()),
                None => told,
            }
        }
        Event::Deleted {
            shadow,
            version,
            token,
        } => {
            let fields = vec![
                ("shadow", name(shadow.as_ref())),
                ("version", (*version).into()),
                ("clientToken", token.as_ref().into()),
            ];
            let summary = format!(
                "{} was deleted at version {version}",
                which(shadow.as_ref())
            );
            Told::new("ShadowDeleted", summary, fields)
        }
    }
}

fn name(shadow: Option<&ShadowName>) -> Value {
    shadow.map(ShadowName::as_str).into()
}

fn which(shadow: Option<&ShadowName>) -> String {
    match shadow {
        None => "its classic shadow".into(),
        Some(name) => format!("its shadow {name}"),
    }
}
