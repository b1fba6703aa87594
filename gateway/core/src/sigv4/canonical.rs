//! The canonical form of a request: what SigV4 signs.

use std::borrow::Cow;
use std::fmt::Write;

use shipslog_domain::percent::{Plus, decode, encode};

/// A request, in the parts that its canonical form is made of.
#[derive(Debug)]
pub struct Request<'a> {
    /// Such as `GET`.
    pub method: &'a str,
    /// Path, encoded as its service signs it.
    pub path: String,
    /// Query, as [`Pairs::canonical`] writes it.
    pub query: String,
    /// Signed headers, in the order in which the signature names them.
    pub headers: Vec<(String, String)>,
    /// Their names, joined by semicolons.
    pub signed_headers: String,
    /// Hash of the body, or the word that stands for it.
    pub payload: &'a str,
}

impl Request<'_> {
    /// What is hashed for the signature.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{}\n{}\n{}\n", self.method, self.path, self.query);
        for (name, value) in &self.headers {
            text.extend([name, ":", value, "\n"]);
        }
        text.extend(["\n", &self.signed_headers, "\n", self.payload]);
        text
    }
}

/// Decoded pairs of a query.
#[derive(Debug)]
pub struct Pairs(Vec<(String, String)>);

impl Pairs {
    /// Reads a query; a plus sign is a space.
    #[must_use]
    pub fn parse(query: &str) -> Self {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name, Plus::Space), decode(value, Plus::Space))
        });
        Self(pairs.collect())
    }

    /// The first value of that name.
    #[must_use]
    pub fn one(&self, wanted: &str) -> Option<&str> {
        let found = self.0.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.as_str())
    }

    /// The pairs in the order and encoding that are signed, without the one called `left_out`.
    #[must_use]
    pub fn canonical(&self, left_out: Option<&str>) -> String {
        let signed = self.0.iter();
        let signed = signed.filter(|(name, _)| Some(name.as_str()) != left_out);
        let mut pairs: Vec<(String, String)> = signed
            .map(|(name, value)| (encode(name, ""), encode(value, "")))
            .collect();
        pairs.sort();
        let pairs: Vec<String> = pairs
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join("&")
    }
}

/// The path as S3 signs it: decoded, and encoded once.
#[must_use]
pub fn path_encoded_once(path: &str) -> String {
    // A slash within a segment stays one: each segment is encoded for itself.
    let segments = path.split('/');
    let segments = segments.map(|segment| encode(&decode(segment, Plus::Itself), ""));
    segments.collect::<Vec<_>>().join("/")
}

/// The path as every other service signs it: without dots and empty segments, and what came encoded is encoded again.
#[must_use]
pub fn path_encoded_twice(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    let end = if path.ends_with('/') && !kept.is_empty() {
        "/"
    } else {
        ""
    };
    encode(&format!("/{}{end}", kept.join("/")), "/")
}

/// Values of one header: trimmed, runs of spaces made one, joined by commas.
#[must_use]
pub fn header_value(values: &[Cow<'_, str>]) -> String {
    let values = values.iter().map(|value| {
        let words: Vec<&str> = value.split_ascii_whitespace().collect();
        words.join(" ")
    });
    values.collect::<Vec<_>>().join(",")
}

/// Bytes as lower-case digits.
#[must_use]
pub fn to_hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _always = write!(text, "{byte:02x}");
    }
    text
}

/// The 32 bytes of a signature; `None` if it is none.
#[must_use]
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let is_hex = text.len() == 64 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    let digits = is_hex.then(|| text.as_bytes().chunks_exact(2))?;
    let bytes = digits.map(|pair| {
        let pair = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(pair, 16).ok()
    });
    bytes.collect()
}
