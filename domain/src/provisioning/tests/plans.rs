use super::*;

#[test]
fn the_walkthrough_template_issues_a_certificate() {
    let template = Template::parse(CORE).expect("accepted");
    let cdf = CdfParameters {
        ca_id: Some("default".into()),
        cert_info: Some(attributes(&[("country", "US"), ("daysExpiry", "30")])),
        ..CdfParameters::default()
    };
    let plan = template
        .plan(
            &attributes(&[("ThingName", "core-a"), ("Unknown", "ignored")]),
            Some(&cdf),
        )
        .expect("planned");
    assert_eq!(plan.thing_name.as_str(), "core-a");
    assert_eq!(
        plan.certificate,
        CertificateSource::IssueWithCa {
            ca_id: "default".into(),
            info: Box::new(CertificateInfo {
                country: Some("US".into()),
                days_expiry: Some(30),
                ..CertificateInfo::default()
            }),
        }
    );
    assert_eq!(plan.certificate_status, Status::Active);
    assert_eq!(
        plan.overrides,
        Overrides {
            thing_type: Override::Replace,
            certificate_status: Override::Replace,
            ..Overrides::default()
        }
    );
    let names: Vec<&str> = plan
        .policies
        .iter()
        .map(|use_| use_.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["CDFGreengrass2CorePolicy", "myTokenExchangeRoleAliasPolicy"]
    );
    assert_eq!(template.body(), CORE);
    assert_eq!(
        template.parameters().collect::<Vec<_>>(),
        [
            ("CaCertificatePem", None),
            ("CertificatePem", None),
            ("ThingName", None)
        ]
    );
}

#[test]
fn aws_example_with_logical_names_defaults_and_overrides() {
    let body = r#"{
        "Parameters": {
            "SerialNumber": {"Type": "String"},
            "Location": {"Type": "String", "Default": "WA"}
        },
        "Mappings": {"Urls": {"WA": {"u": "https://wa", "groups": ["g1", "g2", "g1"]}}},
        "DeviceConfiguration": {"endpoint": {"Fn::FindInMap": ["Urls", {"Ref": "Location"}, "u"]}},
        "Resources": {
            "myDevice": {
                "Type": "AWS::IoT::Thing",
                "Properties": {
                    "ThingName": {"Fn::Join": ["-", ["dev", {"Ref": "SerialNumber"}]]},
                    "AttributePayload": {"url": {"Fn::FindInMap": ["Urls", {"Ref": "Location"}, "u"]},
                                         "sn": {"Ref": "SerialNumber"}},
                    "ThingTypeName": {"Fn::Select": ["1", {"Fn::Split": ["/", "a/light/c"]}]},
                    "ThingGroups": {"Fn::FindInMap": ["Urls", "WA", "groups"]},
                    "BillingGroup": "b"
                },
                "OverrideSettings": {"AttributePayload": "MERGE", "ThingTypeName": "FAIL", "ThingGroups": "MERGE"}
            },
            "first": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "fleet"}},
            "second": {"Type": "AWS::IoT::Policy", "Properties": {
                "PolicyDocument": "{\"Version\":\"2012-10-17\",\"Statement\":[]}"}},
            "again": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "fleet"}},
            "cert": {
                "Type": "AWS::IoT::Certificate",
                "Properties": {"CertificateSigningRequest": "csr", "Status": "pending_activation"},
                "OverrideSettings": {"Status": "DO_NOTHING"}
            }
        }
    }"#;
    let plan = plan(body, &[("SerialNumber", "7")]).expect("planned");
    assert_eq!(plan.thing_name.as_str(), "dev-7");
    assert_eq!(
        plan.attributes,
        attributes(&[("sn", "7"), ("url", "https://wa")])
    );
    assert_eq!(plan.thing_type.expect("a type").as_str(), "light");
    let groups: Vec<&str> = plan.groups.iter().map(GroupName::as_str).collect();
    assert_eq!(groups, ["g1", "g2"]);
    assert_eq!(plan.overrides.attributes, Override::Merge);
    assert_eq!(plan.overrides.thing_type, Override::Fail);
    assert_eq!(plan.overrides.groups, Override::Merge);
    assert_eq!(
        plan.certificate,
        CertificateSource::SignRequest {
            csr_pem: "csr".into()
        }
    );
    assert_eq!(plan.certificate_status, Status::PendingActivation);
    assert_eq!(plan.policies.len(), 2);
    let own = plan.policies.last().expect("the policy with a document");
    assert_eq!(own.name.as_str().len(), 32);
    assert!(
        own.name
            .as_str()
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit())
    );
    assert_eq!(
        own.document.as_deref(),
        Some(r#"{"Version":"2012-10-17","Statement":[]}"#)
    );
}

