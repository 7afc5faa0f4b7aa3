//! Texts divided into words for the search, the same way when they are kept and when they are looked for.
//!
//! Scripts that are written without spaces are divided into pairs of neighbours, so that 会议 is found in 明天会议室见.
//! Other words are kept whole and found by how they begin. Case, accents and width do not matter.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{decompose_canonical, is_combining_mark};

/// A message's words as the index keeps them.
pub(super) fn divided(text: &str) -> String {
    let mut divided = Vec::new();
    let mut ends = Vec::new();
    for run in runs(text) {
        if let Some(last) = run.pieces(&mut divided) {
            ends.push(last);
        }
    }
    // Behind all others, so that neighbours stay neighbours: one character alone is found at the end of its run, too.
    divided.append(&mut ends);
    divided.join(" ")
}

/// What finds the messages that contain all words of a text, in the syntax of FTS5, to stand behind a column. Nothing
/// that a person writes reaches that syntax but inside quotes. `None` if there is no word in it.
pub(super) fn query(text: &str) -> Option<String> {
    let words = text.split_whitespace().filter_map(phrase).take(MAX_WORDS);
    let phrases: Vec<String> = words.collect();
    (!phrases.is_empty()).then(|| format!("({})", phrases.join(" AND ")))
}

fn phrase(word: &str) -> Option<String> {
    let (mut pieces, mut beginning) = (Vec::new(), false);
    for run in runs(word).take(MAX_RUNS) {
        let last = run.pieces(&mut pieces);
        beginning = match (run.script, last) {
            (Script::Spaced, _) => run.chars.len() > 1 && run.chars.len() < MAX_PIECE,
            // Its one character stands at the beginning of a pair, or alone.
            (Script::Unspaced, Some(only)) if run.chars.len() == 1 => {
                pieces.push(only);
                true
            }
            _ => false,
        };
    }
    let prefix = if beginning { " *" } else { "" };
    (!pieces.is_empty()).then(|| format!("\"{}\"{prefix}", pieces.join(" ").replace('"', "\"\"")))
}

