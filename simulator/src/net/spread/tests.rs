use super::*;

#[test]
fn every_time_is_counted_where_it_belongs() {
    let spread = Spread::default();
    let mut micros = 0_u64;
    let mut recorded = 0;
    while micros < 3_600_000_000 {
        let counter = u64::try_from(index(micros)).unwrap();
        let most = longest(counter);
        assert!(micros <= most, "{micros} is at most {most}");
        assert!(
            counter == 0 || micros > longest(counter - 1),
            "{micros} is not of the counter before"
        );
        assert!(
            most - micros <= micros / 16,
            "{micros} is told apart from {most}"
        );
        spread.record(micros);
        recorded += 1;
        micros += micros / 7 + 1;
    }
    spread.record(u64::MAX);
    let counted: u64 = spread.counts().map(|(_, count)| count).sum();
    assert_eq!(counted, recorded + 1);
}
