//! Which blocks of a file a request asks for, and whether it may (AWS IoT: GetStream).

use shipslog_gateway_core::objects::Object;

use super::fields::Fields;
use super::{Code, Refused};
use crate::limits;

/// A request for blocks that is as it should be.
#[derive(Debug)]
pub(super) struct Get {
    /// The stream's version, where another one is not meant.
    pub(super) version: Option<i64>,
    pub(super) file: u8,
    pub(super) block_length: u32,
    offset: u32,
    /// The most blocks that are wanted.
    count: Option<u32>,
    /// Which blocks are wanted from the offset on, the lowest bit of each byte first; nothing wants all of them.
    bitmap: Option<Vec<u8>>,
}

/// Refuses a stream of another version than the one that is meant.
pub(super) fn check_version(meant: Option<i64>, version: u16) -> Result<(), Refused> {
    match meant {
        Some(meant) if meant != i64::from(version) => Err(Refused::new(
            Code::VersionMismatch,
            format!("s: the stream has version {version}"),
        )),
        Some(_) | None => Ok(()),
    }
}

impl Get {
    /// Checks the members of a request.
    pub(super) fn of(fields: Fields) -> Result<Self, Refused> {
        let missing = |name: &str| {
            Refused::new(
                Code::InvalidRequest,
                format!(
                    "{name}: is missing; a request names a file with f and a block size with l"
                ),
            )
        };
        let file = fields.file.ok_or_else(|| missing("f"))?;
        let length = fields.block_length.ok_or_else(|| missing("l"))?;
        let file = u8::try_from(file)
            .map_err(|_| Refused::new(Code::InvalidRequest, "f: must be 0 to 255"))?;
        let version = fields.version;
        if version.is_some_and(|version| version < 0) {
            return Err(Refused::new(Code::InvalidRequest, "s: must be 0 to 65535"));
        }
        let (least, most) = (limits::BLOCK_BYTES_MIN, limits::BLOCK_BYTES_MAX);
        let block_length = u32::try_from(length).ok();
        let block_length = block_length.filter(|length| (least..=most).contains(length));
        let bounded = |number: i64| {
            let number = u32::try_from(number).ok();
            number.filter(|number| *number <= limits::BLOCKS_MAX)
        };
        let of_blocks = |code, name: &str| {
            let most = limits::BLOCKS_MAX;
            Refused::new(code, format!("{name}: must be 0 to {most} blocks"))
        };
        let offset = bounded(fields.offset.unwrap_or(0));
        let count = fields.count.map(|count| {
            bounded(count).ok_or_else(|| of_blocks(Code::BlockCountLimitExceeded, "n"))
        });
        if let Some(bitmap) = &fields.bitmap
            && bitmap.len() >= limits::BITMAP_BYTES_LIMIT
        {
            let limit = limits::BITMAP_BYTES_LIMIT;
            let rule =
                format!("b: must have fewer than {limit} bytes; begin at a later block with o");
            return Err(Refused::new(Code::BlockBitmapLimitExceeded, rule));
        }
        Ok(Self {
            version,
            file,
            block_length: block_length.ok_or_else(|| {
                let rule = format!("l: must be {least} to {most} bytes");
                Refused::new(Code::BlockSizeOutOfBounds, rule)
            })?,
            offset: offset.ok_or_else(|| of_blocks(Code::OffsetOutOfBounds, "o"))?,
            count: count.transpose()?,
            bitmap: fields.bitmap,
        })
    }

    /// The blocks that are sent, in order: those that are wanted and exist, as long as all of them together have no
    /// more than [`limits::BLOCK_BYTES_MAX`].
    pub(super) fn wanted(&self, object: &Object) -> Result<Vec<u32>, Refused> {
        if object.is_too_long() {
            let most = shipslog_gateway_core::limits::OBJECT_BYTES_MAX;
            let rule = format!(
                "f: the file has more than {most} bytes, so that it cannot be fetched in blocks"
            );
            return Err(Refused::new(Code::InvalidRequest, rule));
        }
        self.wanted_of(object.length())
    }

    fn wanted_of(&self, length: u64) -> Result<Vec<u32>, Refused> {
        let block_length = u64::from(self.block_length);
        let blocks = u32::try_from(length.div_ceil(block_length)).unwrap_or(u32::MAX);
        if self.offset >= blocks {
            let rule = format!("o: the file has {blocks} blocks of this size");
            return Err(Refused::new(Code::OffsetOutOfBounds, rule));
        }
        let most = self.count.unwrap_or(u32::MAX) as usize;
        let mut room = u64::from(limits::BLOCK_BYTES_MAX);
        let mut wanted = Vec::new();
        for block in (self.offset..blocks).filter(|block| self.wants(*block)) {
            let bytes = block_length.min(length - u64::from(block) * block_length);
            if wanted.len() >= most || bytes > room {
                break;
            }
            room -= bytes;
            wanted.push(block);
        }
        Ok(wanted)
    }

    fn wants(&self, block: u32) -> bool {
        let Some(bitmap) = &self.bitmap else {
            return true;
        };
        let at = block - self.offset;
        let byte = bitmap.get(at as usize / 8);
        byte.is_some_and(|byte| byte >> (at % 8) & 1 == 1)
    }
}

#[cfg(test)]
mod tests;
