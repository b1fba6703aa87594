use std::io::Read;

use super::*;

fn parameters() -> Attributes {
    vec![
        ("Note".into(), "a: \"b\"".into()),
        ("ThingName".into(), "core-a".into()),
    ]
}

fn core(parameters: &Attributes) -> Core<'_> {
    Core {
        name: "core-a",
        version: "2.5.0",
        provisioning_template: "my-template",
        parameters,
    }
}

#[test]
fn manual_install() {
    let parameters = parameters();
    let config = Generator::ManualInstall.config(core(&parameters), &Settings::default());
    assert_eq!(
        config,
        "---
system:
  certificateFilePath: /greengrass/v2/cert.pem
  privateKeyPath: /greengrass/v2/private.key
  rootCaPath: /greengrass/v2/AmazonRootCA1.pem
  rootpath: /greengrass/v2
  thingName: core-a
services:
  aws.greengrass.Nucleus:
    componentType: NUCLEUS
    version: 2.5.0
    configuration:
      awsRegion: us-east-1
      iotRoleAlias: greengrass2-role-alias
      iotDataEndpoint: localhost
      iotCredEndpoint: localhost
"
    );
}

#[test]
fn manual_install_with_ports() {
    let settings = Settings {
        mqtt_port: Some(443),
        data_plane_port: Some(8443),
        ..Settings::default()
    };
    let parameters = parameters();
    let core = Core {
        name: "123",
        version: "2.5",
        ..core(&parameters)
    };
    let config = Generator::ManualInstall.config(core, &settings);
    assert!(config.contains("  thingName: \"123\"\n"), "{config}");
    assert!(config.contains("    version: \"2.5\"\n"), "{config}");
    assert!(
        config.ends_with(
            "      iotCredEndpoint: localhost
      mqtt:
        port: 443
      greengrassDataPlanePort: 8443
"
        ),
        "{config}"
    );
}

#[test]
fn fleet_provisioning() {
    let settings = Settings {
        mqtt_port: Some(443),
        data_plane_port: Some(8443),
        ..Settings::default()
    };
    let parameters = parameters();
    let config = Generator::FleetProvisioning.config(core(&parameters), &settings);
    assert_eq!(
        config,
        "---
services:
  aws.greengrass.Nucleus:
    componentType: NUCLEUS
    version: 2.5.0
    configuration:
      awsRegion: us-east-1
      iotRoleAlias: greengrass2-role-alias
      iotDataEndpoint: localhost
      iotCredEndpoint: localhost
  aws.greengrass.FleetProvisioningByClaim:
    configuration:
      rootPath: /greengrass/v2
      awsRegion: us-east-1
      iotDataEndpoint: localhost
      iotCredentialEndpoint: localhost
      iotRoleAlias: greengrass2-role-alias
      provisioningTemplate: my-template
      claimCertificatePath: /greengrass/v2/claim-certs/claim.pem.crt
      claimCertificatePrivateKeyPath: /greengrass/v2/claim-certs/claim.private.pem.key
      rootCaPath: /greengrass/v2/AmazonRootCA1.pem
      templateParameters:
        Note: \"a: \\\"b\\\"\"
        ThingName: core-a
"
    );
    let none = Attributes::new();
    let config = Generator::FleetProvisioning.config(core(&none), &settings);
    assert!(
        config.ends_with("      templateParameters: {}\n"),
        "{config}"
    );
}

#[test]
fn aliases() {
    assert_eq!(
        Generator::by_alias("MANUAL_INSTALL"),
        Some(Generator::ManualInstall)
    );
    assert_eq!(
        Generator::by_alias("FLEET_PROVISIONING"),
        Some(Generator::FleetProvisioning)
    );
    assert_eq!(Generator::by_alias("manual_install"), None);
}

#[test]
fn zip_files() {
    let rows = [
        (None, vec![("certs/", ""), ("certs/cert.pem", "cert")]),
        (
            Some("key"),
            vec![
                ("certs/", ""),
                ("certs/cert.pem", "cert"),
                ("certs/private.key", "key"),
            ],
        ),
    ];
    for (key, expected) in rows {
        let bytes = certificates_zip("cert", key).expect("zipped");
        assert_eq!(bytes, certificates_zip("cert", key).expect("zipped"));
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).expect("a zip file");
        let mut found = Vec::new();
        for index in 0..archive.len() {
            let mut file = archive.by_index(index).expect("an entry");
            let mut content = String::new();
            file.read_to_string(&mut content).expect("text");
            found.push((file.name().to_string(), content));
        }
        let expected: Vec<(String, String)> = expected
            .into_iter()
            .map(|(name, content)| (name.into(), content.into()))
            .collect();
        assert_eq!(found, expected);
    }
}
