//! Commands: what a deployment of a stack does on its instances, and which are accepted.

use std::collections::BTreeSet;

use minicbor::{Decode, Encode};

use super::details::check_custom_json;
use super::document::Document;
use super::{App, Args, Instance, InstanceStatus, NAMESPACE, Stack};
use crate::Fleet;
use crate::deployment::{self, Delivery, JobPlan, Plan, Scope};
use crate::event::Fact;
use crate::group::check_text;
use crate::ids::{AppId, InstanceId, JobName, LayerId, Namespace, StackId};
use crate::job::{Settings, Target, TargetSelection};
use crate::limits;
use crate::rejection::Rejection;
use crate::time::Timestamp;

/// What a command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum CommandName {
    /// Installs what instances of the stack need.
    #[n(0)]
    InstallDependencies,
    /// Brings that up to date.
    #[n(1)]
    UpdateDependencies,
    /// Fetches the stack's recipes anew.
    #[n(2)]
    UpdateCustomCookbooks,
    /// Runs recipes.
    #[n(3)]
    ExecuteRecipes,
    /// Runs what runs when instances come and go.
    #[n(4)]
    Configure,
    /// Runs what runs when an instance has started.
    #[n(5)]
    Setup,
    /// Brings a new version of an app.
    #[n(6)]
    Deploy,
    /// Goes back to the version before.
    #[n(7)]
    Rollback,
    /// Starts the app's server.
    #[n(8)]
    Start,
    /// Stops it.
    #[n(9)]
    Stop,
    /// Restarts it.
    #[n(10)]
    Restart,
    /// Takes every version of an app away.
    #[n(11)]
    Undeploy,
}

impl CommandName {
    /// All of them, with the words for them in APIs.
    const WORDS: [(Self, &'static str); 12] = [
        (Self::InstallDependencies, "install_dependencies"),
        (Self::UpdateDependencies, "update_dependencies"),
        (Self::UpdateCustomCookbooks, "update_custom_cookbooks"),
        (Self::ExecuteRecipes, "execute_recipes"),
        (Self::Configure, "configure"),
        (Self::Setup, "setup"),
        (Self::Deploy, "deploy"),
        (Self::Rollback, "rollback"),
        (Self::Start, "start"),
        (Self::Stop, "stop"),
        (Self::Restart, "restart"),
        (Self::Undeploy, "undeploy"),
    ];

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::WORDS.iter().map(|(name, _)| *name)
    }

    /// The word for it in APIs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let word = Self::WORDS.iter().find(|(name, _)| *name == self);
        word.map_or("", |(_, word)| word)
    }

    /// Accepts the word for one.
    ///
    /// # Errors
    /// Any other word, with all words.
    pub fn parse(word: &str) -> Result<Self, Rejection> {
        let found = Self::WORDS.iter().find(|(_, known)| *known == word);
        found.map(|(name, _)| *name).ok_or_else(|| {
            let all: Vec<&str> = Self::WORDS.iter().map(|(_, word)| *word).collect();
            let rule = format!("must be one of {}", all.join(", "));
            Rejection::malformed("Command.Name", rule)
        })
    }

    /// Whether it is about an app.
    #[must_use]
    pub const fn is_for_app(self) -> bool {
        match self {
            Self::Deploy
            | Self::Rollback
            | Self::Start
            | Self::Stop
            | Self::Restart
            | Self::Undeploy => true,
            Self::InstallDependencies
            | Self::UpdateDependencies
            | Self::UpdateCustomCookbooks
            | Self::ExecuteRecipes
            | Self::Configure
            | Self::Setup => false,
        }
    }

    /// Whether it changes which versions of the app an instance has.
    pub(super) const fn changes_versions(self) -> bool {
        matches!(self, Self::Deploy | Self::Rollback | Self::Undeploy)
    }

    /// Whether it is for the server of an app alone.
    const fn is_for_server(self) -> bool {
        matches!(self, Self::Start | Self::Stop | Self::Restart)
    }

    /// Whether it does nothing on an instance that runs Windows.
    const fn is_for_packages(self) -> bool {
        matches!(self, Self::InstallDependencies | Self::UpdateDependencies)
    }

    /// The event of a layer whose recipes it runs.
    pub(super) const fn lifecycle_event(self) -> Option<&'static str> {
        match self {
            Self::Setup => Some("Setup"),
            Self::Configure => Some("Configure"),
            Self::Deploy => Some("Deploy"),
            Self::Undeploy => Some("Undeploy"),
            Self::InstallDependencies
            | Self::UpdateDependencies
            | Self::UpdateCustomCookbooks
            | Self::ExecuteRecipes
            | Self::Rollback
            | Self::Start
            | Self::Stop
            | Self::Restart => None,
        }
    }
}

