use shipslog_domain::stable_uuid;

use super::{ThingIds, number, numbers};

#[test]
fn what_is_kept_of_an_id_are_its_first_digits() {
    for name in ["pump-7", "a", "device-0500000"] {
        let id = stable_uuid("thing", name);
        assert_eq!(numbers(&id), Some((number(name), number(name))));
        let (first, last) = numbers(&id[..3]).expect("digits");
        assert!((first..=last).contains(&number(name)));
        assert_eq!(last - first, 0xf_ffff);
    }
    assert_eq!(numbers(""), Some((0, u32::MAX)));
    assert_eq!(numbers("12AB"), None, "ids have small letters");
    assert_eq!(numbers("+1"), None);
    assert_eq!(numbers("12-4"), None);
    assert_eq!(numbers("12\u{e4}4567"), None);
}

#[test]
fn filled_and_followed_are_the_same() {
    let names = ["a", "b", "c", "d"];
    let mut followed = ThingIds::default();
    for (thing, name) in (0..).zip(names) {
        followed.insert(thing, name);
    }
    followed.remove(1, "b");
    let mut filled = ThingIds::default();
    filled.fill([(3, "d"), (0, "a"), (2, "c")].into_iter());
    assert_eq!(filled.things, followed.things);
}
