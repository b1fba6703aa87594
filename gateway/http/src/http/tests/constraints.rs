//! Every constraint of every served operation: its value at the bound passes, and the one past it is refused with a
//! code of the operation and the name of the field. And: no operation answers a code that its model does not list.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use serde_json::{Map, Value, json};

use super::bench::{Answer, Bench, request};
use crate::aws::model::{self, Member, Operation, Pattern, Place, Type};
use crate::aws::scope::Service;
use crate::aws::targets;
use crate::query::encode;

/// A value of a type, and what it shows.
struct Variant {
    value: Value,
    /// Where in the value, as messages say it.
    spot: String,
    /// What it breaks there; nothing: it is at the bound.
    breaks: Option<&'static str>,
}

const LENGTH: &str = "have length";
const RANGE: &str = "have value";
const PATTERN: &str = "satisfy regular expression pattern";
const WORDS: &str = "satisfy enum value set";
const PRESENCE: &str = "not be null";

impl Variant {
    fn at(value: impl Into<Value>) -> Self {
        Self {
            value: value.into(),
            spot: String::new(),
            breaks: None,
        }
    }

    fn past(value: impl Into<Value>, rule: &'static str) -> Self {
        Self {
            breaks: Some(rule),
            ..Self::at(value)
        }
    }

    /// The same inside of something.
    fn inside(self, spot: &str, wrap: impl FnOnce(Value) -> Value) -> Self {
        Self {
            value: wrap(self.value),
            spot: format!("{spot}{}", self.spot),
            breaks: self.breaks,
        }
    }
}

fn resolve(kind: &Type) -> &Type {
    match kind {
        Type::Named(name) => resolve(model::named(name).expect("a named type")),
        other => other,
    }
}

/// Characters and beginnings that some pattern asks for.
const BEGINNINGS: [&str; 4] = ["", "arn:", "0x", "$next"];
const FILLERS: [&str; 4] = ["a", "1", "A", "="];
/// Texts that some pattern asks for as a whole.
const WHOLE: [&str; 4] = [
    "arn:aws:iot:us-east-1:000000000000:thing/a",
    "arn:aws:iot:us-east-1:000000000000:thinggroup/a",
    "arn:aws:greengrass:us-east-1:000000000000:components:a",
    "arn:aws:greengrass:us-east-1:000000000000:components:a:versions:1.0.0",
];
/// Texts that patterns refuse.
const STRANGE: [&str; 6] = ["\u{1}", "é", " ", "/", "~", "\u{200b}"];

/// A text of so many characters that the pattern allows.
fn text_of(chars: usize, pattern: Option<&Pattern>) -> Option<String> {
    let fits = |text: &String| {
        text.chars().count() == chars && pattern.is_none_or(|one| one.matches(text))
    };
    let texts = BEGINNINGS.iter().flat_map(|begin| {
        FILLERS.iter().map(move |filler| {
            let rest = chars.saturating_sub(begin.len());
            format!("{begin}{}", filler.repeat(rest))
        })
    });
    texts.into_iter().find(fits)
}

/// A value that breaks nothing.
fn valid(kind: &Type) -> Value {
    match resolve(kind) {
        Type::Text { length, pattern } => {
            let least = length.min.unwrap_or(1).max(1);
            let most = length.max.unwrap_or(least + 8).min(least + 8);
            let mut texts = (least..=most).filter_map(|chars| text_of(chars, pattern.as_ref()));
            let whole = WHOLE.map(str::to_owned).into_iter();
            let mut whole =
                whole.filter(|text| pattern.as_ref().is_some_and(|one| one.matches(text)));
            let text = texts.next().or_else(|| whole.next());
            text.unwrap_or_else(|| panic!("no text for {pattern:?}"))
                .into()
        }
        Type::Whole(bounds) => bounds.min.or(bounds.max).unwrap_or(1).into(),
        Type::Decimal(bounds) => bounds.min.or(bounds.max).unwrap_or(1.5).into(),
        Type::Word(words) => words[0].into(),
        Type::List(item, size) => vec![valid(item); size.min.unwrap_or(1)].into(),
        Type::Map(key, value, _) => object([(word(&valid(key)), valid(value))]),
        Type::Structure(members) => required(members),
        Type::Named(_) | Type::Any => json!("a"),
    }
}

fn required(members: &[Member]) -> Value {
    let members = members.iter().filter(|member| member.is_required);
    object(members.map(|member| (member.wire_name.to_owned(), valid(&member.kind))))
}

fn object(members: impl IntoIterator<Item = (String, Value)>) -> Value {
    Value::Object(members.into_iter().collect::<Map<_, _>>())
}

