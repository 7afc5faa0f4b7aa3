//! The house keeps its own rules: who may import whom, how long a file may be, where the outside is let in.

#[path = "tidy/dependencies.rs"]
mod dependencies;
#[path = "tidy/proofs.rs"]
mod proofs;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use walkdir::{DirEntry, WalkDir};

#[test]
fn modules_of_the_protocol_import_only_what_is_above_them() {
    imports_go_upwards("crates/proto", PROTOCOL);
}

#[test]
fn modules_of_the_engine_import_only_what_is_above_them() {
    imports_go_upwards("crates/engine", ENGINE);
}

#[test]
fn modules_of_the_voices_import_only_what_is_above_them() {
    imports_go_upwards("crates/media", MEDIA);
}

#[test]
fn no_file_is_longer_than_can_be_read() {
    for (path, text) in sources(&["rs", "ts", "svelte"]) {
        if text.starts_with(GENERATED) {
            continue;
        }
        let lines = text.lines().count();
        assert!(lines <= LONGEST, "{} has {lines} lines: split it by what it does", path.display());
    }
}

#[test]
fn only_one_folder_of_the_pages_knows_tauri() {
    for (path, text) in sources(&["ts", "svelte"]) {
        let allowed = path.starts_with("ui/src/ipc") || !path.starts_with("ui/src");
        assert!(allowed || !text.contains("@tauri-apps"), "{} imports Tauri", path.display());
    }
}

#[test]
fn only_the_shell_knows_tauri() {
    for (path, text) in sources(&["rs"]) {
        if path.starts_with("src-tauri") {
            continue;
        }
        let mut paths = Paths::default();
        paths.visit_file(&parse(&path, &text));
        let tauri = paths.found.iter().find(|found| found[0].starts_with("tauri"));
        assert!(tauri.is_none(), "{} imports Tauri", path.display());
    }
}

#[test]
fn nothing_is_left_for_later() {
    // Put together, so that this file is no finding of its own.
    let marks =
        [concat!("to", "do!("), concat!("unimpl", "emented!("), concat!("FIX", "ME"), concat!("TO", "DO")];
    for (path, text) in sources(&["rs", "ts", "svelte", "toml", "css"]) {
        for (number, line) in text.lines().enumerate() {
            let left = marks.iter().find(|mark| line.contains(**mark));
            assert!(left.is_none(), "{}:{}: {}", path.display(), number + 1, line.trim());
        }
    }
}

