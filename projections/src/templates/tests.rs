use shipslog_domain::template;

use crate::testing::{Story, version_added};

#[test]
fn a_template_has_numbered_versions_with_their_dates() {
    let mut story = Story::default();
    story.template(0, "edge", 1);
    let first = story.views.template("edge").expect("exists");
    assert_eq!((first.version, first.latest_version), (1, 1));
    assert_eq!(first.updated_at, None);
    let created_at = first.created_at;

    story.now.0 += 1_000;
    story.template_event(0, version_added(2));
    let latest = story.views.template("edge").expect("exists");
    assert_eq!((latest.version, latest.created_at), (2, created_at));
    assert!(latest.updated_at > Some(created_at));
    let component = latest.content.components.first().expect("one");
    assert_eq!(&*component.version, "1.0.2");
    let first = story.views.template_version("edge", 1).expect("exists");
    assert_eq!((first.latest_version, first.updated_at), (2, None));
    assert_eq!(story.views.template_version("edge", 0), None);
    assert_eq!(story.views.template_version("edge", 3), None);
    assert_eq!(story.views.template("other"), None);
}

#[test]
fn versions_and_templates_are_listed_in_pages() {
    let mut story = Story::default();
    for (id, name) in [(0, "c"), (1, "a"), (2, "b")] {
        story.template(id, name, 12);
    }
    let page = story.views.templates(Some("a"), 1);
    assert_eq!(page.items.first().map(|one| one.name), Some("b"));
    assert!(page.has_more);
    let page = story
        .views
        .template_versions("a", Some(9), 2)
        .expect("exists");
    let numbers: Vec<u32> = page.items.iter().map(|one| one.version).collect();
    assert_eq!((numbers, page.has_more), (vec![10, 11], true));
    assert_eq!(story.views.template_versions("z", None, 2), None);
}

#[test]
fn a_removed_template_keeps_its_name_and_frees_it() {
    let mut story = Story::default();
    story.template(0, "edge", 3);
    story.template_event(0, template::Event::Removed);
    let id = shipslog_domain::TemplateId(0);
    assert_eq!(story.views.template_name(id), Some("edge"));
    assert_eq!(story.views.template("edge"), None);
    assert!(story.views.templates(None, 9).items.is_empty());
    story.template(1, "edge", 1);
    let again = story.views.template("edge").expect("exists");
    assert_eq!((again.id.0, again.version), (1, 1));
    assert_eq!(story.views.templates(None, 9).items, [again]);
}
