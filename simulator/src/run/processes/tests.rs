use super::*;

#[test]
fn a_program_may_have_any_name() {
    let stat = "17 (a) b (c) S 1 17 17 0 -1 4194560 9 0 0 0 250 31 5 6 20 0 9 0 1 2 3";
    let times = parse(stat).expect("two times");
    assert_eq!(times.user, Duration::from_millis(2_500));
    assert_eq!(times.system, Duration::from_millis(310));
    assert_eq!(parse("17 (short) S 1"), None);
}

#[test]
fn processor_time_is_used_up_by_work() {
    let before = CpuTimes::now();
    let mut sum = 0_u64;
    while CpuTimes::now().since(before).user < Duration::from_millis(20) {
        sum = (0..100_000).fold(sum, |sum, number: u64| sum.rotate_left(3) ^ number);
        std::hint::black_box(sum);
    }
    assert!(resident_bytes() > 100_000);
}