/// One module, and single types of modules below it that it may name.
type Row = (&'static str, &'static [&'static str]);

/// From the top to the bottom.
const PROTOCOL: &[Row] = &[
    ("model", &[]),
    ("identity", &[]),
    // A frame says in the transfers' words why there are no bytes.
    ("wire", &["transfer::Failure"]),
    ("pacing", &[]),
    ("expiring", &[]),
    // The contract speaks of what the machines mean, in their words.
    (
        "effects",
        &[
            "rooms::Offer",
            "rooms::RoomKind",
            "rooms::Standing",
            "transfer::PullEnd",
            "transfer::Receipt",
            "transfer::TransferState",
        ],
    ),
    ("trust", &[]),
    ("presence", &[]),
    ("detour", &[]),
    ("log", &[]),
    // A message can be a receipt.
    ("rooms", &["transfer::Delay", "transfer::Failure", "transfer::Part", "transfer::Receipt"]),
    ("transfer", &[]),
    ("mail", &[]),
    ("node", &[]),
];

/// From the top to the bottom.
const ENGINE: &[Row] = &[
    ("saying", &[]),
    ("api", &[]),
    ("config", &[]),
    ("doctor", &[]),
    ("net", &[]),
    ("store", &[]),
    ("files", &[]),
    ("engine", &[]),
    ("control", &[]),
];

/// From the top to the bottom.
const MEDIA: &[Row] = &[
    ("trouble", &[]),
    ("window", &[]),
    ("packet", &[]),
    ("seal", &[]),
    ("audio", &[]),
    ("codec", &[]),
    ("listening", &[]),
    ("talking", &[]),
    ("echo", &[]),
    ("session", &[]),
    ("priority", &[]),
    ("conference", &[]),
    ("devices", &[]),
];

const LONGEST: usize = 600;

/// How a generated file begins.
const GENERATED: &str = "// Made from ";

/// Folders that are not ours, or made by tools.
const FOREIGN: &[&str] = &["target", "node_modules", "dist", "gen", "corpus", "artifacts"];

fn imports_go_upwards(krate: &str, rows: &[Row]) {
    let root = repository().join(krate).join("src");
    let mut reexports = reexports(&root.join("lib.rs"));
    reexports.extend(macros(krate));
    let level = |module: &str| rows.iter().position(|row| row.0 == module);
    let mut seen = BTreeSet::new();
    for (path, text) in sources(&["rs"]) {
        let Ok(inner) = path.strip_prefix(Path::new(krate).join("src")) else {
            continue;
        };
        let module = module_of(inner);
        // The front page names every module; programs and tests stand below all of them.
        let is_for_tests = inner.iter().any(|part| part == "tests" || part == "tests.rs");
        if is_for_tests || ["lib", "bin"].contains(&module.as_str()) {
            continue;
        }
        let own = level(&module);
        assert!(own.is_some(), "{} belongs to no row: say where `{module}` stands", path.display());
        seen.insert(module.clone());
        let mut paths = Paths::default();
        paths.visit_file(&parse(&path, &text));
        for found in paths.found.iter().filter(|found| found[0] == "crate" && found.len() > 1) {
            let first = reexports.get(&found[1]).unwrap_or(&found[1]);
            let named = std::iter::once(first).chain(&found[2..]).cloned().collect::<Vec<_>>().join("::");
            let is_excepted = rows.iter().any(|row| row.0 == module && row.1.contains(&named.as_str()));
            assert!(
                is_excepted || level(first).is_some_and(|first| Some(first) <= own),
                "{}: `{module}` names `{named}`, which is not above it",
                path.display()
            );
        }
    }
    let missing: Vec<_> = rows.iter().map(|row| row.0).filter(|row| !seen.contains(*row)).collect();
    assert!(missing.is_empty(), "rows without a module: {missing:?}");
}

/// The module at the top that a file is in.
fn module_of(inner: &Path) -> String {
    let module = inner.components().next().map(|part| part.as_os_str().to_string_lossy().into_owned());
    module.unwrap_or_default().trim_end_matches(".rs").to_owned()
}

/// Which module each macro comes from that a crate exports: the compiler puts them all on the front page.
fn macros(krate: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (path, text) in sources(&["rs"]) {
        let Ok(inner) = path.strip_prefix(Path::new(krate).join("src")) else { continue };
        for item in parse(&path, &text).items {
            let syn::Item::Macro(item) = item else { continue };
            let is_exported = item.attrs.iter().any(|attribute| attribute.path().is_ident("macro_export"));
            let name = item.ident.filter(|_| is_exported);
            found.extend(name.map(|name| (name.to_string(), module_of(inner))));
        }
    }
    found
}

/// Which module each name comes from that the front page hands on.
fn reexports(front_page: &Path) -> BTreeMap<String, String> {
    let text = read(front_page);
    let mut names = BTreeMap::new();
    for item in parse(front_page, &text).items {
        let syn::Item::Use(item) = item else { continue };
        let mut paths = Paths::default();
        paths.visit_item_use(&item);
        for found in paths.found {
            if let Some(name) = found.last() {
                names.insert(name.clone(), found[0].clone());
            }
        }
    }
    names
}

/// Every path that a file names outside of its tests, as segments.
#[derive(Default)]
struct Paths {
    found: Vec<Vec<String>>,
}

impl Paths {
    fn tree(&mut self, above: &[String], tree: &syn::UseTree) {
        let with = |name: String| above.iter().cloned().chain([name]).collect::<Vec<_>>();
        match tree {
            syn::UseTree::Path(path) => self.tree(&with(path.ident.to_string()), &path.tree),
            syn::UseTree::Name(name) if name.ident == "self" => self.found.push(above.to_vec()),
            syn::UseTree::Name(name) => self.found.push(with(name.ident.to_string())),
            syn::UseTree::Rename(rename) => self.found.push(with(rename.ident.to_string())),
            syn::UseTree::Glob(_) => self.found.push(above.to_vec()),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(above, tree)),
        }
    }
}

impl Visit<'_> for Paths {
    fn visit_item_use(&mut self, item: &syn::ItemUse) {
        self.tree(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &syn::Path) {
        self.found.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_item_mod(&mut self, item: &syn::ItemMod) {
        // Tests stand below everything.
        if !item.attrs.iter().any(is_for_tests) {
            visit::visit_item_mod(self, item);
        }
    }
}

fn is_for_tests(attribute: &syn::Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute.parse_args::<syn::Ident>().is_ok_and(|condition| condition == "test")
}

fn parse(path: &Path, text: &str) -> syn::File {
    syn::parse_file(text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Our own files with one of these endings: paths from the root, and texts.
fn sources(endings: &[&str]) -> Vec<(PathBuf, String)> {
    let is_ours = |entry: &DirEntry| {
        let name = entry.file_name().to_string_lossy();
        let is_hidden = entry.depth() > 0 && name.starts_with('.');
        let is_foreign = entry.file_type().is_dir() && FOREIGN.contains(&name.as_ref());
        !is_hidden && !is_foreign
    };
    let has_ending =
        |path: &Path| path.extension().is_some_and(|ending| endings.iter().any(|wanted| ending == *wanted));
    let root = repository();
    WalkDir::new(&root)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(is_ours)
        .map(|entry| entry.expect("a folder of ours can be listed").into_path())
        .filter(|path| has_ending(path))
        .map(|path| {
            let text = read(&path);
            (path.strip_prefix(&root).expect("it was found below the root").to_owned(), text)
        })
        .collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the repository").to_owned()
}
