use shipslog_domain::client_device::Event as DeviceEvent;
use shipslog_domain::{CoreTaskId, Event, StreamKind, ThingId, ThingName};

use crate::testing::Story;

fn tell(story: &mut Story, device: u32, event: DeviceEvent) {
    story.push(StreamKind::Thing, device, Event::ClientDevice(event));
}

fn created(name: Option<&str>, core: u32) -> DeviceEvent {
    DeviceEvent::Created {
        name: name.map(|name| ThingName::parse(name).expect("a valid name")),
        core: ThingId(core),
    }
}

/// Two cores and three devices of the first.
fn devices() -> Story {
    let mut story = Story::default();
    (0..2).for_each(|core| story.core(core));
    for (number, name) in [(2, "d-c"), (3, "d-a"), (4, "d-b")] {
        tell(&mut story, number, created(Some(name), 0));
    }
    story
}

fn names(story: &Story, core: Option<&str>) -> Vec<String> {
    let page = story.views.client_devices(core, None, 10);
    page.items.iter().map(|item| item.name.to_owned()).collect()
}

#[test]
fn a_device_has_one_core_and_its_own_certificates() {
    let mut story = devices();
    let fresh = story.views.client_device("d-a").expect("exists");
    assert_eq!(
        (fresh.core, fresh.is_associated, fresh.updated_at),
        ("t0", false, None)
    );
    let certs = "files/d-a/d-a/certs.zip";
    tell(
        &mut story,
        3,
        DeviceEvent::CertificatesStored {
            certs: certs.into(),
        },
    );
    tell(&mut story, 3, DeviceEvent::Associated { core: ThingId(1) });
    let moved = story.views.client_device("d-a").expect("exists");
    assert_eq!((moved.core, moved.is_associated), ("t1", true));
    assert_eq!(moved.certs.expect("stored").key, certs);
    assert_eq!(names(&story, Some("t0")), ["d-b", "d-c"]);
    assert_eq!(names(&story, Some("t1")), ["d-a"]);
    assert!(names(&story, Some("unknown")).is_empty());
}

#[test]
fn a_device_without_record_is_not_shown_even_while_it_is_associated() {
    let mut story = devices();
    tell(&mut story, 2, DeviceEvent::Associated { core: ThingId(0) });
    let task = Some(CoreTaskId(0));
    tell(&mut story, 2, DeviceEvent::Removed { task });
    assert_eq!(story.views.client_device("d-c"), None);
    assert_eq!(names(&story, None), ["d-a", "d-b"]);
    tell(&mut story, 2, created(None, 1));
    let again = story.views.client_device("d-c").expect("exists");
    assert_eq!(
        (again.core, again.is_associated),
        ("t0", true),
        "it kept its association"
    );
    tell(&mut story, 2, DeviceEvent::Disassociated);
    tell(&mut story, 2, DeviceEvent::Removed { task: None });
    tell(&mut story, 2, created(None, 1));
    assert_eq!(story.views.client_device("d-c").expect("exists").core, "t1");
}

#[test]
fn devices_are_listed_by_name_page_by_page() {
    let story = devices();
    let first = story.views.client_devices(None, None, 2);
    assert!(first.has_more);
    assert_eq!(first.items[1].name, "d-b");
    let rest = story.views.client_devices(None, Some("d-b"), 2);
    assert!(!rest.has_more);
    assert_eq!(rest.items[0].name, "d-c");
}
