//! What applications and devices do with shadows.

use serde_json::{Map, Value, json};
use shipslog_domain::shadow::{Command as Shadow, Request};
use shipslog_domain::{Command, ShadowName};

use super::Dice;
use crate::actions::What;

const NAMES: [&str; 3] = ["", "config", "$state:1"];

pub(super) fn command(what: What, dice: &mut Dice) -> Command {
    let thing = dice.thing();
    let name = NAMES[dice.index(NAMES.len())];
    let shadow = (!name.is_empty()).then(|| ShadowName::parse(name).expect("a valid name"));
    Command::Shadow(if what == What::ShadowDeleted {
        Shadow::Delete {
            thing,
            shadow,
            token: None,
        }
    } else {
        Shadow::Update {
            thing,
            shadow,
            request: Box::new(request(dice)),
        }
    })
}

/// Mostly an unconditional change of one side.
fn request(dice: &mut Dice) -> Request {
    let mut state = Map::new();
    for (side, draws) in [("reported", 3), ("desired", 4)] {
        let members = match dice.below(draws) {
            0 => members(dice),
            1 => continue,
            2 => json!({"a": 1}),
            _ => Value::Null,
        };
        state.insert(side.to_owned(), members);
    }
    let mut body = json!({ "state": state });
    if dice.rarely(4) {
        body["version"] = dice.below(3).into();
    }
    Request::parse(&body.to_string()).expect("a well-formed request")
}

fn members(dice: &mut Dice) -> Value {
    let mut members = Map::new();
    for name in ["a", "b"] {
        let value = match dice.below(4) {
            0 => Value::from(1),
            1 => continue,
            2 => "up".into(),
            _ => Value::Null,
        };
        members.insert(name.to_owned(), value);
    }
    members.into()
}