/// A command that somebody asks for: `CreateDeployment`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandRequest {
    /// The id of the deployment: a UUID as text.
    pub id: Box<str>,
    /// The name of its job, likewise.
    pub job: JobName,
    /// The stack.
    pub stack: StackId,
    /// The app that it is about.
    pub app: Option<AppId>,
    /// Instances that it is for.
    pub instances: Vec<InstanceId>,
    /// Layers whose instances it is for. Neither these nor instances: all that are online.
    pub layers: Vec<LayerId>,
    /// What it does.
    pub name: CommandName,
    /// How.
    pub args: Args,
    /// What the caller says of it.
    pub comment: Option<Box<str>>,
    /// A JSON object that goes over the stack's for this deployment.
    pub custom_json: Option<Box<str>>,
    /// Who asks, as an ARN.
    pub caller: Box<str>,
}

/// What a deployment of a stack brings: one command for each of its instances.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Commands {
    /// What they do.
    #[n(0)]
    pub name: CommandName,
    /// How.
    #[n(1)]
    pub args: Args,
    /// The app that they are about.
    #[n(2)]
    pub app: Option<AppId>,
    /// What the caller said of them.
    #[n(3)]
    pub comment: Option<Box<str>>,
    /// A JSON object that went over the stack's.
    #[n(4)]
    pub custom_json: Option<Box<str>>,
    /// Who asked, as an ARN.
    #[n(5)]
    pub caller: Box<str>,
    /// Instances whose devices get the command, ascending.
    #[n(6)]
    pub sent: Vec<InstanceId>,
    /// Instances that were not online.
    #[n(7)]
    pub skipped: Vec<InstanceId>,
    /// Instances that have no version to go back to: the command failed at once.
    #[n(8)]
    pub failed: Vec<InstanceId>,
    /// Instances on which the command does nothing: it succeeded at once.
    #[n(9)]
    pub without_effect: Vec<InstanceId>,
}

impl Commands {
    /// All instances that it is for, ascending.
    #[must_use]
    pub fn instances(&self) -> Vec<InstanceId> {
        let mut all = [
            &*self.sent,
            &*self.skipped,
            &*self.failed,
            &*self.without_effect,
        ]
        .concat();
        all.sort_unstable();
        all
    }
}

/// Arguments that a command takes.
fn check_args(name: CommandName, args: &Args) -> Result<(), Rejection> {
    let refuse = |rule: String| Err(Rejection::malformed("Command.Args", rule));
    let known: &[&str] = match name {
        CommandName::Deploy => &["migrate"],
        CommandName::ExecuteRecipes => &["recipes"],
        CommandName::UpdateDependencies => &["upgrade_os_to", "allow_reboot"],
        CommandName::InstallDependencies
        | CommandName::UpdateCustomCookbooks
        | CommandName::Configure
        | CommandName::Setup
        | CommandName::Rollback
        | CommandName::Start
        | CommandName::Stop
        | CommandName::Restart
        | CommandName::Undeploy => &[],
    };
    let mut seen = BTreeSet::new();
    let most = limits::COMMAND_ARG_BYTES_MAX;
    for (key, values) in args {
        if !known.contains(&&**key) {
            let takes = match known {
                [] => "no arguments".to_owned(),
                known => known.join(", "),
            };
            return refuse(format!("{key}: {} takes {takes}", name.as_str()));
        }
        if !seen.insert(key) {
            return refuse(format!("{key} is given twice"));
        }
        let is_plain =
            |value: &str| (1..=most).contains(&value.len()) && !value.chars().any(char::is_control);
        if values.is_empty()
            || values.len() > limits::COMMAND_ARG_VALUES_MAX
            || !values.iter().all(|value| is_plain(value))
        {
            return refuse(format!(
                "{key} must be a list of 1 to {} texts of 1 to {most} printable bytes",
                limits::COMMAND_ARG_VALUES_MAX
            ));
        }
    }
    let flag = |wanted: &str| match args.iter().find(|(key, _)| &**key == wanted) {
        None => Ok(false),
        Some((_, values)) => match values.first().map(|value| &**value) {
            Some("true") if values.len() == 1 => Ok(true),
            Some("false") if values.len() == 1 => Ok(false),
            _ => refuse(format!("{wanted} must be [\"true\"] or [\"false\"]")).map(|()| false),
        },
    };
    flag("migrate")?;
    let may_reboot = flag("allow_reboot")?;
    let has = |wanted: &str| args.iter().find(|(key, _)| &**key == wanted);
    if name == CommandName::ExecuteRecipes && has("recipes").is_none() {
        return refuse("recipes: name the recipes to execute, such as [\"phpapp::setup\"]".into());
    }
    if let Some((_, values)) = has("upgrade_os_to") {
        if values.len() != 1 {
            return refuse("upgrade_os_to must be one version".into());
        }
        if !may_reboot {
            return refuse("upgrade_os_to: allow_reboot must be [\"true\"] with it".into());
        }
    }
    Ok(())
}

