//! A display without a screen, and the hands of a person at it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use x11rb::protocol::xproto::{ClientMessageEvent, ConnectionExt as _, EventMask, InputFocus};

use crate::window::group::Group;

/// A display of its own. Without a window manager: windows stand at its corner and get the keys they are given.
pub struct Display {
    name: String,
    _server: Group,
}

impl Display {
    /// # Panics
    /// When no display can be made.
    pub(super) fn start() -> Display {
        let mut xvfb = Command::new("Xvfb");
        xvfb.args(["-displayfd", "1", "-screen", "0", SCREEN, "-nolisten", "tcp"]);
        let mut server = Group::start(xvfb.stderr(std::process::Stdio::null()));
        let mut number = String::new();
        BufReader::new(server.output()).read_line(&mut number).expect("Xvfb says its number");
        assert!(!number.trim().is_empty(), "Xvfb does not start");
        Display { name: format!(":{}", number.trim()), _server: server }
    }

    /// What DISPLAY is to be.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Takes a picture of all of it; `false` if that is not possible.
    pub fn shoot(&self, path: &Path) -> bool {
        let mut import = self.command("import");
        import.args(["-window", "root"]).arg(path).status().is_ok_and(|status| status.success())
    }

    /// Drags a file from beside the window to a place in it, and lets go.
    ///
    /// # Panics
    /// When there is nothing to drag from.
    pub fn drag(&self, file: &Path, (to_x, to_y): (i32, i32)) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("dnd_source.py");
        // The system's own Python: only that one has the bindings that its package manager installed.
        let mut python = self.command("/usr/bin/python3");
        python.arg(script).args([SOURCE.0.to_string(), SOURCE.1.to_string()]).arg(file);
        let mut source = Group::start(&mut python);
        let mut shown = String::new();
        BufReader::new(source.output()).read_line(&mut shown).expect("the source says that it is shown");
        assert_eq!(shown.trim(), "shown", "there is nothing to drag from");
        let (from_x, from_y) = (SOURCE.0 + 60, SOURCE.1 + 60);
        // As a hand does it: programs under the pointer have to notice it pass, and GTK asks them one by one.
        let mut words: Vec<String> = Vec::new();
        let mut say = |more: &[&str]| words.extend(more.iter().map(|word| (*word).to_owned()));
        say(&["mousemove", &from_x.to_string(), &from_y.to_string(), "sleep", "0.2", "mousedown", "1"]);
        for step in 1..=DRAG_STEPS {
            let between = |from: i32, to: i32| (from + (to - from) * step / DRAG_STEPS).to_string();
            say(&["mousemove", &between(from_x, to_x), &between(from_y, to_y), "sleep", "0.02"]);
        }
        say(&["sleep", "0.5", "mouseup", "1", "sleep", "0.5"]);
        self.xdotool(&words.iter().map(String::as_str).collect::<Vec<_>>());
    }

    /// Chooses a file in the native picker that has just been opened.
    ///
    /// # Panics
    /// When no picker opens.
    pub fn pick(&self, file: &Path) {
        let deadline = Instant::now() + Duration::from_secs(20);
        let picker = loop {
            if let Some(picker) = self.picker() {
                break picker;
            }
            assert!(Instant::now() < deadline, "no picker opens");
            std::thread::sleep(Duration::from_millis(100));
        };
        let path = file.to_str().expect("the tests' own paths are text");
        // The first stroke turns the list of files into a line to type in, and the ones right after it get lost.
        self.xdotool(&["windowfocus", "--sync", &picker, "key", "slash", "sleep", "0.5", "key", "ctrl+a"]);
        self.xdotool(&["type", "--delay", "30", path]);
        self.xdotool(&["sleep", "0.3", "key", "Return"]);
    }

    /// Closes the program's window by its corner, as a person does.
    ///
    /// # Panics
    /// When there is none on the screen.
    pub fn close(&self) {
        let window = self.main().expect("the window is on the screen");
        let ask = || -> Result<(), Box<dyn std::error::Error>> {
            let (display, _) = x11rb::connect(Some(&self.name))?;
            let atom = |name: &str| {
                Ok::<_, Box<dyn std::error::Error>>(
                    display.intern_atom(false, name.as_bytes())?.reply()?.atom,
                )
            };
            let data = [atom("WM_DELETE_WINDOW")?, x11rb::CURRENT_TIME, 0, 0, 0];
            let event = ClientMessageEvent::new(32, window, atom("WM_PROTOCOLS")?, data);
            display.send_event(false, window, EventMask::NO_EVENT, event)?.check()?;
            Ok(())
        };
        ask().expect("the display takes messages");
    }

    /// Makes the program's window so large.
    ///
    /// # Panics
    /// When there is none on the screen.
    pub fn resize(&self, width: u32, height: u32) {
        let window = self.main().expect("the window is on the screen").to_string();
        self.xdotool(&["windowsize", &window, &width.to_string(), &height.to_string()]);
    }

    /// Lets the program's window have what is typed.
    ///
    /// # Panics
    /// When there is none on the screen.
    pub fn focus(&self) {
        let window = self.main().expect("the window is on the screen").to_string();
        self.xdotool(&["windowfocus", "--sync", &window]);
    }

    /// Takes what is typed away from the program's window.
    ///
    /// # Panics
    /// When the display does not let us.
    pub fn blur(&self) {
        let ask = || -> Result<(), Box<dyn std::error::Error>> {
            let (display, _) = x11rb::connect(Some(&self.name))?;
            display.set_input_focus(InputFocus::NONE, x11rb::NONE, x11rb::CURRENT_TIME)?.check()?;
            Ok(())
        };
        ask().expect("the display takes messages");
    }

    /// Whether the program's window is on the screen.
    pub fn shows_window(&self) -> bool {
        self.main().is_some()
    }

    /// The program's main window, if it can be seen.
    fn main(&self) -> Option<u32> {
        let words = ["search", "--onlyvisible", "--class", "lanyard-desktop"];
        let found = self.command("xdotool").args(words).output();
        let found = String::from_utf8(found.ok()?.stdout).ok()?;
        found.lines().filter_map(|id| id.parse().ok()).next()
    }

    /// The newest visible window of the program that is not the main one.
    fn picker(&self) -> Option<String> {
        let found =
            self.command("xdotool").args(["search", "--onlyvisible", "--class", "lanyard-desktop"]).output();
        let found = String::from_utf8(found.ok()?.stdout).ok()?;
        found.lines().map(str::to_owned).find(|id| {
            let name = self.command("xdotool").args(["getwindowname", id]).output();
            name.is_ok_and(|name| String::from_utf8_lossy(&name.stdout).trim() != "Lanyard")
        })
    }

    fn xdotool(&self, words: &[&str]) {
        let status = self.command("xdotool").args(words).status().expect("xdotool runs");
        assert!(status.success(), "xdotool {words:?}: {status}");
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("DISPLAY", &self.name).env("NO_AT_BRIDGE", "1");
        command
    }
}

/// Wide enough for the window and a place beside it to drag from.
const SCREEN: &str = "1400x900x24";

/// Where files are dragged from, right of the window.
const SOURCE: (i32, i32) = (1180, 40);

const DRAG_STEPS: i32 = 30;
