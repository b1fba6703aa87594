//! Which changes of templates are accepted.

use serde_json::Value;

use super::{Component, Content, Event};
use crate::Fleet;
use crate::event::{Event as Any, Fact};
use crate::ids::{TemplateId, TemplateName};
use crate::limits;
use crate::log::{StreamId, StreamKind};
use crate::rejection::{Rejection, RejectionKind};

fn fact(template: TemplateId, event: Event) -> Fact {
    Fact {
        stream: StreamId::new(StreamKind::Template, template.0),
        event: Any::Template(event),
    }
}

/// Refuses content that a device could not apply.
fn check_content(content: &Content, ceiling: u32) -> Result<(), Rejection> {
    if content.components.is_empty() {
        return Err(Rejection::malformed(
            "components",
            "must have at least one component",
        ));
    }
    check_components(&content.components)?;
    match &content.job_settings {
        Some(settings) => settings.check(ceiling),
        None => Ok(()),
    }
}

/// Refuses components that a device could not apply.
pub(crate) fn check_components(components: &[Component]) -> Result<(), Rejection> {
    if components.len() > limits::COMPONENTS_MAX {
        return Err(Rejection::too_many(
            "components",
            format!("must have at most {} components", limits::COMPONENTS_MAX),
        ));
    }
    let mut bytes = 0;
    for (index, component) in components.iter().enumerate() {
        bytes += check_component(index, component)?;
        let mut earlier = components.iter().take(index);
        if earlier.any(|other| other.key == component.key) {
            return Err(Rejection::malformed(
                "components",
                format!("components[{index}].key {} is given twice", component.key),
            ));
        }
    }
    if bytes > limits::TEMPLATE_CONTENT_BYTES_MAX {
        return Err(Rejection::too_many(
            "components",
            format!(
                "must have at most {} bytes together",
                limits::TEMPLATE_CONTENT_BYTES_MAX
            ),
        ));
    }
    Ok(())
}

/// Checks one component and returns its size in bytes.
fn check_component(index: usize, component: &Component) -> Result<usize, Rejection> {
    let refuse = |member: &str, rule: &str| {
        Err(Rejection::malformed(
            "components",
            format!("components[{index}].{member} {rule}"),
        ))
    };
    let word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if component.key.is_empty()
        || component.key.len() > limits::COMPONENT_NAME_BYTES_MAX
        || !component.key.bytes().all(word)
    {
        return refuse("key", "must be 1 to 128 characters of [a-zA-Z0-9-_.]");
    }
    let version_word = |byte: u8| word(byte) || byte == b'+';
    if component.version.is_empty()
        || component.version.len() > limits::COMPONENT_VERSION_BYTES_MAX
        || !component.version.bytes().all(version_word)
    {
        return refuse(
            "version",
            "must be a semantic version of at most 64 characters",
        );
    }
    if let Some(merge) = &component.merge {
        match serde_json::from_str::<Value>(merge) {
            Ok(Value::Object(_)) => {}
            _ => {
                return refuse(
                    "configurationUpdate.merge",
                    "must be a string that holds a JSON object",
                );
            }
        }
    }
    // Greengrass: a pointer begins with a slash; the empty one resets everything.
    let pointer = |text: &str| text.len() <= 256 && (text.is_empty() || text.starts_with('/'));
    let mut reset = component.reset.iter().flatten();
    if !reset.all(|text| pointer(text)) {
        return refuse(
            "configurationUpdate.reset",
            "must hold JSON pointers that begin with / (or are empty) and have at most 256 characters",
        );
    }
    Ok(component.merge.as_ref().map_or(0, |merge| merge.len())
        + component.run_with.as_ref().map_or(0, |text| text.len())
        + component
            .reset
            .iter()
            .flatten()
            .map(|text| text.len())
            .sum::<usize>()
        + component.key.len()
        + component.version.len())
}

impl Fleet {
    pub(crate) fn find_template(&self, name: &TemplateName) -> Result<TemplateId, Rejection> {
        self.templates
            .find(name)
            .ok_or_else(|| Rejection::not_found("template", format!("template {name}")))
    }

    pub(crate) fn decide_create_template(
        &self,
        name: &TemplateName,
        content: &Content,
    ) -> Result<Vec<Fact>, Rejection> {
        // CDF: the fleet summary lists cores without a template under this name.
        if name.as_str() == "None" {
            return Err(Rejection::malformed(
                "name",
                "None stands for cores without a template; choose another name",
            ));
        }
        check_content(content, self.settings.rollout_ceiling_per_minute)?;
        if self.templates.find(name).is_some() {
            return Err(Rejection::already_exists(
                "name",
                format!("template {name}"),
            ));
        }
        let id = self.templates.next_id();
        let content = Box::new(content.clone());
        Ok(vec![
            fact(id, Event::Created { name: name.clone() }),
            fact(
                id,
                Event::VersionAdded {
                    version: 1,
                    content,
                },
            ),
        ])
    }

    pub(crate) fn decide_update_template(
        &self,
        name: &TemplateName,
        content: &Content,
        expected_version: Option<u32>,
    ) -> Result<Vec<Fact>, Rejection> {
        let id = self.find_template(name)?;
        check_content(content, self.settings.rollout_ceiling_per_minute)?;
        let versions = self.templates.get(id).versions.len();
        let latest = crate::ids::dense(versions);
        if expected_version.is_some_and(|expected| expected != latest) {
            return Err(Rejection::new(
                RejectionKind::VersionMismatch,
                "If-Match",
                format!("template {name} is at version {latest}; read it and decide again"),
            ));
        }
        Ok(vec![fact(
            id,
            Event::VersionAdded {
                version: latest + 1,
                content: Box::new(content.clone()),
            },
        )])
    }

    /// CDF: deleting an unknown template succeeds.
    pub(crate) fn decide_delete_template(&self, name: &TemplateName) -> Vec<Fact> {
        match self.templates.find(name) {
            Some(id) => vec![fact(id, Event::Removed)],
            None => Vec::new(),
        }
    }
}
