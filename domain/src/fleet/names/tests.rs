use super::{NameTable, PIECE};

#[test]
fn names_keep_their_numbers_across_pieces_and_saved_states() {
    let mut names = NameTable::default();
    let count = u32::try_from(2 * PIECE + 5).expect("a small number");
    for number in 0..count {
        assert_eq!(names.find(&format!("thing-{number}")), None);
        assert_eq!(names.intern(&format!("thing-{number}")), number);
    }
    assert_eq!(names.intern("thing-7"), 7);
    let bytes = minicbor::to_vec(&names).expect("memory takes all");
    let read: NameTable = minicbor::decode(&bytes).expect("it was written so");
    for names in [names, read] {
        assert_eq!(names.len(), count);
        for number in 0..count {
            let name = format!("thing-{number}");
            assert_eq!(names.get(number), name);
            assert_eq!(names.find(&name), Some(number));
        }
        assert_eq!(names.find("thing"), None);
    }
}
