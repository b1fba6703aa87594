//! Topics and topic filters: validity, matching, and what the reserved ones mean.
//!
//! Reserved topics are told apart here by their levels alone; who may use them is a matter of policy, which comes
//! with the TLS listener.

use crate::limits;

/// The prefix of all reserved topics of things.
pub(crate) const THINGS: &str = "$aws/things/";

/// What a client asks for by publishing to a `$` topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request<'a> {
    /// `$aws/things/{thing}/jobs/…`.
    Jobs {
        thing: &'a str,
        operation: JobsOperation<'a>,
    },
    /// `$aws/things/{thing}/greengrassv2/health/json`.
    Health { thing: &'a str },
    /// `$aws/things/{thing}/shadow/…`; `shadow` is the name of a named one.
    Shadow {
        thing: &'a str,
        shadow: Option<&'a str>,
        operation: ShadowOperation,
    },
    /// `$aws/certificates/…` and `$aws/provisioning-templates/…`.
    Provisioning {
        operation: ProvisioningOperation<'a>,
        format: Format,
    },
    /// `$aws/things/{thing}/streams/{stream}/…`.
    Stream {
        thing: &'a str,
        stream: &'a str,
        operation: StreamOperation,
        format: Format,
    },
    /// `$aws/things/{thing}/container-services/{service}/logs` and `…/metrics`, which are topics of this service.
    Containers {
        thing: &'a str,
        service: &'a str,
        operation: ContainersOperation,
    },
    /// A reserved topic that nothing here serves.
    Unknown,
}

/// What a node says of a container service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContainersOperation {
    /// Lines that its containers wrote.
    Logs,
    /// How much it uses.
    Metrics,
}

/// An operation of a device that provisions itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProvisioningOperation<'a> {
    /// `$aws/certificates/create/{format}`.
    CreateKeys,
    /// `$aws/certificates/create-from-csr/{format}`.
    CreateFromCsr,
    /// `$aws/provisioning-templates/{template}/provision/{format}`.
    Provision { template: &'a str },
}

/// An operation on a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamOperation {
    /// `describe/{format}`.
    Describe,
    /// `get/{format}`.
    Get,
    /// No operation: answered with `InvalidTopic`.
    Invalid,
}

/// The form of a request and of its answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Cbor,
}

impl Format {
    /// The last level of topics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Cbor => "cbor",
        }
    }
}

/// An operation on a shadow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShadowOperation {
    /// `get`.
    Get,
    /// `update`.
    Update,
    /// `delete`.
    Delete,
}

/// An operation of AWS IoT Jobs. `namespace` is the `namespace-{ns}` level of the topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JobsOperation<'a> {
    /// `get`: pending executions.
    GetPending,
    /// `start-next`.
    StartNext,
    /// `{jobId}/get`, `$next/get`.
    Describe {
        job: JobReference<'a>,
        namespace: Option<&'a str>,
    },
    /// `{jobId}/update`.
    Update {
        job: &'a str,
        namespace: Option<&'a str>,
    },
    /// No operation: answered with `InvalidTopic`.
    Invalid,
}

/// Which job a describe request means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JobReference<'a> {
    /// `$next`: the head of the pending list.
    Next,
    /// The job of this name.
    Name(&'a str),
}

/// What a topic filter asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FilterKind<'a> {
    /// Topics of the application, through the router.
    Application,
    /// `$share/{group}/{filter}` over application topics.
    Shared { group: &'a str, filter: &'a str },
    /// `$aws/…`: served by this crate.
    Reserved,
    /// `$` otherwise.
    Refused,
}

/// Whose notifications a reserved filter can match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watch<'a> {
    /// No notification topic matches it.
    Nothing,
    /// Those of one thing.
    Thing(&'a str),
    /// Those of every thing: a wildcard stands for the name.
    EveryThing,
}

/// Whether `topic` can be published to: not empty, no wildcard, no NUL, within the bounds.
pub(crate) fn topic_is_valid(topic: &str) -> bool {
    !topic.is_empty()
        && topic.len() <= limits::TOPIC_BYTES_MAX
        && !topic.bytes().any(|byte| matches!(byte, b'+' | b'#' | 0))
        && levels_are_few(topic)
}

/// Whether `filter` can be subscribed to: wildcards fill a whole level, `#` is the last one.
pub(crate) fn filter_is_valid(filter: &str) -> bool {
    if filter.is_empty() || filter.len() > limits::TOPIC_BYTES_MAX || filter.contains('\0') {
        return false;
    }
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        let wild = level.contains(['+', '#']);
        if wild && (level.len() > 1 || (level == "#" && levels.peek().is_some())) {
            return false;
        }
    }
    levels_are_few(filter)
}

