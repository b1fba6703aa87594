//! Reading the log, from any thread, while it is appended to.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use shipslog_domain::log::{Position, Record, StreamId};

use super::block::events::{Context, Meta};
use super::block::{HEADER_BYTES, Header, NoHeader};
use super::failure::{Defect, Failure};
use super::limits::{
    BLOCK_RAW_BYTES_MAX, CHUNK_EVENTS, EVENT_OVERHEAD_BYTES_MAX, EVENT_PAYLOAD_BYTES_MAX,
    READ_BYTES,
};
use super::segment::{self, Segment};
use super::shared::Shared;

/// The first read after the position has changed; it doubles while reading goes on.
const FIRST_READ_BYTES: usize = 64 * 1024;
/// The longest block: one event of the greatest length.
const BLOCK_BYTES_MAX: usize = HEADER_BYTES + EVENT_PAYLOAD_BYTES_MAX + EVENT_OVERHEAD_BYTES_MAX;

/// Reads the durable part of a log.
#[derive(Clone, Debug)]
pub struct LogReader {
    shared: Arc<Shared>,
}

/// Consecutive events, decoded. Can be handed to another thread.
#[derive(Clone, Debug, Default)]
pub struct Chunk {
    /// Position of the first decoded event.
    origin: Position,
    /// Events at the beginning that were not asked for.
    skipped: usize,
    metas: Vec<Meta>,
    raw: Vec<u8>,
}

/// One event, kept readable by the page that it is in.
#[derive(Clone, Debug)]
pub struct StoredEvent {
    page: Arc<Chunk>,
    position: Position,
}

/// Reads chunk after chunk.
#[derive(Debug)]
pub struct ChunkReader {
    shared: Arc<Shared>,
    next: Position,
    place: Option<(Arc<Segment>, u64)>,
    window: Vec<u8>,
    window_start: u64,
    read_bytes: usize,
}

impl LogReader {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Position of the newest durable event.
    #[must_use]
    pub fn head(&self) -> Position {
        self.shared.head()
    }

    /// Waits until there is a durable event after `position`, the log has failed, or the time is over. Returns the
    /// head.
    #[must_use]
    pub fn wait_past(&self, position: Position, timeout: Duration) -> Position {
        self.shared.wait_past(position, timeout)
    }

