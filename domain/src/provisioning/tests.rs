//! Table tests of the template language: what is accepted, what it resolves to, and every refusal.

mod plans;
mod refusals;
mod requests;

use super::*;
use crate::core_task::CdfParameters;
use crate::rejection::{Rejection, RejectionKind};

/// The template of CDF's walkthrough, with the policy that its installation brings along.
const CORE: &str = r#"{
    "Parameters": {
        "ThingName": {"Type": "String"},
        "CertificatePem": {"Type": "String"},
        "CaCertificatePem": {"Type": "String"}
    },
    "Resources": {
        "thing": {
            "Type": "AWS::IoT::Thing",
            "Properties": {"ThingName": {"Ref": "ThingName"}},
            "OverrideSettings": {"ThingTypeName": "REPLACE"}
        },
        "certificate": {
            "Type": "AWS::IoT::Certificate",
            "Properties": {
                "CACertificatePem": {"Ref": "CaCertificatePem"},
                "CertificatePem": {"Ref": "CertificatePem"},
                "Status": "Active"
            },
            "OverrideSettings": {"Status": "REPLACE"}
        },
        "policy": {
            "Type": "AWS::IoT::Policy",
            "Properties": {"PolicyName": "CDFGreengrass2CorePolicy"}
        }
    },
    "CDF": {
        "createDeviceCertificate": true,
        "attachAdditionalPolicies": [{"name": "myTokenExchangeRoleAliasPolicy"}]
    }
}"#;

fn attributes(pairs: &[(&str, &str)]) -> Attributes {
    let mut attributes: Attributes = pairs
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()))
        .collect();
    attributes.sort_unstable();
    attributes
}

/// A template with a thing of these properties, and these parameters.
fn thing(parameters: &str, properties: &str) -> String {
    document(parameters, properties, "", "")
}

/// A template with more resources and sections after the thing.
fn document(parameters: &str, properties: &str, resources: &str, sections: &str) -> String {
    format!(
        r#"{{"Parameters": {{{parameters}}}, "Resources": {{"t": {{"Type": "AWS::IoT::Thing",
            "Properties": {{{properties}}}}}{resources}}}{sections}}}"#
    )
}

/// A template whose certificate has these properties, under this section `CDF`.
fn certificate(properties: &str, cdf: &str) -> String {
    document(
        r#""P": {"Type": "String"}, "CertificatePem": {"Type": "String", "Default": "d"}"#,
        r#""ThingName": "x""#,
        &format!(r#", "c": {{"Type": "AWS::IoT::Certificate", "Properties": {{{properties}}}}}"#),
        &format!(r#", "CDF": {{{cdf}}}"#),
    )
}

fn plan(body: &str, parameters: &[(&str, &str)]) -> Result<Plan, Rejection> {
    Template::parse(body)?.plan(&attributes(parameters), None)
}
