//! Which of the latest numbers came already.

/// How far back a number is still known.
pub const WINDOW: u32 = 1_024;

/// The latest `WINDOW` numbers of a sequence that grows.
#[derive(Debug, Clone, Default)]
pub struct Window {
    /// One more than the highest that came.
    end: u64,
    bits: [u64; WORDS],
}

impl Window {
    /// Takes note of it. False if it came before, or is older than what is known.
    pub fn is_new(&mut self, number: u32) -> bool {
        let number = u64::from(number);
        if number + u64::from(WINDOW) < self.end {
            return false;
        }
        if number >= self.end {
            let ahead = number - self.end + 1;
            if self.end == 0 || ahead >= u64::from(WINDOW) {
                self.bits = [0; WORDS];
            } else {
                (self.end..=number).for_each(|passed| self.set(passed, false));
            }
            self.end = number + 1;
        } else if self.get(number) {
            return false;
        }
        self.set(number, true);
        true
    }

    /// The highest that came.
    pub fn highest(&self) -> Option<u32> {
        self.end.checked_sub(1).map(|highest| u32::try_from(highest).expect("it came as 32 bits"))
    }

    fn get(&self, number: u64) -> bool {
        let (word, bit) = place(number);
        self.bits[word] & bit != 0
    }

    fn set(&mut self, number: u64, came: bool) {
        let (word, bit) = place(number);
        if came {
            self.bits[word] |= bit;
        } else {
            self.bits[word] &= !bit;
        }
    }
}

fn place(number: u64) -> (usize, u64) {
    let index = usize::try_from(number % u64::from(WINDOW)).expect("it is below the window");
    (index / 64, 1 << (index % 64))
}

const WORDS: usize = WINDOW as usize / 64;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_counts_twice_and_what_is_too_old_counts_as_seen() {
        let mut window = Window::default();
        assert!(window.is_new(0) && !window.is_new(0));
        assert!(window.is_new(5) && window.is_new(3) && !window.is_new(3));
        assert!(window.is_new(5 + WINDOW));
        assert!(!window.is_new(4), "just outside");
        assert!(window.is_new(6), "just inside");
        assert!(window.is_new(u32::MAX) && !window.is_new(u32::MAX));
        assert_eq!(window.highest(), Some(u32::MAX));
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_set_of_all_numbers(numbers in prop::collection::vec(0u32..5_000, 0..400)) {
            let (mut window, mut seen) = (Window::default(), BTreeSet::<u32>::new());
            for number in numbers {
                let too_old = seen.last().is_some_and(|highest| number + WINDOW <= *highest);
                let expected = !too_old && !seen.contains(&number);
                prop_assert_eq!(window.is_new(number), expected);
                if !too_old {
                    seen.insert(number);
                }
            }
        }
    }
}
