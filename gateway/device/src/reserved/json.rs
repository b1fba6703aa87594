//! JSON written straight into bytes, in the order in which AWS IoT writes it.

use serde::Serialize;
use shipslog_domain::execution::StatusDetails;

/// An object that is being written.
#[derive(Debug)]
pub(super) struct Object(Vec<u8>);

impl Object {
    pub(super) fn new() -> Self {
        let mut bytes = Vec::with_capacity(256);
        bytes.push(b'{');
        Self(bytes)
    }

    /// The finished text.
    pub(super) fn end(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
    }

    /// A member whose value serde knows how to write: numbers and text.
    pub(super) fn member(&mut self, key: &'static str, value: &(impl Serialize + ?Sized)) {
        self.key(key);
        serde_json::to_writer(&mut self.0, value)
            .expect("numbers and text can be written to memory");
    }

    /// A member whose value is JSON text already.
    pub(super) fn raw(&mut self, key: &'static str, json: &str) {
        self.key(key);
        self.0.extend_from_slice(json.as_bytes());
    }

    /// A member that is an object.
    pub(super) fn object(&mut self, key: &'static str, write: impl FnOnce(&mut Self)) {
        self.key(key);
        self.nested(write);
    }

    /// A member that is a list of objects.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        items: &[T],
        mut write: impl FnMut(&mut Self, &T),
    ) {
        self.key(key);
        self.0.push(b'[');
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.0.push(b',');
            }
            self.nested(|object| write(object, item));
        }
        self.0.push(b']');
    }

    /// Pairs of text, as an object.
    pub(super) fn pairs(&mut self, key: &'static str, pairs: StatusDetails<'_>) {
        self.object(key, |object| {
            for (key, value) in pairs.iter() {
                object.separate();
                object.text(key);
                object.0.push(b':');
                object.text(value);
            }
        });
    }

    /// Pairs of text in any number, as an object.
    pub(super) fn texts(&mut self, key: &'static str, pairs: &[(Box<str>, Box<str>)]) {
        self.object(key, |object| {
            for (key, value) in pairs {
                object.separate();
                object.text(key);
                object.0.push(b':');
                object.text(value);
            }
        });
    }

    fn text(&mut self, text: &str) {
        serde_json::to_writer(&mut self.0, text).expect("text can be written to memory");
    }

    fn nested(&mut self, write: impl FnOnce(&mut Self)) {
        self.0.push(b'{');
        write(self);
        self.0.push(b'}');
    }

    fn key(&mut self, key: &'static str) {
        self.separate();
        self.0.push(b'"');
        self.0.extend_from_slice(key.as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    fn separate(&mut self) {
        if self.0.last() != Some(&b'{') {
            self.0.push(b',');
        }
    }
}
