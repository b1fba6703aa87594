//! Saved states: what replay would make of the log up to a position, kept in files to shorten the replay.
//!
//! A state is written under a temporary name, synced, renamed, and the directory synced; the older one stays as a
//! second generation. A file that is damaged, unknown or of another log is passed over with a warning: a state can
//! always be made again from the log.
//!
//! A file is a header (`SLST`, format, log id, version, position, lengths, hash of the body, hash of the name,
//! CRC-32) and the state as one LZ4 frame.

use std::io::{self, Read, Write};
use std::sync::Arc;

use lz4_flex::frame::{FrameDecoder, FrameEncoder};
use shipslog_domain::log::Position;
use tracing::warn;

use super::failure::{Failure, LogId};
use super::housekeeper::{Housekeeper, Task};
use super::limits::{NAME_BYTES_MAX, STATE_GENERATIONS};
use super::shared::Shared;
use crate::storage::{Access, Storage, StoredFile};

/// Where saved states live.
pub(crate) const DIRECTORY: &str = "states";

const HEADER_BYTES: usize = 96;
const MAGIC: [u8; 4] = *b"SLST";
const FORMAT: u8 = 1;
const SUFFIX: &str = ".state";
const TEMPORARY_SUFFIX: &str = ".tmp";
const WRITE_BYTES: usize = 256 * 1024;

/// One saved state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateInfo {
    /// What it is a state of.
    pub name: String,
    /// Version of its form.
    pub version: u32,
    /// Position that it reflects.
    pub position: Position,
    /// Its length.
    pub bytes: u64,
    /// Length of its file.
    pub stored_bytes: u64,
}

/// Saves and loads states. Usable from any thread, while the log is appended to.
#[derive(Clone, Debug)]
pub struct SavedStates {
    storage: Arc<dyn Storage>,
    log_id: LogId,
    shared: Arc<Shared>,
    housekeeper: Housekeeper,
}

impl SavedStates {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        log_id: LogId,
        shared: Arc<Shared>,
        housekeeper: Housekeeper,
    ) -> Self {
        Self {
            storage,
            log_id,
            shared,
            housekeeper,
        }
    }

    /// Saves a state that reflects the log up to `position`. Does nothing for the empty log, which needs none.
    pub fn save(
        &self,
        name: &str,
        version: u32,
        position: Position,
        state: &[u8],
    ) -> Result<(), Failure> {
        if position == Position::START {
            return Ok(());
        }
        let mut writer = self.writer(name, version, position)?;
        let written = writer.write_all(state);
        written.map_err(|error| writer.failure(error))?;
        writer.finish()
    }

    /// Begins to save a state that is written piece by piece. It counts once [`StateWriter::finish`] has returned.
    pub fn writer(
        &self,
        name: &str,
        version: u32,
        position: Position,
    ) -> Result<StateWriter, Failure> {
        check_name(name)?;
        let head = self.shared.head();
        if position == Position::START || position > head {
            return Err(Failure::StatePosition { position, head });
        }
        let storage = &*self.storage;
        let path = temporary_path(name, position);
        let file = storage.create(&path, 0, &|| true);
        let file = file.map_err(Failure::io(storage, "create", &path))?;
        let sink = FileSink {
            file,
            offset: HEADER_BYTES as u64,
            buffer: Vec::new(),
            hasher: blake3::Hasher::new(),
        };
        Ok(StateWriter {
            states: self.clone(),
            name: name.into(),
            version,
            position,
            path,
            raw_bytes: 0,
            encoder: FrameEncoder::new(sink),
        })
    }

    /// The newest state of this name that can be read and has this version, with the position it reflects.
    #[must_use]
    pub fn load(&self, name: &str, version: u32) -> Option<(Position, Vec<u8>)> {
        load(&*self.storage, self.log_id, name, version)
    }

    /// All states of this log that look usable, newest first for each name.
    #[must_use]
    pub fn list(&self) -> Vec<StateInfo> {
        list(&*self.storage, Some(self.log_id))
    }

    fn complete(&self, name: &str, position: Position, temporary: &str) -> Result<(), Failure> {
        let storage = &*self.storage;
        let path = path(name, position);
        let renamed = storage.rename(temporary, &path);
        renamed.map_err(Failure::io(storage, "rename", temporary))?;
        let synced = storage.sync_directory(DIRECTORY);
        synced.map_err(Failure::io(storage, "sync", DIRECTORY))?;
        let mut old = generations(storage, name)?;
        old.retain(|generation| *generation != position);
        let removed = old.split_off(old.len().min(STATE_GENERATIONS - 1));
        for generation in &removed {
            let path = self::path(name, *generation);
            let removed = storage.remove(&path);
            removed.map_err(Failure::io(storage, "remove", &path))?;
        }
        self.housekeeper.run(Task::State {
            name: name.into(),
            position,
            removed,
        });
        Ok(())
    }
}

/// Writes one state piece by piece. Dropped without [`StateWriter::finish`], it leaves nothing that counts.
#[derive(Debug)]
pub struct StateWriter {
    states: SavedStates,
    name: String,
    version: u32,
    position: Position,
    path: String,
    raw_bytes: u64,
    encoder: FrameEncoder<FileSink>,
}

