//! Patterns of actions and resources: text with wildcards and policy variables.

use super::document::Context;
use super::joined::{Case, Joined};

/// A piece of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// These characters.
    Text(Box<str>),
    /// `?`: one character, whichever.
    One,
    /// `*`: any characters, or none.
    Any,
    /// `${name}`: what the context says, as plain text: a device must not widen its own policy by wildcards.
    Variable(Box<str>),
}

/// Text with `*`, `?` and `${…}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    pieces: Box<[Piece]>,
}

impl Pattern {
    /// Reads a pattern. Without `variables`, `${…}` is plain text. The error is the rule that is broken.
    pub(super) fn parse(text: &str, variables: bool) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if variables && let Some(inside) = rest.strip_prefix("${") {
                let Some((name, behind)) = inside.split_once('}') else {
                    return Err("has \"${\" without the \"}\" that ends the variable".into());
                };
                match name {
                    // AWS IoT: the way to write the characters themselves.
                    "*" | "?" | "$" => plain.push_str(name),
                    "" => return Err("has a variable without a name".into()),
                    _ if name.chars().any(|one| one.is_control() || one == '{') => {
                        return Err("has a variable whose name is not plain text".into());
                    }
                    _ => {
                        flush(&mut plain, &mut pieces);
                        pieces.push(Piece::Variable(name.into()));
                    }
                }
                rest = behind;
                continue;
            }
            match first {
                '*' | '?' => {
                    flush(&mut plain, &mut pieces);
                    let is_any = first == '*';
                    pieces.push(if is_any { Piece::Any } else { Piece::One });
                }
                letter => plain.push(letter),
            }
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
        flush(&mut plain, &mut pieces);
        Ok(Self {
            pieces: pieces.into(),
        })
    }

    /// Names of its variables.
    pub(super) fn variables(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Variable(name) => Some(&**name),
            Piece::Text(_) | Piece::One | Piece::Any => None,
        })
    }

    /// Whether the whole of `text` matches; `None` where the context knows no value of a variable.
    pub(super) fn matches(&self, text: Joined<'_>, context: Context<'_>) -> Option<bool> {
        self.is_known(context)
            .then(|| self.glob(text, context, Case::Kept))
    }

    /// Whether the whole of `text` matches a pattern without variables, be it in capitals or not.
    pub(super) fn matches_in_any_case(&self, text: &str) -> bool {
        self.glob(text.into(), &|_| None, Case::Ignored)
    }

    /// Whether `text` is what the pattern stands for, with wildcards as plain characters; `None` where the context knows
    /// no value of a variable.
    pub(super) fn equals(&self, text: &str, context: Context<'_>, case: Case) -> Option<bool> {
        if !self.is_known(context) {
            return None;
        }
        let mut rest = Joined::from(text);
        for piece in &self.pieces {
            match rest.without(plain(piece, context)?, case) {
                Some(behind) => rest = behind,
                None => return Some(false),
            }
        }
        Some(rest.is_empty())
    }

    /// The number that the pattern stands for; `None` if it stands for none.
    pub(super) fn number(&self, context: Context<'_>) -> Option<i64> {
        match &*self.pieces {
            [piece] => plain(piece, context)?.parse().ok(),
            pieces => {
                let parts = pieces.iter().map(|piece| plain(piece, context));
                parts.collect::<Option<String>>()?.parse().ok()
            }
        }
    }

    /// Whether all of its variables have a value.
    fn is_known(&self, context: Context<'_>) -> bool {
        self.variables().all(|name| context(name).is_some())
    }

    /// Matches with one point of return, the latest `*`: an earlier one never has to take more than it did.
    fn glob(&self, text: Joined<'_>, context: Context<'_>, case: Case) -> bool {
        let (mut at, mut rest) = (0, text);
        let mut retry: Option<(usize, Joined<'_>)> = None;
        loop {
            let behind = match self.pieces.get(at) {
                Some(Piece::Any) => {
                    at += 1;
                    if at == self.pieces.len() {
                        return true;
                    }
                    retry = Some((at, rest));
                    continue;
                }
                Some(Piece::One) => rest.without_first(),
                Some(piece) => plain(piece, context).and_then(|text| rest.without(text, case)),
                None if rest.is_empty() => return true,
                None => None,
            };
            if let Some(behind) = behind {
                at += 1;
                rest = behind;
                continue;
            }
            let Some((after, from)) = retry else {
                return false;
            };
            let Some(from) = from
                .without_first()
                .and_then(|from| self.next_try(after, from, case))
            else {
                return false;
            };
            (at, rest) = (after, from);
            retry = Some((after, from));
        }
    }

    /// Where the piece at a place may match next: most patterns have text behind a `*`, which begins at few places.
    fn next_try<'t>(&self, at: usize, from: Joined<'t>, case: Case) -> Option<Joined<'t>> {
        match (self.pieces.get(at), case) {
            (Some(Piece::Text(text)), Case::Kept) => from.skipped_to(text.chars().next()?),
            (_, Case::Kept | Case::Ignored) => Some(from),
        }
    }
}

/// What a piece stands for where wildcards are plain characters.
fn plain<'r, 'c: 'r>(piece: &'r Piece, context: Context<'c>) -> Option<&'r str> {
    match piece {
        Piece::Text(text) => Some(text),
        Piece::One => Some("?"),
        Piece::Any => Some("*"),
        Piece::Variable(name) => context(name),
    }
}

fn flush(plain: &mut String, pieces: &mut Vec<Piece>) {
    if !plain.is_empty() {
        pieces.push(Piece::Text(std::mem::take(plain).into()));
    }
}
