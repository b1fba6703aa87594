use shipslog_domain::Timestamp;

use super::{Cell, Column, IdSet, Moment, PIECE};
use crate::projection::{decode, encode};

record! {
    /// A record of every size.
    Sample {
        /// One byte.
        small: u8,
        /// Four bytes.
        middle: u32,
        /// Six bytes.
        at: Moment,
    }
}

#[test]
fn a_column_reads_zero_past_its_end_and_survives_saving() {
    let mut column = Column::default();
    let sample = Sample {
        small: 7,
        middle: 70_000,
        at: Timestamp(0).into(),
    };
    column.set(3, sample);
    assert_eq!(column.get(1), Sample::ZERO);
    assert_eq!(column.get(9), Sample::ZERO);
    assert_eq!(column.get(3).at.get(), Some(Timestamp(0)));
    assert_eq!(column.len(), 4);

    let mut bytes = Vec::new();
    encode(&column, &mut bytes);
    assert_eq!(decode::<Column<Sample>>(1, 1, &bytes), Some(column));
    assert_eq!(decode::<Column<Sample>>(2, 1, &bytes), None);
    bytes.pop();
    assert_eq!(decode::<Column<Sample>>(1, 1, &bytes), None);
}

#[test]
fn a_column_is_a_vector_that_never_moves_a_full_piece() {
    let mut column = Column::default();
    let mut vector: Vec<u32> = Vec::new();
    for value in 0..3 * PIECE {
        let value = u32::try_from(value).expect("a small number");
        assert_eq!(column.push(value), value);
        vector.push(value);
    }
    let first: *const u32 = column.at(0);
    column.set(40_000, 7);
    vector.resize(40_000, 0);
    vector.push(7);
    assert_eq!(first, std::ptr::from_mut(column.at(0)).cast_const());
    assert!(column.iter().eq(&vector));
    for _ in 0..30_000 {
        assert_eq!(column.pop(), vector.pop());
    }
    assert_eq!(column.len() as usize, vector.len());
    assert_eq!(column.last(), vector.last());
    for wanted in [0, 1, 4_095, 4_096, 10_000, 10_900, u32::MAX] {
        let found = column.find_sorted(&wanted, |value| *value);
        assert_eq!(
            found.map(|at| at as usize),
            vector.binary_search(&wanted).ok()
        );
    }
}

#[test]
fn a_moment_holds_its_time_to_the_millisecond() {
    for time in [0, 1, 1_700_000_000_123, (1 << 48) - 2] {
        assert_eq!(Moment::from(Timestamp(time)).get(), Some(Timestamp(time)));
    }
    assert_eq!(Moment::NONE.get(), None);
    let latest = Moment::from(Timestamp(u64::MAX)).get();
    assert_eq!(latest, Some(Timestamp((1 << 48) - 2)));
}

#[test]
fn a_set_of_ids_survives_saving() {
    let set = IdSet((0..10_000).chain([1 << 31]).collect());
    let mut bytes = Vec::new();
    encode(&set, &mut bytes);
    assert_eq!(decode::<IdSet>(1, 1, &bytes), Some(set));
    assert_eq!(decode::<IdSet>(1, 1, &[0x41, 0]), None);
}
