//! What a peer tells: JSON lines on stdout, one event each, flushed.

use std::io::Write;

use serde_json::{Map, Value};

use crate::clock::monotonic_us;

/// Where the events of one peer go.
#[derive(Clone, Debug)]
pub struct Events {
    user: String,
    printed: bool,
}

impl Events {
    /// Events are printed.
    pub fn printed(user: &str) -> Self {
        Self {
            user: user.to_owned(),
            printed: true,
        }
    }

    /// Events are dropped: one peer among many, of which only figures are wanted.
    pub fn silent(user: &str) -> Self {
        Self {
            user: user.to_owned(),
            printed: false,
        }
    }

    /// Tells of something that happens now. `fields` is a JSON object.
    pub fn tell(&self, event: &str, fields: Value) {
        self.tell_at(monotonic_us(), event, fields);
    }

    /// Tells of something that happened at `at_us`, in microseconds of the monotonic clock.
    pub fn tell_at(&self, at_us: u64, event: &str, fields: Value) {
        if !self.printed {
            return;
        }
        let mut line = Map::new();
        line.insert("event".to_owned(), event.into());
        line.insert("at_us".to_owned(), at_us.into());
        line.insert("user".to_owned(), self.user.clone().into());
        if let Value::Object(fields) = fields {
            line.extend(fields);
        }
        let mut stdout = std::io::stdout().lock();
        // Whoever listened has gone: the peer still leaves the room in good order.
        let _ = writeln!(stdout, "{}", Value::Object(line)).and_then(|()| stdout.flush());
    }
}
