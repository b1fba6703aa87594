//! Under which conditions a file is sent, and which part of it (RFC 9110).

use std::ops::Range;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};

/// What to answer instead of the file, where a condition of the request says so.
pub(super) fn precondition(headers: &HeaderMap, etag: &str) -> Option<StatusCode> {
    let names = |header| headers.get(header).map(|value| names_tag(value, etag));
    if names(header::IF_MATCH) == Some(false) {
        return Some(StatusCode::PRECONDITION_FAILED);
    }
    (names(header::IF_NONE_MATCH) == Some(true)).then_some(StatusCode::NOT_MODIFIED)
}

/// Whether a list of tags, which may be weak, names this one.
fn names_tag(value: &HeaderValue, etag: &str) -> bool {
    let mut tags = value.to_str().unwrap_or_default().split(',').map(str::trim);
    tags.any(|tag| tag == "*" || tag.trim_start_matches("W/").trim_matches('"') == etag)
}

/// The part of a file that a request asks for. One for another file than this is for all of this one.
pub(super) fn part(headers: &HeaderMap, etag: &str, length: u64) -> Part {
    let is_meant = headers
        .get(header::IF_RANGE)
        .is_none_or(|value| value.to_str().is_ok_and(|tag| tag == format!("\"{etag}\"")));
    match headers.get(header::RANGE) {
        Some(range) if is_meant => parse_range(range, length),
        Some(_) | None => Part::Whole,
    }
}

/// What a `Range` header asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    Some(Range<u64>),
    /// A range outside of the file.
    Nothing,
}

/// One range of bytes. Several ranges, other units and nonsense are answered with the whole file (RFC 9110).
fn parse_range(header: &HeaderValue, length: u64) -> Part {
    let text = header.to_str().unwrap_or_default();
    let Some((first, last)) = text
        .strip_prefix("bytes=")
        .and_then(|text| text.split_once('-'))
    else {
        return Part::Whole;
    };
    let number = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse::<u64>().ok(),
        false => None,
    };
    let range = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(length),
        (Some(first), None) if last.is_empty() => first..length,
        // The last so many bytes.
        (None, Some(count)) if first.is_empty() => length.saturating_sub(count)..length,
        _ => return Part::Whole,
    };
    match range.start < range.end {
        true => Part::Some(range),
        false => Part::Nothing,
    }
}

#[cfg(test)]
mod tests;
