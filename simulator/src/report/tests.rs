use super::*;
use crate::recording::{Check, Ending, Facts, Recorder, Verdict};

mod chromium;
mod colors;
mod fleets;

#[test]
fn a_report_is_a_page_and_its_figures() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let inside = directory.path().join("new/folder");
    let recording = fleets::storm();
    let page = write(&inside, &recording).expect("a report is written");
    assert_eq!(page, inside.join("report.html"));
    let page = std::fs::read_to_string(page).expect("the page is there");
    assert!(page.starts_with("<!DOCTYPE html>"));
    let figures = std::fs::read_to_string(inside.join("report.json")).expect("so are the figures");
    let back: Recording = serde_json::from_str(&figures).expect("which are JSON");
    assert!(back == recording, "and all of them");
    let left: Vec<_> = std::fs::read_dir(&inside).expect("readable").collect();
    assert_eq!(left.len(), 2, "nothing else is left behind: {left:?}");
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("taken");
    std::fs::write(&file, "a file").expect("writable");
    let failure = prepare(&file).expect_err("a file is no directory");
    assert!(failure.to_string().contains("taken"), "{failure}");
    let failure = write(&file, &Recording::default()).expect_err("a file is no directory");
    assert!(failure.to_string().contains("taken"), "{failure}");
}

#[test]
fn a_page_needs_nothing_but_itself() {
    let page = html(&fleets::million());
    for reference in [
        "http://",
        "https://",
        "src=",
        "@import",
        "url(",
        "xlink:href",
    ] {
        assert!(!page.contains(reference), "the page has {reference}");
    }
    assert!(page.contains("default-src 'none'"), "and could not load it");
    assert!(page.len() < 600_000, "{} bytes are enough", page.len());
}

#[test]
fn what_devices_say_is_text_and_never_markup() {
    let mut recorder = Recorder::new(shipslog_domain::time::Timestamp(0));
    let evil = "</script><img onerror=\"alert('x')\">&amp;";
    let mut at = recorder.at(shipslog_domain::time::Timestamp(5));
    at.failed(evil);
    at.action(evil);
    recorder.job(
        evil,
        Default::default(),
        10,
        shipslog_domain::time::Timestamp(0),
    );
    recorder.check(Check {
        text: evil.into(),
        verdict: Verdict::Failed,
        found: evil.into(),
    });
    let facts = Facts {
        scenario: evil.into(),
        shows: evil.into(),
        mode: evil.into(),
        version: evil.into(),
        command: evil.into(),
        devices: 1,
        seed: 1,
    };
    let ending = Ending {
        log_digest: Some(evil.into()),
        stopped: Some(evil.into()),
        run_seconds: 1.0,
        ..Ending::default()
    };
    let page = html(&recorder.finish(facts, ending));
    assert!(!page.contains("<img"));
    assert!(!page.contains("alert('x')\""));
    assert_eq!(
        page.matches("</script>").count(),
        1,
        "only our own script ends"
    );
    assert!(
        page.matches("&lt;img onerror=").count() >= 10,
        "and it is all there"
    );
}

#[test]
fn the_first_line_says_how_it_went() {
    let verdict = |recording: &Recording| {
        let page = html(recording);
        let (_, rest) = page.split_once("<p class=\"verdict\">").expect("a verdict");
        let (verdict, _) = rest.split_once("</p>").expect("of one paragraph");
        verdict
            .replace("<span class=\"symbol\" aria-hidden=\"true\">", "")
            .replace("</span>", "")
    };
    assert_eq!(
        verdict(&Recording::default()),
        "● Finished; nothing was checked"
    );
    assert_eq!(
        verdict(&fleets::million()),
        "✔ 4 of 4 checks passed, 1 skipped"
    );
    assert_eq!(
        verdict(&fleets::storm()),
        "✘ 1 of 4 checks failed, 1 skipped"
    );
    let mut stopped = fleets::million();
    stopped.ending.stopped = Some("no memory is left".into());
    assert_eq!(verdict(&stopped), "✘ Stopped before its end, 1 skipped");
    assert!(html(&stopped).contains("no memory is left"));
}

