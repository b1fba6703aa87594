//! Things: the registry, and the way from a thing to all that is known of it.
#![expect(
    clippy::unused_async,
    reason = "the macros of async-graphql take async resolvers only"
)]

use async_graphql::{ComplexObject, Context, Error, InputObject, SimpleObject};
use shipslog_domain::{Fingerprint, Position, StreamId, StreamKind, ThingId};
use shipslog_projections::Views;
use shipslog_projections::cores::{self, CoreFilter};
use shipslog_projections::registry::{self, AttributeValue, ThingFilter as Registered};

use super::core::Core;
use super::event::{self, Event};
use super::execution::{self, ExecutionStatus, JobExecution};
use super::group::{Certificate, ThingGroup};
use super::presence::{self, Connectivity};
use super::refusal::{self, REFUSALS_MAX, Refusal};
use super::shadow::{self, Shadow};
use super::{Pair, owned, pairs};
use crate::graphql::errors::Code;
use crate::graphql::limits::{
    FILTER_VALUES_MAX, LOG_READ_POINTS, PAGE_MAX, SHADOW_POINTS, THINGS_SCANNED_MAX,
};
use crate::graphql::paging::{self, Bounds, Cursor, List, Page, page_points, points};
use crate::graphql::scalars::{DateTime, Long, int};
use crate::graphql::source;

/// A thing: a device in the registry, or a core that is still being provisioned.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct Thing {
    #[graphql(skip)]
    pub(in crate::graphql) id: ThingId,
    #[graphql(skip)]
    group_names: Vec<String>,
    #[graphql(skip)]
    fingerprints: Vec<Fingerprint>,
    /// Its name.
    pub name: String,
    /// Whether it is in the registry. A core exists from the request that provisions it, before it is registered.
    pub registered: bool,
    /// Name of its type.
    #[graphql(name = "type")]
    pub thing_type: Option<String>,
    /// Its billing group.
    pub billing_group: Option<String>,
    /// Its attributes, by name.
    pub attributes: Vec<Pair>,
    /// Grows by one with every change of its type or attributes; 0 if it is not registered.
    pub version: i32,
    /// When it was registered.
    pub registered_at: Option<DateTime>,
    /// Position in the log that this reflects.
    pub position: Long,
}

impl Thing {
    pub(in crate::graphql) fn of(thing: &registry::Thing<'_>, position: Position) -> Self {
        Self {
            id: thing.id,
            group_names: thing.groups.iter().map(|&name| name.to_owned()).collect(),
            fingerprints: thing.certificates.clone(),
            name: thing.name.to_owned(),
            registered: true,
            thing_type: owned(thing.thing_type),
            billing_group: owned(thing.billing_group),
            attributes: pairs(thing.attributes.iter().map(|(key, value)| (key, value))),
            version: int(thing.version),
            registered_at: Some(thing.registered_at.into()),
            position: position.into(),
        }
    }

    /// The thing with this name; a core that is not registered is known by its name alone.
    fn find(views: &Views, name: &str) -> Option<Self> {
        if let Some(thing) = views.thing(name) {
            return Some(Self::of(&thing, views.position()));
        }
        let core = views.core(name)?;
        Some(Self {
            id: core.id,
            group_names: Vec::new(),
            fingerprints: Vec::new(),
            name: core.name.to_owned(),
            registered: false,
            thing_type: None,
            billing_group: None,
            attributes: Vec::new(),
            version: 0,
            registered_at: None,
            position: views.position().into(),
        })
    }

    pub(in crate::graphql) fn read(context: &Context<'_>, name: &str) -> Option<Self> {
        source(context).views(|views| Self::find(views, name))
    }
}

#[ComplexObject]
impl Thing {
    /// The static groups that it is a direct member of, by name.
    #[graphql(complexity = "points(5, child_complexity)")]
    async fn groups(&self, context: &Context<'_>) -> Vec<ThingGroup> {
        source(context).views(|views| {
            let groups = self.group_names.iter().filter_map(|name| views.group(name));
            groups
                .map(|group| ThingGroup::of(&group, views.position()))
                .collect()
        })
    }

    /// The certificates that may act as it.
    #[graphql(complexity = "points(2, child_complexity)")]
    async fn certificates(&self, context: &Context<'_>) -> Vec<Certificate> {
        source(context).views(|views| {
            let known = self.fingerprints.iter();
            known
                .filter_map(|fingerprint| views.certificate(fingerprint))
                .map(|certificate| Certificate::of(&certificate))
                .collect()
        })
    }

