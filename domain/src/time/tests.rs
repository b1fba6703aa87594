use super::Timestamp;

#[test]
fn timestamps_print_as_iso_8601_with_milliseconds() {
    for (milliseconds, expected) in [
        (0, "1970-01-01T00:00:00.000Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (1_704_067_199_999, "2023-12-31T23:59:59.999Z"),
        (1_709_164_800_000, "2024-02-29T00:00:00.000Z"),
        (4_102_444_800_001, "2100-01-01T00:00:00.001Z"),
    ] {
        assert_eq!(Timestamp(milliseconds).to_string(), expected);
    }
}
