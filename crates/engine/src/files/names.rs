//! Names that come from elsewhere: one rule set for every system, so that a folder that crossed Linux, Windows and macOS
//! has the same names on all of them.
//!
//! Names arrive as lists of components, never as paths. What comes out of [`safe`] is one component that cannot mean
//! anything but a name: not a path, a device, a stream, a hidden direction of writing, or another spelling of a neighbour
//! ([`folded`] tells those). Deliberately absent: any look at the disk; that is for staging.

use unicode_normalization::UnicodeNormalization;

/// Bytes of a name on disk: below the 255 of every usual file system, with room for a number.
pub const MAX_NAME_BYTES: usize = 200;

/// A disk that has no room for as much in a name is not made use of: what has a longer one fails there.
pub const LEAST_NAME_BYTES: usize = 64;

/// Bytes of a name to be shown.
const MAX_SHOWN_BYTES: usize = 300;

/// An ending longer than this is no extension worth keeping when a name is cut.
const MAX_EXTENSION_BYTES: usize = 32;

/// The name under which a component is written to disk. Idempotent.
pub fn safe(component: &str) -> String {
    let visible: String = component.chars().filter(|c| !deceptive(*c)).collect();
    let composed: String = visible.nfc().map(|c| if forbidden(c) { '_' } else { c }).collect();
    let mut name = trimmed(&composed).to_owned();
    if name.starts_with('~') {
        name.replace_range(..1, "_");
    }
    shortened(&name, MAX_NAME_BYTES)
}

/// A safe name where the disk holds no more than `most` bytes of each, at least [`LEAST_NAME_BYTES`].
pub fn shortened(name: &str, most: usize) -> String {
    let mut name = cut(name, most);
    if reserved(&name) {
        name = cut(&format!("_{name}"), most);
    }
    if name.is_empty() { "_".to_owned() } else { name }
}

/// `name` as its `number`th twin, like `photo (2).jpg`, of at most `most` bytes. Safe if `name` is.
pub fn numbered(name: &str, number: u64, most: usize) -> String {
    let (stem, extension) = split(name);
    let suffix = format!(" ({number}){extension}");
    format!("{}{suffix}", head(stem, most.saturating_sub(suffix.len())))
}

/// What names have in common that some file system takes for one.
pub fn folded(name: &str) -> String {
    // Lower, upper, lower is what full case folding comes to for all letters that file systems fold.
    let lower = name.to_lowercase().to_uppercase().to_lowercase();
    lower.nfc().collect()
}

/// A name that somebody else wrote, safe to show: what could hide or reverse text is replaced by U+FFFD.
pub fn shown(name: &str) -> String {
    let visible: String = name.chars().map(|c| if deceptive(c) { '\u{fffd}' } else { c }).collect();
    if visible.trim().is_empty() {
        return "\u{fffd}".to_owned();
    }
    if visible.len() <= MAX_SHOWN_BYTES {
        return visible;
    }
    let (stem, extension) = split(&visible);
    format!("{}…{extension}", head(stem, MAX_SHOWN_BYTES - extension.len() - '…'.len_utf8()))
}

/// The longest beginning of at most `most` bytes that ends between characters.
pub fn head(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or(0)]
}

/// Controls, marks of direction, characters of no width or of private meaning, and what is no character at all.
fn deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{e000}'..='\u{f8ff}' | '\u{fdd0}'..='\u{fdef}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'..)
        || (c as u32 & 0xfffe) == 0xfffe
}

/// What Windows refuses in names, and what separates folders anywhere.
fn forbidden(c: char) -> bool {
    matches!(c, '<' | '>' | ':' | '"' | '/' | '\\' | '|' | '?' | '*')
}

/// Windows drops dots and spaces at the end; spaces at the beginning only deceive.
fn trimmed(name: &str) -> &str {
    name.trim_start().trim_end_matches(|c: char| c == '.' || c.is_whitespace())
}