    /// Its core record, if it is a core.
    async fn core(&self, context: &Context<'_>) -> Option<Core> {
        source(context).views(|views| views.core(&self.name).map(|core| Core::of(&core)))
    }

    /// Whether it is connected; null if it never was.
    async fn connectivity(&self, context: &Context<'_>) -> Option<Connectivity> {
        presence::of(context, self.id)
    }

    /// Its job executions, newest job first.
    #[graphql(complexity = "page_points(first, child_complexity)")]
    async fn job_executions(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Only executions with this status.")] status: Option<ExecutionStatus>,
        #[graphql(desc = "Items of the page: 50 by default, 1,000 at most.")] first: Option<i32>,
        #[graphql(desc = "Cursor of the item before the page.")] after: Option<String>,
    ) -> Result<Page<JobExecution>, Error> {
        execution::of_thing(context, self.id, status, first, after.as_deref())
    }

    /// One of its shadows: what it should be, and what it said it is.
    #[graphql(complexity = "points(1, child_complexity + SHADOW_POINTS)")]
    async fn shadow(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Name of the shadow; absent: the classic one.")] name: Option<String>,
    ) -> Option<Shadow> {
        shadow::one(context, self.id, name.as_deref().unwrap_or_default())
    }

    /// Its shadows, by name, the classic one first.
    #[graphql(complexity = "page_points(first, child_complexity + SHADOW_POINTS)")]
    async fn shadows(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Items of the page: 50 by default, 1,000 at most.")] first: Option<i32>,
        #[graphql(desc = "Cursor of the item before the page.")] after: Option<String>,
    ) -> Result<Page<Shadow>, Error> {
        shadow::page(context, self.id, first, after.as_deref())
    }

    /// What was refused to its devices lately, the latest first: a policy or the status of a certificate was against
    /// it. The same refusal is counted and not listed again, and each of the certificates has 16 at most. A restart forgets
    /// the list; the timeline keeps what was refused, in an event per certificate and ten minutes at most.
    #[graphql(complexity = "points(REFUSALS_MAX, child_complexity)")]
    async fn refusals(&self, context: &Context<'_>) -> Vec<Refusal> {
        refusal::of_thing(context, self.id, &self.fingerprints)
    }

    /// What happened to it, newest first, read from the log.
    #[graphql(complexity = "page_points(first, child_complexity + LOG_READ_POINTS)")]
    async fn timeline(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Items of the page: 50 by default, 1,000 at most.")] first: Option<i32>,
        #[graphql(desc = "Cursor of an event: the page begins with the event before it in time.")]
        after: Option<String>,
        #[graphql(desc = "Cursor of an event: the page holds newer events only.")] before: Option<
            String,
        >,
    ) -> Result<Page<Event>, Error> {
        let stream = StreamId::new(StreamKind::Thing, self.id.0);
        event::timeline(context, stream, first, after.as_deref(), before.as_deref()).await
    }
}

/// A template, or one version of it.
#[derive(Clone, Debug, InputObject)]
pub struct TemplateSelector {
    /// Name of the template; `None` for cores that never got one.
    pub name: String,
    /// The version; absent: any.
    pub version: Option<i32>,
}

impl TemplateSelector {
    fn matches(&self, version: &cores::VersionName<'_>) -> bool {
        let number = self
            .version
            .is_none_or(|wanted| wanted == int(version.version));
        number && self.name == version.name
    }
}

/// An attribute that a thing must have.
#[derive(Clone, Debug, InputObject)]
pub struct AttributeEquals {
    /// Name of the attribute.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// Which things a list holds. Every given member must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub struct ThingFilter {
    /// Beginning of the name.
    pub name_prefix: Option<String>,
    /// Name of the type.
    #[graphql(name = "type")]
    pub thing_type: Option<String>,
    /// A group that it is a member of.
    pub group: Option<String>,
    /// Whether members of the groups below `group` count as well.
    #[graphql(default)]
    pub include_descendants: bool,
    /// Attributes that it must have.
    #[graphql(default)]
    pub attributes: Vec<AttributeEquals>,
    /// Whether it is a core. Cores that are not registered are listed only where this is true, or where another
    /// member of this filter speaks of cores.
    pub is_core: Option<bool>,
    /// The template that it should run.
    pub desired_template: Option<TemplateSelector>,
    /// The template that it runs.
    pub reported_template: Option<TemplateSelector>,
    /// Whether it runs another version than it should.
    pub drifted: Option<bool>,
    /// `Core.deploymentStatus`.
    pub deployment_status: Option<String>,
}

