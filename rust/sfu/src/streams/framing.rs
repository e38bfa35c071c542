//! Datagrams in a stream: a length of two bytes, then so many (RFC 4571 section 2). Pure.

use crate::shard::MAX_DATAGRAM;

/// What comes is no frame that we would send or take: an end of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotFramed;

/// Takes datagrams out of a stream, however it is cut.
#[derive(Debug, Default)]
pub struct Deframer {
    /// The beginning of a frame that is not complete.
    partial: Vec<u8>,
}

const HEADER: usize = 2;

impl Deframer {
    /// Take in bytes of the stream, and give each datagram that is complete with them.
    pub fn push(&mut self, bytes: &[u8], mut give: impl FnMut(&[u8])) -> Result<(), NotFramed> {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.partial.is_empty()
                && let Some((datagram, behind)) = split(rest)?
            {
                give(datagram);
                rest = behind;
                continue;
            }
            let missing = self.wanted().saturating_sub(self.partial.len());
            let (head, behind) = rest.split_at(missing.min(rest.len()));
            self.partial.extend_from_slice(head);
            rest = behind;
            if let Some((datagram, _)) = split(&self.partial)? {
                give(datagram);
                self.partial.clear();
            }
        }
        Ok(())
    }

    /// Length of the frame that has begun, as far as is known.
    fn wanted(&self) -> usize {
        match self.partial.first_chunk() {
            Some(length) => HEADER + usize::from(u16::from_be_bytes(*length)),
            None => HEADER,
        }
    }
}

/// A datagram, and what is behind it.
type Split<'a> = (&'a [u8], &'a [u8]);

/// The first datagram; `None` if it is not complete.
fn split(bytes: &[u8]) -> Result<Option<Split<'_>>, NotFramed> {
    let Some((length, rest)) = bytes.split_first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes(*length));
    if length > MAX_DATAGRAM {
        return Err(NotFramed);
    }
    Ok(rest.split_at_checked(length))
}
