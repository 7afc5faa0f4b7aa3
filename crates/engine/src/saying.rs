//! Sentences for people that can be said in another language, as gettext has them: a template in English with named holes, and
//! what stands in these. The window looks the template up; whoever does not gets English.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use lanyard_proto::wire::file::DecodeError;
use serde::{Deserialize, Serialize};

/// What can be said in another language: a sentence or a part of one in English, in which `{name}` is a hole, and what stands
/// in each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Saying {
    pub template: Cow<'static, str>,
    pub with: BTreeMap<String, Filling>,
}

/// What stands in a hole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(untagged)]
pub enum Filling {
    /// A name, a number, a path, or what the system says: the same in every language.
    Text(String),
    Saying(Saying),
}

/// What can stand in a hole of a [`Saying`].
pub trait Says {
    fn filling(&self) -> Filling;
}

/// A [`Saying`] of a template and what stands in its holes: `saying!("{name} is gone.", name)`, `saying!("{why}.", why = error)`.
///
/// The window has each of these literals in its languages: the test `sentences_are_fresh` collects them from the sources.
#[macro_export]
macro_rules! saying {
    (@fill $hole:ident) => {
        $crate::saying::Says::filling(&$hole)
    };
    (@fill $hole:ident = $value:expr) => {
        $crate::saying::Says::filling(&$value)
    };
    ($template:literal $(, $hole:ident $(= $value:expr)?)* $(,)?) => {{
        const { assert!($crate::saying::fits($template, &[$(stringify!($hole)),*]), "each hole is filled once") };
        $crate::saying::Saying::new($template, [$((stringify!($hole), $crate::saying!(@fill $hole $(= $value)?))),*])
    }};
}

/// An [`crate::api::ApiError`] of a code and a sentence as [`saying!`] takes it.
#[macro_export]
macro_rules! says {
    ($code:expr, $($sentence:tt)+) => {
        $crate::api::ApiError::says($code, $crate::saying!($($sentence)+))
    };
}

impl Saying {
    pub fn new<const HOLES: usize>(template: &'static str, with: [(&str, Filling); HOLES]) -> Saying {
        let with = with.into_iter().map(|(hole, filling)| (hole.to_owned(), filling)).collect();
        Saying { template: template.into(), with }
    }

    /// A sentence that is the same wherever it is said, of those that the protocol has.
    pub fn fixed(sentence: String) -> Saying {
        Saying { template: sentence.into(), with: BTreeMap::new() }
    }
}

impl fmt::Display for Saying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = &*self.template;
        while let Some((before, (hole, behind))) =
            rest.split_once('{').and_then(|(before, after)| Some((before, after.split_once('}')?)))
        {
            f.write_str(before)?;
            if let Some(filling) = self.with.get(hole) {
                filling.fmt(f)?;
            }
            rest = behind;
        }
        f.write_str(rest)
    }
}

impl std::error::Error for Saying {}

impl fmt::Display for Filling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Filling::Text(text) => f.write_str(text),
            Filling::Saying(saying) => saying.fmt(f),
        }
    }
}

impl Filling {
    /// For the database, in one column: what older versions wrote there is plain text.
    pub fn to_column(&self) -> String {
        match self {
            Filling::Text(text) => text.clone(),
            Filling::Saying(saying) => serde_json::to_string(saying).expect("text can be written as JSON"),
        }
    }

    pub fn from_column(text: String) -> Filling {
        let saying = text.starts_with('{').then(|| serde_json::from_str(&text).ok()).flatten();
        saying.map_or(Filling::Text(text), Filling::Saying)
    }
}

impl From<Saying> for Filling {
    fn from(saying: Saying) -> Filling {
        Filling::Saying(saying)
    }
}

impl<T: Says + ?Sized> Says for &T {
    fn filling(&self) -> Filling {
        (**self).filling()
    }
}

impl Says for Filling {
    fn filling(&self) -> Filling {
        self.clone()
    }
}

