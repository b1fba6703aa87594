use super::*;

const fn two() -> NonZeroUsize {
    NonZeroUsize::new(2).expect("not zero")
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn an_address_has_so_many_and_not_one_more() {
    let crowd = Arc::new(Crowd::new(100, PerAddress::Everybody(two())));
    let first = crowd.enter(address("10.0.0.1")).unwrap();
    let _second = crowd.enter(address("::ffff:10.0.0.1")).unwrap();
    let refused = crowd.enter(address("10.0.0.1")).err();
    assert_eq!(refused, Some(Refused::TooManyOfAddress));
    let _other = crowd.enter(address("10.0.0.2")).unwrap();
    drop(first);
    let _third = crowd.enter(address("10.0.0.1")).unwrap();
}

#[test]
fn a_network_of_ipv6_is_one_address() {
    let crowd = Arc::new(Crowd::new(100, PerAddress::default_of(two())));
    let _first = crowd.enter(address("2001:db8:0:1::1")).unwrap();
    let _second = crowd.enter(address("2001:db8:0:1:ffff::2")).unwrap();
    let refused = crowd.enter(address("2001:db8:0:1:1::3")).err();
    assert_eq!(refused, Some(Refused::TooManyOfAddress));
    let _other = crowd.enter(address("2001:db8:0:2::1")).unwrap();
}

#[test]
fn this_machine_is_counted_only_if_that_is_asked_for() {
    for loopback in ["127.0.0.1", "::1"] {
        let crowd = Arc::new(Crowd::new(100, PerAddress::default_of(two())));
        let all: Vec<_> = (0..10).map(|_| crowd.enter(address(loopback))).collect();
        assert!(all.iter().all(Result::is_ok));
        let crowd = Arc::new(Crowd::new(100, PerAddress::Everybody(two())));
        let all: Vec<_> = (0..3).map(|_| crowd.enter(address(loopback))).collect();
        assert!(all[1].is_ok() && all[2].is_err());
    }
}

#[test]
fn nothing_stays_of_those_that_left() {
    let crowd = Arc::new(Crowd::new(3, PerAddress::Everybody(two())));
    let all: Vec<_> = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"]
        .map(|one| crowd.enter(address(one)))
        .into();
    let refused = all[3].as_ref().err();
    assert_eq!(refused, Some(&Refused::TooManyConnections));
    drop(all);
    let present = crowd.lock();
    assert_eq!((present.all, present.by_address.len()), (0, 0));
}

impl PerAddress {
    fn default_of(max: NonZeroUsize) -> Self {
        assert!(matches!(Self::default(), Self::OtherMachines(_)));
        Self::OtherMachines(max)
    }
}
