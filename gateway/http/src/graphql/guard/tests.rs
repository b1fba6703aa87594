use async_graphql::futures_util::StreamExt;

use super::*;
use crate::graphql::builder;

fn guarded() -> Guarded {
    Guarded::new(builder().finish())
}

fn run(document: &str) -> Response {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(guarded().execute(Request::new(document)))
}

/// Code and message of the first error; all have the same code.
fn refusal(document: &str) -> (String, String) {
    let response = run(document);
    let codes: Vec<String> = response
        .errors
        .iter()
        .map(|error| {
            let extensions = error.extensions.as_ref().expect("every error has a code");
            extensions
                .get("code")
                .expect("every error has a code")
                .to_string()
        })
        .collect();
    assert!(!codes.is_empty(), "{document}");
    assert!(codes.iter().all(|code| *code == codes[0]), "{codes:?}");
    let code = codes[0].trim_matches('"').to_owned();
    (code, response.errors[0].message.clone())
}

#[test]
fn an_ordinary_operation_passes() {
    let response = run("{ __typename }");
    assert!(response.is_ok(), "{:?}", response.errors);
}

#[test]
fn refusals_say_their_code() {
    let deep = format!("{{{}", "a{".repeat(30_000));
    let deep_list = format!("{{ things(filter: {}) }}", "[".repeat(30_000));
    // The deepest that the parser gets to see.
    let nested_list = format!("{{ things(filter: {}{}) }}", "[".repeat(62), "]".repeat(62));
    let fields = format!("{{ {} }}", "__typename ".repeat(FIELDS_MAX + 1));
    let bomb: String = (0..40)
        .map(|n| format!("fragment f{n} on Query {{ ...f{} ...f{} }} ", n + 1, n + 1))
        .collect();
    let bomb = format!("{{ ...f0 }} {bomb} fragment f40 on Query {{ __typename }}");
    let unsized_lists = |depth: usize| {
        format!(
            "{{ thing(name: \"t\") {{ {} name {} }} }}",
            "jobExecutions { nodes { thing { ".repeat(depth),
            "} } }".repeat(depth)
        )
    };
    let nested = |depth: usize| {
        let inner = "jobExecutions(first: 1) { nodes { thing {".repeat(depth);
        format!(
            "{{ thing(name: \"a\") {{ {inner} name {} }} }}",
            "} } }".repeat(depth)
        )
    };
    let wide = "{ things(first: 1000) { nodes { timeline(first: 1000) { nodes { position } } } } }";
    for (document, code) in [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("mutation { x }", "GRAPHQL_VALIDATION_FAILED"),
        (
            "{ things(first: \"x\") { totalCount } }",
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            "subscription { fleetSummary { cores } }",
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            "{ ...a } fragment a on Query { ...a }",
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            "{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }",
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (&nested_list, "GRAPHQL_VALIDATION_FAILED"),
        ("{ ...unknown }", "GRAPHQL_VALIDATION_FAILED"),
        (&deep, "DEPTH_LIMIT_EXCEEDED"),
        (&deep_list, "DEPTH_LIMIT_EXCEEDED"),
        (&nested(7), "DEPTH_LIMIT_EXCEEDED"),
        // The points of such a query, multiplied out, are more than a number holds.
        (&unsized_lists(16), "COMPLEXITY_LIMIT_EXCEEDED"),
        (&fields, "COMPLEXITY_LIMIT_EXCEEDED"),
        (&bomb, "COMPLEXITY_LIMIT_EXCEEDED"),
        (wide, "COMPLEXITY_LIMIT_EXCEEDED"),
    ] {
        let (found, message) = refusal(document);
        let start: String = document.chars().take(60).collect();
        assert_eq!(found, code, "{start}: {message}");
        assert!(!message.is_empty());
    }
}

#[test]
fn limits_are_named_in_the_message() {
    let wide = "{ things(first: 1000) { nodes { timeline(first: 1000) { nodes { position } } } } }";
    assert!(refusal(wide).1.contains(&COMPLEXITY_MAX.to_string()));
    let directives = "@include(if: true) ".repeat(9);
    let (code, message) = refusal(&format!("{{ __typename {directives} }}"));
    assert_eq!(code, "GRAPHQL_VALIDATION_FAILED");
    assert!(message.contains("directives"), "{message}");
}

#[test]
fn brackets_in_strings_and_comments_do_not_nest() {
    assert_eq!(nesting("{ a(b: [1]) { c } }"), 3);
    assert_eq!(nesting("{ # {{{\n a }"), 1);
    assert_eq!(nesting(r#"{ a(b: "{{{\"{{{") }"#), 2);
    assert_eq!(
        nesting("{ a(b: \"\"\"{{ \\\"\"\" {{ \" {{\"\"\") { c } }"),
        2
    );
    assert_eq!(nesting("{ a(b: \"unfinished {\n) {"), 2);
    assert_eq!(nesting("\"\"\"{"), 0);
    assert_eq!(nesting("}}}{"), 1);
}

#[test]
fn the_introspection_query_of_common_tools_passes() {
    let type_ref = "kind name ofType { ".repeat(9) + "name" + &" }".repeat(9);
    let document = format!(
        "{{ __schema {{ types {{ fields(includeDeprecated: true) {{ args {{ type {{ {type_ref} }} }} }} }} }} }}"
    );
    let response = run(&document);
    assert!(response.is_ok(), "{:?}", response.errors);
}

#[tokio::test]
async fn operations_of_one_connection_are_bounded() {
    let guarded = guarded();
    let open: Vec<_> = (0..OPERATIONS_PER_SOCKET_MAX)
        .map(|_| guarded.execute_stream(Request::new("{ __typename }"), None))
        .collect();
    let mut refused = guarded.execute_stream(Request::new("{ __typename }"), None);
    let response = refused.next().await.unwrap();
    assert!(response.errors[0].message.contains("operations"));
    drop(open);
    let mut accepted = guarded.execute_stream(Request::new("{ __typename }"), None);
    assert!(accepted.next().await.unwrap().is_ok());
    assert!(accepted.next().await.is_none());
}
