use super::{Chunks, PIECE};

fn numbers(count: usize) -> Chunks<usize> {
    let mut chunks = Chunks::default();
    for number in 0..count {
        chunks.push(number);
    }
    chunks
}

#[test]
fn values_are_found_by_their_index_across_pieces() {
    for count in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 7] {
        let chunks = numbers(count);
        assert_eq!(chunks.len(), count);
        assert!(chunks.iter().copied().eq(0..count));
        assert_eq!(
            chunks.get(count.wrapping_sub(1)).copied(),
            count.checked_sub(1)
        );
        assert_eq!(chunks.get(count), None);
    }
}

#[test]
fn growing_moves_no_full_piece() {
    let mut chunks = numbers(PIECE);
    let first: *const usize = chunks.get(0).expect("there is a first value");
    for number in PIECE..5 * PIECE {
        chunks.push(number);
    }
    assert_eq!(first, chunks.get(0).expect("it is still there"));
}

#[test]
fn the_saved_form_is_that_of_a_vector() {
    let chunks = numbers(PIECE + 3);
    let vector: Vec<usize> = (0..PIECE + 3).collect();
    let bytes = minicbor::to_vec(&chunks).expect("memory takes all");
    assert_eq!(bytes, minicbor::to_vec(vector).expect("memory takes all"));
    let read: Chunks<usize> = minicbor::decode(&bytes).expect("it was written so");
    assert!(read.iter().eq(chunks.iter()));
}
