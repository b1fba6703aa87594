//! Measures the fold: `cargo run --release -p shipslog-projections --example fold [THINGS]`.
//!
//! Plays a fleet through one job with an in-memory stream (registered, joined a group, queued, progressed, succeeded)
//! and prints events per second, bytes of memory per thing, and how long saving, loading and some queries take.
#![expect(
    clippy::print_stdout,
    reason = "a measurement prints figures and reads the clock"
)]

use std::time::Instant;

use shipslog_domain::core::{self, HealthReport, InstalledComponent, TemplateVersion};
use shipslog_domain::job::{self, Definition, Target, TargetSelection};
use shipslog_domain::{
    DeploymentTaskId, Event, GroupId, GroupName, JobId, JobName, Position, Recorded, StreamId,
    StreamKind, TemplateId, TemplateName, ThingName, Timestamp, execution, group, template, thing,
};
use shipslog_projections::registry::{AttributeValue, ThingFilter};
use shipslog_projections::{Views, cores};

/// Events made before their fold is timed, so that making them is not measured.
const CHUNK: usize = 8_192;

struct Stream {
    views: Views,
    position: u64,
    waiting: Vec<Recorded>,
    /// Time that the fold took on a processor: what else runs on the machine does not count.
    nanoseconds: u64,
    lap: (u64, u64),
}

impl Stream {
    fn push(&mut self, kind: StreamKind, number: u32, event: Event) {
        self.position += 1;
        self.waiting.push(Recorded {
            position: Position(self.position),
            previous: Position::START,
            at: Timestamp(1_700_000_000_000 + self.position / 4),
            stream: StreamId::new(kind, number),
            event,
        });
        if self.waiting.len() == CHUNK {
            self.flush();
        }
    }

    /// Prints how fast the events since the last lap were folded.
    fn lap(&mut self, what: &str) {
        self.flush();
        let (events, nanoseconds) =
            std::mem::replace(&mut self.lap, (self.position, self.nanoseconds));
        let (events, nanoseconds) = (self.position - events, self.nanoseconds - nanoseconds);
        println!(
            "  {what}: {events} events, {} events/s",
            per_second(events, nanoseconds)
        );
    }

