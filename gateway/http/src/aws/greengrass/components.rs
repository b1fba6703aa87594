//! Components: created by their recipes, described, listed and deleted.

use axum::extract::{Path, State};
use serde_json::{Map, Value};
use shipslog_domain::client_token::ClientToken;
use shipslog_domain::component::{self, ComponentVersion, Content, Format, Recipe, Version};
use shipslog_domain::{Command, ComponentName, limits as domain};

use super::{Answer, artifacts, names, recipes};
use crate::arn::Arns;
use crate::aws::wire::codes::coded;
use crate::aws::wire::{self, AwsBody, Paging, members, time, to_token};
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use crate::limits;
use crate::position::{Caller, failed};
use crate::query::Query;

pub(crate) async fn create(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let token = client_token(&body)?;
    let request = Field::root(&body);
    let lambda = request.member("lambdaFunction");
    if lambda.is_present() {
        let rule = "is not supported: there are no Lambda functions here; give an inlineRecipe";
        return Err(lambda.refuse(rule).into());
    }
    let (mut recipe, format) = recipes::read(&request.member("inlineRecipe"))?;
    let tags = request.member("tags");
    let tags = tags
        .present()
        .map(|tags| tags.string_pairs(domain::GREENGRASS_TAGS_MAX));
    let errors = artifacts::note_digests(caller.http(), &mut recipe).await;
    let content = Content {
        recipe: recipe.text().into(),
        format,
        errors,
        tags: tags.transpose()?.unwrap_or_default(),
    };
    let command = Command::Component(component::Command::Create {
        content: Box::new(content),
        token,
    });
    let arns = caller.http().arns().clone();
    let (name, version) = (recipe.name, recipe.version);
    let arn = names::component_version(&arns, &name, version.as_str());
    let body = caller.submit_with(command, move |fleet, _| {
        let created = fleet.component_version(&name, version.as_str());
        created.map(|created| head(&arns, created))
    });
    let body = body.await.map_err(Error::about("component", arn))?;
    Ok(wire::created(body.unwrap_or_default()))
}

/// `clientToken`, with a digest of everything else that the request says.
pub(super) fn client_token(body: &Value) -> Result<Option<ClientToken>, Error> {
    let Some(token) = Field::root(body).member("clientToken").optional_string()? else {
        return Ok(None);
    };
    Ok(Some(ClientToken {
        token: token.into(),
        digest: digest(body),
    }))
}

/// Tells a request from another one.
fn digest(body: &Value) -> [u8; 16] {
    let hash = blake3::hash(body.to_string().as_bytes());
    *hash.as_bytes().first_chunk().expect("a hash has 32 bytes")
}

/// What creating and describing say alike.
fn head(arns: &Arns, one: &ComponentVersion) -> Map<String, Value> {
    let version = one.version.as_str();
    members([
        (
            "arn",
            Some(names::component_version(arns, &one.name, version).into()),
        ),
        ("componentName", Some(one.name.as_str().into())),
        ("componentVersion", Some(version.into())),
        ("creationTimestamp", Some(time(one.created_at))),
        ("status", Some(Value::Object(status(one)))),
    ])
}

fn status(one: &ComponentVersion) -> Map<String, Value> {
    let (state, message) = match one.is_deployable() {
        true => ("DEPLOYABLE", "NONE"),
        false => (
            "FAILED",
            "artifacts of the component cannot be had; delete it, store them and create it again",
        ),
    };
    let errors = one.content.errors.iter();
    let errors: Map<String, Value> = errors
        .map(|(uri, why)| (uri.to_string(), why.as_ref().into()))
        .collect();
    members([
        ("componentState", Some(state.into())),
        ("message", Some(message.into())),
        ("errors", Some(Value::Object(errors))),
        ("vendorGuidance", Some("ACTIVE".into())),
        ("vendorGuidanceMessage", Some("NONE".into())),
    ])
}

pub(super) fn tags_of(pairs: &[(Box<str>, Box<str>)]) -> Value {
    let pairs = pairs.iter();
    let tags = pairs.map(|(key, value)| (key.to_string(), value.as_ref().into()));
    Value::Object(tags.collect())
}

/// What a reader gets of a version, and its recipe.
struct Found {
    head: Map<String, Value>,
    recipe: Box<str>,
    format: Format,
    tags: Value,
}

async fn find(http: &Http, arn: &str) -> Result<Found, Error> {
    let (component, version) = names::read_component_version(http.arns(), arn)?;
    let (name, arns) = (component.name.clone(), http.arns().clone());
    let found = http.app().read(move |fleet| {
        let one = fleet.component_version(&name, version.as_str())?;
        let item = shipslog_domain::command::TaggedItem::ComponentVersion(
            name,
            one.version.as_str().into(),
        );
        Some(Found {
            head: head(&arns, one),
            recipe: one.content.recipe.clone(),
            format: one.content.format,
            tags: tags_of(&fleet.tags(&item).unwrap_or_default()),
        })
    });
    component.found(found.await.map_err(failed)?, arn)
}

pub(crate) async fn describe(State(http): State<Http>, Path(arn): Path<String>) -> Answer {
    let found = find(&http, &arn).await?;
    let about = about_recipe(&found.recipe);
    let mut body = found.head;
    body.extend(about);
    body.insert("tags".into(), found.tags);
    Ok(wire::ok(body))
}

