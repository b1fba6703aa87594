//! Recipes as they come and go: base64 of JSON or YAML.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use serde_saphyr::Options;
use shipslog_domain::component::{Format, Recipe};
use shipslog_domain::limits;

use crate::error::Error;
use crate::json::{self, Field};

/// Reads `inlineRecipe`.
pub(super) fn read(field: &Field<'_, '_>) -> Result<(Recipe, Format), Error> {
    let bytes = STANDARD.decode(field.text()?);
    let bytes = bytes.map_err(|_| field.refuse("must be base64 of a recipe"))?;
    if bytes.len() > limits::COMPONENT_RECIPE_BYTES_MAX {
        let max = limits::COMPONENT_RECIPE_BYTES_MAX;
        return Err(field.refuse(format!(
            "has {} bytes, and a recipe may have {max}",
            bytes.len()
        )));
    }
    let text = String::from_utf8(bytes);
    let text = text.map_err(|_| field.refuse("must be base64 of UTF-8 text"))?;
    let (value, format) = match text.trim_start().starts_with('{') {
        true => (json::parse(text.as_bytes()), Format::Json),
        false => (from_yaml(&text), Format::Yaml),
    };
    let value = value.map_err(|error| field.refuse(error.summary().message))?;
    let recipe = Recipe::read(value).map_err(|fault| field.refuse(fault.to_string()))?;
    Ok((recipe, format))
}

fn from_yaml(text: &str) -> Result<Value, Error> {
    let read = serde_saphyr::from_str_with_options(text, options());
    read.map_err(|why| {
        let why = why.to_string();
        let line = why.lines().next().unwrap_or_default();
        Error::invalid("inlineRecipe", format!("is not valid YAML: {line}"))
    })
}

/// Aliases may not make more of a recipe than it could hold itself.
fn options() -> Options {
    let nodes = limits::COMPONENT_RECIPE_BYTES_MAX;
    serde_saphyr::options! {
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_events: nodes,
            max_nodes: nodes,
            max_aliases: 64,
            max_anchors: 64,
            max_depth: limits::JSON_DEPTH_MAX,
            max_documents: 1,
            max_total_scalar_bytes: limits::COMPONENT_STORED_RECIPE_BYTES_MAX,
        },
    }
}

/// A recipe, written in a format, in base64.
pub(super) fn write(recipe: &str, format: Format) -> Result<String, Error> {
    let text = match format {
        Format::Json => recipe.to_owned(),
        Format::Yaml => {
            let value: Value = serde_json::from_str(recipe).unwrap_or_default();
            serde_saphyr::to_string(&value).map_err(|error| {
                tracing::error!(%error, "a recipe cannot be written as YAML");
                Error::transient("YAML", "the recipe cannot be written as YAML; ask for JSON")
            })?
        }
    };
    Ok(STANDARD.encode(text))
}

#[cfg(test)]
mod tests;
