//! The table of contents of every HTTP surface: each path with the function that serves it.

use axum::Router;
use axum::routing::{delete, get, post, put};

use crate::aws::greengrass::{
    client_devices, components, core_devices, deployments, effective_deployments, resolution,
    tags as greengrass_tags,
};
use crate::aws::iot::provisioning_templates as templates_of_devices;
use crate::aws::iot::{
    account, aggregations, billing_groups, ca_certificates, certificates, connectivity, executions,
    file_streams, indexing, job_templates, jobs, memberships, ota_updates, policies,
    policy_targets, principals, registration, role_aliases, tags, thing_groups, thing_types,
    things,
};
use crate::aws::iot_data::{messages, shadows};
use crate::aws::jobs_data as device_jobs;
use crate::aws::lightsail;
use crate::http::Http;
use crate::{admin, artifacts, events, graphql, health, landing, metrics, provisioning_templates};

/// AWS IoT, control plane.
pub(crate) fn iot() -> Router<Http> {
    Router::new()
        .merge(registry())
        .merge(groups())
        .route("/jobs", get(jobs::list))
        .route(
            "/jobs/{job}",
            put(jobs::create)
                .get(jobs::describe)
                .patch(jobs::update)
                .delete(jobs::delete),
        )
        .route("/jobs/{job}/cancel", put(jobs::cancel))
        .route("/jobs/{job}/job-document", get(jobs::document))
        .route("/jobs/{job}/targets", post(jobs::associate_targets))
        .route("/jobs/{job}/things", get(executions::list_for_job))
        .route("/things/{thing}/jobs", get(executions::list_for_thing))
        .route("/things/{thing}/jobs/{job}", get(executions::describe))
        .route("/things/{thing}/jobs/{job}/cancel", put(executions::cancel))
        .route(
            "/things/{thing}/jobs/{job}/executionNumber/{number}",
            delete(executions::delete),
        )
        .route("/job-templates", get(job_templates::list))
        .route(
            "/job-templates/{template}",
            put(job_templates::create)
                .get(job_templates::describe)
                .delete(job_templates::delete),
        )
        .route("/managed-job-templates", get(job_templates::managed::list))
        .route(
            "/managed-job-templates/{template}",
            get(job_templates::managed::describe),
        )
        .route("/streams", get(file_streams::list))
        .route(
            "/streams/{stream}",
            post(file_streams::create)
                .get(file_streams::describe)
                .put(file_streams::update)
                .delete(file_streams::delete),
        )
        .route("/otaUpdates", get(ota_updates::list))
        .route(
            "/otaUpdates/{update}",
            post(ota_updates::create)
                .get(ota_updates::get)
                .delete(ota_updates::delete),
        )
        .route("/endpoint", get(account::describe_endpoint))
        .route(
            "/event-configurations",
            get(account::describe_event_configurations).patch(account::update_event_configurations),
        )
        .merge(access())
}

/// AWS IoT: things, their types, tags and billing groups, and role aliases.
fn registry() -> Router<Http> {
    Router::new()
        .route("/things", get(things::list))
        .route(
            "/things/{thing}",
            post(things::create)
                .get(things::describe)
                .patch(things::update)
                .delete(things::delete),
        )
        .route(
            "/things/{thing}/thing-groups",
            get(memberships::list_groups),
        )
        .route(
            "/things/{thing}/connectivity-data",
            post(connectivity::describe),
        )
        .route("/thing-types", get(thing_types::list))
        .route(
            "/thing-types/{type}",
            post(thing_types::create)
                .get(thing_types::describe)
                .patch(thing_types::update)
                .delete(thing_types::delete),
        )
        .route(
            "/thing-types/{type}/deprecate",
            post(thing_types::deprecate),
        )
        .merge(indices())
        .route("/tags", get(tags::list).post(tags::tag))
        .route("/untag", post(tags::untag))
        .route("/billing-groups", get(billing_groups::list))
        .route(
            "/billing-groups/{group}",
            post(billing_groups::create)
                .get(billing_groups::describe)
                .patch(billing_groups::update)
                .delete(billing_groups::delete),
        )
        .route(
            "/billing-groups/{group}/things",
            get(billing_groups::list_things),
        )
        .route(
            "/billing-groups/addThingToBillingGroup",
            put(billing_groups::add_thing),
        )
        .route(
            "/billing-groups/removeThingFromBillingGroup",
            put(billing_groups::remove_thing),
        )
        .route("/role-aliases", get(role_aliases::list))
        .route(
            "/role-aliases/{name}",
            post(role_aliases::create)
                .get(role_aliases::describe)
                .put(role_aliases::update)
                .delete(role_aliases::delete),
        )
}

/// AWS IoT: searches and sums over the registry.
fn indices() -> Router<Http> {
    Router::new()
        .route("/indices", get(indexing::list_indices))
        .route("/indices/search", post(indexing::search))
        .route("/indices/statistics", post(aggregations::statistics))
        .route("/indices/cardinality", post(aggregations::cardinality))
        .route("/indices/percentiles", post(aggregations::percentiles))
        .route("/indices/buckets", post(aggregations::buckets))
        .route("/indices/{index}", get(indexing::describe_index))
        .route(
            "/indexing/config",
            get(indexing::configuration).post(indexing::configure),
        )
}

