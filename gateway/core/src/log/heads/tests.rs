use super::*;

#[test]
fn heads_are_replaced_and_survive_encoding() {
    let mut heads = Heads::default();
    let thing = StreamId::new(StreamKind::Thing, 900);
    let job = StreamId::new(StreamKind::Job, 2);
    assert_eq!(heads.replace(thing, Position(5)), Position::START);
    assert_eq!(heads.replace(job, Position(6)), Position::START);
    assert_eq!(heads.replace(thing, Position(u64::MAX)), Position(5));
    let decoded = Heads::decode(&heads.encode()).unwrap();
    assert_eq!(decoded.get(thing), Position(u64::MAX));
    assert_eq!(decoded.get(job), Position(6));
    assert_eq!(
        decoded.get(StreamId::new(StreamKind::Thing, 901)),
        Position::START
    );
}

#[test]
fn what_is_no_saved_form_is_refused() {
    let encoded = Heads::default().encode();
    assert!(Heads::decode(&encoded[1..]).is_none());
    assert!(Heads::decode(&[&encoded[..], &[0]].concat()).is_none());
    assert!(Heads::decode(&[0xff; 20]).is_none());
}
