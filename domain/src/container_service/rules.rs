//! Which changes of container services are accepted.

use super::names::{ContainerName, ContainerServiceName, ImageReference};
use super::state::{ContainerService, Phase, State};
use super::steps::{deadline, fact};
use super::{Change, Command, Definition, DomainNames, Event, VersionRequest, document};
use crate::Fleet;
use crate::event::Fact;
use crate::ids::ContainerServiceId;
use crate::job::extras::check_tags;
use crate::limits;
use crate::rejection::Rejection;
use crate::time::{Span, Timestamp};

impl Fleet {
    pub(crate) fn decide_container_service(
        &self,
        command: &Command,
        now: Timestamp,
    ) -> Result<Vec<Fact>, Rejection> {
        match command {
            Command::Create { definition, first } => {
                self.decide_create_container_service(definition, first.as_deref(), now)
            }
            Command::Update { name, change } => self.decide_update_service(name, change, now),
            Command::Delete { name } => self.decide_delete_service(name, now),
            Command::Deploy { name, version } => self.decide_deploy(name, version, now),
            Command::RegisterImage {
                name,
                label,
                digest,
            } => self.decide_register_image(name, label, digest),
            Command::DeleteImage { name, image } => self.decide_delete_image(name, image),
        }
    }

    fn find_service(
        &self,
        name: &ContainerServiceName,
    ) -> Result<(ContainerServiceId, &ContainerService), Rejection> {
        let found = self.container_services.find(name.as_str());
        found.ok_or_else(|| no_service(name))
    }

    fn decide_create_container_service(
        &self,
        definition: &Definition,
        first: Option<&VersionRequest>,
        now: Timestamp,
    ) -> Result<Vec<Fact>, Rejection> {
        let name = &definition.name;
        if self.container_services.find(name.as_str()).is_some() {
            return Err(Rejection::already_exists(
                "serviceName",
                format!("container service {name}"),
            ));
        }
        if self.container_services.len() >= limits::CONTAINER_SERVICES_MAX {
            let max = limits::CONTAINER_SERVICES_MAX;
            return Err(Rejection::too_many(
                "serviceName",
                format!("at most {max} container services are kept; delete one first"),
            ));
        }
        check_scale(definition.scale)?;
        check_domain_names(&definition.public_domain_names)?;
        check_tags(&definition.tags)?;
        let id = self.container_services.next();
        let created = Event::Created {
            definition: Box::new(definition.clone()),
            first: first.map(|first| Box::new(first.clone())),
        };
        if let Some(first) = first {
            first.content.check()?;
            // What registered images it names cannot be there yet.
            let planned = ContainerService::new(definition, None, now);
            let content = first.content.resolved(&planned)?;
            document::check_length(&planned, &content)?;
        }
        Ok(vec![fact(id, created)])
    }

    fn decide_update_service(
        &self,
        name: &ContainerServiceName,
        change: &Change,
        now: Timestamp,
    ) -> Result<Vec<Fact>, Rejection> {
        let (id, service) = self.find_service(name)?;
        match service.state() {
            State::Ready | State::Running | State::Updating | State::Disabled => {}
            state @ (State::Pending | State::Deploying | State::Deleting) => {
                return Err(busy(service, state));
            }
        }
        if let Some(scale) = change.scale {
            check_scale(scale)?;
        }
        if let Some(names) = &change.public_domain_names {
            check_domain_names(names)?;
        }
        let change = needed(service, change);
        if change == Change::default() {
            return Ok(Vec::new());
        }
        let is_disabled = change.is_disabled.unwrap_or(service.is_disabled);
        let moves_nodes = change.power.is_some()
            || change.scale.is_some()
            || change.public_domain_names.is_some()
            || change.is_disabled == Some(false);
        let until = (moves_nodes && !is_disabled).then(|| deadline(now));
        let change = Box::new(change);
        Ok(vec![fact(id, Event::Changed { change, until })])
    }

    fn decide_delete_service(
        &self,
        name: &ContainerServiceName,
        now: Timestamp,
    ) -> Result<Vec<Fact>, Rejection> {
        let (id, service) = self.find_service(name)?;
        if service.state() == State::Deleting {
            return Err(no_service(name));
        }
        let until = now.plus(Span::minutes(limits::CONTAINER_STOP_MINUTES));
        Ok(vec![fact(id, Event::DeletionStarted { until })])
    }

    fn decide_deploy(
        &self,
        name: &ContainerServiceName,
        version: &VersionRequest,
        now: Timestamp,
    ) -> Result<Vec<Fact>, Rejection> {
        let (id, service) = self.find_service(name)?;
        match service.state() {
            State::Ready | State::Running | State::Updating => {}
            state @ (State::Pending | State::Deploying | State::Disabled | State::Deleting) => {
                return Err(busy(service, state));
            }
        }
        version.content.check()?;
        let group = service.group.and_then(|group| self.groups.get(group));
        let mut facts = match group {
            Some(_) => Vec::new(),
            // Somebody deleted it.
            None => self.group_nodes(id, service),
        };
        facts.extend(self.start_version(id, service, version, now)?);
        Ok(facts)
    }

