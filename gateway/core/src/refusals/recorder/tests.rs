use shipslog_domain::Span;
use shipslog_domain::presence::RefusalReason;

use super::*;

const DEVICE: Fingerprint = Fingerprint([1; 32]);
const THING: Option<ThingId> = Some(ThingId(7));

fn publishing(topic: &str) -> Refused<'_> {
    Refused {
        certificate: &DEVICE,
        thing: THING,
        client_id: "pump-7",
        action: "iot:Publish",
        resource: topic,
        reason: RefusalReason::Policy,
    }
}

fn counts(refusals: &[Refusal]) -> Vec<(&str, u64)> {
    let refusals = refusals.iter();
    refusals.map(|one| (&*one.resource, one.count)).collect()
}

#[test]
fn a_flood_becomes_one_event_per_window() {
    let mut unrecorded = Unrecorded::default();
    let mut now = Timestamp(1_000_000);
    let end = now.plus(Span::minutes(60));
    let (mut events, mut counted) = (0, 0);
    while now < end {
        for topic in ["a", "b"] {
            unrecorded.note(&publishing(topic), now);
        }
        for (holder, refusals) in unrecorded.take(now, 10) {
            assert_eq!(holder, (DEVICE, THING));
            events += 1;
            counted += refusals.iter().map(|one| one.count).sum::<u64>();
        }
        now = now.plus(Span::seconds(1));
    }
    assert_eq!(events, 6, "one in ten minutes");
    let left: u64 = unrecorded
        .by_holder
        .values()
        .flat_map(|waiting| &waiting.refusals)
        .map(|one| one.count)
        .sum();
    assert_eq!(counted + left, 2 * 3_600, "each was counted");
}

#[test]
fn what_is_refused_at_once_shares_an_event() {
    let mut unrecorded = Unrecorded::default();
    let start = Timestamp(1_000_000);
    unrecorded.note(&publishing("a"), start);
    assert!(unrecorded.take(start, 10).is_empty(), "others may follow");
    let later = start.plus(Span::seconds(1));
    unrecorded.note(&publishing("b"), later);
    unrecorded.note(&publishing("a"), later);
    let due = start.plus(limits::REFUSALS_SETTLE);
    let taken = unrecorded.take(due, 10);
    assert_eq!(taken.len(), 1);
    assert_eq!(counts(&taken[0].1), [("b", 1), ("a", 2)]);
    assert_eq!(taken[0].1[1].last_at, later);
    // Its window is remembered, and no longer than that.
    assert_eq!(unrecorded.by_holder.len(), 1);
    assert!(
        unrecorded
            .take(due.plus(limits::REFUSALS_WINDOW), 10)
            .is_empty()
    );
    assert!(unrecorded.by_holder.is_empty());
}

#[test]
fn what_could_not_be_recorded_waits_with_what_came_meanwhile() {
    let mut unrecorded = Unrecorded::default();
    let start = Timestamp(1_000_000);
    unrecorded.note(&publishing("a"), start);
    unrecorded.note(&publishing("b"), start);
    let due = start.plus(limits::REFUSALS_SETTLE);
    let taken = unrecorded.take(due, 10);
    unrecorded.note(&publishing("a"), due);
    unrecorded.put_back(taken, due);
    let again = unrecorded.take(due, 10);
    assert_eq!(counts(&again[0].1), [("b", 1), ("a", 2)]);
}

#[test]
fn many_holders_and_many_refusals_are_bounded() {
    let mut unrecorded = Unrecorded::default();
    let now = Timestamp(1_000_000);
    for number in 0..limits::REFUSED_CERTIFICATES_MAX + 10 {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        let certificate = &Fingerprint(bytes);
        unrecorded.note(
            &Refused {
                certificate,
                ..publishing("a")
            },
            now,
        );
    }
    assert_eq!(unrecorded.by_holder.len(), limits::REFUSED_CERTIFICATES_MAX);
    let later = now.plus(limits::REFUSALS_SETTLE);
    assert_eq!(
        unrecorded.take(later, limits::REFUSALS_STEP).len(),
        limits::REFUSALS_STEP
    );
    let mut unrecorded = Unrecorded::default();
    let topics: Vec<String> = (0..40)
        .map(|number| "x".repeat(300) + &number.to_string())
        .collect();
    topics
        .iter()
        .for_each(|topic| unrecorded.note(&publishing(topic), now));
    assert_eq!(
        counts(&unrecorded.take(later, 1)[0].1).len(),
        1,
        "they are cut to the same"
    );
    let topics: Vec<String> = (0..40).map(|number| number.to_string()).collect();
    let mut unrecorded = Unrecorded::default();
    topics
        .iter()
        .for_each(|topic| unrecorded.note(&publishing(topic), now));
    let taken = unrecorded.take(later, 1);
    assert_eq!(taken[0].1.len(), limits::REFUSALS_PER_CERTIFICATE_MAX);
    assert_eq!(&*taken[0].1[15].resource, "39", "the latest stay");
}
