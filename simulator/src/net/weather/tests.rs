use super::*;
use crate::network::Partition;
use crate::scenario::{Line, SHARE_WHOLE, Slice};

fn half_cut() -> Scenario {
    let mut scenario = Scenario::honest(100, 3);
    scenario.network.partitions = vec![Partition {
        from: Span::seconds(10),
        until: Span::seconds(20),
        slice: Slice {
            line: Line::Partitions,
            from: 0,
            to: SHARE_WHOLE / 2,
        },
    }];
    scenario
}

#[test]
fn a_perfect_network_costs_nothing() {
    assert!(Weather::of(&Arc::new(Scenario::honest(10, 1)), 3).is_none());
}

#[test]
fn a_partition_cuts_off_those_behind_it_for_its_time() {
    let scenario = Arc::new(half_cut());
    let cut = (0..100).filter(|index| {
        let weather = Weather::of(&scenario, *index).expect("a partition");
        let behind = weather.next_cut(Span(0)).is_some();
        for (seconds, expected) in [(9, false), (10, behind), (19, behind), (20, false)] {
            assert_eq!(weather.is_cut_off(Span::seconds(seconds)), expected);
        }
        if behind {
            assert_eq!(weather.next_cut(Span(0)), Some(Span::seconds(10)));
        }
        assert_eq!(weather.next_cut(Span::seconds(10)), None);
        behind
    });
    assert!((48..=52).contains(&cut.count()));
}

#[test]
fn messages_are_lost_as_often_as_the_scenario_says() {
    let mut scenario = Scenario::honest(100, 3);
    scenario.network.loss = 1_000;
    let scenario = Arc::new(scenario);
    let mut lost = 0;
    for index in 0..100 {
        let mut weather = Weather::of(&scenario, index).expect("a loss");
        for _ in 0..20 {
            lost += u32::from(weather.loses(Direction::Up));
            lost += u32::from(weather.loses(Direction::Down));
        }
    }
    assert!((300..500).contains(&lost), "{lost} of 4000");
}
