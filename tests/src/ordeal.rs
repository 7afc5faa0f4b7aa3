//! Files that everything happens to on their way, between real processes: kills, damage on the disk, lost frames, and a
//! sender that leaves. Each ordeal ends with the same bytes at the other end, or says why not.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lanyard_proto::pacing::Dice;
use serde_json::Value;

use crate::files::{sha256, tree, write_random};
use crate::hosts::{Addresses, Frames, Host, Lan, Loss};
use crate::node::{LONG, Node};

/// What an interrupted transfer has cost.
#[derive(Debug)]
pub struct Interrupted {
    /// Bytes on the sender's wire beyond those of the file, all headers and acknowledgements among them.
    pub again: u64,
    /// How long all of it took.
    pub took: Duration,
    /// Times that somebody was killed before the end.
    pub kills: usize,
}

/// A file of so many MiB crosses, and one of the two is killed each time that so much has moved: `kills` moments and
/// victims by chance.
///
/// # Errors
/// What arrived is not what was sent, or it could not be measured.
///
/// # Panics
/// When it does not come to its end.
pub fn kills(lan: &Lan, mib: u64, kills: usize, seed: u64) -> Result<Interrupted, String> {
    let mut dice = dice(seed);
    let (mut ann, mut bob) = pair(lan, LINK)?;
    let path = offered(&ann.host, mib)?;
    let bytes = mib << 20;
    let mut moments: Vec<u64> = (0..kills).map(|_| (dice.fraction() * bytes as f64) as u64).collect();
    moments.sort_unstable();
    let (before, start) = (lan.traffic()[0].sent.bytes, Instant::now());
    send(&ann, "@bob", &path)?;
    let mut killed = 0;
    for moment in moments {
        let reached = |event: &Value| moved(event).is_some_and(|moved| moved >= moment) || is_done(event);
        if is_done(&bob.process.wait_for("more of it", patience(mib, LINK), reached)) {
            break;
        }
        killed += 1;
        if dice.fraction() < 0.5 {
            ann = killed_and_back(ann, &[]);
        } else {
            bob = killed_and_back(bob, RECEIVES);
            // It may have been done, and killed before it said so.
            if has_all(&bob) {
                break;
            }
        }
    }
    if !has_all(&bob) {
        bob.process.wait_for("a whole file", patience(mib, LINK), is_done);
    }
    let (took, sent) = (start.elapsed(), lan.traffic()[0].sent.bytes - before);
    same(&path, &bob.host)?;
    Ok(Interrupted { again: sent.saturating_sub(bytes), took, kills: killed })
}

/// While the receiver is down at half, one bit of every so many MiB that it has staged turns over.
///
/// # Errors
/// What arrived is not what was sent, or nothing could be damaged.
///
/// # Panics
/// When it does not come to its end.
pub fn damage(lan: &Lan, mib: u64, every_mib: u64, seed: u64) -> Result<usize, String> {
    let mut dice = dice(seed);
    let (ann, bob) = pair(lan, LINK)?;
    let path = offered(&ann.host, mib)?;
    send(&ann, "@bob", &path)?;
    let half = |event: &Value| moved(event).is_some_and(|moved| moved >= (mib << 20) / 2);
    bob.process.wait_for("half of it", patience(mib, LINK), half);
    let host = bob.host.clone();
    bob.process.kill();
    let staged = largest(&host.downloads().join(".lanyard-part")).map_err(|error| error.to_string())?;
    let staged = staged.ok_or("nothing is staged")?;
    let flipped = flip(&staged, every_mib << 20, &mut dice).map_err(|error| error.to_string())?;
    let bob = Node::up(&host, RECEIVES);
    bob.process.wait_for("a whole file", patience(mib, LINK), is_done);
    same(&path, &bob.host)?;
    Ok(flipped)
}