    fn flush(&mut self) {
        let start = processor_nanoseconds();
        self.views.apply_all(&self.waiting);
        self.nanoseconds += processor_nanoseconds() - start;
        self.waiting.clear();
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let things: u32 = arguments
        .next()
        .map_or(1_000_000, |text| text.parse().expect("a number of things"));
    let shuffled = arguments.next().is_some_and(|text| text == "shuffled");
    let mut stream = Stream {
        views: Views::default(),
        position: 0,
        waiting: Vec::with_capacity(CHUNK),
        nanoseconds: 0,
        lap: (0, 0),
    };
    let before = resident_bytes();
    fold(&mut stream, things, shuffled);
    report("plain things", &stream, things, before);

    let (events, nanoseconds) = (stream.position, stream.nanoseconds);
    let before_cores = resident_bytes();
    fold_cores(&mut stream, things, shuffled);
    let events = stream.position - events;
    println!(
        "core records: {events} events, {} events/s, {} more bytes per thing",
        per_second(events, stream.nanoseconds - nanoseconds),
        (resident_bytes() - before_cores) / u64::from(things),
    );
    measure_saving(&stream.views);
    measure_queries(&stream.views, things);
}

/// The order in which things do something: one after the other, or spread over the fleet.
fn order(things: u32, shuffled: bool, salt: u64) -> impl Iterator<Item = u32> {
    let modulus = u64::from(things);
    (0..modulus).map(move |n| {
        let place = if shuffled {
            (n * 982_451_653 + salt) % modulus
        } else {
            n
        };
        u32::try_from(place).expect("a place is below the number of things")
    })
}

fn fold(stream: &mut Stream, things: u32, shuffled: bool) {
    stream.push(StreamKind::Group, 0, group_created());
    for (n, name) in (0..).zip(order(things, shuffled, 0)) {
        stream.push(StreamKind::Thing, n, registered_event(name));
        let joined = thing::Event::JoinedGroup {
            group: GroupId(0),
            paced: false,
        };
        stream.push(StreamKind::Thing, n, Event::Thing(joined));
    }
    stream.lap("registered, joined a group");
    stream.push(StreamKind::Job, 0, job_created());
    let job = JobId(0);
    // A rollout tells things in the order of their ids.
    for n in order(things, false, 0) {
        let queued = execution::Event::Queued {
            job,
            number: 1,
            retry: 0,
        };
        stream.push(StreamKind::Thing, n, Event::Execution(queued));
    }
    stream.lap("queued");
    let mut started = order(things, shuffled, 4_711);
    for _ in 0..things.min(5_000) {
        progress(stream, started.next(), job);
    }
    for n in order(things, shuffled, 4_711) {
        progress(stream, started.next(), job);
        let details = vec![("downloadTime".into(), (n % 60_000).to_string().into())];
        let succeeded = execution::Event::Succeeded {
            job,
            details: Some(details),
        };
        stream.push(StreamKind::Thing, n, Event::Execution(succeeded));
    }
    stream.lap("progressed, succeeded");
}

fn progress(stream: &mut Stream, thing: Option<u32>, job: JobId) {
    let Some(thing) = thing else { return };
    let progressed = execution::Event::Progressed {
        job,
        details: None,
        step_timer: None,
    };
    stream.push(StreamKind::Thing, thing, Event::Execution(progressed));
}

fn group_created() -> Event {
    Event::Group(group::Event::Created {
        name: GroupName::parse("fleet").expect("a valid name"),
        parent: None,
        description: None,
        attributes: vec![],
    })
}

fn registered_event(n: u32) -> Event {
    let model = if n.is_multiple_of(3) { "a" } else { "b" };
    Event::Thing(thing::Event::Registered {
        name: Some(ThingName::parse(&format!("device-{n:07}")).expect("a valid name")),
        thing_type: None,
        attributes: vec![("model".into(), model.into())],
    })
}

fn job_created() -> Event {
    Event::Job(job::Event::Created {
        definition: Box::new(Definition {
            name: JobName::parse("update-1").expect("a valid name"),
            namespace: None,
            document: "{}".into(),
            description: None,
            targets: vec![Target::Group(GroupId(0))],
            target_selection: TargetSelection::Snapshot,
            settings: job::Settings::default(),
            rate_ceiling_per_minute: 1_000,
            deployment: None,
            extras: None,
        }),
    })
}

fn fold_cores(stream: &mut Stream, things: u32, shuffled: bool) {
    let name = TemplateName::parse("edge").expect("a valid name");
    stream.push(
        StreamKind::Template,
        0,
        Event::Template(template::Event::Created { name }),
    );
    let desired = TemplateVersion {
        template: TemplateId(0),
        version: 1,
    };
    for (n, name) in (0..).zip(order(things, shuffled, 0)) {
        let created = core::Event::Created { name: None };
        stream.push(StreamKind::Thing, n, Event::Core(created));
        let prefix = format!("greengrass2/artifacts/device-{name:07}/device-{name:07}");
        let stored = core::Event::ArtifactsStored {
            certs: Some(format!("{prefix}/certs.zip").into()),
            config: Some(format!("{prefix}/installerConfig.yml").into()),
        };
        stream.push(StreamKind::Thing, n, Event::Core(stored));
        stream.push(StreamKind::Thing, n, health());
        let requested = core::Event::DeploymentRequested {
            task: DeploymentTaskId(0),
            desired,
            failure: None,
        };
        stream.push(StreamKind::Thing, n, Event::Core(requested));
        let finished = core::Event::DeploymentFinished {
            job: JobId(0),
            applied: desired,
            outcome: core::Outcome::Successful,
            message: None,
        };
        stream.push(StreamKind::Thing, n, Event::Core(finished));
    }
    stream.flush();
}

fn health() -> Event {
    let component = |name: &str| InstalledComponent {
        name: name.into(),
        version: "2.12.0".into(),
        state: "RUNNING".into(),
        is_root: true,
    };
    Event::Core(core::Event::HealthReported {
        report: Box::new(HealthReport {
            nucleus_version: "2.12.0".into(),
            platform: "linux".into(),
            architecture: "aarch64".into(),
            health: core::Health::Healthy,
            sequence_number: 1,
            complete: true,
            components: vec![component("aws.greengrass.Cli"), component("com.acme.App")],
            device_time: 0,
        }),
    })
}

fn report(what: &str, stream: &Stream, things: u32, before: u64) {
    println!(
        "{what}: {} events, {} events/s, {} bytes per thing",
        stream.position,
        per_second(stream.position, stream.nanoseconds),
        (resident_bytes() - before) / u64::from(things),
    );
}

fn measure_saving(views: &Views) {
    let start = Instant::now();
    let mut bytes = Vec::new();
    views.save(&mut bytes);
    println!("save: {:?}, {} bytes", start.elapsed(), bytes.len());
    let start = Instant::now();
    let loaded = Views::load(&bytes).expect("what was saved");
    println!("load: {:?}", start.elapsed());
    assert_eq!(loaded.thing_count(), views.thing_count());
}

fn measure_queries(views: &Views, things: u32) {
    let time = |what: &str, query: &dyn Fn() -> usize| {
        // The best of five: the first one reads memory that nothing else has touched for long.
        let once = || {
            let start = Instant::now();
            (query(), start.elapsed())
        };
        let runs: Vec<_> = (0..5).map(|_| once()).collect();
        let (items, first) = runs.first().expect("five runs");
        let best = runs.iter().map(|(_, elapsed)| elapsed).min();
        println!("{what}: {items} items in {best:?}, at first {first:?}");
    };
    let middle = format!("device-{:07}", things / 2);
    let everything = ThingFilter::default();
    time("page of things", &|| {
        views.things(&everything, Some(&middle), 100).items.len()
    });
    let filter = ThingFilter {
        attribute: Some(("model", AttributeValue::Is("a"))),
        group: Some("fleet"),
        ..everything
    };
    time("page of things by attribute and group", &|| {
        views.things(&filter, Some(&middle), 100).items.len()
    });
    time("page of succeeded executions", &|| {
        let status = Some(execution::Status::Succeeded);
        let page = views.job_executions(JobId(0), status, Some(&middle), 100);
        page.items.len()
    });
    let filter = cores::CoreFilter {
        template_name: Some("edge"),
        ..cores::CoreFilter::default()
    };
    time("page of cores by template", &|| {
        views.cores(&filter, Some(&middle), 100).items.len()
    });
    time("fleet summary", &|| views.fleet_summary().templates.len());
    time("statistics of the job", &|| {
        let statistics = views.job_statistics(JobId(0)).expect("the job exists");
        usize::try_from(statistics.progress.targets).expect("few")
    });
}

fn per_second(events: u64, nanoseconds: u64) -> u64 {
    events * 1_000_000_000 / nanoseconds.max(1)
}

/// Time that this thread spent on a processor, from the kernel.
fn processor_nanoseconds() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells it");
    let figure = text.split_whitespace().next().expect("the first figure");
    figure.parse().expect("a number")
}

/// Memory of this process in use, from the kernel.
fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux tells it");
    let pages = text.split_whitespace().nth(1).expect("the second figure");
    pages.parse::<u64>().expect("a number") * 4_096
}