impl ThingFilter {
    fn check(&self) -> Result<(), Error> {
        if self.attributes.len() > FILTER_VALUES_MAX {
            let message = format!("filter.attributes: must be at most {FILTER_VALUES_MAX}");
            return Err(Code::BadInput.error(message));
        }
        if self.include_descendants && self.group.is_none() {
            return Err(Code::BadInput.error("filter.includeDescendants: needs filter.group"));
        }
        if self.is_core == Some(false) && self.speaks_of_cores() {
            let message = "filter.isCore: false contradicts the members that speak of cores";
            return Err(Code::BadInput.error(message));
        }
        Ok(())
    }

    fn speaks_of_cores(&self) -> bool {
        self.desired_template.is_some()
            || self.reported_template.is_some()
            || self.drifted.is_some()
            || self.deployment_status.is_some()
    }

    /// Whether the filter names nothing that a look at the registry decides.
    fn any_registration(&self) -> bool {
        self.thing_type.is_none() && self.group.is_none() && self.attributes.is_empty()
    }

    /// What the registry selects by itself. The first attribute is among it.
    fn registered(&self) -> Registered<'_> {
        let attribute = self.attributes.first();
        Registered {
            name_prefix: self.name_prefix.as_deref(),
            group: self.group.as_deref(),
            descendants: self.include_descendants,
            attribute: attribute.map(|pair| {
                let value = AttributeValue::Is(pair.value.as_str());
                (pair.key.as_str(), value)
            }),
            thing_type: self.thing_type.as_deref(),
            billing_group: None,
        }
    }

    /// Where a search by name begins: `after`, or right before the first name with the prefix.
    fn start(&self, after: Option<String>) -> Option<String> {
        let mut before = self.name_prefix.clone().unwrap_or_default().into_bytes();
        if let Some(last) = before.last_mut() {
            *last = last.saturating_sub(1);
            // Names are made of smaller characters than this.
            before.push(0x7f);
        }
        let before = String::from_utf8(before).unwrap_or_default();
        after
            .into_iter()
            .chain([before])
            .max()
            .filter(|name| !name.is_empty())
    }

    /// Whether the registry selects exactly the things of this filter.
    fn registry_decides(&self) -> bool {
        self.attributes.len() <= 1 && self.is_core.is_none()
    }

    /// Whether the list of cores is exactly that of this filter.
    fn cores_decide(&self) -> bool {
        self.any_registration()
            && self.name_prefix.is_none()
            && self.reported_template.is_none()
            && self.drifted != Some(false)
            && self.deployment_status.is_none()
    }

    /// Whether a core is registered as this filter wants it.
    fn holds_registration(&self, views: &Views, name: &str) -> bool {
        if self.any_registration() {
            return true;
        }
        let Some(thing) = views.thing(name) else {
            return false;
        };
        let thing_type = self.thing_type.as_deref();
        thing_type.is_none_or(|wanted| thing.thing_type == Some(wanted))
            && self.group.as_deref().is_none_or(|wanted| {
                let mut groups = thing.groups.iter();
                groups.any(|group| self.reaches(views, group, wanted))
            })
    }

    /// Whether `group` is `wanted`, or lies below it where descendants count.
    fn reaches(&self, views: &Views, group: &str, wanted: &str) -> bool {
        if group == wanted {
            return true;
        }
        let mut above = views.group(group);
        while self.include_descendants
            && let Some(parent) = above.and_then(|group| group.parent)
        {
            if parent == wanted {
                return true;
            }
            above = views.group(parent);
        }
        false
    }

    fn holds_attributes(&self, thing: &Thing) -> bool {
        self.attributes.iter().all(|wanted| {
            let mut has = thing.attributes.iter();
            has.any(|pair| pair.key == wanted.key && pair.value == wanted.value)
        })
    }

    fn holds_core(&self, core: &cores::Core<'_>) -> bool {
        let (desired, reported) = (&self.desired_template, &self.reported_template);
        let status = self.deployment_status.as_deref();
        desired
            .as_ref()
            .is_none_or(|wanted| wanted.matches(&core.desired))
            && reported
                .as_ref()
                .is_none_or(|wanted| wanted.matches(&core.reported))
            && self.drifted.is_none_or(|wanted| wanted == core.drift)
            && status.is_none_or(|wanted| wanted == core.deployment_status.as_str())
    }
}

