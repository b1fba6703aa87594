use shipslog_domain::component;
use shipslog_domain::deployment::{self, Components, Configuration, Content, Scope};
use shipslog_domain::execution;
use shipslog_domain::job::{Target, TargetSelection};
use shipslog_domain::template::{self, Component};
use shipslog_domain::{Event, GroupId, JobId, JobName, StreamKind, ThingId};

use crate::testing::Story;

/// `name version merge reset`.
fn component(text: &str) -> Component {
    let mut words = text.split(' ');
    let mut next = || words.next().filter(|word| *word != "-");
    Component {
        key: next().expect("a name").into(),
        version: next().expect("a version").into(),
        merge: next().map(Into::into),
        reset: next().map(|pointers| {
            pointers
                .split(',')
                .map(|one| one.trim_matches('.').into())
                .collect()
        }),
        run_with: None,
    }
}

impl Story {
    /// A deployment and, for a group, its job; both have this number.
    fn deploys(&mut self, number: u32, target: Target, revision: u32, components: &[&str]) {
        let job = JobName::parse(&format!("job-{number}")).expect("a name");
        let spec = template::Content {
            components: components.iter().map(|text| component(text)).collect(),
            job_settings: None,
            policies: None,
        };
        let content = Content::Components(Components {
            spec,
            configuration: None,
        });
        self.deployment(number, target, revision, &job, content);
    }

    fn deployment(
        &mut self,
        number: u32,
        target: Target,
        revision: u32,
        job: &JobName,
        content: Content,
    ) {
        let created = deployment::Event::Created {
            id: format!("deployment-{number}").into(),
            scope: Scope::Target(target),
            scope_name: "target".into(),
            revision,
            job: job.clone(),
            name: None,
            parent: None,
            content: Box::new(content),
            tags: Vec::new(),
            token: None,
        };
        self.push(StreamKind::Deployment, number, Event::Deployment(created));
        if let Target::Group(_) = target {
            self.job(number, &[target], TargetSelection::Continuous);
        }
    }

    fn recipe(&mut self, number: u32, name: &str, version: &str, default: &str) {
        let recipe = format!(
            r#"{{"RecipeFormatVersion":"2020-01-25","ComponentName":"{name}","ComponentVersion":"{version}","componentconfiguration":{{"DefaultConfiguration":{default}}}}}"#
        );
        let content = component::Content {
            recipe: recipe.into(),
            format: component::Format::Json,
            errors: Vec::new(),
            tags: Vec::new(),
        };
        let created = component::Event::Created {
            name: shipslog_domain::ComponentName::parse(name).expect("a name"),
            version: version.into(),
            content: Box::new(content),
            token: None,
        };
        self.push(
            StreamKind::ComponentVersion,
            number,
            Event::Component(created),
        );
    }

    /// `name version configuration` of each component, and whether they are certain.
    fn has(&self, thing: &str) -> String {
        let Some(found) = self
            .views
            .thing_id(thing)
            .and_then(|id| self.views.effective_configuration(id))
        else {
            return "nothing".into();
        };
        let components = found.components.iter().map(|one| {
            let configuration = one.configuration.unwrap_or("elsewhere");
            format!("{} {} {configuration}", one.name, one.version)
        });
        let mut text = components.collect::<Vec<_>>().join("; ");
        if !found.is_certain {
            text.push('?');
        }
        text
    }
}

const G: Target = Target::Group(GroupId(0));
const H: Target = Target::Group(GroupId(1));

/// Two things in the groups `g0` and `g1`.
fn story() -> Story {
    let mut story = Story::default();
    story.things(2);
    for group in 0..2 {
        story.group(group, None);
        story.join(0, group, false);
        story.join(1, group, false);
    }
    story
}

