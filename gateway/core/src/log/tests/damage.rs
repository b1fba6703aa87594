//! Damage that no interrupted write makes: it is found, named, and only cut out on request.

use super::*;

#[test]
fn every_flipped_byte_is_detected() {
    let disk = MemoryDisk::default();
    let mut log = open(&disk, 700).unwrap();
    let (mut dice, mut now) = (Dice(2), 1_000);
    for _ in 0..7 {
        log.append(&random_batch(&mut dice, &mut now, SMALL))
            .unwrap();
    }
    log.heads_to_save().save().unwrap();
    drop(log);
    assert!(tools::verify::verify_in(&disk, None).unwrap().is_clean());
    let states = disk.list(saved_state::DIRECTORY).unwrap().into_iter();
    let states = states.map(|name| format!("{}/{name}", saved_state::DIRECTORY));
    let paths: Vec<_> = segments(&disk).into_iter().chain(states).collect();
    assert!(paths.len() >= 3);
    for path in paths {
        let good = disk.contents(&path).unwrap();
        for index in 0..good.len() {
            for pattern in [0x01, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[index] ^= pattern;
                disk.overwrite(&path, bad);
                let report = tools::verify::verify_in(&disk, None);
                assert!(
                    report.is_err() || report.is_ok_and(|report| !report.is_clean()),
                    "{path}: byte {index} flipped with {pattern:#x}"
                );
            }
        }
        disk.overwrite(&path, good);
    }
    assert!(tools::verify::verify_in(&disk, None).unwrap().is_clean());
}

/// Flips a bit of the block with this number among those of a segment.
fn flip(disk: &MemoryDisk, path: &str, number: usize) {
    let mut contents = disk.contents(path).unwrap();
    let offset = block_offsets(&contents)[number];
    contents[offset + block::HEADER_BYTES + 2] ^= 4;
    disk.overwrite(path, contents);
}

#[test]
fn damage_with_valid_blocks_behind_it_is_refused_by_name() {
    let (disk, _) = filled(1, 30, 2_048);
    for path in segments(&disk) {
        let good = disk.contents(&path).unwrap();
        let blocks = block_offsets(&good).len();
        let is_last = segments(&disk).last() == Some(&path);
        let commit_of_last = {
            let offsets = block_offsets(&good);
            let header = good[offsets[blocks - 1]..].first_chunk().unwrap();
            block::Header::decode(header).unwrap().before_in_commit as usize
        };
        for number in 0..blocks {
            flip(&disk, &path, number);
            match open(&disk, 2_048) {
                // Only the newest commit can look like one that was interrupted.
                Ok(_) => assert!(is_last && number + commit_of_last + 1 >= blocks),
                Err(Failure::Corrupt(damage)) => {
                    assert_eq!(damage.segment, format!("memory:{path}"));
                    assert_eq!(damage.offset, block_offsets(&good)[number] as u64);
                    assert_eq!(damage.defect, Defect::PayloadChecksum);
                    let message = text(&Failure::Corrupt(damage));
                    assert!(message.contains("log repair --accept-loss"), "{message}");
                    assert!(
                        message.contains("block ") && message.contains("position "),
                        "{message}"
                    );
                }
                Err(other) => panic!("{other}"),
            }
            disk.overwrite(&path, good.clone());
        }
    }
}

#[test]
fn a_torn_tail_is_cut_off_and_the_log_goes_on() {
    let (disk, model) = filled(8, 9, 64 * 1024);
    let path = &segments(&disk)[0];
    let mut contents = disk.contents(path).unwrap();
    let newest = *block_offsets(&contents).last().unwrap();
    contents[newest + 50] ^= 1;
    disk.overwrite(path, contents);
    let report = tools::verify::verify_in(&disk, None).unwrap();
    assert!(report.problem.is_none() && !report.is_clean());
    let torn = report.torn.unwrap();
    let mut log = open(&disk, 64 * 1024).unwrap();
    assert_eq!(log.torn_tail(), Some(&torn));
    assert_eq!(torn.damage.defect, Defect::HeaderChecksum);
    let left = collect(&log, Position::START);
    assert!(left.len() < collect(&model, Position::START).len());
    log.append(&random_batch(&mut Dice(1), &mut 9_999, SMALL))
        .unwrap();
    drop(log);
    assert!(tools::verify::verify_in(&disk, None).unwrap().is_clean());
    let log = open(&disk, 64 * 1024).unwrap();
    assert_eq!(collect(&log, Position::START)[..left.len()], left);
}