/// A page of things, by name.
pub(in crate::graphql) fn list(
    context: &Context<'_>,
    filter: Option<ThingFilter>,
    first: Option<i32>,
    after: Option<&str>,
) -> Result<Page<Thing>, Error> {
    let size = paging::page_size(first)?;
    let after = paging::text(List::Things, "after", after)?;
    let filter = filter.unwrap_or_default();
    filter.check()?;
    let by_core = filter.is_core == Some(true) || filter.speaks_of_cores();
    let mut search = Search {
        found: Vec::new(),
        last: filter.start(after.clone()),
        more: true,
        size,
    };
    let mut position = None;
    // The views are let go between steps, so that a long search does not hold up those who write them.
    for _ in 0..THINGS_SCANNED_MAX / PAGE_MAX {
        source(context).views(|views| {
            position.get_or_insert(views.position());
            if by_core {
                search.step_cores(views, &filter);
            } else {
                search.step_registered(views, &filter);
            }
        });
        if !search.more || search.found.len() == size {
            break;
        }
    }
    let total = source(context).views(|views| total(views, &filter));
    let bounds = Bounds {
        has_previous: after.is_some(),
        has_next: search.more,
        total,
        position: position.unwrap_or_default(),
    };
    let end = search
        .last
        .as_deref()
        .map(|name| Cursor::text(List::Things, name));
    let items = search.found.into_iter().map(|thing| {
        let cursor = Cursor::text(List::Things, &thing.name);
        (cursor, thing)
    });
    Ok(paging::page_until(bounds, items, end))
}

/// The number of things, where the filter is one that counts are kept for.
fn total(views: &Views, filter: &ThingFilter) -> Option<u64> {
    if filter.name_prefix.is_some() || !filter.any_registration() || filter.speaks_of_cores() {
        return None;
    }
    match filter.is_core {
        None => Some(views.thing_count()),
        Some(true) => Some(views.core_count()),
        Some(false) => None,
    }
}

/// A search under way.
struct Search {
    found: Vec<Thing>,
    /// Name of the last thing looked at.
    last: Option<String>,
    /// Whether things follow it.
    more: bool,
    size: usize,
}

impl Search {
    /// How many items to look at: what is missing where each of them will do, a step's worth otherwise.
    fn limit(&self, each: bool) -> usize {
        if each {
            self.size - self.found.len()
        } else {
            PAGE_MAX
        }
    }

    /// Looks at the next registered things.
    fn step_registered(&mut self, views: &Views, filter: &ThingFilter) {
        let limit = self.limit(filter.registry_decides());
        let page = views.things(&filter.registered(), self.last.as_deref(), limit);
        for thing in &page.items {
            if self.found.len() == self.size {
                // What was not looked at follows.
                self.more = true;
                return;
            }
            self.last = Some(thing.name.to_owned());
            if filter.is_core == Some(false) && views.core(thing.name).is_some() {
                continue;
            }
            let thing = Thing::of(thing, views.position());
            if filter.holds_attributes(&thing) {
                self.found.push(thing);
            }
        }
        self.more = page.has_more;
    }

    /// Looks at the next cores. What the registry says of each is looked up.
    fn step_cores(&mut self, views: &Views, filter: &ThingFilter) {
        let desired = filter.desired_template.as_ref();
        let selection = CoreFilter {
            template_name: desired.map(|selector| selector.name.as_str()),
            template_version: desired
                .and_then(|selector| selector.version)
                .map(|version| u32::try_from(version).unwrap_or(u32::MAX)),
            drift_only: filter.drifted == Some(true),
            ..CoreFilter::default()
        };
        let limit = self.limit(filter.cores_decide());
        let page = views.cores(&selection, self.last.as_deref(), limit);
        for core in &page.items {
            if self.found.len() == self.size {
                self.more = true;
                return;
            }
            self.last = Some(core.name.to_owned());
            let prefix = filter.name_prefix.as_deref().unwrap_or_default();
            if !core.name.starts_with(prefix) {
                // The search began at the prefix: names without it come after all names with it.
                self.more = false;
                return;
            }
            if !filter.holds_core(core) || !filter.holds_registration(views, core.name) {
                continue;
            }
            let thing = Thing::find(views, core.name);
            self.found
                .extend(thing.filter(|thing| filter.holds_attributes(thing)));
        }
        self.more = page.has_more;
    }
}
