//! What happens when files of the data directory are damaged or missing, or when the disk is full.

use std::fs::{self, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use shipslog_tests::binary;
use shipslog_tests::fleet::{Refused, TestFleet, tell};

use crate::devices::template;

/// The only segment of a small log.
fn segment(data_dir: &Path) -> PathBuf {
    let mut segments = fs::read_dir(data_dir.join("segments")).unwrap();
    segments.next().unwrap().unwrap().path()
}

/// Writes over a file in place.
fn overwrite(path: &Path, offset: u64, change: impl FnOnce(&mut [u8]), length: usize) {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut bytes = vec![0; length];
    file.seek(SeekFrom::Start(offset)).unwrap();
    file.read_exact(&mut bytes).unwrap();
    change(&mut bytes);
    file.seek(SeekFrom::Start(offset)).unwrap();
    file.write_all(&bytes).unwrap();
}

/// A stopped service with this many versions of a template, each a commit of its own.
fn stopped(versions: u32) -> TestFleet {
    let mut fleet = TestFleet::start();
    let http = fleet.http();
    http.cdf("POST", "/templates", &template("edge", "1"))
        .expect(201);
    for version in 2..=versions {
        http.cdf(
            "PUT",
            "/templates/edge",
            &template("edge", &version.to_string()),
        )
        .expect(204);
    }
    assert!(fleet.stop().success());
    fleet
}

fn used_bytes(fleet: &TestFleet) -> u64 {
    let stat = binary::log("stat", fleet.data_dir(), &[]).expect_json();
    stat["diskBytes"].as_u64().unwrap()
}

#[test]
fn a_flipped_bit_is_found_named_and_cut_only_on_request() {
    let mut fleet = stopped(20);
    let whole = binary::dump(fleet.data_dir(), &[]);
    overwrite(
        &segment(fleet.data_dir()),
        used_bytes(&fleet) / 2,
        |bytes| bytes[0] ^= 1,
        1,
    );

    let Refused { code, err } = fleet.try_restart().unwrap_err();
    assert_eq!(code, Some(1));
    let last = err.lines().last().unwrap();
    for part in [
        "corrupt",
        "segment",
        "offset",
        "block",
        "position",
        "shipslog log repair --accept-loss",
    ] {
        assert!(last.contains(part), "{part}: {last}");
    }
    let verified = binary::log("verify", fleet.data_dir(), &[]);
    assert_eq!((verified.code, &verified.json()["ok"]), (1, &json!(false)));
    assert!(verified.err.contains("damaged"), "{}", verified.err);
    let cautious = binary::log("repair", fleet.data_dir(), &[]);
    assert_eq!(cautious.code, 1);
    assert!(
        cautious.err.contains("--accept-loss") && cautious.err.contains("nothing was changed"),
        "{}",
        cautious.err
    );
    assert_eq!(
        binary::log("verify", fleet.data_dir(), &[]).code,
        1,
        "nothing was changed"
    );

    let repaired = binary::log("repair", fleet.data_dir(), &["--accept-loss"]).expect_json();
    let lost = &repaired["lost"];
    let kept = repaired["position"].as_u64().unwrap();
    assert_eq!(lost["from"], kept + 1, "{repaired}");
    assert!(lost["reason"].is_string(), "{repaired}");
    assert!(kept > 0 && kept < 21, "{repaired}");
    assert_eq!(
        binary::dump(fleet.data_dir(), &[]),
        whole[..usize::try_from(kept).unwrap()],
        "the rest is as it was"
    );
    // Repair takes the index away, because it speaks of what was cut.
    fleet.expect_in_log("the index is missing");
    fleet.restart();
    assert_eq!(fleet.ready()["position"], kept);
    let http = fleet.http();
    assert_eq!(http.cdf_get("/templates/edge")["version"], kept - 1);
    http.cdf("PUT", "/templates/edge", &template("edge", "new"))
        .expect(204);
}

#[test]
fn what_a_clean_stop_saved_is_not_taken_for_an_interrupted_write() {
    // The last block is damaged: nothing valid comes after it, but the saved states know how far the log went.
    let mut fleet = stopped(5);
    let last_byte = used_bytes(&fleet) - 3;
    overwrite(
        &segment(fleet.data_dir()),
        last_byte,
        |bytes| bytes[0] ^= 1,
        1,
    );
    let lost = |refused: Refused| {
        let last = refused.err.lines().last().unwrap().to_owned();
        assert_eq!(refused.code, Some(1), "{last}");
        assert!(last.contains("acknowledged events are lost"), "{last}");
        assert!(
            last.contains("position 6") && last.contains("--accept-loss"),
            "{last}"
        );
    };
    lost(fleet.try_restart().unwrap_err());
    let repaired = binary::log("repair", fleet.data_dir(), &["--accept-loss"]).expect_json();
    assert_eq!(
        (&repaired["position"], &repaired["lost"]["from"]),
        (&json!(5), &json!(6)),
        "{repaired}"
    );
    fleet.expect_in_log("the index is missing");
    fleet.restart();
    assert_eq!(fleet.http().cdf_get("/templates/edge")["version"], 4);
    drop(fleet);

    let mut fleet = stopped(5);
    let segment = segment(fleet.data_dir());
    let kept = fs::read(&segment).unwrap();
    fs::remove_file(&segment).unwrap();
    lost(fleet.try_restart().unwrap_err());
    // Somebody had a copy.
    fs::write(&segment, kept).unwrap();
    fleet.restart();
    assert_eq!(fleet.http().cdf_get("/templates/edge")["version"], 5);
}

#[test]
fn the_remains_of_an_interrupted_write_are_cut_off() {
    let mut fleet = stopped(5);
    let end = used_bytes(&fleet);
    let before = binary::dump(fleet.data_dir(), &[]);
    // The beginning of a block that was never finished: a copy of the first one's beginning.
    let segment = segment(fleet.data_dir());
    let mut start = [0; 40];
    OpenOptions::new()
        .read(true)
        .open(&segment)
        .unwrap()
        .read_exact(&mut start)
        .unwrap();
    overwrite(&segment, end, |bytes| bytes.copy_from_slice(&start), 40);
    fleet.expect_in_log("cutting off the remains");
    fleet.restart();
    assert_eq!(fleet.http().cdf_get("/templates/edge")["version"], 5);
    assert!(fleet.stop().success());
    assert_eq!(binary::dump(fleet.data_dir(), &[]), before);
}

#[test]
fn without_its_index_or_its_saved_states_it_starts_with_a_warning() {
    let mut fleet = stopped(12);
    fs::remove_dir_all(fleet.data_dir().join("index")).unwrap();
    fleet.expect_in_log("index");
    let begun = fleet.log().len();
    fleet.restart();
    assert!(fleet.log()[begun..].contains("WARN"), "{}", fleet.log());
    assert_eq!(fleet.http().cdf_get("/templates/edge")["version"], 12);
    assert!(fleet.stop().success());

    // Rubbish instead of the index and of a saved state.
    fs::write(fleet.data_dir().join("index/db"), b"rubbish").unwrap();
    for state in fs::read_dir(fleet.data_dir().join("states")).unwrap() {
        overwrite(&state.unwrap().path(), 50, |bytes| bytes[0] ^= 0xff, 1);
    }
    fleet.expect_in_log("state");
    fleet.restart();
    assert_eq!(fleet.http().cdf_get("/templates/edge")["version"], 12);
}

/// A file system of its own, as small as it says.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(megabytes: u32) -> Option<Self> {
        let directory = tempfile::Builder::new()
            .prefix("shipslog-it-disk-")
            .tempdir()
            .unwrap()
            .keep();
        let disk = Self(directory);
        let mounted = disk.run(
            "mount",
            &[
                "-t",
                "tmpfs",
                "-o",
                &format!("size={megabytes}m"),
                "shipslog-it",
            ],
        );
        if !mounted {
            tell("no file system can be mounted here; the test of a full disk was skipped");
        }
        mounted.then_some(disk)
    }

    fn grow(&self, megabytes: u32) {
        assert!(self.run("mount", &["-o", &format!("remount,size={megabytes}m")]));
    }

    fn run(&self, program: &str, arguments: &[&str]) -> bool {
        let output = Command::new(program).args(arguments).arg(&self.0).output();
        output.is_ok_and(|output| output.status.success())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        self.run("umount", &[]);
        fs::remove_dir(&self.0).ok();
    }
}

