//! Stacks: layers of instances that run apps, and commands for them.
//!
//! An instance is a thing of ours: its hostname is the thing's name, and whether it is online is whether its thing is
//! connected. What a rule reads has a field; everything else that an owner says of a stack, a layer, an app or an
//! instance is kept as [`Details`] and given back. Ids are numbers in the form of a UUID: see [`seal`].

mod command;
mod details;
mod document;
mod folds;
mod instance;
mod instance_rules;
mod rules;
pub mod seal;
mod state;

use minicbor::{Decode, Encode};

use crate::ids::{AppId, LayerId, StackId};

pub use command::{CommandName, CommandRequest, Commands};
pub use details::{Details, merged};
pub use folds::{CommandStatus, CommandView, RunView};
pub use instance::{
    Change as InstanceChange, Content as InstanceContent, Event as InstanceEvent, Origin,
    State as InstanceState, Status as InstanceStatus,
};
pub(crate) use state::Stacks;
pub use state::{App, Instance, Layer, Stack, Stored};

/// What a stack is.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Content {
    /// Its name.
    #[n(0)]
    pub name: Box<str>,
    /// The version of the configuration manager that its instances run, such as `12`.
    #[n(1)]
    pub manager_version: Option<Box<str>>,
    /// A JSON object that commands bring to devices.
    #[n(2)]
    pub custom_json: Option<Box<str>>,
    /// Everything else.
    #[n(3)]
    pub details: Details,
}

/// A change of a stack; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Its new name.
    pub name: Option<Box<str>>,
    /// The new version of its configuration manager.
    pub manager_version: Option<Box<str>>,
    /// Its new JSON object.
    pub custom_json: Option<Box<str>>,
    /// Members of its details that change.
    pub details: Details,
}

/// What a layer is.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct LayerContent {
    /// Its name.
    #[n(0)]
    pub name: Box<str>,
    /// Its name for recipes: 1 to 32 of `[a-zA-Z0-9_.-]`, no two layers of a stack have the same.
    #[n(1)]
    pub shortname: Box<str>,
    /// Its type, such as `custom`; it never changes.
    #[n(2)]
    pub kind: Box<str>,
    /// A JSON object that commands bring to the devices of the layer.
    #[n(3)]
    pub custom_json: Option<Box<str>>,
    /// Everything else.
    #[n(4)]
    pub details: Details,
}

/// A change of a layer; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LayerChange {
    /// Its new name.
    pub name: Option<Box<str>>,
    /// Its new name for recipes.
    pub shortname: Option<Box<str>>,
    /// Its new JSON object.
    pub custom_json: Option<Box<str>>,
    /// Members of its details that change.
    pub details: Details,
}

/// A variable of an app's environment.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Variable {
    /// Its name.
    #[n(0)]
    pub key: Box<str>,
    /// Its value.
    #[n(1)]
    pub value: Box<str>,
    /// Whether readers get [`FILTERED`] instead of the value. Devices get the value.
    #[n(2)]
    pub is_secure: bool,
}

/// What readers get in place of a secret. A change that says it leaves the secret what it is.
pub const FILTERED: &str = "*****FILTERED*****";

/// What an app is.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AppContent {
    /// Its name.
    #[n(0)]
    pub name: Box<str>,
    /// Its name on devices, which never changes.
    #[n(1)]
    pub shortname: Box<str>,
    /// Its type, such as `other`.
    #[n(2)]
    pub kind: Box<str>,
    /// Variables for it, no key twice.
    #[n(3)]
    pub environment: Vec<Variable>,
    /// Everything else.
    #[n(4)]
    pub details: Details,
}

/// A change of an app; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppChange {
    /// Its new name.
    pub name: Option<Box<str>>,
    /// Its new type.
    pub kind: Option<Box<str>>,
    /// All its variables from here on.
    pub environment: Option<Vec<Variable>>,
    /// Members of its details that change.
    pub details: Details,
}

/// What happened to a stack, its layers and its apps.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Event {
    /// It exists.
    #[n(0)]
    Created {
        /// What it is.
        #[n(0)]
        content: Box<Content>,
    },
    /// It was changed.
    #[n(1)]
    Changed {
        /// What it is from here on.
        #[n(0)]
        content: Box<Content>,
    },
    /// It is gone.
    #[n(2)]
    Removed,
    /// It has a new layer.
    #[n(3)]
    LayerCreated {
        /// The layer.
        #[n(0)]
        layer: LayerId,
        /// What it is.
        #[n(1)]
        content: Box<LayerContent>,
    },
    /// A layer was changed.
    #[n(4)]
    LayerChanged {
        /// The layer.
        #[n(0)]
        layer: LayerId,
        /// What it is from here on.
        #[n(1)]
        content: Box<LayerContent>,
    },
    /// A layer is gone.
    #[n(5)]
    LayerRemoved {
        /// The layer.
        #[n(0)]
        layer: LayerId,
    },
    /// It has a new app.
    #[n(6)]
    AppCreated {
        /// The app.
        #[n(0)]
        app: AppId,
        /// What it is.
        #[n(1)]
        content: Box<AppContent>,
    },
    /// An app was changed.
    #[n(7)]
    AppChanged {
        /// The app.
        #[n(0)]
        app: AppId,
        /// What it is from here on.
        #[n(1)]
        content: Box<AppContent>,
    },
    /// An app is gone. Devices keep what they have of it.
    #[n(8)]
    AppRemoved {
        /// The app.
        #[n(0)]
        app: AppId,
    },
}

/// A request to change stacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Creates a stack.
    Create(Box<Content>),
    /// Changes a stack.
    Change {
        /// The stack.
        stack: StackId,
        /// What changes.
        change: Box<Change>,
    },
    /// Deletes a stack that has no layers, apps and instances.
    Delete(StackId),
    /// Starts every instance that is stopped.
    Start(StackId),
    /// Stops every instance that runs.
    Stop(StackId),
    /// Creates a layer.
    CreateLayer {
        /// Its stack.
        stack: StackId,
        /// What it is.
        content: Box<LayerContent>,
    },
    /// Changes a layer.
    ChangeLayer {
        /// The layer.
        layer: LayerId,
        /// What changes.
        change: Box<LayerChange>,
    },
    /// Deletes a layer that has no instances.
    DeleteLayer(LayerId),
    /// Creates an app.
    CreateApp {
        /// Its stack.
        stack: StackId,
        /// What it is; an empty shortname is made from the name.
        content: Box<AppContent>,
    },
    /// Changes an app.
    ChangeApp {
        /// The app.
        app: AppId,
        /// What changes.
        change: Box<AppChange>,
    },
    /// Deletes an app.
    DeleteApp(AppId),
    /// Something with an instance.
    Instance(instance::Command),
    /// Runs a command on instances: a deployment.
    Run(Box<CommandRequest>),
}

pub use instance::Command as InstanceCommand;

/// The namespace of the jobs that bring commands to devices.
pub const NAMESPACE: &str = "stack-command";

/// Arguments of a command: a list of values for each name.
pub type Args = Vec<(Box<str>, Vec<Box<str>>)>;

#[cfg(test)]
mod tests;