impl StateWriter {
    /// Makes the state durable and the newest of its name; removes the third newest.
    pub fn finish(self) -> Result<(), Failure> {
        let storage = &*self.states.storage;
        let failure = Failure::io(storage, "write", &self.path);
        let sink = self.encoder.finish();
        let mut sink = sink.map_err(|error| failure(error.into()))?;
        sink.flush().map_err(&failure)?;
        let header = Header {
            log_id: self.states.log_id,
            version: self.version,
            position: self.position,
            raw_bytes: self.raw_bytes,
            body_bytes: sink.offset - HEADER_BYTES as u64,
            body_hash: half(&sink.hasher),
            name_hash: name_hash(&self.name),
        };
        let written = sink.file.write_at(0, &header.encode());
        written.map_err(&failure)?;
        sink.file.sync_data().map_err(&failure)?;
        self.states.complete(&self.name, self.position, &self.path)
    }

    fn failure(&self, error: io::Error) -> Failure {
        Failure::io(&*self.states.storage, "write", &self.path)(error)
    }
}

impl Write for StateWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.encoder.write(bytes)?;
        self.raw_bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.encoder.flush()
    }
}

/// The compressed body on its way into the file.
#[derive(Debug)]
struct FileSink {
    file: Arc<dyn StoredFile>,
    offset: u64,
    buffer: Vec<u8>,
    hasher: blake3::Hasher,
}

impl Write for FileSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= WRITE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.hasher.update(&self.buffer);
        self.file.write_at(self.offset, &self.buffer)?;
        self.offset += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    log_id: LogId,
    version: u32,
    position: Position,
    raw_bytes: u64,
    body_bytes: u64,
    body_hash: [u8; 16],
    name_hash: [u8; 16],
}

impl Header {
    fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[..4].copy_from_slice(&MAGIC);
        out[4] = FORMAT;
        out[8..24].copy_from_slice(&self.log_id.0);
        out[24..28].copy_from_slice(&self.version.to_le_bytes());
        out[32..40].copy_from_slice(&self.position.0.to_le_bytes());
        out[40..48].copy_from_slice(&self.raw_bytes.to_le_bytes());
        out[48..56].copy_from_slice(&self.body_bytes.to_le_bytes());
        out[56..72].copy_from_slice(&self.body_hash);
        out[72..88].copy_from_slice(&self.name_hash);
        let checksum = crc32fast::hash(&out[..92]);
        out[92..].copy_from_slice(&checksum.to_le_bytes());
        out
    }

    fn decode(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        let checksum = u32::from_le_bytes(array(bytes, 92));
        if bytes[..4] != MAGIC || bytes[4] != FORMAT || checksum != crc32fast::hash(&bytes[..92]) {
            return None;
        }
        Some(Self {
            log_id: LogId(array(bytes, 8)),
            version: u32::from_le_bytes(array(bytes, 24)),
            position: Position(u64::from_le_bytes(array(bytes, 32))),
            raw_bytes: u64::from_le_bytes(array(bytes, 40)),
            body_bytes: u64::from_le_bytes(array(bytes, 48)),
            body_hash: array(bytes, 56),
            name_hash: array(bytes, 72),
        })
    }
}

/// Refuses a name that would not make a good file name.
pub(crate) fn check_name(name: &str) -> Result<(), Failure> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(allowed) {
        let name = name.chars().take(NAME_BYTES_MAX).collect();
        return Err(Failure::Name { name });
    }
    Ok(())
}

/// Removes what interrupted savings left behind.
pub(crate) fn remove_leftovers(storage: &dyn Storage) -> Result<(), Failure> {
    let names = storage.list(DIRECTORY);
    for name in names.map_err(Failure::io(storage, "list", DIRECTORY))? {
        if name.ends_with(TEMPORARY_SUFFIX) {
            let path = format!("{DIRECTORY}/{name}");
            let removed = storage.remove(&path);
            removed.map_err(Failure::io(storage, "remove", &path))?;
        }
    }
    Ok(())
}

/// The newest state of a name and version that can be read.
pub(crate) fn load(
    storage: &dyn Storage,
    log_id: LogId,
    name: &str,
    version: u32,
) -> Option<(Position, Vec<u8>)> {
    let generations = generations(storage, name);
    let generations =
        generations.inspect_err(|failure| warn!(%failure, "cannot look for saved states"));
    for position in generations.unwrap_or_default() {
        match read(storage, log_id, name, version, position) {
            Ok(state) => return Some((position, state)),
            Err(reason) => warn!(
                name,
                position = position.0,
                reason,
                "passing over a saved state that cannot be used"
            ),
        }
    }
    None
}

