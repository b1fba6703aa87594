use super::{Plus, decode, encode};

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
fn encodes_all_but_what_is_unreserved_or_kept() {
    assert_eq!(encode("a b/ä+.json", "/"), "a%20b/%C3%A4%2B.json");
    assert_eq!(encode("a/b?c=~", ""), "a%2Fb%3Fc%3D~");
}
