//! The page in a real browser.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::*;

/// How long the browser may take for one page on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);
/// A picture of nothing compresses to less than this.
const EMPTY_PICTURE: usize = 15_000;

/// What a page measures of itself when it is loaded. Errors are caught from the first script on.
const WATCH: &str = "<script>window.problems=[];addEventListener('error',e=>problems.push(e.message));\
    addEventListener('securitypolicyviolation',e=>problems.push('policy: '+e.violatedDirective));</script>";
const MEASURE: &str = "<script>addEventListener('load',()=>{\
    const root=document.documentElement;\
    const shown=[...document.querySelectorAll('.plot svg')].filter(e=>e.getBoundingClientRect().width>0);\
    const letters=shown.flatMap(e=>[...e.querySelectorAll('text')]).map(e=>e.getBoundingClientRect().height);\
    const cut=[...document.querySelectorAll('.card, .tile')].filter(e=>e.getBoundingClientRect().right>innerWidth+0.5);\
    const drawn=shown.filter(e=>e.querySelector('polyline, polygon'));\
    root.dataset.measured=JSON.stringify({width:innerWidth,content:root.scrollWidth,plots:shown.length,\
    drawn:drawn.length,letters:Math.min(...letters),cut:cut.length,columns:getComputedStyle(document.querySelector('.cards')).gridTemplateColumns.split(' ').length,\
    ground:getComputedStyle(document.body).backgroundColor,ink:getComputedStyle(document.body).color,\
    problems:window.problems,copies:document.querySelectorAll('button.copy:not([hidden])').length});});</script>";

#[derive(Clone, Copy)]
enum Scheme {
    Dark = 0,
    Light = 1,
}

struct Browser {
    program: &'static str,
    home: tempfile::TempDir,
}

impl Browser {
    /// The browser of this machine, if it has one.
    fn find() -> Option<Self> {
        let programs = ["chromium", "chromium-browser", "google-chrome"];
        let found = programs.into_iter().find(|program| {
            let asked = Command::new(program)
                .arg("--version")
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            asked.is_ok_and(|status| status.success())
        });
        if found.is_none() {
            tell("no chromium is installed; the report was not looked at in a browser");
        }
        let home = tempfile::tempdir().expect("a temporary directory");
        Some(Self {
            program: found?,
            home,
        })
    }

    /// What the browser prints of a page.
    fn open(&self, page: &Path, width: u32, height: u32, scheme: Scheme, action: &str) -> String {
        let scheme = scheme as u8;
        let mut child = Command::new(self.program)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
            ])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ])
            .args(["--hide-scrollbars", "--disable-dev-shm-usage"])
            .arg(format!(
                "--user-data-dir={}",
                self.home.path().join("profile").display()
            ))
            .arg(format!("--blink-settings=preferredColorScheme={scheme}"))
            .arg(format!("--window-size={width},{height}"))
            .arg(action)
            .arg(format!("file://{}", page.display()))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the browser starts");
        let mut out = child.stdout.take().expect("its output is ours");
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            out.read_to_string(&mut text).map(|_| text)
        });
        let deadline = Instant::now() + PATIENCE;
        while child.try_wait().expect("a child of ours").is_none() {
            if Instant::now() > deadline {
                child.kill().expect("a child of ours");
                panic!("the browser is not done with the page in time");
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        reader.join().expect("a reader").expect("text")
    }

    /// What a page measures of itself in a frame of this width: a window of the browser cannot be as narrow as a phone.
    fn measure(&self, page: &str, width: u32, scheme: Scheme) -> serde_json::Value {
        let page = page.replace('&', "&amp;").replace('"', "&quot;");
        let frame = format!(
            "<!DOCTYPE html><meta name=\"color-scheme\" content=\"light dark\">\
             <iframe style=\"border:0;width:{width}px;height:900px\" srcdoc=\"{page}\"></iframe>\
             <script>addEventListener('load',()=>{{document.documentElement.dataset.measured=\
             frames[0].document.documentElement.dataset.measured}})</script>"
        );
        let file = self.home.path().join("frame.html");
        std::fs::write(&file, frame).expect("writable");
        let text = self.open(&file, width + 50, 900, scheme, "--dump-dom");
        let (_, rest) = text
            .split_once("data-measured=\"")
            .expect("the page measured itself");
        let (json, _) = rest.split_once('"').expect("an attribute ends");
        serde_json::from_str(&json.replace("&quot;", "\"")).expect("what it wrote")
    }

    fn picture(&self, page: &Path, name: &str, width: u32, scheme: Scheme) -> Vec<u8> {
        let file = self.home.path().join(name);
        self.open(
            page,
            width,
            900,
            scheme,
            &format!("--screenshot={}", file.display()),
        );
        std::fs::read(file).expect("a picture was taken")
    }
}

