//! docs/compatibility.md says the truth: the service is asked for every operation in it.

use std::path::PathBuf;

use serde_json::{Value, json};
use shipslog_tests::fleet::TestFleet;
use shipslog_tests::http::{Http, Reply};

/// A section of the page, by the beginning of its heading, and whom to ask.
const SECTIONS: [(&str, Asked); 7] = [
    ("## Connected Device Framework", Asked::Cdf),
    ("## AWS IoT, control plane", Asked::Aws("iot")),
    ("## AWS IoT Jobs, device plane", Asked::Aws("iot-jobs-data")),
    ("## AWS IoT, data plane", Asked::Aws("iotdata")),
    ("## AWS IoT Greengrass V2", Asked::Aws("greengrass")),
    (
        "## AWS OpsWorks",
        Asked::Target("opsworks", "OpsWorks_20130218"),
    ),
    (
        "## Amazon Lightsail",
        Asked::Target("lightsail", "Lightsail_20161128"),
    ),
];
/// Set to `write`, the states of rows are corrected instead of compared.
const GOLDEN: &str = "SHIPSLOG_GOLDEN";

#[derive(Clone, Copy)]
enum Asked {
    Cdf,
    Aws(&'static str),
    /// A service that speaks JSON 1.1, and what its targets begin with.
    Target(&'static str, &'static str),
}

/// A row of a table: what it is about, and what it says of it.
struct Row<'a> {
    operation: &'a str,
    method: &'a str,
    path: &'a str,
    state: &'a str,
    remarks: &'a str,
}

impl<'a> Row<'a> {
    /// `| CreateThing | `POST /things/{thingName}` | works | |`
    fn parse(line: &'a str) -> Option<Self> {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, operation, request, state, remarks, _] = cells[..] else {
            return None;
        };
        let (method, path) = request
            .strip_prefix('`')?
            .strip_suffix('`')?
            .split_once(' ')?;
        Some(Self {
            operation,
            method,
            path,
            state,
            remarks,
        })
    }

    /// The path for something that does not exist.
    fn probe(&self) -> String {
        let segments = self.path.split('/');
        let segments = segments.map(|segment| match segment.strip_prefix('{') {
            Some(name) if name.starts_with("version") => "1",
            Some(name) if name.starts_with("certificateId") => {
                "0000000000000000000000000000000000000000000000000000000000000000"
            }
            Some(_) => "no-such",
            None => segment,
        });
        segments.collect::<Vec<_>>().join("/")
    }

    fn is_there(&self, http: &Http, asked: Asked) -> bool {
        match asked {
            Asked::Cdf => {
                let reply = http.cdf(self.method, &self.probe(), &Value::Null);
                // An unknown item is 404 as well, but says nothing or something else.
                reply.status != 405 && !reply.text().contains("there is nothing at")
            }
            Asked::Aws(service) => {
                let reply = http.aws(service, self.method, &self.probe(), &Value::Null);
                error_type(&reply) != "UnknownOperationException"
            }
            Asked::Target(service, prefix) => {
                assert_eq!(
                    (self.method, self.path),
                    ("POST", "/"),
                    "{}",
                    self.operation
                );
                let reply = http.aws_target(service, prefix, self.operation, &json!({}));
                error_type(&reply) != "UnknownOperationException"
            }
        }
    }
}

fn error_type(reply: &Reply) -> &str {
    reply.header("x-amzn-errortype").unwrap_or_default()
}

fn page() -> (PathBuf, String) {
    let path = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../docs/compatibility.md"
    ));
    let text = std::fs::read_to_string(&path).unwrap();
    (path, text)
}

#[test]
fn every_row_says_whether_there_is_such_an_operation() {
    let fleet = TestFleet::start();
    let http = fleet.http();
    let (path, page) = page();
    let mut asked = None;
    let mut rows = 0;
    let mut wrong = Vec::new();
    let mut right = String::new();
    for line in page.lines() {
        if line.starts_with("## ") {
            let section = SECTIONS.iter().find(|(begins, _)| line.starts_with(begins));
            asked = section.map(|(_, asked)| *asked);
        }
        let mut line = line.to_owned();
        if let (Some(asked), Some(row)) = (asked, Row::parse(&line)) {
            rows += 1;
            let is_there = row.is_there(&http, asked);
            let says = match row.state {
                "works" => true,
                "partly" => {
                    let operation = row.operation;
                    assert!(
                        !row.remarks.is_empty(),
                        "{operation}: say which part is missing"
                    );
                    true
                }
                "no" => false,
                state => panic!("{}: what does {state:?} mean?", row.operation),
            };
            if says != is_there {
                wrong.push(format!(
                    "{} {} {}: {}",
                    row.operation, row.method, row.path, row.state
                ));
                let corrected = if is_there { "works" } else { "no" };
                line = line.replacen(
                    &format!("| {} |", row.state),
                    &format!("| {corrected} |"),
                    1,
                );
            }
        }
        right.push_str(&line);
        right.push('\n');
    }
    assert!(rows > 180, "the tables are found");
    if std::env::var_os(GOLDEN).is_some_and(|value| value == "write") {
        std::fs::write(path, right).unwrap();
        return;
    }
    assert!(
        wrong.is_empty(),
        "docs/compatibility.md is wrong about these; {GOLDEN}=write corrects it:\n{}",
        wrong.join("\n")
    );
}