#[test]
fn missing_empty_foreign_and_unexpected_segments_are_told_apart() {
    let (disk, _) = filled(1, 30, 2_048);
    let paths = segments(&disk);
    let good = disk.contents(&paths[1]).unwrap();

    disk.lose(&paths[1]);
    let missing = open(&disk, 2_048).unwrap_err();
    assert!(
        matches!(missing, Failure::SegmentMissing { .. }),
        "{missing}"
    );
    disk.overwrite(&paths[1], vec![0; good.len()]);
    let empty = open(&disk, 2_048).unwrap_err();
    assert!(
        matches!(&empty, Failure::SegmentEmpty { segment } if segment.ends_with(&paths[1])),
        "{empty}"
    );
    disk.overwrite(&paths[1], Vec::new());
    let empty = open(&disk, 2_048).unwrap_err();
    assert!(
        matches!(&empty, Failure::SegmentEmpty { segment } if segment.ends_with(&paths[1])),
        "{empty}"
    );
    disk.overwrite(&paths[1], good.clone());

    disk.overwrite("segments/notes.txt", b"x".to_vec());
    let unexpected = open(&disk, 2_048).unwrap_err();
    assert!(
        matches!(unexpected, Failure::UnexpectedFile { .. }),
        "{unexpected}"
    );
    disk.lose("segments/notes.txt");

    let mut foreign = good.clone();
    let mut header = block::Header::decode(foreign.first_chunk().unwrap()).unwrap();
    header.log_id = LogId([6; 16]);
    foreign[..block::HEADER_BYTES].copy_from_slice(&header.encode());
    disk.overwrite(&paths[1], foreign);
    let mixed = open(&disk, 2_048).unwrap_err();
    assert!(matches!(mixed, Failure::LogIdDiffers { .. }), "{mixed}");

    let mut later = good.clone();
    later[4] = 9;
    later[84] ^= 1;
    disk.overwrite(&paths[1], later);
    let later = open(&disk, 2_048).unwrap_err();
    assert!(
        matches!(later, Failure::FormatUnknown { version: 9, .. }),
        "{later}"
    );

    disk.overwrite(&paths[1], good);
    open(&disk, 2_048).unwrap();
}

#[test]
fn a_block_cut_out_of_the_middle_breaks_the_chain() {
    let (disk, _) = filled(3, 20, 64 * 1024);
    let path = &segments(&disk)[0];
    let mut contents = disk.contents(path).unwrap();
    let length = contents.len();
    let offsets = block_offsets(&contents);
    contents.drain(offsets[4]..offsets[5]);
    contents.resize(length, 0);
    disk.overwrite(path, contents);
    let refused = open(&disk, 64 * 1024).unwrap_err();
    assert!(
        matches!(&refused, Failure::Corrupt(damage) if damage.defect == Defect::Number(6)),
        "{refused}"
    );
}

#[test]
fn a_rewritten_event_breaks_the_chain_though_all_checksums_are_right() {
    let (disk, _) = filled(3, 20, 64 * 1024);
    let path = &segments(&disk)[0];
    let mut contents = disk.contents(path).unwrap();
    let offsets = block_offsets(&contents);
    let (start, end) = (offsets[2], offsets[3]);
    let mut header = block::Header::decode(contents[start..].first_chunk().unwrap()).unwrap();
    let last = end - 1;
    contents[last] ^= 0xff;
    header.payload_checksum = crc32fast::hash(&contents[start + block::HEADER_BYTES..end]);
    contents[start..start + block::HEADER_BYTES].copy_from_slice(&header.encode());
    disk.overwrite(path, contents);
    let report = tools::verify::verify_in(&disk, None).unwrap();
    let problem = report.problem.unwrap();
    assert!(matches!(&problem, Failure::Corrupt(_)), "{problem}");
}

#[test]
fn a_log_that_ends_before_its_saved_state_is_refused() {
    let (disk, _) = filled(8, 9, 64 * 1024);
    let log = open(&disk, 64 * 1024).unwrap();
    log.saved_states()
        .save("fleet", 1, log.head(), b"x")
        .unwrap();
    drop(log);
    let path = &segments(&disk)[0];
    let mut contents = disk.contents(path).unwrap();
    let newest = *block_offsets(&contents).last().unwrap();
    contents[newest..].fill(0);
    disk.overwrite(path, contents);
    let refused = open(&disk, 64 * 1024).unwrap_err();
    assert!(
        matches!(&refused, Failure::EventsLost { witness, .. } if witness == "saved state fleet"),
        "{refused}"
    );
    disk.lose(path);
    let refused = open(&disk, 64 * 1024).unwrap_err();
    assert!(matches!(&refused, Failure::EventsLost { .. }), "{refused}");
}

#[test]
fn repair_says_what_is_lost_and_waits_for_consent() {
    let (disk, model) = filled(1, 30, 2_048);
    let log = open(&disk, 2_048).unwrap();
    log.saved_states()
        .save("fleet", 1, log.head(), b"x")
        .unwrap();
    drop(log);
    let whole: Arc<dyn Storage> = Arc::new(disk.clone());
    let nothing = tools::repair::repair_in(Arc::clone(&whole), None, false).unwrap();
    assert_eq!(
        (nothing.loss, nothing.torn, nothing.head),
        (None, None, model.head())
    );

    let paths = segments(&disk);
    flip(&disk, &paths[1], 2);
    let refused = tools::repair::repair_in(Arc::clone(&whole), None, false).unwrap_err();
    assert!(
        matches!(refused, Failure::LossNotAccepted { .. }),
        "{refused}"
    );
    assert_eq!(segments(&disk), paths);
    let repaired = tools::repair::repair_in(whole, None, true).unwrap();
    let loss = repaired.loss.unwrap();
    assert_eq!(loss.from, repaired.head.next());
    assert_eq!(loss.to, model.head());
    assert_eq!(loss.segments, paths[2..]);
    assert_eq!(loss.states, [format!("fleet at {}", model.head())]);
    assert_eq!(segments(&disk), paths[..2]);
    let log = open(&disk, 2_048).unwrap();
    let left = repaired.head.0 as usize;
    assert_eq!(
        collect(&log, Position::START),
        collect(&model, Position::START)[..left]
    );
}
