//! Operations on what is not here: volumes, addresses, load balancers, databases, user profiles, scaling. Whoever
//! lists them gets nothing, and whoever changes them is told so.

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::post;
use serde_json::{Map, Value};

use super::Answer;
use crate::aws::wire::{self, AwsBody, OpsWorksError, members};
use crate::error::Error;
use crate::http::Http;

/// Operations that list what is not here, and the member that would hold it.
const LISTS: [(&str, &str); 13] = [
    ("/DescribeAgentVersions", "AgentVersions"),
    ("/DescribeEcsClusters", "EcsClusters"),
    ("/DescribeElasticIps", "ElasticIps"),
    ("/DescribeElasticLoadBalancers", "ElasticLoadBalancers"),
    (
        "/DescribeLoadBasedAutoScaling",
        "LoadBasedAutoScalingConfigurations",
    ),
    ("/DescribeOperatingSystems", "OperatingSystems"),
    ("/DescribePermissions", "Permissions"),
    ("/DescribeRaidArrays", "RaidArrays"),
    ("/DescribeRdsDbInstances", "RdsDbInstances"),
    ("/DescribeServiceErrors", "ServiceErrors"),
    (
        "/DescribeTimeBasedAutoScaling",
        "TimeBasedAutoScalingConfigurations",
    ),
    ("/DescribeUserProfiles", "UserProfiles"),
    ("/DescribeVolumes", "Volumes"),
];

/// Operations that change, or describe one of, what is not here.
const REFUSED: [&str; 28] = [
    "/AssignVolume",
    "/AssociateElasticIp",
    "/AttachElasticLoadBalancer",
    "/CloneStack",
    "/CreateUserProfile",
    "/DeleteUserProfile",
    "/DeregisterEcsCluster",
    "/DeregisterElasticIp",
    "/DeregisterRdsDbInstance",
    "/DeregisterVolume",
    "/DescribeStackProvisioningParameters",
    "/DetachElasticLoadBalancer",
    "/DisassociateElasticIp",
    "/GetHostnameSuggestion",
    "/GrantAccess",
    "/RegisterEcsCluster",
    "/RegisterElasticIp",
    "/RegisterRdsDbInstance",
    "/RegisterVolume",
    "/SetLoadBasedAutoScaling",
    "/SetPermission",
    "/SetTimeBasedAutoScaling",
    "/UnassignVolume",
    "/UpdateElasticIp",
    "/UpdateMyUserProfile",
    "/UpdateRdsDbInstance",
    "/UpdateUserProfile",
    "/UpdateVolume",
];

pub(super) fn routes() -> Router<Http> {
    let mut routes = Router::new().route("/DescribeMyUserProfile", post(my_user_profile));
    for (path, member) in LISTS {
        let answer = move |AwsBody(_): AwsBody| async move {
            wire::ok(members([(member, Some(Value::Array(Vec::new())))]))
        };
        routes = routes.route(path, post(answer));
    }
    for path in REFUSED {
        let answer = move |AwsBody(_): AwsBody| async move {
            let name = path.trim_start_matches('/');
            let rule = format!("{name} is not supported: there is no cloud behind this service");
            OpsWorksError::from(Error::invalid("Action", rule)).into_response()
        };
        routes = routes.route(path, post(answer));
    }
    routes
}

async fn my_user_profile(AwsBody(_): AwsBody) -> Answer {
    let empty = Value::Object(Map::new());
    Ok(wire::ok(members([("UserProfile", Some(empty))])))
}
