//! Thing groups and certificates: what a thing belongs to and what it may act with.
#![expect(
    clippy::unused_async,
    reason = "the macros of async-graphql take async resolvers only"
)]

use async_graphql::{ComplexObject, Context, Enum, Error, ID, InputObject, SimpleObject};
use shipslog_domain::certificate;
use shipslog_projections::registry::{self, GroupFilter, ThingFilter};

use super::thing::Thing;
use super::{Pair, owned, pairs};
use crate::graphql::paging::{self, Bounds, Cursor, List, Page, page_points};
use crate::graphql::scalars::{DateTime, Long, int};
use crate::graphql::source;

/// A static thing group.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct ThingGroup {
    /// Its name.
    pub name: String,
    /// Name of the group above it.
    pub parent: Option<String>,
    /// Names of the groups directly below it.
    pub children: Vec<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Its attributes.
    pub attributes: Vec<Pair>,
    /// Number of its direct members.
    pub member_count: i32,
    /// Number of its members and those of all groups below it, each once.
    pub member_count_with_descendants: i32,
    /// When it was created.
    pub created_at: DateTime,
    /// Position in the log that this reflects.
    pub position: Long,
}

impl ThingGroup {
    pub(in crate::graphql) fn of(
        group: &registry::Group<'_>,
        position: shipslog_domain::Position,
    ) -> Self {
        Self {
            name: group.name.to_owned(),
            parent: owned(group.parent),
            children: group.children.iter().map(|&name| name.to_owned()).collect(),
            description: owned(group.description),
            attributes: pairs(group.attributes.iter().map(|(key, value)| (key, value))),
            member_count: int(group.members),
            member_count_with_descendants: int(group.members_below),
            created_at: group.created_at.into(),
            position: position.into(),
        }
    }

    pub(in crate::graphql) fn read(context: &Context<'_>, name: &str) -> Option<Self> {
        source(context).views(|views| {
            let group = views.group(name)?;
            Some(Self::of(&group, views.position()))
        })
    }
}

#[ComplexObject]
impl ThingGroup {
    /// Its members, by name.
    #[graphql(complexity = "page_points(first, child_complexity)")]
    async fn members(
        &self,
        context: &Context<'_>,
        #[graphql(
            desc = "Whether members of the groups below it belong to the list.",
            default
        )]
        include_descendants: bool,
        #[graphql(desc = "Items of the page: 50 by default, 1,000 at most.")] first: Option<i32>,
        #[graphql(desc = "Cursor of the item before the page.")] after: Option<String>,
    ) -> Result<Page<Thing>, Error> {
        let size = paging::page_size(first)?;
        let after = paging::text(List::GroupMembers, "after", after.as_deref())?;
        Ok(source(context).views(|views| {
            let filter = ThingFilter {
                group: Some(&self.name),
                descendants: include_descendants,
                ..ThingFilter::default()
            };
            let page = views.things(&filter, after.as_deref(), size);
            let count = if include_descendants {
                self.member_count_with_descendants
            } else {
                self.member_count
            };
            let bounds = Bounds {
                has_previous: after.is_some(),
                has_next: page.has_more,
                total: u64::try_from(count).ok(),
                position: views.position(),
            };
            let items = page.items.iter().map(|thing| {
                let cursor = Cursor::text(List::GroupMembers, thing.name);
                (cursor, Thing::of(thing, views.position()))
            });
            paging::page(bounds, items)
        }))
    }
}

/// Which groups a list of groups holds.
#[derive(Clone, Debug, Default, InputObject)]
pub struct ThingGroupFilter {
    /// Beginning of the name.
    pub name_prefix: Option<String>,
    /// The group directly above.
    pub parent: Option<String>,
    /// Only groups that have none above.
    #[graphql(default)]
    pub roots_only: bool,
}

/// A page of groups, by name.
pub(in crate::graphql) fn list(
    context: &Context<'_>,
    filter: Option<&ThingGroupFilter>,
    first: Option<i32>,
    after: Option<&str>,
) -> Result<Page<ThingGroup>, Error> {
    let size = paging::page_size(first)?;
    let after = paging::text(List::Groups, "after", after)?;
    let filter = GroupFilter {
        name_prefix: filter.and_then(|filter| filter.name_prefix.as_deref()),
        parent: filter.and_then(|filter| filter.parent.as_deref()),
        descendants: false,
        roots_only: filter.is_some_and(|filter| filter.roots_only),
    };
    Ok(source(context).views(|views| {
        let page = views.groups(&filter, after.as_deref(), size);
        let bounds = Bounds {
            has_previous: after.is_some(),
            has_next: page.has_more,
            total: None,
            position: views.position(),
        };
        let items = page.items.iter().map(|group| {
            let cursor = Cursor::text(List::Groups, group.name);
            (cursor, ThingGroup::of(group, views.position()))
        });
        paging::page(bounds, items)
    }))
}

/// Whether a certificate may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "certificate::Status")]
pub enum CertificateStatus {
    /// Its holder may connect.
    Active,
    /// Its holder may not connect until it is activated.
    Inactive,
    /// Its holder may never connect again.
    Revoked,
    /// A device registered it; it waits for activation.
    PendingActivation,
}

/// A device certificate.
#[derive(Clone, Debug, SimpleObject)]
pub struct Certificate {
    /// SHA-256 of its DER form, as 64 hexadecimal digits.
    pub id: ID,
    /// Whether it may be used.
    pub status: CertificateStatus,
    /// Names of the policies that govern what its holder may do.
    pub policies: Vec<String>,
    /// When it became known.
    pub registered_at: DateTime,
}

impl Certificate {
    pub(super) fn of(certificate: &registry::Certificate<'_>) -> Self {
        Self {
            id: certificate.fingerprint.to_string().into(),
            status: certificate.status.into(),
            policies: certificate
                .policies
                .iter()
                .map(|&name| name.to_owned())
                .collect(),
            registered_at: certificate.registered_at.into(),
        }
    }
}
