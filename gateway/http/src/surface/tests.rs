use axum::http::{HeaderMap, HeaderValue};

use super::Surface;
use crate::aws::scope::Service;

#[test]
fn the_signature_decides_and_then_the_path() {
    let cases = [
        (None, "/templates", Surface::Cdf),
        (None, "/cores/a/deployments", Surface::Cdf),
        (None, "/fleet/summary", Surface::Cdf),
        (None, "/templatesX", Surface::Own),
        (None, "/things/a", Surface::Aws(Service::Iot)),
        (None, "/jobs", Surface::Aws(Service::Iot)),
        (None, "/graphql/ws", Surface::GraphQl),
        (None, "/artifacts/b/k", Surface::Artifacts),
        (None, "/metrics", Surface::Probe),
        (None, "/provisioningTemplates", Surface::Own),
        (None, "/", Surface::Own),
        (None, "*", Surface::Own),
        (Some(Service::Iot), "/templates", Surface::Aws(Service::Iot)),
        (
            Some(Service::JobsData),
            "/things/a/jobs/b",
            Surface::Aws(Service::JobsData),
        ),
        (
            Some(Service::Greengrass),
            "/",
            Surface::Aws(Service::Greengrass),
        ),
    ];
    for (scope, path, expected) in cases {
        let chosen = Surface::choose(scope, &HeaderMap::new(), path);
        assert_eq!(chosen, expected, "{scope:?} {path}");
    }
    let mut headers = HeaderMap::new();
    headers.insert(
        "x-amz-target",
        HeaderValue::from_static("OpsWorks_20130218.X"),
    );
    let chosen = Surface::choose(None, &headers, "/");
    assert_eq!(chosen, Surface::Aws(Service::OpsWorks));
}

#[test]
fn without_a_signature_the_host_may_name_the_service() {
    let rows = [
        ("iot.us-east-1.amazonaws.com", Service::Iot),
        ("iot.us-east-1.amazonaws.com:8080", Service::Iot),
        ("abc.jobs.iot.us-east-1.amazonaws.com", Service::JobsData),
        ("abc-ats.iot.us-east-1.amazonaws.com", Service::IotData),
        ("jobs.example.com", Service::Iot),
        ("127.0.0.1:8080", Service::Iot),
    ];
    for (host, service) in rows {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static(host));
        let chosen = Surface::choose(None, &headers, "/things/a/jobs/b");
        assert_eq!(chosen, Surface::Aws(service), "{host}");
    }
}