/// A value as it stands in a path or query.
fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Every bound of a type, from both sides.
fn variants(kind: &Type) -> Vec<Variant> {
    match resolve(kind) {
        Type::Text { length, pattern } => {
            let mut found = Vec::new();
            let mut text = |chars: usize, rule: Option<&'static str>| {
                let of_pattern = text_of(chars, pattern.as_ref());
                if let Some(rule) = rule {
                    let text = of_pattern.unwrap_or_else(|| "a".repeat(chars));
                    found.push(Variant::past(text, rule));
                } else if let Some(text) = of_pattern {
                    found.push(Variant::at(text));
                }
            };
            if let Some(min) = length.min {
                text(min, None);
                if min > 0 {
                    text(min - 1, Some(LENGTH));
                }
            }
            if let Some(max) = length.max {
                text(max, None);
                text(max + 1, Some(LENGTH));
            }
            if let Some(pattern) = pattern {
                let least = length.min.unwrap_or(1).max(1);
                let strange = STRANGE.iter().map(|one| one.repeat(least));
                let mut strange = strange.filter(|text| !pattern.matches(text));
                let text = strange.next().expect("a pattern refuses something");
                found.push(Variant::past(text, PATTERN));
            }
            found
        }
        Type::Whole(bounds) => range(bounds.min, bounds.max, |n, step| n + step),
        Type::Decimal(bounds) => {
            let shifted = |n: f64, step: i64| if step > 0 { n + 0.25 } else { n - 0.25 };
            range(bounds.min, bounds.max, shifted)
        }
        Type::Word(words) => {
            let words = words.iter().map(|word| Variant::at(*word));
            let other = Variant::past("NO_SUCH_WORD", WORDS);
            words.chain([other]).collect()
        }
        Type::List(item, size) => of_list(item, size.min, size.max),
        Type::Map(key, value, size) => of_map(key, value, size.max),
        Type::Structure(members) => of_members(members),
        Type::Named(_) | Type::Any => Vec::new(),
    }
}

fn range<T: Copy + Into<Value>>(
    min: Option<T>,
    max: Option<T>,
    shift: impl Fn(T, i64) -> T,
) -> Vec<Variant> {
    let low = min.map(|min| [Variant::at(min), Variant::past(shift(min, -1), RANGE)]);
    let high = max.map(|max| [Variant::at(max), Variant::past(shift(max, 1), RANGE)]);
    low.into_iter().chain(high).flatten().collect()
}

fn of_list(item: &Type, min: Option<usize>, max: Option<usize>) -> Vec<Variant> {
    let least = min.unwrap_or(1).max(1);
    let filled = |first: Value| {
        let mut items = vec![first];
        items.resize(least, valid(item));
        Value::Array(items)
    };
    let items = variants(item).into_iter();
    let mut found: Vec<Variant> = items.map(|one| one.inside(".1.member", filled)).collect();
    let of = |count: usize| Value::Array(vec![valid(item); count]);
    if let Some(min) = min.filter(|min| *min > 0) {
        found.extend([Variant::at(of(min)), Variant::past(of(min - 1), LENGTH)]);
    }
    if let Some(max) = max {
        found.extend([Variant::at(of(max)), Variant::past(of(max + 1), LENGTH)]);
    }
    found
}

fn of_map(key: &Type, value: &Type, max: Option<usize>) -> Vec<Variant> {
    let mut found = Vec::new();
    for variant in variants(key) {
        let name = word(&variant.value);
        let spot = format!(".{name}.key");
        found.push(variant.inside(&spot, |_| object([(name.clone(), valid(value))])));
    }
    let name = word(&valid(key));
    for variant in variants(value) {
        let spot = format!(".{name}.value");
        found.push(variant.inside(&spot, |value| object([(name.clone(), value)])));
    }
    if let Some(max) = max {
        let of = |count: usize| object((0..count).map(|n| (format!("{name}{n}"), valid(value))));
        found.extend([Variant::at(of(max)), Variant::past(of(max + 1), LENGTH)]);
    }
    found
}

fn of_members(members: &[Member]) -> Vec<Variant> {
    let base = required(members);
    let mut found = Vec::new();
    for member in members {
        let spot = format!(".{}", member.name);
        for variant in variants(&member.kind) {
            found.push(variant.inside(&spot, |value| {
                let mut object = base.clone();
                object[member.wire_name] = value;
                object
            }));
        }
        if member.is_required {
            let mut object = base.clone();
            let members = object.as_object_mut().expect("an object");
            members.remove(member.wire_name);
            found.push(Variant::past(object, PRESENCE).inside(&spot, |object| object));
        }
    }
    found
}

