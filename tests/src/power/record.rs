//! A node at work, and the record of it: two people on two hosts talk and send each other files, and what one of the
//! two programs asks of its system is written down, over three runs of which the second is killed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lanyard_engine::api::{Command, Reply, Transfer};
use lanyard_engine::control::Client;
use lanyard_proto::model::{PeerId, RoomId};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::device::{Device, Honesty, Image};
use super::history::{Historian, History, NOT_DURABLE, Node};
use super::strace;
use super::told::{Listener, Told};
use crate::files::write_random;
use crate::hosts::{Host, Lan, lanyard_binary};
use crate::process::Process;

/// What a node did, and what it told.
pub struct Record {
    /// Where all of it lies: the node's home, what the other one gave and still offers, and the record itself.
    pub folder: PathBuf,
    pub me: PeerId,
    /// The other one, who offers.
    pub holder: PeerId,
    pub history: History,
    pub told: Vec<Told>,
    /// By its time of making and its number the node knows this file again: it is kept, and linked into what is tried.
    pub witness: Node,
    /// SHA-256 of what the other one gave, by its path in the download folder.
    pub gifts: BTreeMap<PathBuf, String>,
}

impl Record {
    /// Lets two people talk, and writes down in `folder` what it takes.
    ///
    /// # Panics
    /// When something goes wrong that has nothing to do with power.
    pub fn make(lan: &Lan, folder: &Path) -> Record {
        for inner in [HOME, GIFTS] {
            fs::create_dir(folder.join(inner)).expect("a folder for the record");
        }
        let (me, holder) = Workload::begin(lan, folder).play();
        fs::hard_link(folder.join(HOME).join(PROFILE).join("witness"), folder.join(WITNESS)).expect("a link");
        let about = json!({ "me": me.to_string(), "holder": holder.to_string() });
        fs::write(folder.join(ABOUT), about.to_string()).expect("a file of the record");
        let record =
            Record::open(folder).unwrap_or_else(|why| panic!("the record of {}: {why}", folder.display()));
        record
            .compare()
            .unwrap_or_else(|why| panic!("the record of {} lacks something: {why}", folder.display()));
        record
    }

    /// Reads a record that was made before.
    ///
    /// # Errors
    /// What cannot be read, or is not understood.
    pub fn open(folder: &Path) -> Result<Record, String> {
        let read = |name: &str| fs::read(folder.join(name)).map_err(|error| format!("{name}: {error}"));
        let about: Value = serde_json::from_slice(&read(ABOUT)?).map_err(|error| error.to_string())?;
        let peer = |name: &str| about[name].as_str().and_then(PeerId::parse).ok_or("no such device");
        let (me, holder) = (peer("me")?, peer("holder")?);
        let mut historian = Historian::new(&folder.join(HOME));
        let mut listener = Listener::new(me, NETWORK, &["lobby", "design", "attic"]);
        for run in 0..RUNS {
            let trace = read(&trace_of(run))?;
            let calls = strace::read(&trace)?;
            let (start, mut heard) = (historian.now(), Ok(()));
            listener.new_run();
            let lines = trace.iter().filter(|byte| **byte == b'\n').count();
            historian.run(&calls, lines, |call| {
                if heard.is_ok() {
                    heard = listener.listen(start, call);
                }
            })?;
            heard?;
        }
        let history = historian.finish();
        let witness = Path::new(PROFILE).join("witness");
        let witness = Device::new(&history, Honesty::Honest).node_at(&witness).ok_or("it has no witness")?;
        let gifts = sums(&folder.join(GIFTS)).map_err(|error| error.to_string())?;
        Ok(Record { folder: folder.to_owned(), me, holder, history, told: listener.told, witness, gifts })
    }

    /// The same, as if each thing had been told so many lines of the record earlier.
    pub fn told_earlier(mut self, lines: usize) -> Record {
        for told in &mut self.told {
            told.at = told.at.saturating_sub(lines);
        }
        self
    }

