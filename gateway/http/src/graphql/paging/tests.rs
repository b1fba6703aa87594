use super::*;

#[test]
fn a_cursor_comes_back_as_it_was() {
    let cursor = Cursor::text(List::Things, "pump-7").encode();
    assert_eq!(
        text(List::Things, "after", Some(&cursor))
            .unwrap()
            .as_deref(),
        Some("pump-7")
    );
    let cursor = Cursor::number(List::Events, 17).encode();
    assert_eq!(
        number(List::Events, "after", Some(&cursor)).unwrap(),
        Some(17)
    );
    assert_eq!(number(List::Events, "after", None).unwrap(), None);
}

#[test]
fn a_cursor_is_refused_unless_this_list_made_it() {
    let good = Cursor::text(List::Things, "pump-7").encode();
    let mut flipped = good.clone();
    flipped.replace_range(4..5, if &good[4..5] == "0" { "1" } else { "0" });
    let long = "0".repeat(CURSOR_CHARACTERS_MAX + 2);
    let other = Cursor::text(List::Jobs, "pump-7").encode();
    for bad in [
        "",
        "0",
        "zz",
        "pump-7",
        "é€",
        &good[2..],
        &flipped,
        &long,
        &other,
    ] {
        let error = text(List::Things, "after", Some(bad)).unwrap_err();
        let code = error
            .extensions
            .as_ref()
            .and_then(|values| values.get("code"));
        assert_eq!(
            code,
            Some(&async_graphql::Value::from("BAD_CURSOR")),
            "{bad}"
        );
        assert!(error.message.starts_with("after: "), "{}", error.message);
    }
    let name = Cursor::text(List::Events, "not a number").encode();
    assert!(number(List::Events, "after", Some(&name)).is_err());
}

#[test]
fn page_sizes_are_bounded() {
    assert_eq!(page_size(None).unwrap(), PAGE_DEFAULT);
    assert_eq!(page_size(Some(1)).unwrap(), 1);
    assert_eq!(page_size(Some(1_000)).unwrap(), PAGE_MAX);
    for bad in [0, -1, 1_001, i32::MAX, i32::MIN] {
        assert!(page_size(Some(bad)).is_err(), "{bad}");
    }
}
