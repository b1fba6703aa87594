//! The window of command ids: a repeated command finds its first answer here.

use std::collections::{HashMap, VecDeque};
use std::fmt;

use shipslog_domain::ids::CommandId;
use shipslog_domain::log::{CommandKey, Position};

use super::limits::{COMMAND_CHUNK, COMMAND_WINDOW};

/// What is known of a command that was accepted before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownCommand {
    /// Digest of its body: a different one under the same id is a conflict.
    pub body: u64,
    /// Position of its first event.
    pub first: Position,
    /// Position of its last event: the one before the next event with a command, or the last of its commit. The
    /// log does not say where a command without a key begins, so events of such commands count to the one before.
    pub last: Position,
}

impl KnownCommand {
    /// Number of its events.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.last.0 - self.first.0 + 1
    }
}

/// Consecutive commands, as the index keeps them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// Everything after this position
    pub(crate) after: Position,
    /// and up to this one is in it.
    pub(crate) up_to: Position,
    pub(crate) commands: Vec<(CommandId, KnownCommand)>,
}

/// The last [`COMMAND_WINDOW`] commands.
#[derive(Default)]
pub(crate) struct Window {
    known: HashMap<CommandId, KnownCommand>,
    order: VecDeque<(CommandId, Position)>,
    open: Option<(CommandKey, Position)>,
    unsaved: Vec<(CommandId, KnownCommand)>,
    /// Commands up to here are in the index or too old, later ones in `unsaved`.
    saved: Position,
    head: Position,
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Window")
            .field("known", &self.known.len())
            .field("saved", &self.saved)
            .field("head", &self.head)
            .finish_non_exhaustive()
    }
}

impl Window {
    /// Looks a command up.
    pub(crate) fn find(&self, id: &CommandId) -> Option<KnownCommand> {
        self.known.get(id).copied()
    }

    /// Takes in commands from the index, oldest first.
    pub(crate) fn restore(&mut self, chunk: Chunk) {
        for (id, known) in chunk.commands {
            self.insert(id, known);
        }
        self.saved = chunk.up_to;
        self.head = chunk.up_to;
    }

    /// Notes the next event.
    #[inline]
    pub(crate) fn note(&mut self, position: Position, command: Option<&CommandKey>) {
        if let Some(command) = command {
            self.close(Position(position.0 - 1));
            self.open = Some((*command, position));
        }
    }

    /// Notes that a commit ends with the event at `position`.
    pub(crate) fn end_commit(&mut self, position: Position) {
        self.close(position);
        self.head = position;
    }

    /// Commands since the last chunk, when there are enough of them. To be called until there are not.
    pub(crate) fn take_chunk(&mut self) -> Option<Chunk> {
        if self.unsaved.len() < COMMAND_CHUNK {
            return None;
        }
        let later = self.unsaved.split_off(COMMAND_CHUNK);
        let up_to = match self.unsaved.last() {
            Some((_, newest)) if !later.is_empty() => newest.last,
            Some(_) | None => self.head,
        };
        let commands = std::mem::replace(&mut self.unsaved, later);
        let after = std::mem::replace(&mut self.saved, up_to);
        Some(Chunk {
            after,
            up_to,
            commands,
        })
    }

    /// Everything since the last chunk, if the log has moved on.
    pub(crate) fn take_rest(&mut self) -> Option<Chunk> {
        let after = std::mem::replace(&mut self.saved, self.head);
        (after < self.head).then(|| Chunk {
            after,
            up_to: self.head,
            commands: std::mem::take(&mut self.unsaved),
        })
    }

    fn close(&mut self, last: Position) {
        if let Some((command, first)) = self.open.take() {
            let known = KnownCommand {
                body: command.body,
                first,
                last,
            };
            self.insert(command.id, known);
            // Only a start without an index gets here: what has left the window need not be saved.
            if self.unsaved.len() == 2 * COMMAND_WINDOW {
                self.unsaved.drain(..COMMAND_WINDOW);
            }
            self.unsaved.push((command.id, known));
        }
    }

    fn insert(&mut self, id: CommandId, known: KnownCommand) {
        self.known.insert(id, known);
        self.order.push_back((id, known.first));
        if self.order.len() > COMMAND_WINDOW
            && let Some((old, first)) = self.order.pop_front()
            // The same id may have come again since.
            && self.known.get(&old).is_some_and(|known| known.first == first)
        {
            self.known.remove(&old);
        }
    }
}

#[cfg(test)]
mod tests;
