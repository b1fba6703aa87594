use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Mutex as StdMutex, PoisonError};
use std::time::Duration;

use super::*;
use crate::artifacts::Readers;

/// An endpoint that knows ranges and conditions, as S3 does; it ends with its last client.
#[derive(Default)]
struct Endpoint3 {
    /// By path: ETag and content.
    files: StdMutex<BTreeMap<String, (String, Vec<u8>)>>,
    /// Status, and range, of each answer.
    answers: StdMutex<Vec<(u16, String)>>,
    /// Answers nothing but this, where it is given.
    only: StdMutex<Option<u16>>,
}

fn lock<T>(mutex: &StdMutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Endpoint3 {
    fn start() -> (Arc<Self>, Endpoint) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it listens");
        let endpoint = Arc::new(Self::default());
        let serving = Arc::clone(&endpoint);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serving.answer(&stream).ok();
            }
        });
        let parsed = Endpoint::parse(&format!("http://{address}"), "us-east-1", None);
        (endpoint, parsed.expect("an address"))
    }

    fn put(&self, path: &str, etag: &str, content: &[u8]) {
        lock(&self.files).insert(path.to_owned(), (etag.to_owned(), content.to_vec()));
    }

    fn answered(&self) -> Vec<(u16, String)> {
        lock(&self.answers).clone()
    }

    fn answer(&self, mut stream: &TcpStream) -> io::Result<()> {
        let mut lines = BufReader::new(stream).lines();
        let request = lines.next().transpose()?.unwrap_or_default();
        let lines = lines.map_while(Result::ok);
        let headers: BTreeMap<String, String> = lines
            .take_while(|line| !line.is_empty())
            .filter_map(|line| {
                let (name, value) = line.split_once(':')?;
                Some((name.to_ascii_lowercase(), value.trim().to_owned()))
            })
            .collect();
        let path = request.split(' ').nth(1).unwrap_or_default();
        let range = headers.get("range").cloned().unwrap_or_default();
        let found = lock(&self.files).get(path).cloned();
        let (status, etag, body, shown) = match (*lock(&self.only), found) {
            (Some(status), _) => (status, String::new(), Vec::new(), String::new()),
            (None, None) => (404, String::new(), Vec::new(), String::new()),
            (None, Some((etag, content))) => {
                let quoted = format!("\"{etag}\"");
                let bounds = range.strip_prefix("bytes=").and_then(|range| {
                    let (first, last) = range.split_once('-')?;
                    let last = last.parse::<usize>().ok()? + 1;
                    Some((first.parse::<usize>().ok()?, last.min(content.len())))
                });
                match bounds {
                    _ if headers.get("if-none-match") == Some(&quoted) => {
                        (304, etag, Vec::new(), String::new())
                    }
                    _ if headers.get("if-match").is_some_and(|tag| *tag != quoted) => {
                        (412, etag, Vec::new(), String::new())
                    }
                    Some((first, last)) if first < last => {
                        let shown = format!(
                            "content-range: bytes {first}-{}/{}\r\n",
                            last - 1,
                            content.len()
                        );
                        (206, etag, content[first..last].to_vec(), shown)
                    }
                    Some(_) => (416, etag, Vec::new(), String::new()),
                    None => (200, etag, content, String::new()),
                }
            }
        };
        lock(&self.answers).push((status, range));
        write!(
            stream,
            "HTTP/1.1 {status} -\r\netag: \"{etag}\"\r\n{shown}content-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        )?;
        stream.write_all(&body)
    }
}

struct Bench {
    directory: tempfile::TempDir,
    store: Arc<Store>,
    objects: Objects,
}

impl Bench {
    fn new(endpoint: Option<Endpoint>) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Store::open(&directory.path().join("artifacts")).expect("the store opens");
        let store = Arc::new(store);
        let fetched = directory.path().join("fetched");
        let objects = Objects::open(Arc::clone(&store), endpoint, &fetched).expect("it opens");
        Self {
            directory,
            store,
            objects,
        }
    }

    fn put(&self, key: &str, content: &[u8]) {
        let name = Name::parse("firmware", key).expect("a valid name");
        self.store
            .put(&name, content, Readers::Everyone)
            .expect("stored");
    }

    async fn all(&self, object: &Object) -> Vec<u8> {
        let mut out = Vec::new();
        let read = self.objects.read(object, 0..object.length(), &mut out);
        read.await.expect("readable");
        out
    }
}

fn named(key: &str) -> S3Object {
    S3Object {
        bucket: "firmware".into(),
        key: key.into(),
        version: None,
    }
}