    /// Calls `visit` with every durable event after `after`, in order, until it breaks or the head is reached.
    pub fn read(
        &self,
        after: Position,
        visit: &mut dyn FnMut(Record<'_>) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        let mut chunks = self.chunks(after);
        let mut chunk = Chunk::default();
        while chunks.next_into(&mut chunk)? {
            for record in chunk.records() {
                if visit(record).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Reads the events after `after` in chunks.
    #[must_use]
    pub fn chunks(&self, after: Position) -> ChunkReader {
        ChunkReader {
            shared: Arc::clone(&self.shared),
            next: after.next(),
            place: None,
            window: Vec::new(),
            window_start: 0,
            read_bytes: FIRST_READ_BYTES,
        }
    }

    /// The event at `position`; `None` if the log does not reach it.
    pub fn read_one(&self, position: Position) -> Result<Option<StoredEvent>, Failure> {
        if position == Position::START || position > self.head() {
            return Ok(None);
        }
        let page = match self.shared.cache.get(position) {
            Some(page) => page,
            None => self.load_page(position)?,
        };
        Ok(Some(StoredEvent { page, position }))
    }

    /// The newest events of a stream, newest first: those before `before`, at most `limit`.
    pub fn stream_back(
        &self,
        stream: StreamId,
        before: Option<Position>,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, Failure> {
        let mut at = self.stream_head(stream)?;
        while at > Position::START && before.is_some_and(|before| at >= before) {
            at = self.event(at)?.record().previous;
        }
        self.chain_back(at, limit)
    }

    /// The event at `at` and those before it in its stream, newest first, at most `limit`. Continue with the
    /// `previous` of the last one.
    pub fn chain_back(&self, at: Position, limit: usize) -> Result<Vec<StoredEvent>, Failure> {
        let mut events = Vec::new();
        let mut at = at;
        while at > Position::START && events.len() < limit {
            let event = self.event(at)?;
            at = event.record().previous;
            events.push(event);
        }
        Ok(events)
    }

    /// Position of the newest durable event of a stream; [`Position::START`] if it has none.
    pub fn stream_head(&self, stream: StreamId) -> Result<Position, Failure> {
        loop {
            let head = self.shared.heads().get(stream);
            if head <= self.head() {
                return Ok(head);
            }
            // It belongs to the commit in hand, which is durable in a moment or never.
            if self.shared.is_poisoned() {
                return Err(Failure::Poisoned {
                    cause: "while a stream was read".into(),
                });
            }
            let _head = self.wait_past(Position(head.0 - 1), Duration::from_secs(1));
        }
    }

    fn event(&self, position: Position) -> Result<StoredEvent, Failure> {
        let event = self.read_one(position)?;
        event.ok_or_else(|| damaged(&self.shared, position, None, Defect::Absent))
    }

    /// Decodes everything between two entries of the block index, around `position`.
    fn load_page(&self, position: Position) -> Result<Arc<Chunk>, Failure> {
        let segment = self.shared.segment(position);
        let segment =
            segment.ok_or_else(|| damaged(&self.shared, position, None, Defect::Absent))?;
        let (entry, following) = segment.find(position);
        let mut chunks = self.chunks(Position(entry.first.0 - 1));
        let until = following.map_or(self.head(), |entry| Position(entry.first.0 - 1));
        chunks.place = Some((segment, entry.offset));
        let mut page = Chunk::default();
        chunks.fill(&mut page, until, usize::MAX)?;
        let page = Arc::new(page);
        self.shared.cache.put(Arc::clone(&page));
        Ok(page)
    }
}

impl Chunk {
    /// Position of its first event.
    #[must_use]
    pub fn first(&self) -> Position {
        self.origin.plus(self.skipped as u64)
    }

    /// Number of its events.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.metas.len() - self.skipped
    }

    /// Whether there are no events in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the event at `position` is in it.
    #[must_use]
    pub fn contains(&self, position: Position) -> bool {
        position >= self.first() && position < self.origin.plus(self.metas.len() as u64)
    }

    /// Its events in order.
    pub fn records(&self) -> impl ExactSizeIterator<Item = Record<'_>> {
        let first = self.first();
        let metas = self.metas[self.skipped..].iter().enumerate();
        metas.map(move |(index, meta)| meta.record(first.plus(index as u64), &self.raw))
    }

    /// The event at `position`.
    #[must_use]
    pub fn get(&self, position: Position) -> Option<Record<'_>> {
        let index = position.0.checked_sub(self.origin.0)?;
        let meta = self.metas.get(usize::try_from(index).ok()?)?;
        Some(meta.record(position, &self.raw))
    }

    fn clear(&mut self, origin: Position) {
        self.origin = origin;
        self.skipped = 0;
        self.metas.clear();
        self.raw.clear();
    }

    /// Appends the events of a block.
    pub(crate) fn push_block(&mut self, header: &Header, payload: &[u8]) -> Result<(), Defect> {
        let start = self.raw.len();
        header.unpack(payload, &mut self.raw)?;
        let mut context = Context::new(header.first, header.first_time);
        let mut rest = &self.raw[start..];
        self.metas.reserve(header.count as usize);
        for _ in 0..header.count {
            let meta = context.decode(&self.raw, &mut rest);
            self.metas.push(meta.ok_or(Defect::Events)?);
        }
        if rest.is_empty() {
            Ok(())
        } else {
            Err(Defect::Events)
        }
    }
}

impl StoredEvent {
    /// The event.
    #[must_use]
    pub fn record(&self) -> Record<'_> {
        self.page
            .get(self.position)
            .expect("a stored event is made from the page that holds it")
    }
}

impl ChunkReader {
    /// Puts the next events into `chunk`, whose memory is used again; `false` if the head has been reached. More
    /// may come later.
    pub fn next_into(&mut self, chunk: &mut Chunk) -> Result<bool, Failure> {
        let head = self.shared.head();
        if self.next > head {
            return Ok(false);
        }
        self.fill(chunk, head, CHUNK_EVENTS)?;
        Ok(true)
    }

    /// Position after which the next chunk begins.
    #[must_use]
    pub const fn position(&self) -> Position {
        Position(self.next.0 - 1)
    }

    /// Reads blocks until there are at least `events` events or those up to `until`, which are durable.
    fn fill(&mut self, chunk: &mut Chunk, until: Position, events: usize) -> Result<(), Failure> {
        chunk.clear(self.next);
        let enough_bytes = if events == usize::MAX {
            usize::MAX
        } else {
            BLOCK_RAW_BYTES_MAX / 2
        };
        let mut is_first = true;
        while self.next <= until && chunk.len() < events && chunk.raw.len() < enough_bytes {
            let (header, segment, offset) = self.advance()?;
            if is_first {
                chunk.clear(header.first);
                chunk.skipped = usize::try_from(self.next.0 - header.first.0).unwrap_or(0);
                is_first = false;
            }
            let start = usize::try_from(offset - self.window_start).unwrap_or(usize::MAX);
            let payload = &self.window[start + HEADER_BYTES..start + header.block_bytes()];
            let pushed = chunk.push_block(&header, payload);
            pushed.map_err(|defect| self.damaged(&segment, offset, defect))?;
            self.next = header.last().next();
            self.place = Some((segment, offset + header.block_bytes() as u64));
        }
        Ok(())
    }

