//! Saved form of sets of dense ids, for `#[cbor(with = …)]`.

use minicbor::{Decoder, Encoder};
use roaring::RoaringBitmap;

pub(crate) fn encode<C, W: minicbor::encode::Write>(
    set: &RoaringBitmap,
    encoder: &mut Encoder<W>,
    _: &mut C,
) -> Result<(), minicbor::encode::Error<W::Error>> {
    let mut bytes = Vec::with_capacity(set.serialized_size());
    set.serialize_into(&mut bytes)
        .map_err(|_| minicbor::encode::Error::message("cannot serialize a set of ids"))?;
    encoder.bytes(&bytes)?.ok()
}

pub(crate) fn decode<C>(
    decoder: &mut Decoder<'_>,
    _: &mut C,
) -> Result<RoaringBitmap, minicbor::decode::Error> {
    RoaringBitmap::deserialize_from(decoder.bytes()?)
        .map_err(|_| minicbor::decode::Error::message("not a set of ids"))
}