    /// Where the node lives: its profile and its download folder.
    pub fn home(&self) -> PathBuf {
        self.folder.join(HOME)
    }

    pub fn kept_witness(&self) -> PathBuf {
        self.folder.join(WITNESS)
    }

    /// The profile of the other one.
    pub fn holders_profile(&self) -> PathBuf {
        self.folder.join(HOLDER)
    }

    /// Whether the record, without any loss, leads to what really lies on the disk.
    fn compare(&self) -> Result<(), String> {
        let recorded = Device::new(&self.history, Honesty::Honest).in_the_end();
        let real = tree(&self.home(), Path::new("")).map_err(|error| error.to_string())?;
        for path in recorded.keys().chain(real.keys()) {
            let ours = recorded.get(path).map(|content| content.as_ref().map(|(_, bytes)| bytes));
            let theirs = real.get(path).map(Option::as_ref);
            if ours != theirs && !path.to_string_lossy().ends_with(NOT_DURABLE) {
                let length = |content: Option<Option<&Vec<u8>>>| content.map(|content| content.map(Vec::len));
                return Err(format!("{}: {:?} and {:?} bytes", path.display(), length(ours), length(theirs)));
            }
        }
        Ok(())
    }
}

/// What lies in a folder, but for sockets.
fn tree(folder: &Path, below: &Path) -> std::io::Result<BTreeMap<PathBuf, Option<Vec<u8>>>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder.join(below))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            found.extend(tree(folder, &path)?);
            found.insert(path, None);
        } else if entry.file_type()?.is_file() {
            found.insert(path, Some(fs::read(entry.path())?));
        }
    }
    Ok(found)
}

/// The sums of all files in a folder, by path from there.
pub fn sums(folder: &Path) -> std::io::Result<BTreeMap<PathBuf, String>> {
    let found = crate::files::tree(folder)?;
    Ok(found.into_iter().filter_map(|(path, sum)| Some((path, sum?))).collect())
}

/// The two people, and how far they are.
struct Workload<'a> {
    folder: &'a Path,
    runtime: Runtime,
    ann: Host,
    bob: Person,
    said: u32,
}

struct Person {
    process: Process,
    client: Client,
    id: String,
}

