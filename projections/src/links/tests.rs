use super::Links;

fn of(links: &Links, key: u32) -> Vec<u32> {
    links.of(key).collect()
}

#[test]
fn links_keep_the_order_of_insertion() {
    let mut links = Links::default();
    for value in [5, 0, 5, 7, 0] {
        links.insert(3, value);
    }
    links.insert(4, 0);
    assert_eq!(of(&links, 3), [5, 0, 7]);
    links.remove(3, 5);
    assert_eq!(of(&links, 3), [0, 7]);
    links.remove(3, 9);
    assert_eq!(of(&links, 3), [0, 7]);
    assert_eq!(links.take(3), [0, 7]);
    assert!(of(&links, 3).is_empty());
    assert_eq!(of(&links, 4), [0]);
    assert!(of(&links, 99).is_empty());
}
