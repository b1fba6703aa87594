//! Files that devices fetch in blocks, wherever they are stored: among the artifacts, or else at the S3 endpoint.
//!
//! A file of the endpoint is fetched once, into a directory of its own. What is read of any file stays in memory for a
//! while, in one copy for all who read it. An [`Object`] is one content of a file: it stays readable as it is when the
//! file becomes another one, and its ETag tells the two apart.
//!
//! Nothing here waits for a disk or a socket on a thread of the runtime.

mod fetched;

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use shipslog_domain::job::files::S3Object;
use tokio::sync::{Mutex, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use crate::artifacts::{self, Identity, Name, Store};
use crate::failure::with_causes;
use crate::files;
use crate::limits;
use crate::s3::Endpoint;
use fetched::{Fetcher, Seen};

/// Files by bucket and key. Clones are handles to the same ones; the default one finds nothing.
#[derive(Clone, Debug, Default)]
pub struct Objects(Option<Arc<Inner>>);

/// One content of a file.
#[derive(Clone, Debug)]
pub struct Object(Arc<Content>);

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.0.number == other.0.number
    }
}

#[derive(Debug)]
struct Content {
    /// Never used twice.
    number: u64,
    /// Nothing where it is too long to be read.
    file: Option<File>,
    length: u64,
    etag: Box<str>,
    source: Source,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Artifact(Identity),
    Endpoint,
}

impl Object {
    /// How long it is, in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.0.length
    }

    /// What tells it from another content of the same file.
    #[must_use]
    pub fn etag(&self) -> &str {
        &self.0.etag
    }

    /// Whether it is longer than [`limits::OBJECT_BYTES_MAX`], so that it cannot be read.
    #[must_use]
    pub fn is_too_long(&self) -> bool {
        self.0.length > limits::OBJECT_BYTES_MAX
    }
}

/// Why a file cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// It is not there.
    #[error("the file does not exist")]
    Absent,
    /// The S3 endpoint does not let this service read it.
    #[error("the S3 endpoint does not allow to read the file")]
    Forbidden,
    /// The machinery failed; the log says more.
    #[error("the file cannot be read at the moment")]
    Failed,
}

/// What was counted so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Reads of a part of a file that was in memory.
    pub hits: u64,
    /// Reads of a part of a file from the disk.
    pub misses: u64,
    /// Files fetched from the S3 endpoint.
    pub fetched: u64,
    /// Bytes in memory.
    pub held_bytes: u64,
}

#[derive(Debug)]
struct Inner {
    store: Arc<Store>,
    fetcher: Option<Arc<Fetcher>>,
    fetches: Semaphore,
    entries: Cache<S3Object, Arc<Entry>>,
    chunks: Cache<Chunk, Bytes, ByLength>,
    next: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
    fetched: AtomicU64,
}

/// A part of a content: its number, and the part's.
type Chunk = (u64, u64);

#[derive(Clone, Debug)]
struct ByLength;

impl Weighter<Chunk, Bytes> for ByLength {
    fn weight(&self, _: &Chunk, bytes: &Bytes) -> u64 {
        bytes.len() as u64
    }
}

/// What is known of one file.
#[derive(Debug, Default)]
struct Entry(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    found: Option<Result<Object, Unavailable>>,
    /// Changes of the store up to when it was looked at.
    changes: Option<u64>,
    /// When the endpoint was last asked.
    asked: Option<Instant>,
}

impl Known {
    fn is_due(&self, now: Instant) -> bool {
        self.asked
            .is_none_or(|asked| now.duration_since(asked) >= limits::ENDPOINT_RECHECK)
    }

    fn object(&self) -> Option<&Object> {
        self.found.as_ref()?.as_ref().ok()
    }

    fn artifact(&self) -> Option<&Object> {
        self.object()
            .filter(|object| object.0.source != Source::Endpoint)
    }

    fn fetched(&self) -> Option<Object> {
        self.object()
            .filter(|object| object.0.source == Source::Endpoint)
            .cloned()
    }
}

/// What an artifact turned out to be.
enum Looked {
    Absent,
    Same,
    New(artifacts::Opened),
}

impl Objects {
    /// The artifacts of a store, and the files of an endpoint, which are kept in `directory`.
    pub fn open(
        store: Arc<Store>,
        endpoint: Option<Endpoint>,
        directory: &Path,
    ) -> Result<Self, files::Error> {
        let fetcher = endpoint.map(|endpoint| Fetcher::open(endpoint, directory));
        let parts = limits::CACHED_BYTES_MAX / limits::CACHED_PART_BYTES;
        Ok(Self(Some(Arc::new(Inner {
            store,
            fetcher: fetcher.transpose()?.map(Arc::new),
            fetches: Semaphore::new(limits::FETCHES_MAX),
            entries: Cache::new(limits::OBJECTS_OPEN_MAX),
            chunks: Cache::with_weighter(
                usize::try_from(parts).unwrap_or(usize::MAX),
                limits::CACHED_BYTES_MAX,
                ByLength,
            ),
            next: AtomicU64::new(0),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            fetched: AtomicU64::new(0),
        }))))
    }

