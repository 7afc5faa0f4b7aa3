//! Ten thousand small files, against what people use for that.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lanyard_tests::files::tree;
use lanyard_tests::hosts::{Host, Lan};
use lanyard_tests::process::Process;

use super::{Options, clear, pair, send, text};
use crate::node::{LONG, Node, median, row};

pub fn measure(options: &Options) {
    let lan = Lan::new();
    let [ann, bob] = pair(&lan, &["--accept", "any"]);
    let folder = write_folder(&ann.host, options.files);
    let rounds = options.rounds;
    let ours = median_of(rounds, &bob, || send(&ann, "@bob", &folder, PATIENCE));
    verify(&folder, &bob, || _ = send(&ann, "@bob", &folder, PATIENCE));
    let what = format!("{} files of 1 to 16 KiB", options.files);
    let rate = options.files as f64 / ours;
    row(&format!("{what}, durable"), &format!("{ours:.2} s, {rate:.0} files/s"), "", "");
    let others: [(&str, &dyn Fn() -> f64); 4] = [
        ("tar through nc", &|| tar_through_nc(&ann.host, &bob.host, &folder, false)),
        ("tar through nc, then synced", &|| tar_through_nc(&ann.host, &bob.host, &folder, true)),
        ("rsync (its own service, no encryption)", &|| rsync(&ann.host, &bob.host, &folder)),
        ("scp", &|| scp(&ann.host, &bob.host, &folder)),
    ];
    for (name, other) in others {
        let took = median_of(rounds, &bob, other);
        row(&what, &format!("{ours:.2} s"), &format!("{name} {took:.2} s"), &format!("{:.2}", ours / took));
    }
}

fn median_of(rounds: usize, receiver: &Node, once: impl Fn() -> f64) -> f64 {
    let times = (0..rounds).map(|_| {
        clear(&receiver.host);
        once()
    });
    median(times.collect())
}

/// Once more, to see that what arrives is what was sent.
fn verify(folder: &Path, receiver: &Node, send: impl Fn()) {
    clear(&receiver.host);
    send();
    let name = folder.file_name().expect("a folder has a name");
    let there = tree(&receiver.host.downloads().join(name)).expect("it can be read");
    assert_eq!(there, tree(folder).expect("it can be read"), "something else arrived");
}

/// Sizes spread evenly over 1 to 16 KiB, a hundred files in a folder.
fn write_folder(host: &Host, files: usize) -> PathBuf {
    let top = host.folder().join("small");
    let mut state = 1u64;
    for number in 0..files {
        let folder = top.join(format!("{:03}", number / 100));
        if number % 100 == 0 {
            fs::create_dir_all(&folder).expect("a folder for files");
        }
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let size = 1024 + state % (15 * 1024 + 1);
        let content: Vec<u8> = (0..size).map(|at| (state >> (at % 57)) as u8).collect();
        fs::write(folder.join(format!("{number:05}")), content).expect("the file is written");
    }
    top
}

fn tar_through_nc(from: &Host, to: &Host, folder: &Path, synced: bool) -> f64 {
    let (address, into) = (to.address(), to.downloads());
    let sync = if synced { " && sync -f ." } else { "" };
    let receive = format!("nc -l {address} {PORT} | tar x{sync}");
    let mut receiving = to.command("sh");
    receiving.args(["-c", &receive]).current_dir(into);
    let receiver = Process::start("tar x", &mut receiving);
    let start = Instant::now();
    // Until somebody listens, nc fails at once.
    let send = format!("until tar c small | nc -N {address} {PORT}; do :; done");
    let sender =
        Process::start("tar c", from.command("sh").args(["-c", &send]).current_dir(folder.join("..")));
    let sent = sender.finish(PATIENCE);
    let received = receiver.finish(PATIENCE);
    assert_eq!((sent.code, received.code), (Some(0), Some(0)), "{}{}", sent.stderr, received.stderr);
    start.elapsed().as_secs_f64()
}

fn rsync(from: &Host, to: &Host, folder: &Path) -> f64 {
    let config = to.folder().join("rsyncd.conf");
    let module =
        format!("[in]\npath = {}\nread only = no\nuid = root\nuse chroot = no\n", text(&to.downloads()));
    fs::write(&config, module).expect("a place for its settings");
    let port = format!("--port={PORT}");
    let words = ["--daemon", "--no-detach", &port, "--config", text(&config)];
    let _service = Process::start("rsync --daemon", to.command("rsync").args(words));
    listening(to);
    let start = Instant::now();
    let target = format!("rsync://{}:{PORT}/in/", to.address());
    let client = Process::start("rsync", from.command("rsync").args(["-r", text(folder), &target]));
    let ended = client.finish(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    start.elapsed().as_secs_f64()
}

fn scp(from: &Host, to: &Host, folder: &Path) -> f64 {
    let key = to.folder().join("key");
    if !key.exists() {
        let made =
            to.command("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", text(&key)]).status();
        assert!(made.is_ok_and(|status| status.success()), "ssh-keygen makes a key");
        // The service insists on it.
        fs::create_dir_all("/run/sshd").expect("a folder for the service");
    }
    let mut service = to.command("/usr/sbin/sshd");
    service.args(["-D", "-e", "-f", "/dev/null", "-p", &PORT.to_string(), "-h", text(&key)]);
    service.args(["-o", &format!("AuthorizedKeysFile={}.pub", text(&key)), "-o", "StrictModes=no"]);
    service.args(["-o", "Subsystem=sftp internal-sftp"]);
    let _service = Process::start("sshd", &mut service);
    listening(to);
    let start = Instant::now();
    let mut copy = from.command("scp");
    copy.args(["-q", "-r", "-P", &PORT.to_string(), "-i", text(&key)]);
    copy.args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]);
    copy.args([text(folder), &format!("{}:{}", to.address(), text(&to.downloads()))]);
    let ended = Process::start("scp", &mut copy).finish(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    start.elapsed().as_secs_f64()
}

/// Waits until somebody listens at [`PORT`].
fn listening(host: &Host) {
    let deadline = Instant::now() + LONG;
    let probe = format!("until nc -z {} {PORT}; do :; done", host.address());
    let found = Process::start("nc -z", host.command("sh").args(["-c", &probe]));
    let found = found.finish(deadline.saturating_duration_since(Instant::now()));
    assert_eq!(found.code, Some(0), "nobody listens");
}

const PORT: u16 = 9100;

/// What takes longest is scp.
const PATIENCE: Duration = Duration::from_secs(600);
