use std::collections::HashSet;

use axum::http::Method;
use shipslog_gateway_core::access::Role;

use super::{MODEL, Model, Operation, Place, Type, find, is_root, named, read};
use crate::aws::scope::Service;

fn operation(service: Service, method: &Method, route: &str) -> &'static Operation {
    find(service, method, route).unwrap_or_else(|| panic!("{method} {route}"))
}

fn named_types<'a>(kind: &'a Type, names: &mut Vec<&'a str>) {
    match kind {
        Type::Named(name) => names.push(name),
        Type::List(item, _) => named_types(item, names),
        Type::Map(key, value, _) => {
            named_types(key, names);
            named_types(value, names);
        }
        Type::Structure(members) => {
            for member in members {
                named_types(&member.kind, names);
            }
        }
        Type::Text { pattern, .. } => {
            // Compiles it.
            let _is_match = pattern.as_ref().map(|pattern| pattern.matches(""));
        }
        Type::Whole(_) | Type::Decimal(_) | Type::Word(_) | Type::Any => {}
    }
}

#[test]
fn the_table_is_whole() {
    let model = &*MODEL;
    assert!(model.operations.len() > 130, "{}", model.operations.len());
    let mut names = Vec::new();
    for kind in model.types.values() {
        named_types(kind, &mut names);
    }
    for operation in model.operations.values() {
        for member in &operation.members {
            named_types(&member.kind, &mut names);
            let in_braces = format!("{{{}}}", member.name);
            let is_in_path = operation.path.contains(&in_braces);
            assert_eq!(
                is_in_path,
                member.place == Place::Path,
                "{}: {}",
                operation.name,
                member.name
            );
        }
        let unique: HashSet<_> = operation.errors.iter().collect();
        assert_eq!(unique.len(), operation.errors.len(), "{}", operation.name);
    }
    for name in names {
        assert!(named(name).is_some(), "{name}");
    }
}

#[test]
fn a_line_that_cannot_be_read_is_named() {
    let lines = [
        "type Name str",
        "type Name = number",
        "type Name = str[1-2]",
        "iot Op GET /x",
        "iot Op GET /x viewer XX",
        "iot Op GET /x root IR",
        "s3 Op GET /x viewer IR",
        "iot Op LIST /x viewer IR",
        "iot Op GET /x viewer IR | name@cookie: str",
        "iot Op GET /x viewer IR | name str",
        "opsworks Op POST / viewer Val",
        "lightsail Op viewer",
    ];
    for line in lines {
        let refused = read(&mut Model::default(), line);
        assert_eq!(refused.err().as_deref(), Some(line));
    }
}

#[test]
fn operations_are_found_by_their_route() {
    let get = operation(Service::Iot, &Method::GET, "/things/{thing}/jobs/{job}");
    assert_eq!((get.name, get.role), ("DescribeJobExecution", Role::Viewer));
    let device = operation(Service::JobsData, &Method::GET, "/things/{a}/jobs/{b}");
    assert_eq!(
        (device.name, device.service),
        ("DescribeJobExecution", Service::JobsData)
    );
    let search = operation(Service::Iot, &Method::POST, "/indices/search");
    assert_eq!(search.role, Role::Viewer);
    let policy = operation(Service::Iot, &Method::POST, "/policies/{policy}");
    assert_eq!(policy.role, Role::Admin);
    let thing = operation(Service::Iot, &Method::POST, "/things/{thing}");
    assert_eq!(thing.role, Role::Operator);
    assert!(find(Service::Iot, &Method::GET, "/nothing").is_none());
    assert!(is_root("things") && is_root("jobs") && !is_root("cores") && !is_root(""));
}

#[test]
fn only_listed_errors_leave_an_operation() {
    let rows = [
        (
            Service::Iot,
            Method::DELETE,
            "/thing-groups/{g}",
            (409, "ConflictException"),
            (400, "InvalidRequestException"),
        ),
        (
            Service::Iot,
            Method::DELETE,
            "/thing-groups/{g}",
            (409, "VersionConflictException"),
            (409, "VersionConflictException"),
        ),
        (
            Service::Iot,
            Method::PUT,
            "/thing-groups/addThingToThingGroup",
            (409, "InvalidStateTransitionException"),
            (400, "InvalidRequestException"),
        ),
        (
            Service::Iot,
            Method::POST,
            "/thing-groups/{g}",
            (503, "ServiceUnavailableException"),
            (400, "ThrottlingException"),
        ),
        (
            Service::Iot,
            Method::GET,
            "/things/{t}",
            (503, "ServiceUnavailableException"),
            (503, "ServiceUnavailableException"),
        ),
        (
            Service::Iot,
            Method::GET,
            "/things/{t}",
            (403, "AccessDeniedException"),
            (403, "AccessDeniedException"),
        ),
        (
            Service::Iot,
            Method::POST,
            "/things/{t}",
            (413, "RequestEntityTooLargeException"),
            (400, "InvalidRequestException"),
        ),
        (
            Service::JobsData,
            Method::POST,
            "/things/{t}/jobs/{j}",
            (409, "ConflictException"),
            (400, "InvalidRequestException"),
        ),
        (
            Service::JobsData,
            Method::GET,
            "/things/{t}/jobs/{j}",
            (410, "TerminalStateException"),
            (410, "TerminalStateException"),
        ),
    ];
    for (service, method, route, (status, code), expected) in rows {
        let operation = operation(service, &method, route);
        assert_eq!(
            operation.modelled(status, code),
            expected,
            "{}",
            operation.name
        );
    }
}
