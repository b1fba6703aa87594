use super::*;

/// These numbers are for ever: a change of the tree changes every recorded run.
#[test]
fn draws_are_the_same_on_every_machine() {
    let device = Seeds::root(7).child("device", 12);
    let golden = [
        (Seeds::root(0).draw("a"), GOLDEN[0]),
        (Seeds::root(7).draw("a"), GOLDEN[1]),
        (device.draw("download"), GOLDEN[2]),
        (device.child("run", 3).draw("download"), GOLDEN[3]),
        (device.below("share", 10_000), GOLDEN[4]),
        (device.between("install", 100, 200), GOLDEN[5]),
    ];
    assert_eq!(golden.map(|(drawn, _)| drawn), golden.map(|(_, kept)| kept));
}

const GOLDEN: [u64; 6] = [
    11_991_158_982_633_904_772,
    1_346_446_647_316_591_887,
    16_335_248_296_788_078_224,
    12_751_837_037_116_973_860,
    5_846,
    123,
];

#[test]
fn neighbors_and_names_do_not_meet() {
    let root = Seeds::root(1);
    let mut drawn = std::collections::BTreeSet::new();
    for index in 0..1_000 {
        for name in ["a", "b", "ab", "ba", ""] {
            assert!(
                drawn.insert(root.child(name, index).draw("x")),
                "{name} {index}"
            );
        }
    }
}

#[test]
fn bounds_hold_and_are_reached() {
    let mut seen = [0_u32; 10];
    for index in 0..10_000 {
        let value = Seeds::root(index).below("v", 10);
        seen[usize::try_from(value).expect("small")] += 1;
    }
    assert!(
        seen.iter().all(|count| (850..1_150).contains(count)),
        "{seen:?}"
    );
    assert_eq!(Seeds::root(3).below("v", 0), 0);
    assert_eq!(Seeds::root(3).between("v", 5, 5), 5);
    assert_eq!(Seeds::root(3).between("v", 6, 5), 6);
    let _any = Seeds::root(3).between("v", 0, u64::MAX);
}
