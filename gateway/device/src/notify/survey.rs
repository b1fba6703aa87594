//! What the pending executions of a thing are, compared with what its watchers know.

use bytes::Bytes;
use shipslog_domain::execution::View;
use shipslog_domain::{Fleet, JobId, ThingId, Timestamp};
use shipslog_gateway_core::s3::Documents;

use super::registry::{Namespaces, WatchFilter};
use super::shadows::KnownShadows;
use crate::reserved;

/// Which of the two notifications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Which {
    pub(super) list: bool,
    pub(super) head: bool,
}

impl Which {
    pub(super) const fn or(self, other: Self) -> Self {
        Self {
            list: self.list || other.list,
            head: self.head || other.head,
        }
    }

    const fn and(self, other: Self) -> Self {
        Self {
            list: self.list && other.list,
            head: self.head && other.head,
        }
    }
}

/// What is known of the pending executions of one namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) namespace: Option<Box<str>>,
    signature: Signature,
}

/// Tells pending lists apart: by their members, and by the first one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Signature {
    /// Does not depend on the order.
    members: u64,
    head: Option<(JobId, u32)>,
}

impl Signature {
    fn of(pending: &[View<'_>]) -> Self {
        let identity = |view: &View<'_>| u64::from(view.job.0) << 32 | u64::from(view.number);
        Self {
            members: pending
                .iter()
                .fold(0, |sum, view| mix(identity(view)).wrapping_add(sum)),
            head: pending.first().map(|view| (view.job, view.number)),
        }
    }
}

/// Spreads a number over 64 bits, so that sums of different sets differ (the finalizer of splitmix64).
const fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The namespace of Greengrass deployments: known from the start to those who watch all namespaces.
const GREENGRASS: &str = "aws-gg-deployment";

impl Known {
    /// Whether the first execution is one of this job.
    pub(super) fn is_led_by(&self, job: JobId) -> bool {
        self.signature.head.is_some_and(|(first, _)| first == job)
    }

    #[cfg(test)]
    pub(super) fn led_by(job: JobId) -> Self {
        Self {
            namespace: None,
            signature: Signature {
                members: 0,
                head: Some((job, 1)),
            },
        }
    }

    /// The knowledge that nothing is pending, for every namespace that the filters name.
    pub(super) fn nothing<'a>(filters: impl Iterator<Item = &'a WatchFilter>) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        let mut add = |namespace: Option<&str>| {
            if !all.iter().any(|old| old.namespace.as_deref() == namespace) {
                all.push(Self {
                    namespace: namespace.map(Into::into),
                    signature: Signature::default(),
                });
            }
        };
        for filter in filters {
            match filter.namespace() {
                Namespaces::Plain => add(None),
                Namespaces::Named(namespace) => add(Some(namespace)),
                Namespaces::All => {
                    add(None);
                    add(Some(GREENGRASS));
                }
            }
        }
        all
    }
}

/// What a new watcher has to know.
#[derive(Debug)]
pub(super) struct Baseline {
    thing: Box<str>,
    known: Vec<Known>,
    documents: bool,
}

impl Baseline {
    pub(super) fn of(thing: &str, filters: &[WatchFilter]) -> Self {
        Self {
            thing: thing.into(),
            known: Known::nothing(filters.iter()),
            documents: filters.iter().any(WatchFilter::wants_documents),
        }
    }

    /// Reads it. Nothing is pending for a name that no thing has.
    pub(super) fn take(
        &self,
        fleet: &Fleet,
    ) -> (Option<ThingId>, (Vec<Known>, Option<KnownShadows>)) {
        let mut known = self.known.clone();
        let thing = fleet.thing_id(&self.thing);
        if let Some(thing) = thing {
            for one in &mut known {
                one.signature = Signature::of(&fleet.pending(thing, one.namespace.as_deref()));
            }
        }
        let documents = self.documents.then(|| match thing {
            Some(thing) => KnownShadows::of(fleet, thing),
            None => KnownShadows::default(),
        });
        (thing, (known, documents))
    }
}

/// A thing to look at.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) thing: ThingId,
    /// Jobs whose executions changed, and whether they entered or left the list.
    pub(super) jobs: Vec<(JobId, bool)>,
    pub(super) known: Vec<Known>,
    /// Whether namespaces are of interest that are not known yet.
    pub(super) discovers: bool,
    /// What anybody wants to be told.
    pub(super) wanted: Which,
}

/// What was found.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) thing: ThingId,
    pub(super) name: Box<str>,
    pub(super) changes: Vec<Change>,
    pub(super) known: Vec<Known>,
}