impl Says for Saying {
    fn filling(&self) -> Filling {
        Filling::Saying(self.clone())
    }
}

/// A size as people read it: in decimal units, as disks and file managers have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
        match self.0 {
            1 => return f.write_str("1 byte"),
            count @ ..1000 => return write!(f, "{count} bytes"),
            _ => {}
        }
        let mut value = self.0 as f64 / 1000.0;
        let mut unit = UNITS[0];
        for next in &UNITS[1..] {
            // What would be rounded to 1000 of one unit is 1.0 of the next.
            if value < 999.95 {
                break;
            }
            value /= 1000.0;
            unit = next;
        }
        write!(f, "{value:.1} {unit}")
    }
}

/// Units are the same in every language; below them there are words.
impl Says for Bytes {
    fn filling(&self) -> Filling {
        match self.0 {
            1 => saying!("1 byte").into(),
            count @ ..1000 => saying!("{count} bytes", count).into(),
            _ => Filling::Text(self.to_string()),
        }
    }
}

impl Says for Path {
    fn filling(&self) -> Filling {
        Filling::Text(self.display().to_string())
    }
}

impl Says for PathBuf {
    fn filling(&self) -> Filling {
        self.as_path().filling()
    }
}

macro_rules! plain {
    ($($kind:ty),*) => {
        $(impl Says for $kind {
            fn filling(&self) -> Filling {
                Filling::Text(self.to_string())
            }
        })*
    };
}

plain!(str, String, i64, u16, u32, u64, usize, std::net::SocketAddr);

/// The system has its own words, in whatever language. What everybody meets can be said in another; then the whole template
/// is a hole, which holds those words.
impl Says for io::Error {
    fn filling(&self) -> Filling {
        use io::ErrorKind as Kind;
        if let Some(ours) = self.get_ref().and_then(|inner| inner.downcast_ref::<Saying>()) {
            return ours.filling();
        }
        // The words of the TLS library on this point to its manual.
        let hung_up = self.kind() == Kind::UnexpectedEof;
        let system = if hung_up { "the other side hung up".to_owned() } else { self.to_string() };
        let saying = match self.kind() {
            Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge => {
                saying!("{no_space}", no_space = system)
            }
            Kind::PermissionDenied => saying!("{not_permitted}", not_permitted = system),
            Kind::ReadOnlyFilesystem => saying!("{read_only}", read_only = system),
            Kind::NotFound => saying!("{not_there}", not_there = system),
            Kind::AlreadyExists => saying!("{already_there}", already_there = system),
            Kind::InvalidFilename => saying!("{bad_name}", bad_name = system),
            Kind::NotADirectory => saying!("{no_folder}", no_folder = system),
            Kind::AddrInUse => saying!("{port_taken}", port_taken = system),
            Kind::ConnectionRefused => saying!("{nobody_listens}", nobody_listens = system),
            Kind::TimedOut => saying!("{no_answer}", no_answer = system),
            Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::NetworkDown => {
                saying!("{unreachable}", unreachable = system)
            }
            Kind::ConnectionReset
            | Kind::ConnectionAborted
            | Kind::NotConnected
            | Kind::BrokenPipe
            | Kind::UnexpectedEof
            | Kind::WriteZero => saying!("{cut_off}", cut_off = system),
            _ => return Filling::Text(system),
        };
        Filling::Saying(saying)
    }
}

impl Says for DecodeError {
    fn filling(&self) -> Filling {
        Filling::Saying(Saying::fixed(self.to_string()))
    }
}

/// What the words say as an error of the system's kind, to be said again by [`Says`].
pub fn io_error(kind: io::ErrorKind, words: Filling) -> io::Error {
    match words {
        Filling::Text(text) => io::Error::new(kind, text),
        Filling::Saying(saying) => io::Error::new(kind, saying),
    }
}

