use super::*;

fn measured(updates: &[u64], begun: u64, welcomed: Option<u64>) -> Measured {
    let mut measured = Measured::begin();
    for update in updates {
        measured.updates.record(*update).expect("within bounds");
    }
    measured.welcomes.record(77).expect("within bounds");
    measured.peak_rss_bytes = 1_000;
    measured.moments = Moments {
        begun,
        welcomed,
        joined: welcomed.map(|at| at + 500),
        replied: updates.last().map(|took| begun + took),
    };
    measured
}

#[test]
fn a_measurement_survives_its_way_between_processes() {
    let updates: Vec<u64> = (1..2_000).map(|number| number * number * 37).collect();
    let before = measured(&updates, 5, Some(1_005));
    let text = serde_json::to_string(&before.to_form()).expect("JSON");
    let after = Measured::of_form(&serde_json::from_str(&text).expect("the same form"));
    assert_eq!(after.updates, before.updates);
    assert_eq!(after.welcomes, before.welcomes);
    assert_eq!(after.moments, before.moments);
    assert_eq!(after.peak_rss_bytes, 1_000);
}

#[test]
fn parts_of_a_fleet_add_up() {
    let mut whole = measured(&[10, 20], 2_000_000, Some(5_000_000));
    whole.merge(&measured(&[30], 1_000_000, Some(4_000_000)));
    assert_eq!(whole.updates.len(), 3);
    assert_eq!(whole.updates.max(), 30);
    assert_eq!(whole.welcomes.len(), 2);
    assert_eq!(whole.peak_rss_bytes, 2_000);
    assert_eq!(whole.moments.welcoming(), Some(Duration::from_secs(4)));
    assert_eq!(
        whole.moments.joining(),
        Some(Duration::from_micros(4_000_500))
    );
    let working = whole.moments.working(1_999_990);
    assert_eq!(working, Some(Duration::from_micros(30)));
    whole.merge(&measured(&[], 1_000_000, None));
    assert_eq!(whole.moments.welcoming(), None, "a part was never there");
}
