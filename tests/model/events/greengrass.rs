//! Events of Greengrass: versions of components.

use shipslog_domain::client_token::ClientToken;
use shipslog_domain::component::{self, Content, Format};
use shipslog_domain::{ComponentName, Event};

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
