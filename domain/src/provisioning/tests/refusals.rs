use super::*;

/// The template is refused at upload, with this text in the message.
fn refused(body: &str, text: &str) {
    let rejection = Template::parse(body).expect_err(text);
    assert_eq!(rejection.kind, RejectionKind::Malformed);
    assert_eq!(rejection.field, "provisioningTemplate");
    assert!(
        rejection.message.contains(text),
        "{:?} has no {text:?}",
        rejection.message
    );
}

#[test]
fn documents() {
    refused("", "document: is not JSON");
    refused("[]", "document: must be a JSON object");
    refused("{} x", "document: is not JSON");
    refused(
        &format!("{{\"Resources\": \"{}\"}}", "x".repeat(10_240)),
        "at most 10240",
    );
    refused(
        &format!("{}{}", "[".repeat(33), "]".repeat(33)),
        "nested deeper than 32",
    );
    refused(&"[".repeat(5_000), "nested deeper than 32");
    // Brackets in strings are text.
    refused(
        &format!(
            "{{\"Resources\": \"{}\\\"{}\"}}",
            "[".repeat(40),
            "{".repeat(40)
        ),
        "Resources: must be an object",
    );
    refused("{}", "Resources: is missing");
    refused(
        r#"{"Resources": {}}"#,
        "no resource of Type AWS::IoT::Thing",
    );
    refused(
        r#"{"resources": {}}"#,
        "document: \"resources\" has no meaning",
    );
    refused(r#"{"Resources": []}"#, "Resources: must be an object");
}

#[test]
fn parameters() {
    let rows = [
        (r#""P": "String""#, "Parameters.P: must be an object"),
        (r#""P": {}"#, "Parameters.P.Type: must be \"String\""),
        (
            r#""P": {"Type": "Number"}"#,
            "Parameters.P.Type: must be \"String\"",
        ),
        (
            r#""P": {"Type": "String", "Default": 5}"#,
            "Parameters.P.Default: must be a string",
        ),
        (
            r#""P": {"Type": "String", "default": "x"}"#,
            "Parameters.P: \"default\" has no meaning",
        ),
        (r#""": {"Type": "String"}"#, "a parameter needs a name"),
        (
            r#""AWS::X": {"Type": "String"}"#,
            "Parameters.AWS::X: names that begin with AWS::",
        ),
    ];
    for (parameters, text) in rows {
        refused(&thing(parameters, r#""ThingName": "x""#), text);
    }
    refused(
        r#"{"Parameters": [], "Resources": {}}"#,
        "Parameters: must be an object",
    );
}

#[test]
fn resources() {
    let rows = [
        (
            r#", "u": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": "y"}}"#,
            "Resources.u: is a second thing",
        ),
        (
            r#", "u": {"Type": "AWS::S3::Bucket"}"#,
            "Resources.u.Type: must be AWS::IoT::Thing",
        ),
        (r#", "u": {}"#, "Resources.u.Type: must be"),
        (r#", "u": 1"#, "Resources.u: must be an object"),
        (
            r#", "u": {"Type": "AWS::IoT::Policy", "DependsOn": 1}"#,
            "\"DependsOn\" has no meaning",
        ),
        (
            r#", "u": {"Type": "AWS::IoT::Policy"}"#,
            "Resources.u.Properties: is missing",
        ),
        (
            r#", "u": {"Type": "AWS::IoT::Policy", "Properties": {}}"#,
            "Resources.u.Properties: needs exactly one of PolicyName",
        ),
        (
            r#", "u": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "p", "PolicyDocument": "{}"}}"#,
            "needs exactly one of PolicyName",
        ),
        (
            r#", "u": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyDocument": "x"}}"#,
            "PolicyDocument: must be a policy document, and is not JSON",
        ),
        (
            r#", "u": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyDocument": "{}"}}"#,
            "a JSON object with a Statement",
        ),
        (
            r#", "u": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyDocument": {"a": 1}}}"#,
            "a JSON object with a Statement",
        ),
        (
            r#", "u": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyDocument": 1}}"#,
            "PolicyDocument: must be a string",
        ),
        (
            r#", "u": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "p"}, "OverrideSettings": {}}"#,
            "a policy has no settings to override",
        ),
        (
            r#", "u": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "p"}}"#,
            "policies are attached to the certificate",
        ),
        (
            r#", "c": {"Type": "AWS::IoT::Certificate", "Properties": {"CertificateId": "x"}}, "d": {"Type": "AWS::IoT::Certificate", "Properties": {"CertificateId": "x"}}"#,
            "Resources.d: is a second certificate",
        ),
    ];
    for (resources, text) in rows {
        refused(&document("", r#""ThingName": "x""#, resources, ""), text);
    }
}

#[test]
fn things() {
    let rows = [
        ("", "Resources.t.Properties.ThingName: is missing"),
        (
            r#""ThingName": 5"#,
            "Properties.ThingName: must be a string, {\"Ref\"",
        ),
        (
            r#""ThingName": null"#,
            "Properties.ThingName: must be a string",
        ),
        (
            r#""ThingName": {"Ref": "Q"}"#,
            "ThingName.Ref: parameter \"Q\" is not declared",
        ),
        (r#""ThingName": "x", "Name": 1"#, "\"Name\" has no meaning"),
        (
            r#""ThingName": "x", "ThingTypeName": []"#,
            "Properties.ThingTypeName: must be a string",
        ),
        (
            r#""ThingName": "x", "ThingGroups": "g""#,
            "Properties.ThingGroups: must be a list",
        ),
        (
            r#""ThingName": "x", "ThingGroups": [1]"#,
            "Properties.ThingGroups[0]: must be a string",
        ),
        (
            r#""ThingName": "x", "BillingGroup": 1"#,
            "Properties.BillingGroup: must be a string",
        ),
        (
            r#""ThingName": "x", "AttributePayload": "a""#,
            "AttributePayload: must be an object",
        ),
        (
            r#""ThingName": "x", "AttributePayload": {"a": 1}"#,
            "AttributePayload.a: must be a string",
        ),
        (
            r#""ThingName": "x", "AttributePayload": {"a b": "1"}"#,
            "an attribute's name must be",
        ),
        (
            r#""ThingName": "x", "AttributePayload": {"": "1"}"#,
            "an attribute's name must be",
        ),
    ];
    for (properties, text) in rows {
        refused(&thing(r#""P": {"Type": "String"}"#, properties), text);
    }
    let many: Vec<String> = (0..51)
        .map(|number| format!(r#""a{number}": "1""#))
        .collect();
    refused(
        &thing(
            "",
            &format!(
                r#""ThingName": "x", "AttributePayload": {{{}}}"#,
                many.join(",")
            ),
        ),
        "more than 50 attributes",
    );
}

#[test]
fn functions() {
    let rows = [
        (r#"{"Ref": 1}"#, "Ref: must be the name of a parameter"),
        (r#"{"Ref": "P", "x": 1}"#, "must be a string, {\"Ref\""),
        (
            r#"{"Fn::GetAtt": "P"}"#,
            "Fn::GetAtt: is no function of templates",
        ),
        (r#"{"Fn::Join": ["x"]}"#, "Fn::Join: must be a list of two"),
        (r#"{"Fn::Join": [1, []]}"#, "Fn::Join[0]: must be a string"),
        (r#"{"Fn::Join": ["", "x"]}"#, "Fn::Join[1]: must be a list"),
        (
            r#"{"Fn::Join": ["", [{"Ref": "Q"}]]}"#,
            "Fn::Join[1][0].Ref: parameter \"Q\" is not declared",
        ),
        (r#"{"Fn::Split": [",", "x"]}"#, "Fn::Split: gives a list"),
        (
            r#"{"Fn::Select": ["0", {"Fn::Split": ["", "x"]}]}"#,
            "Fn::Split[0]: must not be empty",
        ),
        (
            r#"{"Fn::Select": [2, ["x", "y"]]}"#,
            "Fn::Select[0]: must be a number from 0",
        ),
        (
            r#"{"Fn::Select": [-1, ["x"]]}"#,
            "Fn::Select[0]: must be a string",
        ),
        (
            r#"{"Fn::Select": ["one", ["x"]]}"#,
            "Fn::Select[0]: must be a number from 0",
        ),
        (
            r#"{"Fn::FindInMap": ["m", "a"]}"#,
            "Fn::FindInMap: must be a list of three",
        ),
        (
            r#"{"Fn::FindInMap": ["m", "a", "z"]}"#,
            "Mappings has no entry \"m\", \"a\", \"z\"",
        ),
        (r#"{"Fn::Sub": 1}"#, "Fn::Sub: must be a string, or a list"),
        (
            r#"{"Fn::Sub": "${P"}"#,
            "Fn::Sub: a \"${\" has no closing brace",
        ),
        (
            r#"{"Fn::Sub": "${iot:ClientId}"}"#,
            "write ${!iot:ClientId} to keep it",
        ),
    ];
    for (expression, text) in rows {
        refused(
            &document(
                r#""P": {"Type": "String"}"#,
                &format!(r#""ThingName": {expression}"#),
                "",
                r#", "Mappings": {"m": {"a": {"k": "v"}}}"#,
            ),
            text,
        );
    }
    let rows = [
        ("1", "Mappings: must be an object"),
        (r#"{"m": 1}"#, "Mappings.m: must be an object"),
        (r#"{"m": {"a": 1}}"#, "Mappings.m.a: must be an object"),
        (
            r#"{"m": {"a": {"k": {"Ref": "P"}}}}"#,
            "Mappings.m.a.k: must be a string or a list of strings",
        ),
        (
            r#"{"m": {"a": {"k": [1]}}}"#,
            "Mappings.m.a.k: must be a string or a list of strings",
        ),
    ];
    for (mappings, text) in rows {
        refused(
            &document(
                "",
                r#""ThingName": "x""#,
                "",
                &format!(r#", "Mappings": {mappings}"#),
            ),
            text,
        );
    }
    refused(
        &document(
            "",
            r#""ThingName": "x""#,
            "",
            r#", "DeviceConfiguration": {"a": {"b": 1}}"#,
        ),
        "DeviceConfiguration.a: must be a string",
    );
}

#[test]
fn override_settings() {
    let rows = [
        (
            "AttributePayload",
            r#""merge""#,
            "OverrideSettings.AttributePayload: must be DO_NOTHING",
        ),
        (
            "ThingGroups",
            "1",
            "OverrideSettings.ThingGroups: must be DO_NOTHING",
        ),
        (
            "ThingTypeName",
            r#""MERGE""#,
            "MERGE is for AttributePayload and ThingGroups",
        ),
        ("ThingName", r#""REPLACE""#, "\"ThingName\" has no meaning"),
    ];
    for (property, value, text) in rows {
        let body = format!(
            r#"{{"Resources": {{"t": {{"Type": "AWS::IoT::Thing", "Properties": {{"ThingName": "x"}},
                "OverrideSettings": {{"{property}": {value}}}}}}}}}"#
        );
        refused(&body, text);
    }
    let body = r#"{"Resources": {"t": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": "x"}},
        "c": {"Type": "AWS::IoT::Certificate", "Properties": {"CertificateId": "x"}, "OverrideSettings": {"Status": "MERGE"}}}}"#;
    refused(body, "Resources.c.OverrideSettings.Status: MERGE is for");
}

#[test]
fn certificates() {
    let rows = [
        ("", "", "needs one of CertificateSigningRequest"),
        (
            r#""CACertificatePem": "x""#,
            "",
            "CACertificatePem: goes with CertificatePem",
        ),
        (
            r#""CertificateId": "x", "CertificatePem": "y""#,
            "",
            "needs exactly one of",
        ),
        (
            r#""CertificateSigningRequest": "x", "CertificateId": "y""#,
            "",
            "needs exactly one of",
        ),
        (
            r#""CertificateSigningRequest": "x", "CACertificatePem": "y""#,
            "",
            "needs exactly one of",
        ),
        (
            r#""CertificateId": "x", "Status": "REVOKED""#,
            "",
            "Properties.Status: must be ACTIVE, INACTIVE",
        ),
        (
            r#""CertificateId": {"Ref": "Q"}"#,
            "",
            "parameter \"Q\" is not declared",
        ),
        (
            r#""CertificateId": "x", "Arn": "y""#,
            "",
            "\"Arn\" has no meaning",
        ),
    ];
    for (properties, cdf, text) in rows {
        refused(&certificate(properties, cdf), text);
    }
}

#[test]
fn the_section_cdf() {
    let rows = [
        (
            r#""CertificateSigningRequest": "x""#,
            r#""createDeviceCertificate": true"#,
            "CDF.createDeviceCertificate makes the certificate",
        ),
        (
            r#""CertificateId": "x""#,
            r#""createDeviceCertificate": "true""#,
            "CDF.createDeviceCertificate: must be true or false",
        ),
        (
            r#""CertificateId": "x""#,
            r#""acmpca": {"mode": "REGISTER_WITH_CA"}"#,
            "CDF.acmpca: no private CA is configured here; use createDeviceCertificate",
        ),
        (
            r#""CertificateId": "x""#,
            r#""attachAdditionalPolicies": {"policies": []}"#,
            "CDF.attachAdditionalPolicies: must be a list",
        ),
        (
            r#""CertificateId": "x""#,
            r#""attachAdditionalPolicies": ["p"]"#,
            "CDF.attachAdditionalPolicies[0]: must be an object",
        ),
        (
            r#""CertificateId": "x""#,
            r#""attachAdditionalPolicies": [{"name": "p"}, {"document": "{}"}]"#,
            "CDF.attachAdditionalPolicies[1].name: must be the name",
        ),
        (
            r#""CertificateId": "x""#,
            r#""attachAdditionalPolicies": [{"name": "a b"}]"#,
            "CDF.attachAdditionalPolicies[0].name: \"a b\" must be",
        ),
        (
            r#""CertificateId": "x""#,
            r#""attachAdditionalPolicies": [{"name": "p", "document": "{}"}]"#,
            "CDF.attachAdditionalPolicies[0].document: must be a policy document",
        ),
        (
            r#""CertificateId": "x""#,
            r#""attachAdditionalPolicies": [{"name": "p", "document": 1}]"#,
            "document: must be a policy document as escaped JSON",
        ),
        (
            r#""CertificateId": "x""#,
            r#""clientIdMustMatchThingName": 1"#,
            "CDF.clientIdMustMatchThingName: must be true or false",
        ),
    ];
    for (properties, cdf, text) in rows {
        refused(&certificate(properties, cdf), text);
    }
    refused(
        &certificate(
            r#""CertificateId": "x""#,
            &format!(
                r#""attachAdditionalPolicies": [{{"name": "{}", "document": {{"Statement": []}}}}]"#,
                "p".repeat(112)
            ),
        ),
        "must be at most 111 characters beside a document",
    );
    refused(
        &document(
            "",
            r#""ThingName": "x""#,
            "",
            r#", "CDF": {"clientIdMustMatchThingName": true}"#,
        ),
        "policies are attached to the certificate",
    );
    refused(
        &document("", r#""ThingName": "x""#, "", r#", "CDF": 1"#),
        "CDF: must be an object",
    );
    refused(
        &document(
            r#""CertificateId": {"Type": "String"}"#,
            r#""ThingName": {"Ref": "CertificateId"}"#,
            "",
            r#", "CDF": {"createDeviceAWSCertificate": true}"#,
        ),
        "CertificateId comes into being with the certificate",
    );
}
