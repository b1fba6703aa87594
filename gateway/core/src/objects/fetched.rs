//! Files of the S3 endpoint, kept on the disk.
//!
//! A file's note, `<hash of its place>.note`, says which content of it is kept, and its content lies beside it under a
//! name that is made of both. A note is written after its content, so that whatever breaks off leaves nothing that could
//! be taken for whole.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use shipslog_domain::job::files::S3Object;

use super::Unavailable;
use crate::failure::with_causes;
use crate::files::{self, Readers, failed};
use crate::limits;
use crate::s3::Endpoint;
use crate::s3::client::{Answer, Client, Get};
use crate::sigv4::canonical::to_hex;

const NOTE: &str = "note";
const CONTENT: &str = "content";
const UNFINISHED: &str = "part";

/// Fetches files, and keeps them.
#[derive(Debug)]
pub(super) struct Fetcher {
    client: Client,
    directory: PathBuf,
    next: AtomicU64,
}

/// A file that was fetched at some time.
#[derive(Debug)]
pub(super) struct Fetched {
    /// Nothing where it is too long to be fetched.
    pub(super) file: Option<File>,
    pub(super) length: u64,
    pub(super) etag: Box<str>,
}

/// What a look at the endpoint showed.
#[derive(Debug)]
pub(super) enum Seen {
    /// The file has the ETag that was known.
    Same,
    /// The file is the one that is kept.
    Kept(Fetched),
    Fetched(Fetched),
}

