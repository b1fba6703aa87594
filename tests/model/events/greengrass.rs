//! Events of Greengrass: versions of components, and deployments of them.

use shipslog_domain::client_token::ClientToken;
use shipslog_domain::component::{self, Content, Format};
use shipslog_domain::deployment::{self, Components, Configuration, Scope};
use shipslog_domain::job::{Settings, Target};
use shipslog_domain::template::{self, Component, DeploymentPolicies, FailureHandling};
use shipslog_domain::{ComponentName, Event, GroupId, JobName, ThingId};

use super::Example;

pub(super) fn components() -> Vec<Example> {
    let recipe = "{\"RecipeFormatVersion\":\"2020-01-25\",\"ComponentName\":\"com.example.Hello\",\
                  \"ComponentVersion\":\"1.0.0\"}";
    let content = Content {
        recipe: recipe.into(),
        format: Format::Yaml,
        errors: vec![(
            "s3://software/hello.py".into(),
            "the file does not exist".into(),
        )],
        tags: vec![("team".into(), "edge".into())],
    };
    let token = ClientToken {
        token: "0d5a6b6e-5f5c-4f0e-9c39-5c0a4ce0b6f4".into(),
        digest: [7; 16],
    };
    let created = component::Event::Created {
        name: ComponentName::parse("com.example.Hello").expect("a valid name"),
        version: "1.0.0".into(),
        content: Box::new(content),
        token: Some(token),
    };
    vec![
        ("", Event::Component(created)),
        ("", Event::Component(component::Event::Removed)),
    ]
}

pub(super) fn deployments() -> Vec<Example> {
    let token = ClientToken {
        token: "1e0d0a3e-5a4c-4a57-8a3c-0f1f1c3f3a10".into(),
        digest: [9; 16],
    };
    let whole = deployment::Event::Created {
        id: "4a3b2c1d-0000-4000-8000-000000000001".into(),
        scope: Scope::Target(Target::Group(GroupId(3))),
        scope_name: "pumps".into(),
        revision: 2,
        job: JobName::parse("4a3b2c1d-0000-4000-8000-000000000002").expect("a valid name"),
        name: Some("second".into()),
        parent: Some(GroupId(1)),
        content: Box::new(deployment::Content::Components(Components {
            spec: spec(true),
            configuration: None,
        })),
        tags: vec![("team".into(), "edge".into())],
        token: Some(token),
    };
    let large = deployment::Event::Created {
        id: "4a3b2c1d-0000-4000-8000-000000000003".into(),
        scope: Scope::Target(Target::Thing(ThingId(7))),
        scope_name: "pump-7".into(),
        revision: 1,
        job: JobName::parse("4a3b2c1d-0000-4000-8000-000000000004").expect("a valid name"),
        name: None,
        parent: None,
        content: Box::new(deployment::Content::Components(Components {
            spec: spec(false),
            configuration: Some(Configuration {
                digest: [5; 32],
                bytes: 1_000_000,
            }),
        })),
        tags: Vec::new(),
        token: None,
    };
    vec![
        ("", Event::Deployment(whole)),
        ("large", Event::Deployment(large)),
        ("", Event::Deployment(deployment::Event::Superseded)),
        ("", Event::Deployment(deployment::Event::Canceled)),
        ("", Event::Deployment(deployment::Event::Removed)),
    ]
}

fn spec(is_whole: bool) -> template::Content {
    let component = Component {
        key: "com.example.Hello".into(),
        version: "1.0.0".into(),
        merge: is_whole.then(|| "{\"interval\":10}".into()),
        reset: is_whole.then(|| vec!["/message".into()]),
        run_with: is_whole.then(|| "{\"posixUser\":\"hello\"}".into()),
    };
    let policies = DeploymentPolicies {
        failure_handling: Some(FailureHandling::DoNothing),
        component_update: None,
        configuration_validation: None,
    };
    let settings = Settings {
        timeout_minutes: Some(60),
        ..Settings::default()
    };
    template::Content {
        components: vec![component],
        job_settings: is_whole.then_some(settings),
        policies: is_whole.then_some(policies),
    }
}
