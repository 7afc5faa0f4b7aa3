//! Real devices as far as a machine without any has them: PulseAudio with a sink that plays into its own monitor.
#![allow(clippy::unwrap_used)] // A test that fails may panic; its helpers as well.
#![cfg(all(feature = "devices", target_os = "linux"))]

mod together;

use std::f32::consts::TAU;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lanyard_media::audio::sinks::Null;
use lanyard_media::audio::sources::{Silence, Tone};
use lanyard_media::{AudioIn, AudioOut, BLOCK, Block, Trouble, devices};

use together::tone_level;
use together::wire::{start, two_wires};

/// The test in its own process, which finds the server by its environment.
#[test]
fn what_is_played_is_heard_and_a_server_that_dies_is_missed_and_used_again() {
    with_server("what_is_played_is_heard_and_a_server_that_dies_is_missed_and_used_again", inside);
}

/// A figure, not a check: it depends on what else the machine does. Needs `pacat` (pulseaudio-utils).
#[test]
#[ignore = "takes half a minute, and says how long a word takes here"]
fn from_one_mouth_to_the_other_ear() {
    with_server("from_one_mouth_to_the_other_ear", mouth_to_ear);
}

fn with_server(name: &str, inside: impl Fn(&Path)) {
    if let Some(folder) = std::env::var_os(FOLDER) {
        inside(Path::new(&folder));
        return;
    }
    if Command::new("pulseaudio").arg("--version").stdout(Stdio::null()).status().is_err() {
        println!("skipped: there is no pulseaudio on this machine");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let test = std::env::current_exe().unwrap();
    let status = Command::new(test)
        .args(["--exact", name, "--nocapture", "--include-ignored"])
        .env(FOLDER, folder.path())
        .env("PULSE_SERVER", format!("unix:{}", socket(folder.path())))
        .env("XDG_RUNTIME_DIR", folder.path())
        .env("HOME", folder.path())
        .env_remove("PULSE_COOKIE")
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
}

fn inside(folder: &Path) {
    let server = Server::start(folder);
    let listed = devices::list().unwrap();
    println!("{listed:?}");
    assert_eq!(listed.speakers.len(), 2, "{listed:?}");
    assert!(listed.speakers.iter().any(|device| device.name == "Loop" && device.is_default), "{listed:?}");
    // The monitor is the system's microphone here; that of the other sink is nobody's.
    assert!(listed.microphones.len() == 1 && listed.microphones[0].is_default, "{listed:?}");

    let mut microphone = devices::microphone(None);
    let mut speaker = devices::speaker(Some("Loop".to_owned()));
    // A sink of this kind begins with a silence of two seconds, whoever opens it.
    until_heard(microphone.as_mut(), speaker.as_mut());
    let heard = pass(microphone.as_mut(), speaker.as_mut(), 2);
    assert_eq!((microphone.trouble(), speaker.trouble()), (None, None));
    assert!(heard.len() > 90_000, "{} samples of 96,000 came", heard.len());
    let level = usual_level(&heard);
    assert!((level + 9.0).abs() < 1.5, "the tone is heard at {level} dB");

    drop(server);
    until_trouble(microphone.as_mut(), speaker.as_mut());
    let server = Server::start(folder);
    until_heard(microphone.as_mut(), speaker.as_mut());
    drop((microphone, speaker));

    let unknown = devices::microphone(Some("nothing".to_owned()));
    let deadline = Instant::now() + Duration::from_secs(10);
    while unknown.trouble() != Some(Trouble::NoSuchMicrophone("nothing".to_owned())) {
        assert!(Instant::now() < deadline, "{:?}", unknown.trouble());
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(server);
}

/// A burst is played into what the first's microphone hears, and is looked for in what the second's loudspeaker plays. Both
/// are read from monitors of the same kind, so what reading takes is in neither.
fn mouth_to_ear(folder: &Path) {
    let server = Server::start(folder);
    let [first_wire, second_wire] = two_wires();
    let spoken = Arc::new(Mutex::new(Vec::new()));
    let microphone = Noting { inner: devices::microphone(None), loud: false, times: spoken.clone() };
    let first = start(0, first_wire, Box::new(microphone), Box::new(Null::default()));
    let speaker = devices::speaker(Some("Other".to_owned()));
    let second = start(1, second_wire, Box::new(Silence::default()), speaker);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let monitor = devices::microphone(Some("Monitor of Other".to_owned()));
    let mut monitor = Noting { inner: monitor, loud: false, times: heard.clone() };

    // Syllables of many tones, 200 ms each, every second.
    let samples = (0..25 * 48_000).map(|at| {
        let time = at as f32 / 48_000.0;
        let wave: f32 = (1..9).map(|n| (TAU * 170.0 * n as f32 * time).sin() / n as f32).sum();
        if at % 48_000 < 9_600 { 0.4 * wave } else { 0.0 }
    });
    let raw = folder.join("bursts.raw");
    std::fs::write(&raw, samples.flat_map(f32::to_le_bytes).collect::<Vec<u8>>()).unwrap();
    let mut player = Command::new("pacat");
    player.args(["--playback", "-d", "loop", "--raw", "--format=float32le", "--rate=48000", "--channels=1"]);
    let mut player = player.arg("--latency-msec=20").arg(raw).spawn().unwrap();
    let (begun, mut block) = (Instant::now(), [0.0; BLOCK]);
    while begun.elapsed() < Duration::from_secs(24) {
        while monitor.read(begun.elapsed(), &mut block) {}
        std::thread::sleep(Duration::from_millis(1));
    }
    let _ = player.kill();
    let _ = player.wait();
    let (spoken, heard) = (spoken.lock().unwrap().clone(), heard.lock().unwrap().clone());
    let delay = |from: &Instant| heard.iter().find(|at| *at > from).map(|at| (*at - *from).as_millis());
    println!("from mouth to ear, in ms: {:?}", spoken.iter().filter_map(delay).collect::<Vec<_>>());
    println!("{:?}", second.report());
    println!("{:?}, {:?}", first.report().me, first.report().trouble);
    drop((first, second, monitor));
    drop(server);
}

/// A microphone that notes when bursts begin.
struct Noting {
    inner: Box<dyn AudioIn>,
    loud: bool,
    times: Arc<Mutex<Vec<Instant>>>,
}

impl AudioIn for Noting {
    fn read(&mut self, now: Duration, block: &mut Block) -> bool {
        let is_there = self.inner.read(now, block);
        if is_there {
            let loud = block.iter().any(|sample| sample.abs() > 0.05);
            if loud && !self.loud {
                self.times.lock().unwrap().push(Instant::now());
            }
            // Between the periods of a burst nothing is quiet for so long.
            self.loud = loud;
        }
        is_there
    }

    fn is_live(&self) -> bool {
        self.inner.is_live()
    }

    fn trouble(&self) -> Option<Trouble> {
        self.inner.trouble()
    }
}

/// Plays a tone for so many seconds, and gives what is heard meanwhile.
fn pass(microphone: &mut dyn AudioIn, speaker: &mut dyn AudioOut, seconds: u64) -> Vec<f32> {
    let begun = Instant::now();
    let mut tone = Tone::new(1_000.0, 0.5);
    let (mut block, mut heard, mut spoken) = ([0.0; BLOCK], Vec::new(), Duration::ZERO);
    while begun.elapsed() < Duration::from_secs(seconds) {
        for _ in 0..speaker.wanted(begun.elapsed()) {
            // As much of the tone as is wanted, whatever the time.
            tone.read(spoken, &mut block);
            spoken += Duration::from_millis(10);
            speaker.write(&block);
        }
        while microphone.read(begun.elapsed(), &mut block) {
            heard.extend(block);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    heard
}

fn until_heard(microphone: &mut dyn AudioIn, speaker: &mut dyn AudioOut) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let heard = pass(microphone, speaker, 1);
        if heard.len() > 40_000 && usual_level(&heard[heard.len() - 24_000..]) > -12.0 {
            return;
        }
        assert!(Instant::now() < deadline, "{:?}, {:?}", microphone.trouble(), speaker.trouble());
    }
}

/// Of the tone, in the middle one of windows of 50 ms: this thread may come too late now and then, which breaks the tone.
fn usual_level(heard: &[f32]) -> f32 {
    let mut levels: Vec<f32> = heard.chunks_exact(2_400).map(|part| tone_level(part, 1_000.0)).collect();
    levels.sort_by(f32::total_cmp);
    levels[levels.len() / 2]
}

fn until_trouble(microphone: &mut dyn AudioIn, speaker: &mut dyn AudioOut) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while microphone.trouble().is_none() || speaker.trouble().is_none() {
        assert!(Instant::now() < deadline, "{:?}, {:?}", microphone.trouble(), speaker.trouble());
        pass(microphone, speaker, 1);
    }
    println!("{}; {}", microphone.trouble().unwrap(), speaker.trouble().unwrap());
}

/// PulseAudio without hardware, in a folder.
struct Server {
    process: Child,
}

impl Server {
    fn start(folder: &Path) -> Server {
        let script = format!(
            "load-module module-native-protocol-unix socket={} auth-anonymous=1\n\
             load-module module-null-sink sink_name=loop rate=48000 sink_properties=device.description=Loop\n\
             load-module module-null-sink sink_name=other rate=48000 sink_properties=device.description=Other\n\
             set-default-sink loop\n\
             set-default-source loop.monitor\n",
            socket(folder)
        );
        let path = folder.join("pulse.pa");
        std::fs::write(&path, script).unwrap();
        // A server that was killed leaves these, and the next would not start.
        let _ = std::fs::remove_file(socket(folder));
        let mut process = Command::new("pulseaudio");
        process.args([
            "-n",
            "--daemonize=no",
            "--use-pid-file=no",
            "--exit-idle-time=-1",
            "--disable-shm=yes",
            "-F",
        ]);
        let log = std::fs::File::create(folder.join("pulse.log")).unwrap();
        let process = process.arg(path).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while !devices::list().is_ok_and(|devices| devices.speakers.len() == 2) {
            let log = || std::fs::read_to_string(folder.join("pulse.log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "the server does not start: {}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
        Server { process }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn socket(folder: &Path) -> String {
    folder.join("native").display().to_string()
}

const FOLDER: &str = "LANYARD_TEST_PULSE";
