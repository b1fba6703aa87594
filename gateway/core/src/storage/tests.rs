//! Both storages do the same.

use super::*;

fn check_contract(storage: &dyn Storage) {
    for directory in ["", "d"] {
        storage.create_directory(directory).unwrap();
        storage.create_directory(directory).unwrap();
    }
    assert_eq!(storage.list("d").unwrap(), [""; 0]);
    assert_eq!(storage.list("missing").unwrap(), [""; 0]);

    let file = storage.create("d/b", 1_000_000, &|| true).unwrap();
    assert_eq!(file.length().unwrap(), 1_000_000);
    let mut read = [1; 100];
    file.read_at(999_900, &mut read).unwrap();
    assert_eq!(read, [0; 100]);
    let past = file.read_at(999_901, &mut read).unwrap_err();
    assert_eq!(past.kind(), io::ErrorKind::UnexpectedEof);

    file.write_at(999_990, &[7; 20]).unwrap();
    file.sync_data().unwrap();
    assert_eq!(file.length().unwrap(), 1_000_010);
    file.reserve(10).unwrap();
    assert_eq!(file.length().unwrap(), 1_000_010);
    file.reserve(1_000_020).unwrap();
    file.truncate(1_000_000).unwrap();
    assert_eq!(file.length().unwrap(), 1_000_000);

    storage
        .create("d/a", 0, &|| true)
        .unwrap()
        .write_at(0, b"a")
        .unwrap();
    assert_eq!(storage.list("d").unwrap(), ["a", "b"]);
    storage.rename("d/b", "d/a").unwrap();
    storage.sync_directory("d").unwrap();
    assert_eq!(storage.list("d").unwrap(), ["a"]);
    let file = storage.open("d/a", Access::Read).unwrap();
    file.read_at(999_990, &mut read[..10]).unwrap();
    assert_eq!(read[..10], [7; 10]);
    let emptied = storage.create("d/a", 0, &|| true).unwrap();
    assert_eq!(emptied.length().unwrap(), 0);
    let reserved = storage.create("d/a", 5_000_000, &|| false).unwrap();
    assert_eq!(reserved.length().unwrap(), 5_000_000);
    storage.remove("d/a").unwrap();
    let removed = storage.remove("d/a").unwrap_err();
    assert_eq!(removed.kind(), io::ErrorKind::NotFound);
    let missing = storage.open("d/a", Access::Write).unwrap_err();
    assert_eq!(missing.kind(), io::ErrorKind::NotFound);

    let lock = storage.lock("lock").unwrap();
    let held = storage.lock("lock").unwrap_err();
    assert_eq!(held.kind(), io::ErrorKind::WouldBlock);
    drop(lock);
    storage.lock("lock").unwrap();
}

#[test]
fn the_file_system_keeps_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    check_contract(&FileStorage::new(directory.path().join("new/data")));
}

#[test]
fn the_disk_in_memory_keeps_the_contract() {
    check_contract(&MemoryDisk::default());
}
