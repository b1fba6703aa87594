use axum::http::Method;
use shipslog_gateway_core::access::Role;

use super::least_role;
use crate::aws::scope::Service;
use crate::surface::Surface;

#[test]
fn reading_takes_a_viewer_and_changing_takes_more() {
    let rows = [
        (Surface::Cdf, Method::GET, "/cores", Role::Viewer),
        (Surface::Cdf, Method::HEAD, "/cores", Role::Viewer),
        (Surface::Cdf, Method::POST, "/coreTasks", Role::Operator),
        (Surface::Cdf, Method::PUT, "/templates/t", Role::Operator),
        (Surface::Cdf, Method::DELETE, "/templates/t", Role::Operator),
        (
            Surface::Artifacts,
            Method::GET,
            "/artifacts/b/k",
            Role::Viewer,
        ),
        (
            Surface::Artifacts,
            Method::PUT,
            "/artifacts/b/k",
            Role::Operator,
        ),
        (
            Surface::Artifacts,
            Method::DELETE,
            "/artifacts/b/k",
            Role::Operator,
        ),
        (
            Surface::Own,
            Method::GET,
            "/provisioningTemplates",
            Role::Viewer,
        ),
        (
            Surface::Own,
            Method::PUT,
            "/provisioningTemplates/p",
            Role::Operator,
        ),
        (
            Surface::Aws(Service::Iot),
            Method::POST,
            "/indices/search",
            Role::Viewer,
        ),
        (Surface::Own, Method::POST, "/admin/clock", Role::Admin),
        (Surface::Own, Method::GET, "/admin/clock", Role::Admin),
        (Surface::Probe, Method::GET, "/metrics", Role::Viewer),
        (Surface::GraphQl, Method::POST, "/graphql", Role::Viewer),
        (
            Surface::Aws(Service::Iot),
            Method::POST,
            "/things/t",
            Role::Viewer,
        ),
    ];
    for (surface, method, path, role) in rows {
        assert_eq!(least_role(surface, &method, path), role, "{method} {path}");
    }
}
