use roaring::RoaringBitmap;

#[test]
fn few_and_many_ids_make_the_same_set() {
    for (count, step) in [(0, 1), (5, 7_919), (1_000, 3), (1_001, 3), (90_000, 7_919)] {
        let ids: Vec<u32> = (0..count).map(|n| n * step % 100_003).collect();
        let expected: RoaringBitmap = ids.iter().copied().collect();
        let twice = ids.iter().chain(&ids).copied().collect();
        assert_eq!(super::of(twice), expected, "{count} ids");
    }
}
