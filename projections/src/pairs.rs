//! Pairs of texts as one byte string: attributes of a thing, details of an execution.

/// The byte string of `pairs`, in their order. No pairs are no bytes.
pub(crate) fn pack(pairs: &[(Box<str>, Box<str>)], out: &mut Vec<u8>) {
    out.clear();
    for text in pairs.iter().flat_map(|(key, value)| [key, value]) {
        // Limits of the domain keep every key and value below 64 KiB; what is longer is cut at that.
        let text = text.get(..text.floor_char_boundary(usize::from(u16::MAX)));
        let text = text.unwrap_or_default();
        let length = u16::try_from(text.len()).unwrap_or_default();
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(text.as_bytes());
    }
}

/// The pairs of a byte string that [`pack`] made.
pub(crate) fn unpack(mut bytes: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    std::iter::from_fn(move || Some((text(&mut bytes)?, text(&mut bytes)?)))
}

/// The value of a key.
pub(crate) fn value<'a>(bytes: &'a [u8], key: &str) -> Option<&'a str> {
    unpack(bytes)
        .find(|(name, _)| *name == key)
        .map(|(_, value)| value)
}

fn text<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (text, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    *bytes = rest;
    std::str::from_utf8(text).ok()
}

#[cfg(test)]
mod tests;