#[test]
fn functions_give_strings() {
    let rows = [
        (r#""plain""#, "plain"),
        (r#"{"Ref": "A"}"#, "a"),
        (r#"{"Ref": "D"}"#, "default"),
        (r#"{"Ref": "AWS::IoT::Certificate::Id"}"#, "id"),
        (r#"{"Fn::Join": ["", ["x", {"Ref": "A"}, "y"]]}"#, "xay"),
        (
            r#"{"Fn::Join": ["+", {"Fn::Split": [",", {"Ref": "L"}]}]}"#,
            "one+two+three",
        ),
        (
            r#"{"Fn::Select": [2, {"Fn::Split": [",", {"Ref": "L"}]}]}"#,
            "three",
        ),
        (r#"{"Fn::Select": [{"Ref": "N"}, ["x", "y"]]}"#, "y"),
        (
            r#"{"Fn::FindInMap": [{"Ref": "M"}, {"Ref": "A"}, "k"]}"#,
            "found",
        ),
        (
            r#"{"Fn::Select": [1, {"Fn::FindInMap": ["map", "a", "list"]}]}"#,
            "l1",
        ),
        (r#"{"Fn::Sub": "pre-${A}-${D}"}"#, "pre-a-default"),
        (
            r#"{"Fn::Sub": ["${V}${A}", {"V": {"Fn::Join": ["", ["v", {"Ref": "D"}]]}}]}"#,
            "vdefaulta",
        ),
        (
            r#"{"Fn::Sub": "${!iot:ClientId} $ ${AWS::IoT::Certificate::Id}"}"#,
            "${iot:ClientId} $ id",
        ),
        (r#"{"Fn::Sub": ""}"#, ""),
    ];
    for (expression, expected) in rows {
        let body = document(
            r#""A": {"Type": "String"}, "L": {"Type": "String"}, "M": {"Type": "String"},
               "N": {"Type": "String"}, "D": {"Type": "String", "Default": "default", "Description": "x"}"#,
            &format!(r#""ThingName": "x", "AttributePayload": {{"v": {expression}}}"#),
            "",
            r#", "Mappings": {"map": {"a": {"k": "found", "list": ["l0", "l1"]}}}"#,
        );
        let given = [
            ("A", "a"),
            ("L", "one,two,three"),
            ("M", "map"),
            ("N", "1"),
            ("AWS::IoT::Certificate::Id", "id"),
        ];
        let plan = plan(&body, &given).expect(expression);
        assert_eq!(
            plan.attributes,
            attributes(&[("v", expected)]),
            "{expression}"
        );
    }
}

#[test]
fn certificate_sources() {
    let id = "ab".repeat(32);
    let rows = [
        (
            r#""CertificateSigningRequest": {"Ref": "P"}"#,
            "csr",
            CertificateSource::SignRequest {
                csr_pem: "csr".into(),
            },
        ),
        (
            r#""CertificateId": {"Ref": "P"}"#,
            &id,
            CertificateSource::Existing(Fingerprint([0xab; 32])),
        ),
        (
            r#""CertificatePem": {"Ref": "P"}"#,
            "pem",
            CertificateSource::RegisterPem {
                pem: "pem".into(),
                ca_pem: None,
            },
        ),
        (
            r#""CertificatePem": {"Ref": "P"}, "CACertificatePem": "ca""#,
            "pem",
            CertificateSource::RegisterPem {
                pem: "pem".into(),
                ca_pem: Some("ca".into()),
            },
        ),
    ];
    for (properties, value, expected) in rows {
        let plan = plan(&certificate(properties, ""), &[("P", value)]).expect(properties);
        assert_eq!(plan.certificate, expected, "{properties}");
        assert_eq!(plan.certificate_status, Status::Active);
    }
    let plan = plan(&thing("", r#""ThingName": "x""#), &[]).expect("no certificate is fine");
    assert_eq!(plan.certificate, CertificateSource::NoCertificate);
}

#[test]
fn the_first_certificate_option_holds() {
    let id = r#""CertificateId": {"Ref": "CertificateId"}"#;
    let body = |cdf: &str| {
        document(
            r#""CertificateId": {"Type": "String"}, "CertificateArn": {"Type": "String"}"#,
            r#""ThingName": "x""#,
            &format!(
                r#", "c": {{"Type": "AWS::IoT::Certificate", "Properties": {{{id}, "Status": "INACTIVE"}}}}"#
            ),
            &format!(r#", "CDF": {{{cdf}}}"#),
        )
    };
    let cdf = CdfParameters {
        ca_id: Some("ca".into()),
        cert_info: Some(attributes(&[("organization", "o")])),
        certificate_pem: Some("pem".into()),
        certificate_status: Some("ACTIVE".into()),
    };
    let issue = CertificateSource::IssueWithCa {
        ca_id: "ca".into(),
        info: Box::new(CertificateInfo {
            organization: Some("o".into()),
            ..CertificateInfo::default()
        }),
    };
    let register = CertificateSource::RegisterPem {
        pem: "pem".into(),
        ca_pem: None,
    };
    let rows = [
        (
            r#""createDeviceCertificate": true"#,
            issue.clone(),
            Status::Inactive,
        ),
        (
            r#""createDeviceAWSCertificate": true"#,
            CertificateSource::IssueByService,
            Status::Inactive,
        ),
        (
            r#""registerDeviceCertificateWithoutCA": true"#,
            register.clone(),
            Status::Active,
        ),
        (
            r#""registerDeviceCertificateWithoutCA": true, "createDeviceAWSCertificate": true, "createDeviceCertificate": true"#,
            issue,
            Status::Inactive,
        ),
        (
            r#""registerDeviceCertificateWithoutCA": true, "createDeviceAWSCertificate": true, "createDeviceCertificate": false"#,
            CertificateSource::IssueByService,
            Status::Inactive,
        ),
        (
            r#""registerDeviceCertificateWithoutCA": true, "acmpca": {"mode": "REGISTER_WITH_CA"}, "other": 1"#,
            register,
            Status::Active,
        ),
    ];
    for (options, source, status) in rows {
        let template = Template::parse(&body(options)).expect(options);
        let plan = template.plan(&Vec::new(), Some(&cdf)).expect(options);
        assert_eq!(
            (plan.certificate, plan.certificate_status),
            (source, status),
            "{options}"
        );
    }
}

#[test]
fn policies_of_the_section_cdf() {
    let body = |name: &str| {
        document(
            r#""N": {"Type": "String"}"#,
            &format!(r#""ThingName": {name}"#),
            r#", "p": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyDocument": {"Statement": [{"Effect": "Allow"}]}}},
               "q": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyDocument": {"Fn::Sub": "{\"Statement\":[\"${N}\"]}"}}}"#,
            r#", "CDF": {"createDeviceAWSCertificate": true, "clientIdMustMatchThingName": true,
                "attachAdditionalPolicies": [{"name": "plain"}, {"name": "own", "document": "{\"Statement\":[]}"},
                                             {"name": "own", "document": {"Statement": [1]}}]}"#,
        )
    };
    let planned = plan(&body(r#"{"Ref": "N"}"#), &[("N", "a:b")]).expect("planned");
    let names: Vec<&str> = planned
        .policies
        .iter()
        .map(|use_| use_.name.as_str())
        .collect();
    let [first, second, enforcement, plain, own, other] = names.as_slice() else {
        panic!("six policies, not {names:?}");
    };
    assert_ne!(first, second);
    assert_eq!(*enforcement, "clientIdEnforcementPolicy_a=b");
    assert_eq!(*plain, "plain");
    assert!(own.starts_with("own_") && own.len() == 20, "{own}");
    assert!(other.starts_with("own_") && own != other, "{other}");
    let documents: Vec<&str> = planned
        .policies
        .iter()
        .filter_map(|use_| use_.document.as_deref())
        .collect();
    assert_eq!(documents.len(), 5);
    assert!(documents.contains(&r#"{"Statement":["a:b"]}"#));
    for document in documents {
        serde_json::from_str::<serde_json::Value>(document).expect("a document is JSON");
    }
    let long = "x".repeat(ThingName::LENGTH_MAX);
    let planned = plan(&body(r#"{"Ref": "N"}"#), &[("N", &long)]).expect("a long name is hashed");
    assert!(
        planned
            .policies
            .iter()
            .any(|use_| { use_.name.as_str().len() == "clientIdEnforcementPolicy_".len() + 32 })
    );
}

#[test]
fn equal_documents_have_equal_names() {
    assert_eq!(document_hash("x"), document_hash("x"));
    assert_ne!(document_hash("x"), document_hash("y"));
    // The first half is FNV-1a as published.
    assert!(document_hash("a").starts_with("af63dc4c8601ec8c"));
}
