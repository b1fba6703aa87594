//! Sets of dense ids made from ids in any order.

use roaring::RoaringBitmap;

/// So many ids are sorted; of more, each sets its bit.
const SORTED_MAX: usize = 1_000;

/// The set of some ids, which may repeat themselves.
pub(crate) fn of(mut ids: Vec<u32>) -> RoaringBitmap {
    if ids.len() <= SORTED_MAX {
        ids.sort_unstable();
        return ids.into_iter().collect();
    }
    let end = ids.iter().max().map_or(0, |max| *max as usize + 1);
    let mut bits = vec![0_u8; end.div_ceil(8)];
    for id in ids {
        if let Some(byte) = bits.get_mut(id as usize / 8) {
            *byte |= 1 << (id % 8);
        }
    }
    RoaringBitmap::from_lsb0_bytes(0, &bits)
}

#[cfg(test)]
mod tests;
