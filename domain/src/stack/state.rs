//! State of stacks, layers, apps and instances.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::{Decode, Encode};

use super::folds::Runs;
use super::{
    AppContent, Content, Event, InstanceContent, InstanceEvent, InstanceState, LayerContent, Origin,
};
use crate::ids::{AppId, InstanceId, LayerId, StackId, ThingId, ThingName};
use crate::limits;
use crate::time::Timestamp;

/// A stack.
#[derive(Clone, Debug, Encode, Decode)]
pub struct Stack {
    /// What it is.
    #[n(0)]
    pub content: Box<Content>,
    /// When it was created.
    #[n(1)]
    pub created_at: Timestamp,
    /// Its layers.
    #[n(2)]
    pub layers: BTreeSet<LayerId>,
    /// Its apps.
    #[n(3)]
    pub apps: BTreeSet<AppId>,
    /// Its instances.
    #[n(4)]
    pub instances: BTreeSet<InstanceId>,
}

/// A layer.
#[derive(Clone, Debug, Encode, Decode)]
pub struct Layer {
    /// Its stack.
    #[n(0)]
    pub stack: StackId,
    /// What it is.
    #[n(1)]
    pub content: Box<LayerContent>,
    /// When it was created.
    #[n(2)]
    pub created_at: Timestamp,
    /// Its instances.
    #[n(3)]
    pub instances: BTreeSet<InstanceId>,
}

/// An app.
#[derive(Clone, Debug, Encode, Decode)]
pub struct App {
    /// Its stack.
    #[n(0)]
    pub stack: StackId,
    /// What it is.
    #[n(1)]
    pub content: Box<AppContent>,
    /// When it was created.
    #[n(2)]
    pub created_at: Timestamp,
}

/// Versions of one app that an instance has: the ids of the deployments that brought them, the current one last.
pub type Stored = Vec<Box<str>>;

/// An instance.
#[derive(Clone, Debug, Encode, Decode)]
pub struct Instance {
    /// Its stack.
    #[n(0)]
    pub stack: StackId,
    /// Its thing.
    #[n(1)]
    pub thing: ThingId,
    /// Its hostname: the name of its thing.
    #[n(2)]
    pub hostname: ThingName,
    /// Where it comes from.
    #[n(3)]
    pub origin: Origin,
    /// What it is.
    #[n(4)]
    pub content: Box<InstanceContent>,
    /// When it was created.
    #[n(5)]
    pub created_at: Timestamp,
    /// What the owner wants of it.
    #[n(6)]
    pub state: InstanceState,
    /// Since when.
    #[n(7)]
    pub since: Timestamp,
    /// Versions that it has of each app that it ever had.
    #[n(8)]
    pub versions: BTreeMap<AppId, Stored>,
}

/// All of them, by number; a number is never given to another.
#[derive(Debug, Default, Encode, Decode)]
pub(crate) struct Stacks {
    #[n(0)]
    stacks: Vec<Option<Stack>>,
    #[n(1)]
    layers: Vec<Option<Layer>>,
    #[n(2)]
    apps: Vec<Option<App>>,
    #[n(3)]
    instances: Vec<Option<Instance>>,
    #[n(4)]
    by_thing: BTreeMap<ThingId, InstanceId>,
    /// The things of all instances that there ever were.
    #[n(5)]
    things: Vec<ThingId>,
    /// How many stacks there are.
    #[n(6)]
    count: usize,
    /// How commands go.
    #[n(7)]
    pub(super) runs: Runs,
}

fn at<T>(all: &[Option<T>], index: usize) -> Option<&T> {
    all.get(index)?.as_ref()
}

fn at_mut<T>(all: &mut [Option<T>], index: usize) -> Option<&mut T> {
    all.get_mut(index)?.as_mut()
}

fn put<T>(all: &mut Vec<Option<T>>, index: usize, item: T) {
    if index >= all.len() {
        all.resize_with(index + 1, || None);
    }
    if let Some(slot) = all.get_mut(index) {
        *slot = Some(item);
    }
}

fn take<T>(all: &mut [Option<T>], index: usize) -> Option<T> {
    all.get_mut(index).and_then(Option::take)
}

impl Stacks {
    pub(crate) fn stack(&self, id: StackId) -> Option<&Stack> {
        at(&self.stacks, id.index())
    }

    pub(super) fn stack_mut(&mut self, id: StackId) -> Option<&mut Stack> {
        at_mut(&mut self.stacks, id.index())
    }

    pub(crate) fn layer(&self, id: LayerId) -> Option<&Layer> {
        at(&self.layers, id.index())
    }

    pub(super) fn app(&self, id: AppId) -> Option<&App> {
        at(&self.apps, id.index())
    }

    pub(super) fn instance(&self, id: InstanceId) -> Option<&Instance> {
        at(&self.instances, id.index())
    }

    pub(super) fn instance_mut(&mut self, id: InstanceId) -> Option<&mut Instance> {
        at_mut(&mut self.instances, id.index())
    }

    pub(super) fn of_thing(&self, thing: ThingId) -> Option<InstanceId> {
        self.by_thing.get(&thing).copied()
    }

    /// The thing of an instance, which may be gone.
    pub(super) fn thing_of(&self, id: InstanceId) -> Option<ThingId> {
        self.things.get(id.index()).copied()
    }

    pub(super) const fn len(&self) -> usize {
        self.count
    }

    pub(super) fn next_stack(&self) -> StackId {
        StackId(crate::ids::dense(self.stacks.len()))
    }

    pub(super) fn next_layer(&self) -> LayerId {
        LayerId(crate::ids::dense(self.layers.len()))
    }

    pub(super) fn next_app(&self) -> AppId {
        AppId(crate::ids::dense(self.apps.len()))
    }