/// Some of `all` things, one after the other.
pub fn listed(some: Vec<Filling>, all: usize) -> Filling {
    let more = all - some.len();
    let names = some.into_iter().reduce(|names, name| saying!("{names}, {name}", names, name).into());
    let names = names.unwrap_or(Filling::Text(String::new()));
    if more == 0 { names } else { saying!("{names} and {more} more", names, more).into() }
}

/// Whether a template has exactly these holes.
pub const fn fits(template: &str, holes: &[&str]) -> bool {
    let text = template.as_bytes();
    let mut used: u64 = 0;
    let mut at = 0;
    while at < text.len() {
        if text[at] == b'{' {
            let start = at + 1;
            while at < text.len() && text[at] != b'}' {
                at += 1;
            }
            let mut hole = 0;
            while hole < holes.len() && !is_part(text, start, at, holes[hole].as_bytes()) {
                hole += 1;
            }
            if at == text.len() || hole == holes.len() {
                return false;
            }
            used |= 1 << hole;
        }
        at += 1;
    }
    used == (1 << holes.len()) - 1
}

const fn is_part(text: &[u8], start: usize, end: usize, part: &[u8]) -> bool {
    if end - start != part.len() {
        return false;
    }
    let mut at = 0;
    while at < part.len() {
        if text[start + at] != part[at] {
            return false;
        }
        at += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_says_what_stands_in_its_holes() {
        let (path, error) = (Path::new("/a{b}"), io::Error::from_raw_os_error(28));
        let inner = saying!("cannot {doing}: {error}", doing = "write", error);
        let whole = saying!("{path} is not there ({why}). {path}!", path, why = inner);
        assert_eq!(whole.to_string(), format!("/a{{b}} is not there (cannot write: {error}). /a{{b}}!"));
        let said = serde_json::to_value(&whole).unwrap();
        assert_eq!(said["with"]["why"]["template"], "cannot {doing}: {error}");
        assert_eq!(said["with"]["path"], "/a{b}");
        assert_eq!(serde_json::from_value::<Saying>(said).unwrap(), whole);
    }

    #[test]
    fn sizes_read_well_at_every_border_and_say_the_same_in_a_sentence() {
        let sizes = [0, 1, 999, 1000, 999_949, 999_950, 1_500_000_000].map(Bytes);
        let shown = sizes.map(|size| size.to_string());
        assert_eq!(shown, ["0 bytes", "1 byte", "999 bytes", "1.0 kB", "999.9 kB", "1.0 MB", "1.5 GB"]);
        assert_eq!(sizes.map(|size| size.filling().to_string()), shown);
    }

    #[test]
    fn only_a_template_with_exactly_these_holes_fits() {
        assert!(fits("no hole", &[]) && fits("{a}{bc} {a}", &["a", "bc"]));
        for (template, holes) in [("{a}", &[] as &[&str]), ("", &["a"]), ("{a", &["a"]), ("{ab}", &["a"])] {
            assert!(!fits(template, holes), "{template}");
        }
    }

    #[test]
    fn an_error_of_the_system_is_known_by_its_kind_and_keeps_its_words() {
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::PermissionDenied, io::ErrorKind::TimedOut] {
            let error = io::Error::from(kind);
            assert!(
                matches!(error.filling(), Filling::Saying(saying) if saying.to_string() == error.to_string())
            );
        }
        let ours = saying!("only here");
        assert_eq!(io::Error::other(ours.clone()).filling(), Filling::Saying(ours));
        assert_eq!(io::Error::other("whatever").filling(), Filling::Text("whatever".to_owned()));
    }

    #[test]
    fn a_column_holds_both_what_can_be_translated_and_plain_text() {
        let said = saying!("{name} went away.", name = "Bob");
        for filling in [Filling::Saying(said), Filling::Text("{Bob} went away.".to_owned())] {
            assert_eq!(Filling::from_column(filling.to_column()), filling);
        }
    }
}
