//! Pages of Relay connections: bounded sizes and cursors that only the list they come from accepts.

use std::borrow::Cow;
use std::fmt;

use async_graphql::{Error, Object, OutputType, SimpleObject, TypeName};
use shipslog_domain::Position;

use super::errors::Code;
use super::limits::{COMPLEXITY_MAX, CURSOR_CHARACTERS_MAX, PAGE_DEFAULT, PAGE_MAX};
use super::scalars::{Long, int};

/// Which list a cursor belongs to. A cursor of one list is refused by every other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    Things = 1,
    Jobs = 2,
    ExecutionsOfJob = 3,
    ExecutionsOfThing = 4,
    Timeline = 5,
    Events = 6,
    Templates = 7,
    Groups = 8,
    GroupMembers = 9,
    CoreTaskItems = 10,
    DeploymentTaskItems = 11,
    TemplateVersions = 12,
    Shadows = 13,
    Deployments = 14,
}

/// A place in a list, opaque to callers: hexadecimal list number, key, and checksum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    list: u8,
    key: Box<[u8]>,
}

/// A text that is no cursor.
#[derive(Debug)]
pub(super) struct NoCursor;

impl fmt::Display for NoCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a cursor that this service has handed out")
    }
}

impl Cursor {
    /// The place of the item with this number.
    pub(super) fn number(list: List, number: u64) -> Self {
        Self::bytes(list, &number.to_be_bytes())
    }

    /// The place of the item with this name.
    pub(super) fn text(list: List, name: &str) -> Self {
        Self::bytes(list, name.as_bytes())
    }

    fn bytes(list: List, key: &[u8]) -> Self {
        Self {
            list: list as u8,
            key: key.into(),
        }
    }

    /// The place behind a text that [`Self::encode`] made.
    pub(super) fn decode(text: &str) -> Result<Self, NoCursor> {
        if text.len() > CURSOR_CHARACTERS_MAX || !text.len().is_multiple_of(2) {
            return Err(NoCursor);
        }
        let bytes = text
            .as_bytes()
            .chunks_exact(2)
            .map(|pair| {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let (high, low) = (digit(pair[0])?, digit(pair[1])?);
                u8::try_from(high << 4 | low).ok()
            })
            .collect::<Option<Vec<u8>>>()
            .ok_or(NoCursor)?;
        let (content, checksum) = bytes.split_last_chunk::<4>().ok_or(NoCursor)?;
        let (list, key) = content.split_first().ok_or(NoCursor)?;
        if crc32fast::hash(content).to_be_bytes() != *checksum {
            return Err(NoCursor);
        }
        Ok(Self {
            list: *list,
            key: key.into(),
        })
    }

    pub(super) fn encode(&self) -> String {
        let mut content = Vec::with_capacity(self.key.len() + 5);
        content.push(self.list);
        content.extend_from_slice(&self.key);
        let checksum = crc32fast::hash(&content);
        content.extend_from_slice(&checksum.to_be_bytes());
        let mut text = String::with_capacity(content.len() * 2);
        for byte in content {
            for digit in [byte >> 4, byte & 15] {
                text.extend(char::from_digit(u32::from(digit), 16));
            }
        }
        text
    }
}

/// The key behind a cursor argument of `list`.
fn key(list: List, argument: &str, cursor: Option<&str>) -> Result<Option<Box<[u8]>>, Error> {
    let Some(text) = cursor else { return Ok(None) };
    match Cursor::decode(text) {
        Ok(cursor) if cursor.list == list as u8 => Ok(Some(cursor.key)),
        Ok(_) => Err(Code::BadCursor.error(format!("{argument}: this cursor is of another list"))),
        Err(reason) => Err(Code::BadCursor.error(format!("{argument}: {reason}"))),
    }
}

/// The number behind a cursor argument of `list`.
pub(super) fn number(
    list: List,
    argument: &str,
    cursor: Option<&str>,
) -> Result<Option<u64>, Error> {
    let Some(key) = key(list, argument, cursor)? else {
        return Ok(None);
    };
    let bytes = <[u8; 8]>::try_from(&*key).map_err(|_| forged(argument))?;
    Ok(Some(u64::from_be_bytes(bytes)))
}

/// The name behind a cursor argument of `list`.
pub(super) fn text(
    list: List,
    argument: &str,
    cursor: Option<&str>,
) -> Result<Option<String>, Error> {
    let Some(key) = key(list, argument, cursor)? else {
        return Ok(None);
    };
    let name = String::from_utf8(key.into_vec()).map_err(|_| forged(argument))?;
    Ok(Some(name))
}

/// The refusal of a well-formed cursor with a key that its list does not use.
fn forged(argument: &str) -> Error {
    Code::BadCursor.error(format!("{argument}: {NoCursor}"))
}

