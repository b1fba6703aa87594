//! What a new core is installed from: its certificates in a zip file and its installer configuration.
//!
//! The configuration is YAML text with the keys in CDF's order, written by hand: a few fixed keys do not need a
//! library, and the text is part of the contract.

mod yaml;

use std::io::{Cursor, Write};

use shipslog_domain::thing::Attributes;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use yaml::Mapping;

/// What installer configurations say about this service and about the file system of a core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `awsRegion`.
    pub region: String,
    /// `iotRoleAlias`.
    pub role_alias: String,
    /// `iotDataEndpoint`: host that cores connect to.
    pub data_endpoint: String,
    /// `iotCredEndpoint` and `iotCredentialEndpoint`: host that gives credentials.
    pub credentials_endpoint: String,
    /// Where Greengrass is installed.
    pub root_path: String,
    /// Where the certificate of the service's CA lies.
    pub root_ca_path: String,
    /// Where the core's certificate lies.
    pub certificate_path: String,
    /// Where the core's key lies.
    pub private_key_path: String,
    /// Where the claim certificate lies.
    pub claim_certificate_path: String,
    /// Where the claim certificate's key lies.
    pub claim_private_key_path: String,
    /// `mqtt.port`, if not the usual one.
    pub mqtt_port: Option<u16>,
    /// `greengrassDataPlanePort`, if not the usual one.
    pub data_plane_port: Option<u16>,
}

impl Default for Settings {
    fn default() -> Self {
        let path = |name: &str| format!("/greengrass/v2/{name}");
        Self {
            region: "us-east-1".into(),
            role_alias: "greengrass2-role-alias".into(),
            data_endpoint: "localhost".into(),
            credentials_endpoint: "localhost".into(),
            root_path: "/greengrass/v2".into(),
            root_ca_path: path("AmazonRootCA1.pem"),
            certificate_path: path("cert.pem"),
            private_key_path: path("private.key"),
            claim_certificate_path: path("claim-certs/claim.pem.crt"),
            claim_private_key_path: path("claim-certs/claim.private.pem.key"),
            mqtt_port: None,
            data_plane_port: None,
        }
    }
}

/// A core that is to be installed.
#[derive(Clone, Copy, Debug)]
pub struct Core<'a> {
    /// Its name.
    pub name: &'a str,
    /// The nucleus version.
    pub version: &'a str,
    /// The provisioning template that it was registered with.
    pub provisioning_template: &'a str,
    /// Its provisioning parameters.
    pub parameters: &'a Attributes,
}

/// Which configuration is made (CDF: `configFileGenerator`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generator {
    /// `MANUAL_INSTALL`: the core has its own certificate.
    ManualInstall,
    /// `FLEET_PROVISIONING`: the core gets its certificate by a claim.
    FleetProvisioning,
}

impl Generator {
    /// The generator of that alias, if there is one.
    #[must_use]
    pub fn by_alias(alias: &str) -> Option<Self> {
        match alias {
            "MANUAL_INSTALL" => Some(Self::ManualInstall),
            "FLEET_PROVISIONING" => Some(Self::FleetProvisioning),
            _ => None,
        }
    }

    /// The configuration: YAML text with a document start.
    #[must_use]
    pub fn config(self, core: Core<'_>, settings: &Settings) -> String {
        let mut document = Mapping::document();
        match self {
            Self::ManualInstall => {
                document.mapping("system", |system| {
                    system
                        .text("certificateFilePath", &settings.certificate_path)
                        .text("privateKeyPath", &settings.private_key_path)
                        .text("rootCaPath", &settings.root_ca_path)
                        .text("rootpath", &settings.root_path)
                        .text("thingName", core.name);
                });
                document.mapping("services", |services| {
                    nucleus(services, core, settings, |configuration| {
                        if let Some(port) = settings.mqtt_port {
                            configuration.mapping("mqtt", |mqtt| {
                                mqtt.number("port", port);
                            });
                        }
                        if let Some(port) = settings.data_plane_port {
                            configuration.number("greengrassDataPlanePort", port);
                        }
                    });
                });
            }
            Self::FleetProvisioning => {
                document.mapping("services", |services| {
                    nucleus(services, core, settings, |_| {});
                    claim(services, core, settings);
                });
            }
        }
        document.finish()
    }
}

fn nucleus(
    services: &mut Mapping,
    core: Core<'_>,
    settings: &Settings,
    ports: impl FnOnce(&mut Mapping),
) {
    services.mapping("aws.greengrass.Nucleus", |nucleus| {
        nucleus
            .text("componentType", "NUCLEUS")
            .text("version", core.version)
            .mapping("configuration", |configuration| {
                configuration
                    .text("awsRegion", &settings.region)
                    .text("iotRoleAlias", &settings.role_alias)
                    .text("iotDataEndpoint", &settings.data_endpoint)
                    .text("iotCredEndpoint", &settings.credentials_endpoint);
                ports(configuration);
            });
    });
}

fn claim(services: &mut Mapping, core: Core<'_>, settings: &Settings) {
    services.mapping("aws.greengrass.FleetProvisioningByClaim", |plugin| {
        plugin.mapping("configuration", |configuration| {
            configuration
                .text("rootPath", &settings.root_path)
                .text("awsRegion", &settings.region)
                .text("iotDataEndpoint", &settings.data_endpoint)
                .text("iotCredentialEndpoint", &settings.credentials_endpoint)
                .text("iotRoleAlias", &settings.role_alias)
                .text("provisioningTemplate", core.provisioning_template)
                .text("claimCertificatePath", &settings.claim_certificate_path)
                .text(
                    "claimCertificatePrivateKeyPath",
                    &settings.claim_private_key_path,
                )
                .text("rootCaPath", &settings.root_ca_path)
                .mapping("templateParameters", |parameters| {
                    for (name, value) in core.parameters {
                        parameters.text(name, value);
                    }
                });
        });
    });
}

/// `certs.zip`: the folder `certs/` with the certificate, and with the key if the service made it. The same
/// certificate and key give the same bytes: every entry has the oldest date that the format knows.
pub fn certificates_zip(
    certificate_pem: &str,
    private_key_pem: Option<&str>,
) -> Result<Vec<u8>, zip::result::ZipError> {
    // A few hundred bytes of base64 do not get smaller by more than the format's own overhead.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::DEFAULT);
    let mut zip = ZipWriter::new(Cursor::new(Vec::with_capacity(4_096)));
    zip.add_directory("certs/", options.unix_permissions(0o755))?;
    zip.start_file("certs/cert.pem", options.unix_permissions(0o644))?;
    zip.write_all(certificate_pem.as_bytes())?;
    if let Some(key) = private_key_pem {
        zip.start_file("certs/private.key", options.unix_permissions(0o600))?;
        zip.write_all(key.as_bytes())?;
    }
    Ok(zip.finish()?.into_inner())
}

#[cfg(test)]
mod tests;
