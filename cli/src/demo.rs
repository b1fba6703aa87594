//! `shipslog demo`: the main job on an empty machine, with every figure checked.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use shipslog_gateway_core::failure::with_causes;
use shipslog_gateway_core::log::tools;
use shipslog_simulator::behavior::Behavior;
use shipslog_simulator::control::FleetSummary;
use shipslog_simulator::device::Script;
use shipslog_simulator::net::progress::Progress;
use shipslog_simulator::net::{self, Target};
use shipslog_simulator::run::{self, Play, Provisioning, Rollout};

use crate::args::Demo;
use crate::child::OwnService;
use crate::display::Display;
use crate::logs::hex;
use crate::output::line;
use crate::simulate::HURRY;

/// Share of the devices that fail the second rollout, in hundredths of a percent.
const FAILING: u32 = 500;
/// How long each step may take.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) fn run(options: &Demo) -> Result<ExitCode> {
    let begun = Instant::now();
    let mut own = OwnService::start()?;
    line(&format!(
        "A service with an empty log is running: HTTP {}, MQTT {}.",
        own.http, own.mqtt
    ));
    let progress = Arc::new(Progress::default());
    let mut play = Play::new(fleet(options, &own)?, Arc::clone(&progress))?;
    let display = Display::start(&progress, options.devices);
    let played = play_steps(&mut play);
    let summary = played.and_then(|()| {
        let operator = play.operator().context("the demo has an operator")?;
        Ok(operator.fleet_summary()?)
    });
    display.stop();
    let summary = summary?;
    let report = play.finish()?;
    print_fleet(&summary);
    for rollout in &report.rollouts {
        print_rollout(rollout);
    }
    let disagreements: Vec<String> = report.disagreements().collect();
    if options.keep {
        line(&format!(
            "\nStill serving. GraphiQL: {}/graphql  Metrics: {}/metrics",
            own.http, own.http
        ));
        line("Stop with Ctrl-C.");
        own.wait()?;
        return Ok(ExitCode::SUCCESS);
    }
    check_log(own)?;
    line(&format!(
        "Took {:.1} s; {} devices, {} events.",
        begun.elapsed().as_secs_f64(),
        report.devices,
        report.events.unwrap_or_default(),
    ));
    ensure!(
        disagreements.is_empty(),
        "figures do not agree with what the devices did: {}",
        disagreements.join("; ")
    );
    line("Every figure agrees with what the devices did.");
    Ok(ExitCode::SUCCESS)
}

fn fleet(options: &Demo, own: &OwnService) -> Result<run::Options> {
    let mut net = net::Options::new(
        Target::parse(&own.mqtt, None)?,
        options.devices,
        options.seed,
    );
    net.prefix = "core".into();
    net.script = Arc::new(Script {
        behaviors: vec![
            Behavior::default(),
            Behavior {
                failing: FAILING,
                ..Behavior::default()
            },
        ],
        hurry: HURRY,
        ..Script::default()
    });
    let mut play = run::Options::new(net, Some(own.http.clone()));
    play.provisioning = Provisioning::Certificates;
    play.rollouts = 2;
    play.patience = PATIENCE;
    Ok(play)
}

fn play_steps(play: &mut Play) -> Result<()> {
    play.provision()?;
    play.connect()?;
    play.deploy()?;
    play.deploy()?;
    Ok(())
}

fn print_fleet(summary: &FleetSummary) {
    line("\nFleet summary");
    line("  template              version  desired  reported  success  failed  in progress");
    for (name, template) in &summary.templates {
        for (version, counts) in &template.versions {
            line(&format!(
                "  {name:<20} {version:>8} {:>8} {:>9} {:>8} {:>7} {:>12}",
                counts.desired_in_use,
                counts.reported_in_use,
                counts.last_deployment_success,
                counts.last_deployment_failed,
                counts.last_deployment_in_progress,
            ));
        }
    }
}

fn print_rollout(rollout: &Rollout) {
    let Some(job) = &rollout.job else { return };
    line(&format!(
        "\nRollout of version {} ({:.1} s): {} succeeded, {} failed",
        rollout.version, rollout.seconds, job.progress.succeeded, job.progress.failed
    ));
    let Some(statistics) = &job.statistics else {
        return;
    };
    if let Some(rate) = statistics.success_rate_percent {
        line(&format!("  success rate   {rate:.2} %"));
    }
    if let Some(time) = &statistics.download_time {
        line(&format!(
            "  download time  p50 {} ms, p90 {} ms, p99 {} ms ({} reports)",
            time.p50_ms, time.p90_ms, time.p99_ms, time.samples
        ));
    }
    for reason in &statistics.failure_reasons {
        line(&format!("  {:>5} × {}", reason.count, reason.reason));
    }
}

/// Stops the service and checks its log from the first block to the last.
fn check_log(own: OwnService) -> Result<()> {
    let data = own.stop()?;
    let data_dir = data.directory();
    let report = tools::verify(&data_dir)?;
    if let Some(problem) = &report.problem {
        anyhow::bail!("the log is damaged: {}", with_causes(problem));
    }
    ensure!(report.is_clean(), "the log is not clean: {report:?}");
    let digest = tools::digest_directory(&data_dir)?;
    line(&format!(
        "\nLog verified: {} events in {} blocks, digest {}",
        digest.events,
        report.blocks,
        hex(&digest.hash)
    ));
    Ok(())
}
