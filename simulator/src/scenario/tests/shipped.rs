//! The scenarios that come with the program.

use std::path::{Path, PathBuf};

use super::*;

/// Sizes at which every scenario must make sense, besides its own.
const SIZES: [u32; 2] = [50, 2_000];

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let entries = std::fs::read_dir(folder).expect("the folder of scenarios");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a readable entry").path())
        .collect();
    files.sort();
    files
}

pub(super) fn each(mut look: impl FnMut(&str, &str, Scenario)) {
    let files = files();
    assert!(files.len() >= 10, "{files:?}");
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a readable file");
        let name = file.file_stem().expect("a name").to_string_lossy();
        let scenario = Scenario::load(&file).unwrap_or_else(|error| panic!("{error}"));
        look(&name, &text, scenario);
    }
}

#[test]
fn each_says_what_it_shows_and_checks_it() {
    each(|name, text, scenario| {
        assert_eq!(&*scenario.name, name);
        assert!(text.starts_with("# Shows: "), "{name}");
        assert!(scenario.shows.len() <= 200, "{name}: a sentence");
        assert!(scenario.checks.len() >= 3, "{name}");
        let checked = format!("{:?}", scenario.checks);
        for step in &scenario.timeline {
            if let Some((job, _, _)) = step.action.creates_job() {
                assert!(
                    checked.contains(&format!("job: \"{job}\"")) || job == "first",
                    "{name}: nothing is expected of job {job}"
                );
            }
            assert!(step.at < scenario.horizon, "{name}");
        }
    });
}

#[test]
fn each_makes_sense_at_every_size() {
    each(|name, _, scenario| {
        let own = scenario.fleet.devices;
        for devices in SIZES.into_iter().chain([own]) {
            let scenario = scenario.clone().with_devices(devices).with_seed(9);
            let ceiling = scenario.rollout_ceiling_per_minute();
            for step in &scenario.timeline {
                let settings = match &step.action {
                    Action::CreateTemplateVersion { settings, .. }
                    | Action::DeployComponents { settings, .. }
                    | Action::CreateJob { settings, .. } => Some(settings),
                    Action::Deploy { settings, .. } => settings.as_ref(),
                    _ => None,
                };
                if let Some(settings) = settings {
                    let settings = scenario.job_settings(settings);
                    settings
                        .check(ceiling)
                        .unwrap_or_else(|refusal| panic!("{name} at {devices}: {refusal:?}"));
                }
                if let Some((job, _, targets)) = step.action.creates_job() {
                    let looked_at = devices.min(2_000);
                    let hit = (0..looked_at).any(|index| scenario.is_targeted(index, targets));
                    assert!(hit, "{name} at {devices}: job {job} is for nobody");
                }
            }
            let classes = (0..devices.min(2_000)).map(|index| scenario.class_of(index));
            let played: std::collections::BTreeSet<usize> = classes.collect();
            assert_eq!(played.len(), scenario.classes.len(), "{name} at {devices}");
        }
    });
}

/// The reference names every key that there is and every file that is shipped.
#[test]
fn the_reference_is_complete() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/scenarios.md");
    let reference = std::fs::read_to_string(path).expect("docs/scenarios.md");
    let every_key = include_str!("../parse/everything.toml");
    let words = |text: &str| -> Vec<String> {
        text.split(|letter: char| !(letter.is_alphanumeric() || letter == '-'))
            .map(str::to_owned)
            .collect()
    };
    let known = words(&reference);
    for line in every_key.lines() {
        let key = line.trim().split('=').next().unwrap_or_default().trim();
        let key = key.trim_matches(['[', ']']).rsplit('.').next();
        let key = key.unwrap_or_default();
        if key.is_empty() || line.starts_with('#') {
            continue;
        }
        assert!(
            known.iter().any(|word| word == key),
            "{key} is not explained"
        );
    }
    each(|name, _, scenario| {
        let row = reference
            .lines()
            .find(|line| line.starts_with(&format!("| `{name}` |")))
            .unwrap_or_else(|| panic!("{name} is not listed"));
        let devices = row.split('|').nth(2).unwrap_or_default().replace(',', "");
        assert_eq!(devices.trim(), scenario.fleet.devices.to_string(), "{name}");
        let modes = [Mode::Model, Mode::Wire, Mode::Net].into_iter();
        let playable = modes.filter(|mode| scenario.check_mode(*mode).is_ok());
        let playable: Vec<&str> = playable.map(Mode::as_str).collect();
        let told = row.split('|').nth(3).unwrap_or_default();
        assert_eq!(told.trim(), playable.join(", "), "{name}");
    });
}
