//! Every bound in the state machine, one named constant each. Refusal at the bound is tested.

use crate::time::Span;

/// Attributes of a thing with a type, or of a group (AWS IoT: 50).
pub const ATTRIBUTES_MAX: usize = 50;
/// Attributes of a thing without a type (AWS IoT: 3).
pub const ATTRIBUTES_WITHOUT_TYPE_MAX: usize = 3;
/// Searchable attributes of a thing type (AWS IoT: 3).
pub const SEARCHABLE_ATTRIBUTES_MAX: usize = 3;
/// Length of an attribute's value, in bytes (AWS IoT: 800).
pub const ATTRIBUTE_VALUE_BYTES_MAX: usize = 800;
/// Length of an attribute's name, in bytes (AWS IoT: 128).
pub const ATTRIBUTE_NAME_BYTES_MAX: usize = 128;
/// Depth of the group hierarchy, the root group included (AWS IoT: 7).
pub const GROUP_DEPTH_MAX: usize = 7;
/// Direct child groups of a group (AWS IoT: 100).
pub const GROUP_CHILDREN_MAX: usize = 100;
/// Groups that one thing is a direct member of, static and dynamic ones together (AWS IoT: 10).
pub const GROUPS_PER_THING_MAX: usize = 10;
/// Members whose memberships end in one commit with the deletion of their group; those of a larger group leave slice by
/// slice.
pub const GROUP_DELETION_MEMBERS_MAX: u64 = 10_000;
/// Billing groups (AWS IoT: 20,000).
pub const BILLING_GROUPS_MAX: usize = 20_000;
/// Dynamic groups (AWS IoT: 100).
pub const DYNAMIC_GROUPS_MAX: usize = 100;
/// Things that a dynamic group's query is asked of before commands get their turn again.
pub const REVIEW_THINGS: u32 = 16_384;
/// Length of a query, in bytes (AWS IoT: 1,000).
pub const QUERY_BYTES_MAX: usize = 1_000;
/// Terms of a query (AWS IoT: 7).
pub const QUERY_TERMS_MAX: usize = 7;
/// Nesting of parentheses in a query.
pub const QUERY_DEPTH_MAX: usize = 32;
/// Certificates attached to one thing.
pub const CERTIFICATES_PER_THING_MAX: usize = 10;
/// Length of a description or comment, in characters (AWS IoT: 2,028).
pub const DESCRIPTION_CHARACTERS_MAX: usize = 2_028;
/// Length of a job's reason code, in characters (AWS IoT: 128).
pub const REASON_CODE_CHARACTERS_MAX: usize = 128;
/// Length of a certificate in PEM form, in bytes (AWS IoT: 65,536; a block of the log holds 64 KiB).
pub const CERTIFICATE_PEM_BYTES_MAX: usize = 16_384;
/// Certificates of CAs that are registered. All of them are looked at when a device certificate is registered.
pub const CA_CERTIFICATES_MAX: usize = 100;
/// Policies attached to one certificate (AWS IoT: 10). Provisioning templates may bring more.
pub const POLICIES_PER_CERTIFICATE_MAX: usize = 10;
/// Policies attached to one static group (AWS IoT: 2).
pub const POLICIES_PER_GROUP_MAX: usize = 2;
/// Versions of one policy (AWS IoT: 5).
pub const POLICY_VERSIONS_MAX: usize = 5;
/// Length of a policy document without white space, in characters (AWS IoT: 2,048).
pub const POLICY_CHARACTERS_MAX: usize = 2_048;
/// Length of a policy document, in bytes (AWS IoT: 404,600; a block of the log holds 64 KiB).
pub const POLICY_DOCUMENT_BYTES_MAX: usize = 32 * 1024;
/// Versions of one provisioning template (AWS IoT: 5).
pub const PROVISIONING_TEMPLATE_VERSIONS_MAX: usize = 5;
/// Length of a provisioning template's description, in characters (AWS IoT: 500).
pub const PROVISIONING_DESCRIPTION_CHARACTERS_MAX: usize = 500;
/// How long a provisioning claim may be used, in minutes (AWS IoT: 5).
pub const PROVISIONING_CLAIM_MINUTES: u32 = 5;
/// How long a device may provision itself with a certificate that it was handed, in minutes (AWS IoT: an hour).
pub const OWNERSHIP_MINUTES: u32 = 60;
/// Certificates that were asked for with one claim and wait for their devices to provision themselves.
pub const UNPROVISIONED_PER_CLAIM_MAX: u32 = 10_000;
/// What a device gets of a template's `DeviceConfiguration`, as JSON text, in bytes: small devices read an answer into
/// 5,000 bytes.
pub const DEVICE_CONFIGURATION_BYTES_MAX: usize = 4_096;
/// Length of the name of a parameter that a device or a hook sends, in bytes (AWS IoT: 2,048).
pub const DEVICE_PARAMETER_NAME_BYTES_MAX: usize = 2_048;
/// Length of the value of a parameter that a device or a hook sends, in bytes (AWS IoT: 4,096).
pub const DEVICE_PARAMETER_BYTES_MAX: usize = 4_096;
/// Length of the name of a hook, in bytes (Lambda: 64).
pub const HOOK_NAME_BYTES_MAX: usize = 64;
/// Length of a certificate signing request, in bytes (AWS IoT: 4,096).
pub const CSR_BYTES_MAX: usize = 4_096;
/// Length of a provisioning template, in bytes (AWS IoT: 10,240).
pub const PROVISIONING_TEMPLATE_BYTES_MAX: usize = 10_240;
/// Nesting of a JSON document that we read.
pub const JSON_DEPTH_MAX: usize = 32;
/// Length of a recipe, in bytes (Greengrass: 16 KB).
pub const COMPONENT_RECIPE_BYTES_MAX: usize = 16 * 1024;
/// Length of a recipe as it is stored, in bytes: JSON with the digests of its artifacts (a block of the log holds
/// 64 KiB).
pub const COMPONENT_STORED_RECIPE_BYTES_MAX: usize = 48 * 1024;
/// Artifacts of one recipe.
pub const COMPONENT_ARTIFACTS_MAX: usize = 100;
/// Digits of a number in a component's version (Greengrass: 6).
pub const COMPONENT_VERSION_DIGITS_MAX: u32 = 6;
/// Versions of components, all together.
pub const COMPONENT_VERSIONS_MAX: usize = 100_000;
/// Recipes of all versions of components, in bytes of memory.
pub const COMPONENT_RECIPES_BYTES_MAX: usize = 512 * 1024 * 1024;
/// Client devices that one command associates or disassociates (Greengrass: 100).
pub const CLIENT_DEVICES_TOGETHER_MAX: usize = 100;
/// Deployments that are kept.
pub const DEPLOYMENTS_MAX: usize = 100_000;
/// Bytes of all contents of deployments, together.
pub const DEPLOYMENTS_BYTES_MAX: usize = 512 << 20;
/// Deployments that are kept of one scope: the oldest that has ended makes room for the next one.
pub const DEPLOYMENTS_PER_SCOPE_MAX: usize = 1_000;
/// Bytes of a deployment's document that a job carries whole; devices fetch what is longer.
pub const DEPLOYMENT_IN_JOB_BYTES_MAX: usize = 31 * 1024;
/// Bytes of a deployment's document, as a JSON string, that a thing's shadow carries whole.
pub const DEPLOYMENT_IN_SHADOW_BYTES_MAX: usize = 7 * 1024;
/// Bytes of a deployment's configuration that devices fetch (Greengrass: 10 MB).
pub const DEPLOYMENT_CONFIGURATION_BYTES_MAX: u32 = 10 << 20;
/// Length of a deployment's name, in characters (Greengrass: 256).
pub const DEPLOYMENT_NAME_CHARACTERS_MAX: usize = 256;
/// Length of a JSON pointer that resets a part of a configuration (Greengrass: 256).
pub const RESET_POINTER_BYTES_MAX: usize = 256;
/// Length of a range of versions, in bytes.
pub const VERSION_REQUIREMENT_BYTES_MAX: usize = 512;
/// Length of a Greengrass request's `clientToken`, in bytes (Greengrass: 64).
pub const CLIENT_TOKEN_BYTES_MAX: usize = 64;
/// How long a request is known by its `clientToken` (Greengrass: 8 hours).
pub const CLIENT_TOKEN_KEPT: Span = Span::minutes(8 * 60);
/// Client tokens of one operation that are kept; the oldest are forgotten first.
pub const CLIENT_TOKENS_MAX: usize = 100_000;
/// Tags of one resource of Greengrass (Greengrass: 200).
pub const GREENGRASS_TAGS_MAX: usize = 200;
/// Components of one template version.
pub const COMPONENTS_MAX: usize = 200;
/// Length of a component's name, in bytes (Greengrass: 128).
pub const COMPONENT_NAME_BYTES_MAX: usize = 128;
/// Length of a component's version, in bytes (Greengrass: 64).
pub const COMPONENT_VERSION_BYTES_MAX: usize = 64;
/// All components of one template version as stored, in bytes.
pub const TEMPLATE_CONTENT_BYTES_MAX: usize = 256 * 1024;
/// Length of a job document, in bytes (AWS IoT: 32 KB), for jobs that callers create.
pub const JOB_DOCUMENT_BYTES_MAX: usize = 32 * 1024;
/// Length of a Greengrass deployment document, in bytes.
pub const DEPLOYMENT_DOCUMENT_BYTES_MAX: usize = 512 * 1024;
/// Placeholders of presigned URLs in a job document (AWS IoT: 10).
pub const PRESIGNED_URLS_MAX: usize = 10;
/// Targets of one job (AWS IoT: 100).
pub const JOB_TARGETS_MAX: usize = 100;
/// Jobs that are being deleted at the same time (AWS IoT: 10).
pub const JOBS_IN_DELETION_MAX: usize = 10;
/// `destinationPackageVersions` of one job (AWS IoT: 25).
pub const PACKAGE_VERSIONS_MAX: usize = 25;
/// Tags of one resource (AWS IoT: 50).
pub const TAGS_MAX: usize = 50;
/// Role aliases (AWS IoT: 100).
pub const ROLE_ALIASES_MAX: usize = 100;
/// The shortest and longest time that credentials of a role are good for, and the one if nothing is said (AWS IoT).
pub const CREDENTIAL_SECONDS_MIN: u32 = 900;
/// See [`CREDENTIAL_SECONDS_MIN`].
pub const CREDENTIAL_SECONDS_MAX: u32 = 43_200;
/// See [`CREDENTIAL_SECONDS_MIN`].
pub const CREDENTIAL_SECONDS_DEFAULT: u32 = 3_600;
/// Maintenance windows of one job.
pub const MAINTENANCE_WINDOWS_MAX: usize = 20;
/// Length of a maintenance window, in minutes (AWS IoT: 23 hours and 50 minutes).
pub const WINDOW_MINUTES_MAX: u32 = 1_430;
/// Openings of maintenance windows that are looked at for overlaps when a job is created.
pub const WINDOW_OPENINGS_CHECKED: usize = 500;
/// Length of a cron expression, in bytes (AWS IoT: 256).
pub const CRON_BYTES_MAX: usize = 256;
/// Days that are searched for the next time of a cron expression: the 29th of February comes within eight years.
pub const CRON_DAYS_SEARCHED: usize = 8 * 366 + 1;
/// Job templates (AWS IoT: 100).
pub const JOB_TEMPLATES_MAX: usize = 1_000;
/// File streams (AWS IoT: 10,000).
pub const FILE_STREAMS_MAX: usize = 10_000;
/// `desired` and `reported` of one shadow as compact JSON, in bytes (AWS IoT: 8 KB).
pub const SHADOW_DOCUMENT_BYTES_MAX: usize = 8_192;
/// Levels of names below `desired` or `reported` (AWS IoT: 8).
pub const SHADOW_DEPTH_MAX: usize = 8;
/// Shadows of one thing, the classic one included; as many deleted ones are remembered.
pub const SHADOWS_PER_THING_MAX: usize = 100;
/// What one shadow takes besides its document and its name, in bytes.
pub const SHADOW_OVERHEAD_BYTES: usize = 96;
/// All shadows together, in bytes of memory.
pub const SHADOW_BYTES_MAX: usize = 1 << 30;
/// Names that no thing ever had and that have, or had, a shadow: a name is kept for ever.
pub const SHADOW_ONLY_NAMES_MAX: u32 = 1_000_000;
/// How long the version of a deleted shadow is remembered (AWS IoT: 48 hours).
pub const SHADOW_VERSION_KEPT: Span = Span::minutes(48 * 60);
/// Deleted shadows that are forgotten with one event, at most.
pub const SHADOWS_FORGOTTEN_TOGETHER: usize = 4;
/// Length of a shadow request's `clientToken`, in bytes (AWS IoT: 64).
pub const SHADOW_TOKEN_BYTES_MAX: usize = 64;
/// The time from one record of a thing's presence to the next, at least.
pub const PRESENCE_WINDOW: Span = Span::seconds(30);
/// Clients whose presence is recorded in one step.
pub const PRESENCE_OBSERVATIONS_MAX: usize = 500;
/// Things whose refusals are recorded in one step.
pub const REFUSED_THINGS_MAX: usize = 16;
/// Different refusals in one event.
pub const REFUSALS_PER_EVENT_MAX: usize = 16;
/// Length of a text of a refusal.
pub const REFUSED_TEXT_BYTES_MAX: usize = 256;
/// Stacks.
pub const STACKS_MAX: usize = 1_000;
/// Layers of one stack (OpsWorks: 40).
pub const LAYERS_PER_STACK_MAX: usize = 100;
/// Apps of one stack (OpsWorks: 40).
pub const APPS_PER_STACK_MAX: usize = 100;
/// Instances of one stack (OpsWorks: 40).
pub const INSTANCES_PER_STACK_MAX: usize = 10_000;
/// Length of the name of a stack, a layer or an app, in characters.
pub const STACK_NAME_CHARACTERS_MAX: usize = 256;
/// Length of a layer's or an app's name for recipes, in bytes.
pub const SHORTNAME_BYTES_MAX: usize = 64;
/// What is kept of a stack, a layer, an app or an instance and read by no rule, as JSON, in bytes.
pub const STACK_DETAILS_BYTES_MAX: usize = 32 * 1024;
/// Length of custom JSON, in bytes (OpsWorks: 120 KB).
pub const CUSTOM_JSON_BYTES_MAX: usize = 120 * 1024;
/// All keys and values of an app's environment together, in bytes (OpsWorks: 20 KB).
pub const ENVIRONMENT_BYTES_MAX: usize = 20 * 1024;
/// Length of one of its keys or values, in bytes.
pub const ENVIRONMENT_TEXT_BYTES_MAX: usize = 4_096;
/// Versions of an app that an instance keeps (OpsWorks: 5).
pub const APP_VERSIONS_KEPT: usize = 5;
/// Values of one argument of a command.
pub const COMMAND_ARG_VALUES_MAX: usize = 100;
/// Length of such a value, in bytes.
pub const COMMAND_ARG_BYTES_MAX: usize = 256;
/// Length of what is said of a deployment of a stack, in characters.
pub const COMMENT_CHARACTERS_MAX: usize = 2_028;
/// Length of what a device gets of a command, in bytes: it fits into one MQTT message with room for what is around it.
pub const COMMAND_DOCUMENT_BYTES_MAX: usize = 126 * 1024;
/// Devices of a command up to which each is told the hostnames of all.
pub const COMMAND_HOSTNAMES_MAX: usize = 100;
/// OTA updates.
pub const OTA_UPDATES_MAX: usize = 10_000;
/// Length of all texts of an OTA update together, in bytes (a block of the log holds 64 KiB).
pub const OTA_UPDATE_BYTES_MAX: usize = 24 * 1024;
/// Attributes of a file of an OTA update, and additional parameters of the whole.
pub const OTA_PARAMETERS_MAX: usize = 50;
/// Length of the value of such an attribute or parameter, in characters (AWS IoT: 4,096).
pub const OTA_PARAMETER_CHARACTERS_MAX: usize = 4_096;
/// Files of one file stream (AWS IoT: 50).
pub const STREAM_FILES_MAX: usize = 50;
/// Length of an object's key in an `s3Location`, in bytes (S3: 1,024).
pub const OBJECT_KEY_BYTES_MAX: usize = 1_024;
/// Criteria of one kind in one job.
pub const CRITERIA_MAX: usize = 10;
/// Retries of one execution, over all criteria (AWS IoT: 10).
pub const RETRIES_MAX: u32 = 10;
/// Longest timeout of an execution or step, in minutes (AWS IoT: 7 days).
pub const TIMEOUT_MINUTES_MAX: u32 = 10_080;
/// Things told of a job per minute, where the service is not configured otherwise (AWS IoT: 1,000).
pub const ROLLOUT_CEILING_PER_MINUTE_DEFAULT: u32 = 1_000;
/// Pairs in `statusDetails` (AWS IoT: 10).
pub const DETAILS_MAX: usize = 10;
/// Length of a key in `statusDetails`, in bytes (AWS IoT: 128).
pub const DETAIL_KEY_BYTES_MAX: usize = 128;
/// Length of a value in `statusDetails`, in bytes (AWS IoT: 1,024).
pub const DETAIL_VALUE_BYTES_MAX: usize = 1_024;
/// Executions in a list of pending ones (AWS IoT: 10).
pub const PENDING_LISTED_MAX: usize = 10;
/// Cores of one core task, or client devices of one device task.
pub const CORE_TASK_CORES_MAX: usize = 10_000;
/// Cores per event of a core task, so that none outgrows a block of the log by much.
pub const CORES_PER_EVENT_MAX: usize = 100;
/// Client devices of a core that is deleted that are released in one step.
pub const RELEASED_TOGETHER: usize = 100;
/// Provisioning parameters of one core.
pub const PARAMETERS_MAX: usize = 50;
/// Length of a provisioning parameter's value, in bytes (room for a CSR or a certificate).
pub const PARAMETER_VALUE_BYTES_MAX: usize = 16_384;
/// Length of a query of the asset library, in bytes.
pub const ASSET_QUERY_BYTES_MAX: usize = 8_192;
/// Comparisons in a query of the asset library.
pub const ASSET_CONDITIONS_MAX: usize = 100;
/// Targets that one deployment task names.
pub const DEPLOYMENT_TARGET_NAMES_MAX: usize = 100_000;
/// Cores of a deployment task that are worked on together (CDF: `DEPLOYMENTS_BATCH_SIZE`).
pub const DEPLOYMENT_BATCH: u32 = 50;
/// Cores of a core task that are worked on together (CDF: `CORES_BATCH_SIZE`).
pub const CORE_BATCH: u32 = 20;
/// Installed components in one health message.
pub const INSTALLED_COMPONENTS_MAX: usize = 1_000;
/// Container services.
pub const CONTAINER_SERVICES_MAX: usize = 1_000;
/// Containers of one version of a container service (Lightsail: 10).
pub const CONTAINERS_MAX: usize = 10;
/// Nodes that a container service runs on (Lightsail: 20).
pub const CONTAINER_SCALE_MAX: u32 = 20;
/// Versions of a container service that are kept (Lightsail: 50).
pub const CONTAINER_VERSIONS_MAX: usize = 50;
/// Images that are registered with one container service (Lightsail: 150).
pub const CONTAINER_IMAGES_MAX: usize = 150;
/// Public domain names of one container service (Lightsail: 4).
pub const PUBLIC_DOMAIN_NAMES_MAX: usize = 4;
/// Length of a certificate's name, in bytes.
pub const CERTIFICATE_NAME_BYTES_MAX: usize = 255;
/// Length of an image's name, in bytes.
pub const CONTAINER_IMAGE_NAME_BYTES_MAX: usize = 2_048;
/// Open ports of one container.
pub const CONTAINER_PORTS_MAX: usize = 100;
/// Words of a container's command, and variables of its environment.
pub const CONTAINER_ENTRIES_MAX: usize = 500;
/// A version of a container service as a job document, in bytes; the rest of a document is for what may change.
pub const CONTAINER_VERSION_BYTES_MAX: usize = JOB_DOCUMENT_BYTES_MAX - 4 * 1024;
/// Successes or failures in a row that a health check may ask for.
pub const HEALTH_CHECK_THRESHOLD_MAX: u32 = 10;
/// Length of the path of a health check, in bytes.
pub const HEALTH_CHECK_PATH_BYTES_MAX: usize = 1_024;
/// Length of the codes of a health check, in bytes.
pub const SUCCESS_CODES_BYTES_MAX: usize = 256;
/// How long the nodes of a container service have for a new version or a change, in minutes.
pub const CONTAINER_DEPLOYMENT_MINUTES: u32 = 30;
/// How long the nodes of a container service have to stop it, in minutes.
pub const CONTAINER_STOP_MINUTES: u32 = 10;
/// Things of a group that are looked at when nodes are chosen.
pub const CONTAINER_NODES_CONSIDERED: usize = 10_000;
/// Events that one due timeout may cause before commands get their turn again.
pub const TIMEOUT_EVENTS_MAX: usize = 2_048;
