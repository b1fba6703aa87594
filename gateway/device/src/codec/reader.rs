//! Fields of packets.

use super::{Violation, reason};

/// Reads the fields of a packet from its start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Violation> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or(Violation::malformed("packet too short"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Violation> {
        self.take(1)
            .map(|bytes| bytes.first().copied().unwrap_or_default())
    }

    pub(super) fn u16(&mut self) -> Result<u16, Violation> {
        self.take(2).map(|bytes| {
            bytes
                .iter()
                .fold(0, |value, byte| value << 8 | u16::from(*byte))
        })
    }

    pub(super) fn u32(&mut self) -> Result<u32, Violation> {
        self.take(4).map(|bytes| {
            bytes
                .iter()
                .fold(0, |value, byte| value << 8 | u32::from(*byte))
        })
    }

    pub(super) fn packet_id(&mut self) -> Result<u16, Violation> {
        match self.u16()? {
            0 => Err(Violation::new(reason::PROTOCOL_ERROR, "packet id 0")),
            id => Ok(id),
        }
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Violation> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Violation> {
        let text = std::str::from_utf8(self.bytes()?)
            .map_err(|_| Violation::malformed("text is not UTF-8"))?;
        if text.contains('\0') {
            return Err(Violation::malformed("NUL in text"));
        }
        Ok(text)
    }

    pub(super) fn variable_integer(&mut self) -> Result<usize, Violation> {
        self.variable_integer_if_there()?
            .ok_or(Violation::malformed("packet too short"))
    }

    /// Nothing if its last byte is not there yet.
    pub(super) fn variable_integer_if_there(&mut self) -> Result<Option<usize>, Violation> {
        let mut value = 0;
        for (count, byte) in self.0.iter().enumerate().take(4) {
            value |= usize::from(byte & 0x7F) << (7 * count);
            if byte & 0x80 == 0 {
                self.take(count + 1)?;
                return Ok(Some(value));
            }
        }
        if self.0.len() >= 4 {
            return Err(Violation::malformed("length of more than four bytes"));
        }
        Ok(None)
    }

    pub(super) fn end(&self) -> Result<(), Violation> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Violation::malformed("bytes after the end of the packet"))
        }
    }
}