/// A file of so many MiB crosses while each host loses so many percent of all frames, out and in.
///
/// # Errors
/// What arrived is not what was sent.
///
/// # Panics
/// When it does not come to its end.
pub fn loss(lan: &Lan, mib: u64, percent: u8) -> Result<Duration, String> {
    let (ann, bob) = pair(lan, LINK)?;
    let path = offered(&ann.host, mib)?;
    lan.lose(Loss { out: percent, into: percent, of: Frames::All });
    let start = Instant::now();
    send(&ann, "@bob", &path)?;
    // TCP hardly opens its window: count on a hundredth of the link.
    bob.process.wait_for("a whole file", patience(mib, LINK / 100), is_done);
    let took = start.elapsed();
    same(&path, &bob.host)?;
    Ok(took)
}

/// A file of so many MiB crosses, and at half the receiver, or the sender, gets another address.
///
/// # Errors
/// What arrived is not what was sent.
///
/// # Panics
/// When it does not go on before anybody would have given up waiting.
pub fn renumbered(lan: &Lan, mib: u64, receiver: bool) -> Result<Duration, String> {
    let hosts = lan.hosts(["ann", "bob"], Addresses::OnlyIpv4);
    let (ann, bob) = (Node::up(&hosts[0], &[]), Node::up(&hosts[1], RECEIVES));
    ann.sees("bob");
    bob.sees("ann");
    ann.host.limit_mbit(LINK)?;
    let path = offered(&ann.host, mib)?;
    send(&ann, "@bob", &path)?;
    let half = |event: &Value| moved(event).is_some_and(|moved| moved >= (mib << 20) / 2);
    bob.process.wait_for("half of it", patience(mib, LINK), half);
    let start = Instant::now();
    let mover = if receiver { &bob } else { &ann };
    mover.host.renumber();
    bob.process.wait_for("a whole file", STALL, is_done);
    let took = start.elapsed();
    same(&path, &bob.host)?;
    Ok(took)
}

/// A folder of so many files of 4 KiB crosses, a hundred in each folder below it.
///
/// # Errors
/// What arrived is not what was sent.
///
/// # Panics
/// When it does not come to its end.
pub fn tiny(lan: &Lan, files: usize) -> Result<Duration, String> {
    let (ann, bob) = (Node::up(&lan.host("ann"), &[]), Node::up(&lan.host("bob"), RECEIVES));
    ann.sees("bob");
    bob.sees("ann");
    let top = ann.host.folder().join("tiny");
    for number in 0..files {
        let folder = top.join(format!("{:04}", number / 100));
        if number % 100 == 0 {
            std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        }
        write_random(&folder.join(number.to_string()), 4096, number as u64)
            .map_err(|error| error.to_string())?;
    }
    let start = Instant::now();
    send(&ann, "@bob", &top)?;
    bob.process.wait_for("all files", patience(1 + (files as u64 >> 8), LINK), is_done);
    let took = start.elapsed();
    let read = |folder: &Path| tree(folder).map_err(|error| error.to_string());
    match read(&top)? == read(&bob.host.downloads().join("tiny"))? {
        true => Ok(took),
        false => Err("something else arrived".to_owned()),
    }
}

/// What one file for many has cost.
#[derive(Debug)]
pub struct Spread {
    /// Until the last receiver had it.
    pub took: Duration,
    /// Copies on the sender's wire, with all headers.
    pub copies: f64,
}

/// A file of so many MiB is offered to a room of so many, over an uplink of `mbit`; if its sender `leaves`, it is killed
/// for good as soon as one of them has all of it.
///
/// # Errors
/// What arrived anywhere is not what was sent.
///
/// # Panics
/// When it does not come to its end.
pub fn spread(lan: &Lan, mib: u64, receivers: usize, mbit: u32, leaves: bool) -> Result<Spread, String> {
    let ann = Node::up(&lan.host("ann"), &[]);
    let names = (1..=receivers).map(|number| format!("r{number}"));
    let others: Vec<Node> = names.map(|name| Node::up(&lan.host(&name), RECEIVES)).collect();
    for node in &others {
        ann.sees(node.host.name());
        node.sees("ann");
    }
    ann.host.limit_mbit(mbit)?;
    let path = offered(&ann.host, mib)?;
    let before = lan.traffic()[0].sent.bytes;
    let start = Instant::now();
    send(&ann, "#lobby", &path)?;
    let within = patience(mib * receivers as u64, mbit);
    if leaves {
        others[0].has_it(within);
        ann.process.kill();
    }
    for node in &others {
        node.process.wait_for("a whole file", within, is_done);
    }
    let took = start.elapsed();
    let copies = (lan.traffic()[0].sent.bytes - before) as f64 / (mib << 20) as f64;
    others.iter().try_for_each(|node| same(&path, &node.host))?;
    Ok(Spread { took, copies })
}