#[expect(clippy::print_stderr, reason = "a test that was skipped says so")]
fn tell(text: &str) {
    eprintln!("{text}");
}

/// The page of a recording with scripts in it that watch and measure.
fn measured_page(recording: &Recording) -> String {
    html(recording)
        .replacen("<head>", &format!("<head>{WATCH}"), 1)
        .replacen("</body>", &format!("{MEASURE}</body>"), 1)
}

#[test]
fn a_browser_shows_the_page_on_phone_and_wall_in_light_and_dark() {
    let Some(browser) = Browser::find() else {
        return;
    };
    for recording in [fleets::million(), fleets::storm()] {
        let page = measured_page(&recording);
        let mut grounds = Vec::new();
        for (width, scheme, letters_min, columns) in [
            (390, Scheme::Light, 12.0, 1..2),
            (390, Scheme::Dark, 12.0, 1..2),
            (1_280, Scheme::Light, 11.0, 2..4),
            (2_560, Scheme::Dark, 15.0, 3..6),
        ] {
            let found = browser.measure(&page, width, scheme);
            assert_eq!(found["problems"], serde_json::json!([]), "{found}");
            assert_eq!(found["width"], width, "{found}");
            assert!(
                found["content"].as_u64() <= Some(width.into()),
                "it does not scroll sideways: {found}"
            );
            assert_eq!(found["cut"], 0, "{found}");
            assert!(found["plots"].as_u64() >= Some(7), "{found}");
            assert_eq!(found["plots"], found["drawn"], "no plot is empty: {found}");
            assert!(
                found["letters"].as_f64() >= Some(letters_min),
                "labels can be read: {found}"
            );
            let shown = found["columns"]
                .as_u64()
                .and_then(|count| usize::try_from(count).ok());
            assert!(
                shown.is_some_and(|shown| columns.contains(&shown)),
                "{found}"
            );
            assert_eq!(found["copies"], 2, "the script has run: {found}");
            grounds.push((found["ground"].clone(), found["ink"].clone()));
        }
        assert_ne!(grounds[0], grounds[1], "dark is not light");
        assert_eq!(grounds[0], grounds[2], "light is light everywhere");
    }
}

#[test]
fn pictures_of_the_page_are_not_empty_and_differ() {
    let Some(browser) = Browser::find() else {
        return;
    };
    let page = browser.home.path().join("report.html");
    std::fs::write(&page, html(&fleets::million())).expect("writable");
    let light = browser.picture(&page, "light.png", 1_280, Scheme::Light);
    let dark = browser.picture(&page, "dark.png", 1_280, Scheme::Dark);
    for picture in [&light, &dark] {
        assert!(picture.starts_with(b"\x89PNG"));
        assert!(
            picture.len() > EMPTY_PICTURE,
            "{} bytes show something",
            picture.len()
        );
    }
    assert!(light != dark);
}

#[test]
fn a_browser_finds_what_the_page_promises() {
    let Some(browser) = Browser::find() else {
        return;
    };
    let page = browser.home.path().join("report.html");
    std::fs::write(&page, html(&fleets::storm())).expect("writable");
    let text = browser.open(&page, 1_280, 900, Scheme::Light, "--dump-dom");
    for heading in [
        "Reconnect storm",
        "Rollout",
        "Executions: firmware-1.1",
        "Status updates",
        "Devices connected",
        "Connects per second",
        "Messages per second",
        "Memory",
        "Events per second",
        "Checks",
        "Why executions failed",
        "Time line",
        "Play it again",
    ] {
        let found = text.contains(&format!(">{heading}</h1>"))
            || text.contains(&format!(">{heading}</h2>"));
        assert!(found, "no heading {heading}");
    }
    let titles = text.matches("-title\">").count();
    let pictures = text.matches("role=\"img\"").count();
    assert!(
        pictures > 10 && titles == pictures,
        "{titles} titles of {pictures} pictures"
    );
}