/// Characters of one script that stand together.
struct Run {
    script: Script,
    chars: Vec<char>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Script {
    Spaced,
    Unspaced,
    /// Each is a word of its own.
    Symbol,
}

impl Run {
    /// Adds the words of the run. The last character of an unspaced one is given back.
    fn pieces(&self, into: &mut Vec<String>) -> Option<String> {
        match self.script {
            Script::Spaced => into.push(self.chars.iter().take(MAX_PIECE).collect()),
            Script::Symbol => into.extend(self.chars.iter().map(char::to_string)),
            Script::Unspaced => {
                into.extend(self.chars.windows(2).map(|pair| pair.iter().collect::<String>()));
                return self.chars.last().map(char::to_string);
            }
        }
        None
    }
}

fn runs(text: &str) -> impl Iterator<Item = Run> + use<> {
    let mut runs: Vec<Run> = Vec::new();
    let mut goes_on = false;
    for c in folded(text) {
        let Some(script) = script(c) else {
            goes_on = false;
            continue;
        };
        match runs.last_mut().filter(|run| goes_on && run.script == script) {
            Some(run) => run.chars.push(c),
            None => runs.push(Run { script, chars: vec![c] }),
        }
        goes_on = true;
    }
    runs.into_iter()
}

/// Without case, width and accents. Korean syllables and Japanese voicing marks stay: they make other words.
fn folded(text: &str) -> Vec<char> {
    let mut folded = Vec::with_capacity(text.len());
    for c in text.nfkc().flat_map(char::to_lowercase) {
        match c {
            'ß' => folded.extend(['s', 's']),
            '\u{3040}'..='\u{30FF}' | '\u{AC00}'..='\u{D7A3}' => folded.push(c),
            c => decompose_canonical(c, |part| {
                if !is_accent(part) {
                    folded.push(part);
                }
            }),
        }
    }
    folded
}

/// Marks of Latin, Greek and Cyrillic, variation selectors and skin tones. Marks of other scripts are letters.
fn is_accent(c: char) -> bool {
    matches!(c, '\u{0300}'..='\u{036F}' | '\u{1AB0}'..='\u{1AFF}' | '\u{1DC0}'..='\u{1DFF}' | '\u{20D0}'..='\u{20FF}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{FE20}'..='\u{FE2F}' | '\u{1F3FB}'..='\u{1F3FF}')
}

/// `None` for what separates words.
fn script(c: char) -> Option<Script> {
    match c {
        // Thai, Lao, Burmese, Khmer; kana, Han, Hangul.
        '\u{0E00}'..='\u{0EFF}'
        | '\u{1000}'..='\u{109F}'
        | '\u{1780}'..='\u{17FF}'
        | '\u{3040}'..='\u{30FF}'
        | '\u{3100}'..='\u{318F}'
        | '\u{31F0}'..='\u{31FF}'
        | '\u{3400}'..='\u{4DBF}'
        | '\u{4E00}'..='\u{9FFF}'
        | '\u{AC00}'..='\u{D7A3}'
        | '\u{F900}'..='\u{FAFF}'
        | '\u{20000}'..='\u{3FFFF}'
            if c.is_alphanumeric() || is_combining_mark(c) =>
        {
            Some(Script::Unspaced)
        }
        '\u{2190}'..='\u{2BFF}' | '\u{1F000}'..='\u{1FAFF}' => Some(Script::Symbol),
        c if c.is_alphanumeric() || is_combining_mark(c) => Some(Script::Spaced),
        _ => None,
    }
}

/// Characters of a word that count: longer ones are keys and addresses.
const MAX_PIECE: usize = 64;
/// Words of one search.
const MAX_WORDS: usize = 16;
/// Runs of one word of a search.
const MAX_RUNS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_all_scripts_are_divided() {
        for (text, words) in [
            ("明天会议室见", "明天 天会 会议 议室 室见 见"),
            ("会", "会"),
            ("C语言", "c 语言 言"),
            ("語言C", "語言 c 言"),
            ("がんばって!", "がん んば ばっ って て"),
            ("ﾊﾝｶｸ", "ハン ンカ カク ク"),
            ("안녕하세요 여러분", "안녕 녕하 하세 세요 여러 러분 요 분"),
            ("Straße über Größe", "strasse uber grosse"),
            ("naïve CAFÉ ΆΛΦΑ", "naive cafe αλφα"),
            ("setup_v2.exe", "setup v2 exe"),
            ("ship it 🎉👍🏽", "ship it 🎉 👍"),
            ("❤\u{FE0F} 👨\u{200D}👩", "❤ 👨 👩"),
            ("ＦＵＬＬ　ｗｉｄｔｈ", "full width"),
            ("हिन्दी", "हिन्दी"),
            ("สวัสดี", "สว วั ัส สด ดี ี"),
            ("\"; DROP -- *^:", "drop"),
            ("…", ""),
        ] {
            assert_eq!(divided(text), words, "{text}");
        }
    }

    #[test]
    fn a_search_is_a_phrase_for_each_word_and_quotes_all_of_it() {
        for (text, query_text) in [
            ("lunch", Some(r#"("lunch" *)"#)),
            ("a tea", Some(r#"("a" AND "tea" *)"#)),
            ("会议", Some(r#"("会议")"#)),
            ("会", Some(r#"("会" *)"#)),
            ("会议室 Tea", Some(r#"("会议 议室" AND "tea" *)"#)),
            ("setup.exe", Some(r#"("setup exe" *)"#)),
            ("🎉", Some(r#"("🎉")"#)),
            ("words:x OR \"NEAR(", Some(r#"("words x" AND "or" * AND "near" *)"#)),
            (" … ", None),
            ("", None),
        ] {
            assert_eq!(query(text).as_deref(), query_text, "{text}");
        }
        assert_eq!(query(&"tea ".repeat(1000)).unwrap().matches("AND").count(), MAX_WORDS - 1);
    }
}