/// Publisher, description and platforms.
fn about_recipe(recipe: &str) -> Map<String, Value> {
    let Ok(recipe) = Recipe::parse(recipe) else {
        return Map::new();
    };
    let platforms = recipe.manifests.iter().map(|manifest| {
        let attributes = tags_of(&manifest.attributes);
        let name = manifest.name.as_deref().map(Value::from);
        Value::Object(members([("name", name), ("attributes", Some(attributes))]))
    });
    members([
        ("publisher", recipe.publisher.as_deref().map(Value::from)),
        (
            "description",
            recipe.description.as_deref().map(Value::from),
        ),
        ("platforms", Some(platforms.collect())),
    ])
}

pub(crate) async fn get(State(http): State<Http>, Path(arn): Path<String>, query: Query) -> Answer {
    let asked = match query.one("recipeOutputFormat")? {
        None => None,
        Some("JSON") => Some(Format::Json),
        Some("YAML") => Some(Format::Yaml),
        Some(_) => return Err(Error::invalid("recipeOutputFormat", "must be JSON or YAML").into()),
    };
    let found = find(&http, &arn).await?;
    let format = asked.unwrap_or(found.format);
    let word = match format {
        Format::Json => "JSON",
        Format::Yaml => "YAML",
    };
    Ok(wire::ok(members([
        ("recipeOutputFormat", Some(word.into())),
        (
            "recipe",
            Some(recipes::write(&found.recipe, format)?.into()),
        ),
        ("tags", Some(found.tags)),
    ])))
}

pub(crate) async fn list(State(http): State<Http>, query: Query) -> Answer {
    let paging = Paging::read_or(&query, limits::GREENGRASS_PAGE_ITEMS_DEFAULT)?;
    if query.one("scope")? == Some("PUBLIC") {
        // Those are AWS', and none of them is here.
        return Ok(wire::ok(members([(
            "components",
            Some(Value::Array(Vec::new())),
        )])));
    }
    let after = paging
        .after
        .as_deref()
        .map(ComponentName::parse)
        .transpose()?;
    let arns = http.arns().clone();
    let page = http.app().read(move |fleet| {
        let found = fleet.components_after(after.as_ref());
        let found: Vec<&ComponentVersion> = found.take(paging.limit + 1).collect();
        let shown = found.get(..paging.limit);
        let token = shown
            .and_then(|shown| shown.last())
            .map(|last| to_token(last.name.as_str()));
        let shown = shown.unwrap_or(&found).iter();
        let items: Vec<_> = shown.map(|one| latest(&arns, one)).collect();
        (items, token)
    });
    let (items, token) = page.await.map_err(failed)?;
    let items = items
        .into_iter()
        .map(|(mut component, mut latest, recipe)| {
            latest.extend(about_recipe(&recipe));
            component.insert("latestVersion".into(), Value::Object(latest));
            Value::Object(component)
        });
    Ok(wire::ok(members([
        ("components", Some(items.collect())),
        ("nextToken", token),
    ])))
}

/// A component and its latest version, without what its recipe says.
fn latest(
    arns: &Arns,
    one: &ComponentVersion,
) -> (Map<String, Value>, Map<String, Value>, Box<str>) {
    let component = members([
        ("arn", Some(names::component(arns, &one.name).into())),
        ("componentName", Some(one.name.as_str().into())),
    ]);
    let version = one.version.as_str();
    let latest = members([
        (
            "arn",
            Some(names::component_version(arns, &one.name, version).into()),
        ),
        ("componentVersion", Some(version.into())),
        ("creationTimestamp", Some(time(one.created_at))),
    ]);
    (component, latest, one.content.recipe.clone())
}

pub(crate) async fn list_versions(
    State(http): State<Http>,
    Path(arn): Path<String>,
    query: Query,
) -> Answer {
    let paging = Paging::read_or(&query, limits::GREENGRASS_PAGE_ITEMS_DEFAULT)?;
    let component = names::read_component(http.arns(), &arn)?;
    let after = paging.after.as_deref().map(Version::parse).transpose()?;
    let (name, arns) = (component.name.clone(), http.arns().clone());
    let page = http.app().read(move |fleet| {
        fleet.component_versions(&name, None).next()?;
        let found = fleet.component_versions(&name, after.as_ref());
        let found: Vec<&ComponentVersion> = found.take(paging.limit + 1).collect();
        let shown = found.get(..paging.limit);
        let token = shown
            .and_then(|shown| shown.last())
            .map(|last| to_token(last.version.as_str()));
        let items = shown.unwrap_or(&found).iter().map(|one| {
            let version = one.version.as_str();
            Value::Object(members([
                ("componentName", Some(one.name.as_str().into())),
                ("componentVersion", Some(version.into())),
                (
                    "arn",
                    Some(names::component_version(&arns, &one.name, version).into()),
                ),
            ]))
        });
        Some((items.collect::<Value>(), token))
    });
    let (items, token) = component.found(page.await.map_err(failed)?, &arn)?;
    Ok(wire::ok(members([
        ("componentVersions", Some(items)),
        ("nextToken", token),
    ])))
}

pub(crate) async fn delete(caller: Caller, Path(arn): Path<String>) -> Answer {
    let (component, version) = names::read_component_version(caller.http().arns(), &arn)?;
    if component.is_public {
        let code = (axum::http::StatusCode::FORBIDDEN, "AccessDeniedException");
        return Err(coded(code, "components of AWS are not this account's to delete").into());
    }
    let command = Command::Component(component::Command::Delete {
        name: component.name,
        version: version.as_str().into(),
    });
    let deleted = caller.submit(command).await;
    deleted.map_err(Error::about("component", arn))?;
    Ok(wire::no_content())
}
