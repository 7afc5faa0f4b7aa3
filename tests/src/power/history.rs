//! Everything that a program did below one folder, in order: what it wrote, what it named, what it synced.

use std::collections::{BTreeMap, HashMap};
use std::path::{Component, Path, PathBuf};

use super::strace::{Argument, Call, WORKING_FOLDER};

/// A file or folder, from its making on, whatever it is called.
pub type Node = usize;

/// The folder that is watched. It and what is above it are there already and stay.
pub const ROOT: Node = 0;

/// All deeds of one or more runs of a program, on one line of time.
#[derive(Debug)]
pub struct History {
    pub nodes: Vec<Kind>,
    /// In the order in which they ended.
    pub deeds: Vec<Deed>,
    pub syncs: Vec<Sync>,
    /// The first line after the record.
    pub end: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Folder,
    /// With the name under which it was made.
    File(String),
}

/// Something that is not durable by itself.
#[derive(Debug)]
pub struct Deed {
    pub began: usize,
    pub ended: usize,
    pub act: Act,
}

#[derive(Debug)]
pub enum Act {
    Write {
        file: Node,
        at: u64,
        bytes: Vec<u8>,
    },
    Cut {
        file: Node,
        length: u64,
    },
    /// A file or folder was made, or linked, under this name.
    Name {
        folder: Node,
        name: String,
        node: Node,
    },
    Unname {
        folder: Node,
        name: String,
    },
    /// Whatever had the new name has none any more.
    Move {
        from: (Node, String),
        to: (Node, String),
        node: Node,
    },
}

/// What was deeded to the node, or to all, before the sync began is durable once it ended.
#[derive(Clone, Copy, Debug)]
pub struct Sync {
    pub began: usize,
    pub ended: usize,
    /// `None`: the whole file system.
    pub node: Option<Node>,
}

impl Act {
    /// What has to be synced for it: any of them is enough.
    pub fn touches(&self) -> impl Iterator<Item = Node> {
        let (one, other) = match self {
            Act::Write { file, .. } | Act::Cut { file, .. } => (*file, None),
            Act::Name { folder, .. } | Act::Unname { folder, .. } => (*folder, None),
            Act::Move { from, to, .. } => (from.0, Some(to.0)),
        };
        std::iter::once(one).chain(other.filter(|other| *other != one))
    }
}

/// Reads the records of runs, one after the other.
#[derive(Debug)]
pub struct Historian {
    root: PathBuf,
    history: History,
    folders: HashMap<Node, BTreeMap<String, Node>>,
    lengths: HashMap<Node, u64>,
    /// Open files and where in them reading and writing goes on; duplicates share it.
    opened: Vec<Opened>,
    descriptors: HashMap<i64, usize>,
}

#[derive(Debug)]
struct Opened {
    node: Node,
    at: u64,
    appends: bool,
}

impl Historian {
    /// Watches what is below `root`, which is empty now.
    pub fn new(root: &Path) -> Historian {
        Historian {
            root: root.to_owned(),
            history: History { nodes: vec![Kind::Folder], deeds: Vec::new(), syncs: Vec::new(), end: 0 },
            folders: HashMap::from([(ROOT, BTreeMap::new())]),
            lengths: HashMap::new(),
            opened: Vec::new(),
            descriptors: HashMap::new(),
        }
    }

    /// Where the next run begins on the line of time.
    pub fn now(&self) -> usize {
        self.history.end
    }

    /// Takes in one run, whose record has so many lines. `elsewhere` gets each call that does not concern a file that is watched.
    ///
    /// # Errors
    /// If the run did something of which this does not know what it means.
    pub fn run(
        &mut self,
        calls: &[Call],
        lines: usize,
        mut elsewhere: impl FnMut(&Call),
    ) -> Result<(), String> {
        self.descriptors.clear();
        let mut moments: Vec<(usize, &Call, When)> = Vec::new();
        for call in calls {
            // A number is free from the beginning of its closing on, and everything else is done at its end.
            let (moment, when) =
                if call.name == "close" { (call.began, When::Begun) } else { (call.ended, When::Ended) };
            moments.push((moment, call, when));
        }
        moments.sort_by_key(|(moment, _, when)| (*moment, *when));
        for (_, call, _) in moments {
            let concerns =
                self.call(call).map_err(|why| format!("{} on line {}: {why}", call.name, call.ended + 1))?;
            if !concerns {
                elsewhere(call);
            }
        }
        self.history.end += lines + 1;
        Ok(())
    }