/// AWS IoT: thing groups and who is in them.
fn groups() -> Router<Http> {
    Router::new()
        .route("/thing-groups", get(thing_groups::list))
        .route(
            "/thing-groups/{group}",
            post(thing_groups::create)
                .get(thing_groups::describe)
                .patch(thing_groups::update)
                .delete(thing_groups::delete),
        )
        .route(
            "/thing-groups/{group}/things",
            get(memberships::list_things),
        )
        .route("/thing-groups/addThingToThingGroup", put(memberships::add))
        .route(
            "/thing-groups/removeThingFromThingGroup",
            put(memberships::remove),
        )
        .route(
            "/thing-groups/updateThingGroupsForThing",
            put(memberships::update),
        )
        .route(
            "/dynamic-thing-groups/{group}",
            post(thing_groups::create_dynamic)
                .patch(thing_groups::update_dynamic)
                .delete(thing_groups::delete_dynamic),
        )
}

/// AWS IoT, control plane: who may do what, and how devices come to be.
fn access() -> Router<Http> {
    Router::new()
        .route("/keys-and-certificate", post(certificates::create_keys))
        .route(
            "/certificates",
            post(certificates::create_from_csr).get(certificates::list),
        )
        .route(
            "/certificates/{certificate}",
            get(certificates::describe)
                .put(certificates::update)
                .delete(certificates::delete),
        )
        .route("/certificates-by-ca/{ca}", get(certificates::list_by_ca))
        .route("/certificate/register", post(certificates::register))
        .route(
            "/certificate/register-no-ca",
            post(certificates::register_without_ca),
        )
        .route("/cacertificate", post(ca_certificates::register))
        .route(
            "/cacertificate/{ca}",
            get(ca_certificates::describe)
                .put(ca_certificates::update)
                .delete(ca_certificates::delete),
        )
        .route("/cacertificates", get(ca_certificates::list))
        .route(
            "/registrationcode",
            get(ca_certificates::get_code).delete(ca_certificates::delete_code),
        )
        .route(
            "/things/{thing}/principals",
            put(principals::attach)
                .delete(principals::detach)
                .get(principals::list),
        )
        .route(
            "/things/{thing}/principals-v2",
            get(principals::list_with_kinds),
        )
        .route("/principals/things", get(principals::list_things))
        .route(
            "/principals/things-v2",
            get(principals::list_things_with_kinds),
        )
        .merge(policies())
        .merge(provisioning())
}

/// AWS IoT, control plane: policies.
fn policies() -> Router<Http> {
    Router::new()
        .route("/policies", get(policies::list))
        .route(
            "/policies/{policy}",
            post(policies::create)
                .get(policies::get)
                .delete(policies::delete),
        )
        .route(
            "/policies/{policy}/version",
            post(policies::create_version).get(policies::list_versions),
        )
        .route(
            "/policies/{policy}/version/{version}",
            get(policies::get_version)
                .patch(policies::set_default_version)
                .delete(policies::delete_version),
        )
        .route(
            "/target-policies/{policy}",
            put(policy_targets::attach).post(policy_targets::detach),
        )
        .route(
            "/attached-policies/{target}",
            post(policy_targets::list_attached),
        )
        .route(
            "/policy-targets/{policy}",
            post(policy_targets::list_targets),
        )
        .route(
            "/principal-policies/{policy}",
            put(policy_targets::attach_principal).delete(policy_targets::detach_principal),
        )
        .route(
            "/principal-policies",
            get(policy_targets::list_of_principal),
        )
        .route("/policy-principals", get(policy_targets::list_principals))
}

/// AWS IoT, control plane: provisioning.
fn provisioning() -> Router<Http> {
    Router::new()
        .route("/things", post(registration::register_thing))
        .route(
            "/provisioning-templates",
            post(templates_of_devices::create).get(templates_of_devices::list),
        )
        .route(
            "/provisioning-templates/{template}",
            get(templates_of_devices::describe)
                .patch(templates_of_devices::update)
                .delete(templates_of_devices::delete),
        )
        .route(
            "/provisioning-templates/{template}/versions",
            post(templates_of_devices::create_version).get(templates_of_devices::list_versions),
        )
        .route(
            "/provisioning-templates/{template}/versions/{version}",
            get(templates_of_devices::describe_version)
                .delete(templates_of_devices::delete_version),
        )
        .route(
            "/provisioning-templates/{template}/provisioning-claim",
            post(registration::create_claim),
        )
}

/// AWS IoT Jobs, device plane.
pub(crate) fn jobs_data() -> Router<Http> {
    Router::new()
        .route("/things/{thing}/jobs", get(device_jobs::pending))
        .route(
            "/things/{thing}/jobs/{job}",
            // `PUT` is for the literal `$next` only.
            get(device_jobs::describe)
                .put(device_jobs::start_next)
                .post(device_jobs::update),
        )
}

