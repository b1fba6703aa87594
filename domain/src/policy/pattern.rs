//! Patterns of actions and resources: text with wildcards and policy variables.

use crate::policy::document::Context;

/// One place of a pattern that is ready to match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Glyph {
    /// This character.
    Literal(char),
    /// `?`: one character, whichever.
    One,
    /// `*`: any characters, or none.
    Any,
}

/// A piece of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Glyphs(Box<[Glyph]>),
    /// `${name}`: what the context says, as plain text.
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
        let mut glyphs = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if variables && let Some(inside) = rest.strip_prefix("${") {
                let Some((name, behind)) = inside.split_once('}') else {
                    return Err("has \"${\" without the \"}\" that ends the variable".into());
                };
                match name {
                    // AWS IoT: the way to write the characters themselves.
                    "*" | "?" | "$" => glyphs.extend(name.chars().map(Glyph::Literal)),
                    "" => return Err("has a variable without a name".into()),
                    _ if name.chars().any(|one| one.is_control() || one == '{') => {
                        return Err("has a variable whose name is not plain text".into());
                    }
                    _ => {
                        flush(&mut glyphs, &mut pieces);
                        pieces.push(Piece::Variable(name.into()));
                    }
                }
                rest = behind;
                continue;
            }
            glyphs.push(glyph(first));
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
        flush(&mut glyphs, &mut pieces);
        Ok(Self {
            pieces: pieces.into(),
        })
    }

    /// Names of its variables.
    pub(super) fn variables(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Variable(name) => Some(&**name),
            Piece::Glyphs(_) => None,
        })
    }

    /// Whether the whole of `text` matches; `None` where the context knows no value of a variable.
    pub(super) fn matches(&self, text: &str, context: Context<'_>) -> Option<bool> {
        match &*self.pieces {
            [Piece::Glyphs(glyphs)] => Some(glob(glyphs, text)),
            pieces => Some(glob(&resolved(pieces, context)?, text)),
        }
    }

    /// The text that the pattern stands for, with wildcards as plain characters.
    pub(super) fn plain(&self, context: Context<'_>) -> Option<String> {
        let glyphs = resolved(&self.pieces, context)?;
        let text = glyphs.iter().map(|glyph| match glyph {
            Glyph::Literal(letter) => *letter,
            Glyph::One => '?',
            Glyph::Any => '*',
        });
        Some(text.collect())
    }
}

const fn glyph(letter: char) -> Glyph {
    match letter {
        '*' => Glyph::Any,
        '?' => Glyph::One,
        letter => Glyph::Literal(letter),
    }
}

fn flush(glyphs: &mut Vec<Glyph>, pieces: &mut Vec<Piece>) {
    if !glyphs.is_empty() {
        pieces.push(Piece::Glyphs(std::mem::take(glyphs).into()));
    }
}

/// Wildcards in the value of a variable are plain characters: a device must not widen its own policy.
fn resolved(pieces: &[Piece], context: Context<'_>) -> Option<Vec<Glyph>> {
    let mut glyphs = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Glyphs(some) => glyphs.extend_from_slice(some),
            Piece::Variable(name) => glyphs.extend(context(name)?.chars().map(Glyph::Literal)),
        }
    }
    Some(glyphs)
}

/// Matches with one point of return, the latest `*`: an earlier one never has to take more than it did.
fn glob(pattern: &[Glyph], text: &str) -> bool {
    let mut pattern_at = 0;
    let mut rest = text;
    let mut retry: Option<(usize, &str)> = None;
    loop {
        let mut behind = rest.chars();
        let next = behind.next();
        match (pattern.get(pattern_at), next) {
            (Some(Glyph::Any), _) => {
                pattern_at += 1;
                retry = Some((pattern_at, rest));
                continue;
            }
            (Some(Glyph::One), Some(_)) => {
                pattern_at += 1;
                rest = behind.as_str();
                continue;
            }
            (Some(Glyph::Literal(wanted)), Some(found)) if *wanted == found => {
                pattern_at += 1;
                rest = behind.as_str();
                continue;
            }
            (None, None) => return true,
            (Some(Glyph::One | Glyph::Literal(_)) | None, _) => {}
        }
        let Some((after, from)) = retry else {
            return false;
        };
        let mut from = from.chars();
        if from.next().is_none() {
            return false;
        }
        pattern_at = after;
        rest = from.as_str();
        retry = Some((after, rest));
    }
}
