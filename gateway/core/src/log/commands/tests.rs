use super::*;

fn key(number: usize) -> CommandKey {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&(number as u64).to_le_bytes());
    CommandKey {
        id: CommandId(id),
        body: number as u64 * 3,
    }
}

#[test]
fn a_command_ends_before_the_next_one_and_with_its_commit() {
    let mut window = Window::default();
    window.note(Position(1), None);
    window.note(Position(2), Some(&key(1)));
    window.note(Position(3), None);
    window.note(Position(4), Some(&key(2)));
    assert_eq!(window.find(&key(2).id), None);
    window.end_commit(Position(6));
    window.note(Position(7), None);
    window.end_commit(Position(7));
    let first = window.find(&key(1).id).unwrap();
    assert_eq!(
        (first.body, first.first, first.last),
        (3, Position(2), Position(3))
    );
    let second = window.find(&key(2).id).unwrap();
    assert_eq!(
        (second.first, second.last, second.count()),
        (Position(4), Position(6), 3)
    );
}

#[test]
fn the_window_forgets_the_oldest_at_its_bound() {
    let mut window = Window::default();
    let mut position = 0;
    let mut note = |window: &mut Window, number| {
        position += 1;
        window.note(Position(position), Some(&key(number)));
        window.end_commit(Position(position));
    };
    for number in 0..COMMAND_WINDOW {
        note(&mut window, number);
    }
    // Repeated, so it is the youngest, and its first turn no longer counts.
    note(&mut window, 1);
    assert!(window.find(&key(0).id).is_none());
    assert!(window.find(&key(1).id).is_some());
    note(&mut window, COMMAND_WINDOW);
    assert!(window.find(&key(1).id).is_some());
    assert!(window.find(&key(2).id).is_some());
    note(&mut window, COMMAND_WINDOW + 1);
    assert!(window.find(&key(2).id).is_none());
}

#[test]
fn chunks_restore_the_window() {
    let mut window = Window::default();
    for number in 0..COMMAND_CHUNK {
        let position = Position(number as u64 + 1);
        assert_eq!(window.take_chunk(), None);
        window.note(position, Some(&key(number)));
        window.end_commit(position);
    }
    let chunk = window.take_chunk().unwrap();
    assert_eq!(
        (chunk.after, chunk.up_to),
        (Position(0), Position(COMMAND_CHUNK as u64))
    );
    assert_eq!(window.take_rest(), None);
    let mut restored = Window::default();
    restored.restore(chunk);
    for number in 0..COMMAND_CHUNK {
        assert_eq!(restored.find(&key(number).id), window.find(&key(number).id));
    }
}
