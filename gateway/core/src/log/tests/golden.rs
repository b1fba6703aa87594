//! Stored forms that must be read for ever. Never edit or remove a golden file; add one per format.

use super::*;

const BLOCKS_1: &[u8] = include_bytes!("../golden/blocks-1.log");
const STATE_1: &[u8] = include_bytes!("../golden/state-1.state");

/// The events in `blocks-1.log`: plain blocks, compressed ones, commits of one and of several blocks.
fn batches() -> Vec<Batch> {
    let thing = |number| StreamId::new(StreamKind::Thing, number);
    let key = |byte| CommandKey {
        id: CommandId([byte; 16]),
        body: 0x0123_4567_89ab_cdef,
    };
    let mut plain = Batch::default();
    plain.push(
        thing(0),
        Timestamp(1_700_000_000_000),
        1,
        Some(key(0xaa)),
        |out| out.extend_from_slice(b"one"),
    );
    plain.push(thing(1), Timestamp(1_700_000_000_000), 2, None, |_| ());
    let mut compressed = Batch::default();
    for number in 0..12 {
        let stream = StreamId::new(StreamKind::ALL[number % 9], 100_000);
        let at = Timestamp(1_700_000_000_001 + number as u64);
        compressed.push(stream, at, 300, None, |out| {
            out.extend_from_slice(b"abcabcabcabc")
        });
    }
    let mut several_blocks = Batch::default();
    for number in 0..20_u8 {
        let command = (number % 8 == 0).then(|| key(number));
        several_blocks.push(
            thing(u32::from(number % 3)),
            Timestamp(1_700_000_060_000),
            7,
            command,
            |out| {
                out.extend(
                    (0..12_u8).map(|index| number.wrapping_mul(37) ^ index.wrapping_mul(41)),
                );
            },
        );
    }
    vec![plain, compressed, several_blocks]
}

fn model() -> MemoryLog {
    let mut model = MemoryLog::default();
    for batch in batches() {
        model.append(&batch).unwrap();
    }
    model
}

#[test]
fn blocks_of_format_1_are_read() {
    let disk = MemoryDisk::default();
    disk.overwrite("segments/0000000000000000001.log", BLOCKS_1.to_vec());
    assert!(tools::verify::verify_in(&disk, None).unwrap().is_clean());
    let stat = tools::stat_in(&disk).unwrap();
    assert_eq!((stat.blocks, stat.commits, stat.events), (6, 3, 34));
    let log = open(&disk, 2_048).unwrap();
    assert_eq!(
        collect(&log, Position::START),
        collect(&model(), Position::START)
    );
    assert_eq!(
        log.find_command(&CommandId([0xaa; 16])).unwrap().first,
        Position(1)
    );
    let digest = tools::digest(&log).unwrap();
    let expected = "b896d8a7e053318e993055de510693110d096c958afabca112006c22f73507a8";
    assert_eq!(digest.to_string(), expected);
}

#[test]
fn blocks_of_format_1_are_still_written() {
    let disk = MemoryDisk::default();
    let mut log = open(&disk, 2_048).unwrap();
    for batch in batches() {
        log.append(&batch).unwrap();
    }
    let contents = disk.contents("segments/0000000000000000001.log").unwrap();
    // Another version of the compressor may pack the second commit in another way.
    let plain = block_offsets(BLOCKS_1)[1];
    assert_eq!(contents[..plain], BLOCKS_1[..plain]);
}

#[test]
fn a_saved_state_of_format_1_is_read() {
    let disk = MemoryDisk::default();
    disk.overwrite("segments/0000000000000000001.log", BLOCKS_1.to_vec());
    disk.overwrite("states/fleet-0000000000000000002.state", STATE_1.to_vec());
    let log = open(&disk, 2_048).unwrap();
    let loaded = log.saved_states().load("fleet", 3);
    assert_eq!(
        loaded,
        Some((Position(2), b"a state, a state, a state".to_vec()))
    );
}
