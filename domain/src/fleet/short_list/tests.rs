use proptest::prelude::*;

use super::ShortList;

#[test]
fn a_list_is_two_words() {
    assert_eq!(size_of::<ShortList<u32>>(), 16);
}

proptest! {
    #[test]
    fn lists_hold_what_vectors_hold(changes in prop::collection::vec((0..3_u8, 0..6_u32), 0..60)) {
        let mut list = ShortList::default();
        let mut vector: Vec<u32> = Vec::new();
        for (change, value) in changes {
            match change {
                0 => {
                    list.push(value);
                    vector.push(value);
                }
                1 => {
                    list.remove(value);
                    vector.retain(|other| *other != value);
                }
                _ => {
                    vector.sort_unstable();
                    vector.dedup();
                    list = vector.clone().into();
                    list.insert_sorted(value);
                    if let Err(index) = vector.binary_search(&value) {
                        vector.insert(index, value);
                    }
                }
            }
            prop_assert_eq!(&*list, vector.as_slice());
            prop_assert_eq!(&list, &ShortList::from(vector.clone()));
        }
        let bytes = minicbor::to_vec(&list).expect("memory takes all");
        prop_assert_eq!(&bytes, &minicbor::to_vec(&vector).expect("memory takes all"));
        prop_assert_eq!(minicbor::decode::<ShortList<u32>>(&bytes).ok(), Some(list));
    }
}
