use super::{Kind, open, seal};

const KINDS: [Kind; 5] = [
    Kind::Stack,
    Kind::Layer,
    Kind::App,
    Kind::Instance,
    Kind::Command,
];

#[test]
fn ids_are_opened_by_their_kind_only() {
    let numbers = [0, 1, 2, 77, 1_000_000, u32::MAX];
    for first in numbers {
        for second in numbers {
            for kind in KINDS {
                let id = seal(kind, first, second);
                for other in KINDS {
                    let opened = open(other, &id);
                    assert_eq!(opened, (other == kind).then_some((first, second)), "{id}");
                }
            }
        }
    }
}

#[test]
fn ids_have_the_form_of_a_uuid() {
    assert_eq!(
        [
            seal(Kind::Stack, 0, 0),
            seal(Kind::Stack, 1, 0),
            seal(Kind::Command, 0, 0)
        ]
        .map(|id| id.split('-').map(str::len).collect::<Vec<_>>()),
        [const { [8, 4, 4, 4, 12] }; 3].map(Vec::from)
    );
    let id = seal(Kind::App, 3, 0);
    let version = id.as_bytes()[14];
    let variant = id.as_bytes()[19];
    assert_eq!(version, b'8');
    assert!(b"89ab".contains(&variant), "{id}");
}

#[test]
fn what_is_no_id_opens_to_nothing() {
    let id = seal(Kind::Stack, 5, 0);
    let longer = format!("{id}0");
    let upper = id.to_uppercase();
    let mut other = id.clone();
    other.replace_range(0..1, if id.starts_with('0') { "1" } else { "0" });
    for wrong in [
        "",
        "stack",
        "é-\u{1f600}",
        longer.as_str(),
        &upper,
        &other,
        &id.replace('-', ""),
    ] {
        assert_eq!(open(Kind::Stack, wrong), None, "{wrong}");
    }
}
