use serde_json::json;

use super::super::{Args, Command, InstanceCommand, InstanceContent};
use super::{CommandName as N, CommandRequest, Details, LAYER, STACK, Stacks, app, layer, stack};
use crate::command::{Command as Any, ReportedStatus as R};
use crate::ids::{AppId, InstanceId, LayerId, StackId};
use crate::limits;
use crate::rejection::RejectionKind;

/// Arguments as a test gives them.
type Given<'a> = &'a [(&'a str, &'a [&'a str])];
/// What a test changes of a request.
type Changed<'a> = &'a dyn Fn(&mut CommandRequest);

fn args(pairs: Given<'_>) -> Args {
    let pairs = pairs.iter();
    pairs
        .map(|(key, values)| {
            let values = values.iter().map(|value| (*value).into());
            ((*key).into(), values.collect())
        })
        .collect()
}

#[test]
fn a_deployment_runs_until_every_command_has_ended() {
    let rows: [(&[R], &str); 6] = [
        (&[], "running"),
        (&[R::InProgress], "running"),
        (&[R::InProgress, R::Succeeded], "successful"),
        (&[R::Succeeded], "successful"),
        (&[R::InProgress, R::Failed], "failed"),
        (&[R::Rejected], "failed"),
    ];
    for (reports, expected) in rows {
        let mut stacks = Stacks::new();
        let id = stacks.online("pump-1");
        let deployment = stacks.deploy(N::Deploy);
        for report in reports {
            stacks.answer(deployment, "pump-1", *report, "");
        }
        assert_eq!(stacks.run_word(deployment), expected, "{reports:?}");
        let of_command = match expected {
            "running" => "pending",
            other => other,
        };
        assert_eq!(
            stacks.command_word(deployment, id),
            of_command,
            "{reports:?}"
        );
        stacks.check_replay();
    }
}

#[test]
fn a_command_tells_when_it_was_taken_up_and_how_it_ended() {
    let mut stacks = Stacks::new();
    let id = stacks.online("pump-1");
    let deployment = stacks.deploy(N::Deploy);
    let created_at = stacks.run.now;
    stacks.run.pass(crate::time::Span::seconds(5));
    stacks.answer(deployment, "pump-1", R::InProgress, "");
    let taken_up = stacks.run.now;
    stacks.run.pass(crate::time::Span::seconds(7));
    stacks.answer(deployment, "pump-1", R::Failed, "3");
    let command = stacks.run.fleet.command(deployment, id).expect("a command");
    assert_eq!(command.created_at, created_at);
    assert_eq!(command.acknowledged_at, Some(taken_up));
    assert_eq!(command.completed_at, Some(stacks.run.now));
    assert_eq!(command.exit_code, Some(3));
    assert_eq!(command.log_url.as_deref(), Some("https://logs/1"));
    let found = stacks.run.fleet.command_by_id(&command.id);
    assert_eq!(found, Some(command));
    let run = stacks.run.fleet.run(deployment).expect("a deployment");
    assert_eq!(run.ended_at, Some(stacks.run.now));
}

#[test]
fn who_is_not_online_is_skipped() {
    let mut stacks = Stacks::new();
    let first = stacks.online("pump-1");
    let second = stacks.online("pump-2");
    stacks.connect("pump-2", false);
    let mut request = stacks.request(N::Setup);
    request.layers = vec![LAYER];
    stacks.run(request);
    assert_eq!(stacks.command_word(0, first), "pending");
    assert_eq!(stacks.command_word(0, second), "skipped");
    stacks.answer(0, "pump-1", R::Succeeded, "");
    assert_eq!(stacks.run_word(0), "successful");
    let mut request = stacks.request(N::Setup);
    request.instances = vec![second];
    stacks.run(request);
    assert_eq!(stacks.run_word(1), "successful", "there was nothing to run");
    let last = stacks.deploy(N::Setup);
    assert!(
        stacks.run.fleet.command(last, second).is_none(),
        "only those online by default"
    );
    stacks.check_replay();
}

#[test]
fn targets_are_instances_and_members_of_layers() {
    let mut stacks = Stacks::new();
    let ids: Vec<InstanceId> = ["a", "b", "c"].map(|name| stacks.online(name)).into();
    stacks.ok(Command::CreateLayer {
        stack: STACK,
        content: Box::new(layer("core", "custom")),
    });
    stacks.instance(InstanceCommand::Assign {
        instance: ids[1],
        layers: vec![LayerId(1)],
    });
    let mut request = stacks.request(N::Configure);
    request.layers = vec![LayerId(1)];
    request.instances = vec![ids[2], ids[2]];
    stacks.run(request);
    let (_, _, commands) = stacks
        .run
        .fleet
        .stack_deployments(STACK)
        .next()
        .expect("one");
    assert_eq!(commands.instances(), [ids[1], ids[2]]);
}

#[test]
fn an_instance_runs_one_command_after_the_other() {
    let mut stacks = Stacks::new();
    stacks.online("pump-1");
    stacks.online("pump-2");
    let first = stacks.deploy(N::Deploy);
    let second = stacks.deploy(N::Restart);
    let third = stacks.deploy(N::Configure);
    assert_eq!(stacks.document("pump-1")["Command"]["Name"], "deploy");
    stacks.answer(first, "pump-1", R::Succeeded, "");
    // On a custom layer there is no server to restart.
    assert_eq!(stacks.run_word(second), "successful");
    assert_eq!(stacks.document("pump-1")["Command"]["Name"], "configure");
    assert_eq!(stacks.document("pump-2")["Command"]["Name"], "deploy");
    stacks.answer(third, "pump-1", R::Succeeded, "");
    assert_eq!(stacks.run_word(third), "running");
}

#[test]
fn servers_are_started_on_layers_that_have_some() {
    for (kind, expected) in [
        ("custom", "successful"),
        ("lb", "successful"),
        ("rails-app", "pending"),
    ] {
        for name in [N::Start, N::Stop, N::Restart] {
            let mut stacks = Stacks::with(stack("fleet"), kind);
            let id = stacks.online("pump-1");
            let deployment = stacks.deploy(name);
            assert_eq!(
                stacks.command_word(deployment, id),
                expected,
                "{name:?} on {kind}"
            );
        }
    }
}

#[test]
fn packages_are_not_for_windows() {
    for (os, expected) in [
        ("Microsoft Windows Server 2019 Base", "successful"),
        ("Amazon Linux 2", "pending"),
    ] {
        for name in [N::InstallDependencies, N::UpdateDependencies] {
            let mut content = stack("fleet");
            content.details = super::details(&json!({"DefaultOs": os}));
            let mut stacks = Stacks::with(content, "custom");
            let id = stacks.online("pump-1");
            let deployment = stacks.deploy(name);
            assert_eq!(
                stacks.command_word(deployment, id),
                expected,
                "{name:?} on {os}"
            );
        }
    }
}

fn refused(stacks: &mut Stacks, request: CommandRequest, wanted: &str) {
    let message = stacks.refused_run(request, RejectionKind::Malformed);
    assert!(
        message.contains(wanted),
        "{message:?} does not say {wanted:?}"
    );
}

#[test]
fn arguments_are_those_of_the_command() {
    let accepted: [(N, Given<'_>); 7] = [
        (N::Deploy, &[]),
        (N::Deploy, &[("migrate", &["true"])]),
        (N::Deploy, &[("migrate", &["false"])]),
        (N::ExecuteRecipes, &[("recipes", &["a::b", "c"])]),
        (N::UpdateDependencies, &[]),
        (N::UpdateDependencies, &[("allow_reboot", &["false"])]),
        (
            N::UpdateDependencies,
            &[
                ("upgrade_os_to", &["Amazon Linux 2"]),
                ("allow_reboot", &["true"]),
            ],
        ),
    ];
    for (name, given) in accepted {
        let mut stacks = Stacks::new();
        stacks.online("pump-1");
        let mut request = stacks.request(name);
        request.args = args(given);
        stacks.run(request);
    }
    let mut stacks = Stacks::new();
    stacks.online("pump-1");
    let long = "x".repeat(limits::COMMAND_ARG_BYTES_MAX + 1);
    let rows: [(N, Given<'_>, &str); 13] = [
        (N::Deploy, &[("migrate", &["yes"])], "migrate must be"),
        (
            N::Deploy,
            &[("migrate", &["true", "true"])],
            "migrate must be",
        ),
        (
            N::Deploy,
            &[("recipes", &["a"])],
            "recipes: deploy takes migrate",
        ),
        (
            N::Rollback,
            &[("migrate", &["true"])],
            "rollback takes no arguments",
        ),
        (N::ExecuteRecipes, &[], "name the recipes"),
        (
            N::ExecuteRecipes,
            &[("recipes", &[])],
            "recipes must be a list of 1",
        ),
        (
            N::ExecuteRecipes,
            &[("recipes", &[""])],
            "recipes must be a list of 1",
        ),
        (
            N::ExecuteRecipes,
            &[("recipes", &[&long])],
            "recipes must be a list of 1",
        ),
        (
            N::ExecuteRecipes,
            &[("recipes", &["a"]), ("recipes", &["a"])],
            "recipes is given twice",
        ),
        (
            N::UpdateDependencies,
            &[("upgrade_os_to", &["x"])],
            "allow_reboot must be",
        ),
        (
            N::UpdateDependencies,
            &[("upgrade_os_to", &["x"]), ("allow_reboot", &["false"])],
            "allow_reboot must be",
        ),
        (
            N::UpdateDependencies,
            &[("upgrade_os_to", &["x", "y"]), ("allow_reboot", &["true"])],
            "one version",
        ),
        (
            N::Configure,
            &[("allow_reboot", &["true"])],
            "configure takes no arguments",
        ),
    ];
    for (name, given, wanted) in rows {
        let mut request = stacks.request(name);
        request.args = args(given);
        refused(&mut stacks, request, wanted);
    }
}

#[test]
fn what_a_command_names_must_be_of_its_stack() {
    let mut stacks = Stacks::new();
    let id = stacks.online("pump-1");
    stacks.ok(Command::Create(Box::new(stack("second"))));
    stacks.ok(Command::CreateLayer {
        stack: StackId(1),
        content: Box::new(layer("edge", "custom")),
    });
    stacks.ok(Command::CreateApp {
        stack: StackId(1),
        content: Box::new(app("x", "")),
    });
    stacks.instance(InstanceCommand::Create {
        stack: StackId(1),
        hostname: None,
        content: Box::new(InstanceContent {
            layers: vec![LayerId(1)],
            details: Details::default(),
        }),
    });
    let changed = |stacks: &mut Stacks, change: Changed<'_>| {
        let mut request = stacks.request(N::Deploy);
        request.instances = vec![id];
        change(&mut request);
        request
    };
    let foreign: [(Changed<'_>, &str); 5] = [
        (
            &|request| request.app = Some(AppId(1)),
            "the app is of another stack",
        ),
        (&|request| request.app = None, "AppId: is required"),
        (
            &|request| request.instances.push(InstanceId(1)),
            "is of another stack",
        ),
        (
            &|request| request.layers.push(LayerId(1)),
            "is of another stack",
        ),
        (
            &|request| request.custom_json = Some("[]".into()),
            "must be a JSON object",
        ),
    ];
    for (change, wanted) in foreign {
        let request = changed(&mut stacks, change);
        refused(&mut stacks, request, wanted);
    }
    let unknown: [Changed<'_>; 4] = [
        &|request| request.stack = StackId(9),
        &|request| request.app = Some(AppId(9)),
        &|request| request.instances = vec![InstanceId(9)],
        &|request| request.layers = vec![LayerId(9)],
    ];
    for change in unknown {
        let request = changed(&mut stacks, change);
        stacks.refused_run(request, RejectionKind::NotFound);
    }
    let mut nobody = stacks.request(N::Setup);
    nobody.stack = StackId(1);
    refused(&mut stacks, nobody, "no instance to run the command on");
}

#[test]
fn newer_stacks_deploy_and_undeploy_only() {
    for name in N::all() {
        for (version, is_refused) in [
            ("12", true),
            ("12.1", true),
            ("11.10", false),
            ("120", false),
        ] {
            let mut content = stack("fleet");
            content.manager_version = Some(version.into());
            let mut stacks = Stacks::with(content, "custom");
            stacks.online("pump-1");
            let mut request = stacks.request(name);
            if name == N::ExecuteRecipes {
                request.args = args(&[("recipes", &["a::b"])]);
            }
            let is_refused =
                is_refused && matches!(name, N::Rollback | N::Start | N::Stop | N::Restart);
            match is_refused {
                true => refused(&mut stacks, request, "stacks of version 12"),
                false => drop(stacks.run(request)),
            }
        }
    }
}

#[test]
fn custom_json_goes_over_the_stacks_for_one_deployment() {
    let mut stacks = Stacks::new();
    stacks.online("pump-1");
    let mut request = stacks.request(N::Setup);
    request.custom_json = Some(r#"{"a":{"y":3},"c":null}"#.into());
    stacks.run(request);
    let document = stacks.document("pump-1");
    assert_eq!(
        document["CustomJson"],
        json!({"a": {"x": 1, "y": 3}, "b": [1], "c": null})
    );
    stacks.answer(0, "pump-1", R::Succeeded, "");
    stacks.deploy(N::Setup);
    let document = stacks.document("pump-1");
    assert_eq!(
        document["CustomJson"],
        json!({"a": {"x": 1, "y": 2}, "b": [1]})
    );
}

#[test]
fn a_document_that_no_device_could_get_is_refused() {
    let mut content = stack("fleet");
    content.custom_json = Some(format!("{{\"a\":\"{}\"}}", "x".repeat(100_000)).into());
    let mut stacks = Stacks::with(content, "custom");
    stacks.online("pump-1");
    let mut request = stacks.request(N::Setup);
    request.custom_json = Some(format!("{{\"b\":\"{}\"}}", "x".repeat(100_000)).into());
    refused(&mut stacks, request, "CustomJson: what devices get has");
    stacks.deploy(N::Setup);
}

#[test]
fn whoever_deletes_the_job_ends_the_commands() {
    let mut stacks = Stacks::new();
    let id = stacks.online("pump-1");
    let deployment = stacks.deploy(N::Deploy);
    let job = stacks.request(N::Deploy).job;
    let name = job.as_str().replace("1", "0");
    stacks.run.ok(Any::DeleteJob {
        job: crate::ids::JobName::parse(&name).expect("a valid name"),
        namespace: None,
        force: true,
    });
    assert_eq!(stacks.run_word(deployment), "failed");
    assert_eq!(stacks.command_word(deployment, id), "failed");
    stacks.check_replay();
}

#[test]
fn words_for_commands_are_read_as_they_are_written() {
    for name in N::all() {
        assert_eq!(N::parse(name.as_str()), Ok(name));
    }
    let refused = N::parse("reboot").expect_err("no command");
    assert!(refused.message.contains("execute_recipes"), "{refused}");
}
