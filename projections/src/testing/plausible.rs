//! Streams of events that the state machine could have written, from random numbers.
//!
//! Only as true as the projections need: nothing ends that did not begin. What the state machine really writes is
//! tested against it, outside this crate.

use std::collections::{BTreeMap, BTreeSet};

use shipslog_domain::certificate::{self, Status as CertificateStatus};
use shipslog_domain::core::{self, Health, HealthReport, InstalledComponent, Outcome};
use shipslog_domain::core_task::{self, Item, Outcome as TaskOutcome};
use shipslog_domain::deployment_task;
use shipslog_domain::execution;
use shipslog_domain::job::{self, CanceledBy, Target, TargetSelection};
use shipslog_domain::{
    CertificateId, DeploymentTaskId, Event, Fingerprint, GroupId, JobId, PolicyName,
    ProvisioningTemplateName, StreamKind, ThingId, group, provisioning, template, thing,
};

use super::{Story, definition, pairs, task_key, version_of};

/// Random numbers that choose what happens next and to whom.
pub(crate) type Step = (u8, u8, u8);

/// What exists, as far as the next event depends on it.
#[derive(Default)]
struct World {
    known: BTreeSet<u32>,
    registered: BTreeMap<u32, BTreeSet<u32>>,
    groups: BTreeSet<u32>,
    next_group: u32,
    cores: BTreeSet<u32>,
    templates: BTreeMap<u32, u32>,
    next_template: u32,
    certificates: BTreeMap<u32, BTreeSet<u32>>,
    next_certificate: u32,
    tasks: u8,
    jobs: BTreeMap<u32, BTreeMap<u32, Run>>,
    next_job: u32,
}

struct Run {
    number: u32,
    live: bool,
}

/// Tells a story of so many steps, and calls `check` after each event's step.
pub(crate) fn plausible(steps: &[Step], mut check: impl FnMut(&Story)) -> Story {
    let (mut story, mut world) = (Story::default(), World::default());
    for &(what, whom, how) in steps {
        story.now.0 += u64::from(how) * 700;
        world.step(&mut story, what, u32::from(whom), u32::from(how));
        check(&story);
    }
    story
}

