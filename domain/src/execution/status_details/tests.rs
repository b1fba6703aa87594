use proptest::prelude::*;

use super::Packed;
use crate::execution::Details;

proptest! {
    #[test]
    fn what_was_packed_is_read_again(
        details in prop::collection::vec(("\\PC{0,20}", "\\PC{0,300}"), 0..6)
    ) {
        let details: Details = details
            .into_iter()
            .map(|(key, value)| (key.into(), value.into()))
            .collect();
        let packed = Packed::new(&details);
        let read: Vec<(&str, &str)> = packed.as_details().iter().collect();
        let given: Vec<(&str, &str)> = details.iter().map(|(key, value)| (&**key, &**value)).collect();
        prop_assert_eq!(&read, &given);
        prop_assert_eq!(packed.as_details().is_empty(), details.is_empty());
        for (key, _) in &given {
            let first = given.iter().find(|(other, _)| other == key).map(|(_, value)| *value);
            prop_assert_eq!(packed.as_details().get(key), first);
        }
        let bytes = minicbor::to_vec(&packed).expect("memory takes all");
        prop_assert_eq!(minicbor::decode::<Packed>(&bytes).ok(), Some(packed));
    }
}

#[test]
fn damaged_bytes_end_the_list() {
    for bytes in [&[5, b'a'][..], &[0x80], &[1, b'a'], &[1, 0xff, 0]] {
        assert_eq!(super::StatusDetails(bytes).iter().count(), 0);
    }
}
