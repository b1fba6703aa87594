//! Queries of things, groups, certificates and provisioning templates.

use shipslog_domain::presence::Presences;
use shipslog_domain::query::Query;
use shipslog_domain::shadow::Shadows;
use shipslog_domain::{
    BillingGroupId, CertificateId, Fingerprint, GroupId, ProvisioningTemplateId, ThingId,
    ThingTypeId,
};

use super::Views;
use crate::page::Page;
use crate::registry::{
    BillingGroup, Certificate, Group, GroupFilter, Property, ProvisioningTemplate, SearchPage,
    Thing, ThingFilter, ThingType,
};

impl Views {
    /// The id of every known name: of a registered thing, of one that was removed, or of a core that was never
    /// registered.
    #[must_use]
    pub fn thing_id(&self, name: &str) -> Option<ThingId> {
        self.registry.things.names.id(name).map(ThingId)
    }

    /// The name behind an id, registered or not.
    #[must_use]
    pub fn thing_name(&self, id: ThingId) -> Option<&str> {
        self.registry.things.names.name(id.0)
    }

    /// The name of a group, removed or not.
    #[must_use]
    pub fn group_name(&self, id: GroupId) -> Option<&str> {
        self.registry.groups.names.name(id.0)
    }

    /// The shadows of all things.
    #[must_use]
    pub const fn shadows(&self) -> &Shadows {
        &self.registry.shadows
    }

    /// The presence of all things.
    #[must_use]
    pub const fn presences(&self) -> &Presences {
        &self.registry.presences
    }

    /// Number of registered things that are connected.
    #[must_use]
    pub fn connected_count(&self) -> u64 {
        let registered = &self.registry.things.registered.0;
        self.registry
            .presences
            .connected()
            .intersection_len(registered)
    }

    /// Number of registered things.
    #[must_use]
    pub fn thing_count(&self) -> u64 {
        self.registry.things.registered.0.len()
    }

    /// A registered thing.
    #[must_use]
    pub fn thing(&self, name: &str) -> Option<Thing<'_>> {
        self.registry.thing(self.thing_id(name)?.0)
    }

    /// Registered things that a filter lets through, by name.
    #[must_use]
    pub fn things(
        &self,
        filter: &ThingFilter<'_>,
        after: Option<&str>,
        limit: usize,
    ) -> Page<Thing<'_>> {
        let page = self.registry.things(filter, after, limit);
        page.filter_map(|id| self.registry.thing(id))
    }

    /// Registered things that a query selects, by dense id.
    #[must_use]
    pub fn search_things(
        &self,
        query: &Query,
        after: Option<ThingId>,
        limit: usize,
    ) -> SearchPage<Thing<'_>> {
        let page = self.registry.search_things(query, after, limit);
        let things = page.items.into_iter();
        SearchPage {
            items: things.filter_map(|id| self.registry.thing(id)).collect(),
            next: page.next,
        }
    }

    /// Hands the values of a property of the things that a query selects to `take`, thing by thing in the order of
    /// their ids: nothing for a thing without one. Returns after which thing to go on, where things are left: one call
    /// never takes long.
    pub fn values_of_things(
        &self,
        query: &Query,
        property: &Property,
        after: Option<ThingId>,
        take: &mut dyn FnMut(&[&str]),
    ) -> Option<ThingId> {
        self.registry.values_of(query, property, after, take)
    }

    /// Groups that a query selects, by name.
    #[must_use]
    pub fn search_groups(
        &self,
        query: &Query,
        after: Option<&str>,
        limit: usize,
    ) -> Page<Group<'_>> {
        self.registry.search_groups(query, after, limit)
    }

    /// Names of the groups above a group, nearest first.
    #[must_use]
    pub fn groups_above(&self, id: GroupId) -> Vec<&str> {
        self.registry.groups_above(id.0)
    }

    /// The name of a thing type.
    #[must_use]
    pub fn thing_type_name(&self, id: ThingTypeId) -> Option<&str> {
        self.registry.types.names.name(id.0)
    }

    /// The name of a provisioning template, removed or not.
    #[must_use]
    pub fn provisioning_template_name(&self, id: ProvisioningTemplateId) -> Option<&str> {
        self.registry.provisioning.names.name(id.0)
    }

    /// A thing type that exists.
    #[must_use]
    pub fn thing_type(&self, name: &str) -> Option<ThingType<'_>> {
        let types = &self.registry.types;
        types.get(types.names.id(name)?)
    }

    /// Thing types by name, those whose name begins with `prefix`.
    #[must_use]
    pub fn thing_types(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Page<ThingType<'_>> {
        self.registry.types.list(prefix, after, limit)
    }

    /// The name of a billing group, removed or not.
    #[must_use]
    pub fn billing_group_name(&self, id: BillingGroupId) -> Option<&str> {
        self.registry.billing_groups.names.name(id.0)
    }

    /// The id of a billing group's name, removed or not.
    #[must_use]
    pub fn billing_group_id(&self, name: &str) -> Option<BillingGroupId> {
        self.registry
            .billing_groups
            .names
            .id(name)
            .map(BillingGroupId)
    }

    /// A billing group that exists.
    #[must_use]
    pub fn billing_group(&self, name: &str) -> Option<BillingGroup<'_>> {
        let groups = &self.registry.billing_groups;
        groups.get(groups.names.id(name)?)
    }

    /// Billing groups by name, those whose name begins with `prefix`.
    #[must_use]
    pub fn billing_groups(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Page<BillingGroup<'_>> {
        self.registry.billing_groups.list(prefix, after, limit)
    }

    /// A group.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<Group<'_>> {
        self.registry.group(self.registry.groups.live(name)?)
    }

    /// Groups that a filter lets through, by name.
    #[must_use]
    pub fn groups(
        &self,
        filter: &GroupFilter<'_>,
        after: Option<&str>,
        limit: usize,
    ) -> Page<Group<'_>> {
        self.registry.groups(filter, after, limit)
    }

    /// A certificate by fingerprint.
    #[must_use]
    pub fn certificate(&self, fingerprint: &Fingerprint) -> Option<Certificate<'_>> {
        let id = self.registry.certificates.id(fingerprint)?;
        self.registry.certificate(id)
    }

    /// Certificates by dense id.
    #[must_use]
    pub fn certificates(
        &self,
        after: Option<CertificateId>,
        limit: usize,
    ) -> Page<Certificate<'_>> {
        self.registry.certificates(after, limit)
    }

    /// The fingerprint of a certificate, for events that name it by id.
    #[must_use]
    pub fn certificate_by_id(&self, id: CertificateId) -> Option<Certificate<'_>> {
        self.registry.certificate(id.0)
    }

    /// A provisioning template.
    #[must_use]
    pub fn provisioning_template(&self, name: &str) -> Option<ProvisioningTemplate<'_>> {
        let provisioning = &self.registry.provisioning;
        provisioning.get(provisioning.names.id(name)?)
    }

    /// Provisioning templates by name.
    #[must_use]
    pub fn provisioning_templates(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Page<ProvisioningTemplate<'_>> {
        self.registry.provisioning.list(after, limit)
    }
}
