//! The rest of a desktop: a session bus that nobody else is on, somebody who shows notifications, and a tray.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::window::group::Group;

/// One desktop. It ends with it.
pub struct Desktop {
    address: String,
    seen: Arc<Mutex<Value>>,
    answers: mpsc::Receiver<Value>,
    hands: Mutex<ChildStdin>,
    // Before the bus that they are on.
    _others: Group,
    _bus: Group,
    _folder: TempDir,
}

/// A notification on the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    id: u64,
    pub title: String,
    /// As it reads, without markup.
    pub body: String,
}

impl Desktop {
    /// A desktop without a tray.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn start() -> Desktop {
        Desktop::of(&[])
    }

    /// A desktop with a tray.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn with_tray() -> Desktop {
        Desktop::of(&["--tray"])
    }

    fn of(words: &[&str]) -> Desktop {
        let folder = tempfile::tempdir().expect("a folder for the bus");
        let (bus, address) = bus(folder.path());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("desktop.py");
        // The system's own Python: only that one has the bindings that its package manager installed.
        let mut python = Command::new("/usr/bin/python3");
        python.arg(script).args(words).env("DBUS_SESSION_BUS_ADDRESS", &address);
        let mut others = Group::listening(&mut python);
        let hands = Mutex::new(others.input());
        let mut lines = BufReader::new(others.output());
        let mut first = String::new();
        lines.read_line(&mut first).expect("the desktop says what is seen");
        let first = serde_json::from_str(&first).expect("the desktop says what is seen");
        let seen = Arc::new(Mutex::new(first));
        let (tell, answers) = mpsc::channel();
        let told = seen.clone();
        std::thread::spawn(move || read(lines, &told, &tell));
        Desktop { address, seen, answers, hands, _others: others, _bus: bus, _folder: folder }
    }

    /// What DBUS_SESSION_BUS_ADDRESS is to be.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What is on the screen, oldest first.
    pub fn notifications(&self) -> Vec<Notification> {
        let seen = self.seen("notifications");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let shown = seen.as_array().into_iter().flatten().map(|shown| Notification {
            id: shown["id"].as_u64().unwrap_or_default(),
            title: text(&shown["title"]),
            body: text(&shown["body"]),
        });
        shown.collect()
    }

    /// How often something was put on the screen so far, in place of something or not.
    pub fn shown(&self) -> u64 {
        self.seen("shown").as_u64().unwrap_or_default()
    }

    /// Clicks on a notification; it goes by that.
    pub fn click(&self, notification: &Notification) {
        self.act(&json!(["click", notification.id]));
    }

    /// Whether the program has an icon in the tray.
    pub fn has_icon(&self) -> bool {
        self.seen("icon") == true
    }

    /// What the icon says to whoever points at it.
    pub fn tip(&self) -> String {
        self.ask("tip").as_str().unwrap_or_default().to_owned()
    }

    /// The bytes of the icon.
    pub fn icon(&self) -> String {
        self.ask("icon").as_str().unwrap_or_default().to_owned()
    }

    /// The words of the icon's menu.
    pub fn menu(&self) -> Value {
        self.ask("menu")
    }

    /// Chooses from the icon's menu.
    pub fn choose(&self, label: &str) {
        self.act(&json!(["choose", label]));
    }

    /// The tray goes, as when its desktop is restarted without one.
    pub fn lose_tray(&self) {
        self.act(&json!(["lose-tray"]));
    }

    fn seen(&self, what: &str) -> Value {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)[what].clone()
    }

    fn ask(&self, what: &str) -> Value {
        self.act(&json!([what]));
        self.answers.recv_timeout(PATIENCE).expect("the desktop answers")
    }

    fn act(&self, act: &Value) {
        let mut hands = self.hands.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(hands, "{act}").expect("the desktop is there");
    }
}

/// A bus, and its address. Without folders of services: nothing of this machine's own is started.
fn bus(folder: &Path) -> (Group, String) {
    let config = folder.join("session.conf");
    let words = format!(
        r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
        "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
        <busconfig><type>session</type><listen>unix:path={}/bus</listen><policy context="default">
        <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
        </policy></busconfig>"#,
        folder.display()
    );
    std::fs::write(&config, words).expect("room for the bus's configuration");
    let mut daemon = Command::new("dbus-daemon");
    daemon.arg("--nofork").arg("--print-address").arg(format!("--config-file={}", config.display()));
    let mut bus = Group::start(&mut daemon);
    let mut address = String::new();
    BufReader::new(bus.output()).read_line(&mut address).expect("the bus says its address");
    assert!(!address.trim().is_empty(), "dbus-daemon does not start");
    (bus, address.trim().to_owned())
}

fn read(lines: BufReader<ChildStdout>, seen: &Mutex<Value>, answers: &mpsc::Sender<Value>) {
    for line in lines.lines().map_while(Result::ok) {
        let Ok(mut told) = serde_json::from_str::<Value>(&line) else { continue };
        match told.get_mut("answer").map(Value::take) {
            // An error only says that nobody waits for it any more.
            Some(answer) => drop(answers.send(answer)),
            None => *seen.lock().unwrap_or_else(PoisonError::into_inner) = told,
        }
    }
}

/// How long a desktop may take, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(20);
