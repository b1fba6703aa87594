//! Which changes of stacks, layers and apps are accepted.

use std::collections::BTreeSet;

use super::details::check_custom_json;
use super::{
    App, AppChange, AppContent, Change, Command, Content, Event, FILTERED, Layer, LayerChange,
    LayerContent, Stack, Variable,
};
use crate::Fleet;
use crate::deployment::Scope;
use crate::event::{Event as Any, Fact};
use crate::group::check_text;
use crate::ids::{AppId, LayerId, StackId};
use crate::limits;
use crate::log::{StreamId, StreamKind};
use crate::rejection::Rejection;
use crate::time::Timestamp;

pub(super) fn fact(stack: StackId, event: Event) -> Fact {
    Fact {
        stream: StreamId::new(StreamKind::Stack, stack.0),
        event: Any::Stack(event),
    }
}

/// Refuses a name that is empty or too long.
fn check_name(field: &'static str, name: &str) -> Result<(), Rejection> {
    if name.trim().is_empty() {
        return Err(Rejection::malformed(field, "must not be empty"));
    }
    check_text(field, Some(name), limits::STACK_NAME_CHARACTERS_MAX)
}

/// Refuses a name for recipes that could not be the name of a directory.
fn check_shortname(name: &str) -> Result<(), Rejection> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let most = limits::SHORTNAME_BYTES_MAX;
    if (1..=most).contains(&name.len())
        && name.bytes().all(allowed)
        && !name.trim_matches('.').is_empty()
    {
        return Ok(());
    }
    let rule = format!("must be 1 to {most} characters of [a-zA-Z0-9_.-], and not dots alone");
    Err(Rejection::malformed("Shortname", rule))
}

fn too_many(field: &'static str, what: &str, most: usize) -> Rejection {
    let rule = format!("there may be at most {most} {what}; delete one first");
    Rejection::too_many(field, rule)
}

fn check_content(content: &Content) -> Result<(), Rejection> {
    check_name("Name", &content.name)?;
    check_custom_json(content.custom_json.as_deref())?;
    content.details.check("Stack")
}

/// A new text in place of an old one.
fn or<T: Clone>(new: Option<&T>, old: &T) -> T {
    new.unwrap_or(old).clone()
}

impl Fleet {
    pub(super) fn find_stack(&self, id: StackId) -> Result<&Stack, Rejection> {
        let what = || format!("stack {}", id.to_uuid());
        let found = self.stacks.stack(id);
        found.ok_or_else(|| Rejection::not_found("StackId", what()))
    }

    pub(super) fn find_layer(&self, id: LayerId) -> Result<&Layer, Rejection> {
        let what = || format!("layer {}", id.to_uuid());
        let found = self.stacks.layer(id);
        found.ok_or_else(|| Rejection::not_found("LayerId", what()))
    }

    pub(super) fn find_app(&self, id: AppId) -> Result<&App, Rejection> {
        let what = || format!("app {}", id.to_uuid());
        let found = self.stacks.app(id);
        found.ok_or_else(|| Rejection::not_found("AppId", what()))
    }

    pub(crate) fn decide_stack(
        &self,
        command: &Command,
        now: Timestamp,
    ) -> Result<Vec<Fact>, Rejection> {
        match command {
            Command::Create(content) => self.create_stack(content),
            Command::Change { stack, change } => self.change_stack(*stack, change),
            Command::Delete(stack) => self.delete_stack(*stack),
            Command::Start(stack) => self.start_stack(*stack),
            Command::Stop(stack) => self.stop_stack(*stack),
            Command::CreateLayer { stack, content } => self.create_layer(*stack, content),
            Command::ChangeLayer { layer, change } => self.change_layer(*layer, change),
            Command::DeleteLayer(layer) => self.delete_layer(*layer),
            Command::CreateApp { stack, content } => self.create_app(*stack, content),
            Command::ChangeApp { app, change } => self.change_app(*app, change),
            Command::DeleteApp(app) => {
                let stack = self.find_app(*app)?.stack;
                Ok(vec![fact(stack, Event::AppRemoved { app: *app })])
            }
            Command::Instance(command) => self.decide_instance(command),
            Command::Run(request) => self.run_command(request, now),
        }
    }