/// Why a file is not fetched.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("the file does not exist")]
    Absent,
    #[error("reading the file is not allowed")]
    Forbidden,
    #[error("it cannot be asked")]
    Way(#[from] ureq::Error),
    #[error("it answers {0}")]
    Status(u16),
    #[error("it tells no ETag or no length of the file")]
    Untold,
    #[error("the file changed while it was fetched")]
    Changed,
    #[error("the file cannot be kept")]
    Disk(#[from] io::Error),
}

impl Fetcher {
    /// Opens the directory, clearing away what was not finished.
    pub(super) fn open(endpoint: Endpoint, directory: &Path) -> Result<Self, files::Error> {
        files::create_directory(directory)?;
        let clear = || -> io::Result<()> {
            for entry in std::fs::read_dir(directory)? {
                let path = entry?.path();
                if path.extension().is_some_and(|one| one == UNFINISHED) {
                    std::fs::remove_file(path)?;
                }
            }
            Ok(())
        };
        clear().map_err(|source| failed(directory, source))?;
        Ok(Self {
            client: Client::new(endpoint, limits::FETCH_PATIENCE),
            directory: directory.into(),
            next: AtomicU64::new(0),
        })
    }

    /// Looks at a file of which this ETag is known, and fetches it if it is another one than that and than the kept one.
    /// Waits. While the endpoint cannot be asked, the kept one stands for it.
    pub(super) fn look(&self, object: &S3Object, known: Option<&str>) -> Result<Seen, Unavailable> {
        let place = self.place(object);
        let kept = match known {
            Some(_) => None,
            None => self.kept(&place),
        };
        let etag = known.or(kept.as_ref().map(|kept| &*kept.etag));
        let fetched = self.fetch(object, &place, etag);
        match (fetched, kept) {
            (Ok(Some(fetched)), _) => Ok(Seen::Fetched(fetched)),
            (Ok(None), Some(kept)) => Ok(Seen::Kept(kept)),
            (Ok(None), None) => Ok(Seen::Same),
            (Err(problem), kept) => match (self.unavailable(object, &problem), kept) {
                (Unavailable::Failed, Some(kept)) => Ok(Seen::Kept(kept)),
                (unavailable, _) => Err(unavailable),
            },
        }
    }

    /// The ETag of a file. Waits.
    pub(super) fn etag(&self, object: &S3Object) -> Result<Box<str>, Unavailable> {
        let get = Get {
            range: Some(0..1),
            bytes_max: 0,
            ..Get::default()
        };
        let asked = self.client.get(object, &get).map_err(Problem::from);
        let told = asked.and_then(|answer| {
            refused(answer.status)?;
            answer.etag.ok_or(Problem::Untold)
        });
        told.map_err(|problem| self.unavailable(object, &problem))
    }

    /// What those who ask for a file are told of a problem. The log is told the rest.
    fn unavailable(&self, object: &S3Object, problem: &Problem) -> Unavailable {
        match problem {
            Problem::Absent => Unavailable::Absent,
            Problem::Forbidden => Unavailable::Forbidden,
            _ => {
                let (endpoint, error) = (self.client.address(), with_causes(problem));
                tracing::warn!(%endpoint, %error, key = %object.key, "the S3 endpoint does not hand out a file");
                Unavailable::Failed
            }
        }
    }

    /// What all names of a file begin with.
    fn place(&self, object: &S3Object) -> PathBuf {
        let mut hash = Sha256::new();
        let version = object.version.as_deref().unwrap_or_default();
        for part in [
            &*self.client.address(),
            &object.bucket,
            &object.key,
            version,
        ] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        self.directory.join(to_hex(&hash.finalize()))
    }

    /// The content that is kept of a file.
    fn kept(&self, place: &Path) -> Option<Fetched> {
        let note = std::fs::read_to_string(place.with_extension(NOTE)).ok()?;
        let (length, etag) = note.trim_end().split_once(' ')?;
        let length = length.parse().ok()?;
        let file = File::open(content_path(place, etag)).ok()?;
        let is_whole = file
            .metadata()
            .is_ok_and(|metadata| metadata.len() == length);
        is_whole.then(|| Fetched {
            file: Some(file),
            length,
            etag: etag.into(),
        })
    }

    /// Fetches a file unless it has this ETag.
    fn fetch(
        &self,
        object: &S3Object,
        place: &Path,
        etag: Option<&str>,
    ) -> Result<Option<Fetched>, Problem> {
        let part = Get {
            range: Some(0..limits::FETCH_PART_BYTES),
            if_none_match: etag,
            bytes_max: limits::OBJECT_BYTES_MAX,
            ..Get::default()
        };
        let mut first = self.client.get(object, &part)?;
        if first.status == 416 {
            // An empty file has no first part.
            let range = None;
            first = self.client.get(object, &Get { range, ..part })?;
        }
        if first.status == 304 {
            return Ok(None);
        }
        refused(first.status)?;
        let (Some(etag), Some(length)) = (first.etag.take(), first.length) else {
            return Err(Problem::Untold);
        };
        if length > limits::OBJECT_BYTES_MAX {
            let file = None;
            return Ok(Some(Fetched { file, length, etag }));
        }
        let file = self.keep(object, place, first, (&etag, length))?;
        Ok(Some(Fetched {
            file: Some(file),
            length,
            etag,
        }))
    }

    /// Writes the first part and those that follow it, and the note.
    fn keep(
        &self,
        object: &S3Object,
        place: &Path,
        first: Answer,
        (etag, length): (&str, u64),
    ) -> Result<File, Problem> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let unfinished = self.directory.join(format!("{number}.{UNFINISHED}"));
        let written = self.write(object, &unfinished, first, (etag, length));
        let path = content_path(place, etag);
        let placed = written.and_then(|()| Ok(std::fs::rename(&unfinished, &path)?));
        if let Err(problem) = placed {
            // The next start clears it away otherwise.
            std::fs::remove_file(&unfinished).ok();
            return Err(problem);
        }
        let note = place.with_extension(NOTE);
        let replaced = std::fs::read_to_string(&note).unwrap_or_default();
        let written = files::write(&note, &format!("{length} {etag}\n"), Readers::Everyone);
        written.map_err(|error| error.source)?;
        if let Some((_, old)) = replaced.trim_end().split_once(' ')
            && old != etag
        {
            std::fs::remove_file(content_path(place, old)).ok();
        }
        let file = File::open(&path)?;
        self.make_room(&path)?;
        Ok(file)
    }

    fn write(
        &self,
        object: &S3Object,
        path: &Path,
        first: Answer,
        (etag, length): (&str, u64),
    ) -> Result<(), Problem> {
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        let mut body = first.body.ok_or(Problem::Changed)?;
        let mut done = 0;
        loop {
            file.write_all(&body)?;
            done += body.len() as u64;
            if done >= length || body.is_empty() {
                break;
            }
            body = self.part(
                object,
                etag,
                done..length.min(done + limits::FETCH_PART_BYTES),
            )?;
        }
        if done != length {
            return Err(Problem::Changed);
        }
        Ok(file.sync_all()?)
    }

    fn part(&self, object: &S3Object, etag: &str, range: Range<u64>) -> Result<Vec<u8>, Problem> {
        let get = Get {
            bytes_max: range.end - range.start,
            range: Some(range),
            if_match: Some(etag),
            ..Get::default()
        };
        let answer = self.client.get(object, &get)?;
        let is_same = answer.etag.as_deref() == Some(etag);
        match answer.status {
            206 if is_same => answer.body.ok_or(Problem::Changed),
            200 | 206 | 404 | 412 => Err(Problem::Changed),
            status => Err(Problem::Status(status)),
        }
    }

    /// Removes what was fetched first until the rest is within its bound. Whoever has such a file open reads on.
    fn make_room(&self, newest: &Path) -> io::Result<()> {
        let mut kept: Vec<(SystemTime, PathBuf, u64)> = Vec::new();
        for entry in std::fs::read_dir(&self.directory)? {
            let (path, metadata) = match entry.and_then(|one| Ok((one.path(), one.metadata()?))) {
                Ok(entry) => entry,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            if path.extension().is_some_and(|one| one == CONTENT) && path != newest {
                kept.push((metadata.modified()?, path, metadata.len()));
            }
        }
        kept.sort();
        let mut bytes: u64 = kept.iter().map(|(_, _, length)| length).sum();
        for (_, path, length) in kept {
            if bytes + limits::OBJECT_BYTES_MAX <= limits::FETCHED_BYTES_MAX {
                break;
            }
            std::fs::remove_file(&path)?;
            if let Some((place, _)) = path.to_str().and_then(|path| path.rsplit_once('-')) {
                std::fs::remove_file(Path::new(place).with_extension(NOTE)).ok();
            }
            bytes -= length;
        }
        Ok(())
    }
}

/// Tells refusals from answers.
fn refused(status: u16) -> Result<(), Problem> {
    match status {
        // No part of an empty file can be had, but its ETag can.
        200 | 206 | 416 => Ok(()),
        404 => Err(Problem::Absent),
        401 | 403 => Err(Problem::Forbidden),
        status => Err(Problem::Status(status)),
    }
}

/// Where a content of a file lies.
fn content_path(place: &Path, etag: &str) -> PathBuf {
    let hash = to_hex(&Sha256::digest(etag));
    let hash = hash.get(..16).unwrap_or_default();
    let mut name = place.as_os_str().to_owned();
    name.push(format!("-{hash}.{CONTENT}"));
    name.into()
}