/// Longer than it takes to find out that a connection is dead and to go on, and shorter than the minute after which TCP's users
/// usually give up.
const STALL: Duration = Duration::from_secs(45);

/// Two who see each other over a link of so many Mbit/s.
fn pair(lan: &Lan, mbit: u32) -> Result<(Node, Node), String> {
    let (ann, bob) = (Node::up(&lan.host("ann"), &[]), Node::up(&lan.host("bob"), RECEIVES));
    ann.sees("bob");
    bob.sees("ann");
    ann.host.limit_mbit(mbit)?;
    bob.host.limit_mbit(mbit)?;
    Ok((ann, bob))
}

fn killed_and_back(node: Node, options: &[&str]) -> Node {
    let host = node.host.clone();
    node.process.kill();
    Node::up(&host, options)
}

fn offered(host: &Host, mib: u64) -> Result<PathBuf, String> {
    let path = host.folder().join(NAME);
    write_random(&path, mib << 20, 1).map_err(|error| error.to_string())?;
    Ok(path)
}

fn send(from: &Node, to: &str, path: &Path) -> Result<(), String> {
    let sent = from.host.run(&["send", to, &path.to_string_lossy()]);
    if sent.code == Some(0) { Ok(()) } else { Err(sent.stderr) }
}

/// Whether what was fetched is done, by what the node lists.
fn has_all(node: &Node) -> bool {
    let listed = node.host.run(&["transfers"]);
    listed.lines.iter().any(|transfer| transfer["direction"] == "in" && transfer["state"] == "done")
}

/// The most that one transfer has moved, where an event says so.
fn moved(event: &Value) -> Option<u64> {
    event["progress"].as_array()?.iter().filter_map(|one| one["moved"].as_u64()).max()
}

fn is_done(event: &Value) -> bool {
    event["event"] == "transfer-finished" && event["transfer"]["state"] == "done"
}

fn same(path: &Path, host: &Host) -> Result<(), String> {
    let there = host.downloads().join(NAME);
    let sum = |path: &Path| sha256(path).map_err(|error| format!("{}: {error}", path.display()));
    if sum(path)? == sum(&there)? { Ok(()) } else { Err(format!("{} has something else", host.name())) }
}

/// The largest file in a folder and those in it.
fn largest(folder: &Path) -> io::Result<Option<PathBuf>> {
    let mut best: Option<(u64, PathBuf)> = None;
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let about = entry.metadata()?;
            if about.is_dir() {
                open.push(entry.path());
            } else if best.as_ref().is_none_or(|(size, _)| about.len() > *size) {
                best = Some((about.len(), entry.path()));
            }
        }
    }
    Ok(best.map(|(_, path)| path))
}

/// Turns one bit over in each so many bytes of a file. How many.
fn flip(path: &Path, every: u64, dice: &mut Dice) -> io::Result<usize> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    let mut flipped = 0;
    for start in (0..length).step_by(every as usize) {
        let at = start + (dice.fraction() * every.min(length - start) as f64) as u64;
        let mut byte = [0];
        file.read_exact_at(&mut byte, at)?;
        file.write_all_at(&[byte[0] ^ 1 << (at % 8)], at)?;
        flipped += 1;
    }
    Ok(flipped)
}

fn dice(seed: u64) -> Dice {
    let mut bytes = [0x0d; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    Dice::seeded(bytes)
}

/// For so many MiB over a link of so many Mbit/s, several times over: only a failure takes as long.
fn patience(mib: u64, mbit: u32) -> Duration {
    LONG + Duration::from_secs(10 * mib * 8 / u64::from(mbit.max(1)))
}

const NAME: &str = "large.iso";
const RECEIVES: &[&str] = &["--accept", "any"];
/// Mbit/s: slow enough that a moment can be met.
const LINK: u32 = 1000;