impl Workload<'_> {
    fn begin<'a>(lan: &Lan, folder: &'a Path) -> Workload<'a> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime for the control sockets");
        let [ann, bob] = ["ann", "bob"].map(|name| lan.host(name));
        let mut command = bob.command(lanyard_binary());
        command.args(["--json", "--network", NETWORK, "--profile"]).arg(folder.join(HOLDER));
        command.args(["up", "--name", "bob", "--accept", "any", "--downloads"]).arg(folder.join("bobs"));
        let process = Process::start("bob", &mut command);
        let bob = Person::meet(&runtime, process, &folder.join(HOLDER));
        Workload { folder, runtime, ann, bob, said: 0 }
    }

    fn play(mut self) -> (PeerId, PeerId) {
        let ann = self.up(0);
        for person in [&ann, &self.bob] {
            self.call(person, Command::JoinRoom { name: "design".to_owned() });
        }
        let Reply::Room(attic) = self.call(&ann, Command::JoinRoom { name: "attic".to_owned() }) else {
            panic!("a room was joined")
        };
        let name = Some("Annabel".to_owned());
        self.call(
            &ann,
            Command::Configure {
                name,
                avatar: None,
                downloads: None,
                history_days: None,
                history_bytes: None,
                hold_for_others: None,
                hold_bytes: None,
                upload_limit: None,
                download_limit: None,
                transfers_at_once: None,
                relay: None,
            },
        );
        self.talk(&ann, 60);
        self.say(&ann, "#attic");
        self.say(&ann, &format!("@{}", self.bob.id));
        let plan = self.gift("plan.pdf", &[("plan.pdf", 2_600_000)]);
        self.fetch(&ann, &plan);
        self.talk(&ann, 60);
        let report = self.folder.join("report.txt");
        write_random(&report, 200_000, 5).expect("a file");
        self.offer(&ann, "#lobby", &report);
        let photos: Vec<String> =
            (0..40).map(|number| format!("photos/{}/{number}.jpg", number % 3)).collect();
        let photos: Vec<(&str, u64)> = photos.iter().map(|name| (name.as_str(), 3000)).collect();
        let photos = self.gift("photos", &photos);
        self.fetch(&ann, &photos);
        self.talk(&ann, 6);
        // From the next start on it writes new logs: its numbers there may not be used again.
        self.call(&ann, Command::LeaveRoom { room: attic.id });
        self.talk(&ann, 2);
        self.end(ann, 0, Signal::TERM);

        let ann = self.up(1);
        self.talk(&ann, 8);
        let notes = [("notes/a.txt", 5000), ("notes/b/c.txt", 1_200_000), ("notes/empty.txt", 0)];
        let notes = self.gift("notes", &notes);
        self.fetch(&ann, &notes);
        self.talk(&ann, 8);
        self.end(ann, 1, Signal::KILL);

        let ann = self.up(2);
        self.talk(&ann, 12);
        let [me, holder] = [&ann.id, &self.bob.id].map(|id| PeerId::parse(id).expect("an id"));
        self.end(ann, 2, Signal::TERM);
        (me, holder)
    }

    /// Starts the node that is watched.
    fn up(&self, run: usize) -> Person {
        let home = self.folder.join(HOME);
        let mut command = self.ann.command("strace");
        command.args([
            "-f",
            "--seccomp-bpf",
            "-y",
            "-xx",
            "-s",
            LONGEST,
            "-e",
            "signal=none",
            "-e",
            CALLS,
            "-o",
        ]);
        command.arg(self.folder.join(trace_of(run))).arg("--").arg(lanyard_binary());
        command.args(["--json", "--network", NETWORK, "--profile"]).arg(home.join(PROFILE));
        command.args(["up", "--downloads"]).arg(home.join(DOWNLOADS));
        let process = Process::start("ann", &mut command);
        let person = Person::meet(&self.runtime, process, &home.join(PROFILE));
        person.process.wait_for("bob", SOON, |event| event["event"] == "peer-online");
        person
    }

    fn end(&self, person: Person, run: usize, signal: Signal) {
        drop(person.client);
        let watcher = person.process.id();
        let children =
            fs::read_to_string(format!("/proc/{watcher}/task/{watcher}/children")).unwrap_or_default();
        let node = children.split_whitespace().next().and_then(|id| id.parse().ok()).and_then(Pid::from_raw);
        kill_process(node.expect("what is watched runs"), signal).expect("it can be signalled");
        let ended = person.process.finish(SOON);
        assert!(self.folder.join(trace_of(run)).is_file(), "{}", ended.stderr);
    }

    /// Each says so many things in two rooms, turn by turn, and they hear each other.
    fn talk(&mut self, ann: &Person, times: u32) {
        for turn in 0..times {
            let room = if turn % 2 == 0 { "#lobby" } else { "#design" };
            self.say(ann, room);
            let text = self.say(&self.bob, if turn % 3 == 0 { "#design" } else { "#lobby" });
            self.said += 2;
            if turn + 1 == times {
                ann.process.wait_for(&text, SOON, |event| event["message"]["text"] == text.as_str());
            }
        }
    }

    fn say(&self, person: &Person, to: &str) -> String {
        // Long and short ones: an entry that fits no datagram travels another way.
        let text = format!("{} {}", self.said, "tea? ".repeat(1 + self.said as usize * 7 % 300));
        let text = text.trim().to_owned();
        self.call(person, Command::Say { to: to.to_owned(), text: text.clone(), reply: None });
        text
    }

    /// Files that bob offers: the transfer.
    fn gift(&self, top: &str, files: &[(&str, u64)]) -> Transfer {
        for (seed, (name, size)) in files.iter().enumerate() {
            let path = self.folder.join(GIFTS).join(name);
            fs::create_dir_all(path.parent().expect("a path in a folder")).expect("a folder for gifts");
            write_random(&path, *size, seed as u64 + 11).expect("a file");
        }
        self.offer(&self.bob, "#lobby", &self.folder.join(GIFTS).join(top))
    }

    fn offer(&self, person: &Person, to: &str, path: &Path) -> Transfer {
        let paths = vec![path.to_str().expect("our own path").to_owned()];
        let Reply::Handles(handles) = self.call(person, Command::Admit { paths }) else {
            panic!("no handles")
        };
        let handles = handles.into_iter().map(|handle| handle.handle).collect();
        match self.call(person, Command::Offer { to: to.to_owned(), handles }) {
            Reply::Transfer(transfer) => transfer,
            other => panic!("{other:?}"),
        }
    }

    fn fetch(&self, ann: &Person, offer: &Transfer) {
        let is = |event: &Value, name: &str| {
            event["event"] == name && event["transfer"]["id"] == offer.id.as_str()
        };
        ann.process.wait_for("offer", SOON, |event| is(event, "offer"));
        self.call(ann, Command::Accept { transfer: offer.id.clone(), into: None, only: None });
        let done = |event: &Value| is(event, "transfer-finished") && event["transfer"]["state"] == "done";
        ann.process.wait_for("whole transfer", SOON, done);
    }

    fn call(&self, person: &Person, command: Command) -> Reply {
        self.runtime.block_on(person.client.call(command)).unwrap_or_else(|error| panic!("{error}"))
    }
}

