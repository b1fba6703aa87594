use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use super::*;

fn name(key: &str) -> Name {
    Name::parse(DEFAULT_BUCKET, key).expect("a valid key")
}

fn open() -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::open(&directory.path().join("artifacts")).expect("the store opens");
    (directory, store)
}

#[test]
fn names() {
    let long = "x".repeat(1_025);
    let deep = ["a"; 33].join("/");
    let wide = "x".repeat(256);
    let rows = [
        ("bucket", "key", true),
        (
            "shipslog-artifacts",
            "greengrass2/artifacts/a:b/a:b/certs.zip",
            true,
        ),
        ("a.b-c0", "ä/.hidden/x y", true),
        (DEFAULT_BUCKET, &["a"; 32].join("/"), true),
        ("ab", "key", false),
        ("Bucket", "key", false),
        (".tmp", "key", false),
        ("abc.", "key", false),
        ("a..b", "key", false),
        ("a/b", "key", false),
        (&"b".repeat(64), "key", false),
        ("bucket", "", false),
        ("bucket", "/key", false),
        ("bucket", "key/", false),
        ("bucket", "a//b", false),
        ("bucket", "../b", false),
        ("bucket", "a/../../b", false),
        ("bucket", "a/./b", false),
        ("bucket", "a\\b", false),
        ("bucket", "a\0b", false),
        ("bucket", &long, false),
        ("bucket", &deep, false),
        ("bucket", &wide, false),
    ];
    for (bucket, key, accepted) in rows {
        assert_eq!(
            Name::parse(bucket, key).is_ok(),
            accepted,
            "{bucket:?} {key:?}"
        );
    }
    let error = Name::parse("bucket", "../x").expect_err("a traversal");
    assert_eq!(error.field, "key");
    assert!(
        error.to_string().starts_with("key must have parts"),
        "{error}"
    );
}

#[test]
fn keys_of_cores_have_the_layout_of_cdf() {
    assert_eq!(
        core_certificates_key("core-a"),
        "greengrass2/artifacts/core-a/core-a/certs.zip"
    );
    assert_eq!(
        core_config_key("core-a"),
        "greengrass2/artifacts/core-a/core-a/installerConfig.yml"
    );
}

#[test]
fn what_is_put_can_be_read_replaced_and_removed() {
    let (_directory, store) = open();
    let file = name("a/b/file");
    assert_eq!(store.get(&file).expect("read"), None);
    store.put(&file, b"one", Readers::Everyone).expect("stored");
    assert_eq!(
        store.get(&file).expect("read").as_deref(),
        Some(b"one".as_slice())
    );
    store
        .put_deferred(&file, b"three", Readers::Service)
        .expect("stored");
    store.sync().expect("synced");
    assert_eq!(store.length(&file).expect("read"), Some(5));
    let mode = std::fs::metadata(store.path(&file))
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(store.remove(&file).expect("removed"));
    assert!(!store.remove(&file).expect("nothing to remove"));
    // The directories went with the file, so that a shorter key is free.
    store
        .put(&name("a/b"), b"", Readers::Everyone)
        .expect("stored");
    assert_eq!(store.get(&name("a/b")).expect("read"), Some(Vec::new()));
}

#[test]
fn a_key_within_a_key_is_refused_and_leaves_nothing() {
    let (_directory, store) = open();
    store
        .put(&name("a/b"), b"x", Readers::Everyone)
        .expect("stored");
    for key in ["a", "a/b/c"] {
        let error = store
            .put(&name(key), b"y", Readers::Everyone)
            .expect_err(key);
        assert!(matches!(error, Error::Taken(_)), "{key}: {error:?}");
        assert_eq!(store.get(&name(key)).expect("read"), None);
        assert_eq!(store.length(&name(key)).expect("read"), None);
    }
    let left = std::fs::read_dir(store.root.join(TEMPORARY)).expect("a directory");
    assert_eq!(left.count(), 0);
}

