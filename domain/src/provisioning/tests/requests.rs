use super::*;

/// `ThingName`, parameters, refused field, text in the message.
type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str, &'a str);

/// The request is refused, with this field and text in the message.
fn unplanned(
    body: &str,
    parameters: &[(&str, &str)],
    cdf: Option<&CdfParameters>,
    field: &str,
    text: &str,
) {
    let template = Template::parse(body).expect("the template is accepted");
    let rejection = template.plan(&attributes(parameters), cdf).expect_err(text);
    assert_eq!(rejection.kind, RejectionKind::Malformed);
    assert_eq!(rejection.field, field, "{}", rejection.message);
    assert!(
        rejection.message.contains(text),
        "{:?} has no {text:?}",
        rejection.message
    );
}

fn thing_names(rows: &[Row<'_>]) {
    let parameters = r#""P": {"Type": "String"}, "Q": {"Type": "String", "Default": "q"}"#;
    for (name, given, field, text) in rows {
        let body = document(
            parameters,
            &format!(r#""ThingName": {name}"#),
            "",
            r#", "Mappings": {"m": {"a": {"k": "v", "l": []}}}"#,
        );
        unplanned(&body, given, None, field, text);
    }
}

#[test]
fn names() {
    let field = "provisioningParameters";
    thing_names(&[
        (
            r#"{"Ref": "P"}"#,
            &[("Q", "x")],
            field,
            "Parameters: P missing and without a default",
        ),
        (
            r#"{"Ref": "P"}"#,
            &[("P", "")],
            "thingName",
            "Resources.t.Properties.ThingName: \"\" must be 1 to 128",
        ),
        (
            r#"{"Ref": "P"}"#,
            &[("P", "a b")],
            "thingName",
            "ThingName: \"a b\" must be",
        ),
    ]);
}

#[test]
fn functions() {
    let long = "x".repeat(9_000);
    let field = "provisioningParameters";
    thing_names(&[
        (
            r#"{"Fn::Select": [{"Ref": "P"}, ["a"]]}"#,
            &[("P", "1")],
            field,
            "Fn::Select finds no item \"1\" in a list of 1",
        ),
        (
            r#"{"Fn::Select": [1, {"Fn::Split": [",", {"Ref": "P"}]}]}"#,
            &[("P", "a")],
            field,
            "finds no item \"1\"",
        ),
        (
            r#"{"Fn::FindInMap": ["m", {"Ref": "P"}, "k"]}"#,
            &[("P", "z")],
            field,
            "Mappings has no entry",
        ),
        (
            r#"{"Fn::FindInMap": ["m", {"Ref": "P"}, "l"]}"#,
            &[("P", "a")],
            field,
            "finds a list where one string",
        ),
        (
            r#"{"Fn::Join": ["", {"Fn::FindInMap": ["m", {"Ref": "P"}, "k"]}]}"#,
            &[("P", "a")],
            field,
            "finds one string where a list",
        ),
        (
            r#"{"Fn::Join": ["", [{"Ref": "P"}, {"Ref": "P"}]]}"#,
            &[("P", &long)],
            field,
            "longer than 16384 bytes",
        ),
        (
            r#"{"Fn::Sub": "${P}${P}"}"#,
            &[("P", &long)],
            field,
            "longer than 16384 bytes",
        ),
        (
            r#"{"Ref": "AWS::IoT::Certificate::Id"}"#,
            &[("P", "")],
            field,
            "known only when a device provisions itself",
        ),
    ]);
}

#[test]
fn properties() {
    let parameters = r#""P": {"Type": "String"}"#;
    let long = "x".repeat(801);
    let field = "provisioningParameters";
    let rows = [
        (
            r#""ThingTypeName": {"Ref": "P"}"#,
            "a b",
            "thingTypeName",
            "Properties.ThingTypeName: \"a b\"",
        ),
        (
            r#""ThingGroups": [{"Ref": "P"}]"#,
            "a b",
            "thingGroupName",
            "Properties.ThingGroups: \"a b\"",
        ),
        (
            r#""AttributePayload": {"a": {"Ref": "P"}}"#,
            "a\nb",
            field,
            "AttributePayload.a: must be at most 800 bytes",
        ),
        (
            r#""AttributePayload": {"a": {"Ref": "P"}}"#,
            &long,
            field,
            "AttributePayload.a: must be at most 800 bytes",
        ),
    ];
    for (property, value, field, text) in rows {
        let body = thing(parameters, &format!(r#""ThingName": "x", {property}"#));
        unplanned(&body, &[("P", value)], None, field, text);
    }
    let groups: Vec<String> = (0..101).map(|number| format!("g{number}")).collect();
    unplanned(
        &thing(
            parameters,
            r#""ThingName": "x", "ThingGroups": {"Fn::Split": [",", {"Ref": "P"}]}"#,
        ),
        &[("P", &groups.join(","))],
        None,
        field,
        "at most 10 groups",
    );
}

#[test]
fn requests_for_certificates() {
    let field = "provisioningParameters";
    let long = "x".repeat(16_385);
    let rows = [
        (
            r#""CertificateSigningRequest": {"Ref": "P"}"#,
            &long[..4_097],
            field,
            "CertificateSigningRequest: must be at most 4096 bytes",
        ),
        (
            r#""CertificatePem": {"Ref": "P"}"#,
            &long,
            field,
            "CertificatePem: must be at most 16384 bytes",
        ),
        (
            r#""CertificatePem": "x", "CACertificatePem": {"Ref": "P"}"#,
            &long,
            field,
            "CACertificatePem: must be at most 16384 bytes",
        ),
        (
            r#""CertificateId": {"Ref": "P"}"#,
            "abc",
            "certificateId",
            "CertificateId: must be 64 hexadecimal digits",
        ),
        (
            r#""CertificateId": "x", "Status": {"Ref": "P"}"#,
            "GONE",
            field,
            "Status: must be ACTIVE, INACTIVE",
        ),
    ];
    for (properties, value, field, text) in rows {
        unplanned(
            &certificate(properties, ""),
            &[("P", value)],
            None,
            field,
            text,
        );
    }
    let policy = document(
        r#""P": {"Type": "String"}"#,
        r#""ThingName": "x""#,
        r#", "p": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyDocument": {"Ref": "P"}}}"#,
        r#", "CDF": {"createDeviceAWSCertificate": true}"#,
    );
    unplanned(
        &policy,
        &[("P", "x")],
        None,
        field,
        "PolicyDocument: must be a policy document",
    );
    let policy = policy.replace("PolicyDocument", "PolicyName");
    unplanned(
        &policy,
        &[("P", "a b")],
        None,
        "policyName",
        "PolicyName: \"a b\" must be",
    );
}

#[test]
fn cdf_parameters() {
    let field = "cdfProvisioningParameters";
    let given = [("ThingName", "x")];
    let with = |fields: &[(&str, &str)]| CdfParameters {
        ca_id: Some("default".into()),
        cert_info: Some(attributes(fields)),
        ..CdfParameters::default()
    };
    unplanned(CORE, &given, None, field, "caId: is missing");
    unplanned(
        CORE,
        &given,
        Some(&CdfParameters::default()),
        field,
        "caId: is missing",
    );
    unplanned(
        CORE,
        &given,
        Some(&with(&[])),
        field,
        "certInfo: is missing",
    );
    let long = "x".repeat(65);
    let rows = [
        (
            "country",
            "USA",
            "certInfo.country: must be 1 to 2 characters",
        ),
        ("country", "1x", "certInfo.country: must be two letters"),
        (
            "commonName",
            &long,
            "certInfo.commonName: must be 1 to 64 characters",
        ),
        (
            "locality",
            "",
            "certInfo.locality: must be 1 to 128 characters",
        ),
        (
            "organization",
            "a\nb",
            "certInfo.organization: must have no control characters",
        ),
        (
            "emailAddress",
            "ä@b",
            "certInfo.emailAddress: must be ASCII",
        ),
        (
            "daysExpiry",
            "0",
            "certInfo.daysExpiry: must be a number of days",
        ),
        (
            "daysExpiry",
            "36501",
            "certInfo.daysExpiry: must be a number of days",
        ),
        (
            "daysExpiry",
            "soon",
            "certInfo.daysExpiry: must be a number of days",
        ),
    ];
    for (name, value, text) in rows {
        unplanned(CORE, &given, Some(&with(&[(name, value)])), field, text);
    }
    let both = [("ThingName", "x"), ("CertificatePem", "mine")];
    unplanned(
        CORE,
        &both,
        Some(&with(&[("country", "US")])),
        "provisioningParameters",
        "Parameters.CertificatePem: CDF.createDeviceCertificate supplies it",
    );
    let register = certificate(
        r#""CertificateId": {"Ref": "P"}"#,
        r#""registerDeviceCertificateWithoutCA": true"#,
    );
    let mut cdf = CdfParameters::default();
    let given = [("P", "x")];
    unplanned(
        &register,
        &given,
        Some(&cdf),
        field,
        "certificatePem: is missing",
    );
    cdf.certificate_pem = Some("x".repeat(16_385).into());
    unplanned(
        &register,
        &given,
        Some(&cdf),
        field,
        "certificatePem: must be at most 16384",
    );
    cdf.certificate_pem = Some("pem".into());
    unplanned(
        &register,
        &given,
        Some(&cdf),
        field,
        "certificateStatus: is missing",
    );
    cdf.certificate_status = Some("REVOKED".into());
    unplanned(
        &register,
        &given,
        Some(&cdf),
        field,
        "certificateStatus: must be ACTIVE or INACTIVE",
    );
}
