//! ARNs of Greengrass, written and read.

use shipslog_domain::ComponentName;
use shipslog_domain::component::Version;

use crate::arn::Arns;
use crate::error::Error;

/// What an ARN of a component says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Component {
    pub(super) name: ComponentName,
    /// A component of AWS', of which there is none here.
    pub(super) is_public: bool,
}

impl Component {
    /// Refuses to find what belongs to AWS.
    pub(super) fn found<T>(&self, found: Option<T>, arn: &str) -> Result<T, Error> {
        found.filter(|_| !self.is_public).ok_or_else(|| {
            Error::about("component", arn)(Error::Absent(format!("component {arn}")))
        })
    }
}

pub(super) fn component(arns: &Arns, name: &ComponentName) -> String {
    arns.greengrass(&format!("components:{name}"))
}

pub(super) fn component_version(arns: &Arns, name: &ComponentName, version: &str) -> String {
    arns.greengrass(&format!("components:{name}:versions:{version}"))
}

/// The id in the ARN of a deployment, if it is one of this region and account.
pub(super) fn read_deployment<'a>(arns: &Arns, arn: &'a str) -> Option<&'a str> {
    arn.strip_prefix(&arns.greengrass("deployments:"))
}

/// Reads the ARN of a component.
pub(super) fn read_component(arns: &Arns, arn: &str) -> Result<Component, Error> {
    read(arns, arn, false).map(|(component, _)| component)
}

/// Reads the ARN of a component's version.
pub(super) fn read_component_version(
    arns: &Arns,
    arn: &str,
) -> Result<(Component, Version), Error> {
    let (component, version) = read(arns, arn, true)?;
    let version = version.ok_or_else(|| refuse(arns, true))?;
    let version = Version::parse(version).map_err(|no| Error::invalid("arn", no.message))?;
    Ok((component, version))
}

fn read<'a>(
    arns: &Arns,
    arn: &'a str,
    is_version: bool,
) -> Result<(Component, Option<&'a str>), Error> {
    let parts: Vec<&str> = arn.split(':').collect();
    let (account, name, version) = match parts.as_slice() {
        [
            "arn",
            "aws",
            "greengrass",
            region,
            account,
            "components",
            name,
            rest @ ..,
        ] if *region == arns.region() => {
            let version = match rest {
                [] => None,
                ["versions", version] => Some(*version),
                _ => return Err(refuse(arns, is_version)),
            };
            (*account, name, version)
        }
        _ => return Err(refuse(arns, is_version)),
    };
    let is_public = account == "aws";
    if (!is_public && account != arns.account()) || version.is_some() != is_version {
        return Err(refuse(arns, is_version));
    }
    let name = ComponentName::parse(name).map_err(|no| Error::invalid("arn", no.message))?;
    Ok((Component { name, is_public }, version))
}

fn refuse(arns: &Arns, is_version: bool) -> Error {
    let example = match is_version {
        true => "components:com.example.Hello:versions:1.0.0",
        false => "components:com.example.Hello",
    };
    let what = match is_version {
        true => "a component's version",
        false => "a component",
    };
    let rule = format!(
        "must be the ARN of {what}, such as {}",
        arns.greengrass(example)
    );
    Error::invalid("arn", rule)
}
