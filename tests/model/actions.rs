//! What may happen, in vague words and numbers.

use proptest::prelude::*;

/// One thing that may happen. The number chooses whom it befalls and how; zero is the plainest choice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Action {
    pub(crate) what: What,
    pub(crate) how: u64,
    /// Whether what is due by itself comes first.
    pub(crate) hasty: bool,
}

/// The kinds of things that may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    TimePasses,
    DueIsDone,
    DeviceReports,
    DeviceStarts,
    ThingCreated,
    ThingDeleted,
    AttributesSet,
    GroupCreated,
    DynamicGroupCreated,
    QueryChanged,
    GroupDeleted,
    Joined,
    Left,
    Moved,
    JobCreated,
    JobChanged,
    JobExtended,
    JobCanceled,
    JobDeleted,
    ExecutionCanceled,
    ExecutionDeleted,
    HealthReported,
    TemplateCreated,
    TemplateUpdated,
    TemplateDeleted,
    Deployed,
    ProvisioningChanged,
    CoreTaskCreated,
    BatchStarted,
    ItemFinished,
    DevicesCreated,
    RemovalRequested,
    DeviceDeleted,
    ShadowUpdated,
    ShadowDeleted,
}

/// How often each of them is meant to happen.
const WEIGHTS: [(u32, What); 35] = [
    (24, What::DeviceReports),
    (14, What::DeviceStarts),
    (16, What::TimePasses),
    (6, What::DueIsDone),
    (8, What::ThingCreated),
    (4, What::ThingDeleted),
    (6, What::AttributesSet),
    (4, What::GroupCreated),
    (3, What::DynamicGroupCreated),
    (2, What::QueryChanged),
    (3, What::GroupDeleted),
    (10, What::Joined),
    (6, What::Left),
    (3, What::Moved),
    (12, What::JobCreated),
    (2, What::JobChanged),
    (3, What::JobExtended),
    (3, What::JobCanceled),
    (4, What::JobDeleted),
    (4, What::ExecutionCanceled),
    (4, What::ExecutionDeleted),
    (8, What::HealthReported),
    (3, What::TemplateCreated),
    (3, What::TemplateUpdated),
    (1, What::TemplateDeleted),
    (10, What::Deployed),
    (1, What::ProvisioningChanged),
    (3, What::CoreTaskCreated),
    (2, What::BatchStarted),
    (6, What::ItemFinished),
    (3, What::DevicesCreated),
    (4, What::RemovalRequested),
    (1, What::DeviceDeleted),
    (4, What::ShadowUpdated),
    (2, What::ShadowDeleted),
];

pub(crate) fn action() -> impl Strategy<Value = Action> {
    action_but(&[])
}

/// Any action that is none of these.
pub(crate) fn action_but(without: &[What]) -> impl Strategy<Value = Action> + use<> {
    let choices = WEIGHTS.iter().filter(|(_, what)| !without.contains(what));
    let choices = choices.map(|(weight, what)| (*weight, Just(*what).boxed()));
    let what = proptest::strategy::Union::new_weighted(choices.collect());
    (what, any::<u64>(), prop::bool::weighted(0.15)).prop_map(|(what, how, hasty)| Action {
        what,
        how,
        hasty,
    })
}

/// A fleet and what happens to it.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    /// The most things per minute that any job may be rolled out to.
    pub(crate) ceiling: u32,
    /// How many names of things there are to choose from.
    pub(crate) names: u64,
    /// Things that are there at the beginning; every second one is a connected core.
    pub(crate) things: usize,
    pub(crate) actions: Vec<Action>,
}

/// Small fleets: whatever happens, happens to the same few things.
pub(crate) fn scenarios(length: usize) -> impl Strategy<Value = Scenario> {
    let actions = prop::collection::vec(action(), 0..length);
    (2_u32..9, 0_usize..=8, actions).prop_map(|(ceiling, things, actions)| Scenario {
        ceiling,
        names: 8,
        things,
        actions,
    })
}

/// Fleets with more cores than a deployment task works on together.
pub(crate) fn large_scenarios(length: usize) -> impl Strategy<Value = Scenario> {
    let actions = prop::collection::vec(action(), 0..length);
    (20_u32..200, 110_usize..140, actions).prop_map(|(ceiling, things, actions)| Scenario {
        ceiling,
        names: 140,
        things,
        actions,
    })
}