impl Person {
    fn meet(runtime: &Runtime, process: Process, profile: &Path) -> Person {
        let ready = process.wait_for("ready", SOON, |event| event["event"] == "ready");
        let id = ready["me"]["id"].as_str().expect("an id").to_owned();
        let client = runtime.block_on(Client::connect(profile)).expect("it can be talked to");
        Person { process, client: client.expect("it runs"), id }
    }
}

/// An image holds the bytes of all files; this is where one of them went to, for messages.
pub fn outline(image: &Image) -> String {
    let of = |(path, content): (&PathBuf, &Option<(Node, Vec<u8>)>)| match content {
        None => format!("{}/", path.display()),
        Some((_, bytes)) => format!("{} ({})", path.display(), bytes.len()),
    };
    image.iter().map(of).collect::<Vec<_>>().join(", ")
}

/// Where in the home of the node its profile is, and what it received.
pub const PROFILE: &str = "profile";
pub const DOWNLOADS: &str = "received/from others";

/// The open room of this name, where the two talk.
pub fn room(name: &str) -> RoomId {
    lanyard_proto::rooms::open_room_id(NETWORK, name)
}

fn trace_of(run: usize) -> String {
    format!("trace-{run}")
}

pub const NETWORK: &str = "power";
const HOME: &str = "ann";
const HOLDER: &str = "bob";
const GIFTS: &str = "gifts";
const WITNESS: &str = "witness";
const ABOUT: &str = "about.json";
const RUNS: usize = 3;
const SOON: Duration = Duration::from_secs(60);

/// Bytes of the longest string that is written down whole.
const LONGEST: &str = "16777216";

/// All that changes files or makes them durable, that moves where a file is written, and that tells somebody.
const CALLS: &str = "trace=open,openat,openat2,creat,close,dup,dup2,dup3,fcntl,read,readv,lseek,write,writev,pwrite64,\
pwritev,pwritev2,ftruncate,truncate,fallocate,fsync,fdatasync,sync,syncfs,rename,renameat,renameat2,link,linkat,symlink,\
symlinkat,unlink,unlinkat,rmdir,mkdir,mkdirat,mmap,copy_file_range,sendfile,splice,io_uring_setup,io_uring_enter,chdir,\
fchdir,sendto";
