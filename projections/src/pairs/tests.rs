use super::{pack, unpack, value};

#[test]
fn pairs_survive_packing() {
    let pairs: Vec<(Box<str>, Box<str>)> =
        vec![("step".into(), "download".into()), ("é".into(), "".into())];
    let mut bytes = vec![1, 2, 3];
    pack(&pairs, &mut bytes);
    let unpacked: Vec<_> = unpack(&bytes).collect();
    assert_eq!(unpacked, [("step", "download"), ("é", "")]);
    assert_eq!(value(&bytes, "step"), Some("download"));
    assert_eq!(value(&bytes, "stop"), None);
    pack(&[], &mut bytes);
    assert_eq!(unpack(&bytes).count(), 0);
}

#[test]
fn an_overlong_value_is_cut_at_a_character() {
    let pairs: Vec<(Box<str>, Box<str>)> = vec![("k".into(), "é".repeat(40_000).into())];
    let mut bytes = Vec::new();
    pack(&pairs, &mut bytes);
    assert_eq!(value(&bytes, "k").map(str::len), Some(65_534));
}
