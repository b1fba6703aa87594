//! Scalars that GraphQL lacks: numbers beyond 32 bits and points in time.

use async_graphql::{InputValueError, InputValueResult, Number, Scalar, ScalarType, Value};
use shipslog_domain::{Position, Timestamp};

use super::paging::{self, List};

/// The largest integer that every JSON reader keeps exact: 2^53 - 1.
const EXACT_MAX: u64 = (1 << 53) - 1;

/// A whole number from 0 to 2^53 - 1, written as a JSON number: positions in the log, milliseconds, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Long(pub u64);

/// A whole number from 0 to 2^53 - 1, written as a JSON number: positions in the log, milliseconds, bytes.
#[Scalar(name = "Long")]
impl ScalarType for Long {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::Number(number) => number
                .as_u64()
                .filter(|number| *number <= EXACT_MAX)
                .map(Self)
                .ok_or_else(|| {
                    InputValueError::custom("must be a whole number from 0 to 2^53 - 1")
                }),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::Number(Number::from(self.0))
    }
}

impl From<Position> for Long {
    fn from(position: Position) -> Self {
        Self(position.0)
    }
}

/// A place in the log to go on from: a position as a number (0 is before the first event), or the cursor of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventPosition(pub Position);

/// A place in the log to go on from: a position as a number (0 is before the first event), or the cursor of an event.
#[Scalar(name = "EventPosition")]
impl ScalarType for EventPosition {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(cursor) => paging::number(List::Events, "after", Some(&cursor))
                .map(|number| Self(Position(number.unwrap_or_default())))
                .map_err(|error| InputValueError::custom(error.message)),
            number => {
                let Long(number) = Long::parse(number).map_err(InputValueError::propagate)?;
                Ok(Self(Position(number)))
            }
        }
    }

    fn to_value(&self) -> Value {
        Value::Number(Number::from(self.0.0))
    }
}

/// A point in time in ISO 8601 form, UTC, with milliseconds: `2026-01-31T23:59:59.000Z`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct DateTime(pub Timestamp);

/// A point in time in ISO 8601 form, UTC, with milliseconds: `2026-01-31T23:59:59.000Z`.
#[Scalar(name = "DateTime")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        // No argument takes a point in time; the schema would say so if one did.
        Err(InputValueError::expected_type(value))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

impl From<Timestamp> for DateTime {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

/// A count for GraphQL's `Int`, which has 32 bits.
pub(super) fn int(count: impl TryInto<i32>) -> i32 {
    count.try_into().unwrap_or(i32::MAX)
}

/// Hundredths as GraphQL's `Float`: 9,950 is 99.5.
pub(super) fn hundredths(value: u32) -> f64 {
    f64::from(value) / 100.0
}