    /// The file as it is: an artifact as of this moment, a file of the endpoint as of at most
    /// [`limits::ENDPOINT_RECHECK`] and an answer of the endpoint ago.
    pub async fn find(&self, object: &S3Object) -> Result<Object, Unavailable> {
        match &self.0 {
            Some(inner) => inner.find(object).await,
            None => Err(Unavailable::Absent),
        }
    }

    /// The ETag of a file, without fetching it.
    pub async fn etag(&self, object: &S3Object) -> Result<Box<str>, Unavailable> {
        let inner = self.0.as_ref().ok_or(Unavailable::Absent)?;
        if let Some(artifact) = inner.artifact(object, None).await? {
            return Ok(artifact.0.etag.clone());
        }
        let fetcher = inner.fetcher.as_ref().ok_or(Unavailable::Absent)?;
        let (fetcher, object) = (Arc::clone(fetcher), object.clone());
        inner.at_endpoint(move || fetcher.etag(&object)).await
    }

    /// Appends a part of an object to `out`. The part must lie within it.
    pub async fn read(
        &self,
        object: &Object,
        part: Range<u64>,
        out: &mut Vec<u8>,
    ) -> Result<(), Unavailable> {
        let inner = self.0.as_ref().ok_or(Unavailable::Absent)?;
        let mut at = part.start;
        while at < part.end {
            let number = at / limits::CACHED_PART_BYTES;
            let chunk = inner.chunk(object, number).await?;
            let begins = number * limits::CACHED_PART_BYTES;
            let ends = part.end.min(begins + chunk.len() as u64);
            let wanted = usize::try_from(at - begins)
                .ok()
                .zip(usize::try_from(ends - begins).ok());
            let wanted = wanted.and_then(|(from, to)| chunk.get(from..to));
            match wanted {
                Some(bytes) if !bytes.is_empty() => out.extend_from_slice(bytes),
                Some(_) | None => return Err(Unavailable::Failed),
            }
            at = ends;
        }
        Ok(())
    }

    /// What was counted so far.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let count = |of: fn(&Inner) -> &AtomicU64| {
            let inner = self.0.as_deref();
            inner.map_or(0, |inner| of(inner).load(Ordering::Relaxed))
        };
        Figures {
            hits: count(|inner| &inner.hits),
            misses: count(|inner| &inner.misses),
            fetched: count(|inner| &inner.fetched),
            held_bytes: self.0.as_ref().map_or(0, |inner| inner.chunks.weight()),
        }
    }
}

impl Inner {
    async fn find(self: &Arc<Self>, object: &S3Object) -> Result<Object, Unavailable> {
        let entry = self.entry(object);
        let mut known = entry.0.lock().await;
        // What changes from here on is looked at next time.
        let changes = self.store.changes();
        if known.changes != Some(changes) {
            let artifact = self.artifact(object, known.artifact()).await?;
            if artifact.is_some() || known.artifact().is_some() {
                *known = Known {
                    found: artifact.map(Ok),
                    ..Known::default()
                };
            }
            known.changes = Some(changes);
        }
        if let Some(artifact) = known.artifact() {
            return Ok(artifact.clone());
        }
        let Some(fetcher) = &self.fetcher else {
            return Err(Unavailable::Absent);
        };
        let now = Instant::now();
        match known.found.clone() {
            Some(found) if !known.is_due(now) => found,
            Some(Ok(fetched)) => {
                // Nobody waits for the answer: what was fetched is good meanwhile.
                known.asked = Some(now);
                let recheck = Arc::clone(self).recheck(object.clone(), Arc::clone(&entry));
                tokio::spawn(recheck);
                Ok(fetched)
            }
            Some(Err(_)) | None => {
                let found = self.fetch(fetcher, object, None).await;
                known.found = Some(found.clone());
                known.asked = Some(Instant::now());
                found
            }
        }
    }

    fn entry(&self, object: &S3Object) -> Arc<Entry> {
        let made = self
            .entries
            .get_or_insert_with(object, || Ok::<_, std::convert::Infallible>(Arc::default()));
        match made {
            Ok(entry) => entry,
            Err(never) => match never {},
        }
    }