    pub(super) fn next_instance(&self) -> InstanceId {
        InstanceId(crate::ids::dense(self.instances.len()))
    }

    /// Stacks, the newest first.
    pub(super) fn newest(&self) -> impl Iterator<Item = (StackId, &Stack)> {
        let numbers = (0..crate::ids::dense(self.stacks.len())).rev().map(StackId);
        numbers.filter_map(|id| Some((id, self.stack(id)?)))
    }

    pub(crate) fn evolve(&mut self, id: StackId, event: &Event, now: Timestamp) {
        match event {
            Event::Created { content } => {
                let stack = Stack {
                    content: content.clone(),
                    created_at: now,
                    layers: BTreeSet::new(),
                    apps: BTreeSet::new(),
                    instances: BTreeSet::new(),
                };
                put(&mut self.stacks, id.index(), stack);
                self.count += 1;
            }
            Event::Changed { content } => {
                if let Some(stack) = self.stack_mut(id) {
                    stack.content.clone_from(content);
                }
            }
            Event::Removed => {
                if take(&mut self.stacks, id.index()).is_some() {
                    self.count -= 1;
                }
            }
            Event::LayerCreated { layer, content } => {
                let created = Layer {
                    stack: id,
                    content: content.clone(),
                    created_at: now,
                    instances: BTreeSet::new(),
                };
                put(&mut self.layers, layer.index(), created);
                if let Some(stack) = self.stack_mut(id) {
                    stack.layers.insert(*layer);
                }
            }
            Event::LayerChanged { layer, content } => {
                if let Some(layer) = at_mut(&mut self.layers, layer.index()) {
                    layer.content.clone_from(content);
                }
            }
            Event::LayerRemoved { layer } => {
                take(&mut self.layers, layer.index());
                if let Some(stack) = self.stack_mut(id) {
                    stack.layers.remove(layer);
                }
            }
            Event::AppCreated { app, content } => {
                let created = App {
                    stack: id,
                    content: content.clone(),
                    created_at: now,
                };
                put(&mut self.apps, app.index(), created);
                if let Some(stack) = self.stack_mut(id) {
                    stack.apps.insert(*app);
                }
            }
            Event::AppChanged { app, content } => {
                if let Some(app) = at_mut(&mut self.apps, app.index()) {
                    app.content.clone_from(content);
                }
            }
            Event::AppRemoved { app } => {
                take(&mut self.apps, app.index());
                if let Some(stack) = self.stack_mut(id) {
                    stack.apps.remove(app);
                }
            }
        }
    }

    pub(crate) fn evolve_instance(
        &mut self,
        id: InstanceId,
        event: &InstanceEvent,
        now: Timestamp,
    ) {
        match event {
            InstanceEvent::Created {
                stack,
                thing,
                hostname,
                origin,
                content,
            } => {
                let created = Instance {
                    stack: *stack,
                    thing: *thing,
                    hostname: hostname.clone(),
                    origin: *origin,
                    content: content.clone(),
                    created_at: now,
                    state: match origin {
                        Origin::Created => InstanceState::Stopped,
                        Origin::Registered => InstanceState::Registered,
                    },
                    since: now,
                    versions: BTreeMap::new(),
                };
                put(&mut self.instances, id.index(), created);
                self.things.push(*thing);
                self.by_thing.insert(*thing, id);
                if let Some(stack) = self.stack_mut(*stack) {
                    stack.instances.insert(id);
                }
                self.join(id, &content.layers);
            }
            InstanceEvent::Changed { content } => {
                self.leave(id);
                if let Some(instance) = self.instance_mut(id) {
                    instance.content.clone_from(content);
                }
                self.join(id, &content.layers);
            }
            InstanceEvent::Turned { state } => {
                if let Some(instance) = self.instance_mut(id) {
                    instance.state = *state;
                    instance.since = now;
                }
            }
            InstanceEvent::Removed => {
                self.leave(id);
                if let Some(removed) = take(&mut self.instances, id.index()) {
                    self.by_thing.remove(&removed.thing);
                    if let Some(stack) = self.stack_mut(removed.stack) {
                        stack.instances.remove(&id);
                    }
                }
            }
        }
    }

    fn join(&mut self, id: InstanceId, layers: &[LayerId]) {
        for layer in layers {
            if let Some(layer) = at_mut(&mut self.layers, layer.index()) {
                layer.instances.insert(id);
            }
        }
    }

    fn leave(&mut self, id: InstanceId) {
        let layers = self
            .instance(id)
            .map(|instance| instance.content.layers.clone());
        for layer in layers.unwrap_or_default() {
            if let Some(layer) = at_mut(&mut self.layers, layer.index()) {
                layer.instances.remove(&id);
            }
        }
    }
}

impl Instance {
    /// Keeps a version that was deployed: the newest of a few.
    pub(super) fn store(&mut self, app: AppId, version: Box<str>) {
        let stored = self.versions.entry(app).or_default();
        stored.push(version);
        if stored.len() > limits::APP_VERSIONS_KEPT {
            stored.remove(0);
        }
    }

    /// Goes back to the version before; the oldest stays.
    pub(super) fn go_back(&mut self, app: AppId) {
        if let Some(stored) = self.versions.get_mut(&app)
            && stored.len() > 1
        {
            stored.pop();
        }
    }

    /// Forgets every version of an app.
    pub(super) fn forget(&mut self, app: AppId) {
        self.versions.remove(&app);
    }

    /// The version that a rollback goes back to.
    #[must_use]
    pub fn version_before(&self, app: AppId) -> Option<&str> {
        self.versions.get(&app)?.iter().rev().nth(1).map(|id| &**id)
    }
}