#[test]
fn a_run_of_nothing_and_a_run_of_years_have_a_page() {
    let page = html(&Recording::default());
    assert!(page.contains("Play it again"));
    let mut recorder = Recorder::new(shipslog_domain::time::Timestamp(0));
    let begin = shipslog_domain::time::Timestamp(0);
    let job = recorder.job("forever", Default::default(), 1, begin);
    let late = shipslog_domain::time::Timestamp(20 * 365 * 86_400_000);
    let queued = shipslog_domain::execution::Status::Queued;
    recorder.at(late).status_changed(job, None, queued);
    recorder.at(late).took(
        crate::recording::Measure::Execution,
        std::time::Duration::from_secs(600_000_000),
    );
    let page = html(&recorder.finish(Facts::default(), Ending::default()));
    for wrong in ["NaN", "inf"] {
        assert!(
            !page.contains(&format!(",{wrong}")) && !page.contains(&format!(">{wrong}")),
            "{wrong}"
        );
    }
    assert!(page.contains(" d</text>"), "years are counted in days");
}

#[test]
fn figures_are_written_as_people_read_them() {
    for (text, expected) in [
        (units::full(0), "0"),
        (units::full(999), "999"),
        (units::full(1_234_567), "1,234,567"),
        (units::short(0.0), "0"),
        (units::short(999.0), "999"),
        (units::short(999.7), "1k"),
        (units::short(1_000.0), "1k"),
        (units::short(12_345.0), "12.3k"),
        (units::short(999_960.0), "1M"),
        (units::short(1_250_000.0), "1.25M"),
        (units::time(0.000_05), "50 µs"),
        (units::time(0.0034), "3.4 ms"),
        (units::time(42.0), "42 s"),
        (units::time(61.2), "1 min 1 s"),
        (units::time(3_599.9), "60 min"),
        (units::time(7_500.0), "2 h 5 min"),
        (units::time(86_400.0), "24 h"),
        (units::time(86_400.0 * 3.5), "3 d 12 h"),
        (units::time_of_micros(1_020_076_000), "17 min"),
        (units::time_of_micros(1_340_000), "1.34 s"),
        (units::time_of_micros(250_000), "250 ms"),
        (units::latency(1_500.0), "1.5 s"),
        (units::bytes(1_023.0), "1023 B"),
        (units::bytes(1_610_612_736.0), "1.5 GiB"),
    ] {
        assert_eq!(text, expected);
    }
}

#[test]
fn axes_have_few_labels_in_one_unit() {
    let labels = |axis: &units::Axis| -> Vec<String> {
        axis.ticks.iter().map(|tick| (axis.label)(*tick)).collect()
    };
    for (high, expected) in [
        (0.05, "0, 20 ms, 40 ms"),
        (42.0, "0, 15 s, 30 s"),
        (59.0 * 60.0, "0, 15 min, 30 min, 45 min"),
        (5.0 * 3_600.0, "0, 2 h, 4 h"),
        (9.0 * 86_400.0, "0, 5 d"),
    ] {
        assert_eq!(labels(&units::Axis::time(high, 4)).join(", "), expected);
    }
    let counts = units::Axis::count(1_000_000.0, 5);
    assert_eq!(labels(&counts).join(", "), "0, 200k, 400k, 600k, 800k, 1M");
    let memory = units::Axis::bytes(700.0 * 1_048_576.0, 4);
    assert_eq!(labels(&memory).join(", "), "0 B, 256 MiB, 512 MiB, 768 MiB");
    let latency = units::Axis::latency(0.3, 90.0, 5);
    assert_eq!(labels(&latency).join(", "), "1 ms, 10 ms, 100 ms");
    for high in [0.0, 1e-9, 1.0, 7.0, 1e3, 123_456.0, 1e9, 1e15] {
        for labels in 3..9 {
            for axis in [
                units::Axis::count(high, labels),
                units::Axis::time(high, labels),
                units::Axis::bytes(high, labels),
            ] {
                let shown = axis.ticks.len();
                assert!(
                    (2..=labels + 2).contains(&shown),
                    "{shown} labels up to {high}: {axis:?}"
                );
                assert!(axis.high >= high * 0.999, "all of it is shown: {axis:?}");
            }
        }
    }
}