/// All states of a log, or of any, whose header can be read, by name, newest first.
pub(crate) fn list(storage: &dyn Storage, log_id: Option<LogId>) -> Vec<StateInfo> {
    let names = storage.list(DIRECTORY).unwrap_or_default();
    let infos = names.iter().filter_map(|file| {
        let (name, position) = parse_file_name(file)?;
        let (header, _) = read_header(storage, name, position).ok()?;
        log_id
            .is_none_or(|id| id == header.log_id)
            .then(|| StateInfo {
                name: name.into(),
                version: header.version,
                position,
                bytes: header.raw_bytes,
                stored_bytes: header.body_bytes + HEADER_BYTES as u64,
            })
    });
    let mut infos: Vec<_> = infos.collect();
    infos.sort_by(|one, other| (&one.name, other.position).cmp(&(&other.name, one.position)));
    infos
}

/// Reads and checks the state in a file completely.
pub(crate) fn check_file(
    storage: &dyn Storage,
    log_id: Option<LogId>,
    file: &str,
) -> Result<StateInfo, String> {
    let (name, position) = parse_file_name(file).ok_or("its name is not that of a saved state")?;
    let (header, _) = read_header(storage, name, position)?;
    let log_id = log_id.unwrap_or(header.log_id);
    let state = read(storage, log_id, name, header.version, position)?;
    Ok(StateInfo {
        name: name.into(),
        version: header.version,
        position,
        bytes: state.len() as u64,
        stored_bytes: header.body_bytes + HEADER_BYTES as u64,
    })
}

/// Removes the states that reflect more than the log up to `head`.
pub(crate) fn remove_newer(storage: &dyn Storage, head: Position) -> io::Result<()> {
    for file in storage.list(DIRECTORY)? {
        if parse_file_name(&file).is_some_and(|(_, position)| position > head) {
            storage.remove(&format!("{DIRECTORY}/{file}"))?;
        }
    }
    storage.sync_directory(DIRECTORY)
}

fn read(
    storage: &dyn Storage,
    log_id: LogId,
    name: &str,
    version: u32,
    position: Position,
) -> Result<Vec<u8>, String> {
    let (header, file) = read_header(storage, name, position)?;
    if header.log_id != log_id {
        return Err(format!("it is of log {}", header.log_id));
    }
    if header.version != version {
        return Err(format!(
            "it has version {}, wanted is {version}",
            header.version
        ));
    }
    let length = file.length().map_err(|error| error.to_string())?;
    if length != header.body_bytes + HEADER_BYTES as u64 {
        return Err(format!("its file is {length} bytes long"));
    }
    let too_long = |_| "it does not fit memory".to_owned();
    let mut body = vec![0; usize::try_from(header.body_bytes).map_err(too_long)?];
    let read = file.read_at(HEADER_BYTES as u64, &mut body);
    read.map_err(|error| error.to_string())?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(&body);
    if half(&hasher) != header.body_hash {
        return Err("the hash of its body is wrong".into());
    }
    let raw_bytes = usize::try_from(header.raw_bytes).map_err(too_long)?;
    let mut state = Vec::with_capacity(raw_bytes);
    let decoded = FrameDecoder::new(&body[..]).read_to_end(&mut state);
    decoded.map_err(|error| error.to_string())?;
    if state.len() != raw_bytes {
        return Err("it has another length than its header says".into());
    }
    Ok(state)
}

fn read_header(
    storage: &dyn Storage,
    name: &str,
    position: Position,
) -> Result<(Header, Arc<dyn StoredFile>), String> {
    let file = storage.open(&path(name, position), Access::Read);
    let file = file.map_err(|error| error.to_string())?;
    let mut bytes = [0; HEADER_BYTES];
    let read = file.read_at(0, &mut bytes);
    read.map_err(|error| error.to_string())?;
    let header = Header::decode(&bytes).ok_or("its header is damaged or of another format")?;
    if header.position != position || header.name_hash != name_hash(name) {
        return Err("its file was given another name".into());
    }
    Ok((header, file))
}

/// Positions of the states of a name, newest first.
fn generations(storage: &dyn Storage, name: &str) -> Result<Vec<Position>, Failure> {
    let files = storage.list(DIRECTORY);
    let files = files.map_err(Failure::io(storage, "list", DIRECTORY))?;
    let own = files.iter().filter_map(|file| parse_file_name(file));
    let own = own.filter(|(of, _)| *of == name);
    let mut positions: Vec<_> = own.map(|(_, position)| position).collect();
    positions.sort_unstable_by(|one, other| other.cmp(one));
    Ok(positions)
}

fn path(name: &str, position: Position) -> String {
    format!("{DIRECTORY}/{name}-{:019}{SUFFIX}", position.0)
}

fn temporary_path(name: &str, position: Position) -> String {
    format!("{DIRECTORY}/{name}-{:019}{TEMPORARY_SUFFIX}", position.0)
}

fn parse_file_name(file: &str) -> Option<(&str, Position)> {
    let (name, digits) = file.strip_suffix(SUFFIX)?.rsplit_once('-')?;
    let position = Position(digits.parse().ok()?);
    check_name(name).ok()?;
    path(name, position)
        .ends_with(&format!("/{file}"))
        .then_some((name, position))
}

fn name_hash(name: &str) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(name.as_bytes());
    half(&hasher)
}

fn half(hasher: &blake3::Hasher) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    half
}

fn array<const N: usize>(bytes: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}