    pub fn finish(self) -> History {
        self.history
    }

    /// Whether it concerned what is watched.
    fn call(&mut self, call: &Call) -> Result<bool, String> {
        if call.result < 0 {
            return Ok(false);
        }
        let known = self.descriptor(call, 0).and_then(|number| self.descriptors.get(&number).copied());
        match (call.name.as_str(), known) {
            ("open" | "creat" | "openat" | "openat2", _) => self.open(call),
            ("mkdir" | "mkdirat", _) => self.make_folder(call),
            ("rename" | "renameat" | "renameat2", _) => self.rename(call),
            ("link" | "linkat", _) => self.link(call),
            ("unlink" | "unlinkat" | "rmdir", _) => self.unlink(call),
            ("symlink" | "symlinkat" | "truncate", _) => {
                let which = usize::from(call.name != "truncate");
                match self.place(call, which)? {
                    Some(_) => Err("it is not understood here".to_owned()),
                    None => Ok(false),
                }
            }
            ("chdir" | "fchdir" | "io_uring_setup" | "io_uring_enter", _) => {
                Err("it is not understood".to_owned())
            }
            ("sync", _) => {
                self.sync(call, None);
                Ok(true)
            }
            ("mmap", _) => self.map(call),
            (name, Some(opened)) => self.use_open(name, opened, call),
            (_, None) => Ok(false),
        }
    }

    fn use_open(&mut self, name: &str, opened: usize, call: &Call) -> Result<bool, String> {
        let Opened { node, at, appends } = self.opened[opened];
        let length = self.lengths.get(&node).copied().unwrap_or(0);
        match name {
            "close" => {
                let number = self.descriptor(call, 0).ok_or("no descriptor")?;
                self.descriptors.remove(&number);
            }
            "dup" | "dup2" | "dup3" => drop(self.descriptors.insert(call.result, opened)),
            "fcntl" if text(call, 1).starts_with("F_DUPFD") => {
                self.descriptors.insert(call.result, opened);
            }
            "read" | "lseek" => {
                let behind = if name == "read" { at + call.result as u64 } else { call.result as u64 };
                self.opened[opened].at = behind;
            }
            "write" => {
                let at = if appends { length } else { at };
                self.opened[opened].at = at + call.result as u64;
                self.write(call, node, at)?;
            }
            "pwrite64" => self.write(call, node, number(call, 3)?)?,
            "ftruncate" => self.cut(call, node, number(call, 1)?),
            "fsync" | "fdatasync" => self.sync(call, Some(node)),
            "syncfs" => self.sync(call, None),
            "fcntl" => {}
            _ => return Err("it is not understood for files that are watched".to_owned()),
        }
        Ok(true)
    }

    fn open(&mut self, call: &Call) -> Result<bool, String> {
        let place = self.place(call, 0)?;
        // A number is given out again as soon as it was closed.
        self.descriptors.remove(&call.result);
        let Some(place) = place else { return Ok(false) };
        let flags = if call.name == "creat" {
            "O_WRONLY|O_CREAT|O_TRUNC".to_owned()
        } else {
            text(
                call,
                call.arguments
                    .iter()
                    .position(|argument| matches!(argument, Argument::Bytes(_)))
                    .unwrap_or(0)
                    + 1,
            )
        };
        let has =
            |flag: &str| flags.split(|c: char| !c.is_ascii_uppercase() && c != '_').any(|word| word == flag);
        if has("O_TMPFILE") {
            return Err("a file without a name".to_owned());
        }
        let node = match (self.lookup(&place), &place) {
            (Some(node), _) => node,
            (None, Place::Named { folder, name }) if has("O_CREAT") => {
                let node = self.make(Kind::File(name.clone()));
                self.name(call, *folder, name.clone(), node);
                node
            }
            _ => return Err(format!("{place:?} was opened and nobody made it")),
        };
        if has("O_TRUNC") && self.lengths.get(&node).is_some_and(|length| *length > 0) {
            self.cut(call, node, 0);
        }
        self.opened.push(Opened { node, at: 0, appends: has("O_APPEND") });
        self.descriptors.insert(call.result, self.opened.len() - 1);
        Ok(true)
    }