fn namespace() -> Namespace {
    Namespace::parse(NAMESPACE).expect("the namespace is a constant")
}

/// Kinds of layers whose instances run the servers of apps.
const SERVER_LAYERS: [&str; 5] = ["java-app", "web", "php-app", "rails-app", "nodejs-app"];

impl Fleet {
    pub(super) fn run_command(
        &self,
        request: &CommandRequest,
        now: Timestamp,
    ) -> Result<Vec<Fact>, Rejection> {
        let stack = self.find_stack(request.stack)?;
        let app = self.check_app_of(stack, request)?;
        check_args(request.name, &request.args)?;
        check_custom_json(request.custom_json.as_deref())?;
        let most = limits::COMMENT_CHARACTERS_MAX;
        check_text("Comment", request.comment.as_deref(), most)?;
        let targets = self.command_targets(stack, request)?;
        let commands = self.sorted_targets(request, &targets);
        let document = self.command_document(stack, app, request, &commands, now)?;
        let things = commands.sent.iter();
        let things = things.filter_map(|id| self.stacks.instance(*id));
        let targets: Vec<Target> = things.map(|one| Target::Thing(one.thing)).collect();
        let delivery = match targets.is_empty() {
            true => Delivery::Other,
            false => Delivery::Job(JobPlan {
                namespace: Some(namespace()),
                document,
                description: None,
                targets,
                target_selection: TargetSelection::Snapshot,
                settings: Settings::default(),
                link: None,
            }),
        };
        self.plan_deployment(Plan {
            id: request.id.clone(),
            scope: Scope::Stack(request.stack),
            scope_name: stack.content.name.clone(),
            job: request.job.clone(),
            name: None,
            parent: None,
            content: deployment::Content::Commands(commands),
            tags: Vec::new(),
            token: None,
            delivery,
        })
    }

    /// The app that a command is about.
    fn check_app_of(
        &self,
        stack: &Stack,
        request: &CommandRequest,
    ) -> Result<Option<&App>, Rejection> {
        let name = request.name;
        let app = request.app.map(|id| self.find_app(id)).transpose()?;
        if app.is_some_and(|app| app.stack != request.stack) {
            let rule = "the app is of another stack";
            return Err(Rejection::malformed("AppId", rule));
        }
        if !name.is_for_app() {
            return Ok(app);
        }
        if app.is_none() {
            let rule = format!("is required: {} is about an app", name.as_str());
            return Err(Rejection::malformed("AppId", rule));
        }
        let version = stack.content.manager_version.as_deref();
        let is_newer = version.is_some_and(|version| version.split('.').next() == Some("12"));
        if is_newer && !matches!(name, CommandName::Deploy | CommandName::Undeploy) {
            let rule = format!(
                "{} is not there for stacks of version 12, which have deploy and undeploy only",
                name.as_str()
            );
            return Err(Rejection::malformed("Command.Name", rule));
        }
        Ok(app)
    }