fn levels_are_few(topic: &str) -> bool {
    topic.bytes().filter(|byte| *byte == b'/').count() < limits::TOPIC_LEVELS_MAX
}

/// Whether `filter` matches `topic`; both are valid. A wildcard at the first level does not match `$` topics.
pub(crate) fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut levels = topic.split('/');
    for wanted in filter.split('/') {
        if wanted == "#" {
            return true;
        }
        match levels.next() {
            Some(level) if wanted == "+" || wanted == level => (),
            _ => return false,
        }
    }
    levels.next().is_none()
}

/// What a publication to `topic` asks for; nothing if it is an application topic.
pub(crate) fn request(topic: &str) -> Option<Request<'_>> {
    if !topic.starts_with('$') {
        return None;
    }
    let Some((thing, rest)) = topic
        .strip_prefix(THINGS)
        .and_then(|rest| rest.split_once('/'))
    else {
        return Some(provisioning(topic).unwrap_or(Request::Unknown));
    };
    if let Some(operation) = rest.strip_prefix("jobs/") {
        return Some(Request::Jobs {
            thing,
            operation: jobs_operation(operation),
        });
    }
    if let Some(path) = rest.strip_prefix("streams/") {
        let (stream, operation) = path.split_once('/').unwrap_or((path, ""));
        let (operation, format) = stream_operation(operation);
        return Some(Request::Stream {
            thing,
            stream,
            operation,
            format,
        });
    }
    if rest == "greengrassv2/health/json" {
        return Some(Request::Health { thing });
    }
    if let Some((service, operation)) = rest
        .strip_prefix("container-services/")
        .and_then(containers_operation)
    {
        return Some(Request::Containers {
            thing,
            service,
            operation,
        });
    }
    if let Some((shadow, operation)) = rest.strip_prefix("shadow/").and_then(shadow_operation) {
        return Some(Request::Shadow {
            thing,
            shadow,
            operation,
        });
    }
    Some(Request::Unknown)
}

/// The container service of which a node says something, and what.
fn containers_operation(path: &str) -> Option<(&str, ContainersOperation)> {
    let (service, what) = path.split_once('/')?;
    let operation = match what {
        "logs" => ContainersOperation::Logs,
        "metrics" => ContainersOperation::Metrics,
        _ => return None,
    };
    (!service.is_empty()).then_some((service, operation))
}

/// What a topic outside of those of things asks for.
fn provisioning(topic: &str) -> Option<Request<'_>> {
    let (path, format) = topic.strip_prefix("$aws/")?.rsplit_once('/')?;
    let format = match format {
        "json" => Format::Json,
        "cbor" => Format::Cbor,
        _ => return None,
    };
    let operation = match path {
        "certificates/create" => ProvisioningOperation::CreateKeys,
        "certificates/create-from-csr" => ProvisioningOperation::CreateFromCsr,
        _ => {
            let path = path.strip_prefix("provisioning-templates/")?;
            let template = path.strip_suffix("/provision")?;
            if template.is_empty() || template.contains('/') {
                return None;
            }
            ProvisioningOperation::Provision { template }
        }
    };
    Some(Request::Provisioning { operation, format })
}

fn jobs_operation(path: &str) -> JobsOperation<'_> {
    let mut levels = path.split('/');
    let levels = (levels.next(), levels.next(), levels.next(), levels.next());
    let (job, namespace, verb) = match levels {
        (Some("get"), None, ..) => return JobsOperation::GetPending,
        (Some("start-next"), None, ..) => return JobsOperation::StartNext,
        (Some(job), Some(verb), None, _) => (job, None, verb),
        (Some(job), Some(middle), Some(verb), None) => match middle.strip_prefix("namespace-") {
            Some(namespace) => (job, Some(namespace), verb),
            None => return JobsOperation::Invalid,
        },
        _ => return JobsOperation::Invalid,
    };
    match (job, verb) {
        ("$next", "get") => JobsOperation::Describe {
            job: JobReference::Next,
            namespace,
        },
        ("$next", _) => JobsOperation::Invalid,
        (job, "get") => JobsOperation::Describe {
            job: JobReference::Name(job),
            namespace,
        },
        (job, "update") => JobsOperation::Update { job, namespace },
        _ => JobsOperation::Invalid,
    }
}

/// What is asked of a stream, and in which form. Whoever asks for nothing there is, in no form, is told so in JSON.
fn stream_operation(path: &str) -> (StreamOperation, Format) {
    let (verb, form) = path.rsplit_once('/').unwrap_or((path, ""));
    let format = match form {
        "json" => Format::Json,
        "cbor" => Format::Cbor,
        _ => return (StreamOperation::Invalid, Format::Json),
    };
    let operation = match verb {
        "describe" => StreamOperation::Describe,
        "get" => StreamOperation::Get,
        _ => StreamOperation::Invalid,
    };
    (operation, format)
}

