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
        (Some(Service::Other), "/", Surface::Aws(Service::Other)),
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
    assert_eq!(chosen, Surface::Aws(Service::Other));
}
