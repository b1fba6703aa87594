//! Fields of shadows in the query language: `shadow.reported.a.b`, `shadow.name.N.desired.a`, `shadow.hasDelta`.

/// A property of one shadow of a thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Which shadow; absent: the classic one.
    pub shadow: Option<Box<str>>,
    /// What of it.
    pub asked: Asked,
}

/// What of a shadow a query asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// `hasDelta`: `true` or `false`, for a shadow that exists.
    HasDelta,
    /// Values below a path of names.
    Value {
        /// Of which side.
        side: Side,
        /// The names; none: any value of the side.
        path: Box<[Box<str>]>,
    },
}

/// A side of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// `desired`.
    Desired,
    /// `reported`.
    Reported,
    /// What is desired and not reported so.
    Delta,
}

impl Field {
    /// Reads what follows `shadow.`; nothing if no shadow has such a field.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (shadow, rest) = match text.strip_prefix("name.") {
            Some(named) => {
                let (name, rest) = named.split_once('.')?;
                (Some(name.into()), rest)
            }
            None => (None, text),
        };
        if rest == "hasDelta" {
            let asked = Asked::HasDelta;
            return Some(Self { shadow, asked });
        }
        let mut steps = rest.split('.');
        let side = match steps.next()? {
            "desired" => Side::Desired,
            "reported" => Side::Reported,
            "delta" => Side::Delta,
            _ => return None,
        };
        let path: Box<[Box<str>]> = steps.map(Into::into).collect();
        let asked = Asked::Value { side, path };
        Some(Self { shadow, asked })
    }
}
