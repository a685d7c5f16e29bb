//! Framing: JSON objects ended by a NUL byte, decoded from pieces of any size, within a bound.

use std::ffi::CStr;

use serde::Serialize;

/// The longest request accepted, in bytes without its NUL.
pub const MAX_REQUEST_BYTES: usize = 1 << 20;
/// The longest reply a client accepts, in bytes without its NUL: some hundred thousand jobs.
pub const MAX_REPLY_BYTES: usize = 256 << 20;
/// An empty decoder keeps no more memory than this.
const KEPT_BYTES: usize = 64 << 10;

/// Why bytes cannot become a frame; nothing after them can be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// No NUL byte came in time.
    #[error("a frame has more than {limit} bytes")]
    TooLong { limit: usize },
}

/// Cuts a stream of bytes into frames.
///
/// It holds at most the limit and what was pushed last, provided that the frames are taken out before more is
/// pushed.
#[derive(Debug)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Bytes before this belong to frames that were taken out.
    start: usize,
    /// Bytes before this are known to hold no NUL, so that a frame in many pieces is searched once.
    searched: usize,
    limit: usize,
}

impl Decoder {
    /// Makes a decoder for frames of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Decoder { buffer: Vec::new(), start: 0, searched: 0, limit }
    }

    /// Takes in bytes as they came.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.searched -= self.start;
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Takes out the next whole frame, without its NUL; `None` = it is not whole yet.
    ///
    /// # Errors
    /// Once a frame is longer than the limit; the decoder is of no use then.
    pub fn next_frame(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        let too_long = FrameError::TooLong { limit: self.limit };
        // The standard library finds the end of a C string many bytes at a time.
        match CStr::from_bytes_until_nul(&self.buffer[self.searched..]) {
            Ok(found) => {
                let end = self.searched + found.count_bytes();
                if end - self.start > self.limit {
                    return Err(too_long);
                }
                if self.start == 0 && end + 1 == self.buffer.len() {
                    // A reply about many jobs is handed over, not copied.
                    self.searched = 0;
                    let mut frame = std::mem::take(&mut self.buffer);
                    frame.truncate(end);
                    return Ok(Some(frame));
                }
                let frame = self.buffer[self.start..end].to_vec();
                self.start = end + 1;
                self.searched = self.start;
                if self.start == self.buffer.len() {
                    self.clear();
                }
                Ok(Some(frame))
            }
            Err(_) => {
                self.searched = self.buffer.len();
                if self.buffered() > self.limit { Err(too_long) } else { Ok(None) }
            }
        }
    }

    /// Returns how many bytes wait in the decoder.
    pub fn buffered(&self) -> usize {
        self.buffer.len() - self.start
    }

    fn clear(&mut self) {
        self.buffer.clear();
        self.buffer.shrink_to(KEPT_BYTES);
        self.start = 0;
        self.searched = 0;
    }
}

/// Writes a value as a frame, with its NUL.
///
/// # Errors
/// Where the value has no JSON form (a map with keys that are no text).
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut frame = serde_json::to_vec(value)?;
    frame.push(0);
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop};
    use proptest::{prop_assert_eq, proptest};

    use super::{Decoder, FrameError};

    fn frames(decoder: &mut Decoder) -> Result<Vec<Vec<u8>>, FrameError> {
        let mut all = Vec::new();
        while let Some(frame) = decoder.next_frame()? {
            all.push(frame);
        }
        Ok(all)
    }

    #[test]
    fn frames_end_with_a_nul() {
        let mut decoder = Decoder::new(10);
        decoder.push(b"ab\0\0cd");
        assert_eq!(frames(&mut decoder), Ok(vec![b"ab".to_vec(), Vec::new()]));
        assert_eq!(decoder.buffered(), 2);
        decoder.push(b"e\0");
        assert_eq!(frames(&mut decoder), Ok(vec![b"cde".to_vec()]));
        assert_eq!(decoder.buffered(), 0);
    }

    #[test]
    fn a_frame_over_the_limit_is_an_error_whether_it_ends_or_not() {
        for (bytes, fits) in
            [(&b"12345\0"[..], true), (b"12345", true), (b"123456\0", false), (b"123456", false)]
        {
            let mut decoder = Decoder::new(5);
            decoder.push(bytes);
            assert_eq!(frames(&mut decoder).is_ok(), fits, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            sent in prop::collection::vec(prop::collection::vec(1_u8.., 0..20), 0..10),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
        ) {
            let wire: Vec<u8> = sent.iter().flat_map(|f| f.iter().copied().chain([0])).collect();
            let mut cuts: Vec<usize> = cuts.iter().map(|c| c.index(wire.len() + 1)).collect();
            cuts.extend([0, wire.len()]);
            cuts.sort_unstable();
            let mut decoder = Decoder::new(20);
            let mut received = Vec::new();
            for piece in cuts.windows(2) {
                decoder.push(&wire[piece[0]..piece[1]]);
                received.extend(frames(&mut decoder).unwrap());
            }
            prop_assert_eq!(received, sent);
            prop_assert_eq!(decoder.buffered(), 0);
        }
    }
}
