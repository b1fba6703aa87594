//! Events of shadows.

use shipslog_domain::shadow::Event as Shadow;
use shipslog_domain::{Event, ShadowName};

use super::Example;
use crate::lower::thing_name;

fn name() -> ShadowName {
    ShadowName::parse("$config:1").expect("a valid name")
}

pub(super) fn examples() -> Vec<Example> {
    let first = Shadow::Updated {
        thing: Some(thing_name("pump-1")),
        shadow: None,
        version: 1,
        change: r#"{"desired":{"color":"red"},"reported":{"list":[1,null]}}"#.into(),
        token: None,
    };
    let named = Shadow::Updated {
        thing: None,
        shadow: Some(name()),
        version: 70_000,
        change: r#"{"desired":null,"reported":{"color":null}}"#.into(),
        token: Some("token-1".into()),
    };
    let deleted = |shadow, token| Shadow::Deleted {
        shadow,
        version: 3,
        token,
    };
    vec![
        ("", Event::Shadow(named)),
        ("classic", Event::Shadow(first)),
        (
            "",
            Event::Shadow(deleted(Some(name()), Some("token-2".into()))),
        ),
        ("classic", Event::Shadow(deleted(None, None))),
    ]
}
