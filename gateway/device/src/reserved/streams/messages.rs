//! Answers, in JSON or CBOR. Both have the same members.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minicbor::encode::{Encoder, Error};

use super::Refused;
use crate::reserved::json::Object;
use crate::topics::Format;

/// What a description says.
#[derive(Debug)]
pub(super) struct Description<'a> {
    pub(super) version: u16,
    pub(super) text: Option<&'a str>,
    /// Number and length in bytes of each file.
    pub(super) files: &'a [(u8, u64)],
}

/// A block of a file.
#[derive(Debug)]
pub(super) struct Data<'a> {
    pub(super) file: u8,
    /// Its place in the file, in blocks.
    pub(super) block: u32,
    pub(super) bytes: &'a [u8],
}

type Written = Result<(), Error<std::convert::Infallible>>;

/// Writes CBOR to memory.
fn cbor(write: impl FnOnce(&mut Encoder<&mut Vec<u8>>) -> Written, out: &mut Vec<u8>) {
    write(&mut Encoder::new(out)).expect("numbers, text and bytes can be written to memory");
}

/// Begins a map of so many members and a token, which it writes.
fn begin(encoder: &mut Encoder<&mut Vec<u8>>, members: u64, token: Option<&str>) -> Written {
    encoder.map(members + u64::from(token.is_some()))?;
    match token {
        Some(token) => encoder.str("c")?.str(token)?.ok(),
        None => Ok(()),
    }
}

fn begin_json(token: Option<&str>) -> Object {
    let mut object = Object::new();
    if let Some(token) = token {
        object.member("c", token);
    }
    object
}

/// `rejected`.
pub(super) fn rejected(format: Format, refused: &Refused, token: Option<&str>) -> Vec<u8> {
    let (code, message) = (refused.code.as_str(), &*refused.message);
    match format {
        Format::Json => {
            let mut object = Object::new();
            object.member("o", code);
            object.member("m", message);
            if let Some(token) = token {
                object.member("c", token);
            }
            object.end()
        }
        Format::Cbor => {
            let mut out = Vec::new();
            let write = |encoder: &mut Encoder<&mut Vec<u8>>| {
                begin(encoder, 2, token)?;
                encoder.str("o")?.str(code)?.str("m")?.str(message)?.ok()
            };
            cbor(write, &mut out);
            out
        }
    }
}

/// `description`.
pub(super) fn description(
    format: Format,
    description: &Description<'_>,
    token: Option<&str>,
) -> Vec<u8> {
    let Description {
        version,
        text,
        files,
    } = description;
    match format {
        Format::Json => {
            let mut object = begin_json(token);
            object.member("s", version);
            if let Some(text) = text {
                object.member("d", *text);
            }
            object.list("r", files, |object, (id, length)| {
                object.member("f", id);
                object.member("z", length);
            });
            object.end()
        }
        Format::Cbor => {
            let mut out = Vec::new();
            let write = |encoder: &mut Encoder<&mut Vec<u8>>| {
                begin(encoder, 2 + u64::from(text.is_some()), token)?;
                encoder.str("s")?.u16(*version)?;
                if let Some(text) = text {
                    encoder.str("d")?.str(text)?;
                }
                encoder.str("r")?.array(files.len() as u64)?;
                for (id, length) in *files {
                    encoder.map(2)?.str("f")?.u8(*id)?.str("z")?.u64(*length)?;
                }
                Ok(())
            };
            cbor(write, &mut out);
            out
        }
    }
}

/// `data`, appended to `out`.
pub(super) fn data(format: Format, data: &Data<'_>, token: Option<&str>, out: &mut Vec<u8>) {
    let Data { file, block, bytes } = data;
    match format {
        Format::Json => {
            let mut object = begin_json(token);
            object.member("f", file);
            object.member("l", &bytes.len());
            object.member("i", block);
            // The digits of base64 need no escapes in JSON text.
            object.raw("p", &format!("\"{}\"", STANDARD.encode(bytes)));
            out.append(&mut object.end());
        }
        Format::Cbor => {
            let write = |encoder: &mut Encoder<&mut Vec<u8>>| {
                begin(encoder, 4, token)?;
                encoder
                    .str("f")?
                    .u8(*file)?
                    .str("l")?
                    .u64(bytes.len() as u64)?;
                encoder.str("i")?.u32(*block)?.str("p")?.bytes(bytes)?.ok()
            };
            cbor(write, out);
        }
    }
}
