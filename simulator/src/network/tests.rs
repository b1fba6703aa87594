use super::*;

fn counts(network: &Network) -> (usize, usize, usize) {
    let mut found = (0, 0, 0);
    for sequence in 0..20_000 {
        let address = Address {
            device: 3,
            direction: Direction::Up,
            sequence,
        };
        let delivery = network.deliver(7, address);
        assert_eq!(delivery, network.deliver(7, address), "pure");
        found.0 += usize::from(delivery.first.is_none());
        found.1 += usize::from(delivery.second.is_some());
        found.2 += usize::from(delivery.first.is_some_and(|length| length.0 >= 1_000));
    }
    found
}

#[test]
fn a_perfect_network_delivers_at_once() {
    let network = Network::default();
    assert!(network.is_perfect());
    assert_eq!(counts(&network), (0, 0, 0));
}

#[test]
fn shares_are_met() {
    let network = Network {
        latency: Distribution::Uniform { low: 10, high: 50 },
        loss: 500,
        duplicated: 200,
        delayed: 1_000,
        delay: Distribution::Constant(1_000),
        ..Network::default()
    };
    assert!(!network.is_perfect());
    let (lost, twice, late) = counts(&network);
    assert!((900..1_100).contains(&lost), "{lost}");
    assert!((320..440).contains(&twice), "{twice}");
    assert!((1_750..2_050).contains(&late), "{late}");
}

#[test]
fn a_partition_cuts_off_its_share_while_it_lasts() {
    let network = Network {
        partitions: vec![Partition {
            from: Span(100),
            until: Span(200),
            slice: Slice {
                line: Line::Partitions,
                from: 0,
                to: 3_000,
            },
        }],
        ..Network::default()
    };
    let behind = |elapsed: u64| {
        (0..1_000)
            .filter(|device| network.cut_off_until(7, *device, Span(elapsed)) == Some(Span(200)))
            .count()
    };
    assert_eq!((behind(99), behind(200)), (0, 0));
    assert!((297..=303).contains(&behind(100)));
    assert!((297..=303).contains(&behind(199)));
}
