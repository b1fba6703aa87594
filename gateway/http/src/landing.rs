//! What a browser finds at the root.

use axum::http::header;
use axum::response::{IntoResponse, Response};

const PAGE: &str = include_str!("landing/page.html");

pub(crate) async fn page() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'",
        ),
    ];
    (headers, PAGE).into_response()
}
