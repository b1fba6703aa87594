//! Payloads of job requests as devices send them.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use shipslog_domain::execution::Details;

/// What every request may carry.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Bare<'a> {
    #[serde(borrow)]
    pub(super) client_token: Option<Cow<'a, str>>,
}

/// `{jobId}/get`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Describe<'a> {
    #[serde(borrow)]
    pub(super) client_token: Option<Cow<'a, str>>,
    pub(super) execution_number: Option<Number>,
    pub(super) include_job_document: Option<bool>,
}

/// `start-next`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StartNext<'a> {
    #[serde(borrow)]
    pub(super) client_token: Option<Cow<'a, str>>,
    pub(super) status_details: Option<Pairs>,
    pub(super) step_timeout_in_minutes: Option<i64>,
}

/// `{jobId}/update`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Update<'a> {
    #[serde(borrow)]
    pub(super) client_token: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) status: Option<Cow<'a, str>>,
    pub(super) status_details: Option<Pairs>,
    pub(super) expected_version: Option<Number>,
    pub(super) execution_number: Option<Number>,
    pub(super) include_job_execution_state: Option<bool>,
    pub(super) include_job_document: Option<bool>,
    pub(super) step_timeout_in_minutes: Option<i64>,
}

/// A whole number, or text of its digits, as older SDKs send it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number(pub(super) u64);

/// An object of text values, in the order given.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pairs(pub(super) Details);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Digits;
        impl Visitor<'_> for Digits {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number of at least 0, as a number or as text")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Number, E> {
                Ok(Number(number))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
                let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                let number = digits.then(|| text.parse().ok()).flatten();
                number
                    .map(Number)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Digits)
    }
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of text values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Details::new();
                while let Some(pair) = map.next_entry::<String, String>()? {
                    pairs.push((pair.0.into(), pair.1.into()));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Texts)
    }
}
