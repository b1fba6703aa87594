//! The members of requests, from JSON or CBOR.

use std::fmt;

use minicbor::data::Type;
use minicbor::decode::{Decoder, Error as CborError};
use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::{Code, Refused, Token};
use crate::limits;
use crate::topics::Format;

/// What a request says, each member as far as it could be understood.
#[derive(Debug, Default)]
pub(super) struct Fields {
    /// `c`, if it is within its bounds.
    token: Token,
    /// `s`.
    pub(super) version: Option<i64>,
    /// `f`.
    pub(super) file: Option<i64>,
    /// `l`.
    pub(super) block_length: Option<i64>,
    /// `o`.
    pub(super) offset: Option<i64>,
    /// `n`.
    pub(super) count: Option<i64>,
    /// `b`.
    pub(super) bitmap: Option<Vec<u8>>,
    /// Members that were seen, one bit each.
    seen: u8,
    /// The first problem.
    problem: Option<Refused>,
}

/// A member with a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Token,
    Version,
    File,
    BlockLength,
    Offset,
    Count,
    Bitmap,
}

impl Key {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Token, "c"),
        (Self::Version, "s"),
        (Self::File, "f"),
        (Self::BlockLength, "l"),
        (Self::Offset, "o"),
        (Self::Count, "n"),
        (Self::Bitmap, "b"),
    ];

    fn of(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|(_, known)| *known == name).map(|(key, _)| key)
    }

    const fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    const fn rule(self) -> &'static str {
        match self {
            Self::Token => "must be text",
            Self::Version | Self::File | Self::BlockLength | Self::Offset | Self::Count => {
                "must be a whole number"
            }
            Self::Bitmap => "must be hexadecimal digits, two for each byte; in CBOR also bytes",
        }
    }
}

/// The value of a member.
enum Value {
    /// `null` is as good as nothing.
    Nothing,
    Number(i64),
    Text(String),
    Bytes(Vec<u8>),
    Other,
}

impl Fields {
    /// Reads a payload; none at all stands for one without members.
    pub(super) fn read(format: Format, payload: &[u8]) -> Self {
        if payload.is_empty() {
            return Self::default();
        }
        match format {
            Format::Json => Self::of_json(payload),
            Format::Cbor => Self::of_cbor(payload),
        }
    }

    /// The token, whatever may be wrong otherwise.
    pub(super) fn token(&self) -> Token {
        self.token.clone()
    }

    /// Refuses what could not be understood.
    pub(super) fn check(self) -> Result<Self, Refused> {
        match self.problem {
            Some(problem) => Err(problem),
            None => Ok(self),
        }
    }

    fn refused(code: Code, message: impl Into<String>) -> Self {
        Self {
            problem: Some(Refused::new(code, message)),
            ..Self::default()
        }
    }

    fn note(&mut self, key: Key, rule: impl fmt::Display) {
        let message = format!("{}: {rule}", key.name());
        let problem = || Refused::new(Code::InvalidRequest, message);
        self.problem.get_or_insert_with(problem);
    }

    fn set(&mut self, key: Key, value: Value) {
        let bit = 1 << key as u8;
        if self.seen & bit != 0 {
            self.note(key, "is given twice");
        }
        self.seen |= bit;
        match (key, value) {
            (_, Value::Nothing) => (),
            (Key::Token, Value::Text(text)) if text.len() <= limits::CLIENT_TOKEN_BYTES_MAX => {
                self.token = Some(text.into());
            }
            (Key::Token, Value::Text(_)) => {
                let most = limits::CLIENT_TOKEN_BYTES_MAX;
                self.note(key, format_args!("must have at most {most} bytes"));
            }
            (Key::Version, Value::Number(number)) => self.version = Some(number),
            (Key::File, Value::Number(number)) => self.file = Some(number),
            (Key::BlockLength, Value::Number(number)) => self.block_length = Some(number),
            (Key::Offset, Value::Number(number)) => self.offset = Some(number),
            (Key::Count, Value::Number(number)) => self.count = Some(number),
            (Key::Bitmap, Value::Bytes(bytes)) => self.bitmap = Some(bytes),
            (Key::Bitmap, Value::Text(text)) => match from_hex(&text) {
                Some(bytes) => self.bitmap = Some(bytes),
                None => self.note(key, key.rule()),
            },
            (_, _) => self.note(key, key.rule()),
        }
    }