/// Lightsail: every operation has the path of its name.
pub(crate) fn lightsail() -> Router<Http> {
    use lightsail::{deployments, images, logs, metrics, services, static_answers, tags};
    Router::new()
        .route("/CreateContainerService", post(services::create))
        .route("/GetContainerServices", post(services::get))
        .route("/UpdateContainerService", post(services::update))
        .route("/DeleteContainerService", post(services::delete))
        .route(
            "/CreateContainerServiceDeployment",
            post(deployments::create),
        )
        .route("/GetContainerServiceDeployments", post(deployments::list))
        .route("/RegisterContainerImage", post(images::register))
        .route("/GetContainerImages", post(images::list))
        .route("/DeleteContainerImage", post(images::delete))
        .route("/GetContainerServicePowers", post(static_answers::powers))
        .route(
            "/CreateContainerServiceRegistryLogin",
            post(static_answers::registry_login),
        )
        .route(
            "/GetContainerAPIMetadata",
            post(static_answers::api_metadata),
        )
        .route("/GetContainerLog", post(logs::get))
        .route("/GetContainerServiceMetricData", post(metrics::get))
        .route("/TagResource", post(tags::tag))
        .route("/UntagResource", post(tags::untag))
}

/// AWS IoT Greengrass V2. Devices ask for some of it with their certificates.
pub(crate) fn greengrass() -> Router<Http> {
    Router::new()
        .route(
            "/greengrass/v2/createComponentVersion",
            post(components::create),
        )
        .route("/greengrass/v2/components", get(components::list))
        .route(
            "/greengrass/v2/components/{arn}",
            get(components::get).delete(components::delete),
        )
        .route(
            "/greengrass/v2/components/{arn}/metadata",
            get(components::describe),
        )
        .route(
            "/greengrass/v2/components/{arn}/versions",
            get(components::list_versions),
        )
        .route(
            "/greengrass/v2/components/{arn}/artifacts/{*name}",
            get(resolution::artifact),
        )
        .route(
            "/greengrass/v2/resolveComponentCandidates",
            post(resolution::resolve),
        )
        .merge(greengrass_core_devices())
        .route(
            "/greengrass/v2/deployments",
            get(deployments::list).post(deployments::create),
        )
        .route(
            "/greengrass/v2/deployments/{id}",
            get(deployments::get).delete(deployments::delete),
        )
        .route(
            "/greengrass/v2/deployments/{id}/cancel",
            post(deployments::cancel),
        )
        .route(
            "/tags/{arn}",
            get(greengrass_tags::list)
                .post(greengrass_tags::tag)
                .delete(greengrass_tags::untag),
        )
}

/// AWS IoT Greengrass V2: core devices.
fn greengrass_core_devices() -> Router<Http> {
    Router::new()
        .route("/greengrass/v2/coreDevices", get(core_devices::list))
        .route(
            "/greengrass/v2/coreDevices/{core}",
            get(core_devices::get).delete(core_devices::delete),
        )
        .route(
            "/greengrass/v2/coreDevices/{core}/associateClientDevices",
            post(client_devices::associate),
        )
        .route(
            "/greengrass/v2/coreDevices/{core}/disassociateClientDevices",
            post(client_devices::disassociate),
        )
        .route(
            "/greengrass/v2/coreDevices/{core}/associatedClientDevices",
            get(client_devices::list),
        )
        .route(
            "/greengrass/v2/coreDevices/{core}/deployments/{id}/configuration",
            get(deployments::configuration),
        )
        .route(
            "/greengrass/v2/coreDevices/{core}/installedComponents",
            get(core_devices::installed),
        )
        .route(
            "/greengrass/v2/coreDevices/{core}/effectiveDeployments",
            get(effective_deployments::list),
        )
}

/// AWS IoT, data plane.
pub(crate) fn iot_data() -> Router<Http> {
    Router::new()
        .route(
            "/things/{thing}/shadow",
            get(shadows::get)
                .post(shadows::update)
                .delete(shadows::delete),
        )
        .route(
            "/api/things/shadow/ListNamedShadowsForThing/{thing}",
            get(shadows::list),
        )
        // A topic is one segment if its slashes are encoded, as SDKs do, and several if they are not.
        .route("/topics/{*topic}", post(messages::publish))
        .route("/retainedMessage", get(messages::list_retained))
        .route("/retainedMessage/{*topic}", get(messages::get_retained))
}

/// What is ours.
pub(crate) fn own(http: &Http) -> Router<Http> {
    Router::new()
        .route("/", get(landing::page))
        .route("/healthz", get(health::lives))
        .route("/readyz", get(health::is_ready))
        .route("/metrics", get(metrics::text))
        .route("/events/cdf", get(events::cdf))
        .route("/admin/clock", post(admin::advance_clock))
        .route("/provisioningTemplates", get(provisioning_templates::list))
        .route(
            "/provisioningTemplates/{name}",
            put(provisioning_templates::put)
                .get(provisioning_templates::get)
                .delete(provisioning_templates::delete),
        )
        .route(
            "/artifacts/{bucket}/{*key}",
            get(artifacts::get)
                .put(artifacts::put)
                .delete(artifacts::delete),
        )
        .merge(graphql::routes(http.app(), http.stopping()))
}
