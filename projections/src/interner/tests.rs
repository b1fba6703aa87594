use super::{Interner, Slab};
use crate::projection::{decode, encode};

#[test]
fn the_same_string_has_one_number_until_its_last_use() {
    let mut interner = Interner::default();
    let a = interner.acquire(b"a");
    let b = interner.acquire(b"b");
    assert_ne!(a, b);
    assert_eq!(interner.acquire(b"a"), a);
    assert_eq!(interner.acquire(b""), 0);
    interner.release(a);
    assert_eq!(interner.get(a), b"a");
    interner.release(a);
    interner.release(0);
    assert_eq!(interner.get(a), b"");
    assert_eq!(interner.iter().collect::<Vec<_>>(), [(b, &b"b"[..], 1)]);
    assert_eq!(interner.acquire(b"c"), a, "a free number is used again");
}

#[test]
fn an_interner_continues_after_loading() {
    let mut interner = Interner::default();
    let numbers: Vec<u32> = (0..500_u32)
        .map(|n| interner.acquire(&(n % 300 + 1).to_le_bytes()))
        .collect();
    interner.release(*numbers.first().expect("500 of them"));
    interner.release(*numbers.last().expect("500 of them"));
    interner.release(*numbers.get(299).expect("500 of them"));
    let mut bytes = Vec::new();
    encode(&interner, &mut bytes);
    let mut loaded: Interner = decode(1, 1, &bytes).expect("what was saved");
    for n in [1_u32, 5, 300, 1_000] {
        let text = n.to_le_bytes();
        assert_eq!(loaded.acquire(&text), interner.acquire(&text));
    }
    let mut again = Vec::new();
    encode(&interner, &mut bytes.split_off(0));
    encode(&loaded, &mut again);
    encode(&interner, &mut bytes);
    assert_eq!(again, bytes);
}

#[test]
fn a_slab_gives_each_owner_its_string() {
    let mut slab = Slab::default();
    let a = slab.replace(0, b"same");
    let b = slab.replace(0, b"same");
    assert_ne!(a, b);
    assert_eq!(slab.replace(a, b"other"), a);
    assert_eq!(slab.replace(b, b""), 0);
    assert_eq!(slab.get(a), b"other");
    assert_eq!(slab.get(0), b"");
    assert_eq!(slab.replace(0, b"new"), b);
    let mut bytes = Vec::new();
    encode(&slab, &mut bytes);
    let loaded: Slab = decode(1, 1, &bytes).expect("what was saved");
    assert_eq!(loaded.get(b), b"new");
}
