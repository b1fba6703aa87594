use super::{Plus, Query, decode};

#[test]
fn decodes_what_clients_send() {
    let cases = [
        ("a%3Ab", "a:b"),
        ("%24next", "$next"),
        ("a+b", "a b"),
        ("100%", "100%"),
        ("%zz%4", "%zz%4"),
        ("%C3%A9", "é"),
        ("%ff", "\u{fffd}"),
    ];
    for (text, expected) in cases {
        assert_eq!(decode(text, Plus::Space), expected);
    }
    assert_eq!(decode("a+b", Plus::Itself), "a+b");
}

#[test]
fn parameters_given_twice_are_refused_where_one_is_meant() {
    let query = Query::parse("count=1&tag=a&tag=b&empty&force=true&other=TRUE");
    assert_eq!(query.one("count").unwrap(), Some("1"));
    assert_eq!(query.one("empty").unwrap(), Some(""));
    assert_eq!(query.one("absent").unwrap(), None);
    assert!(query.one("tag").is_err());
    assert_eq!(query.all("tag").collect::<Vec<_>>(), ["a", "b"]);
    assert!(query.flag("force").unwrap());
    assert!(!query.flag("absent").unwrap());
    assert!(query.flag("other").is_err());
}