/// What changed in one namespace.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) namespace: Option<Box<str>>,
    /// By comparison, for those who know what was before.
    pub(super) compared: Which,
    /// By the events alone, for those who watch every thing.
    pub(super) moved: Which,
    /// Jobs that entered or left.
    pub(super) jobs: Vec<Box<str>>,
    pub(super) list: Bytes,
    pub(super) head: Bytes,
}

/// What a survey looks at.
#[derive(Clone, Copy)]
struct Moment<'a> {
    fleet: &'a Fleet,
    documents: &'a Documents,
    now: Timestamp,
}

impl Probe {
    /// Looks as if nobody knew anything: whatever is pending is told.
    pub(super) fn forget(&mut self) {
        for known in &mut self.known {
            known.signature = Signature {
                members: u64::MAX,
                head: Some((JobId(u32::MAX), u32::MAX)),
            };
        }
    }

    pub(super) fn survey(&self, fleet: &Fleet, documents: &Documents, now: Timestamp) -> Survey {
        let moment = Moment {
            fleet,
            documents,
            now,
        };
        let mut known = self.known.clone();
        let mut changes = Vec::new();
        for namespace in self.namespaces(fleet) {
            let at = known.iter().position(|one| one.namespace == namespace);
            if at.is_none() && !self.discovers {
                continue;
            }
            let pending = fleet.pending(self.thing, namespace.as_deref());
            let signature = Signature::of(&pending);
            let before = match at.and_then(|at| known.get_mut(at)) {
                Some(one) => Some(std::mem::replace(&mut one.signature, signature)),
                None => {
                    let namespace = namespace.clone();
                    known.push(Known {
                        namespace,
                        signature,
                    });
                    None
                }
            };
            changes.extend(self.change(moment, namespace, &pending, before));
        }
        let name = match changes.first() {
            Some(_) => fleet.thing_name(self.thing).into(),
            None => Box::default(),
        };
        Survey {
            thing: self.thing,
            name,
            changes,
            known,
        }
    }

    /// What anybody wants to know of a namespace; `before` is what the watchers of the thing know of it.
    fn change(
        &self,
        moment: Moment<'_>,
        namespace: Option<Box<str>>,
        pending: &[View<'_>],
        before: Option<Signature>,
    ) -> Option<Change> {
        let Moment {
            fleet,
            documents,
            now,
        } = moment;
        let jobs = self.moved_jobs(fleet, namespace.as_deref());
        let gone = |(job, moved): &(JobId, bool)| *moved && fleet.job(*job).is_none();
        let any_moved = !jobs.is_empty() || self.jobs.iter().any(gone);
        let both = Which {
            list: any_moved,
            head: any_moved,
        };
        let signature = Signature::of(pending);
        let compared = before.map_or(both, |before| Which {
            list: before.members != signature.members,
            head: before.head != signature.head,
        });
        let moved = Which {
            list: any_moved,
            head: compared.head,
        };
        let told = compared.or(moved).and(self.wanted);
        if told == Which::default() {
            return None;
        }
        let written = |wanted: bool, write: &dyn Fn() -> Vec<u8>| {
            if wanted {
                Bytes::from(write())
            } else {
                Bytes::new()
            }
        };
        Some(Change {
            namespace,
            compared: compared.and(self.wanted),
            moved: moved.and(self.wanted),
            jobs,
            list: written(told.list, &|| reserved::list_json(pending, now)),
            head: written(told.head, &|| {
                reserved::head_json(pending.first(), documents, now)
            }),
        })
    }

    /// Namespaces of the jobs that changed; all known ones where a job is gone.
    fn namespaces(&self, fleet: &Fleet) -> Vec<Option<Box<str>>> {
        let mut all: Vec<Option<Box<str>>> = Vec::new();
        for (job, _) in &self.jobs {
            match fleet.job(*job) {
                Some(job) => {
                    let namespace = job
                        .definition()
                        .namespace
                        .as_ref()
                        .map(|name| name.as_str());
                    if !all.iter().any(|old| old.as_deref() == namespace) {
                        all.push(namespace.map(Into::into));
                    }
                }
                None => {
                    for known in &self.known {
                        if !all.contains(&known.namespace) {
                            all.push(known.namespace.clone());
                        }
                    }
                }
            }
        }
        all
    }

    /// Names of the jobs of a namespace that entered or left the list. A job that is gone has no name any more.
    fn moved_jobs(&self, fleet: &Fleet, namespace: Option<&str>) -> Vec<Box<str>> {
        let mut names: Vec<Box<str>> = Vec::new();
        for (job, _) in self.jobs.iter().filter(|(_, moved)| *moved) {
            let Some(definition) = fleet.job(*job).map(|job| job.definition()) else {
                continue;
            };
            let name = definition.name.as_str();
            if definition.namespace.as_ref().map(|one| one.as_str()) == namespace
                && !names.iter().any(|old| **old == *name)
            {
                names.push(name.into());
            }
        }
        names
    }
}
