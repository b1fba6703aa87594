//! Events of Greengrass: versions of components.

use shipslog_domain::component;

use super::Told;
use super::values::pairs;

pub(super) fn component(event: &component::Event) -> Told {
    match event {
        component::Event::Created {
            name,
            version,
            content,
            token: _,
        } => {
            let fields = vec![
                ("name", name.as_str().into()),
                ("version", version.into()),
                ("recipe", (&content.recipe).into()),
                ("errors", pairs(&content.errors)),
                ("tags", pairs(&content.tags)),
            ];
            let summary = match content.errors.is_empty() {
                true => format!("version {version} of component {name} was created"),
                false => format!(
                    "version {version} of component {name} was created and cannot be deployed"
                ),
            };
            let named = format!("{name}:{version}");
            Told::new("ComponentVersionCreated", summary, fields).named(&named)
        }
        component::Event::Removed => {
            let summary = "the version of the component was deleted";
            Told::new("ComponentVersionRemoved", summary, vec![])
        }
    }
}
