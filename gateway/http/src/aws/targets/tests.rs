use axum::body::Body;
use axum::extract::Request;

use super::{HEADER, is_read, service, set_path};
use crate::aws::scope::Service;

fn path(of: Service, method: &str, path: &str, target: &str) -> String {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(HEADER, target)
        .body(Body::empty())
        .unwrap();
    set_path(of, request).uri().path().to_owned()
}

#[test]
fn a_target_becomes_the_path_of_its_operation() {
    let rows = [
        ("POST", "/", "OpsWorks_20130218.CreateStack", "/CreateStack"),
        ("POST", "/", "OpsWorks_20130218.", "/"),
        ("POST", "/", "OpsWorks_20130218.a/b", "/"),
        ("POST", "/", "OpsWorks_20130218.?a", "/"),
        // Of another service than the signature's.
        ("POST", "/", "Lightsail_20161128.GetContainerServices", "/"),
        ("POST", "/", "CreateStack", "/"),
        ("GET", "/", "OpsWorks_20130218.CreateStack", "/"),
        ("POST", "/x", "OpsWorks_20130218.CreateStack", "/x"),
    ];
    for (method, sent, target, expected) in rows {
        let found = path(Service::OpsWorks, method, sent, target);
        assert_eq!(found, expected, "{method} {sent} {target}");
    }
}

#[test]
fn without_a_signature_the_target_names_the_service() {
    let rows = [
        ("OpsWorks_20130218.X", Service::OpsWorks),
        ("Lightsail_20161128.X", Service::Lightsail),
        ("AWSInsightsIndexService.X", Service::Json),
    ];
    for (target, expected) in rows {
        let request = Request::builder().header(HEADER, target).body(()).unwrap();
        assert_eq!(service(request.headers()), expected, "{target}");
    }
}

#[test]
fn what_describes_gets_or_lists_is_a_question() {
    for path in ["/DescribeStacks", "/GetContainerLog", "/ListTags"] {
        assert!(is_read(path), "{path}");
    }
    for path in ["/CreateStack", "/", "/RegisterInstance"] {
        assert!(!is_read(path), "{path}");
    }
}