/// The names of devices of Windows, with any extension: `con`, `aux.txt`, `com¹.log`.
fn reserved(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end().to_uppercase();
    if ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$"].contains(&stem.as_str()) {
        return true;
    }
    let port = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
    port.is_some_and(|port| {
        let mut digits = port.chars();
        matches!((digits.next(), digits.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
    })
}

/// A name of at most `most` bytes, with its extension if it has one.
fn cut(name: &str, most: usize) -> String {
    if name.len() <= most {
        return name.to_owned();
    }
    let (stem, extension) = split(name);
    trimmed(&format!("{}{extension}", head(stem, most - extension.len()))).to_owned()
}

/// The stem, and the extension with its dot; no extension if it would be all of the name or overlong.
fn split(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if dot > 0 && name.len() - dot <= MAX_EXTENSION_BYTES => name.split_at(dot),
        _ => (name, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What comes, and what is written.
    const TABLE: &[(&str, &str)] = &[
        ("report.pdf", "report.pdf"),
        ("Ünïcödé.txt", "Ünïcödé.txt"),
        ("写真.jpg", "写真.jpg"),
        ("🦀.rs", "🦀.rs"),
        ("e\u{301}.txt", "é.txt"),
        ("a\u{308}", "ä"),
        ("Å", "Å"),
        (".bashrc", ".bashrc"),
        ("..hidden", "..hidden"),
        ("a b c", "a b c"),
        ("-rf", "-rf"),
        ("$HOME", "$HOME"),
        ("%TEMP%", "%TEMP%"),
        ("a;b&c", "a;b&c"),
        ("it's", "it's"),
        ("(1)", "(1)"),
        ("a,b", "a,b"),
        ("a=b+c", "a=b+c"),
        ("[x]{y}", "[x]{y}"),
        ("`x`!^#@", "`x`!^#@"),
        ("", "_"),
        (".", "_"),
        ("..", "_"),
        ("...", "_"),
        (". .", "_"),
        (" ", "_"),
        ("\u{a0}", "_"),
        ("\u{3000}", "_"),
        ("\t", "_"),
        ("\n", "_"),
        ("\0", "_"),
        ("\u{200b}", "_"),
        ("/", "_"),
        ("//", "__"),
        ("\\", "_"),
        ("../x", ".._x"),
        ("..\\x", ".._x"),
        ("../../etc/passwd", ".._.._etc_passwd"),
        ("..\\..\\Windows", ".._.._Windows"),
        ("/etc/passwd", "_etc_passwd"),
        ("a/b", "a_b"),
        ("a\\b", "a_b"),
        ("a/../b", "a_.._b"),
        ("./x", "._x"),
        ("C:", "C_"),
        ("C:\\x", "C__x"),
        ("c:x", "c_x"),
        ("\\\\server\\share", "__server_share"),
        ("\\\\?\\C:\\x", "____C__x"),
        ("\\\\.\\PhysicalDrive0", "__._PhysicalDrive0"),
        ("//server/share", "__server_share"),
        ("file.txt:stream", "file.txt_stream"),
        ("file.txt::$DATA", "file.txt__$DATA"),
        ("a<b>c", "a_b_c"),
        ("a\"b", "a_b"),
        ("a|b", "a_b"),
        ("what?", "what_"),
        ("*.*", "_._"),
        ("<\u{338}", "\u{226e}"),
        ("~", "_"),
        ("~root", "_root"),
        ("~/x", "__x"),
        ("a~", "a~"),
        ("a~1", "a~1"),
        (" ~x", "_x"),
        ("trail.", "trail"),
        ("trail...", "trail"),
        ("trail ", "trail"),
        ("trail . . ", "trail"),
        ("trail\u{a0}", "trail"),
        (" lead", "lead"),
        ("\u{3000}lead", "lead"),
        ("a.txt.", "a.txt"),
        ("a.txt ", "a.txt"),
        ("a. .txt", "a. .txt"),
        ("CON", "_CON"),
        ("con", "_con"),
        ("Con.txt", "_Con.txt"),
        ("con.tar.gz", "_con.tar.gz"),
        ("con .txt", "_con .txt"),
        ("con.", "_con"),
        ("con ", "_con"),
        ("con:", "con_"),
        ("PRN", "_PRN"),
        ("prn.log", "_prn.log"),
        ("AUX", "_AUX"),
        ("aux.h", "_aux.h"),
        ("NUL", "_NUL"),
        ("nul.", "_nul"),
        ("COM0", "_COM0"),
        ("COM1", "_COM1"),
        ("com9.txt", "_com9.txt"),
        ("COM10", "COM10"),
        ("COM", "COM"),
        ("COMx", "COMx"),
        ("COM¹", "_COM¹"),
        ("com².txt", "_com².txt"),
        ("COM³", "_COM³"),
        ("COM⁴", "COM⁴"),
        ("LPT0", "_LPT0"),
        ("LPT1", "_LPT1"),
        ("lpt9", "_lpt9"),
        ("LPT¹.x", "_LPT¹.x"),
        ("CONIN$", "_CONIN$"),
        ("conout$", "_conout$"),
        ("CONOUT$.txt", "_CONOUT$.txt"),
        ("CLOCK$", "_CLOCK$"),
        ("CLOC\u{212a}$", "_CLOCK$"),
        ("console", "console"),
        ("nullable", "nullable"),
        ("auxiliary.c", "auxiliary.c"),
        ("a.con", "a.con"),
        ("C\u{200b}ON", "_CON"),
        ("\u{202e}CON", "_CON"),
        ("CON\u{0}", "_CON"),
        ("photo\u{202e}gpj.exe", "photogpj.exe"),
        ("a\u{202a}b\u{202c}c", "abc"),
        ("a\u{2066}b\u{2069}", "ab"),
        ("a\u{200e}b\u{200f}c", "abc"),
        ("a\u{61c}b", "ab"),
        ("zero\u{200b}width", "zerowidth"),
        ("join\u{200d}er", "joiner"),
        ("\u{feff}bom", "bom"),
        ("soft\u{ad}hyphen", "softhyphen"),
        ("word\u{2060}joiner", "wordjoiner"),
        ("line\u{2028}sep", "linesep"),
        ("para\u{2029}sep", "parasep"),
        ("bell\u{7}", "bell"),
        ("esc\u{1b}[31m", "esc[31m"),
        ("del\u{7f}", "del"),
        ("c1\u{9b}x", "c1x"),
        ("cr\r\nlf", "crlf"),
        ("tab\there", "tabhere"),
        ("private\u{e000}use", "privateuse"),
        ("private\u{f0001}b", "privateb"),
        ("private\u{10fffd}", "private"),
        ("non\u{ffff}char", "nonchar"),
        ("non\u{fdd0}char", "nonchar"),
        ("tag\u{e0041}", "tag"),
        ("hangul\u{3164}filler", "hangulfiller"),
        ("..\u{200b}", "_"),
        (".\u{200b}.", "_"),
        ("..\u{200b}/x", ".._x"),
        ("a.\u{200b}", "a"),
        ("\u{fffd}", "\u{fffd}"),
        ("fullwidth／slash", "fullwidth／slash"),
        ("．．", "．．"),
        (".lanyard-part", ".lanyard-part"),
        ("desktop.ini", "desktop.ini"),
        ("a.lnk", "a.lnk"),
    ];

    #[test]
    fn every_name_of_the_table_is_written_as_it_should_be() {
        assert!(TABLE.len() >= 120);
        for (given, expected) in TABLE {
            assert_eq!(safe(given), *expected, "{given:?}");
        }
    }

    /// Every way to say something that a system understands otherwise, with every disguise: under the rules of all systems.
    #[test]
    fn hundreds_of_hostile_names_become_one_safe_component_each() {
        let devices = [
            "CON", "PRN", "AUX", "NUL", "COM1", "COM9", "COM¹", "COM²", "LPT0", "LPT3", "LPT³", "CONIN$",
            "CONOUT$", "CLOCK$",
        ];
        let paths = [
            "..",
            "../x",
            "../../etc/passwd",
            "/etc/passwd",
            "..\\..\\x",
            "C:\\x",
            "C:x",
            "\\\\?\\C:\\x",
            "\\\\server\\share\\x",
            "//server/share",
            "~/.ssh/authorized_keys",
            "a:stream",
            "a::$DATA",
            "file:///etc/x",
            "|rm",
            "*",
            "?",
            "<a>",
            "\"q\"",
        ];
        let disguises: [fn(&str) -> String; 14] = [
            str::to_owned,
            str::to_lowercase,
            |name| format!("{name}."),
            |name| format!("{name} "),
            |name| format!(" {name}"),
            |name| format!("{name}.txt"),
            |name| format!("{name} .txt"),
            |name| format!("\u{202e}{name}"),
            |name| format!("{name}\u{200b}"),
            |name| format!("{name}\0.png"),
            |name| format!("{name}\u{feff}..  "),
            |name| name.chars().flat_map(|c| [c, '\u{2060}']).collect(),
            |name| format!("./{name}/."),
            |name| format!("{name}{}", " ".repeat(300)),
        ];
        let names = devices.iter().chain(&paths).flat_map(|name| disguises.map(|disguise| disguise(name)));
        let names: std::collections::BTreeSet<String> = names.collect();
        assert!(names.len() >= 400, "{}", names.len());
        for name in names {
            let once = safe(&name);
            assert_safe(&once);
            assert_eq!(safe(&once), once, "{name:?}");
        }
    }

    #[test]
    fn a_long_name_is_cut_between_characters_and_keeps_its_extension() {
        let long = safe(&format!("{}.tar.gz", "ä".repeat(300)));
        assert!(long.len() <= MAX_NAME_BYTES && long.ends_with("ä.gz"), "{long}");
        assert_eq!(safe(&"x".repeat(255)).len(), MAX_NAME_BYTES);
        let no_extension = safe(&format!("a.{}", "y".repeat(255)));
        assert_eq!(no_extension.len(), MAX_NAME_BYTES);
        // Cut to a device's name, a long name still is none.
        let device = safe(&format!("CON{}x.txt", " ".repeat(300)));
        assert!(device.starts_with("_CON") && device.ends_with(".txt") && device.len() <= MAX_NAME_BYTES);
    }

    #[test]
    fn a_twin_is_numbered_before_its_extension() {
        assert_eq!(numbered("photo.jpg", 2, MAX_NAME_BYTES), "photo (2).jpg");
        assert_eq!(numbered("photos", 3, MAX_NAME_BYTES), "photos (3)");
        assert_eq!(numbered(".bashrc", 2, MAX_NAME_BYTES), ".bashrc (2)");
        let long = numbered(&format!("{}.jpg", "ü".repeat(98)), 12, MAX_NAME_BYTES);
        assert!(long.len() <= MAX_NAME_BYTES && long.ends_with(" (12).jpg"));
    }

    #[test]
    fn where_less_is_held_of_a_name_it_is_cut_and_numbered_within_that() {
        let long = format!("{}.tar.gz", "ü".repeat(90));
        let cut = shortened(&long, 143);
        assert!(cut.len() <= 143 && cut.ends_with("ü.gz"), "{cut}");
        assert_eq!(shortened("report.pdf", 143), "report.pdf");
        let twin = numbered(&cut, 12, 143);
        assert!(twin.len() <= 143 && twin.ends_with(" (12).gz"), "{twin}");
        assert_eq!(
            shortened(&format!("CON{}x.txt", " ".repeat(150)), 64),
            format!("_CON{}.txt", " ".repeat(56))
        );
    }

    #[test]
    fn twins_by_case_or_composition_are_told() {
        assert_eq!(folded("ReadMe.TXT"), folded("README.txt"));
        assert_eq!(folded("STRASSE"), folded("straße"));
        assert_eq!(folded("É"), folded("e\u{301}"));
        assert_eq!(folded("ς"), folded("Σ"));
        assert_ne!(folded("a"), folded("b"));
    }

    #[test]
    fn what_is_shown_cannot_hide_or_reverse_anything() {
        assert_eq!(shown("photo\u{202e}gpj.exe"), "photo\u{fffd}gpj.exe");
        assert_eq!(shown("two\nlines"), "two\u{fffd}lines");
        assert_eq!(shown(""), "\u{fffd}");
        let long = shown(&format!("{}.exe", "x".repeat(5000)));
        assert!(long.len() <= MAX_SHOWN_BYTES && long.ends_with("….exe"));
    }

    fn assert_safe(name: &str) {
        assert!(!name.is_empty() && name.len() <= MAX_NAME_BYTES, "{name:?}");
        assert!(!name.chars().any(|c| forbidden(c) || deceptive(c)), "{name:?}");
        assert!(!name.ends_with(['.', ' ']) && !name.starts_with([' ', '~']), "{name:?}");
        assert!(!reserved(name), "{name:?}");
        let path = std::path::Path::new(name);
        let components: Vec<_> = path.components().collect();
        assert!(matches!(components[..], [std::path::Component::Normal(only)] if only == name), "{name:?}");
    }

    proptest! {
        #[test]
        fn whatever_comes_one_safe_component_goes(name in any::<String>()) {
            let once = safe(&name);
            assert_safe(&once);
            prop_assert_eq!(safe(&once), once);
        }

        #[test]
        fn pieces_of_hostile_names_make_safe_names_too(
            pieces in prop::collection::vec(prop::sample::select(PIECES), 1..30), number in 2u64..100_000,
        ) {
            let once = safe(&pieces.concat());
            assert_safe(&once);
            prop_assert_eq!(&safe(&once), &once);
            assert_safe(&numbered(&once, number, MAX_NAME_BYTES));
        }
    }

    const PIECES: &[&str] = &[
        ".",
        "..",
        " ",
        "/",
        "\\",
        ":",
        "~",
        "CON",
        "con",
        "COM1",
        "LPT¹",
        "NUL",
        "CONIN$",
        "\u{202e}",
        "\u{200b}",
        "\u{301}",
        "\u{338}",
        "<",
        "=",
        "e",
        "K",
        "\u{212a}",
        "x",
        "\0",
        "\u{a0}",
        "\u{3000}",
        "txt",
        "aaaaaaaaaa",
        "          ",
        "ääääääääääääääääää",
        "_",
        "\u{1100}",
        "\u{1161}",
        "ſ",
        "İ",
        "🦀",
    ];
}