    fn of_json(payload: &[u8]) -> Self {
        let Ok(text) = std::str::from_utf8(payload) else {
            return Self::refused(Code::InvalidJson, "the payload is not UTF-8");
        };
        match serde_json::from_str::<Self>(text) {
            Ok(fields) => fields,
            Err(error) if error.classify() == serde_json::error::Category::Data => {
                Self::refused(Code::InvalidRequest, "the payload must be a JSON object")
            }
            Err(error) => {
                let message = format!("the payload is not JSON: {error}");
                Self::refused(Code::InvalidJson, message)
            }
        }
    }

    fn of_cbor(payload: &[u8]) -> Self {
        let mut all = Decoder::new(payload);
        if all.skip().is_err() || all.position() != payload.len() {
            return Self::refused(Code::InvalidCbor, "the payload is not one item of CBOR");
        }
        let mut fields = Self::default();
        match fields.read_cbor(&mut Decoder::new(payload)) {
            Ok(true) => fields,
            Ok(false) => Self::refused(Code::InvalidRequest, "the payload must be a CBOR map"),
            Err(_) => Self::refused(Code::InvalidCbor, "the payload is not CBOR"),
        }
    }

    /// Reads a map. `false`: it is none.
    fn read_cbor(&mut self, decoder: &mut Decoder<'_>) -> Result<bool, CborError> {
        if !matches!(decoder.datatype()?, Type::Map | Type::MapIndef) {
            return Ok(false);
        }
        let mut left = decoder.map()?;
        loop {
            match &mut left {
                Some(0) => return Ok(true),
                Some(count) => *count -= 1,
                None if decoder.datatype()? == Type::Break => return Ok(true),
                None => (),
            }
            let key = match decoder.datatype()? {
                Type::String => Key::of(decoder.str()?),
                _ => {
                    decoder.skip()?;
                    None
                }
            };
            match key {
                Some(key) => {
                    let value = cbor_value(decoder)?;
                    self.set(key, value);
                }
                None => decoder.skip()?,
            }
        }
    }
}

fn cbor_value(decoder: &mut Decoder<'_>) -> Result<Value, CborError> {
    let value = match decoder.datatype()? {
        Type::Null | Type::Undefined => {
            decoder.skip()?;
            Value::Nothing
        }
        Type::U8
        | Type::U16
        | Type::U32
        | Type::U64
        | Type::I8
        | Type::I16
        | Type::I32
        | Type::I64
        | Type::Int => {
            let number = i128::from(decoder.int()?);
            let bounded = number.clamp(i64::MIN.into(), i64::MAX.into());
            i64::try_from(bounded).map_or(Value::Other, Value::Number)
        }
        Type::String => Value::Text(decoder.str()?.to_owned()),
        Type::StringIndef => {
            let parts = decoder.str_iter()?;
            Value::Text(parts.collect::<Result<String, _>>()?)
        }
        Type::Bytes => Value::Bytes(decoder.bytes()?.to_vec()),
        Type::BytesIndef => {
            let mut bytes = Vec::new();
            for part in decoder.bytes_iter()? {
                bytes.extend_from_slice(part?);
            }
            Value::Bytes(bytes)
        }
        _ => {
            decoder.skip()?;
            Value::Other
        }
    };
    Ok(value)
}

/// Bytes of hexadecimal digits, with or without `0x` in front.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let digits = digits.unwrap_or(text).as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = digits.chunks_exact(2).map(|pair| {
        let (high, low) = (digit(*pair.first()?)?, digit(*pair.last()?)?);
        u8::try_from(high * 16 + low).ok()
    });
    pairs.collect()
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Fields::default();
                while let Some(name) = map.next_key::<String>()? {
                    match Key::of(&name) {
                        Some(key) => {
                            let value = map.next_value()?;
                            fields.set(key, value);
                        }
                        None => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Members)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
                Ok(Value::Nothing)
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Value, E> {
                Ok(Value::Number(i64::try_from(number).unwrap_or(i64::MAX)))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Value, E> {
                Ok(Value::Number(number))
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Value, E> {
                Ok(Value::Other)
            }

            fn visit_bool<E: de::Error>(self, _: bool) -> Result<Value, E> {
                Ok(Value::Other)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
                Ok(Value::Text(text.to_owned()))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Value::Other)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Value::Other)
            }
        }
        deserializer.deserialize_any(Any)
    }
}