    fn make_folder(&mut self, call: &Call) -> Result<bool, String> {
        let Some(Place::Named { folder, name }) = self.place(call, 0)? else { return Ok(false) };
        let node = self.make(Kind::Folder);
        self.folders.insert(node, BTreeMap::new());
        self.name(call, folder, name, node);
        Ok(true)
    }

    fn link(&mut self, call: &Call) -> Result<bool, String> {
        let (from, to) = (self.place(call, 0)?, self.place(call, 1)?);
        match (from.and_then(|from| self.lookup(&from)), to) {
            (Some(node), Some(Place::Named { folder, name })) => self.name(call, folder, name, node),
            (None, None) => return Ok(false),
            _ => return Err("a link that leads in or out".to_owned()),
        }
        Ok(true)
    }

    fn rename(&mut self, call: &Call) -> Result<bool, String> {
        if call.name == "renameat2" && text(call, 4).contains("RENAME_EXCHANGE") {
            return Err("an exchange of names".to_owned());
        }
        match (self.place(call, 0)?, self.place(call, 1)?) {
            (Some(Place::Named { folder, name }), Some(Place::Named { folder: into, name: to })) => {
                let names = self.folders.get_mut(&folder).ok_or("in no folder")?;
                let node = names.remove(&name).ok_or("nobody made it")?;
                self.folders.get_mut(&into).ok_or("into no folder")?.insert(to.clone(), node);
                self.deed(call, Act::Move { from: (folder, name), to: (into, to), node });
                Ok(true)
            }
            (None, None) => Ok(false),
            _ => Err("a renaming that leads in or out".to_owned()),
        }
    }

    fn unlink(&mut self, call: &Call) -> Result<bool, String> {
        let Some(Place::Named { folder, name }) = self.place(call, 0)? else { return Ok(false) };
        // A socket has a name that no call above gave it.
        if self.folders.get_mut(&folder).and_then(|names| names.remove(&name)).is_some() {
            self.deed(call, Act::Unname { folder, name });
        }
        Ok(true)
    }

    /// Memory that writes through to a file is not seen. SQLite has its index of the log there, which means nothing
    /// after the loss of power.
    fn map(&mut self, call: &Call) -> Result<bool, String> {
        let mapped = self.descriptor(call, 4).and_then(|number| self.descriptors.get(&number).copied());
        let Some(opened) = mapped else { return Ok(false) };
        let writes = text(call, 2).contains("PROT_WRITE") && text(call, 3).contains("MAP_SHARED");
        match &self.history.nodes[self.opened[opened].node] {
            Kind::File(name) if writes && !name.ends_with(NOT_DURABLE) => {
                Err(format!("{name} is written as memory"))
            }
            _ => Ok(true),
        }
    }

    fn write(&mut self, call: &Call, file: Node, at: u64) -> Result<(), String> {
        let Some(Argument::Bytes(bytes)) = call.arguments.get(1) else { return Err("no bytes".to_owned()) };
        let bytes = bytes.get(..call.result as usize).ok_or("more than there was")?.to_vec();
        let length = self.lengths.entry(file).or_default();
        *length = (*length).max(at + bytes.len() as u64);
        self.deed(call, Act::Write { file, at, bytes });
        Ok(())
    }

