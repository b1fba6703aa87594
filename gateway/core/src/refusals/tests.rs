use shipslog_domain::Span;

use super::*;

fn certificate(number: u32) -> Fingerprint {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    Fingerprint(bytes)
}

fn publishing<'a>(certificate: &'a Fingerprint, topic: &'a str) -> Refused<'a> {
    Refused {
        certificate,
        thing: Some(ThingId(7)),
        client_id: "pump-7",
        action: "iot:Publish",
        resource: topic,
        reason: Reason::Policy,
    }
}

fn refusals() -> (Refusals, Clock) {
    let clock = Clock::new_virtual(Timestamp(0));
    (Refusals::new(clock.clone()), clock)
}

#[test]
fn the_same_refusal_is_counted_and_not_listed_again() {
    let (refusals, clock) = refusals();
    let (one, begun) = (certificate(1), clock.now());
    refusals.note(&publishing(&one, "a"));
    let others = [
        Refused {
            action: "iot:Receive",
            ..publishing(&one, "a")
        },
        Refused {
            thing: None,
            ..publishing(&one, "a")
        },
        Refused {
            reason: Reason::CertificateNotActive,
            ..publishing(&one, "a")
        },
    ];
    others.iter().for_each(|other| refusals.note(other));
    clock.advance(Span::seconds(5)).unwrap();
    refusals.note(&Refused {
        client_id: "pump-7#2",
        ..publishing(&one, "a")
    });
    let listed = refusals.of(&one);
    assert_eq!(listed.len(), 4);
    let latest = &listed[0];
    assert_eq!((latest.action, latest.count), ("iot:Publish", 2));
    assert_eq!(&*latest.client_id, "pump-7#2");
    assert_eq!((latest.first_at, latest.last_at), (begun, clock.now()));
    assert!(listed[1..].iter().all(|other| other.count == 1));
    assert_eq!(listed[1].reason, Reason::CertificateNotActive);
    assert!(refusals.of(&certificate(2)).is_empty());
}

#[test]
fn a_certificate_has_so_many_and_the_oldest_gives_way() {
    let (refusals, _) = refusals();
    let one = certificate(1);
    for number in 0..1_000 * REFUSALS_PER_CERTIFICATE_MAX {
        refusals.note(&publishing(&one, &format!("t/{number}")));
        refusals.note(&publishing(&one, "again and again"));
    }
    let listed = refusals.of(&one);
    assert_eq!(listed.len(), REFUSALS_PER_CERTIFICATE_MAX);
    assert_eq!(&*listed[0].resource, "again and again");
    assert_eq!(listed[0].count, 1_000 * REFUSALS_PER_CERTIFICATE_MAX as u64);
    assert!(listed.iter().all(|one| &*one.resource != "t/0"));
}

#[test]
fn so_many_certificates_are_known_and_the_quietest_gives_way() {
    let (refusals, _) = refusals();
    let all = u32::try_from(REFUSED_CERTIFICATES_MAX).unwrap();
    for number in 0..all {
        refusals.note(&publishing(&certificate(number), "t"));
    }
    refusals.note(&publishing(&certificate(0), "t"));
    for number in all..all + 10 {
        refusals.note(&publishing(&certificate(number), "t"));
    }
    assert_eq!(
        refusals.of(&certificate(0)).len(),
        1,
        "it was refused lately"
    );
    assert!((1..=10).all(|number| refusals.of(&certificate(number)).is_empty()));
    let book = refusals.lock();
    assert_eq!(book.by_turn.len(), REFUSED_CERTIFICATES_MAX);
    assert_eq!(book.by_certificate.len(), REFUSED_CERTIFICATES_MAX);
}

#[test]
fn a_long_resource_is_cut_between_characters() {
    let (refusals, _) = refusals();
    let (one, long) = (certificate(1), "€".repeat(REFUSED_RESOURCE_BYTES_MAX));
    refusals.note(&publishing(&one, &long));
    refusals.note(&publishing(&one, &long));
    let listed = refusals.of(&one);
    assert_eq!(listed.len(), 1);
    let kept = listed[0].resource.len();
    assert!(kept <= REFUSED_RESOURCE_BYTES_MAX && kept + 3 > REFUSED_RESOURCE_BYTES_MAX);
}