/// Bytes of which no two parts are the same.
fn content(length: usize, seed: u8) -> Vec<u8> {
    let bytes = (0..length).map(|at| ((at / 251) ^ (at % 251)).to_le_bytes()[0] ^ seed);
    bytes.collect()
}

#[tokio::test]
async fn every_part_of_an_artifact_can_be_read_and_is_read_from_the_disk_once() {
    let bench = Bench::new(None);
    let bytes = content(3 * 128 * 1024 + 77, 1);
    bench.put("a.bin", &bytes);
    let object = bench.objects.find(&named("a.bin")).await.expect("there");
    assert_eq!(object.length(), bytes.len() as u64);
    for (from, to) in [
        (0, 1),
        (131_071, 131_073),
        (1, 393_216),
        (393_216, 393_293),
        (5, 5),
    ] {
        let mut out = vec![9];
        bench
            .objects
            .read(&object, from..to, &mut out)
            .await
            .expect("readable");
        let range = usize::try_from(from).expect("small")..usize::try_from(to).expect("small");
        assert_eq!(out[1..], bytes[range], "{from}..{to}");
    }
    let past = 0..object.length() + 1;
    let past = bench.objects.read(&object, past, &mut Vec::new()).await;
    assert_eq!(past, Err(Unavailable::Failed));
    let readers = (0..50).map(|_| {
        let (objects, object) = (bench.objects.clone(), object.clone());
        tokio::spawn(async move {
            let mut out = Vec::new();
            objects
                .read(&object, 0..object.length(), &mut out)
                .await
                .map(|()| out)
        })
    });
    for reader in readers.collect::<Vec<_>>() {
        assert_eq!(reader.await.expect("no panic").as_ref(), Ok(&bytes));
    }
    let figures = bench.objects.figures();
    assert_eq!(
        (figures.misses, figures.held_bytes),
        (4, bytes.len() as u64)
    );
    assert!(figures.hits > 200, "{figures:?}");
}

#[tokio::test]
async fn an_artifact_is_looked_at_again_as_soon_as_it_changes_and_stays_readable_as_it_was() {
    let bench = Bench::new(None);
    let wanted = named("a.bin");
    let find = || bench.objects.find(&wanted);
    assert_eq!(find().await, Err(Unavailable::Absent));
    bench.put("a.bin", b"one");
    let one = find().await.expect("there");
    assert_eq!(
        *one.etag(),
        *bench.objects.etag(&named("a.bin")).await.expect("there")
    );
    // Another artifact does not make this one another.
    bench.put("b.bin", b"other");
    assert_eq!(find().await.as_ref(), Ok(&one));
    bench.put("a.bin", b"two");
    let two = find().await.expect("there");
    assert_ne!(one.etag(), two.etag());
    assert_eq!(bench.all(&one).await, b"one");
    assert_eq!(bench.all(&two).await, b"two");
    bench.put("a.bin", b"one");
    assert_eq!(find().await.expect("there").etag(), one.etag());
    let name = Name::parse("firmware", "a.bin").expect("a valid name");
    bench.store.remove(&name).expect("removed");
    assert_eq!(find().await, Err(Unavailable::Absent));
    let version = S3Object {
        version: Some("3".into()),
        ..named("b.bin")
    };
    assert_eq!(bench.objects.find(&version).await, Err(Unavailable::Absent));
}

