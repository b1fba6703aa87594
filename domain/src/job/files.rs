//! Files in S3 that jobs name: `documentSource`, and the placeholders of presigned URLs in job documents.

use std::ops::Range;

use crate::limits;
use crate::percent::{Plus, decode};
use crate::rejection::Rejection;

/// A file in S3.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct S3Object {
    /// Its bucket.
    pub bucket: Box<str>,
    /// Its key, decoded.
    pub key: Box<str>,
    /// `versionId`, if one version of it is meant.
    pub version: Option<Box<str>>,
}

impl S3Object {
    /// Reads `s3://BUCKET/KEY`, `https://BUCKET.s3.amazonaws.com/KEY` and `https://s3.amazonaws.com/BUCKET/KEY`, the
    /// latter two also with a region, and each with `?versionId=…` behind it.
    #[must_use]
    pub fn parse(url: &str) -> Option<Self> {
        let (bucket, rest) = match url.strip_prefix("s3://") {
            Some(rest) => rest.split_once('/')?,
            None => split_https(url)?,
        };
        Self::of(bucket, rest)
    }

    fn of(bucket: &str, rest: &str) -> Option<Self> {
        let rest = rest.split('#').next()?;
        let (key, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let version = pairs.find(|(name, _)| *name == "versionId");
        let key = decode(key, Plus::Itself);
        (!bucket.is_empty() && !key.is_empty()).then(|| Self {
            bucket: bucket.into(),
            key: key.into(),
            version: version.map(|(_, value)| decode(value, Plus::Space).into()),
        })
    }
}

fn split_https(url: &str) -> Option<(&str, &str)> {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))?;
    let (host, path) = rest.split_once('/')?;
    let host = host.strip_suffix(".amazonaws.com")?;
    // The service is the label `s3`, or `s3-REGION` in older URLs; a region may follow it.
    let is_s3 = |label: &str| label == "s3" || label.starts_with("s3-");
    let (bucket, service) = match host.rsplit_once('.') {
        None => ("", host),
        Some((bucket, last)) if is_s3(last) => (bucket, last),
        Some((before, _region)) => before.rsplit_once('.').unwrap_or(("", before)),
    };
    match (is_s3(service), bucket) {
        (false, _) => None,
        (true, "") => path.split_once('/'),
        (true, bucket) => Some((bucket, path)),
    }
}

/// What a placeholder of a presigned URL begins with. AWS IoT documents both.
const OPENINGS: [&str; 2] = [
    "${aws:iot:s3-presigned-url:",
    "${aws:iot:s3-presigned-url-v2:",
];
/// What all placeholders of presigned URLs begin with.
const COMMON: &str = "${aws:iot:s3-presigned-url";
/// What placeholders of software packages begin with.
const PACKAGE: &str = "${aws:iot:package:";

/// A placeholder of a presigned URL in the text of a job document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placeholder {
    /// Where it stands, in bytes.
    pub range: Range<usize>,
    /// The file that the URL is for.
    pub object: S3Object,
}

/// The placeholders of presigned URLs in the text of a job document, in order; of one that names no file of S3, its
/// text.
pub fn placeholders(document: &str) -> impl Iterator<Item = Result<Placeholder, &str>> {
    let starts = document.match_indices(COMMON);
    starts.map(|(start, _)| {
        let rest = document.get(start..).unwrap_or_default();
        let end = rest.find(['}', '"']).map_or(rest.len(), |at| at + 1);
        let text = rest.get(..end).unwrap_or(rest);
        let object = read(text).ok_or(text)?;
        let range = start..start + end;
        Ok(Placeholder { range, object })
    })
}

/// A placeholder from its dollar sign to its brace. Besides URLs it may hold `BUCKET/KEY`.
fn read(text: &str) -> Option<S3Object> {
    let inner = text.strip_suffix('}')?;
    let inner = OPENINGS.iter().find_map(|one| inner.strip_prefix(one))?;
    // The text of a JSON string, in which a slash may be escaped.
    let inner: String = serde_json::from_str(&format!("\"{inner}\"")).ok()?;
    if inner.contains("://") {
        return S3Object::parse(&inner);
    }
    let (bucket, rest) = inner.split_once('/')?;
    S3Object::of(bucket, rest)
}

/// Refuses placeholders that could never be filled in. AWS IoT Jobs: at most ten, and only with a role.
pub(crate) fn check_placeholders(document: &str, has_role: bool) -> Result<(), Rejection> {
    if document.contains(PACKAGE) {
        return Err(Rejection::malformed(
            "document",
            "has placeholders of software packages, which are not kept here; name the file itself with \
             ${aws:iot:s3-presigned-url:https://s3.amazonaws.com/BUCKET/KEY}",
        ));
    }
    let mut count = 0;
    for placeholder in placeholders(document) {
        count += 1;
        if let Err(text) = placeholder {
            return Err(Rejection::malformed(
                "document",
                format!(
                    "{text:.128} must name a file of S3, as ${{aws:iot:s3-presigned-url:https://s3.amazonaws.com/BUCKET/KEY}}"
                ),
            ));
        }
    }
    if count > limits::PRESIGNED_URLS_MAX {
        return Err(Rejection::malformed(
            "document",
            format!(
                "must have at most {} placeholders of presigned URLs, not {count}",
                limits::PRESIGNED_URLS_MAX
            ),
        ));
    }
    if count > 0 && !has_role {
        return Err(Rejection::malformed(
            "presignedUrlConfig.roleArn",
            "must be given, for the document has placeholders of presigned URLs",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