/// A request of an operation, in the parts that its members stand in.
#[derive(Clone)]
struct Asked {
    path: BTreeMap<&'static str, String>,
    query: BTreeMap<&'static str, String>,
    headers: BTreeMap<&'static str, String>,
    body: Value,
}

impl Asked {
    /// With what is required, and nothing else.
    fn least(operation: &Operation) -> Self {
        let mut asked = Self {
            path: BTreeMap::new(),
            query: BTreeMap::new(),
            headers: BTreeMap::new(),
            body: json!({}),
        };
        let is_needed = |one: &&Member| one.is_required || one.place == Place::Path;
        for member in operation.members.iter().filter(is_needed) {
            asked.put(member, valid(&member.kind));
        }
        asked
    }

    fn put(&mut self, member: &Member, value: Value) {
        match member.place {
            Place::Path => drop(self.path.insert(member.name, word(&value))),
            Place::Query => drop(self.query.insert(member.wire_name, word(&value))),
            Place::Header => drop(self.headers.insert(member.wire_name, word(&value))),
            Place::Body => self.body[member.wire_name] = value,
        }
    }

    fn remove(&mut self, member: &Member) {
        self.query.remove(member.wire_name);
        self.headers.remove(member.wire_name);
        if let Some(body) = self.body.as_object_mut() {
            body.remove(member.wire_name);
        }
    }

    fn target(&self, operation: &Operation) -> String {
        let segments = operation.path.split('/').map(|segment| {
            let name = segment
                .strip_prefix('{')
                .and_then(|one| one.strip_suffix('}'));
            match name {
                // The one path member that no model names.
                Some(name) => encode(self.path.get(name).map_or("$next", String::as_str), ""),
                None => segment.to_owned(),
            }
        });
        let path: Vec<String> = segments.collect();
        let query = self.query.iter();
        let query: Vec<String> = query
            .map(|(name, value)| format!("{name}={}", encode(value, "")))
            .collect();
        format!("{}?{}", path.join("/"), query.join("&"))
    }

    /// Sends it; `None`: it cannot be written as a request.
    async fn send(&self, bench: &Bench, method: &str, operation: &Operation) -> Option<Answer> {
        let service = match operation.service {
            Service::JobsData => "iot-jobs-data",
            Service::Greengrass => "greengrass",
            Service::OpsWorks => "opsworks",
            Service::Lightsail => "lightsail",
            _ => "iot",
        };
        let headers = self.headers.iter();
        let mut headers: Vec<(&str, &str)> = headers
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let mut target = self.target(operation);
        let named = match operation.service {
            Service::OpsWorks => format!("OpsWorks_20130218.{}", operation.name),
            Service::Lightsail => format!("Lightsail_20161128.{}", operation.name),
            _ => String::new(),
        };
        if !operation.service.is_rest() {
            headers.push((targets::HEADER, &named));
            target = "/".to_owned();
        }
        let body = match operation.members.iter().any(|one| one.place == Place::Body) {
            true => self.body.to_string().into_bytes(),
            false => Vec::new(),
        };
        let request = request(service, method, &target, &headers, body)?;
        Some(bench.send(request).await)
    }
}

/// Every operation that is served, with its method.
async fn served(bench: &Bench) -> Vec<(&'static str, &'static Operation)> {
    let mut found = Vec::new();
    for (method, operation) in model::all() {
        let answer = Asked::least(operation).send(bench, method, operation).await;
        let answer = answer.expect("a request that breaks nothing can be written");
        let code = answer.headers.get("x-amzn-errortype");
        if code.is_none_or(|code| code != "UnknownOperationException") {
            found.push((method, operation));
        }
    }
    found
}

/// Checks the code of an answer.
fn check_code(operation: &Operation, answer: &Answer) {
    let status = answer.status.as_u16();
    assert!(
        status < 500,
        "{}: {status} {}",
        operation.name,
        answer.text()
    );
    if status >= 400 {
        let code = answer.header("x-amzn-errortype");
        let listed = operation.lists(code);
        assert!(
            listed,
            "{} does not list {code}: {}",
            operation.name,
            answer.text()
        );
    }
}

