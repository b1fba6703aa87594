//! The properties.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{FileFailurePersistence, TestCaseError, TestRunner};
use shipslog_domain::RejectionKind::{
    AlreadyExists, Finished, Malformed, NotFound, VersionMismatch, WrongState,
};
use shipslog_domain::codec::kind_name;
use shipslog_tests::promises::{
    invariant_job_4, invariant_log_2, invariant_log_3, invariant_view_2,
};

use crate::actions::{Scenario, large_scenarios, scenarios};
use crate::lower::{perform, set_up};
use crate::settle::settle;
use crate::world::{Step, World};

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        // `PROPTEST_CASES=2560` is a run ten times as long as the usual one.
        cases: cases * ProptestConfig::default().cases.max(1) / 256,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("seeds"))),
        max_shrink_iters: 20_000,
        ..ProptestConfig::default()
    }
}

/// Plays a scenario, with a restart before each of the actions in `restarts`.
fn play(world: &mut World, scenario: &Scenario, restarts: &[usize]) {
    set_up(world, scenario.things);
    for (index, action) in scenario.actions.iter().enumerate() {
        if restarts.contains(&index) {
            world.apply(Step::Restart);
        }
        perform(world, *action);
    }
}

/// Runs `test` on a new world. What goes wrong is told with everything that led to it.
fn run(scenario: &Scenario, test: impl FnOnce(&mut World)) -> Result<(), TestCaseError> {
    let mut world = World::new(scenario.ceiling, scenario.names);
    let outcome = catch_unwind(AssertUnwindSafe(|| test(&mut world)));
    outcome.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        let steps: Vec<String> = world
            .trace
            .iter()
            .map(|step| format!("  {step:?}"))
            .collect();
        TestCaseError::fail(format!(
            "{}\nat {}, after\n{}",
            text.unwrap_or_default(),
            world.now,
            steps.join("\n")
        ))
    })
}

proptest! {
    #![proptest_config(config(6_000))]

    /// Every step against the model and the promises; then rest, replay and rebuilt views.
    #[test]
    fn a_fleet_is_what_the_model_says(scenario in scenarios(60), cut in any::<prop::sample::Index>()) {
        run(&scenario, |world| {
            play(world, &scenario, &[]);
            settle(world);
            invariant_job_4(&world.fleet, &world.views);
            invariant_log_3(&world.fleet, world.empty_fleet(), &world.recorded);
            let cut = cut.index(world.recorded.len() + 1);
            invariant_view_2(&world.views, &world.recorded, cut);
        })?;
    }
}

proptest! {
    #![proptest_config(config(600))]

    /// The same actions give the same log, byte for byte, with and without restarts on the way.
    #[test]
    fn a_log_depends_on_what_happened_only(
        scenario in scenarios(60),
        restarts in prop::collection::vec(0_usize..60, 1..6),
    ) {
        let mut first = Vec::new();
        run(&scenario, |world| {
            play(world, &scenario, &[]);
            settle(world);
            first = world.stored_log();
        })?;
        run(&scenario, |world| {
            play(world, &scenario, &restarts);
            settle(world);
            invariant_log_2(&first, &world.stored_log());
        })?;
    }

    /// Long lives of small fleets: names, slots and groups are used again and again.
    #[test]
    fn a_long_life_is_what_the_model_says(scenario in scenarios(400)) {
        run(&scenario, |world| {
            play(world, &scenario, &[]);
            settle(world);
            invariant_job_4(&world.fleet, &world.views);
            invariant_log_3(&world.fleet, world.empty_fleet(), &world.recorded);
        })?;
    }
}

proptest! {
    #![proptest_config(config(50))]

    /// Fleets in which waves, sweeps and tasks come in parts.
    #[test]
    fn a_large_fleet_is_what_the_model_says(scenario in large_scenarios(40)) {
        run(&scenario, |world| {
            play(world, &scenario, &[]);
            settle(world);
            invariant_job_4(&world.fleet, &world.views);
            invariant_log_3(&world.fleet, world.empty_fleet(), &world.recorded);
            invariant_view_2(&world.views, &world.recorded, world.recorded.len() / 2);
        })?;
    }
}

