//! Which devices a part of a recipe is for.

use regex_lite::Regex;

/// What a device says of itself: attributes such as `os`, `architecture` and `runtime`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Platform {
    attributes: Vec<(Box<str>, Box<str>)>,
}

/// The attribute by which Greengrass nucleus lite tells itself from the classic nucleus.
const RUNTIME: &str = "runtime";

impl Platform {
    /// The platform with these attributes. `name` is the operating system where no attribute says it.
    #[must_use]
    pub fn new(name: Option<&str>, attributes: Vec<(Box<str>, Box<str>)>) -> Self {
        let mut platform = Self { attributes };
        if let Some(name) = name.filter(|_| platform.attribute("os").is_none()) {
            let os = name.to_ascii_lowercase();
            platform.attributes.push(("os".into(), os.into()));
        }
        platform
    }

    fn attribute(&self, key: &str) -> Option<&str> {
        let mut attributes = self.attributes.iter();
        let found = attributes.find(|(name, _)| **name == *key);
        found.map(|(_, value)| &**value)
    }

    /// What messages say of it: `linux amd64`.
    #[must_use]
    pub fn describe(&self) -> String {
        let values = self.attributes.iter().map(|(_, value)| &**value);
        let values: Vec<&str> = values.collect();
        match values.is_empty() {
            true => "unknown".to_owned(),
            false => values.join(" "),
        }
    }
}

/// `Platform` of a manifest: what each attribute must be.
#[derive(Clone, Debug, Default)]
pub struct Selector {
    rules: Vec<(Box<str>, Rule)>,
}

#[derive(Clone, Debug)]
enum Rule {
    Any,
    Exactly(Box<str>),
    Pattern(Regex),
}

impl Selector {
    /// Adds what an attribute must be: `*`, the text itself, or `/pattern/`. `Err` says what is wrong with it.
    pub(crate) fn add(&mut self, key: &str, value: &str) -> Result<(), String> {
        let rule = match value
            .strip_prefix('/')
            .and_then(|value| value.strip_suffix('/'))
        {
            _ if value == "*" || value == "all" => Rule::Any,
            Some(pattern) => {
                let regex = Regex::new(&format!("^(?:{pattern})$"));
                Rule::Pattern(regex.map_err(|why| format!("is no regular expression: {why}"))?)
            }
            None => Rule::Exactly(value.into()),
        };
        self.rules.push((key.into(), rule));
        Ok(())
    }

    /// Whether a device is meant. A manifest that says nothing of runtimes is not for nucleus lite, which is the one
    /// that names its own.
    #[must_use]
    pub fn admits(&self, platform: &Platform) -> bool {
        let names_runtime = self.rules.iter().any(|(key, _)| &**key == RUNTIME);
        if !names_runtime && platform.attribute(RUNTIME).is_some() {
            return false;
        }
        self.rules.iter().all(|(key, rule)| match rule {
            Rule::Any => true,
            Rule::Exactly(value) => platform.attribute(key) == Some(value),
            Rule::Pattern(pattern) => platform
                .attribute(key)
                .is_some_and(|value| pattern.is_match(value)),
        })
    }
}

#[cfg(test)]
mod tests;
