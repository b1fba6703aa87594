//! AWS IoT: fleet indexing's aggregations, which add up a property of the things that a query selects.
//!
//! Things are asked in portions, so that nobody else waits for long, and for so long altogether.

mod sums;

use std::time::Duration;

use axum::extract::State;
use serde_json::{Value, json};
use shipslog_domain::query::{Index, Query as Search};
use shipslog_projections::registry::Property;
use tokio::time::Instant;

use super::thing_groups::check_query_version;
use super::{Answer, absent, refusals};
use crate::aws::wire::codes::{INVALID_AGGREGATION, coded};
use crate::aws::wire::{self, AwsBody, members};
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use sums::{Buckets, Different, Numbers};

/// How long the things of one aggregation may be asked.
const PATIENCE: Duration = Duration::from_secs(10);
/// What AWS IoT answers where no percents are asked for.
const PERCENTS: [f64; 7] = [1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0];
/// Percents of one request.
const PERCENTS_MAX: usize = 100;
/// Buckets where no number is asked for, and the most that may be.
const BUCKETS_DEFAULT: u32 = 10;
const BUCKETS_MAX: u32 = 10_000;

/// What is asked of which things.
struct Asked {
    query: Search,
    property: Option<Property>,
}

impl Asked {
    fn read(body: &Field<'_, '_>) -> Result<Self, Error> {
        if let Some(name) = body.member("indexName").optional_string()? {
            match Index::ALL.into_iter().find(|index| index.name() == name) {
                Some(Index::Things) => {}
                Some(Index::ThingGroups) => {
                    let rule = "must be AWS_Things: groups are not added up";
                    return Err(body.member("indexName").refuse(rule));
                }
                None => return Err(absent("index", name)),
            }
        }
        check_query_version(body)?;
        let query = Search::parse(Index::Things, body.member("queryString").text()?);
        let query = query.map_err(|invalid| refusals::invalid_query(&invalid))?;
        let property = body.member("aggregationField").optional_string()?;
        let property = property.map(|name| Property::parse(name).ok_or_else(wrong_property));
        Ok(Self {
            query,
            property: property.transpose()?,
        })
    }

    fn property(&self) -> Result<&Property, Error> {
        self.property.as_ref().ok_or_else(wrong_property)
    }
}

fn wrong_property() -> Error {
    let rule = "aggregationField: must be thingName, registry.thingTypeName, registry.thingGroupNames, \
                registry.version, attributes.KEY, connectivity.connected or connectivity.disconnectReason";
    coded(INVALID_AGGREGATION, rule)
}

/// Hands the values of all things that are asked for to `take`, thing by thing.
async fn each(
    http: &Http,
    query: &Search,
    property: &Property,
    mut take: impl FnMut(&[&str]) -> Result<(), Error>,
) -> Result<(), Error> {
    let began = Instant::now();
    let mut after = None;
    loop {
        let mut taken = Ok(());
        let next = http.view(|views| {
            views.values_of_things(query, property, after, &mut |values| {
                if taken.is_ok() {
                    taken = take(values);
                }
            })
        });
        taken?;
        if next.is_none() {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            let rule = "queryString: has to be asked of too many things one by one; narrow it";
            return Err(coded(INVALID_AGGREGATION, rule));
        }
        after = next;
        // Others get their turn between two portions.
        tokio::task::yield_now().await;
    }
}

/// Without a field, the number of things.
pub(crate) async fn statistics(State(http): State<Http>, AwsBody(body): AwsBody) -> Answer {
    let asked = Asked::read(&Field::root(&body))?;
    let mut numbers = Numbers::default();
    let property = asked.property.as_ref();
    let asked_for = property.unwrap_or(&Property::ThingName);
    each(&http, &asked.query, asked_for, |values| {
        // Names that look like numbers are not added up by who asks for no field.
        numbers.add(if property.is_some() {
            values
        } else {
            &["thing"]
        });
        Ok(())
    })
    .await?;
    let statistics = numbers.statistics();
    Ok(wire::ok(members([("statistics", Some(statistics))])))
}

pub(crate) async fn cardinality(State(http): State<Http>, AwsBody(body): AwsBody) -> Answer {
    let asked = Asked::read(&Field::root(&body))?;
    let mut different = Different::default();
    each(&http, &asked.query, asked.property()?, |values| {
        different.add(values);
        Ok(())
    })
    .await?;
    let count = different.count();
    Ok(wire::ok(members([("cardinality", Some(count.into()))])))
}

pub(crate) async fn percentiles(State(http): State<Http>, AwsBody(body): AwsBody) -> Answer {
    let body = Field::root(&body);
    let asked = Asked::read(&body)?;
    let percents = body.member("percents");
    let percents = match percents.present() {
        Some(percents) => percents.list(PERCENTS_MAX, |percent| {
            let number = percent.value().and_then(Value::as_f64);
            let number = number.filter(|number| (0.0..=100.0).contains(number));
            number.ok_or_else(|| percent.refuse("must be 0 to 100"))
        })?,
        None => PERCENTS.to_vec(),
    };
    let mut numbers = Numbers::default();
    each(&http, &asked.query, asked.property()?, |values| {
        numbers.add(values);
        Ok(())
    })
    .await?;
    let percentiles = numbers.percentiles(&percents);
    let percentiles =
        percentiles.map(|(percent, value)| json!({"percent": percent, "value": value}));
    Ok(wire::ok(members([(
        "percentiles",
        Some(percentiles.collect()),
    )])))
}

pub(crate) async fn buckets(State(http): State<Http>, AwsBody(body): AwsBody) -> Answer {
    let body = Field::root(&body);
    let asked = Asked::read(&body)?;
    let kind = body.member("bucketsAggregationType");
    kind.object()?;
    let terms = kind.member("termsAggregation");
    let most = match terms.present() {
        Some(terms) => terms.member("maxBuckets").optional_number()?,
        None => None,
    };
    let most = most.unwrap_or(BUCKETS_DEFAULT).clamp(1, BUCKETS_MAX);
    let mut buckets = Buckets::default();
    each(&http, &asked.query, asked.property()?, |values| {
        let added = buckets.add(values);
        added.map_err(|rule| coded(INVALID_AGGREGATION, rule))
    })
    .await?;
    let things = buckets.things;
    let largest = buckets.largest(most as usize).into_iter();
    let largest = largest.map(|(value, count)| json!({"keyValue": value, "count": count}));
    Ok(wire::ok(members([
        ("totalCount", Some(things.into())),
        ("buckets", Some(largest.collect())),
    ])))
}
