//! A set of small numbers: which pieces of an offer somebody has.

/// Which of the numbers below a fixed length are in it. On the wire, bit `n % 8` of byte `n / 8` is number `n`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bitmap {
    words: Vec<u64>,
    length: u32,
    count: u32,
}

impl Bitmap {
    /// None of `length` numbers.
    pub fn new(length: u32) -> Bitmap {
        Bitmap { words: vec![0; (length as usize).div_ceil(64)], length, count: 0 }
    }

    /// All of `length` numbers.
    pub fn full(length: u32) -> Bitmap {
        let mut all = Bitmap { words: vec![u64::MAX; (length as usize).div_ceil(64)], length, count: length };
        all.cut_off_the_rest();
        all
    }

    /// Reads [`Bitmap::to_bytes`]; `None` unless it speaks of exactly `length` numbers.
    pub fn from_bytes(bytes: &[u8], length: u32) -> Option<Bitmap> {
        if bytes.len() != (length as usize).div_ceil(8) {
            return None;
        }
        let mut words = vec![0; (length as usize).div_ceil(64)];
        for (word, bytes) in words.iter_mut().zip(bytes.chunks(8)) {
            let mut whole = [0; 8];
            whole[..bytes.len()].copy_from_slice(bytes);
            *word = u64::from_le_bytes(whole);
        }
        let mut read = Bitmap { words, length, count: 0 };
        read.cut_off_the_rest();
        read.count = read.words.iter().map(|word| word.count_ones()).sum();
        Some(read)
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.words.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.truncate((self.length as usize).div_ceil(8));
        bytes
    }

    /// How many numbers there are, in it or not.
    pub fn length(&self) -> u32 {
        self.length
    }

    /// How many are in it.
    pub fn count(&self) -> u32 {
        self.count
    }

    pub fn is_full(&self) -> bool {
        self.count == self.length
    }

    /// Whether it is in; what is beyond the length never is.
    pub fn has(&self, number: u32) -> bool {
        self.words.get(number as usize / 64).is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    /// Whether all of a range are in.
    pub fn has_all(&self, mut range: std::ops::Range<u32>) -> bool {
        range.all(|number| self.has(number))
    }

    /// Puts a number in. Whether it is new; what is beyond the length is left out.
    pub fn insert(&mut self, number: u32) -> bool {
        if number >= self.length || self.has(number) {
            return false;
        }
        self.words[number as usize / 64] |= 1 << (number % 64);
        self.count += 1;
        true
    }

    /// Takes a number out. Whether it was in.
    pub fn remove(&mut self, number: u32) -> bool {
        if !self.has(number) {
            return false;
        }
        self.words[number as usize / 64] &= !(1 << (number % 64));
        self.count -= 1;
        true
    }

    /// What is in it, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.ones(|_, word| word)
    }

    /// What is in it and not in `other`, in order.
    pub fn without<'a>(&'a self, other: &'a Bitmap) -> impl Iterator<Item = u32> + 'a {
        self.ones(|at, word| word & !other.words.get(at).copied().unwrap_or(0))
    }

    /// The first number from `from` on that is not in it.
    pub fn next_absent(&self, from: u32) -> Option<u32> {
        let mut at = from as usize / 64;
        let mut skipped = (1u64 << (from % 64)) - 1;
        while let Some(word) = self.words.get(at) {
            let absent = !(word | skipped);
            if absent != 0 {
                let number = at as u32 * 64 + absent.trailing_zeros();
                return (number < self.length).then_some(number);
            }
            (at, skipped) = (at + 1, 0);
        }
        None
    }

    fn ones(&self, word: impl Fn(usize, u64) -> u64) -> impl Iterator<Item = u32> {
        self.words.iter().enumerate().flat_map(move |(at, bits)| {
            let mut bits = word(at, *bits);
            std::iter::from_fn(move || {
                let bit = bits.trailing_zeros();
                bits &= bits.wrapping_sub(1);
                (bit < 64).then_some(at as u32 * 64 + bit)
            })
        })
    }

    fn cut_off_the_rest(&mut self) {
        if let Some(last) = self.words.last_mut()
            && !self.length.is_multiple_of(64)
        {
            *last &= (1 << (self.length % 64)) - 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn it_holds_what_a_set_would_hold(
            length in 1u32..200, put in prop::collection::vec(any::<u32>(), 0..99),
            taken in prop::collection::vec(any::<u32>(), 0..50), from in 0u32..220,
        ) {
            let (mut map, mut set) = (Bitmap::new(length), BTreeSet::new());
            for number in put {
                let number = number % (length + 5);
                prop_assert_eq!(map.insert(number), number < length && set.insert(number));
            }
            for number in taken {
                let number = number % (length + 5);
                prop_assert_eq!(map.remove(number), set.remove(&number));
            }
            prop_assert_eq!(map.iter().collect::<Vec<_>>(), set.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(map.count() as usize, set.len());
            prop_assert_eq!(map.next_absent(from), (from..length).find(|number| !set.contains(number)));
            prop_assert_eq!(Bitmap::from_bytes(&map.to_bytes(), length), Some(map.clone()));
            let rest: Vec<u32> = Bitmap::full(length).without(&map).collect();
            prop_assert_eq!(rest, (0..length).filter(|n| !set.contains(n)).collect::<Vec<_>>());
        }

        #[test]
        fn bytes_of_somebody_else_are_a_bitmap_of_the_length_or_none(
            bytes in prop::collection::vec(any::<u8>(), 0..20), length in 0u32..150,
        ) {
            if let Some(map) = Bitmap::from_bytes(&bytes, length) {
                prop_assert!(map.iter().all(|number| number < length));
                prop_assert_eq!(map.iter().count(), map.count() as usize);
            }
        }
    }
}
