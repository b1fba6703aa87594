use super::*;

#[test]
fn names_are_read_back() {
    let name = "0000000000000000042.log";
    assert_eq!(path(Position(42)), format!("segments/{name}"));
    assert_eq!(parse_name(name), Some(Position(42)));
    let longest = format!("{}.log", u64::MAX);
    assert_eq!(parse_name(&longest), Some(Position(u64::MAX)));
    for other in [
        "42.log",
        "0000000000000000000.log",
        "+000000000000000042.log",
        PREPARED_NAME,
    ] {
        assert_eq!(parse_name(other), None, "{other}");
    }
}

#[test]
fn the_index_has_an_entry_every_stride() {
    let mut stride = Stride::default();
    let taken: Vec<_> = [60_000, 60_000, 10, 10, 1_000_000, 1]
        .map(|bytes| stride.take(bytes))
        .into();
    assert_eq!(taken, [true, false, true, false, false, true]);
}
