//! A few decoded pages, shared by all readers.

use std::sync::{Arc, Mutex, PoisonError};

use shipslog_domain::log::Position;

use super::limits::CACHED_PAGES;
use super::reader::Chunk;

/// The pages used last, at most [`CACHED_PAGES`] of them.
#[derive(Debug, Default)]
pub(crate) struct PageCache {
    /// The one used last stands last.
    pages: Mutex<Vec<Arc<Chunk>>>,
}

impl PageCache {
    /// The page that holds `position`.
    pub(crate) fn get(&self, position: Position) -> Option<Arc<Chunk>> {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let index = pages.iter().rposition(|page| page.contains(position))?;
        let page = pages.remove(index);
        pages.push(Arc::clone(&page));
        Some(page)
    }

    /// Keeps a page, in place of a shorter one of the same place or of the one that was not used for longest.
    pub(crate) fn put(&self, page: Arc<Chunk>) {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        pages.retain(|other| other.first() != page.first());
        if pages.len() == CACHED_PAGES {
            pages.remove(0);
        }
        pages.push(page);
    }
}
