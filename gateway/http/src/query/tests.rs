use super::Query;

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
