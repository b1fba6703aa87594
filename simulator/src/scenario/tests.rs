use super::*;

mod played;
mod shipped;

#[test]
fn shares_are_even_at_every_size() {
    for line in [Line::Classes, Line::Groups, Line::Parts, Line::Partitions] {
        for devices in [50_u32, 2_000, 100_000] {
            for share in [100_u32, 1_000, 3_333, 9_000] {
                let slice = Slice {
                    line,
                    from: 10_000 - share,
                    to: 10_000,
                };
                let hits = (0..devices).filter(|index| slice.holds(line.point(7, *index)));
                let hits = hits.count() as i64;
                let expected = i64::from(devices) * i64::from(share) / 10_000;
                assert!(
                    (hits - expected).abs() <= 4,
                    "{line:?} {devices} {share} {hits}"
                );
            }
        }
    }
}

#[test]
fn lines_do_not_follow_each_other() {
    let half = |line| Slice {
        line,
        from: 0,
        to: 5_000,
    };
    let both = (0..10_000).filter(|index| {
        half(Line::Classes).holds(Line::Classes.point(1, *index))
            && half(Line::Groups).holds(Line::Groups.point(1, *index))
    });
    assert!((2_450..2_550).contains(&both.count()));
}

#[test]
fn shares_of_checks_leave_room_for_dice() {
    let ten = Bounds::exactly(Amount::Share(1_000));
    assert_eq!(ten.range(50), (0, 14));
    assert_eq!(ten.range(1_000_000), (98_800, 101_200));
    let more = Bounds::exactly(Amount::Share(13_000));
    assert_eq!(more.range(50), (52, 78));
    let whole = Bounds::exactly(Amount::Share(SHARE_WHOLE));
    assert_eq!(whole.range(50), (50, 50));
    assert_eq!(Bounds::at_least(Amount::Count(3)).range(50), (3, u64::MAX));
}
