//! Reads a fuzzer's bytes as choices.

/// Takes choices from the front; every choice is a valid one.
#[derive(Clone, Copy)]
pub struct Feed<'a>(pub &'a [u8]);

impl<'a> Feed<'a> {
    /// `None` when nothing is left.
    pub fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// One of `count` things.
    pub fn one_of(&mut self, count: usize) -> Option<usize> {
        Some(usize::from(self.byte()?) % count)
    }

    /// Small most of the time, anything at all now and then.
    pub fn number(&mut self) -> Option<u64> {
        match self.byte()? {
            255 => {
                let (bytes, rest) = self.0.split_first_chunk::<8>()?;
                self.0 = rest;
                Some(u64::from_be_bytes(*bytes))
            }
            small => Some(u64::from(small)),
        }
    }

    /// So many bytes as the first two say, or what is left.
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let count = usize::from(self.byte()?) << 8 | usize::from(self.byte()?);
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        Some(taken)
    }

    /// As [`Feed::bytes`], made text.
    pub fn text(&mut self) -> Option<String> {
        self.bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }
}
