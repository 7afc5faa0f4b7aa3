//! Whom `@Name` in a text means. Decided once, by the author's device, so that it means the same person everywhere.

use super::MAX_MENTIONS;
use crate::model::PeerId;

/// The people whom a text mentions, in its order and each once; at most [`MAX_MENTIONS`].
///
/// A name counts from an `@` that begins a word, in any case, to its end at the end of a word. Of several
/// names the longest counts; one that several people have means nobody, and `@` with a short id means that device.
pub fn mentioned(text: &str, people: &[(PeerId, &str)]) -> Vec<PeerId> {
    let names: Vec<(PeerId, Vec<char>)> = people
        .iter()
        .map(|(peer, name)| (*peer, folded(name)))
        .filter(|(_, name)| !name.is_empty())
        .collect();
    let ids: Vec<(PeerId, Vec<char>)> =
        people.iter().map(|(peer, _)| (*peer, folded(&peer.short()))).collect();
    let text = folded(text);
    let mut found: Vec<PeerId> = Vec::new();
    let signs = text.iter().enumerate().filter(|(_, c)| matches!(c, '@' | '＠')).map(|(at, _)| at);
    let begins_word = |at: usize| at == 0 || !text[at - 1].is_alphanumeric() || is_unspaced(text[at - 1]);
    for at in signs.filter(|at| begins_word(*at)).take(MAX_SIGNS) {
        let rest = &text[at + 1..];
        let meant = longest(rest, &ids).or_else(|| longest(rest, &names));
        if let Some(peer) = meant.filter(|peer| !found.contains(peer))
            && found.len() < MAX_MENTIONS
        {
            found.push(peer);
        }
    }
    found
}

/// The one person whose name is the longest at the beginning of `rest`.
fn longest(rest: &[char], names: &[(PeerId, Vec<char>)]) -> Option<PeerId> {
    let begins = |name: &[char]| rest.starts_with(name) && ends_word(name, &rest[name.len()..]);
    let length = names.iter().filter(|(_, name)| begins(name)).map(|(_, name)| name.len()).max()?;
    let mut people =
        names.iter().filter(|(_, name)| name.len() == length && begins(name)).map(|(peer, _)| *peer);
    let first = people.next()?;
    people.all(|peer| peer == first).then_some(first)
}

/// Whether a name may end here. Where words are written without spaces, the next one may follow at once.
fn ends_word(name: &[char], rest: &[char]) -> bool {
    match (name.last(), rest.first()) {
        (Some(last), Some(next)) => {
            !next.is_alphanumeric() || !last.is_alphanumeric() || is_unspaced(*last) || is_unspaced(*next)
        }
        _ => true,
    }
}

fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{0E00}'..='\u{0EFF}' | '\u{1780}'..='\u{17FF}' | '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{9FFF}'
        | '\u{AC00}'..='\u{D7A3}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}

fn folded(text: &str) -> Vec<char> {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// Signs of one text that are looked at: more than anybody mentions, and a bound to the work.
const MAX_SIGNS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: PeerId = PeerId([1; 32]);
    const ANN_LEE: PeerId = PeerId([2; 32]);
    const ZHANG: PeerId = PeerId([3; 32]);
    const BOB: PeerId = PeerId([4; 32]);
    const OTHER_BOB: PeerId = PeerId([5; 32]);

    #[test]
    fn the_longest_name_that_only_one_person_has_is_meant() {
        let people = [(ANN, "Ann"), (ANN_LEE, "Ann Lee"), (ZHANG, "张伟"), (BOB, "Bob"), (OTHER_BOB, "bob")];
        let other_bob = format!("@{} tea?", OTHER_BOB.short().to_uppercase());
        for (text, meant) in [
            ("@Ann tea?", &[ANN][..]),
            ("@ann, @ANN LEE!", &[ANN, ANN_LEE]),
            ("(@Ann) @Ann", &[ANN]),
            ("hello @Ann Leeds", &[ANN]),
            ("@Annabel", &[]),
            ("mail ann@ann.example", &[]),
            ("@张伟你好", &[ZHANG]),
            ("看看＠张伟吧", &[ZHANG]),
            ("@Bob?", &[]),
            (&other_bob, &[OTHER_BOB]),
            ("@", &[]),
            ("", &[]),
        ] {
            assert_eq!(mentioned(text, &people), meant, "{text}");
        }
    }

    #[test]
    fn nobody_can_mention_a_whole_crowd() {
        let names: Vec<String> = (0..100).map(|n| format!("p{n:02}")).collect();
        let people: Vec<_> = (0..).zip(&names).map(|(n, name)| (PeerId([n; 32]), name.as_str())).collect();
        let text: String = names.iter().map(|name| format!("@{name} ")).collect();
        assert_eq!(mentioned(&text, &people).len(), MAX_MENTIONS);
        assert_eq!(mentioned(&"@".repeat(10_000), &people), []);
    }
}
