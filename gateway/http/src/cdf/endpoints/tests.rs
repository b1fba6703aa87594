use std::collections::BTreeSet;

use super::{ENDPOINTS, Endpoint};

/// The page that lists the endpoints for users.
const PAGE: &str = include_str!("../../../../../docs/cdf.md");

fn row(endpoint: &Endpoint) -> String {
    let Endpoint {
        number,
        method,
        path,
        success,
        note,
    } = endpoint;
    let method = method.to_uppercase();
    format!("| {number} | `{method} {path}` | {success} | works | {note} |")
}

#[test]
fn the_page_lists_exactly_the_endpoints_that_are_served() {
    let expected: Vec<String> = ENDPOINTS.iter().map(row).collect();
    let is_row = |line: &&str| line.starts_with("| ") && line.contains("| works |");
    let listed: Vec<&str> = PAGE.lines().filter(is_row).collect();
    assert_eq!(listed, expected, "docs/cdf.md says otherwise");
}

#[test]
fn no_endpoint_is_listed_twice() {
    let places = ENDPOINTS.iter().map(|one| (one.method, one.path));
    assert_eq!(places.collect::<BTreeSet<_>>().len(), ENDPOINTS.len());
    let numbers = ENDPOINTS.iter().map(|one| one.number);
    let numbers: Vec<&str> = numbers.filter(|number| *number != "+").collect();
    assert_eq!(numbers.len(), 23, "every endpoint of the contract");
}
