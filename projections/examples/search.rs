//! Measures searches: `cargo run --release -p shipslog-projections --example search [THINGS]`.
//!
//! Registers things with a model, a site, a level and a serial number that no other has, half of them in one group,
//! and prints how long a page of each kind of search takes: the middle and the slowest of a hundred.
#![expect(
    clippy::print_stdout,
    reason = "a measurement prints figures and reads the clock"
)]

use std::time::{Duration, Instant};

use shipslog_domain::query::{Index, Query};
use shipslog_domain::{
    Event, GroupId, GroupName, Position, Recorded, StreamId, StreamKind, ThingName, Timestamp,
    group, stable_uuid, thing,
};
use shipslog_projections::Views;
use shipslog_projections::registry::Property;

struct Fleet {
    views: Views,
    position: u64,
}

impl Fleet {
    fn apply(&mut self, kind: StreamKind, number: u32, event: Event) {
        self.position += 1;
        self.views.apply(&Recorded {
            position: Position(self.position),
            previous: Position::START,
            at: Timestamp(1_700_000_000_000),
            stream: StreamId::new(kind, number),
            event,
        });
    }

    fn register(&mut self, number: u32, things: u32) {
        // Serial numbers in no order, and each once.
        let serial = u64::from(number) * 7_919 % u64::from(things);
        let pair = |key: &str, value: String| (Box::from(key), Box::from(value));
        let registered = thing::Event::Registered {
            name: Some(name(number)),
            thing_type: None,
            attributes: vec![
                pair("level", (number % 100).to_string()),
                pair("model", format!("m{}", number % 3)),
                pair("serial", format!("SN{serial:08}")),
                pair("site", format!("site-{}", number % 1_000)),
            ],
        };
        self.apply(StreamKind::Thing, number, Event::Thing(registered));
        if number.is_multiple_of(2) {
            let (group, paced) = (GroupId(0), false);
            let joined = thing::Event::JoinedGroup { group, paced };
            self.apply(StreamKind::Thing, number, Event::Thing(joined));
        }
    }
}

fn name(number: u32) -> ThingName {
    ThingName::parse(&format!("device-{number:07}")).expect("a valid name")
}

fn main() {
    let argument = std::env::args().nth(1);
    let things = argument.map_or(1_000_000, |text| text.parse().expect("a number of things"));
    let mut fleet = Fleet {
        views: Views::default(),
        position: 0,
    };
    let created = group::Event::Created {
        name: GroupName::parse("half").expect("a valid name"),
        parent: None,
        description: None,
        attributes: vec![],
    };
    fleet.apply(StreamKind::Group, 0, Event::Group(created));
    let start = Instant::now();
    for number in 0..things {
        fleet.register(number, things);
    }
    println!("{things} things folded in {:?}", start.elapsed());
    let id = stable_uuid("thing", name(things / 2).as_str());
    for text in [
        "*",
        "thingName:device-0500000",
        "thingName:device-05000*",
        "thingName:device-0*",
        "attributes.serial:SN00500000",
        "attributes.serial:SN005000*",
        "attributes.model:m1",
        "attributes.model:m1 AND attributes.site:site-7",
        "attributes.site:site-7 AND thingGroupNames:half",
        "thingGroupNames:half AND attributes.level:[90 TO 95]",
        "NOT thingGroupNames:half AND attributes.level>98",
        "attributes.level:100",
        "SN00500000",
        "attributes.serial:SN9*",
        "attributes.serial:[SN00500000 TO SN00600000]",
        "attributes.serial:SN0*7",
        "thingName:device-09*",
        "thingName:[device-05 TO device-06]",
        "thingName:[x TO y]",
        "NOT attributes.model:m1 AND NOT attributes.model:m2 AND NOT attributes.model:m0",
        "attributes.serial:SN0*x",
        "thingName:device-*x",
        "device*x",
        &format!("thingId:{id}"),
    ] {
        measure(&fleet.views, text);
    }
    for name in [
        "thingName",
        "registry.version",
        "attributes.model",
        "attributes.level",
    ] {
        sum_up(&fleet.views, name);
    }
}

/// How long all values of a property take, and each look at some of them.
fn sum_up(views: &Views, name: &str) {
    let property = Property::parse(name).expect("a property that is added up");
    let query = Query::parse(Index::Things, "*").expect("a valid query");
    let (mut bytes, mut looks, mut slowest, mut after) = (0, 0, Duration::ZERO, None);
    let start = Instant::now();
    loop {
        let look = Instant::now();
        let mut take =
            |values: &[&str]| bytes += values.iter().map(|value| value.len()).sum::<usize>();
        after = views.values_of_things(&query, &property, after, &mut take);
        looks += 1;
        slowest = slowest.max(look.elapsed());
        if after.is_none() {
            break;
        }
    }
    let all = start.elapsed();
    println!(
        "all values of {name}: {bytes} bytes in {all:?}, {looks} looks of at most {slowest:?}"
    );
}

fn measure(views: &Views, text: &str) {
    let query = Query::parse(Index::Things, text).expect("a valid query");
    let mut times: Vec<Duration> = Vec::new();
    let (mut found, mut after) = (0, None);
    for _ in 0..100 {
        let start = Instant::now();
        let page = views.search_things(&query, after, 100);
        times.push(start.elapsed());
        found = page.items.len();
        // A request that found nothing in its time is followed by the next one.
        after = page.next.filter(|_| found == 0);
    }
    times.sort_unstable();
    let (middle, slowest) = (times.get(50), times.last());
    println!("{text}: {found} on the page, {middle:?}, at most {slowest:?}");
}
