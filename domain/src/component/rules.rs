//! Which component versions are accepted.

use super::{Command, Content, Event, Recipe};
use crate::Fleet;
use crate::client_token::ClientToken;
use crate::event::{Event as Any, Fact};
use crate::ids::ComponentName;
use crate::job::extras::check_tags_up_to;
use crate::limits;
use crate::log::{StreamId, StreamKind};
use crate::rejection::Rejection;
use crate::time::Timestamp;

fn fact(number: u32, event: Event) -> Fact {
    Fact {
        stream: StreamId::new(StreamKind::ComponentVersion, number),
        event: Any::Component(event),
    }
}

impl Fleet {
    pub(crate) fn decide_component(
        &self,
        command: &Command,
        now: Timestamp,
    ) -> Result<Vec<Fact>, Rejection> {
        match command {
            Command::Create { content, token } => {
                self.decide_create_component(content, token.as_ref(), now)
            }
            Command::Delete { name, version } => self.decide_delete_component(name, version),
        }
    }

    fn decide_create_component(
        &self,
        content: &Content,
        token: Option<&ClientToken>,
        now: Timestamp,
    ) -> Result<Vec<Fact>, Rejection> {
        if let Some(token) = token {
            token.check()?;
            if self.components.repeated(token, now)?.is_some() {
                return Ok(Vec::new());
            }
        }
        let length = content.recipe.len();
        if length > limits::COMPONENT_STORED_RECIPE_BYTES_MAX {
            let max = limits::COMPONENT_STORED_RECIPE_BYTES_MAX;
            return Err(Rejection::malformed(
                "inlineRecipe",
                format!("has {length} bytes with the digests of its artifacts, and may have {max}"),
            ));
        }
        let recipe = Recipe::parse(&content.recipe);
        let recipe =
            recipe.map_err(|fault| Rejection::malformed("inlineRecipe", fault.to_string()))?;
        check_tags_up_to(&content.tags, limits::GREENGRASS_TAGS_MAX)?;
        if self.components.has(&recipe.name, &recipe.version) {
            let what = format!("version {} of component {}", recipe.version, recipe.name);
            return Err(Rejection::already_exists("component", what));
        }
        let (count, bytes) = self.components.size();
        if count >= limits::COMPONENT_VERSIONS_MAX
            || bytes + length > limits::COMPONENT_RECIPES_BYTES_MAX
        {
            return Err(Rejection::too_many(
                "component",
                format!(
                    "at most {} versions of components are kept, with recipes of {} bytes together; delete old ones first",
                    limits::COMPONENT_VERSIONS_MAX,
                    limits::COMPONENT_RECIPES_BYTES_MAX
                ),
            ));
        }
        let created = Event::Created {
            version: recipe.version.as_str().into(),
            name: recipe.name,
            content: Box::new(content.clone()),
            token: token.cloned(),
        };
        Ok(vec![fact(self.components.next(), created)])
    }

    fn decide_delete_component(
        &self,
        name: &ComponentName,
        version: &str,
    ) -> Result<Vec<Fact>, Rejection> {
        let found = self.components.find(name, version);
        let (id, _) = found.ok_or_else(|| {
            Rejection::not_found(
                "component",
                format!("version {version} of component {name}"),
            )
        })?;
        Ok(vec![fact(id.0, Event::Removed)])
    }
}