/// Kinds of events that no action of the generator leads to.
const UNREACHED: [&str; 91] = [
    // What does not touch things, jobs or executions.
    "AccountEventsConfigured",
    "AccountRoleAliasRemoved",
    "AccountRoleAliasSet",
    "AccountTagsChanged",
    "BillingGroupCreated",
    "BillingGroupDescriptionChanged",
    "BillingGroupRemoved",
    "ThingBillingGroupChanged",
    "OtaUpdateCreated",
    "OtaUpdateDeletionStarted",
    "OtaUpdateRemoved",
    "ComponentVersionCreated",
    "ComponentVersionRemoved",
    "StackCreated",
    "StackChanged",
    "StackRemoved",
    "StackLayerCreated",
    "StackLayerChanged",
    "StackLayerRemoved",
    "StackAppCreated",
    "StackAppChanged",
    "StackAppRemoved",
    "InstanceCreated",
    "InstanceChanged",
    "InstanceTurned",
    "InstanceRemoved",
    "ContainerServiceCreated",
    "ContainerServiceReady",
    "ContainerServiceChanged",
    "ContainerServiceUpdateEnded",
    "ContainerServiceNodesTold",
    "ContainerServiceVersionStarted",
    "ContainerServiceVersionActivated",
    "ContainerServiceVersionFailed",
    "ContainerServiceImageRegistered",
    "ContainerServiceImageRemoved",
    "ContainerServiceDeletionStarted",
    "ContainerServiceRemoved",
    "DeploymentCanceled",
    "DeploymentCreated",
    "DeploymentRemoved",
    "DeploymentSuperseded",
    "FileStreamChanged",
    "FileStreamCreated",
    "FileStreamRemoved",
    "JobTemplateCreated",
    "JobTemplateRemoved",
    "CaCertificateRegistered",
    "CaCertificateRegistrationChanged",
    "CaCertificateRemoved",
    "CaCertificateStatusChanged",
    "CertificateEnrolled",
    "CertificatePolicyAttached",
    "CertificatePolicyDetached",
    "CertificateRegistered",
    "CertificateRemoved",
    "CertificateReserved",
    "CertificateProvisioned",
    "CertificateOwnershipEnded",
    "CertificateStatusChanged",
    // A core task of more than a hundred cores.
    "CoreTaskCoresAdded",
    "CoreTaskRemovalsAdded",
    "CoreArtifactsStored",
    "ClientDeviceCertificatesStored",
    // A group of more than ten thousand.
    "GroupDeletionStarted",
    "GroupPropertiesChanged",
    "GroupTagsChanged",
    "PolicyCreated",
    "PolicyDefaultVersionChanged",
    "PolicyGroupAttached",
    "PolicyGroupDetached",
    "PolicyRemoved",
    "PolicyVersionAdded",
    "PolicyVersionRemoved",
    "ProvisioningTemplateCreated",
    "ProvisioningTemplateDefaultVersionChanged",
    "ProvisioningTemplateSettingsChanged",
    "ProvisioningTemplateVersionAdded",
    "ProvisioningTemplateVersionRemoved",
    // Nobody connects.
    "ThingConnected",
    "ThingDisconnected",
    "ThingRefused",
    "ThingCertificateAttached",
    "ThingCertificateDetached",
    "ThingTypeChanged",
    "ThingTypeCreated",
    "ThingTypeDeprecated",
    "ThingTypeDeprecationUndone",
    "ThingTypePropertiesChanged",
    "ThingTypeRemoved",
    "ThingTypeTagsChanged",
];

/// A property that holds because nothing happens proves nothing.
#[test]
fn the_generator_reaches_everything() {
    let mut runner = TestRunner::deterministic();
    let mut kinds = BTreeSet::new();
    let mut refused = BTreeSet::new();
    let (mut steps, mut events) = (0, 0);
    for _ in 0..400 {
        let tree = scenarios(100).new_tree(&mut runner).expect("a scenario");
        let scenario = tree.current();
        let mut world = World::new(scenario.ceiling, scenario.names);
        play(&mut world, &scenario, &[]);
        kinds.extend(
            world
                .recorded
                .iter()
                .map(|recorded| recorded.event.encode(&mut Vec::new())),
        );
        refused.extend(world.refused.keys().copied());
        steps += world.trace.len();
        events += world.recorded.len();
    }
    let names = (0..=u16::MAX).filter_map(|kind| Some((kind, kind_name(kind)?)));
    let missing = names.filter(|(kind, name)| !kinds.contains(kind) && !UNREACHED.contains(name));
    let missing: Vec<&str> = missing.map(|(_, name)| name).collect();
    assert!(
        missing.is_empty(),
        "{missing:?} never happen in {steps} steps and {events} events"
    );
    for kind in [
        AlreadyExists,
        Finished,
        Malformed,
        NotFound,
        VersionMismatch,
        WrongState,
    ] {
        assert!(
            refused.contains(&kind),
            "nothing is refused as {kind:?} in {steps} steps"
        );
    }
}