/// One of the keys, chosen by a random number.
fn pick<'a, T: 'a>(mut items: impl ExactSizeIterator<Item = &'a T>, chosen: u32) -> Option<&'a T> {
    let length = items.len().max(1);
    items.nth(chosen as usize % length)
}

impl World {
    fn step(&mut self, story: &mut Story, what: u8, whom: u32, how: u32) {
        match what % 16 {
            0 | 1 => self.register(story, whom % 24, how),
            2 => self.change_group(story, whom, how),
            3 => self.membership(story, whom, how),
            4 if how.is_multiple_of(4) => {
                if let Some(thing) = pick(self.registered.keys(), whom) {
                    story.presence(*thing, how.is_multiple_of(8));
                }
            }
            4 => self.thing(story, whom, how),
            5 => self.certificate(story, whom, how),
            6 => self.template(story, whom, how),
            7 => self.core(story, whom % 24, how),
            8 | 9 => self.deploy(story, whom, how),
            10 => self.task(story, whom, how),
            11 => self.job(story, whom, how),
            12 | 13 => self.queue(story, whom, how),
            _ => self.run(story, whom, how),
        }
    }

    fn register(&mut self, story: &mut Story, thing: u32, how: u32) {
        if self.registered.contains_key(&thing) {
            return;
        }
        let name = self.known.insert(thing).then(|| super::thing_name(thing));
        let site = (how % 3).to_string();
        let attributes = if how.is_multiple_of(2) {
            pairs(&[("site", &site)])
        } else {
            vec![]
        };
        let event = thing::Event::Registered {
            name,
            thing_type: None,
            attributes,
        };
        story.thing_event(thing, event);
        self.registered.insert(thing, BTreeSet::new());
    }

    fn change_group(&mut self, story: &mut Story, whom: u32, how: u32) {
        if self.groups.len() < 6 && !how.is_multiple_of(5) {
            let parent = pick(self.groups.iter(), whom).copied();
            story.group(self.next_group, parent.filter(|_| how.is_multiple_of(2)));
            self.groups.insert(self.next_group);
            self.next_group += 1;
        } else if let Some(&group) = pick(self.groups.iter(), whom) {
            let name = story.views.group_name(GroupId(group)).map(str::to_owned);
            let childless = name.is_some_and(|name| {
                let group = story.views.group(&name);
                group.is_some_and(|group| group.children.is_empty())
            });
            if childless {
                story.push(
                    StreamKind::Group,
                    group,
                    Event::Group(group::Event::Removed),
                );
                self.groups.remove(&group);
                for groups in self.registered.values_mut() {
                    groups.remove(&group);
                }
            }
        }
    }

    fn membership(&mut self, story: &mut Story, whom: u32, how: u32) {
        let Some(&thing) = pick(self.registered.keys(), whom) else {
            return;
        };
        let Some(&group) = pick(self.groups.iter(), how) else {
            return;
        };
        let groups = self.registered.entry(thing).or_default();
        if groups.insert(group) {
            story.join(thing, group, how.is_multiple_of(3));
        } else if how.is_multiple_of(2) {
            groups.remove(&group);
            story.leave(thing, group);
        }
    }

    fn thing(&mut self, story: &mut Story, whom: u32, how: u32) {
        let Some(&thing) = pick(self.registered.keys(), whom) else {
            return;
        };
        if how.is_multiple_of(4) {
            story.thing_event(thing, thing::Event::Removed);
            self.registered.remove(&thing);
            for things in self.certificates.values_mut() {
                things.remove(&thing);
            }
        } else {
            let site = (how % 5).to_string();
            let attributes = pairs(&[("site", &site)]);
            story.thing_event(thing, thing::Event::AttributesChanged { attributes });
        }
    }

    fn certificate(&mut self, story: &mut Story, whom: u32, how: u32) {
        let chosen = pick(self.certificates.keys(), whom).copied();
        let mut tell = |id, event| {
            story.push(StreamKind::Certificate, id, Event::Certificate(event));
        };
        match (how % 6, chosen) {
            (0, _) | (_, None) => {
                let id = self.next_certificate;
                let mut fingerprint = [7; 32];
                fingerprint[..4].copy_from_slice(&id.to_be_bytes());
                let event = certificate::Event::Registered {
                    fingerprint: Fingerprint(fingerprint),
                    pem: "PEM".into(),
                    status: CertificateStatus::Active,
                };
                tell(id, event);
                self.certificates.insert(id, BTreeSet::new());
                self.next_certificate += 1;
            }
            (1, Some(id)) => {
                let policy = PolicyName::parse(&format!("p{}", how % 4)).expect("a valid name");
                let document = None;
                tell(id, certificate::Event::PolicyAttached { policy, document });
            }
            (2, Some(id)) => {
                let status = CertificateStatus::Revoked;
                tell(id, certificate::Event::StatusChanged { status });
            }
            (3, Some(id)) => {
                tell(id, certificate::Event::Removed);
                self.certificates.remove(&id);
            }
            (_, Some(id)) => {
                let Some(&thing) = pick(self.registered.keys(), how) else {
                    return;
                };
                let things = self.certificates.entry(id).or_default();
                let certificate = CertificateId(id);
                let event = if things.insert(thing) {
                    thing::Event::CertificateAttached { certificate }
                } else {
                    things.remove(&thing);
                    thing::Event::CertificateDetached { certificate }
                };
                story.thing_event(thing, event);
            }
        }
    }

    fn template(&mut self, story: &mut Story, whom: u32, how: u32) {
        let chosen = pick(self.templates.keys(), whom).copied();
        match (how % 4, chosen) {
            (0, _) | (_, None) => {
                // Some take the name of a removed one.
                let name = format!("template-{}", self.next_template % 3);
                if story.views.template(&name).is_none() {
                    story.template(self.next_template, &name, 1);
                    self.templates.insert(self.next_template, 1);
                    self.next_template += 1;
                }
            }
            (1, Some(id)) => {
                story.template_event(id, template::Event::Removed);
                self.templates.remove(&id);
            }
            (_, Some(id)) => {
                let versions = self.templates.entry(id).or_default();
                *versions += 1;
                story.template_event(id, super::version_added(*versions));
            }
        }
        if how == 200 {
            let name = ProvisioningTemplateName::parse("p").expect("a valid name");
            let event = provisioning::Event::Stored {
                name: Some(name),
                body: "{}".into(),
            };
            let event = Event::ProvisioningTemplate(event);
            story.push(StreamKind::ProvisioningTemplate, 0, event);
        }
    }

    fn core(&mut self, story: &mut Story, thing: u32, how: u32) {
        if self.cores.insert(thing) {
            self.known.insert(thing);
            story.core(thing);
        } else if how.is_multiple_of(9) {
            self.cores.remove(&thing);
            story.core_event(thing, core::Event::Removed);
        } else if how.is_multiple_of(3) {
            let key = format!("artifacts/t{thing}/t{thing}/certs.zip");
            let event = core::Event::ArtifactsStored {
                certs: Some(key.into()),
                config: None,
            };
            story.core_event(thing, event);
        } else {
            story.core_event(thing, health(how));
        }
    }

    fn deploy(&mut self, story: &mut Story, whom: u32, how: u32) {
        let Some(&thing) = pick(self.cores.iter(), whom) else {
            return;
        };
        let chosen = pick(self.templates.keys(), how).copied();
        let template = chosen.unwrap_or(0);
        let versions = self.templates.get(&template).copied().unwrap_or(1);
        let version = version_of(template, how / 7 % versions + 1);
        match how % 5 {
            0 | 1 if chosen.is_some() => story.request(thing, version, None),
            2 if chosen.is_some() => story.request(thing, version, Some("not registered")),
            3 => story.result(thing, version, Outcome::Successful),
            _ => story.result(thing, version, Outcome::FailedRollbackComplete),
        }
    }

    fn task(&mut self, story: &mut Story, whom: u32, how: u32) {
        if self.tasks == 40 {
            return;
        }
        let (number, key) = (u32::from(self.tasks), task_key(self.tasks));
        self.tasks += 1;
        let things = [whom % 24, (whom + how) % 24];
        let cores: BTreeSet<u32> = things
            .into_iter()
            .filter(|id| self.cores.contains(id))
            .collect();
        if how.is_multiple_of(2) {
            for event in core_task(key, &cores) {
                story.push(StreamKind::CoreTask, number, Event::CoreTask(event));
            }
            return;
        }
        let tell = |story: &mut Story, event| {
            story.push(
                StreamKind::DeploymentTask,
                number,
                Event::DeploymentTask(event),
            );
        };
        let requested = deployment_task::Event::Requested {
            key,
            template: version_of(0, 1),
            targets: Box::default(),
            job_settings: None,
        };
        tell(story, requested);
        let resolved = cores.iter().copied().map(ThingId).collect();
        tell(
            story,
            deployment_task::Event::TargetsResolved {
                cores: resolved,
                remaining: None,
            },
        );
        let refused = deployment_task::Event::TargetRefused {
            name: "nobody".into(),
            message: "is no core".into(),
        };
        tell(story, refused);
        for thing in cores {
            let event = core::Event::DeploymentRequested {
                task: DeploymentTaskId(number),
                desired: version_of(0, 1),
                failure: None,
            };
            story.core_event(thing, event);
        }
    }

    fn job(&mut self, story: &mut Story, whom: u32, how: u32) {
        let chosen = pick(self.jobs.keys(), whom).copied();
        let event = match (how % 6, chosen) {
            (0 | 1, _) | (_, None) => {
                let mut targets: Vec<Target> = Vec::new();
                targets
                    .extend(pick(self.groups.iter(), whom).map(|id| Target::Group(GroupId(*id))));
                let thing = pick(self.registered.keys(), how);
                targets.extend(thing.map(|id| Target::Thing(ThingId(*id))));
                let selection = if how.is_multiple_of(2) {
                    TargetSelection::Continuous
                } else {
                    TargetSelection::Snapshot
                };
                let brings = (how.is_multiple_of(4)).then(|| version_of(0, 1));
                let id = self.next_job;
                self.next_job += 1;
                self.jobs.insert(id, BTreeMap::new());
                let definition = Box::new(definition(id, &targets, selection, brings));
                story.job_event(id, job::Event::Created { definition });
                return;
            }
            (2, Some(_)) => job::Event::Canceled {
                by: CanceledBy::User,
                forced: false,
                reason_code: None,
                comment: Some("enough".into()),
            },
            (3, Some(id)) => {
                self.jobs.remove(&id);
                story.job_event(id, job::Event::DeletionStarted);
                job::Event::Deleted
            }
            (4, Some(_)) => {
                let group = pick(self.groups.iter(), how).map(|id| Target::Group(GroupId(*id)));
                let targets = group.into_iter().collect();
                job::Event::TargetsAdded { targets }
            }
            (_, Some(_)) => job::Event::Completed,
        };
        let id = chosen.expect("a new job returned above");
        story.job_event(id, event);
    }

    fn queue(&mut self, story: &mut Story, whom: u32, how: u32) {
        let Some(&thing) = pick(self.registered.keys(), whom) else {
            return;
        };
        let Some(&job) = pick(self.jobs.keys(), how) else {
            return;
        };
        let runs = self.jobs.entry(job).or_default();
        let run = runs.entry(thing).or_insert(Run {
            number: 0,
            live: false,
        });
        if !run.live {
            run.live = true;
            run.number += 1;
            story.queue(thing, job, run.number, u8::from(run.number > 1));
        }
    }

    fn run(&mut self, story: &mut Story, whom: u32, how: u32) {
        let chosen = pick(self.jobs.keys(), how).copied();
        let Some(id) = chosen else { return };
        let runs = self.jobs.entry(id).or_default();
        let Some(&thing) = pick(runs.keys(), whom) else {
            return;
        };
        let job = JobId(id);
        if how.is_multiple_of(11) {
            runs.remove(&thing);
            story.execution(thing, execution::Event::Deleted { job });
            return;
        }
        if !runs.get(&thing).is_some_and(|run| run.live) {
            return;
        }
        let time = (how * 37).to_string();
        let details = Some(pairs(&[("downloadTime", &time), ("reason", "power")]));
        let event = match how % 8 {
            0 | 1 => {
                story.progress(thing, id, Some(&[("step", "download")]));
                return;
            }
            2 => execution::Event::Failed {
                job,
                details,
                retried: false,
            },
            3 => execution::Event::Rejected { job, details: None },
            4 => execution::Event::TimedOut { job, retried: true },
            5 => execution::Event::Canceled {
                job,
                forced: true,
                details: None,
            },
            6 => execution::Event::Removed { job },
            _ => execution::Event::Succeeded { job, details },
        };
        if let Some(run) = runs.get_mut(&thing) {
            run.live = false;
        }
        story.execution(thing, event);
    }
}

fn health(how: u32) -> core::Event {
    let state = if how.is_multiple_of(4) {
        "UNINSTALLED"
    } else {
        "RUNNING"
    };
    core::Event::HealthReported {
        report: Box::new(HealthReport {
            nucleus_version: "2.12.0".into(),
            platform: "linux".into(),
            architecture: "amd64".into(),
            health: if how.is_multiple_of(2) {
                Health::Healthy
            } else {
                Health::Unhealthy
            },
            sequence_number: u64::from(how),
            complete: how.is_multiple_of(5),
            components: vec![InstalledComponent {
                name: format!("c{}", how % 3).into(),
                version: "1.0.0".into(),
                state: state.into(),
                is_root: true,
            }],
            device_time: 0,
        }),
    }
}

fn core_task(key: shipslog_domain::TaskKey, cores: &BTreeSet<u32>) -> Vec<core_task::Event> {
    let items = cores.iter().map(|&core| Item {
        core: ThingId(core),
        provisioning_template: ProvisioningTemplateName::parse("p").expect("a valid name"),
        parameters: vec![],
        cdf_parameters: None,
        generator: None,
    });
    let created = core_task::Event::CreateRequested {
        key,
        core_version: "2.12.0".into(),
        items: items.collect(),
    };
    let count = u32::try_from(cores.len()).expect("few");
    let started = core_task::Event::BatchStarted { first: 0, count };
    let ended = (0..count.saturating_sub(1)).map(|item| core_task::Event::ItemFinished {
        item,
        outcome: TaskOutcome::Failure,
        message: Some("no".into()),
    });
    [created, started].into_iter().chain(ended).collect()
}