    /// The artifact of this name, if there is one: the known one, if it is still that.
    async fn artifact(
        &self,
        object: &S3Object,
        known: Option<&Object>,
    ) -> Result<Option<Object>, Unavailable> {
        // Artifacts have one version, so a file that is asked for by its version is none of them.
        let name = Name::parse(&object.bucket, &object.key).ok();
        let Some(name) = name.filter(|_| object.version.is_none()) else {
            return Ok(None);
        };
        let (store, source) = (Arc::clone(&self.store), known.map(|known| known.0.source));
        let looked = spawn_blocking(move || match store.identity(&name)? {
            None => Ok(Looked::Absent),
            Some(identity) if source == Some(Source::Artifact(identity)) => Ok(Looked::Same),
            Some(_) => {
                let opened = store.open_artifact(&name)?;
                Ok(opened.map_or(Looked::Absent, Looked::New))
            }
        });
        match looked.await {
            Ok(Ok(Looked::Absent)) => Ok(None),
            Ok(Ok(Looked::Same)) => Ok(known.cloned()),
            Ok(Ok(Looked::New(opened))) => Ok(Some(self.object(
                Some(opened.file),
                (opened.length, opened.etag),
                Source::Artifact(opened.identity),
            ))),
            Ok(Err(error)) => {
                let error: artifacts::Error = error;
                tracing::error!(error = %with_causes(&error), "an artifact cannot be read");
                Err(Unavailable::Failed)
            }
            Err(_) => Err(Unavailable::Failed),
        }
    }

    fn object(&self, file: Option<File>, what: (u64, Box<str>), source: Source) -> Object {
        Object(Arc::new(Content {
            number: self.next.fetch_add(1, Ordering::Relaxed),
            file,
            length: what.0,
            etag: what.1,
            source,
        }))
    }

    /// The file as the endpoint has it: the known one, if it is still that.
    async fn fetch(
        &self,
        fetcher: &Arc<Fetcher>,
        object: &S3Object,
        known: Option<&Object>,
    ) -> Result<Object, Unavailable> {
        let (fetcher, wanted) = (Arc::clone(fetcher), object.clone());
        let etag = known.map(|known| known.0.etag.clone());
        let look = move || fetcher.look(&wanted, etag.as_deref());
        match self.at_endpoint(look).await? {
            Seen::Same => known.cloned().ok_or(Unavailable::Failed),
            Seen::Kept(kept) => {
                Ok(self.object(kept.file, (kept.length, kept.etag), Source::Endpoint))
            }
            Seen::Fetched(new) => {
                self.fetched.fetch_add(1, Ordering::Relaxed);
                Ok(self.object(new.file, (new.length, new.etag), Source::Endpoint))
            }
        }
    }

    /// Has a conversation with the endpoint, when there is a place for one more.
    async fn at_endpoint<T: Send + 'static>(
        &self,
        talk: impl FnOnce() -> Result<T, Unavailable> + Send + 'static,
    ) -> Result<T, Unavailable> {
        let place = self.fetches.acquire().await;
        let _place = place.map_err(|_| Unavailable::Failed)?;
        spawn_blocking(talk)
            .await
            .unwrap_or(Err(Unavailable::Failed))
    }

    /// Asks the endpoint whether a file is still what it was. While the endpoint cannot be asked, it is.
    async fn recheck(self: Arc<Self>, object: S3Object, entry: Arc<Entry>) {
        let known = entry.0.lock().await.fetched();
        let (Some(fetcher), Some(fetched)) = (&self.fetcher, known) else {
            return;
        };
        let found = self.fetch(fetcher, &object, Some(&fetched)).await;
        let mut known = entry.0.lock().await;
        if found != Err(Unavailable::Failed) && known.fetched() == Some(fetched) {
            known.found = Some(found);
        }
    }

    /// A part of a content, from memory or from the disk. Whoever needs it while it is read waits for that.
    async fn chunk(&self, object: &Object, number: u64) -> Result<Bytes, Unavailable> {
        let key = (object.0.number, number);
        if let Some(chunk) = self.chunks.get(&key) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(chunk);
        }
        let content = Arc::clone(&object.0);
        let read = async {
            self.misses.fetch_add(1, Ordering::Relaxed);
            spawn_blocking(move || content.read(number)).await
        };
        let read = async {
            match read.await {
                Ok(Ok(chunk)) => Ok(chunk),
                Ok(Err(error)) => {
                    tracing::error!(%error, "a file that devices fetch cannot be read");
                    Err(Unavailable::Failed)
                }
                Err(_) => Err(Unavailable::Failed),
            }
        };
        self.chunks.get_or_insert_async(&key, read).await
    }
}

impl Content {
    fn read(&self, number: u64) -> io::Result<Bytes> {
        let file = self.file.as_ref().ok_or(io::ErrorKind::FileTooLarge)?;
        let start = number * limits::CACHED_PART_BYTES;
        let length = self
            .length
            .saturating_sub(start)
            .min(limits::CACHED_PART_BYTES);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        file.read_exact_at(&mut bytes, start)?;
        Ok(bytes.into())
    }
}

#[cfg(test)]
mod tests;
