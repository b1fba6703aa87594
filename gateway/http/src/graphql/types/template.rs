//! CDF templates: named, versioned sets of Greengrass components.
#![expect(
    clippy::unused_async,
    reason = "the macros of async-graphql take async resolvers only"
)]

use async_graphql::{ComplexObject, Context, Enum, Error, SimpleObject};
use shipslog_domain::{Position, template};
use shipslog_projections::templates::TemplateView;

use super::owned;
use super::settings::JobSettings;
use crate::graphql::paging::{self, Bounds, Cursor, List, Page, page_points, points};
use crate::graphql::scalars::{DateTime, Long, int};
use crate::graphql::source;

/// One version of a template: a set of Greengrass components with rollout settings.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct Template {
    /// Its name.
    pub name: String,
    /// The version described here, from 1.
    pub version: i32,
    /// The newest version of the template.
    pub latest_version: i32,
    /// How a deployment of it rolls out; null: the defaults of the service.
    pub job_settings: Option<JobSettings>,
    /// What devices do when a deployment fails or disturbs.
    pub deployment_policies: Option<DeploymentPolicies>,
    /// When version 1 was created.
    pub created_at: DateTime,
    /// When this version was added; null for version 1.
    pub updated_at: Option<DateTime>,
    /// Position in the log that this reflects.
    pub position: Long,
}

/// One component of a template version.
#[derive(Clone, Debug, SimpleObject)]
pub struct TemplateComponent {
    /// Name of the component.
    pub key: String,
    /// Its version.
    pub version: String,
    /// Configuration that is merged in: JSON text.
    pub configuration_merge: Option<String>,
    /// JSON pointers of configuration that is reset first.
    pub configuration_reset: Option<Vec<String>>,
    /// How it is run: JSON text.
    pub run_with: Option<String>,
}

/// What a device does when a deployment fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "template::FailureHandling")]
pub enum FailureHandling {
    /// Returns to the state before.
    Rollback,
    /// Stays as it is.
    DoNothing,
}

/// Whether components are asked before an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "template::ComponentUpdateAction")]
pub enum ComponentUpdateAction {
    /// Components are told and may defer.
    NotifyComponents,
    /// Components are not told.
    SkipNotifyComponents,
}

/// What devices do when a deployment fails or disturbs. What is null was not given; Greengrass' defaults apply.
#[derive(Clone, Debug, SimpleObject)]
pub struct DeploymentPolicies {
    /// What a device does when a deployment fails.
    pub failure_handling: Option<FailureHandling>,
    /// Whether components are asked before an update.
    pub component_update_action: Option<ComponentUpdateAction>,
    /// Seconds that components may defer an update.
    pub component_update_timeout_seconds: Option<i32>,
    /// Seconds that components may take to validate a configuration.
    pub configuration_validation_timeout_seconds: Option<i32>,
}

impl Template {
    pub(in crate::graphql) fn of(view: &TemplateView<'_>, position: Position) -> Self {
        let content = view.content;
        Self {
            name: view.name.to_owned(),
            version: int(view.version),
            latest_version: int(view.latest_version),
            job_settings: content.job_settings.as_ref().map(JobSettings::from),
            deployment_policies: content.policies.as_ref().map(DeploymentPolicies::from),
            created_at: view.created_at.into(),
            updated_at: view.updated_at.map(DateTime::from),
            position: position.into(),
        }
    }

    pub(in crate::graphql) fn read(
        context: &Context<'_>,
        name: &str,
        version: Option<i32>,
    ) -> Option<Self> {
        source(context).views(|views| {
            let view = match version {
                None => views.template(name)?,
                Some(version) => views.template_version(name, u32::try_from(version).ok()?)?,
            };
            Some(Self::of(&view, views.position()))
        })
    }
}

#[ComplexObject]
impl Template {
    /// Its components.
    #[graphql(complexity = "points(10, child_complexity)")]
    async fn components(&self, context: &Context<'_>) -> Vec<TemplateComponent> {
        source(context).views(|views| {
            let version = u32::try_from(self.version).unwrap_or_default();
            let view = views.template_version(&self.name, version);
            let components = view.into_iter().flat_map(|view| &view.content.components);
            components.map(TemplateComponent::from).collect()
        })
    }

    /// All its versions, ascending.
    #[graphql(complexity = "page_points(first, child_complexity)")]
    async fn versions(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Items of the page: 50 by default, 1,000 at most.")] first: Option<i32>,
        #[graphql(desc = "Cursor of the item before the page.")] after: Option<String>,
    ) -> Result<Page<Template>, Error> {
        let size = paging::page_size(first)?;
        let after = paging::number(List::TemplateVersions, "after", after.as_deref())?;
        let start = after.map(|number| u32::try_from(number).unwrap_or(u32::MAX));
        Ok(source(context).views(|views| {
            let page = views.template_versions(&self.name, start, size);
            let bounds = Bounds {
                has_previous: after.is_some(),
                has_next: page.as_ref().is_some_and(|page| page.has_more),
                total: u64::try_from(self.latest_version).ok(),
                position: views.position(),
            };
            let views_of_versions = page.into_iter().flat_map(|page| page.items);
            let items = views_of_versions.map(|view| {
                let cursor = Cursor::number(List::TemplateVersions, u64::from(view.version));
                (cursor, Self::of(&view, views.position()))
            });
            paging::page(bounds, items)
        }))
    }
}

impl From<&template::Component> for TemplateComponent {
    fn from(component: &template::Component) -> Self {
        let reset = component.reset.as_ref();
        Self {
            key: component.key.to_string(),
            version: component.version.to_string(),
            configuration_merge: owned(component.merge.as_deref()),
            configuration_reset: reset
                .map(|pointers| pointers.iter().map(ToString::to_string).collect()),
            run_with: owned(component.run_with.as_deref()),
        }
    }
}

impl From<&template::DeploymentPolicies> for DeploymentPolicies {
    fn from(policies: &template::DeploymentPolicies) -> Self {
        let update = policies.component_update.as_ref();
        let validation = policies.configuration_validation.as_ref();
        Self {
            failure_handling: policies.failure_handling.map(FailureHandling::from),
            component_update_action: update
                .and_then(|update| update.action)
                .map(ComponentUpdateAction::from),
            component_update_timeout_seconds: update
                .and_then(|update| update.timeout_seconds)
                .map(int),
            configuration_validation_timeout_seconds: validation
                .and_then(|validation| validation.timeout_seconds)
                .map(int),
        }
    }
}

/// A page of templates, newest version of each, by name.
pub(in crate::graphql) fn list(
    context: &Context<'_>,
    first: Option<i32>,
    after: Option<&str>,
) -> Result<Page<Template>, Error> {
    let size = paging::page_size(first)?;
    let after = paging::text(List::Templates, "after", after)?;
    Ok(source(context).views(|views| {
        let page = views.templates(after.as_deref(), size);
        let bounds = Bounds {
            has_previous: after.is_some(),
            has_next: page.has_more,
            total: None,
            position: views.position(),
        };
        let items = page.items.iter().map(|view| {
            let cursor = Cursor::text(List::Templates, view.name);
            (cursor, Template::of(view, views.position()))
        });
        paging::page(bounds, items)
    }))
}
