use super::*;

#[test]
fn changes_lead_from_one_look_to_the_next() {
    let before = JobProgress {
        queued: 10,
        in_progress: 5,
        ..JobProgress::default()
    };
    let after = JobProgress {
        queued: 4,
        in_progress: 2,
        succeeded: 12,
        failed: 1,
        ..JobProgress::default()
    };
    let mut counted = counts(&before).map(|(_, count)| i64::try_from(count).expect("few"));
    for (from, to, count) in changes(&before, &after) {
        counted[to as usize] += i64::from(count);
        if let Some(from) = from {
            counted[from as usize] -= i64::from(count);
        }
    }
    assert_eq!(
        counted,
        counts(&after).map(|(_, count)| i64::try_from(count).expect("few"))
    );
    assert!(changes(&after, &after).is_empty());
}
