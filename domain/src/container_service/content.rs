//! What a version runs: containers, and the one that the world may talk to.

use minicbor::{Decode, Encode};

use super::names::{ContainerName, ImageReference, image_name};
use super::state::ContainerService;
use crate::job::Pairs;
use crate::limits;
use crate::rejection::Rejection;

/// What is spoken on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Protocol {
    /// `HTTP`.
    #[n(0)]
    Http,
    /// `HTTPS`.
    #[n(1)]
    Https,
    /// `TCP`.
    #[n(2)]
    Tcp,
    /// `UDP`.
    #[n(3)]
    Udp,
}

impl Protocol {
    /// The wire word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Https => "HTTPS",
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        }
    }
}

/// A container of a version.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Container {
    /// The image: one of a public registry, or one that is registered with the service.
    #[n(0)]
    pub image: Box<str>,
    /// The digest of a registered image.
    #[n(1)]
    pub digest: Option<Box<str>>,
    /// The command that it is launched with; empty: the image's own.
    #[n(2)]
    pub command: Vec<Box<str>>,
    /// Its environment variables.
    #[n(3)]
    pub environment: Pairs,
    /// Its open ports, ascending, none twice.
    #[n(4)]
    pub ports: Vec<(u16, Protocol)>,
}

/// How a node finds out whether the public endpoint is healthy.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct HealthCheck {
    /// Successes in a row that make it healthy.
    #[n(0)]
    pub healthy_threshold: u32,
    /// Failures in a row that make it unhealthy.
    #[n(1)]
    pub unhealthy_threshold: u32,
    /// How long one check waits for an answer, in seconds.
    #[n(2)]
    pub timeout_seconds: u32,
    /// From one check to the next, in seconds.
    #[n(3)]
    pub interval_seconds: u32,
    /// What is asked for.
    #[n(4)]
    pub path: Box<str>,
    /// Codes of a good answer: single ones and ranges, with commas between them.
    #[n(5)]
    pub success_codes: Box<str>,
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            healthy_threshold: 2,
            unhealthy_threshold: 2,
            timeout_seconds: 2,
            interval_seconds: 5,
            path: "/".into(),
            success_codes: "200-499".into(),
        }
    }
}

/// The container that the world may talk to.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PublicEndpoint {
    /// Its name.
    #[n(0)]
    pub container: ContainerName,
    /// Which of its ports.
    #[n(1)]
    pub port: u16,
    /// How its health is found out.
    #[n(2)]
    pub health_check: HealthCheck,
}

/// What a version runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Containers {
    /// Its containers, by name, ascending.
    #[n(0)]
    pub containers: Vec<(ContainerName, Container)>,
    /// The one that the world may talk to.
    #[n(1)]
    pub public_endpoint: Option<PublicEndpoint>,
}

fn malformed(field: &'static str, message: String) -> Rejection {
    Rejection::malformed(field, message)
}

impl Containers {
    /// A container by its name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Container> {
        let mut all = self.containers.iter();
        all.find_map(|(other, container)| (other.as_str() == name).then_some(container))
    }

    /// Refuses what no node could run, naming the container and the rule.
    pub(super) fn check(&self) -> Result<(), Rejection> {
        let count = self.containers.len();
        if !(1..=limits::CONTAINERS_MAX).contains(&count) {
            let max = limits::CONTAINERS_MAX;
            let rule = format!("must be 1 to {max}, not {count}");
            return Err(malformed("containers", rule));
        }
        for (name, container) in &self.containers {
            container.check(name)?;
        }
        match &self.public_endpoint {
            Some(endpoint) => self.check_endpoint(endpoint),
            None => Ok(()),
        }
    }

    fn check_endpoint(&self, endpoint: &PublicEndpoint) -> Result<(), Rejection> {
        let PublicEndpoint {
            container: name,
            port,
            health_check,
        } = endpoint;
        let Some(container) = self.get(name.as_str()) else {
            let rule = format!("{name} is none of the containers of this deployment");
            return Err(malformed("publicEndpoint.containerName", rule));
        };
        let mut open = container.ports.iter();
        match open.find(|(open, _)| open == port) {
            None => Err(malformed(
                "publicEndpoint.containerPort",
                format!("container {name} does not open port {port}; add it to its ports"),
            )),
            Some((_, Protocol::Tcp | Protocol::Udp)) => Err(malformed(
                "publicEndpoint.containerPort",
                format!("port {port} of container {name} must speak HTTP or HTTPS"),
            )),
            Some((_, Protocol::Http | Protocol::Https)) => health_check.check(),
        }
    }

    /// The content with registered images by their numbers and digests.
    pub(super) fn resolved(&self, service: &ContainerService) -> Result<Self, Rejection> {
        let mut resolved = self.clone();
        for (name, container) in &mut resolved.containers {
            container.digest = None;
            if !container.image.starts_with(':') {
                continue;
            }
            let refuse = |rule: String| malformed("containers", format!("{name}: image {rule}"));
            let reference =
                ImageReference::parse(&container.image).filter(|one| one.service == service.name);
            let Some(reference) = reference else {
                let own = &service.name;
                return Err(refuse(format!(
                    "must be :{own}.<label>.<number> or :{own}.<label>.latest, or one of a public registry"
                )));
            };
            let Some(image) = service.image(&reference.label, reference.number) else {
                return Err(refuse(format!(
                    "{} is not registered; register it first",
                    container.image
                )));
            };
            container.image = image_name(&service.name, &image.label, image.number).into();
            container.digest = Some(image.digest.clone());
        }
        Ok(resolved)
    }
}

