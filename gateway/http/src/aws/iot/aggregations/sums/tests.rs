use super::*;

fn numbers(values: &[&str]) -> Numbers {
    let mut numbers = Numbers::default();
    for value in values {
        numbers.add(&[value]);
    }
    numbers
}

#[test]
fn statistics_are_of_all_values_and_texts_only_count() {
    let statistics = numbers(&["2", "4", "4", "4", "5", "5", "7", "9", "hot", "NaN"]).statistics();
    let expected = json!({
        "count": 10, "average": 5.0, "sum": 40.0, "minimum": 2.0, "maximum": 9.0, "sumOfSquares": 232.0,
        "variance": 4.0, "stdDeviation": 2.0,
    });
    assert_eq!(statistics, expected);
    assert_eq!(numbers(&["hot"]).statistics(), json!({"count": 1}));
    assert_eq!(Numbers::default().statistics(), json!({"count": 0}));
}

#[test]
fn a_percentile_is_one_of_the_values() {
    let found: Vec<_> = numbers(&["15", "20", "35", "40", "50"])
        .percentiles(&[0.0, 5.0, 30.0, 40.0, 50.0, 100.0])
        .collect();
    let expected = [
        (0.0, 15.0),
        (5.0, 15.0),
        (30.0, 20.0),
        (40.0, 20.0),
        (50.0, 35.0),
        (100.0, 50.0),
    ];
    assert_eq!(found, expected);
    assert_eq!(numbers(&["hot"]).percentiles(&[50.0]).count(), 0);
}

#[test]
fn buckets_are_the_largest_and_their_values_are_bounded() {
    let mut buckets = Buckets::default();
    for values in [&["a"][..], &["b", "c"], &["b"], &[]] {
        buckets.add(values).unwrap();
    }
    assert_eq!(buckets.things, 4);
    assert_eq!(buckets.largest(2), [("b".into(), 2), ("a".into(), 1)]);
    let mut buckets = Buckets::default();
    for number in 0..BUCKET_VALUES_MAX {
        buckets.add(&[&number.to_string()]).unwrap();
    }
    buckets.add(&["7"]).unwrap();
    assert!(buckets.add(&["one more"]).is_err());
}

#[test]
fn different_values_are_counted_once() {
    let mut different = Different::default();
    for values in [&["a", "b"][..], &["b"], &[]] {
        different.add(values);
    }
    assert_eq!(different.count(), 2);
}