/// The name of a named shadow, and what is asked of it.
fn shadow_operation(path: &str) -> Option<(Option<&str>, ShadowOperation)> {
    let (shadow, verb) = match path.strip_prefix("name/") {
        None => (None, path),
        Some(named) => {
            let (name, verb) = named.split_once('/')?;
            (Some(name), verb)
        }
    };
    let operation = match verb {
        "get" => ShadowOperation::Get,
        "update" => ShadowOperation::Update,
        "delete" => ShadowOperation::Delete,
        _ => return None,
    };
    Some((shadow, operation))
}

/// What `filter`, which is valid, asks for.
pub(crate) fn filter_kind(filter: &str) -> FilterKind<'_> {
    if !filter.starts_with('$') {
        return FilterKind::Application;
    }
    if crate::events::is_event_filter(filter) {
        return FilterKind::Application;
    }
    if filter.starts_with("$aws/") {
        return FilterKind::Reserved;
    }
    match filter
        .strip_prefix("$share/")
        .and_then(|rest| rest.split_once('/'))
    {
        Some((group, inner))
            if !group.is_empty()
                && !group.contains(['+', '#'])
                && !inner.is_empty()
                && !inner.starts_with('$') =>
        {
            FilterKind::Shared {
                group,
                filter: inner,
            }
        }
        _ => FilterKind::Refused,
    }
}

/// Whose notifications a reserved filter can match.
///
/// The topics are `notify`, `notify-next`, `notify-namespace-{ns}`, `notify-next-namespace-{ns}`, and the
/// documented `{jobId}/notify-namespace-{ns}`, which must be written out at its last level.
pub(crate) fn watch(filter: &str) -> Watch<'_> {
    let mut levels = filter.split('/');
    if levels.next() != Some("$aws") {
        return Watch::Nothing;
    }
    match levels.next() {
        Some("#") => return Watch::EveryThing,
        Some("things" | "+") => (),
        _ => return Watch::Nothing,
    }
    let whose = match levels.next() {
        Some("#") => return Watch::EveryThing,
        Some("+") => Watch::EveryThing,
        Some(thing) => Watch::Thing(thing),
        None => return Watch::Nothing,
    };
    let area = levels.next();
    let shadows = match area {
        Some("shadow" | "+") => is_of_shadows(levels.clone()),
        _ => false,
    };
    let matching = match area {
        Some("#") => true,
        Some("jobs" | "+") => match (levels.next(), levels.next(), levels.next()) {
            (Some("#"), ..) => true,
            (Some(only), None, _) => only == "+" || only.starts_with("notify"),
            (Some(_), Some(last), None) => last.starts_with("notify-namespace-"),
            _ => false,
        },
        _ => false,
    };
    if matching || shadows {
        whose
    } else {
        Watch::Nothing
    }
}

/// Whether levels below `shadow` can match what is told of a shadow: `update/accepted`, `update/delta`,
/// `update/documents` and `delete/accepted`, of the classic one and below `name/{name}`.
fn is_of_shadows<'a>(levels: impl Iterator<Item = &'a str> + Clone) -> bool {
    let fits = |topic: &[&str]| {
        let mut wanted = levels.clone();
        for level in topic {
            match wanted.next() {
                Some("#") => return true,
                // An empty level of the topic stands for any name.
                Some(given) if given == "+" || given == *level || level.is_empty() => (),
                _ => return false,
            }
        }
        wanted.next().is_none_or(|rest| rest == "#")
    };
    let told = [
        ["update", "accepted"],
        ["update", "delta"],
        ["update", "documents"],
        ["delete", "accepted"],
    ];
    told.iter()
        .any(|[verb, what]| fits(&[verb, what]) || fits(&["name", "", verb, what]))
}

/// Whether a filter of a thing's notifications is for those of its shadows alone.
pub(crate) fn watches_only_shadows(filter: &str) -> bool {
    filter.split('/').nth(3) == Some("shadow")
}

/// Whether a filter of a thing's notifications can match `update/delta` or `update/documents` of a shadow.
pub(crate) fn wants_documents(filter: &str) -> bool {
    let last = filter.rsplit('/').next().unwrap_or_default();
    let area = filter.split('/').nth(3);
    matches!(area, None | Some("shadow" | "+" | "#"))
        && matches!(last, "+" | "#" | "delta" | "documents")
}

/// The namespace that the last level of a notification filter names.
pub(crate) fn notified_namespace(filter: &str) -> Option<&str> {
    let last = filter.rsplit('/').next()?;
    last.strip_prefix("notify-next-namespace-")
        .or_else(|| last.strip_prefix("notify-namespace-"))
}

#[cfg(test)]
mod tests;