    fn decide_register_image(
        &self,
        name: &ContainerServiceName,
        label: &ContainerName,
        digest: &str,
    ) -> Result<Vec<Fact>, Rejection> {
        let (id, service) = self.find_service(name)?;
        if service.state() == State::Deleting {
            return Err(busy(service, State::Deleting));
        }
        let well_formed = digest.split_once(':').is_some_and(|(algorithm, hex)| {
            algorithm.bytes().all(|byte| byte.is_ascii_alphanumeric())
                && !algorithm.is_empty()
                && (32..=128).contains(&hex.len())
                && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
        });
        if !well_formed {
            return Err(Rejection::malformed(
                "digest",
                "must be an algorithm and hexadecimal digits, such as sha256:9f86d081…",
            ));
        }
        if service.images.len() >= limits::CONTAINER_IMAGES_MAX {
            let max = limits::CONTAINER_IMAGES_MAX;
            return Err(Rejection::too_many(
                "serviceName",
                format!("a container service keeps at most {max} images; delete old ones first"),
            ));
        }
        let number = service.labels.get(label).map_or(1, |highest| highest + 1);
        let registered = Event::ImageRegistered {
            label: label.clone(),
            number,
            digest: digest.into(),
        };
        Ok(vec![fact(id, registered)])
    }

    fn decide_delete_image(
        &self,
        name: &ContainerServiceName,
        image: &str,
    ) -> Result<Vec<Fact>, Rejection> {
        let (id, service) = self.find_service(name)?;
        let reference = ImageReference::parse(image).filter(|one| one.service == *name);
        let Some(reference) = reference else {
            return Err(Rejection::malformed(
                "image",
                format!("must be :{name}.<label>.<number>, such as :{name}.app.1"),
            ));
        };
        let Some(number) = reference.number else {
            return Err(Rejection::malformed(
                "image",
                "must end in the number of one image, and not in latest",
            ));
        };
        if service.image(&reference.label, Some(number)).is_none() {
            return Err(Rejection::not_found("image", format!("image {image}")));
        }
        for version in service.active.into_iter().chain(service.next()) {
            let content = self
                .container_version(id, version)
                .map(|(_, content)| content);
            let mut containers = content.iter().flat_map(|content| &content.containers);
            if containers.any(|(_, container)| &*container.image == image) {
                return Err(Rejection::wrong_state(
                    "image",
                    format!(
                        "version {version} of {name} uses {image}; deploy another version first"
                    ),
                ));
            }
        }
        let label = reference.label;
        Ok(vec![fact(id, Event::ImageRemoved { label, number })])
    }
}

fn no_service(name: &ContainerServiceName) -> Rejection {
    Rejection::not_found("serviceName", format!("container service {name}"))
}

fn busy(service: &ContainerService, state: State) -> Rejection {
    let name = &service.name;
    let way_out = match (state, service.phase) {
        (State::Disabled, _) => "enable it first",
        (State::Deleting, _) => "create it anew when it is gone",
        (_, Phase::Deploying { .. }) => "wait until its deployment has ended",
        _ => "wait until it is ready",
    };
    Rejection::wrong_state(
        "serviceName",
        format!("container service {name} is {}; {way_out}", state.as_str()),
    )
}

/// What of a change is one.
fn needed(service: &ContainerService, change: &Change) -> Change {
    let definition = &service.definition;
    let names = change.public_domain_names.clone();
    let names = names.map(|mut names| {
        names.retain(|(_, names)| !names.is_empty());
        names
    });
    Change {
        power: change.power.filter(|power| *power != definition.power),
        scale: change.scale.filter(|scale| *scale != definition.scale),
        is_disabled: change
            .is_disabled
            .filter(|is_disabled| *is_disabled != service.is_disabled),
        public_domain_names: names.filter(|names| *names != definition.public_domain_names),
        pulls_private_images: change
            .pulls_private_images
            .filter(|pulls| *pulls != definition.pulls_private_images),
    }
}

fn check_scale(scale: u32) -> Result<(), Rejection> {
    let max = limits::CONTAINER_SCALE_MAX;
    if (1..=max).contains(&scale) {
        return Ok(());
    }
    let rule = format!("must be 1 to {max}, not {scale}");
    Err(Rejection::malformed("scale", rule))
}

fn check_domain_names(names: &DomainNames) -> Result<(), Rejection> {
    const FIELD: &str = "publicDomainNames";
    let mut all: Vec<&str> = Vec::new();
    for (certificate, names) in names {
        if certificate.is_empty() || certificate.len() > limits::CERTIFICATE_NAME_BYTES_MAX {
            return Err(Rejection::malformed(
                FIELD,
                "must have the name of a certificate as each key",
            ));
        }
        all.extend(names.iter().map(|name| &**name));
    }
    let max = limits::PUBLIC_DOMAIN_NAMES_MAX;
    if all.len() > max {
        let rule = format!("must be at most {max} names, not {}", all.len());
        return Err(Rejection::malformed(FIELD, rule));
    }
    let count = all.len();
    if let Some(wrong) = all.iter().find(|name| !is_domain_name(name)) {
        let rule = format!("{wrong:?} must be a domain name, such as www.example.com");
        return Err(Rejection::malformed(FIELD, rule));
    }
    all.sort_unstable();
    all.dedup();
    if all.len() < count {
        return Err(Rejection::malformed(FIELD, "must name no domain twice"));
    }
    Ok(())
}

fn is_domain_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.contains('.') && name.split('.').all(label)
}