#[tokio::test]
async fn a_file_of_the_endpoint_is_fetched_once_in_parts_and_outlives_a_restart() {
    let (endpoint, address) = Endpoint3::start();
    let bytes = content(20 * 1024 * 1024 + 5, 2);
    endpoint.put("/firmware/big.bin", "v1", &bytes);
    endpoint.put("/firmware/empty", "e", b"");
    let bench = Bench::new(Some(address.clone()));
    let finders = (0..20).map(|_| {
        let objects = bench.objects.clone();
        tokio::spawn(async move { objects.find(&named("big.bin")).await })
    });
    for finder in finders.collect::<Vec<_>>() {
        let object = finder.await.expect("no panic").expect("there");
        assert_eq!((object.etag(), object.length()), ("v1", bytes.len() as u64));
    }
    let object = bench.objects.find(&named("big.bin")).await.expect("there");
    assert!(
        bench.all(&object).await == bytes,
        "the bytes are those of the file"
    );
    let ranges = [
        (0, 8_388_607),
        (8_388_608, 16_777_215),
        (16_777_216, 20_971_524),
    ];
    let ranges = ranges.map(|(from, to)| (206, format!("bytes={from}-{to}")));
    assert_eq!(endpoint.answered(), ranges);
    assert_eq!(bench.objects.figures().fetched, 1);
    let empty = bench.objects.find(&named("empty")).await.expect("there");
    assert_eq!((empty.etag(), empty.length()), ("e", 0));
    assert_eq!(
        bench.objects.find(&named("none")).await,
        Err(Unavailable::Absent)
    );
    assert_eq!(
        *bench.objects.etag(&named("big.bin")).await.expect("there"),
        *"v1"
    );

    // Half a file that an interrupted fetch left is cleared away.
    let fetched = bench.directory.path().join("fetched");
    std::fs::write(fetched.join("7.part"), b"half").expect("written");
    let again = Objects::open(Arc::clone(&bench.store), Some(address), &fetched).expect("opens");
    assert!(!fetched.join("7.part").exists());
    let before = endpoint.answered().len();
    let kept = again.find(&named("big.bin")).await.expect("there");
    assert_eq!((kept.etag(), kept.length()), ("v1", bytes.len() as u64));
    let answers = endpoint.answered();
    assert_eq!(
        answers[before..]
            .iter()
            .map(|one| one.0)
            .collect::<Vec<_>>(),
        [304]
    );
    assert_eq!(again.figures().fetched, 0);
}

#[tokio::test]
async fn a_file_that_becomes_another_is_found_out_and_an_endpoint_that_is_away_is_not_needed() {
    let (endpoint, address) = Endpoint3::start();
    endpoint.put("/firmware/a", "v1", b"one");
    let bench = Bench::new(Some(address));
    let one = bench.objects.find(&named("a")).await.expect("there");
    *lock(&endpoint.only) = Some(500);
    let until = |wanted: Result<&'static str, Unavailable>| {
        let bench = &bench;
        async move {
            let begun = Instant::now();
            loop {
                let found = bench.objects.find(&named("a")).await;
                let found = found.as_ref().map(Object::etag).map_err(|error| *error);
                if found == wanted {
                    return;
                }
                assert!(begun.elapsed() < Duration::from_secs(20), "{found:?}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    };
    let asked = endpoint.answered().len();
    while endpoint.answered().len() == asked {
        until(Ok("v1")).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    until(Ok("v1")).await;
    endpoint.put("/firmware/a", "v2", b"two!");
    *lock(&endpoint.only) = None;
    until(Ok("v2")).await;
    assert_eq!(bench.all(&one).await, b"one");
    let two = bench.objects.find(&named("a")).await.expect("there");
    assert_eq!(bench.all(&two).await, b"two!");
    // Only the newer content is kept on the disk.
    let kept = std::fs::read_dir(bench.directory.path().join("fetched")).expect("a directory");
    assert_eq!(kept.count(), 2);
    *lock(&endpoint.only) = Some(403);
    until(Err(Unavailable::Forbidden)).await;
    *lock(&endpoint.only) = Some(404);
    until(Err(Unavailable::Absent)).await;
    // What is stored here comes first, at once.
    bench.put("a", b"three");
    let three = bench.objects.find(&named("a")).await.expect("there");
    assert_eq!(bench.all(&three).await, b"three");
}

#[tokio::test]
async fn what_is_too_long_is_not_fetched() {
    let (endpoint, address) = Endpoint3::start();
    let length = usize::try_from(limits::OBJECT_BYTES_MAX).expect("it fits") + 1;
    endpoint.put("/firmware/long", "v1", &vec![0; length]);
    let bench = Bench::new(Some(address));
    let object = bench.objects.find(&named("long")).await.expect("there");
    assert!(object.is_too_long());
    assert_eq!(endpoint.answered().len(), 1);
    let read = bench.objects.read(&object, 0..1, &mut Vec::new()).await;
    assert_eq!(read, Err(Unavailable::Failed));
}

#[tokio::test]
async fn memory_stays_within_its_bound() {
    let bench = Bench::new(None);
    let bytes = content(24 * 1024 * 1024, 3);
    for key in ["a", "b", "c", "d"] {
        bench.put(key, &bytes);
        let object = bench.objects.find(&named(key)).await.expect("there");
        assert!(
            bench.all(&object).await == bytes,
            "the bytes are those of the file"
        );
    }
    let held = bench.objects.figures().held_bytes;
    assert!(held <= limits::CACHED_BYTES_MAX, "{held}");
    assert!(held >= limits::CACHED_BYTES_MAX / 2, "{held}");
}
