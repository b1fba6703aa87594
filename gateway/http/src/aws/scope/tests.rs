use axum::http::{HeaderMap, HeaderValue, header};

use super::Service;

fn signed(value: &'static str) -> Option<Service> {
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, HeaderValue::from_static(value));
    Service::of(&headers, "")
}

#[test]
fn the_scope_names_the_service() {
    let cases = [
        (
            "AWS4-HMAC-SHA256 Credential=AK/20260131/us-east-1/iot/aws4_request, SignedHeaders=host, Signature=0",
            Some(Service::Iot),
        ),
        (
            "AWS4-HMAC-SHA256 SignedHeaders=host,Credential=A/K/20260131/eu-west-1/iot-jobs-data/aws4_request,Signature=0",
            Some(Service::JobsData),
        ),
        (
            "AWS4-HMAC-SHA256 Credential=AK/20260131/us-east-1/iotdata/aws4_request",
            Some(Service::IotData),
        ),
        (
            "AWS4-HMAC-SHA256 Credential=AK/20260131/us-east-1/greengrass/aws4_request",
            Some(Service::Greengrass),
        ),
        (
            "AWS4-HMAC-SHA256 Credential=AK/20260131/us-east-1/opsworks/aws4_request",
            Some(Service::OpsWorks),
        ),
        (
            "AWS4-HMAC-SHA256 Credential=AK/20260131/us-east-1/lightsail/aws4_request",
            Some(Service::Lightsail),
        ),
        (
            "AWS4-HMAC-SHA256 Credential=AK/20260131/us-east-1/execute-api/aws4_request",
            None,
        ),
        ("AWS4-HMAC-SHA256 Credential=AK", None),
        ("AWS4-HMAC-SHA256", None),
        ("Bearer AK/20260131/us-east-1/iot/aws4_request", None),
        ("", None),
    ];
    for (value, expected) in cases {
        assert_eq!(signed(value), expected, "{value}");
    }
}

#[test]
fn a_presigned_url_names_the_service_in_its_query() {
    let query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AK%2F20260131%2Fus-east-1%2Fiot%2Faws4_request";
    assert_eq!(Service::of(&HeaderMap::new(), query), Some(Service::Iot));
    assert_eq!(Service::of(&HeaderMap::new(), "X-Amz-Credential="), None);
}