    fn cut(&mut self, call: &Call, file: Node, length: u64) {
        self.lengths.insert(file, length);
        self.deed(call, Act::Cut { file, length });
    }

    fn make(&mut self, kind: Kind) -> Node {
        self.history.nodes.push(kind);
        self.history.nodes.len() - 1
    }

    fn name(&mut self, call: &Call, folder: Node, name: String, node: Node) {
        self.folders.entry(folder).or_default().insert(name.clone(), node);
        self.deed(call, Act::Name { folder, name, node });
    }

    fn deed(&mut self, call: &Call, act: Act) {
        let (began, ended) = (self.history.end + call.began, self.history.end + call.ended);
        self.history.deeds.push(Deed { began, ended, act });
    }

    fn sync(&mut self, call: &Call, node: Option<Node>) {
        let (began, ended) = (self.history.end + call.began, self.history.end + call.ended);
        self.history.syncs.push(Sync { began, ended, node });
    }

    fn descriptor(&self, call: &Call, at: usize) -> Option<i64> {
        match call.arguments.get(at) {
            Some(Argument::Descriptor { number, .. }) => Some(*number),
            _ => None,
        }
    }

    /// The place that the path with this number among the call's paths names; `None` outside of what is watched.
    fn place(&self, call: &Call, which: usize) -> Result<Option<Place>, String> {
        let mut paths = call.arguments.iter().enumerate().filter_map(|(at, argument)| match argument {
            Argument::Bytes(path) => Some((at, path)),
            _ => None,
        });
        let (at, path) = paths.nth(which).ok_or("no path")?;
        let path = PathBuf::from(String::from_utf8(path.clone()).map_err(|_| "a path that is not Unicode")?);
        let base = match at.checked_sub(1).and_then(|before| call.arguments.get(before)) {
            Some(Argument::Descriptor { number, path }) => Some((*number, path)),
            _ => None,
        };
        let (mut folder, path) = match base {
            Some((number, _)) if path.is_relative() && self.descriptors.contains_key(&number) => {
                (self.opened[self.descriptors[&number]].node, path)
            }
            Some((number, from)) if path.is_relative() && number != WORKING_FOLDER => {
                let from = PathBuf::from(String::from_utf8_lossy(from).into_owned());
                match from.join(&path).strip_prefix(&self.root) {
                    Ok(below) => (ROOT, below.to_owned()),
                    Err(_) => return Ok(None),
                }
            }
            _ => match path.strip_prefix(&self.root) {
                Ok(below) => (ROOT, below.to_owned()),
                // Our program is started elsewhere, and never with paths from there.
                Err(_) => return Ok(None),
            },
        };
        let mut names = Vec::new();
        for component in path.components() {
            match component {
                Component::Normal(name) => names.push(name.to_string_lossy().into_owned()),
                Component::CurDir => {}
                _ => return Err("a path that leads upwards".to_owned()),
            }
        }
        let Some(last) = names.pop() else { return Ok(Some(Place::Itself(folder))) };
        for name in names {
            let inner = self.folders.get(&folder).and_then(|names| names.get(&name));
            folder = *inner.ok_or_else(|| format!("{name} is no folder that was made"))?;
        }
        Ok(Some(Place::Named { folder, name: last }))
    }

    fn lookup(&self, place: &Place) -> Option<Node> {
        match place {
            Place::Itself(node) => Some(*node),
            Place::Named { folder, name } => self.folders.get(folder)?.get(name).copied(),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum When {
    Begun,
    Ended,
}

#[derive(Debug)]
enum Place {
    Itself(Node),
    Named { folder: Node, name: String },
}

fn text(call: &Call, at: usize) -> String {
    match call.arguments.get(at) {
        Some(Argument::Other(text)) => text.clone(),
        _ => String::new(),
    }
}

fn number(call: &Call, at: usize) -> Result<u64, String> {
    text(call, at).parse().map_err(|_| "no number".to_owned())
}

/// Of SQLite's files, the one that is made anew when nobody has it open.
pub const NOT_DURABLE: &str = "-shm";
