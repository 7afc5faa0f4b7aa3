//! Other people's text, made harmless for a terminal; sizes and times as people read them.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use lanyard_engine::saying::Bytes;

/// One line that cannot move the cursor, change colours, reverse the line or forge another one.
pub fn line(text: &str) -> String {
    text.chars().map(|c| if is_hostile(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Several lines, each after the first behind `indent`, as harmless as [`line`].
pub fn paragraph(text: &str, indent: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for (number, part) in text.lines().enumerate() {
        if number > 0 {
            shown.push('\n');
            shown.push_str(indent);
        }
        shown.push_str(&line(&part.replace('\t', "    ")));
    }
    shown
}

/// JSON in which also those control characters are escaped that JSON itself allows to stand bare.
pub fn json(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    for c in line.chars() {
        if is_hostile(c) {
            shown.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Decimal units, as disks and file managers have them.
pub fn bytes(count: u64) -> String {
    Bytes(count).to_string()
}

/// A number of bytes as a person writes it, decimal units unless they say otherwise; `none` is 0.
pub fn rate(typed: &str) -> Result<u64, String> {
    let typed = typed.trim();
    if typed.eq_ignore_ascii_case("none") {
        return Ok(0);
    }
    let end = typed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(typed.len());
    let (number, unit) = typed.split_at(end);
    let unit = unit.trim().trim_end_matches("/s").to_ascii_lowercase();
    let times = match unit.as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        _ => return Err("write it like 500kB, 2MB, 1.5MiB, or none".to_owned()),
    };
    let number: f64 = number.parse().map_err(|_| "write it like 500kB, 2MB, 1.5MiB, or none".to_owned())?;
    Ok((number * times).round() as u64)
}

/// What is on or off.
pub fn switch(typed: &str) -> Result<bool, String> {
    match typed {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("write on or off".to_owned()),
    }
}

/// `3 files`, `1 file`.
pub fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// The local time of day, with the date if it is not today's.
pub fn moment(milliseconds: u64) -> String {
    let now = Zoned::now();
    moment_in(milliseconds, &now)
}

fn moment_in(milliseconds: u64, now: &Zoned) -> String {
    let zone: TimeZone = now.time_zone().clone();
    let then = i64::try_from(milliseconds).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    match then.map(|then| then.to_zoned(zone)) {
        Some(then) if then.date() == now.date() => then.strftime("%H:%M").to_string(),
        Some(then) => then.strftime("%Y-%m-%d %H:%M").to_string(),
        None => "?".to_owned(),
    }
}

/// Enough of an id to name it again.
pub fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

/// The same for a transfer: only the second half of its id tells what one device offers apart.
pub fn short_transfer(id: &str) -> &str {
    short(id.get(16..).unwrap_or(id))
}

/// Control characters (among them every escape sequence's first), line separators, and what turns the direction of
/// writing around. All of them are below U+10000.
fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_carry_an_escape_sequence() {
        assert_eq!(line("\x1b]0;owned\x07Ann\u{9b}31m"), "\u{FFFD}]0;owned\u{FFFD}Ann\u{FFFD}31m");
    }

    #[test]
    fn a_name_cannot_turn_the_line_around() {
        assert_eq!(line("exe.\u{202E}fdp"), "exe.\u{FFFD}fdp");
    }

    #[test]
    fn a_message_cannot_forge_the_line_of_another_person() {
        assert_eq!(paragraph("hi\nBob: I owe you", "    "), "hi\n    Bob: I owe you");
        assert_eq!(paragraph("hi\rBob: no", "  "), "hi\u{FFFD}Bob: no");
    }

    #[test]
    fn ordinary_text_of_any_language_stays_as_it_is() {
        for text in ["naïve café", "大家好", "👩‍👩‍👧 ok", "שלום"] {
            assert_eq!(line(text), text);
        }
    }

    #[test]
    fn json_with_bare_control_characters_still_says_the_same() {
        let text = "a\u{9b}b\u{7f}c\u{202e}d";
        let shown = json(&serde_json::to_string(text).unwrap());
        assert_eq!(shown, r#""a\u009bb\u007fc\u202ed""#);
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
    }

    #[test]
    fn a_rate_is_read_as_people_write_it() {
        let read =
            ["none", "0", "4096", "500kB", "2MB", "2 MB/s", "1.5MiB", "3g"].map(|typed| rate(typed).unwrap());
        assert_eq!(read, [0, 0, 4096, 500_000, 2_000_000, 2_000_000, 1_572_864, 3_000_000_000]);
        for wrong in ["", "fast", "-1", "2 Mbit", "1.2.3MB"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_moment_of_another_day_has_its_date() {
        let now: Zoned = "2026-11-20T12:00:00+00:00[UTC]".parse().unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap().as_millisecond().try_into().unwrap();
        assert_eq!(moment_in(at("2026-11-20T09:05:00Z"), &now), "09:05");
        assert_eq!(moment_in(at("2026-11-19T09:05:00Z"), &now), "2026-11-19 09:05");
        assert_eq!(moment_in(u64::MAX, &now), "?");
    }
}
