use shipslog_domain::Timestamp;

use super::Agenda;

#[test]
fn entries_come_by_time_and_then_in_their_order() {
    let mut agenda = Agenda::default();
    for (at, entry) in [(5, 'd'), (1, 'a'), (5, 'e'), (1, 'b'), (3, 'c')] {
        agenda.put(Timestamp(at), entry);
    }
    let mut taken = Vec::new();
    while let Some(first) = agenda.first() {
        assert!(agenda.take_due(Timestamp(first.0 - 1)).is_none());
        let page = agenda.take_due(first).unwrap();
        taken.extend(page.iter().map(|entry| (first.0, *entry)));
        agenda.give_back(page);
    }
    assert_eq!(taken, [(1, 'a'), (1, 'b'), (3, 'c'), (5, 'd'), (5, 'e')]);
}

#[test]
fn a_page_that_is_used_again_is_empty() {
    let mut agenda = Agenda::default();
    agenda.put(Timestamp(1), 1);
    let page = agenda.take_due(Timestamp(1)).unwrap();
    agenda.give_back(page);
    agenda.put(Timestamp(2), 2);
    assert_eq!(agenda.take_due(Timestamp(2)), Some(vec![2]));
}
