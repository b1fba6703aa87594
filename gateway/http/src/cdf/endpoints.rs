//! Every endpoint of CDF, once: the router is made from this table, and a test holds the documentation against it.

use axum::Router;
use axum::routing;

use super::{core_tasks, cores, deployment_tasks, device_tasks, devices, fleet, templates};
use crate::http::Http;

/// One row of the table.
#[cfg(test)]
pub(crate) struct Endpoint {
    /// Its number in the contract; `+` for one that the original does not have.
    pub(crate) number: &'static str,
    /// Its method, in lower case.
    pub(crate) method: &'static str,
    /// Its path, with the names of its parameters.
    pub(crate) path: &'static str,
    /// The status of its success.
    pub(crate) success: u16,
    /// What is different from the original, or how much of it is served.
    pub(crate) note: &'static str,
}

macro_rules! endpoints {
    ($($number:literal $method:ident $path:literal $success:literal $handler:path, $note:literal;)+) => {
        /// Every endpoint, in the order of the contract.
        #[cfg(test)]
        pub(crate) const ENDPOINTS: &[Endpoint] = &[$(Endpoint {
            number: $number,
            method: stringify!($method),
            path: $path,
            success: $success,
            note: $note,
        }),+];

        /// Every endpoint with the function that serves it.
        pub(crate) fn routes() -> Router<Http> {
            Router::new()$(.route($path, routing::$method($handler)))+
        }
    };
}

endpoints! {
    "T1" post "/templates" 201 templates::create, "a taken name is 409";
    "T2" put "/templates/{name}" 204 templates::update, "`x-version` is the new version; `If-Match` is honored";
    "T3" get "/templates/{name}" 200 templates::get, "";
    "T4" delete "/templates/{name}" 204 templates::delete, "";
    "T5" get "/templates" 200 templates::list, "";
    "T6" get "/templates/{name}/versions" 200 templates::versions, "in numeric order";
    "T7" get "/templates/{name}/versions/{version}" 200 templates::get_version, "exactly this version, or `current`";
    "C1" post "/coreTasks" 202 core_tasks::create, "Create and Delete";
    "C2" get "/coreTasks/{task}" 200 core_tasks::get, "with `batchesTotal` and `batchesComplete`";
    "C3" get "/coreTasks" 200 core_tasks::list, "";
    "C4" get "/cores/{name}" 200 cores::get, "";
    "C5" get "/cores" 200 cores::list, "";
    "C6" get "/cores/{name}/deployments" 200 cores::deployments, "with `taskId`, and while a deployment is under way";
    "D1" post "/cores/{name}/deviceTasks" 202 device_tasks::create, "Create and Delete; `types` is taken for `type`";
    "D2" get "/deviceTasks/{task}" 200 device_tasks::get, "with `coreName` per device, `batchesTotal` and `batchesComplete`";
    "D3" get "/devices/{name}" 200 devices::get, "with `associated`";
    "D4" delete "/devices/{name}" 204 devices::delete, "the switches do what they say";
    "P1" post "/deploymentTasks" 202 deployment_tasks::create, "every kind of target; an unknown template is 404";
    "P2" get "/deploymentTasks/{task}" 200 deployment_tasks::get, "";
    "P3" get "/deploymentTasks" 200 deployment_tasks::list, "";
    "P4" get "/deploymentTasks/{task}/cores" 200 deployment_tasks::cores, "";
    "P5" get "/deploymentTasks/{task}/cores/{core}" 200 deployment_tasks::core, "";
    "F1" get "/fleet/summary" 200 fleet::summary, "";
    "+" get "/cores/{name}/coreTasks/{task}" 200 core_tasks::get_of_core, "the walkthrough's way to C2";
    "+" get "/cores/{name}/deviceTasks" 200 device_tasks::list_of_core, "device tasks of one core";
    "+" get "/cores/{name}/devices" 200 devices::list_of_core, "client devices of one core";
    "+" get "/deviceTasks" 200 device_tasks::list, "filter `coreName`";
    "+" get "/devices" 200 devices::list, "filter `coreName`";
}

#[cfg(test)]
mod tests;