#[test]
fn configurations_are_folded_over_the_revisions_that_succeeded() {
    let mut story = story();
    story.recipe(0, "a", "1.0.0", r#"{"x":1,"y":{"z":2}}"#);
    story.recipe(1, "a", "2.0.0", r#"{"x":9,"new":true}"#);
    assert_eq!(story.has("t0"), "nothing");
    story.deploys(0, G, 1, &["a 1.0.0 {\"k\":1}"]);
    assert_eq!(story.has("t0"), "nothing");
    story.succeed(0, 0, &[]);
    let first = r#"a 1.0.0 {"k":1,"x":1,"y":{"z":2}}"#;
    assert_eq!(story.has("t0"), first);
    story.deploys(1, G, 2, &["a 1.0.0 {\"y\":{\"w\":3}} /k,/x"]);
    story.succeed(0, 1, &[]);
    assert_eq!(story.has("t0"), r#"a 1.0.0 {"x":1,"y":{"w":3,"z":2}}"#);
    // The other one missed the second revision.
    story.succeed(1, 0, &[]);
    assert_eq!(story.has("t1"), first);
    // A new version keeps what there is, and adds what it has by default.
    story.deploys(2, G, 3, &["a 2.0.0 - ."]);
    story.deploys(3, G, 4, &["a 2.0.0", "b 1.0.0"]);
    story.succeed(1, 3, &[]);
    assert_eq!(
        story.has("t1"),
        r#"a 2.0.0 {"k":1,"new":true,"x":1,"y":{"z":2}}; b 1.0.0 {}"#
    );
    // All of it is reset.
    story.succeed(0, 2, &[]);
    assert_eq!(story.has("t0"), r#"a 2.0.0 {"new":true,"x":9}"#);
}

#[test]
fn a_failure_leaves_what_the_device_says() {
    let mut story = story();
    story.deploys(0, G, 1, &["a 1.0.0 {\"k\":1}"]);
    story.succeed(0, 0, &[]);
    story.deploys(1, G, 2, &["a 1.0.0 {\"k\":2}"]);
    let word = |word| [("detailed-deployment-status", word)];
    story.fail(0, 1, &word("FAILED_ROLLBACK_COMPLETE"));
    assert_eq!(story.has("t0"), r#"a 1.0.0 {"k":1}"#);
    story.fail(0, 1, &word("FAILED_UNABLE_TO_ROLLBACK"));
    assert_eq!(story.has("t0"), r#"a 1.0.0 {"k":1}?"#);
    story.fail(0, 1, &word("FAILED_ROLLBACK_NOT_REQUESTED"));
    assert_eq!(story.has("t0"), r#"a 1.0.0 {"k":2}"#);
}

#[test]
fn a_core_has_what_all_its_groups_want_and_forgets_those_that_it_left() {
    let mut story = story();
    story.deploys(0, G, 1, &["a 1.0.0"]);
    story.deploys(1, H, 1, &["b 1.0.0"]);
    story.succeed(0, 0, &[]);
    story.succeed(0, 1, &[]);
    assert_eq!(story.has("t0"), "a 1.0.0 {}; b 1.0.0 {}");
    story.leave(0, 0);
    // Components are removed with the next deployment.
    assert_eq!(story.has("t0"), "a 1.0.0 {}; b 1.0.0 {}");
    story.deploys(2, H, 2, &["b 2.0.0"]);
    story.succeed(0, 2, &[]);
    assert_eq!(story.has("t0"), "b 2.0.0 {}");
}

#[test]
fn a_thing_reports_its_own_deployment_in_its_shadow() {
    let mut story = story();
    let target = Target::Thing(ThingId(0));
    story.deploys(0, target, 1, &["a 1.0.0"]);
    story.deploys(1, target, 2, &["a 2.0.0"]);
    let report = |revision: u32, status: &str| {
        format!(
            r#"{{"reported":{{"fleetConfigurationArnForStatus":"arn:aws:greengrass:r:0:configuration:thing/t0:{revision}","status":"{status}"}}}}"#
        )
    };
    let shadow = "AWSManagedGreengrassV2Deployment";
    story.update_shadow(0, Some(shadow), 1, &report(1, "IN_PROGRESS"));
    assert_eq!(story.has("t0"), "nothing");
    story.update_shadow(0, Some(shadow), 1, &report(1, "SUCCEEDED"));
    assert_eq!(story.has("t0"), "a 1.0.0 {}");
    story.update_shadow(0, Some("other"), 1, &report(2, "SUCCEEDED"));
    story.update_shadow(0, Some(shadow), 1, r#"{"reported":null}"#);
    assert_eq!(story.has("t0"), "a 1.0.0 {}");
    story.update_shadow(0, Some(shadow), 1, &report(2, "SUCCEEDED"));
    assert_eq!(story.has("t0"), "a 2.0.0 {}");
}

#[test]
fn what_is_kept_elsewhere_is_said_to_be_until_it_is_reset() {
    let mut story = story();
    let brought = |merge: Option<&str>, reset: Option<&str>| template::Content {
        components: vec![Component {
            key: "a".into(),
            version: "1.0.0".into(),
            merge: merge.map(Into::into),
            reset: reset.map(|pointer| vec![pointer.into()]),
            run_with: None,
        }],
        job_settings: None,
        policies: None,
    };
    let job = JobName::parse("job-0").expect("a name");
    let content = Content::Components(Components {
        spec: brought(None, None),
        configuration: Some(Configuration {
            digest: [1; 32],
            bytes: 40_000,
        }),
    });
    story.deployment(0, G, 1, &job, content);
    story.succeed(0, 0, &[]);
    assert_eq!(story.has("t0"), "a 1.0.0 elsewhere");
    story.deploys(1, G, 2, &["a 1.0.0 {\"k\":1}"]);
    story.succeed(0, 1, &[]);
    assert_eq!(story.has("t0"), "a 1.0.0 elsewhere");
    story.deploys(2, G, 3, &["a 1.0.0 {\"k\":1} ."]);
    story.succeed(0, 2, &[]);
    assert_eq!(story.has("t0"), r#"a 1.0.0 {"k":1}"#);
}

#[test]
fn cores_share_what_they_came_to_by_different_ways() {
    let mut story = story();
    story.deploys(0, G, 1, &["a 1.0.0 {\"k\":1}"]);
    story.deploys(1, G, 2, &["a 1.0.0 {\"k\":2}"]);
    story.succeed(0, 0, &[]);
    story.succeed(0, 1, &[]);
    story.succeed(1, 1, &[]);
    assert_eq!(story.has("t0"), story.has("t1"));
    assert_eq!(story.views.configuration_records(), 1);
    story.deploys(2, G, 3, &[]);
    story.succeed(1, 2, &[]);
    assert_eq!(story.has("t1"), "");
    assert_eq!(story.views.configuration_records(), 2);
    story.succeed(0, 2, &[]);
    assert_eq!(story.views.configuration_records(), 1);
}

#[test]
fn a_deployment_that_was_deleted_under_way_leaves_a_doubt() {
    let mut story = story();
    story.deploys(0, G, 1, &["a 1.0.0"]);
    story.succeed(0, 0, &[]);
    story.deploys(1, G, 2, &["a 2.0.0"]);
    let removed = Event::Deployment(deployment::Event::Removed);
    story.push(StreamKind::Deployment, 1, removed);
    story.succeed(0, 1, &[]);
    assert_eq!(story.has("t0"), "a 1.0.0 {}?");
    let succeeded = execution::Event::Succeeded {
        job: JobId(9),
        details: None,
    };
    story.push(StreamKind::Thing, 1, Event::Execution(succeeded));
    assert_eq!(story.has("t1"), "nothing");
}