/// A template that does not compress.
fn bulky(version: u32) -> Value {
    let mut state = u64::from(version) + 1;
    let text: String = (0..100_000)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            char::from(b'!' + u8::try_from((state >> 33) % 90).unwrap())
        })
        .collect();
    let merge = json!({ "noise": text }).to_string();
    json!({ "name": "edge", "components": [{
        "key": "com.acme.Noise", "version": version.to_string(), "configurationUpdate": { "merge": merge },
    }]})
}

#[test]
fn a_full_disk_stops_the_service_and_loses_nothing() {
    let Some(disk) = SmallDisk::mount(24) else {
        return;
    };
    let data_dir = disk.0.join("data");
    let mut fleet = TestFleet::try_start_on(&data_dir, &[]).unwrap();
    fleet.expect_in_log("full");
    fleet.expect_in_log("No space left");
    fleet.expect_in_log("ENOSPC");
    let http = fleet.http();
    http.cdf("POST", "/templates", &template("edge", "1"))
        .expect(201);
    let mut acknowledged = 1;
    for version in 2..1_000 {
        match http.try_cdf("PUT", "/templates/edge", &bulky(version)) {
            Some(reply) if reply.status == 204 => acknowledged = version,
            _ => break,
        }
    }
    assert!(
        (20..900).contains(&acknowledged),
        "{acknowledged} versions fit"
    );
    let status = fleet.wait(Duration::from_secs(30));
    assert_eq!(status.code(), Some(1), "{}", fleet.log());
    let log = fleet.log();
    let last = log.lines().last().unwrap();
    assert!(last.contains("the disk is full"), "{last}");
    // It does not start on a full disk either, and says why.
    if let Err(refused) = fleet.try_restart() {
        assert_eq!(refused.code, Some(1));
        assert!(
            refused.err.contains("full") || refused.err.contains("No space"),
            "{}",
            refused.err
        );
    } else {
        fleet.kill();
    }
    disk.grow(200);
    fleet.restart();
    let http = fleet.http();
    let version = http.cdf_get("/templates/edge")["version"].as_u64().unwrap();
    assert!(
        (u64::from(acknowledged)..=u64::from(acknowledged) + 1).contains(&version),
        "{version}: {acknowledged}"
    );
    let kept = http.cdf_get(&format!("/templates/edge/versions/{acknowledged}"));
    assert_eq!(kept["components"], bulky(acknowledged)["components"]);
    http.cdf("PUT", "/templates/edge", &bulky(2_000))
        .expect(204);
    drop(fleet);
}
