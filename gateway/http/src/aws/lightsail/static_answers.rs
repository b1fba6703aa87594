//! What is the same for every account: powers, the registry's address, and what the CLI's plug-in asks for.

use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use shipslog_domain::Span;
use shipslog_domain::container_service::Power;
use shipslog_gateway_core::random;

use super::{Answer, shapes};
use crate::aws::wire::{self, AwsBody, members, time};
use crate::http::Http;

/// How long credentials of the registry are good for (Lightsail: 12 hours).
const LOGIN: Span = Span::minutes(12 * 60);

/// What a node of a power costs in a month, in dollars.
const fn price(power: Power) -> u32 {
    match power {
        Power::Nano => 7,
        Power::Micro => 10,
        Power::Small => 15,
        Power::Medium => 40,
        Power::Large => 80,
        Power::Xlarge => 160,
    }
}

pub(crate) async fn powers(AwsBody(_): AwsBody) -> Answer {
    let powers = Power::ALL.map(|power| {
        json!({
            "powerId": shapes::power_id(power),
            "price": f64::from(price(power)),
            "cpuCount": f64::from(power.cpu_thousandths()) / 1_000.0,
            "ramSizeInGb": f64::from(power.memory_mib()) / 1_024.0,
            "name": power.as_str(),
            "isActive": true,
        })
    });
    let powers = Value::Array(powers.into());
    Ok(wire::ok(members([("powers", Some(powers))])))
}

pub(crate) async fn registry_login(State(http): State<Http>, AwsBody(_): AwsBody) -> Answer {
    let (arns, secret) = (http.arns(), random::bytes::<48>());
    let registry = format!("{}.dkr.ecr.{}.amazonaws.com", arns.account(), arns.region());
    let login = json!({
        "username": "AWS",
        "password": STANDARD.encode(secret),
        "expiresAt": time(http.app().now().plus(LOGIN)),
        "registry": registry,
    });
    Ok(wire::ok(members([("registryLogin", Some(login))])))
}

pub(crate) async fn api_metadata(AwsBody(_): AwsBody) -> Answer {
    let metadata = json!([{"name": "lightsailctlVersion", "value": "v1.0.0"}]);
    Ok(wire::ok(members([("metadata", Some(metadata))])))
}
