use super::*;

#[test]
fn what_is_late_holds_up_what_is_behind_it() {
    let mut air = Air::default();
    air.up.depart(b"one".to_vec(), 300);
    air.up.depart(b"two".to_vec(), 120);
    air.down.depart(b"three".to_vec(), 200);
    air.up.depart(b"four".to_vec(), 400);
    assert_eq!(air.next(), Some(200));
    assert_eq!(air.up.land(299), b"");
    assert_eq!(air.down.land(200), b"three");
    assert_eq!(air.next(), Some(300));
    assert_eq!(air.up.land(300), b"onetwo");
    assert_eq!((air.next(), air.up.is_empty()), (Some(400), false));
    air.ended = true;
    air.clear();
    assert_eq!(
        (air.next(), air.ended, air.up.is_empty()),
        (None, false, true)
    );
}
