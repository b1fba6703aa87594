//! `simulate --report`: the page, the same as JSON, and what is refused.

use std::fs;
use std::path::Path;

use serde_json::Value;
use shipslog_tests::binary::run;

fn figures(directory: &Path) -> Value {
    let text = fs::read_to_string(directory.join("report.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn sum(counts: &Value) -> u64 {
    let counts = counts.as_array().unwrap().iter();
    counts.map(|count| count.as_u64().unwrap()).sum()
}

#[test]
fn a_report_says_what_the_last_line_says() {
    let directory = tempfile::tempdir().unwrap();
    for mode in ["wire", "net"] {
        let report = directory.path().join(mode);
        let path = report.to_str().unwrap();
        let ran = run(&[
            "simulate",
            "--mode",
            mode,
            "--devices",
            "60",
            "--seed",
            "5",
            "--report",
            path,
        ]);
        assert!(ran.err.contains("report.html"), "{}", ran.err);
        let line = ran.expect_json();
        let figures = figures(&report);
        for (figure, pointer) in [
            ("mode", "/run/mode"),
            ("seed", "/run/seed"),
            ("devices", "/run/devices"),
            ("events", "/ending/events"),
            ("logDigest", "/ending/logDigest"),
        ] {
            assert_eq!(
                Some(&line[figure]),
                figures.pointer(pointer),
                "{mode}: {figure}"
            );
        }
        for execution in figures["executions"].as_array().unwrap() {
            let status = execution["status"].as_str().unwrap();
            let told = line["executions"][status].as_u64().unwrap_or(0);
            assert_eq!(execution["count"].as_u64(), Some(told), "{mode}: {status}");
        }
        assert_eq!(sum(&figures["traffic"]["events"]), line["events"], "{mode}");
        assert_eq!(sum(&figures["traffic"]["connects"]), 60, "{mode}");
        assert!(sum(&figures["traffic"]["messagesIn"]) >= 120, "{mode}");
        assert_eq!(figures["checks"][0]["verdict"], "passed", "{mode}");
        let updates = figures["latencies"].as_array().unwrap().iter();
        let updates = updates.filter(|one| one["measure"] == "execution");
        assert_eq!(
            updates
                .map(|one| &one["whole"]["count"])
                .collect::<Vec<_>>(),
            [60],
            "{mode}"
        );
        let page = fs::read_to_string(report.join("report.html")).unwrap();
        let command = format!("shipslog simulate --mode {mode} --devices 60 --seed 5 --report");
        assert!(
            page.contains(" passed</p>") && page.contains(&command),
            "{mode}"
        );
    }
}

#[test]
fn a_report_that_could_not_be_written_is_refused_before_the_play() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("taken");
    fs::write(&file, "a file").unwrap();
    for mode in ["wire", "net"] {
        let path = file.to_str().unwrap();
        let ran = run(&[
            "simulate",
            "--mode",
            mode,
            "--devices",
            "20",
            "--report",
            path,
        ]);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{mode}: {}", ran.err);
        assert!(
            ran.err.contains("--report") && ran.err.contains("taken"),
            "{mode}: {}",
            ran.err
        );
    }
}