#[tokio::test]
async fn every_constraint_has_a_row_at_its_bound_and_one_past_it() {
    let bench = Bench::new();
    let (mut passed, mut refused) = (0, 0);
    let served = served(&bench).await;
    assert!(served.len() > 100, "{} operations are served", served.len());
    for (method, operation) in served {
        let least = Asked::least(operation);
        for member in &operation.members {
            for variant in variants(&member.kind) {
                let is_empty = word(&variant.value).is_empty();
                let mut asked = least.clone();
                asked.put(member, variant.value.clone());
                // An empty segment is no value of a path member, but another path.
                if member.place == Place::Path && is_empty {
                    continue;
                }
                // What no header can hold never gets here.
                let Some(answer) = asked.send(&bench, method, operation).await else {
                    assert_eq!(member.place, Place::Header, "{}", operation.name);
                    continue;
                };
                check_code(operation, &answer);
                let spot = format!("{}{}", member.name, variant.spot);
                check_row(operation, &spot, &variant, &answer);
                match variant.breaks {
                    None => passed += 1,
                    Some(_) => refused += 1,
                }
            }
            if member.is_required && member.place != Place::Path {
                let mut asked = least.clone();
                asked.remove(member);
                let answer = asked.send(&bench, method, operation).await;
                let answer = answer.expect("what is left out can be written");
                check_code(operation, &answer);
                check_row(
                    operation,
                    member.name,
                    &Variant::past(Value::Null, PRESENCE),
                    &answer,
                );
                refused += 1;
            }
        }
    }
    assert!(
        passed > 500 && refused > 500,
        "{passed} rows pass, {refused} are refused"
    );
}

fn check_row(operation: &Operation, spot: &str, variant: &Variant, answer: &Answer) {
    let name = operation.name;
    let text = answer.text();
    let body: Value = serde_json::from_str(&text).unwrap_or_default();
    let message = body["message"].as_str().unwrap_or_default();
    let found = format!("at '{spot}' failed to satisfy constraint");
    match variant.breaks {
        None => assert!(
            !message.contains(&found),
            "{name}: {spot} at its bound: {message}"
        ),
        Some(rule) => {
            assert_eq!(answer.status.as_u16(), 400, "{name}: {spot}: {text}");
            assert!(message.contains(&found), "{name}: {spot}: {text}");
            assert!(
                message.contains(rule),
                "{name}: {spot} should {rule}: {text}"
            );
        }
    }
}

/// JSON of any shape.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop_oneof![Just(-1), Just(0), Just(1), Just(1_i64 << 40)].prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        "[a-z0-9_:-]{1,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-zA-Z]{1,8}", inner), 0..4).prop_map(object),
        ]
    })
}

/// Puts something else somewhere into a value.
fn disturb(value: &mut Value, strange: Value, choice: usize) {
    let next = choice / 7;
    match value {
        Value::Object(members) if !members.is_empty() && !choice.is_multiple_of(7) => {
            let at = choice % members.len();
            let inner = members.values_mut().nth(at).expect("a member");
            disturb(inner, strange, next);
        }
        Value::Array(items) if !items.is_empty() && !choice.is_multiple_of(7) => {
            let at = choice % items.len();
            disturb(&mut items[at], strange, next);
        }
        other => *other = strange,
    }
}

/// Requests of each operation that a random walk makes.
const WALK: usize = 24;

#[tokio::test]
async fn no_operation_answers_a_code_that_it_does_not_list() {
    let bench = Bench::new();
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), rng);
    let strange = (any_json(), any::<usize>(), any::<usize>());
    let mut codes = BTreeMap::new();
    for (method, operation) in served(&bench).await {
        for _ in 0..WALK {
            let drawn = strange.new_tree(&mut runner).expect("a value").current();
            let (value, choice, place) = drawn;
            let mut asked = Asked::least(operation);
            // Some of what may be there, at a bound or past it.
            for (index, member) in operation.members.iter().enumerate() {
                let mut variants = variants(&member.kind);
                if choice >> (index % 48) & 1 == 1 && !variants.is_empty() {
                    let at = choice % variants.len();
                    asked.put(member, variants.swap_remove(at).value);
                }
            }
            match (
                place % 4,
                operation
                    .members
                    .get(place / 4 % operation.members.len().max(1)),
            ) {
                (0, _) => asked.body = value,
                (1, Some(member)) => asked.put(member, value),
                (2, _) => disturb(&mut asked.body, value, choice),
                _ => {}
            }
            if asked
                .path
                .values()
                .any(|segment| matches!(&**segment, "" | "." | ".."))
            {
                continue;
            }
            if let Some(answer) = asked.send(&bench, method, operation).await {
                check_code(operation, &answer);
                let code = answer.headers.get("x-amzn-errortype");
                let code = code.map_or("none", |code| code.to_str().unwrap_or_default());
                *codes.entry(code.to_owned()).or_insert(0) += 1;
            }
        }
    }
    for code in [
        "none",
        "InvalidRequestException",
        "ResourceNotFoundException",
    ] {
        assert!(
            codes.get(code).is_some_and(|count| *count > 20),
            "{codes:?}"
        );
    }
}
