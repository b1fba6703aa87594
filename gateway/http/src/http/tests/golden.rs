//! The HTTP forms, as committed text under `tests/golden/http`.
//!
//! A file is a conversation: `> METHOD PATH (KIND)`, headers and body of a request, `< STATUS`, headers and body of
//! its answer, `#` for comments, `!` for what happens outside of HTTP. The requests are the test, the answers are
//! compared. `{token}` in a request stands for the page token of the newest answer that had one; `{!token}` for one that
//! somebody touched. Where an answer has none, it stands for the deployment or the job that it is about; `{stack 0}`,
//! `{layer 0}`, `{app 0}` and `{instance 0}` are ids by numbers. After `! hide random ids` these are left out of answers.
//! With `SHIPSLOG_GOLDEN=write` the answers are written instead.

use std::fmt::Write;
use std::path::PathBuf;

use serde_json::Value;
use shipslog_domain::{AppId, InstanceId, LayerId, StackId};

use super::bench::{Answer, Bench, request};
use crate::query::encode;

/// Headers that differ in every run: their presence counts.
const UNSTABLE: [&str; 1] = ["x-amzn-requestid"];

#[tokio::test]
async fn cdf_templates() {
    check("cdf-templates").await;
}

#[tokio::test]
async fn cdf_cores() {
    check("cdf-cores").await;
}

#[tokio::test]
async fn cdf_deployments() {
    check("cdf-deployments").await;
}

#[tokio::test]
async fn cdf_media_types() {
    check("cdf-media-types").await;
}

#[tokio::test]
async fn provisioning_templates() {
    check("provisioning-templates").await;
}

#[tokio::test]
async fn own_endpoints() {
    check("own-endpoints").await;
}

#[tokio::test]
async fn positions_and_keys() {
    check("positions-and-keys").await;
}

#[tokio::test]
async fn aws_registry() {
    check("aws-registry").await;
}

#[tokio::test]
async fn aws_aggregations() {
    check("aws-aggregations").await;
}

#[tokio::test]
async fn aws_billing_groups() {
    check("aws-billing-groups").await;
}

#[tokio::test]
async fn aws_certificates() {
    check("aws-certificates").await;
}

#[tokio::test]
async fn aws_ota_updates() {
    check("aws-ota-updates").await;
}

#[tokio::test]
async fn aws_policies() {
    check("aws-policies").await;
}

#[tokio::test]
async fn aws_provisioning() {
    check("aws-provisioning").await;
}

#[tokio::test]
async fn aws_jobs() {
    check("aws-jobs").await;
}

#[tokio::test]
async fn aws_jobs_data() {
    check("aws-jobs-data").await;
}

#[tokio::test]
async fn aws_greengrass_components() {
    check("aws-greengrass-components").await;
}

#[tokio::test]
async fn aws_greengrass_core_devices() {
    check("aws-greengrass-core-devices").await;
}

#[tokio::test]
async fn aws_opsworks() {
    check("aws-opsworks").await;
}

#[tokio::test]
async fn aws_opsworks_commands() {
    check("aws-opsworks-commands").await;
}

async fn check(name: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/golden/http")
        .join(format!("{name}.txt"));
    let expected = std::fs::read_to_string(&path).unwrap();
    let answered = replay(&expected).await;
    if std::env::var_os("SHIPSLOG_GOLDEN").is_some_and(|mode| mode == "write") {
        std::fs::write(&path, answered).unwrap();
        return;
    }
    for (number, (was, is)) in expected.lines().zip(answered.lines()).enumerate() {
        assert_eq!(was, is, "line {} of {}", number + 1, path.display());
    }
    assert_eq!(
        expected.lines().count(),
        answered.lines().count(),
        "{}",
        path.display()
    );
}

/// The conversation with the answers of this build.
async fn replay(text: &str) -> String {
    let bench = Bench::new();
    let mut token = String::new();
    let mut hides_ids = false;
    let mut replayed = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with('<') {
            continue;
        }
        writeln!(replayed, "{line}").unwrap();
        if line == "! hide random ids" {
            hides_ids = true;
        } else if let Some(happening) = line.strip_prefix("! ") {
            happen(&bench, happening).await;
        }
        if let Some(head) = line.strip_prefix("> ") {
            let mut request_lines = vec![with_token(head, &token)];
            while let Some(line) = lines.next_if(|line| line.starts_with('>') && !is_head(line)) {
                writeln!(replayed, "{line}").unwrap();
                request_lines.push(with_token(line[1..].trim_start(), &token));
            }
            let answer = ask(&bench, &request_lines).await;
            let mut answered = String::new();
            write_answer(&mut answered, &answer);
            replayed += &match hides_ids {
                true => without_random_ids(answered),
                false => answered,
            };
            token = token_of(&answer).unwrap_or(token);
        }
    }
    replayed
}

