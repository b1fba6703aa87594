use super::*;

fn header() -> Header {
    Header {
        last_of_commit: true,
        compression: Compression::Lz4,
        log_id: LogId([7; 16]),
        number: 12,
        first: Position(345),
        first_time: Timestamp(6_789),
        count: 10,
        raw_bytes: 500,
        payload_bytes: 400,
        before_in_commit: 2,
        previous_hash: [9; 16],
        payload_checksum: 0xdead_beef,
    }
}

#[test]
fn a_header_survives_encoding() {
    assert_eq!(Header::decode(&header().encode()), Ok(header()));
    assert_eq!(header().commit_number(), 10);
    assert_eq!(header().last(), Position(354));
}

#[test]
fn every_changed_bit_of_a_header_is_noticed() {
    let encoded = header().encode();
    for bit in 0..HEADER_BYTES * 8 {
        let mut changed = encoded;
        changed[bit / 8] ^= 1 << (bit % 8);
        Header::decode(&changed).unwrap_err();
    }
}

#[test]
fn zeros_are_no_block_and_later_formats_are_named() {
    let absent = Header::decode(&[0; HEADER_BYTES]);
    assert_eq!(absent, Err(NoHeader::Defect(Defect::Absent)));
    let mut later = header().encode();
    later[4] = 2;
    let damaged = Header::decode(&later);
    assert_eq!(damaged, Err(NoHeader::Defect(Defect::HeaderChecksum)));
    later[84] ^= 1;
    assert_eq!(Header::decode(&later), Err(NoHeader::Format(2)));
}

#[test]
fn implausible_headers_are_refused_though_their_checksum_is_right() {
    let empty = Header {
        count: 0,
        ..header()
    };
    let huge = Header {
        raw_bytes: u32::MAX,
        ..header()
    };
    let grown = Header {
        payload_bytes: 501,
        ..header()
    };
    let early = Header {
        before_in_commit: 12,
        ..header()
    };
    for header in [empty, huge, grown, early] {
        let refused = Header::decode(&header.encode());
        assert_eq!(refused, Err(NoHeader::Defect(Defect::Events)));
    }
}

#[test]
fn payloads_that_do_not_unpack_are_refused() {
    let mut out = vec![1, 2, 3];
    header().unpack(&[0xff; 400], &mut out).unwrap_err();
    let short = Header {
        compression: Compression::None,
        ..header()
    };
    short.unpack(&[0; 499], &mut out).unwrap_err();
    assert_eq!(out, [1, 2, 3]);
}
