//! What of other people's text may reach a screen.

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};
use unicode_segmentation::UnicodeSegmentation;

/// One line of text, safe to show: NFC, no control, direction, invisible or private-use characters, white space folded
/// to single spaces, at most `max_bytes` bytes and cut between characters. May be empty.
pub fn clean_line(text: &str, max_bytes: usize) -> String {
    // Bounded before it is normalised: NFC may grow text by a factor of three at most.
    let bounded = cut(text, max_bytes.saturating_mul(4));
    // Made visible before it is normalised: what stood between two characters may have kept them from composing.
    let visible = bounded.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| is_visible(*c));
    let visible = composed(visible.collect());
    let folded = visible.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    cut(&folded, max_bytes).trim_end().to_owned()
}

/// A message, safe to show: as [`clean_line`], but lines and the spaces in them stay as they were written.
pub fn clean_text(text: &str, max_bytes: usize) -> String {
    let unified = cut(text, max_bytes).replace("\r\n", "\n").replace('\r', "\n");
    let visible = unified.chars().filter(|c| matches!(c, '\n' | '\t') || is_visible(*c));
    let visible = composed(visible.collect());
    cut(&visible, max_bytes).trim_matches('\n').trim_end().to_owned()
}

/// The form in which an emoji stands alone: one character as people see it (UAX 29), no letter, at most [`MAX_EMOJI`]
/// bytes. `None` for anything else.
pub fn emoji(text: &str) -> Option<String> {
    let clean = clean_line(text, text.len());
    let is_one = clean.graphemes(true).count() == 1;
    // A digit or sign is one only as a keycap.
    let is_plain = clean.chars().any(char::is_alphabetic) || clean.is_ascii();
    (is_one && !is_plain && clean.len() <= MAX_EMOJI).then_some(clean)
}

/// In NFC. Nearly all text is already: to see that costs a fraction of making it anew.
fn composed(text: String) -> String {
    if text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        return text;
    }
    text.nfc().collect()
}

/// Whether a character shows itself and nothing else. Direction marks, invisible joiners outside emoji, and
/// private-use characters do not (Unicode TR36, TR39). The emoji joiner and variation selectors stay.
pub fn is_visible(c: char) -> bool {
    !c.is_control()
        && !matches!(c,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
            | '\u{200B}' | '\u{200C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
            | '\u{3164}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{E000}'..='\u{F8FF}'
            | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{10FFFF}')
}

/// The longest start of `text` that has at most `max_bytes` bytes.
pub fn cut(text: &str, max_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(max_bytes)]
}

/// Bytes of one emoji: families and flags have up to 28.
pub const MAX_EMOJI: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_keeps_what_can_be_seen_and_loses_what_deceives() {
        for (given, shown) in [
            ("Ana", "Ana"),
            ("  Ana \t\n Lee  ", "Ana Lee"),
            ("张伟", "张伟"),
            ("e\u{301}", "é"),
            ("e\u{200B}\u{301}", "é"),
            ("gpj.\u{202E}exe", "gpj.exe"),
            ("A\u{200B}n\u{FEFF}a", "Ana"),
            ("\u{1b}[31mred", "[31mred"),
            ("👩\u{200D}💻", "👩\u{200D}💻"),
            ("\u{202E}\u{2066}", ""),
        ] {
            assert_eq!(clean_line(given, 48), shown, "{given:?}");
        }
        assert_eq!(clean_line("ääääää", 5), "ää");
    }

    #[test]
    fn a_message_keeps_its_lines() {
        assert_eq!(clean_text("\r\nfn main() {\r\n\tgo()\n}\n\n", 100), "fn main() {\n\tgo()\n}");
        assert_eq!(clean_text("a\u{202E}b\u{0}c", 100), "abc");
        assert_eq!(clean_text("e\u{0}\u{301}", 100), "é");
    }

    #[test]
    fn one_emoji_is_one_and_nothing_else_is() {
        for given in
            ["👍", "👍🏽", "❤\u{FE0F}", "👨\u{200D}👩\u{200D}👧\u{200D}👦", "🇩🇪", "1\u{FE0F}\u{20E3}", "✓", "↯"]
        {
            assert_eq!(emoji(given).as_deref(), Some(given), "{given:?}");
        }
        assert_eq!(emoji(" 👍\u{202E} ").as_deref(), Some("👍"));
        let long = ["👨"; 9].join("\u{200D}");
        for given in ["", " ", "a", "7", "+", "+1", "👍👍", "ok", "会", "\u{200B}", long.as_str()] {
            assert_eq!(emoji(given), None, "{given:?}");
        }
    }

    proptest! {
        #[test]
        fn a_clean_line_is_bounded_and_clean_already(text: String, max in 0usize..64) {
            let line = clean_line(&text, max);
            prop_assert!(line.len() <= max);
            prop_assert_eq!(clean_line(&line, max), line);
        }
    }
}
