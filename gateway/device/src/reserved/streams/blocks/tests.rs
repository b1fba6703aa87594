use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn get(block_length: u32, offset: u32, count: Option<u32>, bitmap: Option<Vec<u8>>) -> Get {
    Get {
        version: None,
        file: 0,
        block_length,
        offset,
        count,
        bitmap,
    }
}

#[test]
fn blocks_are_picked_by_offset_count_and_bitmap() {
    const IMAGE: u64 = 382_432;
    let first = |count: u32| (0..count).collect::<Vec<u32>>();
    // The bits 0, 1, 4 and 23 from block 20 on.
    let some = Some(vec![0x13, 0x00, 0x80]);
    let rows = [
        (
            "all there is room for",
            get(8_192, 0, None, None),
            first(16),
        ),
        ("the rest", get(8_192, 32, None, None), (32..47).collect()),
        ("the last one", get(8_192, 46, Some(16), None), vec![46]),
        (
            "some",
            get(8_192, 20, None, some.clone()),
            vec![20, 21, 24, 43],
        ),
        (
            "the first of some",
            get(8_192, 20, Some(2), some),
            vec![20, 21],
        ),
        ("none", get(8_192, 0, Some(0), None), vec![]),
        ("an empty bitmap", get(8_192, 0, None, Some(vec![])), vec![]),
        (
            "beyond the end",
            get(8_192, 46, None, Some(vec![0xFE, 0xFF])),
            vec![],
        ),
        ("small ones", get(256, 0, Some(98_304), None), first(512)),
        ("one large one", get(131_072, 1, None, None), vec![1]),
        ("two that do not fit", get(65_537, 0, None, None), vec![0]),
        ("two that do", get(65_536, 0, None, None), vec![0, 1]),
        // The last block has 128 bytes of 65,792 + 128, so that it fits beside one of 65,792.
        (
            "a short one after a long one",
            get(98_304, 2, None, None),
            vec![2],
        ),
    ];
    for (what, get, expected) in rows {
        assert_eq!(get.wanted_of(IMAGE), Ok(expected), "{what}");
    }
    for (length, offset) in [(IMAGE, 47), (0, 0), (8_192, 1)] {
        let refused = get(8_192, offset, None, None)
            .wanted_of(length)
            .unwrap_err();
        assert_eq!(refused.code, Code::OffsetOutOfBounds, "{length} {offset}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn a_bitmap_picks_what_a_plain_set_has(
        block_length in 256_u32..=131_072,
        blocks in 1_u32..2_000,
        short in 0_u32..256,
        offset in 0_u32..2_100,
        count in prop::option::of(0_u32..600),
        bitmap in prop::option::of(prop::collection::vec(any::<u8>(), 0..300)),
    ) {
        let length = u64::from(blocks) * u64::from(block_length) - u64::from(short);
        let asked = get(block_length, offset, count, bitmap.clone());
        let wanted = asked.wanted_of(length);
        if offset >= blocks {
            prop_assert_eq!(wanted.unwrap_err().code, Code::OffsetOutOfBounds);
            return Ok(());
        }
        let named: BTreeSet<u32> = match &bitmap {
            None => (offset..blocks).collect(),
            Some(bytes) => {
                let bits = bytes.iter().enumerate().flat_map(|(at, byte)| {
                    (0..8).filter(move |bit| byte & (1 << bit) != 0).map(move |bit| at * 8 + bit)
                });
                bits.map(|bit| offset + u32::try_from(bit).unwrap()).filter(|block| *block < blocks).collect()
            }
        };
        let wanted = wanted.unwrap();
        let bytes = |block: &u32| {
            let begin = u64::from(*block) * u64::from(block_length);
            length.min(begin + u64::from(block_length)) - begin
        };
        // What is sent is a beginning of what is named, and ends only where it must.
        prop_assert_eq!(&wanted, &named.iter().copied().take(wanted.len()).collect::<Vec<_>>());
        let sent: u64 = wanted.iter().map(bytes).sum();
        prop_assert!(sent <= 131_072);
        let full = count.is_some_and(|count| wanted.len() == count as usize);
        let next = named.iter().nth(wanted.len());
        prop_assert!(full || next.is_none_or(|next| sent + bytes(next) > 131_072));
        prop_assert!(count.is_none_or(|count| wanted.len() <= count as usize));
    }
}