    fn create_stack(&self, content: &Content) -> Result<Vec<Fact>, Rejection> {
        check_content(content)?;
        if self.stacks.len() >= limits::STACKS_MAX {
            return Err(too_many("Name", "stacks", limits::STACKS_MAX));
        }
        let content = Box::new(content.clone());
        let created = Event::Created { content };
        Ok(vec![fact(self.stacks.next_stack(), created)])
    }

    fn change_stack(&self, id: StackId, change: &Change) -> Result<Vec<Fact>, Rejection> {
        let before = &self.find_stack(id)?.content;
        let manager_version = change.manager_version.as_ref();
        let custom_json = change.custom_json.as_ref();
        let after = Content {
            name: or(change.name.as_ref(), &before.name),
            manager_version: manager_version.or(before.manager_version.as_ref()).cloned(),
            custom_json: custom_json.or(before.custom_json.as_ref()).cloned(),
            details: before.details.changed(&change.details),
        };
        check_content(&after)?;
        if after == **before {
            return Ok(Vec::new());
        }
        let content = Box::new(after);
        Ok(vec![fact(id, Event::Changed { content })])
    }

    fn delete_stack(&self, id: StackId) -> Result<Vec<Fact>, Rejection> {
        let stack = self.find_stack(id)?;
        let left = [
            ("instances", stack.instances.len()),
            ("layers", stack.layers.len()),
            ("apps", stack.apps.len()),
        ];
        if let Some((what, count)) = left.into_iter().find(|(_, count)| *count > 0) {
            let rule = format!("the stack has {count} {what}; delete them first");
            return Err(Rejection::wrong_state("StackId", rule));
        }
        let mut facts = self.forget_deployments(Scope::Stack(id));
        facts.push(fact(id, Event::Removed));
        Ok(facts)
    }

    /// Refuses what a layer of this stack cannot be. `own` is the layer itself.
    fn check_layer(
        &self,
        stack: &Stack,
        content: &LayerContent,
        own: Option<LayerId>,
    ) -> Result<(), Rejection> {
        check_name("Name", &content.name)?;
        check_shortname(&content.shortname)?;
        check_custom_json(content.custom_json.as_deref())?;
        content.details.check("Layer")?;
        let others = stack.layers.iter().filter(|id| Some(**id) != own);
        let mut others = others.filter_map(|id| self.stacks.layer(*id));
        match others.find(|other| other.content.shortname == content.shortname) {
            None => Ok(()),
            Some(_) => Err(Rejection::already_exists(
                "Shortname",
                format!("layer {} of the stack", content.shortname),
            )),
        }
    }

    fn create_layer(&self, id: StackId, content: &LayerContent) -> Result<Vec<Fact>, Rejection> {
        let stack = self.find_stack(id)?;
        self.check_layer(stack, content, None)?;
        let most = limits::LAYERS_PER_STACK_MAX;
        if stack.layers.len() >= most {
            return Err(too_many("StackId", "layers in a stack", most));
        }
        let created = Event::LayerCreated {
            layer: self.stacks.next_layer(),
            content: Box::new(content.clone()),
        };
        Ok(vec![fact(id, created)])
    }

    fn change_layer(&self, id: LayerId, change: &LayerChange) -> Result<Vec<Fact>, Rejection> {
        let layer = self.find_layer(id)?;
        let before = &layer.content;
        let custom_json = change.custom_json.as_ref();
        let after = LayerContent {
            name: or(change.name.as_ref(), &before.name),
            shortname: or(change.shortname.as_ref(), &before.shortname),
            kind: before.kind.clone(),
            custom_json: custom_json.or(before.custom_json.as_ref()).cloned(),
            details: before.details.changed(&change.details),
        };
        self.check_layer(self.find_stack(layer.stack)?, &after, Some(id))?;
        if after == **before {
            return Ok(Vec::new());
        }
        let content = Box::new(after);
        let changed = Event::LayerChanged { layer: id, content };
        Ok(vec![fact(layer.stack, changed)])
    }

    fn delete_layer(&self, id: LayerId) -> Result<Vec<Fact>, Rejection> {
        let layer = self.find_layer(id)?;
        if !layer.instances.is_empty() {
            let count = layer.instances.len();
            let rule = format!(
                "the layer has {count} instances; delete them, or take them out of it, first"
            );
            return Err(Rejection::wrong_state("LayerId", rule));
        }
        Ok(vec![fact(layer.stack, Event::LayerRemoved { layer: id })])
    }