#[test]
fn opening_clears_interrupted_writes_and_keeps_the_rest() {
    let (directory, store) = open();
    store
        .put(&name("kept"), b"x", Readers::Everyone)
        .expect("stored");
    let orphan = store
        .write(b"half", Readers::Service, false)
        .expect("written");
    let again = Store::open(&directory.path().join("artifacts")).expect("reopened");
    assert!(!orphan.exists());
    assert!(again.get(&name("kept")).expect("read").is_some());
}

#[test]
fn writers_and_removers_at_once() {
    let (_directory, store) = open();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let store = &store;
            scope.spawn(move || {
                for round in 0..300 {
                    let file = name(&format!("deep/{}/{writer}", round % 3));
                    store
                        .put_deferred(&file, b"x", Readers::Everyone)
                        .expect("stored");
                    store.remove(&file).expect("removed");
                }
            });
        }
    });
}

#[test]
fn an_upload_appears_whole_with_the_digest_of_its_parts() {
    let (_directory, store) = open();
    let store = Arc::new(store);
    let file = name("firmware/2.bin");
    let mut upload = Upload::begin(&store, Readers::Everyone).expect("begun");
    for part in [b"a".as_slice(), b"", b"bc"] {
        upload.write(part).expect("written");
    }
    assert_eq!(store.get(&file).expect("read"), None);
    let before = store.changes();
    let stored = upload.finish(&file).expect("finished");
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!((stored.length, &*stored.etag), (3, abc));
    assert!(store.changes() > before);
    let opened = store.open_artifact(&file).expect("read").expect("there");
    assert_eq!((opened.length, &*opened.etag), (3, abc));
    assert_eq!(io::read_to_string(opened.file).expect("read"), "abc");
}

#[test]
fn an_upload_that_is_given_up_leaves_nothing_and_replaces_nothing() {
    let (_directory, store) = open();
    let store = Arc::new(store);
    let file = name("kept");
    store.put(&file, b"old", Readers::Everyone).expect("stored");
    let mut upload = Upload::begin(&store, Readers::Everyone).expect("begun");
    upload.write(b"new").expect("written");
    drop(upload);
    let mut upload = Upload::begin(&store, Readers::Everyone).expect("begun");
    upload.write(b"new").expect("written");
    let error = upload.finish(&name("kept/within")).expect_err("taken");
    assert!(matches!(error, Error::Taken(_)), "{error:?}");
    let left = std::fs::read_dir(store.root.join(TEMPORARY)).expect("a directory");
    assert_eq!(left.count(), 0);
    assert_eq!(
        store.get(&file).expect("read").as_deref(),
        Some(b"old".as_slice())
    );
}

#[test]
fn digests_of_large_files_are_kept_for_as_long_as_they_are_theirs() {
    let (_directory, store) = open();
    let store = Arc::new(store);
    let file = name("large");
    let kept = || std::fs::read_dir(store.root.join(".digests")).expect("a directory");
    let etag = || {
        store
            .open_artifact(&file)
            .expect("read")
            .expect("there")
            .etag
    };
    let content = vec![7; 1024 * 1024];
    let mut upload = Upload::begin(&store, Readers::Everyone).expect("begun");
    upload.write(&content).expect("written");
    let stored = upload.finish(&file).expect("finished");
    let entry = kept().next().expect("an entry").expect("readable").path();
    assert_eq!(etag(), stored.etag);
    // An entry of another file, half an entry, and none at all: the content decides.
    let text = std::fs::read_to_string(&entry).expect("an entry");
    for broken in [
        text.replacen(' ', " 1", 1),
        text[..70].to_owned(),
        String::new(),
    ] {
        std::fs::write(&entry, broken).expect("written");
        assert_eq!(etag(), stored.etag);
        assert_eq!(std::fs::read_to_string(&entry).expect("an entry"), text);
    }
    // An entry that is believed shows that the content was not read.
    let forged = text.replacen(&text[..64], &"0".repeat(64), 1);
    std::fs::write(&entry, forged).expect("written");
    assert_eq!(*etag(), *"0".repeat(64));
    store
        .put(&file, &vec![8; 1024 * 1024], Readers::Everyone)
        .expect("stored");
    assert!(![stored.etag, "0".repeat(64).into()].contains(&etag()));
    assert!(store.remove(&file).expect("removed"));
    assert_eq!(kept().count(), 0);
}
