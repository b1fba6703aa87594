use super::*;

#[test]
fn a_short_run_gives_plausible_figures() {
    let directory = tempfile::tempdir().unwrap();
    let result = bench_log(directory.path(), 2_000, 100).unwrap();
    assert!(result.events_per_second > 0.0);
    assert!(result.raw_events_per_second > 0.0);
    assert!(result.p50_ms <= result.p99_ms);
    assert!(
        (120.0..170.0).contains(&result.bytes_per_event),
        "{result:?}"
    );
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}
