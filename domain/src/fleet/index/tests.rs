use std::hash::BuildHasher;

use super::Index;

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
    // 781 in each part on average: none may be much fuller.
    let most = index.moved_at_most();
    assert!(most < 1_000, "{most} numbers move at once");
}
