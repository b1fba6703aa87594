//! Things, groups and jobs, by commands.

use anyhow::Result;
use shipslog_domain::command::{JobRequest, TargetName};
use shipslog_domain::{Command, GroupName, JobName, ThingName, job};
use shipslog_gateway_core::App;
use shipslog_simulator::net::thing_name;
use tokio::task::JoinSet;

/// Things per group.
const GROUP: u32 = 10_000;
/// Commands that wait for the writer at a time.
const IN_FLIGHT: usize = 4_096;

/// Registers things, in groups.
pub(super) async fn things(app: &App, devices: u32) -> Result<()> {
    for number in 0..devices.div_ceil(GROUP) {
        let create = Command::CreateGroup {
            name: group(number)?,
            parent: None,
            description: None,
            attributes: Vec::new(),
        };
        app.submit(create).await??;
    }
    let mut running = JoinSet::new();
    for index in 0..devices {
        let name = ThingName::parse(&thing_name("sim", index))?;
        let group = group(index / GROUP)?;
        let app = app.clone();
        running.spawn(async move {
            let create = Command::CreateThing {
                name: name.clone(),
                thing_type: None,
                attributes: Vec::new(),
            };
            let join = Command::AddThingToGroup { group, thing: name };
            app.submit(create).await??;
            app.submit(join).await??;
            anyhow::Ok(())
        });
        if running.len() >= IN_FLIGHT {
            running.join_next().await.transpose()?.transpose()?;
        }
    }
    while let Some(done) = running.join_next().await {
        done??;
    }
    Ok(())
}

/// A job for all of them.
pub(super) async fn job(app: &App, devices: u32, name: &JobName) -> Result<()> {
    let targets = (0..devices.div_ceil(GROUP)).map(|number| group(number).map(TargetName::Group));
    let request = Box::new(JobRequest {
        name: name.clone(),
        namespace: None,
        document: r#"{"command":"update"}"#.into(),
        description: None,
        targets: targets.collect::<Result<_, _>>()?,
        target_selection: job::TargetSelection::Snapshot,
        settings: job::Settings::default(),
    });
    app.submit(Command::CreateJob { request }).await??;
    Ok(())
}

fn group(number: u32) -> Result<GroupName> {
    Ok(GroupName::parse(&format!("sim-{number:04}"))?)
}
