use super::*;

fn disk_with(path: &str, durable: &[u8]) -> (MemoryDisk, Arc<dyn StoredFile>) {
    let disk = MemoryDisk::default();
    let file = disk.create(path, 0, &|| true).unwrap();
    file.write_at(0, durable).unwrap();
    file.sync_data().unwrap();
    disk.sync_directory("d").unwrap();
    (disk, file)
}

#[test]
fn synced_data_survives_every_crash() {
    let (disk, file) = disk_with("d/a", &[7; 2000]);
    file.write_at(600, &[8; 1200]).unwrap();
    for crash in [Crash::Drop, Crash::Tear, Crash::Reorder] {
        for seed in 0..200 {
            let contents = disk.snapshot().crash(crash, seed).contents("d/a").unwrap();
            assert_eq!(contents.len(), 2000);
            assert!(contents[..600].iter().all(|byte| *byte == 7));
            assert!(contents[1800..].iter().all(|byte| *byte == 7));
            let torn = contents[600..1800].chunks(8).any(|part| part[0] == 8);
            assert!(crash != Crash::Drop || !torn);
        }
    }
}

#[test]
fn a_tear_keeps_whole_sectors() {
    let (disk, file) = disk_with("d/a", &[0; 4096]);
    file.write_at(100, &[9; 3000]).unwrap();
    let mut outcomes = BTreeSet::new();
    for seed in 0..500 {
        let contents = disk.snapshot().crash(Crash::Tear, seed).contents("d/a");
        let contents = contents.unwrap();
        for sector in contents[512..2560].chunks(SECTOR_BYTES) {
            assert!(sector.iter().all(|byte| *byte == sector[0]));
        }
        outcomes.insert(contents);
    }
    assert!(outcomes.len() > 20, "{} outcomes", outcomes.len());
}

#[test]
fn names_are_lost_until_the_directory_is_synced() {
    let (disk, _file) = disk_with("d/a", b"x");
    disk.rename("d/a", "d/b").unwrap();
    let crashed = disk.snapshot().crash(Crash::Drop, 1);
    assert_eq!(crashed.list("d").unwrap(), ["a"]);
    disk.sync_directory("d").unwrap();
    let crashed = disk.snapshot().crash(Crash::Drop, 1);
    assert_eq!(crashed.list("d").unwrap(), ["b"]);
    disk.remove("d/b").unwrap();
    let crashed = disk.snapshot().crash(Crash::Drop, 1);
    assert_eq!(crashed.list("d").unwrap(), ["b"]);
}

#[test]
fn faults_are_what_they_say() {
    let (disk, file) = disk_with("d/a", &[1; 100]);
    disk.set_faults(Faults {
        capacity: Some(150),
        syncs_before_failure: Some(1),
    });
    file.write_at(100, &[1; 50]).unwrap();
    let full = file.write_at(150, &[1]).unwrap_err();
    assert!(super::super::is_disk_full(&full));
    file.sync_data().unwrap();
    file.sync_data().unwrap_err();
}

#[test]
fn a_lock_excludes_until_dropped() {
    let disk = MemoryDisk::default();
    let lock = disk.lock("lock").unwrap();
    let refused = disk.lock("lock").unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
    drop(lock);
    disk.lock("lock").unwrap();
}
