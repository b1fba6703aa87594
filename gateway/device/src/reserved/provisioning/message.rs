//! The messages, in JSON and in CBOR: objects of text, numbers and objects of text.

use minicbor::data::Type;
use minicbor::{Decoder, Encoder, decode};
use serde::Deserialize;
use shipslog_domain::thing::Attributes;

use crate::reserved::json::Object;
use crate::reserved::requests::Pairs;
use crate::topics::Format;

/// What a request may hold. Other members have no meaning.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) certificate_signing_request: Option<String>,
    pub(super) certificate_ownership_token: Option<String>,
    pub(super) parameters: Option<Attributes>,
}

/// [`Request`] in JSON.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InJson {
    certificate_signing_request: Option<String>,
    certificate_ownership_token: Option<String>,
    parameters: Option<Pairs>,
}

impl Request {
    /// Reads a payload; an empty one holds nothing. The error says what is wrong with it.
    pub(super) fn read(format: Format, payload: &[u8]) -> Result<Self, String> {
        if payload.is_empty() {
            return Ok(Self::default());
        }
        match format {
            Format::Json => {
                let request: InJson = serde_json::from_slice(payload).map_err(|error| {
                    format!("the payload is not the JSON that is expected: {error}")
                })?;
                Ok(Self {
                    certificate_signing_request: request.certificate_signing_request,
                    certificate_ownership_token: request.certificate_ownership_token,
                    parameters: request.parameters.map(|Pairs(pairs)| pairs),
                })
            }
            Format::Cbor => {
                let mut decoder = Decoder::new(payload);
                let request = Self::in_cbor(&mut decoder).and_then(|request| {
                    match decoder.position() == payload.len() {
                        true => Ok(request),
                        false => Err(decode::Error::message("something follows the object")),
                    }
                });
                request.map_err(|error| {
                    format!("the payload is not the CBOR that is expected: {error}")
                })
            }
        }
    }

    fn in_cbor(decoder: &mut Decoder<'_>) -> Result<Self, decode::Error> {
        let mut request = Self::default();
        members(decoder, |name, decoder| {
            let place = match name {
                "certificateSigningRequest" => &mut request.certificate_signing_request,
                "certificateOwnershipToken" => &mut request.certificate_ownership_token,
                "parameters" => {
                    request.parameters = optional(decoder, pairs)?;
                    return Ok(());
                }
                _ => return decoder.skip(),
            };
            *place = optional(decoder, text)?;
            Ok(())
        })?;
        Ok(request)
    }
}

/// Reads an object, member by member, whether or not it says first how many there are.
fn members<'b>(
    decoder: &mut Decoder<'b>,
    mut read: impl FnMut(&str, &mut Decoder<'b>) -> Result<(), decode::Error>,
) -> Result<(), decode::Error> {
    let mut left = decoder.map()?;
    loop {
        match &mut left {
            Some(0) => return Ok(()),
            Some(count) => *count -= 1,
            None if decoder.datatype()? == Type::Break => return decoder.skip(),
            None => {}
        }
        let name = text(decoder)?;
        read(&name, decoder)?;
    }
}

fn pairs(decoder: &mut Decoder<'_>) -> Result<Attributes, decode::Error> {
    let mut pairs = Attributes::new();
    members(decoder, |name, decoder| {
        pairs.push((name.into(), text(decoder)?.into()));
        Ok(())
    })?;
    Ok(pairs)
}

/// Text, in one piece or in several.
fn text(decoder: &mut Decoder<'_>) -> Result<String, decode::Error> {
    decoder.str_iter()?.collect()
}

fn optional<'b, T>(
    decoder: &mut Decoder<'b>,
    read: impl FnOnce(&mut Decoder<'b>) -> Result<T, decode::Error>,
) -> Result<Option<T>, decode::Error> {
    if matches!(decoder.datatype()?, Type::Null | Type::Undefined) {
        decoder.skip()?;
        return Ok(None);
    }
    read(decoder).map(Some)
}

/// The value of a member of an answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Member<'a> {
    Text(&'a str),
    Number(u16),
    Pairs(&'a Attributes),
}

/// Writes an answer.
pub(super) fn write(format: Format, members: &[(&'static str, Member<'_>)]) -> Vec<u8> {
    match format {
        Format::Json => {
            let mut object = Object::new();
            for (name, member) in members {
                match member {
                    Member::Text(text) => object.member(name, text),
                    Member::Number(number) => object.member(name, number),
                    Member::Pairs(pairs) => object.texts(name, pairs),
                }
            }
            object.end()
        }
        Format::Cbor => {
            let mut bytes = Vec::with_capacity(1_024);
            let mut encoder = Encoder::new(&mut bytes);
            write_cbor(&mut encoder, members).expect("memory takes what is written to it");
            bytes
        }
    }
}

fn write_cbor(
    encoder: &mut Encoder<&mut Vec<u8>>,
    members: &[(&'static str, Member<'_>)],
) -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
    encoder.map(members.len() as u64)?;
    for (name, member) in members {
        encoder.str(name)?;
        match member {
            Member::Text(text) => encoder.str(text)?,
            Member::Number(number) => encoder.u16(*number)?,
            Member::Pairs(pairs) => {
                encoder.map(pairs.len() as u64)?;
                for (name, value) in *pairs {
                    encoder.str(name)?.str(value)?;
                }
                continue;
            }
        };
    }
    Ok(())
}