    fn create_app(&self, id: StackId, content: &AppContent) -> Result<Vec<Fact>, Rejection> {
        let stack = self.find_stack(id)?;
        let mut content = content.clone();
        let apps = stack.apps.iter().filter_map(|app| self.stacks.app(*app));
        let taken: BTreeSet<&str> = apps.map(|app| &*app.content.shortname).collect();
        if content.shortname.is_empty() {
            content.shortname = free_shortname(&content.name, &taken);
        } else if taken.contains(&*content.shortname) {
            let what = format!("app {} of the stack", content.shortname);
            return Err(Rejection::already_exists("Shortname", what));
        }
        check_app(&content)?;
        let most = limits::APPS_PER_STACK_MAX;
        if stack.apps.len() >= most {
            return Err(too_many("StackId", "apps in a stack", most));
        }
        let created = Event::AppCreated {
            app: self.stacks.next_app(),
            content: Box::new(content),
        };
        Ok(vec![fact(id, created)])
    }

    fn change_app(&self, id: AppId, change: &AppChange) -> Result<Vec<Fact>, Rejection> {
        let app = self.find_app(id)?;
        let before = &app.content;
        let environment = match &change.environment {
            Some(environment) => kept_secrets(environment, &before.environment),
            None => before.environment.clone(),
        };
        let after = AppContent {
            name: or(change.name.as_ref(), &before.name),
            shortname: before.shortname.clone(),
            kind: or(change.kind.as_ref(), &before.kind),
            environment,
            details: before.details.changed(&change.details),
        };
        check_app(&after)?;
        if after == **before {
            return Ok(Vec::new());
        }
        let content = Box::new(after);
        Ok(vec![fact(
            app.stack,
            Event::AppChanged { app: id, content },
        )])
    }
}

/// Secure variables that a change gives as readers get them stay what they are.
fn kept_secrets(after: &[Variable], before: &[Variable]) -> Vec<Variable> {
    let kept = after.iter().map(|variable| {
        let known = before.iter().find(|known| known.key == variable.key);
        match known {
            Some(known) if known.is_secure && &*variable.value == FILTERED => Variable {
                value: known.value.clone(),
                ..variable.clone()
            },
            Some(_) | None => variable.clone(),
        }
    });
    kept.collect()
}

fn check_app(content: &AppContent) -> Result<(), Rejection> {
    check_name("Name", &content.name)?;
    check_shortname(&content.shortname)?;
    content.details.check("App")?;
    let mut seen = BTreeSet::new();
    for Variable { key, value, .. } in &content.environment {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let most = limits::ENVIRONMENT_TEXT_BYTES_MAX;
        let is_name = (1..=most).contains(&key.len())
            && key.bytes().all(is_word)
            && !key.as_bytes().first().is_some_and(u8::is_ascii_digit);
        if !is_name {
            let rule = format!(
                "a Key must be 1 to {most} letters, digits and underscores, and not begin with a digit"
            );
            return Err(Rejection::malformed("Environment", rule));
        }
        if value.len() > most || value.chars().any(char::is_control) {
            let rule =
                format!("the Value of {key} must have at most {most} bytes, all of them printable");
            return Err(Rejection::malformed("Environment", rule));
        }
        if !seen.insert(key) {
            let rule = format!("{key} is given twice");
            return Err(Rejection::malformed("Environment", rule));
        }
    }
    let texts = content.environment.iter();
    let bytes: usize = texts.map(|one| one.key.len() + one.value.len()).sum();
    if bytes > limits::ENVIRONMENT_BYTES_MAX {
        // The words that clients of the field wait for.
        return Err(Rejection::malformed(
            "Environment",
            "is too large (maximum is 20 KB)",
        ));
    }
    Ok(())
}

/// A name for devices made of an app's name, which no other app of the stack has.
fn free_shortname(name: &str, taken: &BTreeSet<&str>) -> Box<str> {
    let letters = name.chars().map(|c| match c {
        'a'..='z' | '0'..='9' | '-' | '_' => c,
        'A'..='Z' => c.to_ascii_lowercase(),
        _ => '_',
    });
    // Room for the number that tells it from others.
    let most = limits::SHORTNAME_BYTES_MAX - 4;
    let made: String = letters.take(most).collect();
    if !taken.contains(made.as_str()) {
        return made.into();
    }
    let mut numbered = (2..).map(|number: usize| format!("{made}_{number}"));
    let free = numbered.find(|numbered| !taken.contains(numbered.as_str()));
    free.expect("there are fewer apps than numbers").into()
}