    /// Brings the block that holds the next event into the window.
    fn advance(&mut self) -> Result<(Header, Arc<Segment>, u64), Failure> {
        loop {
            let (segment, offset) = match self.place.take() {
                Some(place) => place,
                None => self.locate()?,
            };
            match self.block(&segment, offset)? {
                // The index leads to one block of many.
                Ok(header) if header.last() < self.next => {
                    self.place = Some((segment, offset + header.block_bytes() as u64));
                }
                Ok(header) if header.first <= self.next => return Ok((header, segment, offset)),
                Ok(header) => {
                    return Err(self.damaged(
                        &segment,
                        offset,
                        Defect::FirstPosition(header.first),
                    ));
                }
                // Behind the last block of a sealed segment. The next event is in another one.
                Err(Defect::Absent) if self.is_elsewhere(&segment) => self.place = None,
                Err(defect) => return Err(self.damaged(&segment, offset, defect)),
            }
        }
    }

    /// Finds the next event through the block index.
    fn locate(&mut self) -> Result<(Arc<Segment>, u64), Failure> {
        self.window.clear();
        let segment = self.shared.segment(self.next);
        let segment =
            segment.ok_or_else(|| damaged(&self.shared, self.next, None, Defect::Absent))?;
        let (entry, _) = segment.find(self.next);
        Ok((segment, entry.offset))
    }

    fn is_elsewhere(&self, segment: &Segment) -> bool {
        let holder = self.shared.segment(self.next);
        holder.is_some_and(|holder| holder.first != segment.first)
    }

    /// Reads and checks the block at `offset`.
    fn block(&mut self, segment: &Segment, offset: u64) -> Result<Result<Header, Defect>, Failure> {
        // What is in the window may be older than the block, so only success counts.
        if let Ok(header) = self.parse(offset) {
            return Ok(Ok(header));
        }
        self.load(segment, offset, self.read_bytes)?;
        self.read_bytes = READ_BYTES.min(self.read_bytes * 2);
        match self.parse(offset) {
            Err(Defect::Length) => {
                self.load(segment, offset, BLOCK_BYTES_MAX)?;
                Ok(self.parse(offset))
            }
            parsed => Ok(parsed),
        }
    }

    /// The block at `offset`, as far as it is in the window.
    fn parse(&self, offset: u64) -> Result<Header, Defect> {
        let start = offset
            .checked_sub(self.window_start)
            .ok_or(Defect::Absent)?;
        let start = usize::try_from(start).map_err(|_| Defect::Absent)?;
        let bytes = self.window.get(start..).ok_or(Defect::Absent)?;
        let header = bytes.first_chunk().ok_or(Defect::Absent)?;
        let header = Header::decode(header).map_err(|reason| match reason {
            NoHeader::Defect(defect) => defect,
            NoHeader::Format(_) => Defect::Magic,
        })?;
        let payload = bytes.get(HEADER_BYTES..header.block_bytes());
        if header.matches(payload.ok_or(Defect::Length)?) {
            Ok(header)
        } else {
            Err(Defect::PayloadChecksum)
        }
    }

    /// Fills the window from `offset`.
    fn load(&mut self, segment: &Segment, offset: u64, bytes: usize) -> Result<(), Failure> {
        let storage = &*self.shared.storage;
        let failure = Failure::io(storage, "read", &segment.path);
        let length = segment.file.length().map_err(&failure)?;
        let rest = usize::try_from(length.saturating_sub(offset)).unwrap_or(usize::MAX);
        self.window.resize(rest.min(bytes), 0);
        self.window_start = offset;
        let read = segment.file.read_at(offset, &mut self.window);
        read.map_err(failure)
    }

    fn damaged(&self, segment: &Segment, offset: u64, defect: Defect) -> Failure {
        damaged(&self.shared, self.next, Some((segment, offset)), defect)
    }
}

/// An event that should be readable, because its position is durable, is not.
fn damaged(
    shared: &Shared,
    position: Position,
    place: Option<(&Segment, u64)>,
    defect: Defect,
) -> Failure {
    let path = place.map_or(segment::DIRECTORY, |(segment, _)| &segment.path);
    Failure::Unreadable {
        position,
        segment: shared.storage.describe(path),
        offset: place.map_or(0, |(_, offset)| offset),
        defect,
    }
}
