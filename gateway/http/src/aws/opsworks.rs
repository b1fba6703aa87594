//! AWS OpsWorks. One module serves one resource.

mod absent;
mod apps;
mod deployments;
mod fields;
mod instances;
mod layers;
mod stacks;
mod tags;

use axum::Router;
use axum::routing::post;

use super::wire::{self, OpsWorksError};
use crate::http::Http;

type Answer = wire::Answer<OpsWorksError>;

/// Every operation. An operation has the path of its name.
pub(crate) fn routes() -> Router<Http> {
    Router::new()
        .route("/CreateStack", post(stacks::create))
        .route("/DescribeStacks", post(stacks::describe))
        .route("/DescribeStackSummary", post(stacks::summarize))
        .route("/UpdateStack", post(stacks::update))
        .route("/DeleteStack", post(stacks::delete))
        .route("/StartStack", post(stacks::start))
        .route("/StopStack", post(stacks::stop))
        .route("/CreateLayer", post(layers::create))
        .route("/DescribeLayers", post(layers::describe))
        .route("/UpdateLayer", post(layers::update))
        .route("/DeleteLayer", post(layers::delete))
        .route("/CreateApp", post(apps::create))
        .route("/DescribeApps", post(apps::describe))
        .route("/UpdateApp", post(apps::update))
        .route("/DeleteApp", post(apps::delete))
        .route("/CreateInstance", post(instances::create))
        .route("/RegisterInstance", post(instances::register))
        .route("/DescribeInstances", post(instances::describe))
        .route("/UpdateInstance", post(instances::update))
        .route("/DeleteInstance", post(instances::delete))
        .route("/DeregisterInstance", post(instances::deregister))
        .route("/AssignInstance", post(instances::assign))
        .route("/UnassignInstance", post(instances::unassign))
        .route("/StartInstance", post(instances::start))
        .route("/StopInstance", post(instances::stop))
        .route("/RebootInstance", post(instances::reboot))
        .route("/CreateDeployment", post(deployments::create))
        .route("/DescribeDeployments", post(deployments::describe))
        .route("/DescribeCommands", post(deployments::describe_commands))
        .route("/TagResource", post(tags::tag))
        .route("/UntagResource", post(tags::untag))
        .route("/ListTags", post(tags::list))
        .merge(absent::routes())
}
