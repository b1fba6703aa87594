//! Which AWS service a request is signed for.

use axum::http::{HeaderMap, header};

use crate::query::Query;

/// An AWS service, as far as we tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Service {
    /// AWS IoT, control plane.
    Iot,
    /// AWS IoT Jobs, device plane.
    JobsData,
    /// AWS IoT, data plane.
    IotData,
    /// One that speaks JSON 1.1 and that we do not answer for.
    Json,
    /// AWS OpsWorks.
    OpsWorks,
    /// Amazon Lightsail.
    Lightsail,
    /// AWS IoT Greengrass V2, both planes.
    Greengrass,
}

impl Service {
    /// The service in the credential scope of a signature (SigV4). The signature itself is not looked at.
    ///
    /// A scope that is no service of ours, such as an API gateway's, says nothing.
    pub(crate) fn of(headers: &HeaderMap, query: &str) -> Option<Self> {
        let header = headers.get(header::AUTHORIZATION);
        let header = header.and_then(|value| value.to_str().ok());
        match header.and_then(credential_of_header) {
            Some(credential) => service_of(credential).and_then(Self::by_name),
            // A presigned URL carries the same in its query.
            None if query.contains("X-Amz-Credential=") => {
                let query = Query::parse(query);
                let credential = query.all("X-Amz-Credential").next()?;
                service_of(credential).and_then(Self::by_name)
            }
            None => None,
        }
    }

    /// The service whose host name a request is sent to, for clients that sign nothing and resolve AWS' names to us.
    pub(crate) fn of_host(headers: &HeaderMap) -> Option<Self> {
        let host = headers.get(header::HOST)?.to_str().ok()?;
        let name = host.split(':').next()?.strip_suffix(".amazonaws.com")?;
        let labels: Vec<&str> = name.split('.').collect();
        match labels.as_slice() {
            ["iot", _region] => Some(Self::Iot),
            ["greengrass", _region] => Some(Self::Greengrass),
            ["opsworks", _region] => Some(Self::OpsWorks),
            ["lightsail", _region] => Some(Self::Lightsail),
            [_prefix, "jobs", "iot", _region] => Some(Self::JobsData),
            [_prefix, "iot", _region] => Some(Self::IotData),
            _ => None,
        }
    }

    /// Whether paths and methods name its operations. The others speak JSON 1.1.
    pub(crate) const fn is_rest(self) -> bool {
        match self {
            Self::Iot | Self::JobsData | Self::IotData | Self::Greengrass => true,
            Self::Json | Self::OpsWorks | Self::Lightsail => false,
        }
    }

    fn by_name(name: &str) -> Option<Self> {
        match name {
            "iot" => Some(Self::Iot),
            "iot-jobs-data" => Some(Self::JobsData),
            "iotdata" => Some(Self::IotData),
            "opsworks" => Some(Self::OpsWorks),
            "lightsail" => Some(Self::Lightsail),
            "greengrass" => Some(Self::Greengrass),
            _ => None,
        }
    }
}

/// `AWS4-HMAC-SHA256 Credential=AKID/20260131/us-east-1/iot/aws4_request, SignedHeaders=…, Signature=…`
fn credential_of_header(value: &str) -> Option<&str> {
    let parameters = value.strip_prefix("AWS4-HMAC-SHA256")?;
    let mut parameters = parameters.split(',').map(str::trim);
    parameters.find_map(|parameter| parameter.strip_prefix("Credential="))
}

/// The fourth part of a credential. An access key id may hold slashes, so they are counted from the end.
fn service_of(credential: &str) -> Option<&str> {
    let mut parts = credential.rsplit('/');
    match parts.next() {
        Some("aws4_request") => parts.next(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
