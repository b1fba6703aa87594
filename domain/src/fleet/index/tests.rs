use std::hash::BuildHasher;

use super::{Index, PARTS, share};

fn hash(number: u32) -> u64 {
    foldhash::fast::FixedState::with_seed(1).hash_one(number)
}

#[test]
fn numbers_are_found_until_they_are_removed() {
    let mut index = Index::default();
    for number in 0..10_000 {
        index.insert(hash(number), number, |number| hash(*number));
    }
    for number in (0..10_000).step_by(3) {
        let removed = index.remove(hash(number), |found| *found == number);
        assert_eq!(removed, Some(number));
    }
    for number in 0..10_000 {
        let found = index.find(hash(number), |found| *found == number);
        assert_eq!(found, (number % 3 != 0).then_some(number));
    }
}

#[test]
fn no_insertion_moves_more_than_a_small_share() {
    let count = 200_000;
    let mut index = Index::default();
    for number in 0..count {
        index.insert(hash(number), number, |number| hash(*number));
    }
    // 391 in each part on average, and half as many again in the largest.
    let most = index.moved_at_most();
    assert!(most < 1_000, "{most} numbers move at once");
}

/// A million things that get a job one after the other cost each commit the same.
#[test]
fn parts_outgrow_themselves_one_after_the_other() {
    let (count, window) = (400_000, 4_000);
    let mut index = Index::default();
    let mut most = 0;
    for begin in (0..count).step_by(window) {
        let sizes = |index: &Index| -> Vec<_> {
            let parts = index.parts.iter();
            parts.map(|part| (part.capacity(), part.len())).collect()
        };
        let before = sizes(&index);
        for number in (begin..).take(window) {
            index.insert(hash(number), number, |number| hash(*number));
        }
        let grown = before.iter().zip(sizes(&index));
        let moved = grown.filter_map(|(old, new)| (old.0 < new.0).then_some(old.1));
        // The first few tables are small, and grow all the time.
        if begin >= 40_000 {
            most = most.max(moved.sum());
        }
    }
    // Each number is moved once in a doubling, so that one and a half are moved for each that comes.
    assert!(most < 3 * window, "{most} numbers move within {window}");
}

#[test]
fn an_index_with_room_does_not_grow() {
    let count = 200_000;
    let shares: usize = (0..PARTS).map(|part| share(count, part)).sum();
    assert!((count..count + PARTS).contains(&shares), "{shares}");
    let mut index = Index::with_capacity(count);
    let room: usize = index.parts.iter().map(|part| part.capacity()).sum();
    for number in 0..200_000 {
        index.insert(hash(number), number, |number| hash(*number));
    }
    let grown: usize = index.parts.iter().map(|part| part.capacity()).sum();
    assert!(grown <= room + room / 10, "{room} and then {grown}");
}