/// The page size asked for, or the default; refused outside 1 to the limit.
pub(super) fn page_size(first: Option<i32>) -> Result<usize, Error> {
    let Some(first) = first else {
        return Ok(PAGE_DEFAULT);
    };
    usize::try_from(first)
        .ok()
        .filter(|size| (1..=PAGE_MAX).contains(size))
        .ok_or_else(|| Code::BadInput.error(format!("first: must be 1 to {PAGE_MAX}")))
}

/// What a page of `first` items costs when each costs `item` points.
pub(super) fn page_points(first: Option<i32>, item: usize) -> usize {
    let size = first.map_or(PAGE_DEFAULT, |first| usize::try_from(first).unwrap_or(0));
    // A size beyond the limit is refused by the resolver, with a better message than "too complex".
    points(size.min(PAGE_MAX), item)
}

/// What something costs that is made `times` over, each time for `item` points. Never more than any operation may
/// cost and one more, so that the sum over a whole request cannot overflow.
pub(super) fn points(times: usize, item: usize) -> usize {
    times
        .saturating_mul(item)
        .saturating_add(1)
        .min(COMPLEXITY_MAX + 1)
}

/// A page of a list, and the way to the next one.
#[derive(Debug)]
pub struct Page<Node> {
    pub(super) edges: Vec<Edge<Node>>,
    pub(super) page_info: PageInfo,
    pub(super) total_count: Option<i32>,
    pub(super) position: Long,
}

/// An item of a list and its place in it.
#[derive(Debug)]
pub struct Edge<Node> {
    pub(super) cursor: String,
    pub(super) node: Node,
}

impl<Node: OutputType> TypeName for Page<Node> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Connection", Node::type_name()).into()
    }
}

impl<Node: OutputType> TypeName for Edge<Node> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Edge", Node::type_name()).into()
    }
}

/// A page of a list, and the way to the next one.
#[Object(name_type)]
impl<Node: OutputType> Page<Node> {
    /// The items of the page with their cursors.
    async fn edges(&self) -> &[Edge<Node>] {
        &self.edges
    }

    /// The items of the page without their cursors.
    async fn nodes(&self) -> Vec<&Node> {
        self.edges.iter().map(|edge| &edge.node).collect()
    }

    /// Whether more follows, and from where.
    async fn page_info(&self) -> &PageInfo {
        &self.page_info
    }

    /// Number of items in the whole list; null where counting is not cheap.
    async fn total_count(&self) -> Option<i32> {
        self.total_count
    }

    /// Position in the log that this page reflects.
    async fn position(&self) -> Long {
        self.position
    }
}

/// An item of a list and its place in it.
#[Object(name_type)]
impl<Node: OutputType> Edge<Node> {
    /// Its place, opaque: what the argument `after` of the same list takes.
    async fn cursor(&self) -> &str {
        &self.cursor
    }

    /// The item.
    async fn node(&self) -> &Node {
        &self.node
    }
}

/// Where a page stands in its list.
#[derive(Debug, SimpleObject)]
pub struct PageInfo {
    /// Whether more follows. A search that looked at many items without finding enough ends a page early: the page
    /// is short, perhaps empty, and this is true.
    pub has_next_page: bool,
    /// Whether items come before the page.
    pub has_previous_page: bool,
    /// Cursor of the first item.
    pub start_cursor: Option<String>,
    /// Where the next page begins: give it to `after`.
    pub end_cursor: Option<String>,
}

/// Where a page stands in its list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) has_previous: bool,
    pub(super) has_next: bool,
    pub(super) total: Option<u64>,
    pub(super) position: Position,
}

/// A page of these items.
pub(super) fn page<Node: OutputType>(
    bounds: Bounds,
    items: impl IntoIterator<Item = (Cursor, Node)>,
) -> Page<Node> {
    let edges: Vec<_> = items
        .into_iter()
        .map(|(cursor, node)| Edge {
            cursor: cursor.encode(),
            node,
        })
        .collect();
    Page {
        page_info: PageInfo {
            has_next_page: bounds.has_next,
            has_previous_page: bounds.has_previous,
            start_cursor: edges.first().map(|edge| edge.cursor.clone()),
            end_cursor: edges.last().map(|edge| edge.cursor.clone()),
        },
        edges,
        total_count: bounds.total.map(int),
        position: bounds.position.into(),
    }
}

/// A page of a search, which looked as far as `end`.
pub(super) fn page_until<Node: OutputType>(
    bounds: Bounds,
    items: impl IntoIterator<Item = (Cursor, Node)>,
    end: Option<Cursor>,
) -> Page<Node> {
    let mut page = page(bounds, items);
    if let Some(end) = end {
        page.page_info.end_cursor = Some(end.encode());
    }
    page
}

#[cfg(test)]
mod tests;