    /// The instances that a command is for: those named and those of the layers named, or all that are online.
    fn command_targets(
        &self,
        stack: &Stack,
        request: &CommandRequest,
    ) -> Result<BTreeSet<InstanceId>, Rejection> {
        let mut targets = BTreeSet::new();
        for id in &request.instances {
            if self.find_instance(*id)?.stack != request.stack {
                let rule = format!("instance {} is of another stack", id.to_uuid());
                return Err(Rejection::malformed("InstanceIds", rule));
            }
            targets.insert(*id);
        }
        for id in &request.layers {
            let layer = self.find_layer(*id)?;
            if layer.stack != request.stack {
                let rule = format!("layer {} is of another stack", id.to_uuid());
                return Err(Rejection::malformed("LayerIds", rule));
            }
            targets.extend(layer.instances.iter().copied());
        }
        if request.instances.is_empty() && request.layers.is_empty() {
            let all = stack.instances.iter().copied();
            targets = all.filter(|id| self.is_online(*id)).collect();
        }
        if targets.is_empty() {
            let rule = "there is no instance to run the command on; name instances or layers that have \
                        some, or bring one online";
            return Err(Rejection::malformed("InstanceIds", rule));
        }
        Ok(targets)
    }

    fn is_online(&self, id: InstanceId) -> bool {
        let found = self.stacks.instance(id);
        found.is_some_and(|found| self.status_of(found) == InstanceStatus::Online)
    }

    /// What becomes of the command on each of its instances.
    fn sorted_targets(&self, request: &CommandRequest, targets: &BTreeSet<InstanceId>) -> Commands {
        let mut commands = Commands {
            name: request.name,
            args: request.args.clone(),
            app: request.app,
            comment: request.comment.clone(),
            custom_json: request.custom_json.clone(),
            caller: request.caller.clone(),
            sent: Vec::new(),
            skipped: Vec::new(),
            failed: Vec::new(),
            without_effect: Vec::new(),
        };
        for id in targets {
            let Some(instance) = self.stacks.instance(*id) else {
                continue;
            };
            let group = if self.status_of(instance) != InstanceStatus::Online {
                &mut commands.skipped
            } else if self.has_no_effect(request.name, instance) {
                &mut commands.without_effect
            } else if request.app.is_some_and(|app| {
                request.name == CommandName::Rollback && self.is_oldest(instance, app)
            }) {
                &mut commands.failed
            } else {
                &mut commands.sent
            };
            group.push(*id);
        }
        commands
    }

    fn has_no_effect(&self, name: CommandName, instance: &Instance) -> bool {
        if name.is_for_server() {
            let layers = instance.content.layers.iter();
            let mut layers = layers.filter_map(|id| self.stacks.layer(*id));
            return !layers.any(|layer| SERVER_LAYERS.contains(&&*layer.content.kind));
        }
        name.is_for_packages() && self.runs_windows(instance)
    }

    fn runs_windows(&self, instance: &Instance) -> bool {
        let own = instance.content.details.member("Os");
        let of_stack = || {
            let stack = self.stacks.stack(instance.stack)?;
            stack.content.details.member("DefaultOs")
        };
        let os = own.or_else(of_stack);
        let os = os.as_ref().and_then(serde_json::Value::as_str);
        os.is_some_and(|os| os.contains("Windows"))
    }

    /// Whether there is surely no version to go back to. While a command that changes versions is on its way, only
    /// the device will know.
    fn is_oldest(&self, instance: &Instance, app: AppId) -> bool {
        instance.version_before(app).is_none() && !self.is_changing(instance, app)
    }

    /// Whether a command is on its way to an instance that changes which versions of an app it has.
    pub(super) fn is_changing(&self, instance: &Instance, app: AppId) -> bool {
        let pending = self.pending(instance.thing, Some(NAMESPACE));
        let mut pending = pending.iter().filter_map(|one| self.commands_of(one.job));
        pending.any(|(_, commands)| commands.app == Some(app) && commands.name.changes_versions())
    }

    fn command_document(
        &self,
        stack: &Stack,
        app: Option<&App>,
        request: &CommandRequest,
        commands: &Commands,
        now: Timestamp,
    ) -> Result<String, Rejection> {
        let document = Document {
            fleet: self,
            stack,
            app,
            request,
            instances: &commands.sent,
            now,
        };
        let text = document.to_text();
        let most = limits::COMMAND_DOCUMENT_BYTES_MAX;
        if text.len() <= most {
            return Ok(text);
        }
        let rule = format!(
            "what devices get has {} bytes with it, and may have {most}; make the custom JSON of stack, layers or \
             deployment, or the app, smaller",
            text.len()
        );
        Err(Rejection::malformed("CustomJson", rule))
    }
}
