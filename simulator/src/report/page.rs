//! The page, from the verdict to the command that plays the run again.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::charts::{self, Entry, Figure, float, measure_in_words, seconds};
use super::table::Table;
use super::units;
use crate::recording::{Check, MarkerKind, Recording, Verdict as Outcome};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");
/// Nothing is loaded from anywhere.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";
pub(super) fn page(recording: &Recording) -> Markup {
    let run = &recording.run;
    let verdict = Verdict::of(recording);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="color-scheme" content="light dark";
                meta name="generator" content={ "shipslog " (run.version) };
                title { (verdict.symbol) " " (run.scenario) " · " (units::short(float(run.devices))) " devices" }
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            body {
                header class=(verdict.class) { (head(recording, &verdict)) }
                main {
                    (tiles(recording))
                    @let figures = charts::figures(recording);
                    div class="cards" {
                        @for (index, figure) in figures.iter().enumerate().filter(|(_, one)| one.large) {
                            (card(index, figure))
                        }
                        (checks(recording))
                        (reasons(recording))
                        @for (index, figure) in figures.iter().enumerate().filter(|(_, one)| !one.large) {
                            (card(index, figure))
                        }
                        (latencies(recording))
                        (jobs(recording))
                        (markers(recording))
                        (again(recording))
                    }
                }
                footer {
                    "shipslog " (run.version) " · all figures are in " a href=(super::FIGURES) { (super::FIGURES) }
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
}

/// The run in a few words.
struct Verdict {
    class: &'static str,
    symbol: &'static str,
    text: String,
}

impl Verdict {
    fn of(recording: &Recording) -> Self {
        let count = |verdict| recording.checks_that(verdict);
        let (passed, failed) = (count(Outcome::Passed), count(Outcome::Failed));
        let (looked_at, skipped) = (passed + failed, count(Outcome::Skipped));
        let checks = if looked_at == 1 { "check" } else { "checks" };
        let (class, symbol, mut text) = if recording.ending.stopped.is_some() {
            ("bad", "✘", "Stopped before its end".to_owned())
        } else if failed > 0 {
            (
                "bad",
                "✘",
                format!("{failed} of {looked_at} {checks} failed"),
            )
        } else if looked_at == 0 {
            ("plain", "●", "Finished; nothing was checked".into())
        } else {
            (
                "good",
                "✔",
                format!("{passed} of {looked_at} {checks} passed"),
            )
        };
        if skipped > 0 {
            text.push_str(&format!(", {skipped} skipped"));
        }
        Self {
            class,
            symbol,
            text,
        }
    }
}

fn head(recording: &Recording, verdict: &Verdict) -> Markup {
    let run = &recording.run;
    html! {
        p class="verdict" {
            span class="symbol" aria-hidden="true" { (verdict.symbol) }
            " " (verdict.text)
        }
        h1 { (run.scenario) }
        @if !run.shows.is_empty() {
            p class="shows" { (run.shows) }
        }
        @if let Some(reason) = &recording.ending.stopped {
            p class="failed" { strong { "Stopped: " } (reason) ". The report shows what was reached." }
        }
        @for check in recording.checks.iter().filter(|check| check.verdict == Outcome::Failed) {
            p class="failed" { strong { (check.text) } ": " (check.found) "." }
        }
    }
}

fn tile(name: &str, value: &str, detail: &str) -> Markup {
    html! {
        div class="tile" {
            dt { (name) }
            dd { (value) @if !detail.is_empty() { small { (detail) } } }
        }
    }
}

fn tiles(recording: &Recording) -> Markup {
    let (run, ending) = (&recording.run, &recording.ending);
    let devices = float(run.devices.max(1));
    let told: u64 = recording
        .jobs
        .iter()
        .filter_map(|job| job.queued.last())
        .sum();
    html! {
        dl class="tiles" aria-label="Key figures" {
            (tile("Devices", &units::full(run.devices), &format!("{} mode, seed {}", run.mode, run.seed)))
            @for one in recording.executions.iter().filter(|one| one.count > 0) {
                (tile(&one.status, &units::full(one.count), &share(one.count, told)))
            }
            (tile("Wall time", &units::time(ending.wall_seconds), ""))
            @if recording.is_virtual() && ending.wall_seconds > 0.0 {
                @let faster = units::short(ending.run_seconds / ending.wall_seconds);
                (tile("Virtual time", &units::time(ending.run_seconds), &format!("{faster} times as fast")))
            }
            @if let Some(events) = ending.events {
                @let rate = float(events) / ending.wall_seconds.max(0.001);
                (tile("Events", &units::full(events), &format!("{}/s of wall time", units::short(rate))))
            }
            @if ending.peak_rss_bytes > 0 {
                @let peak = float(ending.peak_rss_bytes);
                (tile("Peak memory", &units::bytes(peak), &format!("{} a device", units::bytes(peak / devices))))
            }
            @if let Some(digest) = &ending.log_digest {
                div class="tile digest" {
                    dt { "Log digest" }
                    dd {
                        code title=(digest) { (digest) }
                        (copy(digest, "Copy the whole digest"))
                    }
                }
            }
        }
    }
}

/// A share of the executions, unless it is all of them.
fn share(count: u64, all: u64) -> String {
    if all == 0 || count == all {
        return String::new();
    }
    let percent = float(count) / float(all) * 100.0;
    match percent {
        percent if percent < 0.01 => "below 0.01 %".into(),
        percent if percent < 1.0 => format!("{percent:.2} %"),
        percent => format!("{percent:.1} %"),
    }
}

fn copy(text: &str, what: &str) -> Markup {
    html! {
        button type="button" class="copy" data-copy=(text) aria-label=(what) title=(what) hidden { "Copy" }
    }
}

fn card(index: usize, figure: &Figure) -> Markup {
    html! {
        section class=(if figure.large { "card large" } else { "card" }) {
            h2 { (figure.title) }
            (legend(&figure.legend))
            div class="plot" {
                @for (room, inside, view) in &figure.pictures {
                    @let id = format!("plot-{index}-{}", room.name());
                    svg class=(room.name()) viewBox=(view) role="img"
                        aria-labelledby={ (id) "-title " (id) "-desc" } {
                        title id={ (id) "-title" } { (figure.title) }
                        desc id={ (id) "-desc" } { (figure.note) " " (in_words(&figure.legend)) }
                        (PreEscaped(inside))
                    }
                }
            }
            p class="note" { (figure.note) }
            details {
                summary { "Figures" }
                (table(&figure.table))
            }
        }
    }
}

fn legend(entries: &[Entry]) -> Markup {
    html! {
        ul class="legend" {
            @for entry in entries {
                li {
                    svg class="swatch" viewBox="0 0 24 12" aria-hidden="true" { (swatch(entry)) }
                    span { (entry.name) }
                    @if !entry.value.is_empty() { " " strong { (entry.value) } }
                }
            }
        }
    }
}

fn swatch(entry: &Entry) -> Markup {
    use super::plot::Ink;
    let color = entry.ink.css();
    html! {
        @if matches!(entry.ink, Ink::Status(_)) {
            rect width="24" height="12" rx="3" fill=(color) {}
        } @else if matches!(entry.ink, Ink::Dashed(_)) {
            line x1="0" y1="6" x2="24" y2="6" stroke=(color) stroke-width="3" stroke-dasharray="7 4" {}
        } @else {
            line x1="0" y1="6" x2="24" y2="6" stroke=(color) stroke-width="3" {}
        }
    }
}

fn in_words(entries: &[Entry]) -> String {
    let figures = entries.iter().filter(|entry| !entry.value.is_empty());
    let figures: Vec<String> = figures
        .map(|one| format!("{}: {}", one.name, one.value))
        .collect();
    figures.join("; ")
}

fn table(table: &Table) -> Markup {
    html! {
        div class="scroll" tabindex="0" role="group" aria-label="Figures" {
            table {
                thead { tr { @for name in &table.head { th scope="col" { (name) } } } }
                tbody {
                    @for row in &table.rows {
                        tr {
                            @for (column, cell) in row.iter().enumerate() {
                                @if column == 0 { th scope="row" { (cell) } } @else { td { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn checks(recording: &Recording) -> Markup {
    if recording.checks.is_empty() {
        return html! {};
    }
    let row = |check: &Check| {
        let (class, symbol, word) = match check.verdict {
            Outcome::Passed => ("good", "✔", "passed"),
            Outcome::Failed => ("bad", "✘", "failed"),
            Outcome::Skipped => ("plain", "○", "skipped"),
        };
        html! {
            tr {
                td class={ "outcome " (class) } { span aria-hidden="true" { (symbol) } " " (word) }
                th scope="row" { (check.text) }
                td { (check.found) }
            }
        }
    };
    html! {
        section class="card" {
            h2 { "Checks" }
            div class="scroll" tabindex="0" role="group" aria-label="Checks" {
                table class="texts" {
                    thead { tr { @for name in ["outcome", "what must hold", "found"] { th scope="col" { (name) } } } }
                    tbody { @for check in &recording.checks { (row(check)) } }
                }
            }
        }
    }
}

fn reasons(recording: &Recording) -> Markup {
    let Some(most) = recording.failure_reasons.iter().map(|one| one.count).max() else {
        return html! {};
    };
    html! {
        section class="card" {
            h2 { "Why executions failed" }
            ol class="bars" {
                @for one in &recording.failure_reasons {
                    li {
                        span class="what" { (one.reason) }
                        span class="count" { (units::full(one.count)) }
                        span class="bar" aria-hidden="true" {
                            @let width = float(one.count) / float(most.max(1)) * 100.0;
                            span style={ "width:" (format!("{width:.1}")) "%" } {}
                        }
                    }
                }
            }
        }
    }
}

fn latencies(recording: &Recording) -> Markup {
    if recording.latencies.is_empty() {
        return html! {};
    }
    html! {
        section class="card" {
            h2 { "Latencies over the whole run" }
            div class="scroll" tabindex="0" role="group" aria-label="Latencies" {
                table {
                    thead { tr { @for name in ["", "measured", "p50", "p90", "p99", "slowest"] { th scope="col" { (name) } } } }
                    tbody {
                        @for one in &recording.latencies {
                            @let whole = &one.whole;
                            tr {
                                th scope="row" { (measure_in_words(one.measure).0) }
                                td { (units::full(whole.count)) }
                                @for ms in [whole.p50_ms, whole.p90_ms, whole.p99_ms, whole.max_ms] {
                                    td { (units::latency(ms)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn jobs(recording: &Recording) -> Markup {
    if recording.jobs.len() < 2 {
        return html! {};
    }
    let statuses = || {
        recording
            .executions
            .iter()
            .enumerate()
            .filter(|(_, one)| one.count > 0)
    };
    html! {
        section class="card" {
            h2 { "Jobs" }
            div class="scroll" tabindex="0" role="group" aria-label="Jobs" {
                table {
                    thead { tr { th scope="col" { "Job" } th scope="col" { "made at" } @for (_, one) in statuses() { th scope="col" { (one.status) } } } }
                    tbody {
                        @for job in &recording.jobs {
                            tr {
                                th scope="row" { (job.name) }
                                td { (units::time(seconds(job.begun_ms))) }
                                @for (index, _) in statuses() {
                                    @let counts = job.statuses.get(index).and_then(|one| one.counts.last());
                                    td { (units::full(counts.copied().unwrap_or(0))) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn markers(recording: &Recording) -> Markup {
    if recording.markers.is_empty() {
        return html! {};
    }
    html! {
        section class="card" {
            h2 { "Time line" }
            div class="scroll" tabindex="0" role="group" aria-label="Time line" {
                table class="texts" {
                    thead { tr { @for name in ["№", "when", "who", "what"] { th scope="col" { (name) } } } }
                    tbody {
                        @for (number, marker) in (1..).zip(&recording.markers) {
                            tr {
                                td { (number) }
                                td { (units::time(seconds(marker.at_ms))) }
                                @match marker.kind {
                                    MarkerKind::Action => td { "operator" },
                                    MarkerKind::Fault => td class="bad" { "⚡ fault" },
                                    MarkerKind::Milestone => td { "run" },
                                }
                                th scope="row" { (marker.text) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn again(recording: &Recording) -> Markup {
    let (run, ending) = (&recording.run, &recording.ending);
    html! {
        section class="card" {
            h2 { "Play it again" }
            pre class="command" { code { (run.command) } }
            p { (copy(&run.command, "Copy the command")) }
            @if let Some(digest) = &ending.log_digest {
                @if run.mode == "model" {
                    p { "On every machine this gives the same log, and so the same digest:" }
                } @else {
                    p { "Digest of the log of this run; real time makes another one of every run:" }
                }
                pre class="command" { code { (digest) } }
            }
        }
    }
}