fn with_token(line: &str, token: &str) -> String {
    let touched: String = token.chars().rev().collect();
    let (token, touched) = (encode(token, ""), encode(&touched, ""));
    let line = line
        .replace("{token}", &token)
        .replace("{!token}", &touched);
    with_ids(line)
}

fn with_ids(mut line: String) -> String {
    for number in 0..4 {
        let ids = [
            ("stack", StackId(number).to_uuid()),
            ("layer", LayerId(number).to_uuid()),
            ("app", AppId(number).to_uuid()),
            ("instance", InstanceId(number).to_uuid()),
        ];
        for (kind, id) in ids {
            line = line.replace(&format!("{{{kind} {number}}}"), &id);
        }
    }
    line
}

/// A text without its random ids: UUIDs of version 4.
fn without_random_ids(mut text: String) -> String {
    let is_digit = |(index, byte): (usize, u8)| match index {
        8 | 13 | 18 | 23 => byte == b'-',
        14 => byte == b'4',
        _ => byte.is_ascii_hexdigit(),
    };
    let find = |text: &str| {
        let mut windows = text.as_bytes().windows(36);
        windows.position(|window| window.iter().copied().enumerate().all(is_digit))
    };
    while let Some(at) = find(&text) {
        text.replace_range(at..at + 36, "…");
    }
    text
}

fn token_of(answer: &Answer) -> Option<String> {
    let body: Value = serde_json::from_slice(&answer.body).ok()?;
    let job = || body.get("execution").and_then(|one| one.get("jobId"));
    let token = body.get("nextToken").or_else(|| body.get("nextMarker"));
    let token = token.or_else(|| body.get("DeploymentId")).or_else(job)?;
    token.as_str().map(str::to_owned)
}

/// Whether a line begins a request: `> GET /path (kind)`.
fn is_head(line: &str) -> bool {
    let words: Vec<&str> = line.split(' ').collect();
    words.len() == 4
        && words[2].starts_with('/')
        && words[1].bytes().all(|byte| byte.is_ascii_uppercase())
}

async fn happen(bench: &Bench, happening: &str) {
    match happening.split_once(' ').unwrap_or((happening, "")) {
        ("provision", "") => bench.provision().await,
        ("health", thing) => bench.report_health(thing).await,
        ("connect", thing) => bench.connect(thing).await,
        ("advance", milliseconds) => bench.advance(milliseconds.parse().unwrap()).await,
        other => panic!("{other:?} is nothing that can happen"),
    }
}

/// The first line is `METHOD PATH (KIND)`; headers follow; the rest, from the first line that begins like JSON or
/// with a quotation mark, is the body.
async fn ask(bench: &Bench, lines: &[String]) -> Answer {
    let (head, rest) = lines.split_first().unwrap();
    let (target, kind) = head.rsplit_once(" (").unwrap();
    let (method, path) = target.split_once(' ').unwrap();
    let is_body = |line: &String| line.starts_with(['{', '[', '"', '|']);
    let body_at = rest.iter().position(is_body).unwrap_or(rest.len());
    let (headers, body) = rest.split_at(body_at);
    let headers: Vec<(&str, &str)> = headers
        .iter()
        .map(|line| line.split_once(": ").unwrap())
        .collect();
    let body = body.join("\n");
    // A bar stands before a body that is no JSON.
    let body = body.strip_prefix('|').unwrap_or(&body).to_owned();
    let kind = kind.trim_end_matches(')');
    let request = request(kind, method, path, &headers, body.into_bytes());
    let mut answer = bench.send(request.unwrap()).await;
    // The same on every answer of CDF: shown where headers are what it is about.
    if kind == "cdf" {
        answer.headers.remove("access-control-allow-origin");
        answer.headers.remove("access-control-expose-headers");
    }
    answer
}

fn write_answer(text: &mut String, answer: &Answer) {
    writeln!(text, "< {}", answer.status.as_u16()).unwrap();
    let mut headers: Vec<_> = answer.headers.iter().collect();
    headers.sort_by_key(|(name, _)| name.as_str());
    for (name, value) in headers {
        let value = value.to_str().unwrap();
        let value = if UNSTABLE.contains(&name.as_str()) {
            "…"
        } else {
            value
        };
        if name != "content-length" {
            writeln!(text, "< {name}: {value}").unwrap();
        }
    }
    if answer.body.is_empty() {
        return;
    }
    let body = match serde_json::from_slice::<Value>(&answer.body) {
        Ok(json) => pretty(&json),
        Err(_) => answer.text(),
    };
    for line in body.lines() {
        writeln!(text, "<   {line}").unwrap();
    }
}

/// Short values stand on one line.
fn pretty(json: &Value) -> String {
    let short = json.to_string();
    if short.len() <= 100 {
        return short;
    }
    serde_json::to_string_pretty(json).unwrap()
}