impl Container {
    fn check(&self, name: &ContainerName) -> Result<(), Rejection> {
        let refuse = |rule: String| Err(malformed("containers", format!("{name}: {rule}")));
        let image = &self.image;
        let plain = |c: char| !c.is_whitespace() && !c.is_control();
        let image_max = limits::CONTAINER_IMAGE_NAME_BYTES_MAX;
        if image.is_empty() {
            return refuse("image is required, such as nginx:latest".into());
        }
        if image.len() > image_max || !image.chars().all(plain) {
            return refuse(format!(
                "image must have at most {image_max} characters and no blanks"
            ));
        }
        let ports_max = limits::CONTAINER_PORTS_MAX;
        if self.ports.len() > ports_max {
            return refuse(format!("ports must be at most {ports_max}"));
        }
        if self.ports.iter().any(|(port, _)| *port == 0) {
            return refuse("ports must be numbers from 1 to 65535".into());
        }
        if self.command.len() > limits::CONTAINER_ENTRIES_MAX
            || self.environment.len() > limits::CONTAINER_ENTRIES_MAX
        {
            let max = limits::CONTAINER_ENTRIES_MAX;
            return refuse(format!(
                "command and environment must have at most {max} entries each"
            ));
        }
        let variable = |key: &str| !key.is_empty() && !key.contains(['=', '\0']);
        match self.environment.iter().find(|(key, _)| !variable(key)) {
            Some((key, _)) => refuse(format!(
                "environment variable {key:?} must have a name without = in it"
            )),
            None => Ok(()),
        }
    }
}

impl HealthCheck {
    fn check(&self) -> Result<(), Rejection> {
        let rows = [
            (
                "publicEndpoint.healthCheck.healthyThreshold",
                self.healthy_threshold,
                1..=limits::HEALTH_CHECK_THRESHOLD_MAX,
            ),
            (
                "publicEndpoint.healthCheck.unhealthyThreshold",
                self.unhealthy_threshold,
                1..=limits::HEALTH_CHECK_THRESHOLD_MAX,
            ),
            (
                "publicEndpoint.healthCheck.timeoutSeconds",
                self.timeout_seconds,
                2..=60,
            ),
            (
                "publicEndpoint.healthCheck.intervalSeconds",
                self.interval_seconds,
                5..=300,
            ),
        ];
        for (field, value, allowed) in rows {
            if !allowed.contains(&value) {
                let rule = format!(
                    "must be {} to {}, not {value}",
                    allowed.start(),
                    allowed.end()
                );
                return Err(malformed(field, rule));
            }
        }
        if self.timeout_seconds >= self.interval_seconds {
            return Err(malformed(
                "publicEndpoint.healthCheck.timeoutSeconds",
                format!(
                    "must be less than intervalSeconds, which is {}",
                    self.interval_seconds
                ),
            ));
        }
        let path_max = limits::HEALTH_CHECK_PATH_BYTES_MAX;
        let graphic = self.path.bytes().all(|byte| byte.is_ascii_graphic());
        if !self.path.starts_with('/') || self.path.len() > path_max || !graphic {
            return Err(malformed(
                "publicEndpoint.healthCheck.path",
                format!("must begin with / and have at most {path_max} characters without blanks"),
            ));
        }
        if are_codes(&self.success_codes) {
            return Ok(());
        }
        Err(malformed(
            "publicEndpoint.healthCheck.successCodes",
            "must be codes and ranges of codes from 200 to 499, such as 200,202 or 200-299".into(),
        ))
    }
}

/// Whether a text lists codes of good answers: single ones and ranges, all from 200 to 499.
fn are_codes(text: &str) -> bool {
    let code = |text: &str| {
        let number: u32 = text.parse().ok()?;
        (text.len() == 3 && (200..=499).contains(&number)).then_some(number)
    };
    let entry = |text: &str| match text.split_once('-') {
        None => code(text).is_some(),
        Some((from, to)) => matches!((code(from), code(to)), (Some(from), Some(to)) if from <= to),
    };
    text.len() <= limits::SUCCESS_CODES_BYTES_MAX && text.split(',').all(|one| entry(one.trim()))
}
