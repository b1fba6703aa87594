use super::Named;

#[test]
fn a_name_is_free_after_a_deletion_and_a_number_is_not() {
    let mut all = Named::default();
    all.insert(all.next(), "a", 1);
    all.insert(all.next(), "b", 2);
    assert_eq!(all.find("b"), Some((1, &2)));
    all.remove(0);
    assert_eq!((all.len(), all.find("a"), all.get(0)), (1, None, None));
    all.insert(all.next(), "a", 3);
    assert_eq!(all.find("a"), Some((2, &3)));
    if let Some(item) = all.get_mut(2) {
        *item = 4;
    }
    assert_eq!(all.after(None).collect::<Vec<_>>(), [("a", &4), ("b", &2)]);
    assert_eq!(all.after(Some("a")).collect::<Vec<_>>(), [("b", &2)]);
    assert_eq!(all.before(None).collect::<Vec<_>>(), [("b", &2), ("a", &4)]);
    assert_eq!(all.before(Some("b")).collect::<Vec<_>>(), [("a", &4)]);
}

#[test]
fn a_saved_set_is_read_back_with_its_gaps() {
    let mut all = Named::default();
    for name in ["a", "b", "c"] {
        all.insert(all.next(), name, name.len());
    }
    all.remove(1);
    let bytes = minicbor::to_vec(&all).expect("memory takes it");
    let read: Named<usize> = minicbor::decode(&bytes).expect("what was saved");
    assert_eq!((read.next(), read.len()), (3, 2));
    assert_eq!(read.find("c"), Some((2, &1)));
    assert_eq!(read.find("b"), None);
}
