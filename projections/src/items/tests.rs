use shipslog_domain::Timestamp;
use shipslog_domain::core_task::{Outcome, Status};

use super::{End, Items};
use crate::interner::Interner;

fn end(outcome: Outcome, message: Option<&str>) -> End<'_> {
    let at = Timestamp(5);
    End {
        outcome,
        message,
        at,
    }
}

#[test]
fn batches_are_complete_when_all_their_items_have_ended() {
    let (mut items, mut texts) = (Items::default(), Interner::default());
    assert_eq!(items.batches(20, 0), (0, 0));
    assert_eq!(items.batches(20, 1), (1, 1));
    for core in 0..45 {
        items.push(core);
    }
    assert_eq!(items.batches(20, 0), (3, 0));
    for index in 0..20 {
        items.finish(index, 20, &end(Outcome::Success, None), &mut texts);
        items.finish(index, 20, &end(Outcome::Failure, None), &mut texts);
    }
    assert_eq!(items.batches(20, 0), (3, 1));
    assert_eq!(items.failed(), 0, "an item ends once");
    for index in 40..45 {
        items.finish(index, 20, &end(Outcome::Failure, Some("no")), &mut texts);
    }
    assert_eq!(items.batches(20, 0), (3, 2));
    assert_eq!(items.batches(20, 20), (4, 3));
    assert_eq!(items.failed(), 5);
    let item = items.view(44, "c", Timestamp(1), &texts);
    assert_eq!((item.status, item.message), (Status::Failure, Some("no")));
}

#[test]
fn items_by_core_may_come_out_of_order() {
    let (mut items, mut texts) = (Items::default(), Interner::default());
    for core in [5, 9] {
        items.insert(core, 2);
    }
    items.finish(1, 2, &end(Outcome::Success, None), &mut texts);
    for core in [1, 9] {
        items.insert(core, 2);
    }
    assert_eq!(items.cores().collect::<Vec<_>>(), [1, 5, 9]);
    assert_eq!(items.find(9), Some(2));
    assert_eq!(items.batches(2, 0), (2, 1));
}
