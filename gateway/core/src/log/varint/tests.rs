use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn what_is_put_is_taken(values: Vec<u64>, signed: i64) {
        let mut out = Vec::new();
        for value in &values {
            put(&mut out, *value);
        }
        let mut rest = &out[..];
        for value in &values {
            prop_assert_eq!(take(&mut rest), Some(*value));
        }
        prop_assert!(rest.is_empty());
        prop_assert_eq!(unzigzag(zigzag(signed)), signed);
    }
}

#[test]
fn cut_off_and_overlong_numbers_are_refused() {
    assert_eq!(take(&mut &[][..]), None);
    assert_eq!(take(&mut &[0x80][..]), None);
    assert_eq!(take(&mut &[0xff; 11][..]), None);
    let highest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    assert_eq!(take(&mut &highest[..]), Some(u64::MAX));
    let too_high = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
    assert_eq!(take(&mut &too_high[..]), None);
}
