//! Text in pieces.

/// Text in pieces that follow each other, such as an ARN and a topic in it: whoever asks need not join them.
#[derive(Clone, Copy, Debug)]
pub struct Joined<'a>([&'a str; 3]);

/// Whether capitals of ASCII differ from small letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    Kept,
    Ignored,
}

impl<'a> Joined<'a> {
    /// These pieces.
    #[must_use]
    pub const fn new(pieces: [&'a str; 3]) -> Self {
        Self(pieces)
    }

    pub(super) fn is_empty(self) -> bool {
        self.0.iter().all(|piece| piece.is_empty())
    }

    /// What is left without the first character; `None` if there is none.
    pub(super) fn without_first(mut self) -> Option<Self> {
        let piece = self.0.iter_mut().find(|piece| !piece.is_empty())?;
        let mut letters = piece.chars();
        letters.next();
        *piece = letters.as_str();
        Some(self)
    }

    /// What is left from the next place on that has this character; `None` if there is none.
    pub(super) fn skipped_to(mut self, letter: char) -> Option<Self> {
        for piece in &mut self.0 {
            if let Some(at) = piece.find(letter) {
                *piece = piece.get(at..)?;
                return Some(self);
            }
            *piece = "";
        }
        None
    }

    /// What is left without these characters at the start; `None` if it starts otherwise.
    pub(super) fn without(mut self, start: &str, case: Case) -> Option<Self> {
        let mut wanted = start;
        for piece in &mut self.0 {
            let common = piece.len().min(wanted.len());
            // A place in the middle of a character on one side is a difference, too.
            let (found, rest) = piece.split_at_checked(common)?;
            let (same, later) = wanted.split_at_checked(common)?;
            let is_same = match case {
                Case::Kept => found == same,
                Case::Ignored => found.eq_ignore_ascii_case(same),
            };
            if !is_same {
                return None;
            }
            (*piece, wanted) = (rest, later);
            if wanted.is_empty() {
                return Some(self);
            }
        }
        None
    }
}

impl<'a> From<&'a str> for Joined<'a> {
    fn from(text: &'a str) -> Self {
        Self([text, "", ""])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every way to cut a text into three pieces.
    fn cuts(text: &str) -> impl Iterator<Item = Joined<'_>> {
        let places = || (0..=text.len()).filter(|at| text.is_char_boundary(*at));
        let pairs = places().flat_map(move |from| places().map(move |to| (from, to)));
        let pairs = pairs.filter(|(from, to)| from <= to);
        pairs.map(|(from, to)| Joined::new([&text[..from], &text[from..to], &text[to..]]))
    }

    fn text(joined: Joined<'_>) -> String {
        joined.0.concat()
    }

    #[test]
    fn where_it_is_cut_does_not_matter() {
        let whole = "aB€c";
        let starts = [
            "", "a", "aB", "aB€", "aB€c", "ab", "a€", "B", "aB€cd", "é", "aBé",
        ];
        for (joined, start) in cuts(whole).flat_map(|cut| starts.map(|start| (cut, start))) {
            let found = joined.without(start, Case::Kept).map(text);
            let expected = whole.strip_prefix(start).map(str::to_owned);
            assert_eq!(found, expected, "{joined:?} {start:?}");
        }
        for joined in cuts(whole) {
            assert_eq!(joined.skipped_to('€').map(text).as_deref(), Some("€c"));
            assert!(joined.skipped_to('x').is_none());
            assert_eq!(joined.without_first().map(text).as_deref(), Some("B€c"));
            let found = joined.without("AB€C", Case::Ignored);
            assert!(found.is_some_and(Joined::is_empty));
        }
        assert!(Joined::from("").without_first().is_none());
    }
}
