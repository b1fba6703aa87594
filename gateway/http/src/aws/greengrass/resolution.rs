//! What a core asks when it installs: which version of a component it gets, and where its files are.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::Value;
use shipslog_domain::ComponentName;
use shipslog_domain::component::{Candidate, Format, Platform, Recipe, Requirement, Version};

use super::{Answer, names, recipes};
use crate::aws::wire::{self, AwsBody, members};
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use crate::limits;
use crate::position::failed;

pub(crate) async fn resolve(State(http): State<Http>, AwsBody(body): AwsBody) -> Answer {
    let body = Field::root(&body);
    let platform = platform(&body.member("platform"))?;
    let candidates = body.member("componentCandidates");
    let candidates = candidates.non_empty_list(limits::CANDIDATES_MAX, |one| candidate(&one))?;
    let resolved = http.app().read(move |fleet| {
        let resolved = candidates.iter().map(|candidate| {
            let found = fleet.resolve_component(candidate, &platform)?;
            let version: Box<str> = found.version.as_str().into();
            Ok((found.name.clone(), version, found.content.recipe.clone()))
        });
        resolved.collect::<Result<Vec<_>, shipslog_domain::component::Unresolved>>()
    });
    let resolved = resolved.await.map_err(failed)?.map_err(|why| {
        // Nuclei look for these words, whatever stands around them.
        Error::refused(
            StatusCode::NOT_FOUND,
            "ResourceNotFoundException",
            why.to_string(),
        )
    })?;
    let arns = http.arns();
    let resolved = resolved.iter().map(|(name, version, recipe)| {
        let recipe = recipes::write(&for_devices(recipe), Format::Json)?;
        Ok(Value::Object(members([
            (
                "arn",
                Some(names::component_version(arns, name, version).into()),
            ),
            ("componentName", Some(name.as_str().into())),
            ("componentVersion", Some(version.as_ref().into())),
            ("recipe", Some(recipe.into())),
            ("vendorGuidance", Some("ACTIVE".into())),
        ])))
    });
    let resolved = resolved.collect::<Result<Vec<Value>, Error>>()?;
    Ok(wire::ok(members([(
        "resolvedComponentVersions",
        Some(resolved.into()),
    )])))
}

fn platform(field: &Field<'_, '_>) -> Result<Platform, Error> {
    let attributes = field.member("attributes");
    let attributes = attributes
        .present()
        .map(|one| one.string_pairs(limits::PLATFORM_ATTRIBUTES_MAX));
    let name = field.member("name").optional_string()?;
    Ok(Platform::new(
        name,
        attributes.transpose()?.unwrap_or_default(),
    ))
}

fn candidate(field: &Field<'_, '_>) -> Result<Candidate, Error> {
    field.object()?;
    let version = field.member("componentVersion");
    let version = version
        .present()
        .map(|version| version.parsed(Version::parse));
    let ranges = field.member("versionRequirements");
    let pairs = ranges
        .present()
        .map(|ranges| ranges.string_pairs(limits::VERSION_REQUIREMENTS_MAX));
    let requirements = pairs
        .transpose()?
        .unwrap_or_default()
        .into_iter()
        .map(|(who, range)| {
            let range = Requirement::parse(&range).map_err(|no| ranges.refuse(no.message))?;
            Ok((who, range))
        });
    Ok(Candidate {
        name: field.member("componentName").parsed(ComponentName::parse)?,
        version: version.transpose()?,
        requirements: requirements.collect::<Result<_, Error>>()?,
    })
}

/// The recipe with addresses by which devices ask this service for files: the ones in S3 would lead them to AWS.
fn for_devices(text: &str) -> String {
    let Ok(mut recipe) = Recipe::parse(text) else {
        return text.to_owned();
    };
    for artifact in recipe.artifacts.clone() {
        if let Some(object) = &artifact.object {
            let uri = format!("greengrass:{}/{}", object.bucket, object.key);
            recipe.set_uri(&artifact, &uri);
        }
    }
    recipe.text()
}

pub(crate) async fn artifact(
    State(http): State<Http>,
    Path((arn, name)): Path<(String, String)>,
) -> Answer {
    let (component, version) = names::read_component_version(http.arns(), &arn)?;
    let wanted = component.name.clone();
    let recipe = http.app().read(move |fleet| {
        let found = fleet.component_version(&wanted, version.as_str())?;
        Some(found.content.recipe.clone())
    });
    let recipe = component.found(recipe.await.map_err(failed)?, &arn)?;
    let recipe = Recipe::parse(&recipe).ok();
    let artifacts = recipe.map_or_else(Vec::new, |recipe| recipe.artifacts);
    let mut objects = artifacts.into_iter().filter_map(|artifact| artifact.object);
    let object = objects.find(|object| {
        let place = name.trim_start_matches('/').split_once('/');
        place == Some((&object.bucket, &object.key))
    });
    let absent = || Error::Absent(format!("artifact {name} of component {arn}"));
    let object = object.ok_or_else(|| Error::about("artifact", &name)(absent()))?;
    let url = http
        .app()
        .documents()
        .url(&object, limits::ARTIFACT_URL_SECONDS);
    let url = url.ok_or_else(|| {
        Error::transient(
            "NO_SIGNER",
            "nobody signs addresses of artifacts here; configure an S3 endpoint",
        )
    })?;
    Ok(wire::ok(members([("preSignedUrl", Some(url.into()))])))
}
