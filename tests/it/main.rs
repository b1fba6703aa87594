//! End to end, over public protocols only: the real binary as a process, real HTTP and MQTT clients.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod access;
mod aws_job_refusals;
mod aws_jobs;
mod bad_input;
mod cdf;
mod cdf_contract;
mod cdf_devices;
mod cdf_refusals;
mod cli;
mod clients;
mod clock;
mod compatibility;
mod damage;
mod devices;
mod graphql;
mod hostile;
mod identity;
mod model;
mod modes;
mod mosquitto;
mod mqtt_jobs;
mod mqtt_notify;
mod mqtt_topics;
mod net;
mod own;
mod played_components;
mod presence;
mod presigned_urls;
mod provisioning;
mod registry;
mod report;
mod restart;
mod sessions;
mod streams;
